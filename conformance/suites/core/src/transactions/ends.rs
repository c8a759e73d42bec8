//! How transactions end.

use std::{future::pending, panic::resume_unwind, sync::Arc};

use portproof_ports::{ErrorKind, PortError, PortResult, Ports, in_transaction};
use tokio::sync::oneshot;

use super::Bundle;
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds, some},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        committed,
        rolled_back,
        error,
        panicked,
        dropped,
        kept_ports,
        many_in_turn,
        restarted,
    ]
}

/// What a transaction writes is there after its commit, in every port and through every handle.
///
/// An engine that got its answer tells a user that they have an account.
#[rule(
    "transactions::commit::makes_all_visible",
    source = "hydra 3ad64db92: transactions that the outermost layer did not pass on",
    environments = "pool_of_one, isolation"
)]
async fn committed(w: &Bundle) -> Checked {
    in_transaction(&w.first, |inside| async move {
        w.write_all(&inside, "subject").await
    })
    .await?;
    w.ended("subject", true, "after the commit").await
}

/// What a transaction wrote that was rolled back is there in no port.
///
/// An identity whose first credential was refused would take its address for ever, and let nobody in.
#[rule(
    "transactions::rollback::leaves_nothing",
    source = "hydra 3ad64db92: every transaction was none, without a word",
    environments = "pool_of_one, isolation"
)]
async fn rolled_back(w: &Bundle) -> Checked {
    let transactions = some("transactions", w.first.transactions.clone())?;
    let open = transactions.begin().await?;
    w.write_all(open.ports(), "subject").await?;
    open.rollback().await;
    w.ended("subject", false, "after it was rolled back").await
}

/// A transaction whose work answers an error leaves nothing in any port, and answers that error.
///
/// The engine decided that it must not be; the half that was written before that would be.
#[rule(
    "transactions::error::leaves_nothing",
    source = "AuthHero 4867c22: a row was stored without the event that tells of it",
    environments = "pool_of_one, isolation"
)]
async fn error(w: &Bundle) -> Checked {
    let decided = PortError::refused("sign_up", "is not allowed");
    let answer: PortResult<()> = in_transaction(&w.first, |inside| {
        let decided = decided.clone();
        async move {
            w.write_all(&inside, "subject").await?;
            Err(decided)
        }
    })
    .await;
    equal("what the transaction answered", &answer, &Err(decided))?;
    w.ended("subject", false, "after an error").await
}

/// A transaction whose work panics leaves nothing in any port, and the next calls work.
///
/// The connection would go back to the pool with half a sign-up on it, which the next caller commits.
#[rule(
    "transactions::panic::leaves_nothing",
    source = "decision: a panic is an end like any other",
    environments = "pool_of_one, isolation"
)]
async fn panicked(w: &Bundle) -> Checked {
    let probes = w.probes.clone();
    let (ports, tenant) = (Arc::clone(&w.first), w.tenant.clone());
    let task = tokio::spawn(async move {
        in_transaction(&ports, |inside| async move {
            for probe in probes {
                probe.write(&inside, &tenant, "subject").await?;
            }
            Err::<(), Failure>(panic_quietly())
        })
        .await
    });
    let ended = task.await;
    holds(
        ended.is_err(),
        format!("the writes succeed and the work panics then, got {ended:?}"),
    )?;
    w.ended("subject", false, "after a panic").await
}

/// A transaction whose future is dropped leaves nothing in any port, and the next calls work.
///
/// Of a sign-up whose client hangs up, half would be stored; or its locks would keep everybody out.
#[rule(
    "transactions::drop::leaves_nothing",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one, isolation"
)]
async fn dropped(w: &Bundle) -> Checked {
    let probes = w.probes.clone();
    let (ports, tenant) = (Arc::clone(&w.first), w.tenant.clone());
    let (written, is_written) = oneshot::channel();
    let task = tokio::spawn(async move {
        in_transaction(&ports, |inside| async move {
            for probe in probes {
                probe.write(&inside, &tenant, "subject").await?;
            }
            // Who asked for it is gone when the writes failed, too.
            let _ = written.send(());
            pending::<Result<(), Failure>>().await
        })
        .await
    });
    let is_written = is_written.await;
    task.abort();
    let ended = task.await;
    holds(
        is_written.is_ok() && ended.is_err(),
        format!("the writes succeed and wait then, got {ended:?}"),
    )?;
    w.ended("subject", false, "after it was dropped").await
}

