//! Purges: all of a tenant goes, in every port, and nothing of another.

use std::sync::Arc;

use portproof_ports::{Ports, TenantId, TenantStore};

use super::{but_tenants, fill::fill};
use crate::{
    Case, Checked, Context, Failure, World, cases,
    check::{equal, holds},
    model::{Look, looked},
    offered, rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        everything_goes,
        others_stay,
        record_is_not_needed,
        records_are_counted,
        limit_is_kept,
        record_goes_last,
        second_purge_finds_nothing,
    ]
}

/// More than a filled tenant has.
pub(super) const ALL: u32 = 1_000;

/// Tenants that have something in every port that the adapter offers.
pub(super) struct Full {
    pub(super) context: Context<Ports>,
    /// The store.
    pub(super) store: Arc<dyn TenantStore>,
    /// The store through the second handle.
    pub(super) other: Arc<dyn TenantStore>,
    /// What is purged.
    pub(super) tenant: TenantId,
    /// All that it has.
    pub(super) full: Look,
    /// How many records that are.
    pub(super) records: u64,
    /// What is seen of a tenant that has nothing.
    pub(super) nothing: Look,
    /// What no case means, with all that they have: their ids differ from the tenant's in a trailing
    /// space, and in case.
    bystanders: Vec<(TenantId, Look)>,
}

impl World for Full {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let ports = context.stores();
        let store = offered("tenants", ports.tenants.as_ref())?;
        let other = offered("tenants", context.second().tenants.as_ref())?;
        let tenant = context.tenant()?;
        let nothing = looked(ports, &tenant).await?;
        let mut bystanders = Vec::new();
        for _ in 0..2 {
            let id = context.tenant()?;
            fill(ports, &id).await?;
            let look = looked(ports, &id).await?;
            bystanders.push((id, look));
        }
        let records = fill(ports, &tenant).await?;
        let full = looked(ports, &tenant).await?;
        let world = Self {
            store,
            other,
            tenant,
            full,
            records,
            nothing,
            bystanders,
            context,
        };
        // So that the caches of both handles have it.
        let again = looked(world.context.second(), &world.tenant).await?;
        world.same("all that a tenant was filled with", &again, &world.full)?;
        Ok(world)
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (id, before) in &self.bystanders {
            equal(
                &format!("all that the tenant {id:?} has, whom nobody purged"),
                &looked(self.context.stores(), id).await?,
                before,
            )?;
        }
        Ok(())
    }
}

impl Full {
    /// Fails unless a tenant has nothing in any port, through either handle.
    pub(super) async fn is_empty(&self, what: &str, tenant: &TenantId) -> Checked {
        for ports in [self.context.stores(), self.context.second()] {
            self.same(what, &looked(ports, tenant).await?, &self.nothing)?;
        }
        Ok(())
    }

    /// Fails unless the tenant has all that it was filled with, through either handle.
    pub(super) async fn is_full(&self, tenant: &TenantId) -> Checked {
        for ports in [self.context.stores(), self.context.second()] {
            let look = looked(ports, tenant).await?;
            self.same("all that a tenant was filled with", &look, &self.full)?;
        }
        Ok(())
    }

    /// Compares port by port, so that a failure shows one.
    #[track_caller]
    fn same(&self, what: &str, got: &Look, expected: &Look) -> Checked {
        for (got, expected) in got.iter().zip(expected) {
            equal(&format!("{what}, in {}", expected.0), &got.1, &expected.1)?;
        }
        equal(what, &got.len(), &expected.len())
    }

    /// Purges a tenant with one call.
    pub(super) async fn purge(&self, tenant: &TenantId) -> Result<u64, Failure> {
        Ok(self.store.purge(tenant, ALL).await?)
    }
}

/// After a purge a tenant has nothing in any port of the adapter: no read through either handle finds
/// anything of it.
///
/// What stays of a customer that left is what its lawyers ask about, and what lets its people in.
#[rule(
    "tenants::purge::removes_everything",
    source = "the contract; spire #6946: rows that belonged to a deleted one stayed"
)]
async fn everything_goes(w: &Full) -> Checked {
    w.purge(&w.tenant).await?;
    w.is_empty("what is left of a purged tenant", &w.tenant)
        .await
}

