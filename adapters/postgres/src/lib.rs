//! Portproof adapter for PostgreSQL: every port, in one schema of one database.
//!
//! ```no_run
//! use portproof_postgres::PostgresAdapter;
//!
//! # async fn connect() -> Result<(), portproof_postgres::ConnectError> {
//! let adapter = PostgresAdapter::options("postgres://auth:secret@localhost/auth")
//!     .keystore_password("kept elsewhere")
//!     .connect()
//!     .await?;
//! let sessions = adapter.ports().session;
//! # Ok(())
//! # }
//! ```
//!
//! Connecting migrates: it creates the schema (`portproof`) and its tables, or brings them to the
//! version that this crate knows. Any number of processes may do so at once.
//!
//! Schema, timeouts and prepared statements belong to a connection. A pooler between this adapter and
//! the server must lend its connections for a session at a time, not for a transaction.
//!
//! Instants are `timestamptz`, documents `jsonb`, and texts compare as bytes (`COLLATE "C"`), whatever
//! the database's locale and the session's time zone are. Private keys rest sealed with a key that is
//! made of the keystore password; without one there is no keystore port.

#[cfg(test)]
mod cancelled;
mod driver;
#[cfg(test)]
mod dying;
mod errors;
mod options;
#[cfg(test)]
mod plans;
mod values;

use std::borrow::Cow;

use portproof_ports::Ports;
use portproof_sql::Database;

pub use errors::ConnectError;
pub use options::PostgresOptions;
pub use portproof_sql::{KeystoreCost, MigrateError, SealingError};

/// An adapter that is connected. Clones share its connections.
#[derive(Clone, Debug)]
pub struct PostgresAdapter {
    ports: Ports,
    database: Database,
    before_migration: Cow<'static, str>,
    attempt: errors::Attempt,
}

impl PostgresAdapter {
    /// Connects with the usual options, migrates the schema, and wires every port but the keystore,
    /// which needs a [password](PostgresOptions::keystore_password).
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::options(url).connect().await
    }

    /// What can be chosen before connecting to `url`: `postgres://user:password@host:5432/database`,
    /// with `?sslmode=verify-full` for a connection that is encrypted and checked.
    #[must_use]
    pub fn options(url: &str) -> PostgresOptions {
        PostgresOptions::new(url)
    }

    /// The ports.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.ports.clone()
    }

    /// Brings the schema to the version that this crate knows; does nothing when it is. Needed only
    /// after connecting [without it](PostgresOptions::migrate).
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn migrate(&self) -> Result<(), ConnectError> {
        let before = self.before_migration.clone();
        options::run_migrations(&self.database, before, &self.attempt).await
    }
}
