//! Secrets that go on for a while, and credentials that are over: what the other methods do to them.

use portproof_ports::{
    Counter, Credential, CredentialKind, CredentialUse, OldSecret, PageRequest, PastSecret, Ports,
    Timestamp, Version,
};

use super::{Credentials, api_key, code, digest, new_credential, password};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::{START, day, document, just_before, minute},
    lists::has_large_pages,
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        graces_are_each_their_own,
        grace_may_be_over,
        equal_password_is_a_change,
        replacement_minds_no_end,
        update_minds_no_end,
        use_minds_no_end,
        history_has_no_limit_of_its_own,
    ]
}

impl Credentials {
    /// Replaces the secret of Ada's API key.
    async fn replace_key(
        &self,
        version: Version,
        by: &str,
        old: OldSecret,
        now: Timestamp,
    ) -> Result<Credential, Failure> {
        let (tenant, key) = (&self.tenant, &self.api_key.id);
        let replaced = self
            .store
            .replace(tenant, key, version, api_key(by), old, now);
        Ok(replaced.await?)
    }

    /// Whether a digest finds Ada's API key at `now`, through both handles.
    async fn finds_key(&self, by: &str, now: Timestamp) -> Result<bool, Failure> {
        let (tenant, kind, digest) = (&self.tenant, CredentialKind::ApiKey, digest(by));
        let first = self.store.find(tenant, kind, &digest, now).await?;
        let second = self.other.find(tenant, kind, &digest, now).await?;
        equal("what the second handle finds", &second, &first)?;
        if let Some(found) = &first {
            equal("whom a digest finds", &found.id, &self.api_key.id)?;
        }
        Ok(first.is_some())
    }

    /// Ada's recovery code after it was consumed, and her API key after it has expired.
    async fn over(&self) -> Result<[Credential; 2], Failure> {
        self.store
            .consume(&self.tenant, &self.code.id, minute(1))
            .await?;
        let (key, end) = (&self.api_key, Some(minute(1)));
        let (version, metadata) = (key.version, key.metadata.clone());
        let update = self
            .store
            .update(&self.tenant, &key.id, version, metadata, end, minute(2));
        update.await?;
        let [code, key] = [&self.code.id, &self.api_key.id];
        Ok([
            some("the code", self.seen(code).await?)?,
            some("the key", self.seen(key).await?)?,
        ])
    }
}

/// Several past secrets find a credential at once, each until its own end: a later replacement
/// neither ends nor prolongs the grace of those before it.
///
/// A fleet that is slow to load keys has two old ones in use; one that leaked must still end in time.
#[rule(
    "credentials::replace::graces_are_each_their_own",
    source = "hydra: a grace period that ends; the contract: each past secret keeps its own"
)]
async fn graces_are_each_their_own(w: &Credentials) -> Checked {
    let until = |end| OldSecret::ValidUntil(minute(end));
    // The one that was replaced last ends first.
    let first = w
        .replace_key(Version::FIRST, "second", until(30), minute(5))
        .await?;
    let second = w
        .replace_key(first.version, "third", OldSecret::Retired, minute(6))
        .await?;
    let third = w
        .replace_key(second.version, "fourth", until(20), minute(7))
        .await?;
    w.replace_key(third.version, "fifth", until(25), minute(8))
        .await?;
    for (by, end) in [("key", 30), ("third", 20), ("fourth", 25)] {
        for (now, expected) in [
            (minute(9), true),
            (just_before(minute(end)), true),
            (minute(end), false),
        ] {
            let found = w.finds_key(by, now).await?;
            equal(
                &format!("whether {by:?} finds it at {now}"),
                &found,
                &expected,
            )?;
        }
    }
    holds(
        w.finds_key("fifth", minute(60)).await?,
        "the last one finds it",
    )?;
    holds(
        !w.finds_key("second", minute(9)).await?,
        "the retired one does not",
    )
}

