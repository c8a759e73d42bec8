//! Mutants that revoke wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{IdentityId, Keep, PortError, PortResult, Ports, Session, Span, TenantId};

use super::{Answer, Call, Table, asks, mutant, mutant_per_handle, others_run, tells};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [revoked(), all_revoked()].into_iter().flatten().collect()
}

fn revoked() -> Vec<Mutant<Ports>> {
    const EVERYWHERE: &str = "session::revoke::ends_it_everywhere";
    const WHETHER: &str = "session::revoke::answers_whether_there_was_one";
    vec![
        mutant_per_handle(
            "session::revoke_leaves_other_caches",
            EVERYWHERE,
            |table, call| through_a_cache(table, call, |_| true),
        )
        .re_enacts("better-auth #3885, #10520: what a second store kept went on authenticating"),
        tells(
            "session::revoke_always_says_yes",
            WHETHER,
            |call, answer| match call {
                Call::Revoke { .. } => answer.map(|_| Answer::Revoke(true)),
                _ => answer,
            },
        )
        .re_enacts("AuthHero: removing a missing session answered true"),
        tells(
            "session::revoke_of_nothing_is_an_error",
            WHETHER,
            |_, answer| match answer {
                Ok(Answer::Revoke(false)) => Err(PortError::not_found("session")),
                answer => answer,
            },
        )
        .re_enacts("better-auth #7143, #8314: deleting what is missing threw"),
        mutant(
            "session::revoke_looks_then_deletes",
            "session::revoke::race_has_one_winner",
            |table, call| async move {
                let Call::Revoke { tenant, id } = &call else {
                    return table.call(call).await;
                };
                let was_there = table.row(tenant, id).await?.is_some();
                others_run().await;
                table.store.revoke(tenant, id).await?;
                Ok(Answer::Revoke(was_there))
            },
        ),
        mutant(
            "session::revoke_spares_the_expired",
            "session::revoke::ends_an_expired_one",
            |table, call| async move {
                if let Call::Revoke { tenant, id } = &call
                    && table
                        .notes()
                        .beside
                        .contains_key(&(tenant.clone(), id.clone()))
                {
                    return Ok(Answer::Revoke(false));
                }
                let answer = table.call(call.clone()).await?;
                // What was over when it was last looked for is over.
                if let (Call::Get { tenant, id, .. }, Answer::Get(None)) = (call, &answer)
                    && let Some(over) = table.row(&tenant, &id).await?
                {
                    table.notes().beside.insert((tenant, id), over);
                }
                Ok(answer)
            },
        ),
        mutant(
            "session::revoke_is_a_mark",
            "session::revoke::frees_the_id",
            |table, call| async move {
                into_a_bin(table, call, |_| Err(PortError::already_exists("session"))).await
            },
        ),
        mutant(
            "session::revoked_data_comes_back",
            "session::revoke::frees_the_id",
            |table, call| async move { into_a_bin(table, call, Ok).await },
        ),
    ]
}

