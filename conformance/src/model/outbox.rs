//! Made-up calls on an outbox.

use std::sync::Arc;

use portproof_ports::{
    Attempt, Claim, Ended, ItemId, NewItem, OutboxStore, OutboxStoreCall, Ports, TenantId,
};
use proptest::strategy::BoxedStrategy;

use super::{
    Few, Random, Size, Small, calls, small,
    small::{one_of, pages},
};

impl Few for Attempt {
    fn few(_: Size) -> Vec<Self> {
        // The first one most often is one that somebody has.
        [1, 1, 2, 0]
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
        small! { size; Claim { item, attempt } }
    }
}

impl Small for NewItem {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; NewItem { id, kind, due_at, payload } }
    }
}

impl Random for OutboxStoreCall {
    type Port = dyn OutboxStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.outbox.as_ref()
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        let steps = calls! { size;
            8 Put { tenant, item, now }
            1 Get { tenant, id }
            2 Renew { tenant, claim, lease, now }
            3 Complete { tenant, claim, now }
            4 PutBack { tenant, claim, due_at, trouble }
            4 GiveUp { tenant, claim, trouble, now }
            2 Revive { tenant, id, due_at }
            1 ListGivenUp { tenant, page }
        };
        let claim = small! { size; Self::Claim { tenant, kind, at_most, lease, now } };
        // A sweep need not be one step, and neither need a claim of several items.
        let sweep = small! { size; Self::Sweep { tenant, ended, until, at_most } };
        if size.in_turn {
            one_of(vec![(25, steps), (10, claim), (1, sweep)])
        } else {
            one_of(vec![(25, steps), (10, claim)])
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
