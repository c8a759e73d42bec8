//! Updates of identities.

use portproof_ports::{ErrorKind, Identity, IdentityState, IdentityUpdate, Ports, Version};

use super::{Identities, account, id, unverified, username};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, some},
    fixture::{START, awkward_document, document, instants, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        update_replaces_state_and_profile,
        update_keeps_the_block,
        update_of_stale_version_is_refused,
        update_creates_nothing,
        update_race_has_one_winner,
        every_change_has_a_version,
    ]
}

pub(super) fn update(label: &str) -> Result<IdentityUpdate, Failure> {
    Ok(IdentityUpdate {
        state: IdentityState::Active,
        profile: document(label)?,
    })
}

/// An update replaces state and profile, raises the version by one, and leaves kind, identifiers
/// and creation as they are.
///
/// A change of the name must not drop the address.
#[rule(
    "identity::update::replaces_state_and_profile",
    source = "dex, kratos: an update dropped what it did not name"
)]
async fn update_replaces_state_and_profile(w: &Identities) -> Checked {
    let change = IdentityUpdate {
        state: IdentityState::Blocked(minute(4)),
        profile: awkward_document()?,
    };
    let updated = w
        .store
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            change.clone(),
            minute(5),
        )
        .await?;
    let expected = Identity {
        state: change.state,
        profile: change.profile,
        version: w.subject.version.next(),
        updated_at: minute(5),
        ..w.subject.clone()
    };
    equal("the answer of update", &updated, &expected)?;
    equal(
        "Ada",
        &w.seen(&w.subject.id).await?,
        &Some(expected.clone()),
    )?;
    for linked in &expected.identifiers {
        let found = w.other.find(&w.tenant, &linked.identifier).await?;
        equal("Ada as she is found", &found.as_ref(), &Some(&expected))?;
    }
    // What an update leaves out is gone, and one that changes nothing is a change.
    let plain = w
        .store
        .update(
            &w.tenant,
            &w.subject.id,
            expected.version,
            update("")?,
            minute(6),
        )
        .await?;
    equal(
        "the state after an update without a block",
        &plain.state,
        &IdentityState::Active,
    )?;
    let same = w
        .store
        .update(
            &w.tenant,
            &w.subject.id,
            plain.version,
            update("")?,
            minute(7),
        )
        .await?;
    equal(
        "the version after the same update",
        &same.version,
        &plain.version.next(),
    )?;
    equal("Ada in the end", &w.seen(&w.subject.id).await?, &Some(same))
}

/// A block is kept with the instant it began, to the microsecond.
///
/// A block that reads as "since 1970", or as none, lets somebody in or locks them out for ever.
#[rule(
    "identity::update::keeps_the_block",
    source = "dex: a blocked state and its time come back as they were"
)]
async fn update_keeps_the_block(w: &Identities) -> Checked {
    let mut version = w.subject.version;
    for since in instants()? {
        let change = IdentityUpdate {
            state: IdentityState::Blocked(since),
            ..update("blocked")?
        };
        w.store
            .update(&w.tenant, &w.subject.id, version, change, since)
            .await?;
        version = version.next();
        let found = some("Ada", w.store.get(&w.tenant, &w.subject.id).await?)?;
        equal("the block", &found.state, &IdentityState::Blocked(since))?;
        equal("the time of the change", &found.updated_at, &since)?;
        equal("the creation", &found.created_at, &START)?;
    }
    Ok(())
}

/// An update that saw another version is told so, and writes nothing.
///
/// Two administrators would undo each other, and a block would be gone.
#[rule(
    "identity::update::refuses_a_stale_version",
    source = "duck-auth: ten concurrent updates, one winner"
)]
async fn update_of_stale_version_is_refused(w: &Identities) -> Checked {
    for version in [w.subject.version.next(), Version::new(i64::MAX)?] {
        let answer = w
            .store
            .update(
                &w.tenant,
                &w.subject.id,
                version,
                update("late")?,
                minute(1),
            )
            .await;
        fails(
            "an update of a version that is not stored",
            answer,
            ErrorKind::Stale,
        )?;
    }
    w.subject_unchanged().await?;
    // A link is a change as well.
    w.store
        .link(
            &w.tenant,
            &w.subject.id,
            unverified(username("lovelace")?),
            minute(1),
        )
        .await?;
    let answer = w
        .other
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            update("late")?,
            minute(2),
        )
        .await;
    fails(
        "an update of the version before a link",
        answer,
        ErrorKind::Stale,
    )?;
    let found = some("Ada", w.seen(&w.subject.id).await?)?;
    equal("her profile", &found.profile, &w.subject.profile)
}

