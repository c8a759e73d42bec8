//! Mutants that sweep wrongly.

use portproof_ports::{
    Ended, Item, ItemState, OutboxStoreAnswer as Answer, OutboxStoreCall as Call, Span, Timestamp,
};
use serde_json::json;

use super::{
    Port, on_rows,
    rows::{has_ended, since},
};

pub(super) fn mutants(edits: Port) -> Port {
    const SO: &str = "outbox::sweep::removes_exactly_what_ended_so";
    const LIMIT: &str = "outbox::sweep::keeps_to_its_limit";
    const INSTANTS: &str = "outbox::sweep::knows_every_instant";
    const LIVE: &str = "outbox::sweep::spares_what_has_not_ended";
    let edits = sweeps(
        edits,
        "outbox::sweep_of_either_end",
        SO,
        |item, _, until| {
            has_ended(item, Ended::Done, until) || has_ended(item, Ended::GivenUp, until)
        },
    );
    let edits = sweeps(
        edits,
        "outbox::sweep_spares_what_ended_then",
        SO,
        |item, ended, until| since(item.state) < until && has_ended(item, ended, until),
    );
    let edits = sweeps(
        edits,
        "outbox::sweep_is_a_microsecond_early",
        SO,
        |item, ended, until| has_ended(item, ended, until.after(Span::MICROSECOND)),
    );
    let edits = sweeps(
        edits,
        "outbox::sweep_goes_by_when_it_was_put",
        SO,
        |item, ended, until| has_ended(item, ended, Timestamp::MAX) && item.created_at <= until,
    );
    let edits = sweeps(
        edits,
        "outbox::sweep_removes_dead_claims",
        LIVE,
        |item, ended, until| {
            let is_over = matches!(item.state, ItemState::Claimed { until: end } if end <= until);
            is_over || has_ended(item, ended, until)
        },
    )
    .re_enacts("AuthHero c65565c: the cleanup removed live rows");
    let edits = sweeps(
        edits,
        "outbox::sweep_removes_what_waits_for_long",
        LIVE,
        |item, ended, until| {
            let is_old = matches!(item.state, ItemState::Waiting { due_at } if due_at <= until);
            is_old || has_ended(item, ended, until)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::swept_ids_are_remembered",
        "outbox::sweep::frees_the_id",
        |rows, call| async move {
            let Call::Sweep {
                tenant,
                ended,
                until,
                at_most,
            } = &call
            else {
                // Of what is swept a mark stays, and gives its attempts to the next.
                if let Call::Put { tenant, item, now } = &call
                    && let Some(mark) = rows.get(tenant, &item.id)
                    && mark.created_at == Timestamp::MAX
                {
                    rows.remove(tenant, &item.id);
                    let mut again = super::rows::waiting(item.clone(), *now);
                    again.attempts = mark.attempts;
                    rows.set(tenant, again.clone());
                    return Ok(Answer::Put(again));
                }
                return rows.call(call);
            };
            let over = rows.of(tenant, |item| {
                item.created_at != Timestamp::MAX && has_ended(item, *ended, *until)
            });
            let mut swept = 0;
            for mut item in over.into_iter().take(*at_most as usize) {
                item.created_at = Timestamp::MAX;
                rows.set(tenant, item);
                swept += 1;
            }
            Ok(Answer::Sweep(swept))
        },
    );
    edits
        .call(
            "outbox::sweep_ignores_its_limit",
            LIMIT,
            "sweep",
            |arguments| arguments["at_most"] = json!(u32::MAX),
        )
        .call(
            "outbox::sweep_of_none_is_a_sweep_of_all",
            LIMIT,
            "sweep",
            |arguments| {
                if arguments["at_most"] == 0 {
                    arguments["at_most"] = json!(u32::MAX);
                }
            },
        )
        .call(
            "outbox::sweep_takes_a_thousand",
            "outbox::sweep::has_no_limit_of_its_own",
            "sweep",
            |arguments| {
                let at_most = arguments["at_most"].as_u64().unwrap_or_default();
                arguments["at_most"] = json!(at_most.min(1_000));
            },
        )
        .call(
            "outbox::sweep_reads_its_time_in_another_zone",
            INSTANTS,
            "sweep",
            |arguments| {
                let until = arguments["until"].as_i64().unwrap_or_default();
                arguments["until"] = json!((until - 3_600_000_000).max(0));
            },
        )
        .re_enacts("greyproxy #4: a local time was compared with one in UTC")
        .call(
            "outbox::sweep_takes_millis_for_seconds",
            INSTANTS,
            "sweep",
            |arguments| {
                let until = arguments["until"].as_i64().unwrap_or_default();
                let late = until.saturating_mul(1_000).min(Timestamp::MAX.as_micros());
                arguments["until"] = json!(late);
            },
        )
        .re_enacts("koa-pg-session #9: milliseconds were taken for seconds, and all was deleted")
}

/// A sweep of what `is_over`.
fn sweeps(
    edits: Port,
    id: &'static str,
    breaks: &'static str,
    is_over: fn(&Item, Ended, Timestamp) -> bool,
) -> Port {
    on_rows(edits, id, breaks, move |rows, call| async move {
        let Call::Sweep {
            tenant,
            ended,
            until,
            at_most,
        } = &call
        else {
            return rows.call(call);
        };
        let mut over = rows.of(tenant, |item| is_over(item, *ended, *until));
        over.truncate(*at_most as usize);
        for item in &over {
            rows.remove(tenant, &item.id);
        }
        Ok(Answer::Sweep(over.len() as u64))
    })
}
