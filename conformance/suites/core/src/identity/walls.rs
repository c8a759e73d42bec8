//! Walls: between tenants, and between what was and what is stored.

use portproof_ports::{
    ErrorKind, IdentityFilter, IdentityState, IdentityUpdate, PageRequest, PortError, Ports,
    Version,
};

use super::{Identities, ada, email, id, new_identity, unverified};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, some},
    fixture::{START, document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        other_tenants_reach_nothing,
        identifiers_are_the_tenants_own,
        tenants_are_compared_as_bytes,
        identities_survive_a_restart,
        errors_name_what_was_wrong,
    ]
}

/// Through another tenant an identity cannot be read, found, changed, linked to, merged, listed or
/// erased.
///
/// The tenant is the wall between customers; one method without it is a hole.
#[rule(
    "identity::tenancy::other_tenants_reach_nothing",
    source = "kratos 93d364c8e; paySphere #1917: a missing tenant dropped the filter"
)]
async fn other_tenants_reach_nothing(w: &Identities) -> Checked {
    let address = email("here@example.com")?;
    let here = w
        .create(new_identity("here", vec![unverified(address.clone())])?)
        .await?;
    let (there, id, now) = (&w.elsewhere, &here.id, minute(1));
    equal("get", &w.store.get(there, id).await?, &None)?;
    equal(
        "get_many",
        &w.store.get_many(there, std::slice::from_ref(id)).await?,
        &vec![],
    )?;
    equal("find", &w.store.find(there, &address).await?, &None)?;
    let change = IdentityUpdate {
        state: IdentityState::Blocked(now),
        profile: document("theirs")?,
    };
    let updated = w.store.update(there, id, here.version, change, now).await;
    fails("update", updated, ErrorKind::NotFound)?;
    let linked = w
        .store
        .link(there, id, unverified(email("there@example.com")?), now)
        .await;
    fails("link", linked, ErrorKind::NotFound)?;
    equal(
        "unlink",
        &w.store.unlink(there, id, &address, now).await?,
        &false,
    )?;
    equal("erase", &w.store.erase(there, id).await?, &false)?;
    let empty = w.context.tenant()?;
    let page = w
        .store
        .list(&empty, &IdentityFilter::Every, &PageRequest::first(10)?)
        .await?;
    equal("list", &page.items, &vec![])?;
    // Where merging is disclaimed it is refused otherwise, and changes nothing either.
    for (survivor, duplicate) in [(id, &w.subject.id), (&w.subject.id, id)] {
        let merged = w.store.merge(there, survivor, duplicate, now).await;
        match merged {
            Err(error) if [ErrorKind::NotFound, ErrorKind::Unsupported].contains(&error.kind()) => {
            }
            merged => return fails("merge", merged, ErrorKind::NotFound),
        }
    }
    equal(
        "the identity in its own tenant",
        &w.seen(id).await?,
        &Some(here.clone()),
    )?;
    equal(
        "whom its address finds",
        &w.owner(&address).await?,
        &Some(here.id),
    )?;
    w.subject_unchanged().await
}

/// An identifier may belong to an identity in each tenant, and finds each tenant's own.
///
/// One person is a customer of two customers.
#[rule(
    "identity::tenancy::identifiers_are_the_tenants_own",
    source = "hydra, kratos: unique keys are per tenant",
    environments = "collation"
)]
async fn identifiers_are_the_tenants_own(w: &Identities) -> Checked {
    let third = w.context.tenant()?;
    let given = new_identity("somebody else", ada()?.identifiers)?;
    let created = w.store.create(&third, given, START).await?;
    for linked in &w.subject.identifiers {
        let found = w.store.find(&third, &linked.identifier).await?;
        equal("whom it finds there", &found.as_ref(), &Some(&created))?;
        let found = some(
            "whom it finds elsewhere",
            w.store.find(&w.elsewhere, &linked.identifier).await?,
        )?;
        equal(
            "the profile elsewhere",
            &found.profile,
            &document("elsewhere")?,
        )?;
    }
    w.store.erase(&third, &created.id).await?;
    w.subject_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them gives one customer the people of another.
#[rule(
    "identity::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Identities) -> Checked {
    let mut tenants = Vec::new();
    for _ in 0..4 {
        tenants.push(w.context.tenant()?);
    }
    let address = email("each@example.com")?;
    for tenant in &tenants {
        let mut given = new_identity("each", vec![unverified(address.clone())])?;
        given.profile = document(tenant.as_str())?;
        w.store.create(tenant, given, START).await?;
    }
    for tenant in &tenants {
        let expected = document(tenant.as_str())?;
        let found = some("the tenant's own", w.store.get(tenant, &id("each")?).await?)?;
        equal("its profile", &found.profile, &expected)?;
        let found = some(
            "whom the address finds",
            w.store.find(tenant, &address).await?,
        )?;
        equal("its profile", &found.profile, &expected)?;
    }
    Ok(())
}

