//! Changes of identities: updating, merging and erasing them.

use portproof_ports::{
    ErrorKind, Identity, IdentityId, IdentityState, IdentityUpdate, MAX_IDENTIFIERS, Ports, Version,
};

use super::{Identities, account, ada, email, id, new_identity, unverified, username, verified};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds, some},
    race::{RACERS, exactly_one, race},
    rule,
    suites::fixture::{START, awkward_document, document, instants, minute},
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        update_replaces_state_and_profile,
        update_keeps_the_block,
        update_of_stale_version_is_refused,
        update_creates_nothing,
        update_race_has_one_winner,
        every_change_has_a_version,
        merge_moves_everything,
        merge_refuses_itself,
        merge_needs_both,
        merge_keeps_to_the_limit,
        merge_race_has_one_winner,
        merge_is_refused_when_disclaimed,
        erase_removes_one,
        erase_frees_what_it_had,
        erase_race_has_one_winner,
        erase_race_with_link_leaves_no_orphan,
    ]
}

fn update(label: &str) -> Result<IdentityUpdate, Failure> {
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
    source = "dex #2547; duck-auth: ten concurrent updates, one winner"
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
    source = "kratos: a read, a change and a write lost what came between"
)]
async fn every_change_has_a_version(w: &Identities) -> Checked {
    let answers = race(RACERS, |racer| {
        let (store, tenant, ada) = (w.handle(racer), w.tenant.clone(), w.subject.id.clone());
        async move {
            if racer.is_multiple_of(2) {
                let new = unverified(account("racers", &format!("{racer}"))?);
                store.link(&tenant, &ada, new, minute(1)).await?;
                return Ok(());
            }
            loop {
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
                    Err(error) if error.kind() == ErrorKind::Stale => {}
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

/// A merge moves every identifier of the duplicate to the survivor, as verified and linked as they
/// were, and erases the duplicate; of the survivor nothing else changes but version and time.
///
/// After it both addresses log into one account, and the other account is gone.
#[rule(
    "identity::merge::moves_everything",
    source = "duck-auth: merge moves providers and deletes the duplicate",
    capability = "identity.merge"
)]
async fn merge_moves_everything(w: &Identities) -> Checked {
    let duplicate = new_identity(
        "duplicate",
        vec![
            verified(email("second@example.com")?, minute(7)),
            unverified(account("google", "second")?),
        ],
    )?;
    let duplicate = w.store.create(&w.tenant, duplicate, minute(2)).await?;
    let merged = w
        .store
        .merge(&w.tenant, &w.subject.id, &duplicate.id, minute(9))
        .await?;
    let mut expected = w.subject.clone();
    expected.identifiers.extend(duplicate.identifiers.clone());
    expected
        .identifiers
        .sort_by(|one, two| one.identifier.cmp(&two.identifier));
    expected.version = w.subject.version.next();
    expected.updated_at = minute(9);
    equal("the answer of merge", &merged, &expected)?;
    equal(
        "the survivor",
        &w.seen(&w.subject.id).await?,
        &Some(expected.clone()),
    )?;
    equal("the duplicate", &w.seen(&duplicate.id).await?, &None)?;
    for linked in &expected.identifiers {
        let owner = w.owner(&linked.identifier).await?;
        equal(
            &format!("the owner of {:?}", linked.identifier),
            &owner.as_ref(),
            &Some(&w.subject.id),
        )?;
    }
    // Also a duplicate without identifiers is gone.
    let bare = w.create(new_identity("bare", vec![])?).await?;
    w.store
        .merge(&w.tenant, &w.subject.id, &bare.id, minute(10))
        .await?;
    equal("the bare duplicate", &w.seen(&bare.id).await?, &None)
}

/// Merging an identity into itself is refused, and changes nothing.
///
/// Otherwise it erases the only account there is.
#[rule(
    "identity::merge::refuses_itself",
    source = "duck-auth: merge into itself",
    capability = "identity.merge"
)]
async fn merge_refuses_itself(w: &Identities) -> Checked {
    let answer = w
        .store
        .merge(&w.tenant, &w.subject.id, &w.subject.id, minute(1))
        .await;
    fails("merging Ada into herself", answer, ErrorKind::Refused)?;
    w.subject_unchanged().await
}

/// A merge needs both identities: when either is missing it is told, and nothing changes.
///
/// Half a merge is an account that was erased into nothing.
#[rule(
    "identity::merge::needs_both",
    source = "duck-auth: merge writes nothing when a side is missing",
    capability = "identity.merge"
)]
async fn merge_needs_both(w: &Identities) -> Checked {
    for (survivor, duplicate) in [
        ("nobody", "Ada"),
        ("Ada", "nobody"),
        ("nobody", "nobody either"),
    ] {
        let answer = w
            .store
            .merge(&w.tenant, &id(survivor)?, &id(duplicate)?, minute(1))
            .await;
        fails(
            &format!("merging {duplicate:?} into {survivor:?}"),
            answer,
            ErrorKind::NotFound,
        )?;
        w.subject_unchanged().await?;
    }
    equal("nobody", &w.seen(&id("nobody")?).await?, &None)
}

