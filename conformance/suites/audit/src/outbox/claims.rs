//! Claims: what is due, in its order, for as long as was asked for.

use portproof_ports::{ItemState, NewItem, Ports, Span, Timestamp};

use super::{LEASE, Outbox, claimed, ids, mail, new_item, of_kind, text};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, day, just_before, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        claim_answers_what_is_stored,
        claim_keeps_to_its_kind,
        claim_waits_until_due,
        claim_of_the_past_is_at_once,
        claim_spares_what_has_ended,
        claim_takes_the_longest_due,
        claim_keeps_to_at_most,
        claim_is_over_at_its_end,
        claim_may_last_for_ever,
        claim_is_of_any_length,
    ]
}

/// A claim answers the items as they are stored then: claimed until that long after now, with one
/// attempt more, and all else as it was.
///
/// A worker whose attempt is another than the stored one is told that what it did does not count.
#[rule(
    "outbox::claim::answers_what_is_stored",
    source = "AuthHero: claimEvents, an atomic lease; vault: the fencing token increases"
)]
async fn claim_answers_what_is_stored(w: &Outbox) -> Checked {
    let mut expected = vec![claimed(&w.subject, minute(15))];
    for name in ["t", "u", "v"] {
        let item = w.put(new_item(name)?).await?;
        expected.push(claimed(&item, minute(15)));
    }
    let found = w.claim(1000, minute(10)).await?;
    equal("what is claimed", &found, &expected)?;
    for item in &expected {
        w.is("the item as it is read", item).await?;
    }
    Ok(())
}

/// A claim takes items of the kind that it asks for, and none of another, however many are due.
///
/// A worker that gets what it cannot do gives it up.
#[rule(
    "outbox::claim::keeps_to_its_kind",
    source = "decision: kinds say which workers ask for an item"
)]
async fn claim_keeps_to_its_kind(w: &Outbox) -> Checked {
    let mut others = Vec::new();
    for name in ["webhook", "mails", "ma", "%"] {
        others.push(w.put(of_kind(name, name)?).await?);
    }
    let found = w.claim(1000, minute(10)).await?;
    equal(
        "what is claimed",
        &found,
        &vec![claimed(&w.subject, minute(15))],
    )?;
    for item in &others {
        w.is("the item of another kind", item).await?;
    }
    let (tenant, kind) = (&w.tenant, super::kind("nobody's")?);
    let found = w.store.claim(tenant, &kind, 1000, LEASE, day(1)).await?;
    equal("what is claimed of no kind", &found, &vec![])
}

/// An item is due from its very instant on: a microsecond before nobody is answered it.
///
/// A retry that comes too early hits a server that is still down, and one too late is waited for.
#[rule(
    "outbox::claim::waits_until_due",
    source = "AuthHero: next_retry_at, before which an item is not tried again",
    environments = "time_zone"
)]
async fn claim_waits_until_due(w: &Outbox) -> Checked {
    for now in [Timestamp::MIN, START, just_before(minute(10))] {
        equal(
            "what is claimed too early",
            &w.claim(1000, now).await?,
            &vec![],
        )?;
        w.subject_unchanged().await?;
    }
    let found = w.claim(1000, minute(10)).await?;
    equal(
        "what is claimed when it is due",
        &found,
        &vec![claimed(&w.subject, minute(15))],
    )
}

/// An item that is due before it is put is due at once, and one that is due at the end of time is then.
///
/// What a server puts whose clock is ahead of the worker's would never be told.
#[rule(
    "outbox::claim::past_is_due",
    source = "decision: no time is refused, since nobody's clock is right",
    environments = "time_zone"
)]
async fn claim_of_the_past_is_at_once(w: &Outbox) -> Checked {
    let mut expected = Vec::new();
    for (name, due_at) in [("long ago", Timestamp::MIN), ("before", just_before(START))] {
        let given = NewItem {
            due_at,
            ..new_item(name)?
        };
        expected.push(claimed(&w.put(given).await?, START.after(LEASE)));
    }
    equal(
        "what is claimed at once",
        &w.claim(1000, START).await?,
        &expected,
    )?;
    let last = NewItem {
        due_at: Timestamp::MAX,
        ..of_kind("last", "last")?
    };
    let last = w.put(last).await?;
    let (tenant, kind) = (&w.tenant, &last.kind);
    let early = just_before(Timestamp::MAX);
    let found = w.store.claim(tenant, kind, 1, LEASE, early).await?;
    equal("what is claimed just before the end", &found, &vec![])?;
    let found = w
        .store
        .claim(tenant, kind, 1, LEASE, Timestamp::MAX)
        .await?;
    equal(
        "what is claimed at the end",
        &found,
        &vec![claimed(&last, Timestamp::MAX)],
    )
}

