//! Sessions as records: what is stored is what was given, once, and only for its tenant.

use portproof_ports::{
    Document, ErrorKind, IdentityId, Keep, NewSession, PageRequest, PortError, Ports, Session,
    SessionDigest, Span, Timestamp, Version,
};
use serde_json::json;

use super::{Sessions, ada, digest, long_session, new_session, offered};
use crate::{
    Case, Checked, Failure, cases,
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
        missing_is_none,
        missing_is_not_remembered,
        near_ids_are_other_ids,
        update_replaces_data,
        update_of_stale_version_is_refused,
        update_creates_nothing,
        update_never_undoes_a_revocation,
        update_race_has_one_winner,
        update_loses_no_attribute,
        other_tenants_reach_nothing,
        tenants_are_compared_as_bytes,
        errors_name_what_was_wrong,
        sessions_survive_a_restart,
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

/// A session that is not stored is answered as missing, never as an empty or a default one.
///
/// Otherwise whoever makes up a cookie is logged in.
#[rule(
    "session::get::missing_is_none",
    source = "openfga #3014: a driver's no-rows error was not mapped"
)]
async fn missing_is_none(w: &Sessions) -> Checked {
    equal(
        "a session that was never stored",
        &w.seen(&digest("nobody")).await?,
        &None,
    )
}

/// A session is found by those who looked for it before it was created, on every handle and in
/// every list.
///
/// Otherwise a user who has just logged in is told to log in.
#[rule(
    "session::get::sees_what_was_missing",
    source = "AuthHero: a cache kept the answer that nothing is there"
)]
async fn missing_is_not_remembered(w: &Sessions) -> Checked {
    let later = digest("later");
    equal("the session before", &w.seen(&later).await?, &None)?;
    let before = w.of_ada(START).await?;
    equal("Ada's sessions before", &before, &vec![w.subject.clone()])?;
    let created = w
        .store
        .create(&w.tenant, new_session("later")?, START)
        .await?;
    equal(
        "the session that was created",
        &w.seen(&later).await?,
        &Some(created),
    )?;
    equal("how many Ada has", &w.of_ada(START).await?.len(), &2)
}

/// Ids are compared whole, by every method: an id that differs in its first or last byte, in one
/// bit, or in the case of a letter of its text, is another.
///
/// Otherwise one cookie opens the sessions of several people.
#[rule(
    "session::get::compares_ids_whole",
    source = "casbin: a rule was removed with those of which it is a prefix"
)]
async fn near_ids_are_other_ids(w: &Sessions) -> Checked {
    let mut near = Vec::new();
    for (place, bit) in [(0, 1), (0, 0x20), (15, 0x80), (31, 1), (31, 0xff)] {
        let mut bytes = *w.subject.id.as_bytes();
        bytes[place] ^= bit;
        near.push(SessionDigest::new(bytes));
    }
    // The same text but for the case of a letter, where an id is kept as text.
    let text = String::from(w.subject.id.clone());
    for (place, letter) in text.char_indices().take(40) {
        let mut text = text.clone();
        let other = if letter.is_ascii_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        };
        if other != letter {
            text.replace_range(place..=place, &other.to_string());
            near.push(SessionDigest::try_from(text)?);
        }
    }
    for near in near {
        equal(
            "a session under an id close to another's",
            &w.seen(&near).await?,
            &None,
        )?;
        let touched = w.store.touch(&w.tenant, &near, minute(1)).await?;
        equal("a touch of an id close to another's", &touched, &None)?;
        let rotated = w
            .store
            .rotate(&w.tenant, &near, &digest("fresh"), minute(1))
            .await?;
        equal("a rotation of an id close to another's", &rotated, &None)?;
        let ended = w.store.revoke(&w.tenant, &near).await?;
        equal("a revocation of an id close to another's", &ended, &false)?;
    }
    // Bytes that are not text, those that end one, and those that are cut off its end.
    let mut stored = Vec::new();
    for (byte, last) in [
        (0x00, 0x00),
        (0x20, 0x20),
        (0xff, 0xff),
        (0xff, 0x00),
        (0xff, 0x20),
        (0xff, 0x0a),
    ] {
        let mut bytes = [byte; 32];
        bytes[31] = last;
        let given = NewSession {
            id: SessionDigest::new(bytes),
            ..new_session("bytes")?
        };
        stored.push(w.create(given).await?);
    }
    for session in stored {
        equal(
            "the session under an id of such bytes",
            &w.seen(&session.id).await?,
            &Some(session),
        )?;
    }
    w.subject_unchanged().await
}

