//! What can be chosen about a file.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use portproof_sql::{Database, KeystoreCost, KeystorePassword, Limits, Pooled, Sealing, migrate};
use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::{
    SqliteAdapter,
    driver::{SqliteBackend, SqliteDriver},
    errors::{ConnectError, connect_error, failure},
};

/// How many statements a connection keeps prepared: more than the stores have.
const PREPARED: usize = 512;

/// When a commit is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// Before it is answered: it survives a loss of power.
    Full,
    /// It survives a crash of the process; after a loss of power the last ones may be missing, and
    /// what is there is whole.
    Normal,
    /// Whenever the system likes: for tests.
    Off,
}

/// What can be chosen about an adapter before it opens; made by [`SqliteAdapter::options`].
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    path: PathBuf,
    readers: u16,
    synchronous: Synchronous,
    statement_timeout: Duration,
    busy_timeout: Duration,
    acquire_timeout: Duration,
    migrate: bool,
    keystore_password: Option<KeystorePassword>,
    previous_keystore_password: Option<KeystorePassword>,
    keystore_cost: KeystoreCost,
}

impl SqliteOptions {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            readers: 4,
            synchronous: Synchronous::Normal,
            statement_timeout: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(10),
            migrate: true,
            keystore_password: None,
            previous_keystore_password: None,
            keystore_cost: KeystoreCost::Recommended,
        }
    }

    /// The most connections that read, 1 to 1000; 4 unless said otherwise. One more writes.
    #[must_use]
    pub const fn readers(mut self, connections: u16) -> Self {
        self.readers = connections;
        self
    }

    /// When a commit is on the disk; [`Synchronous::Normal`] unless said otherwise.
    #[must_use]
    pub const fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// How long a statement may take; 30 seconds unless said otherwise. One that was not done by then
    /// is given the [`busy_timeout`](Self::busy_timeout) on top, and then its connection is taken for
    /// lost and closed: what it wrote without having committed is undone.
    #[must_use]
    pub const fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How long a statement waits for another process's lock, before it is tried again; 5 seconds
    /// unless said otherwise.
    #[must_use]
    pub const fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How long a call waits for a connection to become free; 10 seconds unless said otherwise.
    #[must_use]
    pub const fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Whether [`open`](Self::open) migrates the schema, which it does unless said otherwise.
    /// Without it the schema must be there: see [`SqliteAdapter::migrate`].
    #[must_use]
    pub const fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// The password that private keys are sealed with. Without it there is no keystore port.
    #[must_use]
    pub fn keystore_password(mut self, password: impl Into<String>) -> Self {
        self.keystore_password = Some(KeystorePassword::new(password));
        self
    }

    /// The password that private keys were sealed with before. Keys that still are can be read,
    /// until [`KeyStore::reseal`](portproof_ports::KeyStore::reseal) seals them with the present one.
    #[must_use]
    pub fn previous_keystore_password(mut self, password: impl Into<String>) -> Self {
        self.previous_keystore_password = Some(KeystorePassword::new(password));
        self
    }

    /// What it costs to make a key of the password, where none was stored yet;
    /// [`KeystoreCost::Recommended`] unless said otherwise.
    #[must_use]
    pub const fn keystore_cost(mut self, cost: KeystoreCost) -> Self {
        self.keystore_cost = cost;
        self
    }

    /// Opens the file, which is created when it is missing, migrates the schema, and wires every
    /// port.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn open(self) -> Result<SqliteAdapter, ConnectError> {
        let database = Database::new(self.backend().await?);
        if self.migrate {
            migrate(&database, None).await?;
        }
        let sealing = match &self.keystore_password {
            None => None,
            Some(password) => {
                let previous = self.previous_keystore_password.as_ref();
                Some(Sealing::connect(&database, password, previous, self.keystore_cost).await?)
            }
        };
        Ok(SqliteAdapter {
            ports: portproof_sql::ports(&database, sealing.as_ref()),
            database,
        })
    }

    /// The connections to the file; the one that writes is open.
    pub(crate) async fn backend(&self) -> Result<SqliteBackend, ConnectError> {
        let (reading, writing) = self.drivers()?;
        let path = self.path.display().to_string();
        let first = first(&writing.options, &path).await?;
        Ok(SqliteBackend {
            readers: Pooled::new(reading),
            writer: Pooled::new(writing).with(first),
        })
    }

    /// How to read the file, and how to write it.
    pub(crate) fn drivers(&self) -> Result<(SqliteDriver, SqliteDriver), ConnectError> {
        self.check()?;
        let path = file(&self.path)?;
        let reading = SqliteConnectOptions::new()
            // Absolute, so that SQLite does not take it for a URI or for a name of its own.
            .filename(&path)
            .foreign_keys(true)
            .busy_timeout(self.busy_timeout)
            .statement_cache_capacity(PREPARED)
            .disable_statement_logging();
        let writing = reading
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match self.synchronous {
                Synchronous::Full => SqliteSynchronous::Full,
                Synchronous::Normal => SqliteSynchronous::Normal,
                Synchronous::Off => SqliteSynchronous::Off,
            });
        let reading = reading.pragma("query_only", "on");
        Ok((self.driver(self.readers, reading), self.driver(1, writing)))
    }

    const fn driver(&self, connections: u16, options: SqliteConnectOptions) -> SqliteDriver {
        SqliteDriver {
            options,
            limits: Limits {
                connections,
                acquire: self.acquire_timeout,
                answer: self.statement_timeout.saturating_add(self.busy_timeout),
            },
        }
    }

    fn check(&self) -> Result<(), ConnectError> {
        let out_of_bounds = |option, problem| Err(ConnectError::Option { option, problem });
        if !(1..=1000).contains(&self.readers) {
            return out_of_bounds("readers", "is outside 1 to 1000");
        }
        let longest = Duration::from_secs(86_400);
        if self.busy_timeout > longest {
            return out_of_bounds("busy_timeout", "is longer than a day");
        }
        for (option, timeout) in [
            ("statement_timeout", self.statement_timeout),
            ("acquire_timeout", self.acquire_timeout),
        ] {
            if timeout < Duration::from_millis(1) || timeout > longest {
                return out_of_bounds(option, "is outside a millisecond to a day");
            }
        }
        if self.previous_keystore_password.is_some() && self.keystore_password.is_none() {
            return out_of_bounds(
                "previous_keystore_password",
                "is of no use without a present one",
            );
        }
        Ok(())
    }
}

