//! Mutants of organizations as records, and of what is kept exactly.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use portproof_ports::{
    ErrorKind, NewOrganization, OrganizationId, OrganizationStoreAnswer as Answer,
    OrganizationStoreCall as Call, OrganizationUpdate, Port as _, PortError, Slug, TenantId,
};
use serde_json::{Value, json};

use super::{Port, same};
use crate::edits::{begins, careless, every, fold, to_millis};

pub(super) fn mutants(edits: Port) -> Port {
    let slugs: Arc<Mutex<BTreeMap<(TenantId, Slug), OrganizationId>>> = Arc::default();
    edits
        .answer(
            "organizations::create_answers_no_limit",
            "organizations::create::stores_it_whole",
            "create",
            |organization| organization["member_limit"] = Value::Null,
        )
        .re_enacts("AuthHero 5dddd72: create answered another record than the next read")
        .also(
            "organizations::create_replaces",
            "organizations::create::refuses_a_stored_id",
            "create",
            |arguments| {
                let id = &arguments["organization"]["id"];
                vec![("delete", json!({"tenant": arguments["tenant"], "id": id}))]
            },
        )
        .instead(
            "organizations::create_numbers_slugs",
            "organizations::create::refuses_a_taken_slug",
            "create",
            ErrorKind::AlreadyExists,
            |arguments| {
                let mut numbered = arguments.clone();
                let slug = arguments["organization"]["slug"].as_str();
                let slug = slug.unwrap_or_default();
                numbered["organization"]["slug"] = json!(format!("{slug}-2"));
                vec![("create", numbered)]
            },
        )
        .call(
            "organizations::get_trims",
            "organizations::get::missing_is_none",
            "get",
            |arguments| {
                if let Some(id) = arguments["id"].as_str() {
                    arguments["id"] = json!(id.trim_end());
                }
            },
        )
        .finds(
            "organizations::find_goes_by_prefix",
            "organizations::find::finds_by_the_slug",
            &["find"],
            "slug",
            begins,
        )
        .fault(
            "organizations::update_clears_nothing",
            "organizations::update::replaces_it_whole",
            |store, mut call| async move {
                if let Call::Update {
                    tenant, id, update, ..
                } = &mut call
                    && update.member_limit.is_none()
                {
                    let stored = store.get(tenant, id).await?;
                    update.member_limit = stored.and_then(|stored| stored.member_limit);
                }
                store.call(call).await
            },
        )
        .fault(
            "organizations::slugs_are_cached",
            "organizations::update::moves_the_slug",
            move |store, call| {
                let slugs = Arc::clone(&slugs);
                async move {
                    let Call::Find { tenant, slug } = &call else {
                        return store.call(call).await;
                    };
                    let key = (tenant.clone(), slug.clone());
                    let lock = || slugs.lock().unwrap_or_else(PoisonError::into_inner);
                    let known = lock().get(&key).cloned();
                    if let Some(id) = known {
                        return Ok(Answer::Find(store.get(tenant, &id).await?));
                    }
                    let found = store.find(tenant, slug).await?;
                    if let Some(found) = &found {
                        lock().insert(key, found.id.clone());
                    }
                    Ok(Answer::Find(found))
                }
            },
        )
        .re_enacts("spring-session #1791: an index kept the old id")
        .fault(
            "organizations::updates_win_always",
            "organizations::update::refuses_a_stale_version",
            |store, mut call| async move {
                if let Call::Update {
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
        .fault(
            "organizations::update_creates",
            "organizations::update::missing_is_not_found",
            |store, call| async move {
                let outcome = store.call(call.clone()).await;
                let (
                    Call::Update {
                        tenant,
                        id,
                        update,
                        now,
                        ..
                    },
                    Err(PortError::NotFound(_)),
                ) = (call, &outcome)
                else {
                    return outcome;
                };
                let new = NewOrganization {
                    id,
                    slug: update.slug,
                    member_limit: update.member_limit,
                    data: update.data,
                };
                store.create(&tenant, new, now).await.map(Answer::Update)
            },
        )
        .fault(
            "organizations::update_leaves_half",
            "organizations::update::refuses_a_taken_slug",
            |store, call| async move {
                let outcome = store.call(call.clone()).await;
                if let Call::Update {
                    tenant,
                    id,
                    expected,
                    update,
                    now,
                } = call
                    && matches!(outcome, Err(PortError::AlreadyExists(_)))
                    && let Some(stored) = store.get(&tenant, &id).await?
                {
                    // The rest was written before the slug was looked at.
                    let rest = OrganizationUpdate {
                        slug: same(&stored).slug,
                        ..update
                    };
                    store.update(&tenant, &id, expected, rest, now).await?;
                }
                outcome
            },
        )
}

pub(super) fn kept(edits: Port) -> Port {
    edits
        .calls(
            "organizations::identities_are_folded",
            "organizations::create::keeps_ids_apart",
            |arguments| every(arguments, "identity", &fold),
        )
        .re_enacts("CVE-2026-55170: a collation compared ids without regard to case")
        .calls(
            "organizations::invitees_are_trimmed",
            "organizations::create::keeps_ids_apart",
            |arguments| {
                every(arguments, "invitee", &|invitee| {
                    if let Some(text) = invitee.as_str() {
                        *invitee = json!(text.trim());
                    }
                });
            },
        )
        .calls(
            "organizations::roles_are_folded",
            "organizations::set_roles::keeps_role_ids",
            |arguments| {
                every(arguments, "roles", &|roles| {
                    roles.as_array_mut().into_iter().flatten().for_each(fold);
                });
            },
        )
        .re_enacts("CVE-2026-55170: a collation compared ids without regard to case")
        .calls(
            "organizations::roles_are_split",
            "organizations::set_roles::keeps_role_ids",
            |arguments| {
                every(arguments, "roles", &|roles| {
                    let ids = roles.as_array().cloned().unwrap_or_default();
                    let ids = ids.iter().filter_map(Value::as_str);
                    let parts = ids.flat_map(|id| id.split(','));
                    *roles = parts.filter(|part| !part.is_empty()).collect();
                });
            },
        )
        .calls(
            "organizations::data_is_converted",
            "organizations::create::keeps_data_exactly",
            |arguments| every(arguments, "data", &careless),
        )
        .calls(
            "organizations::data_is_cut",
            "organizations::create::keeps_large_data",
            |arguments| {
                every(arguments, "data", &|data| {
                    if data.to_string().len() > 65_535 {
                        *data = json!({});
                    }
                });
            },
        )
        .calls(
            "organizations::instants_in_milliseconds",
            "organizations::create::keeps_instants",
            |arguments| {
                for name in ["now", "expires_at"] {
                    every(arguments, name, &to_millis);
                }
            },
        )
        .re_enacts("dex b51e73bc: instants in milliseconds")
}
