//! Where the tests' server comes from: one place to change.

use std::env::VarError;

/// The URL of a server on which these tests may create roles, databases and schemas.
pub(crate) async fn postgres() -> Result<String, VarError> {
    std::env::var("PORTPROOF_POSTGRES_URL")
}
