//! Credentials as records: what is added is what was given, once, and found by its digest alone.

use portproof_ports::{
    Counter, Credential, CredentialKind, ErrorKind, NewCredential, Ports, Version,
};

use super::{Credentials, api_key, code, digest, id, new_credential, of, passkey, password, totp};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    fixture::{START, awkward_document, day, document, hostile, instants, just_before, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        added_is_stored_whole,
        stored_id_is_refused,
        second_password_is_refused,
        taken_digest_is_refused,
        password_race_has_one_winner,
        digest_race_has_one_owner,
        ids_are_kept_apart,
        metadata_is_kept_exactly,
        instants_are_kept_exactly,
        missing_is_none,
        kinds_are_kept_apart,
        expired_is_not_found,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that is told otherwise lets nobody in.
#[rule(
    "credentials::ready::answers",
    source = "spicedb #3142: one call that hung wedged the server"
)]
async fn ready_answers(w: &Credentials) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// A credential of any kind is answered as it is stored: every field as given, at version 1, never
/// used, failed or consumed.
///
/// A hash that changed on its way locks its owner out.
#[rule(
    "credentials::add::stores_it_whole",
    source = "dex: a hash comes back byte for byte; AuthHero 5dddd72"
)]
async fn added_is_stored_whole(w: &Credentials) -> Checked {
    for (name, secret, expires_at) in [
        ("a password", password("new")?, None),
        ("a seed", totp("new")?, Some(day(3))),
        ("a passkey", passkey("new")?, None),
        ("a code", code("new"), Some(minute(5))),
        ("an API key", api_key("new"), Some(day(1000))),
    ] {
        let given = NewCredential {
            expires_at,
            ..of("Grace", name, secret)?
        };
        let added = w.store.add(&w.tenant, given.clone(), minute(2)).await?;
        let expected = Credential {
            id: given.id.clone(),
            identity: given.identity,
            secret: given.secret,
            metadata: given.metadata,
            expires_at,
            version: Version::FIRST,
            counter: Counter::ZERO,
            failures: 0,
            used_at: None,
            consumed_at: None,
            created_at: minute(2),
            updated_at: minute(2),
        };
        holds(
            added.secret == expected.secret,
            format!("{name} is answered with its secret"),
        )?;
        equal(&format!("the answer of adding {name}"), &added, &expected)?;
        let found = some(name, w.seen(&given.id).await?)?;
        holds(
            found.secret == expected.secret,
            format!("{name} is read with its secret"),
        )?;
        equal(&format!("{name} as it is read"), &found, &expected)?;
        if let Some(lookup) = expected.secret.lookup() {
            let found = w
                .other
                .find(&w.tenant, expected.secret.kind(), lookup, minute(2))
                .await?;
            equal(
                &format!("{name} as it is found"),
                &found.as_ref(),
                &Some(&expected),
            )?;
        }
    }
    w.ada_unchanged().await
}

/// A stored id is refused: its credential stays as it is, and the digest that came with the refused
/// one finds nothing.
///
/// Whoever can choose an id would put their key in the place of somebody else's.
#[rule(
    "credentials::add::refuses_a_stored_id",
    source = "hydra, dex: a create of what exists fails and changes nothing"
)]
async fn stored_id_is_refused(w: &Credentials) -> Checked {
    let answer = w
        .other
        .add(
            &w.tenant,
            of("Mallory", "key", api_key("Mallory's"))?,
            minute(1),
        )
        .await;
    fails("adding under a stored id", answer, ErrorKind::AlreadyExists)?;
    equal(
        "what the refused digest finds",
        &w.finds(CredentialKind::ApiKey, "Mallory's").await?,
        &None,
    )?;
    w.ada_unchanged().await
}

/// An identity has one password: a second one is refused, also when other kinds are there. Another
/// identity's is its own.
///
/// With two passwords the old one, or a thief's, still lets in.
#[rule(
    "credentials::add::refuses_a_second_password",
    source = "AuthHero: 20 concurrent creations left 20 current passwords"
)]
async fn second_password_is_refused(w: &Credentials) -> Checked {
    let answer = w
        .store
        .add(
            &w.tenant,
            new_credential("second", password("second")?)?,
            minute(1),
        )
        .await;
    fails("adding a second password", answer, ErrorKind::AlreadyExists)?;
    equal("the second password", &w.seen(&id("second")?).await?, &None)?;
    for owner in ["ada", "Ada ", "Grace"] {
        w.add(of(owner, &format!("password of {owner}"), password("x")?)?)
            .await?;
    }
    for name in ["first seed", "second seed"] {
        w.add(new_credential(name, totp(name)?)?).await?;
    }
    w.ada_unchanged().await
}