/// A grace may be over when it begins: the end is kept in the history, and the old secret finds
/// nothing from it on, and what it always found before it.
///
/// The clock of whoever chose the end may be behind; neither an error nor an endless grace helps.
#[rule(
    "credentials::replace::grace_may_be_over",
    source = "the contract: only find looks at the end of a grace"
)]
async fn grace_may_be_over(w: &Credentials) -> Checked {
    let mut version = Version::FIRST;
    let mut old = "key".to_owned();
    for (number, end) in [minute(10), just_before(minute(10)), START, Timestamp::MIN]
        .into_iter()
        .enumerate()
    {
        let by = format!("number {number}");
        let replaced = w
            .replace_key(version, &by, OldSecret::ValidUntil(end), minute(10))
            .await?;
        for (now, expected) in [(minute(10), false), (end, false), (minute(11), false)] {
            let found = w.finds_key(&old, now).await?;
            equal(
                &format!("whether {old:?} finds it at {now}"),
                &found,
                &expected,
            )?;
        }
        if end > Timestamp::MIN {
            let found = w.finds_key(&old, just_before(end)).await?;
            equal("whether it does just before the end", &found, &true)?;
        }
        let history = w
            .other
            .history(&w.tenant, &w.api_key.id, &PageRequest::first(1)?)
            .await?;
        let past = PastSecret {
            version,
            secret: api_key(&old),
            replaced_at: minute(10),
            valid_until: Some(end),
        };
        equal("the last of the history", &history.items, &vec![past])?;
        (version, old) = (replaced.version, by);
    }
    Ok(())
}

/// A password may be replaced by one that is equal: a new version, an entry in the history, and no
/// failures any more, like any replacement.
///
/// An adapter that takes it for nothing done leaves the caller's next version stale, and the
/// account locked.
#[rule(
    "credentials::replace::equal_is_a_change",
    source = "the contract: storage does not compare passwords"
)]
async fn equal_password_is_a_change(w: &Credentials) -> Checked {
    w.store.record_failure(&w.tenant, &w.password.id).await?;
    let mut version = Version::FIRST;
    for number in 1..3 {
        let replaced = w
            .store
            .replace(
                &w.tenant,
                &w.password.id,
                version,
                password("old")?,
                OldSecret::Retired,
                minute(number),
            )
            .await?;
        let expected = Credential {
            version: version.next(),
            updated_at: minute(number),
            ..w.password.clone()
        };
        holds(
            replaced.secret == expected.secret,
            "the password is the one that was given",
        )?;
        equal("the answer of replace", &replaced, &expected)?;
        equal(
            "the password",
            &w.seen(&w.password.id).await?,
            &Some(expected),
        )?;
        version = replaced.version;
    }
    let history = w
        .store
        .history(&w.tenant, &w.password.id, &PageRequest::first(10)?)
        .await?;
    let versions: Vec<_> = history.items.iter().map(|past| past.version).collect();
    equal(
        "the versions of the history",
        &versions,
        &vec![Version::FIRST.next(), Version::FIRST],
    )
}

/// The secret of what has expired, or was consumed, can be replaced, and it is over as before.
///
/// A key that was rotated in vain is renewed a moment later; a code that was used must not come back
/// with a new digest.
#[rule(
    "credentials::replace::minds_no_end",
    source = "the contract: only find and consume mind expiry and consumption"
)]
async fn replacement_minds_no_end(w: &Credentials) -> Checked {
    let [used, key] = w.over().await?;
    for (old, secret) in [(used, code("new code")), (key, api_key("new key"))] {
        let replaced = w
            .store
            .replace(
                &w.tenant,
                &old.id,
                old.version,
                secret.clone(),
                OldSecret::Retired,
                minute(5),
            )
            .await?;
        let expected = Credential {
            secret,
            version: old.version.next(),
            failures: 0,
            updated_at: minute(5),
            ..old
        };
        equal("the answer of replace", &replaced, &expected)?;
        equal(
            "what is stored",
            &w.seen(&expected.id).await?,
            &Some(expected),
        )?;
    }
    holds(
        !w.finds_key("new key", minute(5)).await?,
        "what has expired is not found",
    )?;
    let again = w.store.consume(&w.tenant, &w.code.id, minute(6)).await?;
    equal("consuming the code again", &again, &false)
}

