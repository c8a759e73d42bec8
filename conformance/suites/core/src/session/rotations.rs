//! Giving sessions new ids.

use portproof_ports::{ErrorKind, Keep, NewSession, Ports, Session, SessionDigest};

use super::{Sessions, ada, digest, new_session};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    fixture::{START, document, just_before, minute},
    race::{RACERS, exactly_one, race},
    rule, walk,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        rotated_session_is_the_same,
        rotation_touches,
        rotation_ends_the_old_id,
        rotation_again_and_again,
        rotation_needs_a_live_session,
        rotation_to_a_stored_id_is_refused,
        rotation_race_for_one_id,
        rotation_never_undoes_a_revocation,
        rotation_race_has_one_winner,
        rotation_moves_the_listed_id,
    ]
}

/// A rotated session is the same under its new id: data, identity, version, creation and absolute
/// end.
///
/// Otherwise a guest who logs in loses a cart, or gets a session that never ends.
#[rule(
    "session::rotate::keeps_the_session",
    source = "spring-session: changeSessionId keeps all attributes"
)]
async fn rotated_session_is_the_same(w: &Sessions) -> Checked {
    let (fresh, now) = (digest("fresh"), minute(1));
    w.store.touch(&w.tenant, &w.subject.id, now).await?;
    let updated = w
        .store
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            document("new")?,
            now,
        )
        .await?;
    let rotated = w
        .store
        .rotate(&w.tenant, &w.subject.id, &fresh, now)
        .await?;
    let expected = Session {
        id: fresh.clone(),
        version: w.subject.version.next(),
        ..updated
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
/// Otherwise a user who has just given a second factor is logged out as idle.
#[rule(
    "session::rotate::touches",
    source = "the contract: a rotation is a use"
)]
async fn rotation_touches(w: &Sessions) -> Checked {
    let (one, two) = (digest("one"), digest("two"));
    let rotated = w
        .store
        .rotate(&w.tenant, &w.subject.id, &one, minute(10))
        .await?;
    let expected = Session {
        id: one.clone(),
        seen_at: minute(10),
        expires_at: minute(40),
        ..w.subject.clone()
    };
    equal("the rotated session", &rotated, &Some(expected.clone()))?;
    // By a clock that is behind.
    let rotated = w.store.rotate(&w.tenant, &one, &two, minute(5)).await?;
    let expected = Session {
        id: two.clone(),
        ..expected
    };
    equal(
        "the session that a clock behind rotated",
        &rotated.as_ref(),
        &Some(&expected),
    )?;
    equal(
        "the session as it is read",
        &w.seen(&two).await?,
        &Some(expected),
    )?;
    let last = w
        .store
        .get(&w.tenant, &two, just_before(minute(40)))
        .await?;
    holds(
        last.is_some(),
        "a rotated session is live until its new end",
    )?;
    let over = w.store.get(&w.tenant, &two, minute(40)).await?;
    equal("a rotated session at its new end", &over, &None)?;
    let short = NewSession {
        ends_at: minute(35),
        ..new_session("short")?
    };
    let short = w.create(short).await?;
    let rotated = w
        .store
        .rotate(&w.tenant, &short.id, &digest("three"), minute(20))
        .await?;
    let expected = Session {
        id: digest("three"),
        seen_at: minute(20),
        expires_at: minute(35),
        ..short
    };
    equal(
        "the session that was rotated near its absolute end",
        &rotated,
        &Some(expected),
    )
}

/// After a rotation the old id finds nothing, on any handle and by any method.
///
/// Otherwise a thief who knows the id from before the login is logged in, too.
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
/// A session is rotated at the login and at each further factor; a user whose second rotation fails
/// cannot go on.
#[rule(
    "session::rotate::works_again_and_again",
    source = "spring-session: the id is changed twice"
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
/// Otherwise somebody whose session was ended gets a new one.
#[rule(
    "session::rotate::needs_a_live_session",
    source = "the contract: what is over cannot be rotated"
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
    let second = w.create(new_session("second")?).await?;
    for (what, new) in [
        ("another session's id", &bystander),
        ("the id of another session of hers", &second.id),
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
    for session in [second, expired] {
        equal(
            "the session under the stored id",
            &w.seen(&session.id).await?,
            &Some(session),
        )?;
    }
    Ok(())
}

