//! Consuming codes: once, in time, by whom and as what they were meant.

use portproof_ports::{BoundTo, Code, Consumed, NewCode, Ports};

use super::{Codes, bound_to, digest, kind, new_code};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, day, just_before, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        code_is_consumed_once,
        code_race_has_one_winner,
        consume_minds_the_end,
        consume_needs_the_client,
        consume_needs_the_kind,
        refusals_burn_nothing,
        unknown_is_refused,
        others_stay,
    ]
}

/// A code can be consumed once: the caller gets it whole, as consumed at `now`, and nothing else of
/// it changes.
///
/// A code in a log or a browser's history is of use to whoever finds it.
#[rule(
    "codes::consume::succeeds_once",
    source = "AuthHero: one code was redeemed three times through a cache; everruns #2427"
)]
async fn code_is_consumed_once(w: &Codes) -> Checked {
    let now = minute(5);
    let expected = Code {
        consumed_at: Some(now),
        ..w.subject.clone()
    };
    let consumed = w.consume(&w.subject, now).await?;
    equal(
        "consuming it",
        &consumed,
        &Consumed::First(expected.clone()),
    )?;
    for again in 0..4 {
        let (kind, id, bound_to) = (&w.subject.kind, &w.subject.id, &w.subject.bound_to);
        let consumed = w
            .handle(again)
            .consume(&w.tenant, kind, id, bound_to, minute(6))
            .await?;
        holds(
            !matches!(consumed, Consumed::First(_)),
            "nobody else consumes it",
        )?;
    }
    equal(
        "the code as it is read",
        &w.seen(&w.subject.id).await?,
        &Some(expected),
    )
}

/// Of callers that consume one code at once, one succeeds, and all others are told that it was
/// consumed.
///
/// One code, one login: each further one is somebody else's.
#[rule(
    "codes::consume::race_has_one_winner",
    source = "supabase/auth #2613, goiabada #77, twentyhq/twenty #26025; kratos 6ce2bd861 under read committed",
    environments = "isolation"
)]
async fn code_race_has_one_winner(w: &Codes) -> Checked {
    for round in 0..6 {
        let code = w.put(new_code(&format!("round {round}"))?).await?;
        let answers = race(16, |racer| {
            let (store, tenant, code) = (w.handle(racer), w.tenant.clone(), code.clone());
            async move {
                store
                    .consume(&tenant, &code.kind, &code.id, &code.bound_to, minute(5))
                    .await
            }
        })
        .await?;
        let consumed = Code {
            consumed_at: Some(minute(5)),
            ..code
        };
        exactly_one(
            "consuming one code at once",
            &answers,
            |answer| *answer == Ok(Consumed::First(consumed.clone())),
            |answer| *answer == Ok(Consumed::Replayed(consumed.clone())),
        )?;
    }
    Ok(())
}

/// A code can be consumed until just before its end, and not at it; trying it late does not use it
/// up.
///
/// An expired code that works is a code without an end.
#[rule(
    "codes::consume::minds_the_end",
    source = "AuthHero: an expired code was consumed; kratos, keycloak",
    environments = "time_zone"
)]
async fn consume_minds_the_end(w: &Codes) -> Checked {
    for now in [minute(10), minute(11), day(1)] {
        let consumed = w.consume(&w.subject, now).await?;
        equal(
            &format!("consuming it at {now}"),
            &consumed,
            &Consumed::Refused,
        )?;
    }
    w.subject_unchanged().await?;
    w.is_consumed_once(&w.subject, just_before(minute(10)))
        .await
}

/// A code is consumed by the client that it is bound to, one that is bound to nobody by a caller
/// that names none; anybody else is refused, and does not use it up.
///
/// A code that a malicious client caught would get it the tokens of another client's user.
#[rule(
    "codes::consume::needs_its_client",
    source = "AuthHero dd071e0: a token was taken from another client; next-auth: consuming with the wrong identifier"
)]
async fn consume_needs_the_client(w: &Codes) -> Checked {
    let unbound = NewCode {
        bound_to: BoundTo::Nobody,
        ..new_code("unbound")?
    };
    let unbound = w.put(unbound).await?;
    for (code, right) in [(&w.subject, Some("app")), (&unbound, None)] {
        let mut wrong = vec![BoundTo::Nobody];
        for client in [
            "app", "App", "app ", "ap", "appp", "%", "a_p", "nobody", "null",
        ] {
            wrong.push(bound_to(client)?);
        }
        let right = right.map_or(Ok(BoundTo::Nobody), bound_to)?;
        wrong.retain(|wrong| *wrong != right);
        for wrong in wrong {
            let consumed = w
                .store
                .consume(&w.tenant, &code.kind, &code.id, &wrong, minute(1))
                .await?;
            equal(
                &format!("consuming what is bound to {right:?} as {wrong:?}"),
                &consumed,
                &Consumed::Refused,
            )?;
        }
        w.unchanged(code).await?;
        w.is_consumed_once(code, minute(2)).await?;
    }
    Ok(())
}

