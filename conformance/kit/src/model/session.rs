//! Made-up calls on sessions.

use std::sync::Arc;

use portproof_ports::{
    IdentityId, Keep, NewSession, Ports, SessionDigest, SessionStore, SessionStoreAnswer,
    SessionStoreCall, TenantId,
};
use proptest::strategy::{BoxedStrategy, Strategy};

use super::{
    Few, Random, Size, Small, calls, small,
    small::{ends, is_full, just, of, one_of, pages},
};
use crate::fixture::{START, minute};

impl Small for NewSession {
    fn small(size: Size) -> BoxedStrategy<Self> {
        let ends_at = ends();
        let session = small! { size; NewSession { id, identity, idle, ends_at, data } };
        let session =
            (session, ends_at).prop_map(|(session, ends_at)| NewSession { ends_at, ..session });
        session.boxed()
    }
}

impl Small for Keep {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![(1, just(Self::Nothing)), (2, of(size, Self::Session))])
    }
}

impl Random for SessionStoreCall {
    type Port = dyn SessionStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.session.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Create { tenant, session, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        let steps = calls! { size;
            6 Create { tenant, session, now }
            3 Get { tenant, id, now }
            3 Touch { tenant, id, now }
            4 Update { tenant, id, expected, data, now }
            4 Rotate { tenant, old, new, now }
            1 Revoke { tenant, id }
            1 RevokeAllOf { tenant, identity, keep }
            2 ListOf { tenant, identity, now, page }
        };
        // A sweep need not be one step.
        let sweep = small! { size; Self::Sweep { tenant, now, at_most } };
        if size.in_turn {
            one_of(vec![(30, steps), (3, sweep)])
        } else {
            steps
        }
    }

    fn has_more(&self, answer: &Self::Answer) -> bool {
        matches!(
            (self, answer),
            (Self::Sweep { at_most, .. }, SessionStoreAnswer::Sweep(count)) if is_full(*at_most, *count)
        )
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            for id in SessionDigest::few(size) {
                let (tenant, now) = (tenant.clone(), START);
                looks.push(Self::Get { tenant, id, now });
            }
            // Each identity's at another time, with pages of another size.
            let times = [START, minute(1), minute(3)].into_iter().cycle();
            let lists = times.zip(pages(size));
            for (identity, (now, page)) in IdentityId::few(size).into_iter().zip(lists) {
                looks.push(Self::ListOf {
                    tenant: tenant.clone(),
                    identity,
                    now,
                    page,
                });
            }
        }
        looks
    }
}
