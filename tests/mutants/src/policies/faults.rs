//! The faults, written once for policies and roles.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portproof_ports::{
    Expected, PageRequest, PolicyStoreAnswer as Answer, PortError, PortResult, TenantId, Timestamp,
    Version,
};
use serde_json::Value;

use super::kind::{Kind, Op, Store, round_trip};

/// What handles of one mutant share.
pub(super) type Shared<T> = Arc<Mutex<T>>;

pub(super) fn lock<T>(shared: &Shared<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All records of a tenant.
pub(super) async fn all<K: Kind>(store: &Store, tenant: &TenantId) -> PortResult<Vec<K::Stored>> {
    let first = PageRequest::first(1000)?;
    let mut page = K::list(store, tenant, &first).await?;
    let mut items = std::mem::take(&mut page.items);
    while let Some(cursor) = page.next {
        page = K::list(store, tenant, &first.following(cursor)).await?;
        items.append(&mut page.items);
    }
    Ok(items)
}

/// The record that a save is about.
async fn stored<K: Kind>(
    store: &Store,
    tenant: &TenantId,
    draft: &K::Draft,
) -> PortResult<Option<K::Stored>> {
    K::get(store, tenant, K::id_of(draft)).await
}

/// A save that does not look whether one is stored.
pub(super) async fn absent_is_not_checked<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    match op {
        Op::Save(tenant, Expected::Absent, draft, now) => {
            K::run(&store, Op::Save(tenant, Expected::Anything, draft, now)).await
        }
        op => K::run(&store, op).await,
    }
}

/// A save that does not look which version is stored.
pub(super) async fn version_is_not_checked<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    match op {
        Op::Save(tenant, Expected::Version(_), draft, now)
            if stored::<K>(&store, &tenant, &draft).await?.is_some() =>
        {
            K::run(&store, Op::Save(tenant, Expected::Anything, draft, now)).await
        }
        op => K::run(&store, op).await,
    }
}

/// A save of what is stored succeeds, whatever the caller expects.
pub(super) async fn same_is_never_stale<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Save(tenant, _, draft, _) = &op
        && let Some(mut same) = stored::<K>(&store, tenant, draft).await?
        && *K::draft(&mut same) == *draft
    {
        return Ok(K::saved(same));
    }
    K::run(&store, op).await
}

/// An update that creates.
pub(super) async fn update_is_an_upsert<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Save(tenant, Expected::Version(_), draft, now) = &op
        && stored::<K>(&store, tenant, draft).await?.is_none()
    {
        let created = K::save(&store, tenant, Expected::Absent, draft.clone(), *now).await?;
        return Ok(K::saved(created));
    }
    K::run(&store, op).await
}

/// A save that only inserts.
pub(super) async fn save_is_an_insert<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Save(tenant, Expected::Anything, draft, _) = &op
        && stored::<K>(&store, tenant, draft).await?.is_some()
    {
        return Err(PortError::already_exists("id"));
    }
    K::run(&store, op).await
}

/// A save that only updates.
pub(super) async fn save_is_an_update<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Save(tenant, Expected::Anything, draft, _) = &op
        && stored::<K>(&store, tenant, draft).await?.is_none()
    {
        return Err(PortError::not_found("id"));
    }
    K::run(&store, op).await
}

/// A unique index on the name.
pub(super) async fn names_are_unique<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Save(tenant, _, draft, _) = &op {
        let name = K::json(draft)["name"].clone();
        for mut other in all::<K>(&store, tenant).await? {
            let other = K::draft(&mut other);
            if K::id_of(other) != K::id_of(draft) && K::json(other)["name"] == name {
                return Err(PortError::already_exists("name"));
            }
        }
    }
    K::run(&store, op).await
}

/// A save that keeps the fields that the draft leaves out.
pub(super) async fn save_merges<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    let Op::Save(tenant, expected, draft, now) = op else {
        return K::run(&store, op).await;
    };
    let draft = match stored::<K>(&store, &tenant, &draft).await? {
        None => draft,
        Some(mut old) => {
            let old = K::json(K::draft(&mut old));
            K::edited(draft, |new| {
                for (key, value) in old.as_object().into_iter().flatten() {
                    if new.get(key).is_none() {
                        new[key] = value.clone();
                    }
                }
            })
        }
    };
    K::run(&store, Op::Save(tenant, expected, draft, now)).await
}