/// A merge that would give the survivor more than 64 identifiers is refused, and changes neither.
///
/// A limit that a merge goes around is none.
#[rule(
    "identity::merge::keeps_to_the_limit",
    source = "the contract: limits are named and the same everywhere",
    capability = "identity.merge"
)]
async fn merge_keeps_to_the_limit(w: &Identities) -> Checked {
    let identifiers = (0..MAX_IDENTIFIERS - 3)
        .map(|number| Ok(unverified(account("many", &format!("{number}"))?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    // With Ada's four it is one too many.
    let many = w.create(new_identity("many", identifiers)?).await?;
    let answer = w
        .store
        .merge(&w.tenant, &w.subject.id, &many.id, minute(1))
        .await;
    fails(
        "a merge of too many identifiers",
        answer,
        ErrorKind::Refused,
    )?;
    equal(
        "the duplicate",
        &w.seen(&many.id).await?,
        &Some(many.clone()),
    )?;
    w.subject_unchanged().await?;
    holds(
        w.store
            .unlink(&w.tenant, &many.id, &account("many", "0")?, minute(2))
            .await?,
        "it was linked",
    )?;
    let merged = w
        .store
        .merge(&w.tenant, &w.subject.id, &many.id, minute(3))
        .await?;
    equal(
        "how many there are",
        &merged.identifiers.len(),
        &MAX_IDENTIFIERS,
    )
}

/// Of callers that merge one duplicate into different survivors at once, one succeeds, and all its
/// identifiers are the winner's.
///
/// A duplicate that is merged twice leaves its addresses in two accounts, or in none.
#[rule(
    "identity::merge::race_has_one_winner",
    source = "better-auth: linking and merging at once",
    capability = "identity.merge"
)]
async fn merge_race_has_one_winner(w: &Identities) -> Checked {
    let mut survivors: Vec<IdentityId> = Vec::new();
    for racer in 0..RACERS {
        survivors.push(
            w.create(new_identity(&format!("survivor {racer}"), vec![])?)
                .await?
                .id,
        );
    }
    for round in 0..3 {
        let addresses = [
            email(&format!("one-{round}@x.se"))?,
            email(&format!("two-{round}@x.se"))?,
        ];
        let linked = addresses.iter().cloned().map(unverified).collect();
        let duplicate = w
            .create(new_identity(&format!("duplicate {round}"), linked)?)
            .await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (survivor, duplicate) = (survivors[racer].clone(), duplicate.id.clone());
            async move { store.merge(&tenant, &survivor, &duplicate, minute(1)).await }
        })
        .await?;
        exactly_one(
            "merging one duplicate at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::NotFound)
            },
        )?;
        let winner = answers
            .into_iter()
            .find_map(Result::ok)
            .map(|identity| identity.id);
        for address in &addresses {
            equal(
                "the owner of its address",
                &w.owner(address).await?,
                &winner,
            )?;
        }
        equal("the duplicate", &w.seen(&duplicate.id).await?, &None)?;
    }
    Ok(())
}

/// Where merging is disclaimed it is refused as unsupported, and changes nothing.
///
/// An engine that believes to have merged two accounts tells their owner so.
#[rule(
    "identity::merge::is_refused_when_disclaimed",
    source = "the contract: honour or refuse",
    capability = "identity.merge",
    disclaimed
)]
async fn merge_is_refused_when_disclaimed(w: &Identities) -> Checked {
    let duplicate = w
        .create(new_identity(
            "duplicate",
            vec![unverified(email("second@example.com")?)],
        )?)
        .await?;
    let answer = w
        .store
        .merge(&w.tenant, &w.subject.id, &duplicate.id, minute(1))
        .await;
    fails("a merge", answer, ErrorKind::Unsupported)?;
    equal(
        "the duplicate",
        &w.seen(&duplicate.id).await?,
        &Some(duplicate),
    )?;
    w.subject_unchanged().await
}

