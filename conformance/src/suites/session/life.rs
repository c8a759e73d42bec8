//! Sessions in use: touching slides their idle end, rotating gives them a new id.

use portproof_ports::{ErrorKind, NewSession, Ports, Session, SessionDigest, Span};

use super::{Sessions, ada, digest, new_session};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    race::{RACERS, exactly_one, race},
    rule,
    suites::fixture::{START, day, just_before, minute},
    walk,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        touch_slides_the_idle_end,
        touch_stops_at_the_absolute_end,
        touch_without_idle_moves_no_end,
        touch_never_revives,
        touch_creates_nothing,
        touch_never_moves_back,
        touch_race_keeps_the_latest,
        touch_never_undoes_a_revocation,
        rotated_session_is_the_same,
        rotation_touches,
        rotation_ends_the_old_id,
        rotation_again_and_again,
        rotation_needs_a_live_session,
        rotation_to_a_stored_id_is_refused,
        rotation_race_has_one_winner,
        rotation_moves_the_listed_id,
    ]
}

/// Touching a live session sets its last sight and slides its idle end by the idle time, and
/// changes nothing else.
///
/// Without it active users are logged out; with more, data or versions change behind an engine's
/// back.
#[rule(
    "session::touch::slides_the_idle_end",
    source = "dex, spring-session: idle expiry moves with activity"
)]
async fn touch_slides_the_idle_end(w: &Sessions) -> Checked {
    // The last moment counts as well.
    for (now, end) in [
        (minute(10), minute(40)),
        (just_before(minute(40)), just_before(minute(70))),
    ] {
        let expected = Session {
            seen_at: now,
            expires_at: end,
            ..w.subject.clone()
        };
        let touched = w.store.touch(&w.tenant, &w.subject.id, now).await?;
        equal("the answer of touch", &touched.as_ref(), &Some(&expected))?;
        equal(
            "the session as it is read",
            &w.seen(&w.subject.id).await?,
            &Some(expected),
        )?;
        let last = w
            .store
            .get(&w.tenant, &w.subject.id, just_before(end))
            .await?;
        holds(
            last.is_some(),
            "a touched session is live until its new end",
        )?;
        let over = w.store.get(&w.tenant, &w.subject.id, end).await?;
        equal("a touched session at its new end", &over, &None)?;
    }
    Ok(())
}

/// No touch moves a session's end past its absolute end.
///
/// A stolen session that is used every minute must end all the same.
#[rule(
    "session::touch::stops_at_the_absolute_end",
    source = "OneAuth: min(now + idle, absolute end)"
)]
async fn touch_stops_at_the_absolute_end(w: &Sessions) -> Checked {
    let given = NewSession {
        ends_at: minute(45),
        ..new_session("short")?
    };
    w.create(given).await?;
    let id = digest("short");
    for now in [minute(15), minute(20), just_before(minute(45))] {
        let touched = some(
            "the touched session",
            w.store.touch(&w.tenant, &id, now).await?,
        )?;
        equal("its end", &touched.expires_at, &minute(45))?;
        equal("its absolute end", &touched.ends_at, &minute(45))?;
    }
    let over = w.store.touch(&w.tenant, &id, minute(45)).await?;
    equal("a touch at the absolute end", &over, &None)
}

/// A session without an idle time is seen when it is touched, and its end stays.
///
/// An idle time of none is not an idle time of zero, and not an end that moves.
#[rule(
    "session::touch::without_idle_moves_no_end",
    source = "spring-session: a negative or absent idle time means none"
)]
async fn touch_without_idle_moves_no_end(w: &Sessions) -> Checked {
    let given = NewSession {
        idle: None,
        ..new_session("no idle")?
    };
    let created = w.create(given).await?;
    let touched = w.store.touch(&w.tenant, &created.id, day(60)).await?;
    let expected = Session {
        seen_at: day(60),
        ..created.clone()
    };
    equal("the touched session", &touched.as_ref(), &Some(&expected))?;
    equal(
        "the session as it is read",
        &w.seen(&created.id).await?,
        &Some(expected),
    )
}

/// A session that is over is not revived by a touch, neither at its end nor later, and nothing of
/// it changes.
///
/// Otherwise a cookie that was left in a browser for a year logs in.
#[rule(
    "session::touch::never_revives",
    source = "kratos: extending an expired session; koa-pg-session #9"
)]
async fn touch_never_revives(w: &Sessions) -> Checked {
    for now in [w.subject.expires_at, day(1), day(90), day(91)] {
        let touched = w.store.touch(&w.tenant, &w.subject.id, now).await?;
        equal(&format!("a touch at {now}"), &touched, &None)?;
        let found = w.store.get(&w.tenant, &w.subject.id, now).await?;
        equal("the session then", &found, &None)?;
    }
    w.subject_unchanged().await
}

