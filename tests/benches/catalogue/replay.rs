//! The calls of a tape once more, without the kit: those of a case overlap as they did, and as many
//! cases run concurrently.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use portproof::{Opened, Target};
use portproof_ports::PortsTransaction;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::tape::{Act, Handle, Stores, Taped};

/// What a case of a replay calls.
struct Stage<T> {
    target: Arc<T>,
    first: Stores,
    second: Stores,
    opened: Mutex<HashMap<usize, Open>>,
}

/// A transaction, or the store once more.
struct Open {
    stores: Stores,
    transaction: Option<Box<dyn PortsTransaction>>,
}

/// Makes the calls of these cases, `at_once` cases at a time.
pub(crate) async fn replay<T: Target>(
    target: Arc<T>,
    cases: &[Arc<Vec<Taped>>],
    at_once: usize,
) -> Opened<()> {
    let first = target.open().await?;
    let second = Stores::of(&target.second(&first).await?);
    let first = Stores::of(&first);
    let gate = Arc::new(Semaphore::new(at_once));
    let mut tasks = JoinSet::new();
    for calls in cases {
        let stage = Stage {
            target: Arc::clone(&target),
            first: first.clone(),
            second: second.clone(),
            opened: Mutex::default(),
        };
        let (stage, calls, gate) = (Arc::new(stage), Arc::clone(calls), Arc::clone(&gate));
        tasks.spawn(async move {
            let _permit = gate.acquire().await;
            replay_case(&stage, &calls).await
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// A call begins when those have ended that had ended before it began.
async fn replay_case<T: Target>(stage: &Arc<Stage<T>>, calls: &Arc<Vec<Taped>>) -> Opened<()> {
    let mut running = JoinSet::new();
    let mut ends: Vec<u64> = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        while ends.iter().any(|end| *end < call.began) {
            let Some(ended) = running.join_next().await else {
                break;
            };
            let ended: u64 = ended?;
            ends.retain(|end| *end != ended);
        }
        let next = calls.get(number + 1);
        let is_alone = next.is_none_or(|next| next.began > call.ended);
        if is_alone && ends.is_empty() {
            again(stage, call).await;
            continue;
        }
        ends.push(call.ended);
        let (stage, calls) = (Arc::clone(stage), Arc::clone(calls));
        running.spawn(async move {
            again(&stage, &calls[number]).await;
            calls[number].ended
        });
    }
    while let Some(ended) = running.join_next().await {
        ended?;
    }
    Ok(())
}

/// Makes a call once more, and drops it after as many polls as it was dropped after.
async fn again<T: Target>(stage: &Stage<T>, call: &Taped) {
    let mut left = call.dropped_after;
    let mut run = pin!(stage.run(call));
    poll_fn(|task| {
        if left == Some(0) {
            return Poll::Ready(());
        }
        let polled = run.as_mut().poll(task);
        if let Some(left) = &mut left {
            *left -= 1;
            if *left == 0 {
                return Poll::Ready(());
            }
        }
        polled
    })
    .await;
}

impl<T: Target> Stage<T> {
    fn opened(&self) -> MutexGuard<'_, HashMap<usize, Open>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stores(&self, handle: Handle) -> Option<Stores> {
        match handle {
            Handle::First => Some(self.first.clone()),
            Handle::Second => Some(self.second.clone()),
            Handle::Opened(number) => self.opened().get(&number).map(|open| open.stores.clone()),
        }
    }

    fn end(&self, handle: Handle) -> Option<Box<dyn PortsTransaction>> {
        let Handle::Opened(number) = handle else {
            return None;
        };
        self.opened().remove(&number)?.transaction
    }

    async fn run(&self, call: &Taped) {
        match &call.act {
            Act::Call(again) => {
                if let Some(stores) = self.stores(call.handle) {
                    again.run(&stores).await;
                }
            }
            Act::Begin(number) => {
                let stores = self.stores(call.handle);
                let Some(transactions) = stores.and_then(|stores| stores.transactions) else {
                    return;
                };
                let begun = transactions.begin().await;
                // One that was dropped while it began may have begun sooner now: it ends all the same.
                if let (Ok(transaction), None) = (begun, call.dropped_after) {
                    let open = Open {
                        stores: Stores::of(transaction.ports()),
                        transaction: Some(transaction),
                    };
                    self.opened().insert(*number, open);
                }
            }
            Act::Commit => {
                if let Some(transaction) = self.end(call.handle) {
                    // The call that was first when it was recorded need not be first now.
                    let _ = transaction.commit().await;
                }
            }
            Act::Rollback => {
                if let Some(transaction) = self.end(call.handle) {
                    transaction.rollback().await;
                }
            }
            Act::Drop => drop(self.end(call.handle)),
            Act::Reopen(number) => {
                if let Some(Ok(ports)) = self.target.reopen().await {
                    let open = Open {
                        stores: Stores::of(&ports),
                        transaction: None,
                    };
                    self.opened().insert(*number, open);
                }
            }
            Act::Dump => {
                // Only what it costs counts.
                let _ = self.target.dump().await;
            }
        }
    }
}
