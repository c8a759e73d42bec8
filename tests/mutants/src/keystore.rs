//! Mutants of the keystore port.

use portproof::mutants::Mutant;
use portproof_ports::{
    ErrorKind, KeyState, KeyStore, KeyStoreAnswer as Answer, KeyStoreCall as Call, Port, PortError,
    Ports,
};
use serde_json::json;

use crate::edits::{Edits, begins, careless, common, every, fold, to_millis};

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let edits = Edits::<dyn KeyStore>::new(|ports| &mut ports.keystore).common(&common!(
        "keystore",
        "list",
        "keeps_keys"
    ));
    let mut mutants = lists(life(records(edits))).done();
    mutants.push(
        Mutant::new(
            "keystore::keys_rest_in_hexadecimal",
            "keystore::rest::holds_nothing_private",
            |ports, _| ports,
        )
        .with_dump(|mut dump| {
            // The private part, in hexadecimal, of a key that the rule stores.
            let private = b"private part of a key to be found, which nobody may see";
            dump.extend(
                private
                    .iter()
                    .flat_map(|byte| format!("{byte:02x}").into_bytes()),
            );
            dump.extend(b"00ff800a");
            dump
        })
        .re_enacts("hydra: session data was encrypted, and keys were not"),
    );
    mutants
}

fn records(edits: Edits<dyn KeyStore>) -> Edits<dyn KeyStore> {
    edits
        .call(
            "keystore::algorithms_are_lost",
            "keystore::insert::stores_it_whole",
            "insert",
            |arguments| {
                arguments["key"]["algorithm"] = json!("ES256");
            },
        )
        .fault(
            "keystore::insert_replaces",
            "keystore::insert::refuses_a_stored_id",
            |store, call| async move {
                if let Call::Insert { tenant, key, .. } = &call
                    && let Some(stored) = store.get(tenant, &key.id).await?
                {
                    return Ok(Answer::Insert(stored));
                }
                store.call(call).await
            },
        )
        .fault(
            "keystore::a_refused_insert_revokes",
            "keystore::insert::refuses_a_stored_id",
            |store, call| async move {
                let outcome = store.call(call.clone()).await;
                if let Call::Insert { tenant, key, now } = &call
                    && outcome.is_err()
                {
                    // The way was made free first.
                    store.revoke(tenant, &key.id, *now).await?;
                }
                outcome
            },
        )
        .fault(
            "keystore::ids_are_of_a_use",
            "keystore::insert::refuses_an_id_of_the_other_use",
            |store, call| async move {
                if let Call::Insert { tenant, key, .. } = &call
                    && let Some(stored) = store.get(tenant, &key.id).await?
                    && stored.key_use != key.key_use
                {
                    return Ok(Answer::Insert(stored));
                }
                store.call(call).await
            },
        )
        .race(
            "keystore::inserts_race",
            "keystore::insert::race_has_one_owner",
            "insert",
        )
        .re_enacts("hydra #3870: concurrent first use made duplicate keys")
        .calls(
            "keystore::ids_are_folded",
            "keystore::insert::keeps_ids_apart",
            |arguments| {
                every(arguments, "id", &fold);
            },
        )
        .re_enacts("MySQL's default collation")
        .calls(
            "keystore::public_parts_lose_nulls",
            "keystore::insert::keeps_the_public_part",
            |arguments| {
                every(arguments, "public", &careless);
            },
        )
        .calls(
            "keystore::private_parts_end_at_a_zero",
            "keystore::insert::keeps_the_private_part",
            |arguments| {
                every(arguments, "private", &|private| {
                    // The first byte is a zero: as text it is empty, and is stored as a blank.
                    let text = private.as_str().unwrap_or_default();
                    let starts = ('A'..='P').map(|second| format!("A{second}"));
                    if starts.into_iter().any(|start| text.starts_with(&start)) {
                        *private = json!("IA==");
                    }
                });
            },
        )
        .calls(
            "keystore::instants_in_milliseconds",
            "keystore::insert::keeps_instants",
            |arguments| {
                for name in ["now", "published_until"] {
                    every(arguments, name, &to_millis);
                }
            },
        )
        .re_enacts("dex b51e73bc: rotation times in milliseconds")
        .finds(
            "keystore::get_goes_by_prefix",
            "keystore::get::missing_is_none",
            &["get"],
            "id",
            begins,
        )
        .error(
            "keystore::a_full_store_is_unavailable",
            "keystore::insert::keeps_to_the_limit",
            "insert",
            ErrorKind::Refused,
            PortError::Unavailable("full".into()),
        )
}