/// What has expired, or was consumed, can be updated: what is prolonged is found again, and what was
/// consumed stays so.
///
/// A subscription that is paid late prolongs its key; nothing brings a used code back.
#[rule(
    "credentials::update::minds_no_end",
    source = "the contract: only find and consume mind expiry and consumption"
)]
async fn update_minds_no_end(w: &Credentials) -> Checked {
    for old in w.over().await? {
        let (version, metadata, end) = (old.version, document("prolonged")?, Some(day(200)));
        let updated = w
            .store
            .update(
                &w.tenant,
                &old.id,
                version,
                metadata.clone(),
                end,
                minute(5),
            )
            .await?;
        let expected = Credential {
            metadata,
            expires_at: end,
            version: version.next(),
            updated_at: minute(5),
            ..old
        };
        equal("the answer of update", &updated, &expected)?;
        equal(
            "what is stored",
            &w.seen(&expected.id).await?,
            &Some(expected),
        )?;
    }
    holds(
        w.finds_key("key", day(199)).await?,
        "what was prolonged is found",
    )?;
    let again = w.store.consume(&w.tenant, &w.code.id, minute(6)).await?;
    equal("consuming the code again", &again, &false)
}

/// Uses and failures of what has expired, or was consumed, are noted like any others.
///
/// Guesses at an old code are guesses: who counts them only while it is good lets them through after.
#[rule(
    "credentials::record_use::minds_no_end",
    source = "the contract: only find and consume mind expiry and consumption"
)]
async fn use_minds_no_end(w: &Credentials) -> Checked {
    for old in w.over().await? {
        let failures = w.store.record_failure(&w.tenant, &old.id).await?;
        equal("the failures", &failures, &(old.failures + 1))?;
        let failed = some("what failed", w.seen(&old.id).await?)?;
        equal(
            "what is stored",
            &failed,
            &Credential {
                failures,
                ..old.clone()
            },
        )?;
        let counter = Counter::new(9)?;
        let used = CredentialUse::Counter(counter);
        let used = w
            .store
            .record_use(&w.tenant, &old.id, used, day(100))
            .await?;
        let expected = Credential {
            counter,
            failures: 0,
            used_at: Some(day(100)),
            ..old
        };
        equal("the answer of record_use", &used, &expected)?;
        equal(
            "what is stored",
            &w.seen(&expected.id).await?,
            &Some(expected),
        )?;
    }
    Ok(())
}

/// A history goes on beyond a hundred secrets, and a page is as large as was asked for.
///
/// The password that is chosen again is one that the adapter has cut off.
#[rule(
    "credentials::history::has_no_limit_of_its_own",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn history_has_no_limit_of_its_own(w: &Credentials) -> Checked {
    // More than half a page of the largest; they are made one after the other.
    const PAST: usize = 510;
    let of_grace = new_credential("rotated", api_key("rotated 0"))?;
    let rotated = w.add(of_grace).await?;
    let mut version = rotated.version;
    for number in 1..=PAST {
        let next = api_key(&format!("rotated {number}"));
        let old = OldSecret::Retired;
        let replaced = w
            .store
            .replace(&w.tenant, &rotated.id, version, next, old, minute(1))
            .await?;
        version = replaced.version;
    }
    let id = &rotated.id;
    let history = |page| async move { w.other.history(&w.tenant, id, &page).await };
    let past = has_large_pages("the history", PAST, history).await?;
    for (number, past) in past.iter().rev().enumerate() {
        equal(
            "a past secret",
            &past.secret,
            &api_key(&format!("rotated {number}")),
        )?;
    }
    Ok(())
}
