//! The events port: what happened, in the order in which it was told, for good.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Document, EventId, EventKind, Invalid, Page, PageRequest, PortError, PortResult, Position,
    Sequence, StreamId, SubjectId, TenantId, Timestamp, Window, port,
};

/// The most events of one append.
pub const MAX_EVENTS: usize = 100;

/// An event to be appended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewEvent {
    /// The event's id, which is the tenant's: no two streams have an event with one id.
    pub id: EventId,
    /// What kind of thing happened.
    pub kind: EventKind,
    /// To whom or what, if to anything: an identity, a client.
    pub subject: Option<SubjectId>,
    /// When it happened, which need not be when it is told.
    pub occurred_at: Timestamp,
    /// What else there is to say.
    pub payload: Document,
}

/// A stored event. Nothing changes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The event's id.
    pub id: EventId,
    /// Which stream it is in.
    pub stream: StreamId,
    /// Its number in the stream.
    pub sequence: Sequence,
    /// Its place among all events of the tenant.
    pub position: Position,
    /// What kind of thing happened.
    pub kind: EventKind,
    /// To whom or what.
    pub subject: Option<SubjectId>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was stored.
    pub recorded_at: Timestamp,
    /// What else there is to say.
    pub payload: Document,
}

impl Event {
    /// Whether this is what storing `new` in `stream` would make, wherever and whenever.
    #[must_use]
    pub fn is(&self, stream: &StreamId, new: &NewEvent) -> bool {
        self.stream == *stream
            && self.id == new.id
            && self.kind == new.kind
            && self.subject == new.subject
            && self.occurred_at == new.occurred_at
            && self.payload == new.payload
    }
}

/// Events that are appended together: 1 to 100, no two with one id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<NewEvent>", into = "Vec<NewEvent>")]
pub struct EventBatch(Vec<NewEvent>);

impl EventBatch {
    /// Takes events in their order.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when there is none, more than 100, or an id twice.
    pub fn new(events: Vec<NewEvent>) -> Result<Self, Invalid> {
        if events.is_empty() {
            return Err(Invalid::new("events", "are none"));
        }
        if events.len() > MAX_EVENTS {
            return Err(Invalid::new("events", "are more than 100"));
        }
        let ids: BTreeSet<&EventId> = events.iter().map(|event| &event.id).collect();
        if ids.len() < events.len() {
            return Err(Invalid::new("events", "have one id twice"));
        }
        Ok(Self(events))
    }

    /// Takes a single event.
    #[must_use]
    pub fn of(event: NewEvent) -> Self {
        Self(vec![event])
    }

    /// The events, in their order.
    #[must_use]
    pub fn events(&self) -> &[NewEvent] {
        &self.0
    }

    /// For adapters: what an append of this batch to `stream` answers when `stored` are the events
    /// that are stored with its ids, in any order. `None` when there are none, and it is new.
    ///
    /// # Errors
    ///
    /// `AlreadyExists("event")` unless they are this very batch: see [`EventStore::append`].
    pub fn retried(
        &self,
        stream: &StreamId,
        mut stored: Vec<Event>,
    ) -> PortResult<Option<Vec<Event>>> {
        if stored.is_empty() {
            return Ok(None);
        }
        stored.sort_by_key(|event| event.position);
        let is_complete = stored.len() == self.0.len();
        let mut both = stored.iter().zip(&self.0);
        let is_same = both.all(|(event, new)| event.is(stream, new));
        let mut pairs = stored.windows(2);
        let is_unbroken = pairs.all(|pair| pair[0].sequence.next() == pair[1].sequence);
        if is_complete && is_same && is_unbroken {
            return Ok(Some(stored));
        }
        Err(PortError::already_exists("event"))
    }
}

impl TryFrom<Vec<NewEvent>> for EventBatch {
    type Error = Invalid;
    fn try_from(events: Vec<NewEvent>) -> Result<Self, Invalid> {
        Self::new(events)
    }
}

