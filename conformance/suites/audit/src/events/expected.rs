//! Appends that expect a head, and the head itself.

use portproof_ports::{
    ErrorKind,
    ExpectedHead::{Absent, Anything, At},
    PortError, Ports,
};

use super::{Events, batch_of, sequence, stored, stream, subject_stream};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::minute,
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        another_head_is_refused,
        an_expected_head_is_followed,
        head_is_the_last_sequence,
        errors_name_what_was_wrong,
    ]
}

/// An append that expects another head than the stream has is refused as stale, and nothing is stored:
/// a lower one, a higher one, any of a stream that has none, and none of one that has.
///
/// Whoever decided on an older state would write what that state never led to.
#[rule(
    "events::append::refuses_another_head",
    source = "zitadel: a mismatch of the expected version fails"
)]
async fn another_head_is_refused(w: &Events) -> Checked {
    let given = batch_of(&["new"])?;
    let (there, fresh) = (subject_stream()?, stream("fresh")?);
    for (name, expected) in [
        (&there, Absent),
        (&there, At(sequence(1)?)),
        (&there, At(sequence(2)?)),
        (&there, At(sequence(4)?)),
        // The last position of the stream is no sequence of it.
        (&there, At(sequence(5)?)),
        (&there, At(sequence(usize::MAX)?)),
        (&fresh, At(sequence(1)?)),
        // The head of a stream whose name differs in case only.
        (&stream("STREAM")?, At(sequence(3)?)),
    ] {
        let answer = w.try_append(name, expected, &given, minute(6)).await;
        fails(
            &format!("appending to {name:?}, expected {expected:?}"),
            answer,
            ErrorKind::Stale,
        )?;
    }
    w.nothing_appended().await
}

/// An append whose expectation holds is done: the last sequence of a stream, none of a new one, and
/// anything of both.
///
/// An engine that is refused without reason tries for ever.
#[rule(
    "events::append::follows_the_expected_head",
    source = "zitadel: a push with the expected version succeeds"
)]
async fn an_expected_head_is_followed(w: &Events) -> Checked {
    for (place, (name, expected, first)) in [
        ("Stream", At(sequence(3)?), 4),
        ("Stream", Anything, 5),
        ("fresh", Absent, 1),
        ("fresh", At(sequence(1)?), 2),
        ("another", Anything, 1),
        ("another", At(sequence(1)?), 2),
        ("Stream", At(sequence(5)?), 6),
    ]
    .into_iter()
    .enumerate()
    {
        let given = batch_of(&[&format!("new {place}")])?;
        let appended = w
            .try_append(&stream(name)?, expected, &given, minute(6))
            .await?;
        equal(
            &format!("appending to {name:?}, expected {expected:?}"),
            &appended,
            &stored(&given, &stream(name)?, first, place + 6, minute(6))?,
        )?;
    }
    Ok(())
}

/// A stream's head is the sequence of its last event, and not a position or a count of the tenant's.
///
/// An engine that expects another head than there is can never append.
#[rule(
    "events::head::is_the_last_sequence",
    source = "zitadel: the version of an aggregate is that of its last event"
)]
async fn head_is_the_last_sequence(w: &Events) -> Checked {
    let fresh = stream("fresh")?;
    equal("the head before any", &w.head(&fresh).await?, &None)?;
    let mut head = 0;
    for (round, count) in [1, 3, 2].into_iter().enumerate() {
        let names: Vec<String> = (0..count).map(|n| format!("{round}, {n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        w.append(&fresh, &batch_of(&names)?).await?;
        w.append_to("between", &[&format!("between {round}")])
            .await?;
        head += count;
        equal("the head", &w.head(&fresh).await?, &Some(sequence(head)?))?;
    }
    w.subjects_unchanged().await
}

/// Errors name what was wrong: the event that is there, or the stream that is not as expected; where
/// both are, the event.
///
/// An engine that is told of a lost race tries again for ever where its event is stored already.
#[rule(
    "events::errors::name_what_was_wrong",
    source = "kratos: a violated constraint is named; openfga #3014: a driver's error was not mapped"
)]
async fn errors_name_what_was_wrong(w: &Events) -> Checked {
    let there = subject_stream()?;
    for (what, names, expected, error) in [
        (
            "a stored id",
            &["one"][..],
            Anything,
            PortError::already_exists("event"),
        ),
        (
            "a stored id in a batch",
            &["new", "two"][..],
            At(sequence(3)?),
            PortError::already_exists("event"),
        ),
        (
            "a stored id at another head",
            &["one"][..],
            At(sequence(2)?),
            PortError::already_exists("event"),
        ),
        (
            "another head",
            &["new"][..],
            Absent,
            PortError::stale("stream"),
        ),
    ] {
        let answer = w
            .try_append(&there, expected, &batch_of(names)?, minute(6))
            .await;
        equal(&format!("appending {what}"), &answer, &Err(error))?;
    }
    w.nothing_appended().await
}
