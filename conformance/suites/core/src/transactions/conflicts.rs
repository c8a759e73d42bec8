//! Transactions that meet each other.

use std::sync::Arc;

use portproof_ports::{ErrorKind, Expected, PortError, PortResult, Ports, RoleId, in_transaction};
use tokio::task::yield_now;

use super::{Bundle, probes::role};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::START,
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![one_creator, no_lost_update]
}

/// Of transactions that create the same identity at once one wins; of the others nothing is stored,
/// in whichever port.
///
/// Who signs up twice at once would get the second sign-up's credential on the first one's identity.
#[rule(
    "transactions::conflict::one_creator_wins",
    capability = "identity",
    source = "AuthHero 2185ce2: writes of several statements left a part on an error",
    environments = "pool_of_one, isolation"
)]
async fn one_creator(w: &Bundle) -> Checked {
    let probes = w.probes.clone();
    let answers = race(RACERS, |racer| {
        let handle = if racer % 2 == 0 { &w.first } else { &w.second };
        let (ports, tenant, probes) = (Arc::clone(handle), w.tenant.clone(), probes.clone());
        async move {
            in_transaction(&ports, |inside| async move {
                let own = format!("of racer {racer}");
                // What only it writes comes before and after what all write.
                for probe in probes.iter().filter(|probe| probe.port() == "session") {
                    probe.write(&inside, &tenant, &own).await?;
                }
                for probe in probes.iter().filter(|probe| probe.port() == "identity") {
                    probe.write(&inside, &tenant, "subject").await?;
                }
                let rest = |name| !["session", "identity"].contains(&name);
                for probe in probes.iter().filter(|probe| rest(probe.port())) {
                    probe.write(&inside, &tenant, &own).await?;
                }
                Ok::<(), PortError>(())
            })
            .await
        }
    })
    .await?;
    exactly_one(
        "transactions that create one identity",
        &answers,
        Result::is_ok,
        |answer| {
            matches!(answer, Err(error) if [ErrorKind::AlreadyExists, ErrorKind::Stale]
                .contains(&error.kind()))
        },
    )?;
    for (racer, answer) in answers.iter().enumerate() {
        let own = format!("of racer {racer}");
        for probe in w.probes.iter().filter(|probe| probe.port() != "identity") {
            w.shows_of(*probe, &w.second, &own, answer.is_ok(), "after the race")
                .await?;
        }
    }
    for probe in w.probes.iter().filter(|probe| probe.port() == "identity") {
        w.shows_of(*probe, &w.second, "subject", true, "after the race")
            .await?;
    }
    w.goes_on("afterwards").await
}

/// Transactions that read a record, and write what they make of it, lose no update: what is committed
/// was made of what was stored then. One that was too late is told that it is stale, stores nothing in
/// any port, and succeeds when it begins anew.
///
/// Two administrators who each add a permission would leave one of them.
#[rule(
    "transactions::conflict::no_update_is_lost",
    capability = "policies",
    source = "better-auth #9993: counters that were read, changed and written",
    environments = "pool_of_one, isolation"
)]
async fn no_lost_update(w: &Bundle) -> Checked {
    /// How often each racer counts.
    const TURNS: usize = 3;
    /// More attempts than any of them needs: with each that fails another one has succeeded.
    const MOST_ATTEMPTS: usize = RACERS * TURNS * 4;
    let store = some("the port", w.first.policies.clone())?;
    let zero = role("counted", "0")?;
    store
        .save_role(&w.tenant, Expected::Absent, zero, START)
        .await?;
    let answers = race(RACERS, |racer| {
        let handle = if racer % 2 == 0 { &w.first } else { &w.second };
        let (ports, tenant) = (Arc::clone(handle), w.tenant.clone());
        async move {
            for turn in 0..TURNS {
                let mut attempt = 0;
                loop {
                    attempt += 1;
                    let own = format!("of racer {racer}, {turn}, attempt {attempt}");
                    let tenant = tenant.clone();
                    let counted: PortResult<()> = in_transaction(&ports, |inside| async move {
                        let policies = inside.policies.ok_or(PortError::not_found("port"))?;
                        let id = RoleId::new("counted")?;
                        let stored = policies.get_role(&tenant, &id).await?;
                        let stored = stored.ok_or(PortError::not_found("role"))?;
                        let count: usize = stored.draft.name.as_str().parse().unwrap_or(0);
                        // So that transactions overlap where no call waits.
                        yield_now().await;
                        policies
                            .save_role(&tenant, Expected::Anything, role(&own, "own")?, START)
                            .await?;
                        let next = role("counted", &(count + 1).to_string())?;
                        policies
                            .save_role(&tenant, Expected::Anything, next, START)
                            .await?;
                        Ok(())
                    })
                    .await;
                    match counted {
                        Ok(()) => break,
                        Err(PortError::Stale(_)) if attempt < MOST_ATTEMPTS => {}
                        Err(error) => return Err(Failure::from(error)),
                    }
                }
            }
            Ok(())
        }
    })
    .await?;
    answers.into_iter().collect::<Checked>()?;
    let policies = some("the port", w.second.policies.clone())?;
    let counted = policies
        .get_role(&w.tenant, &RoleId::new("counted")?)
        .await?;
    let counted = some("the role", counted)?.draft.name;
    let all = (RACERS * TURNS).to_string();
    equal("how often was counted", &counted.as_str(), &all.as_str())?;
    let page = portproof_ports::PageRequest::first(1000)?;
    let own = policies.list_roles(&w.tenant, &page).await?.items;
    let own = own
        .iter()
        .filter(|role| role.draft.name.as_str() == "own")
        .count();
    holds(
        own == RACERS * TURNS,
        format!(
            "of {} transactions that succeeded, and no other, there is a role, got {own}",
            RACERS * TURNS
        ),
    )?;
    w.goes_on("afterwards").await
}
