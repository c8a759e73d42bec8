//! Walls: between tenants, and between what was and what is stored; and the tenant's own rules.

use portproof_ports::{
    CredentialKind, CredentialPolicy, CredentialUse, ErrorKind, Expected, Kinds, OldSecret,
    PageRequest, PortError, Ports, Version,
};

use super::{Credentials, api_key, code, digest, id, identity, new_credential, of, password};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    fixture::{START, awkward_document, document, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        policy_is_stored_whole,
        policy_expects_what_is_stored,
        policy_race_has_one_winner,
        policies_are_the_tenants_own,
        policy_is_refused_when_disclaimed,
        other_tenants_reach_nothing,
        tenants_are_compared_as_bytes,
        credentials_survive_a_restart,
        errors_name_what_was_wrong,
    ]
}

/// A tenant has no rules until they are set; then they are read as they were written, one version
/// on with each time.
///
/// Rules that changed on their way let weak passwords in.
#[rule(
    "credentials::policy::is_stored_whole",
    source = "OneAuth: a tenant's policy is a record of its own",
    capability = "credentials.policy"
)]
async fn policy_is_stored_whole(w: &Credentials) -> Checked {
    equal(
        "the rules of a tenant without any",
        &w.store.policy(&w.tenant).await?,
        &None,
    )?;
    let mut version = Version::FIRST;
    for (expected, rules, at) in [
        (Expected::Absent, awkward_document()?, minute(1)),
        (
            Expected::Version(Version::FIRST),
            document("second")?,
            minute(2),
        ),
        (Expected::Anything, document("third")?, minute(3)),
    ] {
        let set = w
            .store
            .set_policy(&w.tenant, expected, rules.clone(), at)
            .await?;
        let stored = CredentialPolicy {
            rules,
            version,
            updated_at: at,
        };
        equal("the answer of set_policy", &set, &stored)?;
        for store in [&w.store, &w.other] {
            equal(
                "the rules",
                &store.policy(&w.tenant).await?.as_ref(),
                &Some(&stored),
            )?;
        }
        version = version.next();
    }
    Ok(())
}

/// Rules are set only where what is stored is what the caller believes; otherwise the caller is
/// told, and nothing changes.
///
/// Two administrators would undo each other.
#[rule(
    "credentials::policy::expects_what_is_stored",
    source = "duck-auth: a stale write is refused",
    capability = "credentials.policy"
)]
async fn policy_expects_what_is_stored(w: &Credentials) -> Checked {
    let wrong = Expected::Version(Version::FIRST);
    let answer = w
        .store
        .set_policy(&w.tenant, wrong, document("x")?, minute(1))
        .await;
    fails(
        "a version where nothing is stored",
        answer,
        ErrorKind::Stale,
    )?;
    equal("the rules", &w.store.policy(&w.tenant).await?, &None)?;
    let first = w
        .store
        .set_policy(&w.tenant, Expected::Anything, document("first")?, minute(1))
        .await?;
    for wrong in [Expected::Absent, Expected::Version(Version::FIRST.next())] {
        let answer = w
            .other
            .set_policy(&w.tenant, wrong, document("x")?, minute(2))
            .await;
        fails(
            &format!("{wrong:?} where version 1 is stored"),
            answer,
            ErrorKind::Stale,
        )?;
        equal(
            "the rules",
            &w.store.policy(&w.tenant).await?.as_ref(),
            &Some(&first),
        )?;
    }
    Ok(())
}

/// Of callers that set rules with one belief at once, one wins and the others are told.
///
/// A lost update is a rule that nobody knows is gone.
#[rule(
    "credentials::policy::race_has_one_winner",
    source = "dex: two first writers; dex #2547",
    capability = "credentials.policy",
    environments = "isolation"
)]
async fn policy_race_has_one_winner(w: &Credentials) -> Checked {
    let mut expected = Expected::Absent;
    for round in 0..4 {
        let mut rules = Vec::new();
        for racer in 0..RACERS {
            rules.push(document(&format!("round {round}, racer {racer}"))?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, rules) = (w.handle(racer), w.tenant.clone(), rules[racer].clone());
            async move { store.set_policy(&tenant, expected, rules, minute(1)).await }
        })
        .await?;
        exactly_one("setting rules at once", &answers, Result::is_ok, |answer| {
            answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Stale)
        })?;
        let won = some(
            "the winner's rules",
            answers.into_iter().find_map(Result::ok),
        )?;
        equal(
            "the rules",
            &w.store.policy(&w.tenant).await?.as_ref(),
            &Some(&won),
        )?;
        expected = Expected::Version(won.version);
    }
    Ok(())
}