/// A save that adds its rules or permissions to those that are stored.
pub(super) async fn save_appends<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    let Op::Save(tenant, expected, draft, now) = op else {
        return K::run(&store, op).await;
    };
    let draft = match stored::<K>(&store, &tenant, &draft).await? {
        None => draft,
        Some(mut old) => {
            let old = K::json(K::draft(&mut old));
            K::edited(draft, |new| {
                for key in ["rules", "permissions"] {
                    let Some(new) = new.get_mut(key).and_then(Value::as_array_mut) else {
                        continue;
                    };
                    let missing: Vec<Value> = old[key]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter(|part| !new.contains(part))
                        .cloned()
                        .collect();
                    new.extend(missing);
                }
            })
        }
    };
    K::run(&store, Op::Save(tenant, expected, draft, now)).await
}

/// A save that counts also when nothing changes.
pub(super) async fn same_is_a_change<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Save(tenant, _, draft, now) = &op
        && let Some(mut same) = stored::<K>(&store, tenant, draft).await?
        && *K::draft(&mut same) == *draft
    {
        let other = K::edited(draft.clone(), |draft| draft["name"] = "between".into());
        K::save(&store, tenant, Expected::Anything, other, *now).await?;
    }
    K::run(&store, op).await
}

/// A save that never dates back.
pub(super) async fn updates_never_go_back<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Save(tenant, expected, draft, now) = &op
        && let Some(mut old) = stored::<K>(&store, tenant, draft).await?
    {
        let [_, updated] = K::times(&mut old);
        let now = (*updated).max(*now);
        return K::run(
            &store,
            Op::Save(tenant.clone(), *expected, draft.clone(), now),
        )
        .await;
    }
    K::run(&store, op).await
}

/// Reads in milliseconds.
pub(super) fn in_milliseconds<K: Kind>(record: &mut K::Stored) {
    for time in K::times(record) {
        let micros = time.as_micros() / 1000 * 1000;
        *time = Timestamp::from_micros(micros).unwrap_or(Timestamp::MIN);
    }
}

/// Reads an hour off in the hours that Europe's clocks skip.
pub(super) fn in_local_time<K: Kind>(record: &mut K::Stored) {
    for time in K::times(record) {
        if (1_774_746_000_000_000..1_774_749_600_000_000).contains(&time.as_micros()) {
            *time = time.after(portproof_ports::Span::minutes(60));
        }
    }
}

/// Finds what `is_meant` takes for the id that is asked for.
pub(super) fn finds<K: Kind>(
    is_meant: fn(&str, &str) -> bool,
) -> impl Fn(Store, Op<K>) -> super::Answering + Clone + Send + Sync + 'static {
    move |store, op| {
        Box::pin(async move {
            if let Op::Get(tenant, id) = &op {
                let found = all::<K>(&store, tenant).await?.into_iter().find(|record| {
                    let mut record = record.clone();
                    is_meant(K::text(id), K::text(K::id_of(K::draft(&mut record))))
                });
                return Ok(K::got(found));
            }
            K::run(&store, op).await
        })
    }
}

/// Deletes all that `is_meant` takes for the id that is named.
pub(super) fn deletes<K: Kind>(
    is_meant: fn(&str, &str) -> bool,
) -> impl Fn(Store, Op<K>) -> super::Answering + Clone + Send + Sync + 'static {
    move |store, op| {
        Box::pin(async move {
            if let Op::Delete(tenant, id) = &op
                && K::get(&store, tenant, id).await?.is_some()
            {
                for mut record in all::<K>(&store, tenant).await? {
                    let other = K::id_of(K::draft(&mut record));
                    if is_meant(K::text(id), K::text(other)) {
                        K::delete(&store, tenant, other).await?;
                    }
                }
                return Ok(K::deleted(true));
            }
            K::run(&store, op).await
        })
    }
}

/// Deletes, and always says that there was one.
pub(super) async fn delete_is_always_true<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    let deletes = matches!(op, Op::Delete(..));
    let answer = K::run(&store, op).await?;
    Ok(if deletes { K::deleted(true) } else { answer })
}

