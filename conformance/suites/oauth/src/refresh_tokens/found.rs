//! What finds a family, and what does not.

use portproof_ports::{NewFamily, Ports, RefreshDigest, Rotation};

use super::{Families, current, digest, new_family, spent};
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
        near_digests_are_other_tokens,
        spent_is_told_from_current,
        tokens_are_over_with_their_family,
    ]
}

/// A token that is not stored is answered as missing, never as an empty or a default one, and cannot
/// be rotated.
///
/// Otherwise whoever makes up a token gets access.
#[rule(
    "refresh_tokens::get::missing_is_none",
    source = "openfga #3014: a driver's no-rows error was not mapped"
)]
async fn missing_is_none(w: &Families) -> Checked {
    w.are_gone("a token that was never issued", &[&digest("nobody's")])
        .await
}

/// A token is found by those who looked for it before it was issued or rotated to, on every handle
/// and in every list.
///
/// Otherwise an app that has just been logged in is logged out.
#[rule(
    "refresh_tokens::get::sees_what_was_missing",
    source = "AuthHero: a cache kept the answer that nothing is there"
)]
async fn missing_is_not_remembered(w: &Families) -> Checked {
    let (later, last) = (digest("later"), digest("last"));
    for token in [&later, &last] {
        equal("the token before", &w.seen(token).await?, &None)?;
    }
    let before = w.of_ada(START).await?;
    equal("Ada's families before", &before, &vec![w.subject.clone()])?;
    let issued = w
        .store
        .issue(&w.tenant, new_family("later")?, START)
        .await?;
    w.is_current("the family that was issued", &issued).await?;
    let rotated = w.advance(&issued, "last", START).await?;
    w.is_current("the family that was rotated", &rotated)
        .await?;
    equal("how many Ada has", &w.of_ada(START).await?.len(), &2)
}

/// Digests are compared whole, by every method: one that differs in its first or last byte, in one
/// bit, or in the case of a letter of its text, is another's.
///
/// Otherwise one token opens the families of several people, or ends them.
#[rule(
    "refresh_tokens::get::compares_digests_whole",
    source = "casbin: a rule was removed with those of which it is a prefix",
    environments = "collation"
)]
async fn near_digests_are_other_tokens(w: &Families) -> Checked {
    let mut near = Vec::new();
    for (place, bit) in [(0, 1), (0, 0x20), (15, 0x80), (31, 1), (31, 0xff)] {
        let mut bytes = *w.subject.token.as_bytes();
        bytes[place] ^= bit;
        near.push(RefreshDigest::new(bytes));
    }
    // The same text but for the case of a letter, where a digest is kept as text.
    let text = String::from(w.subject.token.clone());
    for (place, letter) in text.char_indices().take(40) {
        let mut text = text.clone();
        let other = if letter.is_ascii_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        };
        if other != letter {
            text.replace_range(place..=place, &other.to_string());
            near.push(RefreshDigest::try_from(text)?);
        }
    }
    for near in &near {
        w.are_gone("a token close to another's", &[near]).await?;
    }
    // Bytes that are not text, those that end one, and those that are cut off its end.
    let mut stored = Vec::new();
    for (number, (byte, last)) in [
        (0x00, 0x00),
        (0x20, 0x20),
        (0xff, 0xff),
        (0xff, 0x00),
        (0xff, 0x20),
        (0xff, 0x0a),
    ]
    .into_iter()
    .enumerate()
    {
        let mut bytes = [byte; 32];
        bytes[31] = last;
        let given = NewFamily {
            token: RefreshDigest::new(bytes),
            ..new_family(&format!("bytes {number}"))?
        };
        stored.push(w.issue(given).await?);
    }
    for family in &stored {
        w.is_current("the family of such bytes", family).await?;
    }
    w.subject_unchanged().await
}

/// A spent token is found with its family as it is now, and since when it is spent; the current one
/// is found as current. Finding changes nothing.
///
/// An engine that cannot tell them apart shows a thief's token as good, or a good one as stolen.
#[rule(
    "refresh_tokens::get::tells_spent_from_current",
    source = "hydra: an inactive token is answered with an error of its own and the row"
)]
async fn spent_is_told_from_current(w: &Families) -> Checked {
    let one = w.advance(&w.subject, "one", minute(1)).await?;
    let two = w.advance(&one, "two", minute(3)).await?;
    for _ in 0..2 {
        for now in [START, minute(3), just_before(minute(33))] {
            for (token, expected) in [
                (&w.subject.token, spent(&two, minute(1))),
                (&one.token, spent(&two, minute(3))),
                (&two.token, current(&two)),
            ] {
                equal("a token", &w.seen_at(token, now).await?, &expected)?;
            }
        }
    }
    w.is_current("the family after it was looked at", &two)
        .await
}

/// At the end of its family, idle or absolute, no token of it is found or of use, whether current or
/// spent; and a spent one that is presented then ends nothing more.
///
/// A logged-out app that still finds its family goes on.
#[rule(
    "refresh_tokens::get::is_over_with_the_family",
    source = "the contract: a token is over with its family"
)]
async fn tokens_are_over_with_their_family(w: &Families) -> Checked {
    let rotated = w.advance(&w.subject, "one", minute(1)).await?;
    let lasting = NewFamily {
        idle: None,
        ..new_family("lasting")?
    };
    let lasting = w.issue(lasting).await?;
    let after = w.advance(&lasting, "lasting on", minute(1)).await?;
    for (tokens, end) in [
        ([&w.subject.token, &rotated.token], minute(31)),
        ([&lasting.token, &after.token], day(90)),
    ] {
        for token in tokens {
            let last = w.seen_at(token, just_before(end)).await?;
            equal("whether it is found just before", &last.is_some(), &true)?;
            for now in [end, day(1000)] {
                equal("a token at the end", &w.seen_at(token, now).await?, &None)?;
                for leeway in [None, Some(super::LEEWAY)] {
                    let rotation = w.rotate_within(token, &digest("late"), leeway, now).await?;
                    equal("presenting it", &rotation, &Rotation::Gone)?;
                }
            }
        }
    }
    // Nothing was ended, and nothing was stored, by clocks that are ahead.
    equal("the late token", &w.seen(&digest("late")).await?, &None)?;
    w.is_current("the idle family", &rotated).await?;
    w.is_current("the lasting family", &after).await
}
