//! That calls which are dropped leave no transaction in the pool, and that one which did would be
//! found out.

#[path = "../../sql/tests/shared/cancelled.rs"]
mod shared;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    driver::SqliteDriver,
    options::{SqliteOptions, Synchronous},
};

/// A driver for one connection, which lets statements wait for locks for so long.
fn driver(options: &SqliteOptions, patience: Duration) -> SqliteDriver {
    let (_, writing) = options.clone().busy_timeout(patience).drivers().unwrap();
    writing
}

fn at(file: &Path) -> SqliteOptions {
    SqliteOptions::new(file).synchronous(Synchronous::Off)
}

/// A file with the schema in a directory of its own.
async fn migrated(name: &str) -> (SqliteOptions, PathBuf) {
    let name = format!("portproof-{name}-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let options = at(&directory.join("auth.db"));
    options.clone().open().await.unwrap();
    (options, directory)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_leave_nothing() {
    let (_, directory) = migrated("cancelled").await;
    // A file each: it has one writer, and what leaks in one keeps the others from nothing.
    let files: Vec<_> = (0..=shared::AT_ONCE)
        .map(|number| at(&directory.join(format!("{number}.db"))))
        .collect();
    for file in &files {
        file.clone().open().await.unwrap();
    }
    shared::cancelled_calls_leave_nothing(async |database: usize, patience| {
        driver(&files[database], patience)
    })
    .await;
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_reseal_is_whole() {
    let (options, directory) = migrated("resealed").await;
    shared::a_cancelled_reseal_is_whole(async |patience| driver(&options, patience)).await;
    std::fs::remove_dir_all(&directory).unwrap();
}
