//! Mutants of memberships.

use std::sync::Arc;

use portproof_ports::{
    NewMembership, OrganizationStoreAnswer as Answer, OrganizationStoreCall as Call, PageRequest,
    Port as _, PortError, Timestamp,
};
use serde_json::Value;

use super::{Later, Port, give_way};
use crate::edits::begins;

pub(super) fn mutants(edits: Port) -> Port {
    let edits = edits
        .call(
            "organizations::roles_are_cut",
            "organizations::add_member::stores_it_whole",
            "add_member",
            |arguments| {
                let roles = &mut arguments["membership"]["roles"];
                if let Some(roles) = roles.as_array_mut() {
                    roles.truncate(32);
                }
            },
        )
        .fault(
            "organizations::add_replaces",
            "organizations::add_member::refuses_a_member",
            |store, call| async move {
                let outcome = store.call(call.clone()).await;
                let (
                    Call::AddMember {
                        tenant,
                        membership,
                        now,
                    },
                    Err(PortError::AlreadyExists(_)),
                ) = (call, &outcome)
                else {
                    return outcome;
                };
                let NewMembership {
                    organization,
                    identity,
                    roles,
                } = membership;
                let stored = store.member(&tenant, &organization, &identity).await?;
                let version = stored.ok_or(PortError::not_found("membership"))?.version;
                store
                    .set_roles(&tenant, &organization, &identity, version, roles, now)
                    .await
                    .map(Answer::AddMember)
            },
        );
    orphans(
        edits,
        "organizations::adding_needs_nothing",
        "organizations::add_member::needs_the_organization",
    )
    .fault(
        "organizations::limit_gives_way",
        "organizations::add_member::keeps_to_the_limit",
        |store, call| async move {
            let outcome = store.call(call.clone()).await;
            if let Call::AddMember {
                tenant, membership, ..
            } = &call
                && matches!(outcome, Err(PortError::Refused { .. }))
            {
                give_way(&store, tenant, &membership.organization).await?;
                return store.call(call).await;
            }
            outcome
        },
    )
    .finds(
        "organizations::member_goes_by_prefix",
        "organizations::member::missing_is_none",
        &["member"],
        "identity",
        begins,
    )
    .fault(
        "organizations::roles_are_set_everywhere",
        "organizations::set_roles::affects_one_membership",
        |store, call| async move {
            let outcome = store.call(call.clone()).await?;
            if let Call::SetRoles {
                tenant,
                organization,
                identity,
                roles,
                now,
                ..
            } = call
            {
                let page = PageRequest::first(1000)?;
                let all = store.organizations_of(&tenant, &identity, &page).await?;
                // Without the organization in the condition.
                for other in all.items {
                    if other.organization != organization {
                        let (place, version) = (&other.organization, other.version);
                        store
                            .set_roles(&tenant, place, &identity, version, roles.clone(), now)
                            .await?;
                    }
                }
            }
            Ok(outcome)
        },
    )
    .fault(
        "organizations::roles_are_set_on_any_version",
        "organizations::set_roles::refuses_a_stale_version",
        |store, mut call| async move {
            if let Call::SetRoles {
                tenant,
                organization,
                identity,
                expected,
                ..
            } = &mut call
                && let Some(stored) = store.member(tenant, organization, identity).await?
            {
                *expected = stored.version;
            }
            store.call(call).await
        },
    )
    .fault(
        "organizations::set_roles_adds",
        "organizations::set_roles::missing_is_not_found",
        |store, call| async move {
            let outcome = store.call(call.clone()).await;
            let (
                Call::SetRoles {
                    tenant,
                    organization,
                    identity,
                    roles,
                    now,
                    ..
                },
                Err(PortError::NotFound(_)),
            ) = (call, &outcome)
            else {
                return outcome;
            };
            let new = NewMembership {
                organization,
                identity,
                roles,
            };
            store
                .add_member(&tenant, new, now)
                .await
                .map(Answer::SetRoles)
        },
    )
    .fault(
        "organizations::remove_ends_all",
        "organizations::remove_member::ends_one_membership",
        |store, call| async move {
            let outcome = store.call(call.clone()).await?;
            if let Call::RemoveMember {
                tenant, identity, ..
            } = &call
                && outcome == Answer::RemoveMember(true)
            {
                store.remove_all_of(tenant, identity).await?;
            }
            Ok(outcome)
        },
    )
    .answer(
        "organizations::remove_answers_true",
        "organizations::remove_member::ends_one_membership",
        "remove_member",
        |answer| *answer = Value::Bool(true),
    )
    .re_enacts("better-auth #6572: counts of affected rows were wrong")
}

/// Who is added to what is not there is told so, and stored all the same.
pub(super) fn orphans(edits: Port, id: &'static str, breaks: &'static str) -> Port {
    let later: Arc<Later<(NewMembership, Timestamp)>> = Arc::default();
    edits.fault(id, breaks, move |store, call| {
        let later = Arc::clone(&later);
        async move {
            let outcome = store.call(call.clone()).await;
            match (call, &outcome) {
                (
                    Call::AddMember {
                        tenant,
                        membership,
                        now,
                    },
                    Err(PortError::NotFound(_)),
                ) => {
                    let place = membership.organization.clone();
                    later.keep(&tenant, &place, (membership, now));
                }
                (
                    Call::Create {
                        tenant,
                        organization,
                        ..
                    },
                    Ok(_),
                ) => {
                    for (orphan, now) in later.take(&tenant, &organization.id) {
                        store.add_member(&tenant, orphan, now).await?;
                    }
                }
                _ => {}
            }
            outcome
        }
    })
}
