//! Made-up calls on keys.

use std::sync::Arc;

use portproof_ports::{KeyId, KeyStore, KeyStoreCall, KeyUse, NewKey, Ports, TenantId};
use proptest::strategy::BoxedStrategy;

use super::{Few, Random, Size, Small, calls, small, small::pages};
use crate::fixture::START;

impl Few for KeyUse {
    const EVEN: bool = true;

    fn few(_: Size) -> Vec<Self> {
        vec![Self::Signing, Self::Encryption]
    }
}

impl Small for NewKey {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; NewKey { id, key_use, algorithm, public, private } }
    }
}

impl Random for KeyStoreCall {
    type Port = dyn KeyStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.keystore.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Insert { tenant, key, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        calls! { size;
            6 Insert { tenant, key, now }
            2 Get { tenant, id }
            2 Active { tenant, key_use }
            1 List { tenant, key_use, page }
            8 Rotate { tenant, key_use, active, next, published_until, now }
            2 Revoke { tenant, id, now }
            1 Remove { tenant, id }
            2 PublicSet { tenant, key_use, now }
            1 Reseal { tenant }
        }
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            for id in KeyId::few(size) {
                looks.push(Self::Get {
                    tenant: tenant.clone(),
                    id,
                });
            }
            for (key_use, page) in KeyUse::few(size).into_iter().zip(pages(size)) {
                let tenant = || tenant.clone();
                looks.push(Self::Active {
                    tenant: tenant(),
                    key_use,
                });
                looks.push(Self::PublicSet {
                    tenant: tenant(),
                    key_use,
                    now: START,
                });
                looks.push(Self::List {
                    tenant: tenant(),
                    key_use,
                    page,
                });
            }
        }
        looks
    }
}
