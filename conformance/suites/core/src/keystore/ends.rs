//! The end of keys: revoked, removed, and no longer published.

use portproof_ports::{ErrorKind, KeyId, KeyState, KeyUse, Ports, StoredKey};

use super::{Keys, PUBLISHED_UNTIL, id, retired, signing};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, some},
    fixture::{START, day, just_before, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        revoked_is_not_in_use,
        revoked_again_is_told,
        revoked_never_comes_back,
        revocation_race_has_one_winner,
        remove_takes_what_is_out_of_use,
        remove_refuses_what_is_in_use,
        published_are_next_active_and_retired,
        published_are_ordered,
        published_have_no_revoked,
    ]
}

/// A revoked key is revoked on every handle, with the time, and no longer in use; the others stay
/// as they are.
///
/// A key that leaked goes on signing otherwise.
#[rule(
    "keystore::revoke::ends_its_use",
    source = "spire: a revocation applies to that key only; AuthHero: revoked keys were listed as good"
)]
async fn revoked_is_not_in_use(w: &Keys) -> Checked {
    w.in_use().await?;
    equal(
        "revoking the active key",
        &w.store.revoke(&w.tenant, &w.active.id, minute(5)).await?,
        &true,
    )?;
    let expected = StoredKey {
        state: KeyState::Revoked,
        revoked_at: Some(minute(5)),
        ..w.active.clone()
    };
    equal(
        "the revoked key",
        &w.seen(&w.active.id).await?,
        &Some(expected),
    )?;
    equal("the key in use", &w.in_use().await?, &None)?;
    equal(
        "the next key",
        &w.seen(&w.next.id).await?.as_ref(),
        &Some(&w.next),
    )?;
    equal(
        "revoking the next key",
        &w.store.revoke(&w.tenant, &w.next.id, minute(6)).await?,
        &true,
    )?;
    let next = some("the next key", w.seen(&w.next.id).await?)?;
    equal("its state", &next.state, &KeyState::Revoked)
}

/// Revoking a revoked key, or one that is not stored, changes nothing and says so; the time of the
/// first revocation stays.
///
/// What was signed before that time is still good.
#[rule(
    "keystore::revoke::answers_whether_it_changed",
    source = "AuthHero: removals of missing rows answered true"
)]
async fn revoked_again_is_told(w: &Keys) -> Checked {
    w.store.revoke(&w.tenant, &w.active.id, minute(5)).await?;
    let revoked = w.seen(&w.active.id).await?;
    equal(
        "revoking it again",
        &w.other.revoke(&w.tenant, &w.active.id, minute(9)).await?,
        &false,
    )?;
    equal("the revoked key", &w.seen(&w.active.id).await?, &revoked)?;
    for name in ["nobody", "NEXT", "next ", "%"] {
        equal(
            &format!("revoking {name:?}"),
            &w.store.revoke(&w.tenant, &id(name)?, minute(5)).await?,
            &false,
        )?;
    }
    equal(
        "the next key",
        &w.seen(&w.next.id).await?.as_ref(),
        &Some(&w.next),
    )
}

/// A retired key can be revoked, keeps the time when it retired, and does not come back.
///
/// A leak is often found after the rotation.
#[rule(
    "keystore::revoke::is_final",
    source = "duck-iam 2.1.0: a revocation that raced a migration was undone"
)]
async fn revoked_never_comes_back(w: &Keys) -> Checked {
    w.rotate(minute(4)).await?;
    equal(
        "revoking a retired key",
        &w.store.revoke(&w.tenant, &w.active.id, minute(5)).await?,
        &true,
    )?;
    let expected = StoredKey {
        state: KeyState::Revoked,
        revoked_at: Some(minute(5)),
        ..retired(&w.active, minute(4))
    };
    equal(
        "the revoked key",
        &w.seen(&w.active.id).await?.as_ref(),
        &Some(&expected),
    )?;
    w.store
        .insert(&w.tenant, signing("third")?, minute(6))
        .await?;
    let belief = Some(w.next.id.clone());
    w.store
        .rotate(
            &w.tenant,
            KeyUse::Signing,
            belief,
            &id("third")?,
            PUBLISHED_UNTIL,
            minute(7),
        )
        .await?;
    equal(
        "the revoked key after a rotation",
        &w.seen(&w.active.id).await?,
        &Some(expected),
    )
}

/// Of callers that revoke one key at once, one is told that it changed something.
///
/// Each who is told so writes an alarm.
#[rule(
    "keystore::revoke::race_has_one_winner",
    source = "kratos: revocations that were counted twice",
    environments = "isolation"
)]
async fn revocation_race_has_one_winner(w: &Keys) -> Checked {
    for round in 0..4 {
        let name = id(&format!("round {round}"))?;
        w.store
            .insert(&w.tenant, signing(name.as_str())?, START)
            .await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, name) = (w.handle(racer), w.tenant.clone(), name.clone());
            async move { store.revoke(&tenant, &name, minute(5)).await }
        })
        .await?;
        exactly_one(
            "revoking at once",
            &answers,
            |a| *a == Ok(true),
            |a| *a == Ok(false),
        )?;
    }
    Ok(())
}

