//! Queries and counts: which events are meant.

use portproof_ports::{
    Event, EventFilter, EventKind, EventKinds, EventSubjects, ExpectedHead, Page, PageRequest,
    PortResult, Ports, Position, TenantId, Timestamp, Window,
};

use super::{Events, batch, ids, new_event, only, stream, subject, told};
use crate::{
    Case, Checked, Failure, cases,
    check::equal,
    fixture::{START, hostile, instants, just_before, minute},
    lists::{first_item, refuses_cursor, refuses_damaged, walks_answer},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        query_is_complete_and_ordered,
        query_by_kind,
        query_by_subject,
        query_by_time,
        query_knows_every_instant,
        query_by_everything_at_once,
        texts_are_compared_as_bytes,
        count_equals_the_walk,
        query_refuses_a_foreign_cursor,
        query_refuses_a_damaged_cursor,
    ]
}

fn of_kind(kind: &str) -> Result<EventFilter, Failure> {
    Ok(EventFilter {
        kinds: EventKinds::Only(EventKind::new(kind)?),
        ..EventFilter::EVERYTHING
    })
}

const fn about(subjects: EventSubjects) -> EventFilter {
    EventFilter {
        subjects,
        ..EventFilter::EVERYTHING
    }
}

fn during(from: Option<Timestamp>, until: Option<Timestamp>) -> Result<EventFilter, Failure> {
    Ok(EventFilter {
        during: Window::new(from, until)?,
        ..EventFilter::EVERYTHING
    })
}

impl Events {
    /// A query, as a list to walk.
    async fn query(
        &self,
        tenant: &TenantId,
        filter: &EventFilter,
        page: PageRequest,
    ) -> PortResult<Page<Event>> {
        self.other.query(tenant, filter, &page).await
    }

    /// Fails unless exactly the events with these ids are meant, in this order, and counted.
    async fn are_meant(&self, what: &str, filter: &EventFilter, expected: &[&str]) -> Checked {
        let meant = self.meant(filter).await?;
        equal(what, &ids(&meant), &expected.to_vec())?;
        let count = self.other.count(&self.tenant, filter).await?;
        equal(
            &format!("{what}, as they are counted"),
            &count,
            &(expected.len() as u64),
        )
    }
}

/// A query answers what it means by position, each event once and whole, at whatever page size; a
/// cursor is answered exactly when more that is meant follows.
///
/// Neither the times nor the ids of events say in which order they became known.
#[rule(
    "events::query::is_complete_and_ordered",
    source = "AuthHero 953739e: next was missing; OneAuth: query, ordered by sequence",
    environments = "collation"
)]
async fn query_is_complete_and_ordered(w: &Events) -> Checked {
    let (_, log) = w.sixteen().await?;
    let filter = EventFilter::EVERYTHING;
    walks_answer("all events", &log, |page| w.query(&w.tenant, &filter, page)).await?;
    let filter = only("login", "Ada")?;
    let names = ["one", "three", "é", "a", "Z", "10"];
    let meant: Vec<Event> = log
        .into_iter()
        .filter(|event| names.contains(&event.id.as_str()))
        .collect();
    walks_answer("Ada's logins", &meant, |page| {
        w.query(&w.tenant, &filter, page)
    })
    .await
}

/// A query by kind answers the events of that kind, and no others: not those of a kind that begins
/// alike, or differs in case or in a space.
///
/// Failed logins that hide among others are how an attack goes unnoticed.
#[rule(
    "events::query::by_kind",
    source = "keycloak, zitadel: filters by type"
)]
async fn query_by_kind(w: &Events) -> Checked {
    w.sixteen().await?;
    for (kind, expected) in [
        (
            "login",
            &["one", "three", "B", "é", "a", "Z", "10", "9"][..],
        ),
        ("Login", &["bystander", "b"]),
        ("login ", &["nobody's", "z"]),
        ("logout", &["two", "f", "b ", "0"]),
        ("log", &[]),
        ("log%", &[]),
        ("LOGIN", &[]),
        ("Ada", &[]),
    ] {
        let what = format!("the events of the kind {kind:?}");
        w.are_meant(&what, &of_kind(kind)?, expected).await?;
    }
    Ok(())
}

/// A query by subject answers the events about that subject, those about nobody, or all: three that
/// differ.
///
/// What a user asks to see of himself must be all of it, and nothing of anybody else's.
#[rule(
    "events::query::by_subject",
    source = "keycloak: filters by user; OneAuth: subjectId"
)]
async fn query_by_subject(w: &Events) -> Checked {
    let (_, log) = w.sixteen().await?;
    for (who, expected) in [
        ("Ada", &["one", "three", "b", "é", "a", "Z", "10"][..]),
        ("ada", &["bystander", "f", "9"]),
        ("Ada ", &["z"]),
        ("Grace", &["b "]),
        ("Ad", &[]),
        ("%", &[]),
        ("null", &[]),
    ] {
        let filter = about(EventSubjects::Only(subject(who)?));
        let what = format!("the events about {who:?}");
        w.are_meant(&what, &filter, expected).await?;
    }
    let nobodys = ["nobody's", "two", "B", "0"];
    let filter = about(EventSubjects::Nobody);
    w.are_meant("the events about nobody", &filter, &nobodys)
        .await?;
    let filter = about(EventSubjects::Every);
    w.are_meant("the events about everybody and nobody", &filter, &ids(&log))
        .await
}

