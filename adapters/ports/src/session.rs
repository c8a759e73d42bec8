//! The session port: who is logged in, until when.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Document, IdentityId, Page, PageRequest, PortResult, SessionDigest, Span, TenantId, Timestamp,
    Version, port,
};

/// A session to be stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewSession {
    /// The digest of the session's bearer value.
    pub id: SessionDigest,
    /// Whose session it is; `None` for a guest's, which is in no identity's list.
    pub identity: Option<IdentityId>,
    /// How long it lives without being touched; `None` for as long as `ends_at` says.
    pub idle: Option<Span>,
    /// When it ends, whatever happens: the absolute end, which nothing moves.
    pub ends_at: Timestamp,
    /// What the engine keeps in it.
    pub data: Document,
}

/// A stored session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The digest of the session's bearer value.
    pub id: SessionDigest,
    /// Whose session it is; `None` for a guest's.
    pub identity: Option<IdentityId>,
    /// How long it lives without being touched.
    pub idle: Option<Span>,
    /// The absolute end.
    pub ends_at: Timestamp,
    /// What the engine keeps in it.
    pub data: Document,
    /// Counts the changes of `data`; touching and rotating change nothing here.
    pub version: Version,
    /// When it was created; a rotation keeps it.
    pub created_at: Timestamp,
    /// When it was created, last touched or rotated: never moves back.
    pub seen_at: Timestamp,
    /// When it ends if nobody touches it again: `seen_at + idle`, at most `ends_at`. It is live
    /// before this instant and over at it.
    pub expires_at: Timestamp,
}

impl Session {
    /// The end of a session that is seen at `seen_at`: what every adapter stores.
    #[must_use]
    pub fn expiry(seen_at: Timestamp, idle: Option<Span>, ends_at: Timestamp) -> Timestamp {
        idle.map_or(ends_at, |idle| seen_at.after(idle).min(ends_at))
    }

    /// Whether it is live at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// Which session survives when all of an identity's are ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// None of them.
    Nothing,
    /// This one, if it is the identity's.
    Session(SessionDigest),
}

/// Storage of sessions.
///
/// A session names an identity without needing a stored one: references are the engine's job. A
/// session that was revoked, rotated away or swept is gone: nothing brings it back.
#[port("session")]
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a new session and answers it, as [`get`](Self::get) would.
    ///
    /// Never overwrites, also not a session that has expired and is not swept yet: of two callers
    /// with one id, one owns the session.
    ///
    /// # Errors
    ///
    /// `Refused("ends_at")` when it ends at `now` or before; `AlreadyExists("session")` when the id
    /// is stored.
    async fn create(
        &self,
        tenant: &TenantId,
        session: NewSession,
        now: Timestamp,
    ) -> PortResult<Session>;

    /// The session, if it is live at `now`.
    async fn get(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>>;

    /// Notes that a live session was used at `now`, which moves its idle end, never past its
    /// absolute end; answers it.
    ///
    /// `None`, and nothing is written, when it is not live at `now`: touching never revives. When
    /// `now` is before `seen_at` (clocks differ) it stays as it is and is answered.
    async fn touch(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>>;

    /// Replaces a live session's data, if it still has the version that the caller saw; answers
    /// the session. Moves neither `seen_at` nor an end.
    ///
    /// # Errors
    ///
    /// `NotFound("session")` when it is not live at `now`: saving late must not bring a
    /// logged-out session back. `Stale("session")` when its version is another.
    async fn update(
        &self,
        tenant: &TenantId,
        id: &SessionDigest,
        expected: Version,
        data: Document,
        now: Timestamp,
    ) -> PortResult<Session>;

    /// Gives a live session a new id, atomically: from now on only the new id finds it. Its data,
    /// identity, version, creation and absolute end stay; it is touched. Answers the session.
    ///
    /// `None`, and nothing is written, when `old` is not live at `now`, whatever `new` is. Of two
    /// callers, one rotates.
    ///
    /// # Errors
    ///
    /// `AlreadyExists("session")` when `new` is stored (it may be `old` itself); `old` stays.
    async fn rotate(
        &self,
        tenant: &TenantId,
        old: &SessionDigest,
        new: &SessionDigest,
        now: Timestamp,
    ) -> PortResult<Option<Session>>;

    /// Ends a session; answers whether there was one, live or not.
    async fn revoke(&self, tenant: &TenantId, id: &SessionDigest) -> PortResult<bool>;

    /// Ends all sessions of an identity but what `keep` says; answers how many there were, live or
    /// not.
    async fn revoke_all_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        keep: &Keep,
    ) -> PortResult<u64>;

    /// The sessions of an identity that are live at `now`, by creation and then by id, earliest
    /// first.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, identity or list. `now` may differ from page
    /// to page.
    async fn list_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        now: Timestamp,
        page: &PageRequest,
    ) -> PortResult<Page<Session>>;

    /// Removes at most `at_most` of the tenant's sessions that are over at `now`, whichever; answers
    /// how many. Fewer than `at_most` means that none is left.
    ///
    /// It need not be one step: what is stored meanwhile, and over by then, may be swept, too.
    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64>;
}
