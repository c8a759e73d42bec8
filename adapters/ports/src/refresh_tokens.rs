//! The refresh token port: who may get new access tokens, for which client, until when.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    ClientId, Document, FamilyId, IdentityId, Page, PageRequest, PortResult, RefreshDigest,
    SessionRef, Span, TenantId, Timestamp, port,
};

/// A family of refresh tokens to be stored, with its first token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewFamily {
    /// The family's id.
    pub id: FamilyId,
    /// The digest of its first token.
    pub token: RefreshDigest,
    /// For whom access tokens are to be had.
    pub identity: IdentityId,
    /// Which client may have them, and no other.
    pub client: ClientId,
    /// In which session it was issued; `None` for one that outlives sessions.
    pub session: Option<SessionRef>,
    /// How long it lives without being rotated; `None` for as long as `ends_at` says.
    pub idle: Option<Span>,
    /// When it ends, whatever happens: the absolute end, which nothing moves.
    pub ends_at: Timestamp,
    /// What the engine keeps in it: scopes, audience, the device.
    pub data: Document,
}

/// A stored family: one token after the other, of which the last one is of use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// The family's id.
    pub id: FamilyId,
    /// The digest of its current token; all that were before it are spent.
    pub token: RefreshDigest,
    /// For whom access tokens are to be had.
    pub identity: IdentityId,
    /// Which client may have them.
    pub client: ClientId,
    /// In which session it was issued.
    pub session: Option<SessionRef>,
    /// How long it lives without being rotated.
    pub idle: Option<Span>,
    /// The absolute end.
    pub ends_at: Timestamp,
    /// What the engine keeps in it.
    pub data: Document,
    /// How often it was rotated: how many of its tokens are spent.
    pub rotations: u64,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was issued or last rotated: never moves back.
    pub seen_at: Timestamp,
    /// When it ends if nobody rotates it again: `seen_at + idle`, at most `ends_at`. It is live
    /// before this instant and over at it.
    pub expires_at: Timestamp,
}

impl Family {
    /// The end of a family that is seen at `seen_at`: what every adapter stores.
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

/// A token of a live family, as it is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// When it was rotated away; `None` for the family's current token.
    pub spent_at: Option<Timestamp>,
    /// Its family.
    pub family: Family,
}

impl RefreshToken {
    /// Whether presenting it at `now` is a retry: it is spent, and for less than `leeway`, which holds
    /// its first instant and not its last. By a clock that is behind, no time has passed.
    #[must_use]
    pub fn is_retry(&self, leeway: Option<Span>, now: Timestamp) -> bool {
        let (Some(spent_at), Some(leeway)) = (self.spent_at, leeway) else {
            return false;
        };
        now < spent_at.after(leeway)
    }
}

/// What came of a rotation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// The caller rotated: the old token is spent, and the new one is the family's.
    Rotated(Family),
    /// The token was spent a moment ago: a request that was sent twice, or an answer that was lost.
    /// Nothing was written, and the new token is not stored. The family is as it was, with the token
    /// that it has now: whoever presented the old one may get an access token, and no other refresh
    /// token than that.
    Retried(Family),
    /// The token was spent long ago, so that two have it: the family is ended for both. It is
    /// answered as it was, for the log, and so that what was issued from it can be ended, too.
    Reused(Family),
    /// There is no such token: it was never stored, its family is over, or it is another client's.
    /// Nothing was written.
    Gone,
}

/// Whose families are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FamiliesOf {
    /// An identity's.
    Identity(IdentityId),
    /// A client's.
    Client(ClientId),
    /// Those that were issued in a session.
    Session(SessionRef),
    /// All of the tenant's.
    Everybody,
}

