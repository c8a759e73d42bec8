//! The probe of identities.

use portproof_ports::{
    Email, Identifier, IdentityFilter, IdentityId, IdentityKind, NewIdentifier, NewIdentity,
    PortError, PortResult, Ports, TenantId, async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::fixture::START;

pub(super) struct Identities;

#[async_trait]
impl Probe for Identities {
    fn port(&self) -> &'static str {
        "identity"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let identity = NewIdentity {
            id: IdentityId::new(name)?,
            kind: IdentityKind::Human,
            profile: data(name)?,
            identifiers: vec![NewIdentifier {
                identifier: address(name)?,
                verified_at: Some(START),
            }],
        };
        let stored = port!(ports.identity).create(tenant, identity, START).await;
        stored.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.identity), IdentityId::new(name)?);
        let listed = store.list(tenant, &IdentityFilter::Every, &all()?).await?;
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(store.find(tenant, &address(name)?).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}

/// The address that finds the identity of this name.
pub(in super::super) fn address(name: &str) -> PortResult<Identifier> {
    let local = name.replace(' ', ".");
    Ok(Identifier::Email(Email::new(&format!(
        "{local}@example.com"
    ))?))
}