/// A purge of a tenant leaves those alone whose ids are like it: in another case, with a space at the
/// end, longer, shorter, or what a pattern of its id stands for.
///
/// Whoever may choose the name of a tenant ends the neighbours with it.
#[rule(
    "tenants::purge::leaves_others_alone",
    source = "duck-iam: a prefix with `[` in it was a pattern, and deleted another tenant's grants"
)]
async fn others_stay(w: &Full) -> Checked {
    let (base, ports) = (w.context.tenant()?, w.context.stores());
    let base = base.as_str();
    let shorter = &base[..base.len() - 1];
    let mut ids = Vec::new();
    for id in [
        base.to_owned(),
        format!("{base}%"),
        format!("{shorter}_"),
        format!("{shorter}*"),
        format!("{base} "),
        base.to_uppercase(),
        format!("{base}x"),
        shorter.to_owned(),
    ] {
        let id = TenantId::new(id)?;
        fill(ports, &id).await?;
        ids.push((looked(ports, &id).await?, id));
    }
    // The plain one first, then those that are patterns of what is left.
    for purged in 0..4 {
        w.purge(&ids[purged].1).await?;
        w.is_empty("what is left of a purged tenant", &ids[purged].1)
            .await?;
        for (before, id) in &ids[purged + 1..] {
            w.same(
                &format!("all of {id:?}, when {:?} was purged", ids[purged].1),
                &looked(ports, id).await?,
                before,
            )?;
        }
    }
    Ok(())
}

/// A tenant without a record of its own is purged like any other.
///
/// What a purge that was stopped half way leaves, or an engine that keeps no records of tenants, can
/// be ended, too.
#[rule(
    "tenants::purge::needs_no_record",
    source = "the contract: references across ports are the engine's job"
)]
async fn record_is_not_needed(w: &Full) -> Checked {
    let tenant = w.context.tenant()?;
    let others = but_tenants(w.context.stores());
    let records = fill(&others, &tenant).await?;
    equal("how many went", &w.purge(&tenant).await?, &records)?;
    w.is_empty("what is left of a purged tenant", &tenant).await
}

/// A purge answers how many records went, as the ports answer them: parts go with their record, and
/// do not count.
///
/// A receipt that counts what nobody can count again proves nothing.
#[rule(
    "tenants::purge::counts_records",
    source = "the contract: everything that ends many answers how many"
)]
async fn records_are_counted(w: &Full) -> Checked {
    equal("how many went", &w.purge(&w.tenant).await?, &w.records)
}

/// A purge removes no more than it is allowed to, and fewer only when none is left; one after the
/// other, all goes.
///
/// A call without end holds up everybody else's, and is ended by a timeout before it is done.
#[rule(
    "tenants::purge::keeps_to_its_limit",
    source = "sweeps that ignored their limit: one transaction over a whole table"
)]
async fn limit_is_kept(w: &Full) -> Checked {
    equal("a purge of none", &w.store.purge(&w.tenant, 0).await?, &0)?;
    w.is_full(&w.tenant).await?;
    for at_most in [1, 4] {
        let tenant = w.context.tenant()?;
        let mut left = fill(w.context.stores(), &tenant).await?;
        while left > 0 {
            let removed = w.store.purge(&tenant, at_most).await?;
            let expected = left.min(u64::from(at_most));
            equal(&format!("how many of {left} went"), &removed, &expected)?;
            left -= removed;
        }
        w.is_empty("what is left after the last", &tenant).await?;
    }
    Ok(())
}

/// A tenant's own record goes last: for as long as anything else may be left, it is there and listed.
///
/// A purge that was stopped half way is one that nobody finds again when the record is gone.
#[rule(
    "tenants::purge::removes_the_record_last",
    source = "the contract; a purge that stops half way must be found again"
)]
async fn record_goes_last(w: &Full) -> Checked {
    let before = w.other.get(&w.tenant).await?;
    for _ in 1..w.records {
        w.store.purge(&w.tenant, 1).await?;
        let now = w.other.get(&w.tenant).await?;
        equal("the record, while there is more", &now, &before)?;
    }
    w.store.purge(&w.tenant, 1).await?;
    w.is_empty("what is left after the record", &w.tenant).await
}

/// A purge of what is purged, or of what never was, finds nothing, and is no error.
///
/// Whoever is not told of the end of a purge does it again.
#[rule(
    "tenants::purge::finds_nothing_twice",
    source = "the contract: missing is an answer"
)]
async fn second_purge_finds_nothing(w: &Full) -> Checked {
    let never = w.context.tenant()?;
    equal("a purge of nobody", &w.purge(&never).await?, &0)?;
    holds(w.purge(&w.tenant).await? > 0, "something goes at first")?;
    for store in [&w.store, &w.other] {
        let removed = store.purge(&w.tenant, ALL).await?;
        equal("a purge of what is purged", &removed, &0)?;
    }
    w.is_empty("what is left", &w.tenant).await
}
