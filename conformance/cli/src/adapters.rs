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

/// An adapter as a command line names it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) adapter: Adapter,
    /// What names it again in a command, without a password.
    pub(crate) name: String,
    /// What to say of it before it runs.
    pub(crate) note: Option<String>,
}

impl Named {
    /// The adapter of this name.
    pub(crate) async fn parse(name: &str) -> Result<Self, CliError> {
        let is_url = name.starts_with("postgres://") || name.starts_with("postgresql://");
        let (adapter, note) = match name {
            "memory" => (Adapter::Memory, None),
            "sqlite" => {
                let sqlite = Sqlite::temporary().map_err(CliError::Temporary)?;
                (Adapter::Sqlite(sqlite), None)
            }
            "postgres" => {
                let server = portproof_database::postgres().await?;
                let note = format!("postgres: on {}", server.source());
                let postgres = Postgres::new(Place::Server(server));
                (Adapter::Postgres(postgres), Some(note))
            }
            url if is_url => {
                let postgres = Postgres::new(Place::Url(url.to_owned()));
                (Adapter::Postgres(postgres), None)
            }
            other => match other.strip_prefix("sqlite:") {
                Some(path) if !path.is_empty() => (Adapter::Sqlite(Sqlite::at(path)), None),
                _ => return Err(CliError::UnknownAdapter(without_password(other))),
            },
        };
        let name = quoted(&without_password(name));
        Ok(Self {
            adapter,
            name,
            note,
        })
    }

    /// The adapters to run when a command names none; Postgres is among them when there is a
    /// server.
    pub(crate) async fn all() -> Result<Vec<Self>, CliError> {
        let mut all = vec![Self::parse("memory").await?, Self::parse("sqlite").await?];
        match Self::parse("postgres").await {
            Ok(postgres) => all.push(postgres),
            Err(error) => say!("postgres: not run. {error}\n"),
        }
        Ok(all)
    }
}

impl Adapter {
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

/// A name without the password that it may hold as a URL: `postgres://ada@host/auth`. Where it might
/// still hold one, only its scheme.
fn without_password(name: &str) -> String {
    let Some((scheme, rest)) = name.split_once("://") else {
        return name.to_owned();
    };
    let shown = match rest.rsplit_once('@') {
        Some((user, place)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{place}")
        }
        None => name.to_owned(),
    };
    if shown.to_lowercase().contains("password") {
        return format!("{scheme}://…");
    }
    shown
}

/// A word of a command line as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-:@=+,%…".contains(c);
    if word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for (name, shown) in [
            ("sqlite:/a/b.sqlite", "sqlite:/a/b.sqlite"),
            ("postgres://host/auth", "postgres://host/auth"),
            (
                "postgres://ada@host:5432/auth",
                "postgres://ada@host:5432/auth",
            ),
            (
                "postgres://ada:hunter2@host/auth",
                "postgres://ada@host/auth",
            ),
            (
                "postgres://ada:hun/t@r2@host/auth?a=b",
                "postgres://ada@host/auth?a=b",
            ),
            (
                "postgres://host/auth?user=ada&password=hunter2",
                "postgres://…",
            ),
        ] {
            assert_eq!(without_password(name), shown);
        }
    }

    #[test]
    fn a_name_is_one_word_of_a_shell() {
        assert_eq!(quoted("sqlite:/a/b.sqlite"), "sqlite:/a/b.sqlite");
        assert_eq!(quoted("sqlite:a folder's"), "'sqlite:a folder'\\''s'");
    }
}
