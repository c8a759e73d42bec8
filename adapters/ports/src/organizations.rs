//! The organizations port: which organizations there are, who belongs to them, and who was invited.

use std::{collections::BTreeSet, fmt, num::NonZeroU32};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Document, IdentityId, Invalid, InvitationDigest, OrganizationId, Page, PageRequest, PortResult,
    RoleId, TenantId, Text, Timestamp, Version, port,
};

/// The longest slug, in bytes.
pub const MAX_SLUG_BYTES: usize = 63;
/// The most roles of one membership or invitation.
pub const MAX_MEMBER_ROLES: usize = 64;

/// What an organization is called in an address: lower case, as a label of a host's name.
///
/// Of the letters `a` to `z`, digits, and hyphens, which it neither begins nor ends with. Storage
/// compares bytes; that `Acme` and `acme` are one slug is so before storage sees it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

impl Slug {
    /// Takes what a person typed and keeps it in lower case.
    ///
    /// # Errors
    ///
    /// [`Invalid`], naming the limit, when it is not a slug: whatever looks like another character is
    /// refused, and not folded into it.
    pub fn new(typed: &str) -> Result<Self, Invalid> {
        let slug = typed.to_ascii_lowercase();
        if slug.len() > MAX_SLUG_BYTES {
            return Err(Invalid::new("slug", "is longer than 63 bytes"));
        }
        if slug.is_empty() {
            return Err(Invalid::new("slug", "is empty"));
        }
        let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !slug.bytes().all(is_allowed) {
            return Err(Invalid::new(
                "slug",
                "has something else than letters a to z, digits and hyphens",
            ));
        }
        if slug.starts_with('-') || slug.ends_with('-') {
            return Err(Invalid::new("slug", "begins or ends with a hyphen"));
        }
        Ok(Self(slug))
    }

    /// The slug's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Slug {
    type Error = Invalid;
    fn try_from(typed: String) -> Result<Self, Invalid> {
        Self::new(&typed)
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The roles that a member has in an organization: a set, in the order of their ids' bytes.
///
/// The ids are opaque: storage neither knows nor asks whether there are such roles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<RoleId>", into = "BTreeSet<RoleId>")]
pub struct MemberRoles(BTreeSet<RoleId>);

impl MemberRoles {
    /// A set of these, each counted once; may be none.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when they are more than [`MAX_MEMBER_ROLES`].
    pub fn new(roles: impl IntoIterator<Item = RoleId>) -> Result<Self, Invalid> {
        let roles: BTreeSet<RoleId> = roles.into_iter().collect();
        if roles.len() > MAX_MEMBER_ROLES {
            return Err(Invalid::new("roles", "are more than 64"));
        }
        Ok(Self(roles))
    }

    /// The roles, in order.
    pub fn iter(&self) -> impl Iterator<Item = &RoleId> {
        self.0.iter()
    }

    /// Whether this role is one of them.
    #[must_use]
    pub fn contains(&self, role: &RoleId) -> bool {
        self.0.contains(role)
    }
}

impl TryFrom<BTreeSet<RoleId>> for MemberRoles {
    type Error = Invalid;
    fn try_from(roles: BTreeSet<RoleId>) -> Result<Self, Invalid> {
        Self::new(roles)
    }
}

impl From<MemberRoles> for BTreeSet<RoleId> {
    fn from(roles: MemberRoles) -> Self {
        roles.0
    }
}

/// An organization to be stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewOrganization {
    /// Its id, chosen by the engine and kept exactly.
    pub id: OrganizationId,
    /// What it is called in an address.
    pub slug: Slug,
    /// How many members it may have; `None` for any number.
    pub member_limit: Option<NonZeroU32>,
    /// What the engine keeps about it: its name, its branding.
    pub data: Document,
}

/// A stored organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    /// Its id; nothing changes it.
    pub id: OrganizationId,
    /// What it is called in an address; no other organization of the tenant is.
    pub slug: Slug,
    /// How many members it may have.
    pub member_limit: Option<NonZeroU32>,
    /// What the engine keeps about it.
    pub data: Document,
    /// Counts its updates; who joins and leaves does not count.
    pub version: Version,
    /// When it was created; nothing changes it.
    pub created_at: Timestamp,
    /// When it was created or last updated.
    pub updated_at: Timestamp,
}

/// What an update replaces, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrganizationUpdate {
    /// What it is called in an address from now on; the slug that it had is free.
    pub slug: Slug,
    /// How many members it may have. A limit below the number that it has ends no membership; nobody
    /// joins until it has fewer.
    pub member_limit: Option<NonZeroU32>,
    /// What the engine keeps about it.
    pub data: Document,
}

