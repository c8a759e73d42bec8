//! Revivals: what was given up waits again.

use portproof_ports::{Ended, ItemState, Ports};

use super::{LEASE, Outbox, id, in_state, text, troubled};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, day, just_before, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        revived_item_waits_again,
        only_what_was_given_up_is_revived,
        revival_race_has_one_winner,
        revival_races_with_a_sweep,
    ]
}

/// What was given up waits again when it is revived, and is due exactly then; what went wrong stays, and
/// its attempts go on where they were.
///
/// A token that begins anew is one that a worker of long ago still has.
#[rule(
    "outbox::revive::waits_again",
    source = "AuthHero: replay of a dead letter; vault: the fencing token increases"
)]
async fn revived_item_waits_again(w: &Outbox) -> Checked {
    let mut item = w.given_up("hopeless", minute(1)).await?;
    for due_at in [minute(60), day(1), START] {
        let revived = w.other.revive(&w.tenant, &item.id, due_at).await?;
        equal("whether there was one", &revived, &true)?;
        item = in_state(&item, ItemState::Waiting { due_at });
        w.is("the item that was revived", &item).await?;
        let early = w
            .store
            .claim(&w.tenant, &item.kind, 1, LEASE, just_before(due_at));
        equal("what is claimed before it is due", &early.await?, &vec![])?;
        item = w.again(&item, due_at).await?;
        let (claim, why, at) = (item.claim(), text("again")?, due_at);
        w.store.give_up(&w.tenant, &claim, &why, at).await?;
        item = troubled(&item, ItemState::GivenUp { at }, &why);
        w.is("the item that was given up again", &item).await?;
    }
    Ok(())
}

/// Only what was given up is revived: what waits, is claimed, was put back or is done stays as it is,
/// and so it is answered, as for what is not stored.
///
/// Whoever revives what somebody else is at has it done twice, and what is done, again.
#[rule(
    "outbox::revive::takes_only_what_was_given_up",
    source = "AuthHero: replay answers whether there was one"
)]
async fn only_what_was_given_up_is_revived(w: &Outbox) -> Checked {
    let put_back = w.claimed("put back").await?;
    let (due_at, why) = (minute(30), text("busy")?);
    w.store
        .put_back(&w.tenant, &put_back.claim(), due_at, &why)
        .await?;
    let others = [
        w.subject.clone(),
        w.claimed("claimed").await?,
        troubled(&put_back, ItemState::Waiting { due_at }, &why),
        w.done("over and done", minute(1)).await?,
    ];
    for item in &others {
        // Also when the time of who has it is over.
        for due_at in [START, minute(2), day(1)] {
            let revived = w.store.revive(&w.tenant, &item.id, due_at).await?;
            let what = format!("reviving what is {:?}", item.state);
            equal(&what, &revived, &false)?;
            w.is("the item that was not revived", item).await?;
        }
    }
    for name in ["missing", "GIVEN UP", "given", "%"] {
        let revived = w.store.revive(&w.tenant, &id(name)?, START).await?;
        equal("reviving what is not stored", &revived, &false)?;
        let found = w.seen_in(&w.tenant, &id(name)?).await?;
        equal("what is stored of it", &found, &None)?;
    }
    let item = w.given_up("hopeless", minute(1)).await?;
    for expected in [true, false, false] {
        let revived = w.store.revive(&w.tenant, &item.id, minute(9)).await?;
        equal("reviving it", &revived, &expected)?;
    }
    Ok(())
}

/// Of callers that revive one item at once, one is told that there was one.
///
/// Otherwise an audit log tells of one revival several times, or not at all.
#[rule(
    "outbox::revive::race_has_one_winner",
    source = "everruns #2427, better-auth #6572: what a removal answered was wrong, or not looked at",
    environments = "isolation"
)]
async fn revival_race_has_one_winner(w: &Outbox) -> Checked {
    for round in 0..4 {
        let item = w.given_up(&format!("round {round}"), minute(1)).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, id) = (w.handle(racer), w.tenant.clone(), item.id.clone());
            async move { store.revive(&tenant, &id, minute(9)).await }
        })
        .await?;
        exactly_one(
            "reviving one item at once",
            &answers,
            |answer| *answer == Ok(true),
            |answer| *answer == Ok(false),
        )?;
        let due_at = minute(9);
        w.is(
            "the revived item",
            &in_state(&item, ItemState::Waiting { due_at }),
        )
        .await?;
    }
    Ok(())
}

/// Of a revival and a sweep at once, one gets the item: it waits again, or is gone, and each is told
/// what came of it.
///
/// Otherwise what somebody was told is tried again is nowhere.
#[rule(
    "outbox::revive::race_with_a_sweep",
    source = "crudauth #35: an eviction by what was true before removed a live session",
    environments = "isolation"
)]
async fn revival_races_with_a_sweep(w: &Outbox) -> Checked {
    for round in 0..8 {
        let item = w.given_up(&format!("round {round}"), minute(1)).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, id) = (w.handle(racer), w.tenant.clone(), item.id.clone());
            async move {
                // Who comes first changes from round to round.
                if (racer / 2 + round) % 2 == 0 {
                    let revived = store.revive(&tenant, &id, minute(9)).await?;
                    return Ok((u64::from(revived), 0));
                }
                let swept = store.sweep(&tenant, Ended::GivenUp, minute(1), 10).await?;
                Ok::<_, Failure>((0, swept))
            }
        })
        .await?;
        let (mut revived, mut swept) = (0, 0);
        for answer in answers {
            let answer = answer?;
            revived += answer.0;
            swept += answer.1;
        }
        holds(
            revived + swept == 1,
            format!("one of them got the item, got {revived} revivals and {swept} swept"),
        )?;
        let due_at = minute(9);
        let expected = (revived == 1).then(|| in_state(&item, ItemState::Waiting { due_at }));
        let found = w.seen_in(&w.tenant, &item.id).await?;
        equal("what is left of it", &found, &expected)?;
    }
    Ok(())
}
