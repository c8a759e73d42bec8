//! Mutants that revoke wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{FamiliesOf, Family, PortError, PortResult, Ports, Span, Timestamp};

use super::{
    Answer, Call, Table, is_meant, mutant, mutant_per_handle, reuse::through_a_cache, tells,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [revoked(), all_revoked()].into_iter().flatten().collect()
}

fn revoked() -> Vec<Mutant<Ports>> {
    const EVERYWHERE: &str = "refresh_tokens::revoke::ends_it_everywhere";
    const WHETHER: &str = "refresh_tokens::revoke::answers_whether_there_was_one";
    const FREES: &str = "refresh_tokens::revoke::frees_what_it_ends";
    vec![
        mutant_per_handle(
            "refresh_tokens::revoke_leaves_other_caches",
            EVERYWHERE,
            |table, call| through_a_cache(table, call, |_| true),
        )
        .re_enacts("better-auth #3885, #10520: what a second store kept went on authenticating"),
        mutant_per_handle(
            "refresh_tokens::revoke_leaves_its_own_cache",
            EVERYWHERE,
            |table, call| through_a_cache(table, call, |call| !matches!(call, Call::Revoke { .. })),
        )
        .re_enacts("AuthHero: revokeFamily was no write to a cache"),
        mutant(
            "refresh_tokens::revoke_leaves_spent_tokens",
            EVERYWHERE,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                match (&call, &answer) {
                    (Call::Get { tenant, token, .. }, Answer::Get(Some(found)))
                        if found.spent_at.is_some() =>
                    {
                        let key = (tenant.clone(), token.clone());
                        table.notes().cache.insert(key, found.clone());
                    }
                    (Call::Get { tenant, token, now }, Answer::Get(None)) => {
                        let key = (tenant.clone(), token.clone());
                        let left = table.notes().cache.get(&key).cloned();
                        let left = left.filter(|left| left.family.is_live(*now));
                        return Ok(Answer::Get(left));
                    }
                    _ => {}
                }
                Ok(answer)
            },
        ),
        tells(
            "refresh_tokens::revoke_always_says_yes",
            WHETHER,
            |call, answer| match call {
                Call::Revoke { .. } => answer.map(|_| Answer::Revoke(true)),
                _ => answer,
            },
        )
        .re_enacts("AuthHero: removing a missing refresh token answered true"),
        mutant(
            "refresh_tokens::revoke_goes_by_prefix",
            WHETHER,
            |table, call| async move {
                let Call::Revoke { tenant, family } = &call else {
                    return table.call(call).await;
                };
                let mut rows = table.rows(tenant).await?;
                rows.retain(|row| row.id.as_str().starts_with(family.as_str()));
                Ok(Answer::Revoke(table.delete(tenant, rows).await? > 0))
            },
        )
        .re_enacts("casbin: a rule was removed with those of which it is a prefix"),
        mutant(
            "refresh_tokens::revoke_spares_the_expired",
            "refresh_tokens::revoke::ends_an_expired_one",
            |table, call| async move {
                if let Call::Revoke { tenant, family } = &call {
                    let key = (tenant.clone(), family.clone());
                    if table.notes().families.contains_key(&key) {
                        return Ok(Answer::Revoke(false));
                    }
                }
                let answer = table.call(call.clone()).await?;
                // What was over when it was last looked for is over.
                if let (Call::Get { tenant, token, now }, Answer::Get(None)) = (call, &answer)
                    && let Some(over) = table.row(&tenant, &token).await?
                {
                    let key = (tenant, over.family.id);
                    table.notes().families.insert(key, now);
                }
                Ok(answer)
            },
        ),
        mutant(
            "refresh_tokens::revoke_is_a_mark",
            FREES,
            |table, call| async move {
                match &call {
                    Call::Revoke { tenant, family } => {
                        let key = (tenant.clone(), family.clone());
                        table.notes().families.insert(key, Timestamp::MIN);
                    }
                    Call::Issue { tenant, family, .. } => {
                        let key = (tenant.clone(), family.id.clone());
                        if table.notes().families.contains_key(&key) {
                            return Err(PortError::already_exists("family"));
                        }
                    }
                    _ => {}
                }
                table.call(call).await
            },
        ),
        mutant(
            "refresh_tokens::spent_tokens_find_the_new_family",
            FREES,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                match (&call, &answer) {
                    (Call::Get { tenant, token, .. }, Answer::Get(Some(found))) => {
                        let key = (tenant.clone(), token.clone());
                        table.notes().cache.insert(key, found.clone());
                    }
                    (Call::Get { tenant, token, now }, Answer::Get(None)) => {
                        // The row of the token is still there, and its family is again.
                        let key = (tenant.clone(), token.clone());
                        let left = table.notes().cache.get(&key).cloned();
                        if let Some(mut left) = left {
                            let mut rows = table.rows(tenant).await?;
                            rows.retain(|row| row.id == left.family.id && row.is_live(*now));
                            if let Some(family) = rows.pop() {
                                left.family = family;
                                return Ok(Answer::Get(Some(left)));
                            }
                        }
                    }
                    _ => {}
                }
                Ok(answer)
            },
        ),
    ]
}

