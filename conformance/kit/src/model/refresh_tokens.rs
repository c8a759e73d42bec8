//! Made-up calls on refresh tokens.

use std::sync::Arc;

use portproof_ports::{
    FamiliesOf, IdentityId, NewFamily, Ports, RefreshDigest, RefreshTokenStore,
    RefreshTokenStoreAnswer, RefreshTokenStoreCall, TenantId,
};
use proptest::strategy::{BoxedStrategy, Strategy};

use super::{
    Few, Random, Size, Small, calls, small,
    small::{ends, is_full, just, of, one_of, pages},
};
use crate::fixture::START;

impl Small for NewFamily {
    fn small(size: Size) -> BoxedStrategy<Self> {
        let ends_at = ends();
        (small! { size; NewFamily { id, token, identity, client, session, idle, ends_at, data } }, ends_at)
            .prop_map(|(family, ends_at)| NewFamily { ends_at, ..family })
            .boxed()
    }
}

impl Small for FamiliesOf {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (2, of(size, Self::Identity)),
            (2, of(size, Self::Client)),
            (2, of(size, Self::Session)),
            (1, just(Self::Everybody)),
        ])
    }
}

impl Random for RefreshTokenStoreCall {
    type Port = dyn RefreshTokenStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.refresh_tokens.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Issue { tenant, family, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        let steps = calls! { size;
            8 Issue { tenant, family, now }
            3 Get { tenant, token, now }
            12 Rotate { tenant, client, old, new, leeway, now }
            1 Revoke { tenant, family }
            1 RevokeAllOf { tenant, whose }
            2 ListOf { tenant, identity, now, page }
        };
        // A sweep need not be one step.
        let sweep = small! { size; Self::Sweep { tenant, now, at_most } };
        if !size.in_turn {
            return steps;
        }
        // Mostly from each token to the next: then families have a history, and there are retries.
        let tokens = RefreshDigest::few(size);
        let steps = steps.prop_map(move |mut call| {
            if let Self::Rotate { old, new, .. } = &mut call
                && tokens.first() == Some(new)
                && let Some(next) = tokens.iter().skip_while(|token| *token != old).nth(1)
            {
                *new = next.clone();
            }
            call
        });
        one_of(vec![(27, steps.boxed()), (3, sweep)])
    }

    fn has_more(&self, answer: &Self::Answer) -> bool {
        matches!(
            (self, answer),
            (Self::Sweep { at_most, .. }, RefreshTokenStoreAnswer::Sweep(count)) if is_full(*at_most, *count)
        )
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            for token in RefreshDigest::few(size) {
                let (tenant, now) = (tenant.clone(), START);
                looks.push(Self::Get { tenant, token, now });
            }
            for (identity, page) in IdentityId::few(size).into_iter().zip(pages(size)) {
                looks.push(Self::ListOf {
                    tenant: tenant.clone(),
                    identity,
                    now: START,
                    page,
                });
            }
        }
        looks
    }
}
