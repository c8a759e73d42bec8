//! The environment variables, read once and checked.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::DatabaseError;

/// The official image.
const DEFAULT_IMAGE: &str = "postgres:17";

/// One of the three ways to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Url,
    Docker,
    Local,
}

/// What the environment asks for.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The only way allowed, where one is insisted on.
    pub(crate) only: Option<Way>,
    pub(crate) url: Option<String>,
    pub(crate) image: String,
    pub(crate) bin: Option<PathBuf>,
    /// The directory that processes share.
    pub(crate) state: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, DatabaseError> {
        Self::read(|name| std::env::var_os(name))
    }

    /// Reads variables through `get`; an empty one counts as absent.
    fn read(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, DatabaseError> {
        let path = |name| {
            get(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let text = |name: &'static str| match get(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value
                .into_string()
                .map(Some)
                .map_err(|_| DatabaseError::Setting {
                    name,
                    problem: "is not UTF-8".into(),
                }),
        };

        let url = text("PORTPROOF_POSTGRES_URL")?;
        let only = match text("PORTPROOF_POSTGRES")?.as_deref() {
            None => None,
            Some("url") => Some(Way::Url),
            Some("docker") => Some(Way::Docker),
            Some("local") => Some(Way::Local),
            Some(other) => {
                return Err(DatabaseError::Setting {
                    name: "PORTPROOF_POSTGRES",
                    problem: format!(
                        "is {other:?}, and it can only be url, docker or local (or unset, to try them in this order)"
                    ),
                });
            }
        };
        if only == Some(Way::Url) && url.is_none() {
            return Err(DatabaseError::Setting {
                name: "PORTPROOF_POSTGRES",
                problem: "is url, and PORTPROOF_POSTGRES_URL is not set: \
                          set it to postgres://user:password@host:5432/database"
                    .into(),
            });
        }
        Ok(Self {
            only,
            url,
            image: text("PORTPROOF_POSTGRES_IMAGE")?.unwrap_or_else(|| DEFAULT_IMAGE.into()),
            bin: path("PORTPROOF_POSTGRES_BIN"),
            state: path("PORTPROOF_STATE"),
        })
    }

    pub(crate) fn allows(&self, way: Way) -> bool {
        self.only.is_none_or(|only| only == way)
    }
}
