//! How to connect to PostgreSQL and run a statement there.

use std::{borrow::Cow, fmt, time::Duration};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use portproof_sql::{Answer, Dialect, Driver, Failure, Statement};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Either, Executor, PgConnection,
    postgres::PgConnectOptions,
};

use crate::{
    errors::{Attempt, ConnectError, connect_error, failure},
    values::{bind, read},
};

/// A driver for one database.
#[derive(Clone)]
pub(crate) struct PostgresDriver {
    pub(crate) options: PgConnectOptions,
    pub(crate) attempt: Attempt,
    pub(crate) connect_timeout: Duration,
}

// The options hold the password.
impl fmt::Debug for PostgresDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresDriver")
            .field("server", &self.attempt.server)
            .field("database", &self.attempt.database)
            .field("schema", &self.attempt.schema)
            .finish_non_exhaustive()
    }
}

impl PostgresDriver {
    /// The first connection: what is wrong with it is for a person to read.
    pub(crate) async fn first(&self) -> Result<PgConnection, ConnectError> {
        let error = |error| connect_error(&error, &self.attempt);
        let mut connection = tokio::time::timeout(self.connect_timeout, self.options.connect())
            .await
            .map_err(|_| ConnectError::Unreachable {
                server: self.attempt.to_string(),
                reason: "connecting took too long".into(),
            })?
            .map_err(error)?;
        let found: String = sqlx::query_scalar("SHOW server_encoding")
            .fetch_one(&mut connection)
            .await
            .map_err(error)?;
        if found != "UTF8" {
            return Err(ConnectError::Encoding { found });
        }
        Ok(connection)
    }
}

#[async_trait]
impl Driver for PostgresDriver {
    type Connection = PgConnection;

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn connect(&self) -> Result<PgConnection, Failure> {
        tokio::time::timeout(self.connect_timeout, self.options.connect())
            .await
            .map_err(|_| Failure::unavailable("connecting took too long"))?
            .map_err(|error| match failure(&error) {
                // Nothing was lost: there was no connection.
                Failure::Lost => Failure::unavailable("the server does not answer"),
                failure => failure,
            })
    }

    async fn run(
        &self,
        connection: &mut PgConnection,
        statement: &Statement,
    ) -> Result<Answer, Failure> {
        // Fixed texts, and texts put together of them: every value is bound.
        let query = sqlx::query(AssertSqlSafe(statement.sql.clone()));
        let query = statement.values.iter().fold(query, bind);
        let mut answer = Answer::default();
        let mut stream = connection.fetch_many(query);
        while let Some(step) = stream.try_next().await.map_err(|error| failure(&error))? {
            match step {
                Either::Left(done) => answer.affected += done.rows_affected(),
                Either::Right(row) => answer.rows.push(read(&row)),
            }
        }
        Ok(answer)
    }

    async fn script(
        &self,
        connection: &mut PgConnection,
        sql: Cow<'static, str>,
    ) -> Result<(), Failure> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql));
        match script.execute(connection).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }

    async fn ping(&self, connection: &mut PgConnection) -> Result<(), Failure> {
        connection.ping().await.map_err(|error| failure(&error))
    }
}
