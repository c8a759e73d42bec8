//! The list of what was given up: complete, in order, and stable while others come and go.

use portproof_ports::{Ended, Item, ItemState, OutboxStore, Page, PageRequest, PortResult, Ports};

use super::{LEASE, Outbox, claimed, in_state, kind, many::MANY, text, troubled};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, day, minute},
    lists::{first_item, has_large_pages, make, refuses_cursor, refuses_damaged, walks_answer},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_and_ordered,
        list_follows_what_becomes_of_items,
        list_is_complete_at_any_length,
        list_of_nothing_is_empty,
        walk_survives_removals,
        walk_survives_insertions,
        cursor_belongs_to_its_list,
        damaged_cursor_is_refused,
    ]
}

/// Names that sort by their bytes in one way and by any other rule in another.
const NAMES: [&str; 7] = ["f", "B", "b", "é", "b ", "a", "z"];

impl Outbox {
    async fn list(&self, page: PageRequest) -> PortResult<Page<Item>> {
        self.other.list_given_up(&self.tenant, &page).await
    }

    /// Gives up some more, in no order of time; answers what the list holds then.
    async fn eight(&self) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        for (tenant, item) in &self.bystanders {
            if *tenant == self.tenant && matches!(item.state, ItemState::GivenUp { .. }) {
                items.push(item.clone());
            }
        }
        for (name, minutes) in NAMES.into_iter().zip([3, 9, 3, 1, 5, 9, 2]) {
            items.push(self.given_up(name, minute(minutes)).await?);
        }
        items.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(items)
    }

    /// Fails unless the list holds these.
    async fn lists(&self, what: &str, expected: &[Item]) -> Checked {
        let mut expected = expected.to_vec();
        expected.sort_by(|a, b| a.id.cmp(&b.id));
        let page = self.list(PageRequest::first(1000)?).await?;
        equal(what, &page.items, &expected)
    }
}

/// The list holds each item that was given up once and whole, whatever its kind, by the bytes of its id,
/// at whatever page size; a cursor is answered exactly when more follow.
///
/// What no page shows is looked at by nobody, and is never told.
#[rule(
    "outbox::list_given_up::is_complete_and_ordered",
    source = "AuthHero: listFailed; leapmux #287: rows of one millisecond were dropped",
    environments = "collation"
)]
async fn list_is_complete_and_ordered(w: &Outbox) -> Checked {
    let expected = w.eight().await?;
    walks_answer("what was given up", &expected, |page| w.list(page)).await
}

/// The list holds what is given up, from then on and for as long as it is: not what waits, is claimed,
/// put back or done, not what was revived, and not what was swept.
///
/// Whoever works the list off does again what is on its way already.
#[rule(
    "outbox::list_given_up::follows_what_becomes_of_items",
    source = "AuthHero: listFailed and replay; spring-session #1791: an index kept the old id"
)]
async fn list_follows_what_becomes_of_items(w: &Outbox) -> Checked {
    let mut dead = w.eight().await?;
    w.done("over and done", minute(1)).await?;
    w.claimed("claimed").await?;
    let put_back = w.claimed("put back").await?;
    let (claim, why) = (put_back.claim(), text("busy")?);
    w.store.put_back(&w.tenant, &claim, START, &why).await?;
    w.lists("what was given up", &dead).await?;
    // One is revived, claimed, and given up again.
    let at = dead.iter().position(|item| item.id.as_str() == "b");
    let item = dead.remove(at.unwrap_or_default());
    let due_at = minute(20);
    w.store.revive(&w.tenant, &item.id, due_at).await?;
    w.lists("what was not revived", &dead).await?;
    let item = in_state(&item, ItemState::Waiting { due_at });
    let item = w.again(&item, due_at).await?;
    w.lists("what was not revived and claimed", &dead).await?;
    let (why, at) = (text("again")?, minute(21));
    w.store.give_up(&w.tenant, &item.claim(), &why, at).await?;
    dead.push(troubled(&item, ItemState::GivenUp { at }, &why));
    w.lists("what was given up again", &dead).await?;
    let swept = w.store.sweep(&w.tenant, Ended::GivenUp, minute(3), 100);
    equal("how many are swept", &swept.await?, &3)?;
    dead.retain(|item| !matches!(item.state, ItemState::GivenUp { at } if at <= minute(3)));
    w.lists("what was not swept", &dead).await
}

/// Gives [`MANY`] items up; answers them by the bytes of their ids.
async fn give_up_many(w: &Outbox) -> Result<Vec<Item>, Failure> {
    let items = w.put_many("many", MANY).await?;
    let (kind, now, at) = (kind("many")?, day(2), day(3));
    let found = w
        .store
        .claim(&w.tenant, &kind, u16::MAX, LEASE, now)
        .await?;
    equal("how many are claimed", &found.len(), &items.len())?;
    let (stores, tenant) = ([w.handle(0), w.handle(1)], w.tenant.clone());
    let why = text("refused")?;
    let claims: Vec<_> = found.iter().map(Item::claim).collect();
    make(MANY, move |number| {
        let (store, tenant) = (stores[number % 2].clone(), tenant.clone());
        let (claim, why) = (claims[number].clone(), why.clone());
        async move {
            let held = store.give_up(&tenant, &claim, &why, at).await?;
            equal("whether the claim holds", &held, &true)
        }
    })
    .await?;
    let why = text("refused")?;
    let mut dead: Vec<Item> = items
        .iter()
        .map(|item| {
            let item = claimed(item, now.after(LEASE));
            troubled(&item, ItemState::GivenUp { at }, &why)
        })
        .collect();
    dead.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(dead)
}