/// Touching a session that is not stored creates none.
///
/// A touch that is an upsert brings a logged-out session back, without its data.
#[rule(
    "session::touch::creates_nothing",
    source = "tj/connect-redis #328; spring-session #1843"
)]
async fn touch_creates_nothing(w: &Sessions) -> Checked {
    let unknown = digest("unknown");
    let touched = w.store.touch(&w.tenant, &unknown, minute(1)).await?;
    equal("a touch of an unknown session", &touched, &None)?;
    equal("the unknown session", &w.seen(&unknown).await?, &None)?;
    w.store.revoke(&w.tenant, &w.subject.id).await?;
    let touched = w.other.touch(&w.tenant, &w.subject.id, minute(1)).await?;
    equal("a touch of a revoked session", &touched, &None)?;
    equal("the revoked session", &w.seen(&w.subject.id).await?, &None)
}

/// A touch by a clock that is behind moves nothing back: neither the last sight nor the end.
///
/// With two servers, the slower clock would log out whom the faster one just kept.
#[rule(
    "session::touch::never_moves_back",
    source = "kratos: concurrent extensions; clocks differ by minutes"
)]
async fn touch_never_moves_back(w: &Sessions) -> Checked {
    let touched = some(
        "the session",
        w.store.touch(&w.tenant, &w.subject.id, minute(10)).await?,
    )?;
    for behind in [
        minute(10),
        just_before(minute(10)),
        START,
        just_before(START),
    ] {
        let again = w.other.touch(&w.tenant, &w.subject.id, behind).await?;
        equal(
            "a touch by a clock that is behind",
            &again.as_ref(),
            &Some(&touched),
        )?;
    }
    equal("the session", &w.seen(&w.subject.id).await?, &Some(touched))
}

/// Of touches at once the latest stays.
///
/// A session must not end earlier because it was used more.
#[rule(
    "session::touch::race_keeps_the_latest",
    source = "kratos: concurrent extensions of one session"
)]
async fn touch_race_keeps_the_latest(w: &Sessions) -> Checked {
    for round in 0..4_u16 {
        let base = round * 20;
        let answers = race(RACERS, |racer| {
            let store = if racer % 2 == 0 {
                w.store.clone()
            } else {
                w.other.clone()
            };
            let (tenant, id) = (w.tenant.clone(), w.subject.id.clone());
            let now = minute(base + u16::try_from(racer).unwrap_or(0));
            async move { store.touch(&tenant, &id, now).await }
        })
        .await?;
        for answer in answers {
            holds(answer?.is_some(), "a touch of a live session answers it")?;
        }
        let latest = minute(base + 7);
        let found = some("the session", w.seen(&w.subject.id).await?)?;
        equal("the last sight", &found.seen_at, &latest)?;
        equal(
            "the end",
            &found.expires_at,
            &latest.after(Span::minutes(30)),
        )?;
    }
    Ok(())
}

/// A session that is revoked while it is touched is gone afterwards.
///
/// Whoever logs out while a page still loads must be logged out.
#[rule(
    "session::touch::never_undoes_a_revocation",
    source = "auth0/nextjs-auth0 #2335, #2530: get, then set"
)]
async fn touch_never_undoes_a_revocation(w: &Sessions) -> Checked {
    for round in 0..8 {
        let created = w.create(new_session(&format!("round {round}"))?).await?;
        let answers = race(RACERS, |racer| {
            let store = if racer % 2 == 0 {
                w.store.clone()
            } else {
                w.other.clone()
            };
            let (tenant, id) = (w.tenant.clone(), created.id.clone());
            async move {
                if racer == 3 {
                    return store.revoke(&tenant, &id).await;
                }
                store
                    .touch(&tenant, &id, minute(1))
                    .await
                    .map(|touched| touched.is_some())
            }
        })
        .await?;
        let ended = answers.into_iter().nth(3).transpose()?;
        equal(
            "whether the session was there to revoke",
            &ended,
            &Some(true),
        )?;
        equal("the revoked session", &w.seen(&created.id).await?, &None)?;
    }
    Ok(())
}

