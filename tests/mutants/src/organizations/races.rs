//! Mutants that check first and act later.

use portproof_ports::{
    NewMembership, OrganizationStoreAnswer as Answer, OrganizationStoreCall as Call, Port as _,
    PortError,
};

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
        .fault(
            "organizations::acceptances_race_with_revocations",
            "organizations::accept::race_with_revoke",
            |store, call| async move {
                let Call::Accept {
                    tenant,
                    id,
                    identity,
                    now,
                } = &call
                else {
                    return store.call(call).await;
                };
                let seen = store.invitation(tenant, id, *now).await?;
                for _ in 0..8 {
                    tokio::task::yield_now().await;
                }
                let outcome = store.call(call.clone()).await;
                let (Some(seen), Err(PortError::NotFound(_))) = (seen, &outcome) else {
                    return outcome;
                };
                // It was there when this one looked.
                let new = NewMembership {
                    organization: seen.organization,
                    identity: identity.clone(),
                    roles: seen.roles,
                };
                let joined = store.add_member(tenant, new, *now).await;
                joined.map(Answer::Accept)
            },
        );
    orphans(
        edits,
        "organizations::late_members_stay",
        "organizations::delete::race_leaves_nothing",
    )
    .re_enacts("spire #6946: rows that belonged to a deleted one stayed")
}
