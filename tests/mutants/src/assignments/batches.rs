//! Mutants that assign and revoke many wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, Port, PortError, PortResult,
    Ports, Which,
};

use super::{
    Store, answered, end, failing, grants, held, id, mutant, new_of, pause, rewritten,
    syntax_error, window,
};
use crate::edits::Names;

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        rewritten(
            "assignments::batch_drops_ends",
            "assignments::assign_many::stores_each",
            |mut call| {
                if let Call::AssignMany { grants, .. } = &mut call {
                    for grant in grants {
                        grant.window = window(grant.window.from(), None);
                    }
                }
                call
            },
        )
        .re_enacts("duck-iam: permanent, while the batch answered that it was applied"),
        answered(
            "assignments::batch_counts_what_it_was_given",
            "assignments::assign_many::counts_new_ones_once",
            |call, answer| match (call, answer) {
                (Call::AssignMany { grants, .. }, Answer::AssignMany(_)) => {
                    Answer::AssignMany(grants.len() as u64)
                }
                (_, answer) => answer,
            },
        )
        .re_enacts("better-auth #6572: affected rows counted wrong"),
        mutant(
            "assignments::batch_grants_anew",
            "assignments::assign_many::keeps_first_times",
            batch_grants_anew,
        ),
        rewritten(
            "assignments::first_of_two_wins",
            "assignments::assign_many::later_of_two_wins",
            first_of_two_wins,
        )
        .re_enacts("keyv #1504: a batch that set one key twice"),
        mutant(
            "assignments::batch_stops_half_way",
            "assignments::assign_many::is_all_or_nothing",
            batch_one_by_one,
        )
        .re_enacts("AuthHero 2185ce2: the statements of a batch were in no transaction"),
        failing(
            "assignments::empty_batch_is_a_syntax_error",
            "assignments::assign_many::of_none_is_zero",
            |call| match call {
                Call::AssignMany { grants, .. } if grants.is_empty() => Some(syntax_error()),
                _ => None,
            },
        )
        .re_enacts("kratos #10582: a syntax error for an empty list"),
        failing(
            "assignments::too_many_parameters",
            "assignments::assign_many::takes_a_full_batch",
            |call| match call {
                Call::AssignMany { grants, .. } if (901..=1000).contains(&grants.len()) => {
                    Some(PortError::Backend("too many parameters".into()))
                }
                _ => None,
            },
        ),
        rewritten(
            "assignments::batch_is_cut_off",
            "assignments::assign_many::refuses_too_many",
            |mut call| {
                if let Call::AssignMany { grants, .. } = &mut call {
                    grants.truncate(1000);
                }
                call
            },
        ),
        mutant(
            "assignments::batch_counts_before_it_writes",
            "assignments::assign_many::race_counts_once",
            batch_counts_first,
        ),
        mutant(
            "assignments::batch_is_seen_in_part",
            "assignments::assign_many::is_seen_whole",
            batch_one_by_one,
        ),
        rewritten(
            "assignments::batch_of_revocations_knows_global_only",
            "assignments::revoke_many::ends_each",
            |mut call| {
                if let Call::RevokeMany { revocations, .. } = &mut call {
                    for one in revocations {
                        if one.which == Which::Every {
                            one.which = Which::Global;
                        }
                    }
                }
                call
            },
        ),
        mutant(
            "assignments::revocations_are_combined",
            "assignments::revoke_many::ends_no_combination",
            revocations_are_combined,
        ),
        mutant(
            "assignments::no_revocations_are_all",
            "assignments::revoke_many::of_none_is_zero",
            {
                let subjects = Names::default();
                move |store, call| none_is_all(subjects.clone(), store, call)
            },
        )
        .re_enacts("AuthHero 9c9fefe: a condition over an empty list removed everything"),
        rewritten(
            "assignments::first_hundred_revocations",
            "assignments::revoke_many::takes_a_full_batch",
            |mut call| {
                if let Call::RevokeMany { revocations, .. } = &mut call
                    && revocations.len() <= 1000
                {
                    revocations.truncate(100);
                }
                call
            },
        )
        .re_enacts("better-auth #10342: a second query with the default limit of 100"),
        rewritten(
            "assignments::revocations_are_cut_off",
            "assignments::revoke_many::refuses_too_many",
            |mut call| {
                if let Call::RevokeMany { revocations, .. } = &mut call {
                    revocations.truncate(1000);
                }
                call
            },
        ),
        mutant(
            "assignments::revocations_are_seen_in_part",
            "assignments::revoke_many::is_seen_whole",
            revoke_one_by_one,
        ),
    ]
}

async fn batch_grants_anew(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::AssignMany { tenant, grants, .. } = &call {
        for new in grants {
            end(&store, tenant, new).await?;
        }
    }
    store.call(call).await
}

fn first_of_two_wins(mut call: Call) -> Call {
    if let Call::AssignMany { grants, .. } = &mut call {
        let mut seen = Vec::new();
        grants.retain(|new| {
            let place = (new.subject.clone(), new.role.clone(), new.scope.clone());
            let is_new = !seen.contains(&place);
            seen.push(place);
            is_new
        });
    }
    call
}

async fn batch_one_by_one(store: Store, call: Call) -> PortResult<Answer> {
    let Call::AssignMany {
        tenant,
        grants,
        now,
    } = &call
    else {
        return store.call(call).await;
    };
    let mut count = 0;
    for new in grants {
        count += u64::from(held(&store, tenant, new).await?.is_none());
        store.assign(tenant, new.clone(), *now).await?;
        pause().await;
    }
    Ok(Answer::AssignMany(count))
}

async fn batch_counts_first(store: Store, call: Call) -> PortResult<Answer> {
    let Call::AssignMany { tenant, grants, .. } = &call else {
        return store.call(call).await;
    };
    let mut count = 0;
    for new in grants {
        count += u64::from(held(&store, tenant, new).await?.is_none());
    }
    pause().await;
    store.call(call).await?;
    Ok(Answer::AssignMany(count))
}

async fn revocations_are_combined(store: Store, call: Call) -> PortResult<Answer> {
    let Call::RevokeMany {
        tenant,
        revocations,
    } = &call
    else {
        return store.call(call).await;
    };
    let mut count = 0;
    for one in revocations {
        for two in revocations {
            let ended = store.revoke(tenant, &one.subject, &two.role, &two.which);
            count += ended.await?;
        }
    }
    Ok(Answer::RevokeMany(count))
}

async fn none_is_all(subjects: Names, store: Store, call: Call) -> PortResult<Answer> {
    subjects.note(&call, "subject");
    if let Call::RevokeMany {
        tenant,
        revocations,
    } = &call
        && revocations.is_empty()
    {
        let mut count = 0;
        for subject in subjects.all() {
            for grant in grants(&store, tenant, &id(&subject)).await? {
                count += end(&store, tenant, &new_of(&grant)).await?;
            }
        }
        return Ok(Answer::RevokeMany(count));
    }
    store.call(call).await
}

async fn revoke_one_by_one(store: Store, call: Call) -> PortResult<Answer> {
    let Call::RevokeMany {
        tenant,
        revocations,
    } = &call
    else {
        return store.call(call).await;
    };
    let mut count = 0;
    for one in revocations {
        count += store
            .revoke(tenant, &one.subject, &one.role, &one.which)
            .await?;
        pause().await;
    }
    Ok(Answer::RevokeMany(count))
}
