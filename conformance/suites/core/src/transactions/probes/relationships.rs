//! The probe of relationships.

use portproof_ports::{
    Edge, EdgeBatch, EdgeWrite, ObjectId, ObjectRef, ObjectType, PortError, PortResult, Ports,
    Relation, Relationship, SubjectRef, TenantId, WhichRelations, WhichTypes, async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::fixture::{START, day};

pub(super) struct Relationships;

/// The edge of this name.
fn edge(name: &str) -> PortResult<Edge> {
    let object = |kind, id| -> PortResult<ObjectRef> {
        Ok(ObjectRef {
            kind: ObjectType::new(kind)?,
            id: ObjectId::new(id)?,
        })
    };
    Ok(Edge {
        subject: SubjectRef::Object(object("user", name)?),
        relation: Relation::new("owner")?,
        object: object("document", "report")?,
    })
}

#[async_trait]
impl Probe for Relationships {
    fn port(&self) -> &'static str {
        "relationships"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let created = EdgeWrite::Create(Relationship {
            edge: edge(name)?,
            caveat: Some(data(name)?),
            until: Some(day(90)),
        });
        let batch = EdgeBatch::new(vec![created])?;
        port!(ports.relationships)
            .write(tenant, &batch, START)
            .await
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, edge, all) = (port!(ports.relationships), edge(name)?, all()?);
        let (every, types) = (WhichRelations::Every, WhichTypes::Every);
        let from = store.from(tenant, &edge.subject, &every, &types, START, &all);
        let from = from.await?.items.into_iter().next();
        let to = store.to(tenant, &edge.object, &every, &types, START, &all);
        let mut to = to.await?.items.into_iter();
        Ok(vec![
            shown(store.get(tenant, &edge, START).await?),
            shown(from),
            shown(to.find(|found| found.edge == edge)),
        ])
    }
}
