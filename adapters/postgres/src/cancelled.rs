//! That calls which are dropped leave no transaction in the pool, and that one which did would be
//! found out.

#[path = "../../sql/tests/shared/cancelled.rs"]
mod shared;

use std::time::Duration;

use portproof_database::Server;

use crate::{driver::PostgresDriver, options::PostgresOptions};

/// A driver for one connection, which lets statements wait for locks for so long.
fn driver(options: &PostgresOptions, patience: Duration) -> PostgresDriver {
    let options = options.clone().statement_timeout(patience);
    let (target, _) = options.target().unwrap();
    options.driver(target)
}

/// A database with the schema, and the server that it is on.
async fn migrated() -> (PostgresOptions, Server) {
    let server = portproof_database::postgres().await.unwrap();
    let url = server.fresh_database().await.unwrap();
    let options = PostgresOptions::new(&url).pool_size(1);
    options.clone().connect().await.unwrap();
    (options, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_leave_nothing() {
    let (options, _server) = migrated().await;
    // Tenants keep the rules apart.
    shared::cancelled_calls_leave_nothing(async |_, patience| driver(&options, patience)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_reseal_is_whole() {
    let (options, _server) = migrated().await;
    shared::a_cancelled_reseal_is_whole(async |patience| driver(&options, patience)).await;
}
