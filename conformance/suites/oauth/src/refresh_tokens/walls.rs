//! Walls: between tenants, between errors, and between what was and what is stored.

use portproof_ports::{FamiliesOf, IdentityId, NewFamily, PageRequest, PortError, Ports, Rotation};

use super::{
    Families, LEEWAY, ada, app, current, digest, id, long_family, new_family, offered, rotated,
    sid, spent,
};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, day, document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        other_tenants_reach_nothing,
        tenants_are_compared_as_bytes,
        errors_name_what_was_wrong,
        families_survive_a_restart,
    ]
}

/// Through another tenant a token cannot be found or rotated, its reuse ends nothing, and its family
/// can neither be listed nor ended.
///
/// Otherwise one customer's app gets access to another's, or logs its users out.
#[rule(
    "refresh_tokens::tenancy::other_tenants_reach_nothing",
    source = "kratos 93d364c8e, hydra 43c9be1b5, keto 0c61e343; paySphere #1917"
)]
async fn other_tenants_reach_nothing(w: &Families) -> Checked {
    let here = w.issue(long_family("only here", "Ada")?).await?;
    let here = w.advance(&here, "only here on", START).await?;
    let (there, now) = (&w.elsewhere, minute(5));
    for token in [&here.token, &digest("only here")] {
        let found = w.store.get(there, token, now).await?;
        equal("get through another tenant", &found, &None)?;
        let rotation = w
            .store
            .rotate(there, &app()?, token, &digest("theirs"), None, now)
            .await?;
        equal("rotate through another tenant", &rotation, &Rotation::Gone)?;
    }
    let revoked = w.store.revoke(there, &here.id).await?;
    equal("revoke through another tenant", &revoked, &false)?;
    let empty = w.context.tenant()?;
    for whose in [
        FamiliesOf::Identity(ada()?),
        FamiliesOf::Client(app()?),
        FamiliesOf::Session(sid()?),
        FamiliesOf::Everybody,
    ] {
        let ended = w.store.revoke_all_of(&empty, &whose).await?;
        equal("families that an empty tenant ended", &ended, &0)?;
    }
    let page = w
        .store
        .list_of(&empty, &ada()?, now, &PageRequest::first(10)?)
        .await?;
    equal("families of Ada in an empty tenant", &page.items, &vec![])?;
    let swept = w.store.sweep(&empty, day(1000), 1000).await?;
    equal("families that an empty tenant swept", &swept, &0)?;
    w.is_current("the family in its own tenant", &here).await?;
    w.subject_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two, and
/// each may have a family and a token of the same name.
///
/// A backend that folds them gives one customer the apps of another.
#[rule(
    "refresh_tokens::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Families) -> Checked {
    // The context's tenants come in such triples.
    let tenants = [
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
    ];
    for tenant in &tenants {
        let given = NewFamily {
            data: document(tenant.as_str())?,
            ..new_family("in each")?
        };
        w.store.issue(tenant, given, START).await?;
    }
    for tenant in &tenants {
        let found = w.store.get(tenant, &digest("in each"), START).await?;
        let data = found.map(|token| token.family.data);
        equal(
            "the data of the tenant's own family",
            &data,
            &Some(document(tenant.as_str())?),
        )?;
    }
    Ok(())
}

