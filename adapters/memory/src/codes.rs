//! What is of use once: the codes port in memory.

use async_trait::async_trait;
use portproof_ports::{
    BoundTo, Code, CodeDigest, CodeKind, CodeKinds, CodeStore, CodesOf, Consumed, NewCode,
    PortError, PortResult, TenantId, Timestamp,
};

use crate::{MemoryAdapter, state::Tenant};

#[async_trait]
impl CodeStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn put(&self, tenant: &TenantId, code: NewCode, now: Timestamp) -> PortResult<Code> {
        if code.expires_at <= now {
            return Err(PortError::refused("expires_at", "is not after now"));
        }
        self.step(tenant, |tenant| {
            let key = (code.kind.clone(), code.id.clone());
            if tenant.codes.contains_key(&key) {
                return Err(PortError::already_exists("code"));
            }
            let code = Code {
                kind: code.kind,
                id: code.id,
                bound_to: code.bound_to,
                identity: code.identity,
                guesses: code.guesses,
                expires_at: code.expires_at,
                data: code.data,
                failures: 0,
                consumed_at: None,
                created_at: now,
            };
            tenant.codes.insert(key, code.clone());
            Ok(code)
        })
    }

    async fn peek(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
        now: Timestamp,
    ) -> PortResult<Option<Code>> {
        self.step(tenant, |tenant| {
            let shown = |code: &&mut Code| code.is_live(now) || code.consumed_at.is_some();
            Ok(stored(tenant, kind, id).filter(shown).cloned())
        })
    }

    async fn consume(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
        bound_to: &BoundTo,
        now: Timestamp,
    ) -> PortResult<Consumed> {
        self.step(tenant, |tenant| {
            let theirs = |code: &&mut Code| code.bound_to == *bound_to;
            let Some(code) = stored(tenant, kind, id).filter(theirs) else {
                return Ok(Consumed::Refused);
            };
            if code.consumed_at.is_some() {
                return Ok(Consumed::Replayed(code.clone()));
            }
            if !code.is_live(now) {
                return Ok(Consumed::Refused);
            }
            code.consumed_at = Some(now);
            Ok(Consumed::First(code.clone()))
        })
    }

    async fn record_failure(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
        now: Timestamp,
    ) -> PortResult<Option<Code>> {
        self.step(tenant, |tenant| {
            let live = |code: &&mut Code| code.is_live(now);
            let Some(code) = stored(tenant, kind, id).filter(live) else {
                return Ok(None);
            };
            code.failures += 1;
            Ok(Some(code.clone()))
        })
    }

    async fn revoke(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
    ) -> PortResult<bool> {
        self.step(tenant, |tenant| {
            let there = stored(tenant, kind, id).is_some_and(|code| code.consumed_at.is_none());
            if there {
                tenant.codes.remove(&(kind.clone(), id.clone()));
            }
            Ok(there)
        })
    }

    async fn revoke_all_of(
        &self,
        tenant: &TenantId,
        whose: &CodesOf,
        kinds: &CodeKinds,
    ) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let ended = tenant.codes.extract_if(.., |_, code| {
                let theirs = match whose {
                    CodesOf::Identity(identity) => code.identity.as_ref() == Some(identity),
                    CodesOf::Client(client) => code.bound_to == BoundTo::Client(client.clone()),
                };
                let of_kind = match kinds {
                    CodeKinds::Every => true,
                    CodeKinds::Only(kind) => code.kind == *kind,
                };
                theirs && of_kind && code.consumed_at.is_none()
            });
            Ok(ended.count() as u64)
        })
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let over = tenant
                .codes
                .extract_if(.., |_, code| code.expires_at <= now);
            Ok(over.take(at_most as usize).count() as u64)
        })
    }
}

/// The code of this kind and id, whatever became of it.
fn stored<'a>(tenant: &'a mut Tenant, kind: &CodeKind, id: &CodeDigest) -> Option<&'a mut Code> {
    tenant.codes.get_mut(&(kind.clone(), id.clone()))
}
