//! The lists of policies and roles: complete, by id, and stable while others come and go.

use portproof_ports::{Expected, Page, PageRequest, PortResult, Ports, TenantId};

use super::{
    Book,
    kind::{Kind, Policies, Record, Roles},
};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::{START, minute},
    lists::{
        MANY, first_item, has_large_pages, make, refuses_cursor, refuses_damaged, walks_answer,
    },
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_and_ordered,
        list_holds_more_than_a_hundred,
        list_of_nothing_is_empty,
        walk_survives_removals,
        walk_survives_insertions,
        cursor_belongs_to_its_list,
        damaged_cursor_is_refused,
    ]
}

impl Book {
    /// All of a kind in a tenant, as a list to walk.
    async fn list<K: Kind>(
        &self,
        tenant: &TenantId,
        page: PageRequest,
    ) -> PortResult<Page<Record<K::Draft>>> {
        K::list(&*self.other, tenant, page).await
    }

    /// Stores six more beside the subject and the bystander, all in one instant and some under one
    /// name, and answers all eight in the list's order.
    async fn eight<K: Kind>(&self) -> Result<Vec<Record<K::Draft>>, Failure> {
        let mut records = vec![K::subject(self).clone()];
        for (tenant, bystander) in K::bystanders(self) {
            if *tenant == self.tenant {
                records.push(bystander.clone());
            }
        }
        for (id, label) in [
            ("subject ", "the subject"),
            ("10", "z"),
            ("ä", "the subject"),
            ("9", "z"),
            ("_", "a"),
            ("Z", "a"),
        ] {
            records.push(self.save::<K>(K::full(id, label)?, START).await?);
        }
        sort::<K>(&mut records);
        Ok(records)
    }
}

/// Brings records into the list's order.
fn sort<K: Kind>(records: &mut [Record<K::Draft>]) {
    records.sort_by(|one, two| K::id_of(&one.draft).cmp(K::id_of(&two.draft)));
}

/// A list holds every policy or role of the tenant once, as a read of it answers it, in the order of
/// the ids' bytes, at whatever page size; a cursor is answered exactly when more follow.
///
/// A list without one policy decides differently, and nobody sees that it was there.
#[rule(
    "policies::list::is_complete_and_ordered",
    source = "casbin #1011: what was loaded was not what was saved; AuthHero 953739e: next was missing",
    environments = "collation"
)]
async fn list_is_complete_and_ordered(w: &Book) -> Checked {
    complete_and_ordered::<Policies>(w).await?;
    complete_and_ordered::<Roles>(w).await
}

async fn complete_and_ordered<K: Kind>(w: &Book) -> Checked {
    let mut expected = w.eight::<K>().await?;
    let what = format!("the tenant's list of kind {}", K::NAME);
    walks_answer(&what, &expected, |page| w.list::<K>(&w.tenant, page)).await?;
    // It follows what changes and what goes.
    w.delete::<K>("9").await?;
    let (nine, underline) = (K::id("9")?, K::id("_")?);
    expected.retain(|record| *K::id_of(&record.draft) != nine);
    for record in &mut expected {
        if *K::id_of(&record.draft) == underline {
            *record = w.save::<K>(K::bare("_")?, minute(1)).await?;
        }
    }
    walks_answer(&what, &expected, |page| w.list::<K>(&w.tenant, page)).await
}

/// A list has no limit of its own: it answers as many as the page has room for, and the rest on the
/// next.
///
/// The hundred-and-first policy is enforced like the first.
#[rule(
    "policies::list::has_no_limit_of_its_own",
    source = "better-auth #10342: a default limit of a hundred; hydra #3362"
)]
async fn list_holds_more_than_a_hundred(w: &Book) -> Checked {
    more_than_a_hundred::<Policies>(w).await?;
    more_than_a_hundred::<Roles>(w).await
}

async fn more_than_a_hundred<K: Kind>(w: &Book) -> Checked {
    let tenant = w.context.tenant()?;
    let (store, there) = (w.store.clone(), tenant.clone());
    make(MANY, move |number| {
        let (store, there) = (store.clone(), there.clone());
        async move {
            let draft = K::bare(&format!("number {number:04}"))?;
            K::save(&*store, &there, Expected::Anything, draft, START).await?;
            Ok(())
        }
    })
    .await?;
    let listed = has_large_pages("the list", MANY, |page| w.list::<K>(&tenant, page)).await?;
    for (number, saved) in listed.iter().enumerate() {
        equal(
            "one of many",
            &saved.draft,
            &K::bare(&format!("number {number:04}"))?,
        )?;
    }
    Ok(())
}

/// The list of a tenant without any is empty, and has no cursor.
///
/// A new customer has no policies, and that is no error.
#[rule(
    "policies::list::of_nothing_is_empty",
    source = "duck-iam: the list of an empty store; kratos: a list without rows was an error"
)]
async fn list_of_nothing_is_empty(w: &Book) -> Checked {
    let empty = w.context.tenant()?;
    for limit in [1, 1000] {
        let page = w
            .list::<Policies>(&empty, PageRequest::first(limit)?)
            .await?;
        equal("the policies of an empty tenant", &page.items, &vec![])?;
        equal("the cursor after none", &page.next, &None)?;
        let page = w.list::<Roles>(&empty, PageRequest::first(limit)?).await?;
        equal("the roles of an empty tenant", &page.items, &vec![])?;
        equal("the cursor after none", &page.next, &None)?;
    }
    Ok(())
}

