//! Where the tests' server comes from: one place to change.

use portproof_database::{DatabaseError, Server};
use tokio::sync::OnceCell;

/// The URL of a server on which these tests may create roles, databases and schemas.
///
/// # Errors
///
/// When none can be had: see `portproof_database::postgres`.
pub(crate) async fn postgres() -> Result<String, DatabaseError> {
    // Held for as long as the process: that is what keeps the server alive.
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    let server = SERVER.get_or_try_init(portproof_database::postgres).await?;
    Ok(server.url().to_owned())
}
