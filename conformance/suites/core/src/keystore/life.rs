//! A key's life: next, then active, then retired.

use portproof_ports::{ErrorKind, KeyId, KeyState, KeyUse, Ports, StoredKey};

use super::{Keys, PUBLISHED_UNTIL, id, key_for, retired, signing};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    fixture::{START, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        next_is_not_in_use,
        rotation_puts_next_in_use,
        first_rotation_needs_no_active,
        stale_rotation_is_refused,
        rotation_needs_the_next_key,
        rotation_needs_a_key_that_waits,
        rotation_race_has_one_winner,
        first_rotation_race_has_one_winner,
        readers_see_one_active,
    ]
}

/// A key that was inserted is not in use until it is rotated in; the active one stays.
///
/// A key that others have not loaded yet signs tokens that nobody can verify.
#[rule(
    "keystore::insert::is_not_in_use",
    source = "the contract: next, then active, then retired"
)]
async fn next_is_not_in_use(w: &Keys) -> Checked {
    w.store
        .insert(&w.tenant, signing("newer")?, minute(9))
        .await?;
    w.keys_unchanged().await?;
    let empty = w.context.tenant()?;
    w.store.insert(&empty, signing("first")?, minute(9)).await?;
    equal(
        "the active key of a tenant with one key",
        &w.store.active(&empty, KeyUse::Signing).await?,
        &None,
    )
}

/// A rotation makes the next key active and retires the one in use, in one step; the keys
/// themselves stay as they are.
///
/// Between two steps there would be two keys in use, or none.
#[rule(
    "keystore::rotate::puts_the_next_in_use",
    source = "AuthHero: 20 current passwords from two statements without a transaction"
)]
async fn rotation_puts_next_in_use(w: &Keys) -> Checked {
    let rotated = w.rotate(minute(9)).await?;
    let expected = StoredKey {
        state: KeyState::Active,
        activated_at: Some(minute(9)),
        ..w.next.clone()
    };
    equal("the answer of rotate", &rotated, &expected)?;
    holds(
        rotated.private == w.next.private,
        "it is answered with its private part",
    )?;
    equal(
        "the key in use",
        &w.in_use().await?,
        &Some(expected.clone()),
    )?;
    equal("the new key", &w.seen(&w.next.id).await?, &Some(expected))?;
    equal(
        "the old key",
        &w.seen(&w.active.id).await?,
        &Some(retired(&w.active, minute(9))),
    )
}

/// Where no key is in use, a rotation that knows that puts the first one in use.
///
/// That is how every tenant begins.
#[rule(
    "keystore::rotate::begins_with_none",
    source = "dex: the first rotation writes the first row"
)]
async fn first_rotation_needs_no_active(w: &Keys) -> Checked {
    let empty = w.context.tenant()?;
    w.store.insert(&empty, signing("first")?, START).await?;
    let rotated = w
        .store
        .rotate(
            &empty,
            KeyUse::Signing,
            None,
            &id("first")?,
            PUBLISHED_UNTIL,
            minute(1),
        )
        .await?;
    equal("its state", &rotated.state, &KeyState::Active)?;
    equal(
        "the key in use",
        &w.other.active(&empty, KeyUse::Signing).await?,
        &Some(rotated),
    )?;
    // Also after the key in use was revoked.
    w.store.revoke(&w.tenant, &w.active.id, minute(3)).await?;
    let rotated = w
        .store
        .rotate(
            &w.tenant,
            KeyUse::Signing,
            None,
            &w.next.id,
            PUBLISHED_UNTIL,
            minute(4),
        )
        .await?;
    equal(
        "the key in use after a revocation",
        &w.in_use().await?,
        &Some(rotated),
    )
}