/// A rotated session is the same under its new id: data, identity, version, creation and absolute
/// end.
///
/// A rotation at login must lose neither what the guest did nor when the session ends.
#[rule(
    "session::rotate::keeps_the_session",
    source = "spring-session: changeSessionId keeps all attributes"
)]
async fn rotated_session_is_the_same(w: &Sessions) -> Checked {
    let fresh = digest("fresh");
    let rotated = w
        .store
        .rotate(&w.tenant, &w.subject.id, &fresh, START)
        .await?;
    let expected = Session {
        id: fresh.clone(),
        ..w.subject.clone()
    };
    equal("the answer of rotate", &rotated.as_ref(), &Some(&expected))?;
    equal(
        "the session under its new id",
        &w.seen(&fresh).await?,
        &Some(expected),
    )
}

/// A rotation counts as a use: it slides the idle end, never past the absolute one.
///
/// A user who was just asked for a second factor is active.
#[rule(
    "session::rotate::touches",
    source = "spring-session: changing the id is an access"
)]
async fn rotation_touches(w: &Sessions) -> Checked {
    let rotate = |from: SessionDigest, to: SessionDigest, now| async move {
        w.store.rotate(&w.tenant, &from, &to, now).await
    };
    let (one, two) = (digest("one"), digest("two"));
    let rotated = some(
        "the session",
        rotate(w.subject.id.clone(), one.clone(), minute(10)).await?,
    )?;
    equal("the last sight", &rotated.seen_at, &minute(10))?;
    equal("the end", &rotated.expires_at, &minute(40))?;
    let rotated = some("the session", rotate(one, two.clone(), minute(5)).await?)?;
    equal(
        "the last sight, by a clock behind",
        &rotated.seen_at,
        &minute(10),
    )?;
    equal(
        "the end, by a clock behind",
        &rotated.expires_at,
        &minute(40),
    )?;
    equal(
        "the session as it is read",
        &w.seen(&two).await?,
        &Some(rotated),
    )?;
    let short = NewSession {
        ends_at: minute(35),
        ..new_session("short")?
    };
    w.create(short).await?;
    let rotated = some(
        "the session",
        rotate(digest("short"), digest("three"), minute(20)).await?,
    )?;
    equal(
        "the end, near the absolute one",
        &rotated.expires_at,
        &minute(35),
    )
}

/// After a rotation the old id finds nothing, on any handle and by any method.
///
/// The id that a thief fixed or stole would outlive the login that was meant to end it.
#[rule(
    "session::rotate::ends_the_old_id",
    source = "spring-session #1791, #1972; tower-sessions tests half of it"
)]
async fn rotation_ends_the_old_id(w: &Sessions) -> Checked {
    let (old, fresh) = (&w.subject.id, digest("fresh"));
    some(
        "the session",
        w.store.rotate(&w.tenant, old, &fresh, minute(1)).await?,
    )?;
    equal("the old id", &w.seen(old).await?, &None)?;
    equal(
        "a touch of the old id",
        &w.other.touch(&w.tenant, old, minute(1)).await?,
        &None,
    )?;
    let again = w
        .other
        .rotate(&w.tenant, old, &digest("again"), minute(1))
        .await?;
    equal("a rotation of the old id", &again, &None)?;
    let updated = w
        .other
        .update(
            &w.tenant,
            old,
            w.subject.version,
            w.subject.data.clone(),
            minute(1),
        )
        .await;
    fails("an update of the old id", updated, ErrorKind::NotFound)?;
    equal(
        "a revocation of the old id",
        &w.other.revoke(&w.tenant, old).await?,
        &false,
    )?;
    holds(
        w.seen(&fresh).await?.is_some(),
        "the session lives under its new id",
    )
}

/// A session may be rotated again and again, also back to an id that it had.
///
/// Each rise of a session's rights rotates it.
#[rule(
    "session::rotate::works_again_and_again",
    source = "spring-session: changing the id twice failed"
)]
async fn rotation_again_and_again(w: &Sessions) -> Checked {
    let ids = [
        w.subject.id.clone(),
        digest("one"),
        digest("two"),
        w.subject.id.clone(),
        digest("three"),
    ];
    for pair in ids.windows(2) {
        let rotated = w.store.rotate(&w.tenant, &pair[0], &pair[1], START).await?;
        let expected = Session {
            id: pair[1].clone(),
            ..w.subject.clone()
        };
        equal("the rotated session", &rotated, &Some(expected))?;
        equal("the id before", &w.seen(&pair[0]).await?, &None)?;
    }
    Ok(())
}

