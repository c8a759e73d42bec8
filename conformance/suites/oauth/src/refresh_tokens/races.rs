//! Rotations at once: of one token, to one token, and with what ends a family.

use portproof_ports::{ErrorKind, Ports, Rotation};

use super::{Families, LEEWAY, app, current, digest, long_family, new_family, rotated, spent};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        one_token_has_one_successor,
        strict_rotation_race,
        rotation_race_for_one_token,
        rotations_are_all_counted,
        rotation_never_undoes_a_revocation,
        reuse_is_told_once,
        reuse_against_the_successor,
    ]
}

/// Of callers that rotate one token at once, one does, and the others are answered as retries, with
/// the winner's token: it has one successor, and the others' tokens are nobody's.
///
/// Two successors are two logins of which a logout ends one; an error logs out an app that was only
/// quick.
#[rule(
    "refresh_tokens::rotate::race_has_one_successor",
    source = "dex #2547, #4851; hydra #3207; fosite #402, #652: concurrent rotations both succeeded, or failed",
    environments = "isolation"
)]
async fn one_token_has_one_successor(w: &Families) -> Checked {
    let mut family = w.subject.clone();
    for round in 0..6 {
        let token = |racer: usize| digest(&format!("round {round}, racer {racer}"));
        let (old, client) = (family.token.clone(), app()?);
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (client, old, new) = (client.clone(), old.clone(), token(racer));
            async move {
                store
                    .rotate(&tenant, &client, &old, &new, Some(LEEWAY), minute(1))
                    .await
            }
        })
        .await?;
        exactly_one(
            "rotating one token at once",
            &answers,
            |answer| matches!(answer, Ok(Rotation::Rotated(_))),
            |answer| matches!(answer, Ok(Rotation::Retried(_))),
        )?;
        let winner = answers
            .iter()
            .position(|answer| matches!(answer, Ok(Rotation::Rotated(_))))
            .unwrap_or_default();
        family = rotated(&family, &token(winner), minute(1));
        for (racer, answer) in answers.into_iter().enumerate() {
            let (Rotation::Rotated(answered) | Rotation::Retried(answered)) = answer? else {
                return Err(Failure::new("a racer was answered without a family"));
            };
            equal("the family that a racer is answered", &answered, &family)?;
            let found = w.seen(&token(racer)).await?;
            let expected = (racer == winner).then(|| current(&family)).flatten();
            equal("a racer's new token", &found, &expected)?;
        }
        equal(
            "the token that all rotated from",
            &w.seen(&old).await?,
            &spent(&family, minute(1)),
        )?;
    }
    w.is_current("the family after all rounds", &family).await
}

/// Without a leeway, of callers that rotate one token at once, one does, one is told of the reuse, and
/// for the others the family is gone: it is over, and so is the winner's token.
///
/// Whoever turns leeways off is left with a live token after a theft, or with none and no word of it.
#[rule(
    "refresh_tokens::rotate::strict_race_ends_the_family",
    source = "leodip/goiabada #77: concurrent exchanges went around the detection of reuse",
    environments = "isolation"
)]
async fn strict_rotation_race(w: &Families) -> Checked {
    for round in 0..4 {
        let family = w.issue(new_family(&format!("round {round}"))?).await?;
        let token = |racer: usize| digest(&format!("round {round}, racer {racer}"));
        let client = app()?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (client, old, new) = (client.clone(), family.token.clone(), token(racer));
            async move {
                store
                    .rotate(&tenant, &client, &old, &new, None, minute(1))
                    .await
            }
        })
        .await?;
        let count = |what: fn(&Rotation) -> bool| {
            let answered = answers.iter().filter_map(|answer| answer.as_ref().ok());
            answered.filter(|rotation| what(rotation)).count()
        };
        equal(
            &format!("how many rotated, told of reuse, and found it gone, of {answers:?}"),
            &[
                count(|rotation| matches!(rotation, Rotation::Rotated(_))),
                count(|rotation| matches!(rotation, Rotation::Reused(_))),
                count(|rotation| matches!(rotation, Rotation::Gone)),
            ],
            &[1, 1, RACERS - 2],
        )?;
        for racer in 0..RACERS {
            w.are_gone("a racer's new token", &[&token(racer)]).await?;
        }
        w.are_gone("the token that all rotated from", &[&family.token])
            .await?;
    }
    w.subject_unchanged().await
}

