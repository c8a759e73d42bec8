//! What is stored is not what was given.

use portproof_ports::{ItemState, OutboxStoreCall as Call};
use serde_json::{Value, json};

use super::{Port, invented, on_rows};
use crate::edits::{careless, every, fold, to_millis};

pub(super) fn mutants(edits: Port) -> Port {
    let edits = edits
        .answer(
            "outbox::put_answers_no_payload",
            "outbox::put::stores_it_whole",
            "put",
            |item| item["payload"] = json!({}),
        )
        .re_enacts("AuthHero 5dddd72: create answered another record than the next read")
        .call(
            "outbox::put_is_due_from_now_on",
            "outbox::put::stores_it_whole",
            "put",
            |arguments| {
                let due_at = arguments["item"]["due_at"].as_i64().unwrap_or_default();
                let now = arguments["now"].as_i64().unwrap_or_default();
                arguments["item"]["due_at"] = json!(due_at.max(now));
            },
        );
    // What has ended is out of sight.
    let edits = on_rows(
        edits,
        "outbox::put_replaces_what_is_done",
        "outbox::put::refuses_a_stored_id",
        |rows, call| async move {
            if let Call::Put { tenant, item, .. } = &call {
                let stored = rows.get(tenant, &item.id);
                if stored.is_some_and(|stored| matches!(stored.state, ItemState::Done { .. })) {
                    rows.remove(tenant, &item.id);
                }
            }
            rows.call(call)
        },
    );
    // One table a kind.
    let edits = on_rows(
        edits,
        "outbox::put_upserts_what_waits",
        "outbox::put::refuses_a_stored_id",
        |rows, call| async move {
            if let Call::Put { tenant, item, .. } = &call {
                let stored = rows.get(tenant, &item.id);
                if stored.is_some_and(|stored| matches!(stored.state, ItemState::Waiting { .. })) {
                    rows.remove(tenant, &item.id);
                }
            }
            rows.call(call)
        },
    );
    edits
        .race(
            "outbox::puts_race",
            "outbox::put::race_has_one_owner",
            "put",
        )
        .answer(
            "outbox::get_makes_one_up",
            "outbox::get::missing_is_none",
            "get",
            |answer| {
                if answer.is_null() {
                    *answer = invented();
                }
            },
        )
        .calls(
            "outbox::ids_are_folded",
            "outbox::put::keeps_ids_apart",
            |arguments| {
                every(arguments, "id", &fold);
                every(&mut arguments["claim"], "item", &fold);
            },
        )
        .re_enacts("CVE-2026-55170: a collation compared ids without regard to case")
        .calls(
            "outbox::kinds_are_folded",
            "outbox::put::keeps_kinds_apart",
            |arguments| every(arguments, "kind", &fold),
        )
        .calls(
            "outbox::payloads_lose_nulls",
            "outbox::put::keeps_payloads_exactly",
            |arguments| every(arguments, "payload", &careless),
        )
        .re_enacts("keyv: large integers went through doubles")
        .answer(
            "outbox::claim_answers_careless_payloads",
            "outbox::put::keeps_payloads_exactly",
            "claim",
            |items| every(items, "payload", &careless),
        )
        .calls(
            "outbox::payloads_are_cut",
            "outbox::put::keeps_large_payloads",
            |arguments| every(arguments, "payload", &cut),
        )
        .answer(
            "outbox::claim_cuts_payloads",
            "outbox::put::keeps_large_payloads",
            "claim",
            |items| every(items, "payload", &cut),
        )
        .calls(
            "outbox::instants_in_milliseconds",
            "outbox::put::keeps_instants",
            |arguments| every(arguments, "now", &to_millis),
        )
        .re_enacts("dex b51e73bc: instants in milliseconds")
        .calls(
            "outbox::due_in_milliseconds",
            "outbox::put::keeps_instants",
            |arguments| every(arguments, "due_at", &to_millis),
        )
}

/// Cuts what is longer than a column.
fn cut(payload: &mut Value) {
    if payload.to_string().len() > 65_535 {
        *payload = json!({});
    }
}
