//! Races for an invitation, and with what ends it or its organization.

use portproof_ports::{ErrorKind, Ports};

use super::{Houses, digest, identity, limited, new_invitation, new_membership, refused};
use crate::{
    Case, Checked, Failure, cases,
    check::equal,
    fixture::START,
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        accept_race_has_one_winner,
        accept_race_keeps_to_the_limit,
        accept_race_with_revoke,
        delete_race_leaves_nothing,
    ]
}

/// Of those who accept one invitation at once, one becomes a member, and for the others there is none.
///
/// A link that is posted somewhere must let in one, and not all who are quick.
#[rule(
    "organizations::accept::race_has_one_winner",
    source = "supabase/auth #2613, goiabada #77, twentyhq/twenty #26025: used twice at once",
    environments = "isolation"
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
    source = "better-auth #9993, #10002: two accepts exceeded a team's limit, or its last free place was refused",
    environments = "isolation"
)]
async fn accept_race_keeps_to_the_limit(w: &Houses) -> Checked {
    for round in 0..6 {
        // More places than those have who are added: one of those who accept joins, and is not alone
        // in asking.
        let place = limited(&format!("round {round}"), &format!("round-{round}"), 3)?;
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
        equal("how many joined", &joined, &3)?;
        let house = w.house(&place).await?;
        let count = house.map_or(0, |house| house.members.len());
        equal("how many belong to it", &count, &3)?;
    }
    Ok(())
}

/// Of those who accept an invitation and those who revoke it at once, one succeeds: who was told that
/// they revoked it has nobody inside.
///
/// Otherwise whoever was uninvited in time is a member all the same.
#[rule(
    "organizations::accept::race_with_revoke",
    source = "everruns #2427, better-auth #6572: what a removal answered was wrong, or not looked at",
    environments = "isolation"
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
    source = "spire #6946: rows that belonged to a deleted one stayed",
    environments = "isolation"
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
