//! Mutants of invitations.

use std::sync::Arc;

use portproof_ports::{
    Invitation, MemberRoles, NewInvitation, OrganizationStoreAnswer as Answer,
    OrganizationStoreCall as Call, Port as _, PortError, Timestamp,
};
use serde_json::{Value, json};

use super::{Later, Port, give_way};

/// What makes an invitation anew.
fn again(invitation: Invitation) -> NewInvitation {
    NewInvitation {
        id: invitation.id,
        organization: invitation.organization,
        invitee: invitation.invitee,
        roles: invitation.roles,
        expires_at: invitation.expires_at,
        data: invitation.data,
    }
}

pub(super) fn mutants(edits: Port) -> Port {
    let later: Arc<Later<(NewInvitation, Timestamp)>> = Arc::default();
    let edits = edits
        .call(
            "organizations::invite_drops_roles",
            "organizations::invite::stores_it_whole",
            "invite",
            |arguments| arguments["invitation"]["roles"] = json!([]),
        )
        .also(
            "organizations::invite_replaces",
            "organizations::invite::refuses_a_stored_digest",
            "invite",
            |arguments| {
                let id = &arguments["invitation"]["id"];
                vec![("revoke", json!({"tenant": arguments["tenant"], "id": id}))]
            },
        )
        .fault(
            "organizations::inviting_needs_nothing",
            "organizations::invite::needs_the_organization",
            move |store, call| {
                let later = Arc::clone(&later);
                async move {
                    let outcome = store.call(call.clone()).await;
                    match (call, &outcome) {
                        (
                            Call::Invite {
                                tenant,
                                invitation,
                                now,
                            },
                            Err(PortError::NotFound(_)),
                        ) => {
                            let place = invitation.organization.clone();
                            later.keep(&tenant, &place, (invitation, now));
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
                                // Of several under one digest the first is kept.
                                let _ = store.invite(&tenant, orphan, now).await;
                            }
                        }
                        _ => {}
                    }
                    outcome
                }
            },
        )
        .call(
            "organizations::invite_takes_what_is_over",
            "organizations::invite::refuses_what_is_over",
            "invite",
            |arguments| {
                let now = arguments["now"].as_i64().unwrap_or_default();
                let end = &mut arguments["invitation"]["expires_at"];
                if end.as_i64().is_some_and(|end| end <= now) {
                    *end = json!(now + 1);
                }
            },
        )
        .call(
            "organizations::invitations_live_at_their_end",
            "organizations::invitation::is_live_until_its_end",
            "invitation",
            a_moment_earlier,
        )
        .call(
            "organizations::invitations_are_listed_at_their_end",
            "organizations::invitation::is_live_until_its_end",
            "invitations_of",
            a_moment_earlier,
        );
    acceptances(edits)
        .answer(
            "organizations::revoke_answers_true",
            "organizations::revoke::ends_one",
            "revoke",
            |answer| *answer = Value::Bool(true),
        )
        .re_enacts("better-auth #6572: counts of affected rows were wrong")
        .call(
            "organizations::sweep_takes_a_moment_more",
            "organizations::sweep::removes_what_is_over",
            "sweep",
            |arguments| {
                let now = arguments["now"].as_i64().unwrap_or_default();
                arguments["now"] = json!(now + 1);
            },
        )
        .call(
            "organizations::sweep_takes_all",
            "organizations::sweep::removes_what_is_over",
            "sweep",
            |arguments| arguments["at_most"] = json!(1000),
        )
}

fn a_moment_earlier(arguments: &mut Value) {
    let now = arguments["now"].as_i64().unwrap_or_default();
    arguments["now"] = json!((now - 1).max(0));
}

fn acceptances(edits: Port) -> Port {
    edits
        .fault(
            "organizations::accept_gives_no_roles",
            "organizations::accept::makes_the_membership",
            |store, call| async move {
                let mut outcome = store.call(call.clone()).await?;
                if let (
                    Call::Accept {
                        tenant,
                        identity,
                        now,
                        ..
                    },
                    Answer::Accept(joined),
                ) = (call, &mut outcome)
                {
                    let none = MemberRoles::default();
                    let (place, version) = (&joined.organization, joined.version);
                    *joined = store
                        .set_roles(&tenant, place, &identity, version, none, now)
                        .await?;
                }
                Ok(outcome)
            },
        )
        .fault(
            "organizations::invitations_are_for_ever",
            "organizations::accept::is_single_use",
            |store, call| async move {
                let Call::Accept {
                    tenant, id, now, ..
                } = &call
                else {
                    return store.call(call).await;
                };
                let stored = store.invitation(tenant, id, *now).await?;
                let outcome = store.call(call.clone()).await?;
                if let Some(stored) = stored {
                    let made = stored.created_at;
                    store.invite(tenant, again(stored), made).await?;
                }
                Ok(outcome)
            },
        )
        .fault(
            "organizations::accept_takes_what_is_over",
            "organizations::accept::refuses_what_is_over",
            |store, call| async move {
                let outcome = store.call(call.clone()).await;
                match (call, &outcome) {
                    (
                        Call::Accept {
                            tenant,
                            id,
                            identity,
                            ..
                        },
                        Err(PortError::NotFound(_)),
                    ) => {
                        let long_ago = Timestamp::MIN;
                        let accepted = store.accept(&tenant, &id, &identity, long_ago).await;
                        accepted.map(Answer::Accept)
                    }
                    _ => outcome,
                }
            },
        )
        .re_enacts("AuthHero: an expired code was consumed")
        .fault(
            "organizations::refusals_burn",
            "organizations::accept::refused_burns_nothing",
            |store, call| async move {
                let outcome = store.call(call.clone()).await;
                if let Call::Accept { tenant, id, .. } = &call
                    && matches!(
                        outcome,
                        Err(PortError::AlreadyExists(_) | PortError::Refused { .. })
                    )
                {
                    store.revoke(tenant, id).await?;
                }
                outcome
            },
        )
        .fault(
            "organizations::invitations_go_around_the_limit",
            "organizations::accept::keeps_to_the_limit",
            |store, call| async move {
                let outcome = store.call(call.clone()).await;
                if let Call::Accept {
                    tenant, id, now, ..
                } = &call
                    && matches!(outcome, Err(PortError::Refused { .. }))
                    && let Some(stored) = store.invitation(tenant, id, *now).await?
                {
                    give_way(&store, tenant, &stored.organization).await?;
                    return store.call(call).await;
                }
                outcome
            },
        )
}
