//! Cancelled calls: a write dropped wherever it waits, as an engine drops it whose client hung up.
//!
//! A future stops for good where it is dropped, and what it had done until then stays. So a write of
//! several steps can leave a half, and one that is dropped within a transaction can leave that open on
//! a connection that the pool gives to the next caller. [`whole`] drops a write after its first
//! poll, another after its second, and so on, until one is done before it would be dropped: each
//! place where it waited has been met then. Where an answer is there before anybody waits for it, as
//! a near server's often is, a call waits at some places now and at others then. So this is done
//! again, until enough calls were dropped or it is clear that hardly any of them waits.
//!
//! # How a dropped write is judged
//!
//! Nobody is told whether a dropped write was done, and the backend may still be at it: a server
//! that got the `COMMIT` makes it last, though nobody waits for the answer. No pause would be long
//! enough to be sure that it has ended, so nothing here needs it to have:
//!
//! 1. A look at the records, through either handle, finds them as they were before or as they are
//!    after the whole write. The reads of one look may lie on both sides of the end of the write.
//!    But it ends once: a look that finds neither is followed by another, which began after that
//!    end. If that one finds neither as well, the write left a half. What the first handle saw done
//!    is seen done by the second.
//! 2. A write of something else through the same handle is seen through the second handle. On a
//!    connection with somebody else's transaction on it it would wait for a commit that nobody sends.
//! 3. The write is done again, to its end, on the same records. It waits for whatever the dropped one
//!    holds, and finds its work to be done or done already: so it must be a write that changes
//!    nothing when it comes second. That also makes its late double harmless. After it, both
//!    handles see the records as they are after one whole write.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use portproof_ports::{ErrorKind, PortResult, TenantId};

use crate::{
    Checked, Context, Failure, World,
    check::{equal, holds},
};

/// More polls than any call needs to come to its end.
const MOST_POLLS: u32 = 1_000;

/// How many calls are dropped, when they wait often enough for that.
const ENOUGH: u32 = 8;
/// How often the polls are counted from one again, at most.
const MOST_ROUNDS: u32 = 4;