/// The ports of a transaction that is over, however it ended, refuse every call and write nothing.
///
/// A task that was forgotten would write outside of the transaction, after the decision not to.
#[rule(
    "transactions::end::kept_ports_are_refused",
    source = "decision: what is inside of a transaction is never outside of it",
    environments = "pool_of_one, isolation"
)]
async fn kept_ports(w: &Bundle) -> Checked {
    let transactions = some("transactions", w.first.transactions.clone())?;
    for end in ["committed", "rolled back", "dropped"] {
        let open = transactions.begin().await?;
        let kept = open.ports().clone();
        match end {
            "committed" => open.commit().await?,
            "rolled back" => open.rollback().await,
            _ => drop(open),
        }
        for probe in &w.probes {
            fails(
                &format!(
                    "a write to {} of a transaction that was {end}",
                    probe.port()
                ),
                probe.write(&kept, &w.tenant, "subject").await,
                ErrorKind::Refused,
            )?;
            fails(
                &format!("a look at {} of a transaction that was {end}", probe.port()),
                probe.look(&kept, &w.tenant, "bystander").await,
                ErrorKind::Refused,
            )?;
        }
        for (port, answer) in kept.ready().await {
            fails(
                &format!("asking {port} of a transaction that was {end} whether it is ready"),
                answer,
                ErrorKind::Refused,
            )?;
        }
    }
    w.ended("subject", false, "after all of them").await
}

/// Many transactions in turn, which end in every way there is, leave what was committed and nothing
/// else, and the last one works like the first.
///
/// What each of them keeps of a pool, the pool lacks: after a day of errors nobody can log in.
#[rule(
    "transactions::turns::leave_all_in_order",
    source = "pgx #2481: connections with an open transaction went back to the pool",
    environments = "pool_of_one, isolation"
)]
async fn many_in_turn(w: &Bundle) -> Checked {
    // More than any pool of ordinary size has.
    let probes = w.few();
    for turn in 0..48 {
        let name = format!("turn {turn}");
        let (ports, tenant, probes) = (Arc::clone(&w.first), w.tenant.clone(), probes.clone());
        let task = tokio::spawn(async move {
            in_transaction(&ports, |inside| async move {
                for probe in probes {
                    probe.write(&inside, &tenant, &name).await?;
                }
                match turn % 4 {
                    0 => Ok(()),
                    1 => Err(Failure::from(PortError::refused(
                        "sign_up",
                        "is not allowed",
                    ))),
                    2 => Err(Failure::new("another error")),
                    // The next one commits: what this one left open would be committed with it.
                    _ => Err(panic_quietly()),
                }
            })
            .await
        });
        let committed = matches!(task.await, Ok(Ok(())));
        holds(
            committed == (turn % 4 == 0),
            format!("transaction {turn} ends as its work says"),
        )?;
    }
    for turn in 0..48 {
        for probe in &probes {
            let name = format!("turn {turn}");
            w.shows_of(*probe, &w.second, &name, turn % 4 == 0, "after its turn")
                .await?;
        }
    }
    w.goes_on("afterwards").await
}

/// What was committed is there after a restart, and what was not is not.
///
/// Users would find that the account they were told of is gone.
#[rule(
    "transactions::restart::keeps_what_was_committed",
    capability = "reopen",
    source = "decision: a commit makes last",
    environments = "pool_of_one, isolation"
)]
async fn restarted(w: &Bundle) -> Checked {
    in_transaction(&w.first, |inside| async move {
        w.write_all(&inside, "subject").await
    })
    .await?;
    let transactions = some("transactions", w.first.transactions.clone())?;
    let open = transactions.begin().await?;
    w.write_all(open.ports(), "undone").await?;
    open.rollback().await;
    let reopened = w.context.reopen().await?;
    w.shows(&reopened, "subject", true, "after a restart")
        .await?;
    w.shows(&reopened, "undone", false, "after a restart").await
}

/// Panics without the message that one prints: it is meant.
fn panic_quietly() -> Failure {
    resume_unwind(Box::new("meant"))
}
