//! Outcomes: what is stored of what a worker says.

use portproof_ports::{ItemState, Ports, Span, Text, Timestamp};

use super::{LEASE, Outbox, claimed, in_state, text, troubled};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, day, hostile, just_before, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        renewal_moves_the_end,
        completion_is_stored,
        what_is_put_back_is_due_then,
        giving_up_is_stored,
        trouble_is_kept_exactly,
        trouble_stays_until_the_next,
    ]
}

/// A renewal keeps the item until that long after now, whether that is later or earlier than before; the
/// item is due exactly then, and its attempts, trouble and payload are as they were.
///
/// A worker that needs longer would lose what it is at, or one that hurries keeps others waiting.
#[rule(
    "outbox::renew::moves_the_end",
    source = "vault: a renewal extends a lease"
)]
async fn renewal_moves_the_end(w: &Outbox) -> Checked {
    let mut item = w.subject_claimed().await?;
    for (now, lease) in [
        (minute(11), Span::minutes(30)),
        (minute(12), Span::minutes(2)),
        (minute(13), Span::MICROSECOND),
        (minute(10), Span::minutes(20)),
    ] {
        let renewed = w.other.renew(&w.tenant, &item.claim(), lease, now).await?;
        equal("whether the claim holds", &renewed, &true)?;
        let until = now.after(lease);
        item = in_state(&item, ItemState::Claimed { until });
        w.is("the item that was renewed", &item).await?;
        let early = w.claim(1000, just_before(until)).await?;
        equal("what is claimed before its end", &early, &vec![])?;
    }
    let found = w.claim(1000, minute(30)).await?;
    let next = claimed(&item, minute(35));
    equal("what is claimed at its end", &found, &vec![next])
}

/// What is completed is done from then on, with its payload and attempts, and stays stored.
///
/// Where it is removed or forgets when it ended, it is put again, or never swept.
#[rule(
    "outbox::complete::is_stored",
    source = "AuthHero: markProcessed sets processed_at, and cleanup goes by it"
)]
async fn completion_is_stored(w: &Outbox) -> Checked {
    let item = w.subject_claimed().await?;
    let held = w.store.complete(&w.tenant, &item.claim(), minute(12)).await;
    equal("whether the claim holds", &held?, &true)?;
    let at = minute(12);
    w.is(
        "the item that is done",
        &in_state(&item, ItemState::Done { at }),
    )
    .await?;
    // By a clock that is behind, as well.
    let item = w.claimed("behind").await?;
    let at = just_before(START);
    let held = w.store.complete(&w.tenant, &item.claim(), at).await?;
    equal("whether it holds by another clock", &held, &true)?;
    w.is(
        "the item that was done before",
        &in_state(&item, ItemState::Done { at }),
    )
    .await
}

/// What is put back waits until then, whether that is after or before its claim's end, with what went
/// wrong, its payload and attempts: a microsecond before nobody is answered it, and then the next
/// attempt is.
///
/// A receiver that is down gets all retries at once, and none when it is back.
#[rule(
    "outbox::put_back::is_due_then",
    source = "AuthHero: markRetry with an error and next_retry_at"
)]
async fn what_is_put_back_is_due_then(w: &Outbox) -> Checked {
    let mut item = w.subject_claimed().await?;
    for (number, due_at) in [minute(60), minute(61), day(30)].into_iter().enumerate() {
        let why = text(&format!("trouble {number}"))?;
        let claim = item.claim();
        let held = w.store.put_back(&w.tenant, &claim, due_at, &why).await?;
        equal("whether the claim holds", &held, &true)?;
        item = troubled(&item, ItemState::Waiting { due_at }, &why);
        w.is("the item that was put back", &item).await?;
        for early in [minute(10), minute(15), just_before(due_at)] {
            let found = w.claim(1000, early).await?;
            equal("what is claimed before it is due", &found, &vec![])?;
        }
        item = w.again(&item, due_at).await?;
    }
    // In the past it is due at once, also before the claim would have been over.
    for due_at in [Timestamp::MIN, START] {
        let why = text("now")?;
        w.store
            .put_back(&w.tenant, &item.claim(), due_at, &why)
            .await?;
        item = troubled(&item, ItemState::Waiting { due_at }, &why);
        item = w.again(&item, due_at).await?;
    }
    w.is("the item that is claimed", &item).await
}

