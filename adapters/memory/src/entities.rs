//! Whatever else there is: the entities port in memory.

use async_trait::async_trait;
use portproof_ports::{
    Entity, EntityChange, EntityId, EntityKind, EntityStore, NewEntity, OwnedEntity, Page,
    PageRequest, PortError, PortResult, TenantId, Timestamp, UniqueKey, UniqueKeys, UniqueName,
    UniqueScope, UniqueValue, Version,
};

use crate::{
    MemoryAdapter,
    lists::page,
    state::{KeyOfKind, State, Tenant},
};

#[async_trait]
impl EntityStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn create(
        &self,
        tenant: &TenantId,
        new: NewEntity,
        now: Timestamp,
    ) -> PortResult<Entity> {
        let wide = over_all_tenants(&new.kind, &new.keys);
        self.step_of_all(Some(tenant), wide, |state| {
            let place = (new.kind.clone(), new.id.clone());
            if tenant_of(state, tenant).entities.contains_key(&place) {
                return Err(PortError::already_exists("entity"));
            }
            refuse_taken(state, tenant, &new.kind, &new.id, &new.keys)?;
            let entity = Entity {
                kind: new.kind,
                id: new.id,
                body: new.body,
                keys: new.keys,
                version: Version::FIRST,
                created_at: now,
                updated_at: now,
            };
            store(tenant_of(state, tenant), entity.clone());
            Ok(entity)
        })
    }

    async fn get(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        id: &EntityId,
    ) -> PortResult<Option<Entity>> {
        let place = (kind.clone(), id.clone());
        self.step(tenant, |tenant| Ok(tenant.entities.get(&place).cloned()))
    }

    async fn find(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        key: &UniqueKey,
    ) -> PortResult<Option<Entity>> {
        let key = (kind.clone(), key.clone());
        self.step(tenant, |tenant| Ok(holder(tenant, &key).cloned()))
    }

    async fn find_global(
        &self,
        kind: &EntityKind,
        name: &UniqueName,
        value: &UniqueValue,
    ) -> PortResult<Option<OwnedEntity>> {
        let key = UniqueKey {
            name: name.clone(),
            value: value.clone(),
            scope: UniqueScope::Global,
        };
        let key = (kind.clone(), key);
        self.step_of_all(None, [key.clone()], |state| {
            let mut found = state.iter().filter_map(|(tenant, stored)| {
                Some(OwnedEntity {
                    tenant: tenant.clone(),
                    entity: holder(stored, &key)?.clone(),
                })
            });
            Ok(found.next())
        })
    }

    async fn put(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        id: &EntityId,
        expected: Version,
        change: EntityChange,
        now: Timestamp,
    ) -> PortResult<Entity> {
        let wide = over_all_tenants(kind, &change.keys);
        self.step_of_all(Some(tenant), wide, |state| {
            let place = (kind.clone(), id.clone());
            let stored = tenant_of(state, tenant).entities.get(&place).cloned();
            let stored = stored.ok_or(PortError::not_found("entity"))?;
            if stored.version != expected {
                return Err(PortError::stale("entity"));
            }
            refuse_taken(state, tenant, kind, id, &change.keys)?;
            let entity = Entity {
                body: change.body,
                keys: change.keys,
                version: stored.version.next(),
                updated_at: now,
                ..stored
            };
            let tenant = tenant_of(state, tenant);
            remove(tenant, kind, id);
            store(tenant, entity.clone());
            Ok(entity)
        })
    }

    async fn remove(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        id: &EntityId,
    ) -> PortResult<bool> {
        self.step(tenant, |tenant| Ok(remove(tenant, kind, id)))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        request: &PageRequest,
    ) -> PortResult<Page<Entity>> {
        self.step(tenant, |stored| {
            let of_kind = stored
                .entities
                .values()
                .filter(|entity| entity.kind == *kind);
            let rows = of_kind.map(|entity| ((entity.created_at, entity.id.clone()), entity));
            page("entities.list", tenant, kind, request, rows)
        })
    }
}

/// Those of the keys that must be nobody else's, whatever the tenant.
fn over_all_tenants(kind: &EntityKind, keys: &UniqueKeys) -> Vec<KeyOfKind> {
    let wide = keys.iter().filter(|key| key.scope == UniqueScope::Global);
    wide.map(|key| (kind.clone(), key.clone())).collect()
}

fn tenant_of<'a>(state: &'a mut State, tenant: &TenantId) -> &'a mut Tenant {
    state.entry(tenant.clone()).or_default()
}

/// The tenant's entity that has this key.
fn holder<'a>(tenant: &'a Tenant, key: &KeyOfKind) -> Option<&'a Entity> {
    let id = tenant.entity_keys.get(key)?;
    tenant.entities.get(&(key.0.clone(), id.clone()))
}

/// Refuses the first of the keys that another entity than `id` of this tenant has.
fn refuse_taken(
    state: &State,
    tenant: &TenantId,
    kind: &EntityKind,
    id: &EntityId,
    keys: &UniqueKeys,
) -> PortResult<()> {
    for key in keys {
        let of_kind = (kind.clone(), key.clone());
        let has_it = |(of, stored): (&TenantId, &Tenant)| {
            holder(stored, &of_kind).is_some_and(|holder| (of, &holder.id) != (tenant, id))
        };
        let is_taken = match key.scope {
            UniqueScope::Global => state.iter().any(has_it),
            UniqueScope::Tenant => state.get_key_value(tenant).is_some_and(has_it),
        };
        if is_taken {
            return Err(key.taken());
        }
    }
    Ok(())
}

fn store(tenant: &mut Tenant, entity: Entity) {
    for key in &entity.keys {
        let key = (entity.kind.clone(), key.clone());
        tenant.entity_keys.insert(key, entity.id.clone());
    }
    let place = (entity.kind.clone(), entity.id.clone());
    tenant.entities.insert(place, entity);
}

/// Removes an entity and frees its keys; answers whether there was one.
fn remove(tenant: &mut Tenant, kind: &EntityKind, id: &EntityId) -> bool {
    let removed = tenant.entities.remove(&(kind.clone(), id.clone()));
    for key in removed.iter().flat_map(|entity| &entity.keys) {
        tenant.entity_keys.remove(&(kind.clone(), key.clone()));
    }
    removed.is_some()
}
