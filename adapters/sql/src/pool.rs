//! Connections, kept open between calls: what every driver needs and none should write again.
//!
//! A caller may drop a call wherever it waits. A connection that is lent out and is not given back
//! in good order is closed, which makes the server undo whatever it was doing: nobody ever gets a
//! connection with somebody else's transaction on it.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    backend::{Answer, Backend, Isolation, Statement, Transaction},
    dialect::Dialect,
    failure::Failure,
};

/// A connection that nobody used for so long is not used again.
const MAX_IDLE: Duration = Duration::from_secs(600);

/// How to reach one kind of database.
#[async_trait]
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// A connection. Dropping it closes it and undoes its transaction.
    type Connection: Send + 'static;

    /// Which SQL the database speaks.
    fn dialect(&self) -> Dialect;

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    async fn connect(&self) -> Result<Self::Connection, Failure>;

    /// Runs a prepared statement.
    ///
    /// # Errors
    ///
    /// [`Failure`]; [`Failure::Lost`] when the connection is of no use any more.
    async fn run(
        &self,
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> Result<Answer, Failure>;

    /// Runs statements that bind nothing, as they are.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    async fn script(
        &self,
        connection: &mut Self::Connection,
        sql: Cow<'static, str>,
    ) -> Result<(), Failure>;

    /// Finds out whether the other end is still there.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it is not.
    async fn ping(&self, connection: &mut Self::Connection) -> Result<(), Failure>;
}

/// A [`Backend`] of at most so many connections.
pub struct Pool<D: Driver>(Arc<Shared<D>>);

struct Shared<D: Driver> {
    driver: D,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Idle<D::Connection>>>,
    wait: Duration,
}

struct Idle<C> {
    connection: C,
    since: Instant,
}

impl<D: Driver> Clone for Pool<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Driver> fmt::Debug for Pool<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("driver", &self.0.driver)
            .finish_non_exhaustive()
    }
}

impl<D: Driver> Pool<D> {
    /// A pool of at most `size` connections (at least one); a call waits at most `wait` for one of
    /// them to become free. Nothing is opened before it is needed.
    #[must_use]
    pub fn new(driver: D, size: u16, wait: Duration) -> Self {
        Self(Arc::new(Shared {
            driver,
            slots: Arc::new(Semaphore::new(usize::from(size.max(1)))),
            idle: Mutex::new(Vec::new()),
            wait,
        }))
    }

    /// Takes a connection that is open already.
    pub fn keep(&self, connection: D::Connection) {
        let since = Instant::now();
        self.0.idle().push(Idle { connection, since });
    }

    async fn lease(&self, checked: bool) -> Result<Lease<D>, Failure> {
        let slots = Arc::clone(&self.0.slots);
        let permit = tokio::time::timeout(self.0.wait, slots.acquire_owned())
            .await
            .map_err(|_| Failure::unavailable("no connection became free in time"))?
            .map_err(|_| Failure::unavailable("the pool is closed"))?;
        let mut lease = Lease {
            connection: self.0.take_idle(),
            _permit: permit,
            shared: Arc::clone(&self.0),
        };
        while lease.connection.is_some() {
            if !checked || lease.ping().await.is_ok() {
                return Ok(lease);
            }
            // It is dead, and what died with it (a restart of the server ends all) goes, too.
            lease.connection = self.0.take_idle();
        }
        lease.connection = Some(self.0.driver.connect().await?);
        Ok(lease)
    }
}

impl<D: Driver> Shared<D> {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle<D::Connection>>> {
        // Nothing panics while it is locked; a list of connections is never half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last; those that nobody used for long are closed.
    fn take_idle(&self) -> Option<D::Connection> {
        let mut idle = self.idle();
        let fresh = idle.partition_point(|idle| idle.since.elapsed() > MAX_IDLE);
        let stale: Vec<_> = idle.drain(..fresh).collect();
        let last = idle.pop();
        drop(idle);
        drop(stale);
        last.map(|idle| idle.connection)
    }
}

/// A connection, lent out.
struct Lease<D: Driver> {
    connection: Option<D::Connection>,
    // After the connection: the slot is free when the connection is gone.
    _permit: OwnedSemaphorePermit,
    shared: Arc<Shared<D>>,
}

impl<D: Driver> Lease<D> {
    async fn ping(&mut self) -> Result<(), Failure> {
        let connection = self.connection.as_mut().ok_or(Failure::Lost)?;
        self.shared.driver.ping(connection).await
    }

    async fn run(&mut self, statement: &Statement) -> Result<Answer, Failure> {
        let connection = self.connection.as_mut().ok_or(Failure::Lost)?;
        self.shared.driver.run(connection, statement).await
    }

    async fn script(&mut self, sql: Cow<'static, str>) -> Result<(), Failure> {
        let connection = self.connection.as_mut().ok_or(Failure::Lost)?;
        self.shared.driver.script(connection, sql).await
    }

    fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            let since = Instant::now();
            self.shared.idle().push(Idle { connection, since });
        }
    }
}

#[async_trait]
impl<D: Driver> Backend for Pool<D> {
    fn dialect(&self) -> Dialect {
        self.0.driver.dialect()
    }

    async fn read(&self, statement: &Statement) -> Result<Answer, Failure> {
        // A read may be run twice, so it does not pay for a look at the connection first.
        for checked in [false, true] {
            let mut lease = self.lease(checked).await?;
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
        // A write must not be run twice, so it begins on a connection that is known to live.
        let mut lease = self.lease(true).await?;
        let answer = lease.run(statement).await;
        if !matches!(answer, Err(Failure::Lost)) {
            lease.give_back();
        }
        answer
    }

    async fn begin(&self, isolation: Isolation) -> Result<Box<dyn Transaction>, Failure> {
        let begin = self.dialect().begin(isolation);
        for checked in [false, true] {
            let mut lease = self.lease(checked).await?;
            match lease.script(begin.into()).await {
                Ok(()) => {
                    return Ok(Box::new(Open {
                        lease,
                        failed: false,
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

struct Open<D: Driver> {
    lease: Lease<D>,
    failed: bool,
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
