//! The events port's suite: what happened, in order, for good.

use std::sync::Arc;

use portproof_ports::{
    Event, EventBatch, EventFilter, EventId, EventKind, EventKinds, EventStore, EventSubjects,
    ExpectedHead, NewEvent, Page, PageRequest, PortResult, Ports, Position, Sequence, StreamId,
    SubjectId, TenantId, Timestamp, Window,
};

use super::{
    fixture::{START, day, document, minute},
    offered,
};
use crate::{
    Checked, Context, Failure, Profile, Suite, World,
    check::{equal, holds},
};

mod batches;
mod cancelled;
mod expected;
mod filters;
mod lists;
mod prunes;
mod races;
mod records;
mod retries;
mod walks;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::EventStoreCall,
        "events::random::calls_in_turn",
        "events::random::calls_at_once"
    );
}

/// All rules of the events port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        batches::cases(),
        expected::cases(),
        retries::cases(),
        lists::cases(),
        walks::cases(),
        filters::cases(),
        prunes::cases(),
        races::cases(),
        cancelled::cases(),
        walls::cases(),
        random::cases(),
    ];
    Suite::new("events", parts.into_iter().flatten().collect()).of_profile(Profile::Audit)
}

/// When the events happened that no case means to prune.
const LATE: Timestamp = day(1000);

/// A tenant with events, and another with the same ids and streams in it.
struct Events {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn EventStore>,
    /// The store through the second handle.
    other: Arc<dyn EventStore>,
    tenant: TenantId,
    /// A tenant that has events with the ids of [`Self::subjects`], and `fresh`, in the same stream.
    elsewhere: TenantId,
    /// The events of the stream that most rules are about, [`subject_stream`]: the third to the fifth
    /// of the tenant. They did not happen in the order in which they were told.
    subjects: Vec<Event>,
    /// What no case means, in the stream `stream` and elsewhere.
    bystanders: Vec<(TenantId, Event)>,
}

/// The stream that most rules are about.
fn subject_stream() -> Result<StreamId, Failure> {
    stream("Stream")
}

fn stream(name: &str) -> Result<StreamId, Failure> {
    Ok(StreamId::new(name)?)
}

fn id(name: &str) -> Result<EventId, Failure> {
    Ok(EventId::new(name)?)
}

fn subject(name: &str) -> Result<SubjectId, Failure> {
    Ok(SubjectId::new(name)?)
}

fn sequence(number: usize) -> Result<Sequence, Failure> {
    Ok(Sequence::new(i64::try_from(number).unwrap_or(i64::MAX))?)
}

fn position(number: usize) -> Result<Position, Failure> {
    Ok(Position::new(i64::try_from(number).unwrap_or(i64::MAX))?)
}

/// A login of Ada's, with every field set, under this id.
fn new_event(name: &str) -> Result<NewEvent, Failure> {
    Ok(NewEvent {
        id: id(name)?,
        kind: EventKind::new("login")?,
        subject: Some(subject("Ada")?),
        occurred_at: minute(4),
        payload: document(name)?,
    })
}

/// An event like [`new_event`], of this kind, about this subject or nobody, at this time.
fn told(
    name: &str,
    kind: &str,
    about: Option<&str>,
    occurred_at: Timestamp,
) -> Result<NewEvent, Failure> {
    Ok(NewEvent {
        kind: EventKind::new(kind)?,
        subject: about.map(subject).transpose()?,
        occurred_at,
        ..new_event(name)?
    })
}

/// A batch of these.
fn batch(events: impl IntoIterator<Item = NewEvent>) -> Result<EventBatch, Failure> {
    Ok(EventBatch::new(events.into_iter().collect())?)
}

/// A batch of logins of Ada's, under these ids.
fn batch_of(names: &[&str]) -> Result<EventBatch, Failure> {
    let events: Result<Vec<_>, _> = names.iter().map(|name| new_event(name)).collect();
    batch(events?)
}

/// What storing the events makes, from this sequence and position on.
fn stored(
    new: &EventBatch,
    stream: &StreamId,
    first: usize,
    place: usize,
    recorded_at: Timestamp,
) -> Result<Vec<Event>, Failure> {
    let numbered = new.events().iter().enumerate().map(|(number, new)| {
        Ok(Event {
            id: new.id.clone(),
            stream: stream.clone(),
            sequence: sequence(first + number)?,
            position: position(place + number)?,
            kind: new.kind.clone(),
            subject: new.subject.clone(),
            occurred_at: new.occurred_at,
            recorded_at,
            payload: new.payload.clone(),
        })
    });
    numbered.collect()
}

