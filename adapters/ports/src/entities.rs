//! The entities port: every record of a server that has no port of its own, as documents.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Document, EntityId, EntityKind, Invalid, Page, PageRequest, PortError, PortResult, TenantId,
    Timestamp, UniqueValue, Version, port,
};

/// The most unique keys of one entity.
pub const MAX_UNIQUE_KEYS: usize = 16;
/// The longest name of a unique key, in bytes.
pub const MAX_UNIQUE_NAME_BYTES: usize = 64;

/// What a unique key is called: `client_id`, `domain`.
///
/// 1 to 64 ASCII letters, digits, `_`, `-` and `.`: an application writes it down, nobody types it
/// in, so that an error may name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UniqueName(String);

impl UniqueName {
    /// Takes a name as it is.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it is empty, longer than 64 bytes, or has another character.
    pub fn new(name: impl Into<String>) -> Result<Self, Invalid> {
        let name = name.into();
        let problem = if name.is_empty() {
            "is empty"
        } else if name.len() > MAX_UNIQUE_NAME_BYTES {
            "is longer than 64 bytes"
        } else if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        {
            "has other than ASCII letters, digits, _, - and ."
        } else {
            return Ok(Self(name));
        };
        Err(Invalid::new("name of a unique key", problem))
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UniqueName {
    type Error = Invalid;
    fn try_from(name: String) -> Result<Self, Invalid> {
        Self::new(name)
    }
}

impl From<UniqueName> for String {
    fn from(name: UniqueName) -> Self {
        name.0
    }
}

impl fmt::Debug for UniqueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Among which entities of its kind a unique key is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UniqueScope {
    /// Those of its tenant.
    Tenant,
    /// Those of all tenants: what arrives before anybody knows whose it is, as a client id or the
    /// domain of a request.
    Global,
}

/// What at most one entity of a kind has, and is found by.
///
/// Its parts make it together: keys that differ in any of them, the scope too, have nothing to do
/// with each other. Values are compared as bytes; what people read as the same is for the engine to
/// spell in one way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UniqueKey {
    /// What it is called.
    pub name: UniqueName,
    /// Its value.
    pub value: UniqueValue,
    /// Among which entities it is unique.
    pub scope: UniqueScope,
}

impl UniqueKey {
    /// A key with this name, value and scope.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when the name or the value is not one.
    pub fn new(name: &str, value: &str, scope: UniqueScope) -> Result<Self, Invalid> {
        Ok(Self {
            name: UniqueName::new(name)?,
            value: UniqueValue::new(value)?,
            scope,
        })
    }

    /// For adapters: that another entity has this key.
    #[must_use]
    pub fn taken(&self) -> PortError {
        PortError::AlreadyExists(format!("key {}", self.name.as_str()).into())
    }
}

/// The unique keys of an entity: at most 16, each once, in the order of [`UniqueKey`].
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<UniqueKey>", into = "Vec<UniqueKey>")]
pub struct UniqueKeys(Vec<UniqueKey>);

impl UniqueKeys {
    /// Takes keys in any order.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for more than 16, or one that is there twice.
    pub fn new(mut keys: Vec<UniqueKey>) -> Result<Self, Invalid> {
        if keys.len() > MAX_UNIQUE_KEYS {
            return Err(Invalid::new("unique keys", "are more than 16"));
        }
        keys.sort();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Invalid::new("unique keys", "hold one twice"));
        }
        Ok(Self(keys))
    }

    /// No keys.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The keys, in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, UniqueKey> {
        self.0.iter()
    }

    /// Whether it is among them.
    #[must_use]
    pub fn contains(&self, key: &UniqueKey) -> bool {
        self.0.binary_search(key).is_ok()
    }
}

impl<'a> IntoIterator for &'a UniqueKeys {
    type Item = &'a UniqueKey;
    type IntoIter = std::slice::Iter<'a, UniqueKey>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl TryFrom<Vec<UniqueKey>> for UniqueKeys {
    type Error = Invalid;
    fn try_from(keys: Vec<UniqueKey>) -> Result<Self, Invalid> {
        Self::new(keys)
    }
}

impl From<UniqueKeys> for Vec<UniqueKey> {
    fn from(keys: UniqueKeys) -> Self {
        keys.0
    }
}

impl fmt::Debug for UniqueKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// An entity to be stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewEntity {
    /// What kind of record it is; one id may be of one entity of each kind.
    pub kind: EntityKind,
    /// Its id, chosen by the engine and kept exactly.
    pub id: EntityId,
    /// What the engine keeps in it.
    pub body: Document,
    /// What no other entity of its kind may have.
    pub keys: UniqueKeys,
}

/// A stored entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// What kind of record it is.
    pub kind: EntityKind,
    /// Its id.
    pub id: EntityId,
    /// What the engine keeps in it.
    pub body: Document,
    /// Its unique keys.
    pub keys: UniqueKeys,
    /// Counts the changes.
    pub version: Version,
    /// When it was created; nothing changes it.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

