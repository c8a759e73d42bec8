//! What somebody may: policies, roles and assignments.

use std::sync::Arc;

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    AssignmentStore, AssignmentStoreAnswer, AssignmentStoreCall, GrantScope, NewGrant, PageRequest,
    PolicyStore, PolicyStoreCall, Port, Ports, Timestamp, Which, Window,
};

use super::{BEGIN, between_steps};
use crate::edits::Edits;

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    let mut mutants = [
        policies(Edits::new(|ports| &mut ports.policies)).done(),
        assignments(Edits::new(|ports| &mut ports.assignments)).done(),
    ]
    .concat();
    mutants.push(deleted_role());
    mutants
}

fn policies(edits: Edits<dyn PolicyStore>) -> Edits<dyn PolicyStore> {
    use PolicyStoreCall as Call;
    edits
        .fault(
            "policies::policies_are_deleted_and_saved",
            "policies::save_policy::cancelled_is_whole",
            |store, call| async move {
                if let Call::SavePolicy { tenant, policy, .. } = &call
                    && store.delete_policy(tenant, &policy.id).await?
                {
                    between_steps().await;
                }
                store.call(call).await
            },
        )
        .fault(
            "policies::roles_are_deleted_and_saved",
            "policies::save_role::cancelled_is_whole",
            |store, call| async move {
                if let Call::SaveRole { tenant, role, .. } = &call
                    && store.delete_role(tenant, &role.id).await?
                {
                    between_steps().await;
                }
                store.call(call).await
            },
        )
}

/// Revokes a role's grants, and deletes it later.
fn deleted_role() -> Mutant<Ports> {
    use PolicyStoreCall as Call;
    Mutant::new(
        "policies::grants_end_before_their_role",
        "policies::delete_role::cancelled_is_whole",
        |mut ports: Ports, _| {
            let assignments = ports.assignments.clone();
            ports.policies = ports.policies.map(|port| {
                faulty(port, move |store: Arc<dyn PolicyStore>, call| {
                    let assignments = assignments.clone();
                    async move {
                        if let Call::DeleteRole { tenant, id } = &call
                            && let Some(assignments) = assignments
                        {
                            let page = PageRequest::first(1000)?;
                            let held = assignments.holders_of(tenant, id, &page).await?;
                            for grant in held.items {
                                let (subject, which) = (&grant.subject, &Which::Every);
                                assignments.revoke(tenant, subject, id, which).await?;
                                between_steps().await;
                            }
                        }
                        store.call(call).await
                    }
                })
            });
            ports
        },
    )
}

fn assignments(edits: Edits<dyn AssignmentStore>) -> Edits<dyn AssignmentStore> {
    use AssignmentStoreAnswer as Answer;
    use AssignmentStoreCall as Call;
    edits
        .fault(
            "assignments::batch_is_granted_one_by_one",
            "assignments::assign_many::cancelled_is_whole",
            |store, call| async move {
                if let Call::AssignMany {
                    tenant,
                    grants,
                    now,
                } = &call
                {
                    for grant in grants {
                        store.assign(tenant, grant.clone(), *now).await?;
                        between_steps().await;
                    }
                }
                store.call(call).await
            },
        )
        .re_enacts(BEGIN)
        .fault(
            "assignments::batch_is_revoked_one_by_one",
            "assignments::revoke_many::cancelled_is_whole",
            |store, call| async move {
                let Call::RevokeMany {
                    tenant,
                    revocations,
                } = &call
                else {
                    return store.call(call).await;
                };
                let mut revoked = 0;
                for one in revocations {
                    revoked += store
                        .revoke(tenant, &one.subject, &one.role, &one.which)
                        .await?;
                    between_steps().await;
                }
                Ok(Answer::RevokeMany(revoked))
            },
        )
        .fault(
            "assignments::move_ends_and_waits",
            "assignments::move_scope::cancelled_is_whole",
            |store, call| async move {
                let Call::MoveScope {
                    tenant,
                    subject,
                    role,
                    from,
                    to,
                } = call
                else {
                    return store.call(call).await;
                };
                let which = match from {
                    GrantScope::Global => Which::Global,
                    GrantScope::Scoped(scope) => Which::Scoped(scope),
                };
                if store.revoke(&tenant, &subject, &role, &which).await? == 0 {
                    return Ok(Answer::MoveScope(false));
                }
                between_steps().await;
                let moved = NewGrant {
                    subject,
                    role,
                    scope: to,
                    window: Window::ALWAYS,
                };
                let now = Timestamp::MIN;
                store.assign(&tenant, moved, now).await?;
                Ok(Answer::MoveScope(true))
            },
        )
        .re_enacts(BEGIN)
        .fault(
            "assignments::attributes_are_merged_one_by_one",
            "assignments::merge_attributes::cancelled_is_whole",
            |store, call| async move {
                if let Call::MergeAttributes {
                    tenant,
                    subject,
                    changes,
                } = &call
                {
                    for (name, change) in changes {
                        let one = [(name.clone(), change.clone())].into();
                        store.merge_attributes(tenant, subject, &one).await?;
                        between_steps().await;
                    }
                }
                store.call(call).await
            },
        )
        .fault(
            "assignments::forget_ends_grants_first",
            "assignments::forget::cancelled_is_whole",
            |store, call| async move {
                if let Call::Forget { tenant, subject } = &call {
                    let page = PageRequest::first(1000)?;
                    for grant in store.grants_of(tenant, subject, &page).await?.items {
                        store
                            .revoke(tenant, subject, &grant.role, &Which::Every)
                            .await?;
                    }
                    between_steps().await;
                }
                store.call(call).await
            },
        )
}
