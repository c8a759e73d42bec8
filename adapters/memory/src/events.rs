//! What happened: the events port in memory.

use async_trait::async_trait;
use portproof_ports::{
    Event, EventBatch, EventFilter, EventId, EventStore, ExpectedHead, Page, PageRequest,
    PortError, PortResult, Position, Sequence, StreamId, TenantId, Timestamp,
};

use crate::{MemoryAdapter, lists::page};

#[async_trait]
impl EventStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn append(
        &self,
        tenant: &TenantId,
        stream: &StreamId,
        expected: ExpectedHead,
        events: &EventBatch,
        now: Timestamp,
    ) -> PortResult<Vec<Event>> {
        self.step(tenant, |tenant| {
            let ids = events.events().iter().map(|new| &new.id);
            let positions = ids.filter_map(|id| tenant.event_ids.get(id));
            let stored = positions.filter_map(|position| tenant.events.get(position));
            if let Some(retried) = events.retried(stream, stored.cloned().collect())? {
                return Ok(retried);
            }
            let head = tenant.heads.get(stream).copied();
            if !expected.holds(head) {
                return Err(PortError::stale("stream"));
            }
            let mut sequence = head.map_or(Sequence::FIRST, Sequence::next);
            let mut appended = Vec::new();
            for new in events.events() {
                let position = tenant.last_position.next();
                let event = Event {
                    id: new.id.clone(),
                    stream: stream.clone(),
                    sequence,
                    position,
                    kind: new.kind.clone(),
                    subject: new.subject.clone(),
                    occurred_at: new.occurred_at,
                    recorded_at: now,
                    payload: new.payload.clone(),
                };
                tenant.event_ids.insert(event.id.clone(), position);
                tenant.events.insert(position, event.clone());
                tenant.heads.insert(stream.clone(), sequence);
                tenant.last_position = position;
                sequence = sequence.next();
                appended.push(event);
            }
            Ok(appended)
        })
    }

    async fn get(&self, tenant: &TenantId, id: &EventId) -> PortResult<Option<Event>> {
        self.step(tenant, |tenant| {
            let position = tenant.event_ids.get(id);
            Ok(position.and_then(|position| tenant.events.get(position).cloned()))
        })
    }

    async fn head(&self, tenant: &TenantId, stream: &StreamId) -> PortResult<Option<Sequence>> {
        self.step(tenant, |tenant| Ok(tenant.heads.get(stream).copied()))
    }

    async fn read(
        &self,
        tenant: &TenantId,
        stream: &StreamId,
        from: Sequence,
        request: &PageRequest,
    ) -> PortResult<Page<Event>> {
        self.step(tenant, |stored| {
            let of_stream = stored
                .events
                .values()
                .filter(|event| event.stream == *stream && event.sequence >= from)
                .map(|event| (event.sequence, event));
            page("events.read", tenant, &(stream, from), request, of_stream)
        })
    }

    async fn read_all(
        &self,
        tenant: &TenantId,
        after: Position,
        request: &PageRequest,
    ) -> PortResult<Page<Event>> {
        self.step(tenant, |stored| {
            let rest = stored.events.iter().filter(|(place, _)| **place > after);
            let rest = rest.map(|(position, event)| (*position, event));
            page("events.read_all", tenant, &after, request, rest)
        })
    }

    async fn query(
        &self,
        tenant: &TenantId,
        filter: &EventFilter,
        request: &PageRequest,
    ) -> PortResult<Page<Event>> {
        self.step(tenant, |stored| {
            let meant = stored
                .events
                .iter()
                .filter(|(_, event)| filter.holds(event))
                .map(|(position, event)| (*position, event));
            page("events.query", tenant, filter, request, meant)
        })
    }

    async fn count(&self, tenant: &TenantId, filter: &EventFilter) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let meant = tenant.events.values().filter(|event| filter.holds(event));
            Ok(meant.count() as u64)
        })
    }

    async fn prune(&self, tenant: &TenantId, before: Timestamp, at_most: u32) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let old = tenant
                .events
                .extract_if(.., |_, event| event.occurred_at < before);
            let pruned: Vec<Event> = old.take(at_most as usize).map(|(_, event)| event).collect();
            for event in &pruned {
                tenant.event_ids.remove(&event.id);
            }
            Ok(pruned.len() as u64)
        })
    }
}
