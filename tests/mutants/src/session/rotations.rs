//! Mutants that rotate sessions wrongly, and that forget to mind an index.

use std::collections::BTreeSet;

use portproof::mutants::Mutant;
use portproof_ports::{
    Document, IdentityId, NewSession, PortCall, PortError, PortResult, Ports, Session, Span,
    TenantId, Timestamp, Version,
};

use super::{
    Answer, Call, Table, asks, ends::through_a_cache, mutant, mutant_per_handle, new_of,
    others_run, page_by_offset, place, seen_at, session_in,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [rotated(), rotated_at_once(), indexed()]
        .into_iter()
        .flatten()
        .collect()
}

fn rotated() -> Vec<Mutant<Ports>> {
    const KEEPS: &str = "session::rotate::keeps_the_session";
    const TOUCHES: &str = "session::rotate::touches";
    const OLD: &str = "session::rotate::ends_the_old_id";
    const AGAIN: &str = "session::rotate::works_again_and_again";
    const LIVE: &str = "session::rotate::needs_a_live_session";
    const STORED: &str = "session::rotate::refuses_a_stored_id";
    let changed = |id, rule, change: fn(Session, &Session) -> Session| {
        mutant(id, rule, move |table, call| rotate_as(table, call, change))
    };
    vec![
        changed("session::rotate_drops_the_data", KEEPS, |new, _| Session {
            data: Document::empty(),
            ..new
        }),
        changed(
            "session::rotate_begins_a_guests_session",
            KEEPS,
            |new, _| Session {
                identity: None,
                ..new
            },
        ),
        changed(
            "session::rotate_renews_the_absolute_end",
            KEEPS,
            |new, _| Session {
                ends_at: new.ends_at.after(Span::days(90)),
                ..new
            },
        ),
        changed("session::rotate_begins_at_version_one", KEEPS, |new, _| {
            Session {
                version: Version::FIRST,
                ..new
            }
        }),
        changed(
            "session::rotate_is_a_new_creation",
            "session::rotate::moves_in_lists",
            |new, _| Session {
                created_at: new.seen_at,
                ..new
            },
        ),
        changed("session::rotate_is_no_use", TOUCHES, |new, old| {
            seen_at(new, old.seen_at)
        }),
        mutant(
            "session::rotate_by_a_slow_clock_moves_back",
            TOUCHES,
            |table, call| async move {
                let Call::Rotate { tenant, now, .. } = call.clone() else {
                    return table.call(call).await;
                };
                match table.call(call).await? {
                    Answer::Rotate(Some(new)) => {
                        let new = table.put(&tenant, &seen_at(new, now)).await?;
                        Ok(Answer::Rotate(Some(new)))
                    }
                    answer => Ok(answer),
                }
            },
        ),
        mutant(
            "session::rotate_keeps_the_old_id",
            OLD,
            |table, call| async move {
                let Call::Rotate { tenant, old, .. } = call.clone() else {
                    return table.call(call).await;
                };
                let before = table.row(&tenant, &old).await?;
                let answer = table.call(call).await?;
                if let (Answer::Rotate(Some(_)), Some(before)) = (&answer, before) {
                    table.put(&tenant, &before).await?;
                }
                Ok(answer)
            },
        ),
        mutant_per_handle(
            "session::rotate_leaves_the_old_id_in_a_cache",
            OLD,
            |table, call| through_a_cache(table, call, |call| !matches!(call, Call::Rotate { .. })),
        ),
        mutant(
            "session::rotate_works_once",
            AGAIN,
            |table, call| async move {
                let Call::Rotate { tenant, old, .. } = call.clone() else {
                    return table.call(call).await;
                };
                if table.notes().beside.contains_key(&(tenant.clone(), old)) {
                    return Ok(Answer::Rotate(None));
                }
                let answer = table.call(call).await?;
                if let Answer::Rotate(Some(new)) = &answer {
                    table
                        .notes()
                        .beside
                        .insert((tenant, new.id.clone()), new.clone());
                }
                Ok(answer)
            },
        ),
        mutant(
            "session::rotate_burns_ids",
            AGAIN,
            |table, call| async move {
                let Call::Rotate {
                    tenant, old, new, ..
                } = call.clone()
                else {
                    return table.call(call).await;
                };
                if table.notes().beside.contains_key(&(tenant.clone(), new)) {
                    return Err(PortError::already_exists("session"));
                }
                let before = table.row(&tenant, &old).await?;
                let answer = table.call(call).await?;
                if let (Answer::Rotate(Some(_)), Some(before)) = (&answer, before) {
                    table.notes().beside.insert((tenant, old), before);
                }
                Ok(answer)
            },
        ),
        mutant(
            "session::rotate_stores_first_and_looks_later",
            LIVE,
            |table, call| async move {
                if let Call::Rotate {
                    tenant,
                    old,
                    new,
                    now,
                } = &call
                    && table.row(tenant, new).await?.is_none()
                    && table.store.get(tenant, old, *now).await?.is_none()
                {
                    let guest = NewSession {
                        id: new.clone(),
                        identity: None,
                        idle: None,
                        ends_at: now.after(Span::days(1)),
                        data: Document::empty(),
                    };
                    table.store.create(tenant, guest, *now).await?;
                }
                table.call(call).await
            },
        ),
        asks("session::rotate_ignores_the_end", LIVE, |mut call| {
            if let Call::Rotate { now, .. } = &mut call {
                *now = now.before(Span::MICROSECOND);
            }
            call
        }),
        mutant(
            "session::rotate_looks_at_the_new_id_first",
            LIVE,
            |table, call| async move {
                if let Call::Rotate { tenant, new, .. } = &call
                    && table.row(tenant, new).await?.is_some()
                {
                    return Err(PortError::already_exists("session"));
                }
                table.call(call).await
            },
        ),
        mutant(
            "session::rotate_overwrites",
            STORED,
            |table, call| async move {
                if let Call::Rotate {
                    tenant,
                    old,
                    new,
                    now,
                } = &call
                    && old != new
                    && table.store.get(tenant, old, *now).await?.is_some()
                {
                    table.store.revoke(tenant, new).await?;
                }
                table.call(call).await
            },
        ),
        mutant(
            "session::rotate_takes_an_expired_id",
            STORED,
            |table, call| async move {
                if let Call::Rotate {
                    tenant, new, now, ..
                } = &call
                    && table.store.get(tenant, new, *now).await?.is_none()
                {
                    table.store.revoke(tenant, new).await?;
                }
                table.call(call).await
            },
        ),
        mutant(
            "session::rotate_to_itself_is_a_touch",
            STORED,
            |table, call| async move {
                match call {
                    Call::Rotate {
                        tenant,
                        old,
                        new,
                        now,
                    } if old == new => {
                        Ok(Answer::Rotate(table.store.touch(&tenant, &old, now).await?))
                    }
                    call => table.call(call).await,
                }
            },
        ),
    ]
}

