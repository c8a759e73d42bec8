//! Mutants that touch sessions wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{Document, NewSession, PortResult, Ports, Session, Span, Timestamp};

use super::{Answer, Call, Table, asks, mutant, others_run, seen_at, tells};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [touched(), raced()].into_iter().flatten().collect()
}

fn touched() -> Vec<Mutant<Ports>> {
    const SLIDES: &str = "session::touch::slides_the_idle_end";
    const STOPS: &str = "session::touch::stops_at_the_absolute_end";
    const NO_IDLE: &str = "session::touch::without_idle_moves_no_end";
    const REVIVES: &str = "session::touch::never_revives";
    const NOTHING: &str = "session::touch::creates_nothing";
    const BACK: &str = "session::touch::never_moves_back";
    vec![
        mutant("session::touch_keeps_the_old_end", SLIDES, |table, call| {
            touch_as(
                table,
                call,
                |session, now| Session {
                    seen_at: now,
                    ..session
                },
                false,
            )
        })
        .re_enacts("spicedb #2796: a touch kept the old expiration"),
        mutant("session::touch_is_not_written", SLIDES, |table, call| {
            touch_as(table, call, seen_at, false)
        }),
        mutant(
            "session::touch_raises_the_version",
            SLIDES,
            |table, call| {
                let raised = |session: Session, now| {
                    let version = session.version.next();
                    Session {
                        version,
                        ..seen_at(session, now)
                    }
                };
                touch_as(table, call, raised, true)
            },
        ),
        mutant(
            "session::touch_forgets_the_absolute_end",
            STOPS,
            |table, call| {
                let longer = |session: Session, now: Timestamp| {
                    let ends_at = session.idle.map_or(session.ends_at, |idle| now.after(idle));
                    Session {
                        expires_at: ends_at.max(session.ends_at),
                        ..session
                    }
                };
                touch_as(table, call, longer, false)
            },
        ),
        mutant(
            "session::touch_moves_the_absolute_end",
            STOPS,
            |table, call| {
                let renewed = |session: Session, now: Timestamp| {
                    let ends_at = now.after(Span::days(90));
                    seen_at(Session { ends_at, ..session }, now)
                };
                touch_as(table, call, renewed, true)
            },
        ),
        mutant(
            "session::touch_gives_a_default_idle_time",
            NO_IDLE,
            |table, call| {
                let limited = |session: Session, now| {
                    let idle = session.idle.or(Some(Span::minutes(30)));
                    seen_at(Session { idle, ..session }, now)
                };
                touch_as(table, call, limited, true)
            },
        ),
        mutant(
            "session::touch_without_idle_is_not_noted",
            NO_IDLE,
            |table, call| {
                let noted = |session: Session, now| match session.idle {
                    Some(_) => seen_at(session, now),
                    None => session,
                };
                touch_as(table, call, noted, true)
            },
        ),
        mutant(
            "session::touch_revives",
            REVIVES,
            |table, call| async move {
                if let Call::Touch { tenant, id, now } = &call
                    && let Some(row) = table.row(tenant, id).await?
                    && row.ends_at > *now
                {
                    let created_at = if row.is_live(*now) {
                        row.created_at
                    } else {
                        *now
                    };
                    table
                        .put(
                            tenant,
                            &Session {
                                created_at,
                                ..seen_at(row, *now)
                            },
                        )
                        .await?;
                }
                table.call(call).await
            },
        ),
        asks(
            "session::touch_at_the_end_is_in_time",
            REVIVES,
            |mut call| {
                if let Call::Touch { now, .. } = &mut call {
                    *now = now.before(Span::MICROSECOND);
                }
                call
            },
        ),
        mutant(
            "session::touch_is_an_upsert",
            NOTHING,
            |table, call| async move {
                if let Call::Touch { tenant, id, now } = &call
                    && table.row(tenant, id).await?.is_none()
                {
                    let revived = NewSession {
                        id: id.clone(),
                        identity: None,
                        idle: Some(Span::minutes(30)),
                        ends_at: now.after(Span::days(1)),
                        data: Document::empty(),
                    };
                    table.store.create(tenant, revived, *now).await?;
                }
                table.call(call).await
            },
        )
        .re_enacts("tj/connect-redis #328: a late save stored a session that a logout had ended"),
        mutant(
            "session::touch_by_a_slow_clock_moves_back",
            BACK,
            |table, call| touch_as(table, call, seen_at, true),
        ),
        tells(
            "session::touch_by_a_slow_clock_is_refused",
            BACK,
            |call, answer| match call {
                Call::Touch { now, .. } => match answer {
                    Ok(Answer::Touch(Some(session)))
                        if session.seen_at >= now.after(Span::MICROSECOND) =>
                    {
                        Ok(Answer::Touch(None))
                    }
                    answer => answer,
                },
                _ => answer,
            },
        ),
    ]
}

fn raced() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "session::touch_reads_then_writes",
            "session::touch::race_keeps_the_latest",
            |table, call| touch_later(table, call, true),
        ),
        mutant(
            "session::touch_is_get_then_set",
            "session::touch::never_undoes_a_revocation",
            |table, call| touch_later(table, call, false),
        )
        .re_enacts("auth0/nextjs-auth0 #2335: a rolling session was saved after its logout"),
    ]
}

/// Answers a touch of a live session with what `change` makes of it, and may store that.
async fn touch_as(
    table: Table,
    call: Call,
    change: fn(Session, Timestamp) -> Session,
    is_stored: bool,
) -> PortResult<Answer> {
    let Call::Touch { tenant, id, now } = &call else {
        return table.call(call).await;
    };
    let Some(live) = table.store.get(tenant, id, *now).await? else {
        return Ok(Answer::Touch(None));
    };
    let touched = change(live, *now);
    if is_stored {
        table.put(tenant, &touched).await?;
    }
    Ok(Answer::Touch(Some(touched)))
}

/// Reads the session that is to be touched, and writes it when others had their turn.
async fn touch_later(table: Table, call: Call, only_what_is_there: bool) -> PortResult<Answer> {
    let Call::Touch { tenant, id, now } = call.clone() else {
        return table.call(call).await;
    };
    let read = table.store.get(&tenant, &id, now).await?;
    let Some(read) = read.filter(|read| read.seen_at < now) else {
        return table.call(call).await;
    };
    others_run().await;
    if only_what_is_there && table.row(&tenant, &id).await?.is_none() {
        return Ok(Answer::Touch(None));
    }
    let touched = table.put(&tenant, &seen_at(read, now)).await?;
    Ok(Answer::Touch(Some(touched)))
}
