//! The list of tenants: complete, by id, and stable while others come and go.
//!
//! It is about everybody's tenants, those of other cases among them: what is checked of it is their
//! order, and that the case's own are there.

use std::collections::BTreeSet;

use portproof_ports::{IdentityFilter, PageRequest, Ports, Tenant, TenantId};

use super::{Tenants, but_tenants, draft, fill::fill, other_draft};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, minute},
    lists::{first_item, refuses_cursor, refuses_damaged},
    offered,
    race::{RACERS, race},
    rule, walk,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_and_ordered,
        list_holds_thousands,
        only_the_stored_are_listed,
        walk_survives_others,
        cursor_belongs_to_its_list,
        damaged_cursor_is_refused,
    ]
}

impl Tenants {
    /// Walks the list at this many a page; answers those of `ids`, and fails unless all that there
    /// are come in order, each once.
    async fn walked(&self, limit: u16, ids: &BTreeSet<TenantId>) -> Result<Vec<Tenant>, Failure> {
        let list = |page| async move { self.other.list(&page).await };
        let all = walk::all(limit, list).await?;
        for pair in all.windows(2) {
            holds(
                pair[0].id.as_str().as_bytes() < pair[1].id.as_str().as_bytes(),
                format!(
                    "tenants are listed once, by the bytes of their ids, got {:?} before {:?}",
                    pair[0].id, pair[1].id
                ),
            )?;
        }
        Ok(all
            .into_iter()
            .filter(|one| ids.contains(&one.id))
            .collect())
    }

    /// Stores six more beside the subject and the bystanders; answers all in the list's order.
    async fn nine(&self) -> Result<Vec<Tenant>, Failure> {
        let mut all = self.bystanders.clone();
        all.push(self.subject.clone());
        for _ in 0..2 {
            let base = self.context.tenant()?;
            let base = base.as_str();
            for id in [format!("Ä{base}"), format!("ä{base}"), format!("_{base}")] {
                let id = TenantId::new(id)?;
                all.push(self.store.create(&id, draft("one of nine")?, START).await?);
            }
        }
        all.sort_by(|one, two| one.id.as_str().as_bytes().cmp(two.id.as_str().as_bytes()));
        Ok(all)
    }
}

fn ids(tenants: &[Tenant]) -> BTreeSet<TenantId> {
    tenants.iter().map(|tenant| tenant.id.clone()).collect()
}

/// A list holds every stored tenant once, as a read of it answers it, in the order of the ids' bytes,
/// at whatever page size; a cursor is answered exactly when more follow.
///
/// A tenant that no list shows is billed, backed up and purged by nobody.
#[rule(
    "tenants::list::is_complete_and_ordered",
    source = "AuthHero 953739e: next was missing though there was more",
    environments = "collation"
)]
async fn list_is_complete_and_ordered(w: &Tenants) -> Checked {
    let mut expected = w.nine().await?;
    let own = ids(&expected);
    for limit in [2, 7, 1000] {
        equal(
            "the case's tenants",
            &w.walked(limit, &own).await?,
            &expected,
        )?;
    }
    // It follows what changes and what goes.
    let subject = &w.subject;
    let updated = w
        .store
        .update(&subject.id, subject.version, other_draft()?, minute(1))
        .await?;
    for tenant in &mut expected {
        if tenant.id == updated.id {
            *tenant = updated.clone();
        }
    }
    let gone = TenantId::new(format!("ä{}", w.context.tenant()?.as_str()))?;
    w.store.create(&gone, draft("gone")?, START).await?;
    w.store.purge(&gone, 1000).await?;
    let own = own.into_iter().chain([gone]).collect();
    equal("the case's tenants", &w.walked(7, &own).await?, &expected)
}

