//! Mutants that grant wrongly.

use std::sync::{Arc, Mutex, PoisonError};

use portproof::mutants::{Handle, Mutant, faulty};
use portproof_ports::{
    AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, Expected, GrantScope,
    PolicyStoreCall, Port, PortCall, PortError, PortResult, Ports, RoleDraft, RoleId, Text,
    Timestamp,
};

use super::{
    Memory, Store, end, failing, folded, held, id, micros, mutant, pause, remembering, rewritten,
    stored, window, with_subject,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
failing("assignments::ready_times_out", "assignments::ready::answers", |call| (call.method() == "ready").then(|| PortError::Unavailable("no answer".into()))).re_enacts("spicedb #3142: one hung call wedged the server"),
rewritten("assignments::ends_are_dropped", "assignments::assign::stores_it_whole", |mut call| {
    if let Call::Assign { grant, .. } = &mut call {
        grant.window = window(grant.window.from(), None);
    }
    call
}).re_enacts("duck-iam: five adapters accepted an end and threw it away"),
mutant("assignments::unknown_role_is_granted_in_silence", "assignments::assign::refuses_an_unknown_role", refusal_is_swallowed).re_enacts("AuthHero: granting an unknown role answered true"),
failing("assignments::subjects_are_people", "assignments::assign::needs_no_subject", |call| match call {
    Call::Assign { grant, .. } if grant.subject.as_str().contains([':', '/', '@', '*']) => {
        Some(PortError::not_found("subject"))
    }
    _ => None,
}).re_enacts("AuthHero 3b77bf0: a foreign key to a row that need not be there"),
mutant("assignments::granted_again_is_taken", "assignments::assign::again_leaves_one", duplicate_is_an_error).re_enacts("duck-iam: assigning a scoped role twice failed on a unique index"),
mutant("assignments::old_end_is_kept", "assignments::assign::again_sets_the_window", old_end_is_kept).re_enacts("spicedb #2796: a touch without an expiration kept the old one"),
mutant("assignments::upsert_replaces_the_row", "assignments::assign::again_keeps_the_first_time", granted_anew),
mutant("assignments::ended_grants_are_purged", "assignments::assign::renews_an_ended_grant", ended_is_purged),
rewritten("assignments::scopes_are_folded", "assignments::assign::keeps_scopes_apart", |mut call| {
    if let Call::Assign { grant, .. } = &mut call {
        grant.scope = folded(&grant.scope);
    }
    call
}),
mutant("assignments::two_at_once_replace_each_other", "assignments::assign::race_leaves_one", check_then_replace).re_enacts("duck-iam: concurrent identical grants failed, or left several rows"),
Mutant::new("assignments::role_is_checked_too_early", "assignments::assign::race_with_a_deletion", role_is_checked_early).re_enacts("AuthHero: the holders of a deleted role hold it again when it is created"),
rewritten("assignments::subjects_are_trimmed", "assignments::assign::keeps_subjects_apart", |call| with_subject(call, |id| id.trim_start().to_owned())),
rewritten("assignments::roles_are_trimmed", "assignments::assign::keeps_roles_apart", |mut call| {
    if let Call::Assign { grant, .. } = &mut call {
        grant.role = id(grant.role.as_str().trim_start());
    }
    call
}),
rewritten("assignments::null_is_everywhere", "assignments::assign::keeps_scopes_of_any_name", |mut call| {
    if let Call::AssignMany { grants, .. } = &mut call {
        for grant in grants {
            if matches!(&grant.scope, GrantScope::Scoped(s) if ["null", "*"].contains(&s.as_str())) {
                grant.scope = GrantScope::Global;
            }
        }
    }
    call
}).re_enacts("duck-iam 5.8.0: a scope that decoded as everywhere"),
rewritten("assignments::names_are_joined_by_spaces", "assignments::assign::keeps_names_from_running_together", joined_names).re_enacts("duck-iam: members `admin user` of a set were read as another role and scope"),
rewritten("assignments::instants_in_milliseconds", "assignments::assign::keeps_instants", |mut call| {
    if let Call::Assign { grant, .. } = &mut call {
        let cut = |at: Timestamp| at.before(micros(at.as_micros() % 1000));
        grant.window = window(grant.window.from().map(cut), grant.window.until().map(cut));
    }
    call
}).re_enacts("dex b51e73bc: a column of less precision than the comparison"),
mutant("assignments::constraint_is_named", "assignments::errors::name_what_was_wrong", constraint_is_named),
remembering("assignments::tenants_are_dropped", "assignments::tenancy::other_tenants_reach_nothing", tenant_is_dropped).re_enacts("paySphere #1917: an absent tenant dropped the filter"),
Mutant::new("assignments::roles_are_of_all_tenants", "assignments::tenancy::roles_of_others_are_unknown", roles_of_all_tenants),
rewritten("assignments::tenants_are_folded", "assignments::tenancy::tenants_are_compared_as_bytes", |call| with_tenant(call, |id| id.trim_end().to_lowercase())).re_enacts("openfga CVE-2026-55170: a collation that folds"),
    ]
}

async fn refusal_is_swallowed(store: Store, call: Call) -> PortResult<Answer> {
    match (store.call(call.clone()).await, call) {
        (Err(PortError::NotFound(_)), Call::Assign { grant, now, .. }) => {
            Ok(Answer::Assign(stored(&grant, now)))
        }
        (answer, _) => answer,
    }
}

