//! Transactions: several steps as one.
//!
//! A transaction works on copies. It takes one of a tenant when it first looks at it, and at the end
//! it puts all of them in their places in one step under the one lock, if each of these tenants still
//! is what was copied; else somebody was faster, and nothing happens. So a transaction that is
//! committed has happened at that instant, and so have its reads: transactions and the calls outside
//! of them happen one after another.
//!
//! Of a key that is unique over all tenants it notes who has it, which must be so at the end as well:
//! to copy all tenants would lose it to whatever any of them does. Likewise of the list of tenants: it
//! notes their records, which must be the same at the end.
//!
//! Others are not kept out meanwhile but found out at the end: whoever calls the ports outside while
//! holding a transaction waits for nobody, and what is dropped has locked nothing.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use portproof_ports::{PortError, PortResult, Ports, PortsTransaction, TenantId, Transactions};

use crate::{
    MemoryAdapter, panicked,
    state::{KeyOfKind, Records, State},
};

/// What makes an adapter the inside of a transaction.
pub(crate) struct Inside {
    outside: Arc<Mutex<State>>,
    /// What it has seen; `None` after the end.
    before: Mutex<Option<Seen>>,
}

/// What a transaction relies on.
#[derive(Default)]
struct Seen {
    /// The tenants as they were copied.
    tenants: State,
    /// Who had the keys that it looked for over all tenants.
    holders: BTreeMap<KeyOfKind, Option<TenantId>>,
    /// Which tenants there were, if it looked at their list.
    records: Option<Records>,
}

/// The records of all tenants.
fn records(state: &State) -> Records {
    let records = state.iter().filter_map(|(tenant, stored)| {
        let record = stored.record.as_ref()?;
        Some((tenant.clone(), record.clone()))
    });
    records.collect()
}

/// The tenant that has a key, if any has.
fn holder(state: &State, key: &KeyOfKind) -> Option<TenantId> {
    let mut holders = state
        .iter()
        .filter(|(_, stored)| stored.entity_keys.contains_key(key));
    holders.next().map(|(tenant, _)| tenant.clone())
}

impl Inside {
    /// Makes sure that the copies have this tenant.
    pub(crate) fn look(&self, tenant: &TenantId, copies: &mut State) -> PortResult<()> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let before = before.as_mut().ok_or(PortError::ended_transaction())?;
        if !before.tenants.contains_key(tenant) {
            let outside = self.outside.lock().map_err(|_| panicked())?;
            let copy = outside.get(tenant).cloned().unwrap_or_default();
            before.tenants.insert(tenant.clone(), copy.clone());
            copies.insert(tenant.clone(), copy);
        }
        Ok(())
    }

    /// Makes sure that the copies have the tenant that has this key, if any has.
    pub(crate) fn look_for(&self, key: KeyOfKind, copies: &mut State) -> PortResult<()> {
        let found = {
            let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
            let before = before.as_mut().ok_or(PortError::ended_transaction())?;
            if before.holders.contains_key(&key) {
                return Ok(());
            }
            let outside = self.outside.lock().map_err(|_| panicked())?;
            let found = holder(&outside, &key);
            before.holders.insert(key, found.clone());
            found
        };
        found.map_or(Ok(()), |tenant| self.look(&tenant, copies))
    }

    /// The records of all tenants, those of the copies as they are there.
    pub(crate) fn look_at_records(&self, copies: &State) -> PortResult<Records> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let before = before.as_mut().ok_or(PortError::ended_transaction())?;
        if before.records.is_none() {
            let outside = self.outside.lock().map_err(|_| panicked())?;
            before.records = Some(records(&outside));
        }
        let mut seen = before.records.clone().unwrap_or_default();
        seen.retain(|tenant, _| !copies.contains_key(tenant));
        seen.extend(records(copies));
        Ok(seen)
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
    fn end(&self) -> Option<Seen> {
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
            before: Mutex::new(Some(Seen::default())),
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
        for (tenant, before) in before.tenants {
            if outside.entry(tenant).or_default() != &before {
                return Err(PortError::lost_transaction());
            }
        }
        for (key, before) in before.holders {
            if holder(&outside, &key) != before {
                return Err(PortError::lost_transaction());
            }
        }
        if before.records.is_some_and(|seen| seen != records(&outside)) {
            return Err(PortError::lost_transaction());
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
