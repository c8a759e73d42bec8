//! Pruning: what goes, what stays, and which numbers never come back.

use portproof_ports::{
    ErrorKind, EventFilter,
    ExpectedHead::{Absent, Anything, At},
    Ports, Span, Timestamp,
};

use super::{
    Events, batch, batch_of, id, ids, new_event, position, sequence, stored, stream,
    subject_stream, told,
};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds},
    fixture::{START, day, instants, just_before, minute},
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        prune_removes_what_is_older,
        prune_keeps_to_its_limit,
        prune_of_many,
        prune_knows_every_instant,
        prune_keeps_the_head,
        prune_keeps_the_position,
        prune_forgets_ids,
        prune_race_counts_each_once,
    ]
}

/// Pruning removes the tenant's events that happened before the time, not at it, by when they happened
/// and not by when they were told; the others stay in their places, in every list.
///
/// One that removes too much destroys evidence; one that removes too little breaks a promise.
#[rule(
    "events::prune::removes_exactly_what_is_older",
    source = "spire, keycloak: pruning older than a time removes exactly those",
    environments = "time_zone"
)]
async fn prune_removes_what_is_older(w: &Events) -> Checked {
    let more = batch([
        told("just before", "login", Some("Ada"), just_before(minute(2)))?,
        told(
            "just after",
            "login",
            Some("Ada"),
            minute(2).after(Span::MICROSECOND),
        )?,
        told("oldest", "login", None, Timestamp::MIN)?,
    ])?;
    w.append(&subject_stream()?, &more).await?;
    let before = w.log(&w.tenant).await?;
    for (what, time, expected) in [
        ("before the first instant", Timestamp::MIN, 0),
        ("just before the second", just_before(minute(1)), 1),
        ("at the second", minute(1), 0),
        // "two" at minute 1, and "just before".
        ("at the fourth", minute(2), 2),
        ("again", minute(2), 0),
    ] {
        let pruned = w.store.prune(&w.tenant, time, 1000).await?;
        equal(&format!("what is pruned {what}"), &pruned, &expected)?;
    }
    let gone = ["two", "just before", "oldest"];
    for name in gone {
        let found = w.seen(&id(name)?).await?;
        equal(&format!("the pruned {name:?}"), &found, &None)?;
    }
    let left: Vec<_> = before
        .into_iter()
        .filter(|event| !gone.contains(&event.id.as_str()))
        .collect();
    equal("the log after it", &w.log(&w.tenant).await?, &left)?;
    let meant = w.meant(&EventFilter::EVERYTHING).await?;
    equal("all events after it", &meant, &left)?;
    let count = w.store.count(&w.tenant, &EventFilter::EVERYTHING).await?;
    equal("their count", &count, &(left.len() as u64))?;
    let read = w.of_stream(&subject_stream()?).await?;
    equal(
        "the stream after it",
        &read,
        &left
            .into_iter()
            .filter(|event| event.stream.as_str() == "Stream")
            .collect(),
    )
}

/// Pruning removes no more events than it is told to, and repeated prunings come to an end.
///
/// Pruning millions at once locks the table that every request appends to.
#[rule(
    "events::prune::keeps_to_its_limit",
    source = "AuthHero be34110: 2.5 million rows; keycloak, spire: batches"
)]
async fn prune_keeps_to_its_limit(w: &Events) -> Checked {
    w.append_to("old", &["a", "b", "c", "d"]).await?;
    // With those of the subject stream seven are old.
    let mut left = 9;
    for (at_most, expected) in [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
        (3, 1),
        (3, 0),
        (u32::MAX, 0),
    ] {
        let pruned = w.store.prune(&w.tenant, day(1), at_most).await?;
        equal(
            &format!("what a pruning of at most {at_most} removes"),
            &pruned,
            &expected,
        )?;
        left -= expected;
        let count = w.store.count(&w.tenant, &EventFilter::EVERYTHING).await?;
        equal("how many are left", &count, &left)?;
    }
    Ok(())
}

