//! The probe of keys.

use portproof_ports::{
    KeyId, KeyUse, NewKey, PortError, PortResult, Ports, PrivateKey, TenantId, Text, async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::fixture::START;

pub(super) struct Keys;

#[async_trait]
impl Probe for Keys {
    fn port(&self) -> &'static str {
        "keystore"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let key = NewKey {
            id: KeyId::new(name)?,
            key_use: KeyUse::Signing,
            algorithm: Text::new("ES256")?,
            public: data(name)?,
            private: PrivateKey::new(format!("the private part of {name}").into_bytes())?,
        };
        let stored = port!(ports.keystore).insert(tenant, key, START).await;
        stored.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.keystore), KeyId::new(name)?);
        let listed = store.list(tenant, KeyUse::Signing, &all()?).await?;
        let published = store.public_set(tenant, KeyUse::Signing, START).await?;
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
            shown(published.into_iter().find(|found| found.id == id)),
        ])
    }
}
