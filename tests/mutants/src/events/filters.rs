//! Mutants that mean other events than they are asked for.

use portproof::mutants::Mutant;
use portproof_ports::{
    Event, EventFilter, EventKinds, EventSubjects, Page, PortResult, Ports, Span, Timestamp, Window,
};

use super::{Answer, Call, asks, mutant, page_by_number};
use crate::edits::is_like;

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [kinds(), subjects(), times(), together(), counts()]
        .into_iter()
        .flatten()
        .collect()
}

/// A mutant whose queries and counts mean what `holds` says.
fn means(
    id: &'static str,
    breaks: &'static str,
    holds: fn(&EventFilter, &Event) -> bool,
) -> Mutant<Ports> {
    mutant(id, breaks, move |table, call| async move {
        let (Call::Query { tenant, filter, .. } | Call::Count { tenant, filter }) = &call else {
            return table.call(call).await;
        };
        let mut rows = table.log(tenant).await?;
        rows.retain(|event| holds(filter, event));
        match &call {
            Call::Query { page, .. } => {
                let page: PortResult<Page<Event>> =
                    page_by_number(rows, page, |_, event| event.position.get());
                Ok(Answer::Query(page?))
            }
            _ => Ok(Answer::Count(rows.len() as u64)),
        }
    })
}

/// A mutant that asks for what another filter means.
fn filters(id: &'static str, breaks: &'static str, change: fn(&mut EventFilter)) -> Mutant<Ports> {
    mutant(id, breaks, move |table, mut call| async move {
        if let Call::Query { filter, .. } | Call::Count { filter, .. } = &mut call {
            change(filter);
        }
        table.call(call).await
    })
}

/// The same filter, of every kind.
fn of_every_kind(filter: &EventFilter) -> EventFilter {
    EventFilter {
        kinds: EventKinds::Every,
        ..filter.clone()
    }
}

/// The same filter, about everybody.
fn about_everybody(filter: &EventFilter) -> EventFilter {
    EventFilter {
        subjects: EventSubjects::Every,
        ..filter.clone()
    }
}

fn kind_matches(filter: &EventFilter, event: &Event, like: fn(&str, &str) -> bool) -> bool {
    let of_kind = match &filter.kinds {
        EventKinds::Every => true,
        EventKinds::Only(kind) => like(kind.as_str(), event.kind.as_str()),
    };
    of_kind && of_every_kind(filter).holds(event)
}

fn subject_matches(filter: &EventFilter, event: &Event, like: fn(&str, &str) -> bool) -> bool {
    let about = match (&filter.subjects, &event.subject) {
        (EventSubjects::Only(subject), Some(about)) => like(subject.as_str(), about.as_str()),
        (EventSubjects::Only(_), None) => false,
        _ => return filter.holds(event),
    };
    about && about_everybody(filter).holds(event)
}

fn kinds() -> Vec<Mutant<Ports>> {
    const KIND: &str = "events::query::by_kind";
    const BYTES: &str = "events::query::compares_as_bytes";
    vec![
        filters("events::kinds_are_not_asked_for", KIND, |filter| {
            filter.kinds = EventKinds::Every;
        }),
        means("events::kinds_begin_alike", KIND, |filter, event| {
            kind_matches(filter, event, |kind, of| of.starts_with(kind))
        }),
        means("events::kinds_are_folded", KIND, |filter, event| {
            kind_matches(filter, event, str::eq_ignore_ascii_case)
        })
        .re_enacts("CVE-2026-55170: a collation compared ids without regard to case"),
        means("events::kinds_are_padded", KIND, |filter, event| {
            kind_matches(filter, event, |kind, of| kind.trim_end() == of.trim_end())
        }),
        means("events::kinds_are_patterns", BYTES, |filter, event| {
            kind_matches(filter, event, is_like)
        }),
    ]
}

fn subjects() -> Vec<Mutant<Ports>> {
    const SUBJECT: &str = "events::query::by_subject";
    const BYTES: &str = "events::query::compares_as_bytes";
    vec![
        filters("events::subjects_are_not_asked_for", SUBJECT, |filter| {
            filter.subjects = EventSubjects::Every;
        }),
        filters("events::nobody_is_everybody", SUBJECT, |filter| {
            if filter.subjects == EventSubjects::Nobody {
                filter.subjects = EventSubjects::Every;
            }
        }),
        means("events::everybody_is_somebody", SUBJECT, |filter, event| {
            let somebody = event.subject.is_some() || filter.subjects != EventSubjects::Every;
            somebody && filter.holds(event)
        }),
        means("events::nobody_is_about_all", SUBJECT, |filter, event| {
            let about_nobody = event.subject.is_none() && about_everybody(filter).holds(event);
            filter.holds(event) || about_nobody
        }),
        means("events::subjects_are_padded", SUBJECT, |filter, event| {
            subject_matches(filter, event, |one, two| one.trim_end() == two.trim_end())
        }),
        means("events::subjects_are_patterns", BYTES, |filter, event| {
            subject_matches(filter, event, is_like)
        }),
        means("events::subjects_are_folded", BYTES, |filter, event| {
            subject_matches(filter, event, |one, two| {
                one.to_lowercase() == two.to_lowercase()
            })
        })
        .re_enacts("CVE-2026-55170: a collation compared ids without regard to case"),
    ]
}

