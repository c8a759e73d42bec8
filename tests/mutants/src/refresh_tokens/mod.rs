//! Mutants of the refresh token port.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    ClientId, FamiliesOf, Family, FamilyId, NewFamily, Port, PortResult, Ports, RefreshDigest,
    RefreshToken, RefreshTokenStore, RefreshTokenStoreAnswer as Answer,
    RefreshTokenStoreCall as Call, Rotation, Span, TenantId, Timestamp,
};

mod bulk;
mod cancelled;
mod ends;
mod found;
mod races;
mod records;
mod reuse;
mod rotations;
mod sweeps;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    [
        records::mutants(),
        found::mutants(),
        rotations::mutants(),
        reuse::mutants(),
        races::mutants(),
        ends::mutants(),
        bulk::mutants(),
        sweeps::mutants(),
        cancelled::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A mutant whose refresh token port answers calls as `fault` says.
fn mutant<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Table, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let notes = Arc::default();
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        ports.refresh_tokens = ports
            .refresh_tokens
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
        ports.refresh_tokens = ports
            .refresh_tokens
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
    change: fn(&Call, PortResult<Answer>) -> PortResult<Answer>,
) -> Mutant<Ports> {
    mutant(id, breaks, move |table, call| async move {
        let answer = table.call(call.clone()).await;
        change(&call, answer)
    })
}

/// A mutant that keeps something else of a family than it is given, or makes it so by rotating it:
/// every answer shows it.
fn keeps(
    id: &'static str,
    breaks: &'static str,
    change: impl Fn(&mut Family) + Clone + Send + Sync + 'static,
) -> Mutant<Ports> {
    mutant(id, breaks, move |table, call| {
        let change = change.clone();
        async move {
            let mut answer = table.call(call).await?;
            each(&mut answer, change);
            Ok(answer)
        }
    })
}

/// A mutant that stores something else than it is given.
fn stores(id: &'static str, breaks: &'static str, change: fn(&mut NewFamily)) -> Mutant<Ports> {
    mutant(id, breaks, move |table, mut call| async move {
        if let Call::Issue { family, .. } = &mut call {
            change(family);
        }
        table.call(call).await
    })
}

/// A mutant that rotates as `fault` says.
fn rotates<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Table, Rotate) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Rotation>> + Send + 'static,
{
    mutant(id, breaks, move |table, call| {
        let fault = fault.clone();
        async move {
            let Call::Rotate {
                tenant,
                client,
                old,
                new,
                leeway,
                now,
            } = call
            else {
                return table.call(call).await;
            };
            let rotate = Rotate {
                tenant,
                client,
                old,
                new,
                leeway,
                now,
            };
            fault(table, rotate).await.map(Answer::Rotate)
        }
    })
}

fn with_fault<F, A>(
    port: Arc<dyn RefreshTokenStore>,
    notes: &Arc<Mutex<Notes>>,
    fault: F,
) -> Arc<dyn RefreshTokenStore>
where
    F: Fn(Table, Call) -> A + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let notes = Arc::clone(notes);
    faulty(port, move |store, call| {
        let table = Table {
            store,
            notes: Arc::clone(&notes),
        };
        table.note_tokens(&call);
        fault(table, call)
    })
}

/// A call of `rotate`.
#[derive(Clone)]
struct Rotate {
    tenant: TenantId,
    client: ClientId,
    old: RefreshDigest,
    new: RefreshDigest,
    leeway: Option<Span>,
    now: Timestamp,
}

impl Rotate {
    /// What the right adapter answers.
    async fn on(&self, table: &Table) -> PortResult<Rotation> {
        let Self { tenant, client, .. } = self;
        let store = &table.store;
        store
            .rotate(tenant, client, &self.old, &self.new, self.leeway, self.now)
            .await
    }

    /// The token that is presented, when its family is live.
    async fn presented(&self, table: &Table) -> PortResult<Option<RefreshToken>> {
        table.store.get(&self.tenant, &self.old, self.now).await
    }

    /// The same with another leeway.
    fn within(self, leeway: Option<Span>) -> Self {
        Self { leeway, ..self }
    }
}

