//! Mutants of the organizations port.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portproof::mutants::Mutant;
use portproof_ports::{
    Membership, NewMembership, Organization, OrganizationId, OrganizationStore, OrganizationUpdate,
    PortResult, Ports, TenantId,
};

use crate::edits::{Common, CommonList, Edits, common};

mod cancelled;
mod ends;
mod invitations;
mod lists;
mod members;
mod races;
mod records;

/// The port's mutants, while they are put together.
type Port = Edits<dyn OrganizationStore>;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let edits = Edits::new(|ports| &mut ports.organizations).common(&Common {
        list: Some(CommonList {
            damaged: (
                "organizations::damaged_cursors_begin_again",
                "organizations::lists::refuse_a_damaged_cursor",
            ),
            short_walk: (
                "organizations::lists_have_one_page",
                "organizations::list::is_complete_and_ordered",
            ),
        }),
        ..common!("organizations", "keeps_organizations")
    });
    let edits = records::kept(records::mutants(edits));
    let edits = invitations::mutants(members::mutants(edits));
    let edits = lists::mutants(ends::mutants(edits));
    cancelled::mutants(races::mutants(edits)).done()
}

/// The update that changes nothing of an organization.
fn same(stored: &Organization) -> OrganizationUpdate {
    OrganizationUpdate {
        slug: stored.slug.clone(),
        member_limit: stored.member_limit,
        data: stored.data.clone(),
    }
}

/// What makes a membership anew.
fn again(membership: &Membership) -> NewMembership {
    NewMembership {
        organization: membership.organization.clone(),
        identity: membership.identity.clone(),
        roles: membership.roles.clone(),
    }
}

/// Lets one more in.
async fn give_way(
    store: &Arc<dyn OrganizationStore>,
    tenant: &TenantId,
    id: &OrganizationId,
) -> PortResult<()> {
    if let Some(stored) = store.get(tenant, id).await?
        && let Some(limit) = stored.member_limit
    {
        let update = OrganizationUpdate {
            member_limit: limit.checked_add(1),
            ..same(&stored)
        };
        let now = stored.updated_at;
        store
            .update(tenant, id, stored.version, update, now)
            .await?;
    }
    Ok(())
}

/// What a mutant keeps for later, by organization.
struct Later<T>(Mutex<BTreeMap<(TenantId, OrganizationId), Vec<T>>>);

impl<T> Default for Later<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Later<T> {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<(TenantId, OrganizationId), Vec<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, tenant: &TenantId, id: &OrganizationId, what: T) {
        let place = (tenant.clone(), id.clone());
        self.locked().entry(place).or_default().push(what);
    }

    fn take(&self, tenant: &TenantId, id: &OrganizationId) -> Vec<T> {
        let place = (tenant.clone(), id.clone());
        self.locked().remove(&place).unwrap_or_default()
    }
}
