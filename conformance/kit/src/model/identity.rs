//! Made-up calls on identities.

use std::sync::Arc;

use portproof_ports::{
    Identifier, IdentityFilter, IdentityId, IdentityKind, IdentityState, IdentityStore,
    IdentityStoreCall, IdentityUpdate, NewIdentifier, NewIdentity, Ports, TenantId,
};
use proptest::strategy::BoxedStrategy;

use super::{
    Few, Random, Size, Small, calls, small,
    small::{just, of, one_of, pages},
};

impl Few for IdentityKind {
    const EVEN: bool = true;

    fn few(_: Size) -> Vec<Self> {
        vec![Self::Human, Self::Service, Self::Device]
    }
}

impl Few for IdentityFilter {
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        let kinds = IdentityKind::few(size).into_iter().map(Self::Kind);
        [Self::Every, Self::Blocked]
            .into_iter()
            .chain(kinds)
            .collect()
    }
}

impl Small for IdentityState {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![(1, just(Self::Active)), (1, of(size, Self::Blocked))])
    }
}

impl Small for IdentityUpdate {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; IdentityUpdate { state, profile } }
    }
}

impl Small for NewIdentifier {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; NewIdentifier { identifier, verified_at } }
    }
}

impl Small for NewIdentity {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; NewIdentity { id, kind, profile, identifiers } }
    }
}

impl Random for IdentityStoreCall {
    type Port = dyn IdentityStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.identity.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Create { tenant, identity, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        calls! { size;
            6 Create { tenant, identity, now }
            2 Get { tenant, id }
            1 GetMany { tenant, ids }
            2 Find { tenant, identifier }
            3 Update { tenant, id, expected, update, now }
            4 Link { tenant, id, identifier, now }
            2 Unlink { tenant, id, identifier, now }
            2 Merge { tenant, survivor, duplicate, now }
            1 Erase { tenant, id }
            1 List { tenant, filter, page }
        }
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            for id in IdentityId::few(size) {
                looks.push(Self::Get {
                    tenant: tenant.clone(),
                    id,
                });
            }
            for identifier in Identifier::few(size) {
                looks.push(Self::Find {
                    tenant: tenant.clone(),
                    identifier,
                });
            }
            for (filter, page) in IdentityFilter::few(size).into_iter().zip(pages(size)) {
                looks.push(Self::List {
                    tenant: tenant.clone(),
                    filter,
                    page,
                });
            }
        }
        looks
    }
}
