//! The end of all that an identity has.

use portproof_ports::{CredentialKind, Kinds, OldSecret, PageRequest, Ports, Version};

use super::{Credentials, api_key, code, id, identity, new_credential, of};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{day, minute},
    lists::MANY,
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        all_of_an_identity_go,
        one_kind_goes,
        all_means_more_than_a_page,
        all_of_an_identity_leave_nothing,
    ]
}

/// All credentials of an identity go, and nobody else's; the answer says how many there were.
///
/// After somebody left, nothing of theirs may open anything.
#[rule(
    "credentials::remove_all_of::takes_exactly_theirs",
    source = "Auth.js: a cascade into other users survived its suite; kratos: remove all"
)]
async fn all_of_an_identity_go(w: &Credentials) -> Checked {
    let mut spared = Vec::new();
    for other in ["Ada ", "Adam", "A_a", "%"] {
        spared.push(w.add(of(other, other, api_key(other))?).await?);
    }
    let gone = w.nine().await?;
    let removed = w
        .store
        .remove_all_of(&w.tenant, &identity("Ada")?, &Kinds::Every)
        .await?;
    equal("how many were removed", &removed, &9)?;
    for credential in &gone {
        equal(
            "one that was removed",
            &w.seen(&credential.id).await?,
            &None,
        )?;
    }
    equal(
        "what a removed digest finds",
        &w.finds(CredentialKind::ApiKey, "key").await?,
        &None,
    )?;
    for credential in spared {
        equal(
            "somebody else's",
            &w.seen(&credential.id).await?.as_ref(),
            &Some(&credential),
        )?;
    }
    let again = w
        .other
        .remove_all_of(&w.tenant, &identity("Ada")?, &Kinds::Every)
        .await?;
    equal("how many were removed the second time", &again, &0)
}

/// Credentials of one kind go, and the others stay.
///
/// New recovery codes end the old ones, and not the password.
#[rule(
    "credentials::remove_all_of::takes_one_kind",
    source = "kratos: a new set of codes replaced all credentials; duck-auth: removal by kind"
)]
async fn one_kind_goes(w: &Credentials) -> Checked {
    w.add(new_credential("second", code("second"))?).await?;
    let only = Kinds::Only(CredentialKind::RecoveryCode);
    equal(
        "how many were removed",
        &w.store
            .remove_all_of(&w.tenant, &identity("Ada")?, &only)
            .await?,
        &2,
    )?;
    for name in ["code", "second"] {
        equal("a code", &w.seen(&id(name)?).await?, &None)?;
    }
    for left in [&w.api_key, &w.password] {
        equal(
            "what was left",
            &w.seen(&left.id).await?.as_ref(),
            &Some(left),
        )?;
    }
    let none = w
        .store
        .remove_all_of(
            &w.tenant,
            &identity("Ada")?,
            &Kinds::Only(CredentialKind::Totp),
        )
        .await?;
    equal("how many of a kind that she has none of", &none, &0)
}

/// All means all, also when they are more than any page holds.
///
/// An adapter that lists and then removes leaves the rest.
#[rule(
    "credentials::remove_all_of::takes_more_than_a_page",
    source = "AuthHero 7d9f138: the first 100 only"
)]
async fn all_means_more_than_a_page(w: &Credentials) -> Checked {
    w.add_codes(MANY).await?;
    let only = Kinds::Only(CredentialKind::RecoveryCode);
    let removed = w
        .store
        .remove_all_of(&w.tenant, &identity("Ada")?, &only)
        .await?;
    equal("how many were removed", &removed, &(MANY as u64 + 1))?;
    for number in [0, 99, 100, 999, 1000] {
        equal(
            "one of many",
            &w.seen(&id(&format!("one of many {number}"))?).await?,
            &None,
        )?;
    }
    equal(
        "the password",
        &w.seen(&w.password.id).await?.as_ref(),
        &Some(&w.password),
    )
}

/// What an identity's credentials had goes with them: their digests, present and past, find nothing
/// and can be anybody's, their ids can be used again, and what is added under them has no history.
/// What goes by kind frees as much; other kinds keep theirs.
///
/// A digest that stays behind refuses a new key for a reason that nobody can see; a history that
/// stays behind is somebody else's.
#[rule(
    "credentials::remove_all_of::leaves_nothing_behind",
    source = "spire #6946: rows of what was deleted stayed behind"
)]
async fn all_of_an_identity_leave_nothing(w: &Credentials) -> Checked {
    let key_only = Kinds::Only(CredentialKind::ApiKey);
    for (kinds, round) in [(key_only, "by kind"), (Kinds::Every, "all")] {
        // One past secret is retired, and one is good for a while.
        let mut version = Version::FIRST;
        let (retired, graced, last) = (
            "key".to_owned(),
            format!("graced, {round}"),
            format!("last, {round}"),
        );
        for (next, old) in [
            (&graced, OldSecret::Retired),
            (&last, OldSecret::ValidUntil(day(50))),
        ] {
            let next = api_key(next);
            let replaced = w
                .store
                .replace(&w.tenant, &w.api_key.id, version, next, old, minute(1))
                .await?;
            version = replaced.version;
        }
        w.store
            .remove_all_of(&w.tenant, &identity("Ada")?, &kinds)
            .await?;
        for digest in [&retired, &graced, &last] {
            equal(
                &format!("what the digest of {digest:?} finds"),
                &w.finds(CredentialKind::ApiKey, digest).await?,
                &None,
            )?;
            let taken = of("Grace", &format!("{digest} of hers"), api_key(digest))?;
            let taken = w.add(taken).await?;
            equal(
                &format!("what the digest of {digest:?} finds once it is hers"),
                &w.finds(CredentialKind::ApiKey, digest).await?.as_ref(),
                &Some(&taken.id),
            )?;
            w.store.remove(&w.tenant, &taken.id).await?;
        }
        // The digest of another kind, which has the same bytes, was spared.
        equal(
            "what the code's digest finds",
            &w.finds(CredentialKind::RecoveryCode, "code").await?,
            &(kinds == key_only).then_some(id("code")?),
        )?;
        let again = new_credential("key", api_key("key"))?;
        let again = w.add(again).await?;
        equal(
            "the version of what is new",
            &again.version,
            &Version::FIRST,
        )?;
        let first = PageRequest::first(10)?;
        for store in [&w.store, &w.other] {
            let history = store.history(&w.tenant, &again.id, &first).await?;
            equal("the history of what is new", &history.items, &vec![])?;
        }
    }
    Ok(())
}
