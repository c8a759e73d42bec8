//! Transactions over several calls: the same stores, on a database that is one open transaction.
//!
//! Everything inside runs on the connection of that transaction, one call's statements after
//! another's. A mark (a savepoint) is set before each statement or transaction that a store writes
//! with, and what fails is undone to it: on PostgreSQL one failed statement would else be the end of
//! the whole transaction. Reads need no mark. One that fails although stores make no mistakes loses
//! the transaction.
//!
//! # What it sees
//!
//! A transaction runs at [`Isolation::Snapshot`], whatever the stores ask for inside. Those that ask
//! for a snapshot have one. Those that ask for the latest lock or change a row before they rely on
//! others that belong to it, and whoever changes those changes that row: where somebody did since the
//! snapshot was taken, the lock meets that as a conflict, and nothing is decided on what is old. What
//! fails on a unique key that the snapshot does not show is told as the stores tell it.
//!
//! A conflict cannot be settled by trying the call again, since the snapshot stays: the transaction is
//! lost, and its caller is told.
//!
//! # What is dropped
//!
//! A call takes the transaction out of its place while it runs. When the call is dropped, so is the
//! transaction: its connection is closed, which undoes it, and the place says that it was lost. No
//! half of a call is ever committed, and no connection is given back with something open on it.

