//! Retries: spent tokens that are presented again within their leeway.

use portproof_ports::{NewFamily, Ports, Rotation, Span, Timestamp};

use super::{Families, LEEWAY, current, digest, long_family, new_family, spent};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, day, just_before, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        retry_answers_the_family,
        retry_changes_nothing,
        leeway_ends_exactly,
        leeway_is_not_prolonged,
        no_leeway_forgives_nothing,
        leeway_is_each_tokens_own,
        leeway_of_any_length,
    ]
}

/// A spent token that is presented within its leeway is answered as a retry, with the family as it is
/// now and the token that it has now, on every handle.
///
/// An app whose request was sent twice, or whose answer got lost, would be logged out, and its user
/// told of a theft that was none.
#[rule(
    "refresh_tokens::leeway::retry_answers_the_family",
    source = "hydra: within the grace period the old token stays usable; dex #2547: concurrent refreshes failed"
)]
async fn retry_answers_the_family(w: &Families) -> Checked {
    let family = w.advance(&w.subject, "one", minute(1)).await?;
    for (now, what) in [
        (minute(1), "at once"),
        (just_before(minute(1).after(LEEWAY)), "at its last moment"),
        (START, "by a clock that is behind"),
    ] {
        for store in [&w.store, &w.other] {
            let retry = store
                .rotate(
                    &w.tenant,
                    &family.client,
                    &w.subject.token,
                    &digest("again"),
                    Some(LEEWAY),
                    now,
                )
                .await?;
            equal(
                &format!("a retry {what}"),
                &retry,
                &Rotation::Retried(family.clone()),
            )?;
        }
    }
    // An engine that makes a token's successor out of the token itself presents both again.
    let retry = w.rotate(&w.subject.token, &family.token, minute(1)).await?;
    equal(
        "a retry with the successor that it has",
        &retry,
        &Rotation::Retried(family.clone()),
    )?;
    let next = w.advance(&family, "two", minute(1)).await?;
    let retry = w.rotate(&w.subject.token, &digest("x"), minute(1)).await?;
    equal(
        "a retry when the successor is spent, too",
        &retry,
        &Rotation::Retried(next),
    )
}

/// A retry writes nothing: the new token is not stored, no end moves, nothing is counted, and the
/// current token can still be rotated.
///
/// Two live successors of one token are two logins, of which a logout ends one; and a retry that
/// prolongs keeps a thief's family alive.
#[rule(
    "refresh_tokens::leeway::retry_changes_nothing",
    source = "AuthHero: within the leeway a sibling was minted; fosite #402: duplicate tokens"
)]
async fn retry_changes_nothing(w: &Families) -> Checked {
    let family = w.advance(&w.subject, "one", minute(1)).await?;
    let leeway = Some(Span::minutes(20));
    for number in 2..10 {
        let again = digest(&format!("again {number}"));
        let retry = w
            .rotate_within(&w.subject.token, &again, leeway, minute(number))
            .await?;
        equal("a retry", &retry, &Rotation::Retried(family.clone()))?;
        equal("the token of a retry", &w.seen(&again).await?, &None)?;
    }
    w.is_current("the family after its retries", &family)
        .await?;
    equal(
        "the spent token after its retries",
        &w.seen(&w.subject.token).await?,
        &spent(&family, minute(1)),
    )?;
    // Nobody owns the tokens that the retries came with.
    w.issue(NewFamily {
        token: digest("again 2"),
        ..new_family("new")?
    })
    .await?;
    w.advance(&family, "again 3", minute(10)).await?;
    Ok(())
}

/// The leeway ends to the microsecond: just before, the spent token is a retry; then, it is reuse.
///
/// A leeway of seconds that is read as one of minutes is a thief's.
#[rule(
    "refresh_tokens::leeway::ends_exactly",
    source = "hydra: within the grace period the old token is usable, after it not; lucia #1392",
    environments = "time_zone"
)]
async fn leeway_ends_exactly(w: &Families) -> Checked {
    for (number, micros) in [1, 2, 1_000, 999_999, 30_000_000, 3_600_000_001]
        .into_iter()
        .enumerate()
    {
        let leeway = Span::from_micros(micros)?;
        let family = w
            .issue(long_family(&format!("family {number}"), "Ada")?)
            .await?;
        let old = family.token.clone();
        let family = w
            .advance(&family, &format!("next {number}"), minute(1))
            .await?;
        let (end, new) = (minute(1).after(leeway), digest("another"));
        let retry = w
            .rotate_within(&old, &new, Some(leeway), just_before(end))
            .await?;
        equal(
            &format!("the last moment of a leeway of {leeway:?}"),
            &retry,
            &Rotation::Retried(family.clone()),
        )?;
        let reuse = w.rotate_within(&old, &new, Some(leeway), end).await?;
        equal(
            &format!("the end of a leeway of {leeway:?}"),
            &reuse,
            &Rotation::Reused(family),
        )?;
    }
    w.subject_unchanged().await
}