/// A membership to be stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewMembership {
    /// In which organization.
    pub organization: OrganizationId,
    /// Whose.
    pub identity: IdentityId,
    /// Which roles they have there.
    pub roles: MemberRoles,
}

/// That an identity belongs to an organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// In which organization.
    pub organization: OrganizationId,
    /// Whose.
    pub identity: IdentityId,
    /// Which roles they have there, and nowhere else.
    pub roles: MemberRoles,
    /// Counts the changes of its roles.
    pub version: Version,
    /// Since when they belong to it; nothing changes it.
    pub joined_at: Timestamp,
    /// When they joined, or their roles were last set.
    pub updated_at: Timestamp,
}

/// An invitation to be stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewInvitation {
    /// The digest of the token that was sent out.
    pub id: InvitationDigest,
    /// To which organization.
    pub organization: OrganizationId,
    /// Who was meant, as the engine says it: an address, most likely. Storage does not compare it
    /// with who accepts.
    pub invitee: Text,
    /// Which roles whoever accepts it has.
    pub roles: MemberRoles,
    /// When it is over.
    pub expires_at: Timestamp,
    /// What the engine keeps in it: who invited, and where to go afterwards.
    pub data: Document,
}

/// A stored invitation, which nobody has accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    /// The digest of its token.
    pub id: InvitationDigest,
    /// To which organization.
    pub organization: OrganizationId,
    /// Who was meant.
    pub invitee: Text,
    /// Which roles whoever accepts it has.
    pub roles: MemberRoles,
    /// When it is over: it is live before this instant, and not at it.
    pub expires_at: Timestamp,
    /// What the engine keeps in it.
    pub data: Document,
    /// When it was stored.
    pub created_at: Timestamp,
}

