//! Sweeping away what is over.

use portproof_ports::{Keep, NewSession, Ports, Span, Timestamp};

use super::{Sessions, ada, digest, long_session, new_session};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, some},
    fixture::{START, day, instants, just_before, minute},
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        sweep_removes_what_is_over,
        sweep_keeps_to_its_limit,
        sweep_of_nothing,
        sweep_frees_ids,
        sweep_knows_every_instant,
        sweep_race_counts_each_once,
        sweep_spares_what_was_touched,
    ]
}

/// A sweep removes the tenant's sessions that are over, idle or absolute, at their very end, and no
/// others; it answers how many.
///
/// One that removes too much logs people out; one that removes too little fills the disk.
#[rule(
    "session::sweep::removes_exactly_what_is_over",
    source = "AuthHero c65565c: cleanup removed live sessions; dex: GC in three time zones",
    environments = "time_zone"
)]
async fn sweep_removes_what_is_over(w: &Sessions) -> Checked {
    let idle_over = w.create(new_session("idle over")?).await?;
    let over = |bearer: &str, ends_at| -> Result<NewSession, Failure> {
        Ok(NewSession {
            idle: None,
            ends_at,
            ..new_session(bearer)?
        })
    };
    w.create(over("absolute over", minute(30))?).await?;
    w.create(over("long over", minute(1))?).await?;
    let next = w
        .create(over("next", minute(30).after(Span::MICROSECOND))?)
        .await?;
    let live = w.create(long_session("live", Some("Ada"))?).await?;
    let touched = w.create(new_session("touched")?).await?;
    let touched = some(
        "the touched session",
        w.store.touch(&w.tenant, &touched.id, minute(10)).await?,
    )?;
    equal(
        "what is swept before anything is over",
        &w.store
            .sweep(&w.tenant, just_before(minute(1)), 1000)
            .await?,
        &0,
    )?;
    equal(
        "the session that is over first",
        &w.store.sweep(&w.tenant, minute(1), 1000).await?,
        &1,
    )?;
    // The subject and the idle one end at the same instant as the absolute one.
    equal(
        "what is swept a microsecond early",
        &w.store
            .sweep(&w.tenant, just_before(minute(30)), 1000)
            .await?,
        &0,
    )?;
    w.subject_unchanged().await?;
    equal(
        "what is swept at the end",
        &w.store.sweep(&w.tenant, minute(30), 1000).await?,
        &3,
    )?;
    for id in [
        &idle_over.id,
        &w.subject.id,
        &digest("absolute over"),
        &digest("long over"),
    ] {
        // By an early clock it would still be live, were it stored.
        equal("a session that was swept", &w.seen(id).await?, &None)?;
    }
    for session in [next, live, touched] {
        equal(
            "a session that is live",
            &w.seen(&session.id).await?,
            &Some(session),
        )?;
    }
    Ok(())
}

/// How many of Ada's sessions an early clock still finds.
async fn over_ids(w: &Sessions) -> Result<u64, Failure> {
    Ok(w.of_ada(START).await?.len() as u64)
}

/// A sweep removes no more than it is told to, and repeated sweeps come to an end.
///
/// A sweep of millions at once locks the table that every request reads.
#[rule(
    "session::sweep::keeps_to_its_limit",
    source = "AuthHero be34110: 2.5 million rows; hydra, spire: batches"
)]
async fn sweep_keeps_to_its_limit(w: &Sessions) -> Checked {
    for number in 0..6 {
        w.create(new_session(&format!("over {number}"))?).await?;
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
        let left = over_ids(w).await?;
        over -= expected;
        equal("how many that are over are left", &left, &over)?;
    }
    Ok(())
}

/// A sweep where nothing is over removes nothing.
///
/// Everybody whose session it removed would be logged out.
#[rule(
    "session::sweep::removes_nothing_live",
    source = "dex: GC before the expiry removes nothing"
)]
async fn sweep_of_nothing(w: &Sessions) -> Checked {
    let swept = w.store.sweep(&w.tenant, minute(29), 1000).await?;
    equal("what a sweep before any end removes", &swept, &0)?;
    w.subject_unchanged().await?;
    let empty = w.context.tenant()?;
    equal(
        "what a sweep of an empty tenant removes",
        &w.store.sweep(&empty, day(1), 1000).await?,
        &0,
    )
}

