//! Claims that hold when they should not, and the other way round.

use portproof_ports::{ItemState, OutboxStoreAnswer as Answer, OutboxStoreCall as Call, Port as _};

use super::{Port, answer_of, on_rows, shown};

pub(super) fn mutants(edits: Port) -> Port {
    const OLDER: &str = "outbox::fence::refuses_an_older_attempt";
    const ENDED: &str = "outbox::fence::refuses_who_has_ended";
    const WAS_NOT: &str = "outbox::fence::refuses_an_attempt_that_was_not";

    let edits = edits.fault(
        "outbox::late_is_too_late",
        "outbox::fence::holds_late",
        |store, call| async move {
            let now = match &call {
                Call::Renew { now, .. } | Call::Complete { now, .. } | Call::GiveUp { now, .. } => {
                    Some(*now)
                }
                _ => None,
            };
            if let (Some(now), Some((tenant, claim))) = (now, shown(&call)) {
                let found = store.get(tenant, &claim.item).await?;
                if found.is_some_and(|item| item.state.is_due(now)) {
                    return Ok(answer_of(&call, false));
                }
            }
            store.call(call).await
        },
    );
    // Each follow-up by itself, since each is a statement of its own.
    let edits = ignores(edits, "outbox::renew_ignores_the_attempt", OLDER, |call| {
        matches!(call, Call::Renew { .. })
    });
    let edits = ignores(
        edits,
        "outbox::complete_ignores_the_attempt",
        OLDER,
        |call| matches!(call, Call::Complete { .. }),
    );
    let edits = ignores(
        edits,
        "outbox::put_back_ignores_the_attempt",
        OLDER,
        |call| matches!(call, Call::PutBack { .. }),
    )
    .re_enacts("AuthHero: markRetry takes no lease");
    let edits = ignores(
        edits,
        "outbox::give_up_ignores_the_attempt",
        OLDER,
        |call| matches!(call, Call::GiveUp { .. }),
    );
    let edits = on_rows(
        edits,
        "outbox::old_claims_are_told_so_too_late",
        OLDER,
        |rows, mut call| async move {
            let stored = shown(&call).and_then(|(tenant, claim)| rows.get(tenant, &claim.item));
            let shown_now = shown(&call).map(|(_, claim)| claim.attempt);
            match (stored, shown_now) {
                // What is said is done, and then the attempts are compared.
                (Some(stored), Some(attempt)) if attempt < stored.attempts => {
                    show(&mut call, stored.attempts);
                    rows.call(call.clone())?;
                    Ok(answer_of(&call, false))
                }
                _ => rows.call(call),
            }
        },
    );
    let edits = on_rows(
        edits,
        "outbox::newer_attempts_hold",
        WAS_NOT,
        |rows, mut call| async move {
            let stored = shown(&call).and_then(|(tenant, claim)| rows.get(tenant, &claim.item));
            let shown_now = shown(&call).map(|(_, claim)| claim.attempt);
            if let (Some(stored), Some(attempt)) = (stored, shown_now)
                && attempt > stored.attempts
            {
                show(&mut call, stored.attempts);
            }
            rows.call(call)
        },
    );
    let edits = on_rows(
        edits,
        "outbox::none_holds_of_what_waits",
        WAS_NOT,
        |rows, call| async move {
            whatever_its_state(&rows, call, |state| {
                matches!(state, ItemState::Waiting { .. })
            })
        },
    );
    let edits = on_rows(
        edits,
        "outbox::claims_outlive_what_is_done",
        ENDED,
        |rows, call| async move {
            whatever_its_state(&rows, call, |state| matches!(state, ItemState::Done { .. }))
        },
    );
    let edits = on_rows(
        edits,
        "outbox::claims_outlive_what_was_given_up",
        ENDED,
        |rows, call| async move {
            whatever_its_state(&rows, call, |state| {
                matches!(state, ItemState::GivenUp { .. })
            })
        },
    );
    let edits = on_rows(
        edits,
        "outbox::claims_outlive_what_was_put_back",
        ENDED,
        |rows, call| async move {
            let put_back = shown(&call)
                .and_then(|(tenant, claim)| rows.get(tenant, &claim.item))
                .is_some_and(|item| item.trouble.is_some());
            if !put_back {
                return rows.call(call);
            }
            whatever_its_state(&rows, call, |state| {
                matches!(state, ItemState::Waiting { .. })
            })
        },
    );
    let edits = edits.fault(
        "outbox::completed_twice_is_fine",
        ENDED,
        |store, call| async move {
            if let Call::Complete { tenant, claim, .. } = &call {
                let found = store.get(tenant, &claim.item).await?;
                let is_done = |state| matches!(state, ItemState::Done { .. });
                if found.is_some_and(|item| is_done(item.state)) {
                    return Ok(Answer::Complete(true));
                }
            }
            store.call(call).await
        },
    );
    edits
        .fault(
            "outbox::claims_of_nothing_hold",
            "outbox::fence::refuses_what_is_missing",
            |store, call| async move {
                if let Some((tenant, claim)) = shown(&call)
                    && store.get(tenant, &claim.item).await?.is_none()
                {
                    return Ok(answer_of(&call, true));
                }
                store.call(call).await
            },
        )
        .re_enacts("AuthHero: removing a missing row answered true")
}

/// A mutant whose meant calls hold by whatever attempt was made.
fn ignores(
    edits: Port,
    id: &'static str,
    breaks: &'static str,
    is_meant: fn(&Call) -> bool,
) -> Port {
    edits.fault(id, breaks, move |store, mut call| async move {
        if is_meant(&call)
            && let Some((tenant, claim)) = shown(&call)
            && let Some(item) = store.get(tenant, &claim.item).await?
        {
            show(&mut call, item.attempts);
        }
        store.call(call).await
    })
}

/// Shows another attempt.
fn show(call: &mut Call, attempt: portproof_ports::Attempt) {
    if let Call::Renew { claim, .. }
    | Call::Complete { claim, .. }
    | Call::PutBack { claim, .. }
    | Call::GiveUp { claim, .. } = call
    {
        claim.attempt = attempt;
    }
}

/// A claim holds by its attempt alone, of an item in such a state.
fn whatever_its_state(
    rows: &super::Rows,
    call: Call,
    is_meant: fn(ItemState) -> bool,
) -> portproof_ports::PortResult<Answer> {
    if let Some((tenant, claim)) = shown(&call)
        && let Some(mut item) = rows.get(tenant, &claim.item)
        && item.attempts == claim.attempt
        && is_meant(item.state)
    {
        item.state = ItemState::Claimed {
            until: super::rows::since(item.state),
        };
        rows.set(tenant, item);
    }
    rows.call(call)
}
