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

/// A connection, and the driver's patience with it.
pub(crate) struct Lent {
    connection: PoolConnection<Postgres>,
    patience: Duration,
}

/// An answer that comes in time. A server ends slow statements by itself; one that is stopped, or
/// behind a network that swallows everything, does not.
async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let answer = tokio::time::timeout(patience, answer).await;
    answer.unwrap_or(Err(Failure::Lost))
}

#[async_trait]
impl Driver for PostgresDriver {
    type Connection = Lent;

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn acquire(&self) -> Result<Self::Connection, Failure> {
        let connection = self.pool.acquire().await;
        let connection = connection.map_err(|error| match failure(&error) {
            // Nothing was lost: there was no connection.
            Failure::Lost => Failure::unavailable("the server does not answer"),
            failure => failure,
        })?;
        let patience = self.patience;
        Ok(Lent {
            connection,
            patience,
        })
    }

    fn close(connection: Self::Connection) {
        drop(connection.connection.detach());
    }

    async fn run(
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> Result<Answer, Failure> {
        // Fixed texts, and texts put together of them: every value is bound.
        let query = sqlx::query(AssertSqlSafe(statement.sql.clone()));
        let query = statement.values.iter().fold(query, bind);
        in_time(connection.patience, async {
            let mut answer = Answer::default();
            let mut stream = connection.connection.fetch_many(query);
            while let Some(step) = stream.try_next().await.map_err(|error| failure(&error))? {
                match step {
                    Either::Left(done) => answer.affected += done.rows_affected(),
                    Either::Right(row) => answer.rows.push(read(&row)),
                }
            }
            Ok(answer)
        })
        .await
    }

    async fn script(
        connection: &mut Self::Connection,
        sql: Cow<'static, str>,
    ) -> Result<(), Failure> {
        // A migration may wait for another one, and work for long: there is a `;` in it. What begins
        // and ends a transaction is one word or a few.
        let is_migration = sql.contains(';');
        let script = sqlx::raw_sql(AssertSqlSafe(sql));
        let done = async {
            let done = script.execute(&mut *connection.connection).await;
            done.map(|_| ()).map_err(|error| failure(&error))
        };
        if is_migration {
            done.await
        } else {
            in_time(connection.patience, done).await
        }
    }
}