/// A rotation that believes another key to be in use, or none, is told so, and changes nothing.
///
/// Two schedulers would rotate twice, and retire a key that was never published.
#[rule(
    "keystore::rotate::refuses_a_stale_belief",
    source = "spire: a journal's compare-and-swap with a stale id fails"
)]
async fn stale_rotation_is_refused(w: &Keys) -> Checked {
    let beliefs: [Option<KeyId>; 5] = [
        None,
        Some(id("nobody")?),
        Some(id("Active")?),
        Some(id("next")?),
        Some(id("active ")?),
    ];
    for belief in beliefs {
        let what = format!("a rotation that believes {belief:?} to be in use");
        let answer = w
            .store
            .rotate(
                &w.tenant,
                KeyUse::Signing,
                belief,
                &w.next.id,
                PUBLISHED_UNTIL,
                minute(9),
            )
            .await;
        fails(&what, answer, ErrorKind::Stale)?;
    }
    let empty = w.context.tenant()?;
    w.store.insert(&empty, signing("first")?, START).await?;
    let belief = Some(w.active.id.clone());
    let answer = w
        .store
        .rotate(
            &empty,
            KeyUse::Signing,
            belief,
            &id("first")?,
            PUBLISHED_UNTIL,
            minute(9),
        )
        .await;
    fails(
        "a rotation where no key is in use",
        answer,
        ErrorKind::Stale,
    )?;
    equal(
        "the key in use there",
        &w.store.active(&empty, KeyUse::Signing).await?,
        &None,
    )?;
    w.keys_unchanged().await
}

/// A rotation to a key that is not stored, or stored for the other use, is told so, and changes
/// nothing.
///
/// A key in use that is not there signs nobody in.
#[rule(
    "keystore::rotate::needs_the_next_key",
    source = "hydra: a change of an unknown key is not found"
)]
async fn rotation_needs_the_next_key(w: &Keys) -> Checked {
    w.store
        .insert(
            &w.tenant,
            key_for(KeyUse::Encryption, "for encryption")?,
            START,
        )
        .await?;
    for name in ["nobody", "NEXT", "for encryption", "active "] {
        let belief = Some(w.active.id.clone());
        let answer = w
            .store
            .rotate(
                &w.tenant,
                KeyUse::Signing,
                belief,
                &id(name)?,
                PUBLISHED_UNTIL,
                minute(9),
            )
            .await;
        fails(
            &format!("a rotation to {name:?}"),
            answer,
            ErrorKind::NotFound,
        )?;
    }
    w.keys_unchanged().await
}

/// Only a key that waits can be put in use: not the active one, nor one that was retired or
/// revoked.
///
/// A key that was given up would sign again.
#[rule(
    "keystore::rotate::needs_a_key_that_waits",
    source = "the contract: a key's life goes forward only"
)]
async fn rotation_needs_a_key_that_waits(w: &Keys) -> Checked {
    let belief = Some(w.active.id.clone());
    let answer = w
        .store
        .rotate(
            &w.tenant,
            KeyUse::Signing,
            belief,
            &w.active.id,
            PUBLISHED_UNTIL,
            minute(9),
        )
        .await;
    fails("a rotation to the key in use", answer, ErrorKind::Refused)?;
    w.keys_unchanged().await?;
    w.store
        .insert(&w.tenant, signing("revoked")?, START)
        .await?;
    w.store
        .revoke(&w.tenant, &id("revoked")?, minute(3))
        .await?;
    let active = w.rotate(minute(4)).await?;
    for name in ["active", "revoked"] {
        let before = w.seen(&id(name)?).await?;
        let belief = Some(active.id.clone());
        let answer = w
            .store
            .rotate(
                &w.tenant,
                KeyUse::Signing,
                belief,
                &id(name)?,
                PUBLISHED_UNTIL,
                minute(9),
            )
            .await;
        fails(
            &format!("a rotation to {name:?}"),
            answer,
            ErrorKind::Refused,
        )?;
        equal("that key", &w.seen(&id(name)?).await?, &before)?;
        equal(
            "the key in use",
            &w.in_use().await?.as_ref(),
            &Some(&active),
        )?;
    }
    Ok(())
}