/// Erasing removes an identity, on every handle, and answers whether there was one.
///
/// Whoever asked to be forgotten must be gone, and nobody else.
#[rule(
    "identity::erase::removes_exactly_one",
    source = "AuthHero: removing a missing user answered true; Auth.js: a cascade into other users survived its suite"
)]
async fn erase_removes_one(w: &Identities) -> Checked {
    for nobody in ["nobody", "ADA", "Ad_", "%", "Ada  "] {
        equal(
            &format!("erasing {nobody:?}"),
            &w.store.erase(&w.tenant, &id(nobody)?).await?,
            &false,
        )?;
    }
    w.subject_unchanged().await?;
    equal(
        "erasing Ada",
        &w.store.erase(&w.tenant, &w.subject.id).await?,
        &true,
    )?;
    equal("Ada", &w.seen(&w.subject.id).await?, &None)?;
    equal(
        "erasing her again",
        &w.other.erase(&w.tenant, &w.subject.id).await?,
        &false,
    )
}

/// What an erased identity had finds nobody, and can be had by others; a new identity under its id
/// starts afresh.
///
/// Otherwise an address is blocked for good, or a stranger inherits an account.
#[rule(
    "identity::erase::frees_what_it_had",
    source = "duck-auth: erase releases the address; AuthHero: a user created anew had the old one's rights"
)]
async fn erase_frees_what_it_had(w: &Identities) -> Checked {
    w.store
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            update("old")?,
            minute(1),
        )
        .await?;
    w.store.erase(&w.tenant, &w.subject.id).await?;
    for linked in &w.subject.identifiers {
        equal(
            &format!("the owner of {:?}", linked.identifier),
            &w.owner(&linked.identifier).await?,
            &None,
        )?;
    }
    let again = w.create(new_identity("Ada", vec![])?).await?;
    equal("the new Ada's identifiers", &again.identifiers, &vec![])?;
    equal(
        "the new Ada",
        &w.seen(&again.id).await?,
        &Some(again.clone()),
    )?;
    equal("her version", &again.version, &Version::FIRST)?;
    let other = w.create(new_identity("other", ada()?.identifiers)?).await?;
    for linked in &w.subject.identifiers {
        equal(
            "the new owner",
            &w.owner(&linked.identifier).await?.as_ref(),
            &Some(&other.id),
        )?;
    }
    Ok(())
}

/// Of callers that erase one identity at once, one is told that there was one.
///
/// Each of them writes an entry into the audit log.
#[rule(
    "identity::erase::race_has_one_winner",
    source = "kratos: removals that were counted twice"
)]
async fn erase_race_has_one_winner(w: &Identities) -> Checked {
    for round in 0..4 {
        let name = w
            .create(new_identity(&format!("round {round}"), vec![])?)
            .await?
            .id;
        let answers = race(RACERS, |racer| {
            let (store, tenant, name) = (w.handle(racer), w.tenant.clone(), name.clone());
            async move { store.erase(&tenant, &name).await }
        })
        .await?;
        exactly_one(
            "erasing at once",
            &answers,
            |a| *a == Ok(true),
            |a| *a == Ok(false),
        )?;
        equal("who was erased", &w.seen(&name).await?, &None)?;
    }
    Ok(())
}

/// An identifier that is linked while its identity is erased belongs to nobody afterwards, and can
/// be had by others.
///
/// An address that belongs to somebody who is not there can never be registered again.
#[rule(
    "identity::erase::race_with_link_leaves_no_orphan",
    source = "spire #6946: rows of what was deleted stayed behind"
)]
async fn erase_race_with_link_leaves_no_orphan(w: &Identities) -> Checked {
    for round in 0..6 {
        let name = w
            .create(new_identity(&format!("round {round}"), vec![])?)
            .await?
            .id;
        let address = |racer: usize| email(&format!("r{round}-{racer}@example.com"));
        let answers = race(RACERS, |racer| {
            let (store, tenant, name, new) = (
                w.handle(racer),
                w.tenant.clone(),
                name.clone(),
                address(racer),
            );
            async move {
                if racer == round {
                    return store.erase(&tenant, &name).await.map_err(Failure::from);
                }
                match store
                    .link(&tenant, &name, unverified(new?), minute(1))
                    .await
                {
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                    answer => answer.map(|_| false).map_err(Failure::from),
                }
            }
        })
        .await?;
        let mut erased = 0;
        for answer in answers {
            erased += usize::from(answer?);
        }
        equal("how many erased it", &erased, &1)?;
        equal("who was erased", &w.seen(&name).await?, &None)?;
        for racer in 0..RACERS {
            equal(
                "the owner of a racer's address",
                &w.owner(&address(racer)?).await?,
                &None,
            )?;
        }
        let next = (0..RACERS)
            .map(|racer| Ok(unverified(address(racer)?)))
            .collect::<Result<_, Failure>>()?;
        w.create(new_identity(&format!("next {round}"), next)?)
            .await?;
    }
    Ok(())
}
