//! Mutants that count guesses wrongly.

use std::num::NonZeroU32;

use portproof::mutants::Mutant;
use portproof_ports::{Code, CodeStore, Consumed, Ports, Timestamp};

use super::{Answer, Call, asks, consumed_at, key_of, mutant, others_run, tells};
use crate::edits::Edits;

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    let mut mutants = Edits::<dyn CodeStore>::new(|ports| &mut ports.codes)
        .lost_update(
            "codes::guesses_are_lost",
            "codes::record_failure::race_counts_each",
            "record_failure",
        )
        .re_enacts("better-auth #9993: counters that were read, raised and written")
        .done();
    mutants.extend(counted());
    mutants.extend(limited());
    mutants
}

fn counted() -> Vec<Mutant<Ports>> {
    const ONE_BY_ONE: &str = "codes::record_failure::counts_one_by_one";
    const LIVE: &str = "codes::record_failure::counts_at_live_ones_only";
    vec![
        tells(
            "codes::guesses_are_answered_as_before",
            ONE_BY_ONE,
            |_, answer| match answer {
                Answer::RecordFailure(Some(code)) => Ok(Answer::RecordFailure(Some(Code {
                    failures: code.failures - 1,
                    ..code
                }))),
                answer => Ok(answer),
            },
        ),
        mutant(
            "codes::guesses_count_for_every_kind",
            ONE_BY_ONE,
            |table, call| async move {
                if let Call::RecordFailure {
                    tenant,
                    kind,
                    id,
                    now,
                } = &call
                {
                    let stored = table.rows(tenant, |_| true).await?;
                    for other in stored.iter().filter(|other| other.id == *id) {
                        if other.kind != *kind {
                            table
                                .store
                                .record_failure(tenant, &other.kind, id, *now)
                                .await?;
                        }
                    }
                }
                table.call(call).await
            },
        ),
        asks(
            "codes::without_a_limit_is_a_hundred",
            "codes::record_failure::without_a_limit_never_ends",
            |call| {
                if let Call::Put { code, .. } = call {
                    code.guesses = code.guesses.or(NonZeroU32::new(100));
                }
            },
        ),
        asks("codes::guesses_count_after_the_end", LIVE, |call| {
            if let Call::RecordFailure { now, .. } = call {
                *now = Timestamp::MIN;
            }
        }),
        mutant(
            "codes::guesses_at_consumed_ones_count",
            LIVE,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                let (Answer::RecordFailure(None), Some(key)) = (&answer, key_of(&call)) else {
                    return Ok(answer);
                };
                let consumed = table.notes().consumed.get(&key).cloned();
                Ok(Answer::RecordFailure(consumed.map(|code| Code {
                    failures: code.failures + 1,
                    ..code
                })))
            },
        ),
    ]
}

fn limited() -> Vec<Mutant<Ports>> {
    const LIMIT: &str = "codes::record_failure::ends_at_the_limit";
    vec![
        asks("codes::one_more_guess", LIMIT, |call| {
            if let Call::Put { code, .. } = call {
                code.guesses = code.guesses.map(|guesses| guesses.saturating_add(1));
            }
        }),
        asks("codes::one_guess_less", LIMIT, |call| {
            if let Call::Put { code, .. } = call {
                let less = |guesses: NonZeroU32| NonZeroU32::new(guesses.get() - 1);
                code.guesses = code.guesses.map(|guesses| less(guesses).unwrap_or(guesses));
            }
        }),
        mutant(
            "codes::guessed_out_ones_are_consumed",
            LIMIT,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                let Some(key) = key_of(&call) else {
                    return Ok(answer);
                };
                match (&call, answer) {
                    (Call::RecordFailure { now, .. }, Answer::RecordFailure(Some(code))) => {
                        if !code.is_live(*now) {
                            table.notes().beside.insert(key, code.clone());
                        }
                        Ok(Answer::RecordFailure(Some(code)))
                    }
                    (Call::Consume { now, .. }, Answer::Consume(Consumed::Refused)) => {
                        let dead = table.notes().beside.remove(&key);
                        let consumed = dead.map(|code| Consumed::First(consumed_at(code, *now)));
                        Ok(Answer::Consume(consumed.unwrap_or(Consumed::Refused)))
                    }
                    (_, answer) => Ok(answer),
                }
            },
        ),
        mutant(
            "codes::guesses_look_at_the_limit_before",
            "codes::record_failure::race_stops_at_the_limit",
            |table, call| async move {
                let guesses = matches!(call, Call::RecordFailure { .. });
                let Some(key) = key_of(&call).filter(|_| guesses) else {
                    return table.call(call).await;
                };
                let before = table.row(&key).await?;
                others_run().await;
                match (before, table.call(call).await?) {
                    (Some(before), Answer::RecordFailure(None)) if before.consumed_at.is_none() => {
                        Ok(Answer::RecordFailure(Some(Code {
                            failures: before.failures + 1,
                            ..before
                        })))
                    }
                    (_, answer) => Ok(answer),
                }
            },
        )
        .re_enacts("better-auth #9993: a limit that was compared, and then overshot"),
        mutant(
            "codes::consume_looks_at_the_guesses_before",
            "codes::record_failure::races_with_a_consumer",
            |table, call| async move {
                let Call::Consume { now, .. } = &call else {
                    return table.call(call).await;
                };
                let (now, key) = (*now, key_of(&call));
                let before = match &key {
                    Some(key) => table.row(key).await?,
                    None => None,
                };
                others_run().await;
                match (before, table.call(call).await?) {
                    (Some(before), Answer::Consume(Consumed::Refused))
                        if before.consumed_at.is_none() =>
                    {
                        Ok(Answer::Consume(Consumed::First(consumed_at(before, now))))
                    }
                    (_, answer) => Ok(answer),
                }
            },
        ),
    ]
}
