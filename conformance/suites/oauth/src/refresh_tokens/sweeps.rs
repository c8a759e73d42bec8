//! Sweeping away what is over.

use portproof_ports::{FamiliesOf, NewFamily, Ports, Rotation, Span, Timestamp};

use super::{Families, LEEWAY, ada, app, digest, long_family, new_family, spent};
use crate::{
    Case, Checked, Failure, cases,
    check::equal,
    fixture::{START, day, instants, just_before, minute},
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        sweep_removes_what_is_over,
        sweep_keeps_to_its_limit,
        sweep_of_nothing,
        sweep_keeps_spent_tokens,
        sweep_frees_what_it_removes,
        sweep_of_many,
        sweep_knows_every_instant,
        sweep_race_counts_each_once,
        sweep_spares_what_was_rotated,
    ]
}

/// A sweep removes the tenant's families that are over, idle or absolute, at their very end, and no
/// others; it answers how many families, whatever the number of their tokens.
///
/// One that removes too much logs apps out; one that removes too little fills the disk.
#[rule(
    "refresh_tokens::sweep::removes_exactly_what_is_over",
    source = "AuthHero c65565c: cleanup removed live sessions; dex: GC in three time zones",
    environments = "time_zone"
)]
async fn sweep_removes_what_is_over(w: &Families) -> Checked {
    let idle_over = w.issue(new_family("idle over")?).await?;
    let idle_over = w.advance(&idle_over, "idle over on", START).await?;
    let over = |name: &str, ends_at| -> Result<NewFamily, Failure> {
        Ok(NewFamily {
            idle: None,
            ends_at,
            ..new_family(name)?
        })
    };
    w.issue(over("absolute over", minute(30))?).await?;
    w.issue(over("long over", minute(1))?).await?;
    let next = w
        .issue(over("next", minute(30).after(Span::MICROSECOND))?)
        .await?;
    let live = w.issue(long_family("live", "Ada")?).await?;
    let used = w.issue(new_family("used")?).await?;
    let used = w.advance(&used, "used on", minute(10)).await?;
    for (what, now, expected) in [
        ("before anything is over", just_before(minute(1)), 0),
        ("when one is over", minute(1), 1),
        ("a microsecond early", just_before(minute(30)), 0),
        // The subject, the idle one and the absolute one end at one instant.
        ("at the end of three", minute(30), 3),
        ("again", minute(30), 0),
    ] {
        let swept = w.store.sweep(&w.tenant, now, 1000).await?;
        equal(&format!("what is swept {what}"), &swept, &expected)?;
    }
    let gone = [
        &idle_over.token,
        &digest("idle over"),
        &w.subject.token,
        &digest("absolute over"),
        &digest("long over"),
    ];
    // By an early clock they would still be live, were they stored.
    w.are_gone("a token that was swept", &gone).await?;
    for family in [next, live, used] {
        w.is_current("a family that is live", &family).await?;
    }
    Ok(())
}

/// A sweep removes no more families than it is told to, and repeated sweeps come to an end.
///
/// A sweep of millions at once locks the table that every request reads.
#[rule(
    "refresh_tokens::sweep::keeps_to_its_limit",
    source = "AuthHero be34110: 2.5 million rows; hydra, spire: batches"
)]
async fn sweep_keeps_to_its_limit(w: &Families) -> Checked {
    for number in 0..6 {
        let family = w.issue(new_family(&format!("over {number}"))?).await?;
        w.advance(&family, &format!("over {number} on"), START)
            .await?;
    }
    // With the subject seven are over.
    let mut over = 7;
    for (at_most, expected) in [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
        (3, 1),
        (3, 0),
        (u32::MAX, 0),
    ] {
        let swept = w.store.sweep(&w.tenant, day(1), at_most).await?;
        equal(
            &format!("what a sweep of at most {at_most} removes"),
            &swept,
            &expected,
        )?;
        over -= expected;
        // An early clock still finds those that are left.
        let left = w.of_ada(START).await?.len() as u64;
        equal("how many that are over are left", &left, &over)?;
    }
    Ok(())
}

