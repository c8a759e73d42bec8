//! Walls: between tenants, between errors, and between what was and what is stored.

use portproof_ports::{ErrorKind, NewOrganization, PageRequest, PortError, Ports, Version};

use super::{
    Houses, ada, digest, id, identity, limited, new_invitation, new_membership, new_organization,
    offered, refused, roles, same, slug,
};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, day, document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        other_tenants_reach_nothing,
        tenants_are_compared_as_bytes,
        errors_name_what_was_wrong,
        organizations_survive_a_restart,
    ]
}

/// Through another tenant an organization can neither be found, updated nor deleted, its members can
/// neither be read, changed nor removed, nobody can be added or invited, and its invitations are of no
/// use.
///
/// Otherwise one customer's administrator is another's.
#[rule(
    "organizations::tenancy::other_tenants_reach_nothing",
    source = "kratos 93d364c8e, hydra 43c9be1b5, keto 0c61e343; paySphere #1917"
)]
async fn other_tenants_reach_nothing(w: &Houses) -> Checked {
    let stored = w
        .create(new_organization("only here", "only-here")?)
        .await?;
    let place = &stored.id;
    let expected = super::House {
        members: vec![w.add(place, "Ada").await?],
        invitations: vec![w.invite(new_invitation(place, "only here")?).await?],
        organization: stored.clone(),
    };
    let (page, eve) = (PageRequest::first(10)?, identity("Eve")?);
    let empty = w.context.tenant()?;
    for there in [&w.elsewhere, &empty] {
        let store = &w.store;
        equal("get", &store.get(there, place).await?, &None)?;
        equal("find", &store.find(there, &stored.slug).await?, &None)?;
        let version = Version::FIRST;
        let updated = store.update(there, place, version, same(&stored), minute(1));
        fails("update", updated.await, ErrorKind::NotFound)?;
        equal("delete", &store.delete(there, place).await?, &false)?;
        let added = store.add_member(there, new_membership(place, "Eve")?, START);
        fails("add_member", added.await, ErrorKind::NotFound)?;
        let found = store.member(there, place, &ada()?).await?;
        equal("member", &found, &None)?;
        let (who, set) = (ada()?, roles(&["x"])?);
        let set = store
            .set_roles(there, place, &who, version, set, START)
            .await;
        fails("set_roles", set, ErrorKind::NotFound)?;
        let removed = store.remove_member(there, place, &ada()?).await?;
        equal("remove_member", &removed, &false)?;
        let listed = store.members_of(there, place, &page).await?;
        equal("members_of", &listed.items, &vec![])?;
        let invited = store.invite(there, new_invitation(place, "theirs")?, START);
        fails("invite", invited.await, ErrorKind::NotFound)?;
        let token = digest("only here");
        let found = store.invitation(there, &token, START).await?;
        equal("invitation", &found, &None)?;
        let accepted = store.accept(there, &token, &eve, START).await;
        fails("accept", accepted, ErrorKind::NotFound)?;
        equal("revoke", &store.revoke(there, &token).await?, &false)?;
        let listed = store.invitations_of(there, place, START, &page).await?;
        equal("invitations_of", &listed.items, &vec![])?;
    }
    let listed = w.store.list(&empty, &page).await?;
    equal(
        "the organizations of an empty tenant",
        &listed.items,
        &vec![],
    )?;
    let listed = w.store.organizations_of(&empty, &ada()?, &page).await?;
    equal("what Ada belongs to in it", &listed.items, &vec![])?;
    let removed = w.store.remove_all_of(&empty, &ada()?).await?;
    equal("memberships that it ended", &removed, &0)?;
    let swept = w.store.sweep(&empty, day(1000), 1000).await?;
    equal("invitations that it swept", &swept, &0)?;
    w.subject_is("the organization in its own tenant", &expected)
        .await?;
    w.subject_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two, and each
/// may have an organization of one id and slug, with a member and an invitation of one name.
///
/// A backend that folds them gives one customer the members of another.
#[rule(
    "organizations::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Houses) -> Checked {
    // The context's tenants come in such triples.
    let tenants = [
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
    ];
    for tenant in &tenants {
        let given = NewOrganization {
            data: document(tenant.as_str())?,
            ..new_organization("in each", "in-each")?
        };
        let created = w.store.create(tenant, given, START).await?;
        let mut member = new_membership(&created.id, "Ada")?;
        member.roles = roles(&[tenant.as_str()])?;
        w.store.add_member(tenant, member, START).await?;
        let mut invitation = new_invitation(&created.id, "in each")?;
        invitation.data = document(tenant.as_str())?;
        w.store.invite(tenant, invitation, START).await?;
    }
    for tenant in &tenants {
        let own = document(tenant.as_str())?;
        let found = w.store.find(tenant, &slug("in-each")?).await?;
        let data = found.map(|one| one.data);
        equal("the data of the tenant's own", &data, &Some(own.clone()))?;
        let member = w.store.member(tenant, &id("in each")?, &ada()?).await?;
        let set = member.map(|one| one.roles);
        equal(
            "the roles of its member",
            &set,
            &Some(roles(&[tenant.as_str()])?),
        )?;
        let found = w
            .store
            .invitation(tenant, &digest("in each"), START)
            .await?;
        let data = found.map(|one| one.data);
        equal("the data of its invitation", &data, &Some(own))?;
    }
    Ok(())
}

