//! How to run a statement on PostgreSQL.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use portproof_sql::{Answer, Dialect, Driver, Failure, Statement};
use sqlx::{AssertSqlSafe, Either, Executor, PgPool, Postgres, pool::PoolConnection};

use crate::{
    errors::failure,
    values::{bind, read},
};

/// The connections to one database.
#[derive(Debug)]
pub(crate) struct PostgresDriver {
    pub(crate) pool: PgPool,
    /// How long a server may take to answer: more than it may take for the statement.
    pub(crate) patience: Duration,
}

#[async_trait]
impl Driver for PostgresDriver {
    type Connection = PoolConnection<Postgres>;

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    async fn acquire(&self) -> Result<Self::Connection, Failure> {
        let connection = self.pool.acquire().await;
        connection.map_err(|error| match failure(&error) {
            // Nothing was lost: there was no connection.
            Failure::Lost => Failure::unavailable("the server does not answer"),
            failure => failure,
        })
    }

    fn close(connection: Self::Connection) {
        drop(connection.detach());
    }

    async fn run(
        connection: &mut Self::Connection,
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
        connection: &mut Self::Connection,
        sql: Cow<'static, str>,
    ) -> Result<(), Failure> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql));
        match script.execute(&mut **connection).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }
}
