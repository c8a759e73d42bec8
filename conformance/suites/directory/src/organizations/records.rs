//! Organizations: created, found, updated.

use std::num::NonZeroU32;

use portproof_ports::{
    ErrorKind, NewOrganization, Organization, OrganizationUpdate, Ports, Version,
};

use super::{House, Houses, document, id, new_organization, same, slug};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        create_stores_it_whole,
        create_refuses_a_stored_id,
        create_refuses_a_taken_slug,
        missing_is_none,
        found_by_slug,
        update_replaces_it_whole,
        update_moves_the_slug,
        update_refuses_a_stale_version,
        update_of_missing_is_not_found,
        update_refuses_a_taken_slug,
    ]
}

/// A store that is ready says so.
///
/// An engine that waits for a store that never is, never starts.
#[rule(
    "organizations::ready::answers",
    source = "spicedb #3142: one hung call wedged the server"
)]
async fn ready_answers(w: &Houses) -> Checked {
    Ok(w.store.ready().await?)
}

/// Create stores every field, and answers what the next read gives, through any handle: in its first
/// version, created and updated then, with nobody in it.
///
/// A field that is dropped is a limit that nobody keeps to, or a name that nobody sees.
#[rule(
    "organizations::create::stores_it_whole",
    source = "AuthHero 5dddd72: create answered another record than the next read"
)]
async fn create_stores_it_whole(w: &Houses) -> Checked {
    let bare = NewOrganization {
        member_limit: None,
        ..new_organization("bare", "b-a-r-3")?
    };
    let largest = NewOrganization {
        member_limit: Some(NonZeroU32::MAX),
        ..new_organization("largest", "0")?
    };
    for given in [new_organization("fresh", "fresh")?, bare, largest] {
        let created = w.store.create(&w.tenant, given.clone(), minute(7)).await?;
        let expected = Organization {
            id: given.id.clone(),
            slug: given.slug,
            member_limit: given.member_limit,
            data: given.data,
            version: Version::FIRST,
            created_at: minute(7),
            updated_at: minute(7),
        };
        equal("the organization as create answers it", &created, &expected)?;
        let empty = House {
            organization: expected,
            members: vec![],
            invitations: vec![],
        };
        equal(
            "the organization as it is found",
            &w.house(&given.id).await?,
            &Some(empty),
        )?;
    }
    w.subject_unchanged().await
}

/// A second organization under a stored id is refused, and the first one stays, with all in it.
///
/// Whoever overwrites one owns its members.
#[rule(
    "organizations::create::refuses_a_stored_id",
    source = "the contract: never overwrites"
)]
async fn create_refuses_a_stored_id(w: &Houses) -> Checked {
    let given = new_organization("subject", "another")?;
    let answer = w.store.create(&w.tenant, given.clone(), minute(1)).await;
    fails(
        "creating a stored organization",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    let found = w.store.find(&w.tenant, &given.slug).await?;
    equal("what the slug of the refused one finds", &found, &None)?;
    w.subject_unchanged().await
}

/// A slug is one organization's: another one that is to be called so, in whatever case it was typed, is
/// refused, and nothing of it is stored.
///
/// Two organizations of one name are one login page, and which one it leads to is chance.
#[rule(
    "organizations::create::refuses_a_taken_slug",
    source = "AuthHero b7bb663: names of organizations were folded on one way and not on the other",
    environments = "collation"
)]
async fn create_refuses_a_taken_slug(w: &Houses) -> Checked {
    for typed in ["subject", "SUBJECT", "Sub-Ject", "bystander"] {
        let given = new_organization("another", typed)?;
        let answer = w.store.create(&w.tenant, given, minute(1)).await;
        fails(
            &format!("creating a second {typed:?}"),
            answer,
            ErrorKind::AlreadyExists,
        )?;
        let found = w.house(&id("another")?).await?;
        equal("the refused organization", &found, &None)?;
    }
    w.subject_unchanged().await
}

