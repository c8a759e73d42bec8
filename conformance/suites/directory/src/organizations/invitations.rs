//! Invitations: sent, accepted once, revoked, swept.

use portproof_ports::{ErrorKind, Invitation, Membership, NewInvitation, Ports, Version};

use super::{
    House, Houses, ada, digest, id, identity, limited, new_invitation, new_organization, refused,
    roles,
};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds},
    fixture::{START, day, just_before, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        invite_stores_it_whole,
        invite_refuses_a_stored_digest,
        invite_needs_the_organization,
        invite_refuses_what_is_over,
        invitation_is_live_until_its_end,
        accept_makes_the_membership,
        accept_is_single_use,
        accept_refuses_what_is_over,
        accept_that_is_refused_burns_nothing,
        accept_keeps_to_the_limit,
        revoke_ends_one,
        sweep_removes_what_is_over,
    ]
}

/// An invitation is stored whole and answered as the next read gives it, through any handle. It makes
/// nobody a member, and the organization may be full.
///
/// An invitation that loses its roles makes members who can do nothing, or everything.
#[rule(
    "organizations::invite::stores_it_whole",
    source = "AuthHero 5dddd72: create answered another record than the next read"
)]
async fn invite_stores_it_whole(w: &Houses) -> Checked {
    let full = w.create(limited("full", "full", 1)?).await?;
    let mut expected = House {
        members: vec![w.add(&full.id, "Eve").await?],
        invitations: vec![],
        organization: full,
    };
    let place = expected.organization.id.clone();
    let bare = NewInvitation {
        roles: roles(&[])?,
        ..new_invitation(&place, "bare")?
    };
    for (number, given) in [new_invitation(&place, "new")?, bare]
        .into_iter()
        .enumerate()
    {
        let now = minute(1 + u16::try_from(number).unwrap_or_default());
        let invited = w.store.invite(&w.tenant, given.clone(), now).await?;
        let invitation = Invitation {
            id: given.id,
            organization: given.organization,
            invitee: given.invitee,
            roles: given.roles,
            expires_at: given.expires_at,
            data: given.data,
            created_at: now,
        };
        equal("the invitation as it is answered", &invited, &invitation)?;
        expected.invitations.push(invitation);
        w.subject_is("the organization that invites", &expected)
            .await?;
    }
    w.subject_unchanged().await
}

/// A second invitation under a stored digest is refused, to whichever organization it is, and the
/// first stays as it was; also when that one is over and not swept yet.
///
/// Otherwise who holds a link for a guest is made an owner, of somebody else's organization.
#[rule(
    "organizations::invite::refuses_a_stored_digest",
    source = "the contract: never overwrites"
)]
async fn invite_refuses_a_stored_digest(w: &Houses) -> Checked {
    let second = w.create(new_organization("second", "second")?).await?;
    for place in [w.subject_id(), second.id] {
        for now in [START, day(8)] {
            let again = NewInvitation {
                roles: roles(&["owner"])?,
                expires_at: day(9),
                ..new_invitation(&place, "token")?
            };
            let answer = w.other.invite(&w.tenant, again, now).await;
            fails(
                "inviting under a stored digest",
                answer,
                ErrorKind::AlreadyExists,
            )?;
        }
        w.subject_unchanged().await?;
    }
    Ok(())
}

/// Nobody can be invited to an organization that is not stored, and nothing is left of it for one
/// that will be.
///
/// Otherwise whoever knows the id of the next customer is invited to it beforehand.
#[rule(
    "organizations::invite::needs_the_organization",
    source = "spire #6946: rows that belonged to a deleted one stayed"
)]
async fn invite_needs_the_organization(w: &Houses) -> Checked {
    for missing in ["missing", "SUBJECT", "fresh"] {
        let given = new_invitation(&id(missing)?, "new")?;
        let answer = w.store.invite(&w.tenant, given, START).await;
        fails("inviting to nothing", answer, ErrorKind::NotFound)?;
    }
    w.create(new_organization("missing", "missing")?).await?;
    let found = w.invitation(&digest("new"), START).await?;
    equal("the refused invitation", &found, &None)?;
    w.house(&id("missing")?).await?;
    w.subject_unchanged().await
}

