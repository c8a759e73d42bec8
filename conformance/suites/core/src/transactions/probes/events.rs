//! The probe of events.

use portproof_ports::{
    ErrorKind, EventBatch, EventFilter, EventId, EventKind, ExpectedHead, NewEvent, PortError,
    PortResult, Ports, Sequence, StreamId, SubjectId, TenantId, async_trait,
};

use super::{Probe, Views, all, data, shown};
use crate::fixture::START;

pub(super) struct Events;

/// An event of this name, which tells this.
async fn append(ports: &Ports, tenant: &TenantId, name: &str, told: &str) -> PortResult<()> {
    let event = NewEvent {
        id: EventId::new(name)?,
        kind: EventKind::new("signed.up")?,
        subject: Some(SubjectId::new("Ada")?),
        occurred_at: START,
        payload: data(told)?,
    };
    let (stream, events) = (StreamId::new(name)?, EventBatch::of(event));
    let appended = port!(ports.events)
        .append(tenant, &stream, ExpectedHead::Anything, &events, START)
        .await;
    appended.map(drop)
}

#[async_trait]
impl Probe for Events {
    fn port(&self) -> &'static str {
        "events"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        append(ports, tenant, name, name).await
    }

    // The same again is a retry, which is answered.
    async fn refused(
        &self,
        ports: &Ports,
        tenant: &TenantId,
        name: &str,
    ) -> (PortResult<()>, ErrorKind) {
        let told = append(ports, tenant, name, "something else").await;
        (told, ErrorKind::AlreadyExists)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id, stream) = (
            port!(ports.events),
            EventId::new(name)?,
            StreamId::new(name)?,
        );
        let all = all()?;
        let in_stream = store.read(tenant, &stream, Sequence::FIRST, &all).await?;
        let found = store.query(tenant, &EventFilter::EVERYTHING, &all).await?;
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(store.head(tenant, &stream).await?),
            shown(in_stream.items.into_iter().next()),
            shown(found.items.into_iter().find(|found| found.id == id)),
        ])
    }
}