/// An update replaces the data, raises the version by one and moves neither an end nor the last
/// sight.
///
/// A session that each save prolongs never ends while a page saves in the background.
#[rule(
    "session::update::replaces_data_only",
    source = "spring-session: a save must not be a touch"
)]
async fn update_replaces_data(w: &Sessions) -> Checked {
    let data = Document::new(serde_json::json!({"only": "this"}))?;
    let updated = w
        .store
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            data.clone(),
            minute(5),
        )
        .await?;
    let expected = Session {
        data,
        version: w.subject.version.next(),
        ..w.subject.clone()
    };
    equal("the answer of update", &updated, &expected)?;
    equal(
        "the session as it is read",
        &w.seen(&w.subject.id).await?,
        &Some(expected.clone()),
    )?;
    equal(
        "Ada's sessions",
        &w.of_ada(START).await?,
        &vec![expected.clone()],
    )?;
    // The same data again is an update like any other; so is one in the last moment.
    let last = just_before(w.subject.expires_at);
    let again = w
        .store
        .update(
            &w.tenant,
            &w.subject.id,
            updated.version,
            updated.data,
            last,
        )
        .await?;
    let expected = Session {
        version: updated.version.next(),
        ..expected
    };
    equal("the answer of a second update", &again, &expected)?;
    let over = w
        .store
        .get(&w.tenant, &w.subject.id, w.subject.expires_at)
        .await?;
    equal("the session at the end it had", &over, &None)
}

/// An update that saw another version is told so, and writes nothing.
///
/// Otherwise the later of two requests undoes what the earlier one did.
#[rule(
    "session::update::refuses_a_stale_version",
    source = "spring-session: two requests that add different attributes"
)]
async fn update_of_stale_version_is_refused(w: &Sessions) -> Checked {
    for version in [w.subject.version.next(), Version::new(i64::MAX)?] {
        let answer = w
            .store
            .update(
                &w.tenant,
                &w.subject.id,
                version,
                document("late")?,
                minute(1),
            )
            .await;
        fails(
            "an update of a version that is not stored",
            answer,
            ErrorKind::Stale,
        )?;
    }
    w.subject_unchanged().await?;
    w.store
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            document("first")?,
            minute(1),
        )
        .await?;
    let answer = w
        .other
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            document("late")?,
            minute(1),
        )
        .await;
    fails("an update of the version before", answer, ErrorKind::Stale)?;
    let found = some("the session", w.seen(&w.subject.id).await?)?;
    equal("the data", &found.data, &document("first")?)
}