/// A leeway in which everything is a retry.
fn forever() -> Option<Span> {
    Span::from_micros(Timestamp::MAX.as_micros()).ok()
}

type Key = (TenantId, RefreshDigest);

/// What a mutant knows of the calls before.
#[derive(Default)]
struct Notes {
    /// Every token that may be stored.
    tokens: BTreeSet<Key>,
    /// Those of them that a mutant has not stored yet, or has removed before the rest.
    missing: BTreeSet<Key>,
    /// A cache that a mutant keeps.
    cache: BTreeMap<Key, RefreshToken>,
    /// Tokens that a mutant noted, each with an instant.
    times: BTreeMap<Key, Timestamp>,
    /// Families that a mutant noted, each with an instant.
    families: BTreeMap<(TenantId, FamilyId), Timestamp>,
}

/// What a mutant stands on: the right adapter, seen as a table that statements go wrong on.
#[derive(Clone)]
struct Table {
    store: Arc<dyn RefreshTokenStore>,
    notes: Arc<Mutex<Notes>>,
}

impl Table {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_tokens(&self, call: &Call) {
        let key = match call {
            Call::Issue { tenant, family, .. } => (tenant.clone(), family.token.clone()),
            Call::Rotate { tenant, new, .. } => (tenant.clone(), new.clone()),
            _ => return,
        };
        self.notes().tokens.insert(key);
    }

    /// What the right adapter answers.
    async fn call(&self, call: Call) -> PortResult<Answer> {
        self.store.call(call).await
    }

    /// A stored token, whether its family is live or not.
    async fn row(
        &self,
        tenant: &TenantId,
        token: &RefreshDigest,
    ) -> PortResult<Option<RefreshToken>> {
        self.store.get(tenant, token, Timestamp::MIN).await
    }

    /// All stored families of a tenant, live or not, by their ids.
    async fn rows(&self, tenant: &TenantId) -> PortResult<Vec<Family>> {
        let tokens: Vec<RefreshDigest> = {
            let notes = self.notes();
            let theirs = notes.tokens.iter().filter(|(of, _)| of == tenant);
            theirs.map(|(_, token)| token.clone()).collect()
        };
        let mut rows = BTreeMap::new();
        for token in tokens {
            if let Some(found) = self.row(tenant, &token).await? {
                rows.insert(found.family.id.clone(), found.family);
            }
        }
        Ok(rows.into_values().collect())
    }

    /// Removes these families by their ids; answers how many were still there.
    async fn delete(&self, tenant: &TenantId, rows: Vec<Family>) -> PortResult<u64> {
        let mut deleted = 0;
        for row in rows {
            deleted += u64::from(self.store.revoke(tenant, &row.id).await?);
        }
        Ok(deleted)
    }
}

/// Whether a family is meant.
fn is_meant(whose: &FamiliesOf, family: &Family) -> bool {
    match whose {
        FamiliesOf::Identity(identity) => family.identity == *identity,
        FamiliesOf::Client(client) => family.client == *client,
        FamiliesOf::Session(session) => family.session.as_ref() == Some(session),
        FamiliesOf::Everybody => true,
    }
}

/// What a family was issued from, with this id and token instead.
fn new_of(family: &Family, id: FamilyId, token: RefreshDigest) -> NewFamily {
    NewFamily {
        id,
        token,
        identity: family.identity.clone(),
        client: family.client.clone(),
        session: family.session.clone(),
        idle: family.idle,
        ends_at: family.ends_at,
        data: family.data.clone(),
    }
}

/// Changes each family in an answer.
fn each(answer: &mut Answer, change: impl Fn(&mut Family)) {
    match answer {
        Answer::Issue(family) => change(family),
        Answer::Get(Some(token)) => change(&mut token.family),
        Answer::Rotate(
            Rotation::Rotated(family) | Rotation::Retried(family) | Rotation::Reused(family),
        ) => change(family),
        Answer::ListOf(page) => page.items.iter_mut().for_each(change),
        _ => {}
    }
}

/// Lets all others run who are on their way: what comes after was decided before they did.
async fn others_run() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}
