//! Purges of many, by many, and half way.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use portproof_ports::{
    AttributeChange, AttributeName, Event, EventBatch, EventId, EventKind, ExpectedHead, NewEvent,
    NewSession, Ports, Position, SessionDigest, StreamId, SubjectId, TenantId,
};

use super::{
    fill::fill,
    purge::{ALL, Full},
};
use crate::{
    Case, Checked, Failure,
    cancel::dropped_after,
    cases,
    check::{equal, holds},
    fixture::{START, day, document},
    model::looked,
    offered,
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        thousands_go,
        purges_count_each_once,
        writes_before_are_gone,
        logs_stay_whole,
        half_a_purge_can_be_finished,
    ]
}

impl Full {
    /// Stores `count` sessions of a tenant, those of `many 0` and on, and as many attributes.
    async fn store_many(&self, tenant: &TenantId, count: usize) -> Result<u64, Failure> {
        let ports = self.context.stores();
        let sessions = offered("session", ports.session.as_ref())?;
        let assignments = offered("assignments", ports.assignments.as_ref())?;
        let lanes = race(RACERS, |lane| {
            let (sessions, tenant) = (Arc::clone(&sessions), tenant.clone());
            async move {
                for number in (lane..count).step_by(RACERS) {
                    let session = session(&format!("many {number}"))?;
                    sessions.create(&tenant, session, START).await?;
                }
                Ok::<(), Failure>(())
            }
        })
        .await?;
        lanes.into_iter().collect::<Checked>()?;
        for subject in 0..count.div_ceil(250) {
            let mut set = BTreeMap::new();
            for number in (subject * 250..count).take(250) {
                let name = AttributeName::new(format!("many {number}"))?;
                set.insert(name, AttributeChange::Set(document("one")?));
            }
            let subject = SubjectId::new(format!("many {subject}"))?;
            assignments.merge_attributes(tenant, &subject, &set).await?;
        }
        Ok(2 * count as u64)
    }
}

fn session(bearer: &str) -> Result<NewSession, Failure> {
    Ok(NewSession {
        id: SessionDigest::of(bearer.as_bytes()),
        identity: None,
        idle: None,
        ends_at: day(90),
        data: document(bearer)?,
    })
}

/// A tenant of thousands is purged to the last record, by one call or by many.
///
/// What comes after the first page is somebody's data, too.
#[rule(
    "tenants::purge::removes_thousands",
    source = "better-auth #10342: a query with a default limit of about a hundred"
)]
async fn thousands_go(w: &Full) -> Checked {
    let records = w.records + w.store_many(&w.tenant, 2_500).await?;
    let removed = w.store.purge(&w.tenant, 1_500).await?;
    equal("how many went at first", &removed, &1_500)?;
    let removed = w.store.purge(&w.tenant, u32::MAX).await?;
    equal("how many went then", &removed, &(records - 1_500))?;
    w.is_empty("what is left of thousands", &w.tenant).await?;
    let sessions = offered("session", w.context.second().session.as_ref())?;
    for number in (0..2_500).step_by(83) {
        let id = SessionDigest::of(format!("many {number}").as_bytes());
        let found = sessions.get(&w.tenant, &id, START).await?;
        equal("one of many sessions", &found, &None)?;
    }
    Ok(())
}

/// Of many who purge a tenant at once, each record is counted by one.
///
/// Receipts that add up to more than there was are of no use.
#[rule(
    "tenants::purge::race_counts_each_once",
    source = "sweeps that counted what another sweep removed",
    environments = "isolation"
)]
async fn purges_count_each_once(w: &Full) -> Checked {
    let records = w.records + w.store_many(&w.tenant, 100).await?;
    let answers = race(RACERS, |racer| {
        let even = racer.is_multiple_of(2);
        let store = Arc::clone(if even { &w.store } else { &w.other });
        let tenant = w.tenant.clone();
        async move {
            let mut removed = 0;
            loop {
                let gone = store.purge(&tenant, 20).await?;
                removed += gone;
                // The sum below fails when there are more.
                if gone < 20 || removed > records {
                    return Ok::<u64, Failure>(removed);
                }
            }
        }
    })
    .await?;
    let counted: u64 = answers.into_iter().sum::<Result<u64, Failure>>()?;
    equal("how many they counted in all", &counted, &records)?;
    w.is_empty("what is left after all of them", &w.tenant)
        .await
}

