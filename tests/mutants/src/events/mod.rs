//! Mutants of the events port.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    Cursor, Event, EventBatch, EventFilter, EventId, EventStore, EventStoreAnswer as Answer,
    EventStoreCall as Call, ExpectedHead, NewEvent, Page, PageRequest, Port, PortCall, PortError,
    PortResult, Ports, Position, Sequence, StreamId, TenantId, Timestamp,
};

use crate::edits::{Edits, common};

mod filters;
mod lists;
mod numbers;
mod prunes;
mod races;
mod records;
mod retries;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let edits: Edits<dyn EventStore> = Edits::new(|ports| &mut ports.events);
    [
        edits
            .common(&common!("events", "read_all", "keeps_events"))
            .done(),
        records::mutants(),
        numbers::mutants(),
        retries::mutants(),
        lists::mutants(),
        filters::mutants(),
        prunes::mutants(),
        races::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A mutant whose events port answers calls as `fault` says. All its handles share their notes, as they
/// share a database.
fn mutant<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Table, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let notes: Arc<Mutex<Notes>> = Arc::default();
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        let (notes, fault) = (Arc::clone(&notes), fault.clone());
        ports.events = ports.events.map(|port| {
            faulty(port, move |store, call| {
                let notes = Arc::clone(&notes);
                fault(Table { store, notes }, call)
            })
        });
        ports
    })
}

/// A mutant that asks the right adapter for something else.
fn asks(id: &'static str, breaks: &'static str, change: fn(&mut Call)) -> Mutant<Ports> {
    mutant(id, breaks, move |table, mut call| async move {
        change(&mut call);
        table.call(call).await
    })
}

/// A mutant that tells something else than the right adapter answers.
fn tells(
    id: &'static str,
    breaks: &'static str,
    change: fn(&Call, PortResult<Answer>) -> PortResult<Answer>,
) -> Mutant<Ports> {
    mutant(id, breaks, move |table, call| async move {
        let answer = table.call(call.clone()).await;
        change(&call, answer)
    })
}

/// A mutant that stores something else of an event than it is given.
fn stores(id: &'static str, breaks: &'static str, change: fn(&mut NewEvent)) -> Mutant<Ports> {
    mutant(id, breaks, move |table, mut call| async move {
        if let Call::Append { events, .. } = &mut call {
            let mut changed = events.events().to_vec();
            changed.iter_mut().for_each(change);
            *events = EventBatch::new(changed)?;
        }
        table.call(call).await
    })
}

/// A mutant of which every answer shows something else of each event.
fn shows(id: &'static str, breaks: &'static str, change: fn(&Call, &mut Event)) -> Mutant<Ports> {
    mutant(id, breaks, move |table, call| async move {
        let mut answer = table.call(call.clone()).await?;
        each(&mut answer, |event| change(&call, event));
        Ok(answer)
    })
}

/// A mutant that appends as `fault` says.
fn appends<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Table, Append) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Vec<Event>>> + Send + 'static,
{
    mutant(id, breaks, move |table, call| {
        let fault = fault.clone();
        async move {
            let Call::Append {
                tenant,
                stream,
                expected,
                events,
                now,
            } = call
            else {
                return table.call(call).await;
            };
            let append = Append {
                tenant,
                stream,
                expected,
                events,
                now,
            };
            fault(table, append).await.map(Answer::Append)
        }
    })
}

/// A call of `append`.
#[derive(Clone)]
struct Append {
    tenant: TenantId,
    stream: StreamId,
    expected: ExpectedHead,
    events: EventBatch,
    now: Timestamp,
}

impl Append {
    /// What the right adapter answers.
    async fn on(&self, table: &Table) -> PortResult<Vec<Event>> {
        table
            .store
            .append(
                &self.tenant,
                &self.stream,
                self.expected,
                &self.events,
                self.now,
            )
            .await
    }

    /// What the right adapter answers to other events, whatever the head.
    async fn with(&self, table: &Table, events: Vec<NewEvent>) -> PortResult<Vec<Event>> {
        let append = Self {
            expected: ExpectedHead::Anything,
            events: EventBatch::new(events)?,
            ..self.clone()
        };
        append.on(table).await
    }

    /// The stored events with its ids, in the order of the batch.
    async fn stored(&self, table: &Table) -> PortResult<Vec<Event>> {
        let mut stored = Vec::new();
        for new in self.events.events() {
            stored.extend(table.store.get(&self.tenant, &new.id).await?);
        }
        Ok(stored)
    }

    async fn head(&self, table: &Table) -> PortResult<Option<Sequence>> {
        table.store.head(&self.tenant, &self.stream).await
    }

    /// Stores the events although their ids are taken, and answers them with their ids.
    async fn anyway(&self, table: &Table) -> PortResult<Vec<Event>> {
        let taken = table.log(&self.tenant).await?.len();
        let renamed = self.events.events().iter().map(|new| {
            let id = EventId::new(format!("{}{SUFFIX}{taken}", new.id.as_str()))?;
            Ok(NewEvent { id, ..new.clone() })
        });
        let renamed: PortResult<Vec<_>> = renamed.collect();
        let mut appended = self.with(table, renamed?).await?;
        appended.iter_mut().for_each(true_name);
        Ok(appended)
    }
}

/// What separates an id from what makes it another one.
const SUFFIX: &str = "\u{2063}again ";

/// Gives an event of [`Append::anyway`] its id.
fn true_name(event: &mut Event) {
    if let Some((name, _)) = event.id.as_str().split_once(SUFFIX)
        && let Ok(id) = EventId::new(name)
    {
        event.id = id;
    }
}

