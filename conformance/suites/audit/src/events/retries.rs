//! Ids that are stored already: an append that is sent twice, and one that must not be.

use portproof_ports::{
    Document, ErrorKind, Event, EventKind,
    ExpectedHead::{Absent, Anything, At},
    NewEvent, Ports, StreamId, Timestamp,
};

use super::{Events, batch, batch_of, ids, sequence, stream, subject, subject_stream};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{day, document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        retries_are_answered,
        other_contents_are_refused,
        other_batches_are_refused,
        broken_runs_are_refused,
    ]
}

/// What was given to make this event.
fn new_of(event: &Event) -> NewEvent {
    NewEvent {
        id: event.id.clone(),
        kind: event.kind.clone(),
        subject: event.subject.clone(),
        occurred_at: event.occurred_at,
        payload: event.payload.clone(),
    }
}

/// An append that is sent again is answered with the events as they are stored, whatever it expects
/// and whenever it comes, and stores nothing.
///
/// An engine whose answer was lost must neither count a login twice nor take its own event for a
/// stranger's.
#[rule(
    "events::append::retry_answers_what_is_stored",
    source = "OneAuth: append rejects duplicate ids, so that a retry cannot be told from a clash"
)]
async fn retries_are_answered(w: &Events) -> Checked {
    let there = subject_stream()?;
    let all: Vec<NewEvent> = w.subjects.iter().map(new_of).collect();
    for expected in [Absent, Anything, At(sequence(3)?), At(sequence(9)?)] {
        for range in [0..3, 0..1, 1..2, 1..3] {
            let again = batch(all[range.clone()].to_vec())?;
            let answer = w.try_append(&there, expected, &again, day(3)).await?;
            equal(
                &format!("a retry of the events {range:?}, expected {expected:?}"),
                &answer,
                &w.subjects[range].to_vec(),
            )?;
        }
    }
    let on = w.append_to("Stream", &["four"]).await?;
    let mut so_far = all;
    so_far.extend(on.iter().map(new_of));
    let answer = w.append(&there, &batch(so_far)?).await?;
    let expected = [w.subjects.clone(), on].concat();
    equal("a retry of what two appends stored", &answer, &expected)?;
    equal("the stream", &w.of_stream(&there).await?, &expected)?;
    let next = w.append_to("Stream", &["five"]).await?;
    let numbers: Vec<_> = next.iter().map(|e| (e.sequence, e.position)).collect();
    let expected = (sequence(5)?, super::position(7)?);
    equal("the numbers of the next", &numbers, &vec![expected])
}

/// An event with a stored id that says anything else is refused, and changes nothing: another kind,
/// subject, time or payload, or another stream.
///
/// Whoever can append must not be able to rewrite what happened.
#[rule(
    "events::append::never_changes_an_event",
    source = "OneAuth: stored events are frozen; tower-sessions: create must not overwrite"
)]
async fn other_contents_are_refused(w: &Events) -> Checked {
    type Change = fn(&mut NewEvent) -> Checked;
    let changes: [(&str, Change); 6] = [
        ("another kind", |event| {
            event.kind = EventKind::new("Login")?;
            Ok(())
        }),
        ("another subject", |event| {
            event.subject = Some(subject("ada")?);
            Ok(())
        }),
        ("no subject", |event| {
            event.subject = None;
            Ok(())
        }),
        ("another time", |event| {
            let later = event.occurred_at.as_micros() + 1;
            event.occurred_at = Timestamp::from_micros(later)?;
            Ok(())
        }),
        ("another payload", |event| {
            event.payload = document("one ")?;
            Ok(())
        }),
        ("an empty payload", |event| {
            event.payload = Document::empty();
            Ok(())
        }),
    ];
    let there = subject_stream()?;
    let one = new_of(&w.subjects[0]);
    let refused = async |what: &str, stream: &StreamId, given: NewEvent| -> Checked {
        for expected in [Anything, At(sequence(3)?)] {
            let given = batch([given.clone()])?;
            let answer = w.try_append(stream, expected, &given, minute(6)).await;
            fails(what, answer, ErrorKind::AlreadyExists)?;
        }
        Ok(())
    };
    for (what, change) in changes {
        let mut given = one.clone();
        change(&mut given)?;
        refused(what, &there, given).await?;
    }
    for name in ["another", "stream", "STREAM"] {
        refused("another stream", &stream(name)?, one.clone()).await?;
    }
    equal(
        "a refused stream",
        &w.head(&stream("another")?).await?,
        &None,
    )?;
    w.nothing_appended().await
}

/// A batch that shares some ids with what is stored is refused whole: one that goes on where another
/// ended, one that lacks some, and the same events in another order.
///
/// Half of it would be stored twice, or half of it never.
#[rule(
    "events::append::refuses_half_a_retry",
    source = "zitadel: push is atomic with its unique constraints"
)]
async fn other_batches_are_refused(w: &Events) -> Checked {
    let there = subject_stream()?;
    let [one, two, three] = [0, 1, 2].map(|number| new_of(&w.subjects[number]));
    let new = super::new_event("new")?;
    for given in [
        vec![three.clone(), new.clone()],
        vec![new.clone(), one.clone()],
        vec![one.clone(), two.clone(), three.clone(), new.clone()],
        vec![two.clone(), one.clone(), three.clone()],
        vec![three.clone(), two.clone()],
        vec![one, three],
    ] {
        let given = batch(given)?;
        let answer = w.try_append(&there, Anything, &given, minute(6)).await;
        fails("a batch of old and new", answer, ErrorKind::AlreadyExists)?;
    }
    w.nothing_appended().await
}

/// Events that are stored apart from each other are no retry of a batch that has them together.
///
/// Who appends two events as one wants nothing between them.
#[rule(
    "events::append::refuses_a_broken_run",
    source = "zitadel: push is atomic; what is between two events changes what they mean"
)]
async fn broken_runs_are_refused(w: &Events) -> Checked {
    for name in ["first", "between", "second"] {
        w.append_to("run", &[name]).await?;
    }
    let run = stream("run")?;
    let apart = batch_of(&["first", "second"])?;
    let answer = w.try_append(&run, Anything, &apart, minute(6)).await;
    fails("a batch of events apart", answer, ErrorKind::AlreadyExists)?;
    // In their stream one follows the other, whatever is between them in the log.
    w.append_to("joint", &["left"]).await?;
    w.append_to("run", &["elsewhere"]).await?;
    let right = w.append_to("joint", &["right"]).await?;
    let joint = w.append_to("joint", &["left", "right"]).await?;
    equal("a retry", &ids(&joint), &vec!["left", "right"])?;
    equal("its second event", &joint.last(), &right.last())
}
