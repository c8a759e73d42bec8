//! The keystore port: the keys that sign and encrypt, and which of them is in use.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Document, KeyId, Page, PageRequest, PortResult, PrivateKey, TenantId, Text, Timestamp, port,
};

/// The most keys of one use that a tenant may have at once, those that were revoked included.
pub const MAX_KEYS: usize = 1000;

/// What a key is for. A tenant's keys of two uses have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// Signing tokens.
    Signing,
    /// Encrypting tokens.
    Encryption,
}

/// Where a key is in its life: it goes forward only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Stored and published, and not in use yet.
    Next,
    /// The one in use. A tenant has at most one for each use.
    Active,
    /// Out of use; still published before that instant, so that what it signed verifies.
    Retired {
        /// Until when it is published.
        published_until: Timestamp,
    },
    /// Not to be trusted any more.
    Revoked,
}

/// A key to be stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewKey {
    /// Its id (`kid`), chosen by the engine and kept exactly.
    pub id: KeyId,
    /// What it is for.
    pub key_use: KeyUse,
    /// The algorithm, as the engine names it: `ES256`.
    pub algorithm: Text,
    /// The public part, as a JWK.
    pub public: Document,
    /// The private part. An adapter whose backend others can read seals it first.
    pub private: PrivateKey,
}

/// A stored key, with its private part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredKey {
    /// Its id.
    pub id: KeyId,
    /// What it is for.
    pub key_use: KeyUse,
    /// The algorithm.
    pub algorithm: Text,
    /// The public part, as a JWK.
    pub public: Document,
    /// The private part.
    pub private: PrivateKey,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it came into use, if it did.
    pub activated_at: Option<Timestamp>,
    /// When another key took its place, if one did.
    pub retired_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// What others see of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublicKey {
    /// Its id.
    pub id: KeyId,
    /// The algorithm.
    pub algorithm: Text,
    /// The public part, as a JWK.
    pub public: Document,
}

/// Storage of keys.
///
/// A key id is unique in its tenant, over both uses.
#[port("keystore")]
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a new key as [`KeyState::Next`]; answers it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists("key")` when the id is stored; `Refused("keys")` when the tenant has
    /// [`MAX_KEYS`] of this use.
    async fn insert(&self, tenant: &TenantId, key: NewKey, now: Timestamp)
    -> PortResult<StoredKey>;

    /// The key with this id, in whatever state.
    ///
    /// # Errors
    ///
    /// `Corrupt("private key")` when the private part was tampered with, or was sealed with another
    /// password.
    async fn get(&self, tenant: &TenantId, id: &KeyId) -> PortResult<Option<StoredKey>>;

    /// The key in use.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    async fn active(&self, tenant: &TenantId, key_use: KeyUse) -> PortResult<Option<StoredKey>>;

    /// The tenant's keys of this use, by creation and then by id, latest first (ids of one instant:
    /// highest first).
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, use or list; otherwise as
    /// [`get`](Self::get).
    async fn list(
        &self,
        tenant: &TenantId,
        key_use: KeyUse,
        page: &PageRequest,
    ) -> PortResult<Page<StoredKey>>;

    /// Puts `next` into use, at once: it becomes active and the active key, if there is one,
    /// retires. Answers the new active key.
    ///
    /// `active` is the key that the caller believes to be in use (`None` for none); of two callers
    /// with the same belief, one rotates.
    ///
    /// # Errors
    ///
    /// `NotFound("key")` when `next` is not stored under this use; `Stale("active key")` when
    /// another key is in use than the caller believes; `Refused("next")` when it is not
    /// [`KeyState::Next`]. Checked in this order.
    async fn rotate(
        &self,
        tenant: &TenantId,
        key_use: KeyUse,
        active: Option<KeyId>,
        next: &KeyId,
        published_until: Timestamp,
        now: Timestamp,
    ) -> PortResult<StoredKey>;

    /// Revokes a key, in whatever state; answers whether that changed anything: not when it was revoked
    /// before, and not when it is not stored. It stays stored with `revoked_at` set and the other times as they are. After the active key is revoked, none is
    /// active.
    async fn revoke(&self, tenant: &TenantId, id: &KeyId, now: Timestamp) -> PortResult<bool>;

    /// Removes a key that is out of use; answers whether there was one.
    ///
    /// # Errors
    ///
    /// `Refused("key")` when it is [`KeyState::Next`] or [`KeyState::Active`].
    async fn remove(&self, tenant: &TenantId, id: &KeyId) -> PortResult<bool>;

    /// The keys that others verify with at `now`, ordered as [`list`](Self::list): next, active,
    /// and retired ones that are still published. Never a revoked one.
    async fn public_set(
        &self,
        tenant: &TenantId,
        key_use: KeyUse,
        now: Timestamp,
    ) -> PortResult<Vec<PublicKey>>;

    /// Seals every private key of the tenant that is sealed under an older password with the
    /// present one, all of them or none; answers how many. An adapter that seals nothing answers 0.
    /// The keys themselves do not change, whatever their states: through this port nobody sees a
    /// difference. A process that knows only the older password goes on sealing with it, and can no
    /// longer read what was sealed anew: what it stores later is for the next call.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), with nothing changed.
    async fn reseal(&self, tenant: &TenantId) -> PortResult<u64>;
}
