//! The suite of transactions: several calls on several ports, together or not at all.
//!
//! Not about a port but about all of them: most rules write one record in each port that is offered.

use std::sync::Arc;

use portproof_ports::{PortResult, Ports, TenantId};

use super::offered;
use crate::{
    Checked, Context, Failure, Suite, World,
    check::{equal, holds},
};

mod calls;
mod cancelled;
mod conflicts;
mod ends;
pub(crate) mod probes;
mod reads;

use probes::{PROBES, Probe, Views};

/// All rules of transactions.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        ends::cases(),
        reads::cases(),
        calls::cases(),
        conflicts::cases(),
        cancelled::cases(),
    ];
    Suite::new("transactions", parts.into_iter().flatten().collect())
}

/// A tenant and another, with a record of each port in both.
struct Bundle {
    context: Context<Ports>,
    /// The ports.
    first: Arc<Ports>,
    /// The ports through the second handle.
    second: Arc<Ports>,
    tenant: TenantId,
    /// A tenant with a record of the name that most rules use.
    elsewhere: TenantId,
    /// One of each port that is offered.
    probes: Vec<&'static dyn Probe>,
    /// What no case means.
    bystanders: Vec<(TenantId, &'static str, &'static dyn Probe, Views)>,
}

impl World for Bundle {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let first = Arc::new(context.stores().clone());
        offered("transactions", first.transactions.as_ref())?;
        let names = first.offered();
        let probes = PROBES.iter().copied();
        let probes: Vec<_> = probes
            .filter(|probe| names.contains(&probe.port()))
            .collect();
        holds(
            !probes.is_empty(),
            "there is a port to run transactions over",
        )?;
        let mut world = Self {
            first,
            second: Arc::new(context.second().clone()),
            tenant: context.tenant()?,
            elsewhere: context.tenant()?,
            context,
            probes,
            bystanders: Vec::new(),
        };
        for (tenant, name) in [
            (&world.tenant, "bystander"),
            (&world.elsewhere, "bystander"),
            (&world.elsewhere, "subject"),
        ] {
            for probe in &world.probes {
                probe.write(&world.first, tenant, name).await?;
                let views = probe.look(&world.first, tenant, name).await?;
                world.bystanders.push((tenant.clone(), name, *probe, views));
            }
        }
        Ok(world)
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, name, probe, before) in &self.bystanders {
            equal(
                &format!(
                    "the record {name:?} of {} in tenant {tenant:?}, which nobody touched",
                    probe.port()
                ),
                &probe.look(&self.second, tenant, name).await?,
                before,
            )?;
        }
        Ok(())
    }
}

impl Bundle {
    /// A few of the ports, where all of them would take long: the first two and the last.
    fn few(&self) -> Vec<&'static dyn Probe> {
        let last = self.probes.iter().skip(2).next_back();
        self.probes.iter().take(2).chain(last).copied().collect()
    }

    /// Stores the record of this name in each port.
    async fn write_all(&self, ports: &Ports, name: &str) -> PortResult<()> {
        for probe in &self.probes {
            probe.write(ports, &self.tenant, name).await?;
        }
        Ok(())
    }

    /// Fails unless these ports show the record of this name in each port, or in none.
    async fn shows(&self, ports: &Ports, name: &str, stored: bool, when: &str) -> Checked {
        for probe in &self.probes {
            self.shows_of(*probe, ports, name, stored, when).await?;
        }
        Ok(())
    }

    /// The same of one port.
    async fn shows_of(
        &self,
        probe: &dyn Probe,
        ports: &Ports,
        name: &str,
        stored: bool,
        when: &str,
    ) -> Checked {
        let views = probe.look(ports, &self.tenant, name).await?;
        holds(
            views.iter().all(|view| view.is_some() == stored),
            format!(
                "the record {name:?} of {} is {} {when}, got {views:?}",
                probe.port(),
                if stored { "there" } else { "not there" },
            ),
        )
    }

    /// Fails unless both handles show all records of this name, or none, and the next calls work.
    async fn ended(&self, name: &str, stored: bool, when: &str) -> Checked {
        self.shows(&self.first, name, stored, when).await?;
        let second = format!("{when}, through the second handle");
        self.shows(&self.second, name, stored, &second).await?;
        self.goes_on(&format!("after {name}")).await
    }

    /// Fails unless calls outside write, also what a transaction has locked that is over.
    async fn goes_on(&self, name: &str) -> Checked {
        self.write_all(&self.first, name)
            .await
            .map_err(|error| Failure::from(error).while_("the next calls were made"))?;
        self.shows(&self.second, name, true, "after it was written outside")
            .await
    }
}
