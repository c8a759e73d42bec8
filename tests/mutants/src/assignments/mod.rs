//! Mutants of the assignments port.

use portproof::mutants::{Handle, Mutant};
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, AttributeChange, GrantScope,
    Port, PortCall, PortError, Ports, Timestamp, Which,
};
use serde_json::Value;

use faults::{
    answered, batch_counts_first, batch_grants_anew, batch_one_by_one, begins_anew, cached,
    changes_count_as_new, check_then_replace, constraint_is_named, document, documents_are_merged,
    driver_error, duplicate_is_an_error, ended_is_purged, every_mover_wins, failing,
    first_hundred_are_forgotten, first_hundred_are_revoked, first_of_two_wins, folded,
    forget_counts_first, forget_is_a_pattern, forget_leaves_attributes, forgotten_is_hidden,
    global_roles_are_all, granted_anew, half_is_kept, held_place_is_taken, id, joined_names, large,
    limit_is_checked_first, merge_one_by_one, merge_replaces_the_bag, merge_writes_back, micros,
    move_by_deletion, move_is_an_upsert, move_loses_the_window, move_takes_all_roles, mutant,
    none_is_all, nothing_is_an_error, offset_paging, old_end_is_kept, only_ends_are_changes,
    only_live_are_revoked, refusal_is_swallowed, remembering, revocation_counts_first,
    revocations_are_combined, revoke_one_by_one, rewritten, role_is_checked_early,
    roles_of_all_tenants, room_is_made_first, syntax_error, tenant_is_dropped, through_floats,
    tombstones_are_revived, window, with_subject, with_tenant,
};

mod faults;

