//! That calls which are dropped leave no transaction in the pool, and that one which did would be
//! found out.

#[path = "../../sql/tests/shared/cancelled.rs"]
mod shared;

use crate::options::SqliteOptions;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_leave_nothing() {
    let name = format!("portproof-cancelled-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let options = SqliteOptions::new(&directory.join("auth.db"));
    options.clone().open().await.unwrap();
    let driver = async |patience| {
        let (_first, backend) = options
            .clone()
            .busy_timeout(patience)
            .backend()
            .await
            .unwrap();
        backend.writer.0
    };
    shared::cancelled_calls_leave_nothing(driver).await;
    std::fs::remove_dir_all(&directory).unwrap();
}
