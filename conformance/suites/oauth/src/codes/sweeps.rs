//! Sweeping away what is over.

use portproof_ports::{Code, Consumed, NewCode, Ports, Span, Timestamp};

use super::{Codes, digest, kind, long_code, new_code};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
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
        sweep_removes_thousands,
    ]
}

/// A sweep removes the tenant's codes that are over, at their very end, of every kind, consumed,
/// guessed out or neither, and no others; it answers how many.
///
/// One that removes too much leaves users with dead codes, and replays unnoticed; one that removes
/// too little fills the disk.
#[rule(
    "codes::sweep::removes_exactly_what_is_over",
    source = "AuthHero be34110: codes were never pruned, 2.5 million rows; dex: GC in three time zones",
    environments = "time_zone"
)]
async fn sweep_removes_what_is_over(w: &Codes) -> Checked {
    let until = |bearer: &str, expires_at| -> Result<NewCode, Failure> {
        Ok(NewCode {
            expires_at,
            ..new_code(bearer)?
        })
    };
    w.put(until("early", minute(1))?).await?;
    let consumed = w.put(new_code("consumed")?).await?;
    w.is_consumed_once(&consumed, minute(1)).await?;
    w.guessed_out("guessed out").await?;
    let state = NewCode {
        kind: kind("state")?,
        identity: None,
        ..new_code("state")?
    };
    let state = w.put(state).await?;
    let next = minute(10).after(Span::MICROSECOND);
    let next = w.put(until("next", next)?).await?;
    let live = w.put(long_code("live", "Ada", "app")?).await?;
    for (what, now, expected) in [
        ("before anything is over", just_before(minute(1)), 0),
        ("at the first end", minute(1), 1),
        ("a microsecond early", just_before(minute(10)), 0),
        // The subject, the consumed one, the one that is guessed out, and the state.
        ("at the end", minute(10), 4),
    ] {
        if expected == 4 {
            w.subject_unchanged().await?;
        }
        let swept = w.store.sweep(&w.tenant, now, 1000).await?;
        equal(&format!("what is swept {what}"), &swept, &expected)?;
    }
    for bearer in ["early", "consumed", "subject"] {
        // By an early clock it would still be live, were it stored.
        equal(
            "a code that was swept",
            &w.seen(&digest(bearer)).await?,
            &None,
        )?;
    }
    let found = w.seen_as(&state.kind, &state.id, START).await?;
    equal("a state that was swept", &found, &None)?;
    for code in [next, live] {
        w.unchanged(&code).await?;
    }
    Ok(())
}

/// A sweep removes no more than it is told to, and repeated sweeps come to an end.
///
/// A sweep of millions at once locks the table that every login writes to.
#[rule(
    "codes::sweep::keeps_to_its_limit",
    source = "AuthHero be34110: 2.5 million rows; hydra, spire: batches"
)]
async fn sweep_keeps_to_its_limit(w: &Codes) -> Checked {
    w.put_many(6).await?;
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
        over -= usize::try_from(expected).unwrap_or(0);
        let subject = usize::from(w.seen(&w.subject.id).await?.is_some());
        let left = w.left_of_many(0..6).await? + subject;
        equal("how many that are over are left", &left, &over)?;
    }
    Ok(())
}

/// A sweep removes nothing before its end, also not what was consumed or guessed out.
///
/// A consumed code that is swept early makes a replay look like a typing error, and its id free for
/// another.
#[rule(
    "codes::sweep::keeps_what_is_not_over",
    source = "hydra: expired assertions are purged, and others kept; AuthHero c65565c"
)]
async fn sweep_of_nothing(w: &Codes) -> Checked {
    let consumed = w.put(new_code("consumed")?).await?;
    w.is_consumed_once(&consumed, minute(1)).await?;
    let guessed_out = w.guessed_out("guessed out").await?;
    let swept = w
        .store
        .sweep(&w.tenant, just_before(minute(10)), 1000)
        .await?;
    equal("what a sweep before any end removes", &swept, &0)?;
    w.subject_unchanged().await?;
    let replay = w.consume(&consumed, minute(2)).await?;
    holds(
        matches!(replay, Consumed::Replayed(_)),
        "the consumed code is still known",
    )?;
    let kind = &guessed_out.kind;
    equal(
        "revoking the one that is guessed out",
        &w.store.revoke(&w.tenant, kind, &guessed_out.id).await?,
        &true,
    )?;
    let empty = w.context.tenant()?;
    equal(
        "what a sweep of an empty tenant removes",
        &w.store.sweep(&empty, day(1), 1000).await?,
        &0,
    )
}