/// An update of a session that is over, revoked or unknown is told that there is none, and creates
/// nothing.
///
/// A request that ends after the logout would log its user in again.
#[rule(
    "session::update::never_recreates",
    source = "tj/connect-redis #328, expressjs/session #632, auth0/nextjs-auth0 #2335"
)]
async fn update_creates_nothing(w: &Sessions) -> Checked {
    let (late, version) = (document("late")?, w.subject.version);
    let unknown = digest("unknown");
    let answer = w
        .store
        .update(&w.tenant, &unknown, version, late.clone(), START)
        .await;
    fails("updating an unknown session", answer, ErrorKind::NotFound)?;
    equal("the unknown session", &w.seen(&unknown).await?, &None)?;
    let (id, end) = (&w.subject.id, w.subject.expires_at);
    let answer = w
        .store
        .update(&w.tenant, id, version, late.clone(), end)
        .await;
    fails("updating a session at its end", answer, ErrorKind::NotFound)?;
    // That it is over is told before that its version is another.
    let answer = w
        .store
        .update(&w.tenant, id, version.next(), late.clone(), end)
        .await;
    fails(
        "updating a session at its end, with another version",
        answer,
        ErrorKind::NotFound,
    )?;
    w.subject_unchanged().await?;
    w.store.revoke(&w.tenant, id).await?;
    let answer = w
        .other
        .update(&w.tenant, id, version, late, minute(1))
        .await;
    fails("updating a revoked session", answer, ErrorKind::NotFound)?;
    equal("the revoked session", &w.seen(id).await?, &None)?;
    equal("Ada's sessions", &w.of_ada(START).await?, &vec![])
}

/// A session that is revoked while it is updated is gone afterwards.
///
/// Otherwise a user who logs out while a page still saves stays logged in.
#[rule(
    "session::update::never_undoes_a_revocation",
    source = "auth0/nextjs-auth0 #2530: the fix of a late save was get, then set"
)]
async fn update_never_undoes_a_revocation(w: &Sessions) -> Checked {
    for round in 0..8 {
        let session = w.create(new_session(&format!("round {round}"))?).await?;
        let late = document("late")?;
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, id, data) = (w.tenant.clone(), session.id.clone(), late.clone());
            let version = session.version;
            async move {
                if racer == 3 {
                    return store.revoke(&tenant, &id).await;
                }
                match store.update(&tenant, &id, version, data, START).await {
                    Err(error)
                        if matches!(error.kind(), ErrorKind::Stale | ErrorKind::NotFound) =>
                    {
                        Ok(false)
                    }
                    answer => answer.map(|_| true),
                }
            }
        })
        .await?;
        let mut updates = 0;
        for (racer, answer) in answers.into_iter().enumerate() {
            let done = answer?;
            if racer == 3 {
                holds(done, "there is a session to revoke")?;
            } else {
                updates += u32::from(done);
            }
        }
        holds(updates <= 1, "one update of a version at most succeeds")?;
        equal("the revoked session", &w.seen(&session.id).await?, &None)?;
    }
    Ok(())
}

/// Of callers that update one version at once, one wins and the others are told.
///
/// Otherwise what one request stored, such as a second factor that was passed, is lost.
#[rule(
    "session::update::race_has_one_winner",
    source = "dex #2547: concurrent refreshes overwrote each other"
)]
async fn update_race_has_one_winner(w: &Sessions) -> Checked {
    let mut version = w.subject.version;
    for round in 0..4 {
        let mut data = Vec::new();
        for racer in 0..RACERS {
            data.push(document(&format!("round {round}, racer {racer}"))?);
        }
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, id, data) = (w.tenant.clone(), w.subject.id.clone(), data[racer].clone());
            async move { store.update(&tenant, &id, version, data, minute(1)).await }
        })
        .await?;
        exactly_one(
            "updating one version at once",
            &answers,
            Result::is_ok,
            |answer| answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Stale),
        )?;
        let won = answers.into_iter().find_map(Result::ok);
        equal(
            "the session that the winner was told of",
            &w.seen(&w.subject.id).await?,
            &won,
        )?;
        version = version.next();
    }
    Ok(())
}

