//! Every rule of the core ports, on PostgreSQL.

mod support;

use std::process::ExitCode;

use portproof::{Manifest, Opened, Target, async_trait};
use portproof_ports::Ports;
use portproof_postgres::PostgresAdapter;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const SCHEMA: &str = "portproof_conformance";

struct Postgres;

impl Postgres {
    async fn adapter() -> Opened<Ports> {
        let url = support::postgres().await?;
        let options = PostgresAdapter::options(&url)
            .schema(SCHEMA)
            .keystore_password("a keystore password");
        Ok(options.connect().await?.ports())
    }

    /// Every row of every table, as text: bytes in hex, as the server writes them.
    async fn rows() -> Opened<Vec<u8>> {
        let mut connection = PgConnection::connect(&support::postgres().await?).await?;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = $1",
        )
        .bind(SCHEMA)
        .fetch_all(&mut connection)
        .await?;
        let mut all = Vec::new();
        for table in tables {
            // The name comes quoted from the server itself.
            let rows = AssertSqlSafe(format!("SELECT t::text FROM {table} t"));
            let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut connection).await?;
            all.extend(rows.concat().into_bytes());
        }
        Ok(all)
    }
}

#[async_trait]
impl Target for Postgres {
    fn manifest(&self) -> Manifest {
        Manifest::new("postgres")
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

    async fn dump(&self) -> Option<Opened<Vec<u8>>> {
        Some(Self::rows().await)
    }
}

fn main() -> ExitCode {
    portproof::run_suites(Postgres)
}
