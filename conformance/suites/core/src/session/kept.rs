//! What a store changes on the way: identities, data, instants.

use portproof_ports::{
    Document, ErrorKind, IdentityId, Keep, NewSession, PageRequest, Ports, Session, SessionDigest,
    Span, Timestamp,
};
use serde_json::json;

use super::{Sessions, digest, long_session, new_session};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    fixture::{START, awkward_document, hostile, instants, just_before, large_document},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        idle_time_is_kept_exactly,
        hostile_identities_are_kept_apart,
        data_is_kept_exactly,
        large_data_is_kept,
        instants_are_kept_exactly,
    ]
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

/// Identity ids are kept and compared as bytes: case, accents, composition, spaces and characters
/// that mean something to a query language tell them apart.
///
/// An adapter that folds them shows one user the sessions of another.
#[rule(
    "session::create::keeps_identities_apart",
    source = "CVE-2026-55170: a collation made user:Alice and user:alice one",
    environments = "collation"
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
    source = "redaxo #6679, koa-pg-session #9, lucia #1392, dex b51e73bc",
    environments = "time_zone"
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
