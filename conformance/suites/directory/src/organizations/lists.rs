//! The four lists: complete, in order, and stable while others come and go.

use portproof_ports::{
    Invitation, Membership, NewMembership, Organization, OrganizationId, Page, PageRequest,
    PortResult, Ports,
};

use super::{Houses, ada, id, identity, new_invitation, new_membership, new_organization};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, minute},
    lists::walks_answer,
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_and_ordered,
        members_are_complete_and_ordered,
        organizations_are_complete_and_ordered,
        invitations_are_complete_and_ordered,
        lists_of_nothing_are_empty,
        walk_survives_removals,
        walk_survives_insertions,
        walk_survives_updates,
    ]
}

/// Names that sort by their bytes in one way and by any other rule in another, several of one instant.
const NAMES: [(&str, u16); 7] = [
    ("f", 3),
    ("B", 0),
    ("b", 0),
    ("é", 3),
    ("b ", 0),
    ("a", 1),
    ("z", 3),
];

impl Houses {
    pub(super) async fn list(&self, page: PageRequest) -> PortResult<Page<Organization>> {
        self.other.list(&self.tenant, &page).await
    }

    pub(super) async fn members(&self, page: PageRequest) -> PortResult<Page<Membership>> {
        let place = OrganizationId::new("subject")?;
        self.other.members_of(&self.tenant, &place, &page).await
    }

    pub(super) async fn of_ada(&self, page: PageRequest) -> PortResult<Page<Membership>> {
        let ada = portproof_ports::IdentityId::new("Ada")?;
        self.other.organizations_of(&self.tenant, &ada, &page).await
    }

    pub(super) async fn invitations(&self, page: PageRequest) -> PortResult<Page<Invitation>> {
        let (place, now) = (OrganizationId::new("subject")?, minute(9));
        self.other
            .invitations_of(&self.tenant, &place, now, &page)
            .await
    }

    /// Adds a member to the subject, and Ada to an organization of this name, and invites under it, all
    /// after so many minutes.
    async fn one_more(
        &self,
        name: &str,
        number: usize,
        minutes: u16,
    ) -> Result<(Organization, [Membership; 2], Invitation), Failure> {
        let (tenant, place, now) = (&self.tenant, self.subject_id(), minute(minutes));
        let given = new_organization(name, &format!("called-{number}"))?;
        let organization = self.store.create(tenant, given, now).await?;
        let member = new_membership(&place, name)?;
        let member = self.store.add_member(tenant, member, now).await?;
        let of_ada = NewMembership {
            identity: ada()?,
            ..new_membership(&organization.id, name)?
        };
        let of_ada = self.store.add_member(tenant, of_ada, now).await?;
        let invitation = new_invitation(&place, name)?;
        let invitation = self.store.invite(tenant, invitation, now).await?;
        Ok((organization, [member, of_ada], invitation))
    }

    /// Seven more of everything, and what the four lists hold then, in their orders.
    pub(super) async fn eight(&self) -> Result<Eight, Failure> {
        let mut organizations = vec![self.subject.organization.clone()];
        for (tenant, house) in &self.bystanders {
            if *tenant == self.tenant {
                organizations.push(house.organization.clone());
            }
        }
        let mut members = self.subject.members.clone();
        let mut of_ada = self.subject.members.clone();
        let mut invitations = self.subject.invitations.clone();
        for (number, (name, minutes)) in NAMES.into_iter().enumerate() {
            let (organization, [member, theirs], invitation) =
                self.one_more(name, number, minutes).await?;
            organizations.push(organization);
            members.push(member);
            of_ada.push(theirs);
            invitations.push(invitation);
        }
        organizations.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        members.sort_by(|a, b| (a.joined_at, &a.identity).cmp(&(b.joined_at, &b.identity)));
        of_ada.sort_by(|a, b| (a.joined_at, &a.organization).cmp(&(b.joined_at, &b.organization)));
        invitations.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(Eight {
            organizations,
            members,
            of_ada,
            invitations,
        })
    }
}

/// What the four lists hold.
pub(super) struct Eight {
    organizations: Vec<Organization>,
    members: Vec<Membership>,
    of_ada: Vec<Membership>,
    invitations: Vec<Invitation>,
}

/// The list of organizations holds each of the tenant's once and whole, by creation and then by the
/// bytes of the id, at whatever page size; a cursor is answered exactly when more follow.
///
/// A customer that no page shows is one that nobody can help.
#[rule(
    "organizations::list::is_complete_and_ordered",
    source = "leapmux #287: rows of one millisecond were dropped; AuthHero 953739e: next was missing",
    environments = "collation"
)]
async fn list_is_complete_and_ordered(w: &Houses) -> Checked {
    let expected = w.eight().await?.organizations;
    walks_answer("the organizations", &expected, |page| w.list(page)).await
}