/// What is done, given up or claimed by somebody else is not claimed, however long ago it was due.
///
/// Otherwise a mail that was sent is sent again, for as long as it is stored.
#[rule(
    "outbox::claim::spares_what_has_ended",
    source = "AuthHero: processed_at and dead_lettered_at end an event"
)]
async fn claim_spares_what_has_ended(w: &Outbox) -> Checked {
    let mut expected = Vec::new();
    for (number, name) in ["done early", "hopeless", "taken"].into_iter().enumerate() {
        let given = NewItem {
            due_at: START,
            ..new_item(name)?
        };
        let item = w.put(given).await?;
        let item = w.again(&item, minute(1)).await?;
        let (claim, why, now) = (item.claim(), text("refused")?, minute(2));
        let state = match number {
            0 => {
                w.store.complete(&w.tenant, &claim, now).await?;
                ItemState::Done { at: now }
            }
            1 => {
                w.store.give_up(&w.tenant, &claim, &why, now).await?;
                ItemState::GivenUp { at: now }
            }
            _ => {
                w.store
                    .renew(&w.tenant, &claim, Span::days(900), now)
                    .await?;
                ItemState::Claimed {
                    until: now.after(Span::days(900)),
                }
            }
        };
        let trouble = (number == 1).then_some(why);
        expected.push(portproof_ports::Item {
            trouble,
            ..super::in_state(&item, state)
        });
    }
    for now in [minute(3), minute(9), day(800)] {
        let found = w.claim(1000, now).await?;
        let mut due = Vec::new();
        if now == day(800) {
            due.push(claimed(&w.subject, now.after(LEASE)));
        }
        equal("what is claimed", &found, &due)?;
    }
    for item in &expected {
        w.is("the item that nobody may claim", item).await?;
    }
    Ok(())
}

/// Those that have been due for longest come first, and by the bytes of their ids where that is the
/// same: whether they wait, were put back, or had a worker whose time is over.
///
/// An item that is always passed over for newer ones is never done.
#[rule(
    "outbox::claim::takes_the_longest_due_first",
    source = "the contract; leapmux #287: rows of one millisecond were dropped",
    environments = "collation"
)]
async fn claim_takes_the_longest_due(w: &Outbox) -> Checked {
    // Two that were claimed: until minute 5 and minute 7. And one that was put back to minute 6.
    for (name, now) in [
        ("z lease over", START),
        ("a lease over", minute(2)),
        ("put back", START),
    ] {
        let given = NewItem {
            due_at: now,
            ..new_item(name)?
        };
        let item = w.put(given).await?;
        let item = w.again(&item, now).await?;
        if name == "put back" {
            let (claim, due_at) = (item.claim(), minute(6));
            w.store
                .put_back(&w.tenant, &claim, due_at, &text("busy")?)
                .await?;
        }
    }
    for (name, due_at) in [
        ("b", minute(8)),
        ("B", minute(8)),
        ("é", minute(8)),
        ("b ", minute(8)),
        ("aa", minute(8)),
        ("z", minute(8)),
        ("a", just_before(minute(8))),
        ("last", minute(9)),
        ("first", minute(4)),
        ("with a lease", minute(5)),
    ] {
        let given = NewItem {
            due_at,
            ..new_item(name)?
        };
        w.put(given).await?;
    }
    let mut claimed_ids = Vec::new();
    for at_most in [1, 2, 3, 5, 1000] {
        claimed_ids.extend(ids(&w.claim(at_most, minute(11)).await?));
    }
    let expected = [
        "first",
        "with a lease",
        "z lease over",
        "put back",
        "a lease over",
        "a",
        "B",
        "aa",
        "b",
        "b ",
        "z",
        "é",
        "last",
        "subject",
    ];
    let claimed_ids: Vec<&str> = claimed_ids
        .iter()
        .map(portproof_ports::ItemId::as_str)
        .collect();
    equal(
        "the order of what is claimed",
        &claimed_ids,
        &expected.to_vec(),
    )
}

