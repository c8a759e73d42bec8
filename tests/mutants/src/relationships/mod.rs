//! Mutants of the relationship port.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    Edge, EdgeBatch, EdgeWrite, Port, PortResult, Ports, Relationship, RelationshipStore,
    RelationshipStoreAnswer as Answer, RelationshipStoreCall as Call, TenantId, Timestamp,
};

use crate::edits::{Edits, common};

mod cancelled;
mod ids;
mod lists;
mod preconditions;
mod races;
mod removals;
mod writes;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let edits = Edits::new(|ports| &mut ports.relationships);
    [
        edits
            .common(&common!("relationships", "from", "keeps_edges"))
            .done(),
        writes::mutants(),
        ids::mutants(),
        preconditions::mutants(),
        removals::mutants(),
        lists::mutants(),
        races::mutants(),
        cancelled::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A mutant whose relationship port answers calls as `fault` says.
fn mutant<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Table, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let notes: Arc<Mutex<Notes>> = Arc::default();
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        let (notes, fault) = (Arc::clone(&notes), fault.clone());
        ports.relationships = ports.relationships.map(|port| {
            faulty(port, move |store, call| {
                let table = Table {
                    store,
                    notes: Arc::clone(&notes),
                };
                table.note_edges(&call);
                fault(table, call)
            })
        });
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

/// A mutant that writes batches as `fault` says.
fn writes<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(Table, Batch) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<()>> + Send + 'static,
{
    mutant(id, breaks, move |table, call| {
        let fault = fault.clone();
        async move {
            let Call::Write { tenant, batch, now } = call else {
                return table.call(call).await;
            };
            fault(table, Batch { tenant, batch, now })
                .await
                .map(Answer::Write)
        }
    })
}

/// A mutant that stores something else than it is given.
fn stores(
    id: &'static str,
    breaks: &'static str,
    change: fn(&EdgeWrite, &mut Relationship),
) -> Mutant<Ports> {
    writes(id, breaks, move |table, batch| async move {
        let changed = batch.writes().map(|mut write| {
            let before = write.clone();
            if let EdgeWrite::Create(given) | EdgeWrite::Touch(given) = &mut write {
                change(&before, given);
            }
            write
        });
        batch.with(changed.collect())?.on(&table).await
    })
}

/// A call of `write`.
#[derive(Clone)]
struct Batch {
    tenant: TenantId,
    batch: EdgeBatch,
    now: Timestamp,
}

impl Batch {
    fn writes(&self) -> impl Iterator<Item = EdgeWrite> {
        self.batch.writes().to_vec().into_iter()
    }

    /// The same with other writes.
    fn with(&self, writes: Vec<EdgeWrite>) -> PortResult<Self> {
        let batch = EdgeBatch::new(writes)?.given(self.batch.preconditions().to_vec())?;
        Ok(Self {
            batch,
            ..self.clone()
        })
    }

    /// The same without preconditions.
    fn unconditional(&self) -> PortResult<Self> {
        Ok(Self {
            batch: EdgeBatch::new(self.batch.writes().to_vec())?,
            ..self.clone()
        })
    }

    /// What the right adapter answers.
    async fn on(&self, table: &Table) -> PortResult<()> {
        table.store.write(&self.tenant, &self.batch, self.now).await
    }
}

/// What a mutant knows of the calls before.
#[derive(Default)]
struct Notes {
    /// Every edge that may be stored.
    edges: BTreeSet<(TenantId, Edge)>,
    /// Edges that a mutant noted.
    deleted: BTreeSet<(TenantId, Edge)>,
}

/// What a mutant stands on: the right adapter, seen as a table that statements go wrong on.
#[derive(Clone)]
struct Table {
    store: Arc<dyn RelationshipStore>,
    notes: Arc<Mutex<Notes>>,
}

impl Table {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_edges(&self, call: &Call) {
        if let Call::Write { tenant, batch, .. } = call {
            let edges = batch.writes().iter().map(EdgeWrite::edge);
            let edges = edges.map(|edge| (tenant.clone(), edge.clone()));
            self.notes().edges.extend(edges);
        }
    }

    /// What the right adapter answers.
    async fn call(&self, call: Call) -> PortResult<Answer> {
        self.store.call(call).await
    }

    /// A stored edge, whether it is over or not.
    async fn row(&self, tenant: &TenantId, edge: &Edge) -> PortResult<Option<Relationship>> {
        self.store.get(tenant, edge, Timestamp::MIN).await
    }

    /// The stored edges of a tenant that are `meant`, over or not.
    async fn rows(
        &self,
        tenant: &TenantId,
        meant: impl Fn(&Relationship) -> bool + Send,
    ) -> PortResult<Vec<Relationship>> {
        let edges: Vec<Edge> = {
            let notes = self.notes();
            let theirs = notes.edges.iter().filter(|(of, _)| of == tenant);
            theirs.map(|(_, edge)| edge.clone()).collect()
        };
        let mut rows = Vec::new();
        for edge in edges {
            rows.extend(self.row(tenant, &edge).await?.filter(&meant));
        }
        Ok(rows)
    }

    /// Removes an edge; answers whether it was there.
    async fn delete(&self, tenant: &TenantId, edge: &Edge) -> PortResult<bool> {
        let filter = portproof_ports::EdgeFilter::only(edge);
        let every = portproof_ports::HowMany::Every;
        Ok(self.store.delete_where(tenant, &filter, every).await? == 1)
    }
}

/// Changes each edge in an answer.
fn each(answer: &mut Answer, change: impl Fn(&mut Relationship)) {
    match answer {
        Answer::Get(Some(found)) => change(found),
        Answer::From(page) | Answer::To(page) => page.items.iter_mut().for_each(change),
        _ => {}
    }
}

/// Lets the other callers of a race run.
async fn others_run() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}