/// The list of members holds each membership of the organization once and whole, by joining and then by
/// the bytes of the identity's id, at whatever page size.
///
/// A member whom no page shows is one whom nobody removes.
#[rule(
    "organizations::members_of::is_complete_and_ordered",
    source = "leapmux #287: rows of one millisecond were dropped; AuthHero 953739e: next was missing",
    environments = "collation"
)]
async fn members_are_complete_and_ordered(w: &Houses) -> Checked {
    let expected = w.eight().await?.members;
    walks_answer("the members", &expected, |page| w.members(page)).await
}

/// The list of an identity's memberships holds each once and whole, by joining and then by the bytes of
/// the organization's id, at whatever page size.
///
/// A user who does not see an organization cannot choose it.
#[rule(
    "organizations::organizations_of::is_complete_and_ordered",
    source = "leapmux #287: rows of one millisecond were dropped; AuthHero 953739e: next was missing",
    environments = "collation"
)]
async fn organizations_are_complete_and_ordered(w: &Houses) -> Checked {
    let expected = w.eight().await?.of_ada;
    walks_answer("Ada's memberships", &expected, |page| w.of_ada(page)).await
}

/// The list of invitations holds each live one to the organization once and whole, by creation and then
/// by the bytes of the digest, at whatever page size.
///
/// An invitation that no page shows is one that nobody revokes.
#[rule(
    "organizations::invitations_of::is_complete_and_ordered",
    source = "leapmux #287: rows of one millisecond were dropped; AuthHero 953739e: next was missing",
    environments = "collation"
)]
async fn invitations_are_complete_and_ordered(w: &Houses) -> Checked {
    let mut expected = w.eight().await?.invitations;
    walks_answer("the invitations", &expected, |page| w.invitations(page)).await?;
    // One is over before the list is asked for, one is revoked, and one is accepted.
    let mut over = new_invitation(&w.subject_id(), "over")?;
    over.expires_at = minute(9);
    w.invite(over).await?;
    let revoked = expected.remove(5);
    w.store.revoke(&w.tenant, &revoked.id).await?;
    let accepted = expected.remove(2);
    let who = identity("who accepts")?;
    w.store
        .accept(&w.tenant, &accepted.id, &who, minute(5))
        .await?;
    walks_answer("the invitations that are left", &expected, |page| {
        w.invitations(page)
    })
    .await
}

/// Lists of what is not there are empty, and have no cursor: of a tenant without organizations, of one
/// that is not stored, of an identity without memberships.
///
/// Otherwise a new user gets an error, or is shown what is a stranger's.
#[rule(
    "organizations::lists::of_nothing_are_empty",
    source = "kratos: an empty list made a statement that is no SQL"
)]
async fn lists_of_nothing_are_empty(w: &Houses) -> Checked {
    let (empty, page) = (w.context.tenant()?, PageRequest::first(1)?);
    let listed = w.store.list(&empty, &page).await?;
    equal("the organizations of a new tenant", &listed.items, &vec![])?;
    equal("the cursor after none", &listed.next, &None)?;
    for nothing in [
        "nothing", "subjec", "SUBJECT", "%", "_ubject", "fresh", "Ada",
    ] {
        let (place, tenant) = (id(nothing)?, &w.tenant);
        let members = w.store.members_of(tenant, &place, &page).await?;
        equal("the members of none", &members.items, &vec![])?;
        equal("the cursor after no member", &members.next, &None)?;
        let invitations = w.store.invitations_of(tenant, &place, START, &page).await?;
        equal("the invitations to none", &invitations.items, &vec![])?;
        equal("the cursor after no invitation", &invitations.next, &None)?;
    }
    for nobody in ["nobody", "Ad", "A%", "_da", "subject"] {
        let (tenant, nobody) = (&w.tenant, identity(nobody)?);
        let theirs = w.store.organizations_of(tenant, &nobody, &page).await?;
        equal("the memberships of nobody", &theirs.items, &vec![])?;
        equal("the cursor after no membership", &theirs.next, &None)?;
    }
    Ok(())
}

