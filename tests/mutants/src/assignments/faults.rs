//! What the mutants do instead of what is right.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use portproof::mutants::{Handle, Mutant, faulty};
use portproof_ports::{
    AssignmentStore, AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, AttributeChange,
    AttributeName, Attributes, Cursor, Document, Expected, Grant, GrantScope, NewGrant, Page,
    PageRequest, PolicyStoreCall, Port, PortCall, PortError, PortResult, Ports, RoleDraft, RoleId,
    Scope, Span, SubjectId, TenantId, Text, Timestamp, Which, Window,
};
use serde_json::Value;

use super::SERVER_CLOCK;

pub(super) type Store = Arc<dyn AssignmentStore>;
/// What a handle remembers on its own.
pub(super) type Memory = Arc<Mutex<BTreeMap<String, Answer>>>;
type Changes = BTreeMap<AttributeName, AttributeChange>;

/// A mutant whose assignments port answers calls as `fault` says.
pub(super) fn mutant<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Store, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        ports.assignments = ports.assignments.map(|port| faulty(port, fault.clone()));
        ports
    })
}

/// A mutant of which each handle remembers things.
pub(super) fn remembering<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Memory, Store, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        let (memory, fault) = (Memory::default(), fault.clone());
        ports.assignments = ports.assignments.map(|port| {
            faulty(port, move |store, call| {
                fault(Arc::clone(&memory), store, call)
            })
        });
        ports
    })
}

/// A mutant that does something else than it was told.
pub(super) fn rewritten(
    id: &'static str,
    breaks: &'static str,
    rewrite: fn(Call) -> Call,
) -> Mutant<Ports> {
    mutant(id, breaks, move |store: Store, call| async move {
        store.call(rewrite(call)).await
    })
}

/// A mutant that answers something else than what it did.
pub(super) fn answered(
    id: &'static str,
    breaks: &'static str,
    change: fn(&Call, Answer) -> Answer,
) -> Mutant<Ports> {
    mutant(id, breaks, move |store: Store, call: Call| async move {
        let answer = store.call(call.clone()).await?;
        Ok(change(&call, answer))
    })
}

/// A mutant that fails where it should not.
pub(super) fn failing(
    id: &'static str,
    breaks: &'static str,
    fails: fn(&Call) -> Option<PortError>,
) -> Mutant<Ports> {
    mutant(id, breaks, move |store: Store, call: Call| async move {
        match fails(&call) {
            Some(error) => Err(error),
            None => store.call(call).await,
        }
    })
}

/// Lets others run, long enough for a race to be lost.
async fn pause() {
    for _ in 0..40 {
        tokio::task::yield_now().await;
    }
}

/// An id of a text that was one before it was cut or folded; `-` for what is none any more.
pub(super) fn id<T: TryFrom<String> + IdOf>(text: &str) -> T {
    T::try_from(text.to_owned()).unwrap_or_else(|_| T::dash())
}

/// Ids that have a value for what is no id.
pub(super) trait IdOf {
    fn dash() -> Self;
}

macro_rules! dashes {
    ($($id:ty),*) => {$(
        impl IdOf for $id {
            fn dash() -> Self {
                Self::new("-").expect("a dash is an id")
            }
        }
    )*};
}
dashes!(SubjectId, RoleId, TenantId, Scope);

pub(super) fn window(from: Option<Timestamp>, until: Option<Timestamp>) -> Window {
    Window::new(from, until).unwrap_or(Window::ALWAYS)
}

pub(super) fn micros(count: i64) -> Span {
    Span::from_micros(count).unwrap_or(Span::MICROSECOND)
}

pub(super) fn document(value: Value) -> Document {
    Document::new(value).unwrap_or_else(|_| Document::empty())
}

pub(super) fn syntax_error() -> PortError {
    PortError::Backend("syntax error".into())
}

pub(super) fn folded(scope: &GrantScope) -> GrantScope {
    match scope {
        GrantScope::Global => GrantScope::Global,
        GrantScope::Scoped(scope) => GrantScope::Scoped(id(&scope.as_str().to_lowercase())),
    }
}

