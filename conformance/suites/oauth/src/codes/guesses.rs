//! Wrong guesses: counted one by one, and the last one ends the code.

use std::num::NonZeroU32;

use portproof_ports::{Code, Consumed, NewCode, Ports};

use super::{Codes, digest, kind, new_code};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, day, just_before, minute},
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        guesses_are_counted,
        last_guess_ends_it,
        guesses_without_a_limit,
        only_live_ones_are_guessed_at,
        guess_race_counts_each,
        guess_race_stops_at_the_limit,
        last_guess_races_with_a_consumer,
    ]
}

/// Wrong guesses are counted one by one, each code's its own, and change nothing else: the code as
/// it is then is answered.
///
/// A count that starts again lets a code of six digits be guessed; one that others raise locks its
/// owner out.
#[rule(
    "codes::record_failure::counts_one_by_one",
    source = "kratos: wrong submissions are counted against a limit"
)]
async fn guesses_are_counted(w: &Codes) -> Checked {
    let other = w.put(new_code("other")?).await?;
    let same_id = NewCode {
        kind: kind("state")?,
        ..new_code("subject")?
    };
    let same_id = w.put(same_id).await?;
    for failures in 1..5 {
        let expected = Code {
            failures,
            ..w.subject.clone()
        };
        let (kind, id) = (&w.subject.kind, &w.subject.id);
        let counted = w
            .handle(usize::try_from(failures).unwrap_or(0))
            .record_failure(&w.tenant, kind, id, minute(1))
            .await?;
        equal("the answer to a guess", &counted.as_ref(), &Some(&expected))?;
        w.unchanged(&expected).await?;
    }
    w.unchanged(&other).await?;
    w.unchanged(&same_id).await
}

/// With as many wrong guesses as end it a code is dead: not found, not consumed, not guessed at any
/// more. Until then it can be consumed.
///
/// A code of six digits that allows another guess after the last one allows a million.
#[rule(
    "codes::record_failure::ends_at_the_limit",
    source = "better-auth #9993: a limit that was overshot; kratos"
)]
async fn last_guess_ends_it(w: &Codes) -> Checked {
    for limit in [1, 2, 5] {
        for spent in [limit - 1, limit] {
            let given = NewCode {
                guesses: NonZeroU32::new(limit),
                ..new_code(&format!("{spent} of {limit}"))?
            };
            let code = w.put(given).await?;
            for _ in 0..spent {
                let counted = w.guess(&code, minute(1)).await?;
                holds(counted.is_some(), "a guess at a live code is counted")?;
            }
            let code = Code {
                failures: u64::from(spent),
                ..code
            };
            if spent < limit {
                w.is_consumed_once(&code, minute(2)).await?;
                continue;
            }
            for _ in 0..2 {
                let what = format!("after {limit} wrong guesses");
                let found = w.seen(&code.id).await?;
                equal(&format!("the code {what}"), &found, &None)?;
                let consumed = w.consume(&code, minute(2)).await?;
                equal(
                    &format!("consuming it {what}"),
                    &consumed,
                    &Consumed::Refused,
                )?;
                let counted = w.guess(&code, minute(2)).await?;
                equal(&format!("another guess {what}"), &counted, &None)?;
            }
        }
    }
    w.subject_unchanged().await
}

/// A code without a limit is counted at, and never dies of it.
///
/// Whoever knows a long code's handle could end it by guessing.
#[rule(
    "codes::record_failure::without_a_limit_never_ends",
    source = "the contract: None is no limit, and not a limit of none"
)]
async fn guesses_without_a_limit(w: &Codes) -> Checked {
    let given = NewCode {
        guesses: None,
        ..new_code("without a limit")?
    };
    let code = w.put(given).await?;
    let mut expected = code.clone();
    for failures in 1..=150 {
        expected.failures = failures;
        let counted = w.guess(&code, minute(1)).await?;
        equal("the answer to a guess", &counted.as_ref(), &Some(&expected))?;
    }
    w.unchanged(&expected).await?;
    w.is_consumed_once(&expected, minute(2)).await
}

/// Only guesses at live codes are counted: at one that is over, consumed or not stored, nothing is
/// written or created.
///
/// A guess that counts after the end brings a code back, or spoils what a replay should show.
#[rule(
    "codes::record_failure::counts_at_live_ones_only",
    source = "spring-session #1843: a write brought back what was deleted; the contract"
)]
async fn only_live_ones_are_guessed_at(w: &Codes) -> Checked {
    for now in [minute(10), day(1)] {
        let counted = w.guess(&w.subject, now).await?;
        equal(&format!("a guess at {now}"), &counted, &None)?;
    }
    w.subject_unchanged().await?;
    let last = just_before(minute(10));
    let expected = Code {
        failures: 1,
        ..w.subject.clone()
    };
    let counted = w.guess(&w.subject, last).await?;
    equal("a guess at the last moment", &counted, &Some(expected))?;
    let consumed = w.put(new_code("consumed")?).await?;
    w.is_consumed_once(&consumed, minute(1)).await?;
    let counted = w.guess(&consumed, minute(2)).await?;
    equal("a guess at a consumed code", &counted, &None)?;
    let expected = Code {
        consumed_at: Some(minute(1)),
        ..consumed
    };
    let found = w.seen(&expected.id).await?;
    equal("the consumed code", &found, &Some(expected))?;
    let unknown = digest("unknown");
    let kind = &w.subject.kind;
    let counted = w
        .store
        .record_failure(&w.tenant, kind, &unknown, minute(1))
        .await?;
    equal("a guess at an unknown code", &counted, &None)?;
    equal("the unknown code", &w.seen(&unknown).await?, &None)
}

