//! Walls: between tenants, between errors, and between what was and what is stored.

use portproof_ports::{
    EdgeBatch, EdgeFilter, EdgeWrite, HowMany, PortError, Ports, Precondition, Relationship,
};

use super::{Graph, edge, full, just, object, offered, plain};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, day, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        other_tenants_reach_nothing,
        tenants_are_compared_as_bytes,
        errors_name_what_was_wrong,
        edges_survive_a_restart,
    ]
}

/// Through another tenant an edge cannot be found, listed, required, replaced or removed, and nothing of it
/// be forgotten or swept.
///
/// Otherwise one customer's users see another one's documents.
#[rule(
    "relationships::tenancy::other_tenants_reach_nothing",
    source = "keto 0c61e343, kratos 93d364c8e, hydra 43c9be1b5: other tenants' rows were answered"
)]
async fn other_tenants_reach_nothing(w: &Graph) -> Checked {
    let here = full(edge("user:Bob", "viewer", "doc:Here")?, "here")?;
    w.put(&w.tenant, std::slice::from_ref(&here)).await?;
    let empty = w.context.tenant()?;
    for there in [&w.elsewhere, &empty] {
        let found = w.store.get(there, &here.edge, START).await?;
        equal("get through another tenant", &found, &None)?;
        let exists = w.store.exists(there, &here.edge, START).await?;
        equal("exists through another tenant", &exists, &false)?;
        let from = w.from(there, &here.edge.subject, START).await?;
        let to = w.to(there, &here.edge.object, START).await?;
        equal(
            "the lists of another tenant",
            &(from, to),
            &(vec![], vec![]),
        )?;
        let filter = EdgeFilter::only(&here.edge);
        let batch = just(EdgeWrite::Delete(here.edge.clone()))?;
        let must_not = vec![Precondition::MustNotExist(filter.clone())];
        w.store.write(there, &batch.given(must_not)?, START).await?;
        let removed = w.store.delete_where(there, &filter, HowMany::Every).await?;
        equal("edges that another tenant removed", &removed, &0)?;
        let ended = w.store.forget(there, &object("doc:Here")?).await?;
        equal("edges that another tenant forgot", &ended, &0)?;
        let own = plain(here.edge.clone());
        let batch = just(EdgeWrite::Create(own.clone()))?;
        w.store.write(there, &batch, START).await?;
        let gone = just(EdgeWrite::Delete(here.edge.clone()))?;
        w.store.write(there, &gone, START).await?;
    }
    let removed = w
        .store
        .delete_where(&empty, &EdgeFilter::EVERY, HowMany::Every)
        .await?;
    equal("edges that an empty tenant removed", &removed, &0)?;
    let swept = w.store.sweep(&empty, day(1000), 1000).await?;
    equal("edges that an empty tenant swept", &swept, &0)?;
    w.is_stored("the edge in its own tenant", &here).await?;
    w.subject_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two, and each
/// may have an edge of the same ends.
///
/// A backend that folds them gives one customer the permissions of another.
#[rule(
    "relationships::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Graph) -> Checked {
    // The context's tenants come in such triples.
    let tenants = [
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
    ];
    for tenant in &tenants {
        let given = full(edge("user:Bob", "viewer", "doc:Each")?, tenant.as_str())?;
        let batch = just(EdgeWrite::Create(given))?;
        w.store.write(tenant, &batch, START).await?;
    }
    for tenant in &tenants {
        let given = full(edge("user:Bob", "viewer", "doc:Each")?, tenant.as_str())?;
        let found = w.store.get(tenant, &given.edge, START).await?;
        equal("the tenant's own edge", &found, &Some(given))?;
    }
    Ok(())
}

/// Errors name what was wrong: the argument, the precondition or the edge, and of several in this order.
///
/// An engine that lost against another one tries again; one that was asked for nonsense must not.
#[rule(
    "relationships::errors::name_what_was_wrong",
    source = "kratos: a violated constraint is named; openfga #3014: a driver's error was not mapped"
)]
async fn errors_name_what_was_wrong(w: &Graph) -> Checked {
    let stored = || EdgeWrite::Create(w.subject.clone());
    let over = EdgeWrite::Touch(Relationship {
        until: Some(START),
        ..plain(edge("user:Bob", "viewer", "doc:Plan")?)
    });
    let wrong = Precondition::MustNotExist(EdgeFilter::only(&w.subject.edge));
    let all = EdgeBatch::new(vec![stored(), over.clone(), stored()])?.given(vec![wrong.clone()])?;
    let until = EdgeBatch::new(vec![stored(), over])?.given(vec![wrong.clone()])?;
    for (what, batch, expected) in [
        ("everything that can be wrong", all, "writes"),
        ("an end in the past and more", until, "until"),
    ] {
        let refused = match w.store.write(&w.tenant, &batch, START).await {
            Err(PortError::Refused { field, .. }) => Some(field),
            _ => None,
        };
        let what = format!("the argument that a batch of {what} is refused for");
        equal(&what, &refused.as_deref(), &Some(expected))?;
    }
    let stale = just(stored())?.given(vec![wrong])?;
    let answer = w.store.write(&w.tenant, &stale, START).await;
    let expected = Err(PortError::stale("precondition"));
    equal("a create of a stored edge if it is not", &answer, &expected)?;
    let answer = w.store.write(&w.tenant, &just(stored())?, START).await;
    let expected = Err(PortError::already_exists("relationship"));
    equal("a create of a stored edge", &answer, &expected)?;
    w.subject_unchanged().await
}

/// What was stored is there when the store is opened anew, with its caveat and its end, and what was
/// removed is not.
///
/// A deployment must not lock everybody out, nor bring back who was removed.
#[rule(
    "relationships::restart::keeps_edges",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn edges_survive_a_restart(w: &Graph) -> Checked {
    let tenant = &w.tenant;
    let deleted = plain(edge("user:Bob", "viewer", "doc:Deleted")?);
    let forgotten = plain(edge("user:Bob", "viewer", "doc:Forgotten")?);
    let removed = plain(edge("user:Bob", "viewer", "doc:Removed")?);
    let swept = Relationship {
        until: Some(minute(1)),
        ..plain(edge("user:Bob", "viewer", "doc:Swept")?)
    };
    let touched = plain(w.subject.edge.clone());
    let set = full(edge("group:eng#member", "viewer", "doc:Plan")?, "set")?;
    let gone = [deleted, forgotten, removed, swept];
    w.put(tenant, &gone).await?;
    w.put(tenant, &[touched.clone(), set.clone()]).await?;
    w.write(EdgeWrite::Delete(gone[0].edge.clone())).await?;
    w.store.forget(tenant, &gone[1].edge.object).await?;
    let filter = EdgeFilter::only(&gone[2].edge);
    w.store
        .delete_where(tenant, &filter, HowMany::Every)
        .await?;
    w.store.sweep(tenant, minute(1), 10).await?;

    let reopened = w.context.reopen().await?;
    let reopened = offered("relationships", reopened.relationships.as_ref())?;
    for given in [&touched, &set] {
        let found = reopened.get(tenant, &given.edge, START).await?;
        equal("an edge after a restart", &found.as_ref(), &Some(given))?;
    }
    for gone in &gone {
        let found = reopened.get(tenant, &gone.edge, START).await?;
        equal("an edge that was removed before a restart", &found, &None)?;
    }
    Ok(())
}
