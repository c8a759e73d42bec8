//! Claims of what is not due, in another order, for another time.

use std::cmp::Reverse;

use portproof_ports::{
    Item, ItemKind, ItemState, OutboxStoreAnswer as Answer, OutboxStoreCall as Call, Span,
    Timestamp,
};
use serde_json::{Value, json};

use super::{Port, on_rows, rows::since};

/// Whether a mutant takes an item for one that is due.
type IsDue = fn(&Item, &ItemKind, Timestamp) -> bool;

/// A claim of what `is_due`, in the order of `sort`.
fn claims(
    edits: Port,
    id: &'static str,
    breaks: &'static str,
    is_due: IsDue,
    sort: fn(&mut [Item]),
) -> Port {
    on_rows(edits, id, breaks, move |rows, call| async move {
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
        let mut due = rows.of(tenant, |item| is_due(item, kind, *now));
        sort(&mut due);
        due.truncate(usize::from(*at_most));
        Ok(Answer::Claim(rows.take(tenant, due, now.after(*lease))))
    })
}

fn right(item: &Item, kind: &ItemKind, now: Timestamp) -> bool {
    item.kind == *kind && item.state.is_due(now)
}

fn in_order(due: &mut [Item]) {
    due.sort_by_key(|item| since(item.state));
}