/// An organization, a member or an invitation that is not stored is `None`: no other one, no default,
/// no error.
///
/// Otherwise a request for one customer is answered with another's.
#[rule(
    "organizations::get::missing_is_none",
    source = "openfga #3014: a driver's no-rows error was not mapped"
)]
async fn missing_is_none(w: &Houses) -> Checked {
    for missing in [
        "Subjec", "subject ", "SUBJECT", "s%", "_ubject", "fresh", "Ada",
    ] {
        let found = w.house(&id(missing)?).await?;
        equal("an organization that is not stored", &found, &None)?;
    }
    w.subject_unchanged().await
}

/// An organization is found by its slug, however it was typed, and by no part of it.
///
/// Whoever is found by a prefix of a name is signed in to somebody else's.
#[rule(
    "organizations::find::finds_by_the_slug",
    source = "AuthHero b7bb663: names of organizations were folded on one way and not on the other"
)]
async fn found_by_slug(w: &Houses) -> Checked {
    let (_, bystander) = &w.bystanders[1];
    for (typed, expected) in [
        ("subject", Some(&w.subject.organization)),
        ("SubJect", Some(&w.subject.organization)),
        ("SUB-JECT", Some(&bystander.organization)),
        ("subj", None),
        ("subject-", None),
        ("ubject", None),
        ("fresh", None),
        ("subject2", None),
    ] {
        // No slug ends with a hyphen: what is refused here finds nothing.
        let Ok(typed) = portproof_ports::Slug::new(typed) else {
            continue;
        };
        for store in [&w.store, &w.other] {
            let found = store.find(&w.tenant, &typed).await?;
            equal(&format!("what {typed:?} finds"), &found.as_ref(), &expected)?;
        }
    }
    Ok(())
}

/// Update replaces slug, limit and data, and nothing else: id and creation stay, the version is one
/// on, and members and invitations are as they were. What it answers is what the next read gives.
///
/// An update that loses members locks a customer out; one that keeps what was cleared keeps a limit
/// that was paid off.
#[rule(
    "organizations::update::replaces_it_whole",
    source = "better-auth, next-auth: an update answers the new state"
)]
async fn update_replaces_it_whole(w: &Houses) -> Checked {
    let mut expected = w.subject.clone();
    for (number, (called, limit)) in [("renamed", Some(7)), ("renamed", None), ("0-1", Some(1))]
        .into_iter()
        .enumerate()
    {
        let update = OrganizationUpdate {
            slug: slug(called)?,
            member_limit: limit.and_then(NonZeroU32::new),
            data: document(&format!("update {number}"))?,
        };
        let before = expected.organization;
        let now = minute(5 + u16::try_from(number).unwrap_or_default());
        expected.organization = Organization {
            slug: update.slug.clone(),
            member_limit: update.member_limit,
            data: update.data.clone(),
            version: before.version.next(),
            updated_at: now,
            ..before.clone()
        };
        let updated = w
            .store
            .update(&w.tenant, &before.id, before.version, update, now)
            .await?;
        equal(
            "the organization as update answers it",
            &updated,
            &expected.organization,
        )?;
        w.subject_is("the organization as it is found", &expected)
            .await?;
    }
    Ok(())
}

/// An organization that is renamed is found by its new slug, and the old one finds nothing, until
/// another organization is called so.
///
/// An old name that still leads somewhere leads the next customer's users to the last one's.
#[rule(
    "organizations::update::moves_the_slug",
    source = "spring-session #1791: an index kept the old id"
)]
async fn update_moves_the_slug(w: &Houses) -> Checked {
    let before = &w.subject.organization;
    let update = OrganizationUpdate {
        slug: slug("renamed")?,
        ..same(before)
    };
    let renamed = w
        .store
        .update(&w.tenant, &before.id, before.version, update, minute(1))
        .await?;
    for store in [&w.store, &w.other] {
        let old = store.find(&w.tenant, &before.slug).await?;
        equal("what the old slug finds", &old, &None)?;
        let new = store.find(&w.tenant, &slug("renamed")?).await?;
        equal("what the new slug finds", &new.as_ref(), &Some(&renamed))?;
    }
    let next = w.create(new_organization("next", "subject")?).await?;
    for store in [&w.store, &w.other] {
        let found = store.find(&w.tenant, &before.slug).await?;
        equal(
            "what the old slug finds next",
            &found.as_ref(),
            &Some(&next),
        )?;
    }
    Ok(())
}

