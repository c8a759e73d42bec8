//! What is seen of transactions, inside and outside.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use portproof_ports::{Ports, in_transaction};
use tokio::task::yield_now;

use super::Bundle;
use crate::{Case, Checked, Failure, cases, check::some, rule};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![own_writes, all_or_nothing]
}

/// Reads inside see what was written inside, by id, by what finds it and in lists, and what was
/// stored before.
///
/// An engine that reads the user whom it has just created would create them again.
#[rule(
    "transactions::reads::see_own_writes",
    source = "better-auth #7758: reads in a transaction went to another connection"
)]
async fn own_writes(w: &Bundle) -> Checked {
    let transactions = some("transactions", w.first.transactions.clone())?;
    let open = transactions.begin().await?;
    let inside = open.ports();
    w.shows(inside, "bystander", true, "inside").await?;
    w.shows(inside, "subject", false, "inside, before it is written")
        .await?;
    w.write_all(inside, "subject").await?;
    w.shows(inside, "subject", true, "inside, after it was written")
        .await?;
    open.commit().await?;
    w.ended("subject", true, "after the commit").await
}

/// Who reads outside sees all that a transaction wrote or nothing of it, at every moment, and never
/// anything of one that is rolled back.
///
/// A reader that sees the user and not their block lets them in.
#[rule(
    "transactions::reads::see_all_or_nothing_outside",
    source = "AuthHero 4867c22: a row was stored without the event that tells of it"
)]
async fn all_or_nothing(w: &Bundle) -> Checked {
    /// How many transactions are looked at, every second of which is rolled back.
    const ROUNDS: usize = 24;
    let round = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let few = &w.few();
    let readers: Vec<_> = [&w.second, &w.second, &w.first]
        .into_iter()
        .map(|ports| {
            let (ports, tenant, probes) = (Arc::clone(ports), w.tenant.clone(), few.clone());
            let (round, over) = (Arc::clone(&round), Arc::clone(&over));
            tokio::spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    let number = round.load(Ordering::SeqCst);
                    let name = format!("round {number}");
                    // What was seen in one port must be seen in all that are looked at later.
                    let mut seen = None;
                    for probe in probes.iter().chain(probes.first()) {
                        let views = probe.look(&ports, &tenant, &name).await?;
                        // The reads of one look are not of one moment.
                        let is_seen = views.iter().any(Option::is_some);
                        if is_seen && number % 2 == 1 {
                            return Err(Failure::new(format!(
                                "expected that nothing is seen of a transaction that is rolled back, got {views:?}"
                            )));
                        }
                        if let (Some(port), true) = (seen, views.iter().any(Option::is_none)) {
                            return Err(Failure::new(format!(
                                "expected that {name:?} is seen in {} once it is in {port}, got {views:?}",
                                probe.port()
                            )));
                        }
                        if is_seen {
                            seen = Some(probe.port());
                        }
                    }
                    yield_now().await;
                }
                Ok(())
            })
        })
        .collect();
    let mut written = Ok(());
    for number in 0..ROUNDS {
        round.store(number, Ordering::SeqCst);
        written = in_transaction(&w.first, |inside| async move {
            for probe in few {
                let name = format!("round {number}");
                probe.write(&inside, &w.tenant, &name).await?;
                for _ in 0..8 {
                    yield_now().await;
                }
            }
            if number % 2 == 1 {
                return Err(Failure::new("meant"));
            }
            Ok(())
        })
        .await;
        if written.is_ok() == (number % 2 == 1) {
            break;
        }
        written = Ok(());
    }
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        let read: Checked = reader
            .await
            .map_err(|_| Failure::new("a reader panicked"))?;
        read?;
    }
    written?;
    for number in 0..ROUNDS {
        let (name, stored) = (format!("round {number}"), number % 2 == 0);
        for probe in few {
            w.shows_of(*probe, &w.second, &name, stored, "in the end")
                .await?;
        }
    }
    w.goes_on("afterwards").await
}
