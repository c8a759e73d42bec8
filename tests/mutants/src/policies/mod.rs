//! Mutants of the policies port.

use std::{future::Future, pin::Pin, sync::Arc};

use percent_encoding::percent_decode_str;
use portproof::mutants::{Handle, Mutant, faulty};
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    PolicyStoreAnswer as Answer, PolicyStoreCall as Call, Port, PortError, PortResult, Ports,
};

use crate::edits::is_like;

/// The same fault in policies and in roles, for a rule of each or one about both.
macro_rules! both {
    ($name:literal, [$of_policies:literal, $of_roles:literal], $fault:expr $(, $source:literal)?) => {
        [
            mutant::<Policies, _, _>(
                concat!("policies::policies_", $name),
                concat!("policies::", $of_policies),
                $fault,
            )$(.re_enacts($source))?,
            mutant::<Roles, _, _>(
                concat!("policies::roles_", $name),
                concat!("policies::", $of_roles),
                $fault,
            )$(.re_enacts($source))?,
        ]
    };
    ($name:literal, $rule:literal, $fault:expr $(, $source:literal)?) => {
        both!($name, [$rule, $rule], $fault $(, $source)?)
    };
}

mod faults;
mod grants;
mod kind;
mod pages;
mod texts;

use faults::{Cache, Shared};
use kind::{Policies, Roles, Store, answers, mutant, on_handles, with};

/// What a fault is while it runs.
type Answering = Pin<Box<dyn Future<Output = PortResult<Answer>> + Send>>;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    let parts = [
        saves(),
        reads(),
        deletions(),
        races(),
        pages::mutants(),
        apart(),
        texts::mutants(),
        grants::mutants(),
    ];
    parts.into_iter().flatten().collect()
}

fn saves() -> Vec<Mutant<Ports>> {
    [
        both!(
            "overwrite_what_is_stored",
            [
                "save_policy::refuses_a_stored_id",
                "save_role::refuses_a_stored_id"
            ],
            faults::absent_is_not_checked
        ),
        both!(
            "same_is_never_refused",
            [
                "save_policy::refuses_a_stored_id",
                "save_role::refuses_a_stored_id"
            ],
            faults::same_is_never_stale
        ),
        both!(
            "version_is_not_checked",
            [
                "save_policy::refuses_a_stale_version",
                "save_role::refuses_a_stale_version"
            ],
            faults::version_is_not_checked,
            "dex #2547: of two updates the later one overwrote the earlier"
        ),
        both!(
            "same_is_never_stale",
            [
                "save_policy::refuses_a_stale_version",
                "save_role::refuses_a_stale_version"
            ],
            faults::same_is_never_stale
        ),
        both!(
            "update_is_an_upsert",
            "save::never_recreates",
            faults::update_is_an_upsert,
            "auth0/nextjs-auth0 #2335: a late save brought back what was deleted"
        ),
        both!(
            "save_is_an_insert",
            "save::takes_anything",
            faults::save_is_an_insert
        ),
        both!(
            "save_is_an_update",
            "save::takes_anything",
            faults::save_is_an_update
        ),
        both!(
            "names_are_unique",
            "save::names_may_repeat",
            faults::names_are_unique,
            "duck-iam: names were unique on one database only"
        ),
        both!(
            "save_merges",
            [
                "save_policy::replaces_the_whole",
                "save_role::replaces_the_whole"
            ],
            faults::save_merges,
            "spicedb 6e260eb25: a write without a field kept the old one"
        ),
        both!(
            "save_appends",
            [
                "save_policy::replaces_the_whole",
                "save_role::replaces_the_whole"
            ],
            faults::save_appends,
            "Casbin.NET #176: a save added its rules to those that were there"
        ),
        both!(
            "same_is_a_change",
            [
                "save_policy::same_changes_nothing",
                "save_role::same_changes_nothing"
            ],
            faults::same_is_a_change
        ),
        both!(
            "updates_never_go_back",
            "save::keeps_instants",
            faults::updates_never_go_back
        ),
        both!(
            "stale_comes_first",
            [
                "save_policy::refuses_what_is_over_a_limit",
                "save_role::refuses_what_is_over_a_limit"
            ],
            faults::stale_comes_first
        ),
        both!(
            "errors_say_little",
            "errors::name_what_was_wrong",
            faults::errors_say_little
        ),
        both!(
            "refusals_say_little",
            "errors::name_what_was_wrong",
            faults::refusals_say_little
        ),
    ]
    .into_iter()
    .flatten()
    .chain([
        mutant::<Roles, _, _>(
            "policies::roles_are_cut_at_the_limit",
            "policies::save_role::refuses_what_is_over_a_limit",
            faults::limits_cut,
        )
        .re_enacts("cakephp-social-auth #30: what was too long was cut, silently"),
        mutant::<Policies, _, _>(
            "policies::policies_are_cut_at_the_limit",
            "policies::save_policy::refuses_what_is_over_a_limit",
            faults::limits_cut,
        ),
        answers::<Policies>(
            "policies::save_policy_answers_without_targets",
            "policies::save_policy::stores_it_whole",
            true,
            false,
            |policy| policy.draft.targets = None,
        )
        .re_enacts("AuthHero 5dddd72: what was answered was not what was stored"),
        answers::<Roles>(
            "policies::save_role_answers_without_metadata",
            "policies::save_role::stores_it_whole",
            true,
            false,
            |role| role.draft.metadata = None,
        ),
        answers::<Policies>(
            "policies::get_policy_leaves_out_the_second_rule",
            "policies::save_policy::stores_it_whole",
            false,
            true,
            |policy| policy.draft.rules.truncate(1),
        )
        .re_enacts("casbin #1011: what was loaded was not what was saved"),
        answers::<Roles>(
            "policies::role_is_created_with_every_save",
            "policies::save_role::replaces_the_whole",
            true,
            true,
            |role| role.created_at = role.updated_at,
        ),
        answers::<Policies>(
            "policies::policy_is_created_with_every_save",
            "policies::save_policy::replaces_the_whole",
            true,
            true,
            |policy| policy.created_at = policy.updated_at,
        ),
        answers::<Policies>(
            "policies::policies_in_milliseconds",
            "policies::save::keeps_instants",
            true,
            true,
            faults::in_milliseconds::<Policies>,
        )
        .re_enacts("dex b51e73bc: instants of another precision than they were compared with"),
        answers::<Roles>(
            "policies::roles_in_local_time",
            "policies::save::keeps_instants",
            false,
            true,
            faults::in_local_time::<Roles>,
        )
        .re_enacts("dex fd20b213: a column without a zone dropped the zone"),
    ])
    .collect()
}

