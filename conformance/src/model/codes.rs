//! Made-up calls on codes.

use std::{num::NonZeroU32, sync::Arc};

use portproof_ports::{
    BoundTo, ClientId, CodeDigest, CodeKind, CodeKinds, CodeStore, CodeStoreCall, CodesOf, NewCode,
    Ports, TenantId,
};
use proptest::{
    sample::select,
    strategy::{BoxedStrategy, Strategy},
};

use super::{
    Few, Random, Size, Small, calls, small,
    small::{just, of, one_of},
};
use crate::suites::fixture::{START, minute};

impl Few for NonZeroU32 {
    fn few(_: Size) -> Vec<Self> {
        [2, 1, 3].into_iter().filter_map(Self::new).collect()
    }
}

impl Few for BoundTo {
    fn few(size: Size) -> Vec<Self> {
        let clients = ClientId::few(size).into_iter().take(2).map(Self::Client);
        [Self::Nobody].into_iter().chain(clients).collect()
    }
}

impl Small for NewCode {
    fn small(size: Size) -> BoxedStrategy<Self> {
        // Mostly one that is not over at once.
        let expires_at = select(vec![minute(4), minute(9), minute(2), minute(1)]);
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
            one_of(vec![(26, steps), (1, sweep)])
        } else {
            steps
        }
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
