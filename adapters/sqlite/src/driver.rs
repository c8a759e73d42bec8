//! How to run a statement on an SQLite file.

use std::borrow::Cow;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use portproof_sql::{
    Answer, Backend, Dialect, Driver, Failure, Isolation, Limits, Pooled, Statement, Transaction,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Either, Executor, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

use crate::{
    errors::failure,
    values::{bind, read},
};

/// How to use one file: for reading it, or for writing it, too.
#[derive(Clone, Debug)]
pub(crate) struct SqliteDriver {
    pub(crate) options: SqliteConnectOptions,
    pub(crate) limits: Limits,
}

#[async_trait]
impl Driver for SqliteDriver {
    type Connection = SqliteConnection;

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn connect(&self) -> Result<SqliteConnection, Failure> {
        let connection = self.options.connect().await;
        connection.map_err(|error| match failure(&error) {
            // Nothing was lost: there was no connection.
            Failure::Lost => Failure::unavailable("the file cannot be opened"),
            failure => failure,
        })
    }

    async fn is_alive(connection: &mut SqliteConnection) -> bool {
        connection.ping().await.is_ok()
    }

    async fn run(
        connection: &mut SqliteConnection,
        statement: &Statement,
    ) -> Result<Answer, Failure> {
        // Fixed texts, and texts put together of them: every value is bound.
        let query = sqlx::query(AssertSqlSafe(statement.sql.clone()));
        let query = statement.values.iter().fold(query, bind);
        let mut answer = Answer::default();
        // To its end: a write that answers rows is done only then.
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
        connection: &mut SqliteConnection,
        sql: Cow<'static, str>,
    ) -> Result<(), Failure> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql));
        match script.execute(connection).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }
}

/// A file with several readers and one writer: writers of this process queue for it, fairly, instead
/// of meeting each other's locks. Readers see what was committed before they began.
#[derive(Debug)]
pub(crate) struct SqliteBackend {
    pub(crate) readers: Pooled<SqliteDriver>,
    pub(crate) writer: Pooled<SqliteDriver>,
}

#[async_trait]
impl Backend for SqliteBackend {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn read(&self, statement: &Statement) -> Result<Answer, Failure> {
        self.readers.read(statement).await
    }

    async fn write(&self, statement: &Statement) -> Result<Answer, Failure> {
        self.writer.write(statement).await
    }

    async fn begin(&self, isolation: Isolation) -> Result<Box<dyn Transaction>, Failure> {
        self.writer.begin(isolation).await
    }
}
