//! The organizations port.

use std::num::NonZeroU32;

use async_trait::async_trait;
use portproof_ports::{
    IdentityId, Invitation, InvitationDigest, MemberRoles, Membership, NewInvitation,
    NewMembership, NewOrganization, Organization, OrganizationId, OrganizationStore,
    OrganizationUpdate, Page, PageRequest, PortError, PortResult, Slug, TenantId, Timestamp,
    Version,
};

use crate::{
    database::{Database, TRIES, not_written, unsettled},
    paging::{List, by_creation},
    value::values,
};

mod joining;
mod rows;

use joining::{join, joined, lock};
use rows::{
    invitation, invitation_columns, member_limit, membership, membership_columns, organization,
    organization_columns, roles,
};

/// Organizations in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlOrganizationStore(pub(crate) Database);

#[async_trait]
impl OrganizationStore for SqlOrganizationStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn create(
        &self,
        tenant: &TenantId,
        new: NewOrganization,
        now: Timestamp,
    ) -> PortResult<Organization> {
        const IS_STORED: &str = "SELECT 1 FROM auth_organizations WHERE tenant = $1 AND id = $2";
        const CREATE: &str = concat!(
            "INSERT INTO auth_organizations (tenant, ",
            organization_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $7)"
        );
        let organization = &Organization {
            id: new.id,
            slug: new.slug,
            member_limit: new.member_limit,
            data: new.data,
            version: Version::FIRST,
            created_at: now,
            updated_at: now,
        };
        let values = &values![
            tenant,
            &organization.id,
            organization.slug.as_str(),
            organization.member_limit.map(NonZeroU32::get),
            &organization.data,
            organization.version,
            now
        ];
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    // Of two keys that are taken, a database names whichever it looks at first.
                    let key = values![tenant, &organization.id];
                    if tx.row("organization", IS_STORED, key).await?.is_some() {
                        return Err(PortError::already_exists("organization").into());
                    }
                    tx.write(CREATE, values.clone()).await?;
                    Ok(organization.clone())
                })
            })
            .await
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: &OrganizationId,
    ) -> PortResult<Option<Organization>> {
        const GET: &str = concat!(
            "SELECT ",
            organization_columns!(),
            " FROM auth_organizations WHERE tenant = $1 AND id = $2"
        );
        let row = self.0.row("organization", GET, values![tenant, id]).await?;
        row.as_ref().map(organization).transpose()
    }

    async fn find(&self, tenant: &TenantId, slug: &Slug) -> PortResult<Option<Organization>> {
        const FIND: &str = concat!(
            "SELECT ",
            organization_columns!(),
            " FROM auth_organizations WHERE tenant = $1 AND slug = $2"
        );
        let values = values![tenant, slug.as_str()];
        let row = self.0.row("organization", FIND, values).await?;
        row.as_ref().map(organization).transpose()
    }

    async fn update(
        &self,
        tenant: &TenantId,
        id: &OrganizationId,
        expected: Version,
        update: OrganizationUpdate,
        now: Timestamp,
    ) -> PortResult<Organization> {
        const UPDATE: &str = concat!(
            "UPDATE auth_organizations SET slug = $4, member_limit = $5, data = $6, \
             version = version + 1, updated_at = $7 \
             WHERE tenant = $1 AND id = $2 AND version = $3 RETURNING ",
            organization_columns!()
        );
        // As with sessions: why nothing was updated is another question.
        for _ in 0..TRIES {
            let values = values![
                tenant,
                id,
                expected,
                update.slug.as_str(),
                update.member_limit.map(NonZeroU32::get),
                &update.data,
                now
            ];
            if let Some(row) = self.0.write_row("organization", UPDATE, values).await? {
                return organization(&row);
            }
            let stored = self.get(tenant, id).await?;
            not_written(
                "organization",
                stored.map(|stored| stored.version),
                expected,
            )?;
        }
        Err(unsettled())
    }

    async fn delete(&self, tenant: &TenantId, id: &OrganizationId) -> PortResult<bool> {
        // Ends the memberships and invitations too, by the references of theirs.
        const DELETE: &str = "DELETE FROM auth_organizations WHERE tenant = $1 AND id = $2";
        Ok(self.0.write(DELETE, values![tenant, id]).await? == 1)
    }

    async fn list(
        &self,
        tenant: &TenantId,
        request: &PageRequest,
    ) -> PortResult<Page<Organization>> {
        const LIST: &str = concat!(
            "SELECT ",
            organization_columns!(),
            " FROM auth_organizations WHERE tenant = $1 \
             AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4"
        );
        let parts = ["organizations.list", tenant.as_str()];
        let list = List::new(&parts, request);
        let after: Option<(Timestamp, OrganizationId)> = list.after()?;
        let (created_at, id) = by_creation(after.as_ref(), OrganizationId::as_str);
        let values = values![tenant, created_at, id, list.rows()];
        let rows = self.0.rows("organization", LIST, values).await?;
        let all = rows.iter().map(organization).collect::<PortResult<_>>()?;
        list.page(all, |one: &Organization| (one.created_at, one.id.clone()))
    }

    async fn add_member(
        &self,
        tenant: &TenantId,
        new: NewMembership,
        now: Timestamp,
    ) -> PortResult<Membership> {
        // Where nobody counts, nobody waits for another; a limit that is set meanwhile is seen.
        const JOIN: &str = concat!(
            "INSERT INTO auth_memberships (tenant, ",
            membership_columns!(),
            ") SELECT tenant, id, $3, $4, $5, $6, $6 FROM auth_organizations \
             WHERE tenant = $1 AND id = $2 AND member_limit IS NULL"
        );
        let new = &Membership {
            organization: new.organization,
            identity: new.identity,
            roles: new.roles,
            version: Version::FIRST,
            joined_at: now,
            updated_at: now,
        };
        let join_unlimited = self.0.dialect().sharing(JOIN);
        if self.0.write(join_unlimited, joined(tenant, new)).await? == 1 {
            return Ok(new.clone());
        }
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    let Some(row) = lock(tx, tenant, &new.organization).await? else {
                        return Err(PortError::not_found("organization").into());
                    };
                    join(tx, tenant, member_limit(&row, 0)?, new).await?;
                    Ok(new.clone())
                })
            })
            .await
    }

    async fn member(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        identity: &IdentityId,
    ) -> PortResult<Option<Membership>> {
        const MEMBER: &str = concat!(
            "SELECT ",
            membership_columns!(),
            " FROM auth_memberships WHERE tenant = $1 AND organization = $2 AND identity = $3"
        );
        let values = values![tenant, organization, identity];
        let row = self.0.row("membership", MEMBER, values).await?;
        row.as_ref().map(membership).transpose()
    }

    async fn set_roles(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        identity: &IdentityId,
        expected: Version,
        new: MemberRoles,
        now: Timestamp,
    ) -> PortResult<Membership> {
        const SET: &str = concat!(
            "UPDATE auth_memberships SET roles = $5, version = version + 1, updated_at = $6 \
             WHERE tenant = $1 AND organization = $2 AND identity = $3 AND version = $4 RETURNING ",
            membership_columns!()
        );
        for _ in 0..TRIES {
            let values = values![tenant, organization, identity, expected, roles(&new), now];
            if let Some(row) = self.0.write_row("membership", SET, values).await? {
                return membership(&row);
            }
            let stored = self.member(tenant, organization, identity).await?;
            not_written("membership", stored.map(|stored| stored.version), expected)?;
        }
        Err(unsettled())
    }

    async fn remove_member(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        identity: &IdentityId,
    ) -> PortResult<bool> {
        const REMOVE: &str = "DELETE FROM auth_memberships \
            WHERE tenant = $1 AND organization = $2 AND identity = $3";
        let values = values![tenant, organization, identity];
        Ok(self.0.write(REMOVE, values).await? == 1)
    }

    async fn members_of(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        request: &PageRequest,
    ) -> PortResult<Page<Membership>> {
        const LIST: &str = concat!(
            "SELECT ",
            membership_columns!(),
            " FROM auth_memberships WHERE tenant = $1 AND organization = $2 \
             AND (joined_at, identity) > ($3, $4) ORDER BY joined_at, identity LIMIT $5"
        );
        let parts = [
            "organizations.members_of",
            tenant.as_str(),
            organization.as_str(),
        ];
        let list = List::new(&parts, request);
        let after: Option<(Timestamp, IdentityId)> = list.after()?;
        let (joined_at, identity) = by_creation(after.as_ref(), IdentityId::as_str);
        let values = values![tenant, organization, joined_at, identity, list.rows()];
        let rows = self.0.rows("membership", LIST, values).await?;
        let members = rows.iter().map(membership).collect::<PortResult<_>>()?;
        list.page(members, |one: &Membership| {
            (one.joined_at, one.identity.clone())
        })
    }

    async fn organizations_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        request: &PageRequest,
    ) -> PortResult<Page<Membership>> {
        const LIST: &str = concat!(
            "SELECT ",
            membership_columns!(),
            " FROM auth_memberships WHERE tenant = $1 AND identity = $2 \
             AND (joined_at, organization) > ($3, $4) ORDER BY joined_at, organization LIMIT $5"
        );
        let parts = [
            "organizations.organizations_of",
            tenant.as_str(),
            identity.as_str(),
        ];
        let list = List::new(&parts, request);
        let after: Option<(Timestamp, OrganizationId)> = list.after()?;
        let (joined_at, organization) = by_creation(after.as_ref(), OrganizationId::as_str);
        let values = values![tenant, identity, joined_at, organization, list.rows()];
        let rows = self.0.rows("membership", LIST, values).await?;
        let theirs = rows.iter().map(membership).collect::<PortResult<_>>()?;
        list.page(theirs, |one: &Membership| {
            (one.joined_at, one.organization.clone())
        })
    }

    async fn remove_all_of(&self, tenant: &TenantId, identity: &IdentityId) -> PortResult<u64> {
        const REMOVE: &str = "DELETE FROM auth_memberships WHERE tenant = $1 AND identity = $2";
        self.0.write(REMOVE, values![tenant, identity]).await
    }

    async fn invite(
        &self,
        tenant: &TenantId,
        new: NewInvitation,
        now: Timestamp,
    ) -> PortResult<Invitation> {
        const INVITE: &str = concat!(
            "INSERT INTO auth_invitations (tenant, ",
            invitation_columns!(),
            ") SELECT tenant, $2, id, $4, $5, $6, $7, $8 FROM auth_organizations \
             WHERE tenant = $1 AND id = $3"
        );
        if new.expires_at <= now {
            return Err(PortError::refused("expires_at", "is not after now"));
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
        let values = values![
            tenant,
            &invitation.id,
            &invitation.organization,
            &invitation.invitee,
            roles(&invitation.roles),
            invitation.expires_at,
            &invitation.data,
            now
        ];
        let invite = self.0.dialect().sharing(INVITE);
        if self.0.write(invite, values).await? == 0 {
            return Err(PortError::not_found("organization"));
        }
        Ok(invitation)
    }

    async fn invitation(
        &self,
        tenant: &TenantId,
        id: &InvitationDigest,
        now: Timestamp,
    ) -> PortResult<Option<Invitation>> {
        const INVITATION: &str = concat!(
            "SELECT ",
            invitation_columns!(),
            " FROM auth_invitations WHERE tenant = $1 AND id = $2 AND expires_at > $3"
        );
        let values = values![tenant, id, now];
        let row = self.0.row("invitation", INVITATION, values).await?;
        row.as_ref().map(invitation).transpose()
    }

    async fn accept(
        &self,
        tenant: &TenantId,
        id: &InvitationDigest,
        identity: &IdentityId,
        now: Timestamp,
    ) -> PortResult<Membership> {
        const WHERE_TO: &str =
            "SELECT organization FROM auth_invitations WHERE tenant = $1 AND id = $2";
        const USE_UP: &str = "DELETE FROM auth_invitations \
            WHERE tenant = $1 AND id = $2 AND organization = $3 AND expires_at > $4 RETURNING roles";
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    let none = || PortError::not_found("invitation");
                    let values = values![tenant, id];
                    let place = tx.row("invitation", WHERE_TO, values).await?;
                    let organization: OrganizationId = place.ok_or(none())?.get(0)?;
                    // The organization first, as whoever deletes it: so that nobody waits crosswise.
                    let locked = lock(tx, tenant, &organization).await?.ok_or(none())?;
                    // Of those who read it, one removes it. What is refused afterwards undoes that.
                    let values = values![tenant, id, &organization, now];
                    let used = tx.row("invitation", USE_UP, values).await?;
                    let new = Membership {
                        organization,
                        identity: identity.clone(),
                        roles: used.ok_or(none())?.get(0)?,
                        version: Version::FIRST,
                        joined_at: now,
                        updated_at: now,
                    };
                    join(tx, tenant, member_limit(&locked, 0)?, &new).await?;
                    Ok(new)
                })
            })
            .await
    }

    async fn revoke(&self, tenant: &TenantId, id: &InvitationDigest) -> PortResult<bool> {
        const REVOKE: &str = "DELETE FROM auth_invitations WHERE tenant = $1 AND id = $2";
        Ok(self.0.write(REVOKE, values![tenant, id]).await? == 1)
    }

    async fn invitations_of(
        &self,
        tenant: &TenantId,
        organization: &OrganizationId,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<Invitation>> {
        const LIST: &str = concat!(
            "SELECT ",
            invitation_columns!(),
            " FROM auth_invitations WHERE tenant = $1 AND organization = $2 AND expires_at > $3 \
             AND (created_at, id) > ($4, $5) ORDER BY created_at, id LIMIT $6"
        );
        let parts = [
            "organizations.invitations_of",
            tenant.as_str(),
            organization.as_str(),
        ];
        let list = List::new(&parts, request);
        let after: Option<(Timestamp, InvitationDigest)> = list.after()?;
        let (created_at, id): (Timestamp, &[u8]) = match &after {
            Some((created_at, id)) => (*created_at, id.as_bytes()),
            None => (Timestamp::MIN, &[]),
        };
        let values = values![tenant, organization, now, created_at, id, list.rows()];
        let rows = self.0.rows("invitation", LIST, values).await?;
        let live = rows.iter().map(invitation).collect::<PortResult<_>>()?;
        list.page(live, |one: &Invitation| (one.created_at, one.id.clone()))
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        // As with sessions: selected before, and asked again whether it is over, by no index.
        const SELECT: &str = "SELECT id FROM auth_invitations \
            WHERE tenant = $1 AND expires_at <= $2 ORDER BY expires_at, id LIMIT $3";
        const LEFT: &str = "SELECT 1 FROM auth_invitations \
            WHERE tenant = $1 AND expires_at <= $2 ORDER BY expires_at LIMIT 1";
        let sql = format!(
            "WITH chosen AS ({}) DELETE FROM auth_invitations \
             WHERE tenant = $1 AND (expires_at <= $2) IS TRUE AND id IN (SELECT id FROM chosen)",
            self.0.dialect().locking(SELECT)
        );
        let at_most = u64::from(at_most);
        let mut swept = 0;
        // Another sweeper may have taken what was selected: fewer than asked for must mean that
        // none is left.
        while swept < at_most {
            let rest = i64::try_from(at_most - swept).unwrap_or(i64::MAX);
            let values = values![tenant, now, rest];
            swept += self.0.write(sql.clone(), values).await?;
            let left = values![tenant, now];
            if self.0.row("invitation", LEFT, left).await?.is_none() {
                break;
            }
        }
        Ok(swept)
    }
}