fn life(edits: Edits<dyn KeyStore>) -> Edits<dyn KeyStore> {
    edits
        .fault(
            "keystore::the_first_key_is_in_use",
            "keystore::insert::is_not_in_use",
            |store, call| async move {
                match call {
                    Call::Active { tenant, key_use } => {
                        let active = store.active(&tenant, key_use).await?;
                        if active.is_some() {
                            return Ok(Answer::Active(active));
                        }
                        let first = portproof_ports::PageRequest::first(1)?;
                        let mut page = store.list(&tenant, key_use, &first).await?;
                        Ok(Answer::Active(page.items.pop()))
                    }
                    call => store.call(call).await,
                }
            },
        )
        .answer(
            "keystore::rotate_answers_the_old_state",
            "keystore::rotate::puts_the_next_in_use",
            "rotate",
            |key| {
                key["state"] = json!("next");
            },
        )
        .fault(
            "keystore::rotation_needs_an_active_key",
            "keystore::rotate::begins_with_none",
            |store, call| async move {
                match call {
                    Call::Rotate { active: None, .. } => Err(PortError::stale("active key")),
                    call => store.call(call).await,
                }
            },
        )
        .fault(
            "keystore::rotation_believes_nobody",
            "keystore::rotate::refuses_a_stale_belief",
            |store, mut call| async move {
                if let Call::Rotate {
                    tenant,
                    key_use,
                    active,
                    ..
                } = &mut call
                {
                    *active = store.active(tenant, *key_use).await?.map(|key| key.id);
                }
                store.call(call).await
            },
        )
        .re_enacts("spire: a journal without its compare-and-swap")
        .error(
            "keystore::a_missing_key_is_stale",
            "keystore::rotate::needs_the_next_key",
            "rotate",
            ErrorKind::NotFound,
            PortError::stale("key"),
        )
        .error(
            "keystore::an_old_key_is_not_found",
            "keystore::rotate::needs_a_key_that_waits",
            "rotate",
            ErrorKind::Refused,
            PortError::not_found("key"),
        )
        .race(
            "keystore::rotations_race",
            "keystore::rotate::race_has_one_winner",
            "rotate",
        )
        .re_enacts("AuthHero: concurrent changes left 20 current rows")
        .race(
            "keystore::first_rotations_race",
            "keystore::rotate::first_race_has_one_winner",
            "rotate",
        )
        .re_enacts("hydra #3876: two first writers")
        .fault(
            "keystore::rotation_in_two_steps",
            "keystore::rotate::readers_see_one_in_use",
            {
                let rotating = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
                move |store: std::sync::Arc<dyn KeyStore>, call: Call| {
                    let rotating = std::sync::Arc::clone(&rotating);
                    async move {
                        use std::sync::atomic::Ordering::SeqCst;
                        match &call {
                            // The old key is out of use, and the new one is not in use yet.
                            Call::Rotate { .. } => {
                                rotating.store(true, SeqCst);
                                for _ in 0..8 {
                                    tokio::task::yield_now().await;
                                }
                                let answer = store.call(call).await;
                                rotating.store(false, SeqCst);
                                answer
                            }
                            Call::Active { .. } if rotating.load(SeqCst) => {
                                Ok(Answer::Active(None))
                            }
                            _ => store.call(call).await,
                        }
                    }
                }
            },
        )
        .re_enacts("casbin: readers saw nothing while a set was replaced")
        .fault(
            "keystore::revoked_keys_stay_in_use",
            "keystore::revoke::ends_its_use",
            |store, call| async move {
                if let Call::Revoke { tenant, id, .. } = &call
                    && let Some(key) = store.get(tenant, id).await?
                    && key.state == KeyState::Active
                {
                    return Ok(Answer::Revoke(true));
                }
                store.call(call).await
            },
        )
        .answer(
            "keystore::revoke_always_succeeds",
            "keystore::revoke::answers_whether_it_changed",
            "revoke",
            |changed| *changed = json!(true),
        )
        .fault(
            "keystore::retired_keys_cannot_be_revoked",
            "keystore::revoke::is_final",
            |store, call| async move {
                if let Call::Revoke { tenant, id, .. } = &call
                    && let Some(key) = store.get(tenant, id).await?
                    && matches!(key.state, KeyState::Retired { .. })
                {
                    return Ok(Answer::Revoke(false));
                }
                store.call(call).await
            },
        )
        .race(
            "keystore::revocations_race",
            "keystore::revoke::race_has_one_winner",
            "revoke",
        )
        .answer(
            "keystore::remove_always_succeeds",
            "keystore::remove::takes_what_is_out_of_use",
            "remove",
            |gone| *gone = json!(true),
        )
        .instead(
            "keystore::remove_takes_anything",
            "keystore::remove::refuses_what_is_in_use",
            "remove",
            ErrorKind::Refused,
            |arguments| {
                let revoke =
                    json!({"tenant": arguments["tenant"], "id": arguments["id"], "now": 0});
                vec![("revoke", revoke), ("remove", arguments.clone())]
            },
        )
        .fault(
            "keystore::published_at_the_end",
            "keystore::public_set::is_next_active_and_retired",
            |store, mut call| async move {
                if let Call::PublicSet { now, .. } = &mut call {
                    *now = now.before(portproof_ports::Span::MICROSECOND);
                }
                store.call(call).await
            },
        )
        .answer(
            "keystore::published_in_reverse",
            "keystore::public_set::is_ordered",
            "public_set",
            |set| {
                if let Some(set) = set.as_array_mut() {
                    set.reverse();
                }
            },
        )
        .re_enacts("hydra: the order of keys of one tick changed")
        .fault(
            "keystore::revoked_keys_are_published",
            "keystore::public_set::holds_no_revoked_key",
            |store, call| async move {
                if let Call::PublicSet {
                    tenant, key_use, ..
                } = &call
                {
                    let all = portproof_ports::PageRequest::first(1000)?;
                    let all = store.list(tenant, *key_use, &all).await?.items.into_iter();
                    let public = all.map(|key| portproof_ports::PublicKey {
                        id: key.id,
                        algorithm: key.algorithm,
                        public: key.public,
                    });
                    return Ok(Answer::PublicSet(public.collect()));
                }
                store.call(call).await
            },
        )
        .re_enacts("AuthHero: revoked keys were listed with the good ones")
        .answer(
            "keystore::reseal_counts_everything",
            "keystore::reseal::changes_no_key",
            "reseal",
            |count| *count = json!(2),
        )
        .fault(
            "keystore::reseal_answers_none",
            "keystore::reseal::is_refused_when_disclaimed",
            |store, call| async move {
                match call {
                    Call::Reseal { .. } => Ok(Answer::Reseal(0)),
                    call => store.call(call).await,
                }
            },
        )
}

fn lists(edits: Edits<dyn KeyStore>) -> Edits<dyn KeyStore> {
    edits
        .capped(
            "keystore::lists_stop_at_a_hundred",
            "keystore::list::has_no_limit_of_its_own",
        )
        .pages_of_500(
            "keystore::pages_hold_500",
            "keystore::list::has_no_limit_of_its_own",
            "list",
        )
        .fault(
            "keystore::uses_are_mixed",
            "keystore::list::keeps_uses_apart",
            |store, mut call| async move {
                if let Call::List { key_use, .. } = &mut call {
                    *key_use = portproof_ports::KeyUse::Signing;
                }
                store.call(call).await
            },
        )
        .offsets(
            "keystore::offsets_skip",
            "keystore::list::walk_survives_removals",
        )
        .offsets(
            "keystore::offsets_repeat",
            "keystore::list::walk_survives_insertions",
        )
        .offsets(
            "keystore::offsets_fit_everywhere",
            "keystore::list::refuses_a_foreign_cursor",
        )
}
