//! Thousands of items, and several workers at them.

use portproof_ports::{Item, ItemKind, NewItem, PortResult, Ports, Timestamp};

use super::{LEASE, Outbox, claimed, id, kind, of_kind};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, day, minute},
    lists::make,
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        claims_of_thousands,
        workers_share_thousands,
        workers_miss_none,
    ]
}

/// More than two pages hold.
pub(super) const MANY: usize = 2500;

impl Outbox {
    /// Puts so many items of a kind, three of each instant, and answers them in the order of claims.
    pub(super) async fn put_many(
        &self,
        kind_name: &str,
        count: usize,
    ) -> Result<Vec<Item>, Failure> {
        let (stores, tenant) = ([self.handle(0), self.handle(1)], self.tenant.clone());
        let name = kind_name.to_owned();
        make(count, move |number| {
            let (store, tenant) = (stores[number % 2].clone(), tenant.clone());
            let given = one_of_many(&name, number);
            async move {
                store.put(&tenant, given?, START).await?;
                Ok(())
            }
        })
        .await?;
        let mut items = Vec::new();
        for number in 0..count {
            let given = one_of_many(kind_name, number)?;
            items.push(Item {
                id: given.id,
                kind: given.kind,
                payload: given.payload,
                state: portproof_ports::ItemState::Waiting {
                    due_at: given.due_at,
                },
                attempts: portproof_ports::Attempt::NONE,
                trouble: None,
                created_at: START,
            });
        }
        items.sort_by_key(|item| (due_at(item), item.id.clone()));
        Ok(items)
    }

    /// Lets workers claim so many at a time, until they are answered fewer; answers what each was
    /// answered.
    async fn worked(
        &self,
        kind: &ItemKind,
        at_most: u16,
        now: Timestamp,
    ) -> Result<Vec<Item>, Failure> {
        let workers = race(RACERS, |racer| {
            let (store, tenant, kind) = (self.handle(racer), self.tenant.clone(), kind.clone());
            async move {
                let mut found = Vec::new();
                loop {
                    let page = store.claim(&tenant, &kind, at_most, LEASE, now).await?;
                    let is_last = page.len() < usize::from(at_most);
                    found.extend(page);
                    // More than there are is told below.
                    if is_last || found.len() > 2 * MANY {
                        return PortResult::Ok(found);
                    }
                }
            }
        })
        .await?;
        let mut all = Vec::new();
        for found in workers {
            all.extend(found?);
        }
        all.sort_by_key(|item| (item.attempts.get(), item.id.clone()));
        Ok(all)
    }
}

fn due_at(item: &Item) -> Option<Timestamp> {
    match item.state {
        portproof_ports::ItemState::Waiting { due_at } => Some(due_at),
        _ => None,
    }
}

/// The item with this number.
fn one_of_many(kind_name: &str, number: usize) -> Result<NewItem, Failure> {
    let minutes = u16::try_from(number / 3).unwrap_or(u16::MAX);
    Ok(NewItem {
        id: id(&format!("{kind_name} {number}"))?,
        due_at: minute(minutes),
        payload: portproof_ports::Document::empty(),
        ..of_kind("one of many", kind_name)?
    })
}

/// Fails unless these were answered, each once.
fn each_once(what: &str, found: &[Item], expected: &[Item]) -> Checked {
    let mut expected: Vec<&Item> = expected.iter().collect();
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    for (found, expected) in found.iter().zip(&expected) {
        equal(what, &found, expected)?;
    }
    equal(&format!("{what}: how many"), &found.len(), &expected.len())
}

/// A claim answers as many as were asked for when so many are due, in their order, however many that is;
/// fewer means that no others were.
///
/// A worker that is answered a hundred of a thousand goes to sleep over the rest.
#[rule(
    "outbox::claim::answers_thousands",
    source = "better-auth #10342: a default limit of 100"
)]
async fn claims_of_thousands(w: &Outbox) -> Checked {
    let items = w.put_many("many", MANY).await?;
    let (tenant, kind, now) = (&w.tenant, kind("many")?, day(2));
    let mut rest = items.as_slice();
    for (at_most, expected) in [(1000, 1000), (1, 1), (u16::MAX, 1499), (1000, 0)] {
        let found = w.store.claim(tenant, &kind, at_most, LEASE, now).await?;
        equal("how many are claimed", &found.len(), &expected)?;
        let (first, others) = rest.split_at(expected);
        for (found, item) in found.iter().zip(first) {
            equal(
                "the one in this place",
                found,
                &claimed(item, now.after(LEASE)),
            )?;
        }
        rest = others;
    }
    w.subject_unchanged().await
}

/// Workers that share thousands of items are answered each of them once, however many they ask for at a
/// time; and once more when the time of all is over.
///
/// What two are answered is told twice, and what nobody is, never.
#[rule(
    "outbox::claim::race_answers_each_once",
    source = "kratos: two workers never get the same message; AuthHero: claimEvents, an atomic lease",
    environments = "isolation"
)]
async fn workers_share_thousands(w: &Outbox) -> Checked {
    let mut items = w.put_many("many", MANY).await?;
    let (kind, mut now) = (kind("many")?, day(2));
    for at_most in [7, 1000] {
        let found = w.worked(&kind, at_most, now).await?;
        for item in &mut items {
            *item = claimed(item, now.after(LEASE));
        }
        let what = format!("what workers are answered who ask for {at_most} at a time");
        each_once(&what, &found, &items)?;
        now = now.after(LEASE);
    }
    Ok(())
}

/// A worker that is answered fewer than it asked for can go: whatever else was due, others were just
/// about to claim. When all have gone, nothing is left.
///
/// Otherwise items lie there until somebody comes by who needs nothing.
#[rule(
    "outbox::claim::race_misses_none",
    source = "the contract: fewer means that no others were due that nobody else was just about to claim",
    environments = "isolation"
)]
async fn workers_miss_none(w: &Outbox) -> Checked {
    for round in 0..8 {
        let name = format!("round {round}");
        let items = w.put_many(&name, 24).await?;
        let (kind, now) = (kind(&name)?, day(2));
        let mut counted = 0;
        for item in w.worked(&kind, 2, now).await? {
            counted += 1;
            let is_one = items.iter().any(|one| one.id == item.id);
            holds(is_one, "what is claimed was put")?;
        }
        for item in &items {
            w.is(
                "an item when all workers have gone",
                &claimed(item, now.after(LEASE)),
            )
            .await?;
        }
        equal("how many were answered", &counted, &items.len())?;
    }
    Ok(())
}