/// A key that is retired or revoked can be removed, and is gone; its id can be used again. What is
/// not stored answers so.
///
/// Keys that nobody may remove pile up until the limit.
#[rule(
    "keystore::remove::takes_what_is_out_of_use",
    source = "hydra: a deletion by id takes one key"
)]
async fn remove_takes_what_is_out_of_use(w: &Keys) -> Checked {
    let active = w.rotate(minute(4)).await?;
    w.store
        .insert(&w.tenant, signing("revoked")?, START)
        .await?;
    w.store
        .revoke(&w.tenant, &id("revoked")?, minute(5))
        .await?;
    for name in ["active", "revoked"] {
        equal(
            &format!("removing {name:?}"),
            &w.store.remove(&w.tenant, &id(name)?).await?,
            &true,
        )?;
        equal(
            &format!("the key {name:?}"),
            &w.seen(&id(name)?).await?,
            &None,
        )?;
        equal(
            &format!("removing {name:?} again"),
            &w.other.remove(&w.tenant, &id(name)?).await?,
            &false,
        )?;
    }
    equal("the key in use", &w.in_use().await?, &Some(active))?;
    let again = w
        .store
        .insert(&w.tenant, signing("active")?, minute(6))
        .await?;
    equal("the new key's state", &again.state, &KeyState::Next)?;
    equal(
        "the new key",
        &w.seen(&again.id).await?,
        &Some(again.clone()),
    )
}

/// A key that is in use, or waits to be, is not removed.
///
/// Removing it by mistake signs everybody out.
#[rule(
    "keystore::remove::refuses_what_is_in_use",
    source = "AuthHero a7cca7b: a tenant without a key that can sign"
)]
async fn remove_refuses_what_is_in_use(w: &Keys) -> Checked {
    for key in [&w.active.id, &w.next.id] {
        fails(
            &format!("removing {key:?}"),
            w.store.remove(&w.tenant, key).await,
            ErrorKind::Refused,
        )?;
    }
    w.keys_unchanged().await
}

/// Published are the keys that wait, the one in use, and retired ones before the end of their
/// publication: not at it.
///
/// A key that is published too late or too short makes good tokens bad.
#[rule(
    "keystore::public_set::is_next_active_and_retired",
    source = "OneAuth: the public set; AuthHero: keys without a private part in use"
)]
async fn published_are_next_active_and_retired(w: &Keys) -> Checked {
    equal(
        "what is published",
        &w.published(minute(9)).await?,
        &vec![id("next")?, id("active")?],
    )?;
    w.rotate(minute(9)).await?;
    for (what, now, expected) in [
        (
            "after a rotation",
            minute(10),
            vec![id("next")?, id("active")?],
        ),
        (
            "at the last moment",
            just_before(PUBLISHED_UNTIL),
            vec![id("next")?, id("active")?],
        ),
        (
            "at the end of publication",
            PUBLISHED_UNTIL,
            vec![id("next")?],
        ),
        ("long after", day(400), vec![id("next")?]),
    ] {
        equal(
            &format!("what is published {what}"),
            &w.published(now).await?,
            &expected,
        )?;
    }
    let set = w
        .store
        .public_set(&w.tenant, KeyUse::Signing, minute(10))
        .await?;
    for key in [&w.active, &w.next] {
        let published = some(
            "a published key",
            set.iter().find(|published| published.id == key.id),
        )?;
        equal("its algorithm", &published.algorithm, &key.algorithm)?;
        equal("its public part", &published.public, &key.public)?;
    }
    let set = w
        .store
        .public_set(&w.tenant, KeyUse::Encryption, minute(10))
        .await?;
    let ids: Vec<KeyId> = set.into_iter().map(|key| key.id).collect();
    equal(
        "what is published for encryption",
        &ids,
        &vec![id("active ")?, id("Active")?],
    )
}

/// The public set is ordered like the list: latest first, and by id, highest first, in one instant.
///
/// An order that changes makes every client load the set again.
#[rule(
    "keystore::public_set::is_ordered",
    source = "hydra: the order of keys made in one tick changed between reads",
    environments = "collation"
)]
async fn published_are_ordered(w: &Keys) -> Checked {
    for (name, created_at) in [
        ("b", minute(3)),
        ("a", minute(3)),
        ("Z", minute(3)),
        ("ä", minute(3)),
        ("early", START),
    ] {
        w.store
            .insert(&w.tenant, signing(name)?, created_at)
            .await?;
    }
    let expected = ["ä", "b", "a", "Z", "next", "early", "active"];
    let expected = expected
        .into_iter()
        .map(id)
        .collect::<Result<Vec<_>, _>>()?;
    equal(
        "what is published",
        &w.published(minute(9)).await?,
        &expected,
    )
}

/// A revoked key is never published, whatever it was before.
///
/// What it signs would go on being believed.
#[rule(
    "keystore::public_set::holds_no_revoked_key",
    source = "AuthHero: revoked keys in the set; spire: revoked and tainted keys"
)]
async fn published_have_no_revoked(w: &Keys) -> Checked {
    w.rotate(minute(4)).await?;
    for (name, left) in [("active", vec![id("next")?]), ("next", vec![])] {
        w.store.revoke(&w.tenant, &id(name)?, minute(5)).await?;
        equal("what is published", &w.published(minute(6)).await?, &left)?;
        equal(
            "what is published by a clock behind",
            &w.published(START).await?,
            &left,
        )?;
    }
    Ok(())
}
