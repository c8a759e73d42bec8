//! Tenants as records, and their list.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    Document, Page, Port, PortError, Ports, SessionStoreCall, Tenant, TenantId,
    TenantStoreAnswer as Answer, TenantStoreCall as Call, Text, Timestamp, Version,
};
use serde_json::json;

use super::lock;
use crate::edits::{Common, Edits, careless, common, to_millis};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    let shared = Common {
        leaky_tenants: ("tenants::tenants_leak", "tenants::get::missing_is_none"),
        ..common!("tenants", "list", "keeps_tenants")
    };
    let mut mutants = Edits::new(|ports: &mut Ports| &mut ports.tenants)
        .common(&shared)
        .call(
            "tenants::settings_are_dropped",
            "tenants::create::stores_it_whole",
            "create",
            |arguments| arguments["draft"]["settings"] = json!({}),
        )
        .call(
            "tenants::names_are_trimmed",
            "tenants::create::keeps_names_exactly",
            "create",
            |arguments| {
                let name = &mut arguments["draft"]["name"];
                *name = json!(name.as_str().unwrap_or_default().trim());
            },
        )
        .calls(
            "tenants::settings_are_doubles",
            "tenants::create::keeps_settings_exactly",
            |arguments| {
                if let Some(draft) = arguments.get_mut("draft") {
                    careless(&mut draft["settings"]);
                }
            },
        )
        .calls(
            "tenants::instants_are_milliseconds",
            "tenants::create::keeps_instants_exactly",
            |arguments| to_millis(&mut arguments["now"]),
        )
        .fault(
            "tenants::create_is_an_upsert",
            "tenants::create::refuses_a_stored_id",
            |store, call| async move {
                let answer = store.call(call.clone()).await;
                let (Call::Create { tenant, draft, now }, Err(PortError::AlreadyExists(_))) =
                    (call, &answer)
                else {
                    return answer;
                };
                let Some(stored) = store.get(&tenant).await? else {
                    return answer;
                };
                let updated = store.update(&tenant, stored.version, draft, now).await?;
                Ok(Answer::Create(updated))
            },
        )
        .race(
            "tenants::create_checks_first",
            "tenants::create::race_has_one_owner",
            "create",
        )
        .fault(
            "tenants::create_makes_room",
            "tenants::create::changes_no_other_port",
            |store, call| async move {
                if let Call::Create { tenant, .. } = &call
                    && store.get(tenant).await?.is_none()
                {
                    store.purge(tenant, u32::MAX).await?;
                }
                store.call(call).await
            },
        )
        .fault(
            "tenants::update_keeps_the_name",
            "tenants::update::replaces_it_whole",
            |store, mut call| async move {
                if let Call::Update { tenant, draft, .. } = &mut call
                    && let Some(stored) = store.get(tenant).await?
                {
                    draft.name = stored.name;
                }
                store.call(call).await
            },
        )
        .fault(
            "tenants::the_last_update_wins",
            "tenants::update::refuses_a_stale_version",
            |store, mut call| async move {
                if let Call::Update {
                    tenant, expected, ..
                } = &mut call
                    && let Some(stored) = store.get(tenant).await?
                {
                    *expected = stored.version;
                }
                store.call(call).await
            },
        )
        .fault(
            "tenants::update_is_an_upsert",
            "tenants::update::refuses_a_missing_tenant",
            |store, call| async move {
                let answer = store.call(call.clone()).await;
                match (call, &answer) {
                    (
                        Call::Update {
                            tenant, draft, now, ..
                        },
                        Err(PortError::NotFound(_)),
                    ) => {
                        let created = store.create(&tenant, draft, now).await?;
                        Ok(Answer::Update(created))
                    }
                    _ => answer,
                }
            },
        )
        .race(
            "tenants::update_checks_first",
            "tenants::update::race_has_one_winner",
            "update",
        )
        .capped(
            "tenants::lists_end_at_a_hundred",
            "tenants::list::has_no_limit_of_its_own",
        )
        .offsets(
            "tenants::cursors_are_offsets",
            "tenants::list::walk_survives_changes",
        )
        .fault(
            "tenants::foreign_cursors_end_the_list",
            "tenants::list::refuses_a_foreign_cursor",
            |store, call| async move {
                match store.call(call).await {
                    Err(PortError::InvalidCursor) => Ok(Answer::List(Page {
                        items: Vec::new(),
                        next: None,
                    })),
                    answer => answer,
                }
            },
        )
        .done();
    mutants.push(lists_traces());
    mutants
}

/// Whoever has a session is a tenant.
fn lists_traces() -> Mutant<Ports> {
    let traces: Arc<Mutex<BTreeSet<TenantId>>> = Arc::default();
    Mutant::new(
        "tenants::whoever_has_sessions_is_listed",
        "tenants::list::holds_stored_tenants_only",
        move |mut ports: Ports, _| {
            let noted = Arc::clone(&traces);
            ports.session = ports.session.map(|sessions| {
                faulty(sessions, move |store, call| {
                    if let SessionStoreCall::Create { tenant, .. } = &call {
                        lock(&noted).insert(tenant.clone());
                    }
                    async move { store.call(call).await }
                })
            });
            let traces = Arc::clone(&traces);
            ports.tenants = ports.tenants.map(|tenants| {
                faulty(tenants, move |store, call| {
                    let traces = lock(&traces).clone();
                    async move {
                        let answer = store.call(call).await?;
                        let Answer::List(mut page) = answer else {
                            return Ok(answer);
                        };
                        for id in traces {
                            if page.items.iter().all(|tenant| tenant.id != id) {
                                page.items.push(Tenant {
                                    id,
                                    name: Text::new("")?,
                                    settings: Document::empty(),
                                    version: Version::FIRST,
                                    created_at: Timestamp::MIN,
                                    updated_at: Timestamp::MIN,
                                });
                            }
                        }
                        page.items.sort_by(|one, two| one.id.cmp(&two.id));
                        Ok(Answer::List(page))
                    }
                })
            });
            ports
        },
    )
}
