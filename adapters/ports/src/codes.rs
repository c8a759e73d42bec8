//! The codes port: what is of use once, and before when.

use std::num::NonZeroU32;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    ClientId, CodeDigest, CodeKind, Document, IdentityId, PortResult, TenantId, Timestamp, port,
};

/// For which client a code is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundTo {
    /// For none: one that a person types in, or the state of a login that has no client yet.
    Nobody,
    /// For this one, and no other.
    Client(ClientId),
}

/// A code to be stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewCode {
    /// What kind of code it is; codes of different kinds have nothing to do with each other.
    pub kind: CodeKind,
    /// The digest of what it is looked up by: the code itself, or, for a code that is short enough
    /// to be guessed, a handle that the engine gave out with it.
    pub id: CodeDigest,
    /// For which client it is.
    pub bound_to: BoundTo,
    /// Whose it is, if it is known.
    pub identity: Option<IdentityId>,
    /// How many wrong guesses end it; `None` where guessing is hopeless.
    pub guesses: Option<NonZeroU32>,
    /// When it is over.
    pub expires_at: Timestamp,
    /// What the engine keeps in it: redirect, PKCE challenge, nonce, the hash of a short code, what
    /// to revoke when it is replayed.
    pub data: Document,
}

/// A stored code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// What kind of code it is.
    pub kind: CodeKind,
    /// The digest of what it is looked up by.
    pub id: CodeDigest,
    /// For which client it is.
    pub bound_to: BoundTo,
    /// Whose it is.
    pub identity: Option<IdentityId>,
    /// How many wrong guesses end it.
    pub guesses: Option<NonZeroU32>,
    /// When it is over: it is live before this instant, and not at it.
    pub expires_at: Timestamp,
    /// What the engine keeps in it.
    pub data: Document,
    /// How many wrong guesses there were.
    pub failures: u64,
    /// When it was consumed, if it was.
    pub consumed_at: Option<Timestamp>,
    /// When it was stored.
    pub created_at: Timestamp,
}

impl Code {
    /// Whether it can be consumed at `now`: nobody did, it is not over, and there were fewer wrong
    /// guesses than end it.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        let is_guessed_out = self
            .guesses
            .is_some_and(|guesses| self.failures >= u64::from(guesses.get()));
        self.consumed_at.is_none() && now < self.expires_at && !is_guessed_out
    }
}

/// What came of consuming a code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consumed {
    /// The caller consumed it: nobody did before, and nobody will.
    First(Code),
    /// Somebody consumed it before: a replay. It is answered as it is stored, so that what was
    /// issued from it can be revoked.
    Replayed(Code),
    /// It was not consumed: there is none of this kind that is bound so, or it is not live.
    Refused,
}

/// Whose codes are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodesOf {
    /// An identity's.
    Identity(IdentityId),
    /// Those that are bound to a client.
    Client(ClientId),
}

/// Which codes of somebody are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeKinds {
    /// All of them.
    Every,
    /// Those of one kind.
    Only(CodeKind),
}

/// Storage of codes: authorization codes, tickets, one-time and recovery codes, the state of logins
/// and devices.
///
/// Storage treats all kinds alike, and never sees a code: it gets digests. A code names an identity
/// and a client without needing stored ones: references are the engine's job.
///
/// A code that was consumed stays stored until it is swept, which it is not before it is over: so a
/// replay is told from a code that never was. An engine that wants to tell for longer sweeps with
/// an earlier `now`.
#[port("codes")]
#[async_trait]
pub trait CodeStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a new code and answers it, without failures and not consumed.
    ///
    /// Never overwrites, also not a code that is consumed, over or guessed out and not swept yet:
    /// of two callers with one kind and id, one owns the code.
    ///
    /// # Errors
    ///
    /// `Refused("expires_at")` when it is over at `now` or before; `AlreadyExists("code")` when one
    /// of this kind is stored under the id.
    async fn put(&self, tenant: &TenantId, code: NewCode, now: Timestamp) -> PortResult<Code>;

    /// The code, if it is live at `now` or was consumed: `consumed_at` tells. Changes nothing.
    async fn peek(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
        now: Timestamp,
    ) -> PortResult<Option<Code>>;

    /// Uses up a code that is live at `now` and bound exactly so: [`Consumed::First`] for one
    /// caller, with `consumed_at` as `now`.
    ///
    /// For everybody after it, bound so, it is [`Consumed::Replayed`] whatever `now` is, until the
    /// code is swept. Everything else is [`Consumed::Refused`], and changes nothing: a code that is
    /// presented by another client, or as one of another kind, is still there for whom it was
    /// meant.
    async fn consume(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
        bound_to: &BoundTo,
        now: Timestamp,
    ) -> PortResult<Consumed>;

    /// Counts a wrong guess at a code that is live at `now`; answers it as it is then.
    ///
    /// No two callers are answered the same count, and none more than the code's `guesses`: with
    /// that one the code is dead. `None`, and nothing is counted, when it is not live. An engine
    /// that counts each guess before it looks at it, and looks only at those whose answered code
    /// [is live](Code::is_live), has fewer looked at than `guesses`, however many come at once.
    async fn record_failure(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
        now: Timestamp,
    ) -> PortResult<Option<Code>>;

    /// Removes a code that was not consumed; answers whether there was one, live or not. One that
    /// was consumed stays, to be told from one that never was. Of a consumer and a revoker, one
    /// succeeds.
    async fn revoke(&self, tenant: &TenantId, kind: &CodeKind, id: &CodeDigest)
    -> PortResult<bool>;

    /// Removes all codes of somebody that were not consumed; answers how many there were, live or
    /// not.
    async fn revoke_all_of(
        &self,
        tenant: &TenantId,
        whose: &CodesOf,
        kinds: &CodeKinds,
    ) -> PortResult<u64>;

    /// Removes at most `at_most` of the tenant's codes that are over at `now`, consumed or not,
    /// whichever; answers how many. Fewer than `at_most` means that none is left.
    ///
    /// It need not be one step: what is stored meanwhile, and over by then, may be swept, too.
    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64>;
}
