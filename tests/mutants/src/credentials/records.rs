//! Mutants of single credentials: adding, reading, updating and removing one.

use std::sync::{Arc, Mutex, PoisonError};

use portproof_ports::{
    CredentialKind, CredentialStore, CredentialStoreAnswer as Answer, CredentialStoreCall as Call,
    ErrorKind, Kinds, LookupDigest, Port, PortError,
};
use serde_json::{Value, json};

use crate::edits::{Edits, begins, careless, every, fold, to_millis};

fn remove_of(arguments: &Value) -> Value {
    json!({"tenant": arguments["tenant"], "id": arguments["credential"]["id"]})
}

fn made_up(arguments: &Value) -> Value {
    let credential = json!({
        "id": arguments["id"], "identity": "somebody", "secret": {"totp": "eA=="},
        "metadata": {}, "expires_at": null,
    });
    json!({"tenant": arguments["tenant"], "credential": credential, "now": 0})
}

pub(super) fn records(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
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
                        let only = Kinds::Only(CredentialKind::Password);
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
        .finds(
            "credentials::get_goes_by_prefix",
            "credentials::get::missing_is_none",
            &["get"],
            "id",
            begins,
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
                    for kind in CredentialKind::ALL {
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
                let removed: Arc<Mutex<Vec<LookupDigest>>> = Arc::default();
                move |store: Arc<dyn CredentialStore>, call: Call| {
                    let removed = Arc::clone(&removed);
                    async move {
                        let lock = || removed.lock().unwrap_or_else(PoisonError::into_inner);
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
