//! Made-up calls on credentials.

use std::sync::Arc;

use portproof_ports::{
    CredentialId, CredentialKind, CredentialStore, CredentialStoreCall, CredentialUse, IdentityId,
    Kinds, LookupDigest, NewCredential, OldSecret, Ports, Secret, TenantId,
};
use proptest::strategy::BoxedStrategy;

use super::{
    Few, Random, Size, Small, calls, small,
    small::{just, of, one_of, pages},
};
use crate::fixture::START;

impl Few for CredentialKind {
    const EVEN: bool = true;

    fn few(_: Size) -> Vec<Self> {
        Self::ALL.to_vec()
    }
}

impl Few for Kinds {
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        let kinds = CredentialKind::few(size).into_iter().map(Self::Only);
        [Self::Every, Self::Every, Self::Every]
            .into_iter()
            .chain(kinds)
            .collect()
    }
}

impl Small for Secret {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (2, of(size, Self::Password)),
            (1, of(size, Self::Totp)),
            (2, small! { size; Self::WebAuthn { lookup, public_key } }),
            (3, of(size, Self::RecoveryCode)),
            (3, of(size, Self::ApiKey)),
        ])
    }
}

impl Small for NewCredential {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; NewCredential { id, identity, secret, metadata, expires_at } }
    }
}

impl Small for OldSecret {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (1, just(Self::Retired)),
            (2, of(size, Self::ValidUntil)),
        ])
    }
}

impl Small for CredentialUse {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![(1, just(Self::Plain)), (2, of(size, Self::Counter))])
    }
}

impl Random for CredentialStoreCall {
    type Port = dyn CredentialStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.credentials.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Add { tenant, credential, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        calls! { size;
            8 Add { tenant, credential, now }
            1 Get { tenant, id }
            3 Find { tenant, kind, lookup, now }
            1 ListOf { tenant, identity, kinds, page }
            6 Replace { tenant, id, expected, secret, old, now }
            3 Update { tenant, id, expected, metadata, expires_at, now }
            1 History { tenant, id, page }
            3 RecordUse { tenant, id, used, now }
            3 RecordFailure { tenant, id }
            3 Consume { tenant, id, now }
            1 Remove { tenant, id }
            1 RemoveAllOf { tenant, identity, kinds }
            1 Policy { tenant }
            2 SetPolicy { tenant, expected, rules, now }
        }
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            let tenant = || tenant.clone();
            for (id, page) in CredentialId::few(size).into_iter().zip(pages(size)) {
                looks.push(Self::Get {
                    tenant: tenant(),
                    id: id.clone(),
                });
                looks.push(Self::History {
                    tenant: tenant(),
                    id,
                    page,
                });
            }
            for lookup in LookupDigest::few(size) {
                let kinds = [CredentialKind::ApiKey, CredentialKind::RecoveryCode];
                for kind in kinds {
                    let (tenant, lookup, now) = (tenant(), lookup.clone(), START);
                    looks.push(Self::Find {
                        tenant,
                        kind,
                        lookup,
                        now,
                    });
                }
            }
            for (identity, page) in IdentityId::few(size).into_iter().zip(pages(size)) {
                let (tenant, kinds) = (tenant(), Kinds::Every);
                looks.push(Self::ListOf {
                    tenant,
                    identity,
                    kinds,
                    page,
                });
            }
            looks.push(Self::Policy { tenant: tenant() });
        }
        looks
    }
}
