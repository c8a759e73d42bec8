//! Mutants that number events wrongly, or follow another head than the expected one.

use portproof::mutants::Mutant;
use portproof_ports::{ErrorKind, EventBatch, ExpectedHead, PortError, Ports, Position, Sequence};

use super::{Answer, Call, appends, asks, each, mutant, shows};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [numbered(), batches(), expected(), heads()]
        .into_iter()
        .flatten()
        .collect()
}

fn numbered() -> Vec<Mutant<Ports>> {
    const GAPS: &str = "events::append::numbers_without_gaps";
    vec![
        shows("events::sequences_are_the_tenants", GAPS, |_, event| {
            if let Ok(sequence) = Sequence::new(event.position.get()) {
                event.sequence = sequence;
            }
        }),
        shows("events::positions_are_the_streams", GAPS, |_, event| {
            if let Ok(position) = Position::new(event.sequence.get()) {
                event.position = position;
            }
        }),
        shows("events::positions_have_gaps", GAPS, |_, event| {
            if let Ok(position) = Position::new(event.position.get() * 2) {
                event.position = position;
            }
        }),
        mutant(
            "events::refused_appends_use_up_positions",
            "events::append::failures_leave_no_gap",
            |table, call| async move {
                let answer = table.call(call.clone()).await;
                let Some(tenant) = super::tenant_of(&call) else {
                    return answer;
                };
                if let (Call::Append { events, .. }, Err(_)) = (&call, &answer) {
                    let last = table.log(&tenant).await?.last().map(|event| event.position);
                    let last = last.unwrap_or(Position::START);
                    let lost = i64::try_from(events.events().len()).unwrap_or(1);
                    *table.notes().shifts.entry((tenant, last)).or_default() += lost;
                    return answer;
                }
                let mut answer = answer?;
                each(&mut answer, |event| {
                    let notes = table.notes();
                    let shifts = notes.shifts.iter();
                    let before =
                        shifts.filter(|((of, place), _)| *of == tenant && *place < event.position);
                    let lost: i64 = before.map(|(_, lost)| lost).sum();
                    if let Ok(shifted) = Position::new(event.position.get() + lost) {
                        event.position = shifted;
                    }
                });
                Ok(answer)
            },
        )
        .re_enacts("spire #5842: numbers of undone transactions were gaps"),
    ]
}

fn batches() -> Vec<Mutant<Ports>> {
    const ORDER: &str = "events::append::keeps_the_order_of_a_batch";
    const WHOLE: &str = "events::append::batch_is_all_or_nothing";
    vec![
        asks("events::batches_are_sorted_by_id", ORDER, |call| {
            if let Call::Append { events, .. } = call {
                let mut sorted = events.events().to_vec();
                sorted.sort_by(|one, two| one.id.cmp(&two.id));
                if let Ok(sorted) = EventBatch::new(sorted) {
                    *events = sorted;
                }
            }
        }),
        asks("events::batches_are_sorted_by_time", ORDER, |call| {
            if let Call::Append { events, .. } = call {
                let mut sorted = events.events().to_vec();
                sorted.sort_by_key(|event| event.occurred_at);
                if let Ok(sorted) = EventBatch::new(sorted) {
                    *events = sorted;
                }
            }
        }),
        appends(
            "events::batches_are_stored_one_by_one",
            WHOLE,
            |table, mut append| async move {
                let mut appended = Vec::new();
                for new in append.events.clone().events() {
                    append.events = EventBatch::of(new.clone());
                    appended.extend(append.on(&table).await?);
                    append.expected = ExpectedHead::Anything;
                }
                Ok(appended)
            },
        ),
        appends(
            "events::the_head_is_looked_at_after_the_first",
            WHOLE,
            |table, append| async move {
                let answer = append.on(&table).await;
                if answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Stale) {
                    let first = append.events.events()[0].clone();
                    append.with(&table, vec![first]).await?;
                }
                answer
            },
        ),
    ]
}

