//! Entities as records: what is stored is what was given, once, or not at all.

use portproof_ports::{Entity, ErrorKind, NewEntity, Ports, Version};

use super::{Registry, change, client, global, id, kind, new_client, own, portal};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    fixture::{START, awkward_document, document, hostile, instants, large_document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        created_is_stored_whole,
        stored_id_is_refused,
        hostile_ids_are_kept_apart,
        hostile_kinds_are_kept_apart,
        kinds_share_ids_and_keys,
        body_is_kept_exactly,
        large_body_is_kept,
        instants_are_kept_exactly,
        missing_is_none,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that is told otherwise sends nobody to a store that works.
#[rule(
    "entities::ready::answers",
    source = "spicedb #3142: one call that hung wedged the server"
)]
async fn ready_answers(w: &Registry) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// A created entity is answered as it is stored: at version 1, every field as given, its keys in
/// order, created and updated now.
///
/// What an administrator is shown after saving must be what logins go by.
#[rule(
    "entities::create::stores_it_whole",
    source = "AuthHero 5dddd72: create dropped fields and answered another shape than get"
)]
async fn created_is_stored_whole(w: &Registry) -> Checked {
    let given = new_client(
        "new",
        vec![
            own("slug", "new")?,
            global("client_id", "new", &w.tenant)?,
            own("alias", "n")?,
        ],
    )?;
    let created = w.store.create(&w.tenant, given.clone(), minute(3)).await?;
    let expected = Entity {
        kind: given.kind,
        id: given.id,
        body: given.body,
        keys: given.keys,
        version: Version::FIRST,
        created_at: minute(3),
        updated_at: minute(3),
    };
    equal("the answer of create", &created, &expected)?;
    w.is_stored(&expected).await?;
    w.subject_unchanged().await
}

/// A stored id is refused: its entity stays as it is, and the keys that came with the refused one
/// are free.
///
/// Whoever registers an id again would replace a client's secret, or block a domain for good.
#[rule(
    "entities::create::refuses_a_stored_id",
    source = "hydra, dex: a create of what exists fails and changes nothing"
)]
async fn stored_id_is_refused(w: &Registry) -> Checked {
    let new = [own("name", "new")?, global("client_id", "new", &w.tenant)?];
    let given = new_client("portal", new.to_vec())?;
    let answer = w.other.create(&w.tenant, given, minute(1)).await;
    fails(
        "creating a client under a stored id",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    let again = w
        .store
        .create(&w.tenant, portal(&w.tenant)?, minute(1))
        .await;
    fails("creating it again", again, ErrorKind::AlreadyExists)?;
    for key in &new {
        w.is_free(key).await?;
    }
    w.subject_unchanged().await
}

/// Ids are kept and compared as bytes: what differs in case, accents, composition, spaces or marks
/// is another entity.
///
/// An adapter that folds ids answers one customer's connection for another's.
#[rule(
    "entities::create::keeps_ids_apart",
    source = "CVE-2026-55170; better-auth #6033: ids were mangled",
    environments = "collation"
)]
async fn hostile_ids_are_kept_apart(w: &Registry) -> Checked {
    for name in hostile() {
        w.create(new_client(name, vec![])?).await?;
    }
    for name in hostile() {
        let found = some(name, w.store.get(&w.tenant, &client()?, &id(name)?).await?)?;
        equal("the id", &found.id.as_str(), &name.as_str())?;
        equal("the body", &found.body, &document(name)?)?;
    }
    Ok(())
}

/// Kinds are kept and compared as bytes, too.
///
/// Two kinds that become one hand a hook out as a client.
#[rule(
    "entities::create::keeps_kinds_apart",
    source = "CVE-2026-55170: a collation compared ids without regard to case",
    environments = "collation"
)]
async fn hostile_kinds_are_kept_apart(w: &Registry) -> Checked {
    for name in hostile() {
        let given = NewEntity {
            kind: kind(name)?,
            body: document(name)?,
            ..new_client("same", vec![own("name", "same")?])?
        };
        w.create(given).await?;
    }
    for name in hostile() {
        let (kind, key) = (kind(name)?, own("name", "same")?);
        let got = some(name, w.store.get(&w.tenant, &kind, &id("same")?).await?)?;
        equal("its kind", &got.kind, &kind)?;
        equal("its body", &got.body, &document(name)?)?;
        let found = w.store.find(&w.tenant, &kind, &key).await?;
        equal("what its key finds", &found, &Some(got))?;
    }
    Ok(())
}

