//! What the stores ask of a database: to run a statement, alone or in a transaction.

use std::{borrow::Cow, fmt};

use async_trait::async_trait;
use portproof_ports::PortError;

use crate::{dialect::Dialect, failure::Failure, value::Value};

/// A statement and what is bound to it. Values are always bound and never part of the text.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The text: fixed, or put together of fixed parts.
    pub sql: Cow<'static, str>,
    /// The values of its placeholders.
    pub values: Vec<Value>,
    /// Whether a database must look at the values before it chooses a way to the rows. Else the way
    /// may be chosen once for all values.
    pub plan_by_values: bool,
}

impl Statement {
    /// A statement with its values.
    #[must_use]
    pub fn new(sql: impl Into<Cow<'static, str>>, values: Vec<Value>) -> Self {
        Self {
            sql: sql.into(),
            values,
            plan_by_values: false,
        }
    }

    /// The same where the best way to the rows depends on the values: no one way is right for all of
    /// them. It costs a plan with each run, and on PostgreSQL another round trip.
    #[must_use]
    pub fn planned_by_values(mut self) -> Self {
        self.plan_by_values = true;
        self
    }
}

/// What a statement answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The rows, column by column.
    pub rows: Vec<Vec<Value>>,
    /// How many rows were written.
    pub affected: u64,
}

/// What a transaction sees of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what is committed when it begins.
    Latest,
    /// All statements see what was committed when the first began; one that would write over
    /// something newer fails as a [`Failure::Conflict`].
    Snapshot,
}

/// A database.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Which SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// Runs a statement that writes nothing.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    async fn read(&self, statement: &Statement) -> Result<Answer, Failure>;

    /// Runs a statement that writes, as a transaction of its own.
    ///
    /// # Errors
    ///
    /// [`Failure`]; nothing was written then, unless it is [`Failure::Lost`].
    async fn write(&self, statement: &Statement) -> Result<Answer, Failure>;

    /// Begins a transaction that will write.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    async fn begin(&self, isolation: Isolation) -> Result<Box<dyn Transaction>, Failure>;

    /// Told of a call that met another transaction: answers `None` when the call may be tried again,
    /// and else what it fails with.
    async fn met_another(&self) -> Option<PortError> {
        None
    }
}

/// A transaction. Dropping it undoes it, wherever it stands.
#[async_trait]
pub trait Transaction: Send {
    /// Runs a statement in it.
    ///
    /// # Errors
    ///
    /// [`Failure`]; the transaction can only be undone then, as a whole or
    /// [to the mark](Self::undo_to_mark).
    async fn run(&mut self, statement: &Statement) -> Result<Answer, Failure>;

    /// Runs statements that define tables, without values.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    async fn script(&mut self, sql: Cow<'static, str>) -> Result<(), Failure>;

    /// Marks this place, and no other any more.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    async fn mark(&mut self) -> Result<(), Failure>;

    /// Undoes what it did since the mark, also when a statement failed; it can go on then.
    ///
    /// # Errors
    ///
    /// [`Failure`]; the transaction can only be undone as a whole then.
    async fn undo_to_mark(&mut self) -> Result<(), Failure>;

    /// Makes everything that it did last.
    ///
    /// # Errors
    ///
    /// [`Failure`]; nothing was written then, unless it is [`Failure::Lost`].
    async fn commit(self: Box<Self>) -> Result<(), Failure>;

    /// Undoes it and gives its connection back: what dropping it does, without closing the
    /// connection.
    async fn undo(self: Box<Self>);
}