/// A session that was swept is in no list and no count, and its id can be used again: the new
/// session starts afresh.
///
/// What is left of swept sessions fills the store, and is shown to users as theirs.
#[rule(
    "session::sweep::frees_the_id",
    source = "spring-session #367: indexes were never pruned"
)]
async fn sweep_frees_ids(w: &Sessions) -> Checked {
    equal(
        "what is swept",
        &w.store.sweep(&w.tenant, day(1), 1000).await?,
        &1,
    )?;
    equal("Ada's sessions", &w.of_ada(START).await?, &vec![])?;
    let ended = w
        .store
        .revoke_all_of(&w.tenant, &ada()?, &Keep::Nothing)
        .await?;
    equal("how many sessions are left to end", &ended, &0)?;
    equal(
        "revoking a session that was swept",
        &w.store.revoke(&w.tenant, &w.subject.id).await?,
        &false,
    )?;
    let touched = w.store.touch(&w.tenant, &w.subject.id, START).await?;
    equal("touching a session that was swept", &touched, &None)?;
    let again = w.create(new_session("subject")?).await?;
    equal("the new session", &again, &w.subject)?;
    w.subject_unchanged().await
}

/// A sweep just before a session's end spares it, and one at its end removes it: in 1970, after
/// 2038, in 9999, and in the hours that time zones skip or repeat.
///
/// A sweep that reads its cutoff in another time zone logs everybody out, or removes nothing.
#[rule(
    "session::sweep::knows_every_instant",
    source = "khora #1141, greyproxy #4: cutoffs without a zone; dex: GC in three time zones",
    environments = "time_zone"
)]
async fn sweep_knows_every_instant(w: &Sessions) -> Checked {
    let tenant = w.context.tenant()?;
    for ends_at in instants()? {
        if ends_at == Timestamp::MIN {
            continue;
        }
        let given = NewSession {
            idle: None,
            ends_at,
            ..new_session("swept")?
        };
        w.store.create(&tenant, given, Timestamp::MIN).await?;
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

/// Sweeps at once remove each session once: what they answer adds up to what was over.
///
/// Every server sweeps; a sweep that fails because another one runs lets the store fill up.
#[rule(
    "session::sweep::race_counts_each_once",
    source = "hydra, spire: batches; better-auth #6572: counts of affected rows were wrong",
    environments = "isolation"
)]
async fn sweep_race_counts_each_once(w: &Sessions) -> Checked {
    for round in 0..4 {
        for number in 0..10 {
            w.create(new_session(&format!("round {round}, {number}"))?)
                .await?;
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

/// A session that is touched while a sweep runs is either kept, or its touch answers that it is
/// gone.
///
/// A user who is told that the session goes on must not be logged out by the next request.
#[rule(
    "session::sweep::spares_what_was_touched",
    source = "crudauth #35: eviction by a stale count removed live sessions"
)]
async fn sweep_spares_what_was_touched(w: &Sessions) -> Checked {
    for round in 0..8 {
        let id = w.create(new_session(&format!("round {round}"))?).await?.id;
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, id) = (w.tenant.clone(), id.clone());
            async move {
                // Who comes first changes from round to round.
                if (racer / 2 + round) % 2 == 0 {
                    store.sweep(&tenant, minute(30), 1000).await?;
                    return Ok(false);
                }
                // By a clock a microsecond behind the sweeps'.
                let touched = store.touch(&tenant, &id, just_before(minute(30))).await?;
                Ok::<bool, Failure>(touched.is_some())
            }
        })
        .await?;
        let mut kept = false;
        for answer in answers {
            kept |= answer?;
        }
        let found = w.store.get(&w.tenant, &id, minute(31)).await?;
        equal(
            "whether a session lives that a touch answered",
            &found.is_some(),
            &kept,
        )?;
    }
    Ok(())
}