/// Deletes, and fails where there is none.
pub(super) async fn delete_wants_one<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Delete(tenant, id) = &op
        && !K::delete(&store, tenant, id).await?
    {
        return Err(PortError::not_found("record"));
    } else if matches!(op, Op::Delete(..)) {
        return Ok(K::deleted(true));
    }
    K::run(&store, op).await
}

/// Looks first, deletes then, and answers what it saw.
pub(super) async fn delete_looks_first<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Delete(tenant, id) = &op {
        let there = K::get(&store, tenant, id).await?.is_some();
        round_trip().await;
        K::delete(&store, tenant, id).await?;
        return Ok(K::deleted(there));
    }
    K::run(&store, op).await
}

/// Reads, checks, and then writes whatever has come in between.
pub(super) async fn save_looks_first<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    let Op::Save(tenant, expected, draft, now) = op else {
        return K::run(&store, op).await;
    };
    let mut found = stored::<K>(&store, &tenant, &draft).await?;
    let version = found.as_mut().map(|found| *K::version(found));
    let right = match expected {
        Expected::Anything => true,
        Expected::Absent => version.is_none(),
        Expected::Version(_) => version.map(Expected::Version) == Some(expected),
    };
    let expected = if right { Expected::Anything } else { expected };
    round_trip().await;
    K::run(&store, Op::Save(tenant, expected, draft, now)).await
}

/// Counts the version up from what it read.
pub(super) async fn version_is_read_first<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    let Op::Save(tenant, Expected::Anything, draft, now) = op else {
        return K::run(&store, op).await;
    };
    let mut found = stored::<K>(&store, &tenant, &draft).await?;
    let is_same = found
        .as_mut()
        .is_some_and(|found| *K::draft(found) == draft);
    round_trip().await;
    let mut saved = K::save(&store, &tenant, Expected::Anything, draft, now).await?;
    if !is_same {
        let before = found.as_mut().map(|found| *K::version(found));
        *K::version(&mut saved) = before.map_or(Version::FIRST, Version::next);
    }
    Ok(K::saved(saved))
}

/// Reads the record and what it says in two queries.
pub(super) async fn reads_in_two_queries<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Get(tenant, id) = &op {
        let Some(mut record) = K::get(&store, tenant, id).await? else {
            return Ok(K::got(None));
        };
        round_trip().await;
        if let Some(mut later) = K::get(&store, tenant, id).await? {
            *K::draft(&mut record) = K::draft(&mut later).clone();
        }
        return Ok(K::got(Some(record)));
    }
    K::run(&store, op).await
}

/// Saves what is said in two steps: first nothing, then all of it.
pub(super) async fn saves_in_two_steps<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Save(tenant, Expected::Anything, draft, _) = &op
        && let Some(mut old) = stored::<K>(&store, tenant, draft).await?
        && *K::draft(&mut old) != *draft
    {
        K::delete(&store, tenant, K::id_of(draft)).await?;
        round_trip().await;
    }
    K::run(&store, op).await
}

/// Cuts what is over a limit, and saves the rest.
pub(super) async fn limits_cut<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    let Op::Save(tenant, expected, draft, now) = op else {
        return K::run(&store, op).await;
    };
    let cut = K::edited(draft, |draft| {
        for key in ["rules", "permissions", "inherits"] {
            if let Some(parts) = draft.get_mut(key).and_then(Value::as_array_mut) {
                parts.truncate(1000);
            }
        }
    });
    K::run(&store, Op::Save(tenant, expected, cut, now)).await
}

/// Looks at what is stored before it looks at the limits.
pub(super) async fn stale_comes_first<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::Save(tenant, Expected::Version(version), draft, _) = &op {
        let mut found = stored::<K>(&store, tenant, draft).await?;
        if found.as_mut().map(|found| *K::version(found)) != Some(*version) {
            return Err(PortError::stale(if K::json(draft).get("rules").is_some() {
                "policy"
            } else {
                "role"
            }));
        }
    }
    K::run(&store, op).await
}

/// Errors that do not say what they are about.
pub(super) async fn errors_say_little<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    K::run(&store, op).await.map_err(|error| match error {
        PortError::Stale(_) => PortError::stale("record"),
        error => error,
    })
}

/// Refusals that do not name the field.
pub(super) async fn refusals_say_little<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    K::run(&store, op).await.map_err(|error| match error {
        PortError::Refused { .. } => PortError::refused("input", "is not valid"),
        error => error,
    })
}

