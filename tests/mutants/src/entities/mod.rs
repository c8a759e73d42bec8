//! Mutants of the entities port.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portproof::mutants::Mutant;
use portproof_ports::{
    EntityChange, EntityStore, EntityStoreAnswer as Answer, EntityStoreCall as Call, NewEntity,
    PageRequest, Port, PortResult, Ports, TenantId, UniqueKey, UniqueKeys, UniqueScope,
};
use serde_json::Value;

use crate::edits::{Edits, common};

mod cancelled;
mod changes;
mod keys;
mod lists;
mod records;

type Store = Arc<dyn EntityStore>;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let edits = Edits::<dyn EntityStore>::new(|ports| &mut ports.entities).common(&common!(
        "entities",
        "list",
        "keeps_entities"
    ));
    let edits = keys::mutants(records::mutants(edits));
    cancelled::mutants(lists::mutants(changes::mutants(edits))).done()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The call with other keys to be given to an entity.
pub(crate) fn with_keys(mut call: Call, edit: impl Fn(Vec<UniqueKey>) -> Vec<UniqueKey>) -> Call {
    if let Call::Create {
        entity: NewEntity { keys, .. },
        ..
    }
    | Call::Put {
        change: EntityChange { keys, .. },
        ..
    } = &mut call
    {
        *keys = UniqueKeys::new(edit(keys.clone().into())).unwrap_or_default();
    }
    call
}

/// The keys that a call is to give to an entity.
fn given(call: &Call) -> Option<UniqueKeys> {
    match call {
        Call::Create { entity, .. } => Some(entity.keys.clone()),
        Call::Put { change, .. } => Some(change.keys.clone()),
        _ => None,
    }
}

/// What a call is about: everything but its keys.
fn about(call: &Call) -> Value {
    let value = serde_json::to_value(call).unwrap_or(Value::Null);
    value[portproof_ports::PortCall::method(call)].clone()
}

/// Which keys a mutant has seen given, and to whom.
type Given = Arc<Mutex<BTreeMap<UniqueKey, TenantId>>>;

/// A store that looks a key up, lets others run, and only then writes, without the key: what it
/// stands on is a store that has no unique keys of this scope.
async fn check_then_write(
    store: &Store,
    call: Call,
    given_keys: &Given,
    method: &str,
    scope: UniqueScope,
) -> PortResult<Answer> {
    if portproof_ports::PortCall::method(&call) != method {
        return store.call(call).await;
    }
    let is_meant = |key: &UniqueKey| key.scope == scope;
    let wanted: Vec<UniqueKey> = given(&call)
        .iter()
        .flatten()
        .filter(|key| is_meant(key))
        .cloned()
        .collect();
    let taken = wanted
        .iter()
        .find(|key| lock(given_keys).contains_key(key))
        .cloned();
    if let Some(key) = taken {
        return Err(key.taken());
    }
    for _ in 0..6 {
        tokio::task::yield_now().await;
    }
    let arguments = about(&call);
    let tenant: Option<TenantId> = serde_json::from_value(arguments["tenant"].clone()).ok();
    let call = with_keys(call, |keys| {
        keys.into_iter().filter(|key| !is_meant(key)).collect()
    });
    let answer = store.call(call).await?;
    if let Some(tenant) = tenant {
        let theirs = wanted.into_iter().map(|key| (key, tenant.clone()));
        lock(given_keys).extend(theirs);
    }
    Ok(answer)
}

/// The first page of all there may be.
fn everything() -> PortResult<PageRequest> {
    Ok(PageRequest::first(1000)?)
}
