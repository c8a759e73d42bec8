//! Mutants that check first and act later.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use portproof_ports::{ItemState, OutboxStoreAnswer as Answer, OutboxStoreCall as Call};

use super::{Port, answer_of, on_rows, others_run, shown};

pub(super) fn mutants(edits: Port) -> Port {
    let edits = edits
        .race(
            "outbox::claims_race",
            "outbox::claim::race_has_one_winner",
            "claim",
        )
        .re_enacts("supabase/auth #2613: one code was used twice at once")
        .race(
            "outbox::claims_of_thousands_race",
            "outbox::claim::race_answers_each_once",
            "claim",
        )
        .race(
            "outbox::revivals_race",
            "outbox::revive::race_has_one_winner",
            "revive",
        )
        .race(
            "outbox::sweeps_race",
            "outbox::sweep::race_counts_each_once",
            "sweep",
        )
        .race(
            "outbox::completions_race",
            "outbox::fence::race_has_one_winner",
            "complete",
        )
        .race(
            "outbox::surrenders_race",
            "outbox::fence::race_has_one_winner",
            "give_up",
        );
    let edits = on_rows(
        edits,
        "outbox::dead_workers_have_heirs",
        "outbox::claim::race_after_a_dead_worker",
        |rows, call| async move {
            let Call::Claim {
                tenant,
                kind,
                at_most,
                lease,
                now,
            } = &call
            else {
                return rows.call(call);
            };
            let mut due = rows.due(tenant, kind, *now);
            due.truncate(usize::from(*at_most));
            if due.iter().all(|item| item.attempts.get() == 0) {
                return rows.call(call);
            }
            others_run().await;
            Ok(Answer::Claim(rows.take(tenant, due, now.after(*lease))))
        },
    );
    // Of what two chose at once each gets a part, and takes that for the end.
    let turns = Arc::new(AtomicUsize::new(0));
    let edits = on_rows(
        edits,
        "outbox::claim_drops_what_others_take",
        "outbox::claim::race_misses_none",
        move |rows, call| {
            let turn = turns.fetch_add(1, Ordering::Relaxed);
            async move {
                let Call::Claim {
                    tenant,
                    kind,
                    at_most,
                    lease,
                    now,
                } = &call
                else {
                    return rows.call(call);
                };
                let mut chosen = rows.due(tenant, kind, *now);
                chosen.truncate(usize::from(*at_most));
                if !turn.is_multiple_of(2) {
                    chosen.reverse();
                }
                let mut taken = Vec::new();
                for item in chosen {
                    others_run().await;
                    if rows.get(tenant, &item.id).as_ref() == Some(&item) {
                        taken.extend(rows.take(tenant, [item], now.after(*lease)));
                    }
                }
                Ok(Answer::Claim(taken))
            }
        },
    );
    // Whether the claim holds is found out before, and what is said is stored whatever came between.
    let edits = on_rows(
        edits,
        "outbox::followers_read_then_write",
        "outbox::fence::race_with_a_claimer",
        |rows, call| async move {
            let Some((tenant, claim)) = shown(&call) else {
                return rows.call(call);
            };
            let Some(held) = rows.held(tenant, claim) else {
                return rows.call(call);
            };
            others_run().await;
            rows.set(tenant, held);
            rows.call(call)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::renewals_read_then_write",
        "outbox::renew::race_with_a_claimer",
        |rows, call| async move {
            let (Call::Renew { lease, now, .. }, Some((tenant, claim))) = (&call, shown(&call))
            else {
                return rows.call(call);
            };
            let held = rows.held(tenant, claim).is_some();
            others_run().await;
            if held && let Some(mut item) = rows.get(tenant, &claim.item) {
                let until = now.after(*lease);
                item.state = ItemState::Claimed { until };
                rows.set(tenant, item);
            }
            Ok(answer_of(&call, held))
        },
    );
    on_rows(
        edits,
        "outbox::sweep_removes_what_it_found_before",
        "outbox::revive::race_with_a_sweep",
        |rows, call| async move {
            let Call::Sweep {
                tenant,
                ended,
                until,
                at_most,
            } = &call
            else {
                return rows.call(call);
            };
            let mut over = rows.of(tenant, |item| super::rows::has_ended(item, *ended, *until));
            over.truncate(*at_most as usize);
            others_run().await;
            let mut removed = 0;
            for item in over {
                removed += u64::from(rows.get(tenant, &item.id).is_some());
                rows.remove(tenant, &item.id);
            }
            Ok(Answer::Sweep(removed))
        },
    )
    .re_enacts("crudauth #35: an eviction by what was true before removed a live session")
}
