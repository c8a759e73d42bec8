//! Every rule of the core ports, on PostgreSQL.

mod support;

use std::process::ExitCode;

use portproof::{Manifest, Opened, Target, async_trait};
use portproof_ports::Ports;
use portproof_postgres::PostgresAdapter;

struct Postgres;

impl Postgres {
    async fn adapter() -> Opened<Ports> {
        let url = support::postgres().await?;
        let options = PostgresAdapter::options(&url)
            .schema("portproof_conformance")
            .keystore_password("a keystore password");
        Ok(options.connect().await?.ports())
    }
}

#[async_trait]
impl Target for Postgres {
    fn manifest(&self) -> Manifest {
        Manifest::new("postgres").lacks("dump", "another process keeps the files")
    }

    async fn open(&self) -> Opened<Ports> {
        Self::adapter().await
    }

    async fn second(&self, _: &Ports) -> Opened<Ports> {
        Self::adapter().await
    }

    async fn reopen(&self) -> Option<Opened<Ports>> {
        Some(Self::adapter().await)
    }
}

fn main() -> ExitCode {
    portproof::run_suites(Postgres)
}
