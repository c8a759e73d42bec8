//! Keys as records: what is stored is what was given, and only the adapter can read the private
//! part.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use memchr::memmem;
use portproof_ports::{
    Document, ErrorKind, KeyState, KeyUse, MAX_KEYS, NewKey, Ports, PrivateKey, StoredKey, Text,
};

use super::{Keys, id, key_for, private, signing};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds, some},
    fixture::{START, awkward_document, hostile, instants, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        inserted_is_stored_whole,
        stored_id_is_refused,
        id_of_the_other_use_is_refused,
        insert_race_has_one_owner,
        ids_are_kept_apart,
        public_part_is_kept_exactly,
        private_part_is_kept_exactly,
        instants_are_kept_exactly,
        missing_is_none,
        keys_keep_to_the_limit,
        nothing_private_rests,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that is told otherwise signs nobody in.
#[rule(
    "keystore::ready::answers",
    source = "AuthHero a7cca7b: a keystore that could not sign was found out by the first login"
)]
async fn ready_answers(w: &Keys) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// An inserted key is answered as it is stored: next in line, every field as given, with no time
/// but its creation.
///
/// A key that comes back without a part of it signs what nobody can verify.
#[rule(
    "keystore::insert::stores_it_whole",
    source = "dex: a key set that was read must sign and verify; hydra: one key added keeps the others"
)]
async fn inserted_is_stored_whole(w: &Keys) -> Checked {
    let given = NewKey {
        algorithm: Text::new("RS256 – Ä")?,
        ..signing("new")?
    };
    let inserted = w.store.insert(&w.tenant, given.clone(), minute(5)).await?;
    let expected = StoredKey {
        id: given.id.clone(),
        key_use: given.key_use,
        algorithm: given.algorithm,
        public: given.public,
        private: given.private.clone(),
        state: KeyState::Next,
        created_at: minute(5),
        activated_at: None,
        retired_at: None,
        revoked_at: None,
    };
    equal("the answer of insert", &inserted, &expected)?;
    let found = some("the key", w.seen(&given.id).await?)?;
    equal("the key as it is read", &found, &expected)?;
    holds(
        found.private == given.private,
        "the private part is read as it was given",
    )?;
    w.keys_unchanged().await
}

/// A stored id is refused, and its key stays as it is.
///
/// A key that is replaced under its id makes everything that it signed worthless.
#[rule(
    "keystore::insert::refuses_a_stored_id",
    source = "hydra #3870: duplicates of one key"
)]
async fn stored_id_is_refused(w: &Keys) -> Checked {
    for name in ["active", "next"] {
        let given = NewKey {
            private: private("an attacker's")?,
            ..signing(name)?
        };
        let answer = w.other.insert(&w.tenant, given, minute(5)).await;
        fails(
            &format!("inserting {name:?} again"),
            answer,
            ErrorKind::AlreadyExists,
        )?;
    }
    w.keys_unchanged().await
}

/// An id that a key of the other use has is refused as well.
///
/// Tokens name a key by its id alone.
#[rule(
    "keystore::insert::refuses_an_id_of_the_other_use",
    source = "the contract: a key id is unique in its tenant"
)]
async fn id_of_the_other_use_is_refused(w: &Keys) -> Checked {
    let answer = w
        .store
        .insert(&w.tenant, key_for(KeyUse::Encryption, "active")?, minute(5))
        .await;
    fails(
        "inserting an encryption key under a signing key's id",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    w.keys_unchanged().await
}

/// Of callers that insert one id at once, one succeeds, and its key is the one that is stored.
///
/// Servers that start together each make the first key.
#[rule(
    "keystore::insert::race_has_one_owner",
    source = "hydra #3870, #3876: concurrent first use made duplicate keys",
    environments = "isolation"
)]
async fn insert_race_has_one_owner(w: &Keys) -> Checked {
    for round in 0..4 {
        let mut given = Vec::new();
        for racer in 0..RACERS {
            given.push(NewKey {
                private: private(&format!("racer {racer}"))?,
                ..signing(&format!("contested {round}"))?
            });
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, given) = (w.handle(racer), w.tenant.clone(), given[racer].clone());
            async move { store.insert(&tenant, given, minute(5)).await }
        })
        .await?;
        exactly_one(
            "inserting one id at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        let won = answers.into_iter().find_map(Result::ok);
        let found = w.seen(&id(&format!("contested {round}"))?).await?;
        holds(
            found == won,
            "the winner's key is stored, with its private part",
        )?;
    }
    Ok(())
}