fn rotated_at_once() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "session::rotate_copies_then_deletes",
            "session::rotate::race_has_one_winner",
            |table, call| async move {
                let Call::Rotate {
                    tenant,
                    old,
                    new,
                    now,
                } = call.clone()
                else {
                    return table.call(call).await;
                };
                let Some(read) = table.store.get(&tenant, &old, now).await? else {
                    return Ok(Answer::Rotate(None));
                };
                if table.row(&tenant, &new).await?.is_some() {
                    return table.call(call).await;
                }
                others_run().await;
                let copy = Session { id: new, ..read };
                table.store.revoke(&tenant, &old).await?;
                let copy = table.put(&tenant, &copy).await?;
                let now = now.max(copy.seen_at);
                Ok(Answer::Rotate(
                    table.store.touch(&tenant, &copy.id, now).await?,
                ))
            },
        )
        .re_enacts("hydra #3207, fosite #652: concurrent rotations of one token all succeeded"),
        mutant(
            "session::rotate_looks_at_the_new_id_then_writes",
            "session::rotate::race_for_one_id",
            |table, call| async move {
                if let Call::Rotate {
                    tenant, old, new, ..
                } = &call
                    && old != new
                    && table.row(tenant, new).await?.is_none()
                {
                    others_run().await;
                    table.store.revoke(tenant, new).await?;
                }
                table.call(call).await
            },
        )
        .re_enacts("twentyhq/twenty #26025: looked first and wrote later"),
        mutant(
            "session::rotate_is_get_then_set",
            "session::rotate::never_undoes_a_revocation",
            |table, call| async move {
                let Call::Rotate {
                    tenant,
                    old,
                    new,
                    now,
                } = call.clone()
                else {
                    return table.call(call).await;
                };
                let read = table.store.get(&tenant, &old, now).await?;
                if let (Some(read), None) = (read, table.row(&tenant, &new).await?) {
                    others_run().await;
                    if table.row(&tenant, &old).await?.is_none() {
                        let copy = new_of(&Session { id: new, ..read });
                        let copy = table.store.create(&tenant, copy, now).await?;
                        return Ok(Answer::Rotate(Some(copy)));
                    }
                }
                table.call(call).await
            },
        ),
    ]
}

