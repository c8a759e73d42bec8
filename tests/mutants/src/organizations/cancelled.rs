//! Mutants that write in two steps, so that who drops a write between them leaves a half of it.

use portproof_ports::{
    Document, MemberRoles, NewMembership, NewOrganization, OrganizationStoreAnswer as Answer,
    OrganizationStoreCall as Call, OrganizationUpdate, PageRequest, Port as _, PortError,
};

use super::Port;

/// Where a write is dropped.
async fn between_steps() {
    tokio::task::yield_now().await;
}

pub(super) fn mutants(edits: Port) -> Port {
    edits
        .fault(
            "organizations::create_writes_data_later",
            "organizations::create::cancelled_is_whole",
            |store, call| async move {
                let Call::Create {
                    tenant,
                    organization,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                let bare = NewOrganization {
                    data: Document::empty(),
                    ..organization.clone()
                };
                let stored = store.create(&tenant, bare, now).await?;
                between_steps().await;
                let whole = OrganizationUpdate {
                    slug: organization.slug,
                    member_limit: organization.member_limit,
                    data: organization.data,
                };
                let seen = stored.version;
                let stored = store.update(&tenant, &stored.id, seen, whole, now).await?;
                Ok(Answer::Create(stored))
            },
        )
        .fault(
            "organizations::add_gives_roles_later",
            "organizations::add_member::cancelled_is_whole",
            |store, call| async move {
                let Call::AddMember {
                    tenant,
                    membership,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                let bare = NewMembership {
                    roles: MemberRoles::default(),
                    ..membership.clone()
                };
                let added = store.add_member(&tenant, bare, now).await?;
                between_steps().await;
                let (place, who) = (&added.organization, &added.identity);
                let added = store
                    .set_roles(&tenant, place, who, added.version, membership.roles, now)
                    .await?;
                Ok(Answer::AddMember(added))
            },
        )
        .fault(
            "organizations::accept_uses_up_later",
            "organizations::accept::cancelled_is_whole",
            |store, call| async move {
                let Call::Accept {
                    tenant,
                    id,
                    identity,
                    now,
                } = &call
                else {
                    return store.call(call).await;
                };
                let found = store.invitation(tenant, id, *now).await?;
                let found = found.ok_or(PortError::not_found("invitation"))?;
                let new = NewMembership {
                    organization: found.organization,
                    identity: identity.clone(),
                    roles: found.roles,
                };
                let joined = store.add_member(tenant, new, *now).await?;
                between_steps().await;
                store.revoke(tenant, id).await?;
                Ok(Answer::Accept(joined))
            },
        )
        .fault(
            "organizations::delete_removes_members_first",
            "organizations::delete::cancelled_is_whole",
            |store, call| async move {
                if let Call::Delete { tenant, id } = &call {
                    let page = PageRequest::first(1000)?;
                    for member in store.members_of(tenant, id, &page).await?.items {
                        store.remove_member(tenant, id, &member.identity).await?;
                        between_steps().await;
                    }
                }
                store.call(call).await
            },
        )
}
