//! PostgreSQL's errors, as failures of a statement and as reasons not to connect.

use std::{borrow::Cow, fmt};

use portproof_ports::PortError;
use portproof_sql::{Failure, MigrateError, SealingError, schema};
use sqlx::Error;

/// Why an adapter could not be connected. No text holds the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// An option is outside its limits.
    #[error("the option {option} {problem}")]
    Option {
        /// The option.
        option: &'static str,
        /// What is wrong with it, naming the limit.
        problem: &'static str,
    },
    /// The URL cannot be understood.
    #[error("the URL {problem}; it looks like postgres://user:password@host:5432/database")]
    Url {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server does not answer.
    #[error(
        "the server at {server} does not answer ({reason}): is it running, and are host and port right?"
    )]
    Unreachable {
        /// Its host and port.
        server: String,
        /// What happened.
        reason: String,
    },
    /// No encrypted connection came about.
    #[error("no encrypted connection to {server} ({reason}): see sslmode and the root certificate")]
    Tls {
        /// Its host and port.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The server refuses the user or the password.
    #[error(
        "the server refuses user {user:?}: are name and password right, and does pg_hba.conf let them in?"
    )]
    WrongPassword {
        /// The name of the user.
        user: String,
    },
    /// There is no such database.
    #[error("there is no database {database:?}: create it first")]
    NoDatabase {
        /// Its name.
        database: String,
    },
    /// The user may not do what connecting needs.
    #[error(
        "user {user:?} may not use or create schema {schema:?}: grant it, or connect without migrating"
    )]
    NoPermission {
        /// The name of the user.
        user: String,
        /// The schema.
        schema: String,
    },
    /// The database does not keep every text.
    #[error("the database's encoding is {found}: create one with ENCODING 'UTF8'")]
    Encoding {
        /// Its encoding.
        found: String,
    },
    /// The schema is another one.
    #[error(transparent)]
    Schema(#[from] MigrateError),
    /// The private keys cannot be opened.
    #[error(transparent)]
    Keystore(#[from] SealingError),
    /// The database failed in another way.
    #[error("the database failed while connecting: {0}")]
    Database(#[from] PortError),
}

/// Of what a connection was tried, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) server: String,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) schema: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.server)
    }
}

/// Why a first connection failed.
pub(crate) fn connect_error(error: &Error, attempt: &Attempt) -> ConnectError {
    let server = attempt.server.clone();
    match error {
        Error::Database(database) => match database.code().as_deref() {
            Some("28P01" | "28000") => ConnectError::WrongPassword {
                user: attempt.user.clone(),
            },
            Some("3D000") => ConnectError::NoDatabase {
                database: attempt.database.clone(),
            },
            Some("42501") => ConnectError::NoPermission {
                user: attempt.user.clone(),
                schema: attempt.schema.clone(),
            },
            Some("53300") => ConnectError::Unreachable {
                server,
                reason: "it has too many connections".into(),
            },
            Some("57P03") => ConnectError::Unreachable {
                server,
                reason: "it is starting or stopping".into(),
            },
            _ => ConnectError::Database(failure(error).into()),
        },
        Error::Io(io) => ConnectError::Unreachable {
            server,
            reason: io.to_string(),
        },
        Error::Tls(tls) => ConnectError::Tls {
            server,
            reason: tls.to_string(),
        },
        Error::Configuration(_) | Error::InvalidArgument(_) => ConnectError::Url {
            problem: "holds something that the driver does not understand",
        },
        error => ConnectError::Database(failure(error).into()),
    }
}

/// The server's code for an error, or nothing when it is not the server's.
pub(crate) fn code(error: &Error) -> Cow<'_, str> {
    match error {
        Error::Database(database) => database.code().unwrap_or_default(),
        _ => Cow::Borrowed(""),
    }
}

/// Whether the server ended the connection and said so: by an administrator, or for idleness.
pub(crate) fn is_ended(error: &Error) -> bool {
    matches!(&*code(error), "57P01" | "57P05" | "25P03")
}

/// What a driver's error means. No text of the server's goes further: it may echo a value.
pub(crate) fn failure(error: &Error) -> Failure {
    match error {
        Error::Database(database) => of_code(&code(error), database.constraint()),
        // Whatever the stream holds now, it is not what is expected.
        Error::Io(_) | Error::Protocol(_) | Error::WorkerCrashed => Failure::Lost,
        Error::Tls(_) => Failure::unavailable("no encrypted connection"),
        Error::Decode(_) | Error::ColumnDecode { .. } => {
            Failure::Port(PortError::corrupt("a value"))
        }
        _ => Failure::backend("the driver failed"),
    }
}

fn of_code(code: &str, constraint: Option<&str>) -> Failure {
    match code {
        "23505" => constraint
            .and_then(schema::unique)
            .map_or_else(|| unknown(code), Failure::Taken),
        "23503" => Failure::NoReference,
        // Serialization failure, deadlock.
        "40001" | "40P01" => Failure::Conflict,
        // The server ends the connection: shutting down, crashed, dropped.
        "57P01" | "57P02" | "57P04" | "57P05" | "25P03" => Failure::Lost,
        "57P03" => Failure::unavailable("the server is starting or stopping"),
        "57014" => Failure::unavailable("the statement took too long"),
        "55P03" => Failure::unavailable("a lock was not to be had in time"),
        "25006" => Failure::unavailable("the server is read-only"),
        "53300" => Failure::unavailable("the server has too many connections"),
        "42P01" | "42703" | "3F000" => Failure::Port(PortError::corrupt("schema")),
        code if code.starts_with("08") => Failure::Lost,
        code if code.starts_with("53") => Failure::unavailable("the server lacks resources"),
        code if code.starts_with("XX") => Failure::Port(PortError::corrupt("database")),
        code => unknown(code),
    }
}

fn unknown(code: &str) -> Failure {
    Failure::backend(format!("the server answered with error {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constraint_tells_what_is_taken() {
        let error = |code, constraint| PortError::from(of_code(code, constraint));
        assert_eq!(
            error("23505", Some("auth_sessions_pkey")),
            PortError::already_exists("session")
        );
        assert_eq!(error("23503", None), PortError::not_found("role"));
        assert_eq!(error("42P01", None), PortError::corrupt("schema"));
        assert!(matches!(of_code("40P01", None), Failure::Conflict));
        assert!(matches!(of_code("08006", None), Failure::Lost));
    }
}
