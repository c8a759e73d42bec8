//! What can go wrong on the way to a database, each with what to do about it.

use std::path::PathBuf;

/// Why there is no server, or no database on it.
///
/// No text of it holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// An environment variable says something that cannot be followed.
    #[error("{name} {problem}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },

    /// The server that `PORTPROOF_POSTGRES_URL` names cannot be used.
    #[error("PORTPROOF_POSTGRES_URL names {server}, but {problem}")]
    Url {
        /// Host, port and database.
        server: String,
        /// What it, or the network, answered.
        problem: String,
    },

    /// Docker was insisted on and gave no server.
    #[error("no Postgres from Docker image {image}: {problem}")]
    Docker {
        /// The image that was wanted.
        image: String,
        /// What went wrong, and what to do.
        problem: String,
    },

    /// Local binaries were insisted on and gave no server.
    #[error("no Postgres from local binaries: {problem}")]
    Local {
        /// What went wrong, and what to do.
        problem: String,
    },

    /// The directory that processes share cannot be used.
    #[error("cannot use the state directory {}: {problem}", path.display())]
    State {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },

    /// Every way was tried and none gave a server.
    #[error("{}", unavailable(.reasons))]
    Unavailable {
        /// Each way that was tried, with what went wrong.
        reasons: Vec<String>,
    },

    /// The server was there and refused to create a database.
    #[error("cannot create a database on {server}: {problem}")]
    Create {
        /// Where the server came from.
        server: String,
        /// What it answered.
        problem: String,
    },
}

fn unavailable(reasons: &[String]) -> String {
    let mut text = String::from("no Postgres server could be found or started");
    for reason in reasons {
        text.push_str("\n  - ");
        text.push_str(&reason.replace('\n', "\n    "));
    }
    text.push_str(
        "\ndo one of these:\n  \
         - set PORTPROOF_POSTGRES_URL=postgres://user:password@host:5432/database\n  \
         - start a Docker engine that has the image or can pull it (PORTPROOF_POSTGRES_IMAGE names another)\n  \
         - install the PostgreSQL server (Debian: apt install postgresql; macOS: brew install postgresql), \
         or point PORTPROOF_POSTGRES_BIN at the directory of its binaries",
    );
    text
}
