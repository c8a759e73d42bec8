//! Mutants that prune too much, too little, or what must stay.

use portproof::mutants::Mutant;
use portproof_ports::{
    Event, EventFilter, ExpectedHead, PortError, PortResult, Ports, Position, Sequence, Span,
    TenantId, Timestamp, Window,
};

use super::{Answer, Call, Table, appends, asks, each, mutant, tenant_of};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [removed(), limited(), reset()]
        .into_iter()
        .flatten()
        .collect()
}

/// A mutant that removes the events of which `goes` holds, of those that nobody removed before.
fn removes(
    id: &'static str,
    breaks: &'static str,
    goes: fn(&Event, Timestamp, &[Event]) -> bool,
) -> Mutant<Ports> {
    mutant(id, breaks, move |table, call| async move {
        let Call::Prune {
            tenant,
            before,
            at_most,
        } = call
        else {
            return table.visible(call).await;
        };
        let mut rows = table.log(&tenant).await?;
        rows.retain(|event| !table.is_hidden(&tenant, event));
        let gone = rows.iter().filter(|event| goes(event, before, &rows));
        let gone = gone.take(at_most as usize);
        let gone: Vec<_> = gone.map(|event| (tenant.clone(), event.position)).collect();
        let count = gone.len() as u64;
        table.notes().hidden.extend(gone);
        Ok(Answer::Prune(count))
    })
}

fn removed() -> Vec<Mutant<Ports>> {
    const EXACTLY: &str = "events::prune::removes_exactly_what_is_older";
    const INSTANTS: &str = "events::prune::knows_every_instant";
    vec![
        asks(
            "events::prune_takes_what_is_of_the_instant",
            EXACTLY,
            |call| {
                if let Call::Prune { before, .. } = call
                    && *before > Timestamp::MIN
                {
                    *before = before.after(Span::MICROSECOND);
                }
            },
        ),
        removes(
            "events::prune_goes_by_the_record",
            EXACTLY,
            |event, before, _| event.recorded_at < before,
        ),
        removes(
            "events::prune_takes_whole_prefixes",
            EXACTLY,
            |event, before, rows| {
                // Everything up to the last one that is old.
                let last_old = rows.iter().rfind(|row| row.occurred_at < before);
                last_old.is_some_and(|last| event.position <= last.position)
            },
        ),
        removes(
            "events::prune_takes_whole_streams_only",
            EXACTLY,
            |event, before, rows| {
                let mut of_stream = rows.iter().filter(|row| row.stream == event.stream);
                of_stream.all(|row| row.occurred_at < before)
            },
        ),
        removes(
            "events::prune_spares_what_is_about_nobody",
            EXACTLY,
            |event, before, _| event.occurred_at < before && event.subject.is_some(),
        ),
        mutant(
            "events::prune_answers_what_is_left",
            EXACTLY,
            |table, call| async move {
                let tenant = tenant_of(&call);
                let answer = table.call(call).await?;
                match (answer, tenant) {
                    (Answer::Prune(_), Some(tenant)) => {
                        let everything = EventFilter::EVERYTHING;
                        Ok(Answer::Prune(
                            table.store.count(&tenant, &everything).await?,
                        ))
                    }
                    (answer, _) => Ok(answer),
                }
            },
        ),
        mutant(
            "events::pruned_events_are_found_by_id",
            EXACTLY,
            |table, call| async move {
                // The index is not pruned.
                if let Call::Prune { .. } = &call {
                    return prune_hiding(&table, call).await;
                }
                if let Call::Get { .. } | Call::Append { .. } = &call {
                    return table.call(call).await;
                }
                table.visible(call).await
            },
        )
        .re_enacts("spring-session #367: indexes were never pruned"),
        asks("events::prune_knows_32_bits_of_seconds", INSTANTS, |call| {
            let most = Timestamp::from_micros(i64::from(i32::MAX) * 1_000_000);
            if let (Call::Prune { before, .. }, Ok(most)) = (call, most) {
                *before = most.min(*before);
            }
        }),
        asks("events::prune_knows_millis", INSTANTS, |call| {
            if let Call::Prune { before, .. } = call
                && let Ok(millis) = Timestamp::from_micros(before.as_micros() / 1_000 * 1_000)
            {
                *before = millis;
            }
        }),
    ]
}

/// Prunes so that a part of the store still has what is gone.
async fn prune_hiding(table: &Table, call: Call) -> PortResult<Answer> {
    let Call::Prune {
        tenant,
        before,
        at_most,
    } = call
    else {
        return table.call(call).await;
    };
    let mut rows = table.log(&tenant).await?;
    rows.retain(|event| event.occurred_at < before && !table.is_hidden(&tenant, event));
    rows.truncate(at_most as usize);
    let count = rows.len() as u64;
    let gone = rows
        .into_iter()
        .map(|event| (tenant.clone(), event.position));
    table.notes().hidden.extend(gone);
    Ok(Answer::Prune(count))
}

