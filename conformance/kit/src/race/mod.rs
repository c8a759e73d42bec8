//! Races: the same thing done by many at once, and what may come of it.

use std::{future::Future, sync::Arc};

use tokio::sync::Barrier;

use crate::{Checked, Failure};

pub mod history;

/// How many callers race.
pub const RACERS: usize = 8;

/// Runs the futures that `racer` makes (of the numbers 0 to `racers - 1`) all at once, each on a
/// task of its own, from one start; answers what they answered, in order.
///
/// # Errors
///
/// When one of them panics.
pub async fn race<T, F>(racers: usize, mut racer: impl FnMut(usize) -> F) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(racers));
    let tasks: Vec<_> = (0..racers)
        .map(|number| {
            let (start, run) = (Arc::clone(&start), racer(number));
            tokio::spawn(async move {
                start.wait().await;
                run.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(racers);
    for task in tasks {
        answers.push(
            task.await
                .map_err(|_| Failure::new("a call that raced with others panicked"))?,
        );
    }
    Ok(answers)
}

/// Fails unless `won` holds for exactly one of the answers, and `lost` for all others.
///
/// # Errors
///
/// Showing all answers.
#[track_caller]
pub fn exactly_one<T: std::fmt::Debug>(
    what: &str,
    answers: &[T],
    won: impl Fn(&T) -> bool,
    lost: impl Fn(&T) -> bool,
) -> Checked {
    let winners = answers.iter().filter(|answer| won(answer)).count();
    let losers = answers.iter().filter(|answer| lost(answer)).count();
    if winners == 1 && winners + losers == answers.len() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{what}\n  expected one of {} callers to win and the others to be told that they lost\n  got {winners} winners and {losers} losers: {answers:?}",
        answers.len()
    )))
}
