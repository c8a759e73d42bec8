//! The ends of codes: revoking one, revoking all of somebody's.

use portproof_ports::{
    BoundTo, ClientId, Code, CodeKinds, CodesOf, Consumed, IdentityId, NewCode, Ports,
};

use super::{Codes, ada, app, digest, kind, long_code, new_code};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        revoked_code_is_gone,
        revoked_twice_is_told,
        revocation_race_has_one_winner,
        dead_code_is_revoked,
        consumed_code_stays,
        revoker_races_with_a_consumer,
        id_can_be_used_again,
        all_of_an_identity_end,
        all_of_a_client_end,
        all_of_a_kind_end,
        consumed_codes_stay,
        all_means_more_than_a_page,
        late_code_stays_or_ends,
    ]
}

/// A revoked code is gone at once, on every handle, and nobody consumes it.
///
/// Whoever asks for a new code, or changes the password, wants the old code to be dead.
#[rule(
    "codes::revoke::ends_it_everywhere",
    source = "better-auth #3885, #10520: a second store kept authenticating"
)]
async fn revoked_code_is_gone(w: &Codes) -> Checked {
    let (kind, id) = (&w.subject.kind, &w.subject.id);
    equal(
        "whether there was a code",
        &w.store.revoke(&w.tenant, kind, id).await?,
        &true,
    )?;
    equal("the revoked code", &w.seen(id).await?, &None)?;
    for store in [&w.store, &w.other] {
        let consumed = store
            .consume(&w.tenant, kind, id, &w.subject.bound_to, minute(1))
            .await?;
        equal("consuming it", &consumed, &Consumed::Refused)?;
        let counted = store.record_failure(&w.tenant, kind, id, minute(1)).await?;
        equal("a guess at it", &counted, &None)?;
    }
    Ok(())
}

/// Revoking what is not there, or is not there any more, answers that there was none.
///
/// Otherwise an audit log tells of codes that never were.
#[rule(
    "codes::revoke::answers_whether_there_was_one",
    source = "AuthHero: removing a missing row answered true"
)]
async fn revoked_twice_is_told(w: &Codes) -> Checked {
    let (code_kind, id) = (&w.subject.kind, &w.subject.id);
    equal(
        "revoking an unknown code",
        &w.store
            .revoke(&w.tenant, code_kind, &digest("unknown"))
            .await?,
        &false,
    )?;
    equal(
        "revoking it as another kind",
        &w.store.revoke(&w.tenant, &kind("state")?, id).await?,
        &false,
    )?;
    w.subject_unchanged().await?;
    for (what, store, expected) in [
        ("revoking it", &w.store, true),
        ("revoking it again", &w.store, false),
        ("revoking it elsewhere", &w.other, false),
    ] {
        let ended = store.revoke(&w.tenant, code_kind, id).await?;
        equal(what, &ended, &expected)?;
    }
    Ok(())
}

/// Of callers that revoke one code at once, one is told that it ended it.
///
/// Otherwise an audit log tells of one revocation several times, or not at all.
#[rule(
    "codes::revoke::race_has_one_winner",
    source = "everruns #2427, better-auth #6572: what a removal answered was wrong, or not looked at",
    environments = "isolation"
)]
async fn revocation_race_has_one_winner(w: &Codes) -> Checked {
    for round in 0..4 {
        let code = w.put(new_code(&format!("round {round}"))?).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, code) = (w.handle(racer), w.tenant.clone(), code.clone());
            async move { store.revoke(&tenant, &code.kind, &code.id).await }
        })
        .await?;
        exactly_one(
            "revoking one code at once",
            &answers,
            |answer| *answer == Ok(true),
            |answer| *answer == Ok(false),
        )?;
        equal("the revoked code", &w.seen(&code.id).await?, &None)?;
    }
    Ok(())
}

