//! Events as records: what is stored is what was given, and stays so.

use portproof_ports::{
    Event, EventFilter, EventKind, EventKinds, ExpectedHead, NewEvent, Ports, StreamId,
};

use super::{Events, batch, id, new_event, sequence, stored, stream, subject, told};
use crate::{
    Case, Checked, cases,
    check::{equal, holds},
    fixture::{START, awkward_document, document, hostile, instants, large_document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        appended_is_stored_whole,
        ids_are_kept_apart,
        payloads_are_exact,
        large_payloads_are_kept,
        instants_are_kept,
        references_need_not_be_stored,
        missing_is_none,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that cannot rely on it starts on a store that does not work, and nobody ever learns
/// what happened meanwhile.
#[rule(
    "events::ready::answers",
    source = "spicedb #3142: one hung call wedged the server"
)]
async fn ready_answers(w: &Events) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// An appended event is answered as it is stored, found by its id, and is the same in its stream, in
/// the log and under every filter that means it: every field as it was given, recorded at the time of
/// the call.
///
/// What an audit log does not say as it was told is no evidence.
#[rule(
    "events::append::stores_it_whole",
    source = "AuthHero 5dddd72: create dropped fields that the next read missed; OneAuth: StoredEvent"
)]
async fn appended_is_stored_whole(w: &Events) -> Checked {
    let stream = stream("whole")?;
    let given = [
        told("about Grace", "password.changed", Some("Grace"), minute(30))?,
        told("about nobody", "key.rotated", None, START)?,
    ];
    for (number, new) in given.into_iter().enumerate() {
        let filter = EventFilter {
            kinds: EventKinds::Only(new.kind.clone()),
            ..EventFilter::EVERYTHING
        };
        let new = batch([new])?;
        let expected = stored(&new, &stream, number + 1, number + 6, minute(6))?;
        equal(
            "the answer of append",
            &w.append(&stream, &new).await?,
            &expected,
        )?;
        let event = expected.last().cloned();
        let found = w.seen(&new.events()[0].id).await?;
        equal("the event as it is found", &found, &event)?;
        let read = w.of_stream(&stream).await?;
        equal("the last of its stream", &read.last().cloned(), &event)?;
        let log = w.log(&w.tenant).await?;
        equal("the last of the log", &log.last().cloned(), &event)?;
        let meant = w.meant(&filter).await?;
        equal("the events of its kind", &meant, &expected)?;
    }
    w.subjects_unchanged().await
}

/// Ids of events and of streams are kept as they are given and compared as bytes: those that differ
/// in case, accents or spaces are others, and nothing in them is a pattern or a command.
///
/// A backend that folds them takes one event for the retry of another, and mixes two users' streams.
#[rule(
    "events::append::keeps_ids_apart",
    source = "CVE-2026-55170: a collation compared ids without regard to case",
    environments = "collation"
)]
async fn ids_are_kept_apart(w: &Events) -> Checked {
    for text in hostile() {
        let given = batch([new_event(text)?])?;
        let appended = w.append(&stream(text)?, &given).await?;
        let numbers: Vec<_> = appended.iter().map(|event| event.sequence).collect();
        equal(
            &format!("the sequences of a first event in the stream {text:?}"),
            &numbers,
            &vec![sequence(1)?],
        )?;
    }
    for text in hostile() {
        let found = w.seen(&id(text)?).await?;
        let found = found.map(|event| (event.id, event.stream, event.payload));
        let expected = (id(text)?, stream(text)?, document(text)?);
        equal("the event with this id", &found, &Some(expected))?;
        let read = w.of_stream(&stream(text)?).await?;
        equal(
            &format!("how many events the stream {text:?} has"),
            &read.len(),
            &1,
        )?;
        let head = w.head(&stream(text)?).await?;
        equal("its head", &head, &Some(sequence(1)?))?;
    }
    w.subjects_unchanged().await
}

/// A payload is read as it was given: every kind of JSON value, numbers beyond doubles, nulls, and
/// texts of every script.
///
/// What a webhook or a projection makes of an event must not depend on the backend.
#[rule(
    "events::append::keeps_payloads_exactly",
    source = "zitadel, keycloak: an event's payload is unchanged, also of a type that nobody knows"
)]
async fn payloads_are_exact(w: &Events) -> Checked {
    let given = NewEvent {
        payload: awkward_document()?,
        ..new_event("awkward")?
    };
    let appended = w
        .append(&stream("awkward")?, &batch([given.clone()])?)
        .await?;
    let payload = |event: &Event| event.payload.clone();
    equal(
        "the payload as it is answered",
        &appended.first().map(payload),
        &Some(given.payload.clone()),
    )?;
    let found = w.seen(&given.id).await?;
    equal(
        "the payload as it is found",
        &found.as_ref().map(payload),
        &Some(given.payload),
    )
}

