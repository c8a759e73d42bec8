//! Uses and failures: counters that only rise, failures that are all counted, codes that are of use
//! once.

use portproof_ports::{Counter, Credential, CredentialUse, ErrorKind, NewCredential, Ports};

use super::{Credentials, code, id, new_credential, passkey};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    fixture::{START, day, just_before, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        use_is_noted,
        use_never_moves_back,
        counter_only_rises,
        counter_race_has_one_winner,
        failures_are_counted,
        use_ends_failures,
        failure_race_counts_each,
        code_is_of_use_once,
        code_race_has_one_winner,
        expired_code_is_of_no_use,
        consumed_code_is_known,
        only_codes_are_consumed,
    ]
}

fn counter(count: i64) -> Result<CredentialUse, crate::Failure> {
    Ok(CredentialUse::Counter(Counter::new(count)?))
}

/// A use is noted with its time, and changes nothing else: no version, no time of change.
///
/// "Last used" is how people find the key that is not theirs.
#[rule(
    "credentials::record_use::notes_the_time",
    source = "hydra: the time of a use is persisted"
)]
async fn use_is_noted(w: &Credentials) -> Checked {
    for now in [minute(5), minute(9)] {
        let used = w
            .store
            .record_use(&w.tenant, &w.api_key.id, CredentialUse::Plain, now)
            .await?;
        let expected = Credential {
            used_at: Some(now),
            ..w.api_key.clone()
        };
        equal("the answer of record_use", &used, &expected)?;
        equal("the key", &w.seen(&w.api_key.id).await?, &Some(expected))?;
    }
    for untouched in [&w.code, &w.password] {
        equal(
            "the others",
            &w.seen(&untouched.id).await?.as_ref(),
            &Some(untouched),
        )?;
    }
    Ok(())
}

/// The time of the last use never moves back, whatever a slow clock says.
///
/// A use that is noted in the past hides the one that matters.
#[rule(
    "credentials::record_use::never_moves_back",
    source = "clocks differ by minutes: the contract"
)]
async fn use_never_moves_back(w: &Credentials) -> Checked {
    w.store
        .record_use(&w.tenant, &w.api_key.id, CredentialUse::Plain, minute(9))
        .await?;
    for behind in [minute(9), just_before(minute(9)), START] {
        let used = w
            .other
            .record_use(&w.tenant, &w.api_key.id, CredentialUse::Plain, behind)
            .await?;
        equal("the last use", &used.used_at, &Some(minute(9)))?;
    }
    let found = some("the key", w.seen(&w.api_key.id).await?)?;
    equal(
        "the last use as it is read",
        &found.used_at,
        &Some(minute(9)),
    )
}

/// A counter must be higher than every one before: one that is not is refused, and nothing is
/// noted of that use.
///
/// A counter that stands still is a cloned key, or a code that was seen over a shoulder.
#[rule(
    "credentials::record_use::counter_only_rises",
    source = "Auth.js: a counter that was set for all authenticators survived its suite"
)]
async fn counter_only_rises(w: &Credentials) -> Checked {
    let key = w
        .add(new_credential("passkey", passkey("passkey")?)?)
        .await?;
    let twin = w.add(new_credential("twin", passkey("twin")?)?).await?;
    for (count, at) in [
        (1, minute(1)),
        (2, minute(2)),
        (9_000_000_000, minute(3)),
        (i64::MAX, minute(4)),
    ] {
        let used = w
            .store
            .record_use(&w.tenant, &key.id, counter(count)?, at)
            .await?;
        equal("the counter", &used.counter, &Counter::new(count)?)?;
        equal("the use", &used.used_at, &Some(at))?;
        w.store.record_failure(&w.tenant, &key.id).await?;
        let before = w.seen(&key.id).await?;
        for replayed in [count, count - 1, 0] {
            let answer = w
                .other
                .record_use(&w.tenant, &key.id, counter(replayed)?, minute(50))
                .await;
            fails(
                &format!("{replayed} after {count}"),
                answer,
                ErrorKind::Stale,
            )?;
            equal("the passkey", &w.seen(&key.id).await?, &before)?;
        }
    }
    let plain = w
        .store
        .record_use(&w.tenant, &key.id, CredentialUse::Plain, minute(60))
        .await?;
    equal(
        "the counter after a use without one",
        &plain.counter,
        &Counter::MAX,
    )?;
    equal("the other passkey", &w.seen(&twin.id).await?, &Some(twin))
}