/// Whatever was stored before a purge began is gone when it answers that it is done, though others
/// write meanwhile; then another purge takes what they wrote.
///
/// A session that is in use when its tenant is purged would outlive it.
#[rule(
    "tenants::purge::race_with_writes",
    source = "a purge that selects first and removes later misses what moved",
    environments = "isolation"
)]
async fn writes_before_are_gone(w: &Full) -> Checked {
    w.store_many(&w.tenant, 200).await?;
    let ended = Arc::new(AtomicU64::new(0));
    let sessions = offered("session", w.context.second().session.as_ref())?;
    let answers = race(RACERS, |racer| {
        let (sessions, ended) = (Arc::clone(&sessions), Arc::clone(&ended));
        let (store, tenant) = (Arc::clone(&w.store), w.tenant.clone());
        async move {
            if racer == 0 {
                let removed = store.purge(&tenant, u32::MAX).await;
                ended.store(1, Ordering::SeqCst);
                removed?;
                return Ok::<(), Failure>(());
            }
            let mut number = 0;
            // They go on until it is done, or long enough.
            while ended.load(Ordering::SeqCst) == 0 && number < 40 {
                let new = session(&format!("late {racer} {number}"))?;
                sessions.create(&tenant, new, START).await?;
                // What was there before is in use.
                let old = SessionDigest::of(format!("many {}", racer * 20 + number).as_bytes());
                sessions.touch(&tenant, &old, START).await?;
                number += 1;
            }
            Ok(())
        }
    })
    .await?;
    answers.into_iter().collect::<Checked>()?;
    for number in 0..200 {
        let id = SessionDigest::of(format!("many {number}").as_bytes());
        let found = sessions.get(&w.tenant, &id, START).await?;
        equal("a session from before the purge", &found, &None)?;
    }
    w.store.purge(&w.tenant, u32::MAX).await?;
    w.is_empty("what is left after another purge", &w.tenant)
        .await?;
    fill(w.context.stores(), &w.tenant).await?;
    w.is_full(&w.tenant).await
}

/// What is appended while a purge runs is gone with it or stays as it was answered, and the next event
/// comes after all that stay, in its stream and in the log.
///
/// A purge that forgets how far a log has come while there is an event in it makes two of one number:
/// no event can be appended any more, or readers miss those that are.
#[rule(
    "tenants::purge::race_leaves_logs_whole",
    source = "the contract: positions are given out in the order in which events become visible",
    environments = "isolation"
)]
async fn logs_stay_whole(w: &Full) -> Checked {
    let events = offered("events", w.context.stores().events.as_ref())?;
    let second = offered("events", w.context.second().events.as_ref())?;
    let (stream, any) = (StreamId::new("race")?, ExpectedHead::Anything);
    for round in 0..8 {
        let answers = race(RACERS, |racer| {
            let even = (racer + round).is_multiple_of(2);
            let purged = Arc::clone(if even { &w.store } else { &w.other });
            let events = Arc::clone(if even { &events } else { &second });
            let (tenant, stream) = (w.tenant.clone(), stream.clone());
            async move {
                if racer == 0 {
                    purged.purge(&tenant, ALL).await?;
                    return Ok(Vec::new());
                }
                let mut appended = Vec::new();
                for number in 0..4 {
                    let event = event(&format!("{round} {racer} {number}"))?;
                    let answer = events.append(&tenant, &stream, any, &event, START).await?;
                    appended.extend(answer);
                }
                Ok::<Vec<Event>, Failure>(appended)
            }
        })
        .await?;
        let (mut last, mut head) = (Position::START, None);
        let answers: Result<Vec<_>, _> = answers.into_iter().collect();
        for answered in answers?.concat() {
            if let Some(found) = events.get(&w.tenant, &answered.id).await? {
                equal("an event that stayed", &found, &answered)?;
                last = last.max(found.position);
                head = head.max(Some(found.sequence));
            }
        }
        let next = event(&format!("{round} next"))?;
        for next in second.append(&w.tenant, &stream, any, &next, START).await? {
            let what = format!("the next event comes after {last:?} and {head:?}, got {next:?}");
            holds(next.position > last && Some(next.sequence) > head, what)?;
        }
    }
    w.store.purge(&w.tenant, u32::MAX).await?;
    w.is_empty("what is left after the last purge", &w.tenant)
        .await
}

fn event(id: &str) -> Result<EventBatch, Failure> {
    Ok(EventBatch::of(NewEvent {
        id: EventId::new(id)?,
        kind: EventKind::new("login")?,
        subject: None,
        occurred_at: START,
        payload: document(id)?,
    }))
}

/// A purge that is dropped wherever it waits leaves each record whole or gone, and the next one
/// finishes it.
///
/// What half a purge leaves must be something that can be purged.
#[rule(
    "tenants::purge::cancelled_can_be_finished",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn half_a_purge_can_be_finished(w: &Full) -> Checked {
    /// More polls than a purge of few records needs.
    const MOST: u32 = 2_000;
    let mut polls = 1;
    loop {
        holds(polls < MOST, "a purge comes to its end")?;
        let tenant = w.context.tenant()?;
        fill(w.context.stores(), &tenant).await?;
        let answer = dropped_after(polls, w.store.purge(&tenant, u32::MAX)).await;
        let dropped = answer.transpose()?.is_none();
        // No read fails on a half.
        looked(w.context.second(), &tenant).await?;
        w.other.purge(&tenant, u32::MAX).await?;
        w.is_empty("what is left when a purge was finished", &tenant)
            .await?;
        if !dropped {
            return Ok(());
        }
        // Few at first, where it begins; then ever more, to come to the end soon.
        polls += 1 + polls / 6;
    }
}
