//! Mutants of the identity port.

use portproof::mutants::Mutant;
use portproof_ports::{ErrorKind, IdentityStore, Port, PortError, Ports};
use serde_json::{Value, json};

use crate::edits::{Edits, begins, careless, common, every, fold, to_millis};

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let edits = Edits::<dyn IdentityStore>::new(|ports| &mut ports.identity).common(&common!(
        "identity",
        "list",
        "keeps_identities"
    ));
    let edits = identifiers(records(edits));
    lists(changes(edits)).done()
}

/// The same tenant, identity and time, as the arguments of an update.
fn erase_of(arguments: &Value) -> Value {
    json!({"tenant": arguments["tenant"], "id": arguments["id"]})
}

fn records(edits: Edits<dyn IdentityStore>) -> Edits<dyn IdentityStore> {
    edits
        .answer(
            "identity::create_answers_no_verification",
            "identity::create::stores_it_whole",
            "create",
            |identity| {
                every(identity, "verified_at", &|at| *at = Value::Null);
            },
        )
        .re_enacts("AuthHero 5dddd72: create answered another record than the next read")
        .also(
            "identity::create_replaces",
            "identity::create::refuses_a_stored_id",
            "create",
            |arguments| {
                let id = &arguments["identity"]["id"];
                vec![("erase", json!({"tenant": arguments["tenant"], "id": id}))]
            },
        )
        .instead(
            "identity::create_leaves_half",
            "identity::create::refuses_a_taken_identifier",
            "create",
            ErrorKind::AlreadyExists,
            |arguments| {
                let mut half = arguments.clone();
                half["identity"]["identifiers"] = json!([]);
                // Stored without its identifiers, and then told as a failure.
                vec![("create", half.clone()), ("create", half)]
            },
        )
        .re_enacts("kratos: an identity stayed behind when an identifier of it was refused")
        .call(
            "identity::create_ignores_duplicates",
            "identity::create::refuses_an_identifier_named_twice",
            "create",
            |arguments| {
                if let Some(all) = arguments["identity"]["identifiers"].as_array_mut() {
                    let mut seen = Vec::new();
                    all.retain(|new| {
                        let first = !seen.contains(&new["identifier"]);
                        seen.push(new["identifier"].clone());
                        first
                    });
                }
            },
        )
        .call(
            "identity::create_drops_what_is_too_much",
            "identity::create::keeps_to_the_limit",
            "create",
            |arguments| {
                if let Some(all) = arguments["identity"]["identifiers"].as_array_mut() {
                    all.truncate(64);
                }
            },
        )
        .fault(
            "identity::none_is_unique",
            "identity::create::needs_no_identifier",
            |store, call| async move {
                // An absent address is stored as an empty one, and that is unique.
                if let portproof_ports::IdentityStoreCall::Create {
                    tenant, identity, ..
                } = &call
                    && identity.identifiers.is_empty()
                {
                    let all = portproof_ports::PageRequest::first(1000)?;
                    let all = store
                        .list(tenant, &portproof_ports::IdentityFilter::Every, &all)
                        .await?;
                    if all
                        .items
                        .iter()
                        .filter(|other| other.identifiers.is_empty())
                        .count()
                        > 1
                    {
                        return Err(PortError::already_exists("identifier"));
                    }
                }
                store.call(call).await
            },
        )
        .re_enacts("dex and others: several users without an address collided")
        .calls(
            "identity::ids_are_folded",
            "identity::create::keeps_ids_apart",
            |arguments| {
                every(arguments, "id", &fold);
                every(arguments, "ids", &|ids| {
                    ids.as_array_mut().into_iter().flatten().for_each(fold);
                });
            },
        )
        .re_enacts("MySQL's default collation: user:Alice was user:alice")
        .calls(
            "identity::profiles_lose_nulls",
            "identity::create::keeps_profiles_exactly",
            |arguments| {
                every(arguments, "profile", &careless);
            },
        )
        .re_enacts("keyv: large integers went through doubles")
        .calls(
            "identity::profiles_are_cut",
            "identity::create::keeps_large_profiles",
            |arguments| {
                every(arguments, "profile", &|profile| {
                    if profile.to_string().len() > 65_535 {
                        *profile = json!({});
                    }
                });
            },
        )
        .re_enacts("AuthHero 028f2b5: profiles were capped")
        .calls(
            "identity::instants_in_milliseconds",
            "identity::create::keeps_instants",
            |arguments| {
                for name in ["now", "verified_at"] {
                    every(arguments, name, &to_millis);
                }
            },
        )
        .re_enacts("dex b51e73bc: instants in milliseconds")
        .race(
            "identity::creates_race",
            "identity::create::race_has_one_owner",
            "create",
        )
        .race(
            "identity::creates_race_for_identifiers",
            "identity::create::race_has_one_owner_of_an_identifier",
            "create",
        )
        .re_enacts("better-auth #942: two users with one address")
        .finds(
            "identity::get_goes_by_prefix",
            "identity::get::missing_is_none",
            &["get"],
            "id",
            begins,
        )
        .answer(
            "identity::get_many_in_reverse",
            "identity::get_many::answers_each_once",
            "get_many",
            |all| {
                if let Some(all) = all.as_array_mut() {
                    all.reverse();
                }
            },
        )
        .call(
            "identity::get_many_takes_more",
            "identity::get_many::keeps_to_the_limit",
            "get_many",
            |arguments| {
                if let Some(ids) = arguments["ids"].as_array_mut() {
                    ids.truncate(1000);
                }
            },
        )
}

