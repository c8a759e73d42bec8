//! Mutants that take reuse for something else, or something else for reuse.

use portproof::mutants::Mutant;
use portproof_ports::{
    FamiliesOf, FamilyId, PortError, PortResult, Ports, Rotation, Span, Timestamp,
};

use super::{
    Answer, Call, Table, asks, forever, mutant, mutant_per_handle, new_of, rotates, tells,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [retries(), leeways(), reuses(), noticed()]
        .into_iter()
        .flatten()
        .collect()
}

fn retries() -> Vec<Mutant<Ports>> {
    const ANSWERS: &str = "refresh_tokens::leeway::retry_answers_the_family";
    const NOTHING: &str = "refresh_tokens::leeway::retry_changes_nothing";
    vec![
        asks("refresh_tokens::knows_no_leeway", ANSWERS, |call| {
            if let Call::Rotate { leeway, .. } = call {
                *leeway = None;
            }
        })
        .re_enacts("dex #2547: of concurrent refreshes all but one failed"),
        tells(
            "refresh_tokens::retry_is_gone",
            ANSWERS,
            |_, answer| match answer {
                Ok(Answer::Rotate(Rotation::Retried(_))) => Ok(Answer::Rotate(Rotation::Gone)),
                answer => answer,
            },
        ),
        rotates(
            "refresh_tokens::leeway_is_for_the_last_token_only",
            ANSWERS,
            |table, rotate| async move {
                let key = |token| (rotate.tenant.clone(), token);
                let is_older = match rotate.presented(&table).await? {
                    Some(token) if token.spent_at.is_some() => {
                        let current = key(token.family.token);
                        let since = table.notes().cache.get(&current).cloned();
                        since.is_none_or(|since| since.family.token != rotate.old)
                    }
                    _ => false,
                };
                if is_older {
                    return rotate.within(None).on(&table).await;
                }
                let before = rotate.presented(&table).await?;
                let rotation = rotate.on(&table).await?;
                if let (Rotation::Rotated(_), Some(before)) = (&rotation, before) {
                    // From which token the new one came.
                    let new = key(rotate.new.clone());
                    table.notes().cache.insert(new, before);
                }
                Ok(rotation)
            },
        ),
        rotates(
            "refresh_tokens::retry_by_a_slow_clock_is_reuse",
            ANSWERS,
            |table, rotate| async move {
                let spent_at = rotate.presented(&table).await?.and_then(|t| t.spent_at);
                if spent_at.is_some_and(|spent_at| rotate.now < spent_at) {
                    return rotate.within(None).on(&table).await;
                }
                rotate.on(&table).await
            },
        ),
        rotates(
            "refresh_tokens::retry_mints_a_sibling",
            NOTHING,
            |table, rotate| async move {
                let rotation = rotate.on(&table).await?;
                let Rotation::Retried(family) = &rotation else {
                    return Ok(rotation);
                };
                let id = FamilyId::new(format!("sibling {:?}", rotate.new))?;
                let sibling = new_of(family, id, rotate.new.clone());
                let sibling = table
                    .store
                    .issue(&rotate.tenant, sibling, rotate.now)
                    .await?;
                Ok(Rotation::Rotated(sibling))
            },
        )
        .re_enacts("AuthHero: within the leeway a sibling was minted"),
        rotates(
            "refresh_tokens::retry_replaces_the_successor",
            NOTHING,
            |table, mut rotate| async move {
                let rotation = rotate.on(&table).await?;
                let Rotation::Retried(family) = rotation else {
                    return Ok(rotation);
                };
                rotate.old = family.token;
                rotate.on(&table).await
            },
        ),
        rotates(
            "refresh_tokens::retry_stores_the_new_token",
            NOTHING,
            |table, rotate| async move {
                let rotation = rotate.on(&table).await?;
                if let Rotation::Retried(family) = &rotation {
                    let id = FamilyId::new(format!("leftover {:?}", rotate.new))?;
                    let leftover = new_of(family, id, rotate.new.clone());
                    // Whether it succeeds is no matter to an adapter that did not mean it.
                    let _ = table
                        .store
                        .issue(&rotate.tenant, leftover, rotate.now)
                        .await;
                }
                Ok(rotation)
            },
        ),
        mutant(
            "refresh_tokens::retry_counts_as_a_use",
            NOTHING,
            |table, call| async move {
                let mut answer = table.call(call.clone()).await?;
                if let (
                    Call::Rotate { tenant, now, .. },
                    Answer::Rotate(Rotation::Retried(family)),
                ) = (&call, &answer)
                {
                    let key = (tenant.clone(), family.id.clone());
                    table.notes().families.insert(key, *now);
                }
                if let Call::Get { tenant, .. } = &call {
                    super::each(&mut answer, |family| {
                        let key = (tenant.clone(), family.id.clone());
                        if let Some(now) = table.notes().families.get(&key) {
                            family.seen_at = family.seen_at.max(*now);
                        }
                    });
                }
                Ok(answer)
            },
        ),
    ]
}