pub(super) fn large(changes: &Changes) -> bool {
    changes.values().any(
        |change| matches!(change, AttributeChange::Set(value) if value.to_json().len() > 65_536),
    )
}

pub(super) fn through_floats(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64() {
                *value = serde_json::from_str(&format!("{float:.0}"))
                    .ok()
                    .filter(|_| float.fract() == 0.0)
                    .unwrap_or_else(|| Value::from(float));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(through_floats),
        Value::Object(fields) => fields.values_mut().for_each(through_floats),
        _ => {}
    }
}

/// The call with `change` made to its subject.
pub(super) fn with_subject(mut call: Call, change: impl Fn(&str) -> String) -> Call {
    let change = |subject: &mut SubjectId| *subject = id(&change(subject.as_str()));
    match &mut call {
        Call::Assign { grant, .. } => change(&mut grant.subject),
        Call::AssignMany { grants, .. } => {
            grants
                .iter_mut()
                .for_each(|grant| change(&mut grant.subject));
        }
        Call::RevokeMany { revocations, .. } => {
            revocations
                .iter_mut()
                .for_each(|one| change(&mut one.subject));
        }
        Call::Revoke { subject, .. }
        | Call::MoveScope { subject, .. }
        | Call::GrantsOf { subject, .. }
        | Call::RolesOf { subject, .. }
        | Call::NextChange { subject, .. }
        | Call::Attributes { subject, .. }
        | Call::MergeAttributes { subject, .. }
        | Call::Forget { subject, .. } => change(subject),
        _ => {}
    }
    call
}

/// The call with `change` made to the tenant of what is known.
pub(super) fn with_tenant(mut call: Call, change: impl Fn(&str) -> String) -> Call {
    if let Call::Attributes { tenant, .. } | Call::MergeAttributes { tenant, .. } = &mut call {
        *tenant = id(&change(tenant.as_str()));
    }
    call
}

fn new_of(grant: &Grant) -> NewGrant {
    NewGrant {
        subject: grant.subject.clone(),
        role: grant.role.clone(),
        scope: grant.scope.clone(),
        window: grant.window,
    }
}

fn stored(new: &NewGrant, granted_at: Timestamp) -> Grant {
    let NewGrant {
        subject,
        role,
        scope,
        window,
    } = new.clone();
    Grant {
        subject,
        role,
        scope,
        window,
        granted_at,
    }
}

fn which(scope: &GrantScope) -> Which {
    match scope {
        GrantScope::Global => Which::Global,
        GrantScope::Scoped(scope) => Which::Scoped(scope.clone()),
    }
}

fn first(limit: u16) -> PortResult<PageRequest> {
    PageRequest::first(limit).map_err(|_| syntax_error())
}

/// The first thousand grants of a subject.
async fn grants(store: &Store, tenant: &TenantId, subject: &SubjectId) -> PortResult<Vec<Grant>> {
    Ok(store.grants_of(tenant, subject, &first(1000)?).await?.items)
}

/// The stored grant in the place of this one.
async fn held(store: &Store, tenant: &TenantId, new: &NewGrant) -> PortResult<Option<Grant>> {
    let grants = grants(store, tenant, &new.subject).await?;
    Ok(grants
        .into_iter()
        .find(|grant| grant.role == new.role && grant.scope == new.scope))
}

async fn end(store: &Store, tenant: &TenantId, new: &NewGrant) -> PortResult<u64> {
    store
        .revoke(tenant, &new.subject, &new.role, &which(&new.scope))
        .await
}

// Grants.

pub(super) async fn refusal_is_swallowed(store: Store, call: Call) -> PortResult<Answer> {
    match (store.call(call.clone()).await, call) {
        (Err(PortError::NotFound(_)), Call::Assign { grant, now, .. }) => {
            Ok(Answer::Assign(stored(&grant, now)))
        }
        (answer, _) => answer,
    }
}

pub(super) async fn duplicate_is_an_error(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::Assign { tenant, grant, .. } = &call
        && held(&store, tenant, grant).await?.is_some()
    {
        return Err(PortError::AlreadyExists("grant".into()));
    }
    store.call(call).await
}

