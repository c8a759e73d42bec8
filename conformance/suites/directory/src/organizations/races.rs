//! Races: for a name, for a version, and for a place.

use portproof_ports::{ErrorKind, OrganizationUpdate, PortResult, Ports, Version};

use super::{
    Houses, id, identity, limited, new_membership, new_organization, refused, roles, same, slug,
    unlimited,
};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, document, minute},
    race::{RACERS, exactly_one, race},
    rule,
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
    source = "twentyhq/twenty #26025: looked first and wrote later",
    environments = "isolation"
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
    source = "twentyhq/twenty #26025: looked first and wrote later",
    environments = "isolation"
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
    source = "twentyhq/twenty #26025: looked first and wrote later",
    environments = "isolation"
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
    source = "dex: 100 parallel updates all succeed, and none is lost",
    environments = "isolation"
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
    source = "better-auth: one membership of a user in an organization",
    environments = "isolation"
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
    source = "better-auth #9993, #10002: two accepts exceeded a team's limit, or its last free place was refused",
    environments = "isolation"
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
    source = "dex: 100 parallel updates all succeed, and none is lost",
    environments = "isolation"
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
