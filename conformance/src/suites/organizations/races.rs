//! Races: for a name, for a place, for an invitation, and with what ends an organization.

use portproof_ports::{ErrorKind, OrganizationUpdate, PortResult, Ports, Version};

use super::{
    Houses, digest, id, identity, limited, new_invitation, new_membership, new_organization,
    refused, roles, same, slug, unlimited,
};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    race::{RACERS, exactly_one, race},
    rule,
    suites::fixture::{START, document, minute},
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        create_race_has_one_owner,
        create_race_for_a_slug,
        update_race_for_a_slug,
        update_race_has_one_winner,
        add_race_makes_one_member,
        add_race_keeps_to_the_limit,
        set_roles_race_has_one_winner,
        accept_race_has_one_winner,
        accept_race_keeps_to_the_limit,
        accept_race_with_revoke,
        delete_race_leaves_nothing,
    ]
}

fn is_taken<T>(answer: &PortResult<T>) -> bool {
    answer
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
}

fn is_stale<T>(answer: &PortResult<T>) -> bool {
    answer
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::Stale)
}

/// Of those who create an organization of one id at once, one does, and the others are told; what is
/// stored is the winner's, whole.
///
/// Two owners of one organization each believe that it is theirs.
#[rule(
    "organizations::create::race_has_one_owner",
    source = "twentyhq/twenty #26025: looked first and wrote later"
)]
async fn create_race_has_one_owner(w: &Houses) -> Checked {
    for round in 0..4 {
        let name = format!("round {round}");
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let given = new_organization(&name, &format!("round-{round}-{racer}"));
            async move {
                let given = given.map_err(|_| Failure::new("no organization"))?;
                Ok::<_, Failure>(store.create(&tenant, given, START).await)
            }
        })
        .await?;
        let answers: Vec<_> = answers.into_iter().collect::<Result<_, _>>()?;
        exactly_one(
            "creating one organization",
            &answers,
            Result::is_ok,
            is_taken,
        )?;
        let house = w.house(&id(&name)?).await?;
        let stored = house.map(|house| house.organization);
        let won = answers.into_iter().find_map(Result::ok);
        equal("the organization that is stored", &stored, &won)?;
        for racer in 0..RACERS {
            let slug = slug(&format!("round-{round}-{racer}"))?;
            let found = w.store.find(&w.tenant, &slug).await?;
            let is_won = won.as_ref().is_some_and(|won| won.slug == slug);
            equal("whether a slug finds it", &found.is_some(), &is_won)?;
        }
    }
    Ok(())
}

/// Of those who create organizations of one slug at once, in whatever case it was typed, one does, and
/// of the others nothing is stored.
///
/// Two organizations of one name are one login page.
#[rule(
    "organizations::create::race_for_a_slug",
    source = "better-auth #942: looked first and wrote later, and two had one address"
)]
async fn create_race_for_a_slug(w: &Houses) -> Checked {
    for round in 0..4 {
        let called = |racer: usize| match racer % 2 {
            0 => format!("Round-{round}"),
            _ => format!("round-{round}"),
        };
        let name = |racer: usize| format!("round {round}, racer {racer}");
        let mut given = Vec::new();
        for racer in 0..RACERS {
            given.push(new_organization(&name(racer), &called(racer))?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let given = given[racer].clone();
            async move { store.create(&tenant, given, START).await }
        })
        .await?;
        exactly_one("creating one slug", &answers, Result::is_ok, is_taken)?;
        let found = w.store.find(&w.tenant, &slug(&called(0))?).await?;
        for (racer, answer) in answers.into_iter().enumerate() {
            let house = w.house(&id(&name(racer))?).await?;
            let stored = house.map(|house| house.organization);
            let won = answer.ok();
            equal("what is stored of a racer's", &stored, &won)?;
            if won.is_some() {
                equal("what the slug finds", &found, &won)?;
            }
        }
    }
    Ok(())
}

/// Of organizations that are given one slug at once, one is, and the others keep theirs.
///
/// A rename that two win leads one of them to the other's customers.
#[rule(
    "organizations::update::race_for_a_slug",
    source = "better-auth #942: looked first and wrote later, and two had one address"
)]
async fn update_race_for_a_slug(w: &Houses) -> Checked {
    for round in 0..4 {
        let mut stored = Vec::new();
        for racer in 0..RACERS {
            let name = format!("round {round}, racer {racer}");
            let given = new_organization(&name, &format!("round-{round}-{racer}"))?;
            stored.push(w.create(given).await?);
        }
        let contested = slug(&format!("contested-{round}"))?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (before, slug) = (stored[racer].clone(), contested.clone());
            async move {
                let update = OrganizationUpdate {
                    slug,
                    ..same(&before)
                };
                let version = before.version;
                store
                    .update(&tenant, &before.id, version, update, minute(1))
                    .await
            }
        })
        .await?;
        exactly_one("taking one slug", &answers, Result::is_ok, is_taken)?;
        for (before, answer) in stored.into_iter().zip(answers) {
            let expected = answer.unwrap_or(before);
            let house = w.house(&expected.id).await?;
            let stored = house.map(|house| house.organization);
            equal("a racer's organization", &stored, &Some(expected))?;
        }
    }
    Ok(())
}

