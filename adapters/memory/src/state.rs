//! What the adapter holds.

use std::collections::BTreeMap;

use portproof_ports::{
    Attributes, Code, CodeDigest, CodeKind, CredentialId, CredentialKind, CredentialPolicy,
    Expected, Family, FamilyId, Grant, GrantScope, Identifier, Identity, IdentityId, KeyId,
    LookupDigest, Policy, PolicyId, RefreshDigest, Role, RoleId, Session, SessionDigest, StoredKey,
    SubjectId, TenantId, Timestamp, Version,
};

use crate::kept::KeptCredential;

/// Everything, by tenant: no step sees more than one tenant's.
pub(crate) type State = BTreeMap<TenantId, Tenant>;

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
}

/// Whether the version that is stored, if anything is, is what the caller of a save believes.
pub(crate) fn is_as_expected(expected: Expected, stored: Option<Version>) -> bool {
    match expected {
        Expected::Anything => true,
        Expected::Absent => stored.is_none(),
        Expected::Version(version) => stored == Some(version),
    }
}
