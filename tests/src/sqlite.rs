//! The SQLite adapter as a target.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use portproof::{Manifest, Opened, Profile, Target, async_trait};
use portproof_ports::Ports;
use portproof_sqlite::{KeystoreCost, SqliteAdapter, Synchronous};
use tempfile::TempDir;

use crate::{KEYSTORE_PASSWORD, patience};

/// The SQLite adapter on a file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    file: PathBuf,
    /// Removes the file's folder at the end, if it is a temporary one.
    _folder: Option<Arc<TempDir>>,
}

impl Sqlite {
    /// On this file, which is created if it is missing, and stays.
    #[must_use]
    pub fn at(file: impl AsRef<Path>) -> Self {
        Self {
            file: file.as_ref().to_owned(),
            _folder: None,
        }
    }

    /// On a file that is gone when the target is.
    ///
    /// # Errors
    ///
    /// When there is no folder for temporary files that can be written to.
    pub fn temporary() -> std::io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("portproof-sqlite-")
            .tempdir()?;
        Ok(Self {
            file: folder.path().join("store.sqlite"),
            _folder: Some(Arc::new(folder)),
        })
    }

    async fn connect(&self) -> Opened<Ports> {
        // What a test stores need not survive a power cut.
        let adapter = SqliteAdapter::options(&self.file)
            .synchronous(Synchronous::Off)
            .acquire_timeout(patience())
            .busy_timeout(patience())
            .keystore_password(KEYSTORE_PASSWORD)
            .keystore_cost(KeystoreCost::Least)
            .open()
            .await?;
        Ok(adapter.ports())
    }
}

#[async_trait]
impl Target for Sqlite {
    fn manifest(&self) -> Manifest {
        Manifest::new("sqlite").profiles(Profile::ALL)
    }

    async fn open(&self) -> Opened<Ports> {
        self.connect().await
    }

    async fn second(&self, _first: &Ports) -> Opened<Ports> {
        self.connect().await
    }

    async fn reopen(&self) -> Option<Opened<Ports>> {
        Some(self.connect().await)
    }

    /// The bytes of the file and of its write-ahead log.
    async fn dump(&self) -> Option<Opened<Vec<u8>>> {
        let log = PathBuf::from(format!("{}-wal", self.file.display()));
        let mut bytes = match fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(error.into())),
        };
        // There is no log when everything is in the file.
        bytes.extend(fs::read(log).unwrap_or_default());
        Some(Ok(bytes))
    }
}