/// A query by time answers what happened from its beginning on and before its end, to the microsecond,
/// by when it happened and not by when it was told.
///
/// Reports of one day after the other must hold each event once.
#[rule(
    "events::query::by_time",
    source = "keycloak, zitadel: filters by time; greyproxy #4: bounds without a zone",
    environments = "time_zone"
)]
async fn query_by_time(w: &Events) -> Checked {
    // At the minutes 1, 2 and 3 there are "two", "one" and "three", told in another order.
    let times = [
        told("just before", "login", None, just_before(minute(2)))?,
        told("at", "login", None, minute(2))?,
        told("just after", "login", None, just_before(minute(3)))?,
    ];
    w.append(&stream("times")?, &batch(times)?).await?;
    let all = ids(&w.log(&w.tenant).await?)
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for (from, until, expected) in [
        (
            Some(minute(2)),
            Some(minute(3)),
            &["one", "at", "just after"][..],
        ),
        (Some(minute(1)), Some(minute(2)), &["two", "just before"]),
        (None, Some(minute(2)), &["two", "just before"]),
        (None, Some(minute(1)), &[]),
        (
            Some(just_before(minute(2))),
            Some(minute(2)),
            &["just before"],
        ),
        (
            Some(minute(2)),
            Some(just_before(minute(3))),
            &["one", "at"],
        ),
        (Some(minute(3)), None, &["bystander", "nobody's", "three"]),
        (None, Some(Timestamp::MAX), &all),
        (Some(Timestamp::MIN), None, &all),
        (Some(Timestamp::MAX), None, &[]),
        (None, None, &all),
    ] {
        let what = format!("the events from {from:?} until {until:?}");
        w.are_meant(&what, &during(from, until)?, expected).await?;
    }
    Ok(())
}

/// A query by time knows every instant: in 1970, after 2038, in 9999, and in the hours that time zones
/// skip or repeat, what happened then is meant from then on, and not before it.
///
/// A filter that is read in another time zone hides the hours that are asked for.
#[rule(
    "events::query::knows_every_instant",
    source = "khora #1141, greyproxy #4: instants without a zone; dex: GC in three time zones",
    environments = "time_zone"
)]
async fn query_knows_every_instant(w: &Events) -> Checked {
    let tenant = w.context.tenant()?;
    let anything = ExpectedHead::Anything;
    let mut instants = instants()?;
    let just_before_them: Vec<_> = instants.iter().map(|at| just_before(*at)).collect();
    instants.extend(just_before_them);
    instants.sort_unstable();
    instants.dedup();
    for (number, instant) in instants.iter().enumerate() {
        let given = batch([told(&format!("at {number}"), "login", None, *instant)?])?;
        let to = stream("instants")?;
        w.store
            .append(&tenant, &to, anything, &given, START)
            .await?;
    }
    for (before, instant) in instants.iter().enumerate() {
        let from = during(Some(*instant), None)?;
        equal(
            &format!("how many happened at {instant} or later"),
            &w.store.count(&tenant, &from).await?,
            &((instants.len() - before) as u64),
        )?;
        let until = during(None, Some(*instant))?;
        equal(
            &format!("how many happened before {instant}"),
            &w.store.count(&tenant, &until).await?,
            &(before as u64),
        )?;
    }
    Ok(())
}

/// A filter means what meets all of its criteria, and not what meets some.
///
/// "Failed logins of Ada's, yesterday" that are anybody's, or of any day, accuse the wrong one.
#[rule(
    "events::query::by_everything_at_once",
    source = "keycloak, zitadel: filters by type, actor and time"
)]
async fn query_by_everything_at_once(w: &Events) -> Checked {
    w.sixteen().await?;
    let logins_of_ada = only("login", "Ada")?;
    let window = Window::new(Some(minute(1)), Some(minute(3)))?;
    let with = |kinds: &EventKinds, subjects: EventSubjects, during| EventFilter {
        kinds: kinds.clone(),
        subjects,
        during,
    };
    let login = &logins_of_ada.kinds;
    let ada = || logins_of_ada.subjects.clone();
    let (every, always) = (&EventKinds::Every, Window::ALWAYS);
    for (filter, expected) in [
        (with(login, ada(), window), &["one", "é", "Z"][..]),
        (
            with(login, ada(), always),
            &["one", "three", "é", "a", "Z", "10"],
        ),
        (
            with(login, EventSubjects::Every, window),
            &["one", "B", "é", "Z"],
        ),
        (with(every, ada(), window), &["one", "é", "Z"]),
        (with(login, EventSubjects::Nobody, window), &["B"]),
        (with(every, EventSubjects::Nobody, window), &["two", "B"]),
        (with(login, EventSubjects::Nobody, always), &["B"]),
        (
            with(login, EventSubjects::Only(subject("Grace")?), always),
            &[],
        ),
    ] {
        let what = format!("the events of {filter:?}");
        w.are_meant(&what, &filter, expected).await?;
    }
    Ok(())
}

