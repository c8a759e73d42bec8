//! Merging two identities into one.

use portproof_ports::{ErrorKind, Identity, IdentityId, MAX_IDENTIFIERS, Ports};

use super::{Identities, account, email, id, new_identity, unverified, verified};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds, some},
    fixture::minute,
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        merge_moves_everything,
        merge_refuses_itself,
        merge_needs_both,
        merge_keeps_to_the_limit,
        merge_race_has_one_winner,
        merge_race_with_links_keeps_to_the_limit,
        merge_is_refused_when_disclaimed,
    ]
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
    // Also a duplicate without identifiers is gone, and that is a change.
    let bare = w.create(new_identity("bare", vec![])?).await?;
    let merged = w
        .store
        .merge(&w.tenant, &w.subject.id, &bare.id, minute(10))
        .await?;
    let expected = Identity {
        version: expected.version.next(),
        updated_at: minute(10),
        ..expected
    };
    equal(
        "the answer of merge with nothing to move",
        &merged,
        &expected,
    )?;
    equal(
        "the survivor",
        &w.seen(&w.subject.id).await?,
        &Some(expected),
    )?;
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
    capability = "identity.merge",
    environments = "isolation"
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

/// A merge that meets links to the survivor and to the duplicate, where there is room for one or the
/// other, never makes the survivor one of more than 64 identifiers; what was linked is there once, and
/// whoever was refused changed nothing.
///
/// Each of them alone keeps to the limit; two that count at once go around it.
#[rule(
    "identity::merge::race_with_links_keeps_to_the_limit",
    source = "better-auth #9993, #10002: two accepts exceeded a limit",
    capability = "identity.merge",
    environments = "isolation"
)]
async fn merge_race_with_links_keeps_to_the_limit(w: &Identities) -> Checked {
    let many = |name: &str, count: usize| {
        let accounts = (0..count)
            .map(|number| Ok(unverified(account(name, &format!("{number}"))?)))
            .collect::<Result<Vec<_>, Failure>>()?;
        new_identity(name, accounts)
    };
    for round in 0..6 {
        let names = [format!("survivor {round}"), format!("duplicate {round}")];
        // Two more fit, of six that come.
        let survivor = w.create(many(&names[0], MAX_IDENTIFIERS / 2)?).await?;
        let duplicate = w.create(many(&names[1], MAX_IDENTIFIERS / 2 - 2)?).await?;
        let link_of = |racer: usize| account("racers", &format!("{round}, {racer}"));
        let links = (0..RACERS)
            .map(link_of)
            .collect::<Result<Vec<_>, Failure>>()?;
        let merger = round % RACERS;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let ids = [survivor.id.clone(), duplicate.id.clone()];
            let new = unverified(links[racer].clone());
            async move {
                let [survivor, duplicate] = &ids;
                match racer % 2 {
                    _ if racer == merger => {
                        store.merge(&tenant, survivor, duplicate, minute(1)).await
                    }
                    0 => store.link(&tenant, survivor, new, minute(1)).await,
                    _ => store.link(&tenant, duplicate, new, minute(1)).await,
                }
            }
        })
        .await?;
        let mut expected: Vec<_> = survivor.identifiers.clone();
        expected.extend(duplicate.identifiers.clone());
        let mut expected: Vec<_> = expected
            .into_iter()
            .map(|linked| linked.identifier)
            .collect();
        for (racer, answer) in answers
            .iter()
            .enumerate()
            .filter(|(racer, _)| *racer != merger)
        {
            match answer {
                Ok(_) => expected.push(links[racer].clone()),
                // There was no room left; or the duplicate was gone.
                Err(error) => holds(
                    matches!(error.kind(), ErrorKind::Refused | ErrorKind::NotFound),
                    format!("a link that came too late is refused, got {error:?}"),
                )?,
            }
        }
        expected.sort();
        let mut owners = [&survivor.id].to_vec();
        match &answers[merger] {
            Ok(_) => {
                equal("the duplicate", &w.seen(&duplicate.id).await?, &None)?;
            }
            Err(error) => {
                equal(
                    "why the merge was refused",
                    &error.kind(),
                    &ErrorKind::Refused,
                )?;
                owners.push(&duplicate.id);
            }
        }
        let mut found = Vec::new();
        for owner in owners {
            let owner = some("an owner", w.seen(owner).await?)?;
            holds(
                owner.identifiers.len() <= MAX_IDENTIFIERS,
                format!("nobody has more than 64, got {}", owner.identifiers.len()),
            )?;
            for linked in owner.identifiers {
                let by = w.owner(&linked.identifier).await?;
                equal("whom an identifier finds", &by.as_ref(), &Some(&owner.id))?;
                found.push(linked.identifier);
            }
        }
        found.sort();
        equal("all that is linked", &found, &expected)?;
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