fn identifiers(edits: Edits<dyn IdentityStore>) -> Edits<dyn IdentityStore> {
    edits
        .fault("identity::finds_by_address_only", "identity::find::finds_by_each_identifier", |store, call| async move {
            use portproof_ports::{Identifier, IdentityStoreAnswer as Answer, IdentityStoreCall as Call};
            match call {
                Call::Find { identifier: Identifier::Phone(_), .. } => Ok(Answer::Find(None)),
                call => store.call(call).await,
            }
        })
        .call("identity::usernames_find_addresses", "identity::find::keeps_kinds_apart", "find", |arguments| {
            let name = arguments["identifier"]["username"].as_str().unwrap_or_default().to_owned();
            if name.contains('@') {
                arguments["identifier"] = json!({"email": name});
            }
        })
        .re_enacts("better-auth #9818: kinds of ids were taken for each other")
        .calls("identity::providers_are_ignored", "identity::find::compares_accounts_whole", |arguments| {
            every(arguments, "provider", &fold);
        })
        .re_enacts("Auth.js: an account was looked up by a part of its key")
        .answer("identity::link_forgets_the_time", "identity::link::adds_one", "link", |identity| {
            identity["updated_at"] = identity["created_at"].clone();
        })
        .fault("identity::link_again_counts", "identity::link::again_changes_nothing", |store, call| async move {
            use portproof_ports::{IdentityStoreAnswer as Answer, IdentityStoreCall as Call, IdentityUpdate};
            if let Call::Link { tenant, id, now, .. } = &call {
                let before = store.get(tenant, id).await?;
                let Answer::Link(after) = store.call(call.clone()).await? else {
                    return Err(PortError::not_found("answer"));
                };
                if before.is_some_and(|before| before.version == after.version) {
                    let same = IdentityUpdate { state: after.state, profile: after.profile };
                    return store.update(tenant, id, after.version, same, *now).await.map(Answer::Link);
                }
                return Ok(Answer::Link(after));
            }
            store.call(call).await
        })
        .fault("identity::links_stay_unverified", "identity::link::again_sets_the_verification", |store, call| async move {
            use portproof_ports::{IdentityStoreAnswer as Answer, IdentityStoreCall as Call};
            if let Call::Link { tenant, id, identifier, .. } = &call
                && let Some(identity) = store.get(tenant, id).await?
                && identity.identifiers.iter().any(|linked| linked.identifier == identifier.identifier)
            {
                return Ok(Answer::Link(identity));
            }
            store.call(call).await
        })
        .fault("identity::link_takes_over", "identity::link::refuses_anothers", |store, call| async move {
            use portproof_ports::IdentityStoreCall as Call;
            if let Call::Link { tenant, id, identifier, now } = &call
                && let Some(owner) = store.find(tenant, &identifier.identifier).await?
                && owner.id != *id
            {
                store.unlink(tenant, &owner.id, &identifier.identifier, *now).await?;
            }
            store.call(call).await
        })
        .re_enacts("Auth.js: a second link moved an account to another user")
        .instead("identity::link_creates", "identity::link::needs_an_identity", "link", ErrorKind::NotFound, |arguments| {
            let identity = json!({"id": arguments["id"], "kind": "human", "profile": {}, "identifiers": []});
            let create = json!({"tenant": arguments["tenant"], "identity": identity, "now": arguments["now"]});
            vec![("create", create), ("link", arguments.clone())]
        })
        .error("identity::a_full_identity_is_not_found", "identity::link::keeps_to_the_limit", "link", ErrorKind::Refused, PortError::not_found("identity"))
        .race("identity::links_race", "identity::link::race_has_one_owner", "link")
        .re_enacts("supabase/auth: check, then write")
        .lost_update("identity::links_are_lost", "identity::link::race_loses_none", "link")
        .re_enacts("duck-iam: 50 concurrent changes left one")
        .fault("identity::unlink_takes_the_provider", "identity::unlink::removes_exactly_one", |store, call| async move {
            use portproof_ports::{Identifier, IdentityStoreCall as Call};
            if let Call::Unlink { tenant, id, identifier: Identifier::Federated { provider, subject }, now } = &call
                && let Some(identity) = store.get(tenant, id).await?
            {
                for linked in identity.identifiers {
                    if let Identifier::Federated { provider: p, subject: s } = &linked.identifier
                        && p == provider
                        && s != subject
                    {
                        store.unlink(tenant, id, &linked.identifier, *now).await?;
                    }
                }
            }
            store.call(call).await
        })
        .re_enacts("Auth.js: an unlink took the provider's other accounts")
        .fault("identity::unlink_asks_nobody", "identity::unlink::takes_only_their_own", |store, call| async move {
            use portproof_ports::{IdentityStoreAnswer as Answer, IdentityStoreCall as Call};
            if let Call::Unlink { tenant, identifier, now, .. } = &call
                && let Some(owner) = store.find(tenant, identifier).await?
            {
                return store.unlink(tenant, &owner.id, identifier, *now).await.map(Answer::Unlink);
            }
            store.call(call).await
        })
        .fault("identity::unlink_is_for_show", "identity::unlink::frees_the_identifier", |store, call| async move {
            use portproof_ports::{IdentityStoreAnswer as Answer, IdentityStoreCall as Call};
            match call {
                Call::Unlink { .. } => Ok(Answer::Unlink(true)),
                call => store.call(call).await,
            }
        })
        .race("identity::unlinks_race", "identity::unlink::race_has_one_winner", "unlink")
}