/// Of callers that use one counter at once, one succeeds and the others are told.
///
/// One code that logs in twice is no one-time code.
#[rule(
    "credentials::record_use::counter_race_has_one_winner",
    source = "supabase/auth #2613, loopback4 #2504: one code, several logins",
    environments = "isolation"
)]
async fn counter_race_has_one_winner(w: &Credentials) -> Checked {
    let key = w
        .add(new_credential("passkey", passkey("passkey")?)?)
        .await?;
    for round in 1..5 {
        let answers = race(RACERS, |racer| {
            let (store, tenant, key) = (w.handle(racer), w.tenant.clone(), key.id.clone());
            async move {
                let used = CredentialUse::Counter(Counter::new(round)?);
                store.record_use(&tenant, &key, used, minute(1)).await
            }
        })
        .await?;
        exactly_one(
            "using one counter at once",
            &answers,
            Result::is_ok,
            |answer| answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Stale),
        )?;
    }
    let found = some("the passkey", w.seen(&key.id).await?)?;
    equal("the counter", &found.counter, &Counter::new(4)?)
}

/// Failures are counted one by one, each credential's its own, and change nothing else.
///
/// A count that starts again, or that others raise, locks out the wrong one.
#[rule(
    "credentials::record_failure::counts_one_by_one",
    source = "kratos: wrong submissions are counted against a limit"
)]
async fn failures_are_counted(w: &Credentials) -> Checked {
    for expected in 1..5 {
        let count = w
            .handle(usize::try_from(expected).unwrap_or(0))
            .record_failure(&w.tenant, &w.password.id)
            .await?;
        equal("the count that is answered", &count, &expected)?;
        let counted = Credential {
            failures: expected,
            ..w.password.clone()
        };
        let found = some("the password", w.seen(&w.password.id).await?)?;
        equal("the password", &found, &counted)?;
    }
    equal(
        "the API key",
        &w.seen(&w.api_key.id).await?.as_ref(),
        &Some(&w.api_key),
    )?;
    equal(
        "the next failure of another",
        &w.store.record_failure(&w.tenant, &w.code.id).await?,
        &2,
    )
}

/// A use ends the failures before it: the next failure is the first.
///
/// People who mistype now and then are locked out after years otherwise.
#[rule(
    "credentials::record_use::ends_failures",
    source = "kratos: a success resets the count"
)]
async fn use_ends_failures(w: &Credentials) -> Checked {
    for _ in 0..3 {
        w.store.record_failure(&w.tenant, &w.password.id).await?;
    }
    let used = w
        .other
        .record_use(&w.tenant, &w.password.id, CredentialUse::Plain, minute(1))
        .await?;
    equal("the failures after a use", &used.failures, &0)?;
    equal(
        "the next failure",
        &w.store.record_failure(&w.tenant, &w.password.id).await?,
        &1,
    )
}

/// Of failures at once each gets a number of its own, without a gap.
///
/// With fifty guesses at once, a limit of five would let fifty through.
#[rule(
    "credentials::record_failure::race_counts_each",
    source = "better-auth #9993: counters that were read, raised and written",
    environments = "isolation"
)]
async fn failure_race_counts_each(w: &Credentials) -> Checked {
    for round in 0..4 {
        let answers = race(16, |racer| {
            let (store, tenant, key) = (w.handle(racer), w.tenant.clone(), w.password.id.clone());
            async move { store.record_failure(&tenant, &key).await }
        })
        .await?;
        let mut counts = answers.into_iter().collect::<Result<Vec<u64>, _>>()?;
        counts.sort_unstable();
        let expected: Vec<u64> = (1..=16).map(|count| round * 16 + count).collect();
        equal("the counts that were answered", &counts, &expected)?;
    }
    let found = some("the password", w.seen(&w.password.id).await?)?;
    equal("the failures", &found.failures, &64)
}

/// A recovery code can be consumed once; it stays stored, as consumed then, and is otherwise as it
/// was.
///
/// A code on a sheet of paper is of use to whoever finds the sheet.
#[rule(
    "credentials::consume::succeeds_once",
    source = "kratos 6ce2bd861: recovery codes of use twice; AuthHero: three redemptions through a cache"
)]
async fn code_is_of_use_once(w: &Credentials) -> Checked {
    let second = w.add(new_credential("second", code("second"))?).await?;
    w.seen(&w.code.id).await?;
    equal(
        "consuming it",
        &w.store.consume(&w.tenant, &w.code.id, minute(5)).await?,
        &true,
    )?;
    let expected = Credential {
        consumed_at: Some(minute(5)),
        ..w.code.clone()
    };
    for again in 0..4 {
        let consumed = w
            .handle(again)
            .consume(&w.tenant, &w.code.id, minute(6))
            .await?;
        equal("consuming it again", &consumed, &false)?;
        equal(
            "the code",
            &w.seen(&w.code.id).await?.as_ref(),
            &Some(&expected),
        )?;
    }
    equal(
        "the other code",
        &w.seen(&second.id).await?.as_ref(),
        &Some(&second),
    )?;
    equal(
        "consuming the other",
        &w.store.consume(&w.tenant, &second.id, minute(7)).await?,
        &true,
    )
}

