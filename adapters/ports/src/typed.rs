//! Entities of one kind as a type of the application's own.

use std::{marker::PhantomData, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Document, Entity, EntityChange, EntityId, EntityKind, EntityStore, Invalid, NewEntity, Page,
    PageRequest, PortError, PortResult, TenantId, Timestamp, UniqueKey, UniqueKeys, UniqueScope,
    Version,
};

/// A record that is kept as an entity.
///
/// ```
/// use portproof_ports::{KeyOf, TypedEntity};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Client {
///     client_id: String,
///     name: String,
/// }
///
/// impl TypedEntity for Client {
///     const KIND: &'static str = "client";
///
///     fn id(&self) -> &str {
///         &self.client_id
///     }
///
///     fn keys(&self) -> Vec<KeyOf<'_>> {
///         vec![KeyOf::global("client_id", &self.client_id), KeyOf::tenant("name", &self.name)]
///     }
/// }
/// ```
pub trait TypedEntity: Serialize + DeserializeOwned + Send + Sync {
    /// The kind that it is stored as, an [`EntityKind`].
    const KIND: &'static str;

    /// Its id, an [`EntityId`]; part of what is serialized.
    fn id(&self) -> &str;

    /// What no other record of its kind may have.
    fn keys(&self) -> Vec<KeyOf<'_>> {
        Vec::new()
    }
}

/// A unique key of a record, as the record declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOf<'a> {
    name: &'static str,
    value: &'a str,
    scope: UniqueScope,
}

impl<'a> KeyOf<'a> {
    /// A key that is unique within its tenant.
    #[must_use]
    pub const fn tenant(name: &'static str, value: &'a str) -> Self {
        Self {
            name,
            value,
            scope: UniqueScope::Tenant,
        }
    }

    /// A key that is unique over all tenants.
    #[must_use]
    pub const fn global(name: &'static str, value: &'a str) -> Self {
        Self {
            name,
            value,
            scope: UniqueScope::Global,
        }
    }

    /// As storage has it.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when the name or the value is not one.
    pub fn to_key(self) -> Result<UniqueKey, Invalid> {
        UniqueKey::new(self.name, self.value, self.scope)
    }
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<T> {
    /// The record.
    pub record: T,
    /// Counts the changes.
    pub version: Version,
    /// When it was created.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

/// The entities of one kind, read and written as `T`.
///
/// What cannot be read as a `T`, or is one with another id than it is stored under, is
/// `Corrupt`, naming the kind, and never left out. What is no entity (an id that is blank, a document
/// that is too large) is `Refused` before storage sees it.
#[derive(Debug)]
pub struct Entities<T, S: ?Sized = dyn EntityStore> {
    store: Arc<S>,
    records: PhantomData<fn() -> T>,
}

impl<T, S: ?Sized> Clone for Entities<T, S> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            records: PhantomData,
        }
    }
}

impl<T: TypedEntity, S: EntityStore + ?Sized> Entities<T, S> {
    /// Those of `store`.
    #[must_use]
    pub const fn new(store: Arc<S>) -> Self {
        Self {
            store,
            records: PhantomData,
        }
    }

    /// An entity as a record.
    ///
    /// # Errors
    ///
    /// `Corrupt`, naming the kind, when it is no `T`, or one with another id than it is stored under.
    pub fn read(entity: Entity) -> PortResult<Kept<T>> {
        read(entity)
    }

    /// Stores a new record; answers it.
    ///
    /// # Errors
    ///
    /// Those of [`EntityStore::create`].
    pub async fn create(
        &self,
        tenant: &TenantId,
        record: &T,
        now: Timestamp,
    ) -> PortResult<Kept<T>> {
        let EntityChange { body, keys } = written(record)?;
        let new = NewEntity {
            kind: kind::<T>()?,
            id: EntityId::new(record.id())?,
            body,
            keys,
        };
        read(self.store.create(tenant, new, now).await?)
    }

