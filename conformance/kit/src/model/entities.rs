//! Made-up calls on entities.

use std::sync::Arc;

use portproof_ports::{
    EntityChange, EntityId, EntityKind, EntityStore, EntityStoreCall, NewEntity, Ports, TenantId,
    UniqueKey, UniqueKeys, UniqueName, UniqueScope, UniqueValue,
};
use proptest::{
    sample::subsequence,
    strategy::{BoxedStrategy, Strategy},
};

use super::{Few, Random, Size, Small, calls, small, small::pages};

impl Few for UniqueScope {
    fn few(_: Size) -> Vec<Self> {
        vec![Self::Tenant, Self::Global]
    }
}

impl Few for UniqueKey {
    fn few(size: Size) -> Vec<Self> {
        let mut all = Vec::new();
        for value in UniqueValue::few(size) {
            for name in UniqueName::few(size).into_iter().take(size.tenants) {
                for scope in UniqueScope::few(size) {
                    let (name, value) = (name.clone(), value.clone());
                    all.push(Self { name, value, scope });
                }
            }
        }
        all.truncate(2 * size.ids);
        all
    }
}

impl Small for UniqueKeys {
    fn small(size: Size) -> BoxedStrategy<Self> {
        let some = subsequence(UniqueKey::few(size), 0..=2);
        let keys = some.prop_map(|keys| Self::new(keys).unwrap_or_default());
        keys.boxed()
    }
}

impl Small for NewEntity {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; NewEntity { kind, id, body, keys } }
    }
}

impl Small for EntityChange {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; EntityChange { body, keys } }
    }
}

/// Makes a value that would be unique over all tenants one of this play's own, since others play at
/// the same time.
fn settle_value(value: &mut UniqueValue, tenants: &[TenantId]) {
    let Some(tenant) = tenants.first() else {
        return;
    };
    let settled = format!("{} of {}", value.as_str(), tenant.as_str());
    if let Ok(settled) = UniqueValue::new(settled) {
        *value = settled;
    }
}

fn settle_keys(keys: &mut UniqueKeys, tenants: &[TenantId]) {
    let mut all: Vec<UniqueKey> = std::mem::take(keys).into();
    for key in &mut all {
        settle_value(&mut key.value, tenants);
    }
    *keys = UniqueKeys::new(all).unwrap_or_default();
}

impl Random for EntityStoreCall {
    type Port = dyn EntityStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.entities.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Create { tenant, entity, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        calls! { size;
            7 Create { tenant, entity, now }
            2 Get { tenant, kind, id }
            2 Find { tenant, kind, key }
            2 FindGlobal { kind, name, value }
            6 Put { tenant, kind, id, expected, change, now }
            2 Remove { tenant, kind, id }
            1 List { tenant, kind, page }
        }
    }

    fn settle(&mut self, tenants: &[TenantId]) {
        match self {
            Self::Create { entity, .. } => settle_keys(&mut entity.keys, tenants),
            Self::Put { change, .. } => settle_keys(&mut change.keys, tenants),
            Self::Find { key, .. } => settle_value(&mut key.value, tenants),
            Self::FindGlobal { value, .. } => settle_value(value, tenants),
            Self::Ready {} | Self::Get { .. } | Self::Remove { .. } | Self::List { .. } => {}
        }
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for kind in EntityKind::few(size) {
            for tenant in TenantId::few(size) {
                for id in EntityId::few(size) {
                    looks.push(Self::Get {
                        tenant: tenant.clone(),
                        kind: kind.clone(),
                        id,
                    });
                }
                for key in UniqueKey::few(size) {
                    looks.push(Self::Find {
                        tenant: tenant.clone(),
                        kind: kind.clone(),
                        key,
                    });
                }
                looks.extend(pages(size).take(1).map(|page| Self::List {
                    tenant: tenant.clone(),
                    kind: kind.clone(),
                    page,
                }));
            }
            for key in UniqueKey::few(size) {
                if key.scope == UniqueScope::Global {
                    looks.push(Self::FindGlobal {
                        kind: kind.clone(),
                        name: key.name,
                        value: key.value,
                    });
                }
            }
        }
        looks
    }
}
