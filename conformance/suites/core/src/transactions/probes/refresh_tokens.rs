//! The probe of refresh tokens.

use portproof_ports::{
    ClientId, FamilyId, IdentityId, NewFamily, PortError, PortResult, Ports, RefreshDigest, Span,
    TenantId, async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::fixture::{START, day, minute};

pub(super) struct RefreshTokens;

#[async_trait]
impl Probe for RefreshTokens {
    fn port(&self) -> &'static str {
        "refresh_tokens"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let family = NewFamily {
            id: FamilyId::new(name)?,
            token: RefreshDigest::of(name.as_bytes()),
            identity: IdentityId::new("Ada")?,
            client: ClientId::new("app")?,
            session: None,
            idle: Some(Span::days(30)),
            ends_at: day(90),
            data: data(name)?,
        };
        let store = port!(ports.refresh_tokens);
        store.issue(tenant, family, START).await.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.refresh_tokens), FamilyId::new(name)?);
        let token = RefreshDigest::of(name.as_bytes());
        let ada = IdentityId::new("Ada")?;
        let listed = store.list_of(tenant, &ada, minute(1), &all()?).await?;
        Ok(vec![
            shown(store.get(tenant, &token, minute(1)).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}
