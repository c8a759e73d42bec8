//! How to open an SQLite file and run a statement there.

use std::{borrow::Cow, fmt};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use portproof_sql::{
    Answer, Backend, Dialect, Driver, Failure, Isolation, Pool, Statement, Transaction,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Either, Executor, SqliteConnection, sqlite::SqliteConnectOptions,
};

use crate::{
    errors::failure,
    values::{bind, read},
};

/// A driver for one file: for reading it, or for writing it, too.
#[derive(Clone)]
pub(crate) struct SqliteDriver {
    pub(crate) options: SqliteConnectOptions,
}

impl fmt::Debug for SqliteDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteDriver")
            .field("path", &self.options.get_filename())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Driver for SqliteDriver {
    type Connection = SqliteConnection;

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn connect(&self) -> Result<SqliteConnection, Failure> {
        self.options
            .connect()
            .await
            .map_err(|error| failure(&error))
    }

    async fn run(
        &self,
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
        &self,
        connection: &mut SqliteConnection,
        sql: Cow<'static, str>,
    ) -> Result<(), Failure> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql));
        match script.execute(connection).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }

    async fn ping(&self, _: &mut SqliteConnection) -> Result<(), Failure> {
        // There is no other end.
        Ok(())
    }
}

/// A file with several readers and one writer: writers of this process queue for it, fairly, instead
/// of meeting each other's locks. Readers see what was committed before they began.
#[derive(Debug)]
pub(crate) struct SqliteBackend {
    pub(crate) readers: Pool<SqliteDriver>,
    pub(crate) writer: Pool<SqliteDriver>,
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
