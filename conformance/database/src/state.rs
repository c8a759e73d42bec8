//! The directory through which processes find each other's servers: a lock, and a note per server.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::settings::{Settings, Way};
use crate::{DatabaseError, Source};

/// Whoever holds the lock may be pulling an image.
const LOCK_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What a process leaves for the next one about a server that it started.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    /// What was asked for, in full: the file's name is only a hash of it.
    pub(crate) key: String,
    pub(crate) url: String,
    pub(crate) source: Source,
    pub(crate) passed_over: Vec<String>,
}

/// The directory, checked to be nobody else's.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    /// Who servers run as, where that is not the user of this process.
    pub(crate) server_user: Option<User>,
}

impl StateDirectory {
    /// Opens the directory, creating it where it is missing.
    pub(crate) fn open(settings: &Settings) -> Result<Self, DatabaseError> {
        let uid = Uid::effective();
        let path = match &settings.state {
            Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            None => std::env::temp_dir().join(format!("portproof-{uid}")),
        };
        // A server of root's runs as another user, who must be able to pass through; the files in
        // here are still root's alone.
        let mode = if uid.is_root() { 0o711 } else { 0o700 };
        let made = DirBuilder::new()
            .recursive(settings.state.is_some())
            .mode(mode)
            .create(&path);
        match made {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(unusable(
                    &path,
                    format!(
                        "{error}; set TMPDIR or PORTPROOF_STATE to a directory that can be written to"
                    ),
                ));
            }
            _ => {}
        }
        let found = path
            .symlink_metadata()
            .map_err(|error| unusable(&path, error.to_string()))?;
        if !found.is_dir() || found.uid() != uid.as_raw() || found.mode() & 0o022 != 0 {
            return Err(unusable(
                &path,
                "it must be a directory of this user that nobody else may write to; \
                 remove it, or set PORTPROOF_STATE to another"
                    .into(),
            ));
        }
        let server_user = if uid.is_root() {
            Some(unprivileged_user(&path)?)
        } else {
            None
        };
        let state = Self { path, server_user };
        state.open_servers()?;
        Ok(state)
    }

    /// Creates the directory that holds a directory for each local server.
    fn open_servers(&self) -> Result<(), DatabaseError> {
        let path = self.servers();
        let failed = |error: std::io::Error| unusable(&path, error.to_string());
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        if let Some(user) = &self.server_user {
            chown(&path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(failed)?;
        }
        Ok(())
    }

    pub(crate) fn servers(&self) -> PathBuf {
        self.path.join("servers")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until no other process is starting a server. Ends with the file, and with the process.
    pub(crate) async fn lock(&self) -> Result<File, DatabaseError> {
        let path = self.path.join("lock");
        let failed = |problem: String| unusable(&path, problem);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(error.to_string()))?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_PATIENCE => {
                    sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(failed(
                        "another process has held it for 15 minutes; end that one".into(),
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
            }
        }
    }

    /// The note about the server that `way` under these settings would give.
    pub(crate) fn note(&self, settings: &Settings, way: Way) -> Option<Note> {
        let key = key(settings, way);
        let text = std::fs::read(self.note_path(&key)).ok()?;
        // An unreadable note is from another version: as good as none.
        serde_json::from_slice::<Note>(&text)
            .ok()
            .filter(|note| note.key == key)
    }

    /// Writes the note for others. Readers see the old one or the new one, never half of one.
    pub(crate) fn write_note(&self, note: &Note) -> Result<(), DatabaseError> {
        let path = self.note_path(&note.key);
        let draft = path.with_extension("draft");
        let write = || {
            let text = serde_json::to_vec_pretty(note)?;
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&draft)?;
            // A draft that a killed process left keeps its permissions otherwise.
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(&text)?;
            std::fs::rename(&draft, &path)
        };
        write().map_err(|error: std::io::Error| unusable(&path, error.to_string()))
    }

    fn note_path(&self, key: &str) -> PathBuf {
        self.path.join(format!("server-{:016x}.json", hash(key)))
    }
}

fn unusable(path: &Path, problem: String) -> DatabaseError {
    DatabaseError::State {
        path: path.into(),
        problem,
    }
}

/// Postgres refuses to run as root: its own user if there is one, else the one that owns nothing.
fn unprivileged_user(state: &Path) -> Result<User, DatabaseError> {
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .ok_or_else(|| {
            unusable(state, "Postgres does not run as root, and there is no user postgres or nobody; create one".into())
        })
}

/// Whatever decides which server it is. Servers of other settings are not mixed up with it.
pub(crate) fn key(settings: &Settings, way: Way) -> String {
    match way {
        Way::Url => "url".into(),
        Way::Docker => {
            let engine = std::env::var("DOCKER_HOST").unwrap_or_default();
            format!("docker {} at {engine:?}", settings.image)
        }
        Way::Local => format!("local {:?}", settings.bin),
    }
}

/// FNV-1a: the same in every build, unlike the standard library's.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
