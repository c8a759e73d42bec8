//! Mutants that check first and act later.

use super::{Port, members::orphans};

pub(super) fn mutants(edits: Port) -> Port {
    let edits = edits
        .race(
            "organizations::creates_race",
            "organizations::create::race_has_one_owner",
            "create",
        )
        .race(
            "organizations::creates_race_for_slugs",
            "organizations::create::race_for_a_slug",
            "create",
        )
        .re_enacts("better-auth #942: two users with one address")
        .race(
            "organizations::renames_race",
            "organizations::update::race_for_a_slug",
            "update",
        )
        .race(
            "organizations::updates_race",
            "organizations::update::race_has_one_winner",
            "update",
        )
        .race(
            "organizations::adds_race",
            "organizations::add_member::race_makes_one",
            "add_member",
        )
        .race(
            "organizations::adds_race_for_places",
            "organizations::add_member::race_keeps_to_the_limit",
            "add_member",
        )
        .race(
            "organizations::roles_race",
            "organizations::set_roles::race_has_one_winner",
            "set_roles",
        )
        .race(
            "organizations::acceptances_race",
            "organizations::accept::race_has_one_winner",
            "accept",
        )
        .re_enacts("supabase/auth #2613: one code was used twice at once")
        .race(
            "organizations::acceptances_race_for_places",
            "organizations::accept::race_keeps_to_the_limit",
            "accept",
        )
        .race(
            "organizations::acceptances_race_with_revocations",
            "organizations::accept::race_with_revoke",
            "accept",
        );
    orphans(
        edits,
        "organizations::late_members_stay",
        "organizations::delete::race_leaves_nothing",
    )
    .re_enacts("spire #6946: rows that belonged to a deleted one stayed")
}
