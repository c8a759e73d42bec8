//! Mutants that sweep wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{Family, PortError, PortResult, Ports, Span, Timestamp};

use super::{
    Answer, Call, Table, asks, mutant, mutant_per_handle, others_run, reuse::through_a_cache, tells,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [which(), how_many(), when()]
        .into_iter()
        .flatten()
        .collect()
}

fn which() -> Vec<Mutant<Ports>> {
    const OVER: &str = "refresh_tokens::sweep::removes_exactly_what_is_over";
    const LIVE: &str = "refresh_tokens::sweep::removes_nothing_live";
    vec![
        mutant(
            "refresh_tokens::sweep_ignores_the_idle_end",
            OVER,
            |table, call| sweep_as(table, call, |row, now| row.ends_at <= now),
        ),
        mutant(
            "refresh_tokens::sweep_ignores_the_absolute_end",
            OVER,
            |table, call| {
                sweep_as(table, call, |row, now| {
                    row.idle.is_some() && !row.is_live(now)
                })
            },
        ),
        mutant(
            "refresh_tokens::sweep_spares_what_ends_now",
            OVER,
            |table, call| sweep_as(table, call, |row, now| row.expires_at < now),
        ),
        mutant(
            "refresh_tokens::sweep_is_a_microsecond_early",
            OVER,
            |table, call| {
                sweep_as(table, call, |row, now| {
                    row.expires_at <= now.after(Span::MICROSECOND)
                })
            },
        ),
        mutant_per_handle(
            "refresh_tokens::sweep_leaves_the_cache",
            OVER,
            |table, call| through_a_cache(table, call, |call| !matches!(call, Call::Sweep { .. })),
        ),
        mutant(
            "refresh_tokens::sweep_knows_no_rotations",
            LIVE,
            |table, call| {
                sweep_as(table, call, |row, now| {
                    Family::expiry(row.created_at, row.idle, row.ends_at) <= now
                })
            },
        )
        .re_enacts("AuthHero c65565c: the cleanup removed what was live"),
        tells(
            "refresh_tokens::sweep_of_nothing_fails",
            LIVE,
            |_, answer| match answer {
                Ok(Answer::Sweep(0)) => Err(PortError::Backend("no rows affected".into())),
                answer => answer,
            },
        ),
        mutant(
            "refresh_tokens::sweep_leaves_ids_taken",
            "refresh_tokens::sweep::frees_what_it_removes",
            |table, call| async move {
                match &call {
                    Call::Sweep { tenant, now, .. } => {
                        let rows = table.rows(tenant).await?;
                        for row in rows.into_iter().filter(|row| !row.is_live(*now)) {
                            let key = (tenant.clone(), row.id);
                            table.notes().families.insert(key, *now);
                        }
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
        )
        .re_enacts("spring-session #367: the index was never pruned"),
    ]
}

fn how_many() -> Vec<Mutant<Ports>> {
    const LIMIT: &str = "refresh_tokens::sweep::keeps_to_its_limit";
    vec![
        asks("refresh_tokens::sweep_ignores_its_limit", LIMIT, |call| {
            if let Call::Sweep { at_most, .. } = call {
                *at_most = u32::MAX;
            }
        }),
        mutant(
            "refresh_tokens::sweep_counts_tokens",
            LIMIT,
            |table, call| async move {
                let Call::Sweep { tenant, now, .. } = &call else {
                    return table.call(call).await;
                };
                let over = table.rows(tenant).await?;
                let over = over.iter().filter(|row| !row.is_live(*now));
                let tokens: u64 = over.map(|row| row.rotations + 1).sum();
                match table.call(call.clone()).await? {
                    Answer::Sweep(swept) => Ok(Answer::Sweep(swept.max(tokens.min(swept * 2)))),
                    answer => Ok(answer),
                }
            },
        ),
        asks(
            "refresh_tokens::sweep_of_none_is_a_sweep_of_all",
            LIMIT,
            |call| {
                if let Call::Sweep { at_most, .. } = call
                    && *at_most == 0
                {
                    *at_most = u32::MAX;
                }
            },
        ),
        asks(
            "refresh_tokens::sweep_stops_at_a_thousand",
            "refresh_tokens::sweep::has_no_limit_of_its_own",
            |call| {
                if let Call::Sweep { at_most, .. } = call {
                    *at_most = (*at_most).min(1000);
                }
            },
        )
        .re_enacts("better-auth #10342: a default limit"),
    ]
}

fn when() -> Vec<Mutant<Ports>> {
    const INSTANTS: &str = "refresh_tokens::sweep::knows_every_instant";
    vec![
        asks(
            "refresh_tokens::sweep_reads_its_cutoff_in_another_zone",
            INSTANTS,
            |call| {
                if let Call::Sweep { now, .. } = call {
                    *now = now.before(Span::minutes(60));
                }
            },
        )
        .re_enacts("greyproxy #4: a local time was compared with one in UTC"),
        tells(
            "refresh_tokens::sweep_stops_after_2038",
            INSTANTS,
            |call, answer| match call {
                Call::Sweep { now, .. } if now.as_micros() > i64::from(i32::MAX) * 1_000_000 => {
                    Err(PortError::Backend("value out of range".into()))
                }
                _ => answer,
            },
        )
        .re_enacts("khora #1141: one comparison that failed ended the whole sweep"),
        mutant(
            "refresh_tokens::sweep_counts_then_deletes",
            "refresh_tokens::sweep::race_counts_each_once",
            |table, call| async move {
                let Call::Sweep {
                    tenant,
                    now,
                    at_most,
                } = &call
                else {
                    return table.call(call).await;
                };
                let mut over = table.rows(tenant).await?;
                over.retain(|row| !row.is_live(*now));
                others_run().await;
                table.call(call.clone()).await?;
                Ok(Answer::Sweep((over.len() as u64).min(u64::from(*at_most))))
            },
        ),
        mutant(
            "refresh_tokens::sweep_deletes_what_it_found_before",
            "refresh_tokens::sweep::spares_what_was_rotated",
            |table, call| async move {
                let Call::Sweep {
                    tenant,
                    now,
                    at_most,
                } = &call
                else {
                    return table.call(call).await;
                };
                let mut over = table.rows(tenant).await?;
                over.retain(|row| !row.is_live(*now));
                over.truncate(*at_most as usize);
                others_run().await;
                Ok(Answer::Sweep(table.delete(tenant, over).await?))
            },
        )
        .re_enacts("crudauth #35: an eviction by what was true before removed a live session"),
    ]
}

/// Sweeps the families that `is_over` holds for.
async fn sweep_as(
    table: Table,
    call: Call,
    is_over: fn(&Family, Timestamp) -> bool,
) -> PortResult<Answer> {
    let Call::Sweep {
        tenant,
        now,
        at_most,
    } = &call
    else {
        return table.call(call).await;
    };
    let mut over = table.rows(tenant).await?;
    over.retain(|row| is_over(row, *now));
    over.truncate(*at_most as usize);
    Ok(Answer::Sweep(table.delete(tenant, over).await?))
}