impl From<EventBatch> for Vec<NewEvent> {
    fn from(batch: EventBatch) -> Self {
        batch.0
    }
}

/// What the caller of an append believes of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedHead {
    /// Nothing: the events follow whatever is there.
    Anything,
    /// That it never had an event.
    Absent,
    /// That this is the sequence of the last event that it got.
    At(Sequence),
}

impl ExpectedHead {
    /// Whether it is what is believed of a stream with this head.
    #[must_use]
    pub fn holds(self, head: Option<Sequence>) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => head.is_none(),
            Self::At(sequence) => head == Some(sequence),
        }
    }
}

/// Which kinds of events are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKinds {
    /// All of them.
    Every,
    /// This one.
    Only(EventKind),
}

/// About whom the events are that are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventSubjects {
    /// About anybody, and those about nobody as well.
    Every,
    /// Those about nobody, and no others.
    Nobody,
    /// Those about this one.
    Only(SubjectId),
}

/// Which events are meant: those that are of the kind, and about the subject, and of the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFilter {
    /// Of which kind.
    pub kinds: EventKinds,
    /// About whom.
    pub subjects: EventSubjects,
    /// When they occurred: from its beginning, and before its end.
    pub during: Window,
}

impl EventFilter {
    /// All events.
    pub const EVERYTHING: Self = Self {
        kinds: EventKinds::Every,
        subjects: EventSubjects::Every,
        during: Window::ALWAYS,
    };

    /// Whether an event is meant.
    #[must_use]
    pub fn holds(&self, event: &Event) -> bool {
        let of_kind = match &self.kinds {
            EventKinds::Every => true,
            EventKinds::Only(kind) => event.kind == *kind,
        };
        let about = match &self.subjects {
            EventSubjects::Every => true,
            EventSubjects::Nobody => event.subject.is_none(),
            EventSubjects::Only(subject) => event.subject.as_ref() == Some(subject),
        };
        of_kind && about && self.during.holds(event.occurred_at)
    }
}

