//! The reference adapter: every port in memory, to be checked by reading.
//!
//! What other adapters do is compared with what this one does, so it favours the plain over the
//! fast. Everything stands behind one lock, and each call takes it once: calls happen one after
//! another, each in no time, and so do transactions of several. Each call checks all there is to
//! check before it writes anything.
//!
//! Where a method's documentation leaves open which of two errors comes first, what the arguments
//! alone say comes before what is stored, and the rest in the order in which it is documented.
//!
//! ```
//! use portproof_memory::MemoryAdapter;
//!
//! let ports = MemoryAdapter::new().ports();
//! assert_eq!(ports.offered(), portproof_ports::Ports::NAMES);
//! ```

mod assignments;
mod codes;
mod credentials;
mod entities;
mod events;
mod identity;
mod kept;
mod keystore;
mod lists;
mod organizations;
mod outbox;
mod policies;
mod refresh_tokens;
mod relationships;
mod session;
mod state;
mod tenants;
mod transactions;

use std::{
    fmt,
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

use portproof_ports::{PortError, PortResult, Ports, TenantId};

use crate::{
    state::{KeyOfKind, State, Tenant},
    transactions::Inside,
};

/// All ports in memory. Clones share what is stored; it is gone with the last of them.
#[derive(Clone, Default)]
pub struct MemoryAdapter {
    state: Arc<Mutex<State>>,
    /// Where this is the inside of a transaction, its outside.
    inside: Option<Arc<Inside>>,
}

impl MemoryAdapter {
    /// An adapter that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every port, on what this adapter holds.
    #[must_use]
    pub fn ports(&self) -> Ports {
        let ports = Ports::default()
            .with_identity(self.clone())
            .with_session(self.clone())
            .with_credentials(self.clone())
            .with_keystore(self.clone())
            .with_policies(self.clone())
            .with_assignments(self.clone())
            .with_codes(self.clone())
            .with_refresh_tokens(self.clone())
            .with_entities(self.clone())
            .with_events(self.clone())
            .with_relationships(self.clone())
            .with_organizations(self.clone())
            .with_outbox(self.clone())
            .with_tenants(self.clone());
        match self.inside {
            None => ports.with_transactions(self.clone()),
            Some(_) => ports,
        }
    }

    /// Another adapter that holds what this one holds now, and goes its own way from there.
    #[must_use]
    pub fn fork(&self) -> Self {
        // After a panic the copy has what was there, and the original still refuses to go on.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            state: Arc::new(Mutex::new(state.clone())),
            inside: None,
        }
    }

    /// Whether both hold the same.
    #[must_use]
    pub fn holds_what(&self, other: &Self) -> bool {
        // One lock at a time: the other may be this very adapter, or be asked the same of this one.
        let stored = |adapter: &Self| {
            let mut state = adapter.fork().into_state();
            // A tenant that was only looked at is there, and has nothing.
            state.retain(|_, tenant| *tenant != Tenant::default());
            state
        };
        stored(self) == stored(other)
    }

    fn into_state(self) -> State {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *state)
    }

    /// Runs one step on what a tenant has, with nothing else happening meanwhile.
    ///
    /// After a panic within a step nobody knows how far it came, so that no further one runs.
    fn step<T>(
        &self,
        tenant: &TenantId,
        step: impl FnOnce(&mut Tenant) -> PortResult<T>,
    ) -> PortResult<T> {
        let mut state = self.state.lock().map_err(|_| panicked())?;
        if let Some(inside) = &self.inside {
            inside.look(tenant, &mut state)?;
        }
        step(state.entry(tenant.clone()).or_default())
    }

    /// The same for a step that also looks for keys that are unique over all tenants, which are all
    /// that it may rely on of other tenants than its own.
    fn step_of_all<T>(
        &self,
        tenant: Option<&TenantId>,
        keys: impl IntoIterator<Item = KeyOfKind>,
        step: impl FnOnce(&mut State) -> PortResult<T>,
    ) -> PortResult<T> {
        let mut state = self.state.lock().map_err(|_| panicked())?;
        if let Some(inside) = &self.inside {
            if let Some(tenant) = tenant {
                inside.look(tenant, &mut state)?;
            }
            for key in keys {
                inside.look_for(key, &mut state)?;
            }
        }
        step(&mut state)
    }

    /// Runs one step on the records of the tenants from here on, in their order.
    fn step_of_records<T>(
        &self,
        begin: Bound<TenantId>,
        step: impl FnOnce(&mut dyn Iterator<Item = &portproof_ports::Tenant>) -> PortResult<T>,
    ) -> PortResult<T> {
        let state = self.state.lock().map_err(|_| panicked())?;
        let range = (begin, Bound::Unbounded);
        match &self.inside {
            None => step(
                &mut state
                    .range(range)
                    .filter_map(|(_, tenant)| tenant.record.as_ref()),
            ),
            Some(inside) => {
                let records = inside.look_at_records(&state)?;
                step(&mut records.range(range).map(|(_, record)| record))
            }
        }
    }

    /// What every port answers to `ready`.
    fn is_ready(&self) -> PortResult<()> {
        if self.state.is_poisoned() {
            return Err(panicked());
        }
        self.inside
            .as_ref()
            .map_or(Ok(()), |inside| inside.is_open())
    }
}

fn panicked() -> PortError {
    PortError::Backend("an earlier call panicked".into())
}

impl fmt::Debug for MemoryAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryAdapter")
    }
}