/// What a change replaces, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntityChange {
    /// What the engine keeps in it.
    pub body: Document,
    /// Its unique keys: those that are not among them are free.
    pub keys: UniqueKeys,
}

/// An entity, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnedEntity {
    /// The tenant that has it.
    pub tenant: TenantId,
    /// The entity.
    pub entity: Entity,
}

/// Storage of whatever else a server keeps for its tenants: clients, connections, domains, hooks,
/// invitations, themes.
///
/// An entity is found by kind and id, and by its unique keys, which storage is told with every
/// write and takes from no document. Kinds have nothing to do with each other: neither their ids
/// nor their keys meet. [`Entities`](crate::Entities) makes a typed collection of one kind.
///
/// A *lease* is an entity that says who works on something and until when. It is taken, kept and
/// given back by a put of the version that was seen, so that of two who want it one gets it, and one
/// whose time was over moves nothing any more: the version is its fencing token.
#[port("entities")]
#[async_trait]
pub trait EntityStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a new entity with all its keys, or nothing; answers it.
    ///
    /// Of callers that want one id or one key, whatever their tenants where the key is global, one
    /// gets it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists("entity")` when the id is stored; else [`UniqueKey::taken`], which names the
    /// key, for the first of its keys that another entity has.
    async fn create(
        &self,
        tenant: &TenantId,
        entity: NewEntity,
        now: Timestamp,
    ) -> PortResult<Entity>;

    /// The entity of this kind with this id.
    async fn get(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        id: &EntityId,
    ) -> PortResult<Option<Entity>>;

    /// The tenant's entity of this kind that has this key, global or not.
    async fn find(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        key: &UniqueKey,
    ) -> PortResult<Option<Entity>>;

    /// The entity of this kind, whosever it is, that has a global key with this name and value.
    ///
    /// The one call that names no tenant, since it is how an engine learns which one: a token
    /// request brings a client id, and a browser a domain. It answers one entity that somebody
    /// knew the key of, and lists nothing. What is done to the entity then is done in its tenant.
    async fn find_global(
        &self,
        kind: &EntityKind,
        name: &UniqueName,
        value: &UniqueValue,
    ) -> PortResult<Option<OwnedEntity>>;

    /// Replaces body and keys in one step, if the entity still has the version that the caller saw;
    /// answers it, one version on and updated at `now`. What it had and has not any more is free.
    ///
    /// # Errors
    ///
    /// `NotFound("entity")`; `Stale("entity")` when its version is another; else
    /// [`UniqueKey::taken`] for the first of the new keys that another entity has.
    async fn put(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        id: &EntityId,
        expected: Version,
        change: EntityChange,
        now: Timestamp,
    ) -> PortResult<Entity>;

    /// Removes an entity and frees its id and keys; answers whether there was one.
    async fn remove(&self, tenant: &TenantId, kind: &EntityKind, id: &EntityId)
    -> PortResult<bool>;

    /// The tenant's entities of this kind, by creation and then by id, earliest first.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, kind or list.
    async fn list(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        page: &PageRequest,
    ) -> PortResult<Page<Entity>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, scope: UniqueScope) -> UniqueKey {
        UniqueKey::new(name, "v", scope).unwrap()
    }

    #[test]
    fn keys_are_few_ordered_and_each_there_once() {
        let (global, own) = (key("a", UniqueScope::Global), key("a", UniqueScope::Tenant));
        let keys = UniqueKeys::new(vec![
            key("b", UniqueScope::Tenant),
            global.clone(),
            own.clone(),
        ]);
        let keys = keys.unwrap();
        assert_eq!(keys.iter().take(2).collect::<Vec<_>>(), [&own, &global]);
        assert!(keys.contains(&own) && !keys.contains(&key("b", UniqueScope::Global)));
        let refused = |keys| UniqueKeys::new(keys).unwrap_err().problem;
        assert_eq!(refused(vec![own.clone(), global, own]), "hold one twice");
        let many = |count| {
            let keys = (0..count).map(|n: usize| key(&n.to_string(), UniqueScope::Tenant));
            keys.collect::<Vec<_>>()
        };
        assert!(UniqueKeys::new(many(16)).is_ok());
        assert_eq!(refused(many(17)), "are more than 16");
    }

    #[test]
    fn a_name_is_one_that_may_be_shown() {
        assert!(UniqueName::new("client_id-2.x").is_ok());
        assert!(UniqueName::new("n".repeat(64)).is_ok());
        for name in ["", "a b", "é", "a\n", "a'", &"n".repeat(65)] {
            assert!(UniqueName::new(name).is_err(), "{name}");
        }
        let taken = key("domain", UniqueScope::Global).taken();
        assert_eq!(taken.to_string(), "key domain is taken");
    }
}