/// What a database's own clock might say.
const SERVER_CLOCK: Timestamp = Timestamp::MIN.after(portproof_ports::Span::seconds(1_774_900_000));

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    [
        grants(),
        batches(),
        revocations(),
        moves(),
        times(),
        lists(),
        attributes(),
        ends(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn grants() -> Vec<Mutant<Ports>> {
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

fn batches() -> Vec<Mutant<Ports>> {
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
            none_is_all,
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

fn revocations() -> Vec<Mutant<Ports>> {
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

fn moves() -> Vec<Mutant<Ports>> {
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

fn times() -> Vec<Mutant<Ports>> {
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

fn lists() -> Vec<Mutant<Ports>> {
    vec![
        answered(
            "assignments::ended_grants_are_hidden",
            "assignments::grants_of::is_complete_and_ordered",
            |_, answer| match answer {
                Answer::GrantsOf(mut page) => {
                    page.items.retain(|grant| {
                        grant
                            .window
                            .until()
                            .is_none_or(|until| until > SERVER_CLOCK)
                    });
                    Answer::GrantsOf(page)
                }
                answer => answer,
            },
        ),
        answered(
            "assignments::holders_have_no_next",
            "assignments::holders_of::is_complete_and_ordered",
            |_, answer| match answer {
                Answer::HoldersOf(mut page) => {
                    page.next = None;
                    Answer::HoldersOf(page)
                }
                answer => answer,
            },
        )
        .re_enacts("AuthHero 953739e: the next page was never announced"),
        answered(
            "assignments::roles_are_filtered_after_the_cut",
            "assignments::roles_of::is_complete_and_ordered",
            |_, answer| match answer {
                Answer::RolesOf(mut page) => {
                    page.items.retain(|role| role.as_str() != "_");
                    Answer::RolesOf(page)
                }
                answer => answer,
            },
        ),
        mutant(
            "assignments::no_grants_of_is_an_error",
            "assignments::grants_of::of_nobody_is_empty",
            |store, call| nothing_is_an_error("grants_of", store, call),
        ),
        mutant(
            "assignments::no_holders_of_is_an_error",
            "assignments::holders_of::of_nothing_is_empty",
            |store, call| nothing_is_an_error("holders_of", store, call),
        ),
        mutant(
            "assignments::grants_of_begins_anew",
            "assignments::grants_of::refuses_a_foreign_cursor",
            |store, call| begins_anew("grants_of", store, call),
        )
        .re_enacts("kratos 93d364c8e: the second page was of another list"),
        mutant(
            "assignments::grants_of_leaks_a_driver_error",
            "assignments::grants_of::refuses_a_damaged_cursor",
            |store, call| driver_error("grants_of", store, call),
        ),
        mutant(
            "assignments::holders_of_begins_anew",
            "assignments::holders_of::refuses_a_foreign_cursor",
            |store, call| begins_anew("holders_of", store, call),
        ),
        mutant(
            "assignments::holders_of_leaks_a_driver_error",
            "assignments::holders_of::refuses_a_damaged_cursor",
            |store, call| driver_error("holders_of", store, call),
        )
        .re_enacts("spicedb fa1d7f481: a malformed page token was an inner error"),
        mutant(
            "assignments::roles_of_begins_anew",
            "assignments::roles_of::refuses_a_foreign_cursor",
            |store, call| begins_anew("roles_of", store, call),
        ),
        mutant(
            "assignments::roles_of_leaks_a_driver_error",
            "assignments::roles_of::refuses_a_damaged_cursor",
            |store, call| driver_error("roles_of", store, call),
        ),
        mutant(
            "assignments::grants_of_skips_after_removals",
            "assignments::grants_of::walk_survives_removals",
            |store, call| offset_paging("grants_of", store, call),
        )
        .re_enacts("AuthHero 0e6acf4: a cursor that was an offset"),
        mutant(
            "assignments::grants_of_skips_after_insertions",
            "assignments::grants_of::walk_survives_insertions",
            |store, call| offset_paging("grants_of", store, call),
        ),
        mutant(
            "assignments::holders_of_skips_after_removals",
            "assignments::holders_of::walk_survives_removals",
            |store, call| offset_paging("holders_of", store, call),
        ),
        mutant(
            "assignments::holders_of_skips_after_insertions",
            "assignments::holders_of::walk_survives_insertions",
            |store, call| offset_paging("holders_of", store, call),
        ),
        mutant(
            "assignments::roles_of_skips_after_changes",
            "assignments::roles_of::walk_survives_changes",
            |store, call| offset_paging("roles_of", store, call),
        ),
    ]
}

fn attributes() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "assignments::nothing_known_is_an_error",
            "assignments::attributes::of_nobody_are_empty",
            |store, call| nothing_is_an_error("attributes", store, call),
        )
        .re_enacts("duck-iam 2.0.0: a missing row was an error"),
        mutant(
            "assignments::merge_replaces_the_bag",
            "assignments::merge_attributes::changes_only_what_it_names",
            merge_replaces_the_bag,
        )
        .re_enacts("duck-iam: a merge replaced the whole bag when its read failed"),
        mutant(
            "assignments::documents_are_merged",
            "assignments::merge_attributes::replaces_the_document",
            documents_are_merged,
        ),
        rewritten(
            "assignments::null_clears",
            "assignments::merge_attributes::keeps_null",
            |mut call| {
                if let Call::MergeAttributes { changes, .. } = &mut call {
                    for change in changes.values_mut() {
                        if matches!(change, AttributeChange::Set(value) if value.value().is_null())
                        {
                            *change = AttributeChange::Clear;
                        }
                    }
                }
                call
            },
        ),
        rewritten(
            "assignments::cleared_is_null",
            "assignments::merge_attributes::clears",
            |mut call| {
                if let Call::MergeAttributes { changes, .. } = &mut call {
                    for change in changes.values_mut() {
                        if *change == AttributeChange::Clear {
                            *change = AttributeChange::Set(document(Value::Null));
                        }
                    }
                }
                call
            },
        ),
        failing(
            "assignments::no_changes_are_a_syntax_error",
            "assignments::merge_attributes::of_nothing_changes_nothing",
            |call| match call {
                Call::MergeAttributes { changes, .. } if changes.is_empty() => Some(syntax_error()),
                _ => None,
            },
        ),
        rewritten(
            "assignments::numbers_are_floats",
            "assignments::merge_attributes::keeps_documents",
            |mut call| {
                if let Call::MergeAttributes { changes, .. } = &mut call {
                    for change in changes.values_mut() {
                        if let AttributeChange::Set(value) = change {
                            let mut inner = value.value().clone();
                            through_floats(&mut inner);
                            *value = document(inner);
                        }
                    }
                }
                call
            },
        )
        .re_enacts("spire: numbers that went through floats"),
        failing(
            "assignments::column_is_too_narrow",
            "assignments::merge_attributes::keeps_large_documents",
            |call| match call {
                Call::MergeAttributes { changes, .. } if large(changes) => {
                    Some(PortError::Backend("data too long for column".into()))
                }
                _ => None,
            },
        )
        .re_enacts("AuthHero 028f2b5: a column that was too narrow"),
        rewritten(
            "assignments::prototypes_are_dropped",
            "assignments::merge_attributes::keeps_names_apart",
            |mut call| {
                if let Call::MergeAttributes { changes, .. } = &mut call {
                    changes.retain(|name, _| name.as_str() != "__proto__");
                }
                call
            },
        )
        .re_enacts("duck-iam 3.0.1: an attribute named `__proto__`"),
        rewritten(
            "assignments::attributes_of_trimmed_subjects",
            "assignments::merge_attributes::keeps_subjects_apart",
            |call| match call {
                Call::MergeAttributes { .. } | Call::Attributes { .. } => {
                    with_subject(call, |id| id.trim_start().to_owned())
                }
                call => call,
            },
        ),
        mutant(
            "assignments::changes_count_as_new",
            "assignments::merge_attributes::takes_as_many_as_there_may_be",
            changes_count_as_new,
        ),
        mutant(
            "assignments::half_of_too_many_is_kept",
            "assignments::merge_attributes::refuses_too_many",
            half_is_kept,
        ),
        mutant(
            "assignments::merge_reads_and_writes_back",
            "assignments::merge_attributes::race_loses_nothing",
            merge_writes_back,
        )
        .re_enacts("duck-iam 1.6.1: a merge that read, changed and wrote back"),
        mutant(
            "assignments::limit_is_checked_first",
            "assignments::merge_attributes::race_keeps_the_limit",
            limit_is_checked_first,
        )
        .re_enacts("better-auth #9993: a limit that was counted before the write"),
        mutant(
            "assignments::merge_is_seen_in_part",
            "assignments::merge_attributes::is_seen_whole",
            merge_one_by_one,
        ),
    ]
}

fn ends() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "assignments::forget_leaves_attributes",
            "assignments::forget::ends_everything",
            forget_leaves_attributes,
        )
        .re_enacts("spire #6946: what belonged to a deleted row stayed"),
        mutant(
            "assignments::forget_is_a_pattern",
            "assignments::forget::spares_everybody_else",
            forget_is_a_pattern,
        )
        .re_enacts("better-auth #10507: a key with glob characters removed others"),
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
