//! That a process which dies while it migrates leaves neither a lock nor a half.

#[path = "../../sql/tests/shared/dying.rs"]
mod shared;

use portproof_sql::{Database, Pooled, migrate};

use crate::options::PostgresOptions;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_dies_is_made_by_the_next() {
    let options = |url: &str, schema: &str| PostgresOptions::new(url).schema(schema).pool_size(1);
    if let Some(place) = shared::place() {
        let (schema, url) = place.split_once(' ').unwrap();
        let options = options(url, schema);
        let driver = options.driver(options.target().unwrap().0);
        let dying = Pooled::new(shared::Dying(driver));
        let before = options.before_migration();
        migrate(&Database::new(dying), Some(before)).await.unwrap();
        return;
    }
    let server = portproof_database::postgres().await.unwrap();
    let url = server.fresh_database().await.unwrap();
    let runtime = tokio::runtime::Handle::current();
    let lives = |life| {
        let schema = format!("dying_{life}");
        let test = "dying::a_migration_that_dies_is_made_by_the_next";
        let died = shared::migrating(test, &format!("{schema} {url}"), life);
        runtime.block_on(async {
            let adapter = options(&url, &schema).connect().await.unwrap();
            adapter.ports().session.unwrap().ready().await.unwrap();
        });
        died
    };
    let life = tokio::task::block_in_place(|| shared::until_one_survives(lives));
    assert!(life > 20, "it died at {life} places only");
}
