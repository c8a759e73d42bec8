//! Mutants that write in two steps, so that who drops a write between them leaves a half of it.
//!
//! Each waits once, after the first step, and is right when nobody drops it. Those of the codes and
//! refresh token ports are in their folders.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    AssignmentStore, AssignmentStoreAnswer, AssignmentStoreCall, CredentialStore,
    CredentialStoreAnswer, CredentialStoreCall, CredentialUse, Document, GrantScope, IdentityStore,
    IdentityStoreAnswer, IdentityStoreCall, IdentityUpdate, KeyStore, KeyStoreCall, Kinds,
    NewCredential, NewGrant, NewIdentifier, NewIdentity, NewSession, PageRequest, PolicyStore,
    PolicyStoreCall, Port, PortError, Ports, SessionStore, SessionStoreAnswer, SessionStoreCall,
    Timestamp, Version, Which, Window,
};

use crate::edits::Edits;

pub(crate) const BEGIN: &str = "transact-rs/sqlx #4385: what a cancelled transaction left behind";

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let mut mutants = [
        identities(Edits::new(|ports| &mut ports.identity)).done(),
        sessions(Edits::new(|ports| &mut ports.session)).done(),
        credentials(Edits::new(|ports| &mut ports.credentials)).done(),
        keys(Edits::new(|ports| &mut ports.keystore)).done(),
        policies(Edits::new(|ports| &mut ports.policies)).done(),
        assignments(Edits::new(|ports| &mut ports.assignments)).done(),
    ]
    .concat();
    mutants.push(deleted_role());
    mutants
}

/// Where a write is dropped.
pub(crate) async fn between_steps() {
    tokio::task::yield_now().await;
}