/// Pruning removes as many as it may, also when they are more than a page holds.
///
/// One that stops at a limit of its own answers fewer than it was allowed, which says that it is done:
/// nobody prunes the rest.
#[rule(
    "events::prune::has_no_limit_of_its_own",
    source = "better-auth #10342: a default limit; hydra: repeated calls finish"
)]
async fn prune_of_many(w: &Events) -> Checked {
    let tenant = w.context.tenant()?;
    w.append_many(&tenant, 4, 2500).await?;
    for (at_most, expected) in [(1100, 1100), (2000, 1400), (2000, 0)] {
        let pruned = w.store.prune(&tenant, day(1), at_most).await?;
        equal(
            &format!("what a pruning of at most {at_most} removes"),
            &pruned,
            &expected,
        )?;
    }
    let left = w.store.count(&tenant, &EventFilter::EVERYTHING).await?;
    equal("how many are left", &left, &0)
}

/// Pruning at an instant spares what happened then, and a microsecond later removes it: in 1970, after
/// 2038, in 9999, and in the hours that time zones skip or repeat.
///
/// One that reads its time in another zone removes what must be kept.
#[rule(
    "events::prune::knows_every_instant",
    source = "khora #1141, greyproxy #4: cutoffs without a zone; dex: GC in three time zones",
    environments = "time_zone"
)]
async fn prune_knows_every_instant(w: &Events) -> Checked {
    let tenant = w.context.tenant()?;
    for at in instants()? {
        let given = batch([told("pruned", "login", None, at)?])?;
        let to = stream("pruned")?;
        w.store
            .append(&tenant, &to, Anything, &given, START)
            .await?;
        let early = w.store.prune(&tenant, at, 10).await?;
        equal(&format!("what pruning before {at} removes"), &early, &0)?;
        if at == Timestamp::MAX {
            // Nothing is after the last instant.
            continue;
        }
        let after = at.after(Span::MICROSECOND);
        let pruned = w.store.prune(&tenant, after, 10).await?;
        equal(&format!("what pruning after {at} removes"), &pruned, &1)?;
    }
    Ok(())
}

/// Pruning leaves a stream's head: it goes on where it was, also when none of its events is left, and
/// whoever expects the head that it has may append.
///
/// A sequence that comes back names two events, and an expected one that is gone locks everybody out.
#[rule(
    "events::prune::keeps_the_head",
    source = "spicedb: the head remains readable after a collection of garbage"
)]
async fn prune_keeps_the_head(w: &Events) -> Checked {
    let there = subject_stream()?;
    for (time, left) in [(just_before(minute(3)), vec!["three"]), (minute(4), vec![])] {
        w.store.prune(&w.tenant, time, 1000).await?;
        let read = w.of_stream(&there).await?;
        equal("the events of the stream", &ids(&read), &left)?;
        equal("its head", &w.head(&there).await?, &Some(sequence(3)?))?;
    }
    for expected in [Absent, At(sequence(1)?), At(sequence(2)?)] {
        let given = batch_of(&["refused"])?;
        let answer = w.try_append(&there, expected, &given, minute(6)).await;
        fails(
            &format!("appending to a pruned stream, expected {expected:?}"),
            answer,
            ErrorKind::Stale,
        )?;
    }
    let four = batch_of(&["four"])?;
    let appended = w
        .try_append(&there, At(sequence(3)?), &four, minute(6))
        .await?;
    let mut expected = stored(&four, &there, 4, 6, minute(6))?;
    equal("the first after it", &appended, &expected)?;
    let five = batch_of(&["five"])?;
    let appended = w.append(&there, &five).await?;
    let next = stored(&five, &there, 5, 7, minute(6))?;
    equal("the second after it", &appended, &next)?;
    expected.extend(next);
    equal("the stream", &w.of_stream(&there).await?, &expected)
}

