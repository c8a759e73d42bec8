//! Mutants of the list of what was given up.

use portproof_ports::{Item, ItemState, OutboxStoreAnswer as Answer, OutboxStoreCall as Call};
use serde_json::json;

use super::{
    Port, on_rows,
    rows::{listed, since},
};

pub(super) fn mutants(edits: Port) -> Port {
    const FOLLOWS: &str = "outbox::list_given_up::follows_what_becomes_of_items";
    let edits = edits
        .answer(
            "outbox::list_in_reverse",
            "outbox::list_given_up::is_complete_and_ordered",
            "list_given_up",
            |page| {
                if let Some(items) = page["items"].as_array_mut() {
                    items.reverse();
                }
            },
        )
        .answer(
            "outbox::list_hides_the_trouble",
            "outbox::list_given_up::is_complete_and_ordered",
            "list_given_up",
            |page| crate::edits::every(page, "trouble", &|trouble| *trouble = json!("")),
        )
        .capped(
            "outbox::list_is_capped",
            "outbox::list_given_up::is_complete_at_any_length",
        )
        .pages_of_500(
            "outbox::list_has_pages_of_500",
            "outbox::list_given_up::is_complete_at_any_length",
            "list_given_up",
        )
        .offsets(
            "outbox::walks_skip",
            "outbox::list_given_up::walk_survives_removals",
        )
        .offsets(
            "outbox::walks_repeat",
            "outbox::list_given_up::walk_survives_insertions",
        )
        .offsets(
            "outbox::cursors_belong_to_no_list",
            "outbox::list_given_up::refuses_a_foreign_cursor",
        );
    let edits = lists(edits, "outbox::list_has_what_is_done", FOLLOWS, |item| {
        matches!(
            item.state,
            ItemState::Done { .. } | ItemState::GivenUp { .. }
        )
    });
    let edits = lists(
        edits,
        "outbox::list_has_what_had_trouble",
        FOLLOWS,
        |item| item.trouble.is_some() && !matches!(item.state, ItemState::Done { .. }),
    );
    lists(
        edits,
        "outbox::list_has_what_waits",
        "outbox::list_given_up::of_nothing_is_empty",
        |item| !matches!(item.state, ItemState::Done { .. }) && since(item.state).as_micros() > 0,
    )
}

/// A list of what `is_meant`.
fn lists(edits: Port, id: &'static str, breaks: &'static str, is_meant: fn(&Item) -> bool) -> Port {
    on_rows(edits, id, breaks, move |rows, call| async move {
        let Call::ListGivenUp { tenant, page } = &call else {
            return rows.call(call);
        };
        let items = rows.of(tenant, is_meant);
        Ok(Answer::ListGivenUp(listed(tenant, page, items)?))
    })
}
