//! What can be chosen about a connection.

use std::{borrow::Cow, fmt, path::PathBuf, str::FromStr, time::Duration};

use portproof_sql::{Database, KeystoreCost, KeystorePassword, Limits, Pooled, Sealing, migrate};
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};

use crate::{
    PostgresAdapter,
    driver::PostgresDriver,
    errors::{Attempt, ConnectError, connect_error},
};

/// How many statements a connection keeps prepared: more than the stores have.
const PREPARED: usize = 512;

/// What can be chosen about an adapter before it connects; made by [`PostgresAdapter::options`].
#[derive(Clone)]
pub struct PostgresOptions {
    url: String,
    pool_size: u16,
    schema: String,
    root_certificate: Option<PathBuf>,
    statement_timeout: Duration,
    connect_timeout: Duration,
    acquire_timeout: Duration,
    migrate: bool,
    keystore_password: Option<KeystorePassword>,
    previous_keystore_password: Option<KeystorePassword>,
    keystore_cost: KeystoreCost,
}

// The URL holds the password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("pool_size", &self.pool_size)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl PostgresOptions {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            pool_size: 10,
            schema: "portproof".to_owned(),
            root_certificate: None,
            statement_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            acquire_timeout: Duration::from_secs(10),
            migrate: true,
            keystore_password: None,
            previous_keystore_password: None,
            keystore_cost: KeystoreCost::Recommended,
        }
    }

    /// The most connections, 1 to 1000; 10 unless said otherwise.
    #[must_use]
    pub const fn pool_size(mut self, connections: u16) -> Self {
        self.pool_size = connections;
        self
    }

    /// The schema that holds the tables, created when it is missing; `portproof` unless said
    /// otherwise. A small letter, and then small letters, digits and `_`: 63 at most.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// A file with the certificates to trust, in PEM, instead of the system's. Whether the
    /// connection is encrypted and checked is for `sslmode` in the URL to say.
    #[must_use]
    pub fn root_certificate(mut self, file: impl Into<PathBuf>) -> Self {
        self.root_certificate = Some(file.into());
        self
    }

    /// How long a statement may take, locks included; 30 seconds unless said otherwise. A server that
    /// has not answered by then is given the [`acquire_timeout`](Self::acquire_timeout) on top, and then
    /// taken for lost.
    #[must_use]
    pub const fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How long [`connect`](Self::connect) waits for the server to let it in; 10 seconds unless said
    /// otherwise.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a call waits for a connection, be it for one to become free or for a server that is
    /// down to come back; 10 seconds unless said otherwise.
    #[must_use]
    pub const fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Whether [`connect`](Self::connect) migrates the schema, which it does unless said otherwise.
    /// Without it the schema must be there: see [`PostgresAdapter::migrate`].
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

    /// Connects, migrates the schema, and wires every port.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(self) -> Result<PostgresAdapter, ConnectError> {
        let (options, attempt) = self.target()?;
        let first = self.first(&options, &attempt).await?;
        let database = Database::new(Pooled::new(self.driver(options)).with(first));
        let before = self.before_migration();
        if self.migrate {
            run_migrations(&database, before.clone(), &attempt).await?;
        }
        let sealing = match &self.keystore_password {
            None => None,
            Some(password) => {
                let previous = self.previous_keystore_password.as_ref();
                Some(Sealing::connect(&database, password, previous, self.keystore_cost).await?)
            }
        };
        Ok(PostgresAdapter {
            ports: portproof_sql::ports(&database, sealing.as_ref()),
            database,
            before_migration: before,
            attempt,
        })
    }

    pub(crate) const fn driver(&self, options: PgConnectOptions) -> PostgresDriver {
        PostgresDriver {
            options,
            limits: Limits {
                connections: self.pool_size,
                acquire: self.acquire_timeout,
                answer: self.statement_timeout.saturating_add(self.acquire_timeout),
            },
        }
    }

    /// The first connection: what is wrong with it is for a person to read, and soon.
    async fn first(
        &self,
        options: &PgConnectOptions,
        attempt: &Attempt,
    ) -> Result<PgConnection, ConnectError> {
        let error = |error| connect_error(&error, attempt);
        let mut connection = tokio::time::timeout(self.connect_timeout, options.connect())
            .await
            .map_err(|_| ConnectError::Unreachable {
                server: attempt.to_string(),
                reason: "connecting took too long".into(),
            })?
            .map_err(error)?;
        let found: String = sqlx::query_scalar("SHOW server_encoding")
            .fetch_one(&mut connection)
            .await
            .map_err(error)?;
        if found != "UTF8" {
            return Err(ConnectError::Encoding { found });
        }
        Ok(connection)
    }

    pub(crate) fn target(&self) -> Result<(PgConnectOptions, Attempt), ConnectError> {
        let out_of_bounds = |option, problem| Err(ConnectError::Option { option, problem });
        if !(1..=1000).contains(&self.pool_size) {
            return out_of_bounds("pool_size", "is outside 1 to 1000");
        }
        if !is_identifier(&self.schema) {
            let problem = "is not a small letter and then small letters, digits and _, 63 at most, \
                           not beginning with pg_";
            return out_of_bounds("schema", problem);
        }
        let longest = Duration::from_secs(86_400);
        for (option, timeout) in [
            ("statement_timeout", self.statement_timeout),
            ("connect_timeout", self.connect_timeout),
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
        if !self.url.starts_with("postgres://") && !self.url.starts_with("postgresql://") {
            let problem = "does not begin with postgres://";
            return Err(ConnectError::Url { problem });
        }
        let options = PgConnectOptions::from_str(&self.url).map_err(|_| ConnectError::Url {
            problem: "cannot be understood",
        })?;
        let attempt = Attempt {
            server: match options.get_socket() {
                Some(socket) => socket.display().to_string(),
                None => format!("{}:{}", options.get_host(), options.get_port()),
            },
            user: options.get_username().to_owned(),
            // As the server does.
            database: options
                .get_database()
                .unwrap_or(options.get_username())
                .to_owned(),
            schema: self.schema.clone(),
        };
        let application = options
            .get_application_name()
            .unwrap_or("portproof")
            .to_owned();
        let mut options = options
            .application_name(&application)
            .statement_cache_capacity(PREPARED)
            .disable_statement_logging()
            .options([
                ("search_path", format!("\"{}\"", self.schema)),
                (
                    "statement_timeout",
                    self.statement_timeout.as_millis().to_string(),
                ),
                // Statements are written for these, whatever the server's, the database's or the
                // role's defaults are.
                ("default_transaction_isolation", "read committed".to_owned()),
                ("default_transaction_read_only", "off".to_owned()),
                // A statement that ran a few times gets one plan for all values, unless it says that
                // it needs one for each. Such a plan stays: it must not be made for a table that was
                // empty, and read all of it when there is something in it. By an index it is right
                // for few rows and for many.
                ("plan_cache_mode", "auto".to_owned()),
                ("enable_seqscan", "off".to_owned()),
                // Statements are short; compiling one costs more than it.
                ("jit", "off".to_owned()),
                // Frees the locks of a client that the network has swallowed.
                ("idle_in_transaction_session_timeout", "60000".to_owned()),
            ]);
        if let Some(file) = &self.root_certificate {
            if !file.is_file() {
                return out_of_bounds("root_certificate", "is not a file that can be read");
            }
            options = options.ssl_root_cert(file);
        }
        Ok((options, attempt))
    }

    /// Lets one process migrate at a time, and creates the schema. The name is an identifier that
    /// needs no escaping; see [`is_identifier`].
    pub(crate) fn before_migration(&self) -> Cow<'static, str> {
        let schema = &self.schema;
        Cow::Owned(format!(
            "SET LOCAL statement_timeout = 0; \
             SELECT pg_advisory_xact_lock(hashtextextended('portproof migrations of {schema}', 0)); \
             DO $$ BEGIN IF to_regnamespace('\"{schema}\"') IS NULL \
             THEN CREATE SCHEMA \"{schema}\"; END IF; END $$"
        ))
    }
}

