//! Mutants of secrets that replace each other, and of what becomes of the old ones.

use portproof_ports::{
    CredentialId, CredentialStore, CredentialStoreAnswer as Answer, CredentialStoreCall as Call,
    CredentialUse, ErrorKind, OldSecret, PageRequest, Port, PortError, PortResult, TenantId,
    Timestamp,
};

use crate::edits::Edits;

pub(super) fn secrets(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
    edits
        .fault(
            "credentials::replace_is_a_use",
            "credentials::replace::changes_the_secret",
            |store, call| async move {
                if let Call::Replace {
                    tenant, id, now, ..
                } = &call
                {
                    let answer = store.call(call.clone()).await?;
                    store
                        .record_use(tenant, id, CredentialUse::Plain, *now)
                        .await?;
                    return Ok(answer);
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::retired_secrets_live_on",
            "credentials::replace::retires_the_old",
            |store, mut call| async move {
                if let Call::Replace { old, .. } = &mut call
                    && *old == OldSecret::Retired
                {
                    *old = OldSecret::ValidUntil(Timestamp::MAX);
                }
                store.call(call).await
            },
        )
        .re_enacts("fosite: an old token was of use after its rotation")
        .fault(
            "credentials::grace_is_forgotten",
            "credentials::replace::old_is_valid_until",
            |store, mut call| async move {
                if let Call::Replace { old, .. } = &mut call {
                    *old = OldSecret::Retired;
                }
                store.call(call).await
            },
        )
        .error(
            "credentials::another_kind_is_stale",
            "credentials::replace::keeps_to_the_kind",
            "replace",
            ErrorKind::Refused,
            PortError::stale("credential"),
        )
        .fault(
            "credentials::last_replacement_wins",
            "credentials::replace::refuses_a_stale_version",
            |store, mut call| async move {
                if let Call::Replace {
                    tenant,
                    id,
                    expected,
                    ..
                } = &mut call
                    && let Some(stored) = store.get(tenant, id).await?
                {
                    *expected = stored.version;
                }
                store.call(call).await
            },
        )
        .error(
            "credentials::a_taken_digest_is_stale",
            "credentials::replace::refuses_a_taken_digest",
            "replace",
            ErrorKind::AlreadyExists,
            PortError::stale("credential"),
        )
        .race(
            "credentials::replacements_race",
            "credentials::replace::race_has_one_winner",
            "replace",
        )
        .re_enacts("dex #2547, hydra #3207: concurrent rotations both succeeded")
        .answer(
            "credentials::history_oldest_first",
            "credentials::history::is_complete_and_ordered",
            "history",
            |page| {
                if let Some(items) = page["items"].as_array_mut() {
                    items.reverse();
                }
            },
        )
        .offsets(
            "credentials::history_by_offset",
            "credentials::history::refuses_other_cursors",
        )
        .fault(
            "credentials::only_the_last_grace_counts",
            "credentials::replace::graces_are_each_their_own",
            |store, call| async move {
                let answer = store.call(call.clone()).await?;
                if let (Call::Find { tenant, lookup, .. }, Answer::Find(Some(found))) =
                    (&call, &answer)
                {
                    let last = PageRequest::first(1)?;
                    let last = store.history(tenant, &found.id, &last).await?.items;
                    let secrets = last.iter().map(|past| &past.secret).chain([&found.secret]);
                    if !secrets
                        .into_iter()
                        .any(|secret| secret.lookup() == Some(lookup))
                    {
                        return Ok(Answer::Find(None));
                    }
                }
                Ok(answer)
            },
        )
        .fault(
            "credentials::graces_that_are_over_are_refused",
            "credentials::replace::grace_may_be_over",
            |store, call| async move {
                if let Call::Replace {
                    old: OldSecret::ValidUntil(until),
                    now,
                    ..
                } = &call
                    && until <= now
                {
                    return Err(PortError::refused("old", "is over"));
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::equal_secrets_change_nothing",
            "credentials::replace::equal_is_a_change",
            |store, call| async move {
                if let Call::Replace {
                    tenant,
                    id,
                    expected,
                    secret,
                    ..
                } = &call
                    && let Some(stored) = store.get(tenant, id).await?
                    && stored.version == *expected
                    && stored.secret == *secret
                    && secret.lookup().is_none()
                {
                    return Ok(Answer::Replace(stored));
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::replace_is_for_live_ones",
            "credentials::replace::minds_no_end",
            |store, call| async move {
                if let Call::Replace {
                    tenant, id, now, ..
                } = &call
                    && is_over(&*store, tenant, id, *now).await?
                {
                    return Err(PortError::not_found("credential"));
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::update_is_for_live_ones",
            "credentials::update::minds_no_end",
            |store, call| async move {
                if let Call::Update {
                    tenant, id, now, ..
                } = &call
                    && is_over(&*store, tenant, id, *now).await?
                {
                    return Err(PortError::not_found("credential"));
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::uses_are_of_live_ones",
            "credentials::record_use::minds_no_end",
            |store, call| async move {
                if let Call::RecordUse {
                    tenant, id, now, ..
                } = &call
                    && is_over(&*store, tenant, id, *now).await?
                {
                    return Err(PortError::not_found("credential"));
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::failures_of_the_consumed_are_not_counted",
            "credentials::record_use::minds_no_end",
            |store, call| async move {
                if let Call::RecordFailure { tenant, id } = &call
                    && let Some(stored) = store.get(tenant, id).await?
                    && stored.consumed_at.is_some()
                {
                    return Ok(Answer::RecordFailure(stored.failures));
                }
                store.call(call).await
            },
        )
        .pages_of_500(
            "credentials::history_pages_hold_500",
            "credentials::history::has_no_limit_of_its_own",
            "history",
        )
}

/// Whether a credential has expired at `now`, or was consumed.
async fn is_over(
    store: &dyn CredentialStore,
    tenant: &TenantId,
    id: &CredentialId,
    now: Timestamp,
) -> PortResult<bool> {
    let stored = store.get(tenant, id).await?;
    Ok(stored.is_some_and(|credential| {
        credential.consumed_at.is_some() || credential.expires_at.is_some_and(|end| end <= now)
    }))
}