/// What is given up is so from then on, with what went wrong, its payload and attempts, and nobody is
/// answered it any more.
///
/// Somebody who is to look at it would see neither what it is nor why.
#[rule(
    "outbox::give_up::is_stored",
    source = "AuthHero: deadLetter with a final error; dead_lettered_at"
)]
async fn giving_up_is_stored(w: &Outbox) -> Checked {
    let item = w.subject_claimed().await?;
    let (at, why) = (minute(12), text("no such host")?);
    let held = w.store.give_up(&w.tenant, &item.claim(), &why, at).await?;
    equal("whether the claim holds", &held, &true)?;
    let expected = troubled(&item, ItemState::GivenUp { at }, &why);
    w.is("the item that was given up", &expected).await?;
    let found = w.claim(1000, day(900)).await?;
    equal("what is claimed later", &found, &vec![])
}

/// What went wrong is kept exactly, of whatever text: every character, none at all, and 64 KiB.
///
/// A worker that cannot say why, since a stranger's server answered with an emoji, gives nothing up and
/// tries for ever.
#[rule(
    "outbox::trouble::is_kept_exactly",
    source = "AuthHero 285af35: an emoji made every later read fail; next-auth #4734: a text too long for its column"
)]
async fn trouble_is_kept_exactly(w: &Outbox) -> Checked {
    let mut item = w.claimed("put back often").await?;
    let mut texts = vec![String::new(), "é".repeat(32_768), "\n\r\t ".to_owned()];
    texts.extend(hostile().iter().cloned());
    for words in &texts {
        let (why, due_at) = (Text::new(words.clone())?, minute(5));
        let claim = item.claim();
        let held = w.store.put_back(&w.tenant, &claim, due_at, &why).await?;
        equal("whether the claim holds", &held, &true)?;
        item = troubled(&item, ItemState::Waiting { due_at }, &why);
        w.is("the item that was put back", &item).await?;
        item = w.again(&item, due_at).await?;
        let at = minute(6);
        let held = w.store.give_up(&w.tenant, &item.claim(), &why, at).await;
        equal("whether the next claim holds", &held?, &true)?;
        item = troubled(&item, ItemState::GivenUp { at }, &why);
        w.is("the item that was given up", &item).await?;
        w.store.revive(&w.tenant, &item.id, due_at).await?;
        item = in_state(&item, ItemState::Waiting { due_at });
        item = w.again(&item, due_at).await?;
    }
    Ok(())
}

/// What went wrong stays through the next claim, its renewal and its end, and is replaced by what goes
/// wrong next.
///
/// Whoever looks into it finds nothing, or what was wrong a week ago.
#[rule(
    "outbox::trouble::stays_until_the_next",
    source = "AuthHero: error and final_error are columns of the event"
)]
async fn trouble_stays_until_the_next(w: &Outbox) -> Checked {
    let item = w.subject_claimed().await?;
    let (due_at, first) = (minute(20), text("the first")?);
    w.store
        .put_back(&w.tenant, &item.claim(), due_at, &first)
        .await?;
    let item = troubled(&item, ItemState::Waiting { due_at }, &first);
    let item = w.again(&item, minute(20)).await?;
    w.is("the item that is claimed again", &item).await?;
    let (claim, now) = (item.claim(), minute(21));
    w.store.renew(&w.tenant, &claim, LEASE, now).await?;
    let until = now.after(LEASE);
    let item = in_state(&item, ItemState::Claimed { until });
    w.is("the item that was renewed", &item).await?;
    let (due_at, second) = (minute(40), text("the second")?);
    w.store
        .put_back(&w.tenant, &item.claim(), due_at, &second)
        .await?;
    let item = troubled(&item, ItemState::Waiting { due_at }, &second);
    w.is("the item that was put back again", &item).await?;
    let item = w.again(&item, minute(40)).await?;
    let at = minute(41);
    w.store.complete(&w.tenant, &item.claim(), at).await?;
    w.is(
        "the item that is done at last",
        &in_state(&item, ItemState::Done { at }),
    )
    .await
}
