//! The probe of organizations.

use std::num::NonZeroU32;

use portproof_ports::{
    NewOrganization, OrganizationId, PortError, PortResult, Ports, Slug, TenantId, async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::fixture::START;

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

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let organization = NewOrganization {
            id: OrganizationId::new(name)?,
            slug: slug(name)?,
            member_limit: NonZeroU32::new(5),
            data: data(name)?,
        };
        let store = port!(ports.organizations);
        store.create(tenant, organization, START).await.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.organizations), OrganizationId::new(name)?);
        let listed = store.list(tenant, &all()?).await?;
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(store.find(tenant, &slug(name)?).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}