/// Storage of refresh tokens.
///
/// A login begins a *family* with one token. Each use *rotates* it: the token that was presented is
/// spent, and another one takes its place. A token that is presented again after it was spent is in
/// two hands, and nobody can tell which are the thief's: the family ends.
///
/// A spent token is kept for as long as its family, so that its reuse is noticed until there is
/// nothing left to steal. A family that was revoked, reused or swept is gone with all its tokens:
/// nothing brings it back, and what was its own can be used again.
///
/// A family names an identity, a client and a session without needing stored ones: references are the
/// engine's job.
#[port("refresh_tokens")]
#[async_trait]
pub trait RefreshTokenStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a new family with its first token, and answers it.
    ///
    /// Never overwrites: what is stored of a family that has expired is stored until it is swept, and
    /// of a token also when it is spent. Of two callers with one id or one token, one owns the family,
    /// and nothing is stored of the other's.
    ///
    /// # Errors
    ///
    /// `Refused("ends_at")` when it ends at `now` or before; `AlreadyExists("family")` when the id is
    /// stored; `AlreadyExists("refresh token")` when the token is, in whichever family.
    async fn issue(
        &self,
        tenant: &TenantId,
        family: NewFamily,
        now: Timestamp,
    ) -> PortResult<Family>;

    /// The token, current or spent, if its family is live at `now`. Changes nothing.
    async fn get(
        &self,
        tenant: &TenantId,
        token: &RefreshDigest,
        now: Timestamp,
    ) -> PortResult<Option<RefreshToken>>;

    /// Presents a token of this client's, to have `new` in its place: atomically, so that each token
    /// has one successor, whoever presents it at once.
    ///
    /// - [`Rotation::Gone`] when no family of this client's that is live at `now` has `old`, whatever
    ///   `new` is.
    /// - When `old` is the family's current token, it is spent, `new` is the current one, and the
    ///   family is seen at `now`, which moves its idle end, never past its absolute one:
    ///   [`Rotation::Rotated`]. When `now` is before `seen_at` (clocks differ), the family stays seen,
    ///   and `old` is spent, at `seen_at`.
    /// - When `old` is spent, for less than `leeway` at `now` ([`RefreshToken::is_retry`]): [`Rotation::Retried`],
    ///   whatever `new` is. That is a read: it moves no end, and no other retry's leeway.
    /// - When `old` is spent otherwise, always so without a leeway: [`Rotation::Reused`], whatever
    ///   `new` is. Of two callers, one is told; for everybody else the family is gone.
    ///
    /// # Errors
    ///
    /// `AlreadyExists("refresh token")` when `old` is current and `new` is stored, in whichever family
    /// (it may be `old` itself); nothing is spent then.
    async fn rotate(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        old: &RefreshDigest,
        new: &RefreshDigest,
        leeway: Option<Span>,
        now: Timestamp,
    ) -> PortResult<Rotation>;

    /// Ends a family; answers whether there was one, live or not.
    async fn revoke(&self, tenant: &TenantId, family: &FamilyId) -> PortResult<bool>;

    /// Ends all families of somebody; answers how many families there were, live or not.
    async fn revoke_all_of(&self, tenant: &TenantId, whose: &FamiliesOf) -> PortResult<u64>;

    /// The families of an identity that are live at `now`, by creation and then by id, earliest
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
    ) -> PortResult<Page<Family>>;

    /// Removes at most `at_most` of the tenant's families that are over at `now`, whichever, each with
    /// all its tokens; answers how many families. Fewer than `at_most` means that none is left.
    ///
    /// It need not be one step, but for what is of one family: what is issued meanwhile, and over by
    /// then, may be swept, too.
    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leeway_holds_its_first_instant_and_not_its_last() {
        let created_at = Timestamp::MIN.after(Span::days(1));
        let at = |micros| Timestamp::from_micros(created_at.as_micros() + micros).unwrap();
        let token = |spent_at| RefreshToken {
            spent_at,
            family: Family {
                id: FamilyId::new("family").unwrap(),
                token: RefreshDigest::of(b"current"),
                identity: IdentityId::new("ada").unwrap(),
                client: ClientId::new("client").unwrap(),
                session: None,
                idle: None,
                ends_at: Timestamp::MAX,
                data: Document::empty(),
                rotations: 1,
                created_at,
                seen_at: created_at,
                expires_at: Timestamp::MAX,
            },
        };
        let leeway = Some(Span::seconds(2));
        let spent = token(Some(at(0)));
        assert!(spent.is_retry(leeway, at(0)));
        assert!(spent.is_retry(leeway, at(1_999_999)));
        assert!(!spent.is_retry(leeway, at(2_000_000)));
        // By a clock that is behind.
        assert!(spent.is_retry(leeway, at(-5_000_000)));
        assert!(!spent.is_retry(None, at(-5_000_000)));
        assert!(!spent.is_retry(None, at(0)));
        assert!(!token(None).is_retry(leeway, at(0)));
    }
}
