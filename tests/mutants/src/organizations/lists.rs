//! Mutants of the four lists.

use portproof_ports::{
    Cursor, IdentityId, OrganizationStoreAnswer as Answer, OrganizationStoreCall as Call, Page,
    PageRequest, Port as _, Timestamp,
};
use serde_json::Value;

use super::Port;
use crate::edits::is_like;

pub(super) fn mutants(edits: Port) -> Port {
    edits
        .answer(
            "organizations::list_in_reverse",
            "organizations::list::is_complete_and_ordered",
            "list",
            reverse,
        )
        .answer(
            "organizations::members_in_reverse",
            "organizations::members_of::is_complete_and_ordered",
            "members_of",
            reverse,
        )
        .answer(
            "organizations::memberships_in_reverse",
            "organizations::organizations_of::is_complete_and_ordered",
            "organizations_of",
            reverse,
        )
        .answer(
            "organizations::invitations_in_reverse",
            "organizations::invitations_of::is_complete_and_ordered",
            "invitations_of",
            reverse,
        )
        .capped(
            "organizations::list_is_capped",
            "organizations::list::is_complete_at_any_length",
        )
        .capped(
            "organizations::members_are_capped",
            "organizations::members_of::is_complete_at_any_length",
        )
        .capped(
            "organizations::memberships_are_capped",
            "organizations::organizations_of::is_complete_at_any_length",
        )
        .capped(
            "organizations::invitations_are_capped",
            "organizations::invitations_of::is_complete_at_any_length",
        )
        .finds(
            "organizations::lists_go_by_pattern",
            "organizations::lists::of_nothing_are_empty",
            &["members_of", "invitations_of"],
            "organization",
            is_like,
        )
        .offsets(
            "organizations::walks_skip",
            "organizations::lists::walk_survives_removals",
        )
        .offsets(
            "organizations::walks_repeat",
            "organizations::lists::walk_survives_insertions",
        )
        .offsets(
            "organizations::cursors_belong_to_no_list",
            "organizations::lists::refuse_a_foreign_cursor",
        )
        .fault(
            "organizations::members_by_their_last_change",
            "organizations::lists::walk_survives_updates",
            |store, call| async move {
                let Call::MembersOf {
                    tenant,
                    organization,
                    page,
                } = &call
                else {
                    return store.call(call).await;
                };
                let list = ["by change", organization.as_str()];
                let after: Option<(Timestamp, IdentityId)> = match page.cursor() {
                    Some(cursor) => Some(cursor.open(&list)?),
                    None => None,
                };
                let all = PageRequest::first(1000)?;
                let mut items = store.members_of(tenant, organization, &all).await?.items;
                items.sort_by_key(|one| (one.updated_at, one.identity.clone()));
                items.retain(|one| {
                    after
                        .as_ref()
                        .is_none_or(|after| (one.updated_at, &one.identity) > (after.0, &after.1))
                });
                let more = items.len() > usize::from(page.limit());
                items.truncate(page.limit().into());
                let next = match items.last() {
                    Some(last) if more => {
                        Some(Cursor::seal(&list, &(last.updated_at, &last.identity))?)
                    }
                    _ => None,
                };
                Ok(Answer::MembersOf(Page { items, next }))
            },
        )
}

fn reverse(page: &mut Value) {
    if let Some(items) = page["items"].as_array_mut() {
        items.reverse();
    }
}
