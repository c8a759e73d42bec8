//! Connections of a driver, lent to one call at a time.
//!
//! A caller may drop a call wherever it waits. A connection that is lent out and is not given back
//! in good order is closed, which makes the server undo whatever it was doing: no call ever gets a
//! connection with another's transaction on it.
//!
//! That is why this is no pool of the driver's own. Such a pool cannot know how a connection comes
//! back, and so asks the database both before it lends one and when it gets it back: two round trips
//! around every statement. Here a connection that comes back has answered a moment ago. Only one that
//! lay idle for a while is asked whether it lives, and those that lay idle when another was found dead.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    backend::{Answer, Backend, Isolation, Statement, Transaction},
    dialect::Dialect,
    failure::Failure,
};

/// For how long an idle connection is taken to live without a question.
const TRUSTED: Duration = Duration::from_millis(500);
/// For how long one that is not needed stays open, and how old one may become.
const LONGEST_IDLE: Duration = Duration::from_secs(10 * 60);
const OLDEST: Duration = Duration::from_secs(30 * 60);
/// How many connections a write tries that are found dead before it is run.
const DEAD_ONES: usize = 3;

/// The bounds of a driver's connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections.
    pub connections: u16,
    /// How long a call waits for a connection, be it for its turn or for a new one.
    pub acquire: Duration,
    /// How long an answer may take before the connection is taken for lost: longer than a statement
    /// may take, locks included. A database ends slow statements by itself; one that is stopped, or
    /// behind a network that swallows everything, does not.
    pub answer: Duration,
}

/// How to use one kind of database.
#[async_trait]
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// A connection. Dropping it closes it, which undoes its transaction.
    type Connection: Send + 'static;

    /// Which SQL the database speaks.
    fn dialect(&self) -> Dialect;

    /// The bounds of its connections.
    fn limits(&self) -> Limits;

    /// Opens a connection. Waits for a database that is starting; the caller bounds that.
    ///
    /// # Errors
    ///
    /// [`Failure`], but not [`Failure::Lost`]: nothing was run.
    async fn connect(&self) -> Result<Self::Connection, Failure>;

    /// Whether the database still answers on a connection that lay idle.
    async fn is_alive(connection: &mut Self::Connection) -> bool;

    /// Runs a prepared statement.
    ///
    /// # Errors
    ///
    /// [`Failure`]; [`Failure::Lost`] or [`Failure::Unrun`] when the connection cannot be used any
    /// more.
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

/// A [`Backend`] on a driver's connections, which stay open from call to call.
#[derive(Debug)]
pub struct Pooled<D: Driver>(Arc<Pool<D>>);

struct Pool<D: Driver> {
    driver: D,
    limits: Limits,
    /// One for each connection that may be lent. Who waits is served in order.
    turns: Arc<Semaphore>,
    idle: Mutex<Idle<D::Connection>>,
}

/// The connections that are not lent, the one that was last used at the end.
struct Idle<C> {
    kept: Vec<Kept<C>>,
    /// When a connection was last found dead: those that lay idle then may be so, too.
    doubted: Option<Instant>,
}

struct Kept<C> {
    connection: C,
    opened: Instant,
    /// When it last answered.
    answered: Instant,
}

impl<D: Driver> fmt::Debug for Pool<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.driver.fmt(f)
    }
}

impl<D: Driver> Pool<D> {
    fn idle(&self) -> MutexGuard<'_, Idle<D::Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle connection, and whether it need not be asked if it lives.
    fn take(&self) -> Option<(Kept<D::Connection>, bool)> {
        let mut idle = self.idle();
        let kept = idle.kept.pop()?;
        let trusted = kept.answered.elapsed() < TRUSTED
            && idle.doubted.is_none_or(|doubted| kept.answered > doubted);
        Some((kept, trusted))
    }

    fn keep(&self, mut kept: Kept<D::Connection>) {
        let now = Instant::now();
        kept.answered = now;
        let mut idle = self.idle();
        if now - kept.opened < OLDEST {
            idle.kept.push(kept);
        }
        // The first has lain idle for longest.
        let superfluous = idle.kept.first();
        if superfluous.is_some_and(|first| now - first.answered > LONGEST_IDLE) {
            idle.kept.remove(0);
        }
    }

    fn doubt(&self) {
        self.idle().doubted = Some(Instant::now());
    }
}

impl<C> Kept<C> {
    fn new(connection: C) -> Self {
        let now = Instant::now();
        Self {
            connection,
            opened: now,
            answered: now,
        }
    }
}

