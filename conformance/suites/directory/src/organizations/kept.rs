//! What is kept exactly: ids, roles, data and instants.

use portproof_ports::{
    Document, IdentityId, InvitationDigest, MemberRoles, NewInvitation, NewMembership,
    NewOrganization, OrganizationId, OrganizationUpdate, Ports, RoleId, Text, Timestamp,
};
use serde_json::json;

use super::{
    Houses, ada, digest, identity, new_invitation, new_membership, new_organization, same,
};
use crate::{
    Case, Checked, cases,
    check::{equal, holds, some},
    fixture::{
        START, awkward_document, day, document, hostile, instants, just_before, large_document,
        minute,
    },
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ids_are_kept_apart,
        roles_are_kept_exactly,
        data_is_kept_exactly,
        large_data_is_kept,
        instants_are_kept_exactly,
    ]
}

/// Ids of organizations and identities, and what an invitation says of whom it is for, are kept as they
/// are, byte for byte: those that differ in case, accents or a trailing space are two. A slug's letters,
/// digits and hyphens are, too.
///
/// A backend that folds them lets one customer's users into another's.
#[rule(
    "organizations::create::keeps_ids_apart",
    source = "CVE-2026-55170: a collation compared ids without regard to case",
    environments = "collation"
)]
async fn ids_are_kept_apart(w: &Houses) -> Checked {
    let mut made = Vec::new();
    for (number, name) in hostile().iter().enumerate() {
        let place = OrganizationId::new(name.clone())?;
        let given = NewOrganization {
            id: place.clone(),
            data: document(name)?,
            ..new_organization("x", &format!("hostile-{number}"))?
        };
        let organization = w.create(given).await?;
        let new = NewMembership {
            identity: IdentityId::new(name.clone())?,
            ..new_membership(&place, "x")?
        };
        let member = w.store.add_member(&w.tenant, new, START).await?;
        let new = NewInvitation {
            invitee: Text::new(name.clone())?,
            ..new_invitation(&place, name)?
        };
        let invitation = w.invite(new).await?;
        let answered = [
            organization.id.as_str(),
            member.identity.as_str(),
            invitation.invitee.as_str(),
        ];
        equal("what is answered", &answered, &[name.as_str(); 3])?;
        made.push(super::House {
            organization,
            members: vec![member],
            invitations: vec![invitation],
        });
    }
    for (name, house) in hostile().iter().zip(&made) {
        w.subject_is(&format!("the organization {name:?}"), house)
            .await?;
        let theirs = w.memberships_of(&IdentityId::new(name.clone())?).await?;
        equal("what an identity belongs to", &theirs, &house.members)?;
    }
    // Each way of ending takes exactly the one that is called so.
    for (number, (name, mut house)) in hostile().iter().zip(made).enumerate() {
        let (place, who) = (
            house.organization.id.clone(),
            IdentityId::new(name.clone())?,
        );
        let ended = match number % 3 {
            0 => u64::from(w.store.delete(&w.tenant, &place).await?),
            1 => u64::from(w.store.remove_member(&w.tenant, &place, &who).await?),
            _ => w.store.remove_all_of(&w.tenant, &who).await?,
        };
        equal(&format!("how much called {name:?} ended"), &ended, &1)?;
        house.members.clear();
        let expected = (!number.is_multiple_of(3)).then_some(house);
        equal("what is left of it", &w.house(&place).await?, &expected)?;
    }
    // The longest slug, and some that a number or a keyword could be taken for.
    for (number, called) in [
        "ab0".repeat(21).as_str(),
        "0",
        "007",
        "7",
        "null",
        "x--y",
        "1e3",
    ]
    .into_iter()
    .enumerate()
    {
        let given = new_organization(&format!("called {number}"), called)?;
        let created = w.create(given).await?;
        equal("the slug as it is kept", &created.slug.as_str(), &called)?;
        let found = w.other.find(&w.tenant, &super::slug(called)?).await?;
        equal("what a slug finds", &found.as_ref(), &Some(&created))?;
    }
    w.subject_unchanged().await
}

