//! The credentials port: what somebody knows, has or is, and how often it was tried.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Counter, CredentialId, Document, IdentityId, LookupDigest, Page, PageRequest, PasskeyBytes,
    PasswordHash, PortResult, SealedBytes, TenantId, Timestamp, Version, port,
};

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A password. An identity has at most one.
    Password,
    /// A time-based one-time password.
    Totp,
    /// A passkey or security key.
    WebAuthn,
    /// A recovery code, of use once.
    RecoveryCode,
    /// An API key.
    ApiKey,
}

impl CredentialKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Password,
        Self::Totp,
        Self::WebAuthn,
        Self::RecoveryCode,
        Self::ApiKey,
    ];
}

/// What proves a credential, and by what it is looked up. The variant is the credential's kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// The hash of a password.
    Password(PasswordHash),
    /// The sealed seed of a one-time password.
    Totp(SealedBytes),
    /// A passkey: the digest of its credential id, and its public key.
    WebAuthn {
        /// Unique among the tenant's passkeys.
        lookup: LookupDigest,
        /// The public key as the authenticator gave it.
        public_key: PasskeyBytes,
    },
    /// The digest of a recovery code, unique among the tenant's.
    RecoveryCode(LookupDigest),
    /// The digest of an API key, unique among the tenant's.
    ApiKey(LookupDigest),
}

impl Secret {
    /// The kind of credential that it proves.
    #[must_use]
    pub const fn kind(&self) -> CredentialKind {
        match self {
            Self::Password(_) => CredentialKind::Password,
            Self::Totp(_) => CredentialKind::Totp,
            Self::WebAuthn { .. } => CredentialKind::WebAuthn,
            Self::RecoveryCode(_) => CredentialKind::RecoveryCode,
            Self::ApiKey(_) => CredentialKind::ApiKey,
        }
    }

    /// By what it is looked up; `None` for what is found through its identity.
    #[must_use]
    pub const fn lookup(&self) -> Option<&LookupDigest> {
        match self {
            Self::Password(_) | Self::Totp(_) => None,
            Self::WebAuthn { lookup, .. } | Self::RecoveryCode(lookup) | Self::ApiKey(lookup) => {
                Some(lookup)
            }
        }
    }
}

/// A credential to be stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewCredential {
    /// Its id, chosen by the engine and kept exactly.
    pub id: CredentialId,
    /// Whose it is.
    pub identity: IdentityId,
    /// What proves it.
    pub secret: Secret,
    /// What the engine keeps about it.
    pub metadata: Document,
    /// When it stops being of use; `None` for never. Storage keeps it, and
    /// [`consume`](CredentialStore::consume) and [`find`](CredentialStore::find) mind it.
    pub expires_at: Option<Timestamp>,
}

/// A stored credential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub identity: IdentityId,
    /// What proves it now.
    pub secret: Secret,
    /// What the engine keeps about it.
    pub metadata: Document,
    /// When it stops being of use.
    pub expires_at: Option<Timestamp>,
    /// Counts the changes by [`replace`](CredentialStore::replace) and
    /// [`update`](CredentialStore::update); uses and failures change nothing here.
    pub version: Version,
    /// The highest counter that was used: a passkey's signature count, a one-time password's step.
    pub counter: Counter,
    /// The failures since the last use.
    pub failures: u64,
    /// When it was last used; never moves back.
    pub used_at: Option<Timestamp>,
    /// When it was consumed, if it was.
    pub consumed_at: Option<Timestamp>,
    /// When it was added; nothing changes it.
    pub created_at: Timestamp,
    /// The time of the last replacement or update.
    pub updated_at: Timestamp,
}

/// What becomes of the secret that a new one replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OldSecret {
    /// It is history: kept so that it is not chosen again, and finds nothing any more.
    Retired,
    /// It still finds the credential before that instant: a key that is being rotated out. Any instant
    /// will do, one that is over at the replacement too; only [`find`](CredentialStore::find) looks
    /// at it, and each past secret keeps its own.
    ValidUntil(Timestamp),
}

/// A secret that a credential had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastSecret {
    /// The credential's version while it was the secret.
    pub version: Version,
    /// The secret.
    pub secret: Secret,
    /// When it was replaced.
    pub replaced_at: Timestamp,
    /// Until when it still finds the credential, if it does at all.
    pub valid_until: Option<Timestamp>,
}

/// Which credentials of an identity are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kinds {
    /// All of them.
    Every,
    /// Those of one kind.
    Only(CredentialKind),
}

/// What a use of a credential says about its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialUse {
    /// Nothing: the credential has no counter.
    Plain,
    /// It was this; it must be higher than every one before.
    Counter(Counter),
}

/// A tenant's rules for credentials, as the engine writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CredentialPolicy {
    /// The rules.
    pub rules: Document,
    /// Counts the changes.
    pub version: Version,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

/// What the caller of a save believes to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// It does not matter: whatever is stored is replaced.
    Anything,
    /// Nothing is stored.
    Absent,
    /// This version is stored.
    Version(Version),
}