impl<D: Driver> Pooled<D> {
    /// No connections yet: they are opened when they are needed.
    #[must_use]
    pub fn new(driver: D) -> Self {
        let limits = driver.limits();
        Self(Arc::new(Pool {
            driver,
            limits,
            turns: Arc::new(Semaphore::new(limits.connections.into())),
            idle: Mutex::new(Idle {
                kept: Vec::new(),
                doubted: None,
            }),
        }))
    }

    /// The same with this connection, which has just answered.
    #[must_use]
    pub fn with(self, connection: D::Connection) -> Self {
        self.0.keep(Kept::new(connection));
        self
    }

    /// A connection that was alive a moment ago. Fails, but not as [`Failure::Lost`], when there is
    /// none in time.
    async fn lease(&self) -> Result<Lease<D>, Failure> {
        let acquired = tokio::time::timeout(self.0.limits.acquire, self.acquire()).await;
        acquired.unwrap_or_else(|_| {
            let why = "no connection was to be had in time";
            Err(Failure::unavailable(why))
        })
    }

    async fn acquire(&self) -> Result<Lease<D>, Failure> {
        let pool = &self.0;
        let turn = Arc::clone(&pool.turns).acquire_owned().await;
        let mut lease = Lease {
            kept: None,
            pool: Arc::clone(pool),
            _turn: turn.map_err(|_| Failure::unavailable("there are no connections"))?,
        };
        while let Some((mut kept, trusted)) = pool.take() {
            if trusted || D::is_alive(&mut kept.connection).await {
                lease.kept = Some(kept);
                return Ok(lease);
            }
        }
        lease.kept = Some(Kept::new(pool.driver.connect().await?));
        Ok(lease)
    }
}

/// A connection, lent out: closed when dropped, unless it is given back.
struct Lease<D: Driver> {
    kept: Option<Kept<D::Connection>>,
    pool: Arc<Pool<D>>,
    /// Behind the connection: it is closed before the next one is opened.
    _turn: OwnedSemaphorePermit,
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
        let kept = self.kept.as_mut().ok_or(Failure::Lost)?;
        let answer = D::run(&mut kept.connection, statement);
        let answer = in_time(self.pool.limits.answer, answer).await;
        self.noted(answer)
    }

    async fn script(&mut self, sql: Cow<'static, str>) -> Result<(), Failure> {
        let kept = self.kept.as_mut().ok_or(Failure::Lost)?;
        // A migration may wait for another one, and work for long: there is a `;` in it. What begins,
        // marks and ends a transaction is a few words.
        let is_migration = sql.contains(';') && sql != NEXT_MARK;
        let done = D::script(&mut kept.connection, sql);
        let done = if is_migration {
            done.await
        } else {
            in_time(self.pool.limits.answer, done).await
        };
        self.noted(done)
    }

    /// Closes a connection that was found dead.
    fn noted<T>(&mut self, answer: Result<T, Failure>) -> Result<T, Failure> {
        if matches!(answer, Err(Failure::Lost | Failure::Unrun)) {
            self.kept = None;
            self.pool.doubt();
        }
        answer
    }

    fn give_back(mut self) {
        if let Some(kept) = self.kept.take() {
            self.pool.keep(kept);
        }
    }
}

#[async_trait]
impl<D: Driver> Backend for Pooled<D> {
    fn dialect(&self) -> Dialect {
        self.0.driver.dialect()
    }

    async fn read(&self, statement: &Statement) -> Result<Answer, Failure> {
        // The connection may have died since it last answered; a read may be run twice.
        for _ in 0..2 {
            let mut lease = self.lease().await?;
            match lease.run(statement).await {
                Err(Failure::Lost | Failure::Unrun) => {}
                answer => {
                    lease.give_back();
                    return answer;
                }
            }
        }
        Err(Failure::Lost)
    }

    async fn write(&self, statement: &Statement) -> Result<Answer, Failure> {
        // A write is run again only when the database says that it was not run.
        for _ in 0..DEAD_ONES {
            let mut lease = self.lease().await?;
            match lease.run(statement).await {
                Err(Failure::Unrun) => {}
                Err(Failure::Lost) => break,
                answer => {
                    lease.give_back();
                    return answer;
                }
            }
        }
        Err(Failure::Lost)
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
                Err(Failure::Lost | Failure::Unrun) => {}
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
        answer.map_err(|failure| match failure {
            // What the transaction did before is undone.
            Failure::Unrun => Failure::Lost,
            failure => failure,
        })
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
mod tests;