pub(super) async fn old_end_is_kept(store: Store, mut call: Call) -> PortResult<Answer> {
    if let Call::Assign { tenant, grant, .. } = &mut call
        && let Some(old) = held(&store, tenant, grant).await?
    {
        grant.window = window(
            grant.window.from(),
            grant.window.until().or(old.window.until()),
        );
    }
    store.call(call).await
}

pub(super) async fn granted_anew(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::Assign { tenant, grant, .. } = &call {
        end(&store, tenant, grant).await?;
    }
    store.call(call).await
}

pub(super) async fn ended_is_purged(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::Assign { tenant, grant, now } = &call
        && let Some(old) = held(&store, tenant, grant).await?
        && old.window.until().is_some_and(|until| until <= *now)
    {
        end(&store, tenant, grant).await?;
    }
    store.call(call).await
}

pub(super) async fn check_then_replace(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::Assign { tenant, grant, .. } = &call
        && held(&store, tenant, grant).await?.is_none()
    {
        pause().await;
        end(&store, tenant, grant).await?;
    }
    store.call(call).await
}

/// The role is looked up well before the grant is written, and nothing holds it in between.
pub(super) fn role_is_checked_early(mut ports: Ports, _: Handle) -> Ports {
    let Some(policies) = ports.policies.clone() else {
        return ports;
    };
    ports.assignments = ports.assignments.map(|port| {
        faulty(port, move |store: Store, call: Call| {
            let policies = Arc::clone(&policies);
            async move {
                let Call::Assign { tenant, grant, now } = &call else {
                    return store.call(call).await;
                };
                let was_there = policies.get_role(tenant, &grant.role).await?;
                pause().await;
                match (store.call(call.clone()).await, was_there) {
                    (Err(PortError::NotFound(_)), Some(role)) => {
                        let again = Expected::Absent;
                        // A row without a foreign key: it is there whatever became of the role.
                        drop(policies.save_role(tenant, again, role.draft, *now).await);
                        store.call(call).await
                    }
                    (answer, _) => answer,
                }
            }
        })
    });
    ports
}

/// The foreign key of a grant leaves out the tenant.
pub(super) fn roles_of_all_tenants(mut ports: Ports, _: Handle) -> Ports {
    let roles: Arc<Mutex<Vec<RoleId>>> = Arc::default();
    let saved = Arc::clone(&roles);
    ports.policies = ports.policies.map(|port| {
        faulty(port, move |store, call| {
            if let PolicyStoreCall::SaveRole { role, .. } = &call {
                let mut roles = saved.lock().unwrap_or_else(PoisonError::into_inner);
                roles.push(role.id.clone());
            }
            async move { store.call(call).await }
        })
    });
    let Some(policies) = ports.policies.clone() else {
        return ports;
    };
    ports.assignments = ports.assignments.map(|port| {
        faulty(port, move |store: Store, call: Call| {
            let known = match &call {
                Call::Assign { grant, .. } => {
                    let roles = roles.lock().unwrap_or_else(PoisonError::into_inner);
                    roles.contains(&grant.role)
                }
                _ => false,
            };
            let policies = Arc::clone(&policies);
            async move {
                if let Call::Assign { tenant, grant, now } = &call
                    && known
                    && let Ok(name) = Text::new("borrowed")
                {
                    let draft = RoleDraft {
                        id: grant.role.clone(),
                        name,
                        description: None,
                        permissions: Vec::new(),
                        inherits: None,
                        scope: None,
                        metadata: None,
                    };
                    drop(
                        policies
                            .save_role(tenant, Expected::Absent, draft, *now)
                            .await,
                    );
                }
                store.call(call).await
            }
        })
    });
    ports
}

pub(super) fn joined_names(mut call: Call) -> Call {
    if let Call::AssignMany { grants, .. } = &mut call {
        let mut seen = Vec::new();
        grants.retain(|new| {
            let GrantScope::Scoped(scope) = &new.scope else {
                return true;
            };
            let (subject, role) = (new.subject.as_str(), new.role.as_str());
            let joined = format!("{subject} {role} {}", scope.as_str());
            let is_new = !seen.contains(&joined);
            seen.push(joined);
            is_new
        });
    }
    call
}