/// Mutants that keep an index of their own, which lists are read from, and forget to mind it.
fn indexed() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "session::rotate_leaves_the_old_id_in_the_index",
            "session::rotate::moves_in_lists",
            |table, call| through_an_index(table, call, "rotate"),
        )
        .re_enacts("spring-session #1791: old ids stayed in the index of principals"),
        mutant(
            "session::touch_adds_to_the_index",
            "session::touch::creates_nothing",
            |table, call| through_an_index(table, call, "touch"),
        )
        .re_enacts("spring-session #1843: a deleted session was added to the index again"),
        mutant(
            "session::sweep_leaves_the_index",
            "session::sweep::frees_the_id",
            |table, call| through_an_index(table, call, "sweep"),
        )
        .re_enacts("spring-session #367: the index was never pruned"),
        mutant(
            "session::revoke_leaves_the_index",
            "session::revoke::ends_it_everywhere",
            |table, call| through_an_index(table, call, "revoke"),
        ),
    ]
}

/// Stores, in place of the rotated session, what `change` makes of it and of the one before.
async fn rotate_as(
    table: Table,
    call: Call,
    change: fn(Session, &Session) -> Session,
) -> PortResult<Answer> {
    let Call::Rotate { tenant, old, .. } = call.clone() else {
        return table.call(call).await;
    };
    let before = table.row(&tenant, &old).await?;
    match (table.call(call).await?, before) {
        (Answer::Rotate(Some(new)), Some(before)) => {
            let changed = table.put(&tenant, &change(new, &before)).await?;
            Ok(Answer::Rotate(Some(changed)))
        }
        (answer, _) => Ok(answer),
    }
}

/// Lists from an index that every method minds, but one.
async fn through_an_index(table: Table, call: Call, careless: &str) -> PortResult<Answer> {
    if let Call::ListOf {
        tenant,
        identity,
        now,
        page,
    } = &call
    {
        let mut rows: Vec<Session> = {
            let notes = table.notes();
            let theirs = notes.beside.iter().filter(|((of, _), _)| of == tenant);
            theirs.map(|(_, session)| session.clone()).collect()
        };
        rows.retain(|row| row.identity.as_ref() == Some(identity) && row.is_live(*now));
        rows.sort_by_key(place);
        return page_by_offset(&rows, page);
    }
    let is_careless = call.method() == careless;
    let is_rotation = call.method() == "rotate";
    let answer = table.call(call.clone()).await?;
    match call {
        Call::Touch { tenant, id, .. } if is_careless && answer == Answer::Touch(None) => {
            let ghost = NewSession {
                id,
                identity: IdentityId::new("Ada").ok(),
                idle: None,
                ends_at: Timestamp::MAX,
                data: Document::empty(),
            };
            let key = (tenant.clone(), ghost.id.clone());
            let stored = table.store.create(&tenant, ghost, Timestamp::MIN).await;
            if let Ok(stored) = stored {
                table.store.revoke(&tenant, &stored.id).await?;
                table.notes().beside.insert(key, stored);
            }
        }
        Call::Create { tenant, .. }
        | Call::Touch { tenant, .. }
        | Call::Update { tenant, .. }
        | Call::Rotate { tenant, .. } => {
            // What was rotated away leaves the index, unless that is what is forgotten.
            if is_rotation && !is_careless {
                prune(&table, &tenant).await?;
            }
            if let Some(session) = session_in(&answer) {
                let key = (tenant, session.id.clone());
                table.notes().beside.insert(key, session.clone());
            }
        }
        Call::Revoke { tenant, .. }
        | Call::RevokeAllOf { tenant, .. }
        | Call::Sweep { tenant, .. }
            if !is_careless =>
        {
            prune(&table, &tenant).await?;
        }
        _ => {}
    }
    Ok(answer)
}

/// Removes from the index of a tenant what is not stored any more.
async fn prune(table: &Table, tenant: &TenantId) -> PortResult<()> {
    let rows = table.rows(tenant).await?;
    let ids: BTreeSet<_> = rows.into_iter().map(|row| row.id).collect();
    let mut notes = table.notes();
    notes
        .beside
        .retain(|(of, id), _| of != tenant || ids.contains(id));
    Ok(())
}
