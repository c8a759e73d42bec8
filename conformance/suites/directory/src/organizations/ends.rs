//! Ends: of an organization with all in it, and of all memberships of an identity.

use portproof_ports::{ErrorKind, IdentityId, PageRequest, Ports};

use super::{
    House, Houses, ada, digest, identity, new_invitation, new_membership, new_organization, slug,
    unlimited,
};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, day, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        delete_ends_what_is_in_it,
        recreated_is_empty,
        delete_ends_more_than_a_page,
        remove_all_ends_an_identitys,
        remove_all_ends_more_than_a_page,
    ]
}

/// Deleting an organization ends its memberships and invitations, frees its slug, and answers whether
/// there was one. What its members belong to besides stays, and so does everything of the others.
///
/// A member of what is gone is a member of whatever comes under its id; a member who loses all else is
/// locked out by a customer that left.
#[rule(
    "organizations::delete::ends_what_is_in_it",
    source = "spire #6946: rows that belonged to a deleted one stayed"
)]
async fn delete_ends_what_is_in_it(w: &Houses) -> Checked {
    let second = w.create(new_organization("second", "second")?).await?;
    let elsewhere = House {
        members: vec![w.add(&second.id, "Ada").await?],
        invitations: vec![w.invite(new_invitation(&second.id, "two")?).await?],
        organization: second,
    };
    let place = w.subject_id();
    for was_there in [true, false] {
        let deleted = w.store.delete(&w.tenant, &place).await?;
        equal("whether there was one to delete", &deleted, &was_there)?;
        equal("the deleted one", &w.house(&place).await?, &None)?;
        let found = w.other.find(&w.tenant, &slug("subject")?).await?;
        equal("what its slug finds", &found, &None)?;
        equal("its member", &w.member(&place, &ada()?).await?, &None)?;
        let token = digest("token");
        let found = w.invitation(&token, START).await?;
        equal("its invitation", &found, &None)?;
        let eve = identity("Eve")?;
        let answer = w.store.accept(&w.tenant, &token, &eve, START).await;
        fails("accepting it", answer, ErrorKind::NotFound)?;
        let theirs = w.memberships_of(&ada()?).await?;
        equal("what its member belongs to", &theirs, &elsewhere.members)?;
        w.subject_is("the other organization", &elsewhere).await?;
    }
    Ok(())
}

/// An organization that is created under the id of a deleted one begins without members and
/// invitations, also those that were over: each digest is free, and each identity can be added.
///
/// Otherwise the last customer's people are inside the next one's.
#[rule(
    "organizations::delete::recreated_is_empty",
    source = "spire #6946: rows that belonged to a deleted one stayed"
)]
async fn recreated_is_empty(w: &Houses) -> Checked {
    let place = w.subject_id();
    let mut short = new_invitation(&place, "short")?;
    short.expires_at = minute(1);
    w.invite(short.clone()).await?;
    w.store.delete(&w.tenant, &place).await?;
    let created = w.create(new_organization("subject", "subject")?).await?;
    let mut expected = House {
        organization: created,
        members: vec![],
        invitations: vec![],
    };
    w.subject_is("the organization made anew", &expected)
        .await?;
    for token in ["token", "short"] {
        let found = w.invitation(&digest(token), START).await?;
        equal("an invitation to the deleted one", &found, &None)?;
    }
    let theirs = w.memberships_of(&ada()?).await?;
    equal(
        "what a member of the deleted one belongs to",
        &theirs,
        &vec![],
    )?;
    let swept = w.store.sweep(&w.tenant, minute(2), 10).await?;
    equal("invitations that are over", &swept, &0)?;
    expected.members.push(w.add(&place, "Ada").await?);
    for again in [new_invitation(&place, "token")?, short] {
        expected.invitations.push(w.invite(again).await?);
    }
    expected.invitations.sort_by(|a, b| a.id.cmp(&b.id));
    w.subject_is("the organization in use", &expected).await
}

