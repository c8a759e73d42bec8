//! Walls: between tenants, around what is sealed, and between what was and what is stored.

use portproof_ports::{ErrorKind, KeyUse, PageRequest, PortError, Ports};

use super::{Keys, PUBLISHED_UNTIL, id, private, retired, signing};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        other_tenants_reach_nothing,
        tenants_are_compared_as_bytes,
        reseal_changes_no_key,
        reseal_is_refused_when_disclaimed,
        keys_survive_a_restart,
        errors_name_what_was_wrong,
    ]
}

/// Through another tenant a key cannot be read, put in use, revoked, removed, listed or published.
///
/// Whoever signs with another customer's key is that customer.
#[rule(
    "keystore::tenancy::other_tenants_reach_nothing",
    source = "hydra: keys of another tenant are neither seen nor changed; AuthHero 45f719e"
)]
async fn other_tenants_reach_nothing(w: &Keys) -> Checked {
    let here = w
        .store
        .insert(&w.tenant, signing("only here")?, START)
        .await?;
    let (there, now) = (&w.elsewhere, minute(5));
    equal("get", &w.store.get(there, &here.id).await?, &None)?;
    let belief = Some(id("active")?);
    let rotated = w
        .store
        .rotate(
            there,
            KeyUse::Signing,
            belief,
            &here.id,
            PUBLISHED_UNTIL,
            now,
        )
        .await;
    fails("rotate", rotated, ErrorKind::NotFound)?;
    equal(
        "revoke",
        &w.store.revoke(there, &here.id, now).await?,
        &false,
    )?;
    equal("remove", &w.store.remove(there, &here.id).await?, &false)?;
    let empty = w.context.tenant()?;
    equal(
        "active",
        &w.store.active(&empty, KeyUse::Signing).await?,
        &None,
    )?;
    equal(
        "public_set",
        &w.store.public_set(&empty, KeyUse::Signing, now).await?,
        &vec![],
    )?;
    let page = w
        .store
        .list(&empty, KeyUse::Signing, &PageRequest::first(10)?)
        .await?;
    equal("list", &page.items, &vec![])?;
    equal(
        "the key in its own tenant",
        &w.seen(&here.id).await?,
        &Some(here),
    )?;
    w.keys_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them signs for one customer with the key of another.
#[rule(
    "keystore::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Keys) -> Checked {
    let mut tenants = Vec::new();
    for _ in 0..4 {
        tenants.push(w.context.tenant()?);
    }
    for tenant in &tenants {
        let mut key = signing("each")?;
        key.private = private(tenant.as_str())?;
        w.store.insert(tenant, key, START).await?;
        w.store
            .rotate(
                tenant,
                KeyUse::Signing,
                None,
                &id("each")?,
                PUBLISHED_UNTIL,
                START,
            )
            .await?;
    }
    for tenant in &tenants {
        let expected = private(tenant.as_str())?;
        let found = some(
            "the tenant's own key",
            w.store.get(tenant, &id("each")?).await?,
        )?;
        holds(
            found.private == expected,
            "it has the tenant's own private part",
        )?;
        let found = some(
            "the tenant's active key",
            w.store.active(tenant, KeyUse::Signing).await?,
        )?;
        holds(
            found.private == expected,
            "the active one is the tenant's own",
        )?;
    }
    Ok(())
}

/// Sealing again changes no key, and a second time there is nothing to seal.
///
/// A change of the password must not cost the keys.
#[rule(
    "keystore::reseal::changes_no_key",
    source = "OneAuth: a password derives the key of the vault",
    capability = "keystore.reseal"
)]
async fn reseal_changes_no_key(w: &Keys) -> Checked {
    for store in [&w.store, &w.other] {
        // All of them were sealed by now.
        equal(
            "how many keys were sealed again",
            &store.reseal(&w.tenant).await?,
            &0,
        )?;
        w.keys_unchanged().await?;
    }
    equal(
        "how many of an empty tenant",
        &w.store.reseal(&w.context.tenant()?).await?,
        &0,
    )?;
    let rotated = w.rotate(minute(5)).await?;
    w.store.reseal(&w.tenant).await?;
    equal("the key in use", &w.in_use().await?, &Some(rotated))?;
    equal(
        "the retired key",
        &w.seen(&w.active.id).await?,
        &Some(retired(&w.active, minute(5))),
    )
}

