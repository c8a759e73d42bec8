//! The probe of sessions.

use portproof_ports::{
    IdentityId, NewSession, PortError, PortResult, Ports, SessionDigest, Span, TenantId,
    async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::fixture::{START, day, minute};

pub(super) struct Sessions;

#[async_trait]
impl Probe for Sessions {
    fn port(&self) -> &'static str {
        "session"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let session = NewSession {
            id: SessionDigest::of(name.as_bytes()),
            identity: Some(IdentityId::new("Ada")?),
            idle: Some(Span::minutes(30)),
            ends_at: day(90),
            data: data(name)?,
        };
        let stored = port!(ports.session).create(tenant, session, START).await;
        stored.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.session), SessionDigest::of(name.as_bytes()));
        let ada = IdentityId::new("Ada")?;
        let listed = store.list_of(tenant, &ada, minute(1), &all()?).await?;
        Ok(vec![
            shown(store.get(tenant, &id, minute(1)).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}
