//! SQLite's errors, as failures of a statement and as reasons not to open.

use portproof_ports::PortError;
use portproof_sql::{Failure, MigrateError, SealingError, schema};
use sqlx::Error;

/// Why an adapter could not be opened.
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
    /// No database can be at this path.
    #[error("{path}: {problem}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file is not a database.
    #[error("{path} is not an SQLite database: choose another path, or restore a backup")]
    NotADatabase {
        /// The path.
        path: String,
    },
    /// The file or its directory cannot be written.
    #[error("{path} cannot be written: make the file and its directory writable for this process")]
    ReadOnly {
        /// The path.
        path: String,
    },
    /// The database keeps texts in an encoding whose order is another one.
    #[error("{path} has the encoding {found}: only UTF-8 databases sort as the ports do")]
    Encoding {
        /// The path.
        path: String,
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
    #[error("the database failed while opening: {0}")]
    Database(#[from] PortError),
}

/// Why a first connection failed.
pub(crate) fn connect_error(error: &Error, path: &str) -> ConnectError {
    let path = path.to_owned();
    match error_code(error).map(|code| code & 0xff) {
        Some(READONLY | CANTOPEN | PERM) => ConnectError::ReadOnly { path },
        Some(NOTADB) => ConnectError::NotADatabase { path },
        _ => ConnectError::Database(failure(error).into()),
    }
}

// https://www.sqlite.org/rescode.html; the lowest eight bits are the kind of an extended code.
const ERROR: u32 = 1;
const PERM: u32 = 3;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READONLY: u32 = 8;
const INTERRUPT: u32 = 9;
const IOERR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const CONSTRAINT: u32 = 19;
const NOTADB: u32 = 26;
const CONSTRAINT_FOREIGNKEY: u32 = CONSTRAINT | (3 << 8);

fn error_code(error: &Error) -> Option<u32> {
    match error {
        Error::Database(database) => database.code()?.parse().ok(),
        _ => None,
    }
}

/// What a driver's error means. No text of SQLite's goes further.
pub(crate) fn failure(error: &Error) -> Failure {
    match error {
        Error::Database(database) => {
            of_code(error_code(error).unwrap_or_default(), database.message())
        }
        Error::WorkerCrashed => Failure::Lost,
        Error::Io(_) => Failure::unavailable("the file cannot be reached"),
        Error::Decode(_) | Error::ColumnDecode { .. } => {
            Failure::Port(PortError::corrupt("a value"))
        }
        _ => Failure::backend("the driver failed"),
    }
}

fn of_code(code: u32, message: &str) -> Failure {
    match code & 0xff {
        // Every kind of them: another process writes, or has written since this one began to read.
        BUSY | LOCKED => Failure::Conflict,
        CONSTRAINT if code == CONSTRAINT_FOREIGNKEY => Failure::NoReference,
        CONSTRAINT => message
            .strip_prefix("UNIQUE constraint failed: ")
            .and_then(schema::unique)
            .map_or_else(|| unknown(code), Failure::Taken),
        READONLY | PERM => Failure::backend("the database is read-only"),
        INTERRUPT => Failure::unavailable("the statement was interrupted"),
        IOERR | CANTOPEN => Failure::unavailable("the file cannot be read or written"),
        FULL => Failure::unavailable("the disk is full"),
        CORRUPT | NOTADB => Failure::Port(PortError::corrupt("database")),
        ERROR if message.starts_with("no such table") || message.contains("no column") => {
            Failure::Port(PortError::corrupt("schema"))
        }
        ERROR if message.starts_with("no such column") => {
            Failure::Port(PortError::corrupt("schema"))
        }
        _ => unknown(code),
    }
}

fn unknown(code: u32) -> Failure {
    Failure::backend(format!("SQLite answered with error {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_tell_what_is_taken() {
        let error = |code, message| PortError::from(of_code(code, message));
        assert_eq!(
            error(
                1555,
                "UNIQUE constraint failed: auth_sessions.tenant, auth_sessions.id"
            ),
            PortError::already_exists("session")
        );
        assert_eq!(
            error(787, "FOREIGN KEY constraint failed"),
            PortError::not_found("role")
        );
        assert_eq!(
            error(1, "no such table: auth_sessions"),
            PortError::corrupt("schema")
        );
    }

    #[test]
    fn every_kind_of_busy_is_tried_again() {
        for code in [5, 6, 261, 262, 517, 773] {
            assert!(matches!(of_code(code, ""), Failure::Conflict), "{code}");
        }
    }
}
