//! The ends of identities.

use portproof_ports::{ErrorKind, Ports, Version};

use super::{Identities, ada, changes::update, email, id, new_identity, unverified};
use crate::{
    Case, Checked, Failure, cases,
    check::equal,
    fixture::minute,
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        erase_removes_one,
        erase_frees_what_it_had,
        erase_race_has_one_winner,
        erase_race_with_link_leaves_no_orphan,
    ]
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
    source = "kratos: removals that were counted twice",
    environments = "isolation"
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
    source = "spire #6946: rows of what was deleted stayed behind",
    environments = "isolation"
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
