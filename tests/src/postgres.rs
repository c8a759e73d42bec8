//! The Postgres adapter as a target.

use std::sync::Arc;

use portproof::{Manifest, Opened, Profile, Target, async_trait};
use portproof_database::Server;
use portproof_ports::Ports;
use portproof_postgres::{KeystoreCost, PostgresAdapter};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::OnceCell;

use crate::{KEYSTORE_PASSWORD, patience};

/// The schema that the targets use, so that they keep out of the way of whatever else is in a
/// database.
const SCHEMA: &str = "portproof_conformance";

/// Which server to use.
#[derive(Clone, Debug)]
pub enum Place {
    /// Whichever can be had: see `portproof_database::postgres`.
    Any,
    /// This one, which was found already.
    Server(Server),
    /// The database of this URL.
    Url(String),
}

/// The Postgres adapter.
#[derive(Clone, Debug)]
pub struct Postgres {
    name: String,
    place: Place,
    pool_size: Option<u16>,
    server: Arc<OnceCell<Server>>,
}

impl Postgres {
    /// The adapter on this server.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self {
            name: "postgres".to_owned(),
            place,
            pool_size: None,
            server: Arc::default(),
        }
    }

    /// The same under another name, for reports.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same with this many connections a handle.
    #[must_use]
    pub const fn pool_size(mut self, connections: u16) -> Self {
        self.pool_size = Some(connections);
        self
    }

    async fn url(&self) -> Opened<String> {
        match &self.place {
            Place::Url(url) => Ok(url.clone()),
            Place::Server(server) => Ok(server.url().to_owned()),
            Place::Any => {
                // Held for as long as the target: that is what keeps the server alive.
                let server = self
                    .server
                    .get_or_try_init(portproof_database::postgres)
                    .await?;
                Ok(server.url().to_owned())
            }
        }
    }

    async fn connect(&self) -> Opened<Ports> {
        let mut options = PostgresAdapter::options(&self.url().await?)
            .schema(SCHEMA)
            .keystore_password(KEYSTORE_PASSWORD)
            .keystore_cost(KeystoreCost::Least)
            .acquire_timeout(patience());
        if let Some(connections) = self.pool_size {
            options = options.pool_size(connections);
        }
        Ok(options.connect().await?.ports())
    }

    /// Every row of every table, as text: bytes in hex, as Postgres writes them.
    async fn rows(&self) -> Opened<Vec<u8>> {
        let mut connection = PgConnection::connect(&self.url().await?).await?;
        let tables = sqlx::query(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
             WHERE table_schema = $1",
        )
        .bind(SCHEMA)
        .fetch_all(&mut connection)
        .await?;
        let mut dump = Vec::new();
        for table in tables {
            let table: String = table.try_get(0)?;
            // The name comes quoted from the server itself.
            let rows = sqlx::query(AssertSqlSafe(format!("SELECT t::text FROM {table} t")))
                .fetch_all(&mut connection)
                .await?;
            for row in rows {
                dump.extend(row.try_get::<String, _>(0)?.into_bytes());
            }
        }
        connection.close().await?;
        Ok(dump)
    }
}

#[async_trait]
impl Target for Postgres {
    fn manifest(&self) -> Manifest {
        Manifest::new(&self.name).profiles(Profile::ALL)
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

    async fn dump(&self) -> Option<Opened<Vec<u8>>> {
        Some(self.rows().await)
    }
}