/// Walks go on when what they answered goes, also what their cursor stands on: they answer everything
/// that stays once.
///
/// A member who is skipped stays when an administrator removes them one by one.
#[rule(
    "organizations::lists::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn walk_survives_removals(w: &Houses) -> Checked {
    let expected = w.eight().await?;
    let (tenant, place, first) = (&w.tenant, w.subject_id(), PageRequest::first(2)?);
    let mut page = w.members(first.clone()).await?;
    let mut walked = page.items.clone();
    while let Some(cursor) = page.next {
        for member in &page.items {
            w.store
                .remove_member(tenant, &place, &member.identity)
                .await?;
        }
        page = w.members(first.following(cursor)).await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    equal("the members that were walked", &walked, &expected.members)?;

    let mut page = w.invitations(first.clone()).await?;
    let mut walked = page.items.clone();
    while let Some(cursor) = page.next {
        for invitation in &page.items {
            w.store.revoke(tenant, &invitation.id).await?;
        }
        page = w.invitations(first.following(cursor)).await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    equal(
        "the invitations that were walked",
        &walked,
        &expected.invitations,
    )?;

    // The organizations last: with them goes all the rest. Bystanders stay.
    let is_bystander = |id: &OrganizationId| {
        let mut all = w.bystanders.iter();
        all.any(|(_, house)| house.organization.id == *id)
    };
    let mut page = w.list(first.clone()).await?;
    let mut walked = page.items.clone();
    let mut memberships = Vec::new();
    while let Some(cursor) = page.next {
        for organization in &page.items {
            if !is_bystander(&organization.id) {
                let member = w.member(&organization.id, &ada()?).await?;
                memberships.extend(member);
                w.store.delete(tenant, &organization.id).await?;
            }
        }
        page = w.list(first.following(cursor)).await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    equal(
        "the organizations that were walked",
        &walked,
        &expected.organizations,
    )?;
    holds(
        memberships.iter().all(|one| expected.of_ada.contains(one)),
        "memberships are as they were until their organization is deleted",
    )
}

/// Walks go on when others come under them: they answer everything that was there once, and nothing
/// twice.
///
/// Who is doubled is charged for twice; who is skipped is not.
#[rule(
    "organizations::lists::walk_survives_insertions",
    source = "AuthHero 0e6acf4; leapmux #287",
    environments = "collation"
)]
async fn walk_survives_insertions(w: &Houses) -> Checked {
    let expected = w.eight().await?;
    let (mut number, first) = (NAMES.len(), PageRequest::first(3)?);
    macro_rules! walk {
        ($what:literal, $list:ident, $expected:expr) => {{
            let mut page = w.$list(first.clone()).await?;
            let mut walked = page.items;
            // As many as make no walk endless.
            let enough = number + 9;
            while let Some(cursor) = page.next {
                for minutes in [0, 2, 4] {
                    if number < enough {
                        number += 1;
                        let name = format!("inserted {number}");
                        w.one_more(&name, number, minutes).await?;
                    }
                }
                page = w.$list(first.following(cursor)).await?;
                walked.extend(page.items);
                holds(walked.len() < 200, "a walk comes to an end")?;
            }
            for one in &$expected {
                let times = walked.iter().filter(|walked| *walked == one).count();
                equal(
                    &format!(concat!("how often ", $what, " {:?} was answered"), one),
                    &times,
                    &1,
                )?;
            }
            for one in &walked {
                let times = walked.iter().filter(|walked| *walked == one).count();
                equal(concat!("how often ", $what, " was answered"), &times, &1)?;
            }
        }};
    }
    walk!("an organization", list, expected.organizations);
    walk!("a member", members, expected.members);
    walk!("a membership of Ada's", of_ada, expected.of_ada);
    walk!("an invitation", invitations, expected.invitations);
    Ok(())
}

/// Walks go on when what they list is changed under them: each is answered once, in its place. Whoever
/// leaves and comes back joins anew.
///
/// A list in the order of changes shows some twice and some never, while people work.
#[rule(
    "organizations::lists::walk_survives_updates",
    source = "spring-session #1791: an index kept the old id"
)]
async fn walk_survives_updates(w: &Houses) -> Checked {
    let expected = w.eight().await?;
    let (tenant, first) = (&w.tenant, PageRequest::first(3)?);
    let place = w.subject_id();
    let mut page = w.members(first.clone()).await?;
    let mut walked = page.items;
    let mut minutes = 10;
    while let Some(cursor) = page.next {
        minutes += 1;
        for member in &expected.members {
            let stored = w.member(&place, &member.identity).await?;
            let version = stored.map_or(member.version, |stored| stored.version);
            let (who, set, now) = (&member.identity, member.roles.clone(), minute(minutes));
            w.store
                .set_roles(tenant, &place, who, version, set, now)
                .await?;
        }
        page = w.members(first.following(cursor)).await?;
        walked.extend(page.items);
        holds(minutes < 100, "a walk comes to an end")?;
    }
    let names = |members: &[Membership]| -> Vec<String> {
        let names = members.iter().map(|one| one.identity.as_str().to_owned());
        names.collect()
    };
    equal(
        "the members that were walked",
        &names(&walked),
        &names(&expected.members),
    )?;
    let mut page = w.list(first.clone()).await?;
    let mut walked = page.items;
    let bystander = |one: &Organization| {
        let mut all = w.bystanders.iter();
        all.any(|(_, house)| house.organization.id == one.id)
    };
    while let Some(cursor) = page.next {
        minutes += 1;
        for one in expected.organizations.iter().filter(|one| !bystander(one)) {
            let stored = w.store.get(tenant, &one.id).await?;
            let version = stored.map_or(one.version, |stored| stored.version);
            let (update, now) = (super::same(one), minute(minutes));
            w.store
                .update(tenant, &one.id, version, update, now)
                .await?;
        }
        page = w.list(first.following(cursor)).await?;
        walked.extend(page.items);
        holds(minutes < 100, "a walk comes to an end")?;
    }
    let ids = |all: &[Organization]| -> Vec<String> {
        all.iter().map(|one| one.id.as_str().to_owned()).collect()
    };
    equal(
        "the organizations that were walked",
        &ids(&walked),
        &ids(&expected.organizations),
    )
}