fn expected() -> Vec<Mutant<Ports>> {
    const REFUSES: &str = "events::append::refuses_another_head";
    const FOLLOWS: &str = "events::append::follows_the_expected_head";
    vec![
        asks("events::expectations_are_ignored", REFUSES, |call| {
            if let Call::Append { expected, .. } = call {
                *expected = ExpectedHead::Anything;
            }
        }),
        asks("events::absence_is_not_checked", REFUSES, |call| {
            if let Call::Append { expected, .. } = call
                && *expected == ExpectedHead::Absent
            {
                *expected = ExpectedHead::Anything;
            }
        }),
        appends(
            "events::a_later_head_will_do",
            REFUSES,
            |table, mut append| async move {
                if let ExpectedHead::At(sequence) = append.expected
                    && append.head(&table).await? > Some(sequence)
                {
                    append.expected = ExpectedHead::Anything;
                }
                append.on(&table).await
            },
        ),
        appends(
            "events::a_missing_stream_has_every_head",
            REFUSES,
            |table, mut append| async move {
                if append.head(&table).await?.is_none() {
                    append.expected = ExpectedHead::Anything;
                }
                append.on(&table).await
            },
        ),
        appends(
            "events::the_expected_head_is_a_position",
            REFUSES,
            |table, mut append| async move {
                let mut rows = table.log(&append.tenant).await?;
                rows.retain(|event| event.stream == append.stream);
                if let (ExpectedHead::At(sequence), Some(last)) = (append.expected, rows.last())
                    && sequence.get() == last.position.get()
                {
                    append.expected = ExpectedHead::Anything;
                }
                append.on(&table).await
            },
        ),
        appends(
            "events::streams_must_be_there",
            FOLLOWS,
            |table, append| async move {
                if append.expected == ExpectedHead::Anything && append.head(&table).await?.is_none()
                {
                    return Err(PortError::stale("stream"));
                }
                append.on(&table).await
            },
        ),
        appends(
            "events::the_expected_head_is_the_next",
            FOLLOWS,
            |table, mut append| async move {
                if let ExpectedHead::At(sequence) = append.expected
                    && sequence > Sequence::FIRST
                {
                    let before = Sequence::new(sequence.get() - 1)?;
                    append.expected = ExpectedHead::At(before);
                }
                append.on(&table).await
            },
        ),
        appends(
            "events::stale_is_told_before_the_id",
            "events::errors::name_what_was_wrong",
            |table, append| async move {
                let head = append.head(&table).await?;
                match append.on(&table).await {
                    Err(PortError::AlreadyExists(_)) if !append.expected.holds(head) => {
                        Err(PortError::stale("stream"))
                    }
                    answer => answer,
                }
            },
        ),
    ]
}

fn heads() -> Vec<Mutant<Ports>> {
    const HEAD: &str = "events::head::is_the_last_sequence";
    vec![
        mutant(
            "events::heads_are_positions",
            HEAD,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (Call::Head { tenant, stream }, Answer::Head(Some(_))) = (&call, &answer) {
                    let rows = table.log(tenant).await?;
                    let last = rows.iter().rfind(|event| event.stream == *stream);
                    let number = last.map_or(1, |event| event.position.get());
                    return Ok(Answer::Head(Some(Sequence::new(number)?)));
                }
                Ok(answer)
            },
        ),
        mutant(
            "events::heads_are_those_of_the_last_append",
            HEAD,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (Call::Head { tenant, stream }, Answer::Head(Some(_))) = (&call, &answer) {
                    // The first one that was stored at the time of the last.
                    let mut rows = table.log(tenant).await?;
                    rows.retain(|event| event.stream == *stream);
                    let recorded_at = rows.last().map(|event| event.recorded_at);
                    let mut of_last = rows.iter();
                    let first = of_last.find(|event| Some(event.recorded_at) == recorded_at);
                    return Ok(Answer::Head(first.map(|event| event.sequence)));
                }
                Ok(answer)
            },
        ),
    ]
}