/// Thousands of tenants are listed to the last, at small pages and at large ones.
///
/// The customers after the first page pay like the others.
#[rule(
    "tenants::list::has_no_limit_of_its_own",
    source = "better-auth #10342: a default limit of a hundred; hydra #3362"
)]
async fn list_holds_thousands(w: &Tenants) -> Checked {
    const MANY: usize = 2_500;
    let base = w.context.tenant()?;
    let lanes = race(RACERS, |lane| {
        let (store, base) = (w.handle(lane), base.clone());
        async move {
            let mut made = Vec::new();
            for number in (lane..MANY).step_by(RACERS) {
                let id = TenantId::new(format!("{}-{number:04}", base.as_str()))?;
                made.push(store.create(&id, draft("one of many")?, START).await?);
            }
            Ok::<_, Failure>(made)
        }
    })
    .await?;
    let mut expected = Vec::new();
    for lane in lanes {
        expected.extend(lane?);
    }
    expected.sort_by(|one, two| one.id.cmp(&two.id));
    let own = ids(&expected);
    for limit in [1, 7, 1000] {
        let walked = w.walked(limit, &own).await?;
        equal("how many of the many are listed", &walked.len(), &MANY)?;
        holds(walked == expected, "each is listed as it is stored")?;
    }
    Ok(())
}

/// What other ports hold of a tenant does not put it on the list: that its record does.
///
/// A list of whoever left a trace shows tenants that are gone, or never were.
#[rule(
    "tenants::list::holds_stored_tenants_only",
    source = "the contract: references across ports are the engine's job"
)]
async fn only_the_stored_are_listed(w: &Tenants) -> Checked {
    let tenant = w.context.tenant()?;
    fill(&but_tenants(w.context.stores()), &tenant).await?;
    let own = BTreeSet::from([tenant.clone(), w.subject.id.clone()]);
    equal("the tenant", &w.seen(&tenant).await?, &None)?;
    let walked = w.walked(1000, &own).await?;
    equal("the listed tenants", &walked, &vec![w.subject.clone()])
}

/// A walk goes on when tenants come and go under it, also the one that its cursor stands on: it
/// answers every one that stays once.
///
/// An offset skips a customer for each that goes, and answers one again for each that comes.
#[rule(
    "tenants::list::walk_survives_changes",
    source = "AuthHero 0e6acf4: a cursor that was an offset; leapmux #287"
)]
async fn walk_survives_others(w: &Tenants) -> Checked {
    let expected = w.nine().await?;
    let (own, staying) = (ids(&expected), ids(&w.bystanders));
    let first = PageRequest::first(3)?;
    let mut page = w.other.list(&first).await?;
    let mut walked = Vec::new();
    let mut number = 0;
    loop {
        let mine: Vec<Tenant> = page
            .items
            .iter()
            .filter(|tenant| own.contains(&tenant.id))
            .cloned()
            .collect();
        for gone in mine.iter().filter(|tenant| !staying.contains(&tenant.id)) {
            w.store.purge(&gone.id, 1000).await?;
            // After all, and once before all that were answered: more would make up for what is gone.
            let places = ["\u{ffee}", "!"];
            for id in places.into_iter().take(if number == 0 { 2 } else { 1 }) {
                if number == 8 {
                    break;
                }
                number += 1;
                let id = TenantId::new(format!("{id}{number}{}", gone.id.as_str()))?;
                w.store.create(&id, draft("another")?, minute(1)).await?;
            }
        }
        walked.extend(mine);
        match page.next {
            Some(cursor) => page = w.other.list(&first.following(cursor)).await?,
            None => break,
        }
    }
    equal("the case's tenants", &walked, &expected)
}

/// A cursor of another list is refused.
///
/// A cursor that opens everywhere is one that its bearer can choose the place with.
#[rule(
    "tenants::list::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn cursor_belongs_to_its_list(w: &Tenants) -> Checked {
    let identities = offered("identity", w.context.stores().identity.as_ref())?;
    let tenant = &w.context.tenant()?;
    fill(w.context.stores(), tenant).await?;
    let (_, foreign) = first_item(|page| {
        let identities = &identities;
        async move { identities.list(tenant, &IdentityFilter::Every, &page).await }
    })
    .await?;
    let list = |page| async move { w.other.list(&page).await };
    refuses_cursor("a cursor of another port's list", foreign, list).await?;
    // Servers change during a walk.
    let (first, cursor) = first_item(list).await?;
    let page = PageRequest::first(1)?.following(cursor);
    let second = w.store.list(&page).await?;
    holds(
        second.items.iter().all(|second| second.id > first.id),
        "a cursor goes on through the other handle",
    )
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// Whoever starts at the beginning again walks for ever.
#[rule(
    "tenants::list::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn damaged_cursor_is_refused(w: &Tenants) -> Checked {
    let list = |page| async move { w.other.list(&page).await };
    let (_, cursor) = first_item(list).await?;
    refuses_damaged(&cursor, list).await
}
