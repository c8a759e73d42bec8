//! What is seen of transactions, inside and outside.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use portproof_ports::{
    Document, PageRequest, PortError, Ports, Tenant, TenantDraft, TenantId, TenantStore, Text,
    in_transaction,
};
use tokio::{sync::watch, task::yield_now};

use super::{Bundle, Probe};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::{START, document, minute},
    rule, walk,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![own_writes, listed_tenants, repeatable, all_or_nothing]
}

/// Reads inside see what was written inside, by id, by what finds it and in lists, and what was
/// stored before.
///
/// An engine that reads the user whom it has just created would create them again.
#[rule(
    "transactions::reads::see_own_writes",
    source = "better-auth #7758: reads in a transaction went to another connection",
    environments = "pool_of_one, isolation"
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

/// The list of tenants, which is that of all of them, shows inside what was stored before, and on top
/// what was created, changed and purged inside; outside nobody sees that. Who has looked at it can
/// commit.
///
/// An engine that goes through its tenants within a transaction would leave out the one that it has
/// just created, or meet one that it has purged.
#[rule(
    "transactions::reads::see_own_writes_in_the_list_of_tenants",
    capability = "tenants",
    source = "better-auth #7758: reads in a transaction went to another connection",
    environments = "pool_of_one, isolation"
)]
async fn listed_tenants(w: &Bundle) -> Checked {
    let draft = |name: &str| -> Result<TenantDraft, Failure> {
        Ok(TenantDraft {
            name: Text::new(name)?,
            settings: document(name)?,
        })
    };
    let outside = some("the port", w.first.tenants.clone())?;
    let transactions = some("transactions", w.first.transactions.clone())?;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(w.context.tenant()?);
    }
    let [kept, changed, purged, created] = ids.as_slice() else {
        return Err(Failure::new("there are four tenants"));
    };
    for id in [kept, changed, purged] {
        outside.create(id, draft("stored before")?, START).await?;
    }
    let before = listed(&*outside, &ids).await?;

    let open = transactions.begin().await?;
    let inside = some("the port", open.ports().tenants.clone())?;
    // Before anything else, so that nothing has made it look at these tenants.
    equal(
        "the tenants inside, before any is changed",
        &listed(&*inside, &ids).await?,
        &before,
    )?;
    let version = some("the tenant", inside.get(changed).await?)?.version;
    let now = minute(1);
    inside
        .update(changed, version, draft("changed")?, now)
        .await?;
    inside.purge(purged, 1000).await?;
    inside.create(created, draft("created")?, now).await?;
    let mut expected = Vec::new();
    for id in &ids {
        expected.extend(inside.get(id).await?);
    }
    expected.sort_by(|one, two| one.id.as_str().as_bytes().cmp(two.id.as_str().as_bytes()));
    equal("how many there are inside", &expected.len(), &3)?;
    equal(
        "the tenants inside, after some were changed",
        &listed(&*inside, &ids).await?,
        &expected,
    )?;
    open.rollback().await;
    let after = listed(&*some("the port", w.second.tenants.clone())?, &ids).await?;
    equal("the tenants after it was rolled back", &after, &before)?;

    // Others create tenants meanwhile, which a transaction that has seen the list may be lost to.
    let mut committed = Err(PortError::lost_transaction());
    for _ in 0..MOST_ATTEMPTS {
        committed = in_transaction(&w.first, |inside| async move {
            let tenants = inside.tenants.ok_or(PortError::not_found("port"))?;
            tenants.list(&PageRequest::first(1)?).await?;
            let draft = TenantDraft {
                name: Text::new("created")?,
                settings: Document::empty(),
            };
            tenants.create(created, draft, now).await
        })
        .await;
        if committed != Err(PortError::lost_transaction()) {
            break;
        }
    }
    let stored = outside.get(created).await?;
    equal(
        "the tenant that was created after a look at the list",
        &committed.map(Some),
        &Ok(stored),
    )
}

/// How often a transaction is tried that others may be faster than.
const MOST_ATTEMPTS: usize = 100;

/// Those of these tenants that a list has.
async fn listed(store: &dyn TenantStore, ids: &[TenantId]) -> Result<Vec<Tenant>, Failure> {
    // It is a list of everybody's tenants, those of other cases among them.
    let list = |page| async move { store.list(&page).await };
    let mut listed = walk::all(1000, list).await?;
    listed.retain(|tenant| ids.contains(&tenant.id));
    Ok(listed)
}

