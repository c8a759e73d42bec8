//! Who belongs to which organization: the organizations port in memory.

use async_trait::async_trait;
use portproof_ports::{
    IdentityId, Invitation, InvitationDigest, MemberRoles, Membership, NewInvitation,
    NewMembership, NewOrganization, Organization, OrganizationId, OrganizationStore,
    OrganizationUpdate, Page, PageRequest, PortError, PortResult, Slug, TenantId, Timestamp,
    Version,
};

use crate::{MemoryAdapter, lists::page, state::Tenant};

#[async_trait]
impl OrganizationStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn create(
        &self,
        tenant: &TenantId,
        new: NewOrganization,
        now: Timestamp,
    ) -> PortResult<Organization> {
        self.step(tenant, |tenant| {
            if tenant.organizations.contains_key(&new.id) {
                return Err(PortError::already_exists("organization"));
            }
            check_slug(tenant, &new.id, &new.slug)?;
            let organization = Organization {
                id: new.id,
                slug: new.slug,
                member_limit: new.member_limit,
                data: new.data,
                version: Version::FIRST,
                created_at: now,
                updated_at: now,
            };
            let id = organization.id.clone();
            tenant.organizations.insert(id, organization.clone());
            Ok(organization)
        })
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: &OrganizationId,
    ) -> PortResult<Option<Organization>> {
        self.step(tenant, |tenant| Ok(tenant.organizations.get(id).cloned()))
    }

    async fn find(&self, tenant: &TenantId, slug: &Slug) -> PortResult<Option<Organization>> {
        self.step(tenant, |tenant| {
            let mut organizations = tenant.organizations.values();
            Ok(organizations.find(|one| one.slug == *slug).cloned())
        })
    }

    async fn update(
        &self,
        tenant: &TenantId,
        id: &OrganizationId,
        expected: Version,
        update: OrganizationUpdate,
        now: Timestamp,
    ) -> PortResult<Organization> {
        self.step(tenant, |tenant| {
            let stored = tenant.organizations.get(id).cloned();
            let stored = stored.ok_or(PortError::not_found("organization"))?;
            if stored.version != expected {
                return Err(PortError::stale("organization"));
            }
            check_slug(tenant, id, &update.slug)?;
            let organization = Organization {
                slug: update.slug,
                member_limit: update.member_limit,
                data: update.data,
                version: expected.next(),
                updated_at: now,
                ..stored
            };
            tenant
                .organizations
                .insert(id.clone(), organization.clone());
            Ok(organization)
        })
    }

    async fn delete(&self, tenant: &TenantId, id: &OrganizationId) -> PortResult<bool> {
        self.step(tenant, |tenant| {
            tenant
                .memberships
                .retain(|(organization, _), _| organization != id);
            tenant.invitations.retain(|_, one| one.organization != *id);
            Ok(tenant.organizations.remove(id).is_some())
        })
    }

    async fn list(
        &self,
        tenant: &TenantId,
        request: &PageRequest,
    ) -> PortResult<Page<Organization>> {
        self.step(tenant, |stored| {
            let all = stored
                .organizations
                .values()
                .map(|one| ((one.created_at, one.id.clone()), one));
            page("organizations.list", tenant, &(), request, all)
        })
    }

    async fn add_member(
        &self,
        tenant: &TenantId,
        new: NewMembership,
        now: Timestamp,
    ) -> PortResult<Membership> {
        self.step(tenant, |tenant| {
            if !tenant.organizations.contains_key(&new.organization) {
                return Err(PortError::not_found("organization"));
            }
            join(tenant, new, now)
        })
    }

    async fn member(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        identity: &IdentityId,
    ) -> PortResult<Option<Membership>> {
        let place = (organization.clone(), identity.clone());
        self.step(tenant, |tenant| Ok(tenant.memberships.get(&place).cloned()))
    }

    async fn set_roles(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        identity: &IdentityId,
        expected: Version,
        roles: MemberRoles,
        now: Timestamp,
    ) -> PortResult<Membership> {
        let place = (organization.clone(), identity.clone());
        self.step(tenant, |tenant| {
            let membership = tenant
                .memberships
                .get_mut(&place)
                .ok_or(PortError::not_found("membership"))?;
            if membership.version != expected {
                return Err(PortError::stale("membership"));
            }
            membership.roles = roles;
            membership.version = expected.next();
            membership.updated_at = now;
            Ok(membership.clone())
        })
    }

    async fn remove_member(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        identity: &IdentityId,
    ) -> PortResult<bool> {
        let place = (organization.clone(), identity.clone());
        self.step(tenant, |tenant| {
            Ok(tenant.memberships.remove(&place).is_some())
        })
    }

    async fn members_of(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        request: &PageRequest,
    ) -> PortResult<Page<Membership>> {
        self.step(tenant, |stored| {
            let members = stored
                .memberships
                .values()
                .filter(|one| one.organization == *organization)
                .map(|one| ((one.joined_at, one.identity.clone()), one));
            let list = "organizations.members_of";
            page(list, tenant, organization, request, members)
        })
    }

    async fn organizations_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        request: &PageRequest,
    ) -> PortResult<Page<Membership>> {
        self.step(tenant, |stored| {
            let theirs = stored
                .memberships
                .values()
                .filter(|one| one.identity == *identity)
                .map(|one| ((one.joined_at, one.organization.clone()), one));
            let list = "organizations.organizations_of";
            page(list, tenant, identity, request, theirs)
        })
    }

    async fn remove_all_of(&self, tenant: &TenantId, identity: &IdentityId) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let removed = tenant
                .memberships
                .extract_if(.., |_, one| one.identity == *identity);
            Ok(removed.count() as u64)
        })
    }

    async fn invite(
        &self,
        tenant: &TenantId,
        new: NewInvitation,
        now: Timestamp,
    ) -> PortResult<Invitation> {
        if new.expires_at <= now {
            return Err(PortError::refused("expires_at", "is not after now"));
        }
        self.step(tenant, |tenant| {
            if !tenant.organizations.contains_key(&new.organization) {
                return Err(PortError::not_found("organization"));
            }
            if tenant.invitations.contains_key(&new.id) {
                return Err(PortError::already_exists("invitation"));
            }
            let invitation = Invitation {
                id: new.id,
                organization: new.organization,
                invitee: new.invitee,
                roles: new.roles,
                expires_at: new.expires_at,
                data: new.data,
                created_at: now,
            };
            let id = invitation.id.clone();
            tenant.invitations.insert(id, invitation.clone());
            Ok(invitation)
        })
    }

    async fn invitation(
        &self,
        tenant: &TenantId,
        id: &InvitationDigest,
        now: Timestamp,
    ) -> PortResult<Option<Invitation>> {
        self.step(tenant, |tenant| {
            let invitation = tenant.invitations.get(id);
            Ok(invitation.filter(|one| one.is_live(now)).cloned())
        })
    }

    async fn accept(
        &self,
        tenant: &TenantId,
        id: &InvitationDigest,
        identity: &IdentityId,
        now: Timestamp,
    ) -> PortResult<Membership> {
        self.step(tenant, |tenant| {
            let invitation = tenant
                .invitations
                .get(id)
                .filter(|one| one.is_live(now))
                .ok_or(PortError::not_found("invitation"))?;
            let new = NewMembership {
                organization: invitation.organization.clone(),
                identity: identity.clone(),
                roles: invitation.roles.clone(),
            };
            let membership = join(tenant, new, now)?;
            tenant.invitations.remove(id);
            Ok(membership)
        })
    }

    async fn revoke(&self, tenant: &TenantId, id: &InvitationDigest) -> PortResult<bool> {
        self.step(tenant, |tenant| Ok(tenant.invitations.remove(id).is_some()))
    }

    async fn invitations_of(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<Invitation>> {
        self.step(tenant, |stored| {
            let live = stored
                .invitations
                .values()
                .filter(|one| one.organization == *organization && one.is_live(now))
                .map(|one| ((one.created_at, one.id.clone()), one));
            let list = "organizations.invitations_of";
            page(list, tenant, organization, request, live)
        })
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let over = tenant
                .invitations
                .extract_if(.., |_, one| !one.is_live(now));
            Ok(over.take(at_most as usize).count() as u64)
        })
    }
}