/// Storage of credentials.
///
/// Storage never sees what a person typed: passwords arrive hashed, keys and codes as digests,
/// seeds sealed. A digest that finds a credential, or did, belongs to that credential until the
/// credential is removed: no other of the same kind and tenant can take it.
///
/// Only [`find`](CredentialStore::find) and [`consume`](CredentialStore::consume) mind whether a
/// credential has expired or was consumed. The other methods do to it what they do to any: an engine
/// prolongs what has expired, and counts who tries it. What was consumed stays so.
#[port("credentials")]
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a new credential; answers it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists("credential")` when the id is stored; else `AlreadyExists("password")` when
    /// the identity has a password already and this is one; else `AlreadyExists("lookup")` when
    /// the digest belongs to a credential of this kind.
    async fn add(
        &self,
        tenant: &TenantId,
        credential: NewCredential,
        now: Timestamp,
    ) -> PortResult<Credential>;

    /// The credential with this id, whether or not it has expired or been consumed.
    async fn get(&self, tenant: &TenantId, id: &CredentialId) -> PortResult<Option<Credential>>;

    /// The credential of this kind that this digest finds at `now`: by its secret, or by one that
    /// was replaced and is still valid. `None` when the credential has expired at `now`; a
    /// consumed one is found, so that a replay can be told from an unknown code.
    async fn find(
        &self,
        tenant: &TenantId,
        kind: CredentialKind,
        lookup: &LookupDigest,
        now: Timestamp,
    ) -> PortResult<Option<Credential>>;

    /// The credentials of an identity, by creation and then by id, earliest first.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, identity, kind or list.
    async fn list_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        kinds: &Kinds,
        page: &PageRequest,
    ) -> PortResult<Page<Credential>>;

    /// Replaces the secret by another of the same kind, if the credential still has the version
    /// that the caller saw; answers the credential, one version on, without failures and otherwise as
    /// it was. The old secret goes to the history in the same step. A password or a seed may be
    /// replaced by one that is equal: that is a replacement like any other.
    ///
    /// # Errors
    ///
    /// `NotFound("credential")`; `Refused("secret")` for another kind; `Stale("credential")` when
    /// its version is another; `AlreadyExists("lookup")` when the digest belongs to another
    /// credential, or is one that this one has or had.
    async fn replace(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        expected: Version,
        secret: Secret,
        old: OldSecret,
        now: Timestamp,
    ) -> PortResult<Credential>;

    /// Replaces metadata and expiry, if the credential still has the version that the caller saw;
    /// answers the credential, one version on.
    ///
    /// # Errors
    ///
    /// `NotFound("credential")`; `Stale("credential")` when its version is another.
    async fn update(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        expected: Version,
        metadata: Document,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> PortResult<Credential>;

    /// The secrets that a credential had, the last one first; none for a credential that is not
    /// stored.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, credential or list.
    async fn history(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        page: &PageRequest,
    ) -> PortResult<Page<PastSecret>>;

    /// Notes a use: `used_at` is `now` or later, there are no failures any more, and a counter is
    /// the highest. Answers the credential.
    ///
    /// # Errors
    ///
    /// `NotFound("credential")`; `Stale("counter")`, with nothing written, when the counter is not
    /// higher than every one before: a cloned key or a replayed code. Of two callers with one
    /// counter, one succeeds.
    async fn record_use(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        used: CredentialUse,
        now: Timestamp,
    ) -> PortResult<Credential>;

    /// Counts a failure; answers how many there are since the last use. No two callers get the
    /// same answer, so that a limit lets exactly as many guesses through as it says.
    ///
    /// # Errors
    ///
    /// `NotFound("credential")`.
    async fn record_failure(&self, tenant: &TenantId, id: &CredentialId) -> PortResult<u64>;

    /// Uses up a recovery code: `true` for exactly one caller, before it expires. It stays stored,
    /// as consumed at `now`; nothing else of it changes.
    ///
    /// # Errors
    ///
    /// `NotFound("credential")`; `Refused("kind")` for any other kind.
    async fn consume(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        now: Timestamp,
    ) -> PortResult<bool>;

    /// Removes a credential and its history, and frees its digests; answers whether there was one.
    async fn remove(&self, tenant: &TenantId, id: &CredentialId) -> PortResult<bool>;

    /// Removes the credentials of an identity, with their histories, and frees their digests; answers
    /// how many.
    async fn remove_all_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        kinds: &Kinds,
    ) -> PortResult<u64>;

    /// The tenant's rules for credentials.
    async fn policy(&self, tenant: &TenantId) -> PortResult<Option<CredentialPolicy>>;

    /// Stores the tenant's rules for credentials, if what is stored is what the caller believes;
    /// answers them, one version on, or at version 1.
    ///
    /// # Errors
    ///
    /// `Stale("credential policy")` when something else is stored.
    async fn set_policy(
        &self,
        tenant: &TenantId,
        expected: Expected,
        rules: Document,
        now: Timestamp,
    ) -> PortResult<CredentialPolicy>;
}