/// A claim takes no more than it is told to, those that come first, and leaves the rest as it was; one
/// of none takes none.
///
/// A worker that is given more than it can do lets the time of all of them go by.
#[rule(
    "outbox::claim::keeps_to_at_most",
    source = "AuthHero: getUnprocessed takes a limit"
)]
async fn claim_keeps_to_at_most(w: &Outbox) -> Checked {
    let mut waiting = vec![w.subject.clone()];
    for number in 0..6 {
        waiting.push(w.put(new_item(&format!("t{number}"))?).await?);
    }
    for (at_most, expected) in [(0, 0), (1, 1), (0, 0), (2, 2), (4, 4), (1000, 0)] {
        let found = w.claim(at_most, minute(10)).await?;
        let taken: Vec<_> = waiting
            .drain(..expected)
            .map(|item| claimed(&item, minute(15)))
            .collect();
        equal(&format!("a claim of at most {at_most}"), &found, &taken)?;
        for item in &waiting {
            w.is("the item that was not claimed", item).await?;
        }
    }
    Ok(())
}

/// A claim lasts until its very end: a microsecond before nobody else is answered the item, and then it
/// is due again, with the next attempt, as often as workers die.
///
/// What a worker had that died would never be done, or is done by two while it lives.
#[rule(
    "outbox::claim::is_over_at_its_end",
    source = "vault: a lease expires when its holder stops renewing, and the fencing token increases",
    environments = "time_zone"
)]
async fn claim_is_over_at_its_end(w: &Outbox) -> Checked {
    let mut item = w.subject.clone();
    let mut now = minute(10);
    for _ in 0..5 {
        item = w.again(&item, now).await?;
        now = now.after(LEASE);
        for early in [Timestamp::MIN, minute(10), just_before(now)] {
            let found = w.claim(1000, early).await?;
            equal("what is claimed while somebody is at it", &found, &vec![])?;
        }
        w.is("the item that is claimed", &item).await?;
    }
    Ok(())
}

/// A claim that would last beyond the end of time lasts until then, and does not wrap around.
///
/// Otherwise what is claimed for long is due at once, for everybody.
#[rule(
    "outbox::claim::may_last_for_ever",
    source = "the contract: until now and lease, and no instant is after the year 9999"
)]
async fn claim_may_last_for_ever(w: &Outbox) -> Checked {
    let longest = Span::from_micros(Timestamp::MAX.as_micros())?;
    let (tenant, kind) = (&w.tenant, mail()?);
    let found = w.store.claim(tenant, &kind, 1, longest, minute(10)).await?;
    let expected = claimed(&w.subject, Timestamp::MAX);
    equal("what is claimed for ever", &found, &vec![expected.clone()])?;
    w.is("the item as it is read", &expected).await?;
    equal(
        "what is claimed later",
        &w.claim(1000, day(900)).await?,
        &vec![],
    )?;
    let claim = expected.claim();
    let renewed = w.store.renew(tenant, &claim, longest, day(1)).await?;
    equal("whether it is renewed for ever", &renewed, &true)?;
    w.is("the item that was renewed", &expected).await
}

/// A claim lasts as long as was asked for, from a microsecond on.
///
/// Where it is rounded, two workers are at one item, or none for a while.
#[rule(
    "outbox::claim::is_of_any_length",
    source = "AuthHero: leaseMs; dex b51e73bc: instants in milliseconds"
)]
async fn claim_is_of_any_length(w: &Outbox) -> Checked {
    let (tenant, kind) = (&w.tenant, mail()?);
    let mut item = w.subject.clone();
    let mut now = minute(10);
    for micros in [1, 2, 999, 1_000, 1_001, 999_999, 1_000_001, 3_600_000_001] {
        let lease = Span::from_micros(micros)?;
        let found = w.store.claim(tenant, &kind, 1, lease, now).await?;
        item = claimed(&item, now.after(lease));
        equal("what is claimed for so long", &found, &vec![item.clone()])?;
        w.is("the item as it is read", &item).await?;
        now = now.after(lease);
        let early = w.store.claim(tenant, &kind, 1, lease, just_before(now));
        equal("what is claimed before", &early.await?, &vec![])?;
    }
    Ok(())
}
