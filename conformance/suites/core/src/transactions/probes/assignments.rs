//! The probe of assignments: its record is a subject's attributes.

use std::collections::BTreeMap;

use portproof_ports::{
    AttributeChange, AttributeName, ErrorKind, GrantScope, NewGrant, PortError, PortResult, Ports,
    RoleId, SubjectId, TenantId, Window, async_trait,
};

use super::{Probe, Views, data, shown};
use crate::fixture::START;

pub(super) struct Assignments;

#[async_trait]
impl Probe for Assignments {
    fn port(&self) -> &'static str {
        "assignments"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let (store, subject) = (port!(ports.assignments), SubjectId::new(name)?);
        let change = AttributeChange::Set(data(name)?);
        let changes = BTreeMap::from([(AttributeName::new("team")?, change)]);
        let merged = store.merge_attributes(tenant, &subject, &changes).await;
        merged.map(drop)
    }

    /// Grants a role that is not stored, which no key of a backend knows but a reference does.
    async fn refused(
        &self,
        ports: &Ports,
        tenant: &TenantId,
        name: &str,
    ) -> (PortResult<()>, ErrorKind) {
        let assign = async {
            let grant = NewGrant {
                subject: SubjectId::new(name)?,
                role: RoleId::new("a role that is not stored")?,
                scope: GrantScope::Global,
                window: Window::ALWAYS,
            };
            let assigned = port!(ports.assignments).assign(tenant, grant, START).await;
            assigned.map(drop)
        };
        (assign.await, ErrorKind::NotFound)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, subject) = (port!(ports.assignments), SubjectId::new(name)?);
        let attributes = store.attributes(tenant, &subject).await?;
        Ok(vec![shown((!attributes.is_empty()).then_some(attributes))])
    }
}
