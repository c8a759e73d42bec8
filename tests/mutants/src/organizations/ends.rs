//! Mutants of what ends organizations and memberships.

use std::sync::Arc;

use portproof_ports::{
    Membership, OrganizationStoreAnswer as Answer, OrganizationStoreCall as Call, PageRequest,
    Port as _,
};
use serde_json::json;

use super::{Later, Port, again};

pub(super) fn mutants(edits: Port) -> Port {
    let edits = edits
        .fault(
            "organizations::delete_takes_members_along",
            "organizations::delete::ends_what_is_in_it",
            |store, call| async move {
                if let Call::Delete { tenant, id } = &call {
                    let page = PageRequest::first(1000)?;
                    for member in store.members_of(tenant, id, &page).await?.items {
                        store.remove_all_of(tenant, &member.identity).await?;
                    }
                }
                store.call(call).await
            },
        )
        .answer(
            "organizations::delete_answers_true",
            "organizations::delete::ends_what_is_in_it",
            "delete",
            |answer| *answer = json!(true),
        );
    let edits = outlive(
        edits,
        "organizations::members_outlive_it",
        "organizations::delete::recreated_is_empty",
        0,
    )
    .re_enacts("spire #6946: rows that belonged to a deleted one stayed");
    outlive(
        edits,
        "organizations::members_beyond_a_page_outlive_it",
        "organizations::delete::ends_more_than_a_page",
        1,
    )
    .re_enacts("AuthHero 7d9f138: the first 100 only")
    .answer(
        "organizations::remove_all_counts_one",
        "organizations::remove_all_of::ends_an_identitys",
        "remove_all_of",
        |count| *count = json!(count.as_u64().unwrap_or_default().min(1)),
    )
    .fault(
        "organizations::remove_all_ends_a_page",
        "organizations::remove_all_of::ends_more_than_a_page",
        |store, call| async move {
            let Call::RemoveAllOf { tenant, identity } = &call else {
                return store.call(call).await;
            };
            let (page, mut count) = (PageRequest::first(1000)?, 0);
            let theirs = store.organizations_of(tenant, identity, &page).await?;
            for one in theirs.items {
                let removed = store.remove_member(tenant, &one.organization, identity);
                count += u64::from(removed.await?);
            }
            Ok(Answer::RemoveAllOf(count))
        },
    )
    .re_enacts("AuthHero 7d9f138: the first 100 only")
}

/// The members of a deleted organization, but for those of its first pages, are there again when one of
/// its id is.
fn outlive(edits: Port, id: &'static str, breaks: &'static str, pages: usize) -> Port {
    let later: Arc<Later<Membership>> = Arc::default();
    edits.fault(id, breaks, move |store, call| {
        let later = Arc::clone(&later);
        async move {
            if let Call::Delete { tenant, id } = &call {
                let first = PageRequest::first(1000)?;
                let (mut request, mut number) = (first.clone(), 0);
                loop {
                    let page = store.members_of(tenant, id, &request).await?;
                    if number >= pages {
                        for member in page.items {
                            later.keep(tenant, id, member);
                        }
                    }
                    let Some(cursor) = page.next else {
                        break;
                    };
                    request = first.following(cursor);
                    number += 1;
                }
            }
            let outcome = store.call(call.clone()).await?;
            if let Call::Create {
                tenant,
                organization,
                ..
            } = &call
            {
                for member in later.take(tenant, &organization.id) {
                    let joined = member.joined_at;
                    store.add_member(tenant, again(&member), joined).await?;
                }
            }
            Ok(outcome)
        }
    })
}