/// A leeway begins when the token was spent, and neither retries nor later rotations begin it anew.
///
/// A thief who retries often enough would never be noticed.
#[rule(
    "refresh_tokens::leeway::is_not_prolonged",
    source = "AuthHero: the leeway is anchored at the first rotation"
)]
async fn leeway_is_not_prolonged(w: &Families) -> Checked {
    let mut family = w.advance(&w.subject, "one", minute(1)).await?;
    let leeway = Some(Span::minutes(5));
    for number in 2..6 {
        let (old, new) = (&w.subject.token, digest("again"));
        let retry = w.rotate_within(old, &new, leeway, minute(number)).await?;
        equal("a retry", &retry, &Rotation::Retried(family.clone()))?;
        family = w
            .advance(&family, &format!("token {number}"), minute(number))
            .await?;
    }
    let reuse = w
        .rotate_within(&w.subject.token, &digest("again"), leeway, minute(6))
        .await?;
    equal(
        "five minutes after it was spent",
        &reuse,
        &Rotation::Reused(family.clone()),
    )?;
    w.are_gone("a token of the family", &[&w.subject.token, &family.token])
        .await
}

/// Without a leeway a spent token is reuse at once, also by a clock that is behind.
///
/// Whoever turns leeways off does it because a token that is seen twice was stolen.
#[rule(
    "refresh_tokens::leeway::none_forgives_nothing",
    source = "the contract: RFC 9700, section 4.14.2"
)]
async fn no_leeway_forgives_nothing(w: &Families) -> Checked {
    for (number, now) in [minute(1), START, minute(2)].into_iter().enumerate() {
        let family = w
            .issue(long_family(&format!("family {number}"), "Ada")?)
            .await?;
        let old = family.token.clone();
        let family = w
            .advance(&family, &format!("next {number}"), minute(1))
            .await?;
        let reuse = w.rotate_within(&old, &digest("again"), None, now).await?;
        equal(
            "a spent token without a leeway",
            &reuse,
            &Rotation::Reused(family.clone()),
        )?;
        w.are_gone("a token of the family", &[&old, &family.token])
            .await?;
    }
    w.subject_unchanged().await
}

/// Each spent token has a leeway of its own: of two, the one that was spent last is still a retry when
/// the other is reuse.
///
/// A leeway of the family's last rotation never ends while the family is used: then no reuse is
/// noticed.
#[rule(
    "refresh_tokens::leeway::is_each_tokens_own",
    source = "the contract: a token is spent when it is rotated, not when its family is"
)]
async fn leeway_is_each_tokens_own(w: &Families) -> Checked {
    let one = w.advance(&w.subject, "one", minute(1)).await?;
    let two = w.advance(&one, "two", minute(2)).await?;
    let (leeway, now) = (Some(Span::seconds(90)), just_before(minute(3)));
    let retry = w
        .rotate_within(&one.token, &digest("again"), leeway, now)
        .await?;
    equal(
        "the token that was spent a minute ago",
        &retry,
        &Rotation::Retried(two.clone()),
    )?;
    let reuse = w
        .rotate_within(&w.subject.token, &digest("again"), leeway, now)
        .await?;
    equal(
        "the token that was spent two minutes ago",
        &reuse,
        &Rotation::Reused(two.clone()),
    )?;
    let tokens = [&w.subject.token, &one.token, &two.token];
    w.are_gone("a token of the family", &tokens).await
}

/// A leeway may be as long as one likes, also beyond the end of time: then every spent token is a
/// retry until its family is over.
///
/// A sum that overflows fails every retry, or makes it reuse.
#[rule(
    "refresh_tokens::leeway::may_be_of_any_length",
    source = "the contract: a leeway may outlive its family"
)]
async fn leeway_of_any_length(w: &Families) -> Checked {
    let family = w.issue(long_family("long", "Ada")?).await?;
    let old = family.token.clone();
    let family = w.advance(&family, "next", minute(1)).await?;
    for micros in [i64::from(i32::MAX) * 1_000_000, Timestamp::MAX.as_micros()] {
        let leeway = Some(Span::from_micros(micros)?);
        for now in [minute(1), day(150)] {
            let retry = w.rotate_within(&old, &digest("again"), leeway, now).await?;
            equal("a late retry", &retry, &Rotation::Retried(family.clone()))?;
        }
    }
    equal(
        "the family after it",
        &w.seen(&family.token).await?,
        &current(&family),
    )
}
