//! The keys that sign and encrypt: the keystore port in memory.

use std::{cmp::Reverse, collections::BTreeMap};

use async_trait::async_trait;
use portproof_ports::{
    KeyId, KeyState, KeyStore, KeyUse, MAX_KEYS, NewKey, Page, PageRequest, PortError, PortResult,
    PublicKey, StoredKey, TenantId, Timestamp,
};

use crate::{MemoryAdapter, lists::page, state::Tenant};

#[async_trait]
impl KeyStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn insert(
        &self,
        tenant: &TenantId,
        key: NewKey,
        now: Timestamp,
    ) -> PortResult<StoredKey> {
        self.step(tenant, |tenant| {
            if tenant.keys.contains_key(&key.id) {
                return Err(PortError::already_exists("key"));
            }
            if of_use(tenant, key.key_use).count() >= MAX_KEYS {
                return Err(PortError::refused("keys", "are 1000 of this use already"));
            }
            let key = StoredKey {
                id: key.id,
                key_use: key.key_use,
                algorithm: key.algorithm,
                public: key.public,
                private: key.private,
                state: KeyState::Next,
                created_at: now,
                activated_at: None,
                retired_at: None,
                revoked_at: None,
            };
            tenant.keys.insert(key.id.clone(), key.clone());
            Ok(key)
        })
    }

    async fn get(&self, tenant: &TenantId, id: &KeyId) -> PortResult<Option<StoredKey>> {
        self.step(tenant, |tenant| Ok(tenant.keys.get(id).cloned()))
    }

    async fn active(&self, tenant: &TenantId, key_use: KeyUse) -> PortResult<Option<StoredKey>> {
        self.step(tenant, |tenant| Ok(active(tenant, key_use).cloned()))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        key_use: KeyUse,
        request: &PageRequest,
    ) -> PortResult<Page<StoredKey>> {
        self.step(tenant, |stored| {
            let keys = of_use(stored, key_use).map(|key| (latest_first(key), key));
            page("keystore.list", tenant, &key_use, request, keys)
        })
    }

    async fn rotate(
        &self,
        tenant: &TenantId,
        key_use: KeyUse,
        believed: Option<KeyId>,
        next: &KeyId,
        published_until: Timestamp,
        now: Timestamp,
    ) -> PortResult<StoredKey> {
        self.step(tenant, |tenant| {
            let stored = tenant.keys.get(next).filter(|key| key.key_use == key_use);
            let mut next = stored.cloned().ok_or(PortError::not_found("key"))?;
            let active = active(tenant, key_use).cloned();
            if active.as_ref().map(|key| &key.id) != believed.as_ref() {
                return Err(PortError::stale("active key"));
            }
            if next.state != KeyState::Next {
                return Err(PortError::refused("next", "is not a next key"));
            }
            if let Some(mut retiring) = active {
                retiring.state = KeyState::Retired { published_until };
                retiring.retired_at = Some(now);
                tenant.keys.insert(retiring.id.clone(), retiring);
            }
            next.state = KeyState::Active;
            next.activated_at = Some(now);
            tenant.keys.insert(next.id.clone(), next.clone());
            Ok(next)
        })
    }

    async fn revoke(&self, tenant: &TenantId, id: &KeyId, now: Timestamp) -> PortResult<bool> {
        self.step(tenant, |tenant| match tenant.keys.get_mut(id) {
            Some(key) if key.state != KeyState::Revoked => {
                key.state = KeyState::Revoked;
                key.revoked_at = Some(now);
                Ok(true)
            }
            _ => Ok(false),
        })
    }

    async fn remove(&self, tenant: &TenantId, id: &KeyId) -> PortResult<bool> {
        self.step(tenant, |tenant| {
            let state = tenant.keys.get(id).map(|key| key.state);
            if matches!(state, Some(KeyState::Next | KeyState::Active)) {
                return Err(PortError::refused("key", "is not out of use"));
            }
            Ok(tenant.keys.remove(id).is_some())
        })
    }

    async fn public_set(
        &self,
        tenant: &TenantId,
        key_use: KeyUse,
        now: Timestamp,
    ) -> PortResult<Vec<PublicKey>> {
        self.step(tenant, |tenant| {
            let published: BTreeMap<_, _> = of_use(tenant, key_use)
                .filter(|key| is_published(key, now))
                .map(|key| (latest_first(key), public(key)))
                .collect();
            Ok(published.into_values().collect())
        })
    }

    /// Nothing is sealed here: what is in memory is read by whoever reads the process.
    async fn reseal(&self, _: &TenantId) -> PortResult<u64> {
        self.is_ready().map(|()| 0)
    }
}

fn of_use(tenant: &Tenant, key_use: KeyUse) -> impl Iterator<Item = &StoredKey> {
    let keys = tenant.keys.values();
    keys.filter(move |key| key.key_use == key_use)
}

fn active(tenant: &Tenant, key_use: KeyUse) -> Option<&StoredKey> {
    of_use(tenant, key_use).find(|key| key.state == KeyState::Active)
}

/// The key by which lists of keys are ordered.
fn latest_first(key: &StoredKey) -> Reverse<(Timestamp, KeyId)> {
    Reverse((key.created_at, key.id.clone()))
}

fn is_published(key: &StoredKey, now: Timestamp) -> bool {
    match key.state {
        KeyState::Next | KeyState::Active => true,
        KeyState::Retired { published_until } => now < published_until,
        KeyState::Revoked => false,
    }
}

fn public(key: &StoredKey) -> PublicKey {
    PublicKey {
        id: key.id.clone(),
        algorithm: key.algorithm.clone(),
        public: key.public.clone(),
    }
}
