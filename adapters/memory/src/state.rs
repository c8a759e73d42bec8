//! What the adapter holds.

use std::collections::BTreeMap;

use portproof_ports::{
    Attributes, Code, CodeDigest, CodeKind, CredentialId, CredentialKind, CredentialPolicy, Edge,
    Entity, EntityId, EntityKind, Event, EventId, Expected, Family, FamilyId, Grant, GrantScope,
    Identifier, Identity, IdentityId, Invitation, InvitationDigest, Item, ItemId, KeyId,
    LookupDigest, Membership, Organization, OrganizationId, Policy, PolicyId, Position,
    RefreshDigest, Relationship, Role, RoleId, Sequence, Session, SessionDigest, StoredKey,
    StreamId, SubjectId, TenantId, Timestamp, UniqueKey, Version,
};

use crate::kept::KeptCredential;

/// Everything, by tenant: no step sees more than one tenant's, but for keys of entities that are
/// unique over all of them, and
/// but for the list of tenants.
pub(crate) type State = BTreeMap<TenantId, Tenant>;

/// The records of the tenants that have one.
pub(crate) type Records = BTreeMap<TenantId, portproof_ports::Tenant>;

/// A unique key of entities of this kind.
pub(crate) type KeyOfKind = (EntityKind, UniqueKey);

/// Everything of one tenant.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Tenant {
    /// What the tenants port has of it, if anything.
    pub(crate) record: Option<portproof_ports::Tenant>,

    pub(crate) identities: BTreeMap<IdentityId, Identity>,
    /// Which identity has an identifier: exactly those that the identities list.
    pub(crate) owners: BTreeMap<Identifier, IdentityId>,

    pub(crate) sessions: BTreeMap<SessionDigest, Session>,

    pub(crate) credentials: BTreeMap<CredentialId, KeptCredential>,
    /// Which credential a digest belongs to: exactly those of the secrets that the credentials
    /// have and had.
    pub(crate) lookups: BTreeMap<(CredentialKind, LookupDigest), CredentialId>,
    pub(crate) credential_policy: Option<CredentialPolicy>,

    pub(crate) keys: BTreeMap<KeyId, StoredKey>,

    pub(crate) policies: BTreeMap<PolicyId, Policy>,
    pub(crate) roles: BTreeMap<RoleId, Role>,

    /// The grants by what they name: the role is one of `roles`.
    pub(crate) grants: BTreeMap<(SubjectId, RoleId, GrantScope), Grant>,
    pub(crate) attributes: BTreeMap<SubjectId, Attributes>,

    pub(crate) codes: BTreeMap<(CodeKind, CodeDigest), Code>,

    pub(crate) families: BTreeMap<FamilyId, Family>,
    /// Which family a refresh token belongs to, and since when it is spent: exactly the tokens that
    /// the families have and had.
    pub(crate) refresh_tokens: BTreeMap<RefreshDigest, (FamilyId, Option<Timestamp>)>,

    pub(crate) entities: BTreeMap<(EntityKind, EntityId), Entity>,
    /// Which entity has a key: exactly those that the entities list.
    pub(crate) entity_keys: BTreeMap<KeyOfKind, EntityId>,

    pub(crate) events: BTreeMap<Position, Event>,
    /// Where the event with an id is: exactly the ids of `events`.
    pub(crate) event_ids: BTreeMap<EventId, Position>,
    /// The last sequence that a stream gave out; pruning leaves it.
    pub(crate) heads: BTreeMap<StreamId, Sequence>,
    /// The last position that was given out; pruning leaves it.
    pub(crate) last_position: Position,
    pub(crate) edges: BTreeMap<Edge, Relationship>,
    pub(crate) organizations: BTreeMap<OrganizationId, Organization>,
    /// The memberships by what they name: the organization is one of `organizations`.
    pub(crate) memberships: BTreeMap<(OrganizationId, IdentityId), Membership>,
    /// The invitations to those organizations.
    pub(crate) invitations: BTreeMap<InvitationDigest, Invitation>,

    pub(crate) items: BTreeMap<ItemId, Item>,
}

/// Whether the version that is stored, if anything is, is what the caller of a save believes.
pub(crate) fn is_as_expected(expected: Expected, stored: Option<Version>) -> bool {
    match expected {
        Expected::Anything => true,
        Expected::Absent => stored.is_none(),
        Expected::Version(version) => stored == Some(version),
    }
}
