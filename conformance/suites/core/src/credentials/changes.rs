//! Changes of credentials: updating and removing them.

use portproof_ports::{CredentialKind, ErrorKind, Ports, Secret, Version};

use super::{Credentials, api_key, code, id, new_credential, of, password};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds, some},
    fixture::{day, document, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        update_replaces_metadata_and_expiry,
        update_of_stale_version_is_refused,
        update_creates_nothing,
        removed_is_gone,
        removal_frees_what_it_had,
    ]
}

/// An update replaces metadata and expiry, also by none, raises the version by one, and leaves the
/// rest as it is.
///
/// A new name for a passkey must not set its counter back.
#[rule(
    "credentials::update::replaces_metadata_and_expiry",
    source = "kratos: an update of one credential left the others alone; dex: none clears"
)]
async fn update_replaces_metadata_and_expiry(w: &Credentials) -> Checked {
    w.store.record_failure(&w.tenant, &w.api_key.id).await?;
    let mut expected = some("the key", w.seen(&w.api_key.id).await?)?;
    for (at, expires_at) in [
        (minute(5), Some(day(7))),
        (minute(6), None),
        (minute(7), Some(day(90))),
    ] {
        let metadata = document(&format!("{at}"))?;
        expected.metadata = metadata.clone();
        expected.expires_at = expires_at;
        expected.updated_at = at;
        let updated = w
            .store
            .update(
                &w.tenant,
                &w.api_key.id,
                expected.version,
                metadata,
                expires_at,
                at,
            )
            .await?;
        expected.version = expected.version.next();
        equal("the answer of update", &updated, &expected)?;
        equal(
            "the key",
            &w.seen(&w.api_key.id).await?.as_ref(),
            &Some(&expected),
        )?;
    }
    let found = w.finds(CredentialKind::ApiKey, "key").await?;
    equal("what its digest finds", &found, &Some(w.api_key.id.clone()))
}

/// An update that saw another version is told so, and writes nothing; of callers at once, one wins.
///
/// A lost update is a limit on a key that is gone.
#[rule(
    "credentials::update::refuses_a_stale_version",
    source = "kratos: 12 writers of one configuration; dex #2547"
)]
async fn update_of_stale_version_is_refused(w: &Credentials) -> Checked {
    let late = w.store.update(
        &w.tenant,
        &w.api_key.id,
        Version::FIRST.next(),
        document("late")?,
        None,
        minute(1),
    );
    fails(
        "an update of a version that is not stored",
        late.await,
        ErrorKind::Stale,
    )?;
    w.ada_unchanged().await?;
    let mut version = w.api_key.version;
    for round in 0..4 {
        let answers = race(RACERS, |racer| {
            let (store, tenant, key) = (w.handle(racer), w.tenant.clone(), w.api_key.id.clone());
            let metadata = document(&format!("round {round}, racer {racer}"));
            async move {
                Ok::<_, Failure>(
                    store
                        .update(&tenant, &key, version, metadata?, None, minute(1))
                        .await,
                )
            }
        })
        .await?;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        exactly_one(
            "updating one version at once",
            &answers,
            Result::is_ok,
            |answer| answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Stale),
        )?;
        let won = answers.into_iter().find_map(Result::ok);
        equal("the key", &w.seen(&w.api_key.id).await?, &won)?;
        version = version.next();
    }
    Ok(())
}