/// An invitation that is over when it is made is refused.
///
/// It would be sent, and work for nobody.
#[rule(
    "organizations::invite::refuses_what_is_over",
    source = "keyv: a save with an elapsed expiry must not last for ever"
)]
async fn invite_refuses_what_is_over(w: &Houses) -> Checked {
    for expires_at in [minute(5), just_before(minute(5)), START] {
        let over = NewInvitation {
            expires_at,
            ..new_invitation(&w.subject_id(), "over")?
        };
        let answer = w.store.invite(&w.tenant, over, minute(5)).await;
        fails("an invitation that is over", answer, ErrorKind::Refused)?;
        let found = w.invitation(&digest("over"), START).await?;
        equal("the refused invitation", &found, &None)?;
    }
    w.subject_unchanged().await
}

/// An invitation is found until its end, and from that very instant no more, neither by its digest nor
/// in its organization's list. Looking at it changes nothing.
///
/// A link that is shown as valid when it is over is a link that people are sent.
#[rule(
    "organizations::invitation::is_live_until_its_end",
    source = "AuthHero: an expired code was consumed; kratos, keycloak",
    environments = "time_zone"
)]
async fn invitation_is_live_until_its_end(w: &Houses) -> Checked {
    let (token, stored) = (digest("token"), &w.subject.invitations[0]);
    let place = w.subject_id();
    for _ in 0..2 {
        for (now, live) in [
            (START, true),
            (just_before(day(7)), true),
            (day(7), false),
            (day(8), false),
        ] {
            let found = w.invitation(&token, now).await?;
            let expected = live.then(|| stored.clone());
            equal("the invitation", &found, &expected)?;
            let house = w.house_in(&w.tenant, &place, now).await?;
            let listed = house.map(|house| house.invitations);
            let expected = expected.into_iter().collect();
            equal("the organization's invitations", &listed, &Some(expected))?;
        }
    }
    for missing in ["Token", "token ", "fresh", "new"] {
        let found = w.invitation(&digest(missing), START).await?;
        equal("an invitation that is not stored", &found, &None)?;
    }
    w.subject_unchanged().await
}

/// Accepting makes the identity a member of the organization that invited, with the invitation's roles,
/// from then on; others' memberships and invitations are as they were. What it answers is what the next
/// read gives.
///
/// Roles of another invitation, or of none, are those that nobody meant to give.
#[rule(
    "organizations::accept::makes_the_membership",
    source = "the contract: the membership has the invitation's roles"
)]
async fn accept_makes_the_membership(w: &Houses) -> Checked {
    let (place, mut expected) = (w.subject_id(), w.subject.clone());
    let second = w.invite(new_invitation(&place, "second")?).await?;
    let owner = NewInvitation {
        roles: roles(&["owner", "Owner", "öwner"])?,
        ..new_invitation(&place, "owner")?
    };
    let owner = w.invite(owner).await?;
    let who = identity("nobody knows")?;
    let now = just_before(day(7));
    let joined = w.store.accept(&w.tenant, &owner.id, &who, now).await?;
    let membership = Membership {
        organization: place,
        identity: who.clone(),
        roles: owner.roles,
        version: Version::FIRST,
        joined_at: now,
        updated_at: now,
    };
    equal("the membership as accept answers it", &joined, &membership)?;
    let theirs = w.memberships_of(&who).await?;
    equal("what they belong to", &theirs, &vec![membership.clone()])?;
    expected.members.push(membership);
    expected.invitations.push(second);
    expected.invitations.sort_by(|a, b| a.id.cmp(&b.id));
    w.subject_is("the organization with who accepted", &expected)
        .await
}