fn identities(edits: Edits<dyn IdentityStore>) -> Edits<dyn IdentityStore> {
    use IdentityStoreAnswer as Answer;
    use IdentityStoreCall as Call;
    edits
        .fault(
            "identity::create_links_later",
            "identity::create::cancelled_is_whole",
            |store, call| async move {
                let Call::Create {
                    tenant,
                    identity,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                let bare = NewIdentity {
                    identifiers: Vec::new(),
                    ..identity.clone()
                };
                let mut stored = store.create(&tenant, bare, now).await?;
                for identifier in identity.identifiers {
                    between_steps().await;
                    stored = store.link(&tenant, &stored.id, identifier, now).await?;
                }
                Ok(Answer::Create(stored))
            },
        )
        .re_enacts(BEGIN)
        .fault(
            "identity::update_blocks_first",
            "identity::update::cancelled_is_whole",
            |store, call| async move {
                let Call::Update {
                    tenant,
                    id,
                    expected,
                    update,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                let stored = store.get(&tenant, &id).await?;
                let state = IdentityUpdate {
                    state: update.state,
                    profile: stored.map_or_else(Document::empty, |stored| stored.profile),
                };
                let stored = store.update(&tenant, &id, expected, state, now).await?;
                between_steps().await;
                let seen = stored.version;
                let updated = store.update(&tenant, &id, seen, update, now).await?;
                Ok(Answer::Update(updated))
            },
        )
        .fault(
            "identity::link_verifies_later",
            "identity::link::cancelled_is_whole",
            |store, call| async move {
                if let Call::Link {
                    tenant,
                    id,
                    identifier,
                    now,
                } = &call
                    && identifier.verified_at.is_some()
                {
                    let unverified = NewIdentifier {
                        verified_at: None,
                        ..identifier.clone()
                    };
                    store.link(tenant, id, unverified, *now).await?;
                    between_steps().await;
                }
                store.call(call).await
            },
        )
        .fault(
            "identity::unlink_unverifies_first",
            "identity::unlink::cancelled_is_whole",
            |store, call| async move {
                if let Call::Unlink {
                    tenant,
                    id,
                    identifier,
                    now,
                } = &call
                    && let Some(owner) = store.find(tenant, identifier).await?
                    && owner.id == *id
                {
                    let unverified = NewIdentifier {
                        identifier: identifier.clone(),
                        verified_at: None,
                    };
                    store.link(tenant, id, unverified, *now).await?;
                    between_steps().await;
                }
                store.call(call).await
            },
        )
        .fault(
            "identity::merge_moves_one_by_one",
            "identity::merge::cancelled_is_whole",
            |store, call| async move {
                if let Call::Merge {
                    tenant,
                    survivor,
                    duplicate,
                    now,
                } = &call
                    && let Some(from) = store.get(tenant, duplicate).await?
                    && store.get(tenant, survivor).await?.is_some()
                {
                    for linked in from.identifiers {
                        let moved = NewIdentifier {
                            identifier: linked.identifier,
                            verified_at: linked.verified_at,
                        };
                        store
                            .unlink(tenant, duplicate, &moved.identifier, *now)
                            .await?;
                        store.link(tenant, survivor, moved, *now).await?;
                        between_steps().await;
                    }
                }
                store.call(call).await
            },
        )
        .re_enacts(BEGIN)
        .fault(
            "identity::erase_frees_one_by_one",
            "identity::erase::cancelled_is_whole",
            |store, call| async move {
                if let Call::Erase { tenant, id } = &call
                    && let Some(stored) = store.get(tenant, id).await?
                {
                    for linked in &stored.identifiers {
                        let now = stored.updated_at;
                        store.unlink(tenant, id, &linked.identifier, now).await?;
                        between_steps().await;
                    }
                }
                store.call(call).await
            },
        )
}

fn sessions(edits: Edits<dyn SessionStore>) -> Edits<dyn SessionStore> {
    use SessionStoreAnswer as Answer;
    use SessionStoreCall as Call;
    edits
        .fault(
            "session::create_writes_data_later",
            "session::create::cancelled_is_whole",
            |store, call| async move {
                let Call::Create {
                    tenant,
                    session,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                let empty = NewSession {
                    data: Document::empty(),
                    ..session.clone()
                };
                let id = store.create(&tenant, empty, now).await?.id;
                between_steps().await;
                let first = Version::FIRST;
                let stored = store.update(&tenant, &id, first, session.data, now).await?;
                Ok(Answer::Create(stored))
            },
        )
        .fault(
            "session::rotate_copies_and_waits",
            "session::rotate::cancelled_is_whole",
            |store, call| async move {
                let Call::Rotate {
                    tenant,
                    old,
                    new,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                let Some(stored) = store.get(&tenant, &old, now).await? else {
                    return Ok(Answer::Rotate(None));
                };
                let copy = NewSession {
                    id: new,
                    identity: stored.identity,
                    idle: stored.idle,
                    ends_at: stored.ends_at,
                    data: stored.data,
                };
                let copy = store.create(&tenant, copy, now).await?;
                between_steps().await;
                store.revoke(&tenant, &old).await?;
                Ok(Answer::Rotate(Some(copy)))
            },
        )
        .re_enacts("spring-session #1791: the old id stayed in the index")
        .fault(
            "session::revoke_all_of_one_by_one",
            "session::revoke_all_of::cancelled_is_whole",
            |store, call| async move {
                let Call::RevokeAllOf {
                    tenant, identity, ..
                } = &call
                else {
                    return store.call(call).await;
                };
                let page = PageRequest::first(1000)?;
                let now = Timestamp::MIN;
                let mut revoked = 0;
                for session in store.list_of(tenant, identity, now, &page).await?.items {
                    revoked += u64::from(store.revoke(tenant, &session.id).await?);
                    between_steps().await;
                }
                Ok(Answer::RevokeAllOf(revoked))
            },
        )
        .re_enacts("better-auth #10520: what a second store kept went on authenticating")
}

fn credentials(edits: Edits<dyn CredentialStore>) -> Edits<dyn CredentialStore> {
    use CredentialStoreAnswer as Answer;
    use CredentialStoreCall as Call;
    edits
        .fault(
            "credentials::add_writes_metadata_later",
            "credentials::add::cancelled_is_whole",
            |store, call| async move {
                let Call::Add {
                    tenant,
                    credential,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                let NewCredential {
                    metadata,
                    expires_at,
                    ..
                } = credential.clone();
                let empty = NewCredential {
                    metadata: Document::empty(),
                    ..credential
                };
                let id = store.add(&tenant, empty, now).await?.id;
                between_steps().await;
                let first = Version::FIRST;
                let stored = store.update(&tenant, &id, first, metadata, expires_at, now);
                Ok(Answer::Add(stored.await?))
            },
        )
        .fault(
            "credentials::replace_removes_first",
            "credentials::replace::cancelled_is_whole",
            |store, call| async move {
                let Call::Replace {
                    tenant,
                    id,
                    secret,
                    now,
                    ..
                } = call
                else {
                    return store.call(call).await;
                };
                let stored = store.get(&tenant, &id).await?;
                let stored = stored.ok_or(PortError::not_found("credential"))?;
                store.remove(&tenant, &id).await?;
                between_steps().await;
                let new = NewCredential {
                    id,
                    identity: stored.identity,
                    secret,
                    metadata: stored.metadata,
                    expires_at: stored.expires_at,
                };
                Ok(Answer::Replace(store.add(&tenant, new, now).await?))
            },
        )
        .re_enacts(BEGIN)
        .fault(
            "credentials::consume_notes_the_use_first",
            "credentials::consume::cancelled_is_whole",
            |store, call| async move {
                if let Call::Consume { tenant, id, now } = &call {
                    store
                        .record_use(tenant, id, CredentialUse::Plain, *now)
                        .await?;
                    between_steps().await;
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::remove_expires_first",
            "credentials::remove::cancelled_is_whole",
            |store, call| async move {
                if let Call::Remove { tenant, id } = &call
                    && let Some(stored) = store.get(tenant, id).await?
                {
                    let now = stored.created_at;
                    store
                        .update(tenant, id, stored.version, stored.metadata, Some(now), now)
                        .await?;
                    between_steps().await;
                }
                store.call(call).await
            },
        )
        .fault(
            "credentials::remove_all_of_one_by_one",
            "credentials::remove_all_of::cancelled_is_whole",
            |store, call| async move {
                let Call::RemoveAllOf {
                    tenant, identity, ..
                } = &call
                else {
                    return store.call(call).await;
                };
                let page = PageRequest::first(1000)?;
                let all = store.list_of(tenant, identity, &Kinds::Every, &page);
                let mut removed = 0;
                for credential in all.await?.items {
                    removed += u64::from(store.remove(tenant, &credential.id).await?);
                    between_steps().await;
                }
                Ok(Answer::RemoveAllOf(removed))
            },
        )
}

fn keys(edits: Edits<dyn KeyStore>) -> Edits<dyn KeyStore> {
    use KeyStoreCall as Call;
    // The ids that somebody is about to store a key under.
    let reserved: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    edits
        .fault(
            "keystore::insert_reserves_the_id",
            "keystore::insert::cancelled_is_whole",
            move |store, call| {
                let reserved = Arc::clone(&reserved);
                async move {
                    let Call::Insert { tenant, key, .. } = &call else {
                        return store.call(call).await;
                    };
                    let place = format!("{tenant:?} {:?}", key.id);
                    let lock = || reserved.lock().unwrap_or_else(PoisonError::into_inner);
                    if !lock().insert(place.clone()) {
                        return Err(PortError::already_exists("key"));
                    }
                    between_steps().await;
                    let answer = store.call(call).await;
                    lock().remove(&place);
                    answer
                }
            },
        )
        .fault(
            "keystore::rotate_ends_the_old_key_first",
            "keystore::rotate::cancelled_is_whole",
            |store, call| async move {
                let Call::Rotate {
                    tenant,
                    key_use,
                    active,
                    next,
                    published_until,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                if let Some(active) = &active {
                    store.revoke(&tenant, active, now).await?;
                    between_steps().await;
                }
                let rest = Call::Rotate {
                    tenant,
                    key_use,
                    active: None,
                    next,
                    published_until,
                    now,
                };
                store.call(rest).await
            },
        )
        .re_enacts(BEGIN)
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
