//! The order in which a server is looked for, and how processes come to share one.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use crate::lease::{self, Lease};
use crate::leftovers::Leftovers;
use crate::server::Held;
use crate::settings::{Settings, Way};
use crate::state::{Note, StateDirectory, key};
use crate::supervisor::Started;
use crate::url::ServerUrl;
use crate::{DatabaseError, Server, docker, local};

/// Finds a Postgres server, or starts one.
///
/// Within a process every call answers with the same server for as long as a handle on it exists.
/// See the crate's page for the order, the variables and what is shared.
///
/// # Errors
///
/// With what went wrong on every way that was tried, and what to do about it.
pub async fn postgres() -> Result<Server, DatabaseError> {
    static OURS: Mutex<Weak<Held>> = Mutex::const_new(Weak::new());
    let mut ours = OURS.lock().await;
    if let Some(held) = ours.upgrade() {
        return Ok(Server(held));
    }
    let server = find(&Settings::from_env()?).await?;
    *ours = Arc::downgrade(&server.0);
    Ok(server)
}

async fn find(settings: &Settings) -> Result<Server, DatabaseError> {
    if let Some(url) = settings
        .url
        .as_deref()
        .filter(|_| settings.allows(Way::Url))
    {
        return given(url).await;
    }
    let state = StateDirectory::open(settings)?;
    // Without the lock first: the lease itself says whether the server stays, and hundreds of
    // processes of one run need not queue.
    if let Some(server) = running(settings, &state).await {
        return Ok(server);
    }
    let _lock = state.lock().await?;
    if let Some(server) = running(settings, &state).await {
        return Ok(server);
    }

    let mut reasons = Vec::new();
    if settings.allows(Way::Docker) {
        match docker::start(settings, &state).await {
            Ok(started) => return share(settings, &state, Way::Docker, started, reasons),
            Err(problem) if settings.only.is_some() => {
                return Err(DatabaseError::Docker {
                    image: settings.image.clone(),
                    problem,
                });
            }
            Err(problem) => reasons.push(format!("Docker image {}: {problem}", settings.image)),
        }
    }
    match local::start(settings, &state).await {
        Ok(started) => share(settings, &state, Way::Local, started, reasons),
        Err(problem) if settings.only.is_some() => Err(DatabaseError::Local { problem }),
        Err(problem) => {
            reasons.push(format!("local binaries: {problem}"));
            Err(DatabaseError::Unavailable { reasons })
        }
    }
}

/// The server of `PORTPROOF_POSTGRES_URL`. It was asked for by name, so nothing replaces it.
async fn given(url: &str) -> Result<Server, DatabaseError> {
    let url = ServerUrl::parse(url).map_err(|problem| DatabaseError::Setting {
        name: "PORTPROOF_POSTGRES_URL",
        problem,
    })?;
    let failed = |problem| DatabaseError::Url {
        server: url.place(),
        problem,
    };
    let options = url.options();
    let mut connection = lease::connect(options).await.map_err(failed)?;
    let asked = async {
        let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
            .fetch_one(&mut connection)
            .await?;
        Ok((version, Leftovers::open(&mut connection, options).await?))
    };
    let (version, leftovers) = asked
        .await
        .map_err(|error| failed(lease::explain(&error, options)))?;
    let source = crate::Source::Url { place: url.place() };
    Ok(Server::new(
        url,
        source,
        Vec::new(),
        Lease {
            connection,
            version,
        },
        Some(leftovers),
    ))
}

/// A server that another process started under the same settings, if it still runs.
async fn running(settings: &Settings, state: &StateDirectory) -> Option<Server> {
    for way in [Way::Docker, Way::Local] {
        if !settings.allows(way) {
            continue;
        }
        let Some(note) = state.note(settings, way) else {
            continue;
        };
        let Ok(url) = ServerUrl::parse(&note.url) else {
            continue;
        };
        if let Ok(lease) = lease::take(url.options()).await {
            return Some(Server::new(url, note.source, note.passed_over, lease, None));
        }
    }
    None
}

/// Tells other processes about a server that this one started.
fn share(
    settings: &Settings,
    state: &StateDirectory,
    way: Way,
    started: Started,
    passed_over: Vec<String>,
) -> Result<Server, DatabaseError> {
    let Started { url, source, lease } = started;
    let note = Note {
        key: key(settings, way),
        url: url.text().into(),
        source,
        passed_over,
    };
    state.write_note(&note)?;
    Ok(Server::new(url, note.source, note.passed_over, lease, None))
}