fn changes(edits: Edits<dyn IdentityStore>) -> Edits<dyn IdentityStore> {
    edits
        .fault("identity::update_drops_identifiers", "identity::update::replaces_state_and_profile", |store, call| async move {
            use portproof_ports::{IdentityStoreAnswer as Answer, IdentityStoreCall as Call};
            let answer = store.call(call.clone()).await?;
            if let (Call::Update { tenant, id, now, .. }, Answer::Update(identity)) = (&call, &answer)
                && let Some(linked) = identity.identifiers.first()
            {
                store.unlink(tenant, id, &linked.identifier, *now).await?;
            }
            Ok(answer)
        })
        .calls("identity::blocks_in_seconds", "identity::update::keeps_the_block", |arguments| {
            every(arguments, "blocked", &|since| {
                if let Some(micros) = since.as_i64() {
                    *since = json!(micros / 1_000_000 * 1_000_000);
                }
            });
        })
        .fault("identity::last_update_wins", "identity::update::refuses_a_stale_version", |store, call| async move {
            use portproof_ports::{IdentityStoreAnswer as Answer, IdentityStoreCall as Call};
            if let Call::Update { tenant, id, update, now, .. } = &call
                && let Some(stored) = store.get(tenant, id).await?
            {
                return store.update(tenant, id, stored.version, update.clone(), *now).await.map(Answer::Update);
            }
            store.call(call).await
        })
        .instead("identity::update_is_an_upsert", "identity::update::creates_nothing", "update", ErrorKind::NotFound, |arguments| {
            let identity = json!({"id": arguments["id"], "kind": "human", "profile": {}, "identifiers": []});
            let create = json!({"tenant": arguments["tenant"], "identity": identity, "now": arguments["now"]});
            vec![("create", create), ("update", arguments.clone())]
        })
        .re_enacts("AuthHero: updates of missing rows succeeded")
        .race("identity::updates_race", "identity::update::race_has_one_winner", "update")
        .re_enacts("dex #2547: concurrent updates overwrote each other")
        .lost_update("identity::links_are_lost_beside_updates", "identity::update::race_with_links_loses_none", "link")
        .fault("identity::merge_keeps_the_duplicate", "identity::merge::moves_everything", |store, call| async move {
            use portproof_ports::{IdentityStoreCall as Call, NewIdentity};
            let answer = store.call(call.clone()).await?;
            if let Call::Merge { tenant, duplicate, now, .. } = &call {
                let again = NewIdentity {
                    id: duplicate.clone(),
                    kind: portproof_ports::IdentityKind::Human,
                    profile: portproof_ports::Document::empty(),
                    identifiers: Vec::new(),
                };
                store.create(tenant, again, *now).await?;
            }
            Ok(answer)
        })
        .fault("identity::merge_of_nothing_is_no_change", "identity::merge::moves_everything", |store, call| async move {
            use portproof_ports::{IdentityStoreAnswer as Answer, IdentityStoreCall as Call};
            if let Call::Merge { tenant, survivor, duplicate, .. } = &call
                && survivor != duplicate
                && let Some(kept) = store.get(tenant, survivor).await?
                && store.get(tenant, duplicate).await?.is_some_and(|gone| gone.identifiers.is_empty())
            {
                store.erase(tenant, duplicate).await?;
                return Ok(Answer::Merge(kept));
            }
            store.call(call).await
        })
        .fault("identity::merge_into_itself_erases", "identity::merge::refuses_itself", |store, call| async move {
            use portproof_ports::IdentityStoreCall as Call;
            if let Call::Merge { tenant, survivor, duplicate, .. } = &call
                && survivor == duplicate
            {
                store.erase(tenant, survivor).await?;
            }
            store.call(call).await
        })
        .fault("identity::merge_erases_first", "identity::merge::needs_both", |store, call| async move {
            use portproof_ports::IdentityStoreCall as Call;
            if let Call::Merge { tenant, survivor, duplicate, .. } = &call
                && store.get(tenant, survivor).await?.is_none()
            {
                store.erase(tenant, duplicate).await?;
            }
            store.call(call).await
        })
        .error("identity::merge_has_no_limit", "identity::merge::keeps_to_the_limit", "merge", ErrorKind::Refused, PortError::not_found("survivor"))
        .race("identity::merges_race", "identity::merge::race_has_one_winner", "merge")
        .race("identity::links_beside_merges_race", "identity::merge::race_with_links_keeps_to_the_limit", "link")
        .race("identity::links_at_the_limit_race", "identity::link::race_keeps_to_the_limit", "link")
        .fault("identity::merge_works_all_the_same", "identity::merge::is_refused_when_disclaimed", |store, call| async move {
            use portproof_ports::{IdentityStoreAnswer as Answer, IdentityStoreCall as Call};
            if let Call::Merge { tenant, survivor, duplicate, .. } = &call {
                store.erase(tenant, duplicate).await?;
                let survivor = store.get(tenant, survivor).await?;
                return survivor.map(Answer::Merge).ok_or(PortError::not_found("survivor"));
            }
            store.call(call).await
        })
        .answer("identity::erase_always_succeeds", "identity::erase::removes_exactly_one", "erase", |gone| *gone = json!(true))
        .re_enacts("AuthHero: removing a missing user answered true")
        .fault("identity::erase_hides", "identity::erase::frees_what_it_had", |store, call| async move {
            use portproof_ports::{IdentityStoreAnswer as Answer, IdentityStoreCall as Call, IdentityId, NewIdentifier, NewIdentity};
            if let Call::Erase { tenant, id } = &call
                && let Some(identity) = store.get(tenant, id).await?
            {
                store.erase(tenant, id).await?;
                // The row stays, under a name that nobody asks for, and keeps its identifiers.
                let hidden = NewIdentity {
                    id: IdentityId::new(format!("erased {}", id.as_str().len()))?,
                    kind: identity.kind,
                    profile: identity.profile,
                    identifiers: identity
                        .identifiers
                        .into_iter()
                        .map(|linked| NewIdentifier { identifier: linked.identifier, verified_at: None })
                        .collect(),
                };
                let _ = store.create(tenant, hidden, identity.created_at).await;
                return Ok(Answer::Erase(true));
            }
            store.call(call).await
        })
        .re_enacts("duck-auth: a row that was deleted softly kept its address")
        .race("identity::erasures_race", "identity::erase::race_has_one_winner", "erase")
        .instead("identity::link_brings_back", "identity::erase::race_with_link_leaves_no_orphan", "link", ErrorKind::NotFound, |arguments| {
            let identity = json!({"id": arguments["id"], "kind": "human", "profile": {}, "identifiers": [arguments["identifier"]]});
            vec![("create", json!({"tenant": arguments["tenant"], "identity": identity, "now": arguments["now"]})), ("erase", json!({"tenant": arguments["tenant"], "id": "nobody at all"}))]
        })
        .re_enacts("spire #6946: rows of what was deleted stayed behind")
        .also("identity::ids_outlive_their_tenant", "identity::tenancy::identifiers_are_the_tenants_own", "find", |arguments| {
            if arguments["identifier"].get("phone").is_some() {
                return vec![("erase", erase_of(&json!({"tenant": arguments["tenant"], "id": "somebody else"})))];
            }
            Vec::new()
        })
}

