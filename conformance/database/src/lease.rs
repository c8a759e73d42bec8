//! The lease: a connection with a shared lock, which ends when its process does, however it does.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::timeout;

/// The advisory lock that users of a server share and its supervisor takes to stop it.
pub(crate) const LEASE: i64 = 0x706f_7274_7072_6f66;

/// A server that does not answer within this time does not answer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// A connection that keeps a server alive.
pub(crate) struct Lease {
    pub(crate) connection: PgConnection,
    /// `server_version_num`, for example 150018.
    pub(crate) version: i32,
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoLease {
    #[error("{0}")]
    Connect(String),
    #[error("the server is stopping")]
    Stopping,
}

/// Takes the lease on a server that has a supervisor.
pub(crate) async fn take(options: &PgConnectOptions) -> Result<Lease, NoLease> {
    let mut connection = connect(options).await.map_err(NoLease::Connect)?;
    let asked: Result<(bool, i32), _> = sqlx::query_as(
        "select pg_try_advisory_lock_shared($1), current_setting('server_version_num')::int",
    )
    .bind(LEASE)
    .fetch_one(&mut connection)
    .await;
    match asked {
        Ok((true, version)) => Ok(Lease {
            connection,
            version,
        }),
        Ok((false, _)) => Err(NoLease::Stopping),
        Err(error) => Err(NoLease::Connect(explain(&error, options))),
    }
}

/// Connects, or says in words what stood in the way.
pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, String> {
    let quiet = options
        .clone()
        .application_name("portproof")
        .disable_statement_logging();
    match timeout(CONNECT_PATIENCE, PgConnection::connect_with(&quiet)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(explain(&error, options)),
        Err(_) => Err(format!(
            "it did not answer within {} seconds",
            CONNECT_PATIENCE.as_secs()
        )),
    }
}

/// The driver's error in words that say what to do.
pub(crate) fn explain(error: &sqlx::Error, options: &PgConnectOptions) -> String {
    let user = options.get_username();
    match error {
        sqlx::Error::Io(error) => {
            format!("nothing answers there ({error}): start the server, or correct host and port")
        }
        sqlx::Error::Tls(error) => format!("TLS failed: {error}"),
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28P01") => {
                format!("it refuses the password of user {user:?}: correct user and password")
            }
            Some("28000") => format!(
                "it does not let user {user:?} in from here ({}): see its pg_hba.conf",
                error.message()
            ),
            Some("3D000") => format!("{}: create it, or correct the name", error.message()),
            Some("42501") => {
                format!(
                    "user {user:?} may not do this ({}): grant it, for example with alter role … createdb",
                    error.message()
                )
            }
            Some("53300") => format!(
                "it has no connection free ({}): raise its max_connections",
                error.message()
            ),
            _ => error.message().into(),
        },
        other => other.to_string(),
    }
}
