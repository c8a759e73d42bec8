//! Cursors: of use in one list of one tenant, as they were answered.

use portproof_ports::{OrganizationId, PageRequest, Ports, TenantId};

use super::{Houses, ada, digest, id, identity};
use crate::{
    Case, Checked, cases,
    check::{equal, holds},
    fixture::{START, minute},
    lists::{first_item, refuses_cursor, refuses_damaged},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![cursor_belongs_to_its_list, damaged_cursor_is_refused]
}

/// A cursor is of use in the list that answered it, and refused in every other: of another tenant, of
/// another organization or identity, or of something else.
///
/// Otherwise a cursor that is passed on shows somebody else's members.
#[rule(
    "organizations::lists::refuse_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn cursor_belongs_to_its_list(w: &Houses) -> Checked {
    w.eight().await?;
    let store = &w.store;
    let (place, other, ada) = (&w.subject_id(), &id("bystander")?, &ada()?);
    let (here, there, eve) = (&w.tenant, &w.elsewhere, &identity("Eve")?);
    let (_, of_list) = first_item(|page| w.list(page)).await?;
    let (_, of_members) = first_item(|page| w.members(page)).await?;
    let (_, of_ada) = first_item(|page| w.of_ada(page)).await?;
    let (_, of_invitations) = first_item(|page| w.invitations(page)).await?;
    let all = [
        ("the organizations", &of_list),
        ("the members", &of_members),
        ("Ada's memberships", &of_ada),
        ("the invitations", &of_invitations),
    ];
    for (number, (of, cursor)) in all.into_iter().enumerate() {
        for (list, (called, _)) in all.iter().enumerate() {
            // In its own list only elsewhere.
            let tenants: &[&TenantId] = if list == number {
                &[there]
            } else {
                &[here, there]
            };
            for &tenant in tenants {
                let what = format!("a cursor of {of} in {called}");
                refuses_in(w, &what, list, tenant, place, ada, cursor.clone()).await?;
            }
        }
        if number > 0 {
            let what = format!("a cursor of {of} in another's");
            refuses_in(w, &what, number, here, other, eve, cursor.clone()).await?;
        }
    }
    let next = |cursor| PageRequest::first(1000).map(|page| page.following(cursor));
    let later = store
        .invitations_of(here, place, minute(10), &next(of_invitations)?)
        .await?;
    equal("how many invitations follow later", &later.items.len(), &7)?;
    let rest = store.members_of(here, place, &next(of_members)?).await?;
    equal("how many members follow", &rest.items.len(), &7)
}

/// Fails unless the list with this number refuses a cursor.
async fn refuses_in(
    w: &Houses,
    what: &str,
    list: usize,
    tenant: &TenantId,
    place: &OrganizationId,
    who: &portproof_ports::IdentityId,
    cursor: portproof_ports::Cursor,
) -> Checked {
    let store = &w.store;
    match list {
        0 => {
            refuses_cursor(what, cursor, |page| async move {
                store.list(tenant, &page).await
            })
            .await
        }
        1 => {
            refuses_cursor(what, cursor, |page| async move {
                store.members_of(tenant, place, &page).await
            })
            .await
        }
        2 => {
            refuses_cursor(what, cursor, |page| async move {
                store.organizations_of(tenant, who, &page).await
            })
            .await
        }
        _ => {
            refuses_cursor(what, cursor, |page| async move {
                store.invitations_of(tenant, place, minute(9), &page).await
            })
            .await
        }
    }
}

/// A damaged or invented cursor is refused as such, in every list: no panic, no first page, no driver's
/// error.
///
/// An engine that gets the first page again walks for ever; one that gets an empty page misses members.
#[rule(
    "organizations::lists::refuse_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn damaged_cursor_is_refused(w: &Houses) -> Checked {
    w.eight().await?;
    let (_, cursor) = first_item(|page| w.list(page)).await?;
    refuses_damaged(&cursor, |page| w.list(page)).await?;
    let (_, cursor) = first_item(|page| w.members(page)).await?;
    refuses_damaged(&cursor, |page| w.members(page)).await?;
    let (_, cursor) = first_item(|page| w.of_ada(page)).await?;
    refuses_damaged(&cursor, |page| w.of_ada(page)).await?;
    let (_, cursor) = first_item(|page| w.invitations(page)).await?;
    refuses_damaged(&cursor, |page| w.invitations(page)).await?;
    let found = w.invitation(&digest("token"), START).await?;
    holds(found.is_some(), "nothing was used up")
}
