//! Secrets that replace each other, and the history that they leave.

use portproof_ports::{
    Credential, CredentialKind, ErrorKind, OldSecret, PageRequest, PastSecret, Ports, Version,
};

use super::{Credentials, api_key, code, digest, id, new_credential, of, password};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds, some},
    fixture::{START, just_before, minute},
    lists::{first_item, refuses_cursor, refuses_damaged, walks_answer},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        replace_changes_the_secret,
        replaced_secret_finds_nothing,
        grace_ends_in_time,
        replace_keeps_to_the_kind,
        replace_of_stale_version_is_refused,
        replace_refuses_a_taken_digest,
        replace_race_has_one_winner,
        history_is_complete_and_ordered,
        history_cursor_belongs_to_it,
    ]
}

/// Replacing gives a credential another secret, raises the version by one and ends its failures;
/// everything else stays, and the new secret finds it at once.
///
/// A password that was changed and does not work is a call to the help desk; one whose old still
/// works is worse.
#[rule(
    "credentials::replace::changes_the_secret",
    source = "duck-auth: rotate; kratos: one credential's change leaves the others"
)]
async fn replace_changes_the_secret(w: &Credentials) -> Checked {
    w.store.record_failure(&w.tenant, &w.api_key.id).await?;
    equal(
        "what the new digest finds before",
        &w.finds(CredentialKind::ApiKey, "newer").await?,
        &None,
    )?;
    let replaced = w
        .store
        .replace(
            &w.tenant,
            &w.api_key.id,
            Version::FIRST,
            api_key("newer"),
            OldSecret::Retired,
            minute(5),
        )
        .await?;
    let expected = Credential {
        secret: api_key("newer"),
        version: Version::FIRST.next(),
        updated_at: minute(5),
        ..w.api_key.clone()
    };
    equal("the answer of replace", &replaced, &expected)?;
    equal("the key", &w.seen(&w.api_key.id).await?, &Some(expected))?;
    equal(
        "what the new digest finds",
        &w.finds(CredentialKind::ApiKey, "newer").await?,
        &Some(id("key")?),
    )?;
    let replaced = w
        .store
        .replace(
            &w.tenant,
            &w.password.id,
            Version::FIRST,
            password("new")?,
            OldSecret::Retired,
            minute(6),
        )
        .await?;
    holds(
        replaced.secret == password("new")?,
        "the new password is answered",
    )?;
    let found = some("the password", w.seen(&w.password.id).await?)?;
    holds(found.secret == password("new")?, "the new password is read")
}

/// A retired secret finds nothing from then on, and nobody else can have its digest.
///
/// A key that leaked is replaced because somebody else has it.
#[rule(
    "credentials::replace::retires_the_old",
    source = "fosite: an old token was of use after its rotation"
)]
async fn replaced_secret_finds_nothing(w: &Credentials) -> Checked {
    w.store
        .replace(
            &w.tenant,
            &w.api_key.id,
            Version::FIRST,
            api_key("newer"),
            OldSecret::Retired,
            minute(5),
        )
        .await?;
    equal(
        "what the old digest finds",
        &w.finds(CredentialKind::ApiKey, "key").await?,
        &None,
    )?;
    let early = w
        .store
        .find(&w.tenant, CredentialKind::ApiKey, &digest("key"), START)
        .await?;
    equal("what the old digest finds by a clock behind", &early, &None)?;
    let answer = w
        .store
        .add(&w.tenant, of("Mallory", "new", api_key("key"))?, minute(6))
        .await;
    fails(
        "adding with a digest that somebody had",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    // Nor can the credential itself go back to it, or to the one it has.
    for old in ["key", "newer"] {
        let answer = w
            .store
            .replace(
                &w.tenant,
                &w.api_key.id,
                Version::FIRST.next(),
                api_key(old),
                OldSecret::Retired,
                minute(7),
            )
            .await;
        fails(
            &format!("replacing by {old:?}"),
            answer,
            ErrorKind::AlreadyExists,
        )?;
    }
    let found = some("the key", w.seen(&w.api_key.id).await?)?;
    equal("its version", &found.version, &Version::FIRST.next())
}

/// A secret that stays valid for a while finds its credential until that instant, and not at it.
///
/// Servers load a new key one after the other, and a grace that does not end is a second key.
#[rule(
    "credentials::replace::old_is_valid_until",
    source = "OneAuth: the old version has a grace; hydra: a grace period that ends",
    environments = "time_zone"
)]
async fn grace_ends_in_time(w: &Credentials) -> Checked {
    let replaced = w
        .store
        .replace(
            &w.tenant,
            &w.api_key.id,
            Version::FIRST,
            api_key("newer"),
            OldSecret::ValidUntil(minute(30)),
            minute(5),
        )
        .await?;
    for (now, expected) in [
        (minute(5), true),
        (just_before(minute(30)), true),
        (minute(30), false),
        (minute(31), false),
    ] {
        for store in [&w.store, &w.other] {
            let found = store
                .find(&w.tenant, CredentialKind::ApiKey, &digest("key"), now)
                .await?;
            let expected = expected.then_some(&replaced);
            equal(
                &format!("what the old digest finds at {now}"),
                &found.as_ref(),
                &expected,
            )?;
        }
        let found = w
            .store
            .find(&w.tenant, CredentialKind::ApiKey, &digest("newer"), now)
            .await?;
        equal(
            "what the new digest finds",
            &found.as_ref(),
            &Some(&replaced),
        )?;
    }
    Ok(())
}