fn reads() -> Vec<Mutant<Ports>> {
    let mut mutants: Vec<_> = [
        both!(
            "fold_case",
            "get::missing_is_none",
            faults::finds(|asked, stored| asked.eq_ignore_ascii_case(stored)),
            "CVE-2026-55170: a collation made ids that differ in their case equal"
        ),
        both!(
            "found_by_prefix",
            "get::missing_is_none",
            faults::finds(|asked, stored| stored.starts_with(asked))
        ),
        both!(
            "trim_ids",
            [
                "get_policy::compares_ids_as_bytes",
                "get_role::compares_ids_as_bytes"
            ],
            faults::finds(|asked, stored| asked.trim_end() == stored.trim_end())
        ),
        both!(
            "take_ids_for_patterns",
            [
                "get_policy::compares_ids_as_bytes",
                "get_role::compares_ids_as_bytes"
            ],
            faults::finds(is_like)
        ),
        both!(
            "decode_ids",
            [
                "get_policy::compares_ids_as_bytes",
                "get_role::compares_ids_as_bytes"
            ],
            faults::finds(|asked, stored| percent_decode_str(asked).eq(stored.bytes())),
            "duck-iam: ids went into the paths of requests without being escaped"
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    mutants.push(Mutant::new(
        "policies::second_handle_is_not_ready",
        "policies::ready::answers",
        |mut ports: Ports, handle| {
            if handle == Handle::Second {
                ports.policies = ports.policies.map(|port| faulty(port, never_ready));
            }
            ports
        },
    ));
    mutants.push(Mutant::new(
        "policies::forgets_at_a_restart",
        "policies::restart::keeps_policies_and_roles",
        |mut ports: Ports, handle| {
            if handle == Handle::Reopened {
                ports.policies = MemoryAdapter::new().ports().policies;
            }
            ports
        },
    ));
    mutants.push(
        on_handles::<Policies, _, _>(
            "policies::reads_missing_after_a_restart",
            "policies::restart::keeps_policies_and_roles",
            |handle| handle == Handle::Reopened,
            faults::finds(|_, _| false),
        )
        .re_enacts("duck-iam 2.1.0: a file that could not be read was an empty store"),
    );
    mutants
}

async fn never_ready(port: Store, call: Call) -> PortResult<Answer> {
    match call {
        Call::Ready {} => Err(PortError::Unavailable("the pool is empty".into())),
        call => port.call(call).await,
    }
}

fn deletions() -> Vec<Mutant<Ports>> {
    let mut mutants: Vec<_> = [
        both!(
            "deleted_by_prefix",
            "delete::removes_exactly_one",
            faults::deletes(|named, stored| stored.starts_with(named)),
            "casbin: removing a rule removed all of which it is a prefix"
        ),
        both!(
            "deleted_by_pattern",
            "delete::removes_exactly_one",
            faults::deletes(is_like),
            "duck-iam: ids in a pattern of keys deleted others"
        ),
        both!(
            "deleted_without_case",
            "delete::removes_exactly_one",
            faults::deletes(|named, stored| named.eq_ignore_ascii_case(stored))
        ),
        both!(
            "delete_is_always_true",
            "delete::answers_whether_there_was_one",
            faults::delete_is_always_true,
            "AuthHero: removing a missing row answered true"
        ),
        both!(
            "delete_wants_one",
            "delete::answers_whether_there_was_one",
            faults::delete_wants_one,
            "duck-iam: deleting a missing one was an error on one adapter"
        ),
        both!(
            "delete_looks_first",
            "delete::race_has_one_winner",
            faults::delete_looks_first
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    mutants.push(per_handle(
        "policies::policies_are_cached_by_each_handle",
        "policies::delete::removes_exactly_one",
        faults::cached::<Policies>,
    ));
    mutants.push(
        per_handle(
            "policies::roles_are_cached_by_each_handle",
            "policies::save_role::replaces_the_whole",
            faults::cached::<Roles>,
        )
        .re_enacts("AuthHero: a cache in front of the store outlived what was stored"),
    );
    mutants.push(shared(
        "policies::policies_count_on_after_deletion",
        "policies::delete::frees_the_id",
        faults::tombstones::<Policies>,
    ));
    mutants.push(shared(
        "policies::roles_count_on_after_deletion",
        "policies::delete::frees_the_id",
        faults::tombstones::<Roles>,
    ));
    mutants.push(Mutant::new(
        "policies::delete_role_tidies_up",
        "policies::delete_role::leaves_what_names_it",
        |mut ports: Ports, _| {
            ports.policies = ports
                .policies
                .map(|port| faulty(port, texts::delete_tidies_up));
            ports
        },
    ));
    mutants
}

/// A fault with something of each handle's own.
fn per_handle<K, F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    K: kind::Kind,
    F: Fn(Cache<K>, Store, kind::Op<K>) -> A + Copy + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        let own = Cache::<K>::default();
        ports.policies = ports
            .policies
            .map(|port| with::<K, _, _>(port, move |store, op| fault(Arc::clone(&own), store, op)));
        ports
    })
}

/// A fault with something that all handles share.
fn shared<K, F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    K: kind::Kind,
    F: Fn(Cache<K>, Store, kind::Op<K>) -> A + Copy + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let own: Shared<_> = Cache::<K>::default();
    mutant::<K, _, _>(id, breaks, move |store, op| {
        fault(Arc::clone(&own), store, op)
    })
}

