//! Sessions as records: what is stored is what was given, once.

use portproof_ports::{
    Document, ErrorKind, IdentityId, Keep, NewSession, PageRequest, Ports, Session, SessionDigest,
    Span, Timestamp, Version,
};
use serde_json::json;

use super::{Sessions, digest, long_session, new_session};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    race::{RACERS, exactly_one, race},
    rule,
    suites::fixture::{
        START, awkward_document, day, document, hostile, instants, just_before, large_document,
        minute,
    },
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        created_is_stored_whole,
        stored_id_is_refused,
        expired_id_is_refused,
        no_end_in_the_past,
        expiry_is_the_earlier_end,
        idle_time_is_kept_exactly,
        creation_race_has_one_owner,
        identity_need_not_be_stored,
        hostile_identities_are_kept_apart,
        data_is_kept_exactly,
        large_data_is_kept,
        instants_are_kept_exactly,
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

/// The idle time is kept to the microsecond, from one microsecond to thousands of years, and every
/// touch counts with it.
///
/// A column of whole seconds or minutes logs users out early, or never.
#[rule(
    "session::create::keeps_the_idle_time",
    source = "lucia #1392: seconds and milliseconds were mixed; dex b51e73bc: precision was lost"
)]
async fn idle_time_is_kept_exactly(w: &Sessions) -> Checked {
    for micros in [
        1,
        999,
        1_500,
        90_000_001,
        i64::from(u32::MAX) * 1_000,
        3_000_000_000_000_001,
        Timestamp::MAX.as_micros(),
    ] {
        let idle = Span::from_micros(micros)?;
        let given = NewSession {
            idle: Some(idle),
            ends_at: Timestamp::MAX,
            ..new_session(&format!("idle {micros}"))?
        };
        let created = w.create(given).await?;
        let expected = Session {
            expires_at: START.after(idle),
            idle: Some(idle),
            ..created.clone()
        };
        equal("the session as it is answered", &created, &expected)?;
        let found = w.seen(&created.id).await?;
        equal("the session as it is read", &found, &Some(expected))?;
        let last = just_before(created.expires_at);
        let expected = Session {
            seen_at: last,
            expires_at: last.after(idle),
            ..created
        };
        let touched = w.store.touch(&w.tenant, &expected.id, last).await?;
        equal(
            "the session that is touched at its last moment",
            &touched,
            &Some(expected),
        )?;
    }
    Ok(())
}

/// Of callers that create one id at once, one owns the session and the others are told.
///
/// Two users who are given one session read each other's data.
#[rule(
    "session::create::race_has_one_owner",
    source = "twentyhq/twenty #26025: check, then write"
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

/// Identity ids are kept and compared as bytes: case, accents, composition, spaces and characters
/// that mean something to a query language tell them apart.
///
/// An adapter that folds them shows one user the sessions of another.
#[rule(
    "session::create::keeps_identities_apart",
    source = "CVE-2026-55170: a collation made user:Alice and user:alice one"
)]
async fn hostile_identities_are_kept_apart(w: &Sessions) -> Checked {
    for (number, identity) in hostile().iter().enumerate() {
        let given = long_session(&format!("hostile {number}"), Some(identity))?;
        w.create(given).await?;
    }
    for (number, identity) in hostile().iter().enumerate() {
        let identity = IdentityId::new(identity.clone())?;
        let page = w
            .store
            .list_of(&w.tenant, &identity, START, &PageRequest::first(1000)?)
            .await?;
        let ids: Vec<SessionDigest> = page.items.into_iter().map(|session| session.id).collect();
        equal(
            &format!("the sessions of {identity:?}"),
            &ids,
            &vec![digest(&format!("hostile {number}"))],
        )?;
    }
    for identity in hostile() {
        let identity = IdentityId::new(identity.clone())?;
        let ended = w
            .store
            .revoke_all_of(&w.tenant, &identity, &Keep::Nothing)
            .await?;
        equal(
            &format!("how many sessions of {identity:?} ended"),
            &ended,
            &1,
        )?;
    }
    Ok(())
}

