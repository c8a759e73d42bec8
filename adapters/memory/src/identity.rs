//! Who there is: the identity port in memory.

use std::collections::BTreeSet;

use async_trait::async_trait;
use portproof_ports::{
    Identifier, Identity, IdentityFilter, IdentityId, IdentityState, IdentityStore, IdentityUpdate,
    LinkedIdentifier, MAX_GET_MANY, MAX_IDENTIFIERS, NewIdentifier, NewIdentity, Page, PageRequest,
    PortError, PortResult, TenantId, Timestamp, Version,
};

use crate::{MemoryAdapter, lists::page};

#[async_trait]
impl IdentityStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn create(
        &self,
        tenant: &TenantId,
        identity: NewIdentity,
        now: Timestamp,
    ) -> PortResult<Identity> {
        if identity.identifiers.len() > MAX_IDENTIFIERS {
            return Err(too_many_identifiers());
        }
        self.step(tenant, |tenant| {
            if tenant.identities.contains_key(&identity.id) {
                return Err(PortError::already_exists("identity"));
            }
            let mut named = BTreeSet::new();
            for new in &identity.identifiers {
                let owned = tenant.owners.contains_key(&new.identifier);
                if owned || !named.insert(&new.identifier) {
                    return Err(PortError::already_exists("identifier"));
                }
            }
            for new in &identity.identifiers {
                let owner = identity.id.clone();
                tenant.owners.insert(new.identifier.clone(), owner);
            }
            let linked = identity.identifiers.into_iter().map(|new| link(new, now));
            let identity = Identity {
                id: identity.id,
                kind: identity.kind,
                state: IdentityState::Active,
                profile: identity.profile,
                identifiers: in_order(linked.collect()),
                version: Version::FIRST,
                created_at: now,
                updated_at: now,
            };
            let id = identity.id.clone();
            tenant.identities.insert(id, identity.clone());
            Ok(identity)
        })
    }

    async fn get(&self, tenant: &TenantId, id: &IdentityId) -> PortResult<Option<Identity>> {
        self.step(tenant, |tenant| Ok(tenant.identities.get(id).cloned()))
    }

    async fn get_many(&self, tenant: &TenantId, ids: &[IdentityId]) -> PortResult<Vec<Identity>> {
        if ids.len() > MAX_GET_MANY {
            return Err(PortError::refused("ids", "are more than 1000"));
        }
        let each_once: BTreeSet<_> = ids.iter().collect();
        self.step(tenant, |tenant| {
            let stored = each_once
                .into_iter()
                .filter_map(|id| tenant.identities.get(id));
            Ok(stored.cloned().collect())
        })
    }

    async fn find(
        &self,
        tenant: &TenantId,
        identifier: &Identifier,
    ) -> PortResult<Option<Identity>> {
        self.step(tenant, |tenant| {
            let owner = tenant.owners.get(identifier);
            Ok(owner.and_then(|id| tenant.identities.get(id)).cloned())
        })
    }

    async fn update(
        &self,
        tenant: &TenantId,
        id: &IdentityId,
        expected: Version,
        update: IdentityUpdate,
        now: Timestamp,
    ) -> PortResult<Identity> {
        self.step(tenant, |tenant| {
            let stored = tenant.identities.get_mut(id);
            let identity = stored.ok_or(PortError::not_found("identity"))?;
            if identity.version != expected {
                return Err(PortError::stale("identity"));
            }
            identity.state = update.state;
            identity.profile = update.profile;
            changed(identity, now);
            Ok(identity.clone())
        })
    }

    async fn link(
        &self,
        tenant: &TenantId,
        id: &IdentityId,
        new: NewIdentifier,
        now: Timestamp,
    ) -> PortResult<Identity> {
        self.step(tenant, |tenant| {
            let stored = tenant.identities.get_mut(id);
            let identity = stored.ok_or(PortError::not_found("identity"))?;
            let owner = tenant.owners.get(&new.identifier);
            if owner.is_some_and(|owner| owner != id) {
                return Err(PortError::already_exists("identifier"));
            }
            let mut theirs = identity.identifiers.iter_mut();
            if let Some(linked) = theirs.find(|linked| linked.identifier == new.identifier) {
                if linked.verified_at != new.verified_at {
                    linked.verified_at = new.verified_at;
                    changed(identity, now);
                }
                return Ok(identity.clone());
            }
            if identity.identifiers.len() >= MAX_IDENTIFIERS {
                return Err(too_many_identifiers());
            }
            tenant.owners.insert(new.identifier.clone(), id.clone());
            identity.identifiers.push(link(new, now));
            identity.identifiers = in_order(std::mem::take(&mut identity.identifiers));
            changed(identity, now);
            Ok(identity.clone())
        })
    }

    async fn unlink(
        &self,
        tenant: &TenantId,
        id: &IdentityId,
        identifier: &Identifier,
        now: Timestamp,
    ) -> PortResult<bool> {
        self.step(tenant, |tenant| {
            let Some(identity) = tenant.identities.get_mut(id) else {
                return Ok(false);
            };
            if tenant.owners.get(identifier) != Some(id) {
                return Ok(false);
            }
            tenant.owners.remove(identifier);
            let theirs = &mut identity.identifiers;
            theirs.retain(|linked| linked.identifier != *identifier);
            changed(identity, now);
            Ok(true)
        })
    }

    async fn merge(
        &self,
        tenant: &TenantId,
        survivor: &IdentityId,
        duplicate: &IdentityId,
        now: Timestamp,
    ) -> PortResult<Identity> {
        if survivor == duplicate {
            return Err(PortError::refused("duplicate", "is the survivor"));
        }
        self.step(tenant, |tenant| {
            let stored = |id| tenant.identities.get(id).cloned();
            let mut merged = stored(survivor).ok_or(PortError::not_found("survivor"))?;
            let erased = stored(duplicate).ok_or(PortError::not_found("duplicate"))?;
            merged.identifiers.extend(erased.identifiers);
            if merged.identifiers.len() > MAX_IDENTIFIERS {
                return Err(too_many_identifiers());
            }
            merged.identifiers = in_order(merged.identifiers);
            changed(&mut merged, now);
            for linked in &merged.identifiers {
                let owner = survivor.clone();
                tenant.owners.insert(linked.identifier.clone(), owner);
            }
            tenant.identities.remove(duplicate);
            tenant.identities.insert(survivor.clone(), merged.clone());
            Ok(merged)
        })
    }

    async fn erase(&self, tenant: &TenantId, id: &IdentityId) -> PortResult<bool> {
        self.step(tenant, |tenant| {
            tenant.owners.retain(|_, owner| owner != id);
            Ok(tenant.identities.remove(id).is_some())
        })
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &IdentityFilter,
        request: &PageRequest,
    ) -> PortResult<Page<Identity>> {
        self.step(tenant, |stored| {
            let passing = stored
                .identities
                .values()
                .filter(|identity| passes(filter, identity))
                .map(|identity| ((identity.created_at, identity.id.clone()), identity));
            page("identity.list", tenant, filter, request, passing)
        })
    }
}

fn passes(filter: &IdentityFilter, identity: &Identity) -> bool {
    match filter {
        IdentityFilter::Every => true,
        IdentityFilter::Kind(kind) => identity.kind == *kind,
        IdentityFilter::Blocked => matches!(identity.state, IdentityState::Blocked(_)),
    }
}

/// Notes that an identity was changed.
fn changed(identity: &mut Identity, now: Timestamp) {
    identity.version = identity.version.next();
    identity.updated_at = now;
}

fn link(new: NewIdentifier, now: Timestamp) -> LinkedIdentifier {
    LinkedIdentifier {
        identifier: new.identifier,
        verified_at: new.verified_at,
        linked_at: now,
    }
}

fn in_order(mut identifiers: Vec<LinkedIdentifier>) -> Vec<LinkedIdentifier> {
    identifiers.sort_by(|a, b| a.identifier.cmp(&b.identifier));
    identifiers
}

const fn too_many_identifiers() -> PortError {
    PortError::refused("identifiers", "are more than 64")
}