/// A set of roles is kept as it is, byte for byte: those that differ in case, accents or a trailing
/// space are two, and none that looks like a separator splits one. So it is in memberships, however
/// they came about, and in invitations.
///
/// A role that is folded or split is one that nobody gave.
#[rule(
    "organizations::set_roles::keeps_role_ids",
    source = "CVE-2026-55170: a collation compared ids without regard to case"
)]
async fn roles_are_kept_exactly(w: &Houses) -> Checked {
    let place = w.subject_id();
    let mut version = w.subject.members[0].version;
    for (number, chunk) in hostile().chunks(20).enumerate() {
        let ids: Result<Vec<RoleId>, _> = chunk.iter().cloned().map(RoleId::new).collect();
        let set = MemberRoles::new(ids?)?;
        equal(
            "how many roles there are",
            &set.iter().count(),
            &chunk.len(),
        )?;
        let answer = w
            .store
            .set_roles(&w.tenant, &place, &ada()?, version, set.clone(), START)
            .await?;
        version = answer.version;
        let member = some("the member", w.member(&place, &ada()?).await?)?;
        equal("the roles that were set", &member.roles, &set)?;

        let name = format!("new {number}");
        let new = NewMembership {
            roles: set.clone(),
            ..new_membership(&place, &name)?
        };
        w.store.add_member(&w.tenant, new, START).await?;
        let member = some("the member", w.member(&place, &identity(&name)?).await?)?;
        equal("the roles of who was added", &member.roles, &set)?;

        let new = NewInvitation {
            roles: set.clone(),
            ..new_invitation(&place, &name)?
        };
        w.invite(new).await?;
        let found = some("it", w.invitation(&digest(&name), START).await?)?;
        equal("the roles of an invitation", &found.roles, &set)?;
        let who = identity(&format!("invited {number}"))?;
        let joined = w.store.accept(&w.tenant, &found.id, &who, START).await?;
        equal("the roles of who accepted", &joined.roles, &set)?;
        let member = some("the member", w.member(&place, &who).await?)?;
        equal("their roles as they are stored", &member.roles, &set)?;
    }
    Ok(())
}

/// Data of organizations and invitations is kept exactly, through updates, too: nulls and absences, empty
/// lists and objects, numbers to 64 bits, fractions to the last digit, every character.
///
/// What changes on its way is a setting that nobody made.
#[rule(
    "organizations::create::keeps_data_exactly",
    source = "AuthHero 285af35: an emoji made every later read fail"
)]
async fn data_is_kept_exactly(w: &Houses) -> Checked {
    let documents = [
        awkward_document()?,
        Document::new(json!(null))?,
        Document::new(json!(false))?,
        Document::new(json!(0))?,
        Document::new(json!(""))?,
        Document::new(json!([]))?,
        Document::new(json!({}))?,
        Document::new(json!({"null": null, "nested": {"null": null}}))?,
    ];
    for (number, data) in documents.into_iter().enumerate() {
        let name = format!("document {number}");
        let given = NewOrganization {
            data: data.clone(),
            ..new_organization(&name, &format!("document-{number}"))?
        };
        let created = w.create(given).await?;
        equal("the data that create answers", &created.data, &data)?;
        let found = some("it", w.house(&created.id).await?)?;
        equal("the data as it is found", &found.organization.data, &data)?;
        let new = NewInvitation {
            data: data.clone(),
            ..new_invitation(&created.id, &name)?
        };
        let invited = w.invite(new).await?;
        equal("the data that invite answers", &invited.data, &data)?;
        let found = some("it", w.invitation(&invited.id, START).await?)?;
        equal("an invitation's data as it is found", &found.data, &data)?;
        let (before, now) = (document("before")?, minute(1));
        let mut version = created.version;
        for data in [&before, &data] {
            let update = OrganizationUpdate {
                data: data.clone(),
                ..same(&created)
            };
            let updated = w
                .store
                .update(&w.tenant, &created.id, version, update, now)
                .await?;
            version = updated.version;
            equal("the data that update answers", &updated.data, data)?;
            let found = some("it", w.house(&created.id).await?)?;
            equal("the data after an update", &found.organization.data, data)?;
        }
    }
    Ok(())
}