/// A code that was swept is unknown, and its id can be used again: the new code starts afresh.
///
/// What is left of swept codes fills the store, and refuses new ones.
#[rule(
    "codes::sweep::frees_the_id",
    source = "hydra: an expired assertion's id is free again; keycloak: true again after expiry"
)]
async fn sweep_frees_ids(w: &Codes) -> Checked {
    let consumed = w.put(new_code("consumed")?).await?;
    w.is_consumed_once(&consumed, minute(1)).await?;
    w.guess(&w.subject, minute(1)).await?;
    equal(
        "what is swept",
        &w.store.sweep(&w.tenant, day(1), 1000).await?,
        &2,
    )?;
    for code in [&w.subject, &consumed] {
        let answer = w.consume(code, START).await?;
        equal("consuming what was swept", &answer, &Consumed::Refused)?;
        equal(
            "a guess at what was swept",
            &w.guess(code, START).await?,
            &None,
        )?;
        let ended = w.store.revoke(&w.tenant, &code.kind, &code.id).await?;
        equal("revoking what was swept", &ended, &false)?;
    }
    for (bearer, before) in [("subject", &w.subject), ("consumed", &consumed)] {
        let again = w.put(new_code(bearer)?).await?;
        let before: &Code = before;
        equal("the new code", &again, before)?;
        w.unchanged(&again).await?;
        w.is_consumed_once(&again, minute(2)).await?;
    }
    Ok(())
}

/// A sweep just before a code's end spares it, and one at its end removes it: in 1970, after 2038,
/// in 9999, and in the hours that time zones skip or repeat.
///
/// A sweep that reads its cutoff in another time zone removes codes that are on their way, or
/// nothing.
#[rule(
    "codes::sweep::knows_every_instant",
    source = "khora #1141, greyproxy #4: cutoffs without a zone; hydra 337000aac",
    environments = "time_zone"
)]
async fn sweep_knows_every_instant(w: &Codes) -> Checked {
    let tenant = w.context.tenant()?;
    for expires_at in instants()? {
        if expires_at == Timestamp::MIN {
            continue;
        }
        let given = NewCode {
            expires_at,
            ..new_code("swept")?
        };
        w.store.put(&tenant, given, Timestamp::MIN).await?;
        let early = w.store.sweep(&tenant, just_before(expires_at), 10).await?;
        equal(
            &format!("what a sweep just before {expires_at} removes"),
            &early,
            &0,
        )?;
        let swept = w.store.sweep(&tenant, expires_at, 10).await?;
        equal(&format!("what a sweep at {expires_at} removes"), &swept, &1)?;
    }
    Ok(())
}

/// Sweeps at once remove each code once: what they answer adds up to what was over.
///
/// Every server sweeps; a sweep that fails because another one runs lets the store fill up.
#[rule(
    "codes::sweep::race_counts_each_once",
    source = "hydra, spire: batches; better-auth #6572: counts of affected rows were wrong",
    environments = "isolation"
)]
async fn sweep_race_counts_each_once(w: &Codes) -> Checked {
    for round in 0..4 {
        for number in 0..10 {
            w.put(new_code(&format!("round {round}, {number}"))?)
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

/// Thousands of codes are swept batch by batch, each batch full until the last.
///
/// A batch that is cut short tells an engine that it is done, and the rest stays for ever.
#[rule(
    "codes::sweep::removes_thousands",
    source = "AuthHero be34110: 2.5 million rows; cleanup must handle more than a chunk"
)]
async fn sweep_removes_thousands(w: &Codes) -> Checked {
    const MANY: usize = 2500;
    w.put_many(MANY).await?;
    // With the subject.
    for expected in [1000, 1000, 501, 0] {
        let swept = w.store.sweep(&w.tenant, minute(10), 1000).await?;
        equal("what a sweep of at most 1000 removes", &swept, &expected)?;
    }
    let left = w.left_of_many((0..MANY).step_by(99)).await?;
    equal("how many are left", &left, &0)
}
