//! Memberships: who belongs to an organization, with which roles, and how many may.

use portproof_ports::{ErrorKind, MemberRoles, Membership, OrganizationUpdate, Ports, Version};

use super::{
    House, Houses, ada, id, identity, limited, new_membership, new_organization, refused, roles,
    same,
};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::minute,
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        add_stores_it_whole,
        add_refuses_a_member,
        add_needs_the_organization,
        add_keeps_to_the_limit,
        missing_member_is_none,
        set_roles_affects_one_membership,
        set_roles_refuses_a_stale_version,
        set_roles_of_missing_is_not_found,
        remove_ends_one_membership,
    ]
}

/// Adding a member stores the membership whole, and answers what the next read gives, through any
/// handle. The identity need not be stored anywhere, and the organization itself does not change.
///
/// Whoever was added without their roles can do nothing, or everything.
#[rule(
    "organizations::add_member::stores_it_whole",
    source = "AuthHero 5dddd72: create answered another record than the next read"
)]
async fn add_stores_it_whole(w: &Houses) -> Checked {
    let (organization, mut expected) = (w.subject_id(), w.subject.clone());
    let many: Vec<String> = (0..64).map(|number| format!("role {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (number, (who, given)) in [
        ("nobody", roles(&["owner"])?),
        ("ada", roles(&[])?),
        ("Ada ", roles(&many)?),
    ]
    .into_iter()
    .enumerate()
    {
        let now = minute(1 + u16::try_from(number).unwrap_or_default());
        let mut new = new_membership(&organization, who)?;
        new.roles = given;
        let added = w.store.add_member(&w.tenant, new.clone(), now).await?;
        let membership = Membership {
            organization: new.organization,
            identity: new.identity,
            roles: new.roles,
            version: Version::FIRST,
            joined_at: now,
            updated_at: now,
        };
        equal("the membership as it is answered", &added, &membership)?;
        expected.members.push(membership);
        w.subject_is("the organization with a new member", &expected)
            .await?;
    }
    Ok(())
}

/// Adding a member again is refused, and the membership stays as it was, with its roles.
///
/// Otherwise whoever may add members may make themselves an owner, or an owner a guest.
#[rule(
    "organizations::add_member::refuses_a_member",
    source = "better-auth: one membership of a user in an organization"
)]
async fn add_refuses_a_member(w: &Houses) -> Checked {
    let mut again = new_membership(&w.subject_id(), "Ada")?;
    again.roles = roles(&["owner"])?;
    let answer = w.other.add_member(&w.tenant, again, minute(1)).await;
    fails("adding a member again", answer, ErrorKind::AlreadyExists)?;
    w.subject_unchanged().await
}

/// Nobody can be added to an organization that is not stored, and nothing is left of it for one that
/// will be.
///
/// Whoever was added beforehand would be inside as soon as there is something to be inside of.
#[rule(
    "organizations::add_member::needs_the_organization",
    source = "spire #6946: rows that belonged to a deleted one stayed"
)]
async fn add_needs_the_organization(w: &Houses) -> Checked {
    for missing in ["missing", "SUBJECT", "fresh"] {
        let missing = id(missing)?;
        let new = new_membership(&missing, "Mallory")?;
        let answer = w.store.add_member(&w.tenant, new, minute(1)).await;
        fails("adding a member to nothing", answer, ErrorKind::NotFound)?;
    }
    let created = w.create(new_organization("missing", "missing")?).await?;
    let house = w.house(&created.id).await?;
    let members = house.map(|house| house.members);
    equal("the members of a new organization", &members, &Some(vec![]))?;
    let theirs = w.memberships_of(&identity("Mallory")?).await?;
    equal("what they belong to", &theirs, &vec![])
}

