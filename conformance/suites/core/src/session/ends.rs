//! The ends of sessions: revoking one, revoking all of an identity's.

use portproof_ports::{Keep, NewSession, Ports, SessionDigest};

use super::{Sessions, ada, digest, long_session, new_session};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::{START, document, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        revoked_session_is_gone,
        revoked_twice_is_told,
        revocation_race_has_one_winner,
        expired_session_is_revoked,
        id_can_be_used_again,
        all_of_an_identity_end,
        kept_session_stays,
        kept_session_must_be_theirs,
        all_means_more_than_a_page,
        late_session_stays_or_ends,
    ]
}

/// A revoked session is gone at once, on every handle, and from every list.
///
/// Otherwise whoever logged out is still logged in on another server.
#[rule(
    "session::revoke::ends_it_everywhere",
    source = "better-auth #3885, #10520: a second store kept authenticating"
)]
async fn revoked_session_is_gone(w: &Sessions) -> Checked {
    equal(
        "whether there was a session",
        &w.store.revoke(&w.tenant, &w.subject.id).await?,
        &true,
    )?;
    equal("the revoked session", &w.seen(&w.subject.id).await?, &None)?;
    equal("Ada's sessions", &w.of_ada(START).await?, &vec![])
}

/// Revoking what is not there, or is not there any more, answers that there was none.
///
/// Otherwise an audit log tells of logouts that never happened.
#[rule(
    "session::revoke::answers_whether_there_was_one",
    source = "AuthHero: removing a missing row answered true"
)]
async fn revoked_twice_is_told(w: &Sessions) -> Checked {
    equal(
        "revoking an unknown session",
        &w.store.revoke(&w.tenant, &digest("unknown")).await?,
        &false,
    )?;
    w.subject_unchanged().await?;
    equal(
        "revoking a session",
        &w.store.revoke(&w.tenant, &w.subject.id).await?,
        &true,
    )?;
    equal(
        "revoking it again",
        &w.store.revoke(&w.tenant, &w.subject.id).await?,
        &false,
    )?;
    equal(
        "revoking it elsewhere",
        &w.other.revoke(&w.tenant, &w.subject.id).await?,
        &false,
    )
}

/// Of callers that revoke one session at once, one is told that it ended it.
///
/// Otherwise an audit log tells of one logout several times, or not at all.
#[rule(
    "session::revoke::race_has_one_winner",
    source = "everruns #2427, better-auth #6572: what a removal answered was wrong, or not looked at",
    environments = "isolation"
)]
async fn revocation_race_has_one_winner(w: &Sessions) -> Checked {
    for round in 0..4 {
        let session = w.create(new_session(&format!("round {round}"))?).await?;
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, id) = (w.tenant.clone(), session.id.clone());
            async move { store.revoke(&tenant, &id).await }
        })
        .await?;
        exactly_one(
            "revoking one session at once",
            &answers,
            |answer| *answer == Ok(true),
            |answer| *answer == Ok(false),
        )?;
        equal("the revoked session", &w.seen(&session.id).await?, &None)?;
    }
    Ok(())
}

/// A session that has expired and is not swept yet can be revoked, and is gone then.
///
/// Otherwise a server whose clock is behind still lets its user in.
#[rule(
    "session::revoke::ends_an_expired_one",
    source = "session revocation takes no time: the contract"
)]
async fn expired_session_is_revoked(w: &Sessions) -> Checked {
    let over = NewSession {
        ends_at: minute(1),
        ..new_session("over")?
    };
    let over = w.create(over).await?;
    let found = w.store.get(&w.tenant, &over.id, minute(1)).await?;
    equal("the session at its end", &found, &None)?;
    equal(
        "revoking it",
        &w.store.revoke(&w.tenant, &over.id).await?,
        &true,
    )?;
    equal(
        "the session by a clock that is behind",
        &w.seen(&over.id).await?,
        &None,
    )?;
    w.subject_unchanged().await
}

/// A session that is created under a revoked one's id starts afresh: nothing of the old one is
/// left.
///
/// Otherwise a new session begins with the data of one that was ended.
#[rule(
    "session::revoke::frees_the_id",
    source = "spicedb, vault: delete, then create"
)]
async fn id_can_be_used_again(w: &Sessions) -> Checked {
    some(
        "the session",
        w.store.touch(&w.tenant, &w.subject.id, minute(1)).await?,
    )?;
    w.store
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            document("old")?,
            minute(1),
        )
        .await?;
    w.store.revoke(&w.tenant, &w.subject.id).await?;
    let created = w.create(new_session("subject")?).await?;
    equal("the new session", &created, &w.subject)?;
    w.subject_unchanged().await
}

