//! Mutants of the assignments port.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    AssignmentStore, AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, AttributeChange,
    AttributeName, Grant, GrantScope, NewGrant, PageRequest, Port, PortError, PortResult, Ports,
    RoleId, Scope, Span, SubjectId, TenantId, Timestamp, Which, Window,
};

mod attributes;
mod batches;
mod ends;
mod grants;
mod lists;
mod moves;
mod revocations;
mod times;

/// What a database's own clock might say.
const SERVER_CLOCK: Timestamp = Timestamp::MIN.after(Span::seconds(1_774_900_000));

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    [
        grants::mutants(),
        batches::mutants(),
        revocations::mutants(),
        moves::mutants(),
        times::mutants(),
        lists::mutants(),
        attributes::mutants(),
        ends::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

type Store = Arc<dyn AssignmentStore>;
/// What a handle remembers on its own.
type Memory = Arc<Mutex<BTreeMap<String, Answer>>>;
type Changes = BTreeMap<AttributeName, AttributeChange>;

/// A mutant whose assignments port answers calls as `fault` says.
fn mutant<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
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
fn remembering<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
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
fn rewritten(id: &'static str, breaks: &'static str, rewrite: fn(Call) -> Call) -> Mutant<Ports> {
    mutant(id, breaks, move |store: Store, call| async move {
        store.call(rewrite(call)).await
    })
}

/// A mutant that answers something else than what it did.
fn answered(
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
fn failing(
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
fn id<T: TryFrom<String> + IdOf>(text: &str) -> T {
    T::try_from(text.to_owned()).unwrap_or_else(|_| T::dash())
}

/// Ids that have a value for what is no id.
trait IdOf {
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

fn window(from: Option<Timestamp>, until: Option<Timestamp>) -> Window {
    Window::new(from, until).unwrap_or(Window::ALWAYS)
}

fn micros(count: i64) -> Span {
    Span::from_micros(count).unwrap_or(Span::MICROSECOND)
}

fn syntax_error() -> PortError {
    PortError::Backend("syntax error".into())
}

fn folded(scope: &GrantScope) -> GrantScope {
    match scope {
        GrantScope::Global => GrantScope::Global,
        GrantScope::Scoped(scope) => GrantScope::Scoped(id(&scope.as_str().to_lowercase())),
    }
}

/// The call with `change` made to its subject.
fn with_subject(mut call: Call, change: impl Fn(&str) -> String) -> Call {
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
