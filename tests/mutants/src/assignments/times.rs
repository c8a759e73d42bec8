//! Mutants that are wrong about what holds at an instant.

use portproof::mutants::Mutant;
use portproof_ports::{
    AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, GrantScope, Page, Port,
    PortResult, Ports, RoleId, Timestamp,
};

use super::{
    Store, answered, grants, lists::nothing_is_an_error, micros, mutant, remembering,
    revocations::cached, rewritten, with_subject,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        rewritten(
            "assignments::end_belongs_to_it",
            "assignments::roles_of::holds_from_beginning_to_end",
            |mut call| {
                if let Call::RolesOf { now, .. } = &mut call {
                    *now = now.before(micros(1));
                }
                call
            },
        ),
        mutant(
            "assignments::global_roles_are_all",
            "assignments::roles_of::keeps_global_and_scoped_apart",
            global_roles_are_all,
        )
        .re_enacts("duck-iam 1.6.1: scoped grants were answered as global ones"),
        mutant(
            "assignments::no_roles_are_an_error",
            "assignments::roles_of::of_nobody_is_empty",
            |store, call| nothing_is_an_error("roles_of", store, call),
        )
        .re_enacts("openfga #3014: no rows were an error of the driver"),
        mutant(
            "assignments::only_ends_are_changes",
            "assignments::next_change::is_the_earliest_bound",
            only_ends_are_changes,
        ),
        rewritten(
            "assignments::change_is_now",
            "assignments::next_change::comes_after_now",
            |mut call| {
                if let Call::NextChange { now, .. } = &mut call {
                    *now = now.before(micros(1));
                }
                call
            },
        ),
        remembering(
            "assignments::next_change_is_cached",
            "assignments::next_change::follows_writes",
            |memory, store, call| cached("next_change", memory, store, call),
        )
        .re_enacts("duck-iam 5.8.1: a cache outlived the end of a grant"),
        rewritten(
            "assignments::next_change_of_folded_subjects",
            "assignments::next_change::minds_nobody_else",
            |call| match call {
                Call::NextChange { .. } => with_subject(call, str::to_lowercase),
                call => call,
            },
        ),
        answered(
            "assignments::no_change_is_the_end_of_time",
            "assignments::next_change::of_nothing_is_none",
            |_, answer| match answer {
                Answer::NextChange(None) => Answer::NextChange(Some(Timestamp::MAX)),
                answer => answer,
            },
        ),
        mutant(
            "assignments::unknown_change_is_none",
            "assignments::next_change::is_refused_where_disclaimed",
            |store, call| async move {
                match call {
                    Call::NextChange { .. } => Ok(Answer::NextChange(None)),
                    call => store.call(call).await,
                }
            },
        ),
    ]
}

async fn global_roles_are_all(store: Store, call: Call) -> PortResult<Answer> {
    let Call::RolesOf {
        tenant,
        subject,
        scope: GrantScope::Global,
        now,
        page,
    } = &call
    else {
        return store.call(call).await;
    };
    let all = grants(&store, tenant, subject).await?;
    let live = all.into_iter().filter(|grant| grant.window.holds(*now));
    let mut items: Vec<RoleId> = live.map(|grant| grant.role).collect();
    items.dedup();
    items.truncate(usize::from(page.limit()));
    Ok(Answer::RolesOf(Page { items, next: None }))
}

async fn only_ends_are_changes(store: Store, call: Call) -> PortResult<Answer> {
    let Call::NextChange {
        tenant,
        subject,
        now,
    } = &call
    else {
        return store.call(call).await;
    };
    let all = grants(&store, tenant, subject).await?;
    let ends = all.iter().filter_map(|grant| grant.window.until());
    Ok(Answer::NextChange(ends.filter(|until| until > now).min()))
}