async fn duplicate_is_an_error(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::Assign { tenant, grant, .. } = &call
        && held(&store, tenant, grant).await?.is_some()
    {
        return Err(PortError::AlreadyExists("grant".into()));
    }
    store.call(call).await
}

async fn old_end_is_kept(store: Store, mut call: Call) -> PortResult<Answer> {
    if let Call::Assign { tenant, grant, .. } = &mut call
        && let Some(old) = held(&store, tenant, grant).await?
    {
        grant.window = window(
            grant.window.from(),
            grant.window.until().or(old.window.until()),
        );
    }
    store.call(call).await
}

async fn granted_anew(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::Assign { tenant, grant, .. } = &call {
        end(&store, tenant, grant).await?;
    }
    store.call(call).await
}

async fn ended_is_purged(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::Assign { tenant, grant, now } = &call
        && let Some(old) = held(&store, tenant, grant).await?
        && old.window.until().is_some_and(|until| until <= *now)
    {
        end(&store, tenant, grant).await?;
    }
    store.call(call).await
}

async fn check_then_replace(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::Assign { tenant, grant, .. } = &call
        && held(&store, tenant, grant).await?.is_none()
    {
        pause().await;
        end(&store, tenant, grant).await?;
    }
    store.call(call).await
}

/// The role is looked up well before the grant is written, and nothing holds it in between.
fn role_is_checked_early(mut ports: Ports, _: Handle) -> Ports {
    let Some(policies) = ports.policies.clone() else {
        return ports;
    };
    ports.assignments = ports.assignments.map(|port| {
        faulty(port, move |store: Store, call: Call| {
            let policies = Arc::clone(&policies);
            async move {
                let Call::Assign { tenant, grant, now } = &call else {
                    return store.call(call).await;
                };
                let was_there = policies.get_role(tenant, &grant.role).await?;
                pause().await;
                match (store.call(call.clone()).await, was_there) {
                    (Err(PortError::NotFound(_)), Some(role)) => {
                        let again = Expected::Absent;
                        // A row without a foreign key: it is there whatever became of the role.
                        drop(policies.save_role(tenant, again, role.draft, *now).await);
                        store.call(call).await
                    }
                    (answer, _) => answer,
                }
            }
        })
    });
    ports
}

/// The foreign key of a grant leaves out the tenant.
fn roles_of_all_tenants(mut ports: Ports, _: Handle) -> Ports {
    let roles: Arc<Mutex<Vec<RoleId>>> = Arc::default();
    let saved = Arc::clone(&roles);
    ports.policies = ports.policies.map(|port| {
        faulty(port, move |store, call| {
            if let PolicyStoreCall::SaveRole { role, .. } = &call {
                let mut roles = saved.lock().unwrap_or_else(PoisonError::into_inner);
                roles.push(role.id.clone());
            }
            async move { store.call(call).await }
        })
    });
    let Some(policies) = ports.policies.clone() else {
        return ports;
    };
    ports.assignments = ports.assignments.map(|port| {
        faulty(port, move |store: Store, call: Call| {
            let known = match &call {
                Call::Assign { grant, .. } => {
                    let roles = roles.lock().unwrap_or_else(PoisonError::into_inner);
                    roles.contains(&grant.role)
                }
                _ => false,
            };
            let policies = Arc::clone(&policies);
            async move {
                if let Call::Assign { tenant, grant, now } = &call
                    && known
                    && let Ok(name) = Text::new("borrowed")
                {
                    let draft = RoleDraft {
                        id: grant.role.clone(),
                        name,
                        description: None,
                        permissions: Vec::new(),
                        inherits: None,
                        scope: None,
                        metadata: None,
                    };
                    drop(
                        policies
                            .save_role(tenant, Expected::Absent, draft, *now)
                            .await,
                    );
                }
                store.call(call).await
            }
        })
    });
    ports
}

fn joined_names(mut call: Call) -> Call {
    if let Call::AssignMany { grants, .. } = &mut call {
        let mut seen = Vec::new();
        grants.retain(|new| {
            let GrantScope::Scoped(scope) = &new.scope else {
                return true;
            };
            let (subject, role) = (new.subject.as_str(), new.role.as_str());
            let joined = format!("{subject} {role} {}", scope.as_str());
            let is_new = !seen.contains(&joined);
            seen.push(joined);
            is_new
        });
    }
    call
}

async fn constraint_is_named(store: Store, call: Call) -> PortResult<Answer> {
    store.call(call).await.map_err(|error| match error {
        PortError::NotFound(_) => PortError::not_found("assignments_role_id_fkey"),
        error => error,
    })
}

async fn tenant_is_dropped(memory: Memory, store: Store, call: Call) -> PortResult<Answer> {
    let subject = match &call {
        Call::Attributes { subject, .. } | Call::MergeAttributes { subject, .. } => {
            subject.as_str().to_owned()
        }
        _ => return store.call(call).await,
    };
    let answer = store.call(call).await?;
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    match answer {
        Answer::Attributes(none) if none.is_empty() => Ok(memory
            .get(&subject)
            .cloned()
            .unwrap_or(Answer::Attributes(none))),
        Answer::MergeAttributes(known) => {
            memory.insert(subject, Answer::Attributes(known.clone()));
            Ok(Answer::MergeAttributes(known))
        }
        answer => Ok(answer),
    }
}

/// The call with `change` made to the tenant of what is known.
fn with_tenant(mut call: Call, change: impl Fn(&str) -> String) -> Call {
    if let Call::Attributes { tenant, .. } | Call::MergeAttributes { tenant, .. } = &mut call {
        *tenant = id(&change(tenant.as_str()));
    }
    call
}
