//! Made-up calls on codes.

use std::{num::NonZeroU32, sync::Arc};

use portproof_ports::{
    BoundTo, ClientId, CodeDigest, CodeKind, CodeKinds, CodeStore, CodeStoreAnswer, CodeStoreCall,
    CodesOf, NewCode, Ports, TenantId,
};
use proptest::strategy::{BoxedStrategy, Strategy};

use super::{
    Few, Random, Size, Small, calls, small,
    small::{ends, is_full, just, of, one_of},
};
use crate::fixture::START;

impl Few for NonZeroU32 {
    const EVEN: bool = true;

    fn few(_: Size) -> Vec<Self> {
        [2, 1, 3, 40_000]
            .into_iter()
            .filter_map(Self::new)
            .collect()
    }
}

impl Few for BoundTo {
    fn few(size: Size) -> Vec<Self> {
        let clients = ClientId::few(size).into_iter().map(Self::Client);
        [Self::Nobody].into_iter().chain(clients).collect()
    }
}

impl Small for NewCode {
    fn small(size: Size) -> BoxedStrategy<Self> {
        let expires_at = ends();
        (
            small! { size; NewCode { kind, id, bound_to, identity, guesses, expires_at, data } },
            expires_at,
        )
            .prop_map(|(code, expires_at)| NewCode { expires_at, ..code })
            .boxed()
    }
}

impl Small for CodesOf {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (1, of(size, Self::Identity)),
            (1, of(size, Self::Client)),
        ])
    }
}

impl Small for CodeKinds {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![(1, just(Self::Every)), (1, of(size, Self::Only))])
    }
}

impl Random for CodeStoreCall {
    type Port = dyn CodeStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.codes.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Put { tenant, code, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        let steps = calls! { size;
            8 Put { tenant, code, now }
            3 Peek { tenant, kind, id, now }
            8 Consume { tenant, kind, id, bound_to, now }
            5 RecordFailure { tenant, kind, id, now }
            1 Revoke { tenant, kind, id }
            1 RevokeAllOf { tenant, whose, kinds }
        };
        // A sweep need not be one step.
        let sweep = small! { size; Self::Sweep { tenant, now, at_most } };
        if size.in_turn {
            one_of(vec![(26, steps), (2, sweep)])
        } else {
            steps
        }
    }

    fn has_more(&self, answer: &Self::Answer) -> bool {
        matches!(
            (self, answer),
            (Self::Sweep { at_most, .. }, CodeStoreAnswer::Sweep(count)) if is_full(*at_most, *count)
        )
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            for kind in CodeKind::few(size) {
                for id in CodeDigest::few(size) {
                    looks.push(Self::Peek {
                        tenant: tenant.clone(),
                        kind: kind.clone(),
                        id,
                        now: START,
                    });
                }
            }
        }
        looks
    }
}
