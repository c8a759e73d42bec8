//! Made-up calls on events.

use std::{collections::BTreeSet, sync::Arc};

use portproof_ports::{
    Document, EventBatch, EventFilter, EventId, EventKind, EventKinds, EventStore,
    EventStoreAnswer, EventStoreCall, EventSubjects, ExpectedHead, NewEvent, Ports, Position,
    Sequence, StreamId, TenantId,
};
use proptest::{
    collection,
    strategy::{BoxedStrategy, Strategy},
};

use super::{
    Few, Random, Size, Small, calls, small,
    small::{is_full, just, of, one_of, pages},
};
use crate::fixture::START;

impl Few for Sequence {
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        let numbers = [1, 2, 3, 4].into_iter().take(size.ids);
        numbers
            .filter_map(|number| Self::new(number).ok())
            .collect()
    }
}

impl Few for Position {
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        let numbers = [0, 1, 2, 4].into_iter().take(size.ids);
        numbers
            .filter_map(|number| Self::new(number).ok())
            .collect()
    }
}

impl Small for NewEvent {
    fn small(size: Size) -> BoxedStrategy<Self> {
        let any = small! { size; NewEvent { id, kind, subject, occurred_at, payload } };
        let kinds = EventKind::few(size);
        // Often all that it says goes with its id: then it may be a retry in whatever batch it is.
        (any, proptest::bool::weighted(0.7))
            .prop_map(move |(event, is_plain)| match kinds.first() {
                Some(kind) if is_plain => Self {
                    id: event.id,
                    kind: kind.clone(),
                    subject: None,
                    occurred_at: START,
                    payload: Document::empty(),
                },
                _ => event,
            })
            .boxed()
    }
}

impl Small for EventBatch {
    fn small(size: Size) -> BoxedStrategy<Self> {
        collection::vec(NewEvent::small(size), 1..=3)
            .prop_filter_map("no batch", |mut events| {
                let mut seen = BTreeSet::new();
                events.retain(|event| seen.insert(event.id.clone()));
                Self::new(events).ok()
            })
            .boxed()
    }
}

impl Small for ExpectedHead {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (4, just(Self::Anything)),
            (1, just(Self::Absent)),
            (2, of(size, Self::At)),
        ])
    }
}

impl Small for EventKinds {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![(1, just(Self::Every)), (1, of(size, Self::Only))])
    }
}

impl Small for EventSubjects {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (2, just(Self::Every)),
            (1, just(Self::Nobody)),
            (2, of(size, Self::Only)),
        ])
    }
}

impl Small for EventFilter {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; EventFilter { kinds, subjects, during } }
    }
}

impl Random for EventStoreCall {
    type Port = dyn EventStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.events.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Append { tenant, stream, expected, events, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        let steps = calls! { size;
            14 Append { tenant, stream, expected, events, now }
            2 Get { tenant, id }
            1 Head { tenant, stream }
            2 Read { tenant, stream, from, page }
            2 ReadAll { tenant, after, page }
            2 Query { tenant, filter, page }
            1 Count { tenant, filter }
        };
        // A pruning need not be one step.
        let prune = small! { size; Self::Prune { tenant, before, at_most } };
        if size.in_turn {
            one_of(vec![(24, steps), (2, prune)])
        } else {
            steps
        }
    }

    fn has_more(&self, answer: &Self::Answer) -> bool {
        matches!(
            (self, answer),
            (Self::Prune { at_most, .. }, EventStoreAnswer::Prune(count)) if is_full(*at_most, *count)
        )
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for (tenant, page) in TenantId::few(size).into_iter().zip(pages(size)) {
            looks.push(Self::ReadAll {
                tenant: tenant.clone(),
                after: Position::START,
                page,
            });
            for stream in StreamId::few(size) {
                let tenant = tenant.clone();
                looks.push(Self::Head { tenant, stream });
            }
            for id in EventId::few(size) {
                let tenant = tenant.clone();
                looks.push(Self::Get { tenant, id });
            }
        }
        looks
    }
}
