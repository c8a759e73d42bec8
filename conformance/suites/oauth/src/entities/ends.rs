//! Ends: what is removed is gone, with its keys, and nothing else is.

use portproof_ports::{Entity, Ports, Version};

use super::{Registry, change, client, global, id, kind, new_client, own, portal};
use crate::{Case, Checked, cases, check::equal, fixture::minute, rule};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![removes_exactly_one, remove_answers_once, remove_frees]
}

/// A removal ends the one entity that it names, for every handle, and frees its keys.
///
/// A client that was deleted and still gets tokens is the one that was stolen.
#[rule(
    "entities::remove::removes_exactly_one",
    source = "CVE-2026-55170: user:Alice and user:alice were one in an authorization store"
)]
async fn removes_exactly_one(w: &Registry) -> Checked {
    let beside = w
        .create(new_client("beside", vec![own("slug", "beside")?])?)
        .await?;
    let gone = w
        .store
        .remove(&w.tenant, &client()?, &id("portal")?)
        .await?;
    equal("whether there was one", &gone, &true)?;
    equal("what is read", &w.seen("portal").await?, &None)?;
    for key in &w.subject.keys {
        w.is_free(key).await?;
    }
    w.is_stored(&beside).await
}

/// A removal of what is missing is answered so, changes nothing, and is no error.
///
/// Whoever is told that they removed what somebody else did cleans up after it twice.
#[rule(
    "entities::remove::answers_whether_there_was_one",
    source = "duck-iam: a missing one was an error on one adapter; AuthHero answered true"
)]
async fn remove_answers_once(w: &Registry) -> Checked {
    for (kind_name, name) in [
        ("client", "nobody"),
        ("client", "PORTAL"),
        ("hook", "portal"),
    ] {
        let (kind, id) = (kind(kind_name)?, id(name)?);
        let removed = w.store.remove(&w.tenant, &kind, &id).await?;
        equal("whether there was one", &removed, &false)?;
    }
    w.subject_unchanged().await?;
    let (kind, id) = (client()?, id("portal")?);
    for (handle, expected) in [(&w.store, true), (&w.other, false), (&w.store, false)] {
        let removed = handle.remove(&w.tenant, &kind, &id).await?;
        equal("whether there was one", &removed, &expected)?;
    }
    Ok(())
}

/// The id and the keys of what was removed can be used again, the global ones in every tenant; what
/// comes under the id starts afresh.
///
/// A domain that can never be registered again belongs to nobody for ever.
#[rule(
    "entities::remove::frees_id_and_keys",
    source = "spicedb, vault: delete, then create; spring-session #1791: an index kept what was before a change"
)]
async fn remove_frees(w: &Registry) -> Checked {
    let (kind, id) = (client()?, id("portal")?);
    let put = change("changed", vec![own("name", "Renamed")?])?;
    w.store
        .put(&w.tenant, &kind, &id, Version::FIRST, put, minute(1))
        .await?;
    w.store.remove(&w.tenant, &kind, &id).await?;
    w.is_free(&own("name", "Renamed")?).await?;
    let again = w.other.create(&w.tenant, portal(&w.tenant)?, minute(7));
    let again = again.await?;
    let expected = Entity {
        created_at: minute(7),
        updated_at: minute(7),
        ..w.subject.clone()
    };
    equal("the new one", &again, &expected)?;
    w.is_stored(&expected).await?;
    w.store.remove(&w.tenant, &kind, &id).await?;
    let wide = global("client_id", "portal", &w.tenant)?;
    let there = new_client("there", vec![wide.clone()])?;
    let there = w.store.create(&w.elsewhere, there, minute(8)).await?;
    let found = w.anywhere(&wide).await?;
    let whose = found.map(|owned| (owned.tenant, owned.entity));
    equal("whose it is", &whose, &Some((w.elsewhere.clone(), there)))
}