/// An id and its keys, global ones too, may be of one entity of each kind.
///
/// A connection called like a client is no conflict.
#[rule(
    "entities::create::kinds_share_nothing",
    source = "AuthHero 089c6d2: a key that was unique over more than it declares refused who had a right to it"
)]
async fn kinds_share_ids_and_keys(w: &Registry) -> Checked {
    let given = NewEntity {
        kind: kind("connection")?,
        body: document("a connection")?,
        ..portal(&w.tenant)?
    };
    let created = w.create(given).await?;
    for key in &created.keys {
        let found = w.other.find(&w.tenant, &created.kind, key).await?;
        equal("what the key finds", &found.as_ref(), &Some(&created))?;
    }
    let put = change("changed", vec![])?;
    let (kind, name) = (&created.kind, &created.id);
    w.store
        .put(&w.tenant, kind, name, created.version, put, minute(1))
        .await?;
    w.subject_unchanged().await?;
    holds(
        w.store.remove(&w.tenant, kind, name).await?,
        "the connection was there",
    )?;
    w.subject_unchanged().await
}

/// A body is kept exactly: nulls and absences, empty lists and objects, numbers to 64 bits, every
/// character.
///
/// A callback that comes back changed is an open redirect, or a login that fails.
#[rule(
    "entities::create::keeps_bodies_exactly",
    source = "AuthHero 285af35: an emoji made every later read fail"
)]
async fn body_is_kept_exactly(w: &Registry) -> Checked {
    let given = NewEntity {
        body: awkward_document()?,
        ..new_client("new", vec![])?
    };
    let created = w.create(given.clone()).await?;
    equal("the body that create answers", &created.body, &given.body)?;
    let found = some("the client", w.seen("new").await?)?;
    equal("the body as it is read", &found.body, &given.body)?;
    let put = portproof_ports::EntityChange {
        body: given.body.clone(),
        keys: w.subject.keys.clone(),
    };
    let (kind, id) = (client()?, id("portal")?);
    w.store
        .put(&w.tenant, &kind, &id, Version::FIRST, put, minute(1))
        .await?;
    let found = some("the client", w.seen("portal").await?)?;
    equal("the body as it was put", &found.body, &given.body)
}

/// A body of a mebibyte is kept whole.
///
/// A theme or a hook's code that is cut off is a login page that nobody gets past.
#[rule(
    "entities::create::keeps_large_bodies",
    source = "next-auth #4734: a value too long locked a user out"
)]
async fn large_body_is_kept(w: &Registry) -> Checked {
    let given = NewEntity {
        body: large_document()?,
        ..new_client("new", vec![])?
    };
    w.create(given.clone()).await?;
    let found = some("the client", w.seen("new").await?)?;
    holds(
        found.body == given.body,
        "a mebibyte of body is read as it was written",
    )
}

/// Every instant of an entity is kept to the microsecond, from 1970 to 9999.
///
/// An invitation that moves by an hour is over before it is sent.
#[rule(
    "entities::create::keeps_instants",
    source = "dex b51e73bc, fd20b213: precision and zone were dropped",
    environments = "time_zone"
)]
async fn instants_are_kept_exactly(w: &Registry) -> Checked {
    for (number, instant) in instants()?.into_iter().enumerate() {
        let name = format!("at {number}");
        let given = new_client(&name, vec![])?;
        w.store.create(&w.tenant, given, instant).await?;
        let found = some("the client", w.seen(&name).await?)?;
        equal("its creation", &found.created_at, &instant)?;
        equal("its last change", &found.updated_at, &instant)?;
        let put = change("later", vec![])?;
        w.store
            .put(&w.tenant, &found.kind, &found.id, found.version, put, START)
            .await?;
        let found = some("the client", w.seen(&name).await?)?;
        equal("its creation", &found.created_at, &instant)?;
        equal("its last change", &found.updated_at, &START)?;
    }
    Ok(())
}

/// What is not stored is answered as nothing, however close its name is to what is.
///
/// A client that is made up of defaults has no secret to check.
#[rule(
    "entities::get::missing_is_none",
    source = "openfga #3014: a driver's no-rows error was not mapped"
)]
async fn missing_is_none(w: &Registry) -> Checked {
    for name in ["nobody", "porta", "portal%", "p_rtal", "PORTAL", "portal  "] {
        equal(name, &w.seen(name).await?, &None)?;
    }
    let found = w
        .store
        .get(&w.tenant, &kind("clients")?, &id("portal")?)
        .await?;
    equal("one of a kind that there is not", &found, &None)?;
    for key in [
        own("name", "Porta")?,
        own("name", "portal ")?,
        own("nam", "Portal")?,
        own("name", "%")?,
        global("client_id", "porta", &w.tenant)?,
        global("client_id", "%", &w.tenant)?,
    ] {
        w.is_free(&key).await?;
    }
    Ok(())
}
