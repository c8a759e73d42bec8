//! Races: of many who want one item, one gets it.

use portproof_ports::{ItemState, Ports};

use super::{Follow, LEASE, Outbox, claimed, in_state, of_kind};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        claim_race_has_one_winner,
        dead_workers_item_has_one_heir,
        followers_race_for_one_end,
        followers_race_with_claimers,
        renewals_race_with_claimers,
    ]
}

/// Of workers that ask for one item at once, one is answered it and the others nothing.
///
/// A mail is sent eight times.
#[rule(
    "outbox::claim::race_has_one_winner",
    source = "kratos: two workers never get the same message",
    environments = "isolation"
)]
async fn claim_race_has_one_winner(w: &Outbox) -> Checked {
    for round in 0..8 {
        let name = format!("round {round}");
        let item = w.put(of_kind(&name, &name)?).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, kind) = (w.handle(racer), w.tenant.clone(), item.kind.clone());
            // Some ask for one, and some for more.
            let at_most = if racer % 3 == 0 { 10 } else { 1 };
            async move { store.claim(&tenant, &kind, at_most, LEASE, START).await }
        })
        .await?;
        let expected = claimed(&item, START.after(LEASE));
        exactly_one(
            "claiming one item at once",
            &answers,
            |answer| {
                let found = answer.as_deref();
                found.is_ok_and(|found| found == std::slice::from_ref(&expected))
            },
            |answer| answer.as_ref().is_ok_and(Vec::is_empty),
        )?;
        w.is("the claimed item", &expected).await?;
    }
    Ok(())
}

/// Of workers that ask for what a dead one had, the moment its time is over, one is answered it.
///
/// After a crash all its workers' items are done by everybody.
#[rule(
    "outbox::claim::race_after_a_dead_worker",
    source = "AuthHero: claimEvents, an atomic lease; vault: a lease expires when its holder stops renewing",
    environments = "isolation"
)]
async fn dead_workers_item_has_one_heir(w: &Outbox) -> Checked {
    let mut item = w.subject_claimed().await?;
    let mut now = minute(15);
    for _ in 0..8 {
        let answers = race(RACERS, |racer| {
            let (store, tenant, kind) = (w.handle(racer), w.tenant.clone(), item.kind.clone());
            async move { store.claim(&tenant, &kind, 2, LEASE, now).await }
        })
        .await?;
        let expected = claimed(&item, now.after(LEASE));
        exactly_one(
            "claiming what a dead worker had",
            &answers,
            |answer| {
                let found = answer.as_deref();
                found.is_ok_and(|found| found == std::slice::from_ref(&expected))
            },
            |answer| answer.as_ref().is_ok_and(Vec::is_empty),
        )?;
        w.is("the claimed item", &expected).await?;
        item = expected;
        now = now.after(LEASE);
    }
    Ok(())
}

/// Of callers that show one claim at once, to complete the item, put it back and give it up, one
/// succeeds, and what it said is stored.
///
/// Otherwise a mail that was sent waits again, or what failed is done.
#[rule(
    "outbox::fence::race_has_one_winner",
    source = "everruns #2427, better-auth #6572: what a removal answered was wrong, or not looked at",
    environments = "isolation"
)]
async fn followers_race_for_one_end(w: &Outbox) -> Checked {
    const ENDS: [Follow; 3] = [Follow::Complete, Follow::PutBack, Follow::GiveUp];
    for round in 0..8 {
        let item = w.claimed(&format!("round {round}")).await?;
        // In some rounds all say the same, and in others each something else.
        let end = move |racer: usize| match round {
            0..3 => ENDS[round],
            _ => ENDS[(racer + round) % 3],
        };
        let answers = race(RACERS, |racer| {
            let (store, tenant, claim) = (w.handle(racer), w.tenant.clone(), item.claim());
            async move { end(racer).call(&*store, &tenant, &claim, minute(1)).await }
        })
        .await?;
        exactly_one(
            "following up one claim at once",
            &answers,
            |answer| *answer == Ok(true),
            |answer| *answer == Ok(false),
        )?;
        let winner = answers.iter().position(|answer| *answer == Ok(true));
        let after = end(winner.unwrap_or_default()).after(&item, minute(1))?;
        w.is("the item after the one who won", &after).await?;
    }
    Ok(())
}

