//! Appends and prunings that are dropped half way.

use std::sync::Arc;

use portproof_ports::{
    Event, EventStore,
    ExpectedHead::{Absent, Anything, At},
    PageRequest, Ports, Position, Sequence, TenantId,
};

use super::{Events, batch_of, id, sequence, stream, subject_stream};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::{START, day, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![append_cancelled, prune_cancelled]
}

/// The log, the subject stream and its head, but for the mark.
type Seen = (Vec<Event>, Vec<Event>, Option<Sequence>);

impl Records for Events {
    type Store = dyn EventStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn EventStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        let (there, given) = (subject_stream()?, batch_of(&["one", "two", "three"])?);
        self.store
            .append(tenant, &there, Anything, &given, START)
            .await?;
        Ok(())
    }

    async fn look(&self, store: &Arc<dyn EventStore>, tenant: &TenantId) -> Result<Seen, Failure> {
        let (there, page) = (subject_stream()?, PageRequest::first(100)?);
        let mut log = store.read_all(tenant, Position::START, &page).await?.items;
        // Which of the mark and the dropped write came first is not known.
        log.retain(|event| event.stream == there);
        let mut read = store
            .read(tenant, &there, Sequence::FIRST, &page)
            .await?
            .items;
        for event in log.iter_mut().chain(&mut read) {
            event.position = Position::START;
        }
        Ok((log, read, store.head(tenant, &there).await?))
    }

    async fn mark(&self, store: &Arc<dyn EventStore>, tenant: &TenantId) -> Checked {
        let given = batch_of(&["mark"])?;
        store
            .append(tenant, &stream("marked")?, Absent, &given, day(2))
            .await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn EventStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        Ok(store.get(tenant, &id("mark")?).await?.is_some())
    }
}

/// An append that is dropped wherever it waits stores the whole batch or nothing, with its stream's
/// head, and the next calls work: the same append finds what it stored.
///
/// A request whose client hangs up would leave half of what it did in the log, or a head that nobody
/// can follow.
#[rule(
    "events::append::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn append_cancelled(w: &Events) -> Checked {
    let there = &subject_stream()?;
    let given = &batch_of(&["four", "five", "six"])?;
    let expected = At(sequence(3)?);
    whole(w, |store, tenant| async move {
        store
            .append(&tenant, there, expected, given, minute(6))
            .await
    })
    .await
}

/// A pruning that is dropped wherever it waits removes all that it was to remove or none, and the next
/// calls work.
///
/// An event that is gone from one list and not from the other is one that nobody can account for.
#[rule(
    "events::prune::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn prune_cancelled(w: &Events) -> Checked {
    whole(w, |store, tenant| async move {
        store.prune(&tenant, day(1), 1000).await
    })
    .await
}
