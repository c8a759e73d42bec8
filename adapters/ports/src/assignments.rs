//! The assignments port: who holds which role where and when, and what is known about them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    AttributeName, Document, Invalid, Page, PageRequest, PortResult, RoleId, Scope, SubjectId,
    TenantId, Timestamp, port,
};

/// The most grants of one batch.
pub const MAX_BATCH: usize = 1000;
/// The most attributes of a subject.
pub const MAX_ATTRIBUTES: usize = 256;

/// Where a grant holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantScope {
    /// Everywhere.
    Global,
    /// In this scope only.
    Scoped(Scope),
}

/// When a grant holds: from its beginning, and before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bounds", into = "Bounds")]
pub struct Window {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Bounds {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Window {
    /// Always.
    pub const ALWAYS: Self = Self {
        from: None,
        until: None,
    };

    /// From `from` on, before `until`; `None` for no bound.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it ends at its beginning or before.
    pub fn new(from: Option<Timestamp>, until: Option<Timestamp>) -> Result<Self, Invalid> {
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            return Err(Invalid::new("window", "ends before it begins"));
        }
        Ok(Self { from, until })
    }

    /// Its beginning, which belongs to it.
    #[must_use]
    pub const fn from(&self) -> Option<Timestamp> {
        self.from
    }

    /// Its end, which does not.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether it holds at `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

impl TryFrom<Bounds> for Window {
    type Error = Invalid;
    fn try_from(bounds: Bounds) -> Result<Self, Invalid> {
        Self::new(bounds.from, bounds.until)
    }
}

impl From<Window> for Bounds {
    fn from(window: Window) -> Self {
        Self {
            from: window.from,
            until: window.until,
        }
    }
}

/// A grant to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewGrant {
    /// Who gets the role.
    pub subject: SubjectId,
    /// The role; it must be stored.
    pub role: RoleId,
    /// Where.
    pub scope: GrantScope,
    /// When.
    pub window: Window,
}

/// A stored grant. A subject holds a role at most once in a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who holds the role.
    pub subject: SubjectId,
    /// The role.
    pub role: RoleId,
    /// Where.
    pub scope: GrantScope,
    /// When.
    pub window: Window,
    /// When it was first granted there; granting it again keeps this.
    pub granted_at: Timestamp,
}

/// Which grants of a role to revoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The one that holds everywhere, and no scoped one.
    Global,
    /// The one in this scope.
    Scoped(Scope),
    /// All of them.
    Every,
}

/// A revocation of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Whose grants.
    pub subject: SubjectId,
    /// Of which role.
    pub role: RoleId,
    /// Which of them.
    pub which: Which,
}

/// What is known about a subject: documents by name. A null is a value, and not an absence.
pub type Attributes = BTreeMap<AttributeName, Document>;

/// What happens to one attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeChange {
    /// It becomes this, whole: documents are not merged.
    Set(Document),
    /// It is removed.
    Clear,
}

/// Storage of grants and of subjects' attributes.
///
/// A grant names a stored role and ends with it; its subject need not be stored anywhere.
#[port("assignments")]
#[async_trait]
pub trait AssignmentStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Grants a role; answers the grant. Granting what is granted sets its window, also to
    /// [`Window::ALWAYS`], and keeps `granted_at`.
    ///
    /// # Errors
    ///
    /// `NotFound("role")` when the role is not stored.
    async fn assign(&self, tenant: &TenantId, grant: NewGrant, now: Timestamp)
    -> PortResult<Grant>;

    /// Grants all of these, in order, or none; answers how many were not granted before, counting
    /// a grant that is named twice once.
    ///
    /// # Errors
    ///
    /// `NotFound("role")` when one of the roles is not stored; `Refused("grants")` for more than
    /// [`MAX_BATCH`].
    async fn assign_many(
        &self,
        tenant: &TenantId,
        grants: &[NewGrant],
        now: Timestamp,
    ) -> PortResult<u64>;

    /// Revokes grants of a role to a subject; answers how many there were.
    async fn revoke(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        role: &RoleId,
        which: &Which,
    ) -> PortResult<u64>;

    /// Revokes all of these, at once; answers how many grants there were.
    ///
    /// # Errors
    ///
    /// `Refused("revocations")` for more than [`MAX_BATCH`].
    async fn revoke_many(&self, tenant: &TenantId, revocations: &[Revocation]) -> PortResult<u64>;

    /// Moves a grant to another scope, with its window and `granted_at`; answers whether there was
    /// one. It never creates a grant. Where the subject holds the role in `to` already, the grant
    /// that moves takes that one's place. Moving to where it is changes nothing.
    async fn move_scope(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        role: &RoleId,
        from: &GrantScope,
        to: &GrantScope,
    ) -> PortResult<bool>;

    /// The grants of a subject whatever their window, by role and then by scope: global first, then
    /// by the scope's bytes.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, subject or list.
    async fn grants_of(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        page: &PageRequest,
    ) -> PortResult<Page<Grant>>;

    /// The grants of a role whatever their window, by subject and then by scope: global first.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, role or list.
    async fn holders_of(
        &self,
        tenant: &TenantId,
        role: &RoleId,
        page: &PageRequest,
    ) -> PortResult<Page<Grant>>;

    /// The roles that a subject holds at `now` in exactly this scope, by id. A scoped grant is
    /// never part of the global ones, nor a global one part of a scope's.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, subject, scope or list. `now` may differ
    /// from page to page.
    async fn roles_of(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        scope: &GrantScope,
        now: Timestamp,
        page: &PageRequest,
    ) -> PortResult<Page<RoleId>>;

    /// When a subject's roles next change by themselves: the earliest beginning or end of a window
    /// after `now`, over all scopes. What caches a subject's roles caches them no longer.
    async fn next_change(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        now: Timestamp,
    ) -> PortResult<Option<Timestamp>>;

    /// The attributes of a subject; none are an empty map.
    ///
    /// # Errors
    ///
    /// `Corrupt("attributes")` when what is stored cannot be read: never empty instead.
    async fn attributes(&self, tenant: &TenantId, subject: &SubjectId) -> PortResult<Attributes>;

    /// Changes the named attributes and no others, at once; answers all of them. Of two callers
    /// that change different attributes, neither undoes the other.
    ///
    /// # Errors
    ///
    /// `Refused("attributes")`, with nothing changed, when there would be more than
    /// [`MAX_ATTRIBUTES`].
    async fn merge_attributes(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        changes: &BTreeMap<AttributeName, AttributeChange>,
    ) -> PortResult<Attributes>;

    /// Ends everything of a subject at once, its grants and its attributes; answers how many grants
    /// and attributes there were.
    async fn forget(&self, tenant: &TenantId, subject: &SubjectId) -> PortResult<u64>;
}