fn all_revoked() -> Vec<Mutant<Ports>> {
    const IDENTITY: &str = "refresh_tokens::revoke_all_of::ends_exactly_an_identitys";
    const CLIENT: &str = "refresh_tokens::revoke_all_of::ends_exactly_a_clients";
    const SESSION: &str = "refresh_tokens::revoke_all_of::ends_exactly_a_sessions";
    const EVERYBODY: &str = "refresh_tokens::revoke_all_of::ends_everybodys";
    vec![
        mutant(
            "refresh_tokens::identity_is_a_prefix",
            IDENTITY,
            |table, call| {
                revoke_all(table, call, |row, whose| match whose {
                    FamiliesOf::Identity(asked) => {
                        row.identity.as_str().starts_with(asked.as_str())
                    }
                    whose => is_meant(whose, row),
                })
            },
        ),
        mutant(
            "refresh_tokens::identitys_brief_ones_are_spared",
            IDENTITY,
            |table, call| {
                revoke_all(table, call, |row, whose| {
                    is_meant(whose, row) && row.ends_at > row.created_at.after(Span::minutes(1))
                })
            },
        ),
        mutant(
            "refresh_tokens::revoke_all_of_counts_tokens",
            IDENTITY,
            |table, call| async move {
                let Call::RevokeAllOf { tenant, whose } = &call else {
                    return table.call(call).await;
                };
                let rows = table.rows(tenant).await?;
                let theirs = rows.iter().filter(|row| is_meant(whose, row));
                let tokens: u64 = theirs.map(|row| row.rotations + 1).sum();
                table.call(call.clone()).await?;
                Ok(Answer::RevokeAllOf(tokens))
            },
        ),
        mutant_per_handle(
            "refresh_tokens::revoke_all_of_leaves_the_cache",
            IDENTITY,
            |table, call| {
                through_a_cache(table, call, |call| {
                    !matches!(call, Call::RevokeAllOf { .. })
                })
            },
        ),
        mutant(
            "refresh_tokens::client_is_compared_without_padding",
            CLIENT,
            |table, call| {
                revoke_all(table, call, |row, whose| match whose {
                    FamiliesOf::Client(asked) => row.client.as_str().trim_end() == asked.as_str(),
                    whose => is_meant(whose, row),
                })
            },
        ),
        mutant(
            "refresh_tokens::client_is_compared_without_case",
            CLIENT,
            |table, call| {
                revoke_all(table, call, |row, whose| match whose {
                    FamiliesOf::Client(asked) => {
                        row.client.as_str().eq_ignore_ascii_case(asked.as_str())
                    }
                    whose => is_meant(whose, row),
                })
            },
        ),
        mutant(
            "refresh_tokens::no_session_is_null",
            SESSION,
            |table, call| {
                revoke_all(table, call, |row, whose| match whose {
                    FamiliesOf::Session(asked) => {
                        let session = row.session.as_ref().map_or("null", |s| s.as_str());
                        session == asked.as_str()
                    }
                    whose => is_meant(whose, row),
                })
            },
        ),
        mutant(
            "refresh_tokens::session_ends_all_of_its_identity",
            SESSION,
            |table, call| async move {
                let Call::RevokeAllOf { tenant, whose } = &call else {
                    return table.call(call).await;
                };
                let rows = table.rows(tenant).await?;
                let theirs = rows.iter().find(|row| is_meant(whose, row));
                let identity = theirs.map(|row| row.identity.clone());
                let mut ended = rows.clone();
                ended
                    .retain(|row| is_meant(whose, row) || Some(&row.identity) == identity.as_ref());
                Ok(Answer::RevokeAllOf(table.delete(tenant, ended).await?))
            },
        ),
        mutant(
            "refresh_tokens::everybody_has_a_session",
            EVERYBODY,
            |table, call| {
                revoke_all(table, call, |row, whose| match whose {
                    FamiliesOf::Everybody => row.session.is_some(),
                    whose => is_meant(whose, row),
                })
            },
        ),
        mutant(
            "refresh_tokens::everybody_is_of_every_tenant",
            EVERYBODY,
            |table, call| async move {
                if let Call::RevokeAllOf {
                    whose: FamiliesOf::Everybody,
                    ..
                } = &call
                {
                    let tenants: Vec<_> = {
                        let notes = table.notes();
                        notes
                            .tokens
                            .iter()
                            .map(|(tenant, _)| tenant.clone())
                            .collect()
                    };
                    let mut ended = 0;
                    for tenant in tenants {
                        let everybody = FamiliesOf::Everybody;
                        ended += table.store.revoke_all_of(&tenant, &everybody).await?;
                    }
                    return Ok(Answer::RevokeAllOf(ended));
                }
                table.call(call).await
            },
        )
        .re_enacts("paySphere #1917: a missing tenant meant all of them"),
    ]
}

/// Ends the families that `ends` holds for, of what is asked for.
async fn revoke_all(
    table: Table,
    call: Call,
    ends: fn(&Family, &FamiliesOf) -> bool,
) -> PortResult<Answer> {
    let Call::RevokeAllOf { tenant, whose } = &call else {
        return table.call(call).await;
    };
    let mut rows = table.rows(tenant).await?;
    rows.retain(|row| ends(row, whose));
    Ok(Answer::RevokeAllOf(table.delete(tenant, rows).await?))
}