fn all_revoked() -> Vec<Mutant<Ports>> {
    const THEIRS: &str = "session::revoke_all_of::ends_exactly_theirs";
    const KEEPS: &str = "session::revoke_all_of::keeps_the_one";
    const KEEPS_THEIRS: &str = "session::revoke_all_of::keeps_only_theirs";
    const PAGE: &str = "session::revoke_all_of::ends_more_than_a_page";
    vec![
        mutant(
            "session::revoke_all_of_ends_what_begins_alike",
            THEIRS,
            |table, call| {
                revoke_all(table, call, |row, asked, kept| {
                    let owner = row.identity.as_ref();
                    !kept && owner.is_some_and(|owner| owner.as_str().starts_with(asked.as_str()))
                })
            },
        ),
        mutant(
            "session::revoke_all_of_without_case",
            THEIRS,
            |table, call| {
                revoke_all(table, call, |row, asked, kept| {
                    let owner = row.identity.as_ref();
                    !kept
                        && owner.is_some_and(|owner| {
                            owner.as_str().eq_ignore_ascii_case(asked.as_str())
                        })
                })
            },
        ),
        mutant(
            "session::revoke_all_of_ends_guests",
            THEIRS,
            |table, call| {
                revoke_all(table, call, |row, asked, kept| {
                    !kept && row.identity.as_ref().is_none_or(|owner| owner == asked)
                })
            },
        ),
        mutant(
            "session::revoke_all_of_spares_the_brief",
            THEIRS,
            |table, call| {
                revoke_all(table, call, |row, asked, kept| {
                    let is_over = row.ends_at <= row.created_at.after(Span::minutes(1));
                    !kept && !is_over && row.identity.as_ref() == Some(asked)
                })
            },
        ),
        tells(
            "session::revoke_all_of_counts_statements",
            THEIRS,
            |_, answer| match answer {
                Ok(Answer::RevokeAllOf(ended)) => Ok(Answer::RevokeAllOf(ended.min(1))),
                answer => answer,
            },
        )
        .re_enacts("better-auth #6572, #5682: the counts of affected rows were wrong"),
        tells(
            "session::revoke_all_of_none_is_no_sql",
            THEIRS,
            |_, answer| match answer {
                Ok(Answer::RevokeAllOf(0)) => Err(PortError::Backend("syntax error near )".into())),
                answer => answer,
            },
        )
        .re_enacts("kratos: DELETE … IN () of an empty list was a syntax error"),
        mutant_per_handle(
            "session::revoke_all_of_leaves_the_cache",
            THEIRS,
            |table, call| {
                through_a_cache(table, call, |call| {
                    !matches!(call, Call::RevokeAllOf { .. })
                })
            },
        ),
        asks("session::revoke_all_of_keeps_nothing", KEEPS, |mut call| {
            if let Call::RevokeAllOf { keep, .. } = &mut call {
                *keep = Keep::Nothing;
            }
            call
        }),
        tells(
            "session::revoke_all_of_counts_the_kept_one",
            KEEPS,
            |call, answer| match (call, answer) {
                (
                    Call::RevokeAllOf {
                        keep: Keep::Session(_),
                        ..
                    },
                    Ok(Answer::RevokeAllOf(ended)),
                ) => Ok(Answer::RevokeAllOf(ended + 1)),
                (_, answer) => answer,
            },
        ),
        mutant(
            "session::revoke_all_of_needs_the_kept_one",
            KEEPS_THEIRS,
            |table, call| async move {
                if let Call::RevokeAllOf {
                    tenant,
                    identity,
                    keep: Keep::Session(id),
                } = &call
                {
                    let kept = table.row(tenant, id).await?;
                    if kept.is_none_or(|kept| kept.identity.as_ref() != Some(identity)) {
                        return Ok(Answer::RevokeAllOf(0));
                    }
                }
                table.call(call).await
            },
        ),
        mutant(
            "session::revoke_all_of_keeps_what_begins_alike",
            KEEPS_THEIRS,
            |table, call| async move {
                let Call::RevokeAllOf {
                    tenant,
                    identity,
                    keep: Keep::Session(id),
                } = &call
                else {
                    return table.call(call).await;
                };
                let ended = table.remove(tenant, |row| {
                    row.identity.as_ref() == Some(identity)
                        && row.id.as_bytes()[..16] != id.as_bytes()[..16]
                });
                Ok(Answer::RevokeAllOf(ended.await?))
            },
        ),
        mutant(
            "session::revoke_all_of_ends_the_first_hundred",
            PAGE,
            |table, call| first_of_all(table, call, 100),
        )
        .re_enacts("AuthHero 7d9f138: a logout revoked the first 100 only"),
        mutant(
            "session::revoke_all_of_ends_the_first_thousand",
            PAGE,
            |table, call| first_of_all(table, call, 1000),
        ),
        mutant(
            "session::revoke_all_of_counts_then_deletes",
            "session::revoke_all_of::race_counts_what_ended",
            |table, call| async move {
                let Call::RevokeAllOf {
                    tenant,
                    identity,
                    keep,
                } = &call
                else {
                    return table.call(call).await;
                };
                let mut theirs = table.rows(tenant).await?;
                theirs.retain(|row| {
                    row.identity.as_ref() == Some(identity)
                        && *keep != Keep::Session(row.id.clone())
                });
                others_run().await;
                table.call(call.clone()).await?;
                Ok(Answer::RevokeAllOf(theirs.len() as u64))
            },
        ),
    ]
}