/// Of those who update one version of an organization at once, one does, and the others are stale.
///
/// A limit that one lowers is back up by the other's edit of a name.
#[rule(
    "organizations::update::race_has_one_winner",
    source = "dex: 100 parallel updates all succeed, and none is lost"
)]
async fn update_race_has_one_winner(w: &Houses) -> Checked {
    let mut stored = w.subject.organization.clone();
    for round in 0..6 {
        let mut updates = Vec::new();
        for racer in 0..RACERS {
            updates.push(OrganizationUpdate {
                data: document(&format!("round {round}, racer {racer}"))?,
                ..same(&stored)
            });
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (before, update) = (stored.clone(), updates[racer].clone());
            async move {
                let version = before.version;
                store
                    .update(&tenant, &before.id, version, update, minute(1))
                    .await
            }
        })
        .await?;
        exactly_one("updating one version", &answers, Result::is_ok, is_stale)?;
        for (answer, update) in answers.into_iter().zip(updates) {
            if let Ok(won) = answer {
                equal("the winner's data", &won.data, &update.data)?;
                stored = won;
            }
        }
        let house = w.house(&stored.id).await?;
        let found = house.map(|house| house.organization);
        equal("the organization", &found.as_ref(), &Some(&stored))?;
    }
    equal("its version", &stored.version, &Version::new(7)?)
}

/// Of those who add one identity at once, one does, and the others are told: there is one membership,
/// with the winner's roles.
///
/// Who is there twice is removed once, and still there.
#[rule(
    "organizations::add_member::race_makes_one",
    source = "better-auth: one membership of a user in an organization"
)]
async fn add_race_makes_one_member(w: &Houses) -> Checked {
    // One with a limit and one without, which are joined in different ways.
    let free = w.create(unlimited("free", "free")?).await?.id;
    for round in 0..6 {
        let (place, before) = match round % 2 {
            0 => (w.subject_id(), 1),
            _ => (free.clone(), 0),
        };
        let name = format!("round {round}");
        let mut given = Vec::new();
        for racer in 0..RACERS {
            let mut new = new_membership(&place, &name)?;
            new.roles = roles(&[&format!("racer {racer}")])?;
            given.push(new);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let given = given[racer].clone();
            async move { store.add_member(&tenant, given, START).await }
        })
        .await?;
        exactly_one("adding one identity", &answers, Result::is_ok, is_taken)?;
        let won: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
        let theirs = w.memberships_of(&identity(&name)?).await?;
        equal("what is stored of it", &theirs, &won)?;
        let house = w.house(&place).await?;
        let count = house.map_or(0, |house| house.members.len());
        equal("how many belong to it", &count, &(before + round / 2 + 1))?;
    }
    Ok(())
}

/// However many join at once, no more do than the limit says, all who are told so are members, and all
/// others are told of the limit.
///
/// Two who count at once both see a free place.
#[rule(
    "organizations::add_member::race_keeps_to_the_limit",
    source = "none of the suites of this kind fills an organization"
)]
async fn add_race_keeps_to_the_limit(w: &Houses) -> Checked {
    for round in 0..6 {
        let name = format!("round {round}");
        let called = format!("round-{round}");
        let place = w.create(limited(&name, &called, 3)?).await?.id;
        w.add(&place, "first").await?;
        let mut given = Vec::new();
        for racer in 0..RACERS {
            given.push(new_membership(&place, &format!("racer {racer}"))?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let given = given[racer].clone();
            async move { store.add_member(&tenant, given, START).await }
        })
        .await?;
        let joined = answers.iter().filter(|answer| answer.is_ok()).count();
        let full = answers.iter().map(refused);
        let full = full.filter(|field| *field == Some("member_limit")).count();
        equal(
            &format!("how many joined and were refused, of {answers:?}"),
            &(joined, full),
            &(2, RACERS - 2),
        )?;
        let house = w.house(&place).await?;
        let members = house.map(|house| house.members).unwrap_or_default();
        equal("how many belong to it", &members.len(), &3)?;
        for won in answers.into_iter().filter_map(Result::ok) {
            holds(members.contains(&won), "who was told so is a member")?;
        }
    }
    Ok(())
}

