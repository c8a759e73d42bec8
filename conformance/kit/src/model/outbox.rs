//! Made-up calls on an outbox.

use std::sync::Arc;

use portproof_ports::{
    Attempt, Claim, Ended, ItemId, ItemKind, NewItem, OutboxStore, OutboxStoreAnswer,
    OutboxStoreCall, Ports, Span, TenantId, Timestamp,
};
use proptest::{
    sample::select,
    strategy::{BoxedStrategy, Strategy},
};

use super::{
    Few, Random, Size, Small, calls, small,
    small::{is_full, one_of, pages},
};
use crate::fixture::{START, minute};

impl Few for Attempt {
    const EVEN: bool = true;

    fn few(_: Size) -> Vec<Self> {
        // Most often one that somebody has.
        [1, 1, 1, 1, 2, 2, 3, 0]
            .into_iter()
            .filter_map(|attempt| Self::new(attempt).ok())
            .collect()
    }
}

impl Few for Ended {
    fn few(_: Size) -> Vec<Self> {
        vec![Self::Done, Self::GivenUp]
    }
}

impl Small for Claim {
    fn small(size: Size) -> BoxedStrategy<Self> {
        (ItemId::small(size), Attempt::small(size))
            .prop_map(|(item, attempt)| Claim { item, attempt })
            .boxed()
    }
}

impl Small for NewItem {
    fn small(size: Size) -> BoxedStrategy<Self> {
        // Due by the time that most claims are made at.
        let due_at = select(vec![START, minute(1), minute(2), minute(5)]);
        (
            small! { size; NewItem { id, kind, due_at, payload } },
            due_at,
        )
            .prop_map(|(item, due_at)| NewItem { due_at, ..item })
            .boxed()
    }
}

/// Mostly of all that there is, and late enough.
fn claims(size: Size) -> BoxedStrategy<OutboxStoreCall> {
    let mut times = Timestamp::few(size);
    times.extend([minute(2), minute(3), minute(5), minute(9)]);
    (
        TenantId::small(size),
        ItemKind::small(size),
        u16::small(size),
        Span::small(size),
        select(times),
    )
        .prop_map(
            |(tenant, kind, at_most, lease, now)| OutboxStoreCall::Claim {
                tenant,
                kind,
                at_most,
                lease,
                now,
            },
        )
        .boxed()
}

impl Random for OutboxStoreCall {
    type Port = dyn OutboxStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.outbox.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Put { tenant, item, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        let steps = calls! { size;
            7 Put { tenant, item, now }
            1 Get { tenant, id }
            3 Renew { tenant, claim, lease, now }
            4 Complete { tenant, claim, now }
            6 PutBack { tenant, claim, due_at, trouble }
            8 GiveUp { tenant, claim, trouble, now }
            1 ListGivenUp { tenant, page }
        };
        let claim = claims(size);
        let revive = (
            TenantId::small(size),
            ItemId::small(size),
            Timestamp::small(size),
        )
            .prop_map(|(tenant, id, due_at)| Self::Revive { tenant, id, due_at })
            .boxed();
        // A sweep need not be one step, and neither need a claim of several items.
        let sweep = small! { size; Self::Sweep { tenant, ended, until, at_most } };
        if size.in_turn {
            one_of(vec![(26, steps), (12, claim), (6, revive), (3, sweep)])
        } else {
            one_of(vec![(26, steps), (12, claim), (4, revive)])
        }
    }

    fn has_more(&self, answer: &Self::Answer) -> bool {
        matches!(
            (self, answer),
            (Self::Sweep { at_most, .. }, OutboxStoreAnswer::Sweep(count)) if is_full(*at_most, *count)
        )
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            for id in ItemId::few(size) {
                let tenant = tenant.clone();
                looks.push(Self::Get { tenant, id });
            }
            for page in pages(size).take(1) {
                let tenant = tenant.clone();
                looks.push(Self::ListGivenUp { tenant, page });
            }
        }
        looks
    }
}
