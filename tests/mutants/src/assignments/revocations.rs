//! Mutants that revoke wrongly.

use std::sync::PoisonError;

use portproof::mutants::Mutant;
use portproof_ports::{
    AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, Port, PortCall, PortResult,
    Ports, Which,
};

use super::{
    Memory, SERVER_CLOCK, Store, answered, end, first, grants, mutant, new_of, pause, remembering,
    rewritten, which,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        rewritten(
            "assignments::global_means_all",
            "assignments::revoke::global_spares_scoped",
            |mut call| {
                if let Call::Revoke { which, .. } = &mut call
                    && *which == Which::Global
                {
                    *which = Which::Every;
                }
                call
            },
        )
        .re_enacts("duck-iam 1.6.1: without a scope every scope was revoked"),
        rewritten(
            "assignments::scope_is_dropped",
            "assignments::revoke::scoped_spares_others",
            |mut call| {
                if let Call::Revoke { which, .. } = &mut call
                    && matches!(which, Which::Scoped(_))
                {
                    *which = Which::Global;
                }
                call
            },
        )
        .re_enacts("duck-iam: the admin router ignored the scope of a revocation"),
        rewritten(
            "assignments::all_means_global",
            "assignments::revoke::every_takes_all_scopes",
            |mut call| {
                if let Call::Revoke { which, .. } = &mut call
                    && *which == Which::Every
                {
                    *which = Which::Global;
                }
                call
            },
        )
        .re_enacts("duck-iam 2.2.0: memory and file revoked the global row only"),
        remembering(
            "assignments::roles_are_cached",
            "assignments::revoke::is_known_everywhere",
            |memory, store, call| cached("roles_of", memory, store, call),
        )
        .re_enacts("AuthHero: a cache that did not know of every write"),
        answered(
            "assignments::nothing_revoked_is_one",
            "assignments::revoke::of_nothing_is_zero",
            |_, answer| match answer {
                Answer::Revoke(0) => Answer::Revoke(1),
                answer => answer,
            },
        )
        .re_enacts("AuthHero: removing a missing row answered true"),
        mutant(
            "assignments::only_live_grants_are_revoked",
            "assignments::revoke::takes_no_time",
            only_live_are_revoked,
        ),
        remembering(
            "assignments::tombstones_are_revived",
            "assignments::revoke::frees_the_place",
            tombstones_are_revived,
        ),
        mutant(
            "assignments::first_hundred_grants",
            "assignments::revoke::every_is_more_than_a_page",
            first_hundred_are_revoked,
        )
        .re_enacts("AuthHero 7d9f138: only the first 100 were revoked"),
        mutant(
            "assignments::revocation_is_counted_first",
            "assignments::revoke::race_counts_once",
            revocation_counts_first,
        )
        .re_enacts("everruns #2427: a winner was told from what was read before"),
        mutant(
            "assignments::revocation_counts_what_it_read",
            "assignments::revoke::race_counts_what_ended",
            revocation_counts_first,
        ),
    ]
}

/// Remembers what the method answered until this handle writes.
pub(super) async fn cached(
    method: &'static str,
    memory: Memory,
    store: Store,
    call: Call,
) -> PortResult<Answer> {
    let reads = [
        "ready",
        "grants_of",
        "holders_of",
        "roles_of",
        "next_change",
        "attributes",
    ];
    let key = format!("{call:?}");
    if call.method() == method {
        let known = memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some(answer) = known {
            return Ok(answer);
        }
    }
    let (asked, is_read) = (call.method() == method, reads.contains(&call.method()));
    let answer = store.call(call).await?;
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    if asked {
        memory.insert(key, answer.clone());
    } else if !is_read {
        memory.clear();
    }
    Ok(answer)
}

async fn only_live_are_revoked(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Revoke {
        tenant,
        subject,
        role,
        which: asked,
    } = &call
    else {
        return store.call(call).await;
    };
    let mut count = 0;
    for grant in grants(&store, tenant, subject).await? {
        let asked = *asked == Which::Every || *asked == which(&grant.scope);
        if grant.role == *role && asked && grant.window.holds(SERVER_CLOCK) {
            count += end(&store, tenant, &new_of(&grant)).await?;
        }
    }
    Ok(Answer::Revoke(count))
}

async fn tombstones_are_revived(memory: Memory, store: Store, call: Call) -> PortResult<Answer> {
    let Call::Assign { tenant, grant, .. } = &call else {
        return store.call(call).await;
    };
    let key = format!(
        "{tenant:?} {:?} {:?} {:?}",
        grant.subject, grant.role, grant.scope
    );
    let mut granted = match store.call(call).await? {
        Answer::Assign(granted) => granted,
        answer => return Ok(answer),
    };
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    if let Answer::NextChange(Some(first)) = memory
        .entry(key)
        .or_insert(Answer::NextChange(Some(granted.granted_at)))
    {
        granted.granted_at = *first;
    }
    Ok(Answer::Assign(granted))
}

async fn first_hundred_are_revoked(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Revoke {
        tenant,
        subject,
        role,
        which: Which::Every,
    } = &call
    else {
        return store.call(call).await;
    };
    let mut count = 0;
    for grant in store.grants_of(tenant, subject, &first(100)?).await?.items {
        if grant.role == *role {
            count += end(&store, tenant, &new_of(&grant)).await?;
        }
    }
    Ok(Answer::Revoke(count))
}

async fn revocation_counts_first(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Revoke {
        tenant,
        subject,
        role,
        which: Which::Every,
    } = &call
    else {
        return store.call(call).await;
    };
    let all = grants(&store, tenant, subject).await?;
    let count = all.iter().filter(|grant| grant.role == *role).count();
    pause().await;
    store.call(call).await?;
    Ok(Answer::Revoke(count as u64))
}