/// An update of an identity that is not stored, or not any more, is told, and creates nothing.
///
/// Somebody who was erased must not come back because a form was still open.
#[rule(
    "identity::update::creates_nothing",
    source = "AuthHero: updates of missing rows answered true"
)]
async fn update_creates_nothing(w: &Identities) -> Checked {
    let answer = w
        .store
        .update(
            &w.tenant,
            &id("nobody")?,
            Version::FIRST,
            update("x")?,
            minute(1),
        )
        .await;
    fails("an update of nobody", answer, ErrorKind::NotFound)?;
    equal("nobody", &w.seen(&id("nobody")?).await?, &None)?;
    w.store.erase(&w.tenant, &w.subject.id).await?;
    let answer = w
        .other
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            update("x")?,
            minute(1),
        )
        .await;
    fails(
        "an update of somebody who was erased",
        answer,
        ErrorKind::NotFound,
    )?;
    equal("Ada", &w.seen(&w.subject.id).await?, &None)
}

/// Of callers that update one version at once, one wins and the others are told.
///
/// A lost update is a lost block.
#[rule(
    "identity::update::race_has_one_winner",
    source = "dex #2547; duck-auth: ten concurrent updates, one winner",
    environments = "isolation"
)]
async fn update_race_has_one_winner(w: &Identities) -> Checked {
    let mut version = w.subject.version;
    for round in 0..4 {
        let mut changes = Vec::new();
        for racer in 0..RACERS {
            changes.push(update(&format!("round {round}, racer {racer}"))?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, ada) = (w.handle(racer), w.tenant.clone(), w.subject.id.clone());
            let change = changes[racer].clone();
            async move {
                store
                    .update(&tenant, &ada, version, change, minute(1))
                    .await
            }
        })
        .await?;
        exactly_one(
            "updating one version at once",
            &answers,
            Result::is_ok,
            |answer| answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Stale),
        )?;
        let won = answers.into_iter().find_map(Result::ok);
        equal("Ada", &w.seen(&w.subject.id).await?, &won)?;
        version = version.next();
    }
    Ok(())
}

/// Updates, links and unlinks of one identity at once each get a version of their own, and none is
/// lost.
///
/// Two changes with one version are one change that nobody sees.
#[rule(
    "identity::update::race_with_links_loses_none",
    source = "kratos: a read, a change and a write lost what came between",
    environments = "isolation"
)]
async fn every_change_has_a_version(w: &Identities) -> Checked {
    /// More attempts than any of them needs: with each that fails another one has succeeded.
    const MOST_ATTEMPTS: usize = 4 * RACERS;
    let answers = race(RACERS, |racer| {
        let (store, tenant, ada) = (w.handle(racer), w.tenant.clone(), w.subject.id.clone());
        async move {
            if racer.is_multiple_of(2) {
                let new = unverified(account("racers", &format!("{racer}"))?);
                store.link(&tenant, &ada, new, minute(1)).await?;
                return Ok(());
            }
            let mut attempt = 0;
            loop {
                attempt += 1;
                let found = some("Ada", store.get(&tenant, &ada).await?)?;
                let mut profile = found.profile.value().clone();
                profile[format!("racer {racer}")] = racer.into();
                let change = IdentityUpdate {
                    state: found.state,
                    profile: portproof_ports::Document::new(profile)?,
                };
                match store
                    .update(&tenant, &ada, found.version, change, minute(1))
                    .await
                {
                    Err(error) if error.kind() == ErrorKind::Stale && attempt < MOST_ATTEMPTS => {}
                    answer => return answer.map(drop).map_err(Failure::from),
                }
            }
        }
    })
    .await?;
    answers.into_iter().collect::<Checked>()?;
    let found = some("Ada", w.seen(&w.subject.id).await?)?;
    equal("her version", &found.version.get(), &(1 + 8))?;
    for racer in 0..RACERS {
        if racer.is_multiple_of(2) {
            let owner = w.owner(&account("racers", &format!("{racer}"))?).await?;
            equal(
                "the owner of a racer's",
                &owner.as_ref(),
                &Some(&w.subject.id),
            )?;
        } else {
            let written = &found.profile.value()[format!("racer {racer}")];
            equal("what a racer wrote", written, &racer.into())?;
        }
    }
    Ok(())
}
