//! Unlinking identifiers.

use portproof_ports::Ports;

use super::{Identities, account, ada, email, id, new_identity, unverified};
use crate::{
    Case, Checked, cases,
    check::{equal, holds, some},
    fixture::{START, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        unlink_removes_exactly_one,
        unlink_takes_only_their_own,
        unlink_frees_the_identifier,
        unlink_race_has_one_winner,
    ]
}

/// Unlinking removes exactly that identifier, which finds nobody from then on, and raises the
/// version by one; the others stay as they are.
///
/// An account of a provider that was removed must not log in, and one that was not must.
#[rule(
    "identity::unlink::removes_exactly_one",
    source = "Auth.js: an unlink of the provider's other accounts survived its suite"
)]
async fn unlink_removes_exactly_one(w: &Identities) -> Checked {
    let second = unverified(account("google", "sub-1b")?);
    let mut expected = w
        .store
        .link(&w.tenant, &w.subject.id, second, minute(1))
        .await?;
    for (at, gone) in [
        (minute(2), account("google", "sub-1")?),
        (minute(3), email("ada@example.com")?),
    ] {
        let unlinked = w.store.unlink(&w.tenant, &w.subject.id, &gone, at).await?;
        equal("whether it was linked", &unlinked, &true)?;
        expected
            .identifiers
            .retain(|linked| linked.identifier != gone);
        expected.version = expected.version.next();
        expected.updated_at = at;
        equal(
            "Ada",
            &w.seen(&w.subject.id).await?,
            &Some(expected.clone()),
        )?;
        equal(
            "the owner of what was unlinked",
            &w.owner(&gone).await?,
            &None,
        )?;
        for linked in &expected.identifiers {
            let owner = w.owner(&linked.identifier).await?;
            equal(
                "the owner of the others",
                &owner.as_ref(),
                &Some(&w.subject.id),
            )?;
        }
        let again = w.other.unlink(&w.tenant, &w.subject.id, &gone, at).await?;
        equal("whether it was linked the second time", &again, &false)?;
    }
    equal(
        "Ada in the end",
        &w.seen(&w.subject.id).await?,
        &Some(expected),
    )
}

/// Unlinking what is another's, or from an identity that is not stored, answers that it was not
/// linked, and changes nothing.
///
/// Otherwise anybody can lock anybody out.
#[rule(
    "identity::unlink::takes_only_their_own",
    source = "Auth.js: an unlink across users survived its suite"
)]
async fn unlink_takes_only_their_own(w: &Identities) -> Checked {
    for linked in &w.subject.identifiers {
        for name in ["ada", "Ada ", "nobody"] {
            let unlinked = w
                .store
                .unlink(&w.tenant, &id(name)?, &linked.identifier, minute(1))
                .await?;
            equal(
                &format!("unlinking {:?} from {name:?}", linked.identifier),
                &unlinked,
                &false,
            )?;
        }
    }
    let free = email("free@example.com")?;
    let unlinked = w
        .store
        .unlink(&w.tenant, &w.subject.id, &free, minute(1))
        .await?;
    equal("unlinking what was never linked", &unlinked, &false)?;
    w.subject_unchanged().await
}

/// An identifier that was unlinked can be linked by anybody, and starts afresh: verified as the
/// new link says.
///
/// A verification must not pass from one person to the next with a telephone number.
#[rule(
    "identity::unlink::frees_the_identifier",
    source = "telephone numbers are given to others; kratos: recycled addresses"
)]
async fn unlink_frees_the_identifier(w: &Identities) -> Checked {
    let address = email("ada@example.com")?;
    holds(
        w.store
            .unlink(&w.tenant, &w.subject.id, &address, minute(1))
            .await?,
        "it was linked",
    )?;
    let next = w
        .create(new_identity("next", vec![unverified(address.clone())])?)
        .await?;
    equal(
        "the new owner",
        &w.owner(&address).await?.as_ref(),
        &Some(&next.id),
    )?;
    let linked = some("the address", next.identifiers.first())?;
    equal("its verification", &linked.verified_at, &None)?;
    holds(
        w.store
            .unlink(&w.tenant, &next.id, &address, minute(2))
            .await?,
        "it was linked again",
    )?;
    let back = w
        .store
        .link(
            &w.tenant,
            &w.subject.id,
            unverified(address.clone()),
            minute(3),
        )
        .await?;
    let linked = some(
        "the address",
        back.identifiers
            .iter()
            .find(|linked| linked.identifier == address),
    )?;
    equal("when it was linked back", &linked.linked_at, &minute(3))?;
    equal("its verification, back", &linked.verified_at, &None)
}

/// Of callers that unlink one identifier at once, one is told that it was linked.
///
/// Two that both removed it write two entries of one event.
#[rule(
    "identity::unlink::race_has_one_winner",
    source = "kratos: removals that were counted twice",
    environments = "isolation"
)]
async fn unlink_race_has_one_winner(w: &Identities) -> Checked {
    for round in 0..4_u16 {
        let contested = ada()?.identifiers[0].clone();
        w.store
            .link(&w.tenant, &w.subject.id, contested.clone(), minute(round))
            .await?;
        let before = some("Ada", w.seen(&w.subject.id).await?)?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, ada) = (w.handle(racer), w.tenant.clone(), w.subject.id.clone());
            let gone = contested.identifier.clone();
            async move { store.unlink(&tenant, &ada, &gone, START).await }
        })
        .await?;
        exactly_one(
            "unlinking at once",
            &answers,
            |a| *a == Ok(true),
            |a| *a == Ok(false),
        )?;
        let after = some("Ada", w.seen(&w.subject.id).await?)?;
        equal("the version", &after.version, &before.version.next())?;
    }
    Ok(())
}