/// A sweep where nothing is over removes nothing, neither families nor tokens.
///
/// Sweeps run all the time; one that takes what is idle for what is over logs everybody out.
#[rule(
    "refresh_tokens::sweep::removes_nothing_live",
    source = "AuthHero c65565c: the cleanup removed what was live"
)]
async fn sweep_of_nothing(w: &Families) -> Checked {
    let family = w.advance(&w.subject, "one", minute(20)).await?;
    for now in [START, minute(20), just_before(minute(50))] {
        let swept = w.store.sweep(&w.tenant, now, 1000).await?;
        equal("what a sweep of what is live removes", &swept, &0)?;
    }
    w.is_current("the family", &family).await?;
    let empty = w.context.tenant()?;
    let swept = w.store.sweep(&empty, day(1000), 1000).await?;
    equal("what a sweep of an empty tenant removes", &swept, &0)
}

/// A sweep removes no token of a family that lives, however long ago it was spent: its reuse is
/// noticed as before.
///
/// Spent tokens look like rubbish, and are what a thief is caught by.
#[rule(
    "refresh_tokens::sweep::keeps_spent_tokens",
    source = "AuthHero 6503423, cd3d8f4: a cleanup removed what a living record needed"
)]
async fn sweep_keeps_spent_tokens(w: &Families) -> Checked {
    let mut family = w.issue(long_family("long", "Ada")?).await?;
    let mut before = Vec::new();
    for number in 0..5 {
        before.push((family.token.clone(), day(number * 20)));
        family = w
            .advance(&family, &format!("token {number}"), day(number * 20))
            .await?;
    }
    // The subject is over by then.
    for expected in [1, 0] {
        let swept = w.store.sweep(&w.tenant, day(190), u32::MAX).await?;
        equal("how many families are swept", &swept, &expected)?;
    }
    for (token, spent_at) in &before {
        equal(
            "a token that was spent long ago",
            &w.seen(token).await?,
            &spent(&family, *spent_at),
        )?;
    }
    let reuse = w
        .rotate(&digest("long"), &digest("stolen"), day(190))
        .await?;
    equal("its reuse", &reuse, &Rotation::Reused(family))
}

/// What was swept is in no list and no count, and can be issued again: the new family starts afresh.
///
/// What is left of swept families fills the store, and is shown to users as theirs.
#[rule(
    "refresh_tokens::sweep::frees_what_it_removes",
    source = "spring-session #367: indexes were never pruned"
)]
async fn sweep_frees_what_it_removes(w: &Families) -> Checked {
    w.advance(&w.subject, "one", minute(1)).await?;
    let swept = w.store.sweep(&w.tenant, day(1), 1000).await?;
    equal("what is swept", &swept, &1)?;
    equal("Ada's families", &w.of_ada(START).await?, &vec![])?;
    let whose = FamiliesOf::Identity(ada()?);
    let ended = w.store.revoke_all_of(&w.tenant, &whose).await?;
    equal("how many families are left to end", &ended, &0)?;
    let revoked = w.store.revoke(&w.tenant, &w.subject.id).await?;
    equal("revoking a family that was swept", &revoked, &false)?;
    w.are_gone(
        "a token that was swept",
        &[&w.subject.token, &digest("one")],
    )
    .await?;
    let again = w.issue(new_family("subject")?).await?;
    equal("the new family", &again, &w.subject)?;
    w.subject_unchanged().await?;
    w.advance(&w.subject, "one", minute(1)).await?;
    Ok(())
}

/// A sweep removes as many as it may, also when they are more than a page holds.
///
/// One that stops at a limit of its own answers fewer than it was allowed, which says that it is done:
/// nobody sweeps the rest.
#[rule(
    "refresh_tokens::sweep::has_no_limit_of_its_own",
    source = "better-auth #10342: a default limit; hydra: repeated calls finish"
)]
async fn sweep_of_many(w: &Families) -> Checked {
    let tenant = w.context.tenant()?;
    w.issue_many(&tenant, 2500).await?;
    for (at_most, expected) in [(1100, 1100), (2000, 1400), (2000, 0)] {
        let swept = w.store.sweep(&tenant, day(1), at_most).await?;
        equal(
            &format!("what a sweep of at most {at_most} removes"),
            &swept,
            &expected,
        )?;
    }
    let ended = w
        .store
        .revoke_all_of(&tenant, &FamiliesOf::Everybody)
        .await?;
    equal("how many families are left", &ended, &0)
}