/// The list is complete when it is thousands long, at whatever page size.
///
/// When a receiver was down for a day, most of what it missed would be missed for ever.
#[rule(
    "outbox::list_given_up::is_complete_at_any_length",
    source = "better-auth #10342: a default limit of 100"
)]
async fn list_is_complete_at_any_length(w: &Outbox) -> Checked {
    let mut expected = give_up_many(w).await?;
    for (tenant, item) in &w.bystanders {
        if *tenant == w.tenant && matches!(item.state, ItemState::GivenUp { .. }) {
            expected.push(item.clone());
        }
    }
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    let found = has_large_pages("what was given up", expected.len(), |page| w.list(page)).await?;
    for (found, expected) in found.iter().zip(&expected) {
        equal("the item in this place", found, expected)?;
    }
    equal("how many there are", &found.len(), &expected.len())
}

/// The list of a tenant of which nothing was given up is empty and has no cursor, also when something
/// waits.
///
/// Otherwise somebody is called at night for nothing.
#[rule(
    "outbox::list_given_up::of_nothing_is_empty",
    source = "kratos: an empty list made a statement that is no SQL"
)]
async fn list_of_nothing_is_empty(w: &Outbox) -> Checked {
    let empty = w.context.tenant()?;
    for waits in [false, true] {
        if waits {
            w.store
                .put(&empty, super::new_item("waits")?, START)
                .await?;
        }
        for limit in [1, 1000] {
            let page = PageRequest::first(limit)?;
            let listed = w.store.list_given_up(&empty, &page).await?;
            equal("what was given up", &listed.items, &vec![])?;
            equal("the cursor after nothing", &listed.next, &None)?;
        }
    }
    Ok(())
}

/// A walk goes on when what it answered is revived or swept, also what its cursor stands on: it answers
/// everything that stays once.
///
/// Whoever revives page by page skips every other page.
#[rule(
    "outbox::list_given_up::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was a number of rows"
)]
async fn walk_survives_removals(w: &Outbox) -> Checked {
    let expected = w.eight().await?;
    let first = PageRequest::first(2)?;
    let is_bystander = |item: &Item| w.bystanders.iter().any(|(_, other)| other.id == item.id);
    let mut page = w.list(first.clone()).await?;
    let mut walked = page.items.clone();
    while let Some(cursor) = page.next {
        for item in page.items.iter().filter(|item| !is_bystander(item)) {
            let revived = w.store.revive(&w.tenant, &item.id, day(1)).await?;
            equal("whether there was one to revive", &revived, &true)?;
        }
        page = w.list(first.following(cursor)).await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    equal("the items that were walked", &walked, &expected)
}

/// A walk goes on when others are given up under it: it answers everything that was there once, and
/// nothing twice.
///
/// What is doubled is told twice.
#[rule(
    "outbox::list_given_up::walk_survives_insertions",
    source = "AuthHero 0e6acf4; leapmux #287",
    environments = "collation"
)]
async fn walk_survives_insertions(w: &Outbox) -> Checked {
    let expected = w.eight().await?;
    let first = PageRequest::first(3)?;
    let mut page = w.list(first.clone()).await?;
    let mut walked = page.items.clone();
    let mut inserted = 0;
    while let Some(cursor) = page.next {
        // Before and after where the walk is; as many as make no walk endless.
        for name in ["A", "m", "zz"] {
            if inserted < 9 {
                inserted += 1;
                w.given_up(&format!("{name} {inserted}"), minute(4)).await?;
            }
        }
        page = w.list(first.following(cursor)).await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    for item in &expected {
        let times = walked.iter().filter(|walked| *walked == item).count();
        equal(&format!("how often {item:?} was answered"), &times, &1)?;
    }
    for item in &walked {
        let times = walked.iter().filter(|walked| *walked == item).count();
        equal("how often an item was answered", &times, &1)?;
    }
    Ok(())
}

/// A cursor is of use in the list that answered it, and refused in another tenant's.
///
/// Otherwise a cursor that is passed on shows where somebody else's list is.
#[rule(
    "outbox::list_given_up::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn cursor_belongs_to_its_list(w: &Outbox) -> Checked {
    let expected = w.eight().await?;
    let (first, cursor) = first_item(|page| w.list(page)).await?;
    equal("the first item", &Some(&first), &expected.first())?;
    let empty = w.context.tenant()?;
    for there in [&w.elsewhere, &empty] {
        refuses_cursor(
            "another tenant's cursor",
            cursor.clone(),
            |page| async move { w.store.list_given_up(there, &page).await },
        )
        .await?;
    }
    let (store, tenant): (&dyn OutboxStore, _) = (&*w.store, &w.tenant);
    let rest = PageRequest::first(1000)?.following(cursor);
    let rest = store.list_given_up(tenant, &rest).await?;
    equal(
        "what follows it in its own",
        &rest.items,
        &expected[1..].to_vec(),
    )
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// An engine that gets the first page again walks for ever; one that gets an empty page misses items.
#[rule(
    "outbox::list_given_up::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn damaged_cursor_is_refused(w: &Outbox) -> Checked {
    w.eight().await?;
    let (_, cursor) = first_item(|page| w.list(page)).await?;
    refuses_damaged(&cursor, |page| w.list(page)).await
}