pub(super) async fn constraint_is_named(store: Store, call: Call) -> PortResult<Answer> {
    store.call(call).await.map_err(|error| match error {
        PortError::NotFound(_) => PortError::not_found("assignments_role_id_fkey"),
        error => error,
    })
}

pub(super) async fn tenant_is_dropped(
    memory: Memory,
    store: Store,
    call: Call,
) -> PortResult<Answer> {
    let subject = match &call {
        Call::Attributes { subject, .. } | Call::MergeAttributes { subject, .. } => {
            subject.as_str().to_owned()
        }
        _ => return store.call(call).await,
    };
    let answer = store.call(call).await?;
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    match answer {
        Answer::Attributes(none) if none.is_empty() => Ok(memory
            .get(&subject)
            .cloned()
            .unwrap_or(Answer::Attributes(none))),
        Answer::MergeAttributes(known) => {
            memory.insert(subject, Answer::Attributes(known.clone()));
            Ok(Answer::MergeAttributes(known))
        }
        answer => Ok(answer),
    }
}

// Batches.

pub(super) async fn batch_grants_anew(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::AssignMany { tenant, grants, .. } = &call {
        for new in grants {
            end(&store, tenant, new).await?;
        }
    }
    store.call(call).await
}

pub(super) fn first_of_two_wins(mut call: Call) -> Call {
    if let Call::AssignMany { grants, .. } = &mut call {
        let mut seen = Vec::new();
        grants.retain(|new| {
            let place = (new.subject.clone(), new.role.clone(), new.scope.clone());
            let is_new = !seen.contains(&place);
            seen.push(place);
            is_new
        });
    }
    call
}

pub(super) async fn batch_one_by_one(store: Store, call: Call) -> PortResult<Answer> {
    let Call::AssignMany {
        tenant,
        grants,
        now,
    } = &call
    else {
        return store.call(call).await;
    };
    let mut count = 0;
    for new in grants {
        count += u64::from(held(&store, tenant, new).await?.is_none());
        store.assign(tenant, new.clone(), *now).await?;
        pause().await;
    }
    Ok(Answer::AssignMany(count))
}

pub(super) async fn batch_counts_first(store: Store, call: Call) -> PortResult<Answer> {
    let Call::AssignMany { tenant, grants, .. } = &call else {
        return store.call(call).await;
    };
    let mut count = 0;
    for new in grants {
        count += u64::from(held(&store, tenant, new).await?.is_none());
    }
    pause().await;
    store.call(call).await?;
    Ok(Answer::AssignMany(count))
}

pub(super) async fn revocations_are_combined(store: Store, call: Call) -> PortResult<Answer> {
    let Call::RevokeMany {
        tenant,
        revocations,
    } = &call
    else {
        return store.call(call).await;
    };
    let mut count = 0;
    for one in revocations {
        for two in revocations {
            let ended = store.revoke(tenant, &one.subject, &two.role, &two.which);
            count += ended.await?;
        }
    }
    Ok(Answer::RevokeMany(count))
}

pub(super) async fn none_is_all(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::RevokeMany {
        tenant,
        revocations,
    } = &call
        && revocations.is_empty()
    {
        let mut count = 0;
        let editors = store
            .holders_of(tenant, &id("editor"), &first(1000)?)
            .await?;
        for grant in editors.items {
            count += end(&store, tenant, &new_of(&grant)).await?;
        }
        return Ok(Answer::RevokeMany(count));
    }
    store.call(call).await
}

pub(super) async fn revoke_one_by_one(store: Store, call: Call) -> PortResult<Answer> {
    let Call::RevokeMany {
        tenant,
        revocations,
    } = &call
    else {
        return store.call(call).await;
    };
    let mut count = 0;
    for one in revocations {
        count += store
            .revoke(tenant, &one.subject, &one.role, &one.which)
            .await?;
        pause().await;
    }
    Ok(Answer::RevokeMany(count))
}

// Revocations.

