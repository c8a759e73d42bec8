//! Rotating families, one after another.

use portproof_ports::{ClientId, ErrorKind, Family, NewFamily, Ports, Rotation};

use super::{Families, LEEWAY, current, digest, long_family, new_family, rotated, spent};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, day, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        rotated_family_is_the_same,
        rotation_slides_the_idle_end,
        rotation_never_moves_back,
        rotation_again_and_again,
        rotation_is_for_the_client,
        rotation_needs_a_live_family,
        rotation_to_a_stored_token_is_refused,
    ]
}

/// A rotated family is the same with its new token: id, identity, client, session, data, idle time,
/// creation and absolute end; it counts the rotation. The old token is spent.
///
/// Otherwise an app loses what it was allowed to do, or gets a token that never ends.
#[rule(
    "refresh_tokens::rotate::keeps_the_family",
    source = "hydra: rotation revokes the old token; AuthHero: a token was made anew and its parent marked, in two writes"
)]
async fn rotated_family_is_the_same(w: &Families) -> Checked {
    let fresh = digest("fresh");
    let rotation = w.rotate(&w.subject.token, &fresh, minute(2)).await?;
    let expected = Family {
        token: fresh.clone(),
        rotations: 1,
        seen_at: minute(2),
        expires_at: minute(32),
        ..w.subject.clone()
    };
    equal(
        "the answer of rotate",
        &rotation,
        &Rotation::Rotated(expected.clone()),
    )?;
    w.is_current("the family with its new token", &expected)
        .await?;
    equal(
        "the old token",
        &w.seen(&w.subject.token).await?,
        &spent(&expected, minute(2)),
    )?;
    equal(
        "Ada's families",
        &w.of_ada(minute(2)).await?,
        &vec![expected],
    )
}

/// A rotation slides the idle end, never past the absolute one, which nothing moves.
///
/// A token that each use prolongs is a thief's for ever.
#[rule(
    "refresh_tokens::rotate::slides_the_idle_end",
    source = "AuthHero: the absolute end never extends, the idle one slides; dex: expiry on use is stored",
    environments = "time_zone"
)]
async fn rotation_slides_the_idle_end(w: &Families) -> Checked {
    let short = NewFamily {
        ends_at: minute(70),
        ..new_family("short")?
    };
    let mut family = w.issue(short).await?;
    for (bearer, now, expires_at) in [
        ("one", minute(29), minute(59)),
        ("two", minute(50), minute(70)),
        ("three", minute(69), minute(70)),
    ] {
        family = w.advance(&family, bearer, now).await?;
        equal("the end after a rotation", &family.expires_at, &expires_at)?;
        equal("the absolute end", &family.ends_at, &minute(70))?;
        w.is_current("the rotated family", &family).await?;
        let over = w.seen_at(&family.token, expires_at).await?;
        equal("the family at its end", &over, &None)?;
    }
    let lasting = NewFamily {
        idle: None,
        ..new_family("lasting")?
    };
    let lasting = w.issue(lasting).await?;
    let rotated = w.advance(&lasting, "lasting on", day(89)).await?;
    equal(
        "the end of a family without an idle time",
        &rotated.expires_at,
        &day(90),
    )?;
    w.is_current("the family without an idle time", &rotated)
        .await
}

/// A rotation by a clock that is behind rotates, and moves no time back: the family stays seen when it
/// was, and the old token is spent then.
///
/// Of two servers whose clocks differ, the slower one would log apps out, or end families as reused
/// that were not.
#[rule(
    "refresh_tokens::rotate::never_moves_back",
    source = "the contract: clocks differ"
)]
async fn rotation_never_moves_back(w: &Families) -> Checked {
    let one = w.advance(&w.subject, "one", minute(10)).await?;
    let two = digest("two");
    let rotation = w.rotate(&one.token, &two, minute(5)).await?;
    let expected = rotated(&one, &two, minute(10));
    equal(
        "a rotation by a clock that is behind",
        &rotation,
        &Rotation::Rotated(expected.clone()),
    )?;
    w.is_current("the family after it", &expected).await?;
    equal(
        "the token that was spent by a clock that is behind",
        &w.seen(&one.token).await?,
        &spent(&expected, minute(10)),
    )?;
    // By the right clock the retry comes at once.
    let retry = w.rotate(&one.token, &digest("three"), minute(10)).await?;
    equal(
        "a retry by the right clock",
        &retry,
        &Rotation::Retried(expected),
    )
}

