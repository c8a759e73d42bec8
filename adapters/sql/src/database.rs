//! Running statements as the stores do: rows named by their record, conflicts tried again.

use std::{
    borrow::Cow,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use portproof_ports::{PortError, PortResult, Version};

use crate::{
    backend::{Answer, Backend, Isolation, Statement, Transaction},
    dialect::Dialect,
    failure::Failure,
    migrate,
    value::{Row, Value},
};

/// For how long a call that met others is tried again.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A database that holds, or will hold, the schema.
#[derive(Clone, Debug)]
pub struct Database(Arc<dyn Backend>);

/// What a transaction does while it is open.
pub(crate) type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 't>>;

impl Database {
    /// The database behind `backend`.
    #[must_use]
    pub fn new(backend: impl Backend) -> Self {
        Self(Arc::new(backend))
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    /// Says whether the database answers and holds the schema that this crate knows.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when it does not answer, [`PortError::Corrupt`] when its schema is
    /// another one.
    pub async fn ready(&self) -> PortResult<()> {
        migrate::check(self).await
    }

    /// The rows of a `SELECT`.
    pub(crate) async fn rows(
        &self,
        record: &'static str,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
    ) -> PortResult<Vec<Row>> {
        self.read(record, Statement::new(sql, values)).await
    }

    /// The rows of a statement that writes nothing.
    pub(crate) async fn read(
        &self,
        record: &'static str,
        statement: Statement,
    ) -> PortResult<Vec<Row>> {
        let mut retry = Retry::new();
        loop {
            match self.0.read(&statement).await {
                Err(Failure::Conflict) if self.again(&mut retry).await? => {}
                answer => return Ok(rows_of(record, answer?)),
            }
        }
    }

    /// The one row of a `SELECT`, if there is one.
    pub(crate) async fn row(
        &self,
        record: &'static str,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
    ) -> PortResult<Option<Row>> {
        Ok(self.rows(record, sql, values).await?.pop())
    }

    /// Whether to try again what met another transaction.
    async fn again(&self, retry: &mut Retry) -> PortResult<bool> {
        match self.0.met_another().await {
            None => Ok(retry.again().await),
            Some(error) => Err(error),
        }
    }

    /// Begins a transaction that is not ended by a call, but by whoever holds it.
    pub(crate) async fn begin(&self, isolation: Isolation) -> PortResult<Box<dyn Transaction>> {
        let mut retry = Retry::new();
        loop {
            match self.0.begin(isolation).await {
                Err(Failure::Conflict) if self.again(&mut retry).await? => {}
                begun => return Ok(begun?),
            }
        }
    }

    async fn write_any(&self, statement: Statement) -> PortResult<Answer> {
        let mut retry = Retry::new();
        loop {
            match self.0.write(&statement).await {
                Err(Failure::Conflict) if self.again(&mut retry).await? => {}
                answer => return Ok(answer?),
            }
        }
    }

    /// Runs one writing statement; answers how many rows it wrote.
    pub(crate) async fn write(
        &self,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
    ) -> PortResult<u64> {
        let answer = self.write_any(Statement::new(sql, values)).await?;
        Ok(answer.affected)
    }

    /// Runs one writing statement with `RETURNING`; answers the row that it wrote, if it did.
    pub(crate) async fn write_row(
        &self,
        record: &'static str,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
    ) -> PortResult<Option<Row>> {
        Ok(self.write_rows(record, sql, values).await?.pop())
    }

    /// Runs one writing statement with `RETURNING`; answers the rows that it wrote, in no order.
    pub(crate) async fn write_rows(
        &self,
        record: &'static str,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
    ) -> PortResult<Vec<Row>> {
        let answer = self.write_any(Statement::new(sql, values)).await?;
        Ok(rows_of(record, answer))
    }

    /// Runs `work` in a transaction that sees the latest there is; see
    /// [`transaction_of`](Self::transaction_of).
    pub(crate) async fn transaction<'a, T, F>(&self, work: F) -> PortResult<T>
    where
        T: Send,
        F: for<'t> Fn(&'t mut Tx<'a>) -> Work<'t, T> + Send + Sync,
    {
        self.transaction_of(Isolation::Latest, work).await
    }

    /// Runs `work` in a transaction: commits when it succeeds, and undoes everything when it fails
    /// or is dropped. `work` is run again when it met another transaction, so it does nothing but
    /// to read and write through its [`Tx`].
    pub(crate) async fn transaction_of<'a, T, F>(
        &self,
        isolation: Isolation,
        work: F,
    ) -> PortResult<T>
    where
        T: Send,
        F: for<'t> Fn(&'t mut Tx<'a>) -> Work<'t, T> + Send + Sync,
    {
        let mut retry = Retry::new();
        loop {
            match self.attempt(isolation, &work).await {
                Err(Failure::Conflict) if self.again(&mut retry).await? => {}
                // Lost before the commit was sent: the server has undone it.
                Err(Failure::Lost) if retry.again_once().await => {}
                done => return Ok(done?),
            }
        }
    }

    async fn attempt<'a, T, F>(&self, isolation: Isolation, work: &F) -> Result<T, Failure>
    where
        T: Send,
        F: for<'t> Fn(&'t mut Tx<'a>) -> Work<'t, T> + Send + Sync,
    {
        let mut tx = Tx {
            open: self.0.begin(isolation).await?,
            dialect: self.dialect(),
            captures: PhantomData,
        };
        match work(&mut tx).await {
            Ok(done) => match tx.open.commit().await {
                Ok(()) => Ok(done),
                Err(Failure::Lost) => Err(Failure::unavailable(
                    "the connection was lost during a commit",
                )),
                Err(failure) => Err(failure),
            },
            Err(failure) => {
                tx.open.undo().await;
                Err(failure)
            }
        }
    }
}

/// An open transaction. `'a` is what the work may refer to.
pub(crate) struct Tx<'a> {
    open: Box<dyn Transaction>,
    dialect: Dialect,
    captures: PhantomData<&'a ()>,
}