/// Remembers what the method answered until this handle writes.
pub(super) async fn cached(
    method: &'static str,
    memory: Memory,
    store: Store,
    call: Call,
) -> PortResult<Answer> {
    let reads = [
        "ready",
        "grants_of",
        "holders_of",
        "roles_of",
        "next_change",
        "attributes",
    ];
    let key = format!("{call:?}");
    if call.method() == method {
        let known = memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some(answer) = known {
            return Ok(answer);
        }
    }
    let (asked, is_read) = (call.method() == method, reads.contains(&call.method()));
    let answer = store.call(call).await?;
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    if asked {
        memory.insert(key, answer.clone());
    } else if !is_read {
        memory.clear();
    }
    Ok(answer)
}

pub(super) async fn only_live_are_revoked(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Revoke {
        tenant,
        subject,
        role,
        which: asked,
    } = &call
    else {
        return store.call(call).await;
    };
    let mut count = 0;
    for grant in grants(&store, tenant, subject).await? {
        let asked = *asked == Which::Every || *asked == which(&grant.scope);
        if grant.role == *role && asked && grant.window.holds(SERVER_CLOCK) {
            count += end(&store, tenant, &new_of(&grant)).await?;
        }
    }
    Ok(Answer::Revoke(count))
}

pub(super) async fn tombstones_are_revived(
    memory: Memory,
    store: Store,
    call: Call,
) -> PortResult<Answer> {
    let Call::Assign { tenant, grant, .. } = &call else {
        return store.call(call).await;
    };
    let key = format!(
        "{tenant:?} {:?} {:?} {:?}",
        grant.subject, grant.role, grant.scope
    );
    let mut granted = match store.call(call).await? {
        Answer::Assign(granted) => granted,
        answer => return Ok(answer),
    };
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    if let Answer::NextChange(Some(first)) = memory
        .entry(key)
        .or_insert(Answer::NextChange(Some(granted.granted_at)))
    {
        granted.granted_at = *first;
    }
    Ok(Answer::Assign(granted))
}

pub(super) async fn first_hundred_are_revoked(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Revoke {
        tenant,
        subject,
        role,
        which: Which::Every,
    } = &call
    else {
        return store.call(call).await;
    };
    let mut count = 0;
    for grant in store.grants_of(tenant, subject, &first(100)?).await?.items {
        if grant.role == *role {
            count += end(&store, tenant, &new_of(&grant)).await?;
        }
    }
    Ok(Answer::Revoke(count))
}

pub(super) async fn revocation_counts_first(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Revoke {
        tenant,
        subject,
        role,
        which: Which::Every,
    } = &call
    else {
        return store.call(call).await;
    };
    let all = grants(&store, tenant, subject).await?;
    let count = all.iter().filter(|grant| grant.role == *role).count();
    pause().await;
    store.call(call).await?;
    Ok(Answer::Revoke(count as u64))
}

// Moves.

/// The grant that a move is about, if there is one, and where it goes.
async fn moving(store: &Store, call: &Call) -> PortResult<Option<(TenantId, Grant, GrantScope)>> {
    let Call::MoveScope {
        tenant,
        subject,
        role,
        from,
        to,
    } = call
    else {
        return Ok(None);
    };
    let all = grants(store, tenant, subject).await?;
    let found = all
        .into_iter()
        .find(|grant| grant.role == *role && grant.scope == *from);
    Ok(found.map(|grant| (tenant.clone(), grant, to.clone())))
}

pub(super) async fn move_loses_the_window(store: Store, call: Call) -> PortResult<Answer> {
    let moving = moving(&store, &call).await?;
    let answer = store.call(call).await?;
    if let Some((tenant, grant, scope)) = moving {
        let new = NewGrant {
            scope,
            window: Window::ALWAYS,
            ..new_of(&grant)
        };
        store.assign(&tenant, new, grant.granted_at).await?;
    }
    Ok(answer)
}

pub(super) async fn move_takes_all_roles(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::MoveScope {
        tenant,
        subject,
        from,
        to,
        ..
    } = &call
    {
        for grant in grants(&store, tenant, subject).await? {
            if grant.scope == *from {
                store
                    .move_scope(tenant, subject, &grant.role, from, to)
                    .await?;
            }
        }
        return Ok(Answer::MoveScope(true));
    }
    store.call(call).await
}