/// As many belong to an organization as its limit says, and the next one is refused, by the limit's
/// name, and is no member. A place that is freed can be taken; a limit that is lowered ends no
/// membership, and one that is lifted lets others in. Members of other organizations do not count.
///
/// What a customer pays for by the head is what this counts.
#[rule(
    "organizations::add_member::keeps_to_the_limit",
    source = "better-auth #9993, #10002: two accepts exceeded a team's limit, or its last free place was refused"
)]
async fn add_keeps_to_the_limit(w: &Houses) -> Checked {
    let organization = w.create(limited("small", "small", 2)?).await?;
    let place = organization.id.clone();
    let mut expected = House {
        organization,
        members: vec![w.add(&place, "a").await?, w.add(&place, "b").await?],
        invitations: vec![],
    };
    let try_to_add = async |who: &str| -> Checked {
        let new = new_membership(&place, who)?;
        let answer = w.store.add_member(&w.tenant, new, minute(1)).await;
        equal(
            "what adding one too many is refused for",
            &refused(&answer),
            &Some("member_limit"),
        )
    };
    try_to_add("c").await?;
    w.subject_is("a full organization", &expected).await?;
    // Who is a member already is told so.
    let again = new_membership(&place, "a")?;
    let answer = w.store.add_member(&w.tenant, again, minute(1)).await;
    fails(
        "adding a member to a full one",
        answer,
        ErrorKind::AlreadyExists,
    )?;

    let gone = identity("a")?;
    w.store.remove_member(&w.tenant, &place, &gone).await?;
    expected.members = vec![expected.members.remove(1), w.add(&place, "c").await?];
    try_to_add("d").await?;
    w.subject_is("the organization, full again", &expected)
        .await?;

    for limit in [Some(1), None] {
        let update = OrganizationUpdate {
            member_limit: limit.and_then(std::num::NonZeroU32::new),
            ..same(&expected.organization)
        };
        let version = expected.organization.version;
        expected.organization = w
            .other
            .update(&w.tenant, &place, version, update, minute(2))
            .await?;
        w.subject_is("the organization of another limit", &expected)
            .await?;
        if limit.is_some() {
            try_to_add("d").await?;
        } else {
            expected.members.push(w.add(&place, "d").await?);
        }
    }
    w.subject_is("the organization without a limit", &expected)
        .await
}

/// A membership that is not stored is `None`: not one of an identity that is almost called so, and
/// not one in another organization.
///
/// Otherwise a stranger is let in by their name.
#[rule(
    "organizations::member::missing_is_none",
    source = "CVE-2026-55170: a collation compared ids without regard to case"
)]
async fn missing_member_is_none(w: &Houses) -> Checked {
    for (organization, who) in [
        ("subject", "Ad"),
        ("subject", "Ada "),
        ("subject", "ada"),
        ("subject", "A%"),
        ("subject", "_da"),
        ("subject", "Eve"),
        ("Subject", "Ada"),
        ("SUBJECT", "Ada"),
        ("fresh", "Ada"),
        ("bystander", "Ada"),
    ] {
        let found = w.member(&id(organization)?, &identity(who)?).await?;
        equal(&format!("{who:?} in {organization:?}"), &found, &None)?;
    }
    Ok(())
}

/// Setting roles replaces those of one membership, whole: other members' are as they were, and so are
/// those of the same identity in other organizations. The version is one on; since when they belong
/// to it stays.
///
/// An administrator of one customer who becomes one of all of them is every customer's problem.
#[rule(
    "organizations::set_roles::affects_one_membership",
    source = "AuthHero: which organization a role is of, adapters must honor exactly"
)]
async fn set_roles_affects_one_membership(w: &Houses) -> Checked {
    let place = w.subject_id();
    let second = w.create(new_organization("second", "second")?).await?;
    let mut expected = w.subject.clone();
    let elsewhere = w.add(&second.id, "Ada").await?;
    expected.members.push(w.add(&place, "Eve").await?);
    let sets: [&[&str]; 4] = [&["owner"], &[], &["a", "A", "a "], &["owner", "viewer"]];
    for (number, set) in sets.into_iter().enumerate() {
        let now = minute(3 + u16::try_from(number).unwrap_or_default());
        let before = expected.members[0].clone();
        let set: MemberRoles = roles(set)?;
        expected.members[0] = Membership {
            roles: set.clone(),
            version: before.version.next(),
            updated_at: now,
            ..before.clone()
        };
        let answer = w
            .store
            .set_roles(&w.tenant, &place, &ada()?, before.version, set, now)
            .await?;
        equal(
            "the membership as it is answered",
            &answer,
            &expected.members[0],
        )?;
        w.subject_is("the organization after roles were set", &expected)
            .await?;
        let theirs = w.memberships_of(&ada()?).await?;
        let all = vec![elsewhere.clone(), expected.members[0].clone()];
        equal("what Ada belongs to", &theirs, &all)?;
    }
    Ok(())
}