/// Refuses a slug that another organization than `id` has.
fn check_slug(tenant: &Tenant, id: &OrganizationId, slug: &Slug) -> PortResult<()> {
    let mut organizations = tenant.organizations.values();
    if organizations.any(|one| one.slug == *slug && one.id != *id) {
        return Err(PortError::already_exists("slug"));
    }
    Ok(())
}

/// Makes an identity a member of a stored organization, unless it is one or the organization is
/// full. It checks and writes: the last check.
fn join(tenant: &mut Tenant, new: NewMembership, now: Timestamp) -> PortResult<Membership> {
    let place = (new.organization.clone(), new.identity.clone());
    if tenant.memberships.contains_key(&place) {
        return Err(PortError::already_exists("membership"));
    }
    let limit = tenant
        .organizations
        .get(&new.organization)
        .and_then(|one| one.member_limit);
    if let Some(limit) = limit {
        let members = tenant.memberships.values();
        let count = members.filter(|one| one.organization == new.organization);
        if count.count() as u64 >= u64::from(limit.get()) {
            return Err(PortError::refused("member_limit", "is reached"));
        }
    }
    let membership = Membership {
        organization: new.organization,
        identity: new.identity,
        roles: new.roles,
        version: Version::FIRST,
        joined_at: now,
        updated_at: now,
    };
    tenant.memberships.insert(place, membership.clone());
    Ok(membership)
}