/// An invitation is of use once: who comes second is told that there is none, whoever it is, also after
/// the member has left.
///
/// A link in a mailbox would let in whoever reads it next.
#[rule(
    "organizations::accept::is_single_use",
    source = "better-auth: an invitation is accepted once"
)]
async fn accept_is_single_use(w: &Houses) -> Checked {
    let (token, place, eve) = (digest("token"), w.subject_id(), identity("Eve")?);
    let joined = w.store.accept(&w.tenant, &token, &eve, minute(1)).await?;
    let accept = async |who: &str| -> Checked {
        let who = identity(who)?;
        let answer = w.other.accept(&w.tenant, &token, &who, minute(2)).await;
        fails("accepting a second time", answer, ErrorKind::NotFound)?;
        let found = w.invitation(&token, START).await?;
        equal("the invitation that was accepted", &found, &None)
    };
    accept("Mallory").await?;
    accept("Eve").await?;
    let expected = House {
        members: vec![w.subject.members[0].clone(), joined],
        invitations: vec![],
        ..w.subject.clone()
    };
    w.subject_is("the organization after it", &expected).await?;
    w.store.remove_member(&w.tenant, &place, &eve).await?;
    accept("Eve").await?;
    let revoked = w.store.revoke(&w.tenant, &token).await?;
    equal("whether there was one to revoke", &revoked, &false)
}

/// An invitation that is over makes nobody a member, from the very instant on.
///
/// A link that leaks after years must be of no use.
#[rule(
    "organizations::accept::refuses_what_is_over",
    source = "AuthHero: an expired code was consumed; kratos, keycloak"
)]
async fn accept_refuses_what_is_over(w: &Houses) -> Checked {
    let (token, eve) = (digest("token"), identity("Eve")?);
    for now in [day(7), day(8), day(4000)] {
        let answer = w.store.accept(&w.tenant, &token, &eve, now).await;
        fails("accepting what is over", answer, ErrorKind::NotFound)?;
        w.subject_unchanged().await?;
    }
    let answer = w.store.accept(&w.tenant, &digest("no"), &eve, START).await;
    fails("accepting nothing", answer, ErrorKind::NotFound)?;
    w.subject_unchanged().await
}

/// An acceptance that is refused, because they are a member or because the organization is full, leaves
/// the invitation and the membership as they were, and it can be accepted by another, or later.
///
/// Whoever clicks a link twice, or too early, needs no second one.
#[rule(
    "organizations::accept::refused_burns_nothing",
    source = "next-auth, kratos: a wrong flow must not burn the token"
)]
async fn accept_that_is_refused_burns_nothing(w: &Houses) -> Checked {
    let token = digest("token");
    for _ in 0..2 {
        let answer = w.store.accept(&w.tenant, &token, &ada()?, minute(1)).await;
        fails("a member who accepts", answer, ErrorKind::AlreadyExists)?;
        w.subject_unchanged().await?;
    }
    let full = w.create(limited("full", "full", 1)?).await?;
    let mut expected = House {
        members: vec![w.add(&full.id, "Ada").await?],
        invitations: vec![w.invite(new_invitation(&full.id, "next")?).await?],
        organization: full,
    };
    let (place, next, eve) = (id("full")?, digest("next"), identity("Eve")?);
    for _ in 0..2 {
        let answer = w.other.accept(&w.tenant, &next, &eve, minute(1)).await;
        equal(
            "what an acceptance of a full one is refused for",
            &refused(&answer),
            &Some("member_limit"),
        )?;
        w.subject_is("the full organization", &expected).await?;
    }
    w.store.remove_member(&w.tenant, &place, &ada()?).await?;
    let joined = w.store.accept(&w.tenant, &next, &eve, minute(2)).await?;
    expected.members = vec![joined];
    expected.invitations.clear();
    w.subject_is("the organization after it", &expected).await
}