/// All memberships and invitations of a deleted organization end, also when they are more than pages
/// hold.
///
/// What is left after the first thousand is inside whatever comes under the id.
#[rule(
    "organizations::delete::ends_more_than_a_page",
    source = "AuthHero 7d9f138: a bulk revocation covers more than a page of rows"
)]
async fn delete_ends_more_than_a_page(w: &Houses) -> Checked {
    let big = w.create(unlimited("big", "big")?).await?;
    let (tenant, place) = (w.tenant.clone(), big.id.clone());
    w.many(1300, move |store, number| {
        let (tenant, place) = (tenant.clone(), place.clone());
        async move {
            let member = new_membership(&place, &format!("one of many {number}"))?;
            store.add_member(&tenant, member, START).await?;
            let invitation = new_invitation(&place, &format!("one of many {number}"))?;
            store.invite(&tenant, invitation, START).await?;
            Ok(())
        }
    })
    .await?;
    let deleted = w.store.delete(&w.tenant, &big.id).await?;
    equal("whether there was one to delete", &deleted, &true)?;
    w.create(unlimited("big", "big")?).await?;
    for number in [0, 99, 100, 999, 1000, 1001, 1299] {
        let name = format!("one of many {number}");
        let found = w.member(&big.id, &identity(&name)?).await?;
        equal(&format!("member {number}"), &found, &None)?;
        let found = w.invitation(&digest(&name), START).await?;
        equal(&format!("invitation {number}"), &found, &None)?;
    }
    let house = w.house(&big.id).await?;
    let left = house.map(|house| (house.members.len(), house.invitations.len()));
    equal("what is in the one made anew", &left, &Some((0, 0)))?;
    w.subject_unchanged().await
}

/// All memberships of an identity end, and it is answered how many there were. Other members stay, and
/// so do the organizations.
///
/// A person who is removed must be out of everything, and nobody else with them.
#[rule(
    "organizations::remove_all_of::ends_an_identitys",
    source = "AuthHero 7d9f138: logout revoked the first 100 only"
)]
async fn remove_all_ends_an_identitys(w: &Houses) -> Checked {
    let mut expected = w.subject.clone();
    expected.members.push(w.add(&w.subject_id(), "Eve").await?);
    for name in ["second", "third"] {
        let created = w.create(new_organization(name, name)?).await?;
        w.add(&created.id, "Ada").await?;
    }
    for nobody in ["nobody", "Ad", "A%", "_da", "subject"] {
        let removed = w.store.remove_all_of(&w.tenant, &identity(nobody)?).await?;
        equal("how many memberships of nobody ended", &removed, &0)?;
    }
    for count in [3, 0] {
        let removed = w.store.remove_all_of(&w.tenant, &ada()?).await?;
        equal("how many memberships ended", &removed, &count)?;
        let left = w.memberships_of(&ada()?).await?;
        equal("what Ada belongs to", &left, &vec![])?;
    }
    expected.members.remove(0);
    w.subject_is("the organization without Ada", &expected)
        .await?;
    equal(
        "the invitation that is open",
        &w.invitation(&digest("token"), day(1)).await?.is_some(),
        &true,
    )
}

/// All memberships of an identity end, also when they are more than pages hold.
///
/// A support agent who leaves belongs to every customer; who is removed from a thousand of them is
/// still in the others.
#[rule(
    "organizations::remove_all_of::ends_more_than_a_page",
    source = "AuthHero 7d9f138: a bulk revocation covers more than a page of rows"
)]
async fn remove_all_ends_more_than_a_page(w: &Houses) -> Checked {
    let agent: IdentityId = identity("agent")?;
    super::lengths::join_many(w, &agent).await?;
    let removed = w.store.remove_all_of(&w.tenant, &agent).await?;
    equal("how many memberships ended", &removed, &2500)?;
    let left = w.memberships_of(&agent).await?;
    equal("what the agent belongs to", &left, &vec![])?;
    let removed = w.other.remove_all_of(&w.tenant, &agent).await?;
    equal("how many ended the second time", &removed, &0)?;
    let page = PageRequest::first(1)?;
    for number in [0, 999, 1000, 2499] {
        let place = super::id(&format!("one of many {number}"))?;
        let members = w.other.members_of(&w.tenant, &place, &page).await?;
        equal("the members of an organization", &members.items, &vec![])?;
    }
    w.subject_unchanged().await
}