/// Of sessions that are rotated to one id at once, one gets it, and the others stay as they are.
///
/// Otherwise a user gets the session of somebody else, whose own is gone.
#[rule(
    "session::rotate::race_for_one_id",
    source = "twentyhq/twenty #26025: looked first and wrote later",
    environments = "isolation"
)]
async fn rotation_race_for_one_id(w: &Sessions) -> Checked {
    for round in 0..4 {
        let contested = digest(&format!("contested {round}"));
        let mut sessions = Vec::new();
        for racer in 0..RACERS {
            let bearer = format!("round {round}, racer {racer}");
            sessions.push(w.create(new_session(&bearer)?).await?);
        }
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, old, new) = (
                w.tenant.clone(),
                sessions[racer].id.clone(),
                contested.clone(),
            );
            async move { store.rotate(&tenant, &old, &new, START).await }
        })
        .await?;
        exactly_one(
            "rotating to one id at once",
            &answers,
            |answer| matches!(answer, Ok(Some(_))),
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        for (session, answer) in sessions.into_iter().zip(answers) {
            let old = w.seen(&session.id).await?;
            if let Ok(Some(rotated)) = answer {
                let expected = Session {
                    id: contested.clone(),
                    ..session
                };
                equal("the winner's answer", &rotated, &expected)?;
                equal("the winner's old id", &old, &None)?;
                equal(
                    "the session under the contested id",
                    &w.seen(&contested).await?,
                    &Some(expected),
                )?;
            } else {
                equal("a session that lost", &old, &Some(session))?;
            }
        }
    }
    Ok(())
}

/// A session that is revoked while it is rotated is either gone, or was rotated before: then the
/// revocation answers that there was none.
///
/// Otherwise a user who was told that the logout worked stays logged in under the new id.
#[rule(
    "session::rotate::never_undoes_a_revocation",
    source = "auth0/nextjs-auth0 #2335, #2530: get, then set"
)]
async fn rotation_never_undoes_a_revocation(w: &Sessions) -> Checked {
    for round in 0..8 {
        let old = w.create(new_session(&format!("round {round}"))?).await?.id;
        let id = |racer: usize| digest(&format!("round {round}, racer {racer}"));
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, old, new) = (w.tenant.clone(), old.clone(), id(racer));
            async move {
                if racer == 3 {
                    return store.revoke(&tenant, &old).await;
                }
                let rotated = store.rotate(&tenant, &old, &new, START).await?;
                Ok(rotated.is_some())
            }
        })
        .await?;
        exactly_one(
            "revoking and rotating one session at once",
            &answers,
            |answer| *answer == Ok(true),
            |answer| *answer == Ok(false),
        )?;
        equal("the old id", &w.seen(&old).await?, &None)?;
        for (racer, answer) in answers.into_iter().enumerate() {
            equal(
                &format!("whether the session lives under the id of racer {racer}"),
                &w.seen(&id(racer)).await?.is_some(),
                &(racer != 3 && answer?),
            )?;
        }
    }
    Ok(())
}

/// Of callers that rotate one session at once, one wins; afterwards one id finds it, the winner's.
///
/// With two live ids a logout ends one, and the other stays logged in.
#[rule(
    "session::rotate::race_has_one_winner",
    source = "hydra #3207, fosite #652: concurrent rotations both succeeded",
    environments = "isolation"
)]
async fn rotation_race_has_one_winner(w: &Sessions) -> Checked {
    let mut current = w.subject.id.clone();
    for round in 0..4 {
        let id = |racer: usize| digest(&format!("round {round}, racer {racer}"));
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
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

/// A rotated session is listed under its new id, once and in its place, and ends when all of its
/// identity end.
///
/// Otherwise a user who ends a session in the list ends nothing, and the real one goes on.
#[rule(
    "session::rotate::moves_in_lists",
    source = "spring-session #1791: the index kept the old id"
)]
async fn rotation_moves_the_listed_id(w: &Sessions) -> Checked {
    let fresh = digest("fresh");
    let later = w
        .store
        .create(&w.tenant, new_session("later")?, minute(1))
        .await?;
    some(
        "the session",
        w.store
            .rotate(&w.tenant, &w.subject.id, &fresh, minute(2))
            .await?,
    )?;
    let identity = ada()?;
    let listed = walk::all(1, |page| {
        let identity = identity.clone();
        async move {
            w.other
                .list_of(&w.tenant, &identity, minute(2), &page)
                .await
        }
    })
    .await?;
    let ids: Vec<SessionDigest> = listed.into_iter().map(|session| session.id).collect();
    equal(
        "the ids of Ada's sessions",
        &ids,
        &vec![fresh, later.id.clone()],
    )?;
    let ended = w
        .store
        .revoke_all_of(&w.tenant, &identity, &Keep::Session(later.id))
        .await?;
    equal("how many other sessions ended", &ended, &1)
}