/// Reads sessions through a cache that forgets what its own handle changes, as far as `minded`.
pub(super) async fn through_a_cache(
    table: Table,
    call: Call,
    minded: fn(&Call) -> bool,
) -> PortResult<Answer> {
    let Call::Get { tenant, id, now } = call.clone() else {
        let answer = table.call(call.clone()).await;
        if minded(&call) {
            table.notes().beside.clear();
        }
        return answer;
    };
    let key = (tenant, id);
    let cached = table.notes().beside.get(&key).cloned();
    if let Some(cached) = cached.filter(|cached| cached.is_live(now)) {
        return Ok(Answer::Get(Some(cached)));
    }
    let answer = table.call(call).await?;
    if let Answer::Get(Some(session)) = &answer {
        table.notes().beside.insert(key, session.clone());
    }
    Ok(answer)
}

/// Keeps what is revoked in a bin; a session that is created under such an id meets it there.
async fn into_a_bin(
    table: Table,
    call: Call,
    met: fn(Session) -> PortResult<Session>,
) -> PortResult<Answer> {
    match &call {
        Call::Revoke { tenant, id } => {
            if let Some(row) = table.row(tenant, id).await? {
                table
                    .notes()
                    .beside
                    .insert((tenant.clone(), id.clone()), row);
            }
        }
        Call::Create {
            tenant, session, ..
        } => {
            let key = (tenant.clone(), session.id.clone());
            let binned = table.notes().beside.remove(&key);
            if let Some(binned) = binned {
                let old = met(binned)?;
                return Ok(Answer::Create(table.put(tenant, &old).await?));
            }
        }
        _ => {}
    }
    table.call(call).await
}

/// Ends the sessions that `ends` holds for, of what is asked for and whether it is to be kept.
async fn revoke_all(
    table: Table,
    call: Call,
    ends: fn(&Session, &IdentityId, bool) -> bool,
) -> PortResult<Answer> {
    let Call::RevokeAllOf {
        tenant,
        identity,
        keep,
    } = &call
    else {
        return table.call(call).await;
    };
    let ended = table.remove(tenant, |row| {
        ends(row, identity, *keep == Keep::Session(row.id.clone()))
    });
    Ok(Answer::RevokeAllOf(ended.await?))
}

/// Ends the first sessions of an identity only.
async fn first_of_all(table: Table, call: Call, most: usize) -> PortResult<Answer> {
    let Call::RevokeAllOf {
        tenant,
        identity,
        keep,
    } = &call
    else {
        return table.call(call).await;
    };
    let mut theirs = table.rows(tenant).await?;
    theirs.retain(|row| {
        row.identity.as_ref() == Some(identity) && *keep != Keep::Session(row.id.clone())
    });
    theirs.truncate(most);
    Ok(Answer::RevokeAllOf(delete(&table, tenant, theirs).await?))
}

/// Deletes these sessions by their ids; answers how many were still there.
pub(super) async fn delete(
    table: &Table,
    tenant: &TenantId,
    rows: Vec<Session>,
) -> PortResult<u64> {
    let mut deleted = 0;
    for row in rows {
        deleted += u64::from(table.store.revoke(tenant, &row.id).await?);
    }
    Ok(deleted)
}
