//! Calls inside of transactions.

use portproof_ports::{
    ErrorKind, IdentityId, IdentityKind, NewIdentifier, NewIdentity, PortError, Ports, TenantId,
    in_transaction,
};

use super::{Bundle, probes::address};
use crate::{
    Case, Checked, Failure,
    cancel::dropped_after,
    cases,
    check::{equal, fails, holds, some},
    fixture::{START, document},
    race::RACERS,
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        same_ports,
        not_nested,
        refused_calls,
        calls_at_once,
        spanned_tenants,
        dropped_call,
    ]
}

/// Inside are the ports that are outside, and each of them answers.
///
/// What an engine must write outside, it writes although the rest was rolled back.
#[rule(
    "transactions::ports::are_those_outside",
    source = "hydra 3ad64db92: what the outermost layer offers was lost on the way in",
    environments = "pool_of_one, isolation"
)]
async fn same_ports(w: &Bundle) -> Checked {
    let transactions = some("transactions", w.first.transactions.clone())?;
    let open = transactions.begin().await?;
    let mut outside = w.first.offered();
    outside.retain(|name| *name != "transactions");
    equal("the ports inside", &open.ports().offered(), &outside)?;
    w.write_all(open.ports(), "subject").await?;
    open.commit().await?;
    w.ended("subject", true, "after the commit").await
}

/// There are no transactions inside of one: none are offered, and the attempt to begin one is
/// refused and changes nothing.
///
/// One that is silently a part of another commits what its caller believes undone.
#[rule(
    "transactions::nested::is_refused",
    source = "AuthHero 2f65572: a transaction in a transaction joined it, or failed",
    environments = "pool_of_one, isolation"
)]
async fn not_nested(w: &Bundle) -> Checked {
    let transactions = some("transactions", w.first.transactions.clone())?;
    let open = transactions.begin().await?;
    let inside = open.ports().clone();
    w.write_all(&inside, "subject").await?;
    holds(
        inside.transactions.is_none(),
        "the ports inside offer no transactions",
    )?;
    fails(
        "a transaction inside of another",
        in_transaction(&inside, |nested| async move {
            w.write_all(&nested, "nested").await
        })
        .await,
        ErrorKind::Unsupported,
    )?;
    w.shows(&inside, "nested", false, "inside").await?;
    open.commit().await?;
    w.shows(&w.second, "nested", false, "after the commit")
        .await?;
    w.ended("subject", true, "after the commit").await
}

/// A call inside that is refused, in whichever port, leaves what was written before and what is
/// written after it, and the transaction can be committed.
///
/// Engines try a name and take another when it is taken; and what a database answers after a failed
/// statement (error 25P02) is of no use to them.
#[rule(
    "transactions::refused::leaves_the_rest",
    source = "AuthHero: a failed probe within a transaction aborted it on PostgreSQL",
    environments = "pool_of_one, isolation"
)]
async fn refused_calls(w: &Bundle) -> Checked {
    let transactions = some("transactions", w.first.transactions.clone())?;
    let open = transactions.begin().await?;
    let inside = open.ports();
    w.write_all(inside, "subject").await?;
    for probe in &w.probes {
        // What was written outside, and what was inside.
        for name in ["bystander", "subject"] {
            let (answer, kind) = probe.refused(inside, &w.tenant, name).await;
            fails(&format!("a call on {}", probe.port()), answer, kind)?;
        }
        let after = format!("after {}", probe.port());
        probe.write(inside, &w.tenant, &after).await?;
    }
    w.shows(inside, "subject", true, "inside").await?;
    open.commit().await?;
    for probe in &w.probes {
        let after = format!("after {}", probe.port());
        w.shows_of(*probe, &w.second, &after, true, "after the commit")
            .await?;
    }
    w.ended("subject", true, "after the commit").await
}

/// Calls inside that are made at once are all done, and committed together.
///
/// Engines join what does not depend on each other; on one connection it must wait, and not get lost.
#[rule(
    "transactions::calls::at_once_are_all_done",
    source = "decision: calls inside wait for each other",
    environments = "pool_of_one, isolation"
)]
async fn calls_at_once(w: &Bundle) -> Checked {
    let transactions = some("transactions", w.first.transactions.clone())?;
    let open = transactions.begin().await?;
    let calls: Vec<_> = (0..RACERS)
        .flat_map(|number| w.probes.iter().map(move |probe| (number, *probe)))
        .map(|(number, probe)| {
            let (inside, tenant) = (open.ports().clone(), w.tenant.clone());
            tokio::spawn(async move {
                let name = format!("at once {number}");
                probe.write(&inside, &tenant, &name).await
            })
        })
        .collect();
    for call in calls {
        let answer = call.await;
        answer.map_err(|_| Failure::new("a call inside panicked"))??;
    }
    open.commit().await?;
    for number in 0..RACERS {
        let name = format!("at once {number}");
        w.shows(&w.second, &name, true, "after the commit").await?;
    }
    w.goes_on("afterwards").await
}

