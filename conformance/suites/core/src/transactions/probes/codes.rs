//! The probe of codes.

use std::num::NonZeroU32;

use portproof_ports::{
    BoundTo, ClientId, CodeDigest, CodeKind, IdentityId, NewCode, PortError, PortResult, Ports,
    TenantId, async_trait,
};

use super::{Probe, Views, data, shown};
use crate::fixture::{START, day, minute};

pub(super) struct Codes;

#[async_trait]
impl Probe for Codes {
    fn port(&self) -> &'static str {
        "codes"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let code = NewCode {
            kind: CodeKind::new("ticket")?,
            id: CodeDigest::of(name.as_bytes()),
            bound_to: BoundTo::Client(ClientId::new("app")?),
            identity: Some(IdentityId::new("Ada")?),
            guesses: NonZeroU32::new(5),
            expires_at: day(90),
            data: data(name)?,
        };
        port!(ports.codes).put(tenant, code, START).await.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, kind) = (port!(ports.codes), CodeKind::new("ticket")?);
        let id = CodeDigest::of(name.as_bytes());
        Ok(vec![shown(
            store.peek(tenant, &kind, &id, minute(1)).await?,
        )])
    }
}
