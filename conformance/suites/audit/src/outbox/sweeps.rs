//! Sweeping away what has ended.

use portproof_ports::{Attempt, Ended, Item, ItemState, NewItem, Ports, Span, TenantId, Timestamp};

use super::{LEASE, Outbox, claimed, kind, many::MANY, new_item, of_kind, text, troubled};
use crate::{
    Case, Checked, Failure, cases,
    check::equal,
    fixture::{START, day, instants, just_before, minute},
    lists::make,
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        sweep_removes_what_ended_so,
        sweep_keeps_to_its_limit,
        sweep_spares_what_has_not_ended,
        sweep_knows_every_instant,
        sweep_of_thousands,
        sweep_frees_ids,
        sweep_race_counts_each_once,
    ]
}

/// A sweep removes what ended as it says, at its time or before, and nothing else: neither what ended
/// the other way, nor what ended a microsecond later. It answers how many.
///
/// One that removes too much loses what somebody has yet to look at; one that removes too little fills
/// the disk.
#[rule(
    "outbox::sweep::removes_exactly_what_ended_so",
    source = "AuthHero: cleanup(olderThan) of what is processed; c65565c: cleanup removed live rows"
)]
async fn sweep_removes_what_ended_so(w: &Outbox) -> Checked {
    let mut left = Vec::new();
    for (name, at) in [
        ("early", minute(1)),
        ("then", minute(2)),
        ("after", minute(2).after(Span::MICROSECOND)),
        ("late", day(1)),
    ] {
        left.push(w.done(&format!("done {name}"), at).await?);
        left.push(w.given_up(&format!("dead {name}"), at).await?);
    }
    for (ended, until, expected) in [
        (Ended::Done, just_before(minute(1)), 0),
        (Ended::GivenUp, just_before(minute(1)), 0),
        (Ended::Done, minute(2), 2),
        (Ended::Done, minute(2), 0),
        (Ended::GivenUp, minute(2), 2),
        (Ended::GivenUp, day(1), 2),
        (Ended::Done, just_before(day(1)), 1),
    ] {
        let swept = w.other.sweep(&w.tenant, ended, until, 1000).await?;
        let what = format!("how many that are {ended:?} are swept until {until}");
        equal(&what, &swept, &expected)?;
        let (stay, gone): (Vec<Item>, Vec<Item>) =
            left.into_iter().partition(|item| match item.state {
                ItemState::Done { at } => !matches!(ended, Ended::Done) || at > until,
                ItemState::GivenUp { at } => !matches!(ended, Ended::GivenUp) || at > until,
                _ => true,
            });
        for item in &gone {
            let found = w.seen_in(&w.tenant, &item.id).await?;
            equal("what was swept", &found, &None)?;
        }
        for item in &stay {
            w.is("what was not swept", item).await?;
        }
        left = stay;
    }
    w.subject_unchanged().await
}

/// A sweep removes no more than it is told to, and fewer only when none is left; one of none removes
/// none.
///
/// A sweep of millions at once locks the table that every worker reads.
#[rule(
    "outbox::sweep::keeps_to_its_limit",
    source = "AuthHero be34110: 2.5 million rows; hydra, spire: batches"
)]
async fn sweep_keeps_to_its_limit(w: &Outbox) -> Checked {
    for number in 0..7 {
        w.done(&format!("done {number}"), minute(1)).await?;
    }
    let mut left = 7;
    for (at_most, expected) in [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
        (3, 1),
        (3, 0),
        (u32::MAX, 0),
    ] {
        let swept = w.store.sweep(&w.tenant, Ended::Done, minute(1), at_most);
        let what = format!("what a sweep of at most {at_most} removes");
        equal(&what, &swept.await?, &expected)?;
        left -= expected;
        let mut found = 0;
        for number in 0..7 {
            let id = super::id(&format!("done {number}"))?;
            found += u64::from(w.seen_in(&w.tenant, &id).await?.is_some());
        }
        equal("how many are left", &found, &left)?;
    }
    Ok(())
}

/// What waits, is claimed, was put back or was revived is not swept, however long ago it was put or due,
/// or its claim over.
///
/// What has yet to be told would be told to nobody.
#[rule(
    "outbox::sweep::spares_what_has_not_ended",
    source = "AuthHero c65565c: the cleanup removed live rows"
)]
async fn sweep_spares_what_has_not_ended(w: &Outbox) -> Checked {
    let put_back = w.claimed("put back").await?;
    let (due_at, why) = (minute(1), text("busy")?);
    let claim = put_back.claim();
    w.store.put_back(&w.tenant, &claim, due_at, &why).await?;
    let revived = w.given_up("revived", minute(1)).await?;
    w.store.revive(&w.tenant, &revived.id, due_at).await?;
    let items = [
        w.subject.clone(),
        w.claimed("claimed").await?,
        troubled(&put_back, ItemState::Waiting { due_at }, &why),
        super::in_state(&revived, ItemState::Waiting { due_at }),
    ];
    for ended in [Ended::Done, Ended::GivenUp] {
        for until in [minute(9), day(900)] {
            let swept = w.store.sweep(&w.tenant, ended, until, 1000).await?;
            equal("how many are swept", &swept, &0)?;
            for item in &items {
                w.is("what has not ended", item).await?;
            }
        }
    }
    Ok(())
}

