//! The lists of a stream and of the log: where they begin, their order, their cursors.

use portproof_ports::{
    Event, EventFilter, ExpectedHead, Page, PageRequest, PortResult, Ports, Position, Sequence,
    StreamId, TenantId,
};

use super::{Events, position, sequence, stream, subject_stream, told};
use crate::{
    Case, Checked, Failure, cases,
    check::equal,
    fixture::minute,
    lists::{first_item, refuses_cursor, refuses_damaged, walks_answer},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        read_is_complete_and_ordered,
        read_begins_at_its_sequence,
        read_refuses_a_foreign_cursor,
        read_refuses_a_damaged_cursor,
        log_is_complete_and_ordered,
        log_begins_after_its_position,
        log_refuses_a_foreign_cursor,
        log_refuses_a_damaged_cursor,
    ]
}

impl Events {
    /// The subject stream, as a list to walk.
    pub(super) async fn read(
        &self,
        tenant: &TenantId,
        from: Sequence,
        page: PageRequest,
    ) -> PortResult<Page<Event>> {
        let stream = StreamId::new("Stream")?;
        self.other.read(tenant, &stream, from, &page).await
    }

    /// The log, as a list to walk.
    pub(super) async fn read_all(
        &self,
        tenant: &TenantId,
        after: Position,
        page: PageRequest,
    ) -> PortResult<Page<Event>> {
        self.other.read_all(tenant, after, &page).await
    }

    /// Appends eleven events to three streams in turn, so that the subject stream has eight and the
    /// log sixteen; answers both. They are in no order by their ids, kinds, subjects or times.
    pub(super) async fn sixteen(&self) -> Result<(Vec<Event>, Vec<Event>), Failure> {
        let mut read = self.subjects.clone();
        let mut log: Vec<Event> = self
            .bystanders
            .iter()
            .filter(|(tenant, _)| *tenant == self.tenant)
            .map(|(_, event)| event.clone())
            .collect();
        log.extend(read.clone());
        for (turn, (name, kind, about, at)) in [
            ("f", "logout", Some("ada"), 9),
            ("B", "login", None, 2),
            ("b", "Login", Some("Ada"), 9),
            ("é", "login", Some("Ada"), 1),
            ("b ", "logout", Some("Grace"), 9),
            ("a", "login", Some("Ada"), 3),
            ("z", "login ", Some("Ada "), 2),
            ("Z", "login", Some("Ada"), 2),
            ("0", "logout", None, 8),
            ("10", "login", Some("Ada"), 0),
            ("9", "login", Some("ada"), 7),
        ]
        .into_iter()
        .enumerate()
        {
            let to = stream(["another", "Stream", "third", "Stream"][turn % 4])?;
            let given = super::batch([told(name, kind, about, minute(at))?])?;
            let expected = ExpectedHead::Anything;
            let appended = self
                .try_append(&to, expected, &given, minute(20 - at))
                .await?;
            if to == subject_stream()? {
                read.extend(appended.clone());
            }
            log.extend(appended);
        }
        Ok((read, log))
    }
}

/// A stream is read by sequence, each event once and whole, at whatever page size; a cursor is answered
/// exactly when more follow.
///
/// What is rebuilt from a stream that lacks an event, or has two in another order, never was.
#[rule(
    "events::read::is_complete_and_ordered",
    source = "AuthHero 953739e: next was missing; zitadel: events of an aggregate in their order",
    environments = "collation"
)]
async fn read_is_complete_and_ordered(w: &Events) -> Checked {
    let (read, _) = w.sixteen().await?;
    walks_answer("the stream", &read, |page| {
        w.read(&w.tenant, Sequence::FIRST, page)
    })
    .await
}

/// A stream is read from the sequence that is asked for, with the event that has it; beyond its head it
/// is empty.
///
/// Off by one is an event that is handled twice, or never.
#[rule(
    "events::read::begins_at_its_sequence",
    source = "zitadel: a read from a position is inclusive or exclusive as declared"
)]
async fn read_begins_at_its_sequence(w: &Events) -> Checked {
    let (read, _) = w.sixteen().await?;
    for from in 1..=read.len() {
        let rest = &read[from - 1..];
        let from = sequence(from)?;
        walks_answer(&format!("the stream from {from:?} on"), rest, |page| {
            w.read(&w.tenant, from, page)
        })
        .await?;
    }
    for beyond in [read.len() + 1, 16, usize::MAX] {
        let beyond = sequence(beyond)?;
        walks_answer(&format!("the stream from {beyond:?} on"), &[], |page| {
            w.read(&w.tenant, beyond, page)
        })
        .await?;
    }
    Ok(())
}