fn leeways() -> Vec<Mutant<Ports>> {
    const EXACTLY: &str = "refresh_tokens::leeway::ends_exactly";
    const NONE: &str = "refresh_tokens::leeway::none_forgives_nothing";
    vec![
        asks("refresh_tokens::leeway_holds_its_end", EXACTLY, |call| {
            if let Call::Rotate {
                leeway: Some(leeway),
                ..
            } = call
            {
                let longer = Span::from_micros(leeway.as_micros() + 1);
                *leeway = longer.unwrap_or(*leeway);
            }
        }),
        asks(
            "refresh_tokens::leeway_is_in_whole_seconds",
            EXACTLY,
            |call| {
                if let Call::Rotate {
                    leeway: Some(leeway),
                    ..
                } = call
                {
                    let seconds = leeway.as_micros() / 1_000_000 + 1;
                    *leeway = Span::from_micros(seconds * 1_000_000).unwrap_or(*leeway);
                }
            },
        )
        .re_enacts("lucia #1392: units of time were mixed"),
        rotates(
            "refresh_tokens::retries_prolong_the_leeway",
            "refresh_tokens::leeway::is_not_prolonged",
            |table, rotate| async move {
                let key = (rotate.tenant.clone(), rotate.old.clone());
                let retried_at = table.notes().times.get(&key).copied();
                let is_recent = |at: Timestamp| {
                    rotate
                        .leeway
                        .is_some_and(|leeway| rotate.now < at.after(leeway))
                };
                let rotation = if retried_at.is_some_and(is_recent) {
                    rotate.clone().within(forever()).on(&table).await?
                } else {
                    rotate.on(&table).await?
                };
                if matches!(rotation, Rotation::Retried(_)) {
                    table.notes().times.insert(key, rotate.now);
                }
                Ok(rotation)
            },
        ),
        asks("refresh_tokens::no_leeway_is_a_default", NONE, |call| {
            if let Call::Rotate { leeway, .. } = call {
                *leeway = leeway.or(Some(Span::seconds(10)));
            }
        }),
        rotates(
            "refresh_tokens::slow_clocks_are_forgiven",
            NONE,
            |table, rotate| async move {
                let spent_at = rotate.presented(&table).await?.and_then(|t| t.spent_at);
                if spent_at.is_some_and(|spent_at| rotate.now < spent_at) {
                    return rotate.within(forever()).on(&table).await;
                }
                rotate.on(&table).await
            },
        ),
        rotates(
            "refresh_tokens::leeway_is_since_the_last_rotation",
            "refresh_tokens::leeway::is_each_tokens_own",
            |table, rotate| async move {
                let seen_at = rotate.presented(&table).await?.map(|t| t.family.seen_at);
                if let (Some(seen_at), Some(leeway)) = (seen_at, rotate.leeway)
                    && rotate.now < seen_at.after(leeway)
                {
                    return rotate.within(forever()).on(&table).await;
                }
                rotate.on(&table).await
            },
        ),
        asks(
            "refresh_tokens::leeway_overflows",
            "refresh_tokens::leeway::may_be_of_any_length",
            |call| {
                if let Call::Rotate { leeway, now, .. } = call {
                    let left = Timestamp::MAX.as_micros() - now.as_micros();
                    *leeway = leeway.filter(|leeway| leeway.as_micros() <= left);
                }
            },
        ),
        asks(
            "refresh_tokens::leeway_is_31_bits_of_millis",
            "refresh_tokens::leeway::may_be_of_any_length",
            |call| {
                if let Call::Rotate { leeway, .. } = call {
                    let most = Span::from_micros(i64::from(i32::MAX) * 1_000).ok();
                    *leeway = leeway.and_then(|leeway| most.map(|most| leeway.min(most)));
                }
            },
        ),
    ]
}

