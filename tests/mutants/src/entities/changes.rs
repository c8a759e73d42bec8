//! Changes that lose, keep or count what they should not.

use portproof_ports::{
    EntityChange, EntityStore, EntityStoreAnswer as Answer, EntityStoreCall as Call, NewEntity,
    Port, PortError, UniqueKeys,
};

use crate::edits::Edits;

pub(super) fn mutants(edits: Edits<dyn EntityStore>) -> Edits<dyn EntityStore> {
    edits
        .fault(
            "entities::put_keeps_old_keys",
            "entities::put::replaces_body_and_keys",
            |store, mut call| async move {
                if let Call::Put {
                    tenant,
                    kind,
                    id,
                    change,
                    ..
                } = &mut call
                    && let Some(stored) = store.get(tenant, kind, id).await?
                {
                    let mut all: Vec<_> = change.keys.clone().into();
                    all.extend(
                        stored
                            .keys
                            .iter()
                            .filter(|key| !change.keys.contains(key))
                            .cloned(),
                    );
                    change.keys = UniqueKeys::new(all).unwrap_or_default();
                }
                store.call(call).await
            },
        )
        .fault(
            "entities::put_meets_its_own_keys",
            "entities::put::keeps_its_own_keys",
            |store, call| async move {
                if let Call::Put {
                    tenant,
                    kind,
                    change,
                    ..
                } = &call
                {
                    for key in &change.keys {
                        if store.find(tenant, kind, key).await?.is_some() {
                            return Err(key.taken());
                        }
                    }
                }
                store.call(call).await
            },
        )
        .fault(
            "entities::put_of_the_same_is_nothing",
            "entities::put::counts_when_nothing_differs",
            |store, call| async move {
                if let Call::Put {
                    tenant,
                    kind,
                    id,
                    expected,
                    change,
                    ..
                } = &call
                    && let Some(stored) = store.get(tenant, kind, id).await?
                    && stored.version == *expected
                    && (&stored.body, &stored.keys) == (&change.body, &change.keys)
                {
                    return Ok(Answer::Put(stored));
                }
                store.call(call).await
            },
        )
        .fault(
            "entities::put_ignores_versions",
            "entities::put::stale_changes_nothing",
            |store, mut call| async move {
                if let Call::Put {
                    tenant,
                    kind,
                    id,
                    expected,
                    ..
                } = &mut call
                    && let Some(stored) = store.get(tenant, kind, id).await?
                {
                    *expected = stored.version;
                }
                store.call(call).await
            },
        )
        .fault(
            "entities::put_writes_bodies_first",
            "entities::put::refuses_a_taken_key",
            |store, call| async move {
                let outcome = store.call(call.clone()).await;
                if let (
                    Call::Put {
                        tenant,
                        kind,
                        id,
                        expected,
                        change,
                        now,
                    },
                    Err(PortError::AlreadyExists(_)),
                ) = (&call, &outcome)
                    && let Some(stored) = store.get(tenant, kind, id).await?
                {
                    let body = change.body.clone();
                    let half = EntityChange {
                        body,
                        keys: stored.keys,
                    };
                    store.put(tenant, kind, id, *expected, half, *now).await?;
                }
                outcome
            },
        )
        .re_enacts("kratos: an identity stayed behind when an identifier of it was refused")
        .fault(
            "entities::put_takes_keys_away",
            "entities::put::swaps_by_giving_up_first",
            |store, call| async move { take_away(store, call).await },
        )
        .fault(
            "entities::put_takes_keys_away_at_once",
            "entities::put::race_swaps_nothing",
            |store, call| async move { take_away(store, call).await },
        )
        .lost_update(
            "entities::puts_are_lost",
            "entities::put::race_has_one_winner",
            "put",
        )
        .fault(
            "entities::put_writes_back_what_went",
            "entities::put::race_never_recreates",
            |store, call| async move {
                let Call::Put {
                    tenant,
                    kind,
                    id,
                    expected,
                    change,
                    now,
                } = &call
                else {
                    return store.call(call).await;
                };
                let before = store.get(tenant, kind, id).await?;
                for _ in 0..6 {
                    tokio::task::yield_now().await;
                }
                let outcome = store.call(call.clone()).await;
                match (before, &outcome) {
                    (Some(before), Err(PortError::NotFound(_))) if before.version == *expected => {
                        let EntityChange { body, keys } = change.clone();
                        let (kind, id) = (kind.clone(), id.clone());
                        let back = NewEntity {
                            kind,
                            id,
                            body,
                            keys,
                        };
                        store.create(tenant, back, *now).await.map(Answer::Put)
                    }
                    _ => outcome,
                }
            },
        )
        .re_enacts("tj/connect-redis #328: a late save wrote back what had been deleted")
}

/// Gives an entity the keys that others of its tenant have, who lose them.
async fn take_away(store: super::Store, call: Call) -> portproof_ports::PortResult<Answer> {
    if let Call::Put {
        tenant,
        kind,
        id,
        change,
        now,
        ..
    } = &call
    {
        for key in &change.keys {
            if let Some(holder) = store.find(tenant, kind, key).await?
                && holder.id != *id
            {
                let mut keys: Vec<_> = holder.keys.into();
                keys.retain(|other| other != key);
                let keys = UniqueKeys::new(keys).unwrap_or_default();
                let less = EntityChange {
                    body: holder.body,
                    keys,
                };
                let seen = holder.version;
                store
                    .put(tenant, kind, &holder.id, seen, less, *now)
                    .await?;
            }
        }
    }
    store.call(call).await
}