/// Of those who set the roles of one membership at once, from one version, one does, and the others are
/// stale.
///
/// A role that one administrator takes away is back by the other's edit.
#[rule(
    "organizations::set_roles::race_has_one_winner",
    source = "dex: 100 parallel updates all succeed, and none is lost"
)]
async fn set_roles_race_has_one_winner(w: &Houses) -> Checked {
    let mut stored = w.subject.members[0].clone();
    for round in 0..6 {
        let mut sets = Vec::new();
        for racer in 0..RACERS {
            sets.push(roles(&[
                "member",
                &format!("round {round}, racer {racer}"),
            ])?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (before, set) = (stored.clone(), sets[racer].clone());
            async move {
                let (place, who) = (&before.organization, &before.identity);
                store
                    .set_roles(&tenant, place, who, before.version, set, minute(1))
                    .await
            }
        })
        .await?;
        exactly_one("setting roles", &answers, Result::is_ok, is_stale)?;
        for (answer, set) in answers.into_iter().zip(sets) {
            if let Ok(won) = answer {
                equal("the winner's roles", &won.roles, &set)?;
                stored = won;
            }
        }
        let found = w.member(&stored.organization, &stored.identity).await?;
        equal("the membership", &found.as_ref(), &Some(&stored))?;
    }
    equal("its version", &stored.version, &Version::new(7)?)
}

/// Of those who accept one invitation at once, one becomes a member, and for the others there is none.
///
/// A link that is posted somewhere must let in one, and not all who are quick.
#[rule(
    "organizations::accept::race_has_one_winner",
    source = "supabase/auth #2613, goiabada #77, twentyhq/twenty #26025: used twice at once"
)]
async fn accept_race_has_one_winner(w: &Houses) -> Checked {
    let place = w.subject_id();
    for round in 0..6 {
        let name = format!("round {round}");
        let token = w.invite(new_invitation(&place, &name)?).await?.id;
        let answers = race(RACERS, |racer| {
            let (store, tenant, token) = (w.handle(racer), w.tenant.clone(), token.clone());
            async move {
                let who = identity(&format!("round {round}, racer {racer}"))?;
                Ok::<_, Failure>(store.accept(&tenant, &token, &who, START).await)
            }
        })
        .await?;
        let answers: Vec<_> = answers.into_iter().collect::<Result<_, _>>()?;
        exactly_one("accepting one", &answers, Result::is_ok, |answer| {
            answer
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        })?;
        let found = w.invitation(&token, START).await?;
        equal("the invitation that was accepted", &found, &None)?;
        for (racer, answer) in answers.into_iter().enumerate() {
            let who = identity(&format!("round {round}, racer {racer}"))?;
            let found = w.member(&place, &who).await?;
            equal("what is stored of a racer", &found, &answer.ok())?;
        }
        let house = w.house(&place).await?;
        let count = house.map_or(0, |house| house.members.len());
        equal("how many belong to it", &count, &(round + 2))?;
    }
    Ok(())
}

/// However many accept different invitations at once, and are added besides, no more join than the limit
/// says; who is refused has their invitation still.
///
/// An invitation takes no place before it is accepted: eight may be out for the last one.
#[rule(
    "organizations::accept::race_keeps_to_the_limit",
    source = "none of the suites of this kind fills an organization"
)]
async fn accept_race_keeps_to_the_limit(w: &Houses) -> Checked {
    for round in 0..6 {
        let place = limited(&format!("round {round}"), &format!("round-{round}"), 2)?;
        let place = w.create(place).await?.id;
        let name = |racer: usize| format!("round {round}, racer {racer}");
        for racer in 0..RACERS {
            w.invite(new_invitation(&place, &name(racer))?).await?;
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (place, name) = (place.clone(), name(racer));
            async move {
                if racer >= 6 {
                    let new = new_membership(&place, &name)?;
                    return Ok(store.add_member(&tenant, new, START).await);
                }
                let who = identity(&name)?;
                Ok::<_, Failure>(store.accept(&tenant, &digest(&name), &who, START).await)
            }
        })
        .await?;
        let mut joined = 0;
        for (racer, answer) in answers.into_iter().enumerate() {
            let answer = answer?;
            if let Err(error) = &answer {
                equal(
                    &format!("what racer {racer} was refused for, by {error:?}"),
                    &refused(&answer),
                    &Some("member_limit"),
                )?;
            }
            let is_in = answer.is_ok();
            joined += usize::from(is_in);
            let member = w.member(&place, &identity(&name(racer))?).await?;
            equal("what is stored of a racer", &member, &answer.ok())?;
            let found = w.invitation(&digest(&name(racer)), START).await?;
            equal(
                &format!("whether the invitation of racer {racer} is still there"),
                &found.is_some(),
                &(racer >= 6 || !is_in),
            )?;
        }
        equal("how many joined", &joined, &2)?;
        let house = w.house(&place).await?;
        let count = house.map_or(0, |house| house.members.len());
        equal("how many belong to it", &count, &2)?;
    }
    Ok(())
}