/// A secret is replaced by one of its own kind only.
///
/// A recovery code that becomes an API key lasts for ever.
#[rule(
    "credentials::replace::keeps_to_the_kind",
    source = "the contract: the secret's variant is the credential's kind"
)]
async fn replace_keeps_to_the_kind(w: &Credentials) -> Checked {
    for (name, secret) in [
        ("key", code("x")),
        ("code", api_key("x")),
        ("password", api_key("x")),
    ] {
        let answer = w
            .store
            .replace(
                &w.tenant,
                &id(name)?,
                Version::FIRST,
                secret,
                OldSecret::Retired,
                minute(5),
            )
            .await;
        fails(
            &format!("replacing {name:?} by another kind"),
            answer,
            ErrorKind::Refused,
        )?;
    }
    for kind in [CredentialKind::ApiKey, CredentialKind::RecoveryCode] {
        equal(
            "what the refused digest finds",
            &w.finds(kind, "x").await?,
            &None,
        )?;
    }
    w.ada_unchanged().await
}

/// A replacement that saw another version is told so, and writes nothing: no secret, no history.
///
/// A reset that comes late must not undo the one after it.
#[rule(
    "credentials::replace::refuses_a_stale_version",
    source = "duck-auth: a stale rotation is refused"
)]
async fn replace_of_stale_version_is_refused(w: &Credentials) -> Checked {
    let late = Version::FIRST.next();
    let answer = w
        .store
        .replace(
            &w.tenant,
            &w.api_key.id,
            late,
            api_key("late"),
            OldSecret::Retired,
            minute(5),
        )
        .await;
    fails(
        "replacing a version that is not stored",
        answer,
        ErrorKind::Stale,
    )?;
    equal(
        "what the refused digest finds",
        &w.finds(CredentialKind::ApiKey, "late").await?,
        &None,
    )?;
    let history = w
        .store
        .history(&w.tenant, &w.api_key.id, &PageRequest::first(10)?)
        .await?;
    holds(
        history.items.is_empty(),
        "what was not replaced has no history",
    )?;
    w.ada_unchanged().await
}

/// A digest that another credential has, or had, is refused, and nothing changes.
///
/// A key must not be moved onto somebody else's.
#[rule(
    "credentials::replace::refuses_a_taken_digest",
    source = "kratos: a credential's identifier is unique by kind",
    environments = "collation"
)]
async fn replace_refuses_a_taken_digest(w: &Credentials) -> Checked {
    let other = w.add(of("Grace", "other", api_key("other's"))?).await?;
    w.store
        .replace(
            &w.tenant,
            &other.id,
            Version::FIRST,
            api_key("other's newer"),
            OldSecret::Retired,
            minute(1),
        )
        .await?;
    for taken in ["other's", "other's newer", "key of another"] {
        let answer = w
            .store
            .replace(
                &w.tenant,
                &w.api_key.id,
                Version::FIRST,
                api_key(taken),
                OldSecret::ValidUntil(minute(9)),
                minute(5),
            )
            .await;
        fails(
            &format!("replacing by {taken:?}"),
            answer,
            ErrorKind::AlreadyExists,
        )?;
        w.ada_unchanged().await?;
    }
    Ok(())
}

