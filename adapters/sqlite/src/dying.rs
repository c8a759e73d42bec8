//! That a process which dies while it migrates leaves neither a lock nor a half.

#[path = "../../sql/tests/shared/dying.rs"]
mod shared;

use std::path::Path;

use portproof_sql::{Database, Pooled, migrate};

use crate::options::{SqliteOptions, Synchronous};

fn options(file: &Path) -> SqliteOptions {
    SqliteOptions::new(file).synchronous(Synchronous::Off)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_dies_is_made_by_the_next() {
    if let Some(path) = shared::place() {
        let options = options(Path::new(&path));
        let (_, writing) = options.drivers().unwrap();
        let dying = Pooled::new(shared::Dying(writing));
        migrate(&Database::new(dying), None).await.unwrap();
        return;
    }
    let name = format!("portproof-dying-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let runtime = tokio::runtime::Handle::current();
    let lives = |life| {
        let file = directory.join(format!("{life}.db"));
        let test = "dying::a_migration_that_dies_is_made_by_the_next";
        let died = shared::migrating(test, file.to_str().unwrap(), life);
        runtime.block_on(async {
            let ports = options(&file).open().await.unwrap().ports();
            ports.session.unwrap().ready().await.unwrap();
        });
        died
    };
    let life = tokio::task::block_in_place(|| shared::until_one_survives(lives));
    assert!(life > 20, "it died at {life} places only");
    std::fs::remove_dir_all(&directory).unwrap();
}