/// A payload may be as large as a document may be, several in one append.
///
/// An event that is cut off, or refused for its size, is missing when somebody asks what happened.
#[rule(
    "events::append::keeps_large_payloads",
    source = "next-auth #9098: a column was too short for what it was to hold"
)]
async fn large_payloads_are_kept(w: &Events) -> Checked {
    let large = |name: &str| -> Result<NewEvent, crate::Failure> {
        Ok(NewEvent {
            payload: large_document()?,
            ..new_event(name)?
        })
    };
    let given = batch([large("large")?, large("also large")?])?;
    w.append(&stream("large")?, &given).await?;
    for new in given.events() {
        let found = w.seen(&new.id).await?;
        holds(
            found.is_some_and(|event| event.payload == new.payload),
            "a payload of a megabyte is found as it was given",
        )?;
    }
    Ok(())
}

/// When an event happened and when it was stored are kept to the microsecond: in 1970, after 2038, in
/// 9999, and in the hours that time zones skip or repeat.
///
/// Two logs can be compared only if neither moves its times.
#[rule(
    "events::append::keeps_instants",
    source = "lucia #1392: seconds and milliseconds were mixed; khora #1141: times without a zone",
    environments = "time_zone"
)]
async fn instants_are_kept(w: &Events) -> Checked {
    let stream = stream("instants")?;
    let instants = instants()?;
    for (number, occurred_at) in instants.iter().enumerate() {
        // Recorded at another one.
        let recorded_at = instants[(number + 5) % instants.len()];
        let given = told(&format!("at {number}"), "login", None, *occurred_at)?;
        let event_id = given.id.clone();
        let expected = ExpectedHead::Anything;
        w.try_append(&stream, expected, &batch([given])?, recorded_at)
            .await?;
        let found = w.seen(&event_id).await?;
        equal(
            "when the event happened, and when it was recorded",
            &found.map(|event| (event.occurred_at, event.recorded_at)),
            &Some((*occurred_at, recorded_at)),
        )?;
    }
    Ok(())
}

/// An event needs nothing stored: its subject may be gone, or be no identity at all, and its kind may
/// be one that nobody has heard of.
///
/// The log is about what was, and outlives it.
#[rule(
    "events::append::needs_nothing_stored",
    source = "AuthHero 3b77bf0: a row that another table lacked made every insert fail"
)]
async fn references_need_not_be_stored(w: &Events) -> Checked {
    let given = NewEvent {
        kind: EventKind::new("com.example/plugin:v7#thing happened")?,
        subject: Some(subject("an identity that never was")?),
        ..new_event("unheard of")?
    };
    let unheard: StreamId = stream("of nothing that is stored")?;
    w.append(&unheard, &batch([given.clone()])?).await?;
    let found = w.seen(&given.id).await?;
    equal(
        "its kind and subject",
        &found.map(|event| (event.kind, event.subject)),
        &Some((given.kind, given.subject)),
    )
}

/// No event is found by an id that none has, however similar, nor a head of a stream that never had
/// an event.
///
/// An engine that is shown another event believes that its own was stored.
#[rule(
    "events::get::missing_is_none",
    source = "AuthHero: a missing record was read as an empty one"
)]
async fn missing_is_none(w: &Events) -> Checked {
    for missing in [
        "fresh", "One", "one ", "on", "on_", "o%", "%", "oné", "1", "Stream", "login", "Ada",
    ] {
        equal(
            &format!("the event {missing:?}"),
            &w.seen(&id(missing)?).await?,
            &None,
        )?;
    }
    for missing in ["Strea", "Stream ", "STREAM", "S%", "Strea_", "one", "%"] {
        let missing = stream(missing)?;
        equal(
            &format!("the head of {missing:?}"),
            &w.head(&missing).await?,
            &None,
        )?;
        let read = w.of_stream(&missing).await?;
        equal("its events", &read, &vec![])?;
    }
    Ok(())
}