/// Pruning gives no position back, also when none of the tenant's events is left: what is appended
/// next is after all that there was.
///
/// A reader that stands at position 1000 does not see what comes at 1.
#[rule(
    "events::prune::keeps_the_position",
    source = "spire: events that were pruned, and readers that stand behind them"
)]
async fn prune_keeps_the_position(w: &Events) -> Checked {
    let tenant = w.context.tenant()?;
    let append = async |name: &str| -> Result<_, Failure> {
        let given = batch([
            new_event(&format!("{name} 1"))?,
            new_event(&format!("{name} 2"))?,
        ])?;
        let to = stream(name)?;
        let appended = w
            .store
            .append(&tenant, &to, Anything, &given, START)
            .await?;
        Ok(appended
            .iter()
            .map(|event| event.position)
            .collect::<Vec<_>>())
    };
    for round in 0..3 {
        let expected = vec![position(2 * round + 1)?, position(2 * round + 2)?];
        let positions = append(&format!("round {round}")).await?;
        equal("the positions of the next", &positions, &expected)?;
        let pruned = w.store.prune(&tenant, day(1), 1000).await?;
        equal("what is pruned", &pruned, &2)?;
        equal("the log after it", &w.log(&tenant).await?, &vec![])?;
    }
    Ok(())
}

/// What was pruned is forgotten by its id, too: an event that is appended with it is a new one, also in
/// another stream, and no retry.
///
/// What is left of pruned events fills the store for ever.
#[rule(
    "events::prune::forgets_the_ids",
    source = "spring-session #367: indexes were never pruned"
)]
async fn prune_forgets_ids(w: &Events) -> Checked {
    w.store.prune(&w.tenant, minute(4), 1000).await?;
    let again = batch([
        told("one", "login", Some("Ada"), minute(2))?,
        told("two", "other", None, minute(1))?,
    ])?;
    let there = subject_stream()?;
    let appended = w.append(&there, &again).await?;
    let expected = stored(&again, &there, 4, 6, minute(6))?;
    equal("what is appended again", &appended, &expected)?;
    let elsewhere = w.append_to("another", &["three"]).await?;
    let expected_elsewhere = stored(&batch_of(&["three"])?, &stream("another")?, 1, 8, minute(6))?;
    equal("an id in another stream", &elsewhere, &expected_elsewhere)?;
    equal("the stream", &w.of_stream(&there).await?, &expected)?;
    equal(
        "an event by its id",
        &w.seen(&id("one")?).await?.as_ref(),
        &expected.first(),
    )
}

/// Prunings at once remove each event once: what they answer adds up to what was old, whatever is
/// appended meanwhile, none of which goes.
///
/// Every server prunes; a count that is wrong is reported to an auditor.
#[rule(
    "events::prune::race_counts_each_once",
    source = "keycloak, spire: batches; better-auth #6572: counts of affected rows were wrong",
    environments = "isolation"
)]
async fn prune_race_counts_each_once(w: &Events) -> Checked {
    for round in 0..4 {
        let names: Vec<String> = (0..10).map(|n| format!("round {round}, {n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        w.append_to("old", &names).await?;
        // In the first round those of the subject stream are old, too.
        let old = if round == 0 { 13 } else { 10 };
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            async move {
                if racer < 2 {
                    let name = format!("kept {round}, {racer}");
                    let given = batch([told(&name, "login", None, day(1))?])?;
                    let to = stream("kept")?;
                    store.append(&tenant, &to, Anything, &given, START).await?;
                    return Ok(0);
                }
                Ok::<u64, Failure>(store.prune(&tenant, day(1), 1000).await?)
            }
        })
        .await?;
        let mut pruned = 0;
        for answer in answers {
            pruned += answer?;
        }
        equal("what all prunings together removed", &pruned, &old)?;
    }
    let kept = w.of_stream(&stream("kept")?).await?;
    let numbers: Vec<_> = kept.iter().map(|event| event.sequence.get()).collect();
    holds(
        numbers == (1..=8).collect::<Vec<i64>>(),
        format!("what is appended meanwhile is kept, got {numbers:?}"),
    )
}
