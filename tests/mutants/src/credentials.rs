//! Mutants of the credentials port.

use portproof::mutants::Mutant;
use portproof_ports::{
    CredentialStore, CredentialStoreAnswer as Answer, CredentialStoreCall as Call, CredentialUse,
    ErrorKind, Kinds, OldSecret, PageRequest, Port, PortError, Ports,
};
use serde_json::{Value, json};

use crate::edits::{Edits, careless, common, every, fold, to_millis};

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let edits = Edits::<dyn CredentialStore>::new(|ports| &mut ports.credentials).common(&common!(
        "credentials",
        "list_of",
        "keeps_credentials"
    ));
    let edits = secrets(records(edits));
    policies(lists(uses(edits))).done()
}

fn remove_of(arguments: &Value) -> Value {
    json!({"tenant": arguments["tenant"], "id": arguments["credential"]["id"]})
}

/// A credential to add under an id that is not there.
fn made_up(arguments: &Value) -> Value {
    let credential = json!({
        "id": arguments["id"], "identity": "somebody", "secret": {"totp": "eA=="},
        "metadata": {}, "expires_at": null,
    });
    json!({"tenant": arguments["tenant"], "credential": credential, "now": 0})
}

fn records(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
    edits
        .call(
            "credentials::expiry_is_lost",
            "credentials::add::stores_it_whole",
            "add",
            |arguments| {
                arguments["credential"]["expires_at"] = Value::Null;
            },
        )
        .re_enacts("AuthHero 5dddd72: fields that create dropped")
        .also(
            "credentials::add_replaces",
            "credentials::add::refuses_a_stored_id",
            "add",
            |arguments| vec![("remove", remove_of(arguments))],
        )
        .fault(
            "credentials::passwords_pile_up",
            "credentials::add::refuses_a_second_password",
            |store, call| async move {
                match store.call(call.clone()).await {
                    Err(PortError::AlreadyExists(what)) if what == "password" => {
                        let Call::Add {
                            tenant, credential, ..
                        } = &call
                        else {
                            return Err(PortError::already_exists("password"));
                        };
                        let only = Kinds::Only(portproof_ports::CredentialKind::Password);
                        store
                            .remove_all_of(tenant, &credential.identity, &only)
                            .await?;
                        store.call(call).await
                    }
                    outcome => outcome,
                }
            },
        )
        .re_enacts("AuthHero: 20 creations left 20 current passwords")
        .fault(
            "credentials::digests_are_moved",
            "credentials::add::refuses_a_taken_digest",
            |store, call| async move {
                if let Call::Add {
                    tenant,
                    credential,
                    now,
                } = &call
                    && let Some(lookup) = credential.secret.lookup()
                    && let Some(owner) = store
                        .find(tenant, credential.secret.kind(), lookup, *now)
                        .await?
                    && owner.id != credential.id
                {
                    store.remove(tenant, &owner.id).await?;
                }
                store.call(call).await
            },
        )
        .re_enacts("Auth.js: authenticators with one credential id")
        .race(
            "credentials::passwords_race",
            "credentials::add::race_has_one_password",
            "add",
        )
        .race(
            "credentials::digests_race",
            "credentials::add::race_has_one_owner_of_a_digest",
            "add",
        )
        .calls(
            "credentials::ids_are_folded",
            "credentials::add::keeps_ids_apart",
            |arguments| {
                for name in ["id", "identity"] {
                    every(arguments, name, &fold);
                }
            },
        )
        .re_enacts("MySQL's default collation")
        .calls(
            "credentials::metadata_loses_nulls",
            "credentials::add::keeps_metadata_exactly",
            |arguments| {
                every(arguments, "metadata", &careless);
            },
        )
        .calls(
            "credentials::instants_in_milliseconds",
            "credentials::add::keeps_instants",
            |arguments| {
                for name in ["now", "expires_at"] {
                    every(arguments, name, &to_millis);
                }
            },
        )
        .re_enacts("dex b51e73bc: instants in milliseconds")
        .call(
            "credentials::get_goes_by_prefix",
            "credentials::get::missing_is_none",
            "get",
            |arguments| {
                if arguments["id"] == "ke" {
                    arguments["id"] = json!("key");
                }
            },
        )
        .fault(
            "credentials::kinds_are_ignored",
            "credentials::find::keeps_kinds_apart",
            |store, call| async move {
                if let Call::Find {
                    tenant,
                    lookup,
                    now,
                    ..
                } = &call
                {
                    for kind in portproof_ports::CredentialKind::ALL {
                        let found = store.find(tenant, kind, lookup, *now).await?;
                        if found.is_some() {
                            return Ok(Answer::Find(found));
                        }
                    }
                }
                store.call(call).await
            },
        )
        .re_enacts("AuthHero dd071e0: a token of one client was good for another")
        .fault(
            "credentials::found_at_the_end",
            "credentials::find::minds_the_expiry",
            |store, mut call| async move {
                if let Call::Find { now, .. } = &mut call {
                    *now = now.before(portproof_ports::Span::MICROSECOND);
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::none_keeps_the_expiry",
            "credentials::update::replaces_metadata_and_expiry",
            |store, mut call| async move {
                if let Call::Update {
                    tenant,
                    id,
                    expires_at,
                    ..
                } = &mut call
                    && expires_at.is_none()
                {
                    *expires_at = store
                        .get(tenant, id)
                        .await?
                        .and_then(|credential| credential.expires_at);
                }
                store.call(call).await
            },
        )
        .re_enacts("dex: an absent value kept the old one")
        .race(
            "credentials::updates_race",
            "credentials::update::refuses_a_stale_version",
            "update",
        )
        .re_enacts("kratos: 12 writers of one configuration")
        .answer(
            "credentials::lists_leave_out_counters",
            "credentials::list_of::is_complete_and_ordered",
            "list_of",
            |page| {
                every(page, "counter", &|counter| *counter = json!(0));
            },
        )
        .fault(
            "credentials::lists_leave_out_the_consumed",
            "credentials::list_of::is_complete_and_ordered",
            |store, call| async move {
                match store.call(call).await? {
                    Answer::ListOf(mut page) => {
                        page.items
                            .retain(|credential| credential.consumed_at.is_none());
                        Ok(Answer::ListOf(page))
                    }
                    answer => Ok(answer),
                }
            },
        )
        .fault(
            "credentials::updates_set_counters_back",
            "credentials::update::replaces_metadata_and_expiry",
            |store, call| async move {
                match store.call(call).await? {
                    Answer::Update(mut updated) => {
                        updated.counter = portproof_ports::Counter::ZERO;
                        Ok(Answer::Update(updated))
                    }
                    answer => Ok(answer),
                }
            },
        )
        .instead(
            "credentials::failures_create",
            "credentials::update::creates_nothing",
            "record_failure",
            ErrorKind::NotFound,
            |arguments| {
                vec![
                    ("add", made_up(arguments)),
                    ("record_failure", arguments.clone()),
                ]
            },
        )
        .answer(
            "credentials::remove_always_succeeds",
            "credentials::remove::takes_exactly_one",
            "remove",
            |gone| *gone = json!(true),
        )
        .re_enacts("AuthHero: removing a missing row answered true")
        .fault(
            "credentials::digests_are_never_freed",
            "credentials::remove::frees_what_it_had",
            {
                let removed: std::sync::Arc<std::sync::Mutex<Vec<portproof_ports::LookupDigest>>> =
                    std::sync::Arc::default();
                move |store: std::sync::Arc<dyn CredentialStore>, call: Call| {
                    let removed = std::sync::Arc::clone(&removed);
                    async move {
                        let lock = || {
                            removed
                                .lock()
                                .unwrap_or_else(std::sync::PoisonError::into_inner)
                        };
                        match &call {
                            Call::Remove { tenant, id } => {
                                let gone = store.get(tenant, id).await?;
                                lock().extend(gone.and_then(|gone| gone.secret.lookup().cloned()));
                            }
                            Call::Add { credential, .. }
                                if credential
                                    .secret
                                    .lookup()
                                    .is_some_and(|d| lock().contains(d)) =>
                            {
                                return Err(PortError::already_exists("lookup"));
                            }
                            _ => {}
                        }
                        store.call(call).await
                    }
                }
            },
        )
        .re_enacts("spire #6946: rows of what was deleted stayed behind")
}

fn secrets(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
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
                    *old = OldSecret::ValidUntil(portproof_ports::Timestamp::MAX);
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
}

fn uses(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
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
                    *now = (*now)
                        .min(portproof_ports::Timestamp::MIN.after(portproof_ports::Span::days(1)));
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

fn lists(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
    edits
        .call("credentials::lists_ignore_the_kind", "credentials::list_of::filters_by_kind", "list_of", |arguments| {
            arguments["kinds"] = json!("every");
        })
        .calls("credentials::owners_are_folded", "credentials::list_of::of_nobody_is_empty", |arguments| {
            every(arguments, "identity", &fold);
        })
        .offsets("credentials::offsets_skip", "credentials::list_of::walk_survives_changes")
        .offsets("credentials::offsets_fit_everywhere", "credentials::list_of::refuses_a_foreign_cursor")
        .also("credentials::removal_goes_by_prefix", "credentials::remove_all_of::takes_exactly_theirs", "remove_all_of", |arguments| {
            let adam = json!({"tenant": arguments["tenant"], "identity": "Adam", "kinds": arguments["kinds"]});
            vec![("remove_all_of", adam)]
        })
        .re_enacts("better-auth #10507: a pattern that meant its letters")
        .call("credentials::removal_takes_all_kinds", "credentials::remove_all_of::takes_one_kind", "remove_all_of", |arguments| {
            arguments["kinds"] = json!("every");
        })
        .re_enacts("kratos: replacing one kind removed all")
        .fault("credentials::removal_takes_a_page", "credentials::remove_all_of::takes_more_than_a_page", |store, call| async move {
            if let Call::RemoveAllOf { tenant, identity, kinds } = &call {
                let page = PageRequest::first(100)?;
                let page = store.list_of(tenant, identity, kinds, &page).await?;
                for credential in &page.items {
                    store.remove(tenant, &credential.id).await?;
                }
                return Ok(Answer::RemoveAllOf(page.items.len() as u64));
            }
            store.call(call).await
        })
        .re_enacts("AuthHero 7d9f138: the first 100 only")
}

fn policies(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
    edits
        .calls(
            "credentials::rules_lose_nulls",
            "credentials::policy::is_stored_whole",
            |arguments| {
                every(arguments, "rules", &careless);
            },
        )
        .call(
            "credentials::rules_are_overwritten",
            "credentials::policy::expects_what_is_stored",
            "set_policy",
            |arguments| {
                arguments["expected"] = json!("anything");
            },
        )
        .race(
            "credentials::rules_race",
            "credentials::policy::race_has_one_winner",
            "set_policy",
        )
        .call(
            "credentials::rules_of_folded_tenants",
            "credentials::policy::is_the_tenants_own",
            "policy",
            |arguments| {
                fold(&mut arguments["tenant"]);
            },
        )
        .fault(
            "credentials::rules_are_none",
            "credentials::policy::is_refused_when_disclaimed",
            |store, call| async move {
                match call {
                    Call::Policy { .. } => Ok(Answer::Policy(None)),
                    call => store.call(call).await,
                }
            },
        )
}
