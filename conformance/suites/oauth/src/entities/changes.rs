//! Changes: body and keys are replaced in one step, by whoever saw what is stored.

use portproof_ports::{Entity, EntityChange, ErrorKind, Ports, Version};

use super::{Registry, change, client, global, id, new_client, own};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        put_replaces_body_and_keys,
        put_keeps_own_keys,
        put_same_counts,
        stale_put_changes_nothing,
        put_of_missing_creates_nothing,
        put_refuses_a_taken_key,
        put_frees_at_once,
        keys_are_not_swapped,
    ]
}

/// A change replaces body and keys whole, counts one version on and is updated now; id, kind and
/// creation stay. What the entity has no more finds nothing.
///
/// A redirect that was taken out and still works is why somebody took it out.
#[rule(
    "entities::put::replaces_body_and_keys",
    source = "spring-session #1791: old ids stayed in the index of principals"
)]
async fn put_replaces_body_and_keys(w: &Registry) -> Checked {
    let kept = own("name", "Portal")?;
    let new = [kept, own("slug", "p")?, global("host", "p", &w.tenant)?];
    let put = change("changed", new.to_vec())?;
    let expected = Entity {
        body: put.body.clone(),
        keys: put.keys.clone(),
        version: Version::FIRST.next(),
        updated_at: minute(5),
        ..w.subject.clone()
    };
    let (kind, id) = (client()?, id("portal")?);
    let changed = w
        .store
        .put(&w.tenant, &kind, &id, Version::FIRST, put, minute(5))
        .await?;
    equal("the answer of put", &changed, &expected)?;
    w.is_stored(&expected).await?;
    w.is_free(&global("client_id", "portal", &w.tenant)?)
        .await?;
    let put = EntityChange {
        body: document("bare")?,
        ..change("bare", vec![])?
    };
    let bare = w
        .other
        .put(&w.tenant, &kind, &id, changed.version, put, minute(4))
        .await?;
    equal("its version", &bare.version.get(), &3)?;
    equal("its last change", &bare.updated_at, &minute(4))?;
    equal("its creation", &bare.created_at, &START)?;
    for key in &new {
        w.is_free(key).await?;
    }
    w.is_stored(&bare).await
}

/// A change may keep the entity's own keys, all or some: they are not taken by itself.
///
/// Nobody could save a form without renaming what it is about.
#[rule(
    "entities::put::keeps_its_own_keys",
    source = "hydra: two clients are updated, and none collides on a unique key"
)]
async fn put_keeps_own_keys(w: &Registry) -> Checked {
    let mut version = Version::FIRST;
    for label in ["one", "two", "three"] {
        let put = EntityChange {
            body: document(label)?,
            keys: w.subject.keys.clone(),
        };
        let (kind, id) = (client()?, id("portal")?);
        let changed = w
            .store
            .put(&w.tenant, &kind, &id, version, put, minute(1))
            .await?;
        version = changed.version;
        equal("its keys", &changed.keys, &w.subject.keys)?;
        w.is_stored(&changed).await?;
    }
    Ok(())
}

/// A change to what is stored already counts as a change: it is one version on and updated now.
///
/// Whoever else saw the version before must be told that somebody saved since.
#[rule(
    "entities::put::counts_when_nothing_differs",
    source = "the contract: a write that succeeds is one version on"
)]
async fn put_same_counts(w: &Registry) -> Checked {
    let put = EntityChange {
        body: w.subject.body.clone(),
        keys: w.subject.keys.clone(),
    };
    let (kind, id) = (client()?, id("portal")?);
    let changed = w
        .store
        .put(&w.tenant, &kind, &id, Version::FIRST, put, minute(1))
        .await?;
    let expected = Entity {
        version: Version::FIRST.next(),
        updated_at: minute(1),
        ..w.subject.clone()
    };
    equal("the answer of put", &changed, &expected)?;
    w.is_stored(&expected).await
}

/// A change by who saw another version is refused as stale, and changes nothing: not the body, and
/// no key.
///
/// Two administrators who save at once would each undo what the other did.
#[rule(
    "entities::put::stale_changes_nothing",
    source = "spire: a journal's compare-and-swap with a stale id fails"
)]
async fn stale_put_changes_nothing(w: &Registry) -> Checked {
    let key = own("slug", "stale")?;
    let (kind, id) = (client()?, id("portal")?);
    for seen in [2, 3, i64::MAX] {
        let put = change("stale", vec![key.clone()])?;
        let answer = w
            .store
            .put(&w.tenant, &kind, &id, Version::new(seen)?, put, minute(1))
            .await;
        fails("a change of another version", answer, ErrorKind::Stale)?;
        w.is_free(&key).await?;
    }
    w.subject_unchanged().await
}