impl Invitation {
    /// Whether it can be accepted at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// Storage of organizations, of who belongs to them with which roles, and of invitations.
///
/// A slug belongs to at most one organization of a tenant; in two tenants it may belong to two.
/// Memberships and invitations live within an organization, and end with it: one that is created
/// under the same id afterwards begins without any.
///
/// Identities and roles are named without needing stored ones: references to other ports are the
/// engine's job. What a role allows is no business of this port.
#[port("organizations")]
#[async_trait]
pub trait OrganizationStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a new organization without members, and answers it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists("organization")` when the id is stored; else `AlreadyExists("slug")` when
    /// another one is called so. Of two callers with one id or slug, one gets it.
    async fn create(
        &self,
        tenant: &TenantId,
        organization: NewOrganization,
        now: Timestamp,
    ) -> PortResult<Organization>;

    /// The organization with this id.
    async fn get(&self, tenant: &TenantId, id: &OrganizationId)
    -> PortResult<Option<Organization>>;

    /// The organization that is called so.
    async fn find(&self, tenant: &TenantId, slug: &Slug) -> PortResult<Option<Organization>>;

    /// Replaces slug, limit and data, if the organization still has the version that the caller saw;
    /// answers it, one version on. It may keep its slug.
    ///
    /// # Errors
    ///
    /// `NotFound("organization")`; `Stale("organization")` when its version is another;
    /// `AlreadyExists("slug")` when another one is called so.
    async fn update(
        &self,
        tenant: &TenantId,
        id: &OrganizationId,
        expected: Version,
        update: OrganizationUpdate,
        now: Timestamp,
    ) -> PortResult<Organization>;

    /// Removes an organization with all its memberships and invitations, and frees its slug; answers
    /// whether there was one. What joins or is invited meanwhile goes with it, or is told that it is
    /// not there.
    async fn delete(&self, tenant: &TenantId, id: &OrganizationId) -> PortResult<bool>;

    /// The tenant's organizations, by creation and then by id, earliest first.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant or list.
    async fn list(&self, tenant: &TenantId, page: &PageRequest) -> PortResult<Page<Organization>>;

    /// Makes an identity a member; answers the membership, in its first version.
    ///
    /// # Errors
    ///
    /// `NotFound("organization")`; `AlreadyExists("membership")` when they are one already: of two
    /// callers one adds them. `Refused("member_limit")` when as many belong to it as may, however many
    /// come at once.
    async fn add_member(
        &self,
        tenant: &TenantId,
        membership: NewMembership,
        now: Timestamp,
    ) -> PortResult<Membership>;

    /// The membership of this identity in this organization.
    async fn member(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        identity: &IdentityId,
    ) -> PortResult<Option<Membership>>;

    /// Replaces the roles of this one membership, if it still has the version that the caller saw;
    /// answers it, one version on.
    ///
    /// # Errors
    ///
    /// `NotFound("membership")`; `Stale("membership")` when its version is another.
    async fn set_roles(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        identity: &IdentityId,
        expected: Version,
        roles: MemberRoles,
        now: Timestamp,
    ) -> PortResult<Membership>;

    /// Ends this one membership; answers whether there was one.
    async fn remove_member(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        identity: &IdentityId,
    ) -> PortResult<bool>;

    /// The memberships in an organization, by joining and then by identity, earliest first. Empty
    /// when there is no such organization.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, organization or list.
    async fn members_of(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        page: &PageRequest,
    ) -> PortResult<Page<Membership>>;

    /// The memberships of an identity, by joining and then by organization, earliest first.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, identity or list.
    async fn organizations_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        page: &PageRequest,
    ) -> PortResult<Page<Membership>>;

    /// Ends all memberships of an identity; answers how many there were.
    async fn remove_all_of(&self, tenant: &TenantId, identity: &IdentityId) -> PortResult<u64>;

    /// Stores a new invitation and answers it. An organization that is full may invite: the limit is
    /// for those who accept.
    ///
    /// Never overwrites: what is stored of an invitation that has expired is stored until it is swept.
    ///
    /// # Errors
    ///
    /// `Refused("expires_at")` when it is over at `now` or before; `NotFound("organization")`;
    /// `AlreadyExists("invitation")` when the digest is stored, to whichever organization.
    async fn invite(
        &self,
        tenant: &TenantId,
        invitation: NewInvitation,
        now: Timestamp,
    ) -> PortResult<Invitation>;

    /// The invitation, if it is live at `now`. Changes nothing.
    async fn invitation(
        &self,
        tenant: &TenantId,
        id: &InvitationDigest,
        now: Timestamp,
    ) -> PortResult<Option<Invitation>>;

    /// Uses up an invitation that is live at `now`, and makes this identity a member with its roles:
    /// both or neither. Answers the membership, which begins at `now`, in its first version.
    ///
    /// An invitation makes one member, whoever accepts it at once: for all others there is none. One
    /// whose acceptance fails is as it was.
    ///
    /// # Errors
    ///
    /// `NotFound("invitation")` when none is live; `AlreadyExists("membership")` when they are a
    /// member already; `Refused("member_limit")` when as many belong to the organization as may.
    async fn accept(
        &self,
        tenant: &TenantId,
        id: &InvitationDigest,
        identity: &IdentityId,
        now: Timestamp,
    ) -> PortResult<Membership>;

    /// Removes an invitation; answers whether there was one, live or not. Of those who accept it and
    /// those who revoke it, one succeeds.
    async fn revoke(&self, tenant: &TenantId, id: &InvitationDigest) -> PortResult<bool>;

    /// The invitations to an organization that are live at `now`, by creation and then by digest,
    /// earliest first. Empty when there is no such organization.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, organization or list. `now` may differ from
    /// page to page.
    async fn invitations_of(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        now: Timestamp,
        page: &PageRequest,
    ) -> PortResult<Page<Invitation>>;

    /// Removes at most `at_most` of the tenant's invitations that are over at `now`, whichever;
    /// answers how many. Fewer than `at_most` means that none is left.
    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_has_one_spelling() {
        assert_eq!(Slug::new("Acme-7").unwrap(), Slug::new("acme-7").unwrap());
        assert_eq!(Slug::new(&"a".repeat(63)).unwrap().as_str().len(), 63);
        for typed in [
            "",
            "-",
            "-acme",
            "acme-",
            "acme ",
            "ac me",
            "acmé",
            "\u{212a}elvin",
            "ac_me",
            "a.b",
            "a\u{200b}b",
            "аcme",
        ] {
            assert!(Slug::new(typed).is_err(), "{typed}");
        }
        assert!(Slug::new(&"a".repeat(64)).is_err());
        let read: Slug = serde_json::from_str("\"ACME\"").unwrap();
        assert_eq!(read.as_str(), "acme");
    }

    #[test]
    fn roles_are_a_set_of_at_most_64() {
        let roles = |count: usize| (0..count).map(|n| RoleId::new(format!("role {n}")).unwrap());
        let twice = MemberRoles::new(roles(64).chain(roles(64))).unwrap();
        assert_eq!(twice.iter().count(), 64);
        assert!(MemberRoles::new(roles(65)).is_err());
        let written = serde_json::to_string(&twice).unwrap();
        assert_eq!(
            serde_json::from_str::<MemberRoles>(&written).unwrap(),
            twice
        );
    }
}
