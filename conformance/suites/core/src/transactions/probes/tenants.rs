//! The probe of tenants: its record is a tenant beside the given one.

use portproof_ports::{PortError, PortResult, Ports, TenantDraft, TenantId, Text, async_trait};

use super::{Probe, Views, data, shown};
use crate::fixture::START;

pub(super) struct Tenants;

/// The tenant of this name.
fn id(tenant: &TenantId, name: &str) -> PortResult<TenantId> {
    Ok(TenantId::new(format!("{name} of {}", tenant.as_str()))?)
}

#[async_trait]
impl Probe for Tenants {
    fn port(&self) -> &'static str {
        "tenants"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let draft = TenantDraft {
            name: Text::new(name)?,
            settings: data(name)?,
        };
        let (store, id) = (port!(ports.tenants), id(tenant, name)?);
        store.create(&id, draft, START).await.map(drop)
    }

    // Not the list: it is of all tenants, and others create some meanwhile.
    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let store = port!(ports.tenants);
        let found = store.get(&id(tenant, name)?).await?;
        // But for its id, in which the given tenant is.
        let seen = found.map(|found| (found.name, found.settings, found.version));
        Ok(vec![shown(seen)])
    }
}