/// Of families that are rotated to one token at once, one gets it, and the others are as they were.
///
/// A token of two families is somebody else's access.
#[rule(
    "refresh_tokens::rotate::race_for_one_token",
    source = "twentyhq/twenty #26025: looked first and wrote later",
    environments = "isolation"
)]
async fn rotation_race_for_one_token(w: &Families) -> Checked {
    for round in 0..4 {
        let contested = digest(&format!("contested {round}"));
        let (mut families, client) = (Vec::new(), app()?);
        for racer in 0..RACERS {
            let name = format!("round {round}, racer {racer}");
            families.push(w.issue(new_family(&name)?).await?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (client, old) = (client.clone(), families[racer].token.clone());
            let new = contested.clone();
            async move {
                store
                    .rotate(&tenant, &client, &old, &new, Some(LEEWAY), START)
                    .await
            }
        })
        .await?;
        exactly_one(
            "rotating to one token at once",
            &answers,
            |answer| matches!(answer, Ok(Rotation::Rotated(_))),
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        for (family, answer) in families.into_iter().zip(answers) {
            if answer.is_ok() {
                let expected = rotated(&family, &contested, START);
                w.is_current("the family that won", &expected).await?;
            } else {
                w.is_current("a family that lost", &family).await?;
            }
        }
    }
    Ok(())
}

/// Rotations of one family by many callers, each of the token that it finds, are all counted: none is
/// lost, and every token that was current once is spent.
///
/// A rotation that another one overwrites leaves a token that nobody will ever recognise.
#[rule(
    "refresh_tokens::rotate::loses_no_rotation",
    source = "dex: 100 parallel updates all succeed, and none is lost"
)]
async fn rotations_are_all_counted(w: &Families) -> Checked {
    let first = w.issue(long_family("contested", "Ada")?).await?;
    let (client, begin) = (app()?, first.token.clone());
    let lanes = race(RACERS, |racer| {
        let (store, tenant) = (w.handle(racer), w.tenant.clone());
        let (client, mut old) = (client.clone(), begin.clone());
        async move {
            let mut spent = Vec::new();
            for number in 0.. {
                if spent.len() == 8 || number == 1000 {
                    break;
                }
                let new = digest(&format!("racer {racer}, token {number}"));
                let answer = store
                    .rotate(&tenant, &client, &old, &new, Some(LEEWAY), START)
                    .await?;
                match answer {
                    Rotation::Rotated(family) => {
                        spent.push(std::mem::replace(&mut old, family.token));
                    }
                    Rotation::Retried(family) => old = family.token,
                    other => return Err(Failure::new(format!("a racer got {other:?}"))),
                }
            }
            Ok(spent)
        }
    })
    .await?;
    let mut tokens = Vec::new();
    for lane in lanes {
        tokens.extend(lane?);
    }
    let count = tokens.len();
    holds(count == 8 * RACERS, "every racer rotates eight times")?;
    tokens.sort();
    tokens.dedup();
    equal("how many tokens were rotated once", &tokens.len(), &count)?;
    let listed = w.of_ada(START).await?;
    let family = listed.into_iter().find(|family| family.id == first.id);
    let rotations = family.as_ref().map(|family| family.rotations);
    equal("how often it was rotated", &rotations, &Some(count as u64))?;
    for token in tokens {
        let found = w.seen(&token).await?;
        let expected = family.as_ref().and_then(|family| spent(family, START));
        equal("a token that was rotated", &found, &expected)?;
    }
    Ok(())
}

