//! Walls: between tenants, between errors, and between what was and what is stored.

use portproof_ports::{
    ErrorKind, IdentityId, Keep, NewSession, PageRequest, PortError, Ports, Session,
};

use super::{Sessions, ada, digest, long_session, new_session, offered};
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
        sessions_survive_a_restart,
    ]
}

/// Through another tenant a session cannot be read, touched, changed, rotated, listed or ended.
///
/// Otherwise one customer reads, changes or ends the sessions of another.
#[rule(
    "session::tenancy::other_tenants_reach_nothing",
    source = "kratos 93d364c8e, hydra 43c9be1b5, keto 0c61e343; paySphere #1917"
)]
async fn other_tenants_reach_nothing(w: &Sessions) -> Checked {
    let here = w.create(long_session("only here", Some("Ada"))?).await?;
    let (there, id, now) = (&w.elsewhere, &here.id, minute(1));
    equal(
        "get through another tenant",
        &w.store.get(there, id, now).await?,
        &None,
    )?;
    equal(
        "touch through another tenant",
        &w.store.touch(there, id, now).await?,
        &None,
    )?;
    let updated = w
        .store
        .update(there, id, here.version, document("theirs")?, now)
        .await;
    fails(
        "update through another tenant",
        updated,
        ErrorKind::NotFound,
    )?;
    let rotated = w.store.rotate(there, id, &digest("theirs"), now).await?;
    equal("rotate through another tenant", &rotated, &None)?;
    equal(
        "revoke through another tenant",
        &w.store.revoke(there, id).await?,
        &false,
    )?;
    let empty = w.context.tenant()?;
    let ended = w
        .store
        .revoke_all_of(&empty, &ada()?, &Keep::Nothing)
        .await?;
    equal("sessions of Ada that an empty tenant ended", &ended, &0)?;
    let page = w
        .store
        .list_of(&empty, &ada()?, now, &PageRequest::first(10)?)
        .await?;
    equal("sessions of Ada in an empty tenant", &page.items, &vec![])?;
    let swept = w.store.sweep(&empty, day(1000), 1000).await?;
    equal("sessions that an empty tenant swept", &swept, &0)?;
    equal(
        "the session in its own tenant",
        &w.seen(id).await?,
        &Some(here),
    )?;
    w.subject_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them gives one customer the sessions of another.
#[rule(
    "session::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Sessions) -> Checked {
    // The context's tenants come in such triples.
    let tenants = [
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
    ];
    for tenant in &tenants {
        let label = tenant.as_str().to_owned();
        let given = NewSession {
            data: document(&label)?,
            ..new_session("in each")?
        };
        w.store.create(tenant, given, START).await?;
    }
    for tenant in &tenants {
        let found = w.store.get(tenant, &digest("in each"), START).await?;
        let found = some("the tenant's own session", found)?;
        equal("its data", &found.data, &document(tenant.as_str())?)?;
    }
    Ok(())
}

/// Errors name what was wrong: the record that is there or not, or the argument.
///
/// Otherwise an engine tells a user that a login failed, and nobody finds out why.
#[rule(
    "session::errors::name_what_was_wrong",
    source = "kratos: a violated constraint is named; openfga #3014: a driver's error was not mapped"
)]
async fn errors_name_what_was_wrong(w: &Sessions) -> Checked {
    let taken = PortError::already_exists("session");
    let stale = PortError::stale("session");
    let missing = PortError::not_found("session");
    let (id, version) = (&w.subject.id, w.subject.version);
    let bystander = digest("bystander");
    let created = w
        .store
        .create(&w.tenant, new_session("subject")?, START)
        .await;
    equal("creating a stored id", &created, &Err(taken.clone()))?;
    let rotated = w.store.rotate(&w.tenant, id, &bystander, START).await;
    equal("rotating to a stored id", &rotated, &Err(taken))?;
    let over = NewSession {
        ends_at: START,
        ..new_session("over")?
    };
    let refused = match w.store.create(&w.tenant, over, START).await {
        Err(PortError::Refused { field, .. }) => Some(field),
        _ => None,
    };
    equal(
        "the argument that creating an elapsed session refuses",
        &refused.as_deref(),
        &Some("ends_at"),
    )?;
    for (what, id, version, expected) in [
        ("an unknown session", &digest("unknown"), version, missing),
        ("another version", id, version.next(), stale),
    ] {
        let updated = w
            .store
            .update(&w.tenant, id, version, document("late")?, START)
            .await;
        equal(&format!("updating {what}"), &updated, &Err(expected))?;
    }
    w.subject_unchanged().await
}

/// What was stored is there when the store is opened anew.
///
/// A deployment must not log everybody out, nor bring back who was logged out.
#[rule(
    "session::restart::keeps_sessions",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn sessions_survive_a_restart(w: &Sessions) -> Checked {
    let (tenant, old) = (&w.tenant, &w.subject.id);
    let revoked = w.create(new_session("revoked")?).await?;
    let swept = NewSession {
        ends_at: minute(1),
        ..new_session("swept")?
    };
    let swept = w.create(swept).await?;
    let mallory = w.create(long_session("ended", Some("Mallory"))?).await?;
    w.store.revoke(tenant, &revoked.id).await?;
    w.store.sweep(tenant, minute(1), 10).await?;
    let identity = IdentityId::new("Mallory")?;
    w.store
        .revoke_all_of(tenant, &identity, &Keep::Nothing)
        .await?;
    let fresh = digest("rotated");
    w.store.rotate(tenant, old, &fresh, minute(1)).await?;
    w.store
        .update(
            tenant,
            &fresh,
            w.subject.version,
            document("new")?,
            minute(1),
        )
        .await?;
    let touched = w.store.touch(tenant, &fresh, minute(2)).await?;
    let expected = Session {
        id: fresh.clone(),
        data: document("new")?,
        version: w.subject.version.next(),
        seen_at: minute(2),
        expires_at: minute(32),
        ..w.subject.clone()
    };
    equal(
        "the session before the restart",
        &touched.as_ref(),
        &Some(&expected),
    )?;
    let reopened = w.context.reopen().await?;
    let reopened = offered("session", reopened.session.as_ref())?;
    let found = reopened.get(tenant, &fresh, minute(2)).await?;
    equal(
        "the session after a restart",
        &found.as_ref(),
        &Some(&expected),
    )?;
    for gone in [old, &revoked.id, &swept.id, &mallory.id] {
        let found = reopened.get(tenant, gone, START).await?;
        equal("a session that ended before a restart", &found, &None)?;
    }
    let page = reopened
        .list_of(tenant, &ada()?, minute(2), &PageRequest::first(10)?)
        .await?;
    equal(
        "Ada's sessions after a restart",
        &page.items,
        &vec![expected],
    )
}
