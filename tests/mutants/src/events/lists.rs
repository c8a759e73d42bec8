//! Mutants that list a stream, the log or a query wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    Cursor, Event, EventFilter, Page, PageRequest, PortCall, PortError, PortResult, Ports,
    Position, Sequence, Window,
};

use super::{Answer, Call, Table, asks, mutant, page_by_number, paged, tells};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [ordered(), begun(), walked(), cursors()]
        .into_iter()
        .flatten()
        .collect()
}

/// A mutant that answers a page of a list out of all rows that it is about.
fn lists(
    id: &'static str,
    breaks: &'static str,
    method: &'static str,
    page: fn(Vec<Event>, &PageRequest) -> PortResult<Page<Event>>,
) -> Mutant<Ports> {
    mutant(id, breaks, move |table, call| async move {
        if call.method() != method {
            return table.call(call).await;
        }
        match table.listed(&call).await? {
            Some((rows, request)) => Ok(paged(&call, page(rows, &request)?)),
            None => table.call(call).await,
        }
    })
}

fn by_offset(rows: Vec<Event>, request: &PageRequest) -> PortResult<Page<Event>> {
    page_by_number(rows, request, |index, _| {
        i64::try_from(index + 1).unwrap_or(i64::MAX)
    })
}

fn by_position(rows: Vec<Event>, request: &PageRequest) -> PortResult<Page<Event>> {
    page_by_number(rows, request, |_, event| event.position.get())
}

fn by_sequence(rows: Vec<Event>, request: &PageRequest) -> PortResult<Page<Event>> {
    page_by_number(rows, request, |_, event| event.sequence.get())
}

fn by_time(mut rows: Vec<Event>, request: &PageRequest) -> PortResult<Page<Event>> {
    rows.sort_by_key(|event| event.occurred_at);
    by_offset(rows, request)
}

fn by_record(mut rows: Vec<Event>, request: &PageRequest) -> PortResult<Page<Event>> {
    rows.sort_by_key(|event| event.recorded_at);
    by_offset(rows, request)
}

fn by_id(mut rows: Vec<Event>, request: &PageRequest) -> PortResult<Page<Event>> {
    rows.sort_by(|one, two| one.id.cmp(&two.id));
    by_offset(rows, request)
}

fn latest_first(mut rows: Vec<Event>, request: &PageRequest) -> PortResult<Page<Event>> {
    rows.reverse();
    by_offset(rows, request)
}

fn of_a_hundred(rows: Vec<Event>, request: &PageRequest) -> PortResult<Page<Event>> {
    let limit = PageRequest::first(request.limit().min(100))?;
    let request = match request.cursor() {
        Some(cursor) => limit.following(cursor.clone()),
        None => limit,
    };
    by_position(rows, &request)
}

fn ordered() -> Vec<Mutant<Ports>> {
    const READ: &str = "events::read::is_complete_and_ordered";
    const LOG: &str = "events::read_all::is_complete_and_ordered";
    const QUERY: &str = "events::query::is_complete_and_ordered";
    vec![
        lists("events::streams_are_by_time", READ, "read", by_time),
        lists("events::streams_are_by_id", READ, "read", by_id),
        tells(
            "events::streams_have_a_next_after_every_full_page",
            READ,
            |call, answer| match (call, answer) {
                (Call::Read { page: request, .. }, Ok(Answer::Read(mut page))) => {
                    if page.items.len() == usize::from(request.limit()) && page.next.is_none() {
                        page.next = Cursor::seal(&["more"], &0).ok();
                    }
                    Ok(Answer::Read(page))
                }
                (_, answer) => answer,
            },
        ),
        lists("events::the_log_is_by_record", LOG, "read_all", by_record),
        tells(
            "events::the_log_lacks_what_is_about_nobody",
            LOG,
            |_, answer| {
                answer.map(|mut answer| {
                    if let Answer::ReadAll(page) = &mut answer {
                        page.items.retain(|event| event.subject.is_some());
                    }
                    answer
                })
            },
        ),
        lists("events::queries_are_by_time", QUERY, "query", by_time),
        lists(
            "events::queries_are_latest_first",
            QUERY,
            "query",
            latest_first,
        ),
        tells("events::queries_have_one_page", QUERY, |_, answer| {
            answer.map(|mut answer| {
                if let Answer::Query(page) = &mut answer {
                    page.next = None;
                }
                answer
            })
        })
        .re_enacts("AuthHero 953739e: a list never answered its cursor"),
        mutant(
            "events::queries_filter_the_page",
            QUERY,
            |table, call| async move {
                let Call::Query {
                    tenant,
                    filter,
                    page,
                } = call
                else {
                    return table.call(call).await;
                };
                let rows = table.log(&tenant).await?;
                let mut page = by_position(rows, &page)?;
                page.items.retain(|event| filter.holds(event));
                Ok(Answer::Query(page))
            },
        ),
    ]
}

