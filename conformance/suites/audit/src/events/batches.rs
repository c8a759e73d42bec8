//! What an append does to a stream, and to the log: numbers without gaps, batches whole.

use portproof_ports::{
    ErrorKind,
    ExpectedHead::{Absent, Anything, At},
    Ports,
};

use super::{
    Events, batch, batch_of, id, new_event, position, sequence, stored, stream, subject_stream,
};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::minute,
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        streams_are_numbered_without_gaps,
        batches_keep_their_order,
        batches_are_whole,
        failures_leave_no_gap,
    ]
}

/// Each stream has sequences of its own, from 1 and without gaps, and the tenant's positions go through
/// all its streams, without gaps as well, whatever is appended where.
///
/// A projection that finds a gap waits for an event that never comes.
#[rule(
    "events::append::numbers_without_gaps",
    source = "zitadel: strictly increasing per aggregate; OneAuth: a monotonic sequence, from 1"
)]
async fn streams_are_numbered_without_gaps(w: &Events) -> Checked {
    let mut heads = [3, 0, 0];
    let mut place = 5;
    for (turn, which) in [1, 0, 1, 2, 2, 0, 1, 0, 2].into_iter().enumerate() {
        let stream = stream(["Stream", "another", "third"][which])?;
        let names: Vec<String> = (0..=turn % 3).map(|n| format!("{turn}, {n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let given = batch_of(&names)?;
        let expected = stored(&given, &stream, heads[which] + 1, place + 1, minute(6))?;
        let appended = w.append(&stream, &given).await?;
        equal(
            &format!("append {turn}, to {stream:?}"),
            &appended,
            &expected,
        )?;
        heads[which] += names.len();
        place += names.len();
        let head = w.head(&stream).await?;
        equal("its head", &head, &Some(sequence(heads[which])?))?;
    }
    let log = w.log(&w.tenant).await?;
    let places: Vec<_> = log.iter().map(|event| event.position).collect();
    let expected: Result<Vec<_>, _> = (1..=place).map(position).collect();
    equal("the positions of the log", &places, &expected?)
}

/// The events of a batch are stored in the order in which they are given, whatever their ids and times
/// are, also when there are a hundred.
///
/// "Granted" and "revoked" in the wrong order is the opposite of what happened.
#[rule(
    "events::append::keeps_the_order_of_a_batch",
    source = "OneAuth: the event stream is replayable and load-bearing"
)]
async fn batches_keep_their_order(w: &Events) -> Checked {
    let stream = subject_stream()?;
    let mut events = Vec::new();
    for number in 0..100_usize {
        // Neither by id nor by time, up or down.
        let scattered = number * 37 % 100;
        let mut event = new_event(&format!("event {scattered}"))?;
        event.occurred_at = minute(u16::try_from(scattered * 53 % 100).unwrap_or(0));
        events.push(event);
    }
    let given = batch(events)?;
    let expected = stored(&given, &stream, 4, 6, minute(6))?;
    let appended = w.append(&stream, &given).await?;
    equal("the answer of append", &appended, &expected)?;
    let read = w.of_stream(&stream).await?;
    equal("the stream after it", &read[3..].to_vec(), &expected)?;
    let log = w.log(&w.tenant).await?;
    equal("the log after it", &log[5..].to_vec(), &expected)
}

/// A batch is stored whole or not at all: when the id of one of its events is taken, or the stream is
/// not as expected, none of them is there.
///
/// Half of what one request did is a state that the engine never was in.
#[rule(
    "events::append::batch_is_all_or_nothing",
    source = "zitadel: push is atomic with its unique constraints",
    environments = "isolation"
)]
async fn batches_are_whole(w: &Events) -> Checked {
    let stream = subject_stream()?;
    for names in [
        ["two", "new", "newer"],
        ["new", "two", "newer"],
        ["new", "newer", "two"],
    ] {
        let answer = w
            .try_append(&stream, Anything, &batch_of(&names)?, minute(6))
            .await;
        fails("a batch with a taken id", answer, ErrorKind::AlreadyExists)?;
    }
    for expected in [Absent, At(sequence(2)?)] {
        let answer = w
            .try_append(&stream, expected, &batch_of(&["new", "newer"])?, minute(6))
            .await;
        fails("a batch at another head", answer, ErrorKind::Stale)?;
    }
    for name in ["new", "newer"] {
        let found = w.seen(&id(name)?).await?;
        equal("an event of a batch that was refused", &found, &None)?;
    }
    w.nothing_appended().await
}

/// An append that is refused uses up no number: the next one gets those that it would have had.
///
/// A reader takes a gap for an event that is late, or was removed.
#[rule(
    "events::append::failures_leave_no_gap",
    source = "spire #5842: gaps of undone transactions had to be told from late ones"
)]
async fn failures_leave_no_gap(w: &Events) -> Checked {
    let fresh = stream("fresh")?;
    for round in 0..3 {
        let taken = w
            .try_append(
                &fresh,
                Anything,
                &batch_of(&[&format!("new {round}"), "one"])?,
                minute(6),
            )
            .await;
        fails("an append of a taken id", taken, ErrorKind::AlreadyExists)?;
        let stale = w
            .try_append(
                &fresh,
                At(sequence(7)?),
                &batch_of(&[&format!("new {round}")])?,
                minute(6),
            )
            .await;
        fails("an append at another head", stale, ErrorKind::Stale)?;
    }
    equal(
        "the head of a refused stream",
        &w.head(&fresh).await?,
        &None,
    )?;
    let given = batch_of(&["new 0", "new 1"])?;
    let expected = stored(&given, &fresh, 1, 6, minute(6))?;
    equal(
        "the next append",
        &w.append(&fresh, &given).await?,
        &expected,
    )
}
