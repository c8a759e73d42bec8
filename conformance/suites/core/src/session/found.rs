//! Finding sessions: what is stored, and nothing else.

use portproof_ports::{NewSession, Ports, SessionDigest};

use super::{Sessions, digest, new_session};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        missing_is_none,
        missing_is_not_remembered,
        near_ids_are_other_ids,
    ]
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
    source = "casbin: a rule was removed with those of which it is a prefix",
    environments = "collation"
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
