//! Sessions as records: what is stored is what was given, once.

use portproof_ports::{
    ErrorKind, IdentityId, NewSession, Ports, Session, Span, Timestamp, Version,
};

use super::{Sessions, digest, long_session, new_session};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, day, document, just_before, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        created_is_stored_whole,
        stored_id_is_refused,
        expired_id_is_refused,
        no_end_in_the_past,
        expiry_is_the_earlier_end,
        creation_race_has_one_owner,
        identity_need_not_be_stored,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that cannot rely on it starts on a store that does not work, and every login fails.
#[rule(
    "session::ready::answers",
    source = "spicedb #3142: one hung call wedged the server"
)]
async fn ready_answers(w: &Sessions) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// A created session is answered as it is stored: every field as it was given, version 1, seen when
/// it was created.
///
/// Otherwise what held in the request that logged a user in no longer holds in the next one.
#[rule(
    "session::create::stores_it_whole",
    source = "AuthHero 5dddd72: create dropped fields that the next read missed"
)]
async fn created_is_stored_whole(w: &Sessions) -> Checked {
    let whole = new_session("whole")?;
    let guest = NewSession {
        id: digest("another guest"),
        identity: None,
        ..whole.clone()
    };
    let lasting = NewSession {
        id: digest("lasting"),
        idle: None,
        ..whole.clone()
    };
    for (given, expires_at) in [(whole, minute(30)), (guest, minute(30)), (lasting, day(90))] {
        let created = w.store.create(&w.tenant, given.clone(), START).await?;
        let expected = Session {
            id: given.id.clone(),
            identity: given.identity,
            idle: given.idle,
            ends_at: given.ends_at,
            data: given.data,
            version: Version::FIRST,
            created_at: START,
            seen_at: START,
            expires_at,
        };
        equal("the answer of create", &created, &expected)?;
        equal(
            "the session as it is read",
            &w.seen(&given.id).await?,
            &Some(expected),
        )?;
    }
    w.subject_unchanged().await
}

/// A session is never created over another: a stored id is refused and its session stays as it is.
///
/// Whoever can choose an id would take over the session of somebody else.
#[rule(
    "session::create::refuses_a_stored_id",
    source = "tower-sessions: create must not overwrite, a contract that no suite checked"
)]
async fn stored_id_is_refused(w: &Sessions) -> Checked {
    let mut given = long_session("subject", Some("Mallory"))?;
    given.data = document("other data")?;
    let answer = w.other.create(&w.tenant, given, minute(1)).await;
    fails(
        "creating a session under a stored id",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    w.subject_unchanged().await
}

/// Also the id of a session that has expired, and is not swept yet, is refused.
///
/// Otherwise an old cookie opens the session of whoever got its id.
#[rule(
    "session::create::refuses_an_expired_id",
    source = "crudauth #35: an index that outlived its session took a live one with it"
)]
async fn expired_id_is_refused(w: &Sessions) -> Checked {
    let answer = w
        .store
        .create(&w.tenant, new_session("subject")?, day(91))
        .await;
    // At that time the new session would be over as well; a later end makes it a valid one.
    fails(
        "creating a session that is over",
        answer,
        ErrorKind::Refused,
    )?;
    // At its idle end, and after its absolute one.
    for now in [w.subject.expires_at, day(91)] {
        let given = long_session("subject", Some("Mallory"))?;
        let answer = w.store.create(&w.tenant, given, now).await;
        fails(
            "creating a session under an expired id",
            answer,
            ErrorKind::AlreadyExists,
        )?;
    }
    w.subject_unchanged().await
}

/// A session that would end at its creation or before is refused, and nothing is stored.
///
/// Backends read an elapsed end as "no end" and keep the session for ever.
#[rule(
    "session::create::refuses_an_elapsed_end",
    source = "keyv: a save with an elapsed expiry must not last for ever"
)]
async fn no_end_in_the_past(w: &Sessions) -> Checked {
    for (bearer, ends_at) in [("at now", START), ("before now", just_before(START))] {
        let given = NewSession {
            ends_at,
            ..new_session(bearer)?
        };
        let answer = w.store.create(&w.tenant, given, START).await;
        fails(
            &format!("creating a session that ends {bearer}"),
            answer,
            ErrorKind::Refused,
        )?;
        let found = w
            .store
            .get(&w.tenant, &digest(bearer), Timestamp::MIN)
            .await?;
        equal("what is stored of a refused session", &found, &None)?;
        w.create(new_session(bearer)?).await?;
    }
    let brief = NewSession {
        ends_at: START.after(Span::MICROSECOND),
        ..new_session("brief")?
    };
    let created = w.create(brief).await?;
    equal(
        "the end of a session that lives for a microsecond",
        &created.expires_at,
        &START.after(Span::MICROSECOND),
    )
}

/// A session ends when it was idle for as long as it may be, or at its absolute end, whichever
/// comes first; without an idle time, at its absolute end.
///
/// A stolen session goes on after the end that was meant to stop it.
#[rule(
    "session::create::expires_at_the_earlier_end",
    source = "dex: idle and absolute expiry are independent, and GC must mind both"
)]
async fn expiry_is_the_earlier_end(w: &Sessions) -> Checked {
    for (bearer, idle, ends_at, expected) in [
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
        let given = NewSession {
            idle,
            ends_at,
            ..new_session(bearer)?
        };
        let created = w.create(given).await?;
        equal(
            &format!("the end of a session with {bearer}"),
            &created.expires_at,
            &expected,
        )?;
        let id = digest(bearer);
        let last = w.store.get(&w.tenant, &id, just_before(expected)).await?;
        equal("the session just before its end", &last, &Some(created))?;
        let over = w.store.get(&w.tenant, &id, expected).await?;
        equal("the session at its end", &over, &None)?;
    }
    Ok(())
}

/// Of callers that create one id at once, one owns the session and the others are told.
///
/// Two users who are given one session read each other's data.
#[rule(
    "session::create::race_has_one_owner",
    source = "twentyhq/twenty #26025: check, then write",
    environments = "isolation"
)]
async fn creation_race_has_one_owner(w: &Sessions) -> Checked {
    for round in 0..4 {
        let id = digest(&format!("contested {round}"));
        let mut candidates = Vec::new();
        for racer in 0..RACERS {
            let mut given = new_session(&format!("owner {racer}"))?;
            given.id = id.clone();
            candidates.push(given);
        }
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, given) = (w.tenant.clone(), candidates[racer].clone());
            async move { store.create(&tenant, given, START).await }
        })
        .await?;
        exactly_one(
            "creating one id at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        let owned = answers.into_iter().find_map(Result::ok);
        equal(
            "the session that the winner was told it owns",
            &w.seen(&id).await?,
            &owned,
        )?;
    }
    Ok(())
}

/// A session may name an identity that is stored nowhere.
///
/// With a foreign key, users whose identity is kept elsewhere cannot log in.
#[rule(
    "session::create::needs_no_identity",
    source = "AuthHero 3b77bf0: a missing row of another table made every insert fail"
)]
async fn identity_need_not_be_stored(w: &Sessions) -> Checked {
    let nobody = NewSession {
        identity: Some(IdentityId::new("an identity that is stored nowhere")?),
        ..new_session("new")?
    };
    let created = w.create(nobody).await?;
    equal("the session", &w.seen(&created.id).await?, &Some(created))
}
