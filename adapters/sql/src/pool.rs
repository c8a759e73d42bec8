//! Connections of a driver's pool, lent to one call at a time.
//!
//! A caller may drop a call wherever it waits. A connection that is lent out and is not given back
//! in good order leaves the pool and is closed, which makes the server undo whatever it was doing:
//! nobody ever gets a connection with somebody else's transaction on it. That is also why the pool's
//! own transactions are of no use here: one whose `BEGIN` is dropped goes back to the pool.

use std::{borrow::Cow, fmt, time::Duration};

use async_trait::async_trait;

use crate::{
    backend::{Answer, Backend, Isolation, Statement, Transaction},
    dialect::Dialect,
    failure::Failure,
};

/// A pool of connections to one kind of database.
#[async_trait]
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// A connection of the pool. Dropping it gives it back.
    type Connection: Send + 'static;

    /// Which SQL the database speaks.
    fn dialect(&self) -> Dialect;

    /// How long an answer may take before the connection is taken for lost: longer than a statement
    /// may take, locks included. A database ends slow statements by itself; one that is stopped, or
    /// behind a network that swallows everything, does not.
    fn patience(&self) -> Duration;

    /// A connection that was alive a moment ago, when there is one within the time that the pool
    /// gives it.
    ///
    /// # Errors
    ///
    /// [`Failure`], but not [`Failure::Lost`]: nothing was run.
    async fn acquire(&self) -> Result<Self::Connection, Failure>;

    /// Takes a connection out of the pool and closes it, which undoes its transaction.
    fn close(connection: Self::Connection);

    /// Runs a prepared statement.
    ///
    /// # Errors
    ///
    /// [`Failure`]; [`Failure::Lost`] when the connection is of no use any more.
    async fn run(
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> Result<Answer, Failure>;

    /// Runs statements that bind nothing, as they are.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    async fn script(
        connection: &mut Self::Connection,
        sql: Cow<'static, str>,
    ) -> Result<(), Failure>;
}

/// A [`Backend`] on a driver's pool.
#[derive(Debug)]
pub struct Pooled<D>(pub D);

impl<D: Driver> Pooled<D> {
    async fn lease(&self) -> Result<Lease<D>, Failure> {
        Ok(Lease {
            connection: Some(self.0.acquire().await?),
            patience: self.0.patience(),
        })
    }
}

/// A connection, lent out: closed when dropped, unless it is given back.
struct Lease<D: Driver> {
    connection: Option<D::Connection>,
    patience: Duration,
}

/// An answer that comes in time.
async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let answer = tokio::time::timeout(patience, answer).await;
    answer.unwrap_or(Err(Failure::Lost))
}

impl<D: Driver> Lease<D> {
    async fn run(&mut self, statement: &Statement) -> Result<Answer, Failure> {
        let connection = self.connection.as_mut().ok_or(Failure::Lost)?;
        in_time(self.patience, D::run(connection, statement)).await
    }

    async fn script(&mut self, sql: Cow<'static, str>) -> Result<(), Failure> {
        let connection = self.connection.as_mut().ok_or(Failure::Lost)?;
        // A migration may wait for another one, and work for long: there is a `;` in it. What begins,
        // marks and ends a transaction is a few words.
        let is_migration = sql.contains(';') && sql != NEXT_MARK;
        let done = D::script(connection, sql);
        if is_migration {
            done.await
        } else {
            in_time(self.patience, done).await
        }
    }

    fn give_back(mut self) {
        drop(self.connection.take());
    }
}

impl<D: Driver> Drop for Lease<D> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            D::close(connection);
        }
    }
}

#[async_trait]
impl<D: Driver> Backend for Pooled<D> {
    fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    async fn read(&self, statement: &Statement) -> Result<Answer, Failure> {
        // The connection may have died since the pool looked at it; a read may be run twice.
        for _ in 0..2 {
            let mut lease = self.lease().await?;
            match lease.run(statement).await {
                Err(Failure::Lost) => {}
                answer => {
                    lease.give_back();
                    return answer;
                }
            }
        }
        Err(Failure::Lost)
    }

    async fn write(&self, statement: &Statement) -> Result<Answer, Failure> {
        let mut lease = self.lease().await?;
        let answer = lease.run(statement).await;
        if !matches!(answer, Err(Failure::Lost)) {
            lease.give_back();
        }
        answer
    }

