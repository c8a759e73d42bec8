//! The ends of families: revoking one, revoking all of somebody's.

use portproof_ports::{ClientId, FamiliesOf, Family, IdentityId, NewFamily, Ports, SessionRef};

use super::{Families, ada, app, current, digest, id, long_family, new_family, sid};
use crate::{
    Case, Checked, Failure, cases,
    check::equal,
    fixture::{START, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        revoked_family_is_gone,
        revoked_twice_is_told,
        revocation_race_has_one_winner,
        expired_family_is_revoked,
        everything_can_be_used_again,
        all_of_an_identity_end,
        all_of_a_client_end,
        all_of_a_session_end,
        all_of_the_tenant_end,
    ]
}

/// A revoked family is gone at once, with every token that it has or had, on every handle, and from
/// every list; other families stay.
///
/// Otherwise an app that was logged out is still logged in on another server.
#[rule(
    "refresh_tokens::revoke::ends_it_everywhere",
    source = "better-auth #3885, #10520: a second store kept authenticating; AuthHero: a cache outlived revokeFamily"
)]
async fn revoked_family_is_gone(w: &Families) -> Checked {
    let other = w.issue(new_family("other device")?).await?;
    let one = w.advance(&w.subject, "one", minute(1)).await?;
    let two = w.advance(&one, "two", minute(2)).await?;
    let revoked = w.store.revoke(&w.tenant, &w.subject.id).await?;
    equal("whether there was a family", &revoked, &true)?;
    let tokens = [&w.subject.token, &one.token, &two.token];
    w.are_gone("a token of the revoked family", &tokens).await?;
    w.is_current("the other family", &other).await?;
    equal("Ada's families", &w.of_ada(START).await?, &vec![other])
}

/// Revoking what is not there, or is not there any more, answers that there was none.
///
/// Otherwise an audit log tells of logouts that never happened.
#[rule(
    "refresh_tokens::revoke::answers_whether_there_was_one",
    source = "AuthHero: removing a missing refresh token answered true"
)]
async fn revoked_twice_is_told(w: &Families) -> Checked {
    for unknown in ["unknown", "Subject", "subject ", "subjec", "%"] {
        let revoked = w.store.revoke(&w.tenant, &id(unknown)?).await?;
        equal("revoking an unknown family", &revoked, &false)?;
    }
    w.subject_unchanged().await?;
    for (store, expected) in [(&w.store, true), (&w.store, false), (&w.other, false)] {
        let revoked = store.revoke(&w.tenant, &w.subject.id).await?;
        equal("whether there was a family to revoke", &revoked, &expected)?;
    }
    Ok(())
}

/// Of callers that revoke one family at once, one is told that it ended it.
///
/// Otherwise an audit log tells of one logout several times, or not at all.
#[rule(
    "refresh_tokens::revoke::race_has_one_winner",
    source = "everruns #2427, better-auth #6572: what a removal answered was wrong, or not looked at",
    environments = "isolation"
)]
async fn revocation_race_has_one_winner(w: &Families) -> Checked {
    for round in 0..4 {
        let family = w.issue(new_family(&format!("round {round}"))?).await?;
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, id) = (w.tenant.clone(), family.id.clone());
            async move { store.revoke(&tenant, &id).await }
        })
        .await?;
        exactly_one(
            "revoking one family at once",
            &answers,
            |answer| *answer == Ok(true),
            |answer| *answer == Ok(false),
        )?;
        w.are_gone("the revoked family's token", &[&family.token])
            .await?;
    }
    Ok(())
}

/// A family that has expired and is not swept yet can be revoked, and is gone then.
///
/// Otherwise a server whose clock is behind still lets the app in.
#[rule(
    "refresh_tokens::revoke::ends_an_expired_one",
    source = "revocation takes no time: the contract"
)]
async fn expired_family_is_revoked(w: &Families) -> Checked {
    let over = NewFamily {
        ends_at: minute(1),
        ..new_family("over")?
    };
    let over = w.issue(over).await?;
    let found = w.seen_at(&over.token, minute(1)).await?;
    equal("the family at its end", &found, &None)?;
    let revoked = w.store.revoke(&w.tenant, &over.id).await?;
    equal("revoking it", &revoked, &true)?;
    w.are_gone("the family by a clock that is behind", &[&over.token])
        .await?;
    w.subject_unchanged().await
}

/// What was revoked can be issued again, id and tokens, and starts afresh: tokens of the old family
/// are nobody's.
///
/// A token from before a logout that works in the family after it undoes the logout.
#[rule(
    "refresh_tokens::revoke::frees_what_it_ends",
    source = "spicedb, vault: delete, then create"
)]
async fn everything_can_be_used_again(w: &Families) -> Checked {
    let one = w.advance(&w.subject, "one", minute(1)).await?;
    w.advance(&one, "two", minute(2)).await?;
    w.store.revoke(&w.tenant, &w.subject.id).await?;
    let issued = w.issue(new_family("subject")?).await?;
    equal("the family that is issued anew", &issued, &w.subject)?;
    w.subject_unchanged().await?;
    w.are_gone(
        "a token of the old family",
        &[&digest("one"), &digest("two")],
    )
    .await?;
    let one = w.advance(&w.subject, "one", minute(1)).await?;
    w.is_current("the new family, rotated", &one).await
}

/// Whose families a rule about ending all of somebody's is about, and some that are nearly so.
struct Crowd {
    /// Three: one rotated twice, one over, one as it was issued.
    theirs: Vec<Family>,
    spared: Vec<Family>,
}

