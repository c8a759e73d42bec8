//! Walls: between tenants, and between what was and what is stored.

use portproof_ports::{
    ErrorKind, EventFilter,
    ExpectedHead::{Absent, Anything, At},
    PageRequest, Ports, Position, Sequence,
};

use super::{
    Events, batch, batch_of, id, ids, only, sequence, stored, stream, subject_stream, told,
};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, day, minute},
    offered, rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        other_tenants_reach_nothing,
        tenants_are_compared_as_bytes,
        events_survive_a_restart,
    ]
}

/// Through another tenant no event is found, read, counted or pruned, no stream has a head, and no id
/// is taken.
///
/// What happens at one customer is nobody else's business, least of all theirs to remove.
#[rule(
    "events::tenancy::other_tenants_reach_nothing",
    source = "kratos 93d364c8e, hydra 43c9be1b5, keto 0c61e343: statements without the tenant"
)]
async fn other_tenants_reach_nothing(w: &Events) -> Checked {
    w.append_to("here", &["only here"]).await?;
    let empty = w.context.tenant()?;
    let (page, there) = (PageRequest::first(100)?, subject_stream()?);
    for tenant in [&w.elsewhere, &empty] {
        let found = w.store.get(tenant, &id("only here")?).await?;
        equal("get through another tenant", &found, &None)?;
        let here = stream("here")?;
        let head = w.store.head(tenant, &here).await?;
        equal("a head through another tenant", &head, &None)?;
        let read = w.store.read(tenant, &here, Sequence::FIRST, &page).await?;
        equal("a stream through another tenant", &read.items, &vec![])?;
    }
    equal("the log of an empty tenant", &w.log(&empty).await?, &vec![])?;
    for filter in [EventFilter::EVERYTHING, only("login", "Ada")?] {
        let meant = w.store.query(&empty, &filter, &page).await?;
        equal("a query of an empty tenant", &meant.items, &vec![])?;
        let count = w.store.count(&empty, &filter).await?;
        equal("a count of an empty tenant", &count, &0)?;
    }
    let pruned = w.store.prune(&empty, day(2000), 1000).await?;
    equal("what an empty tenant prunes", &pruned, &0)?;
    let log = w.log(&w.elsewhere).await?;
    equal(
        "the log of another tenant",
        &ids(&log),
        &vec!["one", "fresh", "two", "three"],
    )?;
    // Its ids and numbers are its own.
    let given = batch_of(&["one", "only here"])?;
    let appended = w
        .store
        .append(&empty, &there, Absent, &given, minute(6))
        .await?;
    let expected = stored(&given, &there, 1, 1, minute(6))?;
    equal("the first events of an empty tenant", &appended, &expected)?;
    let fresh = w.append_to("fresh", &["fresh"]).await?;
    let expected = stored(&batch_of(&["fresh"])?, &stream("fresh")?, 1, 7, minute(6))?;
    equal("an id that another tenant has", &fresh, &expected)?;
    w.subjects_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them mixes two customers' logs.
#[rule(
    "events::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Events) -> Checked {
    // The context's tenants come in such triples.
    let tenants = [
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
    ];
    let there = subject_stream()?;
    for tenant in &tenants {
        let given = batch([told("in each", "login", Some(tenant.as_str()), START)?])?;
        let appended = w
            .store
            .append(tenant, &there, Absent, &given, START)
            .await?;
        let expected = stored(&given, &there, 1, 1, START)?;
        equal("the tenant's first event", &appended, &expected)?;
    }
    for tenant in &tenants {
        let log = w.log(tenant).await?;
        let subjects: Vec<_> = log.iter().map(|event| event.subject.clone()).collect();
        let expected = vec![Some(super::subject(tenant.as_str())?)];
        equal("the subjects of the tenant's log", &subjects, &expected)?;
    }
    Ok(())
}

/// What was stored is there when the store is opened anew: events, what was pruned, and the heads and
/// positions after which it goes on.
///
/// A deployment must not begin a second history.
#[rule(
    "events::restart::keeps_events",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn events_survive_a_restart(w: &Events) -> Checked {
    let tenant = &w.tenant;
    let there = subject_stream()?;
    w.append_to("Stream", &["four"]).await?;
    // The subject stream's, but for the last one.
    let old = batch([told("old", "login", None, START)?])?;
    w.append(&stream("pruned")?, &old).await?;
    w.store.prune(tenant, minute(4), 1000).await?;
    let before = w.log(tenant).await?;
    let reopened = w.context.reopen().await?;
    let reopened = offered("events", reopened.events.as_ref())?;
    let page = PageRequest::first(100)?;
    let after = reopened.read_all(tenant, Position::START, &page).await?;
    equal("the log after a restart", &after.items, &before)?;
    let found = reopened.get(tenant, &id("one")?).await?;
    equal("an event that was pruned before it", &found, &None)?;
    for (name, head) in [("Stream", 4), ("pruned", 1)] {
        let found = reopened.head(tenant, &stream(name)?).await?;
        equal("a head after a restart", &found, &Some(sequence(head)?))?;
    }
    let stale = reopened
        .append(
            tenant,
            &there,
            At(sequence(3)?),
            &batch_of(&["stale"])?,
            START,
        )
        .await;
    fails("an append at an older head", stale, ErrorKind::Stale)?;
    let taken = batch([told("four", "logout", None, START)?])?;
    let taken = reopened
        .append(tenant, &there, Anything, &taken, START)
        .await;
    fails("an append of a stored id", taken, ErrorKind::AlreadyExists)?;
    let five = batch_of(&["five"])?;
    let appended = reopened
        .append(tenant, &there, At(sequence(4)?), &five, START)
        .await?;
    let expected = stored(&five, &there, 5, 8, START)?;
    equal("the first event after a restart", &appended, &expected)
}
