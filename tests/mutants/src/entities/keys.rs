//! Keys that two have, or that nobody finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use portproof_ports::{
    EntityStore, EntityStoreAnswer as Answer, EntityStoreCall as Call, Port, PortError, UniqueKey,
    UniqueScope,
};
use serde_json::json;

use super::{Given, check_then_write, everything, given, lock, with_keys};
use crate::edits::{Edits, every, fold};

pub(super) fn mutants(edits: Edits<dyn EntityStore>) -> Edits<dyn EntityStore> {
    let (races, wide_races, renames) = (Given::default(), Given::default(), Given::default());
    let locked: Arc<Mutex<BTreeMap<(String, UniqueKey), String>>> = Arc::default();
    let noted: Arc<Mutex<BTreeSet<(String, UniqueKey)>>> = Arc::default();
    edits
        .fault(
            "entities::create_leaves_half",
            "entities::create::refuses_a_taken_key",
            |store, call| async move {
                let outcome = store.call(call.clone()).await;
                if matches!(call, Call::Create { .. }) && outcome.is_err() {
                    // Stored without its keys, and then told as a failure.
                    let _ = store.call(with_keys(call, |_| Vec::new())).await;
                }
                outcome
            },
        )
        .re_enacts("kratos: an identity stayed behind when an identifier of it was refused")
        .fault(
            "entities::global_is_per_tenant",
            "entities::create::refuses_a_key_taken_elsewhere",
            |store, call| async move {
                match store.call(call.clone()).await {
                    Err(PortError::AlreadyExists(what)) if what != "entity" => {
                        // It looked in its own tenant only.
                        for key in given(&call).iter().flatten() {
                            let (Call::Create { tenant, entity, .. }, UniqueScope::Global) = (&call, key.scope) else {
                                continue;
                            };
                            let kind = &entity.kind;
                            let owned = store.find_global(kind, &key.name, &key.value).await?;
                            if owned.is_some_and(|owned| owned.tenant != *tenant) {
                                let own = |keys: Vec<UniqueKey>| keys.into_iter().filter(|other| other != key).collect();
                                return store.call(with_keys(call.clone(), own)).await;
                            }
                        }
                        Err(PortError::AlreadyExists(what))
                    }
                    outcome => outcome,
                }
            },
        )
        .fault(
            "entities::none_is_unique",
            "entities::create::needs_no_key",
            |store, call| async move {
                // An absent key is stored as an empty one, and that is unique.
                if let Call::Create { tenant, entity, .. } = &call
                    && entity.keys.iter().next().is_none()
                {
                    let all = store.list(tenant, &entity.kind, &everything()?).await?;
                    let keyless = all.items.iter().filter(|other| other.keys.iter().next().is_none());
                    if keyless.count() > 1 {
                        return Err(PortError::already_exists("key"));
                    }
                }
                store.call(call).await
            },
        )
        .fault(
            "entities::keys_are_ten",
            "entities::create::keeps_sixteen_keys",
            |store, call| async move {
                let ten = |keys: Vec<UniqueKey>| keys.into_iter().take(10).collect();
                store.call(with_keys(call, ten)).await
            },
        )
        .fault(
            "entities::find_looks_into_bodies",
            "entities::find::finds_by_each_key",
            |store, call| async move {
                let outcome = store.call(call.clone()).await?;
                let (Answer::Find(None), Call::Find { tenant, kind, key }) = (&outcome, &call) else {
                    return Ok(outcome);
                };
                let all = store.list(tenant, kind, &everything()?).await?;
                let mut holding = all.items.into_iter().filter(|entity| {
                    entity.body.value()[key.name.as_str()] == json!(key.value.as_str())
                });
                Ok(Answer::Find(holding.next()))
            },
        )
        .calls(
            "entities::values_are_folded",
            "entities::find::compares_keys_whole",
            |arguments| every(arguments, "value", &fold),
        )
        .re_enacts("CVE-2026-55170: a collation compared ids without regard to case")
        .fault(
            "entities::global_answers_the_first_tenant",
            "entities::find_global::answers_whose_it_is",
            |store, call| async move {
                let mut outcome = store.call(call).await?;
                if let Answer::FindGlobal(Some(owned)) = &mut outcome {
                    let asked = owned.tenant.as_str().to_lowercase();
                    if let Ok(tenant) = portproof_ports::TenantId::new(asked.trim_end()) {
                        owned.tenant = tenant;
                    }
                }
                Ok(outcome)
            },
        )
        .fault(
            "entities::global_finds_tenants_own",
            "entities::find_global::ignores_tenants_own",
            {
                let tenants: Arc<Mutex<BTreeSet<portproof_ports::TenantId>>> = Arc::default();
                move |store: super::Store, call: Call| {
                    let tenants = Arc::clone(&tenants);
                    async move {
                        if let Call::Create { tenant, .. } = &call {
                            lock(&tenants).insert(tenant.clone());
                        }
                        let outcome = store.call(call.clone()).await?;
                        let (Answer::FindGlobal(None), Call::FindGlobal { kind, name, value }) = (&outcome, &call) else {
                            return Ok(outcome);
                        };
                        let (name, value) = (name.clone(), value.clone());
                        let key = UniqueKey { name, value, scope: UniqueScope::Tenant };
                        let all: Vec<_> = lock(&tenants).iter().cloned().collect();
                        for tenant in all {
                            if let Some(entity) = store.find(&tenant, kind, &key).await? {
                                let owned = portproof_ports::OwnedEntity { tenant, entity };
                                return Ok(Answer::FindGlobal(Some(owned)));
                            }
                        }
                        Ok(outcome)
                    }
                }
            },
        )
        .fault(
            "entities::creates_race_for_keys",
            "entities::create::race_has_one_owner_of_a_key",
            move |store: super::Store, call: Call| {
                let races = Arc::clone(&races);
                async move { check_then_write(&store, call, &races, "create", UniqueScope::Tenant).await }
            },
        )
        .re_enacts("better-auth #942: two users with one address")
        .fault(
            "entities::creates_race_for_global_keys",
            "entities::create::race_has_one_owner_over_tenants",
            move |store: super::Store, call: Call| {
                let races = Arc::clone(&wide_races);
                async move { check_then_write(&store, call, &races, "create", UniqueScope::Global).await }
            },
        )
        .fault(
            "entities::puts_race_for_keys",
            "entities::put::race_has_one_owner_of_a_key",
            move |store: super::Store, call: Call| {
                let races = Arc::clone(&renames);
                async move { check_then_write(&store, call, &races, "put", UniqueScope::Global).await }
            },
        )
        .fault(
            "entities::keys_are_never_freed",
            "entities::remove::frees_id_and_keys",
            move |store: super::Store, call: Call| {
                let locked = Arc::clone(&locked);
                async move {
                    // What was ever given over all tenants stays with who had it.
                    let Call::Create { tenant, entity, .. } = &call else {
                        return store.call(call).await;
                    };
                    let holder = format!("{tenant:?} {:?}", entity.id);
                    let wide = entity.keys.iter().filter(|key| key.scope == UniqueScope::Global);
                    let wide: Vec<_> = wide.map(|key| (format!("{:?}", entity.kind), key.clone())).collect();
                    for place in &wide {
                        if lock(&locked).get(place).is_some_and(|had| *had != holder) {
                            return Err(place.1.taken());
                        }
                    }
                    let outcome = store.call(call).await?;
                    lock(&locked).extend(wide.into_iter().map(|place| (place, holder.clone())));
                    Ok(outcome)
                }
            },
        )
        .fault(
            "entities::put_frees_nothing",
            "entities::put::frees_at_once",
            move |store: super::Store, call: Call| {
                let noted = Arc::clone(&noted);
                async move {
                    // Those that a change gave up are taken, from then on.
                    if let Call::Put { tenant, kind, id, change, .. } = &call {
                        let before = store.get(tenant, kind, id).await?;
                        let had = before.map(|entity| entity.keys).unwrap_or_default();
                        let gone = had.iter().filter(|key| !change.keys.contains(key) && key.scope == UniqueScope::Global);
                        let gone: Vec<_> = gone.map(|key| (format!("{kind:?}"), key.clone())).collect();
                        lock(&noted).extend(gone);
                    }
                    if let Call::Create { entity, .. } = &call {
                        for key in &entity.keys {
                            if lock(&noted).contains(&(format!("{:?}", entity.kind), key.clone())) {
                                return Err(key.taken());
                            }
                        }
                    }
                    store.call(call).await
                }
            },
        )
}
