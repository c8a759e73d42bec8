//! The probe of entities.

use portproof_ports::{
    EntityId, EntityKind, NewEntity, PortError, PortResult, Ports, TenantId, UniqueKey, UniqueKeys,
    UniqueScope, async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::fixture::START;

pub(super) struct Entities;

/// The key of this entity within its tenant.
fn key(name: &str) -> PortResult<UniqueKey> {
    Ok(UniqueKey::new("name", name, UniqueScope::Tenant)?)
}

/// Its key over all tenants: cases run at once on one store, so the tenant is part of it.
fn wide_key(tenant: &TenantId, name: &str) -> PortResult<UniqueKey> {
    let value = format!("{name} of {}", tenant.as_str());
    Ok(UniqueKey::new("client_id", &value, UniqueScope::Global)?)
}

#[async_trait]
impl Probe for Entities {
    fn port(&self) -> &'static str {
        "entities"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let entity = NewEntity {
            kind: EntityKind::new("client")?,
            id: EntityId::new(name)?,
            body: data(name)?,
            keys: UniqueKeys::new(vec![key(name)?, wide_key(tenant, name)?])?,
        };
        let stored = port!(ports.entities).create(tenant, entity, START).await;
        stored.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.entities), EntityId::new(name)?);
        let (kind, wide) = (EntityKind::new("client")?, wide_key(tenant, name)?);
        let anywhere = store.find_global(&kind, &wide.name, &wide.value).await?;
        let listed = store.list(tenant, &kind, &all()?).await?;
        Ok(vec![
            shown(store.get(tenant, &kind, &id).await?),
            shown(store.find(tenant, &kind, &key(name)?).await?),
            shown(anywhere.map(|owned| owned.entity)),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}