/// A walk goes on when some are deleted under it, also the one that its cursor stands on: it answers
/// every one that stays once.
///
/// An offset skips a policy for each that goes.
#[rule(
    "policies::list::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn walk_survives_removals(w: &Book) -> Checked {
    survives_removals::<Policies>(w).await?;
    survives_removals::<Roles>(w).await
}

async fn survives_removals<K: Kind>(w: &Book) -> Checked {
    let expected = w.eight::<K>().await?;
    let first = PageRequest::first(3)?;
    let mut page = w.list::<K>(&w.tenant, first.clone()).await?;
    let mut walked = page.items.clone();
    while let Some(cursor) = page.next {
        // Those that were answered go, the one that the cursor stands on among them; the bystander
        // is to stay.
        for record in &page.items {
            let id = K::id_of(&record.draft);
            if *id != K::id("Subject")? {
                K::delete(&*w.store, &w.tenant, id).await?;
            }
        }
        page = w.list::<K>(&w.tenant, first.following(cursor)).await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    equal("what was walked", &walked, &expected)
}

/// A walk goes on when others are saved under it: it answers every one that was there once, and none
/// twice.
///
/// An offset answers one again for each that is saved before it.
#[rule(
    "policies::list::walk_survives_insertions",
    source = "AuthHero 0e6acf4; leapmux #287",
    environments = "collation"
)]
async fn walk_survives_insertions(w: &Book) -> Checked {
    survives_insertions::<Policies>(w).await?;
    survives_insertions::<Roles>(w).await
}

async fn survives_insertions<K: Kind>(w: &Book) -> Checked {
    let expected = w.eight::<K>().await?;
    let first = PageRequest::first(3)?;
    let mut page = w.list::<K>(&w.tenant, first.clone()).await?;
    let mut walked = page.items;
    let mut number = 0;
    while let Some(cursor) = page.next {
        number += 1;
        // Before all, in between, and after all; not without end.
        for id in ["!", "a", "ä"].iter().filter(|_| number < 4) {
            let inserted = K::full(&format!("{id}{number}"), "inserted")?;
            w.save::<K>(inserted, minute(1)).await?;
        }
        page = w.list::<K>(&w.tenant, first.following(cursor)).await?;
        walked.extend(page.items);
        holds(number < 100, "a walk comes to an end")?;
    }
    for record in &expected {
        let times = walked.iter().filter(|walked| *walked == record).count();
        let id = K::id_of(&record.draft);
        equal(&format!("how often {id:?} was answered"), &times, &1)?;
    }
    let mut ids: Vec<_> = walked
        .iter()
        .map(|record| K::id_of(&record.draft))
        .collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    equal("how many were answered once", &ids.len(), &count)
}

/// A cursor is of use in the list that answered it, and refused in that of another tenant, and in
/// the roles' list when it is of the policies'.
///
/// A cursor that moves is a way to read on in somebody else's list.
#[rule(
    "policies::list::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn cursor_belongs_to_its_list(w: &Book) -> Checked {
    foreign_cursor::<Policies, Roles>(w).await?;
    foreign_cursor::<Roles, Policies>(w).await
}

async fn foreign_cursor<K: Kind, Other: Kind>(w: &Book) -> Checked {
    let (_, cursor) = first_item(|page| w.list::<K>(&w.tenant, page)).await?;
    refuses_cursor(
        &format!("a cursor of kind {} in another tenant's list", K::NAME),
        cursor.clone(),
        |page| w.list::<K>(&w.elsewhere, page),
    )
    .await?;
    refuses_cursor(
        &format!(
            "a cursor of kind {} in the list of kind {}",
            K::NAME,
            Other::NAME
        ),
        cursor.clone(),
        |page| w.list::<Other>(&w.tenant, page),
    )
    .await?;
    // Servers change during a walk.
    let page = PageRequest::first(10)?.following(cursor);
    let rest = K::list(&*w.store, &w.tenant, page).await?;
    equal("how many follow the cursor's", &rest.items.len(), &1)
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// Whoever starts at the beginning again walks for ever.
#[rule(
    "policies::list::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn damaged_cursor_is_refused(w: &Book) -> Checked {
    damaged_cursor::<Policies>(w).await?;
    damaged_cursor::<Roles>(w).await
}

async fn damaged_cursor<K: Kind>(w: &Book) -> Checked {
    let list = |page| w.list::<K>(&w.tenant, page);
    let (first, cursor) = first_item(list).await?;
    refuses_damaged(&cursor, list).await?;
    let found = some(
        "the first of the list",
        w.seen::<K>(K::id_of(&first.draft)).await?,
    )?;
    equal("the first of the list", &first, &found)
}