/// Revoking all of an identity's sessions ends these, live or over, and no others; it answers how
/// many there were.
///
/// After a password was stolen, a session that is left keeps the thief logged in, and one too many
/// logs a stranger out.
#[rule(
    "session::revoke_all_of::ends_exactly_theirs",
    source = "kratos; better-auth #3885: sessions that kept authenticating"
)]
async fn all_of_an_identity_end(w: &Sessions) -> Checked {
    let over = NewSession {
        ends_at: minute(1),
        ..new_session("over")?
    };
    let others = ["Ada ", "Adá", "Adam", "%", "A_a"];
    let mut spared = Vec::new();
    for (number, other) in others.iter().enumerate() {
        spared.push(
            w.create(long_session(&format!("other {number}"), Some(other))?)
                .await?,
        );
    }
    w.create(over).await?;
    w.create(new_session("second")?).await?;
    let ended = w
        .store
        .revoke_all_of(&w.tenant, &ada()?, &Keep::Nothing)
        .await?;
    equal("how many sessions ended", &ended, &3)?;
    for bearer in ["subject", "second", "over"] {
        equal(
            &format!("the session {bearer}"),
            &w.seen(&digest(bearer)).await?,
            &None,
        )?;
    }
    for session in spared {
        equal(
            "another identity's session",
            &w.seen(&session.id).await?,
            &Some(session),
        )?;
    }
    let ended = w
        .other
        .revoke_all_of(&w.tenant, &ada()?, &Keep::Nothing)
        .await?;
    equal("how many sessions ended the second time", &ended, &0)
}

/// The session that is to be kept stays as it is, and is not counted.
///
/// Otherwise a user who logs out everywhere else is logged out here, too.
#[rule(
    "session::revoke_all_of::keeps_the_one",
    source = "kratos: revoke others"
)]
async fn kept_session_stays(w: &Sessions) -> Checked {
    w.create(new_session("second")?).await?;
    w.create(new_session("third")?).await?;
    let keep = Keep::Session(w.subject.id.clone());
    let ended = w.store.revoke_all_of(&w.tenant, &ada()?, &keep).await?;
    equal("how many sessions ended", &ended, &2)?;
    for bearer in ["second", "third"] {
        equal(
            &format!("the session {bearer}"),
            &w.seen(&digest(bearer)).await?,
            &None,
        )?;
    }
    w.subject_unchanged().await
}

/// Keeping a session of somebody else, or one that is not stored, keeps none of the identity's.
///
/// Otherwise a wrong id in the request leaves a thief's session alive.
#[rule(
    "session::revoke_all_of::keeps_only_theirs",
    source = "kratos: the excepted session belongs to the identity"
)]
async fn kept_session_must_be_theirs(w: &Sessions) -> Checked {
    let mut near = *w.subject.id.as_bytes();
    near[31] ^= 1;
    for keep in [
        digest("bystander"),
        digest("guest"),
        digest("unknown"),
        SessionDigest::new(near),
    ] {
        w.store.revoke(&w.tenant, &w.subject.id).await?;
        w.create(new_session("subject")?).await?;
        let ended = w
            .store
            .revoke_all_of(&w.tenant, &ada()?, &Keep::Session(keep))
            .await?;
        equal("how many sessions ended", &ended, &1)?;
        equal("Ada's session", &w.seen(&w.subject.id).await?, &None)?;
    }
    Ok(())
}

/// All sessions of an identity end, also when they are more than any page holds.
///
/// An adapter that ends a hundred of them leaves the thief's session alive.
#[rule(
    "session::revoke_all_of::ends_more_than_a_page",
    source = "AuthHero 7d9f138: logout revoked the first 100 only"
)]
async fn all_means_more_than_a_page(w: &Sessions) -> Checked {
    const MANY: usize = 1001;
    w.create_many(MANY).await?;
    let keep = Keep::Session(w.subject.id.clone());
    let ended = w.store.revoke_all_of(&w.tenant, &ada()?, &keep).await?;
    equal("how many sessions ended", &ended, &(MANY as u64))?;
    for number in [0, 99, 100, 999, 1000] {
        let id = digest(&format!("one of many {number}"));
        equal(&format!("session {number}"), &w.seen(&id).await?, &None)?;
    }
    equal(
        "Ada's sessions",
        &w.of_ada(START).await?,
        &vec![w.subject.clone()],
    )?;
    w.subject_unchanged().await
}

/// A session that is created while all are ended is either ended and counted, or lives.
///
/// Otherwise the user is told that fewer sessions ended than did, or is logged out after logging
/// in.
#[rule(
    "session::revoke_all_of::race_counts_what_ended",
    source = "none of the suites of this kind revokes while somebody logs in",
    environments = "isolation"
)]
async fn late_session_stays_or_ends(w: &Sessions) -> Checked {
    for round in 0..4 {
        let bearer = |racer: usize| format!("round {round}, racer {racer}");
        let before = w
            .store
            .revoke_all_of(&w.tenant, &ada()?, &Keep::Nothing)
            .await?;
        holds(before <= 8, "no more sessions end than were created")?;
        let identity = ada()?;
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, identity, given) = (
                w.tenant.clone(),
                identity.clone(),
                new_session(&bearer(racer)),
            );
            async move {
                if racer == 4 {
                    return Ok(store
                        .revoke_all_of(&tenant, &identity, &Keep::Nothing)
                        .await?);
                }
                store.create(&tenant, given?, START).await?;
                Ok::<u64, Failure>(0)
            }
        })
        .await?;
        let ended: u64 = answers.into_iter().sum::<Result<u64, Failure>>()?;
        let mut live = 0;
        for racer in 0..RACERS {
            live += u64::from(w.seen(&digest(&bearer(racer))).await?.is_some());
        }
        equal(
            "sessions that ended and sessions that live, together",
            &(ended + live),
            &(RACERS as u64 - 1),
        )?;
    }
    Ok(())
}