/// Lets 16 guess at a code at once; answers the counts that they were told, in order.
async fn guess_at_once(w: &Codes, code: &Code) -> Result<Vec<u64>, Failure> {
    let answers = race(16, |racer| {
        let (store, tenant, code) = (w.handle(racer), w.tenant.clone(), code.clone());
        async move {
            store
                .record_failure(&tenant, &code.kind, &code.id, minute(1))
                .await
        }
    })
    .await?;
    let mut counts = Vec::new();
    for answer in answers {
        counts.extend(answer?.map(|code| code.failures));
    }
    counts.sort_unstable();
    Ok(counts)
}

/// Of guesses at once each gets a number of its own, without a gap.
///
/// With fifty guesses at once, a limit of five would let fifty through.
#[rule(
    "codes::record_failure::race_counts_each",
    source = "better-auth #9993: counters that were read, raised and written",
    environments = "isolation"
)]
async fn guess_race_counts_each(w: &Codes) -> Checked {
    let given = NewCode {
        guesses: NonZeroU32::new(1000),
        ..new_code("guessed at")?
    };
    let code = w.put(given).await?;
    for round in 0..4 {
        let counts = guess_at_once(w, &code).await?;
        let expected: Vec<u64> = (1..=16).map(|count| round * 16 + count).collect();
        equal("the counts that were answered", &counts, &expected)?;
    }
    let expected = Code {
        failures: 64,
        ..code
    };
    w.unchanged(&expected).await
}

/// Of guesses at once exactly as many are counted as end the code, and the others find it dead.
///
/// Sixteen guesses that come together are sixteen chances where five were meant.
#[rule(
    "codes::record_failure::race_stops_at_the_limit",
    source = "kratos: fifty wrong guesses at once never let more than the limit through",
    environments = "isolation"
)]
async fn guess_race_stops_at_the_limit(w: &Codes) -> Checked {
    for (round, limit) in [5, 1, 3, 15].into_iter().enumerate() {
        let given = NewCode {
            guesses: NonZeroU32::new(limit),
            ..new_code(&format!("round {round}"))?
        };
        let code = w.put(given).await?;
        let counts = guess_at_once(w, &code).await?;
        let expected: Vec<u64> = (1..=u64::from(limit)).collect();
        equal(
            &format!("the counts that 16 were answered, of {limit}"),
            &counts,
            &expected,
        )?;
        equal("the code afterwards", &w.seen(&code.id).await?, &None)?;
        equal(
            "consuming it afterwards",
            &w.consume(&code, minute(2)).await?,
            &Consumed::Refused,
        )?;
    }
    Ok(())
}

/// Of the last guess and a consumer at once, one comes first: the code is consumed or it dies,
/// never both, never neither.
///
/// Otherwise a code that is reported as dead logs somebody in.
#[rule(
    "codes::record_failure::races_with_a_consumer",
    source = "none of the suites of this kind guesses while somebody logs in",
    environments = "isolation"
)]
async fn last_guess_races_with_a_consumer(w: &Codes) -> Checked {
    for round in 0..8 {
        let given = NewCode {
            guesses: NonZeroU32::new(1),
            ..new_code(&format!("round {round}"))?
        };
        let code = w.put(given).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, code) = (w.handle(racer), w.tenant.clone(), code.clone());
            async move {
                // Who comes first changes from round to round.
                if (racer / 2 + round) % 2 == 0 {
                    let counted = store
                        .record_failure(&tenant, &code.kind, &code.id, minute(1))
                        .await?;
                    return Ok((false, counted.is_some()));
                }
                let consumed = store
                    .consume(&tenant, &code.kind, &code.id, &code.bound_to, minute(1))
                    .await?;
                Ok::<_, Failure>((true, matches!(consumed, Consumed::First(_))))
            }
        })
        .await?;
        let mut winners = Vec::new();
        for answer in answers {
            let (consumes, won) = answer?;
            winners.extend(won.then_some(consumes));
        }
        equal("how many guessed or consumed", &winners.len(), &1)?;
        let found = w.seen_as(&code.kind, &code.id, START).await?;
        equal(
            "whether the code is found, as consumed",
            &found.is_some_and(|code| code.consumed_at.is_some()),
            &winners.contains(&true),
        )?;
    }
    Ok(())
}
