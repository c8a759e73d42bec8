//! The adapters that a command line can name.

use portproof::{Outcome, Report, Selection, check_suites, suites};
use portproof_tests::{Memory, Place, Postgres, Sqlite};

use crate::{error::CliError, out::say};

/// An adapter to run the suites on.
#[derive(Debug)]
pub(crate) enum Adapter {
    Memory,
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Adapter {
    /// The adapter that a person named.
    pub(crate) async fn named(name: &str) -> Result<(Self, Option<String>), CliError> {
        if let Some(path) = name.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok((Self::Sqlite(Sqlite::at(path)), None));
        }
        if name.starts_with("postgres://") || name.starts_with("postgresql://") {
            return Ok((
                Self::Postgres(Postgres::new(Place::Url(name.to_owned()))),
                None,
            ));
        }
        match name {
            "memory" => Ok((Self::Memory, None)),
            "sqlite" => Ok((
                Self::Sqlite(Sqlite::temporary().map_err(CliError::Temporary)?),
                None,
            )),
            "postgres" => Self::any_postgres().await,
            other => Err(CliError::UnknownAdapter(without_password(other))),
        }
    }

    /// The adapters to run when nobody named any, with what to say of each; Postgres is among them
    /// when a server can be had.
    pub(crate) async fn all() -> Result<Vec<(Self, Option<String>)>, CliError> {
        let mut all = vec![Self::named("memory").await?, Self::named("sqlite").await?];
        match Self::any_postgres().await {
            Ok(postgres) => all.push(postgres),
            Err(error) => say!("postgres: not run. {error}\n"),
        }
        Ok(all)
    }

    async fn any_postgres() -> Result<(Self, Option<String>), CliError> {
        let server = portproof_database::postgres().await?;
        let took = format!("postgres: on {}", server.source());
        Ok((
            Self::Postgres(Postgres::new(Place::Server(server))),
            Some(took),
        ))
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Checks the selected rules.
    pub(crate) async fn check(&self, selection: &Selection, seen: impl FnMut(&Outcome)) -> Report {
        let suites = suites::all();
        match self {
            Self::Memory => check_suites(Memory, suites, selection, seen).await,
            Self::Sqlite(sqlite) => check_suites(sqlite.clone(), suites, selection, seen).await,
            Self::Postgres(postgres) => {
                check_suites(postgres.clone(), suites, selection, seen).await
            }
        }
    }
}

/// What was typed, up to where a URL might hold a password.
fn without_password(name: &str) -> String {
    name.split_once("://")
        .map_or_else(|| name.to_owned(), |(scheme, _)| format!("{scheme}://…"))
}