/// A code that is over or guessed out, and is not swept yet, can be revoked, and is gone then.
///
/// Otherwise a server whose clock is behind still takes it.
#[rule(
    "codes::revoke::ends_a_dead_one",
    source = "a revocation takes no time: the contract"
)]
async fn dead_code_is_revoked(w: &Codes) -> Checked {
    let (kind, id) = (&w.subject.kind, &w.subject.id);
    let over = w.seen_as(kind, id, minute(10)).await?;
    equal("the code at its end", &over, &None)?;
    let guessed_out = w.guessed_out("guessed out").await?;
    for id in [id, &guessed_out.id] {
        equal(
            "revoking it",
            &w.store.revoke(&w.tenant, kind, id).await?,
            &true,
        )?;
        equal(
            "the code by a clock that is behind",
            &w.seen(id).await?,
            &None,
        )?;
        equal(
            "revoking it again",
            &w.store.revoke(&w.tenant, kind, id).await?,
            &false,
        )?;
    }
    Ok(())
}

/// Revoking a consumed code answers that there was none, and leaves it: a replay is still told.
///
/// A thief who can have a code revoked would hide that it was used.
#[rule(
    "codes::revoke::spares_consumed_ones",
    source = "hydra: a used code stays, to notice a replay"
)]
async fn consumed_code_stays(w: &Codes) -> Checked {
    w.is_consumed_once(&w.subject, minute(1)).await?;
    let (kind, id) = (&w.subject.kind, &w.subject.id);
    equal(
        "revoking a consumed code",
        &w.other.revoke(&w.tenant, kind, id).await?,
        &false,
    )?;
    let consumed = Code {
        consumed_at: Some(minute(1)),
        ..w.subject.clone()
    };
    equal(
        "consuming it again",
        &w.consume(&w.subject, minute(2)).await?,
        &Consumed::Replayed(consumed),
    )
}

/// Of a revoker and a consumer at once, one succeeds and the other is told that it did not.
///
/// Otherwise a user who is told that the code is dead is logged in with it by somebody else.
#[rule(
    "codes::revoke::races_with_a_consumer",
    source = "none of the suites of this kind revokes a code while somebody redeems it",
    environments = "isolation"
)]
async fn revoker_races_with_a_consumer(w: &Codes) -> Checked {
    for round in 0..8 {
        let code = w.put(new_code(&format!("round {round}"))?).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, code) = (w.handle(racer), w.tenant.clone(), code.clone());
            async move {
                // Who comes first changes from round to round.
                if (racer / 2 + round) % 2 == 0 {
                    return Ok(store.revoke(&tenant, &code.kind, &code.id).await?);
                }
                let consumed = store
                    .consume(&tenant, &code.kind, &code.id, &code.bound_to, minute(1))
                    .await?;
                Ok::<_, Failure>(matches!(consumed, Consumed::First(_)))
            }
        })
        .await?;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        exactly_one(
            "revoking and consuming one code at once",
            &answers,
            |won| *won,
            |won| !*won,
        )?;
    }
    Ok(())
}

/// A code that is stored under a revoked one's id starts afresh: nothing of the old one is left.
///
/// Otherwise a new code begins with the guesses at the old one.
#[rule(
    "codes::revoke::frees_the_id",
    source = "spicedb, vault: delete, then create"
)]
async fn id_can_be_used_again(w: &Codes) -> Checked {
    for _ in 0..3 {
        w.guess(&w.subject, minute(1)).await?;
    }
    w.store
        .revoke(&w.tenant, &w.subject.kind, &w.subject.id)
        .await?;
    let stored = w.put(new_code("subject")?).await?;
    equal("the new code", &stored, &w.subject)?;
    w.subject_unchanged().await?;
    w.is_consumed_once(&w.subject, minute(2)).await
}

