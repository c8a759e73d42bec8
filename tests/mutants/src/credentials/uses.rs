//! Mutants of uses, failures and consumptions.

use portproof_ports::{
    CredentialStore, CredentialStoreAnswer as Answer, CredentialStoreCall as Call, CredentialUse,
    ErrorKind, Kinds, PageRequest, Port, PortError, Span, Timestamp,
};
use serde_json::json;

use crate::edits::Edits;

pub(super) fn uses(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
    edits
        .fault(
            "credentials::uses_are_changes",
            "credentials::record_use::notes_the_time",
            |store, call| async move {
                if let Call::RecordUse {
                    tenant, id, now, ..
                } = &call
                {
                    store.call(call.clone()).await?;
                    if let Some(used) = store.get(tenant, id).await? {
                        let (metadata, end) = (used.metadata, used.expires_at);
                        let updated = store
                            .update(tenant, id, used.version, metadata, end, *now)
                            .await?;
                        return Ok(Answer::RecordUse(updated));
                    }
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::slow_clocks_win",
            "credentials::record_use::never_moves_back",
            |store, call| async move {
                let answer = store.call(call.clone()).await?;
                if let (Call::RecordUse { now, .. }, Answer::RecordUse(mut used)) =
                    (call, answer.clone())
                {
                    used.used_at = Some(now);
                    return Ok(Answer::RecordUse(used));
                }
                Ok(answer)
            },
        )
        .fault(
            "credentials::counters_may_stand_still",
            "credentials::record_use::counter_only_rises",
            |store, mut call| async move {
                if let Call::RecordUse {
                    tenant, id, used, ..
                } = &mut call
                    && let CredentialUse::Counter(counter) = *used
                    && let Some(stored) = store.get(tenant, id).await?
                    && stored.counter == counter
                {
                    *used = CredentialUse::Plain;
                }
                store.call(call).await
            },
        )
        .re_enacts("Auth.js: a counter that did not have to rise")
        .race(
            "credentials::counters_race",
            "credentials::record_use::counter_race_has_one_winner",
            "record_use",
        )
        .fault(
            "credentials::failures_are_the_identitys",
            "credentials::record_failure::counts_one_by_one",
            |store, call| async move {
                if let Call::RecordFailure { tenant, id } = &call
                    && let Some(failed) = store.get(tenant, id).await?
                {
                    let page = PageRequest::first(1000)?;
                    for other in store
                        .list_of(tenant, &failed.identity, &Kinds::Every, &page)
                        .await?
                        .items
                    {
                        if other.id != *id {
                            store.record_failure(tenant, &other.id).await?;
                        }
                    }
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::uses_forgive_nothing",
            "credentials::record_use::ends_failures",
            |store, call| async move {
                if let Call::RecordUse { tenant, id, .. } = &call {
                    let failures = store
                        .get(tenant, id)
                        .await?
                        .map_or(0, |credential| credential.failures);
                    let Answer::RecordUse(mut used) = store.call(call.clone()).await? else {
                        return Err(PortError::not_found("credential"));
                    };
                    for _ in 0..failures {
                        used.failures = store.record_failure(tenant, id).await?;
                    }
                    return Ok(Answer::RecordUse(used));
                }
                store.call(call).await
            },
        )
        .lost_update(
            "credentials::failures_are_lost",
            "credentials::record_failure::race_counts_each",
            "record_failure",
        )
        .re_enacts("better-auth #9993: counters that were read, raised and written")
        .answer(
            "credentials::codes_are_consumed_again",
            "credentials::consume::succeeds_once",
            "consume",
            |won| *won = json!(true),
        )
        .re_enacts("AuthHero: one code was redeemed three times through a cache")
        .race(
            "credentials::consumptions_race",
            "credentials::consume::race_has_one_winner",
            "consume",
        )
        .re_enacts("kratos 6ce2bd861: recovery codes consumed twice under read committed")
        .fault(
            "credentials::expired_codes_are_good",
            "credentials::consume::minds_the_expiry",
            |store, mut call| async move {
                if let Call::Consume { now, .. } = &mut call {
                    *now = (*now).min(Timestamp::MIN.after(Span::days(1)));
                }
                store.call(call).await
            },
        )
        .re_enacts("AuthHero: consume did not look at the expiry")
        .fault(
            "credentials::consumed_codes_are_gone",
            "credentials::consume::leaves_it_to_be_found",
            |store, call| async move {
                match store.call(call).await? {
                    Answer::Find(found) => Ok(Answer::Find(
                        found.filter(|code| code.consumed_at.is_none()),
                    )),
                    answer => Ok(answer),
                }
            },
        )
        .error(
            "credentials::anything_is_consumed",
            "credentials::consume::takes_codes_only",
            "consume",
            ErrorKind::Refused,
            PortError::not_found("credential"),
        )
}