/// Roles that are set on another version than the stored one are stale, and change nothing.
///
/// Of two administrators, one who takes a role away and one who gives another, the last would undo the
/// first.
#[rule(
    "organizations::set_roles::refuses_a_stale_version",
    source = "the contract: an update names the version that it saw"
)]
async fn set_roles_refuses_a_stale_version(w: &Houses) -> Checked {
    let (place, mut expected) = (w.subject_id(), w.subject.clone());
    let first = Version::FIRST;
    let set = |version, now| {
        let place = &place;
        async move {
            let (who, set) = (ada()?, roles(&["owner"])?);
            let answer = w.other.set_roles(&w.tenant, place, &who, version, set, now);
            fails("roles of another version", answer.await, ErrorKind::Stale)
        }
    };
    for version in [first.next(), Version::new(i64::MAX)?] {
        set(version, minute(1)).await?;
        w.subject_unchanged().await?;
    }
    expected.members[0] = w
        .store
        .set_roles(
            &w.tenant,
            &place,
            &ada()?,
            first,
            roles(&["one"])?,
            minute(1),
        )
        .await?;
    set(first, minute(2)).await?;
    w.subject_is("the organization after it", &expected).await
}

/// Roles of who is no member are not found, and make no member.
///
/// Otherwise a removed member is back with the next save of an open form.
#[rule(
    "organizations::set_roles::missing_is_not_found",
    source = "better-auth: an update of a missing row answers none, and creates none"
)]
async fn set_roles_of_missing_is_not_found(w: &Houses) -> Checked {
    for (place, who) in [("subject", "Eve"), ("missing", "Ada"), ("bystander", "Ada")] {
        let (place, who) = (id(place)?, identity(who)?);
        let set = roles(&["owner"])?;
        let answer = w
            .store
            .set_roles(&w.tenant, &place, &who, Version::FIRST, set, minute(1))
            .await;
        fails("roles of no member", answer, ErrorKind::NotFound)?;
        equal("what it left", &w.member(&place, &who).await?, &None)?;
    }
    w.subject_unchanged().await
}

/// Removing a member ends that membership, and answers whether there was one: other members stay, and
/// so do the same identity's memberships in other organizations. Whoever is added again begins anew.
///
/// Leaving one customer must not mean leaving all, nor keeping the roles for the next time.
#[rule(
    "organizations::remove_member::ends_one_membership",
    source = "better-auth #6572: counts of affected rows were wrong"
)]
async fn remove_ends_one_membership(w: &Houses) -> Checked {
    let (place, mut expected) = (w.subject_id(), w.subject.clone());
    let second = w.create(new_organization("second", "second")?).await?;
    let elsewhere = w.add(&second.id, "Ada").await?;
    expected.members.push(w.add(&place, "Eve").await?);
    for who in ["nobody", "ada", "A%"] {
        let who = identity(who)?;
        let answer = w.store.remove_member(&w.tenant, &place, &who).await?;
        equal("whether there was one to remove", &answer, &false)?;
    }
    w.subject_is("the organization before", &expected).await?;
    for was_there in [true, false] {
        let answer = w.store.remove_member(&w.tenant, &place, &ada()?).await?;
        equal("whether there was one to remove", &answer, &was_there)?;
        equal("Ada's membership", &w.member(&place, &ada()?).await?, &None)?;
    }
    expected.members.remove(0);
    w.subject_is("the organization without Ada", &expected)
        .await?;
    let theirs = w.memberships_of(&ada()?).await?;
    equal("what Ada belongs to", &theirs, &vec![elsewhere])?;
    let mut again = new_membership(&place, "Ada")?;
    again.roles = roles(&["guest"])?;
    let added = w.other.add_member(&w.tenant, again, minute(9)).await?;
    equal(
        "the roles of who is back",
        &added.roles,
        &roles(&["guest"])?,
    )?;
    let found = w.member(&place, &ada()?).await?;
    equal("the membership of who is back", &found, &Some(added))
}
