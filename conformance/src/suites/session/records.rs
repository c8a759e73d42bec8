//! Sessions as records: what is stored is what was given, once, and only for its tenant.

use portproof_ports::{
    Document, ErrorKind, IdentityId, Keep, NewSession, PageRequest, Ports, Session, SessionDigest,
    Span, Timestamp, Version,
};

use super::{Sessions, ada, digest, long_session, new_session};
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
        creation_race_has_one_owner,
        identity_need_not_be_stored,
        hostile_identities_are_kept_apart,
        data_is_kept_exactly,
        large_data_is_kept,
        instants_are_kept_exactly,
        missing_is_none,
        near_ids_are_other_ids,
        update_replaces_data,
        update_of_stale_version_is_refused,
        update_creates_nothing,
        update_race_has_one_winner,
        update_loses_no_attribute,
        other_tenants_reach_nothing,
        tenants_are_compared_as_bytes,
        sessions_survive_a_restart,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that is told otherwise, or nothing, sends its users into a store that does not work.
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
/// What an engine does with the answer must be true of the next request, which reads the store.
#[rule(
    "session::create::stores_it_whole",
    source = "AuthHero 5dddd72: create dropped fields that the next read missed"
)]
async fn created_is_stored_whole(w: &Sessions) -> Checked {
    let given = new_session("new")?;
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
        expires_at: minute(30),
    };
    equal("the answer of create", &created, &expected)?;
    equal(
        "the session as it is read",
        &w.seen(&given.id).await?,
        &Some(expected),
    )?;
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
/// Otherwise a stale cookie comes back to life as somebody else's session.
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
    let given = long_session("subject", Some("Mallory"))?;
    let answer = w.store.create(&w.tenant, given, day(91)).await;
    fails(
        "creating a session under an expired id",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    w.subject_unchanged().await
}

/// A session that would end at its creation or before is refused, and nothing is stored.
///
/// Backends read an elapsed end as "no end" and keep the session for ever.
#[rule(
    "session::create::refuses_an_elapsed_end",
    source = "tower-sessions: an elapsed expiry persisted for ever"
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
    Ok(())
}

/// A session ends when it was idle for as long as it may be, or at its absolute end, whichever
/// comes first; without an idle time, at its absolute end.
///
/// A session that only knows one of the two ends outlives the other.
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
/// Two logins that believe to own one session read each other's data.
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
            let store = if racer % 2 == 0 {
                w.store.clone()
            } else {
                w.other.clone()
            };
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
/// References across ports are the engine's job; a foreign key would order its writes for it.
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
    Ok(())
}

/// A session's data is kept exactly: nulls and absences, empty lists and objects, numbers to 64
/// bits, fractions to the last digit, every character.
///
/// What an engine decides on, such as an authentication level, must not change on its way.
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
    equal("the data as it is read", &found.data, &given.data)
}

/// Data of a mebibyte is kept whole.
///
/// A column that is too short cuts tokens off, or locks their owners out.
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
/// A session that ends an hour late, or in 1970, is the work of a column without a zone.
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
        equal(
            "the creation as it is answered",
            &created.created_at,
            &instant,
        )?;
        let found = some(
            "the session",
            w.store.get(&w.tenant, &created.id, instant).await?,
        )?;
        equal("the creation as it is read", &found.created_at, &instant)?;
        equal("the end as it is read", &found.ends_at, &Timestamp::MAX)?;
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
/// A default session is somebody who is logged in.
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

/// Ids are compared whole: an id that differs in its first or last byte, or in one bit, is another.
///
/// A comparison of a prefix, or of text, lets one cookie open many sessions.
#[rule(
    "session::get::compares_ids_whole",
    source = "casbin: a rule was removed with those of which it is a prefix"
)]
async fn near_ids_are_other_ids(w: &Sessions) -> Checked {
    for (place, bit) in [(0, 1), (0, 0x20), (15, 0x80), (31, 1), (31, 0xff)] {
        let mut bytes = *w.subject.id.as_bytes();
        bytes[place] ^= bit;
        let near = SessionDigest::new(bytes);
        equal(
            "a session under an id one byte away",
            &w.seen(&near).await?,
            &None,
        )?;
    }
    // Bytes that are not text, and those that end one.
    for byte in [0x00, 0x20, 0xff] {
        let id = SessionDigest::new([byte; 32]);
        let created = w
            .create(NewSession {
                id: id.clone(),
                ..new_session("bytes")?
            })
            .await?;
        equal(
            "the session under an id of equal bytes",
            &w.seen(&id).await?,
            &Some(created),
        )?;
    }
    w.subject_unchanged().await
}

/// An update replaces the data, raises the version by one and moves neither an end nor the last
/// sight.
///
/// If saving data prolonged a session, an attacker would need no more than a save now and then.
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
        &Some(expected),
    )
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
    w.subject_unchanged().await?;
    w.store.revoke(&w.tenant, id).await?;
    let answer = w
        .other
        .update(&w.tenant, id, version, late, minute(1))
        .await;
    fails("updating a revoked session", answer, ErrorKind::NotFound)?;
    equal("the revoked session", &w.seen(id).await?, &None)
}

/// Of callers that update one version at once, one wins and the others are told.
///
/// A lost update is a lost login, a lost second factor or a lost cart.
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
            let store = if racer % 2 == 0 {
                w.store.clone()
            } else {
                w.other.clone()
            };
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
/// That is how an engine adds what two requests learn at once, and what its updates are for.
#[rule(
    "session::update::loses_nothing_when_retried",
    source = "spring-session: two requests that add different attributes both survive"
)]
async fn update_loses_no_attribute(w: &Sessions) -> Checked {
    let answers = race(RACERS, |racer| {
        let store = if racer % 2 == 0 {
            w.store.clone()
        } else {
            w.other.clone()
        };
        let (tenant, id) = (w.tenant.clone(), w.subject.id.clone());
        async move {
            loop {
                let session = some("the session", store.get(&tenant, &id, minute(1)).await?)?;
                let mut data = session.data.value().clone();
                data[format!("racer {racer}")] = racer.into();
                let data = Document::new(data)?;
                match store
                    .update(&tenant, &id, session.version, data, minute(1))
                    .await
                {
                    Err(error) if error.kind() == ErrorKind::Stale => {}
                    answer => return answer.map(drop).map_err(crate::Failure::from),
                }
            }
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
/// The tenant is the wall between customers; one method without it is a hole.
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

/// What was stored is there when the store is opened anew.
///
/// A deployment must not log everybody out, nor bring back who was logged out.
#[rule(
    "session::restart::keeps_sessions",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn sessions_survive_a_restart(w: &Sessions) -> Checked {
    let revoked = w.create(new_session("revoked")?).await?;
    w.store.revoke(&w.tenant, &revoked.id).await?;
    let touched = some(
        "the session",
        w.store.touch(&w.tenant, &w.subject.id, minute(1)).await?,
    )?;
    let reopened = w.context.reopen().await?;
    let reopened = super::offered("session", reopened.session.as_ref())?;
    let found = reopened.get(&w.tenant, &w.subject.id, minute(1)).await?;
    equal("the session after a restart", &found, &Some(touched))?;
    let found = reopened.get(&w.tenant, &revoked.id, START).await?;
    equal("the revoked session after a restart", &found, &None)
}