/// Each tenant has rules of its own.
///
/// One customer's lax rules must not be another's.
#[rule(
    "credentials::policy::is_the_tenants_own",
    source = "AuthHero 45f719e: what belongs to no tenant and to one are two things",
    capability = "credentials.policy"
)]
async fn policies_are_the_tenants_own(w: &Credentials) -> Checked {
    let mut tenants = Vec::new();
    for _ in 0..4 {
        tenants.push(w.context.tenant()?);
    }
    for tenant in &tenants {
        w.store
            .set_policy(
                tenant,
                Expected::Absent,
                document(tenant.as_str())?,
                minute(1),
            )
            .await?;
    }
    for tenant in &tenants {
        let found = some("the tenant's rules", w.other.policy(tenant).await?)?;
        equal("the rules", &found.rules, &document(tenant.as_str())?)?;
    }
    equal(
        "the rules of a tenant without any",
        &w.store.policy(&w.elsewhere).await?,
        &None,
    )
}

/// Where a tenant's rules are disclaimed, reading and setting them is refused as unsupported.
///
/// An engine that reads no rules believes that there are none.
#[rule(
    "credentials::policy::is_refused_when_disclaimed",
    source = "the contract: honour or refuse",
    capability = "credentials.policy",
    disclaimed
)]
async fn policy_is_refused_when_disclaimed(w: &Credentials) -> Checked {
    fails(
        "policy",
        w.store.policy(&w.tenant).await,
        ErrorKind::Unsupported,
    )?;
    let set = w
        .store
        .set_policy(&w.tenant, Expected::Absent, document("x")?, minute(1))
        .await;
    fails("set_policy", set, ErrorKind::Unsupported)?;
    w.ada_unchanged().await
}

/// Through another tenant a credential cannot be read, found, listed, replaced, changed, used,
/// failed, consumed or removed.
///
/// The tenant is the wall between customers; one method without it is a hole.
#[rule(
    "credentials::tenancy::other_tenants_reach_nothing",
    source = "kratos 93d364c8e, hydra 43c9be1b5; AuthHero: an empty tenant read everybody's codes"
)]
async fn other_tenants_reach_nothing(w: &Credentials) -> Checked {
    let here = w
        .add(new_credential("only here", code("only here"))?)
        .await?;
    // With a history, which is as much a secret.
    let newer = code("newer here");
    let here = w
        .store
        .replace(
            &w.tenant,
            &here.id,
            here.version,
            newer,
            OldSecret::Retired,
            START,
        )
        .await?;
    let (there, id, now) = (&w.elsewhere, &here.id, minute(1));
    let first = PageRequest::first(10)?;
    equal("get", &w.store.get(there, id).await?, &None)?;
    let found = w
        .store
        .find(
            there,
            CredentialKind::RecoveryCode,
            &digest("newer here"),
            now,
        )
        .await?;
    equal("find", &found, &None)?;
    let replaced = w
        .store
        .replace(
            there,
            id,
            Version::FIRST,
            code("x"),
            OldSecret::Retired,
            now,
        )
        .await;
    fails("replace", replaced, ErrorKind::NotFound)?;
    let updated = w
        .store
        .update(there, id, Version::FIRST, document("x")?, None, now)
        .await;
    fails("update", updated, ErrorKind::NotFound)?;
    holds(
        w.store.history(there, id, &first).await?.items.is_empty(),
        "history is empty",
    )?;
    fails(
        "record_use",
        w.store
            .record_use(there, id, CredentialUse::Plain, now)
            .await,
        ErrorKind::NotFound,
    )?;
    fails(
        "record_failure",
        w.store.record_failure(there, id).await,
        ErrorKind::NotFound,
    )?;
    fails(
        "consume",
        w.store.consume(there, id, now).await,
        ErrorKind::NotFound,
    )?;
    equal("remove", &w.store.remove(there, id).await?, &false)?;
    let empty = w.context.tenant()?;
    let page = w
        .store
        .list_of(&empty, &identity("Ada")?, &Kinds::Every, &first)
        .await?;
    equal("list_of", &page.items, &vec![])?;
    equal(
        "remove_all_of",
        &w.store
            .remove_all_of(&empty, &identity("Ada")?, &Kinds::Every)
            .await?,
        &0,
    )?;
    equal(
        "the credential in its own tenant",
        &w.seen(id).await?,
        &Some(here),
    )?;
    w.ada_unchanged().await
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them opens one customer with the keys of another.
#[rule(
    "credentials::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Credentials) -> Checked {
    let mut tenants = Vec::new();
    for _ in 0..4 {
        tenants.push(w.context.tenant()?);
    }
    for tenant in &tenants {
        let mut given = of("Ada", "each", api_key("each"))?;
        given.metadata = document(tenant.as_str())?;
        w.store.add(tenant, given, START).await?;
    }
    for tenant in &tenants {
        let expected = document(tenant.as_str())?;
        let found = some("the tenant's own", w.store.get(tenant, &id("each")?).await?)?;
        equal("its metadata", &found.metadata, &expected)?;
        let found = w
            .store
            .find(tenant, CredentialKind::ApiKey, &digest("each"), START)
            .await?;
        equal(
            "what its digest finds",
            &some("the tenant's own", found)?.metadata,
            &expected,
        )?;
    }
    Ok(())
}