/// The absolute path of a file that is a database, or could become one.
fn file(path: &Path) -> Result<PathBuf, ConnectError> {
    let refused = |problem| ConnectError::Path {
        path: path.display().to_string(),
        problem,
    };
    if path.to_str().is_none_or(|text| text.contains('\0')) {
        return Err(refused(
            "is not a path that SQLite can open: it is not UTF-8, or has a NUL",
        ));
    }
    if path.as_os_str().is_empty() {
        return Err(refused("the path is empty"));
    }
    // Each connection would get a database of its own.
    if path.as_os_str() == ":memory:" {
        return Err(refused(
            "a database in memory is none that connections share: use a file",
        ));
    }
    let absolute = std::path::absolute(path).map_err(|_| refused("is not a path"))?;
    if absolute.is_dir() {
        return Err(refused("is a directory: name a file in it"));
    }
    if !absolute.parent().is_some_and(Path::is_dir) {
        return Err(refused("its directory does not exist: create it first"));
    }
    Ok(absolute)
}

/// The first connection: what is wrong with it is for a person to read.
async fn first(
    options: &SqliteConnectOptions,
    path: &str,
) -> Result<SqliteConnection, ConnectError> {
    let error = |error| connect_error(&error, path);
    let began = Instant::now();
    let mut connection = loop {
        match options.connect().await {
            // Switching to the write-ahead log waits for nobody: others may be switching, too.
            Err(error)
                if matches!(failure(&error), portproof_sql::Failure::Conflict)
                    && began.elapsed() < Duration::from_secs(10) =>
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            connected => break connected.map_err(error)?,
        }
    };
    let found: String = sqlx::query_scalar("PRAGMA encoding")
        .fetch_one(&mut connection)
        .await
        .map_err(error)?;
    if found != "UTF-8" {
        let path = path.to_owned();
        return Err(ConnectError::Encoding { path, found });
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_and_named() {
        let options = SqliteOptions::new(Path::new("a.db"));
        assert!(options.check().is_ok());
        assert_eq!(
            options.readers(0).check(),
            Err(ConnectError::Option {
                option: "readers",
                problem: "is outside 1 to 1000"
            })
        );
        let options = SqliteOptions::new(Path::new("a.db"));
        assert_eq!(
            options.statement_timeout(Duration::ZERO).check(),
            Err(ConnectError::Option {
                option: "statement_timeout",
                problem: "is outside a millisecond to a day"
            })
        );
    }

    #[test]
    fn a_path_is_never_a_uri_or_a_name_of_sqlites_own() {
        for path in ["", ":memory:", "no such directory/a.db", "/", "."] {
            let error = file(Path::new(path)).unwrap_err();
            assert!(matches!(error, ConnectError::Path { .. }), "{path}");
        }
        assert!(file(Path::new("file:a?mode=memory")).unwrap().is_absolute());
    }
}