/// Kinds and subjects are compared as bytes: of those that differ in case, accents or spaces each is
/// found by itself, and nothing in them is a pattern or a command.
///
/// A `%` in a filter shows everybody's events to whoever may see his own.
#[rule(
    "events::query::compares_as_bytes",
    source = "CVE-2026-55170: a collation compared ids without regard to case",
    environments = "collation"
)]
async fn texts_are_compared_as_bytes(w: &Events) -> Checked {
    let hostile = hostile();
    for (hundred, texts) in hostile.chunks(100).enumerate() {
        let events: Result<Vec<_>, _> = texts
            .iter()
            .enumerate()
            .map(|(n, text)| {
                let mut event = new_event(&format!("{hundred}, {n}"))?;
                event.kind = EventKind::new(text.clone())?;
                event.subject = Some(subject(text)?);
                Ok::<_, Failure>(event)
            })
            .collect();
        w.append(&stream("hostile")?, &batch(events?)?).await?;
        for (n, text) in texts.iter().enumerate() {
            let name = format!("{hundred}, {n}");
            for filter in [
                of_kind(text)?,
                about(EventSubjects::Only(subject(text)?)),
                only(text, text)?,
            ] {
                let what = format!("the events of {filter:?}");
                w.are_meant(&what, &filter, &[&name]).await?;
            }
        }
    }
    Ok(())
}

/// A count is as many as a walk over the same filter answers, whatever the filter: none, one, some or
/// all.
///
/// Whoever is told "of 12" and sees 11 looks for what is hidden.
#[rule(
    "events::count::equals_the_walk",
    source = "OneAuth: query and count take one filter"
)]
async fn count_equals_the_walk(w: &Events) -> Checked {
    w.sixteen().await?;
    let kinds = [
        EventKinds::Every,
        EventKinds::Only(EventKind::new("login")?),
        EventKinds::Only(EventKind::new("logi_")?),
    ];
    let subjects = [
        EventSubjects::Every,
        EventSubjects::Nobody,
        EventSubjects::Only(subject("Ada")?),
    ];
    let windows = [
        Window::ALWAYS,
        Window::new(Some(minute(2)), None)?,
        Window::new(None, Some(minute(2)))?,
        Window::new(Some(minute(2)), Some(minute(9)))?,
    ];
    for kinds in &kinds {
        for subjects in &subjects {
            for during in windows {
                let filter = EventFilter {
                    kinds: kinds.clone(),
                    subjects: subjects.clone(),
                    during,
                };
                let walked = crate::walk::all(3, |page| w.query(&w.tenant, &filter, page)).await?;
                let counted = w.store.count(&w.tenant, &filter).await?;
                equal(
                    &format!("the count of {filter:?}"),
                    &counted,
                    &(walked.len() as u64),
                )?;
            }
        }
    }
    let all = w.store.count(&w.tenant, &EventFilter::EVERYTHING).await?;
    equal("the count of everything", &all, &16)
}

/// A cursor is of use in the query that answered it, and refused under another filter or tenant, and in
/// the log.
///
/// Otherwise a cursor that is passed on skips events, or shows somebody else's.
#[rule(
    "events::query::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn query_refuses_a_foreign_cursor(w: &Events) -> Checked {
    w.sixteen().await?;
    let filter = only("login", "Ada")?;
    let (_, cursor) = first_item(|page| w.query(&w.tenant, &filter, page)).await?;
    refuses_cursor(
        "a cursor in another tenant's query",
        cursor.clone(),
        |page| w.query(&w.elsewhere, &filter, page),
    )
    .await?;
    for other in [
        EventFilter::EVERYTHING,
        only("Login", "Ada")?,
        only("login", "ada")?,
        EventFilter {
            subjects: EventSubjects::Every,
            ..filter.clone()
        },
        EventFilter {
            kinds: EventKinds::Every,
            ..filter.clone()
        },
        EventFilter {
            during: Window::new(Some(START), None)?,
            ..filter.clone()
        },
    ] {
        refuses_cursor("a cursor under another filter", cursor.clone(), |page| {
            w.query(&w.tenant, &other, page)
        })
        .await?;
    }
    refuses_cursor("a query's cursor in the log", cursor.clone(), |page| {
        w.read_all(&w.tenant, Position::START, page)
    })
    .await?;
    let page = PageRequest::first(10)?.following(cursor);
    let rest = w.query(&w.tenant, &filter, page).await?;
    equal(
        "what follows the cursor",
        &ids(&rest.items),
        &vec!["three", "é", "a", "Z", "10"],
    )
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// An engine that gets the first page again shows it for ever.
#[rule(
    "events::query::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn query_refuses_a_damaged_cursor(w: &Events) -> Checked {
    let filter = only("login", "Ada")?;
    let list = |page| w.query(&w.tenant, &filter, page);
    let (_, cursor) = first_item(list).await?;
    refuses_damaged(&cursor, list).await
}
