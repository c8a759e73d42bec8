//! Walks over long lists, and over lists that change meanwhile.

use portproof_ports::{
    Event, EventFilter, EventKind, EventKinds, EventSubjects, ExpectedHead, Page, PageRequest,
    PortResult, Ports, Position, Sequence, Span,
};

use super::{Events, ids, only, stream, told, walks_thousands};
use crate::{
    Case, Checked, cases,
    check::{equal, holds},
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        read_is_complete_at_any_length,
        log_is_complete_at_any_length,
        query_is_complete_at_any_length,
        read_walk_survives_changes,
        log_walk_survives_changes,
        query_walk_survives_changes,
    ]
}

/// A page of a stream holds as many events as were asked for, up to a thousand, and a stream of
/// thousands is walked to its end, also by whoever changes the size of the pages on the way.
///
/// A limit of the adapter's own ends a replay early, and nobody notices.
#[rule(
    "events::read::is_complete_at_any_length",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn read_is_complete_at_any_length(w: &Events) -> Checked {
    let tenant = w.context.tenant()?;
    w.append_many(&tenant, 1, 2500).await?;
    let (tenant, many) = (&tenant, &stream("many 0")?);
    walks_thousands("the stream", |page| async move {
        let from = Sequence::FIRST;
        w.other.read(tenant, many, from, &page).await
    })
    .await
}

/// A page of the log holds as many events as were asked for, up to a thousand, and a log of thousands
/// is walked to its end, also by whoever changes the size of the pages on the way.
///
/// A limit of the adapter's own ends an export early, and nobody notices.
#[rule(
    "events::read_all::is_complete_at_any_length",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn log_is_complete_at_any_length(w: &Events) -> Checked {
    let tenant = w.context.tenant()?;
    w.append_many(&tenant, 4, 2500).await?;
    let tenant = &tenant;
    walks_thousands("the log", |page| async move {
        let start = Position::START;
        w.other.read_all(tenant, start, &page).await
    })
    .await
}

/// A page of a query holds as many events as were asked for, up to a thousand, and thousands are walked
/// to their end and counted, also when others that are not meant stand between them.
///
/// Filtering a page after it was read, or counting a page, hides what was not on it.
#[rule(
    "events::query::is_complete_at_any_length",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn query_is_complete_at_any_length(w: &Events) -> Checked {
    let tenant = w.context.tenant()?;
    // At the beginning, and at the end.
    let between = |name: &str| told(name, "Many", Some("Ada"), START);
    let anything = ExpectedHead::Anything;
    for name in ["before", "after"] {
        let given = super::batch([between(name)?])?;
        let to = stream("between")?;
        w.store
            .append(&tenant, &to, anything, &given, START)
            .await?;
        if name == "before" {
            w.append_many(&tenant, 4, 2500).await?;
        }
    }
    for filter in [
        EventFilter {
            kinds: EventKinds::Only(EventKind::new("many")?),
            ..EventFilter::EVERYTHING
        },
        EventFilter {
            subjects: EventSubjects::Nobody,
            ..EventFilter::EVERYTHING
        },
    ] {
        let (tenant, filter) = (&tenant, &filter);
        walks_thousands("the query", |page| async move {
            w.other.query(tenant, filter, &page).await
        })
        .await?;
        let count = w.store.count(tenant, filter).await?;
        equal("how many are counted", &count, &2500)?;
    }
    let all = w.store.count(&tenant, &EventFilter::EVERYTHING).await?;
    equal("how many there are", &all, &2502)
}

/// Appends six events of Grace's to a stream, one an hour after the other, and walks a list of them by
/// pages of two: after each page all that were answered are pruned, also the one that the cursor stands
/// on, and another event is appended, the first three times. The walk must answer all nine in order.
async fn walk_while_it_changes<F>(w: &Events, list: impl Fn(PageRequest) -> F) -> Checked
where
    F: Future<Output = PortResult<Page<Event>>>,
{
    let names = ["f", "B", "b", "é", "b ", "a", "0", "Z", "z"];
    let walked = stream("walked")?;
    let append = async |number: usize| -> Checked {
        let at = minute(60 * u16::try_from(number).unwrap_or(0) + 60);
        let given = told(names[number], "walk", Some("Grace"), at)?;
        w.append(&walked, &super::batch([given])?).await?;
        Ok(())
    };
    for number in 0..6 {
        append(number).await?;
    }
    let first = PageRequest::first(2)?;
    let mut page = list(first.clone()).await?;
    let mut answered = page.items.clone();
    let mut number = 6;
    while let Some(cursor) = page.next {
        if let Some(last) = page.items.last() {
            let after_it = last.occurred_at.after(Span::MICROSECOND);
            w.store.prune(&w.tenant, after_it, 1000).await?;
        }
        if number < names.len() {
            append(number).await?;
        }
        number += 1;
        page = list(first.following(cursor)).await?;
        answered.extend(page.items.clone());
        holds(number < 100, "a walk comes to an end")?;
    }
    equal(
        "the events that were walked",
        &ids(&answered),
        &names.to_vec(),
    )
}

/// A walk over a stream goes on when events go, also the one that its cursor stands on, and answers
/// each that stays once; what is appended meanwhile comes at its end.
///
/// An event that is skipped is never handled, and one that comes twice is handled twice.
#[rule(
    "events::read::walk_survives_changes",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn read_walk_survives_changes(w: &Events) -> Checked {
    let walked = &stream("walked")?;
    walk_while_it_changes(w, |page| async move {
        let from = Sequence::FIRST;
        w.other.read(&w.tenant, walked, from, &page).await
    })
    .await
}

/// A walk over the log goes on when events go, also the one that its cursor stands on, and answers each
/// that stays once; what is appended meanwhile comes at its end.
///
/// A log is never at rest: one that can only be read while nobody appends cannot be read.
#[rule(
    "events::read_all::walk_survives_changes",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn log_walk_survives_changes(w: &Events) -> Checked {
    let after = super::position(5)?;
    walk_while_it_changes(w, |page| w.read_all(&w.tenant, after, page)).await
}

/// A walk over a query goes on when events go, also the one that its cursor stands on, and answers each
/// that stays once; what is appended meanwhile and meant comes at its end.
///
/// Whoever exports what one user did must not get a part of it because the user goes on.
#[rule(
    "events::query::walk_survives_changes",
    source = "AuthHero 0e6acf4; leapmux #287"
)]
async fn query_walk_survives_changes(w: &Events) -> Checked {
    let filter = &only("walk", "Grace")?;
    let list = |page: PageRequest| async move { w.other.query(&w.tenant, filter, &page).await };
    walk_while_it_changes(w, list).await
}