use std::{
    borrow::Cow,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use portproof_ports::{PortError, PortResult, Ports, PortsTransaction, Transactions};
use tokio::sync::OwnedMutexGuard;

use crate::{
    backend::{Answer, Backend, Isolation, Statement, Transaction},
    database::Database,
    dialect::Dialect,
    failure::Failure,
    sealing::Sealing,
    stores,
};

/// Transactions over the ports of a SQL database.
#[derive(Clone, Debug)]
pub struct SqlTransactions {
    pub(crate) database: Database,
    pub(crate) sealing: Option<Sealing>,
}

#[async_trait]
impl Transactions for SqlTransactions {
    async fn begin(&self) -> PortResult<Box<dyn PortsTransaction>> {
        let open = self.database.begin(Isolation::Snapshot).await?;
        let inside = Inside {
            dialect: self.database.dialect(),
            place: Arc::new(Place {
                turn: Arc::default(),
                state: Mutex::new(State::Open(open)),
            }),
        };
        let database = Database::new(inside.clone());
        Ok(Box::new(SqlTransaction {
            ports: stores(&database, self.sealing.as_ref()),
            inside,
        }))
    }
}

/// A transaction that is open. Its drop is that of what it holds: the connection is closed.
struct SqlTransaction {
    ports: Ports,
    inside: Inside,
}

#[async_trait]
impl PortsTransaction for SqlTransaction {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    async fn commit(self: Box<Self>) -> PortResult<()> {
        let mut lent = self.inside.lend().await?;
        let open = lent.take()?;
        self.inside.place.end();
        match open.commit().await {
            Ok(()) => Ok(()),
            Err(Failure::Conflict) => Err(PortError::lost_transaction()),
            Err(Failure::Lost) => Err(PortError::Unavailable(
                "the connection was lost during a commit".into(),
            )),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn rollback(self: Box<Self>) {
        // A call that still runs has it, and drops it at its end.
        if let State::Open(open) = self.inside.place.end() {
            open.undo().await;
        }
    }
}

impl Drop for SqlTransaction {
    fn drop(&mut self) {
        self.inside.place.end();
    }
}

/// Where a transaction is while no call inside uses it.
struct Place {
    /// Whose turn it is: one call's statements do not get between another's.
    turn: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
}

enum State {
    Open(Box<dyn Transaction>),
    /// A call inside has it.
    Lent,
    /// It came to nothing; why.
    Lost(PortError),
    Ended,
}

impl Place {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it; answers what it was before.
    fn end(&self) -> State {
        mem::replace(&mut *self.state(), State::Ended)
    }
}

/// The inside of a transaction, as the stores see it.
#[derive(Clone)]
struct Inside {
    dialect: Dialect,
    place: Arc<Place>,
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inside")
    }
}

impl Inside {
    /// The transaction, when it is a call's turn.
    async fn lend(&self) -> Result<Lent, PortError> {
        let turn = Arc::clone(&self.place.turn).lock_owned().await;
        let mut state = self.place.state();
        match mem::replace(&mut *state, State::Lent) {
            State::Open(open) => Ok(Lent {
                place: Arc::clone(&self.place),
                open: Some(open),
                why: PortError::Unavailable("a call in the transaction was not done".into()),
                _turn: turn,
            }),
            // Nobody has it whose turn it is not.
            State::Lent | State::Ended => {
                *state = State::Ended;
                Err(PortError::ended_transaction())
            }
            State::Lost(why) => {
                *state = State::Lost(why.clone());
                Err(why)
            }
        }
    }
}

/// A transaction, lent to a call: lost when dropped, unless it is given back.
struct Lent {
    place: Arc<Place>,
    open: Option<Box<dyn Transaction>>,
    /// Why it is lost.
    why: PortError,
    _turn: OwnedMutexGuard<()>,
}

impl Lent {
    fn open(&mut self) -> Result<&mut Box<dyn Transaction>, Failure> {
        self.open.as_mut().ok_or(Failure::Lost)
    }

    fn take(&mut self) -> Result<Box<dyn Transaction>, PortError> {
        self.open.take().ok_or(PortError::ended_transaction())
    }

    /// Gives it back to its place, unless it was ended meanwhile.
    fn give_back(mut self) {
        let open = self.open.take();
        let mut state = self.place.state();
        if let (State::Lent, Some(open)) = (&*state, open) {
            *state = State::Open(open);
        }
    }

    /// Undoes what a call did, and gives the rest back.
    async fn undo(mut self, failure: &Failure) {
        self.why = match failure {
            Failure::Conflict => PortError::lost_transaction(),
            _ => PortError::Unavailable("the connection was lost".into()),
        };
        if let Ok(open) = self.open()
            && open.undo_to_mark().await.is_ok()
        {
            self.give_back();
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.open.is_some() {
            let mut state = self.place.state();
            if matches!(*state, State::Lent) {
                *state = State::Lost(self.why.clone());
            }
        }
    }
}

#[async_trait]
impl Backend for Inside {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    async fn read(&self, statement: &Statement) -> Result<Answer, Failure> {
        let mut lent = self.lend().await?;
        let answer = lent.open()?.run(statement).await;
        match &answer {
            Ok(_) => lent.give_back(),
            Err(Failure::Conflict) => lent.why = PortError::lost_transaction(),
            Err(_) => lent.why = PortError::Unavailable("a read in the transaction failed".into()),
        }
        answer
    }

    async fn write(&self, statement: &Statement) -> Result<Answer, Failure> {
        let mut lent = self.lend().await?;
        lent.open()?.mark().await?;
        let answer = lent.open()?.run(statement).await;
        match &answer {
            Ok(_) => lent.give_back(),
            Err(failure) => lent.undo(failure).await,
        }
        answer
    }

    async fn begin(&self, _isolation: Isolation) -> Result<Box<dyn Transaction>, Failure> {
        let mut lent = self.lend().await?;
        lent.open()?.mark().await?;
        Ok(Box::new(Part {
            lent,
            failed: false,
        }))
    }

    async fn met_another(&self) -> Option<PortError> {
        let lost = PortError::lost_transaction();
        match self.lend().await {
            Ok(mut lent) => {
                lent.why = lost.clone();
                if let Ok(open) = lent.take() {
                    // Before the connection goes, so that others need not wait for what it locks.
                    *self.place.state() = State::Lost(lost.clone());
                    open.undo().await;
                }
                Some(lost)
            }
            Err(why) => Some(why),
        }
    }
}

/// A store's transaction inside of another: what it does since the mark.
struct Part {
    lent: Lent,
    failed: bool,
}

#[async_trait]
impl Transaction for Part {
    async fn run(&mut self, statement: &Statement) -> Result<Answer, Failure> {
        let answer = self.lent.open()?.run(statement).await;
        self.failed |= answer.is_err();
        answer
    }

    async fn script(&mut self, sql: Cow<'static, str>) -> Result<(), Failure> {
        let done = self.lent.open()?.script(sql).await;
        self.failed |= done.is_err();
        done
    }

    async fn mark(&mut self) -> Result<(), Failure> {
        // There is one mark, and it is where this began.
        Err(Failure::backend("a part of a transaction has no parts"))
    }

    async fn undo_to_mark(&mut self) -> Result<(), Failure> {
        self.lent.open()?.undo_to_mark().await?;
        self.failed = false;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), Failure> {
        if self.failed {
            self.undo().await;
            return Err(Failure::backend("a failed transaction cannot be committed"));
        }
        self.lent.give_back();
        Ok(())
    }

    async fn undo(self: Box<Self>) {
        self.lent.undo(&Failure::Lost).await;
    }
}