/// Of those who accept an invitation and those who revoke it at once, one succeeds: who was told that
/// they revoked it has nobody inside.
///
/// Otherwise whoever was uninvited in time is a member all the same.
#[rule(
    "organizations::accept::race_with_revoke",
    source = "everruns #2427, better-auth #6572: what a removal answered was wrong, or not looked at"
)]
async fn accept_race_with_revoke(w: &Houses) -> Checked {
    let place = w.subject_id();
    for round in 0..8 {
        let name = format!("round {round}");
        let token = w.invite(new_invitation(&place, &name)?).await?.id;
        let answers = race(RACERS, |racer| {
            let (store, tenant, token) = (w.handle(racer), w.tenant.clone(), token.clone());
            async move {
                // Who comes first changes from round to round.
                if (racer / 2 + round).is_multiple_of(2) {
                    return Ok(store.revoke(&tenant, &token).await?);
                }
                let who = identity(&format!("round {round}, racer {racer}"))?;
                match store.accept(&tenant, &token, &who, START).await {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                    Err(error) => Err(Failure::from(error)),
                }
            }
        })
        .await?;
        let answers: Vec<bool> = answers.into_iter().collect::<Result<_, Failure>>()?;
        exactly_one("ending one invitation", &answers, |won| *won, |won| !*won)?;
        for (racer, won) in answers.into_iter().enumerate() {
            let revokes = (racer / 2 + round).is_multiple_of(2);
            let who = identity(&format!("round {round}, racer {racer}"))?;
            let found = w.member(&place, &who).await?;
            equal(
                "whether a racer is in",
                &found.is_some(),
                &(won && !revokes),
            )?;
        }
    }
    Ok(())
}

/// Whoever joins or is invited while an organization is deleted goes with it, or is told that it is not
/// there: nobody is inside one that is created under its id afterwards.
///
/// The last customer's new colleague would be the next customer's first.
#[rule(
    "organizations::delete::race_leaves_nothing",
    source = "spire #6946: rows that belonged to a deleted one stayed"
)]
async fn delete_race_leaves_nothing(w: &Houses) -> Checked {
    for round in 0..8 {
        // Every other one has a limit, and so is joined in another way.
        let (name, called) = (format!("round {round}"), format!("round-{round}"));
        let mut given = limited(&name, &called, 50)?;
        if round % 2 == 1 {
            given.member_limit = None;
        }
        let place = w.create(given.clone()).await?.id;
        let token = |racer: usize| digest(&format!("round {round}, racer {racer}"));
        for racer in 0..RACERS {
            let invitation = new_invitation(&place, &format!("round {round}, racer {racer}"))?;
            w.invite(invitation).await?;
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, place) = (w.handle(racer), w.tenant.clone(), place.clone());
            let token = token(racer);
            async move {
                let who = format!("round {round}, racer {racer}");
                let answer = match (racer + round) % RACERS {
                    3 => store.delete(&tenant, &place).await.map(|_| ()),
                    0 | 4 => {
                        let who = identity(&who)?;
                        let joined = store.accept(&tenant, &token, &who, START).await;
                        joined.map(|_| ())
                    }
                    1 | 5 => {
                        let new = new_invitation(&place, &format!("{who}, new"))?;
                        store.invite(&tenant, new, START).await.map(|_| ())
                    }
                    _ => {
                        let new = new_membership(&place, &who)?;
                        store.add_member(&tenant, new, START).await.map(|_| ())
                    }
                };
                match answer {
                    Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
                    _ => Ok::<(), Failure>(()),
                }
            }
        })
        .await?;
        answers.into_iter().collect::<Result<Vec<()>, _>>()?;
        equal("the deleted one", &w.house(&place).await?, &None)?;
        w.create(given).await?;
        let house = w.house(&place).await?;
        let left = house.map(|house| (house.members, house.invitations));
        equal(
            "what is in the one made anew",
            &left,
            &Some((vec![], vec![])),
        )?;
        for racer in 0..RACERS {
            let who = identity(&format!("round {round}, racer {racer}"))?;
            let theirs = w.memberships_of(&who).await?;
            equal("what a racer belongs to", &theirs, &vec![])?;
            let found = w.invitation(&token(racer), START).await?;
            equal("an invitation to the deleted one", &found, &None)?;
        }
    }
    w.subject_unchanged().await
}
