//! The entities port: documents by kind and id, and the keys that are unique among them.

use async_trait::async_trait;
use portproof_ports::{
    Entity, EntityChange, EntityId, EntityKind, EntityStore, NewEntity, OwnedEntity, Page,
    PageRequest, PortError, PortResult, TenantId, Timestamp, UniqueKey, UniqueKeys, UniqueName,
    UniqueScope, UniqueValue, Version,
};

use crate::{
    database::{Database, Tx},
    failure::Failure,
    paging::{List, by_creation},
    value::{Row, Stored, Value, names, values},
};

/// Entities in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlEntityStore(pub(crate) Database);

names! { UniqueScope:
    Tenant = "tenant",
    Global = "global",
}

/// A statement that reads whole entities of `auth_entities e`.
macro_rules! entities {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT e.kind, e.id, e.body, e.keys, e.version, e.created_at, e.updated_at",
            $more,
            $rest
        )
    };
}

fn entity(row: &Row) -> PortResult<Entity> {
    let Stored(keys): Stored<UniqueKeys> = row.get(3)?;
    Ok(Entity {
        kind: row.get(0)?,
        id: row.get(1)?,
        body: row.get(2)?,
        keys,
        version: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

fn json(keys: &UniqueKeys) -> PortResult<Value> {
    let json = serde_json::to_string(keys)
        .map_err(|_| PortError::Backend("unique keys are not JSON".into()))?;
    Ok(Value::Json(json))
}

/// Gives the entity those of its keys that it does not have yet, or fails for the first one that is
/// another's.
///
/// Who meets another that is about to get or free a key waits for what comes of it. All take keys in
/// their order and free them last, so that no two wait for each other.
async fn take(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    entity: &Entity,
    had: &UniqueKeys,
) -> Result<(), Failure> {
    const TAKE: &str = "INSERT INTO auth_entity_keys (tenant, kind, name, value, scope, entity) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    for key in entity.keys.iter().filter(|key| !had.contains(key)) {
        let mut values = place(tenant, &entity.kind, key);
        values.extend(values![&entity.id]);
        if tx.write(TAKE, values).await? == 0 {
            return Err(key.taken().into());
        }
    }
    Ok(())
}

/// Where a key is stored.
fn place(tenant: &TenantId, kind: &EntityKind, key: &UniqueKey) -> Vec<Value> {
    values![tenant, kind, key.name.as_str(), &key.value, key.scope]
}

#[async_trait]
impl EntityStore for SqlEntityStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn create(
        &self,
        tenant: &TenantId,
        new: NewEntity,
        now: Timestamp,
    ) -> PortResult<Entity> {
        const CREATE: &str = "INSERT INTO auth_entities \
            (tenant, kind, id, body, keys, version, created_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
        let entity = Entity {
            kind: new.kind,
            id: new.id,
            body: new.body,
            keys: new.keys,
            version: Version::FIRST,
            created_at: now,
            updated_at: now,
        };
        let (kind, id, keys) = (&entity.kind, &entity.id, json(&entity.keys)?);
        let values = values![tenant, kind, id, &entity.body, keys, entity.version, now];
        if entity.keys == UniqueKeys::none() {
            self.0.write(CREATE, values).await?;
            return Ok(entity);
        }
        let (new, values) = (&entity, &values);
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    tx.write(CREATE, values.clone()).await?;
                    take(tx, tenant, new, &UniqueKeys::none()).await
                })
            })
            .await?;
        Ok(entity)
    }

    async fn get(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        id: &EntityId,
    ) -> PortResult<Option<Entity>> {
        const GET: &str = entities!(
            "",
            " FROM auth_entities e WHERE e.tenant = $1 AND e.kind = $2 AND e.id = $3"
        );
        let row = self.0.row("entity", GET, values![tenant, kind, id]).await?;
        row.as_ref().map(entity).transpose()
    }

    async fn find(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        key: &UniqueKey,
    ) -> PortResult<Option<Entity>> {
        const FIND: &str = entities!(
            "",
            " FROM auth_entity_keys k \
             JOIN auth_entities e ON e.tenant = k.tenant AND e.kind = k.kind AND e.id = k.entity \
             WHERE k.tenant = $1 AND k.kind = $2 AND k.name = $3 AND k.value = $4 AND k.scope = $5 \
             AND e.tenant = $1 AND e.kind = $2"
        );
        let row = self.0.row("entity", FIND, place(tenant, kind, key)).await?;
        row.as_ref().map(entity).transpose()
    }

    async fn find_global(
        &self,
        kind: &EntityKind,
        name: &UniqueName,
        value: &UniqueValue,
    ) -> PortResult<Option<OwnedEntity>> {
        // The scope is part of the text, so that the index over all tenants is seen to serve.
        const FIND: &str = entities!(
            ", e.tenant",
            " FROM auth_entity_keys AS of_everybody \
             JOIN auth_entities e ON e.tenant = of_everybody.tenant \
             AND e.kind = of_everybody.kind AND e.id = of_everybody.entity \
             WHERE of_everybody.kind = $1 AND of_everybody.name = $2 AND of_everybody.value = $3 \
             AND of_everybody.scope = 'global'"
        );
        let values = values![kind, name.as_str(), value];
        let Some(row) = self.0.row("entity", FIND, values).await? else {
            return Ok(None);
        };
        Ok(Some(OwnedEntity {
            tenant: row.get(7)?,
            entity: entity(&row)?,
        }))
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
        // What whoever changes or removes an entity locks.
        const LOCK: &str = entities!(
            "",
            " FROM auth_entities e WHERE e.tenant = $1 AND e.kind = $2 AND e.id = $3"
        );
        const PUT: &str = "UPDATE auth_entities \
            SET body = $4, keys = $5, version = $6, updated_at = $7 \
            WHERE tenant = $1 AND kind = $2 AND id = $3";
        const FREE: &str = "DELETE FROM auth_entity_keys \
            WHERE tenant = $1 AND kind = $2 AND name = $3 AND value = $4 AND scope = $5";
        let (change, keys) = (&change, &json(&change.keys)?);
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    let place_of = || values![tenant, kind, id];
                    let stored = tx.lock("entity", LOCK, place_of()).await?.pop();
                    let stored = stored.ok_or(PortError::not_found("entity"))?;
                    let stored = entity(&stored)?;
                    if stored.version != expected {
                        return Err(PortError::stale("entity").into());
                    }
                    let changed = Entity {
                        body: change.body.clone(),
                        keys: change.keys.clone(),
                        version: expected.next(),
                        updated_at: now,
                        ..stored.clone()
                    };
                    take(tx, tenant, &changed, &stored.keys).await?;
                    for key in &stored.keys {
                        if !changed.keys.contains(key) {
                            tx.write(FREE, place(tenant, kind, key)).await?;
                        }
                    }
                    let mut values = place_of();
                    let (body, version) = (&changed.body, changed.version);
                    values.extend(values![body, keys.clone(), version, now]);
                    tx.write(PUT, values).await?;
                    Ok(changed)
                })
            })
            .await
    }

    async fn remove(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        id: &EntityId,
    ) -> PortResult<bool> {
        // Frees the keys too, by the reference of theirs.
        const REMOVE: &str =
            "DELETE FROM auth_entities WHERE tenant = $1 AND kind = $2 AND id = $3";
        Ok(self.0.write(REMOVE, values![tenant, kind, id]).await? == 1)
    }

    async fn list(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        request: &PageRequest,
    ) -> PortResult<Page<Entity>> {
        const LIST: &str = entities!(
            "",
            " FROM auth_entities e WHERE e.tenant = $1 AND e.kind = $2 \
             AND (e.created_at, e.id) > ($3, $4) ORDER BY e.created_at, e.id LIMIT $5"
        );
        let parts = ["entities.list", tenant.as_str(), kind.as_str()];
        let list = List::new(&parts, request);
        let after: Option<(Timestamp, EntityId)> = list.after()?;
        let (created_at, id) = by_creation(after.as_ref(), EntityId::as_str);
        let values = values![tenant, kind, created_at, id, list.rows()];
        let rows = self.0.rows("entity", LIST, values).await?;
        let entities = rows.iter().map(entity).collect::<PortResult<Vec<_>>>()?;
        list.page(entities, |entity| (entity.created_at, entity.id.clone()))
    }
}