/// Callers that each add an attribute, and try again when they are told to, all get it stored.
///
/// Otherwise a user passes the second factor in one tab and is asked for it again.
#[rule(
    "session::update::loses_nothing_when_retried",
    source = "spring-session: two requests that add different attributes both survive"
)]
async fn update_loses_no_attribute(w: &Sessions) -> Checked {
    let answers = race(RACERS, |racer| {
        let store = w.handle(racer);
        let (tenant, id) = (w.tenant.clone(), w.subject.id.clone());
        let mut session = w.subject.clone();
        async move {
            // All begin with what they read before; each try that is stale means that another
            // caller's update came between.
            for _ in 0..RACERS {
                let mut data = session.data.value().clone();
                data[format!("racer {racer}")] = racer.into();
                let data = Document::new(data)?;
                match store
                    .update(&tenant, &id, session.version, data, minute(1))
                    .await
                {
                    Err(error) if error.kind() == ErrorKind::Stale => {
                        let found = store.get(&tenant, &id, minute(1)).await?;
                        session = some("the session", found)?;
                    }
                    answer => return answer.map(drop).map_err(Failure::from),
                }
            }
            Err(Failure::new(format!(
                "expected that of {RACERS} callers each succeeds in as many tries"
            )))
        }
    })
    .await?;
    answers.into_iter().collect::<Checked>()?;
    let found = some("the session", w.seen(&w.subject.id).await?)?;
    for racer in 0..RACERS {
        let attribute = &found.data.value()[format!("racer {racer}")];
        equal("an attribute that was added", attribute, &racer.into())?;
    }
    let writers = i64::try_from(RACERS).unwrap_or(i64::MAX);
    equal(
        "the version after as many updates",
        &found.version.get(),
        &(1 + writers),
    )
}

/// Through another tenant a session cannot be read, touched, changed, rotated, listed or ended.
///
/// Otherwise one customer reads, changes or ends the sessions of another.
#[rule(
    "session::tenancy::other_tenants_reach_nothing",
    source = "kratos 93d364c8e, hydra 43c9be1b5, keto 0c61e343; paySphere #1917"
)]
async fn other_tenants_reach_nothing(w: &Sessions) -> Checked {
    let here = w.create(long_session("only here", Some("Ada"))?).await?;
    let (there, id, now) = (&w.elsewhere, &here.id, minute(1));
    equal(
        "get through another tenant",
        &w.store.get(there, id, now).await?,
        &None,
    )?;
    equal(
        "touch through another tenant",
        &w.store.touch(there, id, now).await?,
        &None,
    )?;
    let updated = w
        .store
        .update(there, id, here.version, document("theirs")?, now)
        .await;
    fails(
        "update through another tenant",
        updated,
        ErrorKind::NotFound,
    )?;
    let rotated = w.store.rotate(there, id, &digest("theirs"), now).await?;
    equal("rotate through another tenant", &rotated, &None)?;
    equal(
        "revoke through another tenant",
        &w.store.revoke(there, id).await?,
        &false,
    )?;
    let empty = w.context.tenant()?;
    let ended = w
        .store
        .revoke_all_of(&empty, &ada()?, &Keep::Nothing)
        .await?;
    equal("sessions of Ada that an empty tenant ended", &ended, &0)?;
    let page = w
        .store
        .list_of(&empty, &ada()?, now, &PageRequest::first(10)?)
        .await?;
    equal("sessions of Ada in an empty tenant", &page.items, &vec![])?;
    let swept = w.store.sweep(&empty, day(1000), 1000).await?;
    equal("sessions that an empty tenant swept", &swept, &0)?;
    equal(
        "the session in its own tenant",
        &w.seen(id).await?,
        &Some(here),
    )?;
    w.subject_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them gives one customer the sessions of another.
#[rule(
    "session::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them"
)]
async fn tenants_are_compared_as_bytes(w: &Sessions) -> Checked {
    // The context's tenants come in such triples.
    let tenants = [
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
        w.context.tenant()?,
    ];
    for tenant in &tenants {
        let label = tenant.as_str().to_owned();
        let given = NewSession {
            data: document(&label)?,
            ..new_session("in each")?
        };
        w.store.create(tenant, given, START).await?;
    }
    for tenant in &tenants {
        let found = w.store.get(tenant, &digest("in each"), START).await?;
        let found = some("the tenant's own session", found)?;
        equal("its data", &found.data, &document(tenant.as_str())?)?;
    }
    Ok(())
}