/// What was stored is there when the store is opened anew: secrets, counts, what was consumed; and
/// what was removed is not.
///
/// A restart must not give anybody new guesses, or a code a second life.
#[rule(
    "credentials::restart::keeps_credentials",
    capability = "reopen",
    source = "none of the suites of this kind reopens a store"
)]
async fn credentials_survive_a_restart(w: &Credentials) -> Checked {
    w.store.consume(&w.tenant, &w.code.id, minute(1)).await?;
    w.store.remove(&w.tenant, &w.api_key.id).await?;
    let replaced = w
        .store
        .replace(
            &w.tenant,
            &w.password.id,
            Version::FIRST,
            password("new")?,
            OldSecret::Retired,
            minute(2),
        )
        .await?;
    let used = CredentialUse::Counter(portproof_ports::Counter::new(9)?);
    w.store
        .record_use(&w.tenant, &replaced.id, used, minute(2))
        .await?;
    w.store.record_failure(&w.tenant, &replaced.id).await?;
    let replaced = some("the password", w.seen(&replaced.id).await?)?;
    equal("its failures", &replaced.failures, &1)?;
    let consumed = w.seen(&w.code.id).await?;
    let reopened = w.context.reopen().await?;
    let reopened = super::offered("credentials", reopened.credentials.as_ref())?;
    let found = some(
        "the password",
        reopened.get(&w.tenant, &w.password.id).await?,
    )?;
    holds(found.secret == replaced.secret, "its hash is the new one")?;
    equal("the password", &found, &replaced)?;
    equal(
        "the code",
        &reopened.get(&w.tenant, &w.code.id).await?,
        &consumed,
    )?;
    equal(
        "consuming it again",
        &reopened.consume(&w.tenant, &w.code.id, minute(3)).await?,
        &false,
    )?;
    equal(
        "the key",
        &reopened.get(&w.tenant, &w.api_key.id).await?,
        &None,
    )?;
    let history = reopened
        .history(&w.tenant, &w.password.id, &PageRequest::first(10)?)
        .await?;
    equal(
        "how many past passwords there are",
        &history.items.len(),
        &1,
    )
}

/// Errors name what was wrong: the credential, the password, the digest, the counter, the argument.
///
/// A code that was replayed raises an alarm; a name that is taken does not.
#[rule(
    "credentials::errors::name_what_was_wrong",
    source = "duck-auth, kratos: a violation names its field"
)]
async fn errors_name_what_was_wrong(w: &Credentials) -> Checked {
    let (t, now, first) = (&w.tenant, minute(1), Version::FIRST);
    let nobody = id("nobody")?;
    let add = |given| async move { w.store.add(t, given, now).await.err() };
    equal(
        "a stored id, with a second password",
        &add(new_credential("key", password("x")?)?).await,
        &Some(PortError::already_exists("credential")),
    )?;
    equal(
        "a second password",
        &add(new_credential("new", password("x")?)?).await,
        &Some(PortError::already_exists("password")),
    )?;
    equal(
        "a taken digest",
        &add(new_credential("new", api_key("key"))?).await,
        &Some(PortError::already_exists("lookup")),
    )?;
    equal(
        "a failure of nobody",
        &w.store.record_failure(t, &nobody).await.err(),
        &Some(PortError::not_found("credential")),
    )?;
    equal(
        "a stale replacement",
        &w.store
            .replace(
                t,
                &w.api_key.id,
                first.next(),
                api_key("x"),
                OldSecret::Retired,
                now,
            )
            .await
            .err(),
        &Some(PortError::stale("credential")),
    )?;
    equal(
        "a counter that does not rise",
        &w.store
            .record_use(
                t,
                &w.api_key.id,
                CredentialUse::Counter(portproof_ports::Counter::ZERO),
                now,
            )
            .await
            .err(),
        &Some(PortError::stale("counter")),
    )?;
    let field = |error: Option<PortError>| match error {
        Some(PortError::Refused { field, .. }) => field.into_owned(),
        other => format!("{other:?}"),
    };
    let refused = w
        .store
        .replace(t, &w.api_key.id, first, code("x"), OldSecret::Retired, now)
        .await
        .err();
    equal(
        "the field of a secret of another kind",
        &&*field(refused),
        &"secret",
    )?;
    let refused = w.store.consume(t, &w.api_key.id, now).await.err();
    equal(
        "the field of a kind that is not consumed",
        &&*field(refused),
        &"kind",
    )
}
