//! Ends: what is over is not there, and is swept.

use portproof_ports::{EdgeWrite, Ports, Relationship};

use super::{Graph, edge, just, plain};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, day, just_before, minute},
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ended_edges_are_invisible,
        sweep_removes_what_is_over,
        sweep_keeps_to_at_most,
        sweep_goes_beyond_a_page,
        sweep_spares_what_is_renewed,
    ]
}

/// An edge that ends then.
fn lent(number: usize, until: u16) -> Result<Relationship, Failure> {
    Ok(Relationship {
        until: Some(minute(until)),
        ..plain(edge("user:Bob", "viewer", &format!("doc:{number:04}"))?)
    })
}

/// An edge is there until its end and not at it, for every read: none answers it any more, and none needs
/// a sweep for that.
///
/// Access that outlives its end until somebody cleans up is access that nobody gave.
#[rule(
    "relationships::until::is_over_at_its_end",
    source = "spicedb: an expired relationship is in no answer",
    environments = "time_zone"
)]
async fn ended_edges_are_invisible(w: &Graph) -> Checked {
    let lent = lent(1, 5)?;
    let kept = plain(edge("user:Bob", "viewer", "doc:Plan")?);
    w.put(&w.tenant, &[lent.clone(), kept.clone()]).await?;
    for now in [START, minute(4), just_before(minute(5))] {
        let seen = w.seen_at(&lent.edge, now).await?;
        equal("the edge before its end", &seen.as_ref(), &Some(&lent))?;
    }
    for now in [minute(5), minute(6), day(400)] {
        let seen = w.seen_at(&lent.edge, now).await?;
        equal("the edge at its end and after it", &seen, &None)?;
        let seen = w.seen_at(&kept.edge, now).await?;
        equal("the edge without an end", &seen.as_ref(), &Some(&kept))?;
    }
    Ok(())
}

/// A sweep removes what is over at its `now`, a microsecond before the next one, and nothing else, and
/// answers how many.
///
/// A sweep that goes by a clock of its own removes what is still given.
#[rule(
    "relationships::sweep::removes_exactly_what_is_over",
    source = "dex: collection removes nothing before its time; hydra: and nothing of another tenant",
    environments = "time_zone"
)]
async fn sweep_removes_what_is_over(w: &Graph) -> Checked {
    let all = [lent(1, 5)?, lent(2, 5)?, lent(3, 6)?, lent(4, 7)?];
    let kept = plain(edge("user:Bob", "viewer", "doc:Plan")?);
    w.put(&w.tenant, &all).await?;
    w.put(&w.tenant, std::slice::from_ref(&kept)).await?;
    for (now, swept, left) in [
        (just_before(minute(5)), 0, &all[..]),
        (minute(5), 2, &all[2..]),
        (minute(5), 0, &all[2..]),
        (just_before(minute(7)), 1, &all[3..]),
    ] {
        let answer = w.store.sweep(&w.tenant, now, 100).await?;
        equal(&format!("how many were swept at {now:?}"), &answer, &swept)?;
        // By an early clock, all that is stored is there.
        let mut expected = left.to_vec();
        expected.push(kept.clone());
        let theirs = w.from(&w.tenant, &kept.edge.subject, START).await?;
        equal(
            &format!("what is left of it at {now:?}"),
            &theirs,
            &expected,
        )?;
    }
    w.subject_unchanged().await
}

/// A sweep removes no more than it is asked to, and fewer only when none is left.
///
/// Who sweeps in small steps so that nobody has to wait stops at the first step that is too small.
#[rule(
    "relationships::sweep::keeps_to_at_most",
    source = "hydra and spicedb: the limit and the size of a collection's steps"
)]
async fn sweep_keeps_to_at_most(w: &Graph) -> Checked {
    let all: Vec<_> = (0..7)
        .map(|number| lent(number, 5))
        .collect::<Result<_, Failure>>()?;
    w.put(&w.tenant, &all).await?;
    let mut left = all.len();
    for (at_most, swept) in [(0, 0), (1, 1), (3, 3), (3, 3), (3, 0)] {
        let answer = w.store.sweep(&w.tenant, minute(5), at_most).await?;
        equal(
            &format!("how many of {at_most} were swept"),
            &answer,
            &swept,
        )?;
        left -= usize::try_from(swept).unwrap_or_default();
        let theirs = w.from(&w.tenant, &all[0].edge.subject, START).await?;
        equal("how many are left", &theirs.len(), &left)?;
    }
    w.subject_unchanged().await
}

/// A sweep removes thousands at once when it is asked to.
///
/// What is left behind each time is more each time.
#[rule(
    "relationships::sweep::goes_beyond_a_page",
    source = "AuthHero 7d9f138: a bulk removal covers more than a page of rows"
)]
async fn sweep_goes_beyond_a_page(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    let all: Vec<_> = (0..2500)
        .map(|number| lent(number, 5 + u16::from(number == 1234)))
        .collect::<Result<_, Failure>>()?;
    w.put(&tenant, &all).await?;
    let swept = w.store.sweep(&tenant, minute(5), 100_000).await?;
    equal("how many were swept", &swept, &2499)?;
    let theirs = w.from(&tenant, &all[0].edge.subject, START).await?;
    equal("what is left", &theirs, &all[1234..=1234].to_vec())
}

/// An edge that is renewed while others sweep is there afterwards, and what is swept is counted once.
///
/// A sweep that first looks and then removes takes away what was given again in between.
#[rule(
    "relationships::sweep::race_spares_what_is_renewed",
    source = "what is extended while a collection runs is kept, which no suite of this kind checks",
    environments = "isolation"
)]
async fn sweep_spares_what_is_renewed(w: &Graph) -> Checked {
    for round in 0..6 {
        let tenant = w.context.tenant()?;
        let all: Vec<_> = (0..40)
            .map(|number| lent(number, 5))
            .collect::<Result<_, Failure>>()?;
        w.put(&tenant, &all).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), tenant.clone());
            let renewed: Vec<_> = all.iter().skip(racer / 2).step_by(4).cloned().collect();
            async move {
                if racer % 2 == 0 {
                    return Ok(store.sweep(&tenant, minute(5), 100).await?);
                }
                if racer / 2 != round % 4 {
                    return Ok(0);
                }
                for mut given in renewed {
                    given.until = None;
                    let batch = just(EdgeWrite::Touch(given))?;
                    store.write(&tenant, &batch, minute(5)).await?;
                }
                Ok::<u64, Failure>(0)
            }
        })
        .await?;
        let swept: u64 = answers.into_iter().sum::<Result<u64, Failure>>()?;
        let mut there = 0;
        for (number, given) in all.iter().enumerate() {
            let found = w.store.get(&tenant, &given.edge, minute(5)).await?;
            let renewed = number % 4 == round % 4;
            equal(
                &format!("whether edge {number} is there after the race"),
                &found.is_some(),
                &renewed,
            )?;
            there += u64::from(renewed);
        }
        holds(
            (40 - there..=40).contains(&swept),
            format!("between {} and 40 edges are swept, got {swept}", 40 - there),
        )?;
    }
    Ok(())
}
