//! Walls: between tenants, and between what was and what is stored.

use portproof_ports::{ErrorKind, PageRequest, PortError, Ports, Version};

use super::{Registry, change, client, global, id, new_client, own, portal};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, some},
    fixture::{START, document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        other_tenants_reach_nothing,
        keys_are_the_tenants_own,
        tenants_are_compared_as_bytes,
        entities_survive_a_restart,
        errors_name_what_was_wrong,
    ]
}

/// Through another tenant an entity cannot be read, found, not by a global key either, changed,
/// listed or removed.
///
/// The tenant is the wall between customers; one method without it is a hole.
#[rule(
    "entities::tenancy::other_tenants_reach_nothing",
    source = "kratos 93d364c8e; paySphere #1917: a missing tenant dropped the filter"
)]
async fn other_tenants_reach_nothing(w: &Registry) -> Checked {
    let keys = [own("slug", "here")?, global("slug", "here", &w.tenant)?];
    let here = w.create(new_client("here", keys.to_vec())?).await?;
    let there = &w.context.tenant()?;
    for tenant in [there, &w.elsewhere] {
        let (kind, id) = (&here.kind, &here.id);
        equal("get", &w.store.get(tenant, kind, id).await?, &None)?;
        for key in &keys {
            equal("find", &w.store.find(tenant, kind, key).await?, &None)?;
        }
        let put = change("theirs", vec![])?;
        let put = w.store.put(tenant, kind, id, here.version, put, minute(1));
        fails("put", put.await, ErrorKind::NotFound)?;
        equal("remove", &w.store.remove(tenant, kind, id).await?, &false)?;
    }
    let page = PageRequest::first(10)?;
    let page = w.store.list(there, &here.kind, &page).await?;
    equal("list", &page.items, &vec![])?;
    w.is_stored(&here).await?;
    w.subject_unchanged().await
}

/// Ids and keys of a tenant are its own: each tenant may have the same ones, and finds its own by
/// them.
///
/// One customer's connection called "google" is no reason to refuse another's.
#[rule(
    "entities::tenancy::keys_are_the_tenants_own",
    source = "hydra, kratos: unique keys are per tenant",
    environments = "collation"
)]
async fn keys_are_the_tenants_own(w: &Registry) -> Checked {
    let third = w.context.tenant()?;
    let created = w.store.create(&third, portal(&third)?, START).await?;
    let key = own("name", "Portal")?;
    let found = w.store.find(&third, &client()?, &key).await?;
    equal("what it finds there", &found.as_ref(), &Some(&created))?;
    let found = w.store.find(&w.elsewhere, &client()?, &key).await?;
    let found = some("what it finds elsewhere", found)?;
    equal("the body elsewhere", &found.body, &document("elsewhere")?)?;
    w.store.remove(&third, &created.kind, &created.id).await?;
    w.subject_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them gives one customer the clients of another.
#[rule(
    "entities::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Registry) -> Checked {
    let mut tenants = Vec::new();
    for _ in 0..4 {
        tenants.push(w.context.tenant()?);
    }
    let key = own("slug", "each")?;
    for tenant in &tenants {
        let mut given = new_client("each", vec![key.clone(), global("slug", "each", tenant)?])?;
        given.body = document(tenant.as_str())?;
        w.store.create(tenant, given, START).await?;
    }
    for tenant in &tenants {
        let expected = document(tenant.as_str())?;
        let found = w.store.get(tenant, &client()?, &id("each")?).await?;
        equal(
            "its body",
            &some("the tenant's own", found)?.body,
            &expected,
        )?;
        let found = w.store.find(tenant, &client()?, &key).await?;
        equal("its body", &some("what it finds", found)?.body, &expected)?;
        let found = w.anywhere(&global("slug", "each", tenant)?).await?;
        let found = some("what the global one finds", found)?;
        equal("whose it is", &found.tenant, tenant)?;
    }
    Ok(())
}