/// A sweep compares instants exactly, from 1970 to 9999, whatever the time zones of process, server and
/// session are.
///
/// One hour too much is what was given up in the night, before somebody came to look at it.
#[rule(
    "outbox::sweep::knows_every_instant",
    source = "greyproxy #4: a local time was compared with one in UTC; koa-pg-session #9",
    environments = "time_zone"
)]
async fn sweep_knows_every_instant(w: &Outbox) -> Checked {
    let tenant = w.context.tenant()?;
    for instant in instants()? {
        for ended in [Ended::Done, Ended::GivenUp] {
            put_and_end(w, &tenant, ended, instant).await?;
            if instant > Timestamp::MIN {
                let early = just_before(instant);
                let swept = w.store.sweep(&tenant, ended, early, 1000).await?;
                equal("what is swept a microsecond early", &swept, &0)?;
            }
            let swept = w.store.sweep(&tenant, ended, instant, 1000).await?;
            equal("what is swept when it ended", &swept, &1)?;
        }
    }
    Ok(())
}

/// Puts an item, claims it, and ends it so.
async fn put_and_end(w: &Outbox, tenant: &TenantId, ended: Ended, at: Timestamp) -> Checked {
    let name = format!("{ended:?} at {at}");
    let item = w.store.put(tenant, of_kind(&name, &name)?, START).await?;
    let claim = super::claim_of(&*w.store, tenant, &item, START).await?;
    let held = match ended {
        Ended::Done => w.store.complete(tenant, &claim, at).await?,
        Ended::GivenUp => {
            w.store
                .give_up(tenant, &claim, &text("refused")?, at)
                .await?
        }
    };
    equal("whether the claim holds", &held, &true)
}

/// Puts, claims and completes [`MANY`] items.
async fn finish_many(w: &Outbox) -> Result<Vec<Item>, Failure> {
    let items = w.put_many("many", MANY).await?;
    let (kind, now) = (kind("many")?, day(2));
    let found = w
        .store
        .claim(&w.tenant, &kind, u16::MAX, LEASE, now)
        .await?;
    equal("how many are claimed", &found.len(), &items.len())?;
    let (stores, tenant) = ([w.handle(0), w.handle(1)], w.tenant.clone());
    let claims: Vec<_> = found.iter().map(Item::claim).collect();
    make(MANY, move |number| {
        let (store, tenant) = (stores[number % 2].clone(), tenant.clone());
        let claim = claims[number].clone();
        async move {
            let held = store.complete(&tenant, &claim, day(3)).await?;
            equal("whether the claim holds", &held, &true)
        }
    })
    .await?;
    Ok(items)
}

/// A sweep removes thousands when it may, and says so: it has no limit of its own.
///
/// A table that gets more rows a day than a sweep takes grows for ever.
#[rule(
    "outbox::sweep::has_no_limit_of_its_own",
    source = "AuthHero be34110: 2.5 million rows; 7d9f138: the first 100 only"
)]
async fn sweep_of_thousands(w: &Outbox) -> Checked {
    let items = finish_many(w).await?;
    for (at_most, expected) in [(1200, 1200), (u32::MAX, 1300), (10, 0)] {
        let swept = w.store.sweep(&w.tenant, Ended::Done, day(3), at_most);
        equal("how many are swept", &swept.await?, &expected)?;
    }
    for item in items.iter().step_by(99) {
        let found = w.seen_in(&w.tenant, &item.id).await?;
        equal("what was swept", &found, &None)?;
    }
    Ok(())
}

/// Whose id is put again after a sweep is a new item: nothing of the old one is left, attempts included.
///
/// What is new would be given up as what was tried often.
#[rule(
    "outbox::sweep::frees_the_id",
    source = "spicedb, vault: delete, then create"
)]
async fn sweep_frees_ids(w: &Outbox) -> Checked {
    for (ended, name) in [(Ended::Done, "over and done"), (Ended::GivenUp, "hopeless")] {
        let item = match ended {
            Ended::Done => w.done(name, minute(1)).await?,
            Ended::GivenUp => w.given_up(name, minute(1)).await?,
        };
        let swept = w.store.sweep(&w.tenant, ended, minute(1), 10).await?;
        equal("how many are swept", &swept, &1)?;
        let given = NewItem {
            kind: item.kind.clone(),
            ..new_item(name)?
        };
        let now = minute(2);
        let stored = w.other.put(&w.tenant, given.clone(), now).await?;
        let expected = Item {
            id: given.id,
            kind: given.kind,
            payload: given.payload,
            state: ItemState::Waiting {
                due_at: given.due_at,
            },
            attempts: Attempt::NONE,
            trouble: None,
            created_at: now,
        };
        equal("what put answers", &stored, &expected)?;
        w.is("the new item", &expected).await?;
        let found = w.again(&stored, minute(10)).await?;
        w.is("the new item that is claimed", &found).await?;
        equal("its attempt", &found, &claimed(&expected, minute(15)))?;
    }
    Ok(())
}

/// Sweeps at once remove everything that has ended, and count each item once.
///
/// Otherwise nobody knows whether there is more to sweep.
#[rule(
    "outbox::sweep::race_counts_each_once",
    source = "everruns #2427: what a removal answered was wrong",
    environments = "isolation"
)]
async fn sweep_race_counts_each_once(w: &Outbox) -> Checked {
    for round in 0..4 {
        let mut items = Vec::new();
        for number in 0..10 {
            let name = format!("round {round}, item {number}");
            items.push(w.done(&name, minute(1)).await?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            // Some may take all, and some only a few.
            let at_most = if (racer + round) % 3 == 0 { 100 } else { 3 };
            async move { store.sweep(&tenant, Ended::Done, minute(1), at_most).await }
        })
        .await?;
        let swept: u64 = answers.into_iter().sum::<Result<u64, _>>()?;
        equal("how many were swept by all", &swept, &10)?;
        for item in &items {
            let found = w.seen_in(&w.tenant, &item.id).await?;
            equal("what was swept", &found, &None)?;
        }
    }
    Ok(())
}