/// Issues three families and others that `unlike` makes from a name and one of these texts, each of
/// which is nearly `like`.
async fn crowd(
    w: &Families,
    like: &str,
    unlike: impl Fn(NewFamily, &str) -> Result<NewFamily, Failure>,
) -> Result<Crowd, Failure> {
    let over = NewFamily {
        ends_at: minute(1),
        ..new_family("over")?
    };
    let second = w.issue(new_family("second")?).await?;
    let second = w.advance(&second, "second on", START).await?;
    let second = w.advance(&second, "second still on", START).await?;
    let theirs = vec![w.subject.clone(), second, w.issue(over).await?];
    let mut spared = Vec::new();
    for (number, other) in [
        format!("{like} "),
        format!("{like}m"),
        like.to_uppercase(),
        like[..2].to_owned(),
        "%".to_owned(),
        "_".repeat(like.len()),
    ]
    .into_iter()
    .enumerate()
    {
        let given = unlike(long_family(&format!("other {number}"), "Ada")?, &other)?;
        spared.push(w.issue(given).await?);
    }
    Ok(Crowd { theirs, spared })
}

/// Fails unless ending all of these ends exactly theirs, once, and counts families.
async fn ends_exactly_theirs(w: &Families, whose: FamiliesOf, crowd: Crowd) -> Checked {
    let ended = w.store.revoke_all_of(&w.tenant, &whose).await?;
    equal("how many families ended", &ended, &3)?;
    for family in &crowd.theirs {
        w.are_gone("a token of a family that ended", &[&family.token])
            .await?;
    }
    let spent = [&digest("second"), &digest("second on")];
    w.are_gone("a spent token of a family that ended", &spent)
        .await?;
    for family in crowd.spared {
        equal(
            "a family that was not meant",
            &w.seen(&family.token).await?,
            &current(&family),
        )?;
    }
    let ended = w.other.revoke_all_of(&w.tenant, &whose).await?;
    equal("how many families ended the second time", &ended, &0)
}

/// Revoking all of an identity's families ends these, live or over, with all their tokens, and no
/// others; it answers how many families there were.
///
/// After a password was stolen, a family that is left keeps the thief's app logged in, and one too
/// many logs a stranger out.
#[rule(
    "refresh_tokens::revoke_all_of::ends_exactly_an_identitys",
    source = "better-auth #3885: what kept authenticating; duck-auth: removals answer with what they removed"
)]
async fn all_of_an_identity_end(w: &Families) -> Checked {
    let crowd = crowd(w, "Ada", |given, other| {
        let identity = IdentityId::new(other)?;
        Ok(NewFamily { identity, ..given })
    })
    .await?;
    ends_exactly_theirs(w, FamiliesOf::Identity(ada()?), crowd).await
}

/// Revoking all of a client's families ends these, whoever's they are, and no others.
///
/// An app that was removed for what it did goes on doing it.
#[rule(
    "refresh_tokens::revoke_all_of::ends_exactly_a_clients",
    source = "hydra: deleting a client removes its tokens; AuthHero dd071e0: clients were mixed up"
)]
async fn all_of_a_client_end(w: &Families) -> Checked {
    let crowd = crowd(w, "App", |given, other| {
        let client = ClientId::new(other)?;
        Ok(NewFamily { client, ..given })
    })
    .await?;
    ends_exactly_theirs(w, FamiliesOf::Client(app()?), crowd).await
}

/// Revoking all families of a session ends these and no others: neither those of no session, nor
/// those of the same identity and client in another.
///
/// A logout that leaves an app's token logs nobody out; one that ends every device's is a nuisance.
#[rule(
    "refresh_tokens::revoke_all_of::ends_exactly_a_sessions",
    source = "AuthHero revokeByLoginSession; the back-channel logout of OpenID Connect"
)]
async fn all_of_a_session_end(w: &Families) -> Checked {
    let mut crowd = crowd(w, "Sid", |given, other| {
        let session = Some(SessionRef::new(other)?);
        Ok(NewFamily { session, ..given })
    })
    .await?;
    for name in ["null", "NULL", "None"] {
        let sessionless = NewFamily {
            session: None,
            ..long_family(name, "Ada")?
        };
        crowd.spared.push(w.issue(sessionless).await?);
        let whose = FamiliesOf::Session(SessionRef::new(name)?);
        let ended = w.store.revoke_all_of(&w.tenant, &whose).await?;
        equal(
            &format!("how many of the session {name:?} ended"),
            &ended,
            &0,
        )?;
    }
    ends_exactly_theirs(w, FamiliesOf::Session(sid()?), crowd).await
}

/// Revoking everybody's families ends all of the tenant's, live or over, and none of another
/// tenant's.
///
/// After a breach a tenant ends everything; one family that is left is the thief's.
#[rule(
    "refresh_tokens::revoke_all_of::ends_everybodys",
    source = "paySphere #1917: a missing tenant meant all of them"
)]
async fn all_of_the_tenant_end(w: &Families) -> Checked {
    let tenant = w.context.tenant()?;
    let mut tokens = Vec::new();
    for (name, identity) in [("one", "Ada"), ("two", "ada"), ("three", "Mallory")] {
        let given = long_family(name, identity)?;
        tokens.push(w.store.issue(&tenant, given, START).await?.token);
    }
    let over = NewFamily {
        session: None,
        ends_at: minute(1),
        ..new_family("over")?
    };
    tokens.push(w.store.issue(&tenant, over, START).await?.token);
    for expected in [4, 0] {
        let ended = w
            .store
            .revoke_all_of(&tenant, &FamiliesOf::Everybody)
            .await?;
        equal("how many families ended", &ended, &expected)?;
    }
    for token in tokens {
        let found = w.other.get(&tenant, &token, START).await?;
        equal("a token of a family that ended", &found, &None)?;
    }
    w.subject_unchanged().await
}
