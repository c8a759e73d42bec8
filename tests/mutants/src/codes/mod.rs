//! Mutants of the codes port.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    BoundTo, Code, CodeDigest, CodeKind, CodeKinds, CodeStore, CodeStoreAnswer as Answer,
    CodeStoreCall as Call, CodesOf, Consumed, Port, PortResult, Ports, TenantId, Timestamp,
};

mod cancelled;
mod consumption;
mod ends;
mod guesses;
mod records;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    [
        records::mutants(),
        consumption::mutants(),
        guesses::mutants(),
        ends::mutants(),
        cancelled::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A mutant whose codes port answers calls as `fault` says.
fn mutant<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Table, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let notes = Arc::default();
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        ports.codes = ports
            .codes
            .map(|port| with_fault(port, &notes, fault.clone()));
        ports
    })
}

/// A mutant of which each handle keeps notes to itself, as a process keeps its cache.
fn mutant_per_handle<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Table, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        ports.codes = ports
            .codes
            .map(|port| with_fault(port, &Arc::default(), fault.clone()));
        ports
    })
}

/// A mutant that asks the right adapter for something else.
fn asks(id: &'static str, breaks: &'static str, change: fn(&mut Call)) -> Mutant<Ports> {
    mutant(id, breaks, move |table, mut call| async move {
        change(&mut call);
        table.call(call).await
    })
}

/// A mutant that tells something else than the right adapter answers.
fn tells(
    id: &'static str,
    breaks: &'static str,
    change: fn(&Call, Answer) -> PortResult<Answer>,
) -> Mutant<Ports> {
    mutant(id, breaks, move |table, call| async move {
        let answer = table.call(call.clone()).await?;
        change(&call, answer)
    })
}

/// A mutant that answers a refused consumption as `change` says of the code that is stored, if one
/// is.
fn refuses<F, A>(id: &'static str, breaks: &'static str, change: F) -> Mutant<Ports>
where
    F: Fn(Table, Refusal) -> A + Copy + Send + Sync + 'static,
    A: Future<Output = PortResult<Consumed>> + Send + 'static,
{
    mutant(id, breaks, move |table, call| async move {
        let answer = table.call(call.clone()).await?;
        let (
            Call::Consume {
                tenant,
                kind,
                id,
                bound_to,
                now,
            },
            Answer::Consume(Consumed::Refused),
        ) = (call, &answer)
        else {
            return Ok(answer);
        };
        let Some(stored) = table.row(&(tenant.clone(), kind, id)).await? else {
            return Ok(answer);
        };
        let refusal = Refusal {
            tenant,
            stored,
            bound_to,
            now,
        };
        Ok(Answer::Consume(change(table, refusal).await?))
    })
}

/// A consumption that the right adapter refuses.
struct Refusal {
    tenant: TenantId,
    /// The code of this kind and id, as it was before its end.
    stored: Code,
    bound_to: BoundTo,
    now: Timestamp,
}

impl Refusal {
    fn key(&self) -> Key {
        key(&self.tenant, &self.stored)
    }
}

fn with_fault<F, A>(
    store: Arc<dyn CodeStore>,
    notes: &Arc<Mutex<Notes>>,
    fault: F,
) -> Arc<dyn CodeStore>
where
    F: Fn(Table, Call) -> A + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let notes = Arc::clone(notes);
    faulty(store, move |store, call| {
        let notes = Arc::clone(&notes);
        fault(Table { store, notes }, call)
    })
}

type Key = (TenantId, CodeKind, CodeDigest);

/// What a mutant knows of the calls before.
#[derive(Default)]
struct Notes {
    /// Every code that was stored.
    stored: BTreeMap<Key, Code>,
    /// Every code that was consumed, as it was then.
    consumed: BTreeMap<Key, Code>,
    /// An index, a cache or a bin that a mutant keeps beside the table.
    beside: BTreeMap<Key, Code>,
    /// What a mutant believes not to be there, or to be busy.
    marked: BTreeSet<Key>,
}

/// What a mutant stands on: the right adapter, seen as a table that statements go wrong on.
#[derive(Clone)]
struct Table {
    store: Arc<dyn CodeStore>,
    notes: Arc<Mutex<Notes>>,
}

impl Table {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the right adapter answers.
    async fn call(&self, call: Call) -> PortResult<Answer> {
        let tenant = tenant_of(&call).cloned();
        let answer = self.store.call(call).await?;
        if let Some(tenant) = tenant {
            match &answer {
                Answer::Put(code) => {
                    let key = key(&tenant, code);
                    self.notes().stored.insert(key, code.clone());
                }
                Answer::Consume(Consumed::First(code)) => {
                    let key = key(&tenant, code);
                    self.notes().consumed.insert(key, code.clone());
                }
                _ => {}
            }
        }
        Ok(answer)
    }

    /// A stored code, whatever the time; `None` for one that is guessed out.
    async fn row(&self, key: &Key) -> PortResult<Option<Code>> {
        let (tenant, kind, id) = key;
        self.store.peek(tenant, kind, id, Timestamp::MIN).await
    }

    /// The stored codes of a tenant that `what` holds for.
    async fn rows(&self, tenant: &TenantId, what: fn(&Code) -> bool) -> PortResult<Vec<Code>> {
        let keys: Vec<Key> = {
            let notes = self.notes();
            let theirs = notes.stored.keys().filter(|(of, ..)| of == tenant);
            theirs.cloned().collect()
        };
        let mut rows = Vec::new();
        for key in keys {
            rows.extend(self.row(&key).await?.filter(what));
        }
        Ok(rows)
    }
}

fn key(tenant: &TenantId, code: &Code) -> Key {
    (tenant.clone(), code.kind.clone(), code.id.clone())
}

/// Which code a call is about, if it is about one.
fn key_of(call: &Call) -> Option<Key> {
    match call {
        Call::Put { tenant, code, .. } => {
            Some((tenant.clone(), code.kind.clone(), code.id.clone()))
        }
        Call::Peek {
            tenant, kind, id, ..
        }
        | Call::Consume {
            tenant, kind, id, ..
        }
        | Call::RecordFailure {
            tenant, kind, id, ..
        }
        | Call::Revoke { tenant, kind, id } => Some((tenant.clone(), kind.clone(), id.clone())),
        Call::Ready {} | Call::RevokeAllOf { .. } | Call::Sweep { .. } => None,
    }
}

/// The tenant of a call.
fn tenant_of(call: &Call) -> Option<&TenantId> {
    match call {
        Call::Ready {} => None,
        Call::Put { tenant, .. }
        | Call::Peek { tenant, .. }
        | Call::Consume { tenant, .. }
        | Call::RecordFailure { tenant, .. }
        | Call::Revoke { tenant, .. }
        | Call::RevokeAllOf { tenant, .. }
        | Call::Sweep { tenant, .. } => Some(tenant),
    }
}

/// Whether a code is meant when somebody's codes are revoked.
fn is_meant(code: &Code, whose: &CodesOf, kinds: &CodeKinds) -> bool {
    let theirs = match whose {
        CodesOf::Identity(identity) => code.identity.as_ref() == Some(identity),
        CodesOf::Client(client) => code.bound_to == BoundTo::Client(client.clone()),
    };
    theirs && (*kinds == CodeKinds::Every || *kinds == CodeKinds::Only(code.kind.clone()))
}

/// A code as it is when it is consumed at `now`.
fn consumed_at(code: Code, now: Timestamp) -> Code {
    Code {
        consumed_at: Some(now),
        ..code
    }
}

/// Lets all others run who are on their way: what comes after was decided before they did.
async fn others_run() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}
