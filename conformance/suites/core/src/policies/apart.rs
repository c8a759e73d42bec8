//! What is kept apart: ids, kinds and tenants.

use portproof_ports::{ErrorKind, Expected, PageRequest, Ports, TenantId, Version};

use super::{
    Book,
    kind::{Kind, Policies, Record, Roles},
};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds},
    fixture::{START, hostile, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        missing_is_none,
        policy_ids_are_bytes,
        role_ids_are_bytes,
        kinds_are_apart,
        other_tenants_reach_nothing,
        tenants_are_compared_as_bytes,
    ]
}

/// What is not stored is answered as missing: never as an empty or a default policy or role, nor as
/// one with a similar id.
///
/// An empty policy denies nothing, and a default role allows something.
#[rule(
    "policies::get::missing_is_none",
    source = "duck-iam: a missing one was an error over HTTP; openfga #3014"
)]
async fn missing_is_none(w: &Book) -> Checked {
    for id in [
        "nobody", "fresh", "subjec", "subject1", "subject ", " subject", "sUbject", "súbject", "%",
        "subj%", "_ubject", "*", ".*",
    ] {
        w.reads_none::<Policies>(id).await?;
        w.reads_none::<Roles>(id).await?;
    }
    Ok(())
}

/// Ids of policies are compared as bytes, whatever is in them: case, accents, composition and spaces
/// tell them apart, and no character means something.
///
/// Two policies that become one decide by the wrong rules.
#[rule(
    "policies::get_policy::compares_ids_as_bytes",
    source = "CVE-2026-55170; duck-iam: ids went into paths and keys as they are",
    environments = "collation"
)]
async fn policy_ids_are_bytes(w: &Book) -> Checked {
    ids_are_bytes::<Policies>(w).await
}

/// Ids of roles are compared as bytes, whatever is in them: case, accents, composition and spaces
/// tell them apart, and no character means something.
///
/// Whoever holds `admin` must not hold `Admin`.
#[rule(
    "policies::get_role::compares_ids_as_bytes",
    source = "spicedb #3161: a collation made two of a kind equal; duck-iam 3.0.1: `__proto__`",
    environments = "collation"
)]
async fn role_ids_are_bytes(w: &Book) -> Checked {
    ids_are_bytes::<Roles>(w).await
}

async fn ids_are_bytes<K: Kind>(w: &Book) -> Checked {
    let mut stored = Vec::new();
    for (number, id) in hostile().iter().enumerate() {
        let draft = K::full(id, &format!("number {number}"))?;
        let saved = K::save(&*w.store, &w.tenant, Expected::Absent, draft.clone(), START).await?;
        equal("the answer of the save", &saved, &Record::new(draft, START))?;
        stored.push(saved);
    }
    for record in &stored {
        let id = K::id_of(&record.draft);
        let found = K::get(&*w.other, &w.tenant, id).await?;
        equal(
            &format!("the {} {id:?} as it is read", K::NAME),
            &found.as_ref(),
            &Some(record),
        )?;
    }
    w.subject_unchanged::<K>().await
}

/// A policy and a role may have one id: neither is found, replaced or deleted as the other.
///
/// Deleting a role must not delete the policy that denies.
#[rule(
    "policies::ids::policies_and_roles_are_apart",
    source = "keyv #1599, #1504: keys without their prefix met others",
    environments = "collation"
)]
async fn kinds_are_apart(w: &Book) -> Checked {
    let policy = w
        .save::<Policies>(Policies::full("both", "a policy")?, START)
        .await?;
    w.reads_none::<Roles>("both").await?;
    let role = w
        .save::<Roles>(Roles::full("both", "a role")?, START)
        .await?;
    equal("the version of a new role", &role.version, &Version::FIRST)?;
    w.reads::<Policies>(&policy).await?;
    holds(w.delete::<Policies>("both").await?, "there was a policy")?;
    w.reads::<Roles>(&role).await?;
    let policy = w.save::<Policies>(Policies::bare("both")?, START).await?;
    holds(w.delete::<Roles>("both").await?, "there was a role")?;
    w.reads::<Policies>(&policy).await
}

/// Through another tenant a policy or a role cannot be read, listed, replaced or deleted.
///
/// The tenant is the wall between customers; one method without it is a hole.
#[rule(
    "policies::tenancy::other_tenants_reach_nothing",
    source = "kratos 93d364c8e, keto 0c61e343; paySphere #1917; AuthHero: a read with no tenant"
)]
async fn other_tenants_reach_nothing(w: &Book) -> Checked {
    let empty = w.context.tenant()?;
    reach_nothing::<Policies>(w, &empty).await?;
    reach_nothing::<Roles>(w, &empty).await
}

async fn reach_nothing<K: Kind>(w: &Book, there: &TenantId) -> Checked {
    let subject = K::subject(w);
    let id = K::id_of(&subject.draft);
    for store in [&*w.store, &*w.other] {
        equal(
            "get through another tenant",
            &K::get(store, there, id).await?,
            &None,
        )?;
        let page = K::list(store, there, PageRequest::first(10)?).await?;
        equal("the list of a tenant without any", &page.items, &vec![])?;
        let seen = Expected::Version(subject.version);
        let theirs = K::full("subject", "theirs")?;
        let saved = K::save(store, there, seen, theirs, minute(1)).await;
        fails("a save through another tenant", saved, ErrorKind::Stale)?;
        equal(
            "a delete through another tenant",
            &K::delete(store, there, id).await?,
            &false,
        )?;
    }
    w.subject_unchanged::<K>().await?;
    let theirs = K::full("subject", "theirs")?;
    let expected = Record::new(theirs.clone(), minute(1));
    let saved = K::save(&*w.store, there, Expected::Absent, theirs, minute(1)).await?;
    equal("another tenant's own under the same id", &saved, &expected)?;
    w.subject_unchanged::<K>().await?;
    equal(
        "whether another tenant had its own",
        &K::delete(&*w.store, there, id).await?,
        &true,
    )?;
    w.subject_unchanged::<K>().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them decides about one customer by the policies of another.
#[rule(
    "policies::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Book) -> Checked {
    // The context's tenants come in such triples.
    let mut tenants = Vec::new();
    for _ in 0..4 {
        tenants.push(w.context.tenant()?);
    }
    one_in_each::<Policies>(w, &tenants).await?;
    one_in_each::<Roles>(w, &tenants).await
}

async fn one_in_each<K: Kind>(w: &Book, tenants: &[TenantId]) -> Checked {
    for tenant in tenants {
        let draft = K::full("in each", tenant.as_str())?;
        let saved = K::save(&*w.store, tenant, Expected::Anything, draft.clone(), START).await?;
        equal("a tenant's own", &saved, &Record::new(draft, START))?;
    }
    for tenant in tenants {
        let draft = K::full("in each", tenant.as_str())?;
        let found = K::get(&*w.other, tenant, K::id_of(&draft)).await?;
        equal(
            "a tenant's own as it is read",
            &found,
            &Some(Record::new(draft, START)),
        )?;
    }
    Ok(())
}