pub(super) fn mutants(edits: Port) -> Port {
    const KIND: &str = "outbox::claim::keeps_to_its_kind";
    const DUE: &str = "outbox::claim::waits_until_due";
    const ENDED: &str = "outbox::claim::spares_what_has_ended";
    const ORDER: &str = "outbox::claim::takes_the_longest_due_first";
    const OVER: &str = "outbox::claim::is_over_at_its_end";

    let edits = edits
        .answer(
            "outbox::claim_answers_the_attempt_before",
            "outbox::claim::answers_what_is_stored",
            "claim",
            |items| {
                each(items, |item| {
                    let attempts = item["attempts"].as_i64().unwrap_or_default();
                    item["attempts"] = json!(attempts - 1);
                });
            },
        )
        .answer(
            "outbox::claim_answers_what_it_read",
            "outbox::claim::answers_what_is_stored",
            "claim",
            |items| {
                each(items, |item| {
                    item["state"] = json!({"waiting": {"due_at": 0}});
                });
            },
        );
    let edits = claims(
        edits,
        "outbox::claim_by_a_prefix_of_the_kind",
        KIND,
        |item, kind, now| item.kind.as_str().starts_with(kind.as_str()) && item.state.is_due(now),
        in_order,
    );
    let edits = claims(
        edits,
        "outbox::claim_of_any_kind",
        KIND,
        |item, _, now| item.state.is_due(now),
        in_order,
    );
    let edits = claims(
        edits,
        "outbox::claim_is_a_microsecond_early",
        DUE,
        |item, kind, now| right(item, kind, now.after(Span::MICROSECOND)),
        in_order,
    );
    let edits = claims(
        edits,
        "outbox::claim_is_a_microsecond_late",
        DUE,
        |item, kind, now| right(item, kind, now.before(Span::MICROSECOND)),
        in_order,
    );
    let edits = claims(
        edits,
        "outbox::claim_needs_no_due_time",
        DUE,
        |item, kind, now| match item.state {
            ItemState::Waiting { .. } => item.kind == *kind,
            _ => right(item, kind, now),
        },
        in_order,
    );
    let edits = claims(
        edits,
        "outbox::claim_takes_what_is_done",
        ENDED,
        |item, kind, now| match item.state {
            ItemState::Done { at } => item.kind == *kind && at <= now,
            _ => right(item, kind, now),
        },
        in_order,
    );
    let edits = claims(
        edits,
        "outbox::claim_takes_what_was_given_up",
        ENDED,
        |item, kind, now| match item.state {
            ItemState::GivenUp { at } => item.kind == *kind && at <= now,
            _ => right(item, kind, now),
        },
        in_order,
    );
    let edits = claims(
        edits,
        "outbox::claim_takes_what_was_renewed",
        ENDED,
        |item, kind, now| match item.state {
            ItemState::Claimed { .. } => {
                item.kind == *kind && item.created_at.after(Span::minutes(7)) <= now
            }
            _ => right(item, kind, now),
        },
        in_order,
    );
    let edits = claims(edits, "outbox::claim_by_id", ORDER, right, |_| {});
    let edits = claims(edits, "outbox::claim_by_age", ORDER, right, |due| {
        due.sort_by_key(|item| item.created_at);
    });
    let edits = claims(edits, "outbox::claim_of_the_newest", ORDER, right, |due| {
        due.sort_by_key(|item| Reverse(since(item.state)));
    });
    let edits = claims(edits, "outbox::claim_by_folded_ids", ORDER, right, |due| {
        due.sort_by_key(|item| (since(item.state), item.id.as_str().to_lowercase()));
    });
    let edits = claims(
        edits,
        "outbox::dead_workers_items_come_last",
        ORDER,
        right,
        |due| {
            due.sort_by_key(|item| {
                let was_claimed = matches!(item.state, ItemState::Claimed { .. });
                (was_claimed, since(item.state))
            });
        },
    );
    let edits = claims(
        edits,
        "outbox::claim_holds_for_ever",
        OVER,
        |item, kind, now| matches!(item.state, ItemState::Waiting { .. }) && right(item, kind, now),
        in_order,
    );
    let edits = claims(
        edits,
        "outbox::claim_holds_at_its_end",
        OVER,
        |item, kind, now| match item.state {
            ItemState::Claimed { until } => item.kind == *kind && until < now,
            _ => right(item, kind, now),
        },
        in_order,
    );
    let edits = on_rows(
        edits,
        "outbox::claim_takes_all_and_answers_some",
        "outbox::claim::keeps_to_at_most",
        |rows, mut call| async move {
            let mut limit = usize::MAX;
            if let Call::Claim { at_most, .. } = &mut call {
                limit = usize::from(*at_most);
                *at_most = u16::MAX;
            }
            let mut answer = rows.call(call)?;
            if let Answer::Claim(items) = &mut answer {
                items.truncate(limit);
            }
            Ok(answer)
        },
    );
    edits
        .call(
            "outbox::claim_of_none_is_a_claim_of_all",
            "outbox::claim::keeps_to_at_most",
            "claim",
            |arguments| {
                if arguments["at_most"] == 0 {
                    arguments["at_most"] = json!(u16::MAX);
                }
            },
        )
        .call(
            "outbox::due_times_are_not_before_now",
            "outbox::claim::past_is_due",
            "put",
            |arguments| {
                let due_at = arguments["item"]["due_at"].as_i64().unwrap_or_default();
                let now = arguments["now"].as_i64().unwrap_or_default();
                // Not stored at once, but a moment later.
                if due_at < now {
                    arguments["item"]["due_at"] = json!(now + 1);
                }
            },
        )
        .call(
            "outbox::claim_wraps_around",
            "outbox::claim::may_last_for_ever",
            "claim",
            |arguments| {
                let lease = arguments["lease"].as_i64().unwrap_or_default();
                let now = arguments["now"].as_i64().unwrap_or_default();
                if lease + now > Timestamp::MAX.as_micros() {
                    arguments["lease"] = json!(1);
                }
            },
        )
        .call(
            "outbox::claim_in_milliseconds",
            "outbox::claim::is_of_any_length",
            "claim",
            |arguments| {
                let lease = arguments["lease"].as_i64().unwrap_or_default();
                arguments["lease"] = json!((lease / 1_000 * 1_000).max(1));
            },
        )
        .call(
            "outbox::claim_has_pages",
            "outbox::claim::answers_thousands",
            "claim",
            |arguments| {
                let at_most = arguments["at_most"].as_u64().unwrap_or_default();
                arguments["at_most"] = json!(at_most.min(1_000));
            },
        )
        .call(
            "outbox::claim_has_small_pages",
            "outbox::claim::answers_thousands",
            "claim",
            |arguments| {
                let at_most = arguments["at_most"].as_u64().unwrap_or_default();
                arguments["at_most"] = json!(at_most.min(100));
            },
        )
        .re_enacts("better-auth #10342: a default limit of 100")
}

fn each(items: &mut Value, edit: fn(&mut Value)) {
    if let Some(items) = items.as_array_mut() {
        items.iter_mut().for_each(edit);
    }
}