/// Who accepts counts as whoever is added: with the last place taken the organization is full.
///
/// A limit that invitations go around is none.
#[rule(
    "organizations::accept::keeps_to_the_limit",
    source = "better-auth #9993, #10002: two accepts exceeded a team's limit, or its last free place was refused"
)]
async fn accept_keeps_to_the_limit(w: &Houses) -> Checked {
    let small = w.create(limited("small", "small", 3)?).await?;
    w.add(&small.id, "added").await?;
    for number in 0..4 {
        let token = digest(&format!("invited {number}"));
        w.invite(new_invitation(&small.id, &format!("invited {number}"))?)
            .await?;
        let who = identity(&format!("identity {number}"))?;
        let answer = w.store.accept(&w.tenant, &token, &who, minute(1)).await;
        equal(
            &format!("whether invitation {number} is accepted, and if not why"),
            &refused(&answer),
            &(number >= 2).then_some("member_limit"),
        )?;
    }
    let house = w.house(&small.id).await?;
    let members = house.map_or(0, |house| house.members.len());
    equal("how many belong to it", &members, &3)
}

/// A revoked invitation makes nobody a member, and revoking answers whether there was one, live or not.
/// Others stay.
///
/// An invitation that was sent to the wrong address must be of no use there.
#[rule(
    "organizations::revoke::ends_one",
    source = "better-auth #6572: counts of affected rows were wrong"
)]
async fn revoke_ends_one(w: &Houses) -> Checked {
    let place = w.subject_id();
    let short = NewInvitation {
        expires_at: minute(1),
        ..new_invitation(&place, "short")?
    };
    let short = w.invite(short).await?;
    let wrong = w.invite(new_invitation(&place, "wrong")?).await?;
    for token in [&short.id, &wrong.id] {
        for was_there in [true, false] {
            let revoked = w.store.revoke(&w.tenant, token).await?;
            equal("whether there was one to revoke", &revoked, &was_there)?;
            equal("the invitation", &w.invitation(token, START).await?, &None)?;
        }
        let eve = identity("Eve")?;
        let answer = w.other.accept(&w.tenant, token, &eve, START).await;
        fails("accepting what was revoked", answer, ErrorKind::NotFound)?;
    }
    // Its digest is free.
    let again = w.invite(new_invitation(&place, "wrong")?).await?;
    equal("an invitation made again", &again, &wrong)?;
    w.store.revoke(&w.tenant, &again.id).await?;
    w.subject_unchanged().await
}

/// A sweep removes invitations that are over, at most as many as asked for, and answers how many; fewer
/// mean that none is left. Live ones stay, and so do all members.
///
/// What is not swept fills the disk; what is swept too early breaks a link in a mailbox.
#[rule(
    "organizations::sweep::removes_what_is_over",
    source = "hydra, spire: batches; AuthHero c65565c: the cleanup removed what was live",
    environments = "time_zone"
)]
async fn sweep_removes_what_is_over(w: &Houses) -> Checked {
    let place = w.subject_id();
    for number in 0..7 {
        let given = NewInvitation {
            expires_at: minute(1 + number),
            ..new_invitation(&place, &format!("short {number}"))?
        };
        w.invite(given).await?;
    }
    for (now, at_most, expected) in [
        (just_before(minute(1)), 10, 0),
        (minute(1), 10, 1),
        (minute(5), 0, 0),
        (minute(5), 3, 3),
        (minute(5), 3, 1),
        (minute(5), 3, 0),
    ] {
        let swept = w.other.sweep(&w.tenant, now, at_most).await?;
        equal("how many were swept", &swept, &expected)?;
    }
    for number in 0..7 {
        let token = digest(&format!("short {number}"));
        let found = w.invitation(&token, START).await?;
        holds(
            found.is_some() == (number >= 5),
            format!("invitation {number} is there if it was not over, got {found:?}"),
        )?;
        w.store.revoke(&w.tenant, &token).await?;
    }
    w.subject_unchanged().await
}