/// Key ids are kept and compared as bytes.
///
/// A token that names one key must not be verified with another.
#[rule(
    "keystore::insert::keeps_ids_apart",
    source = "CVE-2026-55170: a collation made two ids one",
    environments = "collation"
)]
async fn ids_are_kept_apart(w: &Keys) -> Checked {
    for name in hostile() {
        w.store.insert(&w.tenant, signing(name)?, START).await?;
    }
    for name in hostile() {
        let found = some(name, w.store.get(&w.tenant, &id(name)?).await?)?;
        equal("the id", &found.id.as_str(), &name.as_str())?;
        holds(
            found.private == private(name)?,
            format!("{name:?} has its own private part"),
        )?;
    }
    Ok(())
}

/// The public part is kept exactly, whatever is in it.
///
/// A key set whose numbers changed verifies nothing.
#[rule(
    "keystore::insert::keeps_the_public_part",
    source = "hydra: keys of any kind come back as they were"
)]
async fn public_part_is_kept_exactly(w: &Keys) -> Checked {
    let given = NewKey {
        public: awkward_document()?,
        ..signing("new")?
    };
    w.store.insert(&w.tenant, given.clone(), START).await?;
    let found = some("the key", w.seen(&given.id).await?)?;
    equal("the public part", &found.public, &given.public)?;
    let set = w
        .store
        .public_set(&w.tenant, KeyUse::Signing, minute(5))
        .await?;
    let public: Vec<Document> = set
        .into_iter()
        .filter(|key| key.id == given.id)
        .map(|key| key.public)
        .collect();
    equal("the public part in the set", &public, &vec![given.public])
}

/// The private part is kept byte for byte, from one byte to 16 KiB, whatever the bytes.
///
/// A key that lost a byte signs nothing, and nobody notices before it is in use.
#[rule(
    "keystore::insert::keeps_the_private_part",
    source = "vault, go-cloud: bytes that are not text, and zeroes"
)]
async fn private_part_is_kept_exactly(w: &Keys) -> Checked {
    let all: Vec<u8> = (0..=255).collect();
    for (name, bytes) in [
        ("one zero", vec![0]),
        ("every byte", all.clone()),
        (
            "16 KiB",
            all.iter().copied().cycle().take(16 * 1024).collect(),
        ),
        ("like a sealed one", b"enc:v1:AAAA".to_vec()),
    ] {
        let given = NewKey {
            private: PrivateKey::new(bytes)?,
            ..signing(name)?
        };
        w.store.insert(&w.tenant, given.clone(), START).await?;
        let found = some(name, w.seen(&given.id).await?)?;
        holds(
            found.private == given.private,
            format!("{name} is read as it was written"),
        )?;
    }
    Ok(())
}

/// Every instant of a key's life is kept to the microsecond.
///
/// A key that retires an hour early locks everybody out.
#[rule(
    "keystore::insert::keeps_instants",
    source = "dex b51e73bc: rotation times lost their precision",
    environments = "time_zone"
)]
async fn instants_are_kept_exactly(w: &Keys) -> Checked {
    let mut active = w.active.id.clone();
    for (number, instant) in instants()?.into_iter().enumerate() {
        let name = id(&format!("at {number}"))?;
        w.store
            .insert(&w.tenant, signing(name.as_str())?, instant)
            .await?;
        w.store
            .rotate(
                &w.tenant,
                KeyUse::Signing,
                Some(active.clone()),
                &name,
                instant,
                instant,
            )
            .await?;
        let found = some("the new key", w.store.get(&w.tenant, &name).await?)?;
        equal("its creation", &found.created_at, &instant)?;
        equal("its activation", &found.activated_at, &Some(instant))?;
        let old = some("the old key", w.store.get(&w.tenant, &active).await?)?;
        equal("its retirement", &old.retired_at, &Some(instant))?;
        equal(
            "its state",
            &old.state,
            &KeyState::Retired {
                published_until: instant,
            },
        )?;
        w.store.revoke(&w.tenant, &active, instant).await?;
        let old = some("the revoked key", w.store.get(&w.tenant, &active).await?)?;
        equal("its revocation", &old.revoked_at, &Some(instant))?;
        active = name;
    }
    Ok(())
}

