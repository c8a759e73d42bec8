//! Mutants of the lists, of the end of all that somebody has, and of the rules of a tenant.

use std::sync::{Arc, Mutex, PoisonError};

use portproof_ports::{
    CredentialStore, CredentialStoreAnswer as Answer, CredentialStoreCall as Call, LookupDigest,
    PageRequest, Port, PortError,
};
use serde_json::json;

use crate::edits::{Edits, begins, careless, every, fold};

pub(super) fn lists(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
    edits
        .call(
            "credentials::lists_ignore_the_kind",
            "credentials::list_of::filters_by_kind",
            "list_of",
            |arguments| {
                arguments["kinds"] = json!("every");
            },
        )
        .calls(
            "credentials::owners_are_folded",
            "credentials::list_of::of_nobody_is_empty",
            |arguments| {
                every(arguments, "identity", &fold);
            },
        )
        .offsets(
            "credentials::offsets_skip",
            "credentials::list_of::walk_survives_changes",
        )
        .offsets(
            "credentials::offsets_fit_everywhere",
            "credentials::list_of::refuses_a_foreign_cursor",
        )
        .reaches(
            "credentials::removal_goes_by_prefix",
            "credentials::remove_all_of::takes_exactly_theirs",
            "remove_all_of",
            "identity",
            begins,
        )
        .re_enacts("better-auth #10507: a pattern that meant its letters")
        .call(
            "credentials::removal_takes_all_kinds",
            "credentials::remove_all_of::takes_one_kind",
            "remove_all_of",
            |arguments| {
                arguments["kinds"] = json!("every");
            },
        )
        .re_enacts("kratos: replacing one kind removed all")
        .fault(
            "credentials::removal_takes_a_page",
            "credentials::remove_all_of::takes_more_than_a_page",
            |store, call| async move {
                if let Call::RemoveAllOf {
                    tenant,
                    identity,
                    kinds,
                } = &call
                {
                    let page = PageRequest::first(100)?;
                    let page = store.list_of(tenant, identity, kinds, &page).await?;
                    for credential in &page.items {
                        store.remove(tenant, &credential.id).await?;
                    }
                    return Ok(Answer::RemoveAllOf(page.items.len() as u64));
                }
                store.call(call).await
            },
        )
        .re_enacts("AuthHero 7d9f138: the first 100 only")
        .pages_of_500(
            "credentials::pages_hold_500",
            "credentials::list_of::has_no_limit_of_its_own",
            "list_of",
        )
        .fault(
            "credentials::past_digests_stay_behind",
            "credentials::remove_all_of::leaves_nothing_behind",
            {
                let left: Arc<Mutex<Vec<LookupDigest>>> = Arc::default();
                move |store: Arc<dyn CredentialStore>, call: Call| {
                    let left = Arc::clone(&left);
                    async move {
                        let lock = || left.lock().unwrap_or_else(PoisonError::into_inner);
                        match &call {
                            Call::RemoveAllOf {
                                tenant,
                                identity,
                                kinds,
                            } => {
                                let page = PageRequest::first(100)?;
                                let gone = store.list_of(tenant, identity, kinds, &page).await?;
                                for gone in gone.items {
                                    let past = store.history(tenant, &gone.id, &page).await?;
                                    let secrets = past.items.into_iter().map(|past| past.secret);
                                    lock().extend(secrets.filter_map(|s| s.lookup().cloned()));
                                }
                            }
                            Call::Add { credential, .. }
                                if credential
                                    .secret
                                    .lookup()
                                    .is_some_and(|digest| lock().contains(digest)) =>
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

pub(super) fn policies(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
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