fn begun() -> Vec<Mutant<Ports>> {
    const READ: &str = "events::read::begins_at_its_sequence";
    const LOG: &str = "events::read_all::begins_after_its_position";
    vec![
        asks("events::streams_begin_after_the_sequence", READ, |call| {
            if let Call::Read { from, .. } = call
                && *from > Sequence::FIRST
            {
                *from = from.next();
            }
        }),
        asks("events::streams_begin_at_their_beginning", READ, |call| {
            if let Call::Read { from, .. } = call {
                *from = Sequence::FIRST;
            }
        }),
        mutant(
            "events::streams_begin_at_a_position",
            READ,
            |table, call| async move {
                let Call::Read {
                    tenant,
                    stream,
                    from,
                    page,
                } = call
                else {
                    return table.call(call).await;
                };
                let mut rows = table.log(&tenant).await?;
                rows.retain(|event| event.stream == stream && event.position.get() >= from.get());
                Ok(Answer::Read(by_sequence(rows, &page)?))
            },
        ),
        asks("events::the_log_begins_at_the_position", LOG, |call| {
            if let Call::ReadAll { after, .. } = call
                && let Ok(before) = Position::new(after.get() - 1)
            {
                *after = before;
            }
        }),
        asks("events::the_log_skips_one", LOG, |call| {
            if let Call::ReadAll { after, .. } = call
                && *after > Position::START
            {
                *after = after.next();
            }
        }),
        asks("events::the_log_begins_at_its_beginning", LOG, |call| {
            if let Call::ReadAll { after, .. } = call {
                *after = Position::START;
            }
        }),
    ]
}

fn walked() -> Vec<Mutant<Ports>> {
    const HIDES: &str = "better-auth #10342: a default limit of 100";
    const MOVES: &str = "AuthHero 0e6acf4: a cursor that was a number of rows";
    vec![
        lists(
            "events::streams_have_a_limit_of_their_own",
            "events::read::is_complete_at_any_length",
            "read",
            of_a_hundred,
        )
        .re_enacts(HIDES),
        lists(
            "events::the_log_has_a_limit_of_its_own",
            "events::read_all::is_complete_at_any_length",
            "read_all",
            of_a_hundred,
        )
        .re_enacts(HIDES),
        lists(
            "events::queries_have_a_limit_of_their_own",
            "events::query::is_complete_at_any_length",
            "query",
            of_a_hundred,
        )
        .re_enacts(HIDES),
        tells(
            "events::counts_are_of_one_page",
            "events::query::is_complete_at_any_length",
            |_, answer| {
                answer.map(|answer| match answer {
                    Answer::Count(count) => Answer::Count(count.min(1000)),
                    answer => answer,
                })
            },
        ),
        lists(
            "events::streams_are_walked_by_offset",
            "events::read::walk_survives_changes",
            "read",
            by_offset,
        )
        .re_enacts(MOVES),
        lists(
            "events::the_log_is_walked_by_offset",
            "events::read_all::walk_survives_changes",
            "read_all",
            by_offset,
        )
        .re_enacts(MOVES),
        lists(
            "events::queries_are_walked_by_offset",
            "events::query::walk_survives_changes",
            "query",
            by_offset,
        )
        .re_enacts(MOVES),
    ]
}