/// A family may be rotated again and again: each rotation is counted, the last token is current, and
/// every one before it stays spent, since when it was.
///
/// An app refreshes thousands of times; one whose second rotation fails, or whose first token is
/// forgotten, is of no use or no safety.
#[rule(
    "refresh_tokens::rotate::works_again_and_again",
    source = "hydra: first_used_at is written once and never moves, used_times counts"
)]
async fn rotation_again_and_again(w: &Families) -> Checked {
    let mut family = w.subject.clone();
    let mut before = Vec::new();
    for number in 1..=20 {
        before.push((family.token.clone(), minute(number)));
        family = w
            .advance(&family, &format!("token {number}"), minute(number))
            .await?;
    }
    equal("how often it was rotated", &family.rotations, &20)?;
    w.is_current("the family with its last token", &family)
        .await?;
    for (token, spent_at) in before {
        equal(
            "a token that was spent",
            &w.seen(&token).await?,
            &spent(&family, spent_at),
        )?;
    }
    equal("Ada's families", &w.of_ada(START).await?, &vec![family])
}

/// A token is of use to the client that it was issued to: another one can neither rotate it nor, by
/// presenting it when it is spent, learn of its family or end it.
///
/// A client that gets hold of another's token gets what the user never allowed it; or it logs the
/// other's users out.
#[rule(
    "refresh_tokens::rotate::is_for_its_client_only",
    source = "AuthHero dd071e0: a refresh token was accepted for another client"
)]
async fn rotation_is_for_the_client(w: &Families) -> Checked {
    let one = w.advance(&w.subject, "one", minute(1)).await?;
    let fresh = digest("fresh");
    for client in ["app", "App ", "Ap", "%", "another"] {
        let client = ClientId::new(client)?;
        for (token, now) in [
            (&one.token, minute(1)),
            (&w.subject.token, minute(1)),
            (&w.subject.token, minute(20)),
        ] {
            for leeway in [None, Some(LEEWAY)] {
                let rotation = w
                    .store
                    .rotate(&w.tenant, &client, token, &fresh, leeway, now)
                    .await?;
                equal(
                    &format!("a token that {client:?} presents"),
                    &rotation,
                    &Rotation::Gone,
                )?;
            }
        }
        // Also when the new token is stored: what counts is that there is nothing to rotate.
        let rotation = w
            .store
            .rotate(&w.tenant, &client, &one.token, &one.token, None, minute(1))
            .await?;
        equal("a rotation to a stored token", &rotation, &Rotation::Gone)?;
    }
    equal("the new token", &w.seen(&fresh).await?, &None)?;
    w.is_current("the family", &one).await
}

/// A token of a family that is over, revoked or unknown is not rotated, whatever the new one is, and
/// nothing is stored under that.
///
/// Otherwise an app whose access was ended gets it back.
#[rule(
    "refresh_tokens::rotate::needs_a_live_family",
    source = "the contract: what is over cannot be rotated"
)]
async fn rotation_needs_a_live_family(w: &Families) -> Checked {
    let fresh = digest("fresh");
    let at_end = w
        .rotate(&w.subject.token, &fresh, w.subject.expires_at)
        .await?;
    equal("a rotation at the family's end", &at_end, &Rotation::Gone)?;
    for new in [&fresh, &w.subject.token] {
        let unknown = w.rotate(&digest("unknown"), new, START).await?;
        equal("a rotation of an unknown token", &unknown, &Rotation::Gone)?;
    }
    w.subject_unchanged().await?;
    w.store.revoke(&w.tenant, &w.subject.id).await?;
    let revoked = w.rotate(&w.subject.token, &fresh, START).await?;
    equal("a rotation of a revoked family", &revoked, &Rotation::Gone)?;
    equal("the new token", &w.seen(&fresh).await?, &None)
}

/// A rotation to a token that is stored, current or spent, of any family, is refused and spends
/// nothing: the old token can still be rotated.
///
/// Otherwise one app takes the place of another, or is logged out for a token that it never got.
#[rule(
    "refresh_tokens::rotate::refuses_a_stored_token",
    source = "tower-sessions: an id that collides must not overwrite"
)]
async fn rotation_to_a_stored_token_is_refused(w: &Families) -> Checked {
    let expired = NewFamily {
        ends_at: minute(1),
        ..new_family("expired")?
    };
    let expired = w.issue(expired).await?;
    let second = w.issue(long_family("second", "Ada")?).await?;
    let second = w.advance(&second, "its successor", minute(1)).await?;
    let family = w.advance(&w.subject, "one", minute(1)).await?;
    for (what, new) in [
        ("another family's token", &second.token),
        ("another family's spent token", &digest("second")),
        ("a spent token of its own", &w.subject.token),
        ("itself", &family.token),
        ("an expired family's token", &expired.token),
        ("a token of somebody else's", &digest("bystander")),
    ] {
        let answer = w
            .store
            .rotate(
                &w.tenant,
                &family.client,
                &family.token,
                new,
                Some(LEEWAY),
                minute(2),
            )
            .await;
        fails(
            &format!("a rotation to {what}"),
            answer,
            ErrorKind::AlreadyExists,
        )?;
        w.is_current("the family", &family).await?;
    }
    w.is_current("the other family", &second).await?;
    equal(
        "the expired family",
        &w.seen(&expired.token).await?,
        &current(&expired),
    )?;
    w.advance(&family, "two", minute(2)).await?;
    Ok(())
}