/// Errors name what was wrong: the record that is missing, taken or stale, or the argument.
///
/// Otherwise a person cannot be told whether the name is taken or the organization is full.
#[rule(
    "organizations::errors::name_what_was_wrong",
    source = "kratos: a violated constraint is named; openfga #3014: a driver's error was not mapped"
)]
async fn errors_name_what_was_wrong(w: &Houses) -> Checked {
    let (tenant, place, stored) = (&w.tenant, w.subject_id(), &w.subject.organization);
    let taken = |what| Err::<(), _>(PortError::already_exists(what));
    // Of two things that are taken, the id comes first.
    for (what, given, expected) in [
        (
            "id",
            new_organization("subject", "another")?,
            "organization",
        ),
        (
            "id and slug",
            new_organization("subject", "subject")?,
            "organization",
        ),
        (
            "id and another's slug",
            new_organization("subject", "sub-ject")?,
            "organization",
        ),
        ("slug", new_organization("another", "subject")?, "slug"),
    ] {
        let answer = w.store.create(tenant, given, START).await.map(|_| ());
        equal(&format!("a stored {what}"), &answer, &taken(expected))?;
    }
    let mut update = same(stored);
    update.slug = slug("sub-ject")?;
    let (first, stale) = (stored.version, stored.version.next());
    let missing = id("missing")?;
    for (what, at, version, expected) in [
        (
            "nothing",
            &missing,
            first,
            PortError::not_found("organization"),
        ),
        // Of two things that are wrong, the version comes first.
        (
            "another version",
            &place,
            stale,
            PortError::stale("organization"),
        ),
        (
            "a taken slug",
            &place,
            first,
            PortError::already_exists("slug"),
        ),
    ] {
        let answer = w
            .store
            .update(tenant, at, version, update.clone(), minute(1));
        equal(&format!("updating {what}"), &answer.await, &Err(expected))?;
    }

    let full = w.create(limited("full", "full", 1)?).await?.id;
    w.add(&full, "Ada").await?;
    let add = async |at, who| -> Result<_, crate::Failure> {
        let new = new_membership(at, who)?;
        Ok(w.store.add_member(tenant, new, START).await.map(|_| ()))
    };
    let none = Err(PortError::not_found("organization"));
    equal("adding to nothing", &add(&missing, "Ada").await?, &none)?;
    let again = taken("membership");
    equal("adding a member", &add(&place, "Ada").await?, &again)?;
    equal(
        "adding a member of a full one",
        &add(&full, "Ada").await?,
        &again,
    )?;
    let answer = add(&full, "Eve").await?;
    equal(
        "adding to a full one",
        &refused(&answer),
        &Some("member_limit"),
    )?;

    for (what, who, version, expected) in [
        (
            "no member",
            "Eve",
            first,
            PortError::not_found("membership"),
        ),
        (
            "another version",
            "Ada",
            stale,
            PortError::stale("membership"),
        ),
    ] {
        let (who, set) = (identity(who)?, roles(&["x"])?);
        let answer = w.store.set_roles(tenant, &place, &who, version, set, START);
        equal(&format!("roles of {what}"), &answer.await, &Err(expected))?;
    }

    let mut over = new_invitation(&missing, "token")?;
    over.expires_at = START;
    let answer = w.store.invite(tenant, over, START).await;
    equal(
        "an invitation that is over",
        &refused(&answer),
        &Some("expires_at"),
    )?;
    // Of two things that are wrong, the organization comes first.
    for (what, at, expected) in [
        ("to nothing", &missing, PortError::not_found("organization")),
        (
            "of a stored digest",
            &place,
            PortError::already_exists("invitation"),
        ),
    ] {
        let answer = w
            .store
            .invite(tenant, new_invitation(at, "token")?, START)
            .await;
        equal(&format!("an invitation {what}"), &answer, &Err(expected))?;
    }
    w.invite(new_invitation(&full, "full")?).await?;
    let accept = async |token, who| -> Result<_, crate::Failure> {
        let who = identity(who)?;
        let answer = w.store.accept(tenant, &digest(token), &who, START).await;
        Ok(answer.map(|_| ()))
    };
    let none = Err(PortError::not_found("invitation"));
    equal("accepting nothing", &accept("nothing", "Eve").await?, &none)?;
    equal(
        "a member who accepts",
        &accept("token", "Ada").await?,
        &again,
    )?;
    equal(
        "a member of a full one who accepts",
        &accept("full", "Ada").await?,
        &again,
    )?;
    let answer = accept("full", "Eve").await?;
    equal(
        "accepting for a full one",
        &refused(&answer),
        &Some("member_limit"),
    )?;
    w.subject_unchanged().await
}

