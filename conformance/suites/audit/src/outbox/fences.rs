//! Fences: whose claim holds, and that whoever's does not changes nothing.

use portproof_ports::{Attempt, Claim, Ports};

use super::{Follow, LEASE, Outbox, id};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, day, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        claim_holds_late,
        older_attempt_does_not_hold,
        attempt_that_was_not_does_not_hold,
        claim_ends_with_its_item,
        claim_of_nothing_does_not_hold,
    ]
}

/// A claim whose time is over holds for as long as nobody else claimed the item: it can still be
/// renewed, completed, put back and given up.
///
/// Otherwise what was done a moment too late is done again, though nobody else had begun.
#[rule(
    "outbox::fence::holds_late",
    source = "the contract: a claim whose time is over holds until somebody else claims the item"
)]
async fn claim_holds_late(w: &Outbox) -> Checked {
    for now in [START.after(LEASE), minute(6), day(1)] {
        for follow in Follow::ALL {
            let item = w.claimed(&format!("{follow:?} at {now}")).await?;
            let claim = item.claim();
            let held = follow.call(&*w.other, &w.tenant, &claim, now).await?;
            equal(&format!("{follow:?} at {now}"), &held, &true)?;
            let after = follow.after(&item, now)?;
            w.is("the item after it", &after).await?;
        }
    }
    w.subject_unchanged().await
}

/// A claim does not hold any more when somebody else has claimed the item: what it says changes
/// nothing, and the newer one holds.
///
/// A worker that was away for long would complete what another is at, and nobody notices when that
/// one fails.
#[rule(
    "outbox::fence::refuses_an_older_attempt",
    source = "vault: the fencing token increases; AuthHero: markRetry takes no lease"
)]
async fn older_attempt_does_not_hold(w: &Outbox) -> Checked {
    for follow in Follow::ALL {
        let first = w.claimed(&format!("{follow:?}")).await?;
        let second = w.again(&first, minute(5)).await?;
        // Before the second one's time is over, and after it.
        for now in [minute(6), day(1)] {
            w.does_not_hold("an older attempt", &first.claim(), now)
                .await?;
            w.is("the item that somebody else claimed", &second).await?;
        }
        let third = w.again(&second, day(1)).await?;
        for old in [&first, &second] {
            w.does_not_hold("an older attempt", &old.claim(), day(1))
                .await?;
        }
        let claim = third.claim();
        let held = follow.call(&*w.store, &w.tenant, &claim, day(1)).await?;
        equal("whether the newest attempt holds", &held, &true)?;
        let after = follow.after(&third, day(1))?;
        w.is("the item after it", &after).await?;
    }
    w.subject_unchanged().await
}

/// An attempt that was not made does not hold: neither none of an item that waits, nor the next ones of
/// one that is claimed.
///
/// Otherwise an item is said to be done that nobody has begun.
#[rule(
    "outbox::fence::refuses_an_attempt_that_was_not",
    source = "the contract: a claim is what a worker shows who has claimed an item"
)]
async fn attempt_that_was_not_does_not_hold(w: &Outbox) -> Checked {
    let item = w.claimed("claimed").await?;
    for attempt in [0, 1, 2, 3, i64::MAX] {
        let attempt = Attempt::new(attempt)?;
        for stored in [&w.subject, &item] {
            let claim = Claim {
                item: stored.id.clone(),
                attempt,
            };
            if claim == item.claim() {
                continue;
            }
            w.does_not_hold("an attempt that nobody made", &claim, minute(1))
                .await?;
            w.is("the item", stored).await?;
        }
    }
    Ok(())
}

/// A claim ends when its item is done, put back or given up, and is not brought back when the item is
/// revived: whatever is said with it a second time changes nothing and answers so.
///
/// A retry of a call whose answer was lost would put back what is done.
#[rule(
    "outbox::fence::refuses_who_has_ended",
    source = "the contract: it holds until the item is done, put back or given up"
)]
async fn claim_ends_with_its_item(w: &Outbox) -> Checked {
    for follow in [Follow::Complete, Follow::PutBack, Follow::GiveUp] {
        let item = w.claimed(&format!("{follow:?}")).await?;
        let claim = item.claim();
        let held = follow.call(&*w.store, &w.tenant, &claim, minute(1)).await?;
        equal("whether the claim holds", &held, &true)?;
        let mut after = follow.after(&item, minute(1))?;
        for now in [minute(1), minute(2), day(1)] {
            w.does_not_hold("a claim that has ended", &claim, now)
                .await?;
            w.is("the item that it was of", &after).await?;
        }
        if matches!(follow, Follow::GiveUp) {
            w.store.revive(&w.tenant, &item.id, minute(3)).await?;
            let due_at = minute(3);
            after.state = portproof_ports::ItemState::Waiting { due_at };
            w.does_not_hold("a claim of a revived item", &claim, minute(4))
                .await?;
            w.is("the item that was revived", &after).await?;
        }
    }
    Ok(())
}

/// A claim of what is not stored does not hold, and stores nothing: of an id that nobody put, and of an
/// item that was swept.
///
/// A worker that is told that it does believes that somebody was told of something.
#[rule(
    "outbox::fence::refuses_what_is_missing",
    source = "AuthHero: removing a missing row answered true"
)]
async fn claim_of_nothing_does_not_hold(w: &Outbox) -> Checked {
    let swept = w.done("swept", minute(1)).await?;
    let ended = portproof_ports::Ended::Done;
    let removed = w.store.sweep(&w.tenant, ended, minute(1), 10).await?;
    equal("how many were swept", &removed, &1)?;
    for item in [id("missing")?, id("SUBJECT")?, id("%")?, swept.id] {
        for attempt in [0, 1] {
            let claim = Claim {
                item: item.clone(),
                attempt: Attempt::new(attempt)?,
            };
            w.does_not_hold("what is not stored", &claim, minute(2))
                .await?;
        }
        let found = w.seen_in(&w.tenant, &item).await?;
        equal("what is stored of it", &found, &None)?;
    }
    w.subject_unchanged().await
}