/// Data of a mebibyte is kept whole, of organizations and of invitations.
///
/// A column that is too short cuts a customer's settings off.
#[rule(
    "organizations::create::keeps_large_data",
    source = "next-auth #9098, #4734; dex c7e9960c"
)]
async fn large_data_is_kept(w: &Houses) -> Checked {
    let data = large_document()?;
    let given = NewOrganization {
        data: data.clone(),
        ..new_organization("large", "large")?
    };
    let created = w.create(given).await?;
    let new = NewInvitation {
        data: data.clone(),
        ..new_invitation(&created.id, "large")?
    };
    w.invite(new).await?;
    let found = some("the organization", w.house(&created.id).await?)?;
    holds(
        found.organization.data == data,
        "a mebibyte of data is found as it was created",
    )?;
    holds(
        found.invitations.iter().all(|one| one.data == data),
        "a mebibyte of data is found as it was invited with",
    )
}

/// Instants are kept to the microsecond, from 1970 to 9999, whatever the time zones of process, server
/// and session are: when something was created and updated, when somebody joined, and when an invitation
/// is over.
///
/// An invitation that is over an hour late is one that leaked.
#[rule(
    "organizations::create::keeps_instants",
    source = "redaxo #6679, koa-pg-session #9, dex b51e73bc; hydra 337000aac: expires_at was not UTC",
    environments = "time_zone"
)]
async fn instants_are_kept_exactly(w: &Houses) -> Checked {
    for (number, instant) in instants()?.into_iter().enumerate() {
        let name = format!("{instant}");
        let given = new_organization(&name, &format!("instant-{number}"))?;
        let created = w.store.create(&w.tenant, given, instant).await?;
        let place = &created.id;
        let new = new_membership(place, "then")?;
        let joined = w.store.add_member(&w.tenant, new, instant).await?;
        let found = some("it", w.house(place).await?)?;
        equal(
            "the organization as it is found",
            &found.organization,
            &created,
        )?;
        equal(
            "when it was created",
            &found.organization.created_at,
            &instant,
        )?;
        equal("its members", &found.members, &vec![joined.clone()])?;
        equal("when they joined", &joined.joined_at, &instant)?;
        for (version, now) in [(1, day(1)), (2, instant)] {
            let version = portproof_ports::Version::new(version)?;
            let (who, set) = (&joined.identity, joined.roles.clone());
            w.store
                .set_roles(&w.tenant, place, who, version, set, now)
                .await?;
            w.store
                .update(&w.tenant, place, version, same(&created), now)
                .await?;
            let found = some("it", w.house(place).await?)?;
            equal("when it was updated", &found.organization.updated_at, &now)?;
            let updated = found.members.iter().map(|one| one.updated_at);
            equal("when roles were set", &updated.collect(), &vec![now])?;
        }
        if instant == Timestamp::MIN {
            continue;
        }
        let token: InvitationDigest = digest(&name);
        let new = NewInvitation {
            expires_at: instant,
            ..new_invitation(place, &name)?
        };
        let invited = w.store.invite(&w.tenant, new, Timestamp::MIN).await?;
        let last = w.invitation(&token, just_before(instant)).await?;
        equal("an invitation, just before its end", &last, &Some(invited))?;
        let over = w.invitation(&token, instant).await?;
        equal("the invitation at its end", &over, &None)?;
    }
    Ok(())
}
