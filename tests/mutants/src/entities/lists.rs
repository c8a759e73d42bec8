//! Lists that skip, repeat or wander; walls with holes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use portproof_ports::{
    Cursor, EntityStore, EntityStoreAnswer as Answer, EntityStoreCall as Call, PageRequest, Port,
    PortError,
};

use super::lock;
use crate::edits::{Edits, is_like};

pub(super) fn mutants(edits: Edits<dyn EntityStore>) -> Edits<dyn EntityStore> {
    edits
        .capped(
            "entities::lists_are_capped",
            "entities::list::has_no_limit_of_its_own",
        )
        .finds(
            "entities::lists_match_kinds_as_patterns",
            "entities::list::of_none_is_empty",
            &["list"],
            "kind",
            is_like,
        )
        .fault(
            "entities::lists_are_by_the_last_change",
            "entities::list::changes_move_nothing",
            |store, call| async move {
                let mut answer = store.call(call).await?;
                if let Answer::List(page) = &mut answer {
                    page.items.sort_by_key(|entity| entity.updated_at);
                }
                Ok(answer)
            },
        )
        .offsets(
            "entities::offsets_skip",
            "entities::list::walk_survives_removals",
        )
        .offsets(
            "entities::offsets_repeat",
            "entities::list::walk_survives_insertions",
        )
        .fault(
            "entities::cursors_move",
            "entities::list::refuses_a_foreign_cursor",
            {
                let handed_out: Arc<Mutex<Vec<Cursor>>> = Arc::default();
                move |store: super::Store, call: Call| {
                    let handed_out = Arc::clone(&handed_out);
                    async move {
                        let outcome = store.call(call.clone()).await;
                        if let Ok(Answer::List(page)) = &outcome {
                            lock(&handed_out).extend(page.next.clone());
                        }
                        let Call::List { tenant, kind, page } = &call else {
                            return outcome;
                        };
                        let is_known = |cursor| lock(&handed_out).contains(cursor);
                        let of_a_list = page.cursor().is_some_and(is_known);
                        if outcome != Err(PortError::InvalidCursor) || !of_a_list {
                            return outcome;
                        }
                        // Of whichever list: it is taken for a place in this one.
                        let page = PageRequest::first(page.limit())?;
                        store.list(tenant, kind, &page).await.map(Answer::List)
                    }
                }
            },
        )
        .re_enacts("kratos 93d364c8e: page two held other tenants' rows")
        .fault(
            "entities::finds_are_cached_without_the_tenant",
            "entities::tenancy::keys_are_the_tenants_own",
            {
                let cache: Arc<Mutex<BTreeMap<String, Answer>>> = Arc::default();
                move |store: super::Store, call: Call| {
                    let cache = Arc::clone(&cache);
                    async move {
                        let Call::Find { kind, key, .. } = &call else {
                            return store.call(call).await;
                        };
                        let place = format!("{kind:?} {key:?}");
                        let cached = super::lock(&cache).get(&place).cloned();
                        if let Some(answer) = cached {
                            return Ok(answer);
                        }
                        let answer = store.call(call).await?;
                        super::lock(&cache).insert(place, answer.clone());
                        Ok(answer)
                    }
                }
            },
        )
}