/// At the end of a claim's time, of who has it and is late and those who claim the item next, one
/// succeeds: when the late one is told that it held, nobody has claimed the item after that.
///
/// Otherwise what is done is being done by somebody else, who was not told.
#[rule(
    "outbox::fence::race_with_a_claimer",
    source = "the contract: of two that hold one item after each other the first one's claim does not hold any more",
    environments = "isolation"
)]
async fn followers_race_with_claimers(w: &Outbox) -> Checked {
    const ENDS: [Follow; 3] = [Follow::Complete, Follow::PutBack, Follow::GiveUp];
    for round in 0..12 {
        let item = w.claimed(&format!("round {round}")).await?;
        let (end, now) = (ENDS[round % 3], minute(5));
        let answers = race(RACERS, |racer| {
            let (store, tenant, item) = (w.handle(racer), w.tenant.clone(), item.clone());
            async move {
                // Who comes first changes from round to round.
                if (racer / 2 + round) % 2 == 0 {
                    return Ok(end.call(&*store, &tenant, &item.claim(), now).await?);
                }
                let found = store.claim(&tenant, &item.kind, 1, LEASE, now).await?;
                Ok::<_, Failure>(!found.is_empty())
            }
        })
        .await?;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        exactly_one(
            &format!("{end:?} and claims at once"),
            &answers,
            |won| *won,
            |won| !*won,
        )?;
        let winner = answers.iter().position(|won| *won).unwrap_or_default();
        let expected = if (winner / 2 + round) % 2 == 0 {
            end.after(&item, now)?
        } else {
            claimed(&item, now.after(LEASE))
        };
        w.is("the item after the one who won", &expected).await?;
    }
    Ok(())
}

/// At the end of a claim's time, of who renews it and those who claim the item next, either all
/// renewals hold and nobody is answered the item, or one is and no renewal holds.
///
/// Otherwise two believe that they have it.
#[rule(
    "outbox::renew::race_with_a_claimer",
    source = "vault: a lease expires when its holder stops renewing; kratos: two workers never get the same message",
    environments = "isolation"
)]
async fn renewals_race_with_claimers(w: &Outbox) -> Checked {
    for round in 0..8 {
        let item = w.claimed(&format!("round {round}")).await?;
        let now = minute(5);
        let answers = race(RACERS, |racer| {
            let (store, tenant, item) = (w.handle(racer), w.tenant.clone(), item.clone());
            async move {
                // Who comes first changes from round to round.
                if (racer / 2 + round) % 2 == 0 {
                    let held = store.renew(&tenant, &item.claim(), LEASE, now).await?;
                    return Ok((usize::from(held), 0));
                }
                let found = store.claim(&tenant, &item.kind, 1, LEASE, now).await?;
                Ok::<_, Failure>((0, found.len()))
            }
        })
        .await?;
        let (mut renewals, mut claims) = (0, 0);
        for answer in answers {
            let answer = answer?;
            renewals += answer.0;
            claims += answer.1;
        }
        holds(
            (renewals, claims) == (RACERS / 2, 0) || (renewals, claims) == (0, 1),
            format!("all renewals hold or one claim is answered, got {renewals} and {claims}"),
        )?;
        let until = now.after(LEASE);
        let expected = if claims == 0 {
            in_state(&item, ItemState::Claimed { until })
        } else {
            claimed(&item, until)
        };
        let found = w.seen_in(&w.tenant, &item.id).await?;
        equal("the item after that", &found, &Some(expected))?;
    }
    Ok(())
}
