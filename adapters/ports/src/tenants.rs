//! The tenants port: which tenants there are, and the end of all that one has.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Document, Page, PageRequest, PortResult, TenantId, Text, Timestamp, Version, port};

/// What is said of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TenantDraft {
    /// How people call it.
    pub name: Text,
    /// What the engine keeps about it.
    pub settings: Document,
}

/// A stored tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id: the first argument of every method of every port.
    pub id: TenantId,
    /// How people call it.
    pub name: Text,
    /// What the engine keeps about it.
    pub settings: Document,
    /// Which version of the record this is.
    pub version: Version,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Storage of tenants.
///
/// The other ports work for a tenant whether or not it has a record here: references across ports
/// are the engine's job. Here, too, the tenant is the first argument, as the record's id; only
/// [`list`](Self::list) has none, since it is how the tenants are found.
#[port("tenants")]
#[async_trait]
pub trait TenantStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a new tenant and answers it, in its first version.
    ///
    /// What the other ports hold of it, if anything, becomes neither more nor less.
    ///
    /// # Errors
    ///
    /// `AlreadyExists("tenant")` when it is stored.
    async fn create(
        &self,
        tenant: &TenantId,
        draft: TenantDraft,
        now: Timestamp,
    ) -> PortResult<Tenant>;

    /// The tenant.
    async fn get(&self, tenant: &TenantId) -> PortResult<Option<Tenant>>;

    /// Replaces what is said of a tenant, if the stored version is still the `expected` one; answers
    /// it as it is then, in the next version.
    ///
    /// # Errors
    ///
    /// `NotFound("tenant")`; `Stale("tenant")` when it has another version.
    async fn update(
        &self,
        tenant: &TenantId,
        expected: Version,
        draft: TenantDraft,
        now: Timestamp,
    ) -> PortResult<Tenant>;

    /// The stored tenants, by the bytes of their ids.
    ///
    /// The one call that is about all tenants. An engine gives it to its operators, and to nobody
    /// who belongs to a tenant.
    ///
    /// # Errors
    ///
    /// `InvalidCursor`.
    async fn list(&self, page: &PageRequest) -> PortResult<Page<Tenant>>;

    /// Removes at most `at_most` records of the tenant, in every port of the adapter, whichever;
    /// answers how many. Fewer than `at_most` means that none is left of those that were stored when
    /// the call began.
    ///
    /// A tenant without a record here is purged like any other: the other ports may hold something of
    /// it. What counts as a record is what a port answers as one: an identity, a session, a grant, a
    /// single attribute of a subject, a credential policy, this port's own. Parts go with their
    /// record, and do not count: identifiers, past secrets, refresh tokens, unique keys, which are
    /// free then. So do notes that an adapter keeps for itself, and with the last event what is
    /// remembered of those before it: the heads of streams, and the last position.
    ///
    /// A purge of a large tenant is many calls, and need not be one step: what others write meanwhile
    /// may stay, and one that is stopped half way leaves every record whole or gone. The tenant's
    /// record here is the last to go: for as long as it is listed, there may be something left, and
    /// another purge finishes it. An engine that wants no writes meanwhile says so in the settings,
    /// and looks at them.
    ///
    /// A tenant that is created again under the id begins with nothing, as if there had been none:
    /// versions, sequences and positions of events are the first ones again, and whoever remembers
    /// one of the purged tenant forgets it with the tenant.
    async fn purge(&self, tenant: &TenantId, at_most: u32) -> PortResult<u64>;
}