pub(crate) async fn run_migrations(
    database: &Database,
    before: Cow<'static, str>,
    attempt: &Attempt,
) -> Result<(), ConnectError> {
    use portproof_ports::PortError;
    use portproof_sql::MigrateError;

    match migrate(database, Some(before)).await {
        Ok(()) => Ok(()),
        Err(MigrateError::Database(PortError::Backend(why))) if why.ends_with("42501") => {
            Err(ConnectError::NoPermission {
                user: attempt.user.clone(),
                schema: attempt.schema.clone(),
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a name can stand in a statement between quotes, and without them means the same.
fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    name.len() <= 63
        && !name.starts_with("pg_")
        && chars
            .next()
            .is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: &PostgresOptions) -> ConnectError {
        options.target().unwrap_err()
    }

    #[test]
    fn options_are_checked_and_named() {
        let options = PostgresOptions::new("postgres://ada:hunter2@db/auth");
        assert!(options.target().is_ok());
        let option = |error| match error {
            ConnectError::Option { option, .. } => option,
            error => panic!("{error:?}"),
        };
        assert_eq!(option(refused(&options.clone().pool_size(0))), "pool_size");
        for schema in ["", "a\"b", "Auth", "1a", "pg_auth", &"a".repeat(64)] {
            assert_eq!(
                option(refused(&options.clone().schema(schema))),
                "schema",
                "{schema}"
            );
        }
        let zero = options.clone().statement_timeout(Duration::ZERO);
        assert_eq!(option(refused(&zero)), "statement_timeout");
        let previous = options.previous_keystore_password("x");
        assert_eq!(option(refused(&previous)), "previous_keystore_password");
    }

    #[test]
    fn a_bad_url_is_not_echoed() {
        for url in [
            "",
            "hunter2",
            "mysql://a:hunter2@b",
            "postgres://a:hunter2@b:port/c",
        ] {
            let error = refused(&PostgresOptions::new(url));
            assert!(
                matches!(error, ConnectError::Url { .. }),
                "{url}: {error:?}"
            );
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn debug_shows_no_password() {
        let options =
            PostgresOptions::new("postgres://ada:hunter2@db/auth").keystore_password("hunter2");
        let driver = options.driver(options.target().unwrap().0);
        assert!(!format!("{options:?} {driver:?}").contains("hunter2"));
    }
}