/// Errors name what was wrong: the family or the token that is there, or the argument.
///
/// Otherwise an engine that drew a token twice cannot tell it from a request that was sent twice.
#[rule(
    "refresh_tokens::errors::name_what_was_wrong",
    source = "kratos: a violated constraint is named; openfga #3014: a driver's error was not mapped"
)]
async fn errors_name_what_was_wrong(w: &Families) -> Checked {
    let taken = PortError::already_exists("family");
    let taken_token = PortError::already_exists("refresh token");
    let another_token = NewFamily {
        token: digest("another"),
        ..new_family("subject")?
    };
    // Of two things that are taken, the family comes first.
    for (what, given, expected) in [
        ("a stored id", another_token, &taken),
        ("a stored id and token", new_family("subject")?, &taken),
        (
            "a stored token",
            NewFamily {
                id: id("another")?,
                ..new_family("subject")?
            },
            &taken_token,
        ),
    ] {
        let issued = w.store.issue(&w.tenant, given, START).await;
        equal(
            &format!("issuing a family with {what}"),
            &issued,
            &Err(expected.clone()),
        )?;
    }
    let rotation = w
        .store
        .rotate(
            &w.tenant,
            &app()?,
            &w.subject.token,
            &digest("bystander"),
            Some(LEEWAY),
            START,
        )
        .await;
    equal("rotating to a stored token", &rotation, &Err(taken_token))?;
    let over = NewFamily {
        ends_at: START,
        ..new_family("subject")?
    };
    let refused = match w.store.issue(&w.tenant, over, START).await {
        Err(PortError::Refused { field, .. }) => Some(field),
        _ => None,
    };
    equal(
        "the argument that issuing an elapsed family refuses",
        &refused.as_deref(),
        &Some("ends_at"),
    )?;
    w.subject_unchanged().await
}

/// What was stored is there when the store is opened anew: families, and which of their tokens are
/// spent, since when. What had ended is not.
///
/// A deployment must not log every app out, forget what a thief is caught by, nor bring back what was
/// revoked.
#[rule(
    "refresh_tokens::restart::keeps_families",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn families_survive_a_restart(w: &Families) -> Checked {
    let tenant = &w.tenant;
    let revoked = w.issue(new_family("revoked")?).await?;
    let swept = NewFamily {
        ends_at: minute(1),
        ..new_family("swept")?
    };
    let swept = w.issue(swept).await?;
    let mallory = w.issue(long_family("ended", "Mallory")?).await?;
    let reused = w.issue(new_family("reused")?).await?;
    let reused = w.advance(&reused, "reused on", START).await?;
    w.store.revoke(tenant, &revoked.id).await?;
    w.store.sweep(tenant, minute(1), 10).await?;
    let whose = FamiliesOf::Identity(IdentityId::new("Mallory")?);
    w.store.revoke_all_of(tenant, &whose).await?;
    w.rotate(&digest("reused"), &digest("stolen"), minute(1))
        .await?;
    let family = w.advance(&w.subject, "one", minute(2)).await?;

    let reopened = w.context.reopen().await?;
    let reopened = offered("refresh_tokens", reopened.refresh_tokens.as_ref())?;
    for gone in [&revoked.token, &swept.token, &mallory.token, &reused.token] {
        let found = reopened.get(tenant, gone, START).await?;
        equal("a token that was ended before a restart", &found, &None)?;
    }
    let page = PageRequest::first(10)?;
    let listed = reopened.list_of(tenant, &ada()?, minute(2), &page).await?;
    equal(
        "Ada's families after a restart",
        &listed.items,
        &vec![family.clone()],
    )?;
    for (what, token, expected) in [
        ("the current token", &family.token, current(&family)),
        (
            "the spent token",
            &w.subject.token,
            spent(&family, minute(2)),
        ),
    ] {
        let found = reopened.get(tenant, token, minute(2)).await?;
        equal(&format!("{what} after a restart"), &found, &expected)?;
    }
    let new = digest("after the restart");
    let rotation = reopened
        .rotate(
            tenant,
            &app()?,
            &family.token,
            &new,
            Some(LEEWAY),
            minute(3),
        )
        .await?;
    let family = rotated(&family, &new, minute(3));
    equal(
        "a rotation after a restart",
        &rotation,
        &Rotation::Rotated(family.clone()),
    )?;
    let reuse = reopened
        .rotate(
            tenant,
            &app()?,
            &w.subject.token,
            &digest("stolen"),
            Some(LEEWAY),
            minute(4),
        )
        .await?;
    equal(
        "the reuse of a token that was spent before a restart",
        &reuse,
        &Rotation::Reused(family),
    )
}