/// A family that is revoked while it is rotated is over: whether the rotation came before or after,
/// none of its tokens is left.
///
/// Otherwise a user who was told that the logout worked is still logged in, by the app's next token.
#[rule(
    "refresh_tokens::rotate::never_undoes_a_revocation",
    source = "auth0/nextjs-auth0 #2335, #2530: get, then set"
)]
async fn rotation_never_undoes_a_revocation(w: &Families) -> Checked {
    for round in 0..8 {
        let family = w.issue(new_family(&format!("round {round}"))?).await?;
        let token = |racer: usize| digest(&format!("round {round}, racer {racer}"));
        let client = app()?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (client, id) = (client.clone(), family.id.clone());
            let (old, new) = (family.token.clone(), token(racer));
            async move {
                if racer == 3 {
                    return store.revoke(&tenant, &id).await;
                }
                let rotation = store
                    .rotate(&tenant, &client, &old, &new, Some(LEEWAY), START)
                    .await?;
                Ok(matches!(rotation, Rotation::Rotated(_)))
            }
        })
        .await?;
        let mut rotations = 0;
        for (racer, answer) in answers.into_iter().enumerate() {
            if racer == 3 {
                equal("whether there was a family to revoke", &answer?, &true)?;
            } else {
                rotations += usize::from(answer?);
            }
        }
        holds(
            rotations <= 1,
            format!("one token has one successor, got {rotations}"),
        )?;
        w.are_gone("the token that all rotated from", &[&family.token])
            .await?;
        for racer in 0..RACERS {
            w.are_gone("a racer's new token", &[&token(racer)]).await?;
        }
    }
    let left = w.of_ada(START).await?;
    equal("Ada's families", &left, &vec![w.subject.clone()])
}

/// Of callers that reuse one spent token at once, one is told; for the others the family is gone.
///
/// Each that is told raises an alarm, and none that is told means none is raised.
#[rule(
    "refresh_tokens::reuse::race_is_told_once",
    source = "everruns #2427, better-auth #6572: what a removal answered was wrong, or not looked at",
    environments = "isolation"
)]
async fn reuse_is_told_once(w: &Families) -> Checked {
    for round in 0..4 {
        let first = w.issue(new_family(&format!("round {round}"))?).await?;
        let family = w
            .advance(&first, &format!("next {round}"), minute(1))
            .await?;
        let client = app()?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (client, old) = (client.clone(), first.token.clone());
            let new = digest(&format!("round {round}, racer {racer}"));
            async move {
                store
                    .rotate(&tenant, &client, &old, &new, Some(LEEWAY), minute(5))
                    .await
            }
        })
        .await?;
        exactly_one(
            "reusing one token at once",
            &answers,
            |answer| *answer == Ok(Rotation::Reused(family.clone())),
            |answer| *answer == Ok(Rotation::Gone),
        )?;
        w.are_gone("a token of the family", &[&first.token, &family.token])
            .await?;
    }
    w.subject_unchanged().await
}

/// A token that is reused while its successor is rotated ends the family for everybody: nobody is left
/// with a live token, whoever came first.
///
/// The thief and the owner come at once; the one who is a moment later must not get away.
#[rule(
    "refresh_tokens::reuse::race_with_the_successor",
    source = "leodip/goiabada #77: reuse detection was bypassed by concurrent exchanges",
    environments = "isolation"
)]
async fn reuse_against_the_successor(w: &Families) -> Checked {
    for round in 0..8 {
        let first = w.issue(new_family(&format!("round {round}"))?).await?;
        let family = w
            .advance(&first, &format!("next {round}"), minute(1))
            .await?;
        let token = |racer: usize| digest(&format!("round {round}, racer {racer}"));
        let client = app()?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            // Who comes first changes from round to round.
            let reuses = (racer / 2 + round).is_multiple_of(2);
            let old = if reuses { &first } else { &family };
            let (client, old, new) = (client.clone(), old.token.clone(), token(racer));
            async move {
                store
                    .rotate(&tenant, &client, &old, &new, Some(LEEWAY), minute(5))
                    .await
            }
        })
        .await?;
        let mut told = 0;
        let mut rotations = 0;
        for answer in answers {
            match answer? {
                Rotation::Reused(_) => told += 1,
                Rotation::Rotated(_) => rotations += 1,
                Rotation::Retried(_) | Rotation::Gone => {}
            }
        }
        equal("how many were told of the reuse", &told, &1)?;
        holds(
            rotations <= 1,
            format!("one token has one successor, got {rotations}"),
        )?;
        w.are_gone("a token of the family", &[&first.token, &family.token])
            .await?;
        for racer in 0..RACERS {
            w.are_gone("a racer's new token", &[&token(racer)]).await?;
        }
    }
    let left = w.of_ada(START).await?;
    equal("Ada's families", &left, &vec![w.subject.clone()])
}
