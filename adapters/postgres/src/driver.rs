//! How to run a statement on PostgreSQL.

use std::{borrow::Cow, fmt, io, time::Duration};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use portproof_sql::{Answer, Dialect, Driver, Failure, Limits, Statement};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Either, Error, Executor, PgConnection,
    postgres::PgConnectOptions,
};

use crate::{
    errors::{code, failure, is_ended},
    values::{bind, read},
};

/// The longest pause between two tries to connect to a server that is starting.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How to use one database.
pub(crate) struct PostgresDriver {
    pub(crate) options: PgConnectOptions,
    pub(crate) limits: Limits,
}

// The options hold the password.
impl fmt::Debug for PostgresDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresDriver")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Driver for PostgresDriver {
    type Connection = PgConnection;

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn connect(&self) -> Result<PgConnection, Failure> {
        let mut pause = Duration::from_millis(10);
        loop {
            match self.options.connect().await {
                // Stopped, starting, or full: that may pass.
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) if matches!(&*code(&error), "57P03" | "53300") => {}
                connected => {
                    return connected.map_err(|error| match failure(&error) {
                        // Nothing was lost: there was no connection.
                        Failure::Lost => Failure::unavailable("the server does not answer"),
                        failure => failure,
                    });
                }
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn is_alive(connection: &mut PgConnection) -> bool {
        connection.ping().await.is_ok()
    }

    async fn run(connection: &mut PgConnection, statement: &Statement) -> Result<Answer, Failure> {
        // Fixed texts, and texts put together of them: every value is bound.
        let query = sqlx::query(AssertSqlSafe(statement.sql.clone()))
            // Without a name it is parsed and planned for the values that are bound.
            .persistent(!statement.plan_by_values);
        let query = statement.values.iter().fold(query, bind);
        let mut answer = Answer::default();
        let mut is_done = false;
        let mut stream = connection.fetch_many(query);
        loop {
            match stream.try_next().await {
                Ok(Some(Either::Left(done))) => {
                    answer.affected += done.rows_affected();
                    is_done = true;
                }
                Ok(Some(Either::Right(row))) => answer.rows.push(read(&row)),
                Ok(None) => return Ok(answer),
                // The server ended this connection, and says so in the place of an answer. What it
                // had done by then is committed only after the answer.
                Err(error) if is_ended(&error) && !is_done => return Err(Failure::Unrun),
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    async fn script(connection: &mut PgConnection, sql: Cow<'static, str>) -> Result<(), Failure> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql));
        match script.execute(connection).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }
}