/// Of callers that replace one version at once, one wins: its secret finds the credential, those of
/// the others find nothing, and the history has one entry.
///
/// Two who both reset a password each believe to know it.
#[rule(
    "credentials::replace::race_has_one_winner",
    source = "dex #2547, hydra #3207: concurrent rotations both succeeded",
    environments = "isolation"
)]
async fn replace_race_has_one_winner(w: &Credentials) -> Checked {
    let mut version = Version::FIRST;
    for round in 0..4_usize {
        let answers = race(RACERS, |racer| {
            let (store, tenant, key) = (w.handle(racer), w.tenant.clone(), w.api_key.id.clone());
            let secret = api_key(&format!("round {round}, racer {racer}"));
            async move {
                store
                    .replace(
                        &tenant,
                        &key,
                        version,
                        secret,
                        OldSecret::Retired,
                        minute(5),
                    )
                    .await
            }
        })
        .await?;
        exactly_one(
            "replacing one version at once",
            &answers,
            Result::is_ok,
            |answer| answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Stale),
        )?;
        for (racer, answer) in answers.into_iter().enumerate() {
            let found = w
                .finds(
                    CredentialKind::ApiKey,
                    &format!("round {round}, racer {racer}"),
                )
                .await?;
            equal(
                "what a racer's digest finds",
                &found,
                &answer.ok().map(|credential| credential.id),
            )?;
        }
        let history = w
            .store
            .history(&w.tenant, &w.api_key.id, &PageRequest::first(100)?)
            .await?;
        equal(
            "how many past secrets there are",
            &history.items.len(),
            &(round + 1),
        )?;
        version = version.next();
    }
    Ok(())
}

/// The history holds every secret that a credential had, the last one first, with its version and
/// times, at whatever page size; of what is not stored, or was never replaced, it is empty.
///
/// A password that was used before must not be chosen again.
#[rule(
    "credentials::history::is_complete_and_ordered",
    source = "AuthHero: a history of passwords, newest first",
    environments = "collation"
)]
async fn history_is_complete_and_ordered(w: &Credentials) -> Checked {
    let mut expected: Vec<PastSecret> = Vec::new();
    let mut version = Version::FIRST;
    let mut secret = password("old")?;
    for number in 0..7_u16 {
        // Several in one instant.
        let (now, valid) = (minute(number / 3), number % 2 == 0);
        let old = if valid {
            OldSecret::ValidUntil(minute(40 + number))
        } else {
            OldSecret::Retired
        };
        let next = password(&format!("number-{number}"))?;
        w.store
            .replace(&w.tenant, &w.password.id, version, next.clone(), old, now)
            .await?;
        expected.insert(
            0,
            PastSecret {
                version,
                secret,
                replaced_at: now,
                valid_until: valid.then_some(minute(40 + number)),
            },
        );
        (secret, version) = (next, version.next());
    }
    let history = |page| async move { w.other.history(&w.tenant, &w.password.id, &page).await };
    walks_answer("the history", &expected, history).await?;
    let page = history(PageRequest::first(100)?).await?;
    holds(
        page.items == expected,
        "each past secret is the one that it was",
    )?;
    for empty in [&w.api_key.id, &id("nobody")?] {
        let page = w
            .store
            .history(&w.tenant, empty, &PageRequest::first(10)?)
            .await?;
        equal("the history of what has none", &page.items, &vec![])?;
        equal("the cursor after none", &page.next, &None)?;
    }
    Ok(())
}

/// A cursor of a history is refused in another credential's, in another tenant, and when damaged.
///
/// A cursor that moves reads on in somebody else's secrets.
#[rule(
    "credentials::history::refuses_other_cursors",
    source = "kratos 93d364c8e; ory 7baa5b562, spicedb fa1d7f481"
)]
async fn history_cursor_belongs_to_it(w: &Credentials) -> Checked {
    let other = w.add(new_credential("other", api_key("0"))?).await?;
    for name in [&w.api_key.id, &other.id] {
        let mut version = Version::FIRST;
        for number in 1..4 {
            let next = api_key(&format!("{name:?} {number}"));
            w.store
                .replace(
                    &w.tenant,
                    name,
                    version,
                    next,
                    OldSecret::Retired,
                    minute(1),
                )
                .await?;
            version = version.next();
        }
    }
    let of_key = |page| async move { w.store.history(&w.tenant, &w.api_key.id, &page).await };
    let (_, cursor) = first_item(of_key).await?;
    refuses_cursor("a cursor in another's history", cursor.clone(), |page| {
        let other = other.id.clone();
        async move { w.store.history(&w.tenant, &other, &page).await }
    })
    .await?;
    refuses_cursor(
        "a cursor in another tenant",
        cursor.clone(),
        |page| async move { w.store.history(&w.elsewhere, &w.api_key.id, &page).await },
    )
    .await?;
    refuses_damaged(&cursor, of_key).await?;
    let rest: Result<_, Failure> = Ok(of_key(PageRequest::first(10)?.following(cursor)).await?);
    equal("how many follow the cursor's", &rest?.items.len(), &2)
}