/// What was stored is there when the store is opened anew: organizations, members and invitations. What
/// had ended is not, and a limit is kept to.
///
/// A deployment must not put anybody out, nor back in.
#[rule(
    "organizations::restart::keeps_organizations",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn organizations_survive_a_restart(w: &Houses) -> Checked {
    let (tenant, place, eve) = (&w.tenant, w.subject_id(), identity("Eve")?);
    let small = w.create(limited("small", "small", 1)?).await?.id;
    w.add(&small, "Ada").await?;
    let deleted = w.create(new_organization("deleted", "deleted")?).await?.id;
    w.add(&deleted, "Eve").await?;
    w.store.delete(tenant, &deleted).await?;
    w.add(&place, "removed").await?;
    let removed = identity("removed")?;
    w.store.remove_member(tenant, &place, &removed).await?;
    w.invite(new_invitation(&place, "revoked")?).await?;
    w.store.revoke(tenant, &digest("revoked")).await?;
    w.invite(new_invitation(&place, "used")?).await?;
    let joined = w
        .store
        .accept(tenant, &digest("used"), &eve, minute(1))
        .await?;

    let of_eve = w.memberships_of(&eve).await?;

    let reopened = w.context.reopen().await?;
    let reopened = offered("organizations", reopened.organizations.as_ref())?;
    let found = reopened.find(tenant, &slug("subject")?).await?;
    let stored = &w.subject.organization;
    equal("the organization", &found.as_ref(), &Some(stored))?;
    let page = PageRequest::first(10)?;
    let members = reopened.members_of(tenant, &place, &page).await?.items;
    let expected = vec![w.subject.members[0].clone(), joined];
    equal("its members", &members, &expected)?;
    let listed = reopened
        .invitations_of(tenant, &place, START, &page)
        .await?;
    equal("its invitations", &listed.items, &w.subject.invitations)?;
    equal(
        "the deleted one",
        &reopened.get(tenant, &deleted).await?,
        &None,
    )?;
    let theirs = reopened.organizations_of(tenant, &eve, &page).await?;
    equal("what Eve belongs to", &theirs.items, &of_eve)?;
    for gone in ["used", "revoked"] {
        let answer = reopened.accept(tenant, &digest(gone), &ada()?, START).await;
        fails("accepting what is gone", answer, ErrorKind::NotFound)?;
    }
    let new = new_membership(&small, "Eve")?;
    let answer = reopened.add_member(tenant, new, START).await;
    equal(
        "adding to a full one",
        &refused(&answer),
        &Some("member_limit"),
    )
}