/// A change of what is not stored, or is no more, is refused, and creates nothing.
///
/// What somebody deleted would be back, as the last who had it open saw it.
#[rule(
    "entities::put::creates_nothing",
    source = "AuthHero: updates of missing rows answered true; tj/connect-redis #328"
)]
async fn put_of_missing_creates_nothing(w: &Registry) -> Checked {
    let key = own("slug", "gone")?;
    let gone = w.create(new_client("gone", vec![])?).await?;
    w.other.remove(&w.tenant, &gone.kind, &gone.id).await?;
    for name in ["gone", "nobody", "PORTAL"] {
        let put = change("gone", vec![key.clone()])?;
        let answer = w
            .store
            .put(
                &w.tenant,
                &client()?,
                &id(name)?,
                Version::FIRST,
                put,
                START,
            )
            .await;
        fails("a change of what is missing", answer, ErrorKind::NotFound)?;
        equal("what is stored", &w.seen(name).await?, &None)?;
        w.is_free(&key).await?;
    }
    w.subject_unchanged().await
}

/// A change to a key that another entity has, of any tenant where it is global, is refused and
/// changes nothing: the entity keeps body and keys, and what it would have got is free.
///
/// Half a change is a client that is found by what it is not called.
#[rule(
    "entities::put::refuses_a_taken_key",
    source = "kratos: an error on an identifier undoes the whole write",
    environments = "collation"
)]
async fn put_refuses_a_taken_key(w: &Registry) -> Checked {
    let (kind, id) = (client()?, id("portal")?);
    for taken in [
        own("name", "portal")?,
        own("client_id", "Portal")?,
        global("client_id", "Portal", &w.tenant)?,
        global("client_id", "portal", &w.elsewhere)?,
    ] {
        let others = [own("a", "first")?, global("z", "last", &w.tenant)?];
        let mut keys = others.to_vec();
        keys.push(taken.clone());
        let put = change("changed", keys)?;
        let answer = w
            .store
            .put(&w.tenant, &kind, &id, Version::FIRST, put, minute(1))
            .await;
        let what = format!("a change to the key {taken:?}");
        fails(&what, answer, ErrorKind::AlreadyExists)?;
        for other in &others {
            w.is_free(other).await?;
        }
        w.subject_unchanged().await?;
    }
    Ok(())
}

/// What an entity gives up by a change is free at once: another takes it, in another tenant too
/// where it is global.
///
/// A domain that moves to another customer must not be locked by who had it.
#[rule(
    "entities::put::frees_at_once",
    source = "spicedb, vault: delete, then create; spring-session #1791: an index kept what was before a change"
)]
async fn put_frees_at_once(w: &Registry) -> Checked {
    let (kind, id) = (client()?, id("portal")?);
    let (name, wide) = (
        own("name", "Portal")?,
        global("client_id", "portal", &w.tenant)?,
    );
    let put = change("bare", vec![])?;
    let bare = w
        .store
        .put(&w.tenant, &kind, &id, Version::FIRST, put, minute(1))
        .await?;
    let successor = new_client("successor", vec![name.clone()])?;
    let successor = w.other.create(&w.tenant, successor, minute(2)).await?;
    let there = new_client("there", vec![wide.clone()])?;
    let there = w.store.create(&w.elsewhere, there, minute(2)).await?;
    w.is_stored(&successor).await?;
    let found = w.anywhere(&wide).await?;
    let whose = found.map(|owned| (owned.tenant, owned.entity));
    equal("whose it is", &whose, &Some((w.elsewhere.clone(), there)))?;
    for key in [name, wide] {
        let put = change("back", vec![key])?;
        let back = w
            .store
            .put(&w.tenant, &kind, &id, bare.version, put, minute(3))
            .await;
        fails("taking it back", back, ErrorKind::AlreadyExists)?;
    }
    w.is_stored(&bare).await
}

/// Two entities cannot swap keys change by change: the first is refused, for the other still has
/// what it wants. By way of a change that gives up first they can.
///
/// Between the two changes of a swap that is let through, one key finds two entities, or none.
#[rule(
    "entities::put::swaps_by_giving_up_first",
    source = "the contract: a key is one entity's at every instant"
)]
async fn keys_are_not_swapped(w: &Registry) -> Checked {
    let (one, two) = (own("slug", "one")?, global("slug", "two", &w.tenant)?);
    let first = w.create(new_client("1", vec![one.clone()])?).await?;
    let second = w.create(new_client("2", vec![two.clone()])?).await?;
    for (entity, wanted) in [(&first, &two), (&second, &one)] {
        let put = change("swapped", vec![wanted.clone()])?;
        let (kind, id, seen) = (&entity.kind, &entity.id, entity.version);
        let answer = w.store.put(&w.tenant, kind, id, seen, put, minute(1));
        fails("a half of a swap", answer.await, ErrorKind::AlreadyExists)?;
        w.is_stored(&first).await?;
        w.is_stored(&second).await?;
    }
    let mut versions = [Version::FIRST; 2];
    let steps = [(0, None), (1, Some(&one)), (0, Some(&two))];
    for (number, key) in steps {
        let put = change("swapped", key.cloned().into_iter().collect())?;
        let entity = [&first, &second][number];
        let seen = versions[number];
        let changed = w
            .store
            .put(&w.tenant, &entity.kind, &entity.id, seen, put, minute(2))
            .await?;
        versions[number] = changed.version;
    }
    equal(
        "who has the first key",
        &w.holder(&one).await?,
        &Some(second.id),
    )?;
    equal(
        "who has the second key",
        &w.holder(&two).await?,
        &Some(first.id),
    )?;
    w.subject_unchanged().await
}