pub(super) async fn move_is_an_upsert(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::MoveScope {
        tenant,
        subject,
        role,
        to,
        ..
    } = &call
        && moving(&store, &call).await?.is_none()
    {
        let new = NewGrant {
            subject: subject.clone(),
            role: role.clone(),
            scope: to.clone(),
            window: Window::ALWAYS,
        };
        store.assign(tenant, new, SERVER_CLOCK).await?;
        return Ok(Answer::MoveScope(true));
    }
    store.call(call).await
}

pub(super) async fn held_place_is_taken(store: Store, call: Call) -> PortResult<Answer> {
    if let Some((tenant, grant, scope)) = moving(&store, &call).await? {
        let there = NewGrant {
            scope,
            ..new_of(&grant)
        };
        if there.scope != grant.scope && held(&store, &tenant, &there).await?.is_some() {
            return Err(PortError::AlreadyExists("grant".into()));
        }
    }
    store.call(call).await
}

pub(super) async fn room_is_made_first(store: Store, call: Call) -> PortResult<Answer> {
    if let Some((tenant, grant, scope)) = moving(&store, &call).await? {
        let there = NewGrant {
            scope,
            ..new_of(&grant)
        };
        end(&store, &tenant, &there).await?;
        store.call(call).await?;
        return Ok(Answer::MoveScope(true));
    }
    store.call(call).await
}

pub(super) async fn every_mover_wins(store: Store, call: Call) -> PortResult<Answer> {
    if moving(&store, &call).await?.is_some() {
        pause().await;
        store.call(call).await?;
        return Ok(Answer::MoveScope(true));
    }
    store.call(call).await
}

pub(super) async fn move_by_deletion(store: Store, call: Call) -> PortResult<Answer> {
    if let Some((tenant, grant, scope)) = moving(&store, &call).await? {
        end(&store, &tenant, &new_of(&grant)).await?;
        pause().await;
        let new = NewGrant {
            scope,
            ..new_of(&grant)
        };
        store.assign(&tenant, new, grant.granted_at).await?;
        return Ok(Answer::MoveScope(true));
    }
    store.call(call).await
}

// Times.

pub(super) async fn global_roles_are_all(store: Store, call: Call) -> PortResult<Answer> {
    let Call::RolesOf {
        tenant,
        subject,
        scope: GrantScope::Global,
        now,
        page,
    } = &call
    else {
        return store.call(call).await;
    };
    let all = grants(&store, tenant, subject).await?;
    let live = all.into_iter().filter(|grant| grant.window.holds(*now));
    let mut items: Vec<RoleId> = live.map(|grant| grant.role).collect();
    items.dedup();
    items.truncate(usize::from(page.limit()));
    Ok(Answer::RolesOf(Page { items, next: None }))
}

pub(super) async fn only_ends_are_changes(store: Store, call: Call) -> PortResult<Answer> {
    let Call::NextChange {
        tenant,
        subject,
        now,
    } = &call
    else {
        return store.call(call).await;
    };
    let all = grants(&store, tenant, subject).await?;
    let ends = all.iter().filter_map(|grant| grant.window.until());
    Ok(Answer::NextChange(ends.filter(|until| until > now).min()))
}

// Lists.

pub(super) async fn nothing_is_an_error(
    method: &'static str,
    store: Store,
    call: Call,
) -> PortResult<Answer> {
    let asked = call.method() == method;
    let answer = store.call(call).await?;
    let nothing = match &answer {
        Answer::GrantsOf(page) | Answer::HoldersOf(page) => page.items.is_empty(),
        Answer::RolesOf(page) => page.items.is_empty(),
        Answer::Attributes(known) => known.is_empty(),
        _ => false,
    };
    if asked && nothing {
        return Err(PortError::NotFound("no rows".into()));
    }
    Ok(answer)
}

/// The page that a call asks for.
fn page_of(call: &mut Call) -> Option<&mut PageRequest> {
    match call {
        Call::GrantsOf { page, .. } | Call::HoldersOf { page, .. } | Call::RolesOf { page, .. } => {
            Some(page)
        }
        _ => None,
    }
}

