//! Calls that are dropped half way.

use std::sync::Arc;

use portproof_ports::{Attempt, Claim, Item, ItemState, OutboxStore, PageRequest, Ports, TenantId};

use super::{Follow, LEASE, Outbox, claimed, id, mail, new_item, of_kind, text};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, dropped_after, whole},
    cases,
    check::{equal, holds},
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        put_cancelled,
        claim_cancelled,
        complete_cancelled,
        put_back_cancelled,
        give_up_cancelled,
    ]
}

/// All that a write could leave a half of: a claimed item, one that may be put, and the list.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    items: [Option<Item>; 2],
    given_up: Vec<Item>,
}

impl Records for Outbox {
    type Store = dyn OutboxStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn OutboxStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        for name in ["first", "mark"] {
            let item = self.store.put(tenant, of_kind(name, name)?, START).await?;
            super::claim_of(&*self.store, tenant, &item, START).await?;
        }
        Ok(())
    }

    async fn look(&self, store: &Arc<dyn OutboxStore>, tenant: &TenantId) -> Result<Seen, Failure> {
        let page = PageRequest::first(10)?;
        Ok(Seen {
            items: [
                store.get(tenant, &id("first")?).await?,
                store.get(tenant, &id("second")?).await?,
            ],
            given_up: store.list_given_up(tenant, &page).await?.items,
        })
    }

    async fn mark(&self, store: &Arc<dyn OutboxStore>, tenant: &TenantId) -> Checked {
        let claim = first_claim("mark")?;
        store.complete(tenant, &claim, minute(1)).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn OutboxStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        let found = store.get(tenant, &id("mark")?).await?;
        Ok(found.is_some_and(|item| matches!(item.state, ItemState::Done { .. })))
    }
}

/// The first claim of the item with this name.
fn first_claim(name: &str) -> Result<Claim, Failure> {
    Ok(Claim {
        item: id(name)?,
        attempt: Attempt::NONE.next(),
    })
}

/// An item whose putting is dropped wherever it waits is there whole or not at all, and the next calls
/// work.
///
/// A worker that gets half of an item tells half of what happened.
#[rule(
    "outbox::put::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn put_cancelled(w: &Outbox) -> Checked {
    let given = &new_item("second")?;
    whole(w, |store, tenant| async move {
        store.put(&tenant, given.clone(), minute(1)).await
    })
    .await
}

/// An item whose completion is dropped wherever it waits is done or is still claimed, and the next calls
/// work.
///
/// Otherwise what is done is done again, or nobody can say that it is.
#[rule(
    "outbox::complete::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn complete_cancelled(w: &Outbox) -> Checked {
    follow_cancelled(w, Follow::Complete).await
}

/// An item whose putting back is dropped wherever it waits is due then, with what went wrong, or is
/// still claimed, and the next calls work.
///
/// Otherwise it is due and nobody knows why, or it says what went wrong with who is still at it.
#[rule(
    "outbox::put_back::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn put_back_cancelled(w: &Outbox) -> Checked {
    follow_cancelled(w, Follow::PutBack).await
}

/// An item whose giving up is dropped wherever it waits is given up, listed, and says why, or is still
/// claimed, and the next calls work.
///
/// Otherwise it is dead and in no list, and nobody comes to look at it.
#[rule(
    "outbox::give_up::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn give_up_cancelled(w: &Outbox) -> Checked {
    follow_cancelled(w, Follow::GiveUp).await
}

async fn follow_cancelled(w: &Outbox, follow: Follow) -> Checked {
    let claim = &first_claim("first")?;
    whole(w, |store, tenant| async move {
        follow.call(&*store, &tenant, claim, minute(1)).await
    })
    .await
}

/// Of items whose claim is dropped wherever it waits each is claimed or waits, and those that are
/// claimed by nobody who knows are due again when that time is over, as often as others are.
///
/// What a worker was about to get when its server went down is done by no other.
#[rule(
    "outbox::claim::cancelled_is_due_again",
    source = "the contract: what is claimed for somebody who does not learn of it is due again; sqlx #4385",
    environments = "pool_of_one"
)]
async fn claim_cancelled(w: &Outbox) -> Checked {
    const MOST_POLLS: u32 = 1_000;
    for polls in 1..MOST_POLLS {
        let tenant = w.context.tenant()?;
        if !claim_was_dropped(w, &tenant, polls)
            .await
            .map_err(|failure| failure.while_(&format!("a claim of {polls} polls was looked at")))?
        {
            return Ok(());
        }
    }
    Err(Failure::new("a claim did not come to its end"))
}

/// Drops a claim of several after so many polls; answers whether it was not done before that.
async fn claim_was_dropped(w: &Outbox, tenant: &TenantId, polls: u32) -> Result<bool, Failure> {
    let (kind, now) = (mail()?, minute(10));
    let mut waiting = Vec::new();
    for name in ["a", "b", "c", "d"] {
        waiting.push(w.store.put(tenant, new_item(name)?, START).await?);
    }
    let call = w.store.claim(tenant, &kind, 3, LEASE, now);
    let answer = dropped_after(polls, call).await.transpose()?;
    let until = now.after(LEASE);
    for item in &waiting {
        let found = w.other.get(tenant, &item.id).await?;
        let is_whole = found.as_ref() == Some(item) || found == Some(claimed(item, until));
        holds(
            is_whole,
            format!("an item waits or is claimed, got {found:?}"),
        )?;
    }
    // The backend may still be at it: whoever asks often enough is answered all four, each once.
    let mut taken = Vec::new();
    for handle in 0..1_000 {
        let store = w.handle(handle);
        taken.extend(store.claim(tenant, &kind, 10, LEASE, until).await?);
        if taken.len() >= waiting.len() {
            break;
        }
        tokio::task::yield_now().await;
    }
    taken.sort_by(|a, b| a.id.cmp(&b.id));
    equal("how many are due again", &taken.len(), &waiting.len())?;
    for (taken, item) in taken.iter().zip(&waiting) {
        let first = claimed(item, until.after(LEASE));
        let second = claimed(&claimed(item, until), until.after(LEASE));
        holds(
            *taken == first || *taken == second,
            format!("an item is claimed once or twice, got {taken:?}"),
        )?;
        let held = w.other.complete(tenant, &taken.claim(), until).await?;
        equal("whether the next claim holds", &held, &true)?;
    }
    let why = text("late")?;
    for item in &waiting {
        let claim = first_claim(item.id.as_str())?;
        let held = w.store.put_back(tenant, &claim, START, &why).await?;
        equal("whether a claim of before holds", &held, &false)?;
    }
    Ok(answer.is_none())
}