/// No write brings a credential into being, or back, that is not stored: each is told so.
///
/// A key that was removed must not come back because somebody used it once more.
#[rule(
    "credentials::update::creates_nothing",
    source = "Auth.js: a counter of a missing authenticator; connect-redis #328"
)]
async fn update_creates_nothing(w: &Credentials) -> Checked {
    w.store.remove(&w.tenant, &w.code.id).await?;
    for name in [id("nobody")?, w.code.id.clone()] {
        let (t, now) = (&w.tenant, minute(1));
        let plain = portproof_ports::CredentialUse::Plain;
        let updated = w
            .store
            .update(t, &name, Version::FIRST, document("x")?, None, now)
            .await;
        fails("update", updated, ErrorKind::NotFound)?;
        let retired = portproof_ports::OldSecret::Retired;
        let replaced = w
            .store
            .replace(t, &name, Version::FIRST, code("x"), retired, now)
            .await;
        fails("replace", replaced, ErrorKind::NotFound)?;
        fails(
            "record_use",
            w.store.record_use(t, &name, plain, now).await,
            ErrorKind::NotFound,
        )?;
        fails(
            "record_failure",
            w.store.record_failure(t, &name).await,
            ErrorKind::NotFound,
        )?;
        fails(
            "consume",
            w.store.consume(t, &name, now).await,
            ErrorKind::NotFound,
        )?;
        equal("the credential", &w.seen(&name).await?, &None)?;
    }
    equal(
        "what the digest finds",
        &w.finds(CredentialKind::RecoveryCode, "x").await?,
        &None,
    )
}

/// A removed credential is gone on every handle, by id and by digest; only that one, and the answer
/// says whether there was one.
///
/// A passkey that was lost must let nobody in, and the others must.
#[rule(
    "credentials::remove::takes_exactly_one",
    source = "AuthHero: removing a missing row answered true; Auth.js: too many were removed unnoticed"
)]
async fn removed_is_gone(w: &Credentials) -> Checked {
    for name in ["nobody", "KEY", "k_y", "%"] {
        equal(
            &format!("removing {name:?}"),
            &w.store.remove(&w.tenant, &id(name)?).await?,
            &false,
        )?;
    }
    w.ada_unchanged().await?;
    equal(
        "removing the key",
        &w.store.remove(&w.tenant, &w.api_key.id).await?,
        &true,
    )?;
    equal("the key", &w.seen(&w.api_key.id).await?, &None)?;
    equal(
        "what its digest finds",
        &w.finds(CredentialKind::ApiKey, "key").await?,
        &None,
    )?;
    equal(
        "removing it again",
        &w.other.remove(&w.tenant, &w.api_key.id).await?,
        &false,
    )?;
    for left in [&w.code, &w.password] {
        equal(
            "what was left",
            &w.seen(&left.id).await?.as_ref(),
            &Some(left),
        )?;
    }
    Ok(())
}

/// What a removed credential had can be had again: its id, its digests, and the place of a
/// password; a new one starts afresh, without a history.
///
/// Otherwise a password that was removed can never be set again.
#[rule(
    "credentials::remove::frees_what_it_had",
    source = "spicedb, vault: delete, then create; spire #6946: rows of what was deleted stayed behind"
)]
async fn removal_frees_what_it_had(w: &Credentials) -> Checked {
    let retired = portproof_ports::OldSecret::Retired;
    w.store
        .replace(
            &w.tenant,
            &w.api_key.id,
            Version::FIRST,
            api_key("newer"),
            retired,
            minute(1),
        )
        .await?;
    w.store.remove(&w.tenant, &w.api_key.id).await?;
    w.store.remove(&w.tenant, &w.password.id).await?;
    let again = w.add(new_credential("key", api_key("newer"))?).await?;
    equal("the new key's version", &again.version, &Version::FIRST)?;
    let history = w
        .store
        .history(
            &w.tenant,
            &again.id,
            &portproof_ports::PageRequest::first(10)?,
        )
        .await?;
    holds(history.items.is_empty(), "a new credential has no history")?;
    w.add(of("Grace", "old digest", api_key("key"))?).await?;
    let secret: Secret = password("new")?;
    w.add(new_credential("another password", secret)?).await?;
    let found = w.finds(CredentialKind::ApiKey, "key").await?;
    equal(
        "what the old digest finds",
        &found,
        &Some(id("old digest")?),
    )
}
