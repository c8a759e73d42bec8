//! The probe of credentials.

use portproof_ports::{
    CredentialId, CredentialKind, IdentityId, Kinds, LookupDigest, NewCredential, PortError,
    PortResult, Ports, Secret, TenantId, async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::fixture::{START, day};

pub(super) struct Credentials;

#[async_trait]
impl Probe for Credentials {
    fn port(&self) -> &'static str {
        "credentials"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let credential = NewCredential {
            id: CredentialId::new(name)?,
            identity: IdentityId::new("Ada")?,
            secret: Secret::RecoveryCode(LookupDigest::of(name.as_bytes())),
            metadata: data(name)?,
            expires_at: Some(day(90)),
        };
        let store = port!(ports.credentials);
        store.add(tenant, credential, START).await.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.credentials), CredentialId::new(name)?);
        let (ada, lookup) = (IdentityId::new("Ada")?, LookupDigest::of(name.as_bytes()));
        let listed = store.list_of(tenant, &ada, &Kinds::Every, &all()?).await?;
        let found = store
            .find(tenant, CredentialKind::RecoveryCode, &lookup, START)
            .await?;
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(found),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}
