//! Why a command could not do what it was asked: each with what to do about it.

use std::{io, path::PathBuf};

use portproof_database::DatabaseError;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("`{0}` is not an adapter: use memory, sqlite, sqlite:PATH, postgres or postgres://…")]
    UnknownAdapter(String),
    #[error("`{0}` is not a port: use one of {1}")]
    UnknownPort(String, String),
    #[error("`{0}` is not a profile: use one of {1}")]
    UnknownProfile(String, String),
    #[error("no rule begins with `{0}`: `portproof list` shows them all")]
    UnknownRule(String),
    #[error("no rule has `{0}` in its id: `portproof list` shows them all")]
    UnknownBy(String),
    #[error("no rule is in the profiles, in the ports and among the rules that you chose")]
    NothingSelected,
    /// The adapters, each with why.
    #[error("{0}")]
    NotOpened(String),
    #[error("{0}")]
    Database(#[from] DatabaseError),
    #[error(
        "a folder for a temporary SQLite file could not be made: {0}; set TMPDIR to a folder that can be written to"
    )]
    Temporary(io::Error),
    #[error("{} could not be written: {error}", file.display())]
    Write { file: PathBuf, error: io::Error },
    #[error("{} could not be read: {error}; run the tests first", folder.display())]
    Verdicts { folder: PathBuf, error: io::Error },
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
    #[error("a report could not be made into JSON: {0}")]
    Json(#[from] serde_json::Error),
}