pub(super) async fn begins_anew(
    method: &'static str,
    store: Store,
    mut call: Call,
) -> PortResult<Answer> {
    let answer = store.call(call.clone()).await;
    let asked = call.method() == method;
    match (answer, page_of(&mut call)) {
        (Err(PortError::InvalidCursor), Some(page)) if asked => {
            *page = first(page.limit())?;
            store.call(call).await
        }
        (answer, _) => answer,
    }
}

pub(super) async fn driver_error(
    method: &'static str,
    store: Store,
    call: Call,
) -> PortResult<Answer> {
    let asked = call.method() == method;
    store.call(call).await.map_err(|error| match error {
        PortError::InvalidCursor if asked => syntax_error(),
        error => error,
    })
}

/// The part of the whole list at an offset, and the cursor that says the next.
fn slice<T>(whole: Page<T>, offset: usize, limit: usize) -> Page<T> {
    let count = whole.items.len();
    let items: Vec<T> = whole.items.into_iter().skip(offset).take(limit).collect();
    let end = offset + items.len();
    let next = (end < count)
        .then(|| Cursor::new(end.to_string()).ok())
        .flatten();
    Page { items, next }
}

pub(super) async fn offset_paging(
    method: &'static str,
    store: Store,
    mut call: Call,
) -> PortResult<Answer> {
    if call.method() != method {
        return store.call(call).await;
    }
    let Some(page) = page_of(&mut call) else {
        return store.call(call).await;
    };
    let limit = usize::from(page.limit());
    let offset = page
        .cursor()
        .map_or(Ok(0), |cursor| cursor.as_str().parse());
    let offset: usize = offset.map_err(|_| PortError::InvalidCursor)?;
    *page = first(1000)?;
    Ok(match store.call(call).await? {
        Answer::GrantsOf(whole) => Answer::GrantsOf(slice(whole, offset, limit)),
        Answer::HoldersOf(whole) => Answer::HoldersOf(slice(whole, offset, limit)),
        Answer::RolesOf(whole) => Answer::RolesOf(slice(whole, offset, limit)),
        answer => answer,
    })
}

// Attributes.

fn set_all(known: Attributes) -> Changes {
    let set = |(name, value)| (name, AttributeChange::Set(value));
    known.into_iter().map(set).collect()
}

pub(super) async fn merge_replaces_the_bag(store: Store, mut call: Call) -> PortResult<Answer> {
    if let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = &mut call
    {
        for name in store.attributes(tenant, subject).await?.into_keys() {
            changes.entry(name).or_insert(AttributeChange::Clear);
        }
    }
    store.call(call).await
}

pub(super) async fn documents_are_merged(store: Store, mut call: Call) -> PortResult<Answer> {
    if let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = &mut call
    {
        for (name, old) in store.attributes(tenant, subject).await? {
            if let Some(AttributeChange::Set(new)) = changes.get_mut(&name)
                && let (Value::Object(old), Value::Object(given)) = (old.value(), new.value())
            {
                let mut merged = old.clone();
                merged.extend(given.clone());
                *new = document(Value::Object(merged));
            }
        }
    }
    store.call(call).await
}

pub(super) async fn changes_count_as_new(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = &call
        && store.attributes(tenant, subject).await?.len() + changes.len() > 256
    {
        return Err(PortError::refused("attributes", "are more than 256"));
    }
    store.call(call).await
}

pub(super) async fn half_is_kept(store: Store, call: Call) -> PortResult<Answer> {
    let answer = store.call(call.clone()).await;
    if let (
        Err(PortError::Refused { .. }),
        Call::MergeAttributes {
            tenant,
            subject,
            changes,
        },
    ) = (&answer, call)
    {
        let known = store.attributes(&tenant, &subject).await?;
        let half = changes
            .into_iter()
            .filter(|(name, _)| known.contains_key(name))
            .collect();
        store.merge_attributes(&tenant, &subject, &half).await?;
    }
    answer
}

pub(super) async fn merge_writes_back(store: Store, call: Call) -> PortResult<Answer> {
    let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = call
    else {
        return store.call(call).await;
    };
    let mut read = set_all(store.attributes(&tenant, &subject).await?);
    pause().await;
    read.extend(changes);
    // What came since is not in the bag that is written.
    for name in store.attributes(&tenant, &subject).await?.into_keys() {
        read.entry(name).or_insert(AttributeChange::Clear);
    }
    let answer = store.merge_attributes(&tenant, &subject, &read).await?;
    Ok(Answer::MergeAttributes(answer))
}

