//! Appends at once: who wins, which numbers they get, and what a reader sees of them meanwhile.

use portproof_ports::{
    ErrorKind, Event,
    ExpectedHead::{Absent, Anything, At},
    PageRequest, Ports, Position,
};
use tokio::sync::watch;

use super::{Events, batch, batch_of, ids, new_event, sequence, stream, subject_stream, told};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, day, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        one_expected_head_has_one_winner,
        all_are_stored_without_gaps,
        one_id_is_stored_once,
        retries_at_once_are_one,
        a_tail_misses_nothing,
        pruning_at_once_resets_nothing,
    ]
}

/// Of callers that append to one stream at once and expect the same head, one does, and the others are
/// told that it has changed; nothing of theirs is stored.
///
/// Two decisions on one state contradict each other: a seat that is sold twice, a grant that outlives
/// its revocation.
#[rule(
    "events::append::race_has_one_winner",
    source = "zitadel: a mismatch of the expected version fails; better-auth #6572: check, then act",
    environments = "isolation"
)]
async fn one_expected_head_has_one_winner(w: &Events) -> Checked {
    for (name, mut head) in [("Stream", 3), ("fresh", 0)] {
        for round in 0..6 {
            let expected = if head == 0 {
                Absent
            } else {
                At(sequence(head)?)
            };
            let answers = race(RACERS, |racer| {
                let (store, tenant) = (w.handle(racer), w.tenant.clone());
                async move {
                    let new = |n| new_event(&format!("{name}, {round}, {racer}, {n}"));
                    let given = batch([new(1)?, new(2)?])?;
                    let to = stream(name)?;
                    Ok::<_, Failure>(store.append(&tenant, &to, expected, &given, START).await)
                }
            })
            .await?;
            let answers: Vec<_> = answers.into_iter().collect::<Result<_, _>>()?;
            exactly_one(
                "appending after one head at once",
                &answers,
                Result::is_ok,
                |answer| {
                    answer
                        .as_ref()
                        .is_err_and(|error| error.kind() == ErrorKind::Stale)
                },
            )?;
            let won = answers.into_iter().find_map(Result::ok).unwrap_or_default();
            let read = w.of_stream(&stream(name)?).await?;
            equal(
                "what is stored after the old head",
                &read[head..].to_vec(),
                &won,
            )?;
            head += 2;
        }
    }
    Ok(())
}

/// Fails unless the log's positions, and the sequences of each stream in it, are without gaps.
fn is_gapless(log: &[Event]) -> Checked {
    for (number, event) in log.iter().enumerate() {
        equal(
            "the position of the next event of the log",
            &event.position,
            &super::position(number + 1)?,
        )?;
    }
    let mut streams: Vec<_> = log.iter().map(|event| &event.stream).collect();
    streams.sort_unstable();
    streams.dedup();
    for stream in streams {
        let numbers: Vec<i64> = log
            .iter()
            .filter(|event| event.stream == *stream)
            .map(|event| event.sequence.get())
            .collect();
        let without_gaps = numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        holds(
            without_gaps,
            format!("the sequences of {stream:?} have no gaps, got {numbers:?}"),
        )?;
    }
    Ok(())
}

/// Appends at once that expect nothing are all stored, in one stream and in several: each batch
/// unbroken, without gaps in sequences or positions, and as it was answered.
///
/// An audit log that loses what happens at the same moment loses what an attacker does.
#[rule(
    "events::append::race_stores_all",
    source = "zitadel: concurrent pushes are all stored, without gap or duplicate",
    environments = "isolation"
)]
async fn all_are_stored_without_gaps(w: &Events) -> Checked {
    for round in 0..4 {
        let before = w.log(&w.tenant).await?.len();
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            async move {
                let new = |n| new_event(&format!("{round}, {racer}, {n}"));
                let given = batch([new(1)?, new(2)?, new(3)?])?;
                let to = stream(["Stream", "another"][racer / 2 % 2])?;
                let appended = store.append(&tenant, &to, Anything, &given, START).await?;
                Ok::<_, Failure>(appended)
            }
        })
        .await?;
        let mut appended = Vec::new();
        for answer in answers {
            let answer = answer?;
            let places: Vec<i64> = answer.iter().map(|event| event.position.get()).collect();
            holds(
                places.windows(2).all(|pair| pair[0] + 1 == pair[1]),
                format!("a batch is unbroken, got the positions {places:?}"),
            )?;
            appended.extend(answer);
        }
        appended.sort_by_key(|event| event.position);
        let log = w.log(&w.tenant).await?;
        equal(
            "what the log has more than before",
            &log.get(before..).unwrap_or_default().to_vec(),
            &appended,
        )?;
        equal("how many that is", &appended.len(), &(3 * RACERS))?;
        is_gapless(&log)?;
    }
    Ok(())
}

/// Of callers that append one id at once, to streams of their own, one does, and the others are told
/// that it is taken.
///
/// An id that two streams have makes one of the two events unreachable.
#[rule(
    "events::append::race_for_one_id",
    source = "OneAuth: append rejects duplicate ids; tower-sessions: an id that collides",
    environments = "isolation"
)]
async fn one_id_is_stored_once(w: &Events) -> Checked {
    for round in 0..6 {
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            async move {
                let given = batch([
                    new_event(&format!("own {round}, {racer}"))?,
                    new_event(&format!("one id {round}"))?,
                ])?;
                let to = stream(&format!("of racer {racer}"))?;
                Ok::<_, Failure>(store.append(&tenant, &to, Anything, &given, START).await)
            }
        })
        .await?;
        let answers: Vec<_> = answers.into_iter().collect::<Result<_, _>>()?;
        exactly_one(
            "appending one id at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        let won = answers.into_iter().find_map(Result::ok).unwrap_or_default();
        let log = w.log(&w.tenant).await?;
        equal(
            "what the log has more",
            &log[5 + 2 * round..].to_vec(),
            &won,
        )?;
    }
    Ok(())
}

