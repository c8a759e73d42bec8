//! The probe of organizations, which have tables of three kinds.

use std::num::NonZeroU32;

use portproof_ports::{
    IdentityId, InvitationDigest, MemberRoles, NewInvitation, NewMembership, NewOrganization,
    OrganizationId, PortError, PortResult, Ports, Slug, TenantId, Text, async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::suites::fixture::{START, day};

pub(super) struct Organizations;

/// What the organization of this name is called in an address.
fn slug(name: &str) -> PortResult<Slug> {
    Ok(Slug::new(&name.replace(' ', "-"))?)
}

#[async_trait]
impl Probe for Organizations {
    fn port(&self) -> &'static str {
        "organizations"
    }

    // With a member and an invitation, so that the record is a row of each table.
    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let (store, id) = (port!(ports.organizations), OrganizationId::new(name)?);
        let organization = NewOrganization {
            id: id.clone(),
            slug: slug(name)?,
            member_limit: NonZeroU32::new(5),
            data: data(name)?,
        };
        store.create(tenant, organization, START).await?;
        let membership = NewMembership {
            organization: id.clone(),
            identity: IdentityId::new("Ada")?,
            roles: MemberRoles::default(),
        };
        store.add_member(tenant, membership, START).await?;
        let invitation = NewInvitation {
            id: InvitationDigest::of(name.as_bytes()),
            organization: id,
            invitee: Text::new(name)?,
            roles: MemberRoles::default(),
            expires_at: day(90),
            data: data(name)?,
        };
        store.invite(tenant, invitation, START).await.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.organizations), OrganizationId::new(name)?);
        let (ada, token) = (
            IdentityId::new("Ada")?,
            InvitationDigest::of(name.as_bytes()),
        );
        let all = all()?;
        let listed = store.list(tenant, &all).await?;
        let members = store.members_of(tenant, &id, &all).await?;
        let of_ada = store.organizations_of(tenant, &ada, &all).await?;
        let invited = store.invitations_of(tenant, &id, START, &all).await?;
        let mut of_ada = of_ada.items.into_iter();
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(store.find(tenant, &slug(name)?).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
            shown(store.member(tenant, &id, &ada).await?),
            shown(members.items.into_iter().next()),
            shown(of_ada.find(|found| found.organization == id)),
            shown(store.invitation(tenant, &token, START).await?),
            shown(invited.items.into_iter().next()),
        ])
    }
}