/// Errors name what was wrong: the record that is there or not, or the argument.
///
/// Otherwise an engine tells a user that a login failed, and nobody finds out why.
#[rule(
    "session::errors::name_what_was_wrong",
    source = "kratos: a violated constraint is named; openfga #3014: a driver's error was not mapped"
)]
async fn errors_name_what_was_wrong(w: &Sessions) -> Checked {
    let taken = PortError::already_exists("session");
    let stale = PortError::stale("session");
    let missing = PortError::not_found("session");
    let (id, version) = (&w.subject.id, w.subject.version);
    let bystander = digest("bystander");
    let created = w
        .store
        .create(&w.tenant, new_session("subject")?, START)
        .await;
    equal("creating a stored id", &created, &Err(taken.clone()))?;
    let rotated = w.store.rotate(&w.tenant, id, &bystander, START).await;
    equal("rotating to a stored id", &rotated, &Err(taken))?;
    let over = NewSession {
        ends_at: START,
        ..new_session("over")?
    };
    let refused = match w.store.create(&w.tenant, over, START).await {
        Err(PortError::Refused { field, .. }) => Some(field),
        _ => None,
    };
    equal(
        "the argument that creating an elapsed session refuses",
        &refused.as_deref(),
        &Some("ends_at"),
    )?;
    for (what, id, version, expected) in [
        ("an unknown session", &digest("unknown"), version, missing),
        ("another version", id, version.next(), stale),
    ] {
        let updated = w
            .store
            .update(&w.tenant, id, version, document("late")?, START)
            .await;
        equal(&format!("updating {what}"), &updated, &Err(expected))?;
    }
    w.subject_unchanged().await
}

/// What was stored is there when the store is opened anew.
///
/// A deployment must not log everybody out, nor bring back who was logged out.
#[rule(
    "session::restart::keeps_sessions",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn sessions_survive_a_restart(w: &Sessions) -> Checked {
    let (tenant, old) = (&w.tenant, &w.subject.id);
    let revoked = w.create(new_session("revoked")?).await?;
    let swept = NewSession {
        ends_at: minute(1),
        ..new_session("swept")?
    };
    let swept = w.create(swept).await?;
    let mallory = w.create(long_session("ended", Some("Mallory"))?).await?;
    w.store.revoke(tenant, &revoked.id).await?;
    w.store.sweep(tenant, minute(1), 10).await?;
    let identity = IdentityId::new("Mallory")?;
    w.store
        .revoke_all_of(tenant, &identity, &Keep::Nothing)
        .await?;
    let fresh = digest("rotated");
    w.store.rotate(tenant, old, &fresh, minute(1)).await?;
    w.store
        .update(
            tenant,
            &fresh,
            w.subject.version,
            document("new")?,
            minute(1),
        )
        .await?;
    let touched = w.store.touch(tenant, &fresh, minute(2)).await?;
    let expected = Session {
        id: fresh.clone(),
        data: document("new")?,
        version: w.subject.version.next(),
        seen_at: minute(2),
        expires_at: minute(32),
        ..w.subject.clone()
    };
    equal(
        "the session before the restart",
        &touched.as_ref(),
        &Some(&expected),
    )?;
    let reopened = w.context.reopen().await?;
    let reopened = offered("session", reopened.session.as_ref())?;
    let found = reopened.get(tenant, &fresh, minute(2)).await?;
    equal(
        "the session after a restart",
        &found.as_ref(),
        &Some(&expected),
    )?;
    for gone in [old, &revoked.id, &swept.id, &mallory.id] {
        let found = reopened.get(tenant, gone, START).await?;
        equal("a session that ended before a restart", &found, &None)?;
    }
    let page = reopened
        .list_of(tenant, &ada()?, minute(2), &PageRequest::first(10)?)
        .await?;
    equal(
        "Ada's sessions after a restart",
        &page.items,
        &vec![expected],
    )
}
