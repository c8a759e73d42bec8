//! Transactions: several steps as one.
//!
//! A transaction works on copies. It takes one of a tenant when it first looks at it, and at the end
//! it puts all of them in their places in one step under the one lock, if each of these tenants still
//! is what was copied; else somebody was faster, and nothing happens. So a transaction that is
//! committed has happened at that instant, and so have its reads: transactions and the calls outside
//! of them happen one after another.
//!
//! Others are not kept out meanwhile but found out at the end: whoever calls the ports outside while
//! holding a transaction waits for nobody, and what is dropped has locked nothing.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use portproof_ports::{PortError, PortResult, Ports, PortsTransaction, TenantId, Transactions};

use crate::{MemoryAdapter, panicked, state::State};

/// What makes an adapter the inside of a transaction.
pub(crate) struct Inside {
    outside: Arc<Mutex<State>>,
    /// The tenants as they were copied; `None` after the end.
    before: Mutex<Option<State>>,
}

impl Inside {
    /// Makes sure that the copies have this tenant.
    pub(crate) fn look(&self, tenant: &TenantId, copies: &mut State) -> PortResult<()> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let before = before.as_mut().ok_or(PortError::ended_transaction())?;
        if !before.contains_key(tenant) {
            let outside = self.outside.lock().map_err(|_| panicked())?;
            let copy = outside.get(tenant).cloned().unwrap_or_default();
            before.insert(tenant.clone(), copy.clone());
            copies.insert(tenant.clone(), copy);
        }
        Ok(())
    }

    /// Refuses after the end.
    pub(crate) fn is_open(&self) -> PortResult<()> {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before
            .as_ref()
            .map(drop)
            .ok_or(PortError::ended_transaction())
    }

    /// Ends it: what was copied, if it was not over already.
    fn end(&self) -> Option<State> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.take()
    }
}

#[async_trait]
impl Transactions for MemoryAdapter {
    async fn begin(&self) -> PortResult<Box<dyn PortsTransaction>> {
        self.is_ready()?;
        let inside = Arc::new(Inside {
            outside: Arc::clone(&self.state),
            before: Mutex::new(Some(State::new())),
        });
        let adapter = Self {
            state: Arc::default(),
            inside: Some(Arc::clone(&inside)),
        };
        Ok(Box::new(MemoryTransaction {
            ports: adapter.ports(),
            copies: adapter.state,
            inside,
        }))
    }
}

/// A transaction that is open.
struct MemoryTransaction {
    ports: Ports,
    copies: Arc<Mutex<State>>,
    inside: Arc<Inside>,
}

#[async_trait]
impl PortsTransaction for MemoryTransaction {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    async fn commit(self: Box<Self>) -> PortResult<()> {
        // In the order of a step inside: the copies, then the tenants outside.
        let mut copies = self.copies.lock().map_err(|_| panicked())?;
        let before = self.inside.end().ok_or(PortError::ended_transaction())?;
        let mut outside = self.inside.outside.lock().map_err(|_| panicked())?;
        for (tenant, before) in before {
            if outside.entry(tenant).or_default() != &before {
                return Err(PortError::lost_transaction());
            }
        }
        outside.extend(mem::take(&mut *copies));
        Ok(())
    }

    async fn rollback(self: Box<Self>) {}
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        self.inside.end();
    }
}
