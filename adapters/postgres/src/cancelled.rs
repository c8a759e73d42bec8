//! That calls which are dropped leave no transaction in the pool, and that one which did would be
//! found out.

#[path = "../../sql/tests/shared/cancelled.rs"]
mod shared;

use crate::{driver::PostgresDriver, options::PostgresOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_leave_nothing() {
    let server = portproof_database::postgres().await.unwrap();
    let url = server.fresh_database().await.unwrap();
    let options = PostgresOptions::new(&url).pool_size(1);
    options.clone().connect().await.unwrap();
    let driver = async |patience| {
        let options = options.clone().statement_timeout(patience);
        let (target, _) = options.target().unwrap();
        PostgresDriver(options.pool(target))
    };
    shared::cancelled_calls_leave_nothing(driver).await;
}