/// What a mutant has seen of tenants.
pub(super) type Tenants = Shared<BTreeSet<TenantId>>;

/// The handle's tenants, with this one.
fn tenants_with(seen: &Tenants, tenant: &TenantId) -> Vec<TenantId> {
    let mut seen = lock(seen);
    seen.insert(tenant.clone());
    let others = seen.iter().filter(|other| *other != tenant);
    std::iter::once(tenant).chain(others).cloned().collect()
}

/// Forgets the tenant in the method that `forgets` chooses: what the own tenant has not, another's
/// answers.
pub(super) fn forgets_the_tenant<K: Kind>(
    forgets: fn(&Op<K>) -> bool,
) -> impl Fn(Store, Op<K>) -> super::Answering + Clone + Send + Sync + 'static {
    let seen = Tenants::default();
    move |store, op| {
        let seen = Arc::clone(&seen);
        Box::pin(async move {
            let (Op::Save(tenant, ..)
            | Op::Get(tenant, _)
            | Op::Delete(tenant, _)
            | Op::List(tenant, _)) = &op;
            let tenants = tenants_with(&seen, tenant);
            if !forgets(&op) {
                return K::run(&store, op).await;
            }
            for tenant in &tenants {
                match &op {
                    Op::Get(_, id) => {
                        if let Some(found) = K::get(&store, tenant, id).await? {
                            return Ok(K::got(Some(found)));
                        }
                    }
                    Op::Delete(_, id) => {
                        let there = K::delete(&store, tenant, id).await?;
                        if there {
                            return Ok(K::deleted(true));
                        }
                    }
                    Op::List(_, page) if page.cursor().is_none() => {
                        let page = K::list(&store, tenant, page).await?;
                        if !page.items.is_empty() {
                            return Ok(K::listed(page));
                        }
                    }
                    _ => {}
                }
            }
            K::run(&store, op).await
        })
    }
}

/// Folds the case of tenants, and trims them.
pub(super) async fn folds_tenants<K: Kind>(store: Store, mut op: Op<K>) -> PortResult<Answer> {
    let (Op::Save(tenant, ..) | Op::Get(tenant, _) | Op::Delete(tenant, _) | Op::List(tenant, _)) =
        &mut op;
    *tenant = TenantId::new(tenant.as_str().trim().to_lowercase())?;
    K::run(&store, op).await
}

/// What a handle remembers of what it read.
pub(super) type Cache<K> =
    Shared<BTreeMap<(TenantId, <K as Kind>::Id), Option<<K as Kind>::Stored>>>;

/// Answers reads from a cache that only its own writes clear.
pub(super) async fn cached<K: Kind>(
    cache: Cache<K>,
    store: Store,
    op: Op<K>,
) -> PortResult<Answer> {
    match &op {
        Op::Get(tenant, id) => {
            let key = (tenant.clone(), id.clone());
            let known = lock(&cache).get(&key).cloned();
            let found = match known {
                Some(known) => known,
                None => K::get(&store, tenant, id).await?,
            };
            lock(&cache).insert(key, found.clone());
            return Ok(K::got(found));
        }
        Op::Save(tenant, _, draft, _) => {
            lock(&cache).remove(&(tenant.clone(), K::id_of(draft).clone()));
        }
        Op::Delete(tenant, id) => {
            lock(&cache).remove(&(tenant.clone(), id.clone()));
        }
        Op::List(..) => {}
    }
    K::run(&store, op).await
}

/// Marks what is deleted instead of removing it, and counts on from there.
pub(super) async fn tombstones<K: Kind>(
    deleted: Cache<K>,
    store: Store,
    op: Op<K>,
) -> PortResult<Answer> {
    match &op {
        Op::Delete(tenant, id) => {
            let old = K::get(&store, tenant, id).await?;
            lock(&deleted).insert((tenant.clone(), id.clone()), old);
        }
        Op::Save(tenant, expected, draft, now) => {
            let mut saved = K::save(&store, tenant, *expected, draft.clone(), *now).await?;
            let key = (tenant.clone(), K::id_of(draft).clone());
            if let Some(Some(mut old)) = lock(&deleted).remove(&key) {
                *K::version(&mut saved) = K::version(&mut old).next();
            }
            return Ok(K::saved(saved));
        }
        _ => {}
    }
    K::run(&store, op).await
}
