//! Portproof adapter for SQLite: every port, in one file.
//!
//! ```no_run
//! use portproof_sqlite::SqliteAdapter;
//!
//! # async fn open() -> Result<(), portproof_sqlite::ConnectError> {
//! let adapter = SqliteAdapter::options("/var/lib/auth/auth.db")
//!     .keystore_password("kept elsewhere")
//!     .open()
//!     .await?;
//! let sessions = adapter.ports().session;
//! # Ok(())
//! # }
//! ```
//!
//! Opening migrates: it creates the file and its tables, or brings them to the version that this
//! crate knows. Any number of processes may do so at once, and use the file together.
//!
//! The file has a write-ahead log: readers and the writer do not wait for each other. Instants are
//! microseconds since 1970, documents JSON texts, and texts compare as bytes. Private keys rest sealed
//! with a key that is made of the keystore password; without one there is no keystore port.

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

use std::path::Path;

use portproof_ports::Ports;
use portproof_sql::Database;

pub use errors::ConnectError;
pub use options::{SqliteOptions, Synchronous};
pub use portproof_sql::{KeystoreCost, MigrateError, SealingError};

/// An adapter that is open. Clones share its connections.
#[derive(Clone, Debug)]
pub struct SqliteAdapter {
    ports: Ports,
    database: Database,
}

impl SqliteAdapter {
    /// Opens with the usual options, migrates the schema, and wires every port but the keystore,
    /// which needs a [password](SqliteOptions::keystore_password).
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        Self::options(path).open().await
    }

    /// What can be chosen before opening the file at `path`.
    #[must_use]
    pub fn options(path: impl AsRef<Path>) -> SqliteOptions {
        SqliteOptions::new(path.as_ref())
    }

    /// The ports.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.ports.clone()
    }

    /// Brings the schema to the version that this crate knows; does nothing when it is. Needed only
    /// after opening [without it](SqliteOptions::migrate).
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn migrate(&self) -> Result<(), ConnectError> {
        Ok(portproof_sql::migrate(&self.database, None).await?)
    }
}