/// What is read inside stays what it was when the transaction first looked, whatever others commit
/// meanwhile.
///
/// An engine that decides by two reads, of a user and of their block, decides by two states of which
/// never was one.
#[rule(
    "transactions::reads::are_of_one_moment",
    source = "the contract: reads see what was stored when the transaction first looked",
    environments = "pool_of_one, isolation"
)]
async fn repeatable(w: &Bundle) -> Checked {
    /// How often is looked while the others write, at most: where they wait for the transaction, they
    /// write after its end.
    const LOOKS: usize = 24;
    let transactions = some("transactions", w.first.transactions.clone())?;
    let few = w.few();
    let open = transactions.begin().await?;
    let inside = open.ports();
    w.shows(inside, "subject", false, "inside, before others write it")
        .await?;
    let (ports, tenant, probes) = (Arc::clone(&w.second), w.tenant.clone(), w.probes.clone());
    let others = tokio::spawn(async move {
        for probe in probes {
            probe.write(&ports, &tenant, "subject").await?;
        }
        Ok::<(), Failure>(())
    });
    for _ in 0..LOOKS {
        for probe in &few {
            let when = "inside, while others write it";
            w.shows_of(*probe, inside, "subject", false, when).await?;
        }
        if others.is_finished() {
            break;
        }
        yield_now().await;
    }
    w.shows(inside, "subject", false, "inside, after others wrote it")
        .await?;
    open.rollback().await;
    let wrote = others.await;
    holds(
        matches!(wrote, Ok(Ok(()))),
        format!("others can write what a transaction looked at, got {wrote:?}"),
    )?;
    w.ended("subject", true, "after others wrote it").await
}

/// Who reads outside sees all that a transaction wrote or nothing of it, at every moment, and never
/// anything of one that is rolled back.
///
/// A reader that sees the user and not their block lets them in.
#[rule(
    "transactions::reads::see_all_or_nothing_outside",
    source = "AuthHero 4867c22: a row was stored without the event that tells of it",
    environments = "pool_of_one, isolation"
)]
async fn all_or_nothing(w: &Bundle) -> Checked {
    /// How many transactions are looked at, every second of which is rolled back.
    const ROUNDS: usize = 24;
    /// How often each reader looks for each step of the writer, at most.
    const LOOKS: usize = 3;
    /// How many readers there are.
    const READERS: usize = 3;
    /// How often the writer lets others run after a step, at most: where readers wait for the
    /// transaction, they look after its end.
    const PAUSES: usize = 64;
    // The number of the round; the readers look once more for each step of the writer.
    let (step, steps) = watch::channel(0);
    let looks = Arc::new(AtomicUsize::new(0));
    let few = &w.few();
    let readers: Vec<_> = [&w.second, &w.second, &w.first]
        .into_iter()
        .map(|ports| {
            let (ports, tenant, probes) = (Arc::clone(ports), w.tenant.clone(), few.clone());
            let (mut steps, looks) = (steps.clone(), Arc::clone(&looks));
            tokio::spawn(async move {
                while steps.changed().await.is_ok() {
                    for _ in 0..LOOKS {
                        let number = *steps.borrow_and_update();
                        sees_all_or_nothing(&ports, &tenant, &probes, number).await?;
                        looks.fetch_add(1, Ordering::SeqCst);
                        yield_now().await;
                    }
                }
                Ok(())
            })
        })
        .collect();
    let pause = || async {
        let enough = looks.load(Ordering::SeqCst) + READERS * LOOKS;
        for _ in 0..PAUSES {
            if looks.load(Ordering::SeqCst) >= enough {
                break;
            }
            yield_now().await;
        }
    };
    let mut written = Ok(());
    for number in 0..ROUNDS {
        written = in_transaction(&w.first, |inside| {
            let (step, pause) = (&step, &pause);
            async move {
                for (place, probe) in few.iter().enumerate() {
                    let name = format!("round {number}");
                    probe.write(&inside, &w.tenant, &name).await?;
                    step.send_replace(number);
                    // After the last one they look while it commits.
                    if place + 1 < few.len() {
                        pause().await;
                    }
                }
                if number % 2 == 1 {
                    return Err(Failure::new("meant"));
                }
                Ok(())
            }
        })
        .await;
        step.send_replace(number);
        pause().await;
        if written.is_ok() == (number % 2 == 1) {
            break;
        }
        written = Ok(());
    }
    drop(step);
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

/// Looks at the record of a round in each port, and in the first once more: what was seen in one must
/// be seen in all that are looked at later, and nothing of a round that is rolled back.
async fn sees_all_or_nothing(
    ports: &Ports,
    tenant: &TenantId,
    probes: &[&'static dyn Probe],
    number: usize,
) -> Checked {
    let name = format!("round {number}");
    let mut seen = None;
    for probe in probes.iter().chain(probes.first()) {
        let views = probe.look(ports, tenant, &name).await?;
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
    Ok(())
}
