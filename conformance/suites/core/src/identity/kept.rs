//! What a store changes on the way: ids, profiles, instants.

use portproof_ports::{IdentityId, NewIdentity, Ports};

use super::{Identities, email, id, new_identity, verified};
use crate::{
    Case, Checked, cases,
    check::{equal, holds, some},
    fixture::{awkward_document, document, hostile, instants, large_document},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        hostile_ids_are_kept_apart,
        profile_is_kept_exactly,
        large_profile_is_kept,
        instants_are_kept_exactly,
    ]
}

/// Ids are kept and compared as bytes: what differs in case, accents, composition, spaces or marks
/// is somebody else.
///
/// An adapter that folds ids hands one person's account to another.
#[rule(
    "identity::create::keeps_ids_apart",
    source = "CVE-2026-55170; better-auth #6033: ids were mangled",
    environments = "collation"
)]
async fn hostile_ids_are_kept_apart(w: &Identities) -> Checked {
    for name in hostile() {
        w.create(new_identity(name, vec![])?).await?;
    }
    for name in hostile() {
        let found = some(name, w.store.get(&w.tenant, &id(name)?).await?)?;
        equal("the id", &found.id.as_str(), &name.as_str())?;
        equal("the profile", &found.profile, &document(name)?)?;
    }
    let ids: Vec<IdentityId> = hostile()
        .iter()
        .map(|name| id(name))
        .collect::<Result<_, _>>()?;
    let found = w.store.get_many(&w.tenant, &ids).await?;
    equal("how many of them there are", &found.len(), &ids.len())
}

/// A profile is kept exactly: nulls and absences, empty lists and objects, numbers to 64 bits,
/// every character.
///
/// What people wrote about themselves must not come back changed, or not at all.
#[rule(
    "identity::create::keeps_profiles_exactly",
    source = "AuthHero 285af35: an emoji made every later read fail; 028f2b5: profiles were cut off"
)]
async fn profile_is_kept_exactly(w: &Identities) -> Checked {
    let given = NewIdentity {
        profile: awkward_document()?,
        ..new_identity("new", vec![])?
    };
    let created = w.create(given.clone()).await?;
    equal(
        "the profile that create answers",
        &created.profile,
        &given.profile,
    )?;
    let found = some("the identity", w.seen(&given.id).await?)?;
    equal("the profile as it is read", &found.profile, &given.profile)
}

/// A profile of a mebibyte is kept whole.
///
/// A picture that is cut off is an account that cannot be opened.
#[rule(
    "identity::create::keeps_large_profiles",
    source = "AuthHero 028f2b5; next-auth #4734: a value too long locked a user out"
)]
async fn large_profile_is_kept(w: &Identities) -> Checked {
    let given = NewIdentity {
        profile: large_document()?,
        ..new_identity("new", vec![])?
    };
    w.create(given.clone()).await?;
    let found = some("the identity", w.seen(&given.id).await?)?;
    holds(
        found.profile == given.profile,
        "a mebibyte of profile is read as it was written",
    )
}

/// Every instant of an identity is kept to the microsecond, from 1970 to 9999.
///
/// A verification that moves by an hour happened before it was asked for.
#[rule(
    "identity::create::keeps_instants",
    source = "dex b51e73bc, fd20b213: precision and zone were dropped",
    environments = "time_zone"
)]
async fn instants_are_kept_exactly(w: &Identities) -> Checked {
    for (number, instant) in instants()?.into_iter().enumerate() {
        let address = email(&format!("at-{number}@example.com"))?;
        let given = new_identity(&format!("at {number}"), vec![verified(address, instant)])?;
        let created = w.store.create(&w.tenant, given, instant).await?;
        let found = some("the identity", w.store.get(&w.tenant, &created.id).await?)?;
        equal("its creation", &found.created_at, &instant)?;
        equal("its last change", &found.updated_at, &instant)?;
        let linked = some("its address", found.identifiers.first())?;
        equal(
            "when the address was verified",
            &linked.verified_at,
            &Some(instant),
        )?;
        equal("when the address was linked", &linked.linked_at, &instant)?;
    }
    Ok(())
}
