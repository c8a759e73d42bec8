//! Lists of thousands: complete, at whatever page size.

use portproof_ports::{IdentityId, OrganizationId, Page, PageRequest, PortResult, Ports};

use super::{Houses, identity, new_invitation, new_membership, unlimited};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::START,
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_at_any_length,
        members_are_complete_at_any_length,
        organizations_are_complete_at_any_length,
        invitations_are_complete_at_any_length,
    ]
}

/// More than two pages hold.
const MANY: usize = 2500;

/// Makes an identity a member of [`MANY`] organizations.
pub(super) async fn join_many(w: &Houses, identity: &IdentityId) -> Checked {
    let (tenant, who) = (w.tenant.clone(), identity.as_str().to_owned());
    w.many(MANY, move |store, number| {
        let (tenant, who) = (tenant.clone(), who.clone());
        async move {
            let name = format!("one of many {number}");
            let given = unlimited(&name, &format!("many-{number}"))?;
            let created = store.create(&tenant, given, START).await?;
            let member = new_membership(&created.id, &who)?;
            store.add_member(&tenant, member, START).await?;
            Ok(())
        }
    })
    .await
}

/// The names of what there are [`MANY`] of, in the order of their bytes.
fn names() -> Vec<String> {
    let mut names: Vec<String> = (0..MANY)
        .map(|number| format!("one of many {number}"))
        .collect();
    names.sort();
    names
}

/// Fails unless a walk answers these, as they are named, in thousands, and then also in sevens and one by
/// one.
async fn has_all<T, F>(
    expected: &[String],
    name: impl Fn(&T) -> String,
    list: impl Fn(PageRequest) -> F,
) -> Checked
where
    F: Future<Output = PortResult<Page<T>>>,
{
    for thousands in [usize::MAX, 2] {
        let mut listed: Vec<String> = Vec::new();
        let mut page = list(PageRequest::first(1000)?).await?;
        while let Some(cursor) = page.next.take() {
            listed.extend(page.items.iter().map(&name));
            let limit = match listed.len() {
                so_far if so_far < thousands.saturating_mul(1000) => 1000,
                so_far if so_far < 2400 => 7,
                _ => 1,
            };
            page = list(PageRequest::first(limit)?.following(cursor)).await?;
            let left = expected.len().saturating_sub(listed.len());
            equal(
                &format!("how many a page of {limit} holds when {left} are left"),
                &page.items.len(),
                &left.min(usize::from(limit)),
            )?;
        }
        listed.extend(page.items.iter().map(&name));
        holds(
            listed == expected,
            format!(
                "all of {} are listed once, in order, got {}",
                expected.len(),
                listed.len()
            ),
        )?;
    }
    Ok(())
}

/// The organizations of a tenant are listed to the end, however many there are.
///
/// A customer that no page shows is one that nobody bills, and nobody removes.
#[rule(
    "organizations::list::is_complete_at_any_length",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn list_is_complete_at_any_length(w: &Houses) -> Checked {
    let tenant = w.context.tenant()?;
    let there = tenant.clone();
    w.many(MANY, move |store, number| {
        let tenant = there.clone();
        async move {
            let name = format!("one of many {number}");
            let given = unlimited(&name, &format!("many-{number}"))?;
            store.create(&tenant, given, START).await?;
            Ok(())
        }
    })
    .await?;
    // Of one instant, and so by id.
    let name = |one: &portproof_ports::Organization| one.id.as_str().to_owned();
    has_all(&names(), name, |page| {
        let (store, tenant) = (&w.other, &tenant);
        async move { store.list(tenant, &page).await }
    })
    .await
}

/// The members of an organization are listed to the end, however many there are.
///
/// Above a hundred members nobody could see who belongs to an organization, and remove who does not.
#[rule(
    "organizations::members_of::is_complete_at_any_length",
    source = "better-auth #10342: the list of members failed above 100"
)]
async fn members_are_complete_at_any_length(w: &Houses) -> Checked {
    let big = w.create(unlimited("big", "big")?).await?.id;
    let (tenant, place) = (w.tenant.clone(), big.clone());
    w.many(MANY, move |store, number| {
        let (tenant, place) = (tenant.clone(), place.clone());
        async move {
            let member = new_membership(&place, &format!("one of many {number}"))?;
            store.add_member(&tenant, member, START).await?;
            Ok::<(), Failure>(())
        }
    })
    .await?;
    let name = |one: &portproof_ports::Membership| one.identity.as_str().to_owned();
    has_all(&names(), name, |page| {
        let (store, tenant, big) = (&w.other, &w.tenant, &big);
        async move { store.members_of(tenant, big, &page).await }
    })
    .await
}

/// The organizations that an identity belongs to are listed to the end, however many there are.
///
/// What no page shows, whoever leaves is not taken out of.
#[rule(
    "organizations::organizations_of::is_complete_at_any_length",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn organizations_are_complete_at_any_length(w: &Houses) -> Checked {
    let agent = identity("agent")?;
    join_many(w, &agent).await?;
    let name = |one: &portproof_ports::Membership| one.organization.as_str().to_owned();
    has_all(&names(), name, |page| {
        let (store, tenant, agent) = (&w.other, &w.tenant, &agent);
        async move { store.organizations_of(tenant, agent, &page).await }
    })
    .await
}

/// The invitations to an organization are listed to the end, however many there are.
///
/// An invitation that no page shows is one that nobody revokes.
#[rule(
    "organizations::invitations_of::is_complete_at_any_length",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn invitations_are_complete_at_any_length(w: &Houses) -> Checked {
    let big: OrganizationId = w.create(unlimited("big", "big")?).await?.id;
    let (tenant, place) = (w.tenant.clone(), big.clone());
    w.many(MANY, move |store, number| {
        let (tenant, place) = (tenant.clone(), place.clone());
        async move {
            let given = new_invitation(&place, &format!("one of many {number}"))?;
            store.invite(&tenant, given, START).await?;
            Ok(())
        }
    })
    .await?;
    // Of one instant, and so by digest.
    let mut expected: Vec<_> = names().iter().map(|name| super::digest(name)).collect();
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(String::from).collect();
    let name = |one: &portproof_ports::Invitation| String::from(one.id.clone());
    has_all(&expected, name, |page| {
        let (store, tenant, big) = (&w.other, &w.tenant, &big);
        async move { store.invitations_of(tenant, big, START, &page).await }
    })
    .await
}