/// A filter of a kind and a subject, whenever.
fn only(kind: &str, about: &str) -> Result<EventFilter, Failure> {
    Ok(EventFilter {
        kinds: EventKinds::Only(EventKind::new(kind)?),
        subjects: EventSubjects::Only(subject(about)?),
        during: Window::ALWAYS,
    })
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

impl World for Events {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("events", context.stores().events.as_ref())?;
        let other = offered("events", context.second().events.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let late = batch([
            told("bystander", "Login", Some("ada"), LATE)?,
            told("nobody's", "login ", None, LATE)?,
        ])?;
        let theirs = batch([
            told("one", "login", Some("Ada"), START)?,
            told("fresh", "logout", None, minute(1))?,
            told("two", "login", Some("Ada"), minute(2))?,
            told("three", "login", Some("Ada"), minute(3))?,
        ])?;
        let mut bystanders = Vec::new();
        for (tenant, name, events) in [(&tenant, "stream", late), (&elsewhere, "Stream", theirs)] {
            let stored = store
                .append(
                    tenant,
                    &stream(name)?,
                    ExpectedHead::Anything,
                    &events,
                    START,
                )
                .await?;
            bystanders.extend(stored.into_iter().map(|event| (tenant.clone(), event)));
        }
        let events = batch([
            told("one", "login", Some("Ada"), minute(2))?,
            told("two", "logout", None, minute(1))?,
            told("three", "login", Some("Ada"), minute(3))?,
        ])?;
        let subjects = store
            .append(
                &tenant,
                &subject_stream()?,
                ExpectedHead::Absent,
                &events,
                minute(5),
            )
            .await?;
        let world = Self {
            context,
            store,
            other,
            tenant,
            elsewhere,
            subjects,
            bystanders,
        };
        // So that the caches of both handles have them.
        world.subjects_unchanged().await?;
        Ok(world)
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, event) in &self.bystanders {
            let found = self.store.get(tenant, &event.id).await?;
            equal(
                &format!(
                    "the event {:?} in tenant {tenant:?}, which nobody touched",
                    event.id
                ),
                &found.as_ref(),
                &Some(event),
            )?;
        }
        for (tenant, name, head) in [(&self.tenant, "stream", 2), (&self.elsewhere, "Stream", 4)] {
            let found = self.store.head(tenant, &stream(name)?).await?;
            equal(
                &format!("the head of {name:?} in tenant {tenant:?}, which nobody touched"),
                &found,
                &Some(sequence(head)?),
            )?;
        }
        Ok(())
    }
}

