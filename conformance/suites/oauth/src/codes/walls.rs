//! Walls: between tenants, between errors, and between what was and what is stored.

use portproof_ports::{Code, CodeKinds, CodesOf, Consumed, ErrorKind, NewCode, PortError, Ports};

use super::{Codes, ada, app, digest, kind, long_code, new_code, offered};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, some},
    fixture::{START, day, document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        other_tenants_reach_nothing,
        tenants_are_compared_as_bytes,
        errors_name_what_was_wrong,
        codes_survive_a_restart,
    ]
}

/// Through another tenant a code cannot be looked at, consumed, guessed at or ended, and nothing is
/// known of its replays.
///
/// Otherwise one customer's code logs in at another's.
#[rule(
    "codes::tenancy::other_tenants_reach_nothing",
    source = "AuthHero: an empty tenant found the code of any; kratos 93d364c8e, hydra 43c9be1b5"
)]
async fn other_tenants_reach_nothing(w: &Codes) -> Checked {
    let here = w.put(long_code("only here", "Ada", "app")?).await?;
    let used = w.put(long_code("used here", "Ada", "app")?).await?;
    w.is_consumed_once(&used, minute(1)).await?;
    let empty = w.context.tenant()?;
    for there in [&w.elsewhere, &empty] {
        for code in [&here, &used] {
            let (kind, id, now) = (&code.kind, &code.id, minute(1));
            equal(
                "peek through another tenant",
                &w.store.peek(there, kind, id, now).await?,
                &None,
            )?;
            equal(
                "consume through another tenant",
                &w.store
                    .consume(there, kind, id, &code.bound_to, now)
                    .await?,
                &Consumed::Refused,
            )?;
            equal(
                "a guess through another tenant",
                &w.store.record_failure(there, kind, id, now).await?,
                &None,
            )?;
            equal(
                "revoke through another tenant",
                &w.store.revoke(there, kind, id).await?,
                &false,
            )?;
        }
    }
    for whose in [CodesOf::Identity(ada()?), CodesOf::Client(app()?)] {
        for kinds in [CodeKinds::Every, CodeKinds::Only(here.kind.clone())] {
            let ended = w.store.revoke_all_of(&empty, &whose, &kinds).await?;
            equal("codes that an empty tenant ended", &ended, &0)?;
        }
    }
    let swept = w.store.sweep(&empty, day(1000), 1000).await?;
    equal("codes that an empty tenant swept", &swept, &0)?;
    w.unchanged(&here).await?;
    w.is_consumed_once(&here, minute(2)).await?;
    w.subject_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them takes one customer's codes for another's.
#[rule(
    "codes::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Codes) -> Checked {
    // The context's tenants come in such triples.
    let tenants = [
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
    ];
    for tenant in &tenants {
        let given = NewCode {
            data: document(tenant.as_str())?,
            ..new_code("in each")?
        };
        w.store.put(tenant, given, START).await?;
    }
    for tenant in &tenants {
        let given = new_code("in each")?;
        let found = w.store.peek(tenant, &given.kind, &given.id, START).await?;
        let found = some("the tenant's own code", found)?;
        equal("its data", &found.data, &document(tenant.as_str())?)?;
        let consumed = w
            .store
            .consume(tenant, &given.kind, &given.id, &given.bound_to, minute(1))
            .await?;
        let expected = Code {
            consumed_at: Some(minute(1)),
            ..found
        };
        equal("consuming it", &consumed, &Consumed::First(expected))?;
    }
    Ok(())
}

/// Errors name what was wrong: the record that is there, or the argument.
///
/// Otherwise an engine tells a user that a login failed, and nobody finds out why.
#[rule(
    "codes::errors::name_what_was_wrong",
    source = "kratos: a violated constraint is named; openfga #3014: a driver's error was not mapped"
)]
async fn errors_name_what_was_wrong(w: &Codes) -> Checked {
    let stored = w.store.put(&w.tenant, new_code("subject")?, START).await;
    equal(
        "storing a stored id",
        &stored,
        &Err(PortError::already_exists("code")),
    )?;
    // What the arguments alone say comes first: the id is stored as well.
    for bearer in ["over", "subject"] {
        let over = NewCode {
            expires_at: START,
            ..new_code(bearer)?
        };
        let answer = w.store.put(&w.tenant, over.clone(), START).await;
        fails("storing a code that is over", answer, ErrorKind::Refused)?;
        let refused = match w.store.put(&w.tenant, over, START).await {
            Err(PortError::Refused { field, .. }) => Some(field),
            _ => None,
        };
        equal(
            "the argument that storing an elapsed code refuses",
            &refused.as_deref(),
            &Some("expires_at"),
        )?;
    }
    w.subject_unchanged().await
}

/// What was stored is there when the store is opened anew: codes, their failures, and that they
/// were consumed.
///
/// A deployment must not make used codes fresh, nor give a guesser more guesses.
#[rule(
    "codes::restart::keeps_codes",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn codes_survive_a_restart(w: &Codes) -> Checked {
    let tenant = &w.tenant;
    let consumed = w.put(new_code("consumed")?).await?;
    w.is_consumed_once(&consumed, minute(1)).await?;
    let guessed_out = w.guessed_out("guessed out").await?;
    let revoked = w.put(new_code("revoked")?).await?;
    w.store.revoke(tenant, &revoked.kind, &revoked.id).await?;
    let ticket = NewCode {
        kind: kind("recovery_code")?,
        ..new_code("ended")?
    };
    let ended = w.put(ticket).await?;
    let kinds = CodeKinds::Only(ended.kind.clone());
    let whose = CodesOf::Identity(ada()?);
    w.store.revoke_all_of(tenant, &whose, &kinds).await?;
    let swept = NewCode {
        expires_at: minute(1),
        ..new_code("swept")?
    };
    let swept = w.put(swept).await?;
    w.store.sweep(tenant, minute(1), 10).await?;
    let guessed_at = some("the code", w.guess(&w.subject, minute(1)).await?)?;
    let reopened = w.context.reopen().await?;
    let reopened = offered("codes", reopened.codes.as_ref())?;
    for gone in [&guessed_out, &revoked, &ended, &swept] {
        let found = reopened.peek(tenant, &gone.kind, &gone.id, START).await?;
        equal("a code that ended before a restart", &found, &None)?;
    }
    for (code, expected) in [
        (
            &consumed,
            Consumed::Replayed(Code {
                consumed_at: Some(minute(1)),
                ..consumed.clone()
            }),
        ),
        (
            &w.subject,
            Consumed::First(Code {
                consumed_at: Some(minute(3)),
                ..guessed_at.clone()
            }),
        ),
        (&guessed_out, Consumed::Refused),
    ] {
        let answer = reopened
            .consume(tenant, &code.kind, &code.id, &code.bound_to, minute(3))
            .await?;
        equal(
            &format!("consuming {:?} after a restart", code.id),
            &answer,
            &expected,
        )?;
    }
    let found = reopened
        .peek(tenant, &w.subject.kind, &digest("subject"), START)
        .await?;
    let expected = Code {
        consumed_at: Some(minute(3)),
        ..guessed_at
    };
    equal("the code after a restart", &found, &Some(expected))
}
