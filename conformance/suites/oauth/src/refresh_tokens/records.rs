//! Families as records: what is stored is what was given, once.

use portproof_ports::{
    ClientId, ErrorKind, Family, IdentityId, NewFamily, Ports, Rotation, SessionRef, Span,
    Timestamp,
};

use super::{Families, current, digest, id, long_family, new_family};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds},
    fixture::{START, day, document, just_before, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        issued_is_stored_whole,
        stored_id_is_refused,
        stored_token_is_refused,
        no_end_in_the_past,
        expiry_is_the_earlier_end,
        references_need_not_be_stored,
        issue_race_for_one_token,
        issue_race_for_one_id,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that cannot rely on it starts on a store that does not work, and every app is logged
/// out within the hour.
#[rule(
    "refresh_tokens::ready::answers",
    source = "spicedb #3142: one hung call wedged the server"
)]
async fn ready_answers(w: &Families) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// An issued family is answered as it is stored, found and listed: every field as it was given, its
/// token current, never rotated, seen when it was issued.
///
/// Otherwise what a user consented to is not what the app's next access token is good for.
#[rule(
    "refresh_tokens::issue::stores_it_whole",
    source = "AuthHero 5dddd72: create dropped fields that the next read missed; OneAuth: refresh tokens are only round-tripped"
)]
async fn issued_is_stored_whole(w: &Families) -> Checked {
    let whole = new_family("whole")?;
    let sessionless = NewFamily {
        id: id("without a session")?,
        token: digest("without a session"),
        session: None,
        ..whole.clone()
    };
    let lasting = NewFamily {
        id: id("lasting")?,
        token: digest("lasting"),
        idle: None,
        ..whole.clone()
    };
    for (given, expires_at) in [
        (whole, minute(30)),
        (sessionless, minute(30)),
        (lasting, day(90)),
    ] {
        let issued = w.store.issue(&w.tenant, given.clone(), START).await?;
        let expected = Family {
            id: given.id,
            token: given.token.clone(),
            identity: given.identity,
            client: given.client,
            session: given.session,
            idle: given.idle,
            ends_at: given.ends_at,
            data: given.data,
            rotations: 0,
            created_at: START,
            seen_at: START,
            expires_at,
        };
        equal("the answer of issue", &issued, &expected)?;
        equal(
            "the family as it is found",
            &w.seen(&given.token).await?,
            &current(&expected),
        )?;
        let listed = w.of_ada(START).await?;
        holds(
            listed.contains(&expected),
            format!("the list holds the family as it was issued, got {listed:?}"),
        )?;
    }
    w.subject_unchanged().await
}

/// A family is never issued over another: a stored id is refused, also of a family that has expired
/// and is not swept yet; its family stays as it is, and the token that came with it is nobody's.
///
/// A family that takes another's place makes a stranger's token good for somebody else's data.
#[rule(
    "refresh_tokens::issue::refuses_a_stored_id",
    source = "tower-sessions: create must not overwrite, a contract that no suite checked"
)]
async fn stored_id_is_refused(w: &Families) -> Checked {
    for now in [minute(1), w.subject.expires_at, day(91)] {
        let given = NewFamily {
            token: digest("token of the refused"),
            data: document("other data")?,
            ..long_family("subject", "Mallory")?
        };
        let answer = w.other.issue(&w.tenant, given, now).await;
        fails(
            "issuing a family under a stored id",
            answer,
            ErrorKind::AlreadyExists,
        )?;
        let token = digest("token of the refused");
        equal("the refused token", &w.seen(&token).await?, &None)?;
    }
    w.subject_unchanged().await
}

/// A token belongs to one family for good: one that is stored is refused, current or spent, also of a
/// family that has expired; and nothing is stored of the family that came with it.
///
/// A token of two families ends the wrong one, or is good for what its owner never asked for.
#[rule(
    "refresh_tokens::issue::refuses_a_stored_token",
    source = "tower-sessions: an id that collides must not overwrite"
)]
async fn stored_token_is_refused(w: &Families) -> Checked {
    let second = w.issue(new_family("second")?).await?;
    let second = w.advance(&second, "its successor", minute(1)).await?;
    for (what, token, now) in [
        ("another family's token", &w.subject.token, minute(1)),
        ("a spent token", &digest("second"), minute(1)),
        ("the successor of a spent token", &second.token, minute(1)),
        ("an expired family's token", &w.subject.token, day(91)),
        (
            "an expired family's spent token",
            &digest("second"),
            day(91),
        ),
    ] {
        let given = NewFamily {
            token: token.clone(),
            ..long_family("refused", "Ada")?
        };
        let answer = w.store.issue(&w.tenant, given, now).await;
        fails(
            &format!("issuing a family with {what}"),
            answer,
            ErrorKind::AlreadyExists,
        )?;
    }
    let listed: Vec<_> = w.of_ada(START).await?;
    equal("how many families Ada has", &listed.len(), &2)?;
    w.is_current("the second family", &second).await?;
    // Nothing is left of the refused ones that its id would meet.
    w.issue(long_family("refused", "Ada")?).await?;
    w.subject_unchanged().await
}

