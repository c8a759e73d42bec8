//! Mutants of the outbox port.

use std::sync::Arc;

use portproof::mutants::Mutant;
use portproof_ports::{
    Claim, OutboxStore, OutboxStoreAnswer as Answer, OutboxStoreCall as Call, PortResult, Ports,
    TenantId,
};
use serde_json::{Value, json};

use crate::edits::{Common, Edits, common};

mod cancelled;
mod claims;
mod fences;
mod lists;
mod outcomes;
mod races;
mod records;
mod rows;
mod sweeps;

use rows::Rows;

/// The port's mutants, while they are put together.
type Port = Edits<dyn OutboxStore>;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let edits = Edits::new(|ports: &mut Ports| &mut ports.outbox);
    let common: Common = common!("outbox", "list_given_up", "keeps_items");
    let edits = records::mutants(edits.common(&common));
    let edits = races::mutants(claims::mutants(edits));
    let edits = outcomes::mutants(fences::mutants(edits));
    let edits = sweeps::mutants(lists::mutants(edits));
    cancelled::mutants(edits).done()
}

/// [`Rows`] without a fault, which no rule may notice.
pub(crate) fn unfaulted() -> Vec<Mutant<Ports>> {
    let edits = Edits::new(|ports: &mut Ports| &mut ports.outbox);
    on_rows(edits, "outbox::rows", "outbox", |rows, call| async move {
        rows.call(call)
    })
    .done()
}

/// A mutant whose outbox is [`Rows`], with a fault in some of the calls.
fn on_rows<F, A>(edits: Port, id: &'static str, breaks: &'static str, fault: F) -> Port
where
    F: Fn(Rows, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let rows = Rows::default();
    edits.fault(id, breaks, move |_: Arc<dyn OutboxStore>, call| {
        fault(rows.clone(), call)
    })
}

/// The claim that a call shows, and its tenant.
fn shown(call: &Call) -> Option<(&TenantId, &Claim)> {
    match call {
        Call::Renew { tenant, claim, .. }
        | Call::Complete { tenant, claim, .. }
        | Call::PutBack { tenant, claim, .. }
        | Call::GiveUp { tenant, claim, .. } => Some((tenant, claim)),
        _ => None,
    }
}

/// What a call that shows a claim answers.
fn answer_of(call: &Call, held: bool) -> Answer {
    match call {
        Call::Renew { .. } => Answer::Renew(held),
        Call::Complete { .. } => Answer::Complete(held),
        Call::PutBack { .. } => Answer::PutBack(held),
        _ => Answer::GiveUp(held),
    }
}

/// Lets all others run who are on their way: what comes after was decided before they did.
async fn others_run() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// An item that nobody put.
fn invented() -> Value {
    json!({
        "id": "invented",
        "kind": "mail",
        "payload": {},
        "state": {"waiting": {"due_at": 0}},
        "attempts": 0,
        "trouble": null,
        "created_at": 0,
    })
}
