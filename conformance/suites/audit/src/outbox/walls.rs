//! Walls: between tenants, between errors, and between what was and what is stored.

use portproof_ports::{Ended, ItemState, NewItem, PageRequest, PortError, Ports};

use super::{
    Follow, LEASE, Outbox, claimed, in_state, kind, mail, new_item, of_kind, offered, text,
    troubled,
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
        items_survive_a_restart,
    ]
}

/// Through another tenant an item can neither be read, claimed nor followed up, revived, listed nor
/// swept.
///
/// Otherwise one customer's worker is handed another's mail.
#[rule(
    "outbox::tenancy::other_tenants_reach_nothing",
    source = "AuthHero: replay is scoped to the tenant; kratos 93d364c8e, hydra 43c9be1b5"
)]
async fn other_tenants_reach_nothing(w: &Outbox) -> Checked {
    let waits = w.put(of_kind("waits here", "here")?).await?;
    let item = w.claimed("claimed here").await?;
    let done = w.done("done here", minute(1)).await?;
    let dead = w.given_up("dead here", minute(1)).await?;
    let (empty, now) = (w.context.tenant()?, minute(5));
    for there in [&w.elsewhere, &empty] {
        let store = &w.store;
        for stored in [&waits, &item, &done, &dead] {
            let found = store.get(there, &stored.id).await?;
            equal("get through another tenant", &found, &None)?;
            let found = store
                .claim(there, &stored.kind, 1000, LEASE, day(1))
                .await?;
            equal("claim through another tenant", &found, &vec![])?;
            let revived = store.revive(there, &stored.id, START).await?;
            equal("revive through another tenant", &revived, &false)?;
            for follow in Follow::ALL {
                let held = follow.call(&**store, there, &stored.claim(), now).await?;
                let what = format!("{follow:?} through another tenant");
                equal(&what, &held, &false)?;
            }
        }
        for ended in [Ended::Done, Ended::GivenUp] {
            let swept = store.sweep(there, ended, day(900), 1000).await?;
            equal("what another tenant sweeps", &swept, &0)?;
        }
    }
    let page = PageRequest::first(1000)?;
    let listed = w.store.list_given_up(&empty, &page).await?;
    equal("what an empty tenant gave up", &listed.items, &vec![])?;
    for stored in [&waits, &item, &done, &dead] {
        w.is("the item here", stored).await?;
    }
    // The claim of elsewhere's item, which is called the same, and was claimed as often.
    let here = w.subject_claimed().await?;
    let held = w.store.complete(&w.tenant, &here.claim(), now).await?;
    equal("whether the claim holds here", &held, &true)
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them does one customer's work for another.
#[rule(
    "outbox::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Outbox) -> Checked {
    // The context's tenants come in such triples.
    let tenants = [
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
    ];
    let mut items = Vec::new();
    for tenant in &tenants {
        let given = NewItem {
            payload: document(tenant.as_str())?,
            ..new_item("in each")?
        };
        items.push(w.store.put(tenant, given, START).await?);
    }
    let now = minute(10);
    for (tenant, item) in tenants.iter().zip(&items) {
        let found = w.seen_in(tenant, &item.id).await?;
        equal("the tenant's own item", &found.as_ref(), &Some(item))?;
        let found = w.store.claim(tenant, &mail()?, 1000, LEASE, now).await?;
        let expected = claimed(item, now.after(LEASE));
        equal("what the tenant claims", &found, &vec![expected])?;
    }
    Ok(())
}

/// Errors name what was wrong: the item that is there.
///
/// Otherwise an engine does not know that what it wants told is on its way.
#[rule(
    "outbox::errors::name_what_was_wrong",
    source = "kratos: a violated constraint is named; openfga #3014: a driver's error was not mapped"
)]
async fn errors_name_what_was_wrong(w: &Outbox) -> Checked {
    for given in [new_item("subject")?, of_kind("subject", "another")?] {
        let answer = w.store.put(&w.tenant, given, START).await;
        equal(
            "putting a stored id",
            &answer,
            &Err(PortError::already_exists("item")),
        )?;
    }
    w.subject_unchanged().await
}

/// What was stored is there when the store is opened anew: what waits, what is claimed and whose claim
/// it is, what is done, what was given up and why. What was swept is not.
///
/// A deployment must not lose what was to be told, nor have it told again.
#[rule(
    "outbox::restart::keeps_items",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn items_survive_a_restart(w: &Outbox) -> Checked {
    let tenant = &w.tenant;
    let swept = w.done("swept", minute(1)).await?;
    w.store.sweep(tenant, Ended::Done, minute(1), 10).await?;
    let put_back = w.claimed("put back").await?;
    let (due_at, why) = (minute(30), text("busy")?);
    let claim = put_back.claim();
    w.store.put_back(tenant, &claim, due_at, &why).await?;
    let item = w.claimed("claimed").await?;
    let dead = w.given_up("hopeless", minute(2)).await?;
    let items = [
        w.subject.clone(),
        troubled(&put_back, ItemState::Waiting { due_at }, &why),
        item.clone(),
        w.done("over and done", minute(2)).await?,
        dead.clone(),
    ];

    let reopened = w.context.reopen().await?;
    let reopened = offered("outbox", reopened.outbox.as_ref())?;
    for item in &items {
        let found = reopened.get(tenant, &item.id).await?;
        equal("the item after a restart", &found.as_ref(), &Some(item))?;
    }
    let found = reopened.get(tenant, &swept.id).await?;
    equal("what was swept before", &found, &None)?;
    let page = PageRequest::first(1000)?;
    let listed = reopened.list_given_up(tenant, &page).await?;
    let is_listed = listed.items.contains(&dead);
    equal("whether what was given up is listed", &is_listed, &true)?;
    let kind = kind("claimed")?;
    let taken = reopened.claim(tenant, &kind, 10, LEASE, minute(4)).await?;
    equal("what is claimed while somebody is at it", &taken, &vec![])?;
    let (claim, at) = (item.claim(), minute(4));
    let held = reopened.complete(tenant, &claim, at).await?;
    equal("whether the claim of before holds", &held, &true)?;
    w.is(
        "the item that is done",
        &in_state(&item, ItemState::Done { at }),
    )
    .await
}
