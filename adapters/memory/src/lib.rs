//! The reference adapter: every port in memory, to be checked by reading.
//!
//! What other adapters do is compared with what this one does, so it favours the plain over the
//! fast. Everything stands behind one lock, and each call takes it once: calls happen one after
//! another, each in no time. Each call checks all there is to check before it writes anything.
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
mod identity;
mod kept;
mod keystore;
mod lists;
mod policies;
mod refresh_tokens;
mod session;
mod state;
mod tenants;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use portproof_ports::{PortError, PortResult, Ports, TenantId};

use crate::state::{State, Tenant};

/// All ports in memory. Clones share what is stored; it is gone with the last of them.
#[derive(Clone, Default)]
pub struct MemoryAdapter {
    state: Arc<Mutex<State>>,
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
        Ports::default()
            .with_identity(self.clone())
            .with_session(self.clone())
            .with_credentials(self.clone())
            .with_keystore(self.clone())
            .with_policies(self.clone())
            .with_assignments(self.clone())
            .with_codes(self.clone())
            .with_refresh_tokens(self.clone())
            .with_tenants(self.clone())
    }

    /// Another adapter that holds what this one holds now, and goes its own way from there.
    #[must_use]
    pub fn fork(&self) -> Self {
        // After a panic the copy has what was there, and the original still refuses to go on.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            state: Arc::new(Mutex::new(state.clone())),
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
        step(state.entry(tenant.clone()).or_default())
    }

    /// Runs one step on what all tenants have.
    fn step_of_all<T>(&self, step: impl FnOnce(&mut State) -> PortResult<T>) -> PortResult<T> {
        let mut state = self.state.lock().map_err(|_| panicked())?;
        step(&mut state)
    }

    /// What every port answers to `ready`.
    fn is_ready(&self) -> PortResult<()> {
        if self.state.is_poisoned() {
            return Err(panicked());
        }
        Ok(())
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