fn races() -> Vec<Mutant<Ports>> {
    [
        both!(
            "created_after_a_look",
            "save::creation_race_has_one_winner",
            faults::save_looks_first,
            "casbin #1423: adding at once left duplicates"
        ),
        both!(
            "changed_after_a_look",
            "save::change_race_has_one_winner",
            faults::save_looks_first
        ),
        both!(
            "last_writer_wins",
            "save::loses_nothing_when_retried",
            faults::save_looks_first,
            "better-auth #9993: what was read, changed and written was lost"
        ),
        both!(
            "saved_over_a_deletion",
            "save::race_with_delete_recreates_nothing",
            faults::save_looks_first,
            "auth0/nextjs-auth0 #2530: first read, then written"
        ),
        both!(
            "count_up_what_was_read",
            "save::every_change_has_a_version",
            faults::version_is_read_first
        ),
        both!(
            "read_in_two_queries",
            "save::readers_see_it_whole",
            faults::reads_in_two_queries
        ),
        both!(
            "saved_in_two_steps",
            "save::readers_see_it_whole",
            faults::saves_in_two_steps,
            "casbin: a save deleted all rules and inserted them again"
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn apart() -> Vec<Mutant<Ports>> {
    let mut mutants: Vec<_> = [
        both!(
            "get_forgets_the_tenant",
            "tenancy::other_tenants_reach_nothing",
            faults::forgets_the_tenant(|op| matches!(op, kind::Op::Get(..))),
            "paySphere #1917: a missing tenant dropped the condition"
        ),
        both!(
            "delete_forgets_the_tenant",
            "tenancy::other_tenants_reach_nothing",
            faults::forgets_the_tenant(|op| matches!(op, kind::Op::Delete(..))),
            "duck-iam: a prefix with a bracket deleted another tenant's rows"
        ),
        both!(
            "list_forgets_the_tenant",
            "tenancy::other_tenants_reach_nothing",
            faults::forgets_the_tenant(|op| matches!(op, kind::Op::List(..)))
        ),
        both!(
            "fold_tenants",
            "tenancy::tenants_are_compared_as_bytes",
            faults::folds_tenants
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    mutants.push(
        Mutant::new(
            "policies::one_key_for_both_kinds",
            "policies::ids::policies_and_roles_are_apart",
            |mut ports: Ports, _| {
                ports.policies = ports
                    .policies
                    .map(|port| faulty(port, texts::deletes_both_kinds));
                ports
            },
        )
        .re_enacts("keyv #1599: keys were written without their prefix"),
    );
    mutants
}
