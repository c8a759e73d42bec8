//! A server for tests: where it came from, and databases on it.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use crate::DatabaseError;
use crate::lease::{self, Lease};
use crate::leftovers::{Leftovers, database_name};
use crate::url::ServerUrl;

/// Where a server came from. Its text is what a report should say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Source {
    /// `PORTPROOF_POSTGRES_URL`.
    Url {
        /// Host, port and database.
        place: String,
    },
    /// A container that Testcontainers started.
    Docker {
        /// The image.
        image: String,
        /// The container's name.
        container: String,
    },
    /// Binaries of this machine.
    Local {
        /// The directory that holds them.
        bin: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { place } => write!(f, "PORTPROOF_POSTGRES_URL ({place})"),
            Self::Docker { image, container } => {
                write!(f, "Docker image {image} (container {container})")
            }
            Self::Local { bin } => write!(f, "local binaries in {bin}"),
        }
    }
}

/// A Postgres server, kept alive for as long as a handle on it exists.
///
/// Handles are cheap to clone.
/// Several processes may hold the same server, so a test owns nothing on it but the databases that
/// it creates.
#[derive(Clone)]
pub struct Server(pub(crate) Arc<Held>);

/// What handles share.
pub(crate) struct Held {
    url: ServerUrl,
    source: Source,
    passed_over: Vec<String>,
    version: i32,
    /// Tells this process's databases from those of others.
    holder: Uuid,
    created: AtomicU32,
    /// Only on a server that will outlive the run.
    leftovers: Option<Leftovers>,
    /// Never used again, only kept open. In a mutex because a connection cannot be shared.
    _lease: Mutex<PgConnection>,
}

impl Server {
    pub(crate) fn new(
        url: ServerUrl,
        source: Source,
        passed_over: Vec<String>,
        lease: Lease,
        leftovers: Option<Leftovers>,
    ) -> Self {
        Self(Arc::new(Held {
            url,
            source,
            passed_over,
            version: lease.version,
            holder: leftovers
                .as_ref()
                .map_or_else(Uuid::new_v4, Leftovers::holder),
            created: AtomicU32::new(0),
            leftovers,
            _lease: Mutex::new(lease.connection),
        }))
    }

    /// The server's URL, with its password: for a driver, not for a report.
    ///
    /// It names the database `postgres` on a server that was started here.
    pub fn url(&self) -> &str {
        self.0.url.text()
    }

    /// Where the server came from.
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    /// Ways to a server that were tried before this one, each with why it gave none.
    pub fn passed_over(&self) -> &[String] {
        &self.0.passed_over
    }

    /// The server's version as Postgres numbers it: 150018 is 15.18.
    pub fn version(&self) -> i32 {
        self.0.version
    }

    /// Creates an empty database and answers its URL.
    ///
    /// Nobody drops it while tests run: on a server that was started here it goes with the server.
    /// On the server of `PORTPROOF_POSTGRES_URL` it goes with the last handle, or, if the process is
    /// killed or ends without dropping it, when the next process opens that URL.
    pub async fn fresh_database(&self) -> Result<String, DatabaseError> {
        self.create(None).await
    }

    /// Creates a copy of the database `template`, which must have no connections, and answers its URL.
    ///
    /// It lives as long as one from [`Server::fresh_database`].
    pub async fn clone_database(&self, template: &str) -> Result<String, DatabaseError> {
        self.create(Some(template)).await
    }

    async fn create(&self, template: Option<&str>) -> Result<String, DatabaseError> {
        let held = &self.0;
        let failed = |problem| DatabaseError::Create {
            server: held.source.to_string(),
            problem,
        };
        let number = held.created.fetch_add(1, Ordering::Relaxed);
        let name = database_name(held.leftovers.as_ref(), held.holder, number);
        let mut statement = format!("create database {name}");
        if let Some(template) = template {
            statement.push_str(&format!(" template \"{}\"", template.replace('"', "\"\"")));
            // Copying files is twice as fast as logging them where nothing is synced to disk.
            if held.version >= 150_000 && held.leftovers.is_none() {
                statement.push_str(" strategy file_copy");
            }
        }
        let options = held.url.options();
        // A connection of its own: the lease's belongs to the runtime that opened it.
        let mut connection = lease::connect(options).await.map_err(failed)?;
        connection
            .execute(AssertSqlSafe(statement))
            .await
            .map_err(|error| failed(lease::explain(&error, options)))?;
        if let Some(leftovers) = &held.leftovers {
            leftovers
                .created()
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(name.clone());
        }
        Ok(held.url.with_database(&name))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("source", &self.0.source)
            .field("place", &self.0.url.place())
            .field("version", &self.0.version)
            .finish_non_exhaustive()
    }
}