/// A digest that a credential of the kind has is refused, and nothing is added; of another kind it
/// may be had.
///
/// Two accounts that one key opens are one account.
#[rule(
    "credentials::add::refuses_a_taken_digest",
    source = "Auth.js: authenticators are unique by credential id; kratos: identifiers by kind",
    environments = "collation"
)]
async fn taken_digest_is_refused(w: &Credentials) -> Checked {
    w.add(new_credential("passkey", passkey("passkey")?)?)
        .await?;
    for (what, secret) in [
        ("an API key", api_key("key")),
        ("a code", code("code")),
        ("a passkey", passkey("passkey")?),
    ] {
        let answer = w
            .store
            .add(&w.tenant, of("Grace", "new", secret)?, minute(1))
            .await;
        fails(
            &format!("adding {what} with a taken digest"),
            answer,
            ErrorKind::AlreadyExists,
        )?;
        equal("the refused credential", &w.seen(&id("new")?).await?, &None)?;
    }
    w.add(of("Grace", "other kind", passkey("key")?)?).await?;
    let found = w.finds(CredentialKind::WebAuthn, "key").await?;
    equal(
        "what the passkey's digest finds",
        &found,
        &Some(id("other kind")?),
    )?;
    w.ada_unchanged().await
}

/// Of callers that add a password for one identity at once, one succeeds.
///
/// Which of two passwords is right is then a matter of luck.
#[rule(
    "credentials::add::race_has_one_password",
    source = "AuthHero: 20 concurrent creations left 20 current passwords",
    environments = "isolation"
)]
async fn password_race_has_one_winner(w: &Credentials) -> Checked {
    for round in 0..4 {
        let owner = format!("owner {round}");
        let mut given = Vec::new();
        for racer in 0..RACERS {
            given.push(of(
                &owner,
                &format!("{round}, {racer}"),
                password(&format!("{racer}"))?,
            )?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, given) = (w.handle(racer), w.tenant.clone(), given[racer].clone());
            async move { store.add(&tenant, given, START).await }
        })
        .await?;
        exactly_one(
            "adding a password at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        for (given, answer) in given.iter().zip(answers) {
            equal(
                "a racer's password",
                &w.seen(&given.id).await?,
                &answer.ok(),
            )?;
        }
    }
    Ok(())
}

/// Of callers that add one digest at once, one succeeds, and it finds the winner's.
///
/// A key with two owners logs in as either.
#[rule(
    "credentials::add::race_has_one_owner_of_a_digest",
    source = "tower-sessions, kratos: uniqueness by check, then write",
    environments = "isolation"
)]
async fn digest_race_has_one_owner(w: &Credentials) -> Checked {
    for round in 0..4 {
        let contested = format!("contested {round}");
        let mut given = Vec::new();
        for racer in 0..RACERS {
            given.push(of(
                &format!("owner {racer}"),
                &format!("{round}, {racer}"),
                api_key(&contested),
            )?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, given) = (w.handle(racer), w.tenant.clone(), given[racer].clone());
            async move { store.add(&tenant, given, START).await }
        })
        .await?;
        exactly_one(
            "adding one digest at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        let winner = answers
            .into_iter()
            .find_map(Result::ok)
            .map(|credential| credential.id);
        equal(
            "what the digest finds",
            &w.finds(CredentialKind::ApiKey, &contested).await?,
            &winner,
        )?;
    }
    Ok(())
}

/// Ids of credentials, and of the identities that have them, are kept and compared as bytes.
///
/// An adapter that folds them gives one person the credentials of another.
#[rule(
    "credentials::add::keeps_ids_apart",
    source = "CVE-2026-55170: a collation made two ids one",
    environments = "collation"
)]
async fn ids_are_kept_apart(w: &Credentials) -> Checked {
    for name in hostile() {
        w.add(of(name, name, password("x")?)?).await?;
    }
    for name in hostile() {
        let found = some(name, w.store.get(&w.tenant, &id(name)?).await?)?;
        equal("the id", &found.id.as_str(), &name.as_str())?;
        equal("the owner", &found.identity.as_str(), &name.as_str())?;
        equal("the metadata", &found.metadata, &document(name)?)?;
    }
    Ok(())
}

/// Metadata is kept exactly, and the longest secrets are, too.
///
/// What an authenticator reported must be read as it was written.
#[rule(
    "credentials::add::keeps_metadata_exactly",
    source = "next-auth #9098, #4734: tokens that were cut off"
)]
async fn metadata_is_kept_exactly(w: &Credentials) -> Checked {
    let given = NewCredential {
        metadata: awkward_document()?,
        ..new_credential("new", totp(&"s".repeat(16_000))?)?
    };
    let added = w.add(given.clone()).await?;
    equal(
        "the metadata that add answers",
        &added.metadata,
        &given.metadata,
    )?;
    let found = some("the credential", w.seen(&given.id).await?)?;
    equal(
        "the metadata as it is read",
        &found.metadata,
        &given.metadata,
    )?;
    holds(
        found.secret == given.secret,
        "a long secret is read as it was written",
    )?;
    let long = w
        .add(of("Grace", "long", password(&"h".repeat(980))?)?)
        .await?;
    holds(
        w.seen(&long.id)
            .await?
            .is_some_and(|found| found.secret == long.secret),
        "a long hash is kept",
    )
}