fn times() -> Vec<Mutant<Ports>> {
    const TIME: &str = "events::query::by_time";
    vec![
        filters("events::times_are_not_asked_for", TIME, |filter| {
            filter.during = Window::ALWAYS;
        }),
        filters("events::beginnings_are_not_asked_for", TIME, |filter| {
            let until = filter.during.until();
            filter.during = Window::new(None, until).unwrap_or(Window::ALWAYS);
        }),
        filters("events::ends_are_not_asked_for", TIME, |filter| {
            let from = filter.during.from();
            filter.during = Window::new(from, None).unwrap_or(Window::ALWAYS);
        }),
        filters("events::ends_belong_to_the_time", TIME, |filter| {
            let until = filter.during.until();
            let until = until.map(|until| until.after(Span::MICROSECOND));
            if let Ok(during) = Window::new(filter.during.from(), until) {
                filter.during = during;
            }
        }),
        means("events::beginnings_do_not_belong", TIME, |filter, event| {
            filter.holds(event) && filter.during.from() != Some(event.occurred_at)
        }),
        means(
            "events::times_are_when_it_was_told",
            TIME,
            |filter, event| {
                let told = Event {
                    occurred_at: event.recorded_at,
                    ..event.clone()
                };
                filter.holds(&told)
            },
        ),
        means(
            "events::times_are_compared_in_seconds",
            TIME,
            |filter, event| {
                let second = |time: Timestamp| time.as_micros() / 1_000_000;
                let at = second(event.occurred_at);
                let during = &filter.during;
                let anytime = EventFilter {
                    during: Window::ALWAYS,
                    ..filter.clone()
                };
                anytime.holds(event)
                    && during.from().is_none_or(|from| second(from) <= at)
                    && during.until().is_none_or(|until| at < second(until))
            },
        ),
        filters(
            "events::times_are_32_bits_of_seconds",
            "events::query::knows_every_instant",
            |filter| {
                let most = Timestamp::from_micros(i64::from(i32::MAX) * 1_000_000);
                let most = most.unwrap_or(Timestamp::MAX);
                let [from, until] = [filter.during.from(), filter.during.until()]
                    .map(|bound| bound.map(|bound| bound.min(most)));
                if let Ok(during) = Window::new(from, until) {
                    filter.during = during;
                }
            },
        ),
        filters(
            "events::times_are_an_hour_off_in_summer",
            "events::query::knows_every_instant",
            |filter| {
                // Between the last Sundays of March and of October 2026, in London.
                let shifted = |bound: Timestamp| {
                    let summer = 1_774_746_000_000_000..1_792_890_000_000_000_i64;
                    if summer.contains(&bound.as_micros()) {
                        return bound.before(Span::minutes(60));
                    }
                    bound
                };
                let (from, until) = (filter.during.from(), filter.during.until());
                if let Ok(during) = Window::new(from.map(shifted), until.map(shifted)) {
                    filter.during = during;
                }
            },
        )
        .re_enacts("khora #1141, greyproxy #4: a bound without a zone was read in the server's"),
    ]
}

fn together() -> Vec<Mutant<Ports>> {
    const TOGETHER: &str = "events::query::by_everything_at_once";
    vec![
        means(
            "events::one_criterion_will_do",
            TOGETHER,
            |filter, event| {
                let kinds = about_everybody(filter).holds(event);
                let subjects = of_every_kind(filter).holds(event);
                match (&filter.kinds, &filter.subjects) {
                    (EventKinds::Every, _) => subjects,
                    (_, EventSubjects::Every) => kinds,
                    _ => kinds || subjects,
                }
            },
        ),
        filters("events::a_subject_is_asked_for_alone", TOGETHER, |filter| {
            if matches!(filter.subjects, EventSubjects::Only(_)) {
                filter.during = Window::ALWAYS;
            }
        }),
        filters(
            "events::a_kind_is_not_asked_for_nobody",
            TOGETHER,
            |filter| {
                if filter.subjects == EventSubjects::Nobody && filter.during != Window::ALWAYS {
                    filter.kinds = EventKinds::Every;
                }
            },
        ),
    ]
}

fn counts() -> Vec<Mutant<Ports>> {
    const COUNT: &str = "events::count::equals_the_walk";
    vec![
        asks("events::counts_are_of_all_times", COUNT, |call| {
            if let Call::Count { filter, .. } = call {
                filter.during = Window::ALWAYS;
            }
        }),
        asks("events::counts_are_of_everything", COUNT, |call| {
            if let Call::Count { filter, .. } = call {
                *filter = EventFilter::EVERYTHING;
            }
        }),
        asks("events::counts_are_about_somebody_or_all", COUNT, |call| {
            if let Call::Count { filter, .. } = call
                && filter.subjects == EventSubjects::Nobody
            {
                filter.subjects = EventSubjects::Every;
            }
        }),
        asks("events::counts_know_no_kind", COUNT, |call| {
            if let Call::Count { filter, .. } = call {
                filter.kinds = EventKinds::Every;
            }
        }),
    ]
}
