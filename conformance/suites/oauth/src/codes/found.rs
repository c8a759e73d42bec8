//! Finding codes: what is stored, and nothing else; looking uses nothing up.

use portproof_ports::{CodeDigest, Consumed, NewCode, Ports};

use super::{Codes, digest, kind, new_code};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, day, just_before, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        missing_is_none,
        missing_is_not_remembered,
        near_ids_are_other_ids,
        peek_minds_the_end,
        peek_uses_nothing_up,
    ]
}

/// A code that is not stored is answered as missing, never as an empty or a default one.
///
/// Otherwise whoever makes up a code gets tokens.
#[rule(
    "codes::peek::missing_is_none",
    source = "openfga #3014: a driver's no-rows error was not mapped"
)]
async fn missing_is_none(w: &Codes) -> Checked {
    equal(
        "a code that was never stored",
        &w.seen(&digest("nobody's")).await?,
        &None,
    )?;
    // Stored of another kind.
    let found = w.seen_as(&kind("state")?, &w.subject.id, START).await?;
    equal("a code of a kind that has none", &found, &None)
}

/// A code is found and consumed by those who looked for it before it was stored, on every handle.
///
/// Otherwise a device that asks before its user is done never learns that they are.
#[rule(
    "codes::peek::sees_what_was_missing",
    source = "AuthHero: a cache kept the answer that nothing is there; dex: devices poll"
)]
async fn missing_is_not_remembered(w: &Codes) -> Checked {
    let later = new_code("later")?;
    equal("the code before", &w.seen(&later.id).await?, &None)?;
    let consumed = w
        .store
        .consume(&w.tenant, &later.kind, &later.id, &later.bound_to, START)
        .await?;
    equal("consuming it before", &consumed, &Consumed::Refused)?;
    let stored = w.other.put(&w.tenant, later, START).await?;
    w.unchanged(&stored).await?;
    w.is_consumed_once(&stored, minute(1)).await
}

/// Ids are compared whole, by every method: an id that differs in its first or last byte, or in one
/// bit, is another.
///
/// Otherwise one guess fits the codes of several people.
#[rule(
    "codes::peek::compares_ids_whole",
    source = "casbin: a rule was removed with those of which it is a prefix",
    environments = "collation"
)]
async fn near_ids_are_other_ids(w: &Codes) -> Checked {
    let kind = &w.subject.kind;
    for (place, bit) in [(0, 1), (0, 0x20), (15, 0x80), (31, 1), (31, 0xff)] {
        let mut bytes = *w.subject.id.as_bytes();
        bytes[place] ^= bit;
        let near = CodeDigest::new(bytes);
        equal("a code close to another", &w.seen(&near).await?, &None)?;
        let consumed = w
            .store
            .consume(&w.tenant, kind, &near, &w.subject.bound_to, minute(1))
            .await?;
        equal(
            "consuming an id close to another",
            &consumed,
            &Consumed::Refused,
        )?;
        let counted = w
            .store
            .record_failure(&w.tenant, kind, &near, minute(1))
            .await?;
        equal("a guess at an id close to another", &counted, &None)?;
        let ended = w.store.revoke(&w.tenant, kind, &near).await?;
        equal("revoking an id close to another", &ended, &false)?;
    }
    // Bytes that are not text, those that end one, and those that are cut off its end.
    let mut stored = Vec::new();
    for (byte, last) in [
        (0x00, 0x00),
        (0x20, 0x20),
        (0xff, 0xff),
        (0xff, 0x00),
        (0xff, 0x20),
    ] {
        let mut bytes = [byte; 32];
        bytes[31] = last;
        let given = NewCode {
            id: CodeDigest::new(bytes),
            ..new_code("of bytes")?
        };
        stored.push(w.put(given).await?);
    }
    for code in &stored {
        w.unchanged(code).await?;
    }
    w.subject_unchanged().await
}

/// A code is found until just before its end, and not at it.
///
/// An engine that shows the form for an expired code lets its user type for nothing, or worse.
#[rule(
    "codes::peek::minds_the_end",
    source = "AuthHero: get answered expired codes; kratos, keycloak",
    environments = "time_zone"
)]
async fn peek_minds_the_end(w: &Codes) -> Checked {
    let (kind, id) = (&w.subject.kind, &w.subject.id);
    for now in [minute(10), minute(11), day(1)] {
        let found = w.seen_as(kind, id, now).await?;
        equal(&format!("the code at {now}"), &found, &None)?;
    }
    let found = w.seen_as(kind, id, just_before(minute(10))).await?;
    equal(
        "the code at its last moment",
        &found.as_ref(),
        &Some(&w.subject),
    )?;
    w.subject_unchanged().await
}

/// Looking at a code changes nothing, however often: it can be consumed as if nobody had looked.
///
/// A mail scanner that opens every link would use up the codes in them.
#[rule(
    "codes::peek::uses_nothing_up",
    source = "the contract: peek is not consume"
)]
async fn peek_uses_nothing_up(w: &Codes) -> Checked {
    for look in 0..8 {
        let (kind, id) = (&w.subject.kind, &w.subject.id);
        let found = w.handle(look).peek(&w.tenant, kind, id, minute(1)).await?;
        equal("the code", &found.as_ref(), &Some(&w.subject))?;
        // Too late, and so looked at in vain.
        w.handle(look).peek(&w.tenant, kind, id, day(1)).await?;
    }
    w.subject_unchanged().await?;
    w.is_consumed_once(&w.subject, minute(2)).await
}