/// An update that names another version than the stored one is stale, and changes nothing.
///
/// Otherwise the last of two who edit at once undoes what the first did, and nobody is told.
#[rule(
    "organizations::update::refuses_a_stale_version",
    source = "the contract: an update names the version that it saw"
)]
async fn update_refuses_a_stale_version(w: &Houses) -> Checked {
    let (stored, mut expected) = (&w.subject.organization, w.subject.clone());
    let update = || -> Result<_, crate::Failure> {
        Ok(OrganizationUpdate {
            slug: slug("another")?,
            member_limit: None,
            data: document("another")?,
        })
    };
    let later = stored.version.next();
    for version in [later, later.next(), Version::new(i64::MAX)?] {
        let answer = w
            .store
            .update(&w.tenant, &stored.id, version, update()?, minute(1))
            .await;
        fails("an update of a version to come", answer, ErrorKind::Stale)?;
        w.subject_unchanged().await?;
    }
    expected.organization = w
        .store
        .update(
            &w.tenant,
            &stored.id,
            stored.version,
            same(stored),
            minute(1),
        )
        .await?;
    let answer = w
        .other
        .update(&w.tenant, &stored.id, stored.version, update()?, minute(2))
        .await;
    fails("an update of a version that was", answer, ErrorKind::Stale)?;
    w.subject_is("the organization after it", &expected).await
}

/// An update of an organization that is not stored is not found, and creates none.
///
/// A deleted customer would be back with the next save of an open form.
#[rule(
    "organizations::update::missing_is_not_found",
    source = "better-auth: an update of a missing row answers none, and creates none"
)]
async fn update_of_missing_is_not_found(w: &Houses) -> Checked {
    let update = OrganizationUpdate {
        slug: slug("missing")?,
        ..same(&w.subject.organization)
    };
    for missing in ["missing", "SUBJECT", "fresh"] {
        let missing = id(missing)?;
        let answer = w
            .store
            .update(&w.tenant, &missing, Version::FIRST, update.clone(), START)
            .await;
        fails("an update of nothing", answer, ErrorKind::NotFound)?;
        equal("what it left", &w.house(&missing).await?, &None)?;
    }
    let found = w.store.find(&w.tenant, &update.slug).await?;
    equal("what its slug finds", &found, &None)?;
    w.subject_unchanged().await
}

/// An organization cannot be given a slug that another one has, and stays as it was then; its own it
/// may keep.
///
/// A rename must not take over somebody else's address.
#[rule(
    "organizations::update::refuses_a_taken_slug",
    source = "AuthHero b7bb663: names of organizations were folded on one way and not on the other",
    environments = "collation"
)]
async fn update_refuses_a_taken_slug(w: &Houses) -> Checked {
    let stored = &w.subject.organization;
    for typed in ["bystander", "Sub-Ject"] {
        let update = OrganizationUpdate {
            slug: slug(typed)?,
            member_limit: None,
            data: document("another")?,
        };
        let answer = w
            .store
            .update(&w.tenant, &stored.id, stored.version, update, minute(1))
            .await;
        fails(
            "an update to a taken slug",
            answer,
            ErrorKind::AlreadyExists,
        )?;
        w.subject_unchanged().await?;
    }
    let answer = w
        .store
        .update(
            &w.tenant,
            &stored.id,
            stored.version,
            same(stored),
            minute(1),
        )
        .await?;
    equal("the slug that it kept", &answer.slug, &stored.slug)
}