/// What was stored is there when the store is opened anew, and what was erased is not.
///
/// A deployment must not lose people, nor bring back who asked to be forgotten.
#[rule(
    "identity::restart::keeps_identities",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn identities_survive_a_restart(w: &Identities) -> Checked {
    let gone = w
        .create(new_identity(
            "gone",
            vec![unverified(email("gone@example.com")?)],
        )?)
        .await?;
    w.store.erase(&w.tenant, &gone.id).await?;
    let linked = w
        .store
        .link(
            &w.tenant,
            &w.subject.id,
            unverified(email("more@example.com")?),
            minute(1),
        )
        .await?;
    let reopened = w.context.reopen().await?;
    let reopened = super::offered("identity", reopened.identity.as_ref())?;
    equal(
        "Ada",
        &reopened.get(&w.tenant, &w.subject.id).await?.as_ref(),
        &Some(&linked),
    )?;
    let found = reopened
        .find(&w.tenant, &email("more@example.com")?)
        .await?;
    equal(
        "whom her new address finds",
        &found.as_ref(),
        &Some(&linked),
    )?;
    equal(
        "who was erased",
        &reopened.get(&w.tenant, &gone.id).await?,
        &None,
    )?;
    let found = reopened
        .find(&w.tenant, &email("gone@example.com")?)
        .await?;
    equal("whom an erased address finds", &found, &None)
}

/// Errors name what was wrong: the identity, the identifier, or the argument.
///
/// "Already exists" alone cannot tell somebody whether the name or the address is taken.
#[rule(
    "identity::errors::name_what_was_wrong",
    source = "duck-auth: a taken address and a taken username are told apart; kratos: a violation names its field"
)]
async fn errors_name_what_was_wrong(w: &Identities) -> Checked {
    let both = ada()?;
    let taken = new_identity("new", both.identifiers.clone())?;
    let change = || -> Result<IdentityUpdate, Failure> {
        Ok(IdentityUpdate {
            state: IdentityState::Active,
            profile: document("x")?,
        })
    };
    let wrong = |answer: Result<_, PortError>| answer.map(|_: portproof_ports::Identity| ()).err();
    let (t, now, ada) = (&w.tenant, minute(1), &w.subject.id);
    equal(
        "a stored id, with taken identifiers",
        &wrong(w.store.create(t, both, now).await),
        &Some(PortError::already_exists("identity")),
    )?;
    equal(
        "a taken identifier",
        &wrong(w.store.create(t, taken, now).await),
        &Some(PortError::already_exists("identifier")),
    )?;
    equal(
        "a link of another's",
        &wrong(
            w.store
                .link(t, &id("ada")?, unverified(email("ada@example.com")?), now)
                .await,
        ),
        &Some(PortError::already_exists("identifier")),
    )?;
    equal(
        "a link to nobody",
        &wrong(
            w.store
                .link(t, &id("nobody")?, unverified(email("x@example.com")?), now)
                .await,
        ),
        &Some(PortError::not_found("identity")),
    )?;
    equal(
        "an update of nobody",
        &wrong(
            w.store
                .update(t, &id("nobody")?, Version::FIRST, change()?, now)
                .await,
        ),
        &Some(PortError::not_found("identity")),
    )?;
    equal(
        "a stale update",
        &wrong(
            w.store
                .update(t, ada, Version::FIRST.next(), change()?, now)
                .await,
        ),
        &Some(PortError::stale("identity")),
    )?;
    let many = (0..65)
        .map(|n| Ok(unverified(email(&format!("{n}@x.se"))?)))
        .collect::<Result<_, Failure>>()?;
    let refused = wrong(w.store.create(t, new_identity("Ada", many)?, now).await);
    let field = match refused {
        Some(PortError::Refused { field, .. }) => field.into_owned(),
        other => format!("{other:?}"),
    };
    equal("the field of a refusal", &&*field, &"identifiers")
}
