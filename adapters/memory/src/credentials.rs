//! What proves who somebody is: the credentials port in memory.

use std::cmp::Reverse;

use async_trait::async_trait;
use portproof_ports::{
    Counter, Credential, CredentialId, CredentialKind, CredentialPolicy, CredentialStore,
    CredentialUse, Document, Expected, IdentityId, Kinds, LookupDigest, NewCredential, OldSecret,
    Page, PageRequest, PastSecret, PortError, PortResult, Secret, TenantId, Timestamp, Version,
};

use crate::{
    MemoryAdapter,
    kept::{KeptCredential, has_expired, is_meant, kept, remove, take_lookup},
    lists::page,
    state::is_as_expected,
};

#[async_trait]
impl CredentialStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn add(
        &self,
        tenant: &TenantId,
        new: NewCredential,
        now: Timestamp,
    ) -> PortResult<Credential> {
        self.step(tenant, |tenant| {
            let kind = new.secret.kind();
            if tenant.credentials.contains_key(&new.id) {
                return Err(PortError::already_exists("credential"));
            }
            let password = Kinds::Only(CredentialKind::Password);
            let mut stored = tenant.credentials.values();
            if kind == CredentialKind::Password
                && stored.any(|kept| is_meant(&kept.credential, &new.identity, &password))
            {
                return Err(PortError::already_exists("password"));
            }
            take_lookup(tenant, &new.id, &new.secret)?;
            let credential = Credential {
                id: new.id,
                identity: new.identity,
                secret: new.secret,
                metadata: new.metadata,
                expires_at: new.expires_at,
                version: Version::FIRST,
                counter: Counter::ZERO,
                failures: 0,
                used_at: None,
                consumed_at: None,
                created_at: now,
                updated_at: now,
            };
            let kept = KeptCredential {
                credential: credential.clone(),
                history: Vec::new(),
            };
            tenant.credentials.insert(credential.id.clone(), kept);
            Ok(credential)
        })
    }

    async fn get(&self, tenant: &TenantId, id: &CredentialId) -> PortResult<Option<Credential>> {
        self.step(tenant, |tenant| {
            let kept = tenant.credentials.get(id);
            Ok(kept.map(|kept| kept.credential.clone()))
        })
    }

    async fn find(
        &self,
        tenant: &TenantId,
        kind: CredentialKind,
        lookup: &LookupDigest,
        now: Timestamp,
    ) -> PortResult<Option<Credential>> {
        self.step(tenant, |tenant| {
            let owner = tenant.lookups.get(&(kind, lookup.clone()));
            let kept = owner.and_then(|id| tenant.credentials.get(id));
            let found = kept.filter(|kept| kept.is_found_by(lookup, now));
            Ok(found.map(|kept| kept.credential.clone()))
        })
    }

    async fn list_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        kinds: &Kinds,
        request: &PageRequest,
    ) -> PortResult<Page<Credential>> {
        self.step(tenant, |stored| {
            let theirs = stored
                .credentials
                .values()
                .map(|kept| &kept.credential)
                .filter(|credential| is_meant(credential, identity, kinds))
                .map(|credential| ((credential.created_at, credential.id.clone()), credential));
            let filter = (identity, kinds);
            page("credentials.list_of", tenant, &filter, request, theirs)
        })
    }

    async fn replace(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        expected: Version,
        secret: Secret,
        old: OldSecret,
        now: Timestamp,
    ) -> PortResult<Credential> {
        self.step(tenant, |tenant| {
            let credential = &kept(tenant, id)?.credential;
            if credential.secret.kind() != secret.kind() {
                return Err(PortError::refused("secret", "is of another kind"));
            }
            if credential.version != expected {
                return Err(PortError::stale("credential"));
            }
            take_lookup(tenant, id, &secret)?;
            let kept = kept(tenant, id)?;
            kept.history.push(PastSecret {
                version: expected,
                secret: std::mem::replace(&mut kept.credential.secret, secret),
                replaced_at: now,
                valid_until: match old {
                    OldSecret::Retired => None,
                    OldSecret::ValidUntil(until) => Some(until),
                },
            });
            kept.credential.version = expected.next();
            kept.credential.failures = 0;
            kept.credential.updated_at = now;
            Ok(kept.credential.clone())
        })
    }

    async fn update(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        expected: Version,
        metadata: Document,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> PortResult<Credential> {
        self.step(tenant, |tenant| {
            let credential = &mut kept(tenant, id)?.credential;
            if credential.version != expected {
                return Err(PortError::stale("credential"));
            }
            credential.metadata = metadata;
            credential.expires_at = expires_at;
            credential.version = expected.next();
            credential.updated_at = now;
            Ok(credential.clone())
        })
    }

    async fn history(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        request: &PageRequest,
    ) -> PortResult<Page<PastSecret>> {
        self.step(tenant, |stored| {
            let kept = stored.credentials.get(id).into_iter();
            let past = kept.flat_map(|kept| &kept.history);
            let last_first = past.map(|past| (Reverse(past.version), past));
            page("credentials.history", tenant, id, request, last_first)
        })
    }

    async fn record_use(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        used: CredentialUse,
        now: Timestamp,
    ) -> PortResult<Credential> {
        self.step(tenant, |tenant| {
            let credential = &mut kept(tenant, id)?.credential;
            if let CredentialUse::Counter(counter) = used {
                if counter <= credential.counter {
                    return Err(PortError::stale("counter"));
                }
                credential.counter = counter;
            }
            // `None` orders before every instant.
            credential.used_at = credential.used_at.max(Some(now));
            credential.failures = 0;
            Ok(credential.clone())
        })
    }

    async fn record_failure(&self, tenant: &TenantId, id: &CredentialId) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let credential = &mut kept(tenant, id)?.credential;
            credential.failures = credential.failures.saturating_add(1);
            Ok(credential.failures)
        })
    }

    async fn consume(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        now: Timestamp,
    ) -> PortResult<bool> {
        self.step(tenant, |tenant| {
            let credential = &mut kept(tenant, id)?.credential;
            if credential.secret.kind() != CredentialKind::RecoveryCode {
                return Err(PortError::refused("kind", "is not a recovery code"));
            }
            if credential.consumed_at.is_some() || has_expired(credential, now) {
                return Ok(false);
            }
            credential.consumed_at = Some(now);
            Ok(true)
        })
    }

    async fn remove(&self, tenant: &TenantId, id: &CredentialId) -> PortResult<bool> {
        self.step(tenant, |tenant| Ok(remove(tenant, id)))
    }

    async fn remove_all_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        kinds: &Kinds,
    ) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let stored = tenant.credentials.values().map(|kept| &kept.credential);
            let theirs: Vec<CredentialId> = stored
                .filter(|credential| is_meant(credential, identity, kinds))
                .map(|credential| credential.id.clone())
                .collect();
            Ok(theirs.iter().filter(|id| remove(tenant, id)).count() as u64)
        })
    }

    async fn policy(&self, tenant: &TenantId) -> PortResult<Option<CredentialPolicy>> {
        self.step(tenant, |tenant| Ok(tenant.credential_policy.clone()))
    }

    async fn set_policy(
        &self,
        tenant: &TenantId,
        expected: Expected,
        rules: Document,
        now: Timestamp,
    ) -> PortResult<CredentialPolicy> {
        self.step(tenant, |tenant| {
            let stored = tenant
                .credential_policy
                .as_ref()
                .map(|policy| policy.version);
            if !is_as_expected(expected, stored) {
                return Err(PortError::stale("credential policy"));
            }
            let policy = CredentialPolicy {
                rules,
                version: stored.map_or(Version::FIRST, Version::next),
                updated_at: now,
            };
            tenant.credential_policy = Some(policy.clone());
            Ok(policy)
        })
    }
}
