//! Made-up calls on an outbox.

use std::{fmt, sync::Arc};

use portproof_ports::{
    Attempt, Claim, Ended, ItemId, NewItem, OutboxStore, OutboxStoreCall, Ports, Span, TenantId,
    Timestamp,
};
use proptest::{
    sample::select,
    strategy::{BoxedStrategy, Strategy},
};

use super::{
    Few, Random, Size, Small, calls, small,
    small::{one_of, pages},
};
use crate::suites::fixture::{START, minute};

impl Few for Attempt {
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
        (mostly_one(size), Attempt::small(size))
            .prop_map(|(item, attempt)| Claim { item, attempt })
            .boxed()
    }
}

/// Mostly the first: what becomes of an item takes several calls, each of which must mean it.
fn mostly_one<T: Few + Clone + fmt::Debug + 'static>(size: Size) -> BoxedStrategy<T> {
    let all = T::few(size);
    let first = all.iter().take(1).cycle().take(3);
    select(first.chain(&all).cloned().collect::<Vec<_>>()).boxed()
}

impl Small for NewItem {
    fn small(size: Size) -> BoxedStrategy<Self> {
        // Due by the time that most claims are made at.
        let due_at = select(vec![START, minute(1), minute(2), minute(5)]);
        (
            small! { size; NewItem { id, kind, due_at, payload } },
            mostly_one(size),
            mostly_one(size),
            due_at,
        )
            .prop_map(|(item, id, kind, due_at)| NewItem {
                id,
                kind,
                due_at,
                ..item
            })
            .boxed()
    }
}

/// Mostly of all that there is, and late enough.
fn claims(size: Size) -> BoxedStrategy<OutboxStoreCall> {
    let mut times = Timestamp::few(size);
    times.extend([minute(2), minute(3), minute(5), minute(9)]);
    (
        TenantId::small(size),
        mostly_one(size),
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
            mostly_one(size),
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
