//! The probe of policies: its record is a role.

use portproof_ports::{
    ErrorKind, Expected, PortError, PortResult, Ports, RoleDraft, RoleId, TenantId, Text,
    async_trait,
};

use super::{Probe, Views, all, shown};
use crate::fixture::START;

pub(super) struct Policies;

#[async_trait]
impl Probe for Policies {
    fn port(&self) -> &'static str {
        "policies"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let (store, draft) = (port!(ports.policies), role(name, name)?);
        let saved = store
            .save_role(tenant, Expected::Absent, draft, START)
            .await;
        saved.map(drop)
    }

    async fn refused(
        &self,
        ports: &Ports,
        tenant: &TenantId,
        name: &str,
    ) -> (PortResult<()>, ErrorKind) {
        let answer = self.write(ports, tenant, name).await;
        (answer, ErrorKind::Stale)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.policies), RoleId::new(name)?);
        let listed = store.list_roles(tenant, &all()?).await?;
        Ok(vec![
            shown(store.get_role(tenant, &id).await?),
            shown(listed.items.into_iter().find(|found| found.draft.id == id)),
        ])
    }
}

/// A role of this id and name.
pub(crate) fn role(id: &str, name: &str) -> PortResult<RoleDraft> {
    Ok(RoleDraft {
        id: RoleId::new(id)?,
        name: Text::new(name)?,
        description: None,
        permissions: Vec::new(),
        inherits: None,
        scope: None,
        metadata: None,
    })
}
