//! What is stored is not what was given.

use portproof_ports::{EntityStore, ErrorKind};
use serde_json::{Value, json};

use crate::edits::{Edits, careless, every, fold, to_millis};

pub(super) fn mutants(edits: Edits<dyn EntityStore>) -> Edits<dyn EntityStore> {
    edits
        .answer(
            "entities::create_answers_no_keys",
            "entities::create::stores_it_whole",
            "create",
            |entity| entity["keys"] = json!([]),
        )
        .re_enacts("AuthHero 5dddd72: create answered another record than the next read")
        .also(
            "entities::create_replaces",
            "entities::create::refuses_a_stored_id",
            "create",
            |arguments| {
                let (kind, id) = (&arguments["entity"]["kind"], &arguments["entity"]["id"]);
                let of = json!({"tenant": arguments["tenant"], "kind": kind, "id": id});
                vec![("remove", of)]
            },
        )
        .calls(
            "entities::ids_are_folded",
            "entities::create::keeps_ids_apart",
            |arguments| every(arguments, "id", &fold),
        )
        .re_enacts("CVE-2026-55170: a collation compared ids without regard to case")
        .calls(
            "entities::kinds_are_folded",
            "entities::create::keeps_kinds_apart",
            |arguments| every(arguments, "kind", &fold),
        )
        .calls(
            "entities::kinds_are_one",
            "entities::create::kinds_share_nothing",
            |arguments| every(arguments, "kind", &|kind| *kind = json!("client")),
        )
        .calls(
            "entities::bodies_lose_nulls",
            "entities::create::keeps_bodies_exactly",
            |arguments| every(arguments, "body", &careless),
        )
        .re_enacts("keyv: large integers went through doubles")
        .calls(
            "entities::bodies_are_cut",
            "entities::create::keeps_large_bodies",
            |arguments| {
                every(arguments, "body", &|body| {
                    if body.to_string().len() > 65_535 {
                        *body = json!({});
                    }
                });
            },
        )
        .calls(
            "entities::instants_in_milliseconds",
            "entities::create::keeps_instants",
            |arguments| every(arguments, "now", &to_millis),
        )
        .re_enacts("dex b51e73bc: instants in milliseconds")
        .race(
            "entities::creates_race",
            "entities::create::race_has_one_owner",
            "create",
        )
        .answer(
            "entities::get_makes_one_up",
            "entities::get::missing_is_none",
            "get",
            |answer| {
                if answer.is_null() {
                    *answer = invented();
                }
            },
        )
        .fault(
            "entities::remove_takes_the_next_too",
            "entities::remove::removes_exactly_one",
            |store, call| async move {
                use portproof_ports::{EntityStoreCall as Call, Port as _};
                if let Call::Remove { tenant, kind, id } = &call {
                    let page = super::everything()?;
                    let all = store.list(tenant, kind, &page).await?;
                    if let Some(next) = all.items.iter().find(|entity| entity.id != *id) {
                        store.remove(tenant, kind, &next.id).await?;
                    }
                }
                store.call(call).await
            },
        )
        .answer(
            "entities::remove_is_always_content",
            "entities::remove::answers_whether_there_was_one",
            "remove",
            |answer| *answer = json!(true),
        )
        .race(
            "entities::removals_race",
            "entities::remove::race_counts_once",
            "remove",
        )
        .instead(
            "entities::put_upserts",
            "entities::put::creates_nothing",
            "put",
            ErrorKind::NotFound,
            |arguments| {
                let entity = json!({
                    "kind": arguments["kind"],
                    "id": arguments["id"],
                    "body": arguments["change"]["body"],
                    "keys": arguments["change"]["keys"],
                });
                let (tenant, now) = (&arguments["tenant"], &arguments["now"]);
                vec![(
                    "create",
                    json!({"tenant": tenant, "entity": entity, "now": now}),
                )]
            },
        )
}

/// A record of defaults.
fn invented() -> Value {
    json!({
        "kind": "client", "id": "default", "body": {}, "keys": [],
        "version": 1, "created_at": 0, "updated_at": 0,
    })
}