/// What was stored is there when the store is opened anew, with its keys, and what was removed or
/// given up is not.
///
/// A deployment must not lose a client, nor bring back one that was deleted.
#[rule(
    "entities::restart::keeps_entities",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn entities_survive_a_restart(w: &Registry) -> Checked {
    let gone_key = own("slug", "gone")?;
    let gone = w
        .create(new_client("gone", vec![gone_key.clone()])?)
        .await?;
    w.store.remove(&w.tenant, &gone.kind, &gone.id).await?;
    let (kind, id) = (client()?, id("portal")?);
    let keys = vec![own("slug", "new")?, global("slug", "new", &w.tenant)?];
    let put = change("changed", keys)?;
    let changed = w
        .store
        .put(&w.tenant, &kind, &id, Version::FIRST, put, minute(1))
        .await?;
    let reopened = w.context.reopen().await?;
    let reopened = super::offered("entities", reopened.entities.as_ref())?;
    let found = reopened.get(&w.tenant, &kind, &id).await?;
    equal("the client", &found.as_ref(), &Some(&changed))?;
    for key in &changed.keys {
        let found = reopened.find(&w.tenant, &kind, key).await?;
        equal("what its key finds", &found.as_ref(), &Some(&changed))?;
    }
    let found = reopened.get(&w.tenant, &kind, &gone.id).await?;
    equal("what was removed", &found, &None)?;
    for key in w.subject.keys.iter().chain([&gone_key]) {
        let found = reopened.find(&w.tenant, &kind, key).await?;
        equal("what was given up", &found, &None)?;
    }
    Ok(())
}

/// Errors name what was wrong: the entity, or the first of its keys, by name, that is taken.
///
/// "Already exists" alone cannot tell somebody whether the name or the domain is taken.
#[rule(
    "entities::errors::name_what_was_wrong",
    source = "duck-auth: a taken address and a taken username are told apart"
)]
async fn errors_name_what_was_wrong(w: &Registry) -> Checked {
    let wrong = |answer: Result<_, PortError>| answer.map(|_: portproof_ports::Entity| ()).err();
    let (t, now, kind, portal_id) = (&w.tenant, minute(1), client()?, id("portal")?);
    let answer = w.store.create(t, portal(t)?, now).await;
    equal(
        "a stored id, with taken keys",
        &wrong(answer),
        &Some(PortError::already_exists("entity")),
    )?;
    let taken_twice = vec![
        own("zebra", "free")?,
        global("client_id", "portal", t)?,
        own("name", "Portal")?,
        own("a", "free")?,
    ];
    let answer = w
        .store
        .create(t, new_client("new", taken_twice)?, now)
        .await;
    let key_of = |name: &str| Some(PortError::AlreadyExists(format!("key {name}").into()));
    equal("two taken keys", &wrong(answer), &key_of("client_id"))?;
    let by_name = vec![own("name", "Portal")?];
    let answer = w.store.create(t, new_client("new", by_name)?, now).await;
    equal("a taken key", &wrong(answer), &key_of("name"))?;
    let taken = global("client_id", "portal", &w.elsewhere)?;
    let put = change("x", vec![taken, own("name", "portal")?])?;
    let answer = w
        .store
        .put(t, &kind, &portal_id, Version::FIRST, put.clone(), now)
        .await;
    equal(
        "a change to taken keys",
        &wrong(answer),
        &key_of("client_id"),
    )?;
    let stale = Version::FIRST.next();
    let answer = w
        .store
        .put(t, &kind, &portal_id, stale, put.clone(), now)
        .await;
    equal(
        "a stale change to taken keys",
        &wrong(answer),
        &Some(PortError::stale("entity")),
    )?;
    let nobody = id("nobody")?;
    let answer = w.store.put(t, &kind, &nobody, stale, put, now).await;
    equal(
        "a change of nothing",
        &wrong(answer),
        &Some(PortError::not_found("entity")),
    )?;
    w.subject_unchanged().await
}
