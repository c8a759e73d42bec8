//! Transactions: several calls on several ports that are done together or not at all.
//!
//! A capability of the whole bundle of ports, not a port: an adapter whose ports share one backend
//! offers it, one that is put together of several cannot. What an engine stores in two ports and
//! must never find in one alone (a user and the event that tells of it, an identity and its first
//! credential) it writes in one transaction.
//!
//! ```
//! use portproof_ports::*;
//!
//! /// A sign-up: who cannot log in is not stored either.
//! async fn sign_up(
//!     ports: &Ports,
//!     tenant: &TenantId,
//!     identity: NewIdentity,
//!     password: NewCredential,
//!     now: Timestamp,
//! ) -> PortResult<()> {
//!     in_transaction(ports, |inside| async move {
//!         let lacks = |what: &'static str| PortError::Unsupported(what.into());
//!         let identities = inside.identity.ok_or(lacks("identity"))?;
//!         let credentials = inside.credentials.ok_or(lacks("credentials"))?;
//!         identities.create(tenant, identity, now).await?;
//!         credentials.add(tenant, password, now).await?;
//!         Ok(())
//!     })
//!     .await
//! }
//! ```
//!
//! # What holds inside
//!
//! - The ports inside are those of the bundle, and keep the rules of their ports. Reads see what was
//!   stored when the transaction first looked, and its own writes on top; nobody else sees those
//!   before they are committed, and then all at once.
//! - A call that is refused leaves the transaction as it was: what was written before stays, and can
//!   be committed.
//! - It may reach into several tenants. Calls on it at once wait for each other.
//! - It holds one connection from its first moment to its last, and needs no second one. Whoever
//!   calls a port of the *bundle* while it is open may wait for it, and waits for ever if it is the
//!   same task: a pool of one is empty, and what is written inside may be locked.
//!
//! # How one ends
//!
//! By [`commit`](PortsTransaction::commit), or not at all: dropping it undoes it, after an error, a
//! panic, or when the future that holds it is dropped. Ports of it that somebody kept answer
//! [`PortError::Refused`] from then on, and never reach the bundle.
//!
//! A transaction can be *lost* before its end; then nothing of it is stored, every further call and
//! the commit are told why, and the error's kind says what to do:
//!
//! - [`PortError::Stale`], of `transaction`: somebody else changed what it changes. Nothing was stored;
//!   beginning anew, from the reads on, may succeed. Nobody does that unasked: what the engine decided
//!   by its reads may be wrong by now, and only the engine can decide again.
//! - [`PortError::Unavailable`]: the backend is gone, or a call inside was dropped half way. Where a
//!   *commit* answers it, nobody knows whether it was done.
//!
//! So of two transactions that change the same record at once one wins and the other is told. What a
//! transaction only *read* may be changed by others before it commits, as far as this contract goes;
//! an adapter may refuse that, too.
//!
//! # Not nested
//!
//! The ports inside offer no transactions: a part of a transaction that could be undone alone, or one
//! that silently is a part of another, is a mistake that no type would show.

use std::{fmt, future::Future, sync::Arc};

use crate::{PortError, PortResult, Ports, Wrap, async_trait};

/// What begins transactions over all ports of a bundle.
#[async_trait]
pub trait Transactions: Send + Sync + 'static {
    /// Begins a transaction. Waits until there is a connection for it, and, where one may write at a
    /// time, until it is its turn.
    ///
    /// # Errors
    ///
    /// [`PortError::Unavailable`] when the wait takes too long; those of the backend.
    async fn begin(&self) -> PortResult<Box<dyn PortsTransaction>>;
}

/// A transaction that is open. Dropping it undoes it.
#[async_trait]
pub trait PortsTransaction: Send {
    /// The ports inside: those of the bundle, without its transactions.
    fn ports(&self) -> &Ports;

    /// Makes everything that was done inside last, at once. Waits for calls inside that still run.
    ///
    /// # Errors
    ///
    /// [`PortError::Stale`] of `transaction` when somebody else was first; nothing was stored then.
    /// [`PortError::Unavailable`] when the transaction was lost, or the backend does not answer.
    async fn commit(self: Box<Self>) -> PortResult<()>;

    /// Undoes everything that was done inside: what dropping it does as well, but here the next
    /// caller need not wait for that to be noticed.
    async fn rollback(self: Box<Self>);
}

/// Runs `work` in a transaction on these ports: commits when it answers `Ok`, and undoes everything
/// when it answers an error, panics or is dropped.
///
/// It runs once. Where the transaction is lost to somebody else, that is told as
/// [`PortError::Stale`] of `transaction`, by a call inside or by the commit, and whoever can decide
/// again what to write calls this again.
///
/// # Errors
///
/// The error of `work`; those of [`begin`](Transactions::begin) and
/// [`commit`](PortsTransaction::commit); [`PortError::Unsupported`] where the ports offer no
/// transactions, as those inside of one do not.
pub async fn in_transaction<T, E, F>(
    ports: &Ports,
    work: impl FnOnce(Ports) -> F + Send,
) -> Result<T, E>
where
    T: Send,
    E: From<PortError> + Send,
    F: Future<Output = Result<T, E>> + Send,
{
    let Some(transactions) = &ports.transactions else {
        return Err(PortError::Unsupported("transactions".into()).into());
    };
    let open = transactions.begin().await?;
    match work(open.ports().clone()).await {
        Ok(done) => {
            open.commit().await?;
            Ok(done)
        }
        Err(error) => {
            open.rollback().await;
            Err(error)
        }
    }
}

impl PortError {
    /// What a transaction answers that met another one: nothing of it is stored.
    #[must_use]
    pub const fn lost_transaction() -> Self {
        Self::stale("transaction")
    }

    /// What the ports of a transaction answer after its end.
    #[must_use]
    pub const fn ended_transaction() -> Self {
        Self::refused("transaction", "has ended")
    }
}

/// Transactions whose ports inside have something in front of them, as those outside have.
pub(crate) struct Wrapped<W> {
    pub(crate) inner: Arc<dyn Transactions>,
    pub(crate) wrap: W,
}

#[async_trait]
impl<W: Wrap> Transactions for Wrapped<W> {
    async fn begin(&self) -> PortResult<Box<dyn PortsTransaction>> {
        let inner = self.inner.begin().await?;
        let ports = inner.ports().wrapped(&self.wrap);
        Ok(Box::new(WrappedTransaction { inner, ports }))
    }
}

struct WrappedTransaction {
    inner: Box<dyn PortsTransaction>,
    ports: Ports,
}

#[async_trait]
impl PortsTransaction for WrappedTransaction {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    async fn commit(self: Box<Self>) -> PortResult<()> {
        self.inner.commit().await
    }

    async fn rollback(self: Box<Self>) {
        self.inner.rollback().await;
    }
}

impl fmt::Debug for dyn Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transactions")
    }
}

impl fmt::Debug for dyn PortsTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PortsTransaction")
            .field(self.ports())
            .finish()
    }
}
