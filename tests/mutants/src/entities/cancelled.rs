//! Writes in two steps, with a wait between them.

use portproof_ports::{
    EntityChange, EntityStore, EntityStoreAnswer as Answer, EntityStoreCall as Call, NewEntity,
    Port, UniqueKeys,
};

use crate::edits::Edits;

pub(super) fn mutants(edits: Edits<dyn EntityStore>) -> Edits<dyn EntityStore> {
    edits
        .fault(
            "entities::create_takes_keys_later",
            "entities::create::cancelled_is_whole",
            |store, call| async move {
                let Call::Create {
                    tenant,
                    entity,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                let keys = UniqueKeys::none();
                let bare = NewEntity {
                    keys,
                    ..entity.clone()
                };
                store.create(&tenant, bare, now).await?;
                tokio::task::yield_now().await;
                // As if it had never been there without them.
                store.remove(&tenant, &entity.kind, &entity.id).await?;
                store.create(&tenant, entity, now).await.map(Answer::Create)
            },
        )
        .fault(
            "entities::put_takes_keys_later",
            "entities::put::cancelled_is_whole",
            |store, call| async move {
                let Call::Put {
                    tenant,
                    kind,
                    id,
                    expected,
                    change,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                let keys = UniqueKeys::none();
                let body = change.body.clone();
                let bare = EntityChange { body, keys };
                let stored = store.put(&tenant, &kind, &id, expected, bare, now).await?;
                tokio::task::yield_now().await;
                let seen = stored.version;
                let put = store.put(&tenant, &kind, &id, seen, change, now).await?;
                Ok(Answer::Put(put))
            },
        )
        .fault(
            "entities::remove_frees_keys_first",
            "entities::remove::cancelled_is_whole",
            |store, call| async move {
                if let Call::Remove { tenant, kind, id } = &call
                    && let Some(stored) = store.get(tenant, kind, id).await?
                {
                    let (body, keys) = (stored.body, UniqueKeys::none());
                    let (seen, at) = (stored.version, stored.updated_at);
                    let bare = EntityChange { body, keys };
                    store.put(tenant, kind, id, seen, bare, at).await?;
                    tokio::task::yield_now().await;
                }
                store.call(call).await
            },
        )
}