/// A cursor is of use in the list that answered it, and refused in those of another stream, tenant or
/// beginning, and in the log.
///
/// Otherwise a cursor that is passed on skips events, or shows somebody else's.
#[rule(
    "events::read::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn read_refuses_a_foreign_cursor(w: &Events) -> Checked {
    let (read, _) = w.sixteen().await?;
    let first = Sequence::FIRST;
    let (_, cursor) = first_item(|page| w.read(&w.tenant, first, page)).await?;
    refuses_cursor(
        "a cursor in another tenant's stream",
        cursor.clone(),
        |page| w.read(&w.elsewhere, first, page),
    )
    .await?;
    for name in ["stream", "another"] {
        let other = stream(name)?;
        refuses_cursor("a cursor in another stream", cursor.clone(), |page| {
            let other = other.clone();
            async move { w.store.read(&w.tenant, &other, first, &page).await }
        })
        .await?;
    }
    let second = sequence(2)?;
    refuses_cursor("a cursor of another beginning", cursor.clone(), |page| {
        w.read(&w.tenant, second, page)
    })
    .await?;
    refuses_cursor("a cursor in the log", cursor.clone(), |page| {
        w.read_all(&w.tenant, Position::START, page)
    })
    .await?;
    let page = PageRequest::first(10)?.following(cursor);
    let rest = w.read(&w.tenant, first, page).await?;
    equal("what follows the cursor", &rest.items, &read[1..].to_vec())
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// An engine that gets the first page again handles every event twice.
#[rule(
    "events::read::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn read_refuses_a_damaged_cursor(w: &Events) -> Checked {
    let list = |page| w.read(&w.tenant, Sequence::FIRST, page);
    let (_, cursor) = first_item(list).await?;
    refuses_damaged(&cursor, list).await
}

/// The log holds the events of all the tenant's streams by position, each once and whole, at whatever
/// page size; a cursor is answered exactly when more follow.
///
/// What is not in the log was, for every webhook and projection, never done.
#[rule(
    "events::read_all::is_complete_and_ordered",
    source = "openfga: every change appears exactly once, in commit order, whatever the page size",
    environments = "collation"
)]
async fn log_is_complete_and_ordered(w: &Events) -> Checked {
    let (_, log) = w.sixteen().await?;
    walks_answer("the log", &log, |page| {
        w.read_all(&w.tenant, Position::START, page)
    })
    .await
}

/// The log is read after the position that is asked for, without the event that has it; after the last
/// it is empty, and so a reader that remembers the last position that it saw gets each event once, at
/// whatever page size.
///
/// Off by one is an event that is told twice, or never.
#[rule(
    "events::read_all::begins_after_its_position",
    source = "openfga: a continuation resumes without gap or duplicate; OneAuth: sinceSequence"
)]
async fn log_begins_after_its_position(w: &Events) -> Checked {
    let (_, log) = w.sixteen().await?;
    for after in 0..=log.len() {
        let rest = &log[after..];
        let after = position(after)?;
        walks_answer(&format!("the log after {after:?}"), rest, |page| {
            w.read_all(&w.tenant, after, page)
        })
        .await?;
    }
    let beyond = position(usize::MAX)?;
    walks_answer("the log after what there is", &[], |page| {
        w.read_all(&w.tenant, beyond, page)
    })
    .await?;
    for limit in [1, 3, 16, 17] {
        let (mut tailed, mut last) = (Vec::new(), Position::START);
        for _ in 0..=log.len() {
            let page = w
                .read_all(&w.tenant, last, PageRequest::first(limit)?)
                .await?;
            last = page.items.last().map_or(last, |event| event.position);
            tailed.extend(page.items);
        }
        equal(&format!("the log, tailed {limit} at a time"), &tailed, &log)?;
    }
    Ok(())
}

/// A cursor is of use in the log that answered it, and refused in that of another tenant or beginning,
/// and in other lists.
///
/// Otherwise a cursor that is passed on skips events, or shows somebody else's.
#[rule(
    "events::read_all::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn log_refuses_a_foreign_cursor(w: &Events) -> Checked {
    let (_, log) = w.sixteen().await?;
    let (_, cursor) = first_item(|page| w.read_all(&w.tenant, Position::START, page)).await?;
    refuses_cursor("a cursor in another tenant's log", cursor.clone(), |page| {
        w.read_all(&w.elsewhere, Position::START, page)
    })
    .await?;
    let second = position(1)?;
    refuses_cursor("a cursor of another beginning", cursor.clone(), |page| {
        w.read_all(&w.tenant, second, page)
    })
    .await?;
    refuses_cursor("a cursor in a stream", cursor.clone(), |page| {
        w.read(&w.tenant, Sequence::FIRST, page)
    })
    .await?;
    refuses_cursor("a cursor in a query", cursor.clone(), |page| async move {
        let everything = EventFilter::EVERYTHING;
        w.store.query(&w.tenant, &everything, &page).await
    })
    .await?;
    let page = PageRequest::first(100)?.following(cursor);
    let rest = w.read_all(&w.tenant, Position::START, page).await?;
    equal("what follows the cursor", &rest.items, &log[1..].to_vec())
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// An engine that gets the first page again tells everything twice.
#[rule(
    "events::read_all::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn log_refuses_a_damaged_cursor(w: &Events) -> Checked {
    let list = |page| w.read_all(&w.tenant, Position::START, page);
    let (_, cursor) = first_item(list).await?;
    refuses_damaged(&cursor, list).await
}