/// What a mutant knows of the calls before.
#[derive(Default)]
struct Notes {
    /// Events that nobody sees.
    hidden: BTreeSet<(TenantId, Position)>,
    /// Every id that was ever appended.
    ids: BTreeSet<(TenantId, EventId)>,
    /// For some positions, how far what is after them is shifted.
    shifts: BTreeMap<(TenantId, Position), i64>,
    /// Streams that began anew after a position, and how many sequences they had before.
    anew: BTreeMap<(TenantId, StreamId), (Position, i64)>,
}

/// What a mutant stands on: the right adapter, seen as a table that statements go wrong on.
#[derive(Clone)]
struct Table {
    store: Arc<dyn EventStore>,
    notes: Arc<Mutex<Notes>>,
}

impl Table {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the right adapter answers.
    async fn call(&self, call: Call) -> PortResult<Answer> {
        self.store.call(call).await
    }

    /// All events of a tenant that are meant.
    async fn rows(&self, tenant: &TenantId, filter: &EventFilter) -> PortResult<Vec<Event>> {
        let first = PageRequest::first(1000)?;
        let mut page = self.store.query(tenant, filter, &first).await?;
        let mut rows = page.items;
        while let Some(cursor) = page.next {
            let next = first.following(cursor);
            page = self.store.query(tenant, filter, &next).await?;
            rows.append(&mut page.items);
        }
        Ok(rows)
    }

    /// All events of a tenant.
    async fn log(&self, tenant: &TenantId) -> PortResult<Vec<Event>> {
        self.rows(tenant, &EventFilter::EVERYTHING).await
    }

    /// All rows that a call of a list is about, in their order; `None` for other calls.
    async fn listed(&self, call: &Call) -> PortResult<Option<(Vec<Event>, PageRequest)>> {
        Ok(match call {
            Call::Read {
                tenant,
                stream,
                from,
                page,
            } => {
                let mut rows = self.log(tenant).await?;
                rows.retain(|event| event.stream == *stream && event.sequence >= *from);
                Some((rows, page.clone()))
            }
            Call::ReadAll {
                tenant,
                after,
                page,
            } => {
                let mut rows = self.log(tenant).await?;
                rows.retain(|event| event.position > *after);
                Some((rows, page.clone()))
            }
            Call::Query {
                tenant,
                filter,
                page,
            } => Some((self.rows(tenant, filter).await?, page.clone())),
            _ => None,
        })
    }

    /// What the right adapter answers, without what is hidden.
    async fn visible(&self, call: Call) -> PortResult<Answer> {
        let Some(tenant) = tenant_of(&call) else {
            return self.call(call).await;
        };
        if let Call::Count { tenant, filter } = &call {
            let mut rows = self.rows(tenant, filter).await?;
            rows.retain(|event| !self.is_hidden(tenant, event));
            return Ok(Answer::Count(rows.len() as u64));
        }
        let mut answer = self.call(call).await?;
        match &mut answer {
            Answer::Read(page) | Answer::ReadAll(page) | Answer::Query(page) => {
                page.items.retain(|event| !self.is_hidden(&tenant, event));
            }
            Answer::Get(found) => {
                *found = found.take().filter(|event| !self.is_hidden(&tenant, event));
            }
            _ => {}
        }
        Ok(answer)
    }

    fn is_hidden(&self, tenant: &TenantId, event: &Event) -> bool {
        let hidden = &self.notes().hidden;
        hidden.contains(&(tenant.clone(), event.position))
    }
}

fn tenant_of(call: &Call) -> Option<TenantId> {
    call.clone().tenant_mut().cloned()
}

/// Changes each event in an answer.
fn each(answer: &mut Answer, change: impl FnMut(&mut Event)) {
    match answer {
        Answer::Append(events) => events.iter_mut().for_each(change),
        Answer::Get(event) => event.iter_mut().for_each(change),
        Answer::Read(page) | Answer::ReadAll(page) | Answer::Query(page) => {
            page.items.iter_mut().for_each(change);
        }
        _ => {}
    }
}

/// An answer of the method that was called.
fn paged(call: &Call, page: Page<Event>) -> Answer {
    match call {
        Call::Read { .. } => Answer::Read(page),
        Call::ReadAll { .. } => Answer::ReadAll(page),
        _ => Answer::Query(page),
    }
}

/// A page of these rows, of which the cursor says a number: how many were answered, or the position of
/// the last one.
fn page_by_number(
    rows: Vec<Event>,
    request: &PageRequest,
    number: fn(usize, &Event) -> i64,
) -> PortResult<Page<Event>> {
    let after = request.cursor().map_or(Ok(0), |cursor| {
        let number = cursor.as_str().parse::<i64>();
        number.map_err(|_| PortError::InvalidCursor)
    })?;
    let numbered = rows.into_iter().enumerate();
    let mut rest = numbered
        .map(|(index, event)| (number(index, &event), event))
        .filter(|(number, _)| *number > after);
    let page: Vec<_> = rest.by_ref().take(usize::from(request.limit())).collect();
    let next = match page.last() {
        Some((last, _)) if rest.next().is_some() => Cursor::new(last.to_string()).ok(),
        _ => None,
    };
    Ok(Page {
        items: page.into_iter().map(|(_, event)| event).collect(),
        next,
    })
}

/// Lets all others run who are on their way: what comes after was decided before they did.
async fn others_run() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}