fn limited() -> Vec<Mutant<Ports>> {
    const LIMIT: &str = "events::prune::keeps_to_its_limit";
    vec![
        asks("events::prune_knows_no_limit", LIMIT, |call| {
            if let Call::Prune { at_most, .. } = call
                && *at_most > 0
            {
                *at_most = u32::MAX;
            }
        })
        .re_enacts("AuthHero be34110: 2.5 million rows at once"),
        asks("events::prune_takes_none_for_all", LIMIT, |call| {
            if let Call::Prune { at_most, .. } = call
                && *at_most == 0
            {
                *at_most = u32::MAX;
            }
        }),
        asks(
            "events::prune_has_a_limit_of_its_own",
            "events::prune::has_no_limit_of_its_own",
            |call| {
                if let Call::Prune { at_most, .. } = call {
                    *at_most = (*at_most).min(1000);
                }
            },
        )
        .re_enacts("better-auth #10342: a default limit"),
        mutant(
            "events::prunings_at_once_count_the_same",
            "events::prune::race_counts_each_once",
            |table, call| async move {
                let Call::Prune { tenant, before, .. } = &call else {
                    return table.call(call).await;
                };
                let old = EventFilter {
                    during: Window::new(None, Some(*before))?,
                    ..EventFilter::EVERYTHING
                };
                let selected = table.store.count(tenant, &old).await?;
                super::others_run().await;
                table.call(call).await?;
                Ok(Answer::Prune(selected))
            },
        )
        .re_enacts("better-auth #6572: what a removal answered was not what it removed"),
    ]
}

fn reset() -> Vec<Mutant<Ports>> {
    const HEAD: &str = "events::prune::keeps_the_head";
    const POSITION: &str = "events::prune::keeps_the_position";
    vec![
        mutant(
            "events::heads_are_of_what_is_there",
            HEAD,
            |table, call| async move {
                let Call::Head { tenant, stream } = &call else {
                    return table.call(call).await;
                };
                let rows = table.log(tenant).await?;
                let last = rows.iter().rfind(|event| event.stream == *stream);
                Ok(Answer::Head(last.map(|event| event.sequence)))
            },
        ),
        appends(
            "events::pruned_streams_are_absent",
            HEAD,
            |table, mut append| async move {
                let rows = table.log(&append.tenant).await?;
                let is_empty = rows.iter().all(|event| event.stream != append.stream);
                if is_empty && append.expected == ExpectedHead::Absent {
                    append.expected = ExpectedHead::Anything;
                }
                append.on(&table).await
            },
        ),
        mutant(
            "events::pruned_streams_begin_anew",
            HEAD,
            |table, call| async move {
                if let Call::Append { tenant, stream, .. } = &call {
                    let rows = table.log(tenant).await?;
                    let head = table.store.head(tenant, stream).await?;
                    if let Some(head) = head
                        && rows.iter().all(|event| event.stream != *stream)
                    {
                        let last = rows.last().map(|event| event.position);
                        let anew = (last.unwrap_or(Position::START), head.get());
                        let key = (tenant.clone(), stream.clone());
                        table.notes().anew.insert(key, anew);
                    }
                }
                let tenant = tenant_of(&call);
                let mut answer = table.call(call).await?;
                each(&mut answer, |event| {
                    begun_anew(&table, tenant.as_ref(), event);
                });
                Ok(answer)
            },
        ),
        mutant(
            "events::positions_begin_anew",
            POSITION,
            |table, call| async move {
                let tenant = tenant_of(&call);
                let was_empty = match (&call, &tenant) {
                    (Call::Append { .. }, Some(tenant)) => table.log(tenant).await?.is_empty(),
                    _ => false,
                };
                let mut answer = table.call(call).await?;
                if let (Answer::Append(events), Some(tenant)) = (&answer, &tenant)
                    && let (true, Some(first)) = (was_empty, events.first())
                {
                    let key = (tenant.clone(), Position::START);
                    table.notes().shifts.insert(key, 1 - first.position.get());
                }
                each(&mut answer, |event| {
                    let notes = table.notes();
                    let shift = tenant
                        .as_ref()
                        .and_then(|tenant| notes.shifts.get(&(tenant.clone(), Position::START)));
                    let shifted = event.position.get() + shift.unwrap_or(&0);
                    if let Ok(position) = Position::new(shifted) {
                        event.position = position;
                    }
                });
                Ok(answer)
            },
        ),
        mutant(
            "events::pruned_ids_stay_taken",
            "events::prune::forgets_the_ids",
            |table, call| async move {
                if let Call::Append { tenant, events, .. } = &call {
                    for new in events.events() {
                        let key = (tenant.clone(), new.id.clone());
                        let was_there = !table.notes().ids.insert(key);
                        if was_there && table.store.get(tenant, &new.id).await?.is_none() {
                            return Err(PortError::already_exists("event"));
                        }
                    }
                }
                table.call(call).await
            },
        )
        .re_enacts("spring-session #367: indexes were never pruned"),
    ]
}

/// Gives an event of a stream that began anew the sequence that it has since.
fn begun_anew(table: &Table, tenant: Option<&TenantId>, event: &mut Event) {
    let Some(tenant) = tenant else {
        return;
    };
    let notes = table.notes();
    let anew = notes.anew.get(&(tenant.clone(), event.stream.clone()));
    if let Some((after, before)) = anew
        && event.position > *after
        && let Ok(sequence) = Sequence::new(event.sequence.get() - before)
    {
        event.sequence = sequence;
    }
}