impl Tx<'_> {
    /// The rows of a statement that answers some.
    pub(crate) async fn rows(
        &mut self,
        record: &'static str,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, Failure> {
        let answer = self.open.run(&Statement::new(sql, values)).await?;
        Ok(rows_of(record, answer))
    }

    /// The one row of a statement, if it answers one.
    pub(crate) async fn row(
        &mut self,
        record: &'static str,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
    ) -> Result<Option<Row>, Failure> {
        Ok(self.rows(record, sql, values).await?.pop())
    }

    /// The rows of a `SELECT`, locked until the transaction ends.
    pub(crate) async fn lock(
        &mut self,
        record: &'static str,
        select: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, Failure> {
        let select = self.dialect.locking(select);
        self.rows(record, select, values).await
    }

    /// Runs a writing statement; answers how many rows it wrote.
    pub(crate) async fn write(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<Value>,
    ) -> Result<u64, Failure> {
        let answer = self.open.run(&Statement::new(sql, values)).await?;
        Ok(answer.affected)
    }

    /// Runs statements that define tables.
    pub(crate) async fn script(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
    ) -> Result<(), Failure> {
        self.open.script(sql.into()).await
    }
}

fn rows_of(record: &'static str, answer: Answer) -> Vec<Row> {
    let rows = answer.rows.into_iter();
    rows.map(|values| Row::new(record, values)).collect()
}

/// Tries again, after ever longer pauses of random length, as long as there is patience.
struct Retry {
    began: Instant,
    tries: u32,
    lost: bool,
}

impl Retry {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            tries: 0,
            lost: false,
        }
    }

    /// Waits; answers whether to try again.
    async fn again(&mut self) -> bool {
        if self.began.elapsed() > PATIENCE {
            return false;
        }
        let longest = LONGEST_PAUSE.min(Duration::from_millis(1 << self.tries.min(10)));
        self.tries += 1;
        // Random, so that those who met do not meet again.
        let share = getrandom::u32().unwrap_or(u32::MAX / 2) >> 16;
        tokio::time::sleep(longest * share / 0x1_0000).await;
        true
    }

    /// As [`again`](Self::again), the first time.
    async fn again_once(&mut self) -> bool {
        !std::mem::replace(&mut self.lost, true) && self.again().await
    }
}

/// How often a write is tried that wrote nothing, when what is stored says by then that it should have.
pub(crate) const TRIES: usize = 3;

/// Why a write of the version that its caller expects wrote nothing; that version is stored by now
/// when there is no reason, and the write is to be tried again.
pub(crate) fn not_written(
    what: &'static str,
    stored: Option<Version>,
    expected: Version,
) -> PortResult<()> {
    match stored {
        None => Err(PortError::not_found(what)),
        Some(stored) if stored != expected => Err(PortError::stale(what)),
        Some(_) => Ok(()),
    }
}

/// A write that met something it cannot have met: answered when trying again did not help.
pub(crate) const fn unsettled() -> PortError {
    PortError::Unavailable(Cow::Borrowed("others keep changing the same"))
}
