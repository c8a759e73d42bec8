//! What a worker says is stored otherwise, and what was given up comes back otherwise.

use portproof_ports::{Attempt, ItemState, OutboxStoreAnswer as Answer, OutboxStoreCall as Call};
use serde_json::json;

use super::{Port, on_rows, rows::since, shown};
use crate::edits::every;

pub(super) fn mutants(edits: Port) -> Port {
    const TROUBLE: &str = "outbox::trouble::is_kept_exactly";
    const NEXT: &str = "outbox::trouble::stays_until_the_next";
    const REVIVED: &str = "outbox::revive::waits_again";
    const ONLY: &str = "outbox::revive::takes_only_what_was_given_up";

    let edits = on_rows(
        edits,
        "outbox::renew_only_later",
        "outbox::renew::moves_the_end",
        |rows, call| async move {
            let held = shown(&call).and_then(|(tenant, claim)| rows.held(tenant, claim));
            if let (Call::Renew { lease, now, .. }, Some(held)) = (&call, held)
                && now.after(*lease) < since(held.state)
            {
                return Ok(Answer::Renew(true));
            }
            rows.call(call)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::renew_adds_to_the_end",
        "outbox::renew::moves_the_end",
        |rows, mut call| async move {
            let held = shown(&call).and_then(|(tenant, claim)| rows.held(tenant, claim));
            if let (Call::Renew { now, .. }, Some(held)) = (&mut call, held) {
                *now = since(held.state);
            }
            rows.call(call)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::renew_is_an_attempt",
        "outbox::renew::moves_the_end",
        |rows, call| async move {
            let held = shown(&call).and_then(|(tenant, claim)| rows.held(tenant, claim));
            let answer = rows.call(call.clone())?;
            if let (Call::Renew { tenant, .. }, Some(held)) = (&call, held)
                && let Some(mut item) = rows.get(tenant, &held.id)
            {
                item.attempts = item.attempts.next();
                rows.set(tenant, item);
            }
            Ok(answer)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::complete_removes",
        "outbox::complete::is_stored",
        |rows, call| async move {
            let answer = rows.call(call.clone())?;
            if let (Call::Complete { tenant, claim, .. }, Answer::Complete(true)) = (&call, &answer)
            {
                rows.remove(tenant, &claim.item);
            }
            Ok(answer)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::put_back_keeps_the_lease",
        "outbox::put_back::is_due_then",
        |rows, mut call| async move {
            let held = shown(&call).and_then(|(tenant, claim)| rows.held(tenant, claim));
            if let (Call::PutBack { due_at, .. }, Some(held)) = (&mut call, held) {
                *due_at = (*due_at).max(since(held.state));
            }
            rows.call(call)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::put_back_takes_the_attempt_back",
        "outbox::put_back::is_due_then",
        |rows, call| async move {
            let answer = rows.call(call.clone())?;
            if let (Call::PutBack { tenant, claim, .. }, Answer::PutBack(true)) = (&call, &answer)
                && let Some(mut item) = rows.get(tenant, &claim.item)
            {
                item.attempts = Attempt::new(item.attempts.get() - 1)?;
                rows.set(tenant, item);
            }
            Ok(answer)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::claim_clears_the_trouble",
        NEXT,
        |rows, call| async move {
            let answer = rows.call(call.clone())?;
            let (Call::Claim { tenant, .. }, Answer::Claim(mut items)) = (&call, answer.clone())
            else {
                return Ok(answer);
            };
            for item in &mut items {
                item.trouble = None;
                rows.set(tenant, item.clone());
            }
            Ok(Answer::Claim(items))
        },
    );
    let edits = on_rows(
        edits,
        "outbox::the_first_trouble_stays",
        NEXT,
        |rows, mut call| async move {
            let held = shown(&call).and_then(|(tenant, claim)| rows.held(tenant, claim));
            if let (Call::PutBack { trouble, .. }, Some(held)) = (&mut call, held) {
                *trouble = held.trouble.unwrap_or_else(|| trouble.clone());
            }
            rows.call(call)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::complete_clears_the_trouble",
        NEXT,
        |rows, call| async move {
            let answer = rows.call(call.clone())?;
            if let (Call::Complete { tenant, claim, .. }, Answer::Complete(true)) = (&call, &answer)
                && let Some(mut item) = rows.get(tenant, &claim.item)
            {
                item.trouble = None;
                rows.set(tenant, item);
            }
            Ok(answer)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::revive_begins_anew",
        REVIVED,
        |rows, call| async move {
            let answer = rows.call(call.clone())?;
            if let (Call::Revive { tenant, id, .. }, Answer::Revive(true)) = (&call, &answer)
                && let Some(mut item) = rows.get(tenant, id)
            {
                item.attempts = Attempt::NONE;
                rows.set(tenant, item);
            }
            Ok(answer)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::revive_clears_the_trouble",
        REVIVED,
        |rows, call| async move {
            let answer = rows.call(call.clone())?;
            if let (Call::Revive { tenant, id, .. }, Answer::Revive(true)) = (&call, &answer)
                && let Some(mut item) = rows.get(tenant, id)
            {
                item.trouble = None;
                rows.set(tenant, item);
            }
            Ok(answer)
        },
    );
    let edits = revives(edits, "outbox::revive_takes_what_is_done", ONLY, |state| {
        matches!(state, ItemState::Done { .. })
    });
    let edits = revives(edits, "outbox::revive_takes_what_waits", ONLY, |state| {
        matches!(state, ItemState::Waiting { .. })
    });
    let edits = revives(
        edits,
        "outbox::revive_takes_what_is_claimed",
        ONLY,
        |state| matches!(state, ItemState::Claimed { .. }),
    );
    edits
        .answer(
            "outbox::revive_is_always_content",
            ONLY,
            "revive",
            |answer| *answer = json!(true),
        )
        .re_enacts("AuthHero: removing a missing row answered true")
        .call(
            "outbox::revived_is_due_at_once",
            REVIVED,
            "revive",
            |arguments| arguments["due_at"] = json!(0),
        )
        .call(
            "outbox::done_since_1970",
            "outbox::complete::is_stored",
            "complete",
            |arguments| arguments["now"] = json!(0),
        )
        .call(
            "outbox::given_up_since_1970",
            "outbox::give_up::is_stored",
            "give_up",
            |arguments| arguments["now"] = json!(0),
        )
        .call(
            "outbox::given_up_for_no_reason",
            "outbox::give_up::is_stored",
            "give_up",
            |arguments| arguments["trouble"] = json!(""),
        )
        .calls("outbox::troubles_are_cut", TROUBLE, |arguments| {
            every(arguments, "trouble", &|trouble| {
                let text = trouble.as_str().unwrap_or_default();
                *trouble = json!(text.chars().take(255).collect::<String>());
            });
        })
        .re_enacts("next-auth #4734: a value too long for its column")
        .calls("outbox::troubles_are_trimmed", TROUBLE, |arguments| {
            every(arguments, "trouble", &|trouble| {
                *trouble = json!(trouble.as_str().unwrap_or_default().trim());
            });
        })
}

/// A revival of what is in another state, too.
fn revives(
    edits: Port,
    id: &'static str,
    breaks: &'static str,
    is_meant: fn(ItemState) -> bool,
) -> Port {
    on_rows(edits, id, breaks, move |rows, call| async move {
        if let Call::Revive { tenant, id, .. } = &call
            && let Some(mut item) = rows.get(tenant, id)
            && is_meant(item.state)
        {
            item.state = ItemState::GivenUp {
                at: since(item.state),
            };
            rows.set(tenant, item);
        }
        rows.call(call)
    })
}
