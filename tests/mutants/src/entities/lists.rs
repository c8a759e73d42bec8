//! Lists that skip, repeat or wander; walls with holes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use portproof_ports::{
    EntityKind, EntityStore, EntityStoreAnswer as Answer, EntityStoreCall as Call, PageRequest,
    Port, PortError,
};

use crate::edits::Edits;

pub(super) fn mutants(edits: Edits<dyn EntityStore>) -> Edits<dyn EntityStore> {
    edits
        .capped(
            "entities::lists_are_capped",
            "entities::list::has_no_limit_of_its_own",
        )
        .fault(
            "entities::lists_match_kinds_as_patterns",
            "entities::list::of_none_is_empty",
            |store, mut call| async move {
                if let Call::List { kind, .. } = &mut call
                    && kind.as_str() == "clien%"
                {
                    *kind = EntityKind::new("client")?;
                }
                store.call(call).await
            },
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
            |store, call| async move {
                let outcome = store.call(call.clone()).await;
                let Call::List { tenant, kind, page } = &call else {
                    return outcome;
                };
                if outcome != Err(PortError::InvalidCursor) || kind.as_str() == "client" {
                    return outcome;
                }
                // Whatever it says is taken for a place in this list.
                let page = PageRequest::first(page.limit())?;
                store.list(tenant, kind, &page).await.map(Answer::List)
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