/// Polls a call `polls` times at most, each time when it asks for it, and drops it then; answers
/// what it answered, or `None` when it was dropped.
pub async fn dropped_after<T>(polls: u32, call: impl Future<Output = T> + Send) -> Option<T> {
    let mut call = pin!(call);
    let mut polled = 0;
    poll_fn(|task| {
        polled += 1;
        match call.as_mut().poll(task) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if polled >= polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A world that can make the same records again and again, each time in a tenant of their own, and
/// look at them as a whole.
pub trait Records: World {
    /// The port that is written to.
    type Store: ?Sized + Send + Sync;
    /// What a look finds: all that the writes could leave a half of. The same in every tenant.
    type State: PartialEq + fmt::Debug + Send + Sync;

    /// What the case gets.
    fn context(&self) -> &Context<Self::Stores>;

    /// The store through both handles.
    fn handles(&self) -> [&Arc<Self::Store>; 2];

    /// Stores the records in this tenant, where there are none, and one more for [`mark`](Self::mark).
    fn prepare(&self, tenant: &TenantId) -> impl Future<Output = Checked> + Send;

    /// Looks at the records through this handle.
    fn look(
        &self,
        store: &Arc<Self::Store>,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<Self::State, Failure>> + Send;

    /// Changes what no look looks at, in one step if the port has a write of one.
    fn mark(
        &self,
        store: &Arc<Self::Store>,
        tenant: &TenantId,
    ) -> impl Future<Output = Checked> + Send;

    /// Whether that is seen through this handle.
    fn is_marked(
        &self,
        store: &Arc<Self::Store>,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// Fails unless `write` is done whole or not at all, and the next calls work, after whichever poll
/// it is dropped. Done a second time it must change nothing: by being told so, or by finding that
/// all is as it should be.
///
/// # Errors
///
/// Saying after how many polls what was found. Also when the write never comes to its end.
pub async fn whole<W, T, F>(
    world: &W,
    write: impl Fn(Arc<W::Store>, TenantId) -> F + Send + Sync,
) -> Checked
where
    W: Records,
    F: Future<Output = PortResult<T>> + Send,
    T: Send,
{
    let [first, second] = world.handles();
    let tenant = world.context().tenant()?;
    world.prepare(&tenant).await?;
    let before = world.look(second, &tenant).await?;
    write(Arc::clone(first), tenant.clone()).await?;
    let after = world.look(second, &tenant).await?;
    holds(
        before != after,
        "the write changes something when nobody drops it",
    )?;
    let states = States { before, after };
    let mut dropped = 0;
    for _ in 0..MOST_ROUNDS {
        let mut polls = 1;
        while was_dropped(world, polls, &states, &write).await? {
            dropped += 1;
            polls += 1;
            if polls > MOST_POLLS {
                return Err(Failure::new(format!(
                    "a call was polled {MOST_POLLS} times, each time when it asked for it, and did not come to its end"
                )));
            }
        }
        if dropped >= ENOUGH {
            break;
        }
    }
    Ok(())
}

/// Drops one write after so many polls, on records of its own, and judges it; answers whether it
/// was not done before that.
async fn was_dropped<W, T, F>(
    world: &W,
    polls: u32,
    states: &States<W::State>,
    write: &(impl Fn(Arc<W::Store>, TenantId) -> F + Send + Sync),
) -> Result<bool, Failure>
where
    W: Records,
    F: Future<Output = PortResult<T>> + Send,
    T: Send,
{
    let [first, second] = world.handles();
    let tenant = world.context().tenant()?;
    world.prepare(&tenant).await?;
    let prepared = world.look(second, &tenant).await?;
    equal(
        "the records before the write, through the second handle",
        &prepared,
        &states.before,
    )?;
    let call = write(Arc::clone(first), tenant.clone());
    let answer = dropped_after(polls, call).await.transpose()?;
    let judged = judged(world, &tenant, states, write).await;
    judged.map_err(|failure| match answer {
        Some(_) => failure.while_("a call that was not dropped was looked at"),
        None => failure.while_(&format!(
            "a call that was dropped after {polls} polls was looked at"
        )),
    })?;
    Ok(answer.is_none())
}

/// The records as they may be.
struct States<S> {
    before: S,
    after: S,
}

async fn judged<W, T, F>(
    world: &W,
    tenant: &TenantId,
    states: &States<W::State>,
    write: &(impl Fn(Arc<W::Store>, TenantId) -> F + Send + Sync),
) -> Checked
where
    W: Records,
    F: Future<Output = PortResult<T>> + Send,
    T: Send,
{
    let [first, second] = world.handles();
    let seen = whole_look(world, first, tenant, states).await?;
    let seen_second = whole_look(world, second, tenant, states).await?;
    if seen == states.after {
        equal(
            "the second handle's view of what was done",
            &seen_second,
            &seen,
        )?;
    }
    world
        .mark(first, tenant)
        .await
        .map_err(|failure| failure.while_("the next write was made"))?;
    holds(
        world.is_marked(second, tenant).await?,
        "the next write through the same handle is seen through the second one",
    )?;
    match write(Arc::clone(first), tenant.clone()).await {
        Ok(_) => {}
        // It was done, and says so.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound
                    | ErrorKind::AlreadyExists
                    | ErrorKind::Stale
                    | ErrorKind::Refused
            ) => {}
        Err(error) => return Err(Failure::from(error).while_("the write was made again")),
    }
    for (name, handle) in [("first", first), ("second", second)] {
        equal(
            &format!("the records after the write was made again, through the {name} handle"),
            &world.look(handle, tenant).await?,
            &states.after,
        )?;
    }
    Ok(())
}

/// A look that finds all or nothing of the write; see the reasoning at the top of this file.
async fn whole_look<W: Records>(
    world: &W,
    store: &Arc<W::Store>,
    tenant: &TenantId,
    states: &States<W::State>,
) -> Result<W::State, Failure> {
    let is_whole = |seen: &W::State| *seen == states.before || *seen == states.after;
    let seen = world.look(store, tenant).await?;
    if is_whole(&seen) {
        return Ok(seen);
    }
    let seen = world.look(store, tenant).await?;
    if is_whole(&seen) {
        return Ok(seen);
    }
    let States { before, after } = states;
    Err(Failure::new(format!(
        "a part of the write was done and the rest was not\n  before it {before:?}\n  after it  {after:?}\n  got       {seen:?}"
    )))
}

#[cfg(test)]
mod tests {
    use portproof_memory::MemoryAdapter;
    use portproof_ports::Port;

    use super::*;
    use crate::{Stores, Transcript, mutants::faulty};

    async fn waits(times: u32) -> u32 {
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
        times
    }

    #[tokio::test]
    async fn a_call_is_dropped_after_so_many_polls() {
        assert_eq!(dropped_after(1, waits(0)).await, Some(0));
        assert_eq!(dropped_after(1, waits(1)).await, None);
        assert_eq!(dropped_after(2, waits(1)).await, Some(1));
        assert_eq!(dropped_after(3, waits(3)).await, None);
        assert_eq!(dropped_after(9, waits(3)).await, Some(3));
    }

    #[tokio::test]
    async fn a_transcript_shows_what_was_dropped() {
        let slow = MemoryAdapter::new().ports().session.map(|port| {
            faulty(port, |store, call| async move {
                waits(2).await;
                store.call(call).await
            })
        });
        let transcript = Transcript::default();
        let sessions = slow.unwrap().recorded(&transcript, "a");
        for polls in 1..=3 {
            dropped_after(polls, sessions.ready()).await;
        }
        let text = transcript.to_text(true);
        let ends: Vec<&str> = text.lines().filter_map(|l| l.split("-> ").nth(1)).collect();
        assert_eq!(
            ends,
            ["dropped after 1 poll", "dropped after 2 polls", "()"],
            "{text}"
        );
    }
}
