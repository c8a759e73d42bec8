//! Every rule of the core ports, on SQLite.

mod support;

use std::process::ExitCode;

use portproof::{Manifest, Opened, Target, async_trait};
use portproof_ports::Ports;
use portproof_sqlite::{SqliteAdapter, Synchronous};
use support::Directory;

struct Sqlite(Directory);

impl Sqlite {
    async fn adapter(&self) -> Opened<Ports> {
        let options = SqliteAdapter::options(self.0.file())
            .synchronous(Synchronous::Off)
            .keystore_password("a keystore password");
        Ok(options.open().await?.ports())
    }

    /// The file, and the log beside it.
    fn bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut all = std::fs::read(self.0.file())?;
        all.extend(std::fs::read(self.0.file().with_extension("db-wal")).unwrap_or_default());
        Ok(all)
    }
}

#[async_trait]
impl Target for Sqlite {
    fn manifest(&self) -> Manifest {
        Manifest::new("sqlite")
    }

    async fn open(&self) -> Opened<Ports> {
        self.adapter().await
    }

    async fn second(&self, _: &Ports) -> Opened<Ports> {
        self.adapter().await
    }

    async fn reopen(&self) -> Option<Opened<Ports>> {
        Some(self.adapter().await)
    }

    async fn dump(&self) -> Option<Opened<Vec<u8>>> {
        Some(self.bytes().map_err(Into::into))
    }
}

fn main() -> ExitCode {
    match Directory::new("conformance") {
        Ok(directory) => portproof::run_suites(Sqlite(directory)),
        Err(error) => {
            eprintln!("Error: no place for a database: {error}");
            ExitCode::FAILURE
        }
    }
}