/// Of callers that consume one code at once, one succeeds.
///
/// One code, one login.
#[rule(
    "credentials::consume::race_has_one_winner",
    source = "supabase/auth #2613, twentyhq/twenty #26025, everruns #2427; kratos under read committed",
    environments = "isolation"
)]
async fn code_race_has_one_winner(w: &Credentials) -> Checked {
    for round in 0..6 {
        let name = format!("round {round}");
        w.add(new_credential(&name, code(&name))?).await?;
        let name = id(&name)?;
        let answers = race(16, |racer| {
            let (store, tenant, name) = (w.handle(racer), w.tenant.clone(), name.clone());
            async move { store.consume(&tenant, &name, minute(5)).await }
        })
        .await?;
        exactly_one(
            "consuming one code at once",
            &answers,
            |a| *a == Ok(true),
            |a| *a == Ok(false),
        )?;
        holds(
            w.seen(&name)
                .await?
                .is_some_and(|code| code.consumed_at.is_some()),
            "it is consumed",
        )?;
    }
    Ok(())
}

/// A code is of use until it expires, and not at that instant; trying it late does not use it up.
///
/// An expired code that works is a code without an end.
#[rule(
    "credentials::consume::minds_the_expiry",
    source = "AuthHero: an expired code was consumed; kratos, Keycloak",
    environments = "time_zone"
)]
async fn expired_code_is_of_no_use(w: &Credentials) -> Checked {
    for now in [day(90), day(91)] {
        equal(
            &format!("consuming it at {now}"),
            &w.store.consume(&w.tenant, &w.code.id, now).await?,
            &false,
        )?;
    }
    w.ada_unchanged().await?;
    let last = just_before(day(90));
    equal(
        "consuming it at its last moment",
        &w.store.consume(&w.tenant, &w.code.id, last).await?,
        &true,
    )?;
    let forever = NewCredential {
        expires_at: None,
        ..new_credential("forever", code("forever"))?
    };
    let forever = w.add(forever).await?;
    equal(
        "consuming one without an end",
        &w.store.consume(&w.tenant, &forever.id, day(1000)).await?,
        &true,
    )
}

/// A consumed code is still found, as consumed.
///
/// A replay is told from a typing error, and raises an alarm.
#[rule(
    "credentials::consume::leaves_it_to_be_found",
    source = "hydra: an invalidated code stays readable, to notice a replay"
)]
async fn consumed_code_is_known(w: &Credentials) -> Checked {
    w.store.consume(&w.tenant, &w.code.id, minute(5)).await?;
    let lookup = super::digest("code");
    for store in [&w.store, &w.other] {
        let kind = portproof_ports::CredentialKind::RecoveryCode;
        let found = some(
            "the code",
            store.find(&w.tenant, kind, &lookup, minute(6)).await?,
        )?;
        equal("when it was consumed", &found.consumed_at, &Some(minute(5)))?;
    }
    let answer = w
        .store
        .add(
            &w.tenant,
            super::of("Grace", "new", code("code"))?,
            minute(6),
        )
        .await;
    fails("adding the code again", answer, ErrorKind::AlreadyExists)
}

/// Only recovery codes are consumed: any other kind is refused, and stays as it is.
///
/// A password that one login uses up locks its owner out.
#[rule(
    "credentials::consume::takes_codes_only",
    source = "the contract: honour or refuse"
)]
async fn only_codes_are_consumed(w: &Credentials) -> Checked {
    let key = w
        .add(new_credential("passkey", passkey("passkey")?)?)
        .await?;
    for name in [&w.api_key.id, &w.password.id, &key.id] {
        fails(
            &format!("consuming {name:?}"),
            w.store.consume(&w.tenant, name, minute(5)).await,
            ErrorKind::Refused,
        )?;
    }
    equal("the passkey", &w.seen(&key.id).await?, &Some(key))?;
    w.ada_unchanged().await
}
