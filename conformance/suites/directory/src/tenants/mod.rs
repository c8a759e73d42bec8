//! The tenants port's suite: which tenants there are, and the end of all that one has.

use std::sync::Arc;

use portproof_ports::{Ports, Tenant, TenantDraft, TenantId, TenantStore, Text};

use super::{
    fixture::{START, document},
    offered,
};
use crate::{Checked, Context, Failure, Profile, Suite, World, check::equal};

mod ends;
mod fill;
mod lists;
mod purge;
mod races;
mod records;
mod updates;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        crate::model::Belongings,
        "tenants::random::calls_in_turn",
        "tenants::random::calls_at_once"
    );
}

/// All rules of the tenants port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        updates::cases(),
        lists::cases(),
        walls::cases(),
        purge::cases(),
        ends::cases(),
        races::cases(),
        random::cases(),
    ];
    Suite::new("tenants", parts.into_iter().flatten().collect()).of_profile(Profile::Directory)
}

/// What is said of a tenant with this name.
fn draft(name: &str) -> Result<TenantDraft, Failure> {
    Ok(TenantDraft {
        name: Text::new(name)?,
        settings: document(name)?,
    })
}

/// The same in other words.
fn other_draft() -> Result<TenantDraft, Failure> {
    draft("Another name")
}

/// The other ports.
fn but_tenants(ports: &Ports) -> Ports {
    let mut others = ports.clone();
    others.tenants = None;
    others
}

/// A store with some tenants.
struct Tenants {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn TenantStore>,
    /// The store through the second handle.
    other: Arc<dyn TenantStore>,
    /// What most rules are about.
    subject: Tenant,
    /// What no case means: their ids differ from the subject's in a trailing space, and in case.
    bystanders: Vec<Tenant>,
}

impl World for Tenants {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("tenants", context.stores().tenants.as_ref())?;
        let other = offered("tenants", context.second().tenants.as_ref())?;
        let subject = context.tenant()?;
        let subject = store.create(&subject, draft("The subject")?, START).await?;
        let mut bystanders = Vec::new();
        for name in ["The subject", "the subject "] {
            let tenant = context.tenant()?;
            bystanders.push(store.create(&tenant, draft(name)?, START).await?);
        }
        let world = Self {
            context,
            store,
            other,
            subject,
            bystanders,
        };
        // So that the caches of both handles have it.
        world.subject_unchanged().await?;
        Ok(world)
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for tenant in &self.bystanders {
            let found = self.store.get(&tenant.id).await?;
            equal(
                &format!("the tenant {:?}, which nobody touched", tenant.id),
                &found.as_ref(),
                &Some(tenant),
            )?;
        }
        Ok(())
    }
}

impl Tenants {
    /// The handle that a racer uses: they take turns.
    fn handle(&self, racer: usize) -> Arc<dyn TenantStore> {
        Arc::clone(if racer.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        })
    }

    /// The tenant as both handles see it.
    async fn seen(&self, id: &TenantId) -> Result<Option<Tenant>, Failure> {
        let first = self.store.get(id).await?;
        let second = self.other.get(id).await?;
        equal("the second handle's view of the tenant", &second, &first)?;
        Ok(first)
    }

    /// Fails unless the subject is as it was stored.
    async fn subject_unchanged(&self) -> Checked {
        equal(
            "the tenant, which was to stay as it is",
            &self.seen(&self.subject.id).await?.as_ref(),
            &Some(&self.subject),
        )
    }
}