/// Revoking all of an identity's codes ends these, whatever their kind and client, live or not, and
/// no others; it answers how many there were.
///
/// After a password was stolen, a code that is left lets the thief in, and one too many locks a
/// stranger out.
#[rule(
    "codes::revoke_all_of::ends_exactly_theirs",
    source = "kratos: all codes of a flow, and exactly those; better-auth #3885"
)]
async fn all_of_an_identity_end(w: &Codes) -> Checked {
    let mut spared = Vec::new();
    for (number, other) in ["Ada ", "Adá", "Adam", "%", "A_a"].iter().enumerate() {
        spared.push(
            w.put(long_code(&format!("other {number}"), other, "app")?)
                .await?,
        );
    }
    let of_nobody = NewCode {
        identity: None,
        ..new_code("of nobody else")?
    };
    spared.push(w.put(of_nobody).await?);
    w.put(NewCode {
        expires_at: minute(1),
        ..new_code("over")?
    })
    .await?;
    let unbound = NewCode {
        kind: kind("one_time_code")?,
        bound_to: BoundTo::Nobody,
        ..new_code("unbound")?
    };
    let unbound = w.put(unbound).await?;
    w.put(long_code("of another client", "Ada", "other")?)
        .await?;
    w.guessed_out("guessed out").await?;
    let whose = CodesOf::Identity(ada()?);
    let ended = w
        .store
        .revoke_all_of(&w.tenant, &whose, &CodeKinds::Every)
        .await?;
    equal("how many codes ended", &ended, &5)?;
    for bearer in ["subject", "over", "of another client", "guessed out"] {
        equal(
            &format!("the code {bearer}"),
            &w.seen(&digest(bearer)).await?,
            &None,
        )?;
    }
    let found = w.seen_as(&unbound.kind, &unbound.id, START).await?;
    equal("the unbound code", &found, &None)?;
    for code in spared {
        w.unchanged(&code).await?;
    }
    let ended = w
        .other
        .revoke_all_of(&w.tenant, &whose, &CodeKinds::Every)
        .await?;
    equal("how many codes ended the second time", &ended, &0)
}

/// Revoking all codes that are bound to a client ends these, whoever's they are, and no others.
///
/// A client that was removed or lost its secret must not redeem what is still on its way.
#[rule(
    "codes::revoke_all_of::ends_a_clients",
    source = "hydra: deleting a client removes what was issued to it"
)]
async fn all_of_a_client_end(w: &Codes) -> Checked {
    let mut spared = Vec::new();
    for (number, other) in ["app ", "áp", "apps", "%", "a_p", "Ada"].iter().enumerate() {
        spared.push(
            w.put(long_code(&format!("other {number}"), "Ada", other)?)
                .await?,
        );
    }
    let unbound = NewCode {
        bound_to: BoundTo::Nobody,
        ..new_code("unbound")?
    };
    spared.push(w.put(unbound).await?);
    w.put(long_code("of Grace", "Grace", "app")?).await?;
    let of_nobody = NewCode {
        identity: None,
        ..new_code("of nobody else")?
    };
    w.put(of_nobody).await?;
    let ended = w
        .store
        .revoke_all_of(&w.tenant, &CodesOf::Client(app()?), &CodeKinds::Every)
        .await?;
    equal("how many codes ended", &ended, &3)?;
    for bearer in ["subject", "of Grace", "of nobody else"] {
        equal(
            &format!("the code {bearer}"),
            &w.seen(&digest(bearer)).await?,
            &None,
        )?;
    }
    for code in spared {
        w.unchanged(&code).await?;
    }
    // A client that is called as nobody is written has no code either.
    for name in ["nobody", "null", "None", "-"] {
        let whose = CodesOf::Client(ClientId::new(name)?);
        let ended = w
            .store
            .revoke_all_of(&w.tenant, &whose, &CodeKinds::Every)
            .await?;
        equal(&format!("how many codes of {name:?} ended"), &ended, &0)?;
    }
    Ok(())
}