pub(super) async fn limit_is_checked_first(store: Store, call: Call) -> PortResult<Answer> {
    let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = &call
    else {
        return store.call(call).await;
    };
    let known = store.attributes(tenant, subject).await?;
    let has_room = known.len() + changes.len() <= 256;
    pause().await;
    match store.call(call).await {
        // An adapter that checks no more than this would have written it.
        Err(PortError::Refused { .. }) if has_room => Ok(Answer::MergeAttributes(known)),
        answer => answer,
    }
}

pub(super) async fn merge_one_by_one(store: Store, call: Call) -> PortResult<Answer> {
    let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = call
    else {
        return store.call(call).await;
    };
    for (name, change) in changes {
        let one = BTreeMap::from([(name, change)]);
        store.merge_attributes(&tenant, &subject, &one).await?;
        pause().await;
    }
    let answer = store.attributes(&tenant, &subject).await?;
    Ok(Answer::MergeAttributes(answer))
}

// Ends.

/// Ends at most `limit` grants of a subject, one by one.
async fn end_grants(
    store: &Store,
    tenant: &TenantId,
    subject: &SubjectId,
    limit: u16,
) -> PortResult<u64> {
    let mut count = 0;
    for grant in store
        .grants_of(tenant, subject, &first(limit)?)
        .await?
        .items
    {
        count += end(store, tenant, &new_of(&grant)).await?;
    }
    Ok(count)
}

pub(super) async fn forget_leaves_attributes(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Forget { tenant, subject } = &call else {
        return store.call(call).await;
    };
    Ok(Answer::Forget(
        end_grants(&store, tenant, subject, 1000).await?,
    ))
}

pub(super) async fn first_hundred_are_forgotten(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Forget { tenant, subject } = &call else {
        return store.call(call).await;
    };
    let known = store.attributes(tenant, subject).await?;
    let count = known.len() as u64 + end_grants(&store, tenant, subject, 100).await?;
    let clear = known
        .into_keys()
        .map(|name| (name, AttributeChange::Clear))
        .collect();
    store.merge_attributes(tenant, subject, &clear).await?;
    Ok(Answer::Forget(count))
}

pub(super) async fn forget_is_a_pattern(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::Forget { tenant, subject } = &call
        && ["%", "*"].contains(&subject.as_str())
    {
        let mut count = 0;
        let editors = store
            .holders_of(tenant, &id("editor"), &first(1000)?)
            .await?;
        for grant in editors.items {
            count += store.forget(tenant, &grant.subject).await?;
        }
        return Ok(Answer::Forget(count));
    }
    store.call(call).await
}

pub(super) async fn forgotten_is_hidden(
    memory: Memory,
    store: Store,
    call: Call,
) -> PortResult<Answer> {
    match call {
        Call::Forget { tenant, subject } => {
            let known = store.attributes(&tenant, &subject).await?;
            let answer = store.forget(&tenant, &subject).await?;
            let key = format!("{tenant:?} {subject:?}");
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.insert(key, Answer::Attributes(known));
            Ok(Answer::Forget(answer))
        }
        Call::MergeAttributes {
            tenant,
            subject,
            changes,
        } => {
            let key = format!("{tenant:?} {subject:?}");
            let hidden = memory
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&key);
            let mut all = match hidden {
                Some(Answer::Attributes(known)) => set_all(known),
                _ => Changes::new(),
            };
            all.extend(changes);
            let answer = store.merge_attributes(&tenant, &subject, &all).await?;
            Ok(Answer::MergeAttributes(answer))
        }
        call => store.call(call).await,
    }
}

pub(super) async fn forget_counts_first(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Forget { tenant, subject } = &call else {
        return store.call(call).await;
    };
    let count = grants(&store, tenant, subject).await?.len()
        + store.attributes(tenant, subject).await?.len();
    pause().await;
    store.call(call).await?;
    Ok(Answer::Forget(count as u64))
}