/// A key that is not stored is answered as missing.
///
/// Verifying with a default key verifies everything, or nothing.
#[rule(
    "keystore::get::missing_is_none",
    source = "hydra: an unknown key or set is not found"
)]
async fn missing_is_none(w: &Keys) -> Checked {
    for name in ["nobody", "ACTIVE", "activ", "active  ", "%", "nex_"] {
        equal(
            &format!("the key {name:?}"),
            &w.seen(&id(name)?).await?,
            &None,
        )?;
    }
    let empty = w.context.tenant()?;
    for key_use in [KeyUse::Signing, KeyUse::Encryption] {
        equal(
            "the active key of an empty tenant",
            &w.store.active(&empty, key_use).await?,
            &None,
        )?;
        let set = w.store.public_set(&empty, key_use, START).await?;
        equal("the public set of an empty tenant", &set, &vec![])?;
    }
    Ok(())
}

/// A tenant may have a thousand keys of a use, also revoked ones; one more is refused, until one is
/// removed. Keys of the other use do not count.
///
/// A public set without a limit is a page that no client can load.
#[rule(
    "keystore::insert::keeps_to_the_limit",
    source = "the contract: limits are named and the same everywhere"
)]
async fn keys_keep_to_the_limit(w: &Keys) -> Checked {
    // Two are there.
    let lanes = race(RACERS, |lane| {
        let (store, tenant) = (w.store.clone(), w.tenant.clone());
        async move {
            for number in (lane..MAX_KEYS - 2).step_by(RACERS) {
                store
                    .insert(&tenant, signing(&format!("number {number}"))?, START)
                    .await?;
            }
            Ok::<(), Failure>(())
        }
    })
    .await?;
    lanes.into_iter().collect::<Checked>()?;
    let answer = w.store.insert(&w.tenant, signing("one more")?, START).await;
    fails("inserting one more", answer, ErrorKind::Refused)?;
    equal("one more", &w.seen(&id("one more")?).await?, &None)?;
    w.store
        .insert(
            &w.tenant,
            key_for(KeyUse::Encryption, "of the other use")?,
            START,
        )
        .await?;
    let gone = id("number 7")?;
    w.store.revoke(&w.tenant, &gone, START).await?;
    let answer = w.store.insert(&w.tenant, signing("one more")?, START).await;
    fails(
        "inserting one more after one was revoked",
        answer,
        ErrorKind::Refused,
    )?;
    equal(
        "removing one",
        &w.store.remove(&w.tenant, &gone).await?,
        &true,
    )?;
    w.store
        .insert(&w.tenant, signing("one more")?, START)
        .await?;
    w.keys_unchanged().await
}

/// What the backend keeps holds the id and the public part of a key, and its private part in no
/// readable form: not as it is, nor in hexadecimal or base64.
///
/// A stolen backup must not sign tokens.
#[rule(
    "keystore::rest::holds_nothing_private",
    source = "OneAuth: keys never rest in the clear; hydra encrypts session data only",
    capability = "dump"
)]
async fn nothing_private_rests(w: &Keys) -> Checked {
    let given = NewKey {
        public: Document::new(serde_json::json!({"marker": "a public part to be found"}))?,
        ..signing("a key to be found")?
    };
    w.store.insert(&w.tenant, given.clone(), START).await?;
    let dump = w.context.dump().await?;
    let rests = |needle: &[u8]| memmem::find(&dump, needle).is_some();
    // Otherwise the search would prove nothing.
    holds(
        rests(b"a key to be found"),
        "the dump holds the id of a stored key",
    )?;
    holds(
        rests(b"a public part to be found"),
        "the dump holds the public part of a stored key",
    )?;
    for secret in [
        given.private.expose(),
        w.active.private.expose(),
        w.next.private.expose(),
    ] {
        // In base64 the first bytes and the last depend on their neighbours.
        let middle = &secret[..secret.len() / 3 * 3];
        let hexadecimal: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        for (form, needle) in [
            ("as it is", secret.to_vec()),
            ("in hexadecimal", hexadecimal.clone().into_bytes()),
            (
                "in capital hexadecimal",
                hexadecimal.to_uppercase().into_bytes(),
            ),
            ("in base64", BASE64_STANDARD.encode(middle).into_bytes()),
            (
                "in base64 without padding",
                BASE64_STANDARD_NO_PAD.encode(middle).into_bytes(),
            ),
            (
                "in base64 for URLs",
                BASE64_URL_SAFE_NO_PAD.encode(middle).into_bytes(),
            ),
        ] {
            holds(!rests(&needle), format!("no private part rests {form}"))?;
        }
    }
    Ok(())
}
