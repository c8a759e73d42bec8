//! Mutants that take one append for another, or store an id twice.

use portproof::mutants::Mutant;
use portproof_ports::{ErrorKind, Event, EventBatch, NewEvent, PortError, Ports};

use super::{Answer, Call, appends, each, mutant, true_name};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [retried(), changed(), halves()]
        .into_iter()
        .flatten()
        .collect()
}

fn retried() -> Vec<Mutant<Ports>> {
    const RETRY: &str = "events::append::retry_answers_what_is_stored";
    vec![
        appends(
            "events::retries_are_refused",
            RETRY,
            |table, append| async move {
                if !append.stored(&table).await?.is_empty() {
                    return Err(PortError::already_exists("event"));
                }
                append.on(&table).await
            },
        ),
        appends(
            "events::retries_expect_the_head",
            RETRY,
            |table, append| async move {
                let head = append.head(&table).await?;
                let appended = append.on(&table).await?;
                if append.expected.holds(head) {
                    return Ok(appended);
                }
                Err(PortError::stale("stream"))
            },
        ),
        appends(
            "events::retries_answer_nothing",
            RETRY,
            |table, append| async move {
                let stored = append.stored(&table).await?;
                let mut appended = append.on(&table).await?;
                appended.retain(|event| !stored.contains(event));
                Ok(appended)
            },
        ),
        appends(
            "events::retries_are_recorded_anew",
            RETRY,
            |table, append| async move {
                let mut appended = append.on(&table).await?;
                for event in &mut appended {
                    event.recorded_at = append.now;
                }
                Ok(appended)
            },
        ),
        mutant(
            "events::ids_are_not_unique",
            RETRY,
            |table, call| async move {
                let mut answer = match call {
                    Call::Append {
                        tenant,
                        stream,
                        expected,
                        events,
                        now,
                    } => {
                        let append = super::Append {
                            tenant,
                            stream,
                            expected,
                            events,
                            now,
                        };
                        let stored = append.stored(&table).await?;
                        let appended = if stored.is_empty() {
                            append.on(&table).await?
                        } else {
                            append.anyway(&table).await?
                        };
                        Answer::Append(appended)
                    }
                    call => table.call(call).await?,
                };
                each(&mut answer, true_name);
                Ok(answer)
            },
        ),
    ]
}

/// The stored events of an append, if there is one for each of its events and `is_same` holds for them.
fn taken_for_a_retry(
    stored: Vec<Event>,
    events: &EventBatch,
    is_same: impl Fn(&Event, &NewEvent) -> bool,
) -> Option<Vec<Event>> {
    let all = stored.len() == events.events().len();
    let mut both = stored.iter().zip(events.events());
    (all && both.all(|(event, new)| is_same(event, new))).then_some(stored)
}

fn changed() -> Vec<Mutant<Ports>> {
    const CHANGES: &str = "events::append::never_changes_an_event";
    vec![
        appends(
            "events::retries_are_known_by_their_ids",
            CHANGES,
            |table, append| async move {
                let stored = append.stored(&table).await?;
                let same = taken_for_a_retry(stored, &append.events, |_, _| true);
                match same {
                    Some(stored) => Ok(stored),
                    None => append.on(&table).await,
                }
            },
        ),
        appends(
            "events::retries_may_say_something_else",
            CHANGES,
            |table, append| async move {
                let stored = append.stored(&table).await?;
                let stream = append.stream.clone();
                let same = taken_for_a_retry(stored, &append.events, |event, new| {
                    let payload = event.payload.clone();
                    let new = NewEvent {
                        payload,
                        ..new.clone()
                    };
                    event.is(&stream, &new)
                });
                match same {
                    Some(stored) => Ok(stored),
                    None => append.on(&table).await,
                }
            },
        ),
        appends(
            "events::retries_may_be_of_another_time",
            CHANGES,
            |table, append| async move {
                let stored = append.stored(&table).await?;
                let stream = append.stream.clone();
                let same = taken_for_a_retry(stored, &append.events, |event, new| {
                    let near = event.occurred_at.as_micros() - new.occurred_at.as_micros();
                    let new = NewEvent {
                        occurred_at: event.occurred_at,
                        ..new.clone()
                    };
                    near.abs() < 1_000 && event.is(&stream, &new)
                });
                match same {
                    Some(stored) => Ok(stored),
                    None => append.on(&table).await,
                }
            },
        ),
        mutant(
            "events::ids_are_the_streams_own",
            CHANGES,
            |table, call| async move {
                let mut answer = match call {
                    Call::Append {
                        tenant,
                        stream,
                        expected,
                        events,
                        now,
                    } => {
                        let append = super::Append {
                            tenant,
                            stream,
                            expected,
                            events,
                            now,
                        };
                        let stored = append.stored(&table).await?;
                        let elsewhere = stored.iter().all(|event| event.stream != append.stream);
                        let appended = if stored.is_empty() || !elsewhere {
                            append.on(&table).await?
                        } else {
                            append.anyway(&table).await?
                        };
                        Answer::Append(appended)
                    }
                    call => table.call(call).await?,
                };
                each(&mut answer, true_name);
                Ok(answer)
            },
        ),
    ]
}

fn halves() -> Vec<Mutant<Ports>> {
    const HALF: &str = "events::append::refuses_half_a_retry";
    vec![
        appends(
            "events::stored_events_of_a_batch_are_skipped",
            HALF,
            |table, append| async move {
                let stored = append.stored(&table).await?;
                let is_new = |new: &&NewEvent| !stored.iter().any(|event| event.id == new.id);
                let new: Vec<_> = append
                    .events
                    .events()
                    .iter()
                    .filter(is_new)
                    .cloned()
                    .collect();
                if new.is_empty() || stored.is_empty() {
                    return append.on(&table).await;
                }
                append.with(&table, new).await
            },
        ),
        appends(
            "events::retries_may_be_in_another_order",
            HALF,
            |table, append| async move {
                let answer = append.on(&table).await;
                let mut stored = append.stored(&table).await?;
                let same = stored.len() == append.events.events().len();
                if same && answer.is_err_and(|e| e.kind() == ErrorKind::AlreadyExists) {
                    stored.sort_by_key(|event| event.position);
                    let mut sorted = append.events.events().to_vec();
                    sorted.sort_by_key(|new| stored.iter().position(|event| event.id == new.id));
                    return append.with(&table, sorted).await;
                }
                append.on(&table).await
            },
        ),
        appends(
            "events::retries_may_be_apart",
            "events::append::refuses_a_broken_run",
            |table, append| async move {
                let stored = append.stored(&table).await?;
                let stream = append.stream.clone();
                let in_order = stored.is_sorted_by_key(|event| event.sequence);
                let same =
                    taken_for_a_retry(stored, &append.events, |event, new| event.is(&stream, new));
                match same {
                    Some(stored) if in_order => Ok(stored),
                    _ => append.on(&table).await,
                }
            },
        ),
        appends(
            "events::retries_are_unbroken_in_the_log",
            "events::append::refuses_a_broken_run",
            |table, append| async move {
                let appended = append.on(&table).await?;
                let mut pairs = appended.windows(2);
                if pairs.all(|pair| pair[0].position.next() == pair[1].position) {
                    return Ok(appended);
                }
                Err(PortError::already_exists("event"))
            },
        ),
    ]
}
