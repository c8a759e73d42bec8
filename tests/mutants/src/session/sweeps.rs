//! Mutants that sweep wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{PortError, PortResult, Ports, Session, Span, Timestamp};

use super::{
    Answer, Call, Table, asks,
    ends::{delete, through_a_cache},
    mutant, mutant_per_handle, others_run, seen_at, tells,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    const OVER: &str = "session::sweep::removes_exactly_what_is_over";
    const LIMIT: &str = "session::sweep::keeps_to_its_limit";
    const LIVE: &str = "session::sweep::removes_nothing_live";
    const INSTANTS: &str = "session::sweep::knows_every_instant";
    vec![
        mutant(
            "session::sweep_ignores_the_idle_end",
            OVER,
            |table, call| sweep_as(table, call, |row, now| row.ends_at <= now),
        ),
        mutant(
            "session::sweep_ignores_the_absolute_end",
            OVER,
            |table, call| {
                sweep_as(table, call, |row, now| {
                    row.idle.is_some() && !row.is_live(now)
                })
            },
        ),
        mutant(
            "session::sweep_spares_what_ends_now",
            OVER,
            |table, call| sweep_as(table, call, |row, now| row.expires_at < now),
        ),
        mutant(
            "session::sweep_is_a_microsecond_early",
            OVER,
            |table, call| {
                sweep_as(table, call, |row, now| {
                    row.expires_at <= now.after(Span::MICROSECOND)
                })
            },
        ),
        mutant("session::sweep_knows_no_touches", OVER, |table, call| {
            sweep_as(table, call, |row, now| {
                !seen_at(row.clone(), row.created_at).is_live(now)
            })
        }),
        mutant_per_handle("session::sweep_leaves_the_cache", OVER, |table, call| {
            through_a_cache(table, call, |call| !matches!(call, Call::Sweep { .. }))
        }),
        mutant(
            "session::sweep_removes_the_idle_at_once",
            LIVE,
            |table, call| {
                sweep_as(table, call, |row, now| {
                    row.seen_at.after(Span::minutes(20)) <= now
                })
            },
        )
        .re_enacts("AuthHero c65565c: the cleanup removed live sessions"),
        asks("session::sweep_ignores_its_limit", LIMIT, |mut call| {
            if let Call::Sweep { at_most, .. } = &mut call {
                *at_most = u32::MAX;
            }
            call
        }),
        asks(
            "session::sweep_of_none_is_a_sweep_of_all",
            LIMIT,
            |mut call| {
                if let Call::Sweep { at_most, .. } = &mut call
                    && *at_most == 0
                {
                    *at_most = u32::MAX;
                }
                call
            },
        ),
        tells(
            "session::sweep_counts_what_it_was_allowed",
            LIMIT,
            |call, answer| match call {
                Call::Sweep { at_most, .. } => answer.map(|_| Answer::Sweep(u64::from(*at_most))),
                _ => answer,
            },
        ),
        tells(
            "session::sweep_of_nothing_fails",
            LIVE,
            |_, answer| match answer {
                Ok(Answer::Sweep(0)) => Err(PortError::Backend("no rows affected".into())),
                answer => answer,
            },
        ),
        asks(
            "session::sweep_reads_its_cutoff_in_another_zone",
            INSTANTS,
            |mut call| {
                if let Call::Sweep { now, .. } = &mut call {
                    *now = now.before(Span::minutes(60));
                }
                call
            },
        )
        .re_enacts("greyproxy #4: a local time was compared with one in UTC"),
        asks(
            "session::sweep_takes_millis_for_seconds",
            INSTANTS,
            |mut call| {
                if let Call::Sweep { now, .. } = &mut call {
                    *now = Timestamp::from_micros(now.as_micros().saturating_mul(1_000))
                        .unwrap_or(Timestamp::MAX);
                }
                call
            },
        )
        .re_enacts("koa-pg-session #9: milliseconds were taken for seconds, and all was deleted"),
        tells(
            "session::sweep_stops_after_2038",
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
            "session::sweep_counts_then_deletes",
            "session::sweep::race_counts_each_once",
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
            "session::sweep_deletes_what_it_found_before",
            "session::sweep::spares_what_was_touched",
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
                Ok(Answer::Sweep(delete(&table, tenant, over).await?))
            },
        )
        .re_enacts("crudauth #35: an eviction by what was true before removed a live session"),
    ]
}

/// Sweeps the sessions that `is_over` holds for.
async fn sweep_as(
    table: Table,
    call: Call,
    is_over: fn(&Session, Timestamp) -> bool,
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
    Ok(Answer::Sweep(delete(&table, tenant, over).await?))
}