    async fn begin(&self, isolation: Isolation) -> Result<Box<dyn Transaction>, Failure> {
        let begin = self.dialect().begin(isolation);
        for _ in 0..2 {
            let mut lease = self.lease().await?;
            match lease.script(begin.into()).await {
                Ok(()) => {
                    return Ok(Box::new(Open {
                        lease,
                        failed: false,
                        marked: false,
                    }));
                }
                Err(Failure::Lost) => {}
                Err(failure) => {
                    lease.give_back();
                    return Err(failure);
                }
            }
        }
        Err(Failure::Lost)
    }
}

/// Sets the mark of a transaction that has one anew.
const NEXT_MARK: &str = "RELEASE SAVEPOINT marked; SAVEPOINT marked";

struct Open<D: Driver> {
    lease: Lease<D>,
    failed: bool,
    marked: bool,
}

#[async_trait]
impl<D: Driver> Transaction for Open<D> {
    async fn run(&mut self, statement: &Statement) -> Result<Answer, Failure> {
        let answer = self.lease.run(statement).await;
        self.failed |= answer.is_err();
        answer
    }

    async fn script(&mut self, sql: Cow<'static, str>) -> Result<(), Failure> {
        let done = self.lease.script(sql).await;
        self.failed |= done.is_err();
        done
    }

    async fn mark(&mut self) -> Result<(), Failure> {
        let mark = if self.marked {
            NEXT_MARK
        } else {
            "SAVEPOINT marked"
        };
        self.script(mark.into()).await?;
        self.marked = true;
        Ok(())
    }

    async fn undo_to_mark(&mut self) -> Result<(), Failure> {
        self.script("ROLLBACK TO SAVEPOINT marked".into()).await?;
        self.failed = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Failure> {
        if self.failed {
            // Postgres would answer a commit of it as if all were well.
            self.undo().await;
            return Err(Failure::backend("a failed transaction cannot be committed"));
        }
        // What does not commit is dropped, and so undone.
        self.lease.script("COMMIT".into()).await?;
        self.lease.give_back();
        Ok(())
    }

    async fn undo(mut self: Box<Self>) {
        if self.lease.script("ROLLBACK".into()).await.is_ok() {
            self.lease.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use super::*;

    /// A database that lets everybody in, and answers nobody.
    #[derive(Clone, Debug, Default)]
    struct Stalled {
        closed: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Driver for Stalled {
        type Connection = Self;

        fn dialect(&self) -> Dialect {
            Dialect::Sqlite
        }

        fn patience(&self) -> Duration {
            Duration::from_secs(35)
        }

        async fn acquire(&self) -> Result<Self, Failure> {
            Ok(self.clone())
        }

        fn close(connection: Self) {
            connection.closed.fetch_add(1, Ordering::SeqCst);
        }

        async fn run(_: &mut Self, _: &Statement) -> Result<Answer, Failure> {
            pending().await
        }

        async fn script(_: &mut Self, _: Cow<'static, str>) -> Result<(), Failure> {
            pending().await
        }
    }

    /// Each attempt takes as long as a connection is waited for, and closes it.
    #[tokio::test(start_paused = true)]
    async fn a_database_that_stalls_is_lost() {
        let stalled = Stalled::default();
        let pooled = Pooled(stalled.clone());
        let statement = Statement::new("SELECT 1", Vec::new());
        let began = tokio::time::Instant::now();
        assert!(matches!(pooled.write(&statement).await, Err(Failure::Lost)));
        assert_eq!(began.elapsed().as_secs(), 35);
        assert!(matches!(pooled.read(&statement).await, Err(Failure::Lost)));
        assert_eq!(began.elapsed().as_secs(), 3 * 35);
        let begun = pooled.begin(Isolation::Snapshot).await;
        assert!(matches!(begun, Err(Failure::Lost)));
        assert_eq!(began.elapsed().as_secs(), 5 * 35);
        assert_eq!(stalled.closed.load(Ordering::SeqCst), 5);
    }

    /// The scripts that a migration runs are waited for; the next mark of a transaction is not.
    #[tokio::test(start_paused = true)]
    async fn a_migration_may_take_long() {
        let pooled = Pooled(Stalled::default());
        let day = Duration::from_secs(86_400);
        let mut lease = pooled.lease().await.unwrap();
        let migration = lease.script("CREATE TABLE a (b); CREATE TABLE c (d);".into());
        assert!(tokio::time::timeout(day, migration).await.is_err());
        let marked = tokio::time::timeout(day, lease.script(NEXT_MARK.into())).await;
        assert!(matches!(marked, Ok(Err(Failure::Lost))));
    }
}