/// A transaction reaches into several tenants, and what it writes in each is committed together, or
/// rolled back.
///
/// Who is moved to another tenant would be in both, or in none.
#[rule(
    "transactions::tenancy::spans_tenants",
    source = "decision: the tenant is an argument of the call, not of the transaction",
    environments = "pool_of_one, isolation"
)]
async fn spanned_tenants(w: &Bundle) -> Checked {
    let others: [TenantId; 2] = [w.context.tenant()?, w.context.tenant()?];
    for commits in [false, true] {
        let answer: Result<(), Failure> = in_transaction(&w.first, |inside| {
            let others = others.clone();
            async move {
                w.write_all(&inside, "subject").await?;
                for tenant in &others {
                    for probe in &w.probes {
                        probe.write(&inside, tenant, "subject").await?;
                    }
                }
                if commits {
                    return Ok(());
                }
                Err(PortError::refused("move", "is not allowed").into())
            }
        })
        .await;
        equal("whether it was committed", &answer.is_ok(), &commits)?;
        for tenant in others.iter().chain([&w.tenant]) {
            for probe in &w.probes {
                let views = probe.look(&w.second, tenant, "subject").await?;
                holds(
                    views.iter().all(|view| view.is_some() == commits),
                    format!(
                        "of a transaction over three tenants, {} of {} is there, got {views:?}",
                        if commits { "all" } else { "nothing" },
                        probe.port()
                    ),
                )?;
            }
        }
    }
    w.goes_on("afterwards").await
}

/// A call inside that is dropped wherever it waits is done whole or not at all, or the transaction
/// is lost and says so; a half of it is never committed.
///
/// A time limit on a call inside would commit an identity without the address that finds it.
#[rule(
    "transactions::calls::dropped_is_whole",
    capability = "identity",
    source = "sqlx #4385: a cancelled call left its transaction as it stood",
    environments = "pool_of_one, isolation"
)]
async fn dropped_call(w: &Bundle) -> Checked {
    /// More polls than a call needs.
    const MOST_POLLS: u32 = 200;
    let transactions = some("transactions", w.first.transactions.clone())?;
    let mut lost = Vec::new();
    for polls in 1..MOST_POLLS {
        let [whole, dropped, after] =
            ["whole", "dropped", "after"].map(|name| format!("{name} {polls}"));
        let open = transactions.begin().await?;
        let inside = open.ports().clone();
        w.write_all(&inside, &whole).await?;
        let id = IdentityId::new(dropped.as_str())?;
        let identity = NewIdentity {
            id: id.clone(),
            kind: IdentityKind::Human,
            profile: document("dropped")?,
            identifiers: vec![NewIdentifier {
                identifier: address(&dropped)?,
                verified_at: None,
            }],
        };
        let identities = some("the port inside", inside.identity.clone())?;
        let call = identities.create(&w.tenant, identity, START);
        let answer = dropped_after(polls, call).await.transpose()?;
        let went_on = w.write_all(&inside, &after).await;
        let committed = open.commit().await;
        let when = format!("after a call was dropped after {polls} polls");
        match &committed {
            Ok(()) => {
                w.shows(&w.second, &whole, true, &when).await?;
                let stored = went_on.is_ok();
                w.shows(&w.second, &after, stored, &when).await?;
            }
            Err(PortError::Unavailable(_)) if answer.is_none() => {
                w.shows(&w.second, &whole, false, &when).await?;
                w.shows(&w.second, &after, false, &when).await?;
                lost.push(whole);
            }
            Err(error) => return Err(error.clone().into()),
        }
        let outside = some("the port", w.second.identity.clone())?;
        let found = [
            outside.get(&w.tenant, &id).await?.is_some(),
            outside
                .find(&w.tenant, &address(&dropped)?)
                .await?
                .is_some(),
        ];
        let expected = match (&committed, &answer) {
            (Err(_), _) => [false; 2],
            (Ok(()), Some(_)) => [true; 2],
            // Done before it was dropped, or undone.
            (Ok(()), None) => [found[0]; 2],
        };
        equal(
            &format!("whether id and address find the identity {when}"),
            &found,
            &expected,
        )?;
        if answer.is_some() {
            // Nor did a later transaction commit what an earlier one left on its connection.
            for whole in &lost {
                w.shows(&w.second, whole, false, "in the end").await?;
            }
            return w.goes_on("afterwards").await;
        }
    }
    Err(Failure::new("a call inside did not come to its end"))
}