fn lists(edits: Edits<dyn IdentityStore>) -> Edits<dyn IdentityStore> {
    edits
        .capped(
            "identity::lists_stop_at_a_hundred",
            "identity::list::has_no_limit_of_its_own",
        )
        .pages_of_500(
            "identity::pages_hold_500",
            "identity::list::has_no_limit_of_its_own",
            "list",
        )
        .call(
            "identity::filters_are_ignored",
            "identity::list::filters",
            "list",
            |arguments| {
                arguments["filter"] = json!("every");
            },
        )
        .re_enacts("AuthHero dd16e55: the filter was left out")
        .fault(
            "identity::empty_lists_have_a_cursor",
            "identity::list::of_nobody_is_empty",
            |store, call| async move {
                use portproof_ports::{Cursor, IdentityStoreAnswer as Answer};
                match store.call(call).await? {
                    Answer::List(mut page) if page.items.is_empty() => {
                        page.next = Some(Cursor::new("more")?);
                        Ok(Answer::List(page))
                    }
                    answer => Ok(answer),
                }
            },
        )
        .offsets(
            "identity::offsets_skip",
            "identity::list::walk_survives_removals",
        )
        .offsets(
            "identity::offsets_repeat",
            "identity::list::walk_survives_insertions",
        )
        .offsets(
            "identity::offsets_fit_everywhere",
            "identity::list::refuses_a_foreign_cursor",
        )
}