impl Events {
    /// The handle that a racer uses: they take turns.
    fn handle(&self, racer: usize) -> Arc<dyn EventStore> {
        Arc::clone(if racer.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        })
    }

    /// What an append to the stream in the tenant answers.
    async fn try_append(
        &self,
        stream: &StreamId,
        expected: ExpectedHead,
        events: &EventBatch,
        now: Timestamp,
    ) -> PortResult<Vec<Event>> {
        self.store
            .append(&self.tenant, stream, expected, events, now)
            .await
    }

    /// Appends to the stream in the tenant at `minute(6)`, whatever its head.
    async fn append(&self, stream: &StreamId, events: &EventBatch) -> Result<Vec<Event>, Failure> {
        let expected = ExpectedHead::Anything;
        Ok(self.try_append(stream, expected, events, minute(6)).await?)
    }

    /// Appends logins of Ada's with these ids to the stream with this name, in the tenant.
    async fn append_to(&self, name: &str, names: &[&str]) -> Result<Vec<Event>, Failure> {
        self.append(&stream(name)?, &batch_of(names)?).await
    }

    /// The event as both handles see it.
    async fn seen(&self, id: &EventId) -> Result<Option<Event>, Failure> {
        let first = self.store.get(&self.tenant, id).await?;
        let second = self.other.get(&self.tenant, id).await?;
        equal("the second handle's view of the event", &second, &first)?;
        Ok(first)
    }

    /// The stream's head as both handles see it.
    async fn head(&self, stream: &StreamId) -> Result<Option<Sequence>, Failure> {
        let first = self.store.head(&self.tenant, stream).await?;
        let second = self.other.head(&self.tenant, stream).await?;
        equal("the second handle's view of the head", &second, &first)?;
        Ok(first)
    }

    /// A page of a thousand of all events of a tenant, as both handles see it.
    async fn log(&self, tenant: &TenantId) -> Result<Vec<Event>, Failure> {
        let (start, page) = (Position::START, PageRequest::first(1000)?);
        let first = self.store.read_all(tenant, start, &page).await?;
        let second = self.other.read_all(tenant, start, &page).await?;
        equal(
            "the second handle's view of the log",
            &second.items,
            &first.items,
        )?;
        Ok(first.items)
    }

    /// The stream's events, at most a thousand, as both handles see them.
    async fn of_stream(&self, stream: &StreamId) -> Result<Vec<Event>, Failure> {
        let (tenant, page) = (&self.tenant, PageRequest::first(1000)?);
        let (store, other) = (&self.store, &self.other);
        let first = store.read(tenant, stream, Sequence::FIRST, &page).await?;
        let second = other.read(tenant, stream, Sequence::FIRST, &page).await?;
        equal(
            "the second handle's view of the stream",
            &second.items,
            &first.items,
        )?;
        Ok(first.items)
    }

    /// The tenant's events that are meant.
    async fn meant(&self, filter: &EventFilter) -> Result<Vec<Event>, Failure> {
        let page = PageRequest::first(1000)?;
        Ok(self.store.query(&self.tenant, filter, &page).await?.items)
    }

    /// Fails unless the subject stream holds the events that it began with, and no others.
    async fn subjects_unchanged(&self) -> Checked {
        let stream = subject_stream()?;
        equal(
            "the stream, which was to stay as it is",
            &self.of_stream(&stream).await?,
            &self.subjects,
        )?;
        for event in &self.subjects {
            let found = self.seen(&event.id).await?;
            equal("an event of it", &found.as_ref(), &Some(event))?;
        }
        equal("its head", &self.head(&stream).await?, &Some(sequence(3)?))
    }

    /// Fails unless nothing was appended to the tenant that the world began with, nor is there a gap
    /// in its positions where something was and is not any more.
    async fn nothing_appended(&self) -> Checked {
        self.subjects_unchanged().await?;
        let log = self.log(&self.tenant).await?;
        let expected = ["bystander", "nobody's", "one", "two", "three"];
        equal("the events of the tenant", &ids(&log), &expected.to_vec())?;
        let next = self.append_to("next", &["the next event"]).await?;
        let expected = stored(
            &batch_of(&["the next event"])?,
            &stream("next")?,
            1,
            6,
            minute(6),
        )?;
        equal("the next event", &next, &expected)
    }

    /// Appends `count` events to a tenant where there are none, `one of many 0` and on, in batches of
    /// a hundred that go to `streams` streams in turn.
    async fn append_many(&self, tenant: &TenantId, streams: usize, count: usize) -> Checked {
        let numbers: Vec<usize> = (0..count).collect();
        for (turn, hundred) in numbers.chunks(100).enumerate() {
            let events: Result<Vec<_>, _> = hundred
                .iter()
                .map(|number| told(&format!("one of many {number}"), "many", None, START))
                .collect();
            let stream = stream(&format!("many {}", turn % streams))?;
            let expected = ExpectedHead::Anything;
            self.handle(turn)
                .append(tenant, &stream, expected, &batch(events?)?, START)
                .await?;
        }
        Ok(())
    }
}

/// Fails unless a walk over 2,500 events answers each once, in the order of their numbers: by full
/// pages of a thousand, and by smaller ones from where it stands.
async fn walks_thousands<F>(what: &str, list: impl Fn(PageRequest) -> F) -> Checked
where
    F: Future<Output = PortResult<Page<Event>>>,
{
    let expected: Vec<String> = (0..2500).map(|n| format!("one of many {n}")).collect();
    for thousands in [usize::MAX, 2] {
        let mut listed = Vec::new();
        let mut page = list(PageRequest::first(1000)?).await?;
        while let Some(cursor) = page.next.take() {
            listed.append(&mut page.items);
            let limit = match listed.len() {
                so_far if so_far < thousands.saturating_mul(1000) => 1000,
                so_far if so_far < 2400 => 7,
                _ => 1,
            };
            page = list(PageRequest::first(limit)?.following(cursor)).await?;
            let left = expected.len().saturating_sub(listed.len());
            equal(
                &format!("{what}: how many a page of {limit} holds when {left} are left"),
                &page.items.len(),
                &left.min(usize::from(limit)),
            )?;
        }
        listed.append(&mut page.items);
        holds(
            ids(&listed) == expected,
            format!(
                "{what}: all of 2500 events are listed once, in order, got {}",
                listed.len()
            ),
        )?;
    }
    Ok(())
}