/// A sweep just before a family's end spares it, and one at its end removes it: in 1970, after 2038,
/// in 9999, and in the hours that time zones skip or repeat.
///
/// A sweep that reads its cutoff in another time zone logs everybody out, or removes nothing.
#[rule(
    "refresh_tokens::sweep::knows_every_instant",
    source = "khora #1141, greyproxy #4: cutoffs without a zone; dex: GC in three time zones",
    environments = "time_zone"
)]
async fn sweep_knows_every_instant(w: &Families) -> Checked {
    let tenant = w.context.tenant()?;
    for ends_at in instants()? {
        if ends_at == Timestamp::MIN {
            continue;
        }
        let given = NewFamily {
            idle: None,
            ends_at,
            ..new_family("swept")?
        };
        w.store.issue(&tenant, given, Timestamp::MIN).await?;
        let early = w.store.sweep(&tenant, just_before(ends_at), 10).await?;
        equal(
            &format!("what a sweep just before {ends_at} removes"),
            &early,
            &0,
        )?;
        let swept = w.store.sweep(&tenant, ends_at, 10).await?;
        equal(&format!("what a sweep at {ends_at} removes"), &swept, &1)?;
    }
    Ok(())
}

/// Sweeps at once remove each family once: what they answer adds up to what was over.
///
/// Every server sweeps; a sweep that fails because another one runs lets the store fill up.
#[rule(
    "refresh_tokens::sweep::race_counts_each_once",
    source = "hydra, spire: batches; better-auth #6572: counts of affected rows were wrong",
    environments = "isolation"
)]
async fn sweep_race_counts_each_once(w: &Families) -> Checked {
    for round in 0..4 {
        for number in 0..10 {
            let name = format!("round {round}, {number}");
            let family = w.issue(new_family(&name)?).await?;
            w.advance(&family, &format!("{name} on"), START).await?;
        }
        // In the first round the subject is over, too.
        let over = if round == 0 { 11 } else { 10 };
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            async move { store.sweep(&tenant, day(1), 1000).await }
        })
        .await?;
        let mut swept = 0;
        for answer in answers {
            swept += answer?;
        }
        equal("what all sweeps together removed", &swept, &over)?;
    }
    Ok(())
}

/// A family that is rotated while a sweep runs is either kept, or its rotation answers that it is
/// gone.
///
/// An app that was given a token must not be logged out by its next request.
#[rule(
    "refresh_tokens::sweep::spares_what_was_rotated",
    source = "crudauth #35: eviction by a stale count removed live sessions"
)]
async fn sweep_spares_what_was_rotated(w: &Families) -> Checked {
    for round in 0..8 {
        let family = w.issue(new_family(&format!("round {round}"))?).await?;
        let (client, new) = (app()?, digest(&format!("round {round} on")));
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (client, old, new) = (client.clone(), family.token.clone(), new.clone());
            async move {
                // Who comes first changes from round to round.
                if (racer / 2 + round).is_multiple_of(2) {
                    store.sweep(&tenant, minute(30), 1000).await?;
                    return Ok(false);
                }
                // By a clock a microsecond behind the sweeps'.
                let now = just_before(minute(30));
                let rotation = store
                    .rotate(&tenant, &client, &old, &new, Some(LEEWAY), now)
                    .await?;
                Ok::<bool, Failure>(matches!(rotation, Rotation::Rotated(_)))
            }
        })
        .await?;
        let mut kept = false;
        for answer in answers {
            kept |= answer?;
        }
        let found = w.seen_at(&new, minute(31)).await?;
        equal(
            "whether a family lives whose rotation was answered",
            &found.is_some(),
            &kept,
        )?;
    }
    Ok(())
}