/// One append that is sent several times at once is done once, and everybody is answered the same.
///
/// A proxy that repeats a slow request must not make two logins of one, nor an error of a success.
#[rule(
    "events::append::race_of_retries_stores_once",
    source = "OneAuth: append rejects duplicate ids, so that a retry cannot be told from a clash",
    environments = "isolation"
)]
async fn retries_at_once_are_one(w: &Events) -> Checked {
    let there = subject_stream()?;
    let mut head = 3;
    for round in 0..6 {
        let names = [format!("first {round}"), format!("second {round}")];
        let given = batch_of(&[&names[0], &names[1]])?;
        // Whoever comes second finds another head than the one that was true for all.
        let expected = At(sequence(head)?);
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (to, given) = (there.clone(), given.clone());
            async move { store.append(&tenant, &to, expected, &given, START).await }
        })
        .await?;
        let read = w.of_stream(&there).await?;
        let new = read.get(head..).unwrap_or_default().to_vec();
        equal("what was stored", &ids(&new), &vec![&*names[0], &*names[1]])?;
        for answer in answers {
            equal("what each was answered", &answer?, &new)?;
        }
        head += 2;
    }
    is_gapless(&w.log(&w.tenant).await?)
}

/// How many events each of the writers of a race appends, one after the other.
const EACH: usize = 10;

/// A reader that asks for what is after the last position that it saw, while others append to several
/// streams, gets each event once, in the order of the log, and misses none.
///
/// Positions that are taken before a commit become visible out of order, and a reader that went past
/// one never comes back: a revocation that no cache hears of.
#[rule(
    "events::read_all::tail_misses_nothing",
    source = "spire #5030, #5842, #5764, #7189: events with an earlier id that were committed later were skipped for ever",
    environments = "isolation"
)]
async fn a_tail_misses_nothing(w: &Events) -> Checked {
    const READERS: usize = 2;
    /// How many events are appended in a round.
    const ALL: usize = 2 * EACH * (RACERS - READERS);
    for round in 0..3 {
        // How much was appended; closed when all writers have come to their end.
        let (appended, appends) = watch::channel(0);
        let mut writers: Vec<_> = (READERS..RACERS).map(|_| appended.clone()).collect();
        drop(appended);
        let begin = w.log(&w.tenant).await?.last().map(|event| event.position);
        let begin = begin.unwrap_or(Position::START);
        let tails = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let appended = if racer < READERS { None } else { writers.pop() };
            let mut appends = appends.clone();
            async move {
                if let Some(appended) = appended {
                    for number in 0..EACH {
                        let name = format!("{round}, {racer}, {number}");
                        let given = batch_of(&[&name, &format!("{name}, too")])?;
                        let to = stream(&format!("of racer {}", racer % 3))?;
                        store.append(&tenant, &to, Anything, &given, START).await?;
                        appended.send_modify(|appends| *appends += 1);
                    }
                    return Ok(None);
                }
                let page = PageRequest::first([3, 1000][racer])?;
                let (mut tailed, mut last): (Vec<Event>, _) = (Vec::new(), begin);
                loop {
                    let is_last = appends.changed().await.is_err();
                    // To the end of the log, for each time that something was appended.
                    loop {
                        let page = store.read_all(&tenant, last, &page).await?;
                        if page.items.is_empty() {
                            break;
                        }
                        last = page.items.last().map_or(last, |event| event.position);
                        tailed.extend(page.items);
                        holds(tailed.len() < 2 * ALL, "a log comes to an end")?;
                        tokio::task::yield_now().await;
                    }
                    if is_last {
                        return Ok::<_, Failure>(Some(tailed));
                    }
                }
            }
        })
        .await?;
        let log = w.log(&w.tenant).await?;
        let after = log.iter().filter(|event| event.position > begin);
        let new: Vec<Event> = after.cloned().collect();
        equal("how many events were appended", &new.len(), &ALL)?;
        for tail in tails {
            if let Some(tailed) = tail? {
                holds(
                    tailed == new,
                    format!(
                        "a reader sees each event once, in the log's order\n  the log    {:?}\n  the reader {:?}",
                        ids(&new),
                        ids(&tailed)
                    ),
                )?;
            }
        }
        is_gapless(&log)?;
    }
    Ok(())
}

/// Appends and prunings of one stream at once give out no number twice, and skip none.
///
/// A head that is computed from what is there begins anew when somebody prunes at that moment.
#[rule(
    "events::prune::race_resets_nothing",
    source = "spicedb: the head remains readable after a collection of garbage",
    environments = "isolation"
)]
async fn pruning_at_once_resets_nothing(w: &Events) -> Checked {
    let mut numbers = Vec::new();
    for round in 0..6 {
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            async move {
                // Who comes first changes from round to round.
                if (racer / 2 + round).is_multiple_of(2) {
                    store.prune(&tenant, day(1), 1000).await?;
                    return Ok(Vec::new());
                }
                let name = format!("{round}, {racer}");
                let given = batch([told(&name, "login", None, minute(1))?])?;
                let to = stream("Stream")?;
                let appended = store.append(&tenant, &to, Anything, &given, START).await?;
                Ok::<_, Failure>(appended)
            }
        })
        .await?;
        for answer in answers {
            let answer = answer?;
            numbers.extend(answer.iter().map(|e| (e.sequence.get(), e.position.get())));
        }
    }
    numbers.sort_unstable();
    let count = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
    let expected: Vec<(i64, i64)> = (0..count).map(|n| (4 + n, 6 + n)).collect();
    equal("the sequences and positions", &numbers, &expected)
}
