//! Mutants that forget wrongly: subjects, or all at a restart.

use std::sync::PoisonError;

use portproof::mutants::{Handle, Mutant};
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, AttributeChange, Port,
    PortResult, Ports, SubjectId, TenantId,
};

use super::{
    Changes, Memory, Store, answered, attributes::set_all, end, first, grants, mutant, new_of,
    pause, remembering,
};
use crate::edits::{Edits, is_like};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    let pattern = Edits::new(|ports| &mut ports.assignments)
        .reaches(
            "assignments::forget_is_a_pattern",
            "assignments::forget::spares_everybody_else",
            "forget",
            "subject",
            is_like,
        )
        .re_enacts("better-auth #10507: a key with glob characters removed others");
    [pattern.done(), others()].concat()
}

fn others() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "assignments::forget_leaves_attributes",
            "assignments::forget::ends_everything",
            forget_leaves_attributes,
        )
        .re_enacts("spire #6946: what belonged to a deleted row stayed"),
        answered(
            "assignments::nothing_forgotten_is_one",
            "assignments::forget::of_nobody_is_zero",
            |_, answer| match answer {
                Answer::Forget(0) => Answer::Forget(1),
                answer => answer,
            },
        ),
        remembering(
            "assignments::forgotten_is_only_hidden",
            "assignments::forget::frees_the_subject",
            forgotten_is_hidden,
        )
        .re_enacts("AuthHero: what a deleted user had came back with the next of that id"),
        mutant(
            "assignments::first_hundred_are_forgotten",
            "assignments::forget::is_more_than_a_page",
            first_hundred_are_forgotten,
        ),
        mutant(
            "assignments::forget_is_counted_first",
            "assignments::forget::race_counts_once",
            forget_counts_first,
        ),
        mutant(
            "assignments::forget_counts_what_it_read",
            "assignments::forget::race_counts_what_ended",
            forget_counts_first,
        ),
        Mutant::new(
            "assignments::forgets_at_a_restart",
            "assignments::restart::keeps_everything",
            |mut ports: Ports, handle| {
                if handle == Handle::Reopened {
                    ports.assignments = MemoryAdapter::new().ports().assignments;
                }
                ports
            },
        ),
    ]
}

/// Ends at most `limit` grants of a subject, one by one.
async fn end_grants(
    store: &Store,
    tenant: &TenantId,
    subject: &SubjectId,
    limit: u16,
) -> PortResult<u64> {
    let mut count = 0;
    for grant in store
        .grants_of(tenant, subject, &first(limit)?)
        .await?
        .items
    {
        count += end(store, tenant, &new_of(&grant)).await?;
    }
    Ok(count)
}

async fn forget_leaves_attributes(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Forget { tenant, subject } = &call else {
        return store.call(call).await;
    };
    Ok(Answer::Forget(
        end_grants(&store, tenant, subject, 1000).await?,
    ))
}

async fn first_hundred_are_forgotten(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Forget { tenant, subject } = &call else {
        return store.call(call).await;
    };
    let known = store.attributes(tenant, subject).await?;
    let count = known.len() as u64 + end_grants(&store, tenant, subject, 100).await?;
    let clear = known
        .into_keys()
        .map(|name| (name, AttributeChange::Clear))
        .collect();
    store.merge_attributes(tenant, subject, &clear).await?;
    Ok(Answer::Forget(count))
}

async fn forgotten_is_hidden(memory: Memory, store: Store, call: Call) -> PortResult<Answer> {
    match call {
        Call::Forget { tenant, subject } => {
            let known = store.attributes(&tenant, &subject).await?;
            let answer = store.forget(&tenant, &subject).await?;
            let key = format!("{tenant:?} {subject:?}");
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.insert(key, Answer::Attributes(known));
            Ok(Answer::Forget(answer))
        }
        Call::MergeAttributes {
            tenant,
            subject,
            changes,
        } => {
            let key = format!("{tenant:?} {subject:?}");
            let hidden = memory
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&key);
            let mut all = match hidden {
                Some(Answer::Attributes(known)) => set_all(known),
                _ => Changes::new(),
            };
            all.extend(changes);
            let answer = store.merge_attributes(&tenant, &subject, &all).await?;
            Ok(Answer::MergeAttributes(answer))
        }
        call => store.call(call).await,
    }
}

async fn forget_counts_first(store: Store, call: Call) -> PortResult<Answer> {
    let Call::Forget { tenant, subject } = &call else {
        return store.call(call).await;
    };
    let count = grants(&store, tenant, subject).await?.len()
        + store.attributes(tenant, subject).await?.len();
    pause().await;
    store.call(call).await?;
    Ok(Answer::Forget(count as u64))
}