/// Where sealing again is disclaimed it is refused as unsupported, and changes nothing.
///
/// Whoever believes that it was done throws the old password away.
#[rule(
    "keystore::reseal::is_refused_when_disclaimed",
    source = "the contract: honour or refuse",
    capability = "keystore.reseal",
    disclaimed
)]
async fn reseal_is_refused_when_disclaimed(w: &Keys) -> Checked {
    fails(
        "sealing again",
        w.store.reseal(&w.tenant).await,
        ErrorKind::Unsupported,
    )?;
    w.keys_unchanged().await
}

/// What was stored is there when the store is opened anew, and can still be read.
///
/// A deployment must not end every token.
#[rule(
    "keystore::restart::keeps_keys",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn keys_survive_a_restart(w: &Keys) -> Checked {
    let rotated = w.rotate(minute(5)).await?;
    w.store.insert(&w.tenant, signing("gone")?, START).await?;
    w.store.revoke(&w.tenant, &id("gone")?, minute(6)).await?;
    w.store.remove(&w.tenant, &id("gone")?).await?;
    let reopened = w.context.reopen().await?;
    let reopened = super::offered("keystore", reopened.keystore.as_ref())?;
    let found = some(
        "the key in use",
        reopened.active(&w.tenant, KeyUse::Signing).await?,
    )?;
    holds(
        found.private == rotated.private,
        "its private part can still be read",
    )?;
    equal("the key in use", &found, &rotated)?;
    let found = reopened.get(&w.tenant, &w.active.id).await?;
    equal(
        "the retired key",
        &found,
        &Some(retired(&w.active, minute(5))),
    )?;
    equal(
        "the key that was removed",
        &reopened.get(&w.tenant, &id("gone")?).await?,
        &None,
    )
}

/// Errors name what was wrong: the key, the belief, or the argument.
///
/// Whoever lost a race tries again; whoever named a missing key must not.
#[rule(
    "keystore::errors::name_what_was_wrong",
    source = "dex, go-cloud: not found, taken and stale are told apart"
)]
async fn errors_name_what_was_wrong(w: &Keys) -> Checked {
    let (t, now, active) = (&w.tenant, minute(5), || Some(w.active.id.clone()));
    let signing_use = KeyUse::Signing;
    equal(
        "a stored id",
        &w.store.insert(t, signing("next")?, now).await.err(),
        &Some(PortError::already_exists("key")),
    )?;
    equal(
        "a missing key, with a wrong belief",
        &w.store
            .rotate(t, signing_use, None, &id("nobody")?, PUBLISHED_UNTIL, now)
            .await
            .err(),
        &Some(PortError::not_found("key")),
    )?;
    equal(
        "a wrong belief, with a key in use",
        &w.store
            .rotate(t, signing_use, None, &w.active.id, PUBLISHED_UNTIL, now)
            .await
            .err(),
        &Some(PortError::stale("active key")),
    )?;
    let field = |error: Option<PortError>| match error {
        Some(PortError::Refused { field, .. }) => field.into_owned(),
        other => format!("{other:?}"),
    };
    let refused = w
        .store
        .rotate(t, signing_use, active(), &w.active.id, PUBLISHED_UNTIL, now)
        .await
        .err();
    equal(
        "the field of a rotation that is refused",
        &&*field(refused),
        &"next",
    )?;
    let refused = w.store.remove(t, &w.active.id).await.err();
    equal(
        "the field of a removal that is refused",
        &&*field(refused),
        &"key",
    )
}
