//! What the adapter holds.

use std::collections::BTreeMap;

use portproof_ports::{Session, SessionDigest, TenantId};

/// Everything, by tenant: no step sees more than one tenant's.
pub(crate) type State = BTreeMap<TenantId, Tenant>;

/// Everything of one tenant.
#[derive(Default)]
pub(crate) struct Tenant {
    pub(crate) sessions: BTreeMap<SessionDigest, Session>,
}