/// Storage of events: an audit log, and what projections and webhooks are fed from.
///
/// An event belongs to one *stream* (a user's, a session's) and has its *sequence* there; all events
/// of a tenant have one order besides, by their *position*. Both are given out without gaps, and never
/// twice: a number that is missing is that of an event that was pruned. No method changes an event,
/// and only [`prune`](Self::prune) removes any. After a
/// [purge](crate::TenantStore::purge) of the whole tenant, which leaves no event and nothing that
/// remembers one, both begin anew.
///
/// Positions are given out in the order in which events become visible: whoever sees an event has
/// been able to see all before it. So a reader that remembers the last position it saw, and asks for
/// what is after it, misses nothing, however many append at once.
///
/// Whoever must be told of everything, in order, follows them: one worker at a time, who has a lease, an
/// [entity](crate::EntityStore) that remembers the last position. What may fail one by one is an item
/// of the [outbox](crate::OutboxStore).
///
/// An event names a subject without needing a stored one: references are the engine's job.
#[port("events")]
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Appends the events to the stream, all or none, and answers them as they are stored: one right
    /// after the other in their order, by sequence and by position, recorded at `now`.
    ///
    /// When all of them are stored already, in this stream, as they are given and right after one
    /// another, this is a retry: they are answered as they are stored, and nothing else is done,
    /// whatever `expected` and `now` are. So an engine that got no answer appends again.
    ///
    /// # Errors
    ///
    /// `AlreadyExists("event")` when an event of the tenant has one of the ids, in whichever stream,
    /// and this is no retry; `Stale("stream")` when the stream is not as expected. Nothing is stored
    /// then.
    async fn append(
        &self,
        tenant: &TenantId,
        stream: &StreamId,
        expected: ExpectedHead,
        events: &EventBatch,
        now: Timestamp,
    ) -> PortResult<Vec<Event>>;

    /// The event.
    async fn get(&self, tenant: &TenantId, id: &EventId) -> PortResult<Option<Event>>;

    /// The sequence of the last event that the stream got, whether it was pruned or not; `None` for a
    /// stream that never had one.
    async fn head(&self, tenant: &TenantId, stream: &StreamId) -> PortResult<Option<Sequence>>;

    /// The stream's events from this sequence on, by sequence.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, stream, beginning or list.
    async fn read(
        &self,
        tenant: &TenantId,
        stream: &StreamId,
        from: Sequence,
        page: &PageRequest,
    ) -> PortResult<Page<Event>>;

    /// The tenant's events after this position, by position.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, beginning or list.
    async fn read_all(
        &self,
        tenant: &TenantId,
        after: Position,
        page: &PageRequest,
    ) -> PortResult<Page<Event>>;

    /// The tenant's events that are meant, by position.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant, filter or list.
    async fn query(
        &self,
        tenant: &TenantId,
        filter: &EventFilter,
        page: &PageRequest,
    ) -> PortResult<Page<Event>>;

    /// How many events are meant: as many as a walk over [`query`](Self::query) answers.
    async fn count(&self, tenant: &TenantId, filter: &EventFilter) -> PortResult<u64>;

    /// Removes at most `at_most` of the tenant's events that occurred before `before`, whichever;
    /// answers how many. Fewer than `at_most` means that none is left.
    ///
    /// Their sequences and positions are not given out again: a stream goes on after its
    /// [`head`](Self::head), also when none of its events is left. Their ids are forgotten: an event
    /// that is appended with one is a new one.
    async fn prune(&self, tenant: &TenantId, before: Timestamp, at_most: u32) -> PortResult<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_event(id: &str) -> NewEvent {
        NewEvent {
            id: EventId::new(id).unwrap(),
            kind: EventKind::new("kind").unwrap(),
            subject: None,
            occurred_at: Timestamp::MIN,
            payload: Document::empty(),
        }
    }

    fn stored(id: &str, sequence: i64) -> Event {
        let new = new_event(id);
        Event {
            id: new.id,
            stream: StreamId::new("stream").unwrap(),
            sequence: Sequence::new(sequence).unwrap(),
            position: Position::new(sequence + 7).unwrap(),
            kind: new.kind,
            subject: new.subject,
            occurred_at: new.occurred_at,
            recorded_at: Timestamp::MAX,
            payload: new.payload,
        }
    }

    #[test]
    fn a_batch_has_some_events_and_each_once() {
        let events = |count: usize| (0..count).map(|number| new_event(&number.to_string()));
        assert!(EventBatch::new(vec![]).is_err());
        assert!(EventBatch::new(events(101).collect()).is_err());
        assert!(EventBatch::new(vec![new_event("a"), new_event("a")]).is_err());
        assert!(EventBatch::new(events(100).collect()).is_ok());
        assert!(serde_json::from_str::<EventBatch>("[]").is_err());
    }

    #[test]
    fn a_retry_is_the_same_batch_in_the_same_place() {
        let stream = StreamId::new("stream").unwrap();
        let batch = EventBatch::new(vec![new_event("a"), new_event("b")]).unwrap();
        let (a, b) = (stored("a", 1), stored("b", 2));
        let retried = |stored| batch.retried(&stream, stored);
        let taken = Err(PortError::already_exists("event"));
        assert_eq!(retried(vec![]), Ok(None));
        let both = vec![a.clone(), b.clone()];
        assert_eq!(retried(vec![b.clone(), a.clone()]), Ok(Some(both)));
        assert_eq!(retried(vec![a.clone()]), taken);
        assert_eq!(retried(vec![a.clone(), stored("b", 3)]), taken);
        assert_eq!(retried(vec![stored("a", 3), b.clone()]), taken);
        let changed = Event {
            subject: Some(SubjectId::new("ada").unwrap()),
            ..b.clone()
        };
        assert_eq!(retried(vec![a.clone(), changed]), taken);
        let elsewhere = StreamId::new("elsewhere").unwrap();
        let other = EventBatch::of(new_event("a"));
        assert_eq!(other.retried(&elsewhere, vec![a]), taken);
    }
}