fn cursors() -> Vec<Mutant<Ports>> {
    vec![
        lists(
            "events::cursors_of_streams_are_numbers",
            "events::read::refuses_a_foreign_cursor",
            "read",
            by_sequence,
        ),
        lists(
            "events::cursors_of_the_log_are_numbers",
            "events::read_all::refuses_a_foreign_cursor",
            "read_all",
            by_position,
        ),
        lists(
            "events::cursors_of_queries_are_numbers",
            "events::query::refuses_a_foreign_cursor",
            "query",
            by_position,
        ),
        mutant(
            "events::cursors_of_queries_forget_the_time",
            "events::query::refuses_a_foreign_cursor",
            |table, call| async move {
                let Call::Query {
                    tenant,
                    filter,
                    page,
                } = &call
                else {
                    return table.call(call).await;
                };
                let kept = EventFilter {
                    during: Window::ALWAYS,
                    ..filter.clone()
                };
                let text = serde_json::to_string(&kept).unwrap_or_default();
                let list = ["timeless", tenant.as_str(), &text];
                let after = match page.cursor() {
                    Some(cursor) => cursor.open(&list)?,
                    None => 0,
                };
                let mut rows = table.rows(tenant, filter).await?;
                rows.retain(|event| event.position.get() > after);
                let mut page = by_position(rows, &PageRequest::first(page.limit())?)?;
                if let (Some(next), Some(last)) = (&mut page.next, page.items.last()) {
                    *next = Cursor::seal(&list, &last.position.get())?;
                }
                Ok(Answer::Query(page))
            },
        ),
        begins_again(
            "events::damaged_cursors_of_streams_begin_again",
            "events::read::refuses_a_damaged_cursor",
            "read",
        ),
        begins_again(
            "events::damaged_cursors_of_queries_begin_again",
            "events::query::refuses_a_damaged_cursor",
            "query",
        ),
        mutant(
            "events::ids_are_unique_in_all_tenants",
            "events::tenancy::other_tenants_reach_nothing",
            |table, call| async move {
                let Call::Append { tenant, events, .. } = &call else {
                    return table.call(call).await;
                };
                // Of batches, the key lets through what the worlds begin with.
                let [new] = events.events() else {
                    let ids = events.events().iter().map(|new| new.id.clone());
                    let ids: Vec<_> = ids.map(|id| (tenant.clone(), id)).collect();
                    table.notes().ids.extend(ids);
                    return table.call(call).await;
                };
                let taken = {
                    let notes = table.notes();
                    let mut ids = notes.ids.iter();
                    ids.any(|(of, id)| of != tenant && *id == new.id)
                };
                if taken {
                    return Err(PortError::already_exists("event"));
                }
                table.call(call).await
            },
        ),
        mutant(
            "events::positions_are_of_all_tenants",
            "events::tenancy::tenants_are_compared_as_bytes",
            |table, call| async move {
                let mut answer = table.call(call.clone()).await?;
                let Call::Append { tenant, events, .. } = &call else {
                    return Ok(answer);
                };
                let before = {
                    let mut notes = table.notes();
                    let others = notes.ids.iter().filter(|(of, _)| of != tenant);
                    let others = i64::try_from(others.count()).unwrap_or(0);
                    let ids = events.events().iter().map(|new| new.id.clone());
                    let ids: Vec<_> = ids.map(|id| (tenant.clone(), id)).collect();
                    notes.ids.extend(ids);
                    others
                };
                super::each(&mut answer, |event| {
                    if let Ok(position) = Position::new(event.position.get() + before) {
                        event.position = position;
                    }
                });
                Ok(answer)
            },
        ),
    ]
}

/// A mutant that takes a cursor that it cannot read for none.
fn begins_again(id: &'static str, breaks: &'static str, method: &'static str) -> Mutant<Ports> {
    mutant(id, breaks, move |table: Table, mut call: Call| async move {
        match table.call(call.clone()).await {
            Err(PortError::InvalidCursor) if call.method() == method => {
                if let Some(page) = call.page_mut() {
                    *page = PageRequest::first(page.limit())?;
                }
                table.call(call).await
            }
            answer => answer,
        }
    })
    .re_enacts("AuthHero: a malformed cursor began at the beginning")
}