/// Every instant of a credential is kept to the microsecond.
///
/// A key that ends an hour late was not revoked in time.
#[rule(
    "credentials::add::keeps_instants",
    source = "dex b51e73bc, hydra 337000aac: precision and zone",
    environments = "time_zone"
)]
async fn instants_are_kept_exactly(w: &Credentials) -> Checked {
    for (number, instant) in instants()?.into_iter().enumerate() {
        let name = format!("at {number}");
        let given = NewCredential {
            expires_at: Some(instant),
            ..new_credential(&name, code(&name))?
        };
        w.store.add(&w.tenant, given, instant).await?;
        w.store
            .record_use(
                &w.tenant,
                &id(&name)?,
                portproof_ports::CredentialUse::Plain,
                instant,
            )
            .await?;
        let found = some("the credential", w.store.get(&w.tenant, &id(&name)?).await?)?;
        equal("its creation", &found.created_at, &instant)?;
        equal("its last change", &found.updated_at, &instant)?;
        equal("its expiry", &found.expires_at, &Some(instant))?;
        equal("its last use", &found.used_at, &Some(instant))?;
    }
    Ok(())
}

/// What is not stored is answered as missing, by id and by digest.
///
/// A default credential is one that everybody has.
#[rule(
    "credentials::get::missing_is_none",
    source = "openfga #3014: a driver's no-rows error was not mapped"
)]
async fn missing_is_none(w: &Credentials) -> Checked {
    for name in ["nobody", "KEY", "ke", "key ", "%", "k_y"] {
        equal(&format!("{name:?}"), &w.seen(&id(name)?).await?, &None)?;
    }
    for kind in CredentialKind::ALL {
        equal(
            "what an unknown digest finds",
            &w.finds(kind, "unknown").await?,
            &None,
        )?;
    }
    Ok(())
}

/// A digest finds a credential of its own kind only.
///
/// A recovery code must not be an API key.
#[rule(
    "credentials::find::keeps_kinds_apart",
    source = "kratos: identifiers are unique by kind; hydra: tokens by type",
    environments = "collation"
)]
async fn kinds_are_kept_apart(w: &Credentials) -> Checked {
    for (kind, of, expected) in [
        (CredentialKind::ApiKey, "key", Some("key")),
        (CredentialKind::RecoveryCode, "key", Some("code ")),
        (CredentialKind::RecoveryCode, "code", Some("code")),
        (CredentialKind::ApiKey, "code", None),
        (CredentialKind::WebAuthn, "key", None),
        (CredentialKind::Password, "key", None),
        (CredentialKind::Totp, "key", None),
    ] {
        let expected = expected.map(id).transpose()?;
        equal(
            &format!("what {of:?} finds as {kind:?}"),
            &w.finds(kind, of).await?,
            &expected,
        )?;
    }
    Ok(())
}

/// A credential is found until it expires, and not at that instant; by its id it is read all the
/// same.
///
/// A key that is of use for a moment longer is of use to a thief.
#[rule(
    "credentials::find::minds_the_expiry",
    source = "kratos, Keycloak: what has expired cannot be used; openfga: what has expired is invisible",
    environments = "time_zone"
)]
async fn expired_is_not_found(w: &Credentials) -> Checked {
    let find = |now| {
        w.store.find(
            &w.tenant,
            CredentialKind::ApiKey,
            w.api_key.secret.lookup().unwrap_or(&EMPTY),
            now,
        )
    };
    equal(
        "at its last moment",
        &find(just_before(day(90))).await?.as_ref(),
        &Some(&w.api_key),
    )?;
    for now in [day(90), day(91)] {
        equal(&format!("at {now}"), &find(now).await?, &None)?;
    }
    let forever = NewCredential {
        expires_at: None,
        ..new_credential("forever", api_key("forever"))?
    };
    let forever = w.add(forever).await?;
    let end = portproof_ports::Timestamp::MAX;
    let found = w
        .other
        .find(&w.tenant, CredentialKind::ApiKey, &digest("forever"), end)
        .await?;
    equal(
        "one without an expiry, at the end of time",
        &found,
        &Some(forever),
    )?;
    w.ada_unchanged().await
}

/// Finds nothing; every API key of this suite has a digest of its own.
static EMPTY: portproof_ports::LookupDigest = portproof_ports::LookupDigest::new([0; 32]);
