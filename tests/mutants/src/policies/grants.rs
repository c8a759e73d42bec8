//! Faults of what becomes of grants when their role goes.

use std::sync::Arc;

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    AssignmentStore, AssignmentStoreAnswer, AssignmentStoreCall, Expected, Grant, GrantScope,
    PageRequest, PolicyStoreAnswer as Answer, PolicyStoreCall as Call, Port, PortResult, Ports,
    RoleId, TenantId,
};

use super::{
    faults::{Shared, lock},
    kind::{Store, round_trip},
};

/// Grants that outlived their role, which is what the right adapter cannot have.
type Left = Shared<Vec<(TenantId, Grant)>>;

/// Which grants a deletion leaves behind: of those before it, and of those that came meanwhile.
#[derive(Clone, Copy)]
enum Leaves {
    /// All that `which` chooses of those that were there, by their number.
    Those(fn(usize, &Grant) -> bool),
    /// Those that were made between the two steps of the deletion.
    Late,
}

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        leaving(
            "policies::delete_role_leaves_grants",
            "policies::delete_role::saved_again_it_is_held_by_nobody",
            true,
            Leaves::Those(|_, _| true),
        )
        .re_enacts("duck-iam: deleting a role left its grants, and saving it again gave it to all"),
        leaving(
            "policies::delete_role_leaves_scoped_grants",
            "policies::delete_role::ends_its_grants",
            false,
            Leaves::Those(|_, grant| grant.scope != GrantScope::Global),
        )
        .re_enacts("duck-iam 2.2.0: revoking without a scope removed the unscoped row only"),
        leaving(
            "policies::delete_role_leaves_grants_that_have_not_begun",
            "policies::delete_role::ends_its_grants",
            false,
            Leaves::Those(|_, grant| grant.window.from().is_some()),
        ),
        leaving(
            "policies::delete_role_ends_a_page_of_grants",
            "policies::delete_role::ends_more_than_a_page",
            false,
            Leaves::Those(|number, _| number >= 1000),
        ),
        leaving(
            "policies::delete_role_ends_a_hundred_grants",
            "policies::delete_role::ends_more_than_a_page",
            true,
            Leaves::Those(|number, _| number >= 100),
        )
        .re_enacts("better-auth #10342: a second query's default limit of a hundred"),
        leaving(
            "policies::delete_role_takes_two_steps",
            "policies::delete_role::race_with_assign_leaves_no_grant",
            true,
            Leaves::Late,
        )
        .re_enacts("duck-iam 2.1.0: a race brought back a grant that was revoked"),
        Mutant::new(
            "policies::save_role_is_a_replace",
            "policies::save_role::keeps_its_grants",
            |mut ports: Ports, _| {
                ports.policies = ports.policies.map(|port| faulty(port, save_is_a_replace));
                ports
            },
        ),
    ]
}

/// A mutant whose deletions of roles leave grants. They are seen at once, or only when the role
/// `must_be_stored` again.
fn leaving(
    id: &'static str,
    breaks: &'static str,
    must_be_stored: bool,
    leaves: Leaves,
) -> Mutant<Ports> {
    let left = Left::default();
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        let (Some(policies), Some(assignments)) = (&ports.policies, &ports.assignments) else {
            return ports;
        };
        let roles = must_be_stored.then(|| Arc::clone(policies));
        let (grants, noted) = (Arc::clone(assignments), Arc::clone(&left));
        ports.policies = Some(faulty(Arc::clone(policies), move |port, call| {
            delete_leaving(port, call, Arc::clone(&grants), Arc::clone(&noted), leaves)
        }));
        let left = Arc::clone(&left);
        ports.assignments = Some(faulty(Arc::clone(assignments), move |port, call| {
            read_with(port, call, roles.clone(), Arc::clone(&left))
        }));
        ports
    })
}

async fn delete_leaving(
    port: Store,
    call: Call,
    grants: Arc<dyn AssignmentStore>,
    left: Left,
    leaves: Leaves,
) -> PortResult<Answer> {
    let Call::DeleteRole { tenant, id } = &call else {
        return port.call(call).await;
    };
    let before = holders(&*grants, tenant, id).await?;
    let mut staying = Vec::new();
    match leaves {
        Leaves::Those(stays) => {
            let numbered = before.into_iter().enumerate();
            staying.extend(numbered.filter(|(number, grant)| stays(*number, grant)));
        }
        Leaves::Late => {
            round_trip().await;
            round_trip().await;
            let after = holders(&*grants, tenant, id).await?;
            let late = after.into_iter().filter(|grant| !before.contains(grant));
            staying.extend(late.enumerate());
        }
    }
    let staying = staying
        .into_iter()
        .map(|(_, grant)| (tenant.clone(), grant));
    lock(&left).extend(staying);
    port.call(call).await
}

async fn holders(
    grants: &dyn AssignmentStore,
    tenant: &TenantId,
    role: &RoleId,
) -> PortResult<Vec<Grant>> {
    let first = PageRequest::first(1000)?;
    let mut page = grants.holders_of(tenant, role, &first).await?;
    let mut holders = std::mem::take(&mut page.items);
    while let Some(cursor) = page.next {
        page = grants
            .holders_of(tenant, role, &first.following(cursor))
            .await?;
        holders.append(&mut page.items);
    }
    Ok(holders)
}

async fn read_with(
    port: Arc<dyn AssignmentStore>,
    call: AssignmentStoreCall,
    roles: Option<Store>,
    left: Left,
) -> PortResult<AssignmentStoreAnswer> {
    let AssignmentStoreCall::HoldersOf { tenant, role, .. } = &call else {
        return port.call(call).await;
    };
    let is_seen = match roles {
        Some(roles) => roles.get_role(tenant, role).await?.is_some(),
        None => true,
    };
    let here = (tenant.clone(), role.clone());
    let mut answer = port.call(call).await?;
    if let AssignmentStoreAnswer::HoldersOf(page) = &mut answer
        && is_seen
    {
        let left = lock(&left);
        let still = left
            .iter()
            .filter(|(tenant, grant)| (tenant, &grant.role) == (&here.0, &here.1));
        page.items.extend(still.map(|(_, grant)| grant.clone()));
        // No page may have more than was asked for.
        page.items.truncate(1000);
    }
    Ok(answer)
}

/// Saves by deleting what is stored and inserting anew.
async fn save_is_a_replace(port: Store, call: Call) -> PortResult<Answer> {
    if let Call::SaveRole {
        tenant,
        expected: Expected::Anything,
        role,
        ..
    } = &call
    {
        port.delete_role(tenant, &role.id).await?;
    }
    port.call(call).await
}
