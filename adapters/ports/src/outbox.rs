//! The outbox port: what is to be done until it is done, by one worker at a time.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Attempt, Document, ItemId, ItemKind, Page, PageRequest, PortResult, Span, TenantId, Text,
    Timestamp, port,
};

/// An item to be put into the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewItem {
    /// Its id, which tells it from every other of the tenant, of whichever kind: the id of the event
    /// that it tells of, say, so that it is put once.
    pub id: ItemId,
    /// What is to be done with it, which says which workers ask for it.
    pub kind: ItemKind,
    /// From when on it may be claimed.
    pub due_at: Timestamp,
    /// What the worker needs to know.
    pub payload: Document,
}

/// What has become of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// Nobody is at it.
    Waiting {
        /// From when on it may be claimed.
        due_at: Timestamp,
    },
    /// A worker is at it.
    Claimed {
        /// From when on it may be claimed by another.
        until: Timestamp,
    },
    /// A worker is done with it.
    Done {
        /// Since when.
        at: Timestamp,
    },
    /// It was given up: somebody has to look at it.
    GivenUp {
        /// Since when.
        at: Timestamp,
    },
}

impl ItemState {
    /// Whether it may be claimed at `now`: it waits and is due, or who claimed it last has had
    /// their time.
    #[must_use]
    pub fn is_due(self, now: Timestamp) -> bool {
        match self {
            Self::Waiting { due_at: from } | Self::Claimed { until: from } => from <= now,
            Self::Done { .. } | Self::GivenUp { .. } => false,
        }
    }
}

/// An item of an outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// What is to be done with it.
    pub kind: ItemKind,
    /// What the worker needs to know.
    pub payload: Document,
    /// What has become of it.
    pub state: ItemState,
    /// How often it was claimed. It never goes down, for as long as the item is stored.
    pub attempts: Attempt,
    /// What the last worker said who put it back or gave it up.
    pub trouble: Option<Text>,
    /// When it was put.
    pub created_at: Timestamp,
}

impl Item {
    /// The claim of who was answered this item by [`OutboxStore::claim`].
    #[must_use]
    pub fn claim(&self) -> Claim {
        Claim {
            item: self.id.clone(),
            attempt: self.attempts,
        }
    }
}

/// What a worker shows who has claimed an item: it holds until somebody else claims the item, or the
/// item is done, put back or given up.
///
/// The attempt is a fencing token: it goes up with every claim of the item, and who hands on what a
/// worker says can refuse one that is older than another it has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which item.
    pub item: ItemId,
    /// Which of its claims.
    pub attempt: Attempt,
}

/// How an item has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Done.
    Done,
    /// Given up.
    GivenUp,
}

/// Storage of what is to be done: webhooks, mails, log entries for somebody else's archive.
///
/// An engine puts an item in the transaction that makes it necessary (see
/// [`transactions`](crate::transactions)), so that what is done is told of, and nothing else is. A
/// worker claims what is due for some time, and then says that it is done, or when to try again, or
/// that it is hopeless. When it says nothing, since it died, the item is due again after that time.
///
/// So everything is done *at least* once: a worker that was only slow may have done it as well. Of two
/// that hold one item after each other the first one's claim does not hold any more, and whatever it
/// says changes nothing.
#[port("outbox")]
#[async_trait]
pub trait OutboxStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a new item, which waits, and answers it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists("item")` when one is stored under the id, whatever has become of it.
    async fn put(&self, tenant: &TenantId, item: NewItem, now: Timestamp) -> PortResult<Item>;

    /// The item, whatever has become of it.
    async fn get(&self, tenant: &TenantId, id: &ItemId) -> PortResult<Option<Item>>;

    /// Claims at most `at_most` items of a kind that are due at `now`, until `now` and `lease`, and
    /// answers them as they are then: those that have been due for longest, in that order, and by the
    /// bytes of their ids where that is the same.
    ///
    /// No two callers are answered one attempt of an item. Fewer than `at_most` means that no others
    /// were due. It need not be one step, but for each item: what is claimed for somebody who does not
    /// learn of it is due again after the time.
    async fn claim(
        &self,
        tenant: &TenantId,
        kind: &ItemKind,
        at_most: u16,
        lease: Span,
        now: Timestamp,
    ) -> PortResult<Vec<Item>>;

    /// Keeps a claimed item until `now` and `lease`, whether that is later or earlier than before;
    /// answers whether the claim held.
    ///
    /// A claim whose time is over holds for as long as nobody else claimed the item.
    async fn renew(
        &self,
        tenant: &TenantId,
        claim: &Claim,
        lease: Span,
        now: Timestamp,
    ) -> PortResult<bool>;

    /// Says that a claimed item is done; answers whether the claim held.
    ///
    /// The item stays, so that it is not put again, until it is swept.
    async fn complete(&self, tenant: &TenantId, claim: &Claim, now: Timestamp) -> PortResult<bool>;

    /// Puts a claimed item back, to wait until `due_at`, with what went wrong; answers whether the
    /// claim held.
    async fn put_back(
        &self,
        tenant: &TenantId,
        claim: &Claim,
        due_at: Timestamp,
        trouble: &Text,
    ) -> PortResult<bool>;

    /// Gives a claimed item up, with what went wrong; answers whether the claim held.
    async fn give_up(
        &self,
        tenant: &TenantId,
        claim: &Claim,
        trouble: &Text,
        now: Timestamp,
    ) -> PortResult<bool>;

    /// Lets an item that was given up wait again, due at `due_at`; answers whether there was one. Its
    /// attempts go on where they were, and its trouble is kept.
    async fn revive(&self, tenant: &TenantId, id: &ItemId, due_at: Timestamp) -> PortResult<bool>;

    /// The items that were given up, by the bytes of their ids.
    ///
    /// # Errors
    ///
    /// `InvalidCursor`.
    async fn list_given_up(&self, tenant: &TenantId, page: &PageRequest) -> PortResult<Page<Item>>;

    /// Removes at most `at_most` of the tenant's items that ended so, at `until` or before, whichever;
    /// answers how many. Fewer than `at_most` means that none is left. Whose id is put again after
    /// that begins anew, attempts included: an engine keeps them for longer than any worker may be
    /// away.
    ///
    /// It need not be one step.
    async fn sweep(
        &self,
        tenant: &TenantId,
        ended: Ended,
        until: Timestamp,
        at_most: u32,
    ) -> PortResult<u64>;
}
