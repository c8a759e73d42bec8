//! Mutants that store or find events wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    Document, Event, EventBatch, EventId, PortError, Ports, Sequence, StreamId, Timestamp,
};
use serde_json::Value;

use super::{Answer, Call, asks, mutant, shows, stores, tells};
use crate::edits::{careless, every};

/// The last instant of 32 bits of seconds.
fn of_32_bits() -> Timestamp {
    Timestamp::from_micros(i64::from(i32::MAX) * 1_000_000).unwrap_or(Timestamp::MAX)
}

fn folded(stream: &mut StreamId) {
    if let Ok(lower) = StreamId::new(stream.as_str().to_lowercase()) {
        *stream = lower;
    }
}

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [whole(), kept(), found()].into_iter().flatten().collect()
}

fn whole() -> Vec<Mutant<Ports>> {
    const WHOLE: &str = "events::append::stores_it_whole";
    vec![
        shows("events::recorded_when_it_happened", WHOLE, |_, event| {
            event.recorded_at = event.occurred_at;
        }),
        asks("events::happened_when_it_was_told", WHOLE, |call| {
            if let Call::Append { events, now, .. } = call {
                let mut changed = events.events().to_vec();
                for event in &mut changed {
                    event.occurred_at = *now;
                }
                if let Ok(changed) = EventBatch::new(changed) {
                    *events = changed;
                }
            }
        }),
        stores("events::subjects_are_lost", WHOLE, |event| {
            event.subject = None;
        })
        .re_enacts("AuthHero 5dddd72: create dropped fields"),
        shows("events::streams_lack_payloads", WHOLE, |call, event| {
            if matches!(call, Call::Read { .. }) {
                event.payload = Document::empty();
            }
        }),
        shows("events::queries_lack_subjects", WHOLE, |call, event| {
            if matches!(call, Call::Query { .. }) {
                event.subject = None;
            }
        }),
        tells(
            "events::append_answers_the_last_only",
            WHOLE,
            |_, answer| {
                answer.map(|answer| match answer {
                    Answer::Append(mut events) => {
                        events.clear();
                        Answer::Append(events)
                    }
                    answer => answer,
                })
            },
        ),
    ]
}

fn kept() -> Vec<Mutant<Ports>> {
    const APART: &str = "events::append::keeps_ids_apart";
    const INSTANTS: &str = "events::append::keeps_instants";
    const NOTHING: &str = "events::append::needs_nothing_stored";
    vec![
        stores("events::ids_are_trimmed", APART, |event| {
            if let Ok(trimmed) = EventId::new(event.id.as_str().trim()) {
                event.id = trimmed;
            }
        }),
        asks("events::streams_are_folded", APART, |call| match call {
            Call::Append { stream, .. } | Call::Head { stream, .. } | Call::Read { stream, .. } => {
                folded(stream);
            }
            _ => {}
        })
        .re_enacts("CVE-2026-55170: a collation compared ids without regard to case"),
        stores(
            "events::payloads_go_through_doubles",
            "events::append::keeps_payloads_exactly",
            |event| {
                let mut value = event.payload.value().clone();
                careless(&mut value);
                event.payload = Document::new(value).unwrap_or_else(|_| Document::empty());
            },
        ),
        stores(
            "events::payloads_are_cut_off",
            "events::append::keeps_large_payloads",
            |event| {
                let mut value = event.payload.value().clone();
                every(&mut value, "text", &|text| {
                    if let Value::String(text) = text {
                        *text = text.chars().take(65_535).collect();
                    }
                });
                event.payload = Document::new(value).unwrap_or_else(|_| Document::empty());
            },
        )
        .re_enacts("next-auth #9098: a column was too short"),
        stores("events::instants_are_kept_in_millis", INSTANTS, |event| {
            let millis = event.occurred_at.as_micros() / 1_000;
            if let Ok(rounded) = Timestamp::from_micros(millis * 1_000) {
                event.occurred_at = rounded;
            }
        }),
        asks("events::recorded_in_32_bits_of_seconds", INSTANTS, |call| {
            if let Call::Append { now, .. } = call {
                *now = of_32_bits().min(*now);
            }
        }),
        tells(
            "events::subject_is_a_foreign_key",
            NOTHING,
            |call, answer| match call {
                Call::Append { events, .. }
                    if events.events().iter().any(|event| {
                        let subject = event.subject.as_ref();
                        subject.is_some_and(|subject| subject.as_str().len() > 20)
                    }) =>
                {
                    Err(PortError::not_found("identity"))
                }
                _ => answer,
            },
        )
        .re_enacts("AuthHero 3b77bf0: a row that another table lacked made every insert fail"),
        tells(
            "events::kinds_are_an_enum",
            NOTHING,
            |call, answer| match call {
                Call::Append { events, .. }
                    if events
                        .events()
                        .iter()
                        .any(|event| event.kind.as_str().contains('/')) =>
                {
                    Err(PortError::refused("kind", "is unknown"))
                }
                _ => answer,
            },
        ),
    ]
}

fn found() -> Vec<Mutant<Ports>> {
    const MISSING: &str = "events::get::missing_is_none";
    vec![
        mutant(
            "events::found_without_regard_to_case",
            MISSING,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (Call::Get { tenant, id }, Answer::Get(None)) = (&call, &answer) {
                    let rows = table.log(tenant).await?;
                    let like = |event: &Event| event.id.as_str().eq_ignore_ascii_case(id.as_str());
                    return Ok(Answer::Get(rows.into_iter().find(like)));
                }
                Ok(answer)
            },
        ),
        tells(
            "events::no_rows_is_an_error",
            MISSING,
            |_, answer| match answer {
                Ok(Answer::Get(None)) => Err(PortError::Backend("no rows in result set".into())),
                answer => answer,
            },
        )
        .re_enacts("openfga #3014: a driver's no-rows error was not mapped"),
        asks("events::heads_are_padded", MISSING, |call| {
            if let Call::Head { stream, .. } = call
                && let Ok(trimmed) = StreamId::new(stream.as_str().trim_end())
            {
                *stream = trimmed;
            }
        }),
        tells(
            "events::missing_heads_are_the_first",
            MISSING,
            |_, answer| {
                answer.map(|answer| match answer {
                    Answer::Head(None) => Answer::Head(Some(Sequence::FIRST)),
                    answer => answer,
                })
            },
        ),
    ]
}