/// A session that is over, revoked or unknown is not rotated, and nothing is stored under the new
/// id.
///
/// A rotation that stores first and looks later logs a thief in.
#[rule(
    "session::rotate::needs_a_live_session",
    source = "fosite #402: a token was renewed after its end"
)]
async fn rotation_needs_a_live_session(w: &Sessions) -> Checked {
    let fresh = digest("fresh");
    let at_end = w
        .store
        .rotate(&w.tenant, &w.subject.id, &fresh, w.subject.expires_at)
        .await?;
    equal("a rotation at the session's end", &at_end, &None)?;
    let unknown = w
        .store
        .rotate(&w.tenant, &digest("unknown"), &fresh, START)
        .await?;
    equal("a rotation of an unknown session", &unknown, &None)?;
    // Also when the new id is stored: what counts is that there is nothing to rotate.
    let unknown = w
        .store
        .rotate(&w.tenant, &digest("unknown"), &w.subject.id, START)
        .await?;
    equal(
        "a rotation of an unknown session to a stored id",
        &unknown,
        &None,
    )?;
    w.subject_unchanged().await?;
    w.store.revoke(&w.tenant, &w.subject.id).await?;
    let revoked = w
        .store
        .rotate(&w.tenant, &w.subject.id, &fresh, START)
        .await?;
    equal("a rotation of a revoked session", &revoked, &None)?;
    equal("the new id", &w.seen(&fresh).await?, &None)
}

/// A rotation to an id that is stored, also to its own and to an expired session's, is refused and
/// changes nothing.
///
/// Otherwise one session takes the place of another.
#[rule(
    "session::rotate::refuses_a_stored_id",
    source = "tower-sessions: an id that collides must not overwrite"
)]
async fn rotation_to_a_stored_id_is_refused(w: &Sessions) -> Checked {
    let expired = NewSession {
        ends_at: minute(1),
        ..new_session("expired")?
    };
    let expired = w.create(expired).await?;
    let bystander = digest("bystander");
    for (what, new) in [
        ("another session's id", &bystander),
        ("its own id", &w.subject.id),
        ("an expired session's id", &expired.id),
    ] {
        let answer = w
            .store
            .rotate(&w.tenant, &w.subject.id, new, minute(2))
            .await;
        fails(
            &format!("a rotation to {what}"),
            answer,
            ErrorKind::AlreadyExists,
        )?;
        w.subject_unchanged().await?;
    }
    equal(
        "the expired session",
        &w.seen(&expired.id).await?,
        &Some(expired),
    )
}

/// Of callers that rotate one session at once, one wins; afterwards one id finds it, the winner's.
///
/// Two live ids are one more than the logout knows of.
#[rule(
    "session::rotate::race_has_one_winner",
    source = "hydra #3207, fosite #652: concurrent rotations both succeeded"
)]
async fn rotation_race_has_one_winner(w: &Sessions) -> Checked {
    let mut current = w.subject.id.clone();
    for round in 0..4 {
        let id = |racer: usize| digest(&format!("round {round}, racer {racer}"));
        let answers = race(RACERS, |racer| {
            let store = if racer % 2 == 0 {
                w.store.clone()
            } else {
                w.other.clone()
            };
            let (tenant, old, new) = (w.tenant.clone(), current.clone(), id(racer));
            async move { store.rotate(&tenant, &old, &new, minute(1)).await }
        })
        .await?;
        exactly_one(
            "rotating one session at once",
            &answers,
            |answer| matches!(answer, Ok(Some(_))),
            |answer| matches!(answer, Ok(None)),
        )?;
        equal(
            "the id that all rotated from",
            &w.seen(&current).await?,
            &None,
        )?;
        for (racer, answer) in answers.into_iter().enumerate() {
            equal(
                "the session under a racer's id",
                &w.seen(&id(racer)).await?,
                &answer?,
            )?;
            if w.seen(&id(racer)).await?.is_some() {
                current = id(racer);
            }
        }
    }
    Ok(())
}

/// A rotated session is listed under its new id, once, and in its place.
///
/// A list that still shows the old id ends a session that is not there, and misses one that is.
#[rule(
    "session::rotate::moves_in_lists",
    source = "spring-session #1791: the index kept the old id"
)]
async fn rotation_moves_the_listed_id(w: &Sessions) -> Checked {
    let fresh = digest("fresh");
    some(
        "the session",
        w.store
            .rotate(&w.tenant, &w.subject.id, &fresh, minute(1))
            .await?,
    )?;
    let identity = ada()?;
    let listed = walk::all(1, |page| {
        let identity = identity.clone();
        async move {
            w.other
                .list_of(&w.tenant, &identity, minute(1), &page)
                .await
        }
    })
    .await?;
    let ids: Vec<SessionDigest> = listed.into_iter().map(|session| session.id).collect();
    equal("the ids of Ada's sessions", &ids, &vec![fresh])
}