/// Of callers that rotate from one key at once, each to a key of its own, one wins and the others
/// are told; afterwards one key is in use.
///
/// Two keys in use are two answers to the question who signed.
#[rule(
    "keystore::rotate::race_has_one_winner",
    source = "dex: concurrent updates of the key set, one winner; AuthHero: 20 current rows",
    environments = "isolation"
)]
async fn rotation_race_has_one_winner(w: &Keys) -> Checked {
    let mut active = w.active.id.clone();
    for round in 0..4_u16 {
        let mut candidates = Vec::new();
        for racer in 0..RACERS {
            let name = format!("round {round}, racer {racer}");
            candidates.push(
                w.store
                    .insert(&w.tenant, signing(&name)?, minute(10 + round))
                    .await?,
            );
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (belief, next) = (Some(active.clone()), candidates[racer].id.clone());
            async move {
                store
                    .rotate(
                        &tenant,
                        KeyUse::Signing,
                        belief,
                        &next,
                        PUBLISHED_UNTIL,
                        minute(20),
                    )
                    .await
            }
        })
        .await?;
        exactly_one("rotating at once", &answers, Result::is_ok, |answer| {
            answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Stale)
        })?;
        let winner = some("the winner's key", answers.into_iter().find_map(Result::ok))?;
        equal(
            "the key in use",
            &w.in_use().await?.as_ref(),
            &Some(&winner),
        )?;
        for candidate in candidates {
            let expected = if candidate.id == winner.id {
                KeyState::Active
            } else {
                KeyState::Next
            };
            let found = some("a racer's key", w.seen(&candidate.id).await?)?;
            equal("a racer's key", &found.state, &expected)?;
        }
        let old = some("the old key", w.seen(&active).await?)?;
        equal(
            "when the old key retired",
            &old.retired_at,
            &Some(minute(20)),
        )?;
        active = winner.id;
    }
    Ok(())
}

/// Of callers that put a first key in use at once, one wins.
///
/// Servers that start together each believe to be the first.
#[rule(
    "keystore::rotate::first_race_has_one_winner",
    source = "hydra #3870, #3876; dex: two first writers",
    environments = "isolation"
)]
async fn first_rotation_race_has_one_winner(w: &Keys) -> Checked {
    for _ in 0..4 {
        let empty = w.context.tenant()?;
        for racer in 0..RACERS {
            w.store
                .insert(&empty, signing(&format!("racer {racer}"))?, START)
                .await?;
        }
        let ids = (0..RACERS)
            .map(|racer| id(&format!("racer {racer}")))
            .collect::<Result<Vec<_>, _>>()?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, next) = (w.handle(racer), empty.clone(), ids[racer].clone());
            async move {
                store
                    .rotate(
                        &tenant,
                        KeyUse::Signing,
                        None,
                        &next,
                        PUBLISHED_UNTIL,
                        minute(1),
                    )
                    .await
            }
        })
        .await?;
        exactly_one("beginning at once", &answers, Result::is_ok, |answer| {
            answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Stale)
        })?;
        let won = answers.into_iter().find_map(Result::ok);
        equal(
            "the key in use",
            &w.other.active(&empty, KeyUse::Signing).await?,
            &won,
        )?;
    }
    Ok(())
}

/// While keys are rotated a reader always finds exactly one in use.
///
/// A moment without a key is a login that failed.
#[rule(
    "keystore::rotate::readers_see_one_in_use",
    source = "casbin: readers saw an empty set during a save; AuthHero: two statements",
    environments = "isolation"
)]
async fn readers_see_one_active(w: &Keys) -> Checked {
    for number in 0..8 {
        w.store
            .insert(&w.tenant, signing(&format!("number {number}"))?, START)
            .await?;
    }
    let answers = race(RACERS, |racer| {
        let (store, tenant, first) = (w.handle(racer), w.tenant.clone(), w.active.id.clone());
        async move {
            if racer == 0 {
                let mut active = first;
                for number in 0..8 {
                    let next = id(&format!("number {number}"))?;
                    store
                        .rotate(
                            &tenant,
                            KeyUse::Signing,
                            Some(active),
                            &next,
                            PUBLISHED_UNTIL,
                            minute(9),
                        )
                        .await?;
                    active = next;
                }
                return Ok(());
            }
            for _ in 0..12 {
                let active = store.active(&tenant, KeyUse::Signing).await?;
                holds(active.is_some(), "a key is in use during a rotation")?;
                tokio::task::yield_now().await;
            }
            Ok::<(), crate::Failure>(())
        }
    })
    .await?;
    answers.into_iter().collect()
}
