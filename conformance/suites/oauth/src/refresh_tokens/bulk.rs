//! Ending many families at once.

use portproof_ports::{ClientId, FamiliesOf, IdentityId, NewFamily, Ports, Rotation};

use super::{Families, ada, app, digest, id, new_family, sid};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, minute},
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        many_of_an_identity_end,
        many_of_a_client_end,
        many_of_a_session_end,
        many_of_a_tenant_end,
        late_family_stays_or_ends,
        rotations_save_no_family,
    ]
}

/// More families than two pages hold.
const MANY: usize = 2500;

/// Fails unless ending `whose` ends [`MANY`] families of a tenant, which holds one more.
async fn ends_many(w: &Families, whose: FamiliesOf) -> Checked {
    let tenant = w.context.tenant()?;
    w.issue_many(&tenant, MANY).await?;
    let unlike = NewFamily {
        identity: IdentityId::new("Eve")?,
        client: ClientId::new("Another")?,
        session: None,
        ..new_family("unlike")?
    };
    let unlike = w.store.issue(&tenant, unlike, START).await?;
    let everybody = whose == FamiliesOf::Everybody;
    let ended = w.store.revoke_all_of(&tenant, &whose).await?;
    let expected = MANY + usize::from(everybody);
    equal("how many families ended", &ended, &(expected as u64))?;
    for number in [0, 99, 100, 999, 1000, 1001, 1999, 2000, 2499] {
        let token = digest(&format!("one of many {number}"));
        let found = w.other.get(&tenant, &token, START).await?;
        equal(&format!("the token of family {number}"), &found, &None)?;
    }
    let found = w.other.get(&tenant, &unlike.token, START).await?;
    equal(
        "whether the family that is nobody's of these lives",
        &found.is_some(),
        &!everybody,
    )?;
    let ended = w.other.revoke_all_of(&tenant, &whose).await?;
    equal("how many families ended the second time", &ended, &0)?;
    w.subject_unchanged().await
}

/// All families of an identity end, also when they are more than pages hold.
///
/// An adapter that ends a hundred, or a thousand, of them leaves the thief's alive.
#[rule(
    "refresh_tokens::revoke_all_of::ends_an_identitys_beyond_a_page",
    source = "AuthHero 7d9f138: logout revoked the first 100 only"
)]
async fn many_of_an_identity_end(w: &Families) -> Checked {
    ends_many(w, FamiliesOf::Identity(ada()?)).await
}

/// All families of a client end, also when they are more than pages hold.
///
/// Every user of an app has one; an app that is removed for a thousand of them only was not removed.
#[rule(
    "refresh_tokens::revoke_all_of::ends_a_clients_beyond_a_page",
    source = "AuthHero 7d9f138: a bulk revocation covers more than a page of rows"
)]
async fn many_of_a_client_end(w: &Families) -> Checked {
    ends_many(w, FamiliesOf::Client(app()?)).await
}

/// All families of a session end, also when they are more than pages hold.
///
/// What a logout leaves is not logged out, however much it was.
#[rule(
    "refresh_tokens::revoke_all_of::ends_a_sessions_beyond_a_page",
    source = "AuthHero 7d9f138: a bulk revocation covers more than a page of rows"
)]
async fn many_of_a_session_end(w: &Families) -> Checked {
    ends_many(w, FamiliesOf::Session(sid()?)).await
}

/// All families of a tenant end, also when they are more than pages hold.
///
/// After a breach, what is left after the first thousand is what the thief has.
#[rule(
    "refresh_tokens::revoke_all_of::ends_everybodys_beyond_a_page",
    source = "AuthHero 7d9f138: a bulk revocation covers more than a page of rows"
)]
async fn many_of_a_tenant_end(w: &Families) -> Checked {
    ends_many(w, FamiliesOf::Everybody).await
}

/// A family that is issued while all are ended is either ended and counted, or lives.
///
/// Otherwise the user is told that fewer ended than did, or an app is logged out after logging in.
#[rule(
    "refresh_tokens::revoke_all_of::race_counts_what_ended",
    source = "none of the suites of this kind revokes while somebody logs in",
    environments = "isolation"
)]
async fn late_family_stays_or_ends(w: &Families) -> Checked {
    let ways = [
        FamiliesOf::Identity(ada()?),
        FamiliesOf::Client(app()?),
        FamiliesOf::Session(sid()?),
        FamiliesOf::Everybody,
    ];
    for (round, whose) in ways.into_iter().enumerate() {
        let tenant = w.context.tenant()?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, whose) = (w.handle(racer), tenant.clone(), whose.clone());
            let given = new_family(&format!("round {round}, racer {racer}"));
            async move {
                if racer == 4 {
                    return Ok(store.revoke_all_of(&tenant, &whose).await?);
                }
                store.issue(&tenant, given?, START).await?;
                Ok::<u64, Failure>(0)
            }
        })
        .await?;
        let ended: u64 = answers.into_iter().sum::<Result<u64, Failure>>()?;
        let mut live = 0;
        for racer in 0..RACERS {
            let token = digest(&format!("round {round}, racer {racer}"));
            live += u64::from(w.store.get(&tenant, &token, START).await?.is_some());
        }
        equal(
            "families that ended and families that live, together",
            &(ended + live),
            &(RACERS as u64 - 1),
        )?;
    }
    Ok(())
}

/// Families that are rotated while all are ended are all ended, and each is counted once.
///
/// A rotation that is quick enough to bring its family through a logout is a way around every logout.
#[rule(
    "refresh_tokens::revoke_all_of::race_with_rotations_leaves_none",
    source = "auth0/nextjs-auth0 #2335: a token that was renewed while its owner logged out",
    environments = "isolation"
)]
async fn rotations_save_no_family(w: &Families) -> Checked {
    for round in 0..4 {
        let name = |racer: usize| format!("round {round}, racer {racer}");
        for racer in 0..RACERS {
            w.issue(new_family(&name(racer))?).await?;
        }
        let (client, whose) = (app()?, FamiliesOf::Identity(ada()?));
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (client, whose, token) = (client.clone(), whose.clone(), digest(&name(racer)));
            async move {
                if racer == 3 {
                    return Ok(store.revoke_all_of(&tenant, &whose).await?);
                }
                let mut old = token;
                for number in 0..4 {
                    let new = digest(&format!("round {round}, racer {racer}, token {number}"));
                    let rotation = store
                        .rotate(&tenant, &client, &old, &new, None, minute(1))
                        .await?;
                    match rotation {
                        Rotation::Rotated(_) => old = new,
                        Rotation::Gone => break,
                        other => return Err(Failure::new(format!("a racer got {other:?}"))),
                    }
                }
                Ok(0)
            }
        })
        .await?;
        let ended: u64 = answers.into_iter().sum::<Result<u64, Failure>>()?;
        // In the first round the subject ends, too.
        let expected = RACERS as u64 + u64::from(round == 0);
        equal("how many families ended", &ended, &expected)?;
        equal("Ada's families", &w.of_ada(START).await?, &vec![])?;
        for racer in 0..RACERS {
            w.are_gone("a token of a family that ended", &[&digest(&name(racer))])
                .await?;
            let revoked = w.store.revoke(&w.tenant, &id(&name(racer))?).await?;
            holds(!revoked, "no family is left to revoke")?;
        }
    }
    Ok(())
}
