//! What keeps tenants apart, from other ports and from a restart.

use portproof_ports::{ErrorKind, PortError, Ports, TenantId};

use super::{Tenants, but_tenants, draft, fill::fill, other_draft};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, hostile, minute},
    model::looked,
    offered, rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ids_are_compared_as_bytes,
        create_changes_no_other_port,
        errors_name_what_was_wrong,
        tenants_survive_a_restart,
    ]
}

/// Ids are compared as bytes: those that differ in case, accents, spaces or wildcards are different
/// tenants.
///
/// A customer that signs up as "ACME" is not "acme", and gets nothing of it.
#[rule(
    "tenants::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170: a collation compared ids without regard to case",
    environments = "collation"
)]
async fn ids_are_compared_as_bytes(w: &Tenants) -> Checked {
    let base = w.context.tenant()?;
    let mut stored = Vec::new();
    for text in hostile() {
        // Up to the longest id there is.
        let mut id = format!("{}{text}", base.as_str());
        if id.len() > 255 {
            id = text.clone();
        }
        let id = TenantId::new(id)?;
        if w.seen(&id).await?.is_none() {
            stored.push(w.store.create(&id, draft(text)?, START).await?);
        }
    }
    for tenant in &stored {
        let seen = w.seen(&tenant.id).await?;
        equal("a tenant of many alike", &seen.as_ref(), &Some(tenant))?;
    }
    w.subject_unchanged().await
}

/// Creating and changing a tenant's record leaves what the other ports hold of it as it is.
///
/// An engine may make the record last, when all of a customer is there.
#[rule(
    "tenants::create::changes_no_other_port",
    source = "the contract: references across ports are the engine's job"
)]
async fn create_changes_no_other_port(w: &Tenants) -> Checked {
    let others = but_tenants(w.context.stores());
    let tenant = w.context.tenant()?;
    fill(&others, &tenant).await?;
    let before = looked(&others, &tenant).await?;
    let created = w.store.create(&tenant, draft("late")?, minute(1)).await?;
    let after = looked(&others, &tenant).await?;
    equal("the other ports after a creation", &after, &before)?;
    let version = created.version;
    w.store
        .update(&tenant, version, other_draft()?, minute(2))
        .await?;
    let after = looked(&others, &tenant).await?;
    equal("the other ports after an update", &after, &before)
}

/// Errors name the record that is taken, missing or has changed.
///
/// An engine that must guess which of its writes failed tells its caller the wrong thing.
#[rule(
    "tenants::errors::name_what_was_wrong",
    source = "AuthHero f64c7c9: duplicates give one typed conflict"
)]
async fn errors_name_what_was_wrong(w: &Tenants) -> Checked {
    let (stored, missing) = (&w.subject, w.context.tenant()?);
    let (store, version) = (&w.store, stored.version);
    let given = other_draft()?;
    for (kind, answer) in [
        (
            ErrorKind::AlreadyExists,
            store.create(&stored.id, given.clone(), minute(1)).await,
        ),
        (
            ErrorKind::Stale,
            store
                .update(&stored.id, version.next(), given.clone(), minute(1))
                .await,
        ),
        (
            ErrorKind::NotFound,
            store.update(&missing, version, given, minute(1)).await,
        ),
    ] {
        let named = match answer {
            Err(
                PortError::AlreadyExists(what) | PortError::Stale(what) | PortError::NotFound(what),
            ) => Some(what),
            _ => None,
        };
        let what = format!("what the error {kind:?} names");
        equal(&what, &named.as_deref(), &Some("tenant"))?;
    }
    w.subject_unchanged().await
}

/// What was stored is there when the store is opened anew, and what was purged is not.
///
/// A deployment must not bring back what a customer had the right to see gone.
#[rule(
    "tenants::restart::keeps_tenants",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn tenants_survive_a_restart(w: &Tenants) -> Checked {
    let (kept, purged) = (w.context.tenant()?, w.context.tenant()?);
    let nothing = looked(w.context.stores(), &purged).await?;
    fill(w.context.stores(), &kept).await?;
    fill(w.context.stores(), &purged).await?;
    let before = looked(w.context.stores(), &kept).await?;
    w.store.purge(&purged, 1000).await?;
    let reopened = w.context.reopen().await?;
    let store = offered("tenants", reopened.tenants.as_ref())?;
    let found = store.get(&w.subject.id).await?;
    equal("the tenant", &found.as_ref(), &Some(&w.subject))?;
    let after = looked(&reopened, &kept).await?;
    equal("all of a tenant after a restart", &after, &before)?;
    let after = looked(&reopened, &purged).await?;
    equal("all of a purged tenant after a restart", &after, &nothing)
}