fn reuses() -> Vec<Mutant<Ports>> {
    const ENDS: &str = "refresh_tokens::reuse::ends_the_family";
    const NEW: &str = "refresh_tokens::reuse::whatever_the_new_token_is";
    const SPARES: &str = "refresh_tokens::reuse::spares_other_families";
    vec![
        rotates(
            "refresh_tokens::reuse_is_told_and_ends_nothing",
            ENDS,
            |table, rotate| async move {
                let is_retry = match rotate.presented(&table).await? {
                    Some(token) => token.is_retry(rotate.leeway, rotate.now),
                    None => false,
                };
                match rotate.within(forever()).on(&table).await? {
                    Rotation::Retried(family) if !is_retry => Ok(Rotation::Reused(family)),
                    rotation => Ok(rotation),
                }
            },
        ),
        rotates(
            "refresh_tokens::reuse_is_refused_and_ends_nothing",
            ENDS,
            |table, rotate| async move {
                let is_retry = match rotate.presented(&table).await? {
                    Some(token) => token.is_retry(rotate.leeway, rotate.now),
                    None => false,
                };
                match rotate.within(forever()).on(&table).await? {
                    Rotation::Retried(_) if !is_retry => Ok(Rotation::Gone),
                    rotation => Ok(rotation),
                }
            },
        )
        .re_enacts("leodip/goiabada #77: reuse detection was bypassed"),
        mutant_per_handle(
            "refresh_tokens::reuse_leaves_other_caches",
            ENDS,
            |table, call| through_a_cache(table, call, |_| true),
        ),
        rotates(
            "refresh_tokens::reuse_with_a_taken_token_is_not_looked_at",
            NEW,
            |table, rotate| async move {
                if rotate.presented(&table).await?.is_some()
                    && table.row(&rotate.tenant, &rotate.new).await?.is_some()
                {
                    return Err(PortError::already_exists("refresh token"));
                }
                rotate.on(&table).await
            },
        ),
        mutant(
            "refresh_tokens::reuse_ends_all_of_the_identity",
            SPARES,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (Call::Rotate { tenant, .. }, Answer::Rotate(Rotation::Reused(family))) =
                    (&call, &answer)
                {
                    let whose = FamiliesOf::Identity(family.identity.clone());
                    table.store.revoke_all_of(tenant, &whose).await?;
                }
                Ok(answer)
            },
        ),
        mutant(
            "refresh_tokens::reuse_leaves_a_tombstone",
            "refresh_tokens::reuse::frees_what_it_ends",
            |table, call| async move {
                if let Call::Issue { tenant, family, .. } = &call {
                    let key = (tenant.clone(), family.id.clone());
                    if table.notes().families.contains_key(&key) {
                        return Err(PortError::already_exists("family"));
                    }
                }
                let answer = table.call(call.clone()).await?;
                if let (
                    Call::Rotate { tenant, now, .. },
                    Answer::Rotate(Rotation::Reused(family)),
                ) = (call, &answer)
                {
                    let key = (tenant, family.id.clone());
                    table.notes().families.insert(key, now);
                }
                Ok(answer)
            },
        ),
    ]
}

fn noticed() -> Vec<Mutant<Ports>> {
    vec![
        rotates(
            "refresh_tokens::keeps_the_last_hundred_tokens",
            "refresh_tokens::reuse::is_noticed_of_the_first_token",
            |table, rotate| async move {
                let first = Timestamp::MIN;
                let number = |rotations: u64| {
                    Timestamp::from_micros(rotations.cast_signed()).unwrap_or(first)
                };
                let key = (rotate.tenant.clone(), rotate.old.clone());
                let spent_as = table.notes().times.get(&key).copied();
                if let (Some(token), Some(spent_as)) = (rotate.presented(&table).await?, spent_as)
                    && spent_as < number(token.family.rotations.saturating_sub(100))
                {
                    return Ok(Rotation::Gone);
                }
                let rotation = rotate.on(&table).await?;
                if let Rotation::Rotated(family) = &rotation {
                    table.notes().times.insert(key, number(family.rotations));
                }
                Ok(rotation)
            },
        ),
        rotates(
            "refresh_tokens::keeps_spent_tokens_for_a_month",
            "refresh_tokens::reuse::is_noticed_to_the_end",
            |table, rotate| async move {
                let spent_at = rotate.presented(&table).await?.and_then(|t| t.spent_at);
                if spent_at.is_some_and(|at| at.after(Span::days(30)) <= rotate.now) {
                    return Ok(Rotation::Gone);
                }
                rotate.on(&table).await
            },
        ),
        mutant(
            "refresh_tokens::sweep_removes_spent_tokens",
            "refresh_tokens::sweep::keeps_spent_tokens",
            |table, call| async move {
                let token = match &call {
                    Call::Get { tenant, token, .. } => Some((tenant, token)),
                    Call::Rotate { tenant, old, .. } => Some((tenant, old)),
                    _ => None,
                };
                if let Some((tenant, token)) = token
                    && let Some(row) = table.row(tenant, token).await?
                {
                    let key = (tenant.clone(), row.family.id);
                    let swept_at = table.notes().families.get(&key).copied();
                    if row.spent_at.is_some() && row.spent_at < swept_at {
                        return Ok(match call {
                            Call::Get { .. } => Answer::Get(None),
                            _ => Answer::Rotate(Rotation::Gone),
                        });
                    }
                }
                if let Call::Sweep { tenant, now, .. } = &call {
                    for row in table.rows(tenant).await? {
                        let key = (tenant.clone(), row.id);
                        table.notes().families.insert(key, *now);
                    }
                }
                table.call(call).await
            },
        )
        .re_enacts("AuthHero 6503423: a cleanup removed what a living record needed"),
    ]
}

/// Finds tokens through a cache that forgets what its own handle changes, as far as `minded`.
pub(super) async fn through_a_cache(
    table: Table,
    call: Call,
    minded: fn(&Call) -> bool,
) -> PortResult<Answer> {
    let Call::Get { tenant, token, now } = call.clone() else {
        let answer = table.call(call.clone()).await;
        if minded(&call) {
            table.notes().cache.clear();
        }
        return answer;
    };
    let key = (tenant, token);
    let cached = table.notes().cache.get(&key).cloned();
    if let Some(cached) = cached.filter(|cached| cached.family.is_live(now)) {
        return Ok(Answer::Get(Some(cached)));
    }
    let answer = table.call(call).await?;
    if let Answer::Get(Some(found)) = &answer {
        table.notes().cache.insert(key, found.clone());
    }
    Ok(answer)
}