/// A family that would end when it is issued or before is refused, and nothing is stored.
///
/// Backends read an elapsed end as "no end" and keep the family for ever.
#[rule(
    "refresh_tokens::issue::refuses_an_elapsed_end",
    source = "keyv: a save with an elapsed expiry must not last for ever"
)]
async fn no_end_in_the_past(w: &Families) -> Checked {
    for (name, ends_at) in [("at now", START), ("before now", just_before(START))] {
        let given = NewFamily {
            ends_at,
            ..new_family(name)?
        };
        let answer = w.store.issue(&w.tenant, given, START).await;
        fails(
            &format!("issuing a family that ends {name}"),
            answer,
            ErrorKind::Refused,
        )?;
        equal(
            "what is stored of a refused family",
            &w.seen(&digest(name)).await?,
            &None,
        )?;
        w.issue(new_family(name)?).await?;
    }
    let brief = NewFamily {
        ends_at: START.after(Span::MICROSECOND),
        ..new_family("brief")?
    };
    let issued = w.issue(brief).await?;
    equal(
        "the end of a family that lives for a microsecond",
        &issued.expires_at,
        &START.after(Span::MICROSECOND),
    )
}

/// A family ends when it was not rotated for as long as it may be idle, or at its absolute end,
/// whichever comes first; without an idle time, at its absolute end.
///
/// A stolen token is of use after the end that was meant to stop it.
#[rule(
    "refresh_tokens::issue::expires_at_the_earlier_end",
    source = "dex: idle and absolute expiry of refresh tokens are independent"
)]
async fn expiry_is_the_earlier_end(w: &Families) -> Checked {
    for (name, idle, ends_at, expected) in [
        ("idle first", Some(Span::minutes(5)), day(1), minute(5)),
        ("absolute first", Some(Span::days(2)), day(1), day(1)),
        ("no idle end", None, day(1), day(1)),
        ("both at once", Some(Span::days(1)), day(1), day(1)),
        (
            "idle beyond all time",
            Some(Span::from_micros(Timestamp::MAX.as_micros())?),
            day(1),
            day(1),
        ),
    ] {
        let given = NewFamily {
            idle,
            ends_at,
            ..new_family(name)?
        };
        let issued = w.issue(given).await?;
        equal(
            &format!("the end of a family with {name}"),
            &issued.expires_at,
            &expected,
        )?;
        w.is_current("the family", &issued).await?;
        let over = w.seen_at(&issued.token, expected).await?;
        equal("the family at its end", &over, &None)?;
        let rotation = w.rotate(&issued.token, &digest("late"), expected).await?;
        equal("a rotation at the family's end", &rotation, &Rotation::Gone)?;
    }
    Ok(())
}

/// A family may name an identity, a client and a session that are stored nowhere.
///
/// With a foreign key, apps of users whose identity is kept elsewhere are logged out.
#[rule(
    "refresh_tokens::issue::needs_nothing_stored",
    source = "AuthHero 3b77bf0: a missing row of another table made every insert fail"
)]
async fn references_need_not_be_stored(w: &Families) -> Checked {
    let given = NewFamily {
        identity: IdentityId::new("an identity that is stored nowhere")?,
        client: ClientId::new("a client that is stored nowhere")?,
        session: Some(SessionRef::new("a session that is stored nowhere")?),
        ..new_family("new")?
    };
    let issued = w.issue(given).await?;
    w.is_current("the family", &issued).await
}

/// Of callers that issue one token in families of their own at once, one owns it; nothing is stored
/// of the others' families.
///
/// Two users whose apps have one token read each other's data.
#[rule(
    "refresh_tokens::issue::race_has_one_owner",
    source = "twentyhq/twenty #26025: check, then write; fosite #402: duplicate tokens",
    environments = "isolation"
)]
async fn issue_race_for_one_token(w: &Families) -> Checked {
    for round in 0..4 {
        let token = digest(&format!("contested {round}"));
        let mut candidates = Vec::new();
        for racer in 0..RACERS {
            candidates.push(NewFamily {
                token: token.clone(),
                ..new_family(&format!("round {round}, racer {racer}"))?
            });
        }
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, given) = (w.tenant.clone(), candidates[racer].clone());
            async move { store.issue(&tenant, given, START).await }
        })
        .await?;
        exactly_one(
            "issuing one token at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        let owned: Vec<Family> = answers.into_iter().filter_map(Result::ok).collect();
        let found = w.seen(&token).await?.map(|token| token.family);
        equal(
            "the family that the winner was told it owns",
            &found.as_ref(),
            &owned.first(),
        )?;
        let mut listed = w.of_ada(START).await?;
        listed.retain(|family| family.id.as_str().starts_with(&format!("round {round}")));
        equal("the families of this round", &listed, &owned)?;
    }
    Ok(())
}

/// Of callers that issue families under one id at once, one owns it; the others' tokens are nobody's.
///
/// A token in a family that somebody else owns ends it for both.
#[rule(
    "refresh_tokens::issue::race_has_one_family",
    source = "hydra #3870: concurrent first use made duplicates",
    environments = "isolation"
)]
async fn issue_race_for_one_id(w: &Families) -> Checked {
    for round in 0..4 {
        let token = |racer: usize| digest(&format!("round {round}, racer {racer}"));
        let contested = new_family(&format!("contested {round}"))?;
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let given = NewFamily {
                token: token(racer),
                ..contested.clone()
            };
            let tenant = w.tenant.clone();
            async move { store.issue(&tenant, given, START).await }
        })
        .await?;
        exactly_one(
            "issuing one id at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        for (racer, answer) in answers.into_iter().enumerate() {
            let expected = answer.ok().and_then(|family| current(&family));
            equal(
                &format!("the token of racer {racer}"),
                &w.seen(&token(racer)).await?,
                &expected,
            )?;
        }
    }
    Ok(())
}