/// A code is consumed as one of its kind: as any other it is refused, and not used up.
///
/// A code that verifies an address would set a new password.
#[rule(
    "codes::consume::needs_its_kind",
    source = "AuthHero: consume looked at no kind"
)]
async fn consume_needs_the_kind(w: &Codes) -> Checked {
    for other in [
        "Authorization_code",
        "authorization_code ",
        "authorization",
        "state",
        "%",
    ] {
        let consumed = w
            .store
            .consume(
                &w.tenant,
                &kind(other)?,
                &w.subject.id,
                &w.subject.bound_to,
                minute(1),
            )
            .await?;
        equal(
            &format!("consuming it as a {other:?}"),
            &consumed,
            &Consumed::Refused,
        )?;
    }
    // There is a ticket under this id, of another client's.
    let consumed = w
        .store
        .consume(
            &w.tenant,
            &kind("ticket")?,
            &w.subject.id,
            &w.subject.bound_to,
            minute(1),
        )
        .await?;
    equal("consuming it as a ticket", &consumed, &Consumed::Refused)?;
    w.subject_unchanged().await?;
    w.is_consumed_once(&w.subject, minute(2)).await
}

/// However many are refused at once, the caller for whom a code was meant still consumes it.
///
/// Otherwise whoever sees a code can keep its owner from logging in.
#[rule(
    "codes::consume::refusals_burn_nothing",
    source = "next-auth, kratos: a wrong flow must not burn the token"
)]
async fn refusals_burn_nothing(w: &Codes) -> Checked {
    for round in 0..8 {
        let code = w.put(new_code(&format!("round {round}"))?).await?;
        let (ticket, thief) = (kind("ticket")?, bound_to("evil")?);
        let right = round % RACERS;
        let answers = race(RACERS, |racer| {
            let (store, tenant, code) = (w.handle(racer), w.tenant.clone(), code.clone());
            let (ticket, thief) = (ticket.clone(), thief.clone());
            async move {
                let (kind, bound_to, now) = match racer {
                    right_one if right_one == right => (&code.kind, &code.bound_to, minute(5)),
                    kind if kind % 3 == 0 => (&ticket, &code.bound_to, minute(5)),
                    client if client % 3 == 1 => (&code.kind, &thief, minute(5)),
                    _ => (&code.kind, &code.bound_to, minute(10)),
                };
                let consumed = store
                    .consume(&tenant, kind, &code.id, bound_to, now)
                    .await?;
                Ok::<Consumed, Failure>(consumed)
            }
        })
        .await?;
        for (racer, answer) in answers.into_iter().enumerate() {
            let answer = answer?;
            let first = matches!(answer, Consumed::First(_));
            equal(
                &format!("whether racer {racer} consumed it, which is meant for {right}"),
                &first,
                &(racer == right),
            )?;
        }
    }
    Ok(())
}

/// A code that was never stored is refused, every time: that is no replay, and nothing is
/// remembered of it.
///
/// Otherwise whoever guesses raises alarms, or takes the place of codes to come.
#[rule(
    "codes::consume::unknown_is_refused",
    source = "keycloak: replacing a missing key stores nothing"
)]
async fn unknown_is_refused(w: &Codes) -> Checked {
    let given = new_code("made up")?;
    for attempt in 0..3 {
        let consumed = w
            .handle(attempt)
            .consume(&w.tenant, &given.kind, &given.id, &given.bound_to, START)
            .await?;
        equal("consuming what was made up", &consumed, &Consumed::Refused)?;
    }
    equal("what is stored of it", &w.seen(&given.id).await?, &None)?;
    let stored = w.put(given).await?;
    w.is_consumed_once(&stored, minute(1)).await?;
    w.subject_unchanged().await
}

/// Consuming one code leaves all others as they are: the same identity's, client's and kind's.
///
/// Whoever has two browsers open, or ten recovery codes on a sheet, would have one.
#[rule(
    "codes::consume::leaves_others",
    source = "hydra, CHANGELOG: one request holds several codes; next-auth: the identifier's other tokens"
)]
async fn others_stay(w: &Codes) -> Checked {
    let mut others = Vec::new();
    for number in 0..4 {
        let given = NewCode {
            data: w.subject.data.clone(),
            ..new_code(&format!("other {number}"))?
        };
        others.push(w.put(given).await?);
    }
    let same_id = NewCode {
        kind: kind("state")?,
        id: digest("subject"),
        ..new_code("subject")?
    };
    others.push(w.put(same_id).await?);
    w.is_consumed_once(&w.subject, minute(1)).await?;
    for other in &others {
        w.unchanged(other).await?;
        w.is_consumed_once(other, minute(2)).await?;
    }
    Ok(())
}