/// Revoking somebody's codes of one kind leaves those of all others.
///
/// Whoever asks for a new code for a password must not lose their recovery codes.
#[rule(
    "codes::revoke_all_of::keeps_to_the_kind",
    source = "kratos: deleting a flow's codes deletes exactly those"
)]
async fn all_of_a_kind_end(w: &Codes) -> Checked {
    let mut spared = Vec::new();
    for name in ["recovery_code", "Authorization_code", "authorization", "%"] {
        let given = NewCode {
            kind: kind(name)?,
            ..new_code("of another kind")?
        };
        spared.push(w.put(given).await?);
    }
    for whose in [CodesOf::Identity(ada()?), CodesOf::Client(app()?)] {
        w.put(new_code(&format!("second of {whose:?}"))?).await?;
        w.store
            .revoke(&w.tenant, &w.subject.kind, &w.subject.id)
            .await?;
        w.put(new_code("subject")?).await?;
        let kinds = CodeKinds::Only(w.subject.kind.clone());
        let ended = w.store.revoke_all_of(&w.tenant, &whose, &kinds).await?;
        equal("how many codes ended", &ended, &2)?;
        equal("the code", &w.seen(&w.subject.id).await?, &None)?;
        for code in &spared {
            w.unchanged(code).await?;
        }
    }
    Ok(())
}

/// Revoking all of somebody's codes leaves those that were consumed, and counts none of them.
///
/// A thief who is noticed and locked out would go unnoticed when trying the code again.
#[rule(
    "codes::revoke_all_of::spares_consumed_ones",
    source = "hydra: a used code stays, to notice a replay"
)]
async fn consumed_codes_stay(w: &Codes) -> Checked {
    w.put(new_code("second")?).await?;
    w.is_consumed_once(&w.subject, minute(1)).await?;
    let consumed = Code {
        consumed_at: Some(minute(1)),
        ..w.subject.clone()
    };
    for (whose, expected) in [(CodesOf::Identity(ada()?), 1), (CodesOf::Client(app()?), 0)] {
        let ended = w
            .store
            .revoke_all_of(&w.tenant, &whose, &CodeKinds::Every)
            .await?;
        equal("how many codes ended", &ended, &expected)?;
        equal(
            "consuming the consumed code again",
            &w.consume(&w.subject, minute(2)).await?,
            &Consumed::Replayed(consumed.clone()),
        )?;
    }
    Ok(())
}

/// All codes of an identity end, also when they are more than any page or batch holds.
///
/// An adapter that ends a hundred of them leaves the thief's code alive.
#[rule(
    "codes::revoke_all_of::ends_more_than_a_page",
    source = "AuthHero 7d9f138: logout revoked the first 100 only"
)]
async fn all_means_more_than_a_page(w: &Codes) -> Checked {
    const MANY: usize = 2500;
    w.put_many(MANY).await?;
    let whose = CodesOf::Identity(ada()?);
    let ended = w
        .store
        .revoke_all_of(&w.tenant, &whose, &CodeKinds::Every)
        .await?;
    // With the subject.
    equal("how many codes ended", &ended, &(MANY as u64 + 1))?;
    let left = w.left_of_many((0..MANY).step_by(99)).await?;
    equal("how many are left", &left, &0)
}

/// A code that is stored while all are ended is either ended and counted, or lives.
///
/// Otherwise the user is told that fewer codes ended than did, or waits for one that is dead.
#[rule(
    "codes::revoke_all_of::race_counts_what_ended",
    source = "none of the suites of this kind revokes while somebody asks for a code",
    environments = "isolation"
)]
async fn late_code_stays_or_ends(w: &Codes) -> Checked {
    for round in 0..4 {
        let bearer = |racer: usize| format!("round {round}, racer {racer}");
        let whose = CodesOf::Identity(IdentityId::new("Ada")?);
        let before = w
            .store
            .revoke_all_of(&w.tenant, &whose, &CodeKinds::Every)
            .await?;
        holds(before <= 8, "no more codes end than were stored")?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, whose) = (w.handle(racer), w.tenant.clone(), whose.clone());
            let given = new_code(&bearer(racer));
            async move {
                if racer == 4 {
                    let ended = store.revoke_all_of(&tenant, &whose, &CodeKinds::Every);
                    return Ok(ended.await?);
                }
                store.put(&tenant, given?, START).await?;
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
            "codes that ended and codes that live, together",
            &(ended + live),
            &(RACERS as u64 - 1),
        )?;
    }
    Ok(())
}