/// A session's data is kept exactly: nulls and absences, empty lists and objects, numbers to 64
/// bits, fractions to the last digit, every character.
///
/// An authentication level that changes on its way lets somebody skip a factor, or locks them out.
#[rule(
    "session::create::keeps_data_exactly",
    source = "AuthHero 285af35: an emoji made every later read fail"
)]
async fn data_is_kept_exactly(w: &Sessions) -> Checked {
    let given = NewSession {
        data: awkward_document()?,
        ..new_session("new")?
    };
    let created = w.create(given.clone()).await?;
    equal("the data that create answers", &created.data, &given.data)?;
    let found = some("the session", w.seen(&given.id).await?)?;
    equal("the data as it is read", &found.data, &given.data)?;
    // Whatever JSON says is data, also by itself and also later.
    let mut version = created.version;
    for data in [
        json!(null),
        json!(false),
        json!(0),
        json!(""),
        json!([]),
        json!({}),
        json!({"null": null, "nested": {"null": null}}),
    ] {
        let given = Document::new(data)?;
        let updated = w
            .store
            .update(&w.tenant, &created.id, version, given.clone(), START)
            .await?;
        equal("the data that update answers", &updated.data, &given)?;
        let found = some("the session", w.seen(&created.id).await?)?;
        equal(
            "the data as it is read after an update",
            &found.data,
            &given,
        )?;
        version = updated.version;
    }
    Ok(())
}

/// Data of a mebibyte is kept whole.
///
/// A column that is too short cuts tokens off, or locks users out.
#[rule(
    "session::create::keeps_large_data",
    source = "next-auth #9098, #4734; spring-session: attributes over 64 KiB"
)]
async fn large_data_is_kept(w: &Sessions) -> Checked {
    let given = NewSession {
        data: large_document()?,
        ..new_session("new")?
    };
    w.create(given.clone()).await?;
    let found = some("the session", w.seen(&given.id).await?)?;
    holds(
        found.data == given.data,
        "a mebibyte of data is read as it was written",
    )
}

/// Instants are kept to the microsecond, from 1970 to 9999, whatever the time zones of process,
/// server and session are.
///
/// Users stay logged in for an hour too long, or are logged out at once.
#[rule(
    "session::create::keeps_instants",
    source = "redaxo #6679, koa-pg-session #9, lucia #1392, dex b51e73bc"
)]
async fn instants_are_kept_exactly(w: &Sessions) -> Checked {
    for instant in instants()? {
        let bearer = format!("{instant}");
        let given = NewSession {
            idle: None,
            ends_at: Timestamp::MAX,
            ..new_session(&bearer)?
        };
        if instant == Timestamp::MAX {
            let ended = w.store.create(&w.tenant, given, instant).await;
            fails(
                "creating a session at the end of time",
                ended,
                ErrorKind::Refused,
            )?;
            continue;
        }
        let created = w.store.create(&w.tenant, given, instant).await?;
        let expected = Session {
            created_at: instant,
            seen_at: instant,
            ends_at: Timestamp::MAX,
            expires_at: Timestamp::MAX,
            ..created.clone()
        };
        equal("the session as it is answered", &created, &expected)?;
        let found = w.store.get(&w.tenant, &created.id, instant).await?;
        equal("the session as it is read", &found, &Some(expected))?;
    }
    for instant in instants()? {
        let given = NewSession {
            idle: None,
            ends_at: Timestamp::MAX,
            ..new_session(&format!("touched at {instant}"))?
        };
        let created = w.store.create(&w.tenant, given, Timestamp::MIN).await?;
        let touched = w.store.touch(&w.tenant, &created.id, instant).await?;
        // At the end of time it is over.
        let expected = (instant < Timestamp::MAX).then(|| Session {
            seen_at: instant,
            ..created
        });
        equal(
            &format!("a session that is touched at {instant}"),
            &touched,
            &expected,
        )?;
    }
    for ends_at in instants()? {
        if ends_at == Timestamp::MIN {
            continue;
        }
        let given = NewSession {
            idle: None,
            ends_at,
            ..new_session(&format!("until {ends_at}"))?
        };
        let id = given.id.clone();
        w.store.create(&w.tenant, given, Timestamp::MIN).await?;
        let last = w.store.get(&w.tenant, &id, just_before(ends_at)).await?;
        holds(
            last.is_some(),
            format!("a session that ends at {ends_at} is live just before"),
        )?;
        let over = w.store.get(&w.tenant, &id, ends_at).await?;
        equal(
            &format!("a session that ends at {ends_at}, then"),
            &over,
            &None,
        )?;
    }
    Ok(())
}
