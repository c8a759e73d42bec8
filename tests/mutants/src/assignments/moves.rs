//! Mutants that move grants to another scope wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, Grant, GrantScope, NewGrant,
    Port, PortError, PortResult, Ports, TenantId, Window,
};

use super::{SERVER_CLOCK, Store, end, grants, held, mutant, new_of, pause};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "assignments::move_loses_the_window",
            "assignments::move_scope::takes_the_grant_along",
            move_loses_the_window,
        ),
        mutant(
            "assignments::move_takes_all_roles",
            "assignments::move_scope::moves_exactly_one",
            move_takes_all_roles,
        ),
        mutant(
            "assignments::move_is_an_upsert",
            "assignments::move_scope::creates_nothing",
            move_is_an_upsert,
        )
        .re_enacts("duck-iam: a move granted what was not there"),
        mutant(
            "assignments::held_place_is_taken",
            "assignments::move_scope::takes_a_held_place",
            held_place_is_taken,
        ),
        mutant(
            "assignments::room_is_made_first",
            "assignments::move_scope::to_itself_changes_nothing",
            room_is_made_first,
        ),
        mutant(
            "assignments::every_mover_wins",
            "assignments::move_scope::race_has_one_winner",
            every_mover_wins,
        ),
        mutant(
            "assignments::move_revives_what_was_revoked",
            "assignments::move_scope::race_with_a_revocation",
            move_by_deletion,
        )
        .re_enacts(
            "duck-iam 2.1.0: a migration that raced with a revocation brought the grant back",
        ),
        mutant(
            "assignments::move_is_refused_in_silence",
            "assignments::move_scope::is_refused_where_disclaimed",
            |store, call| async move {
                match call {
                    Call::MoveScope { .. } => Ok(Answer::MoveScope(false)),
                    call => store.call(call).await,
                }
            },
        ),
    ]
}

/// The grant that a move is about, if there is one, and where it goes.
async fn moving(store: &Store, call: &Call) -> PortResult<Option<(TenantId, Grant, GrantScope)>> {
    let Call::MoveScope {
        tenant,
        subject,
        role,
        from,
        to,
    } = call
    else {
        return Ok(None);
    };
    let all = grants(store, tenant, subject).await?;
    let found = all
        .into_iter()
        .find(|grant| grant.role == *role && grant.scope == *from);
    Ok(found.map(|grant| (tenant.clone(), grant, to.clone())))
}

async fn move_loses_the_window(store: Store, call: Call) -> PortResult<Answer> {
    let moving = moving(&store, &call).await?;
    let answer = store.call(call).await?;
    if let Some((tenant, grant, scope)) = moving {
        let new = NewGrant {
            scope,
            window: Window::ALWAYS,
            ..new_of(&grant)
        };
        store.assign(&tenant, new, grant.granted_at).await?;
    }
    Ok(answer)
}

async fn move_takes_all_roles(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::MoveScope {
        tenant,
        subject,
        from,
        to,
        ..
    } = &call
    {
        for grant in grants(&store, tenant, subject).await? {
            if grant.scope == *from {
                store
                    .move_scope(tenant, subject, &grant.role, from, to)
                    .await?;
            }
        }
        return Ok(Answer::MoveScope(true));
    }
    store.call(call).await
}

async fn move_is_an_upsert(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::MoveScope {
        tenant,
        subject,
        role,
        to,
        ..
    } = &call
        && moving(&store, &call).await?.is_none()
    {
        let new = NewGrant {
            subject: subject.clone(),
            role: role.clone(),
            scope: to.clone(),
            window: Window::ALWAYS,
        };
        store.assign(tenant, new, SERVER_CLOCK).await?;
        return Ok(Answer::MoveScope(true));
    }
    store.call(call).await
}

async fn held_place_is_taken(store: Store, call: Call) -> PortResult<Answer> {
    if let Some((tenant, grant, scope)) = moving(&store, &call).await? {
        let there = NewGrant {
            scope,
            ..new_of(&grant)
        };
        if there.scope != grant.scope && held(&store, &tenant, &there).await?.is_some() {
            return Err(PortError::AlreadyExists("grant".into()));
        }
    }
    store.call(call).await
}

async fn room_is_made_first(store: Store, call: Call) -> PortResult<Answer> {
    if let Some((tenant, grant, scope)) = moving(&store, &call).await? {
        let there = NewGrant {
            scope,
            ..new_of(&grant)
        };
        end(&store, &tenant, &there).await?;
        store.call(call).await?;
        return Ok(Answer::MoveScope(true));
    }
    store.call(call).await
}

async fn every_mover_wins(store: Store, call: Call) -> PortResult<Answer> {
    if moving(&store, &call).await?.is_some() {
        pause().await;
        store.call(call).await?;
        return Ok(Answer::MoveScope(true));
    }
    store.call(call).await
}

async fn move_by_deletion(store: Store, call: Call) -> PortResult<Answer> {
    if let Some((tenant, grant, scope)) = moving(&store, &call).await? {
        end(&store, &tenant, &new_of(&grant)).await?;
        pause().await;
        let new = NewGrant {
            scope,
            ..new_of(&grant)
        };
        store.assign(&tenant, new, grant.granted_at).await?;
        return Ok(Answer::MoveScope(true));
    }
    store.call(call).await
}
