//! Touching sessions: being seen, and what that does to the ends.

use portproof_ports::{NewSession, Ports, Session, Span};

use super::{Sessions, digest, new_session};
use crate::{
    Case, Checked, cases,
    check::{equal, holds, some},
    fixture::{START, day, just_before, minute},
    race::{RACERS, race},
    rule,
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
    ]
}

/// Touching a live session sets its last sight and slides its idle end by the idle time, and
/// changes nothing else.
///
/// Otherwise users are logged out while they work, or a touch changes what the engine stored.
#[rule(
    "session::touch::slides_the_idle_end",
    source = "dex, spring-session: idle expiry moves with activity",
    environments = "time_zone"
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
            "Ada's sessions",
            &w.of_ada(just_before(end)).await?,
            &vec![expected.clone()],
        )?;
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
    source = "OneAuth: min(now + idle, absolute end)",
    environments = "time_zone"
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
/// Otherwise a user who was promised thirty days is logged out early, or never.
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
    source = "kratos: extending an expired session"
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
    equal("the revoked session", &w.seen(&w.subject.id).await?, &None)?;
    equal("Ada's sessions", &w.of_ada(START).await?, &vec![])
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
/// Otherwise a user with two tabs is logged out while working in one of them.
#[rule(
    "session::touch::race_keeps_the_latest",
    source = "kratos: concurrent extensions of one session",
    environments = "isolation"
)]
async fn touch_race_keeps_the_latest(w: &Sessions) -> Checked {
    for round in 0..4_u16 {
        let base = round * 20;
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, id) = (w.tenant.clone(), w.subject.id.clone());
            // Once the latest comes last, once first: none may undo another.
            let order = if round % 2 == 0 {
                racer
            } else {
                RACERS - 1 - racer
            };
            let now = minute(base + u16::try_from(order).unwrap_or(0));
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
/// Otherwise a user who logs out while a page still loads stays logged in.
#[rule(
    "session::touch::never_undoes_a_revocation",
    source = "auth0/nextjs-auth0 #2335, #2530: get, then set"
)]
async fn touch_never_undoes_a_revocation(w: &Sessions) -> Checked {
    for round in 0..8 {
        let created = w.create(new_session(&format!("round {round}"))?).await?;
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
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