    /// The record with this id.
    ///
    /// # Errors
    ///
    /// Those of [`EntityStore::get`].
    pub async fn get(&self, tenant: &TenantId, id: &str) -> PortResult<Option<Kept<T>>> {
        let id = EntityId::new(id)?;
        let found = self.store.get(tenant, &kind::<T>()?, &id).await?;
        found.map(read).transpose()
    }

    /// The tenant's record that has this key.
    ///
    /// # Errors
    ///
    /// Those of [`EntityStore::find`].
    pub async fn find(&self, tenant: &TenantId, key: KeyOf<'_>) -> PortResult<Option<Kept<T>>> {
        let key = key.to_key()?;
        let found = self.store.find(tenant, &kind::<T>()?, &key).await?;
        found.map(read).transpose()
    }

    /// The record, and its tenant, that has a global key with this name and value.
    ///
    /// # Errors
    ///
    /// Those of [`EntityStore::find_global`].
    pub async fn find_global(
        &self,
        name: &'static str,
        value: &str,
    ) -> PortResult<Option<(TenantId, Kept<T>)>> {
        let key = KeyOf::global(name, value).to_key()?;
        let kind = kind::<T>()?;
        let found = self.store.find_global(&kind, &key.name, &key.value).await?;
        let found = found.map(|owned| Ok((owned.tenant, read(owned.entity)?)));
        found.transpose()
    }

    /// Replaces the record with this id, if it still has the version that the caller saw.
    ///
    /// # Errors
    ///
    /// Those of [`EntityStore::put`].
    pub async fn put(
        &self,
        tenant: &TenantId,
        expected: Version,
        record: &T,
        now: Timestamp,
    ) -> PortResult<Kept<T>> {
        let (kind, id) = (kind::<T>()?, EntityId::new(record.id())?);
        let change = written(record)?;
        let store = &self.store;
        read(store.put(tenant, &kind, &id, expected, change, now).await?)
    }

    /// Removes the record with this id; answers whether there was one.
    ///
    /// # Errors
    ///
    /// Those of [`EntityStore::remove`].
    pub async fn remove(&self, tenant: &TenantId, id: &str) -> PortResult<bool> {
        let id = EntityId::new(id)?;
        self.store.remove(tenant, &kind::<T>()?, &id).await
    }

    /// The tenant's records, by creation and then by id, earliest first.
    ///
    /// # Errors
    ///
    /// Those of [`EntityStore::list`].
    pub async fn list(&self, tenant: &TenantId, page: &PageRequest) -> PortResult<Page<Kept<T>>> {
        let page = self.store.list(tenant, &kind::<T>()?, page).await?;
        Ok(Page {
            items: page
                .items
                .into_iter()
                .map(read)
                .collect::<PortResult<_>>()?,
            next: page.next,
        })
    }
}

fn kind<T: TypedEntity>() -> PortResult<EntityKind> {
    Ok(EntityKind::new(T::KIND)?)
}

fn written<T: TypedEntity>(record: &T) -> PortResult<EntityChange> {
    let body = serde_json::to_value(record)
        .map_err(|_| PortError::refused("record", "cannot be written as JSON"))?;
    let keys = record.keys().into_iter().map(KeyOf::to_key);
    let keys = keys.collect::<Result<_, _>>()?;
    Ok(EntityChange {
        body: Document::new(body)?,
        keys: UniqueKeys::new(keys)?,
    })
}

fn read<T: TypedEntity>(entity: Entity) -> PortResult<Kept<T>> {
    let record = serde_json::from_value::<T>(entity.body.into()).ok();
    let record = record.filter(|record| record.id() == entity.id.as_str());
    Ok(Kept {
        record: record.ok_or(PortError::corrupt(T::KIND))?,
        version: entity.version,
        created_at: entity.created_at,
        updated_at: entity.updated_at,
    })
}
