//! That a process which dies while it migrates leaves neither a lock nor a half.

#[path = "../../sql/tests/shared/dying.rs"]
mod shared;

use std::path::Path;

use portproof_sql::{Database, Pooled, migrate};

use crate::options::SqliteOptions;

#[tokio::test]
async fn a_migration_that_dies_is_made_by_the_next() {
    if let Some(path) = shared::place() {
        let options = SqliteOptions::new(Path::new(&path));
        let (_, writing) = options.drivers().unwrap();
        let dying = Pooled::new(shared::Dying(writing));
        migrate(&Database::new(dying), None).await.unwrap();
        return;
    }
    let name = format!("portproof-dying-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let mut life = 0;
    loop {
        let file = directory.join(format!("{life}.db"));
        let test = "dying::a_migration_that_dies_is_made_by_the_next";
        let died = shared::migrating(test, file.to_str().unwrap(), life);
        let ports = SqliteOptions::new(&file).open().await.unwrap().ports();
        ports.session.unwrap().ready().await.unwrap();
        if !died {
            break;
        }
        life += 1;
    }
    assert!(life > 20, "it died at {life} places only");
    std::fs::remove_dir_all(&directory).unwrap();
}
