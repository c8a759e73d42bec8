//! Mutants that look first and write later, when others had their turn, or that are dropped half way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use portproof::mutants::Mutant;
use portproof_ports::{
    EventBatch, EventFilter, EventStore, ExpectedHead, PortError, Ports, Sequence, Window,
};

use super::{Answer, Call, appends, each, mutant, others_run, true_name};
use crate::edits::Edits;

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [at_once(), late(), dropped(), lost()]
        .into_iter()
        .flatten()
        .collect()
}

/// Of appends that run at once one is stored, and all answer that they were.
fn lost() -> Vec<Mutant<Ports>> {
    let edits: Edits<dyn EventStore> = Edits::new(|ports| &mut ports.events);
    edits
        .lost_update(
            "events::appends_at_once_are_lost",
            "events::append::race_stores_all",
            "append",
        )
        .done()
}

fn at_once() -> Vec<Mutant<Ports>> {
    let pruning = Arc::new(AtomicUsize::new(0));
    vec![
        appends(
            "events::append_looks_at_the_head_then_writes",
            "events::append::race_has_one_winner",
            |table, mut append| async move {
                let head = append.head(&table).await?;
                others_run().await;
                if append.expected.holds(head) {
                    append.expected = ExpectedHead::Anything;
                }
                append.on(&table).await
            },
        )
        .re_enacts("better-auth #6572: looked first and wrote later"),
        appends(
            "events::batches_are_broken_up",
            "events::append::race_stores_all",
            |table, mut append| async move {
                let mut appended = Vec::new();
                for new in append.events.clone().events() {
                    append.events = EventBatch::of(new.clone());
                    appended.extend(append.on(&table).await?);
                    append.expected = ExpectedHead::Anything;
                    others_run().await;
                }
                Ok(appended)
            },
        ),
        mutant(
            "events::append_looks_at_the_id_then_writes",
            "events::append::race_for_one_id",
            |table, call| async move {
                let mut answer = match call {
                    Call::Append {
                        tenant,
                        stream,
                        expected,
                        events,
                        now,
                    } => {
                        let append = super::Append {
                            tenant,
                            stream,
                            expected,
                            events,
                            now,
                        };
                        let seen = append.stored(&table).await?;
                        others_run().await;
                        let taken = append.stored(&table).await?;
                        let appended = if seen.is_empty() && !taken.is_empty() {
                            append.anyway(&table).await?
                        } else {
                            append.on(&table).await?
                        };
                        Answer::Append(appended)
                    }
                    call => table.call(call).await?,
                };
                each(&mut answer, true_name);
                Ok(answer)
            },
        ),
        appends(
            "events::append_looks_for_a_retry_then_at_the_head",
            "events::append::race_of_retries_stores_once",
            |table, append| async move {
                let seen = append.stored(&table).await?;
                others_run().await;
                let head = append.head(&table).await?;
                if seen.is_empty() && !append.expected.holds(head) {
                    return Err(PortError::stale("stream"));
                }
                append.on(&table).await
            },
        ),
        mutant(
            "events::streams_begin_anew_while_they_are_pruned",
            "events::prune::race_resets_nothing",
            move |table, call| {
                let pruning = Arc::clone(&pruning);
                async move {
                    if let Call::Prune { .. } = &call {
                        pruning.fetch_add(1, Ordering::SeqCst);
                        others_run().await;
                        let answer = table.call(call).await;
                        pruning.fetch_sub(1, Ordering::SeqCst);
                        return answer;
                    }
                    let mut answer = table.call(call).await?;
                    if let Answer::Append(events) = &mut answer
                        && pruning.load(Ordering::SeqCst) > 0
                    {
                        for event in events {
                            event.sequence = Sequence::FIRST;
                        }
                    }
                    Ok(answer)
                }
            },
        ),
    ]
}

fn late() -> Vec<Mutant<Ports>> {
    const TAIL: &str = "events::read_all::tail_misses_nothing";
    vec![
        mutant(
            "events::positions_are_taken_before_the_commit",
            TAIL,
            |table, call| async move {
                let Call::Append { tenant, .. } = &call else {
                    return table.visible(call).await;
                };
                let tenant = tenant.clone();
                let answer = table.call(call).await?;
                let Answer::Append(events) = &answer else {
                    return Ok(answer);
                };
                // What a `bigserial` does: the events have their positions, and are not committed.
                let places: Vec<_> = events
                    .iter()
                    .map(|event| (tenant.clone(), event.position))
                    .collect();
                table.notes().hidden.extend(places.clone());
                // Some transactions take longer than those that began after them.
                let slow = places.first().map_or(0, |(_, place)| place.get() % 4);
                for _ in 0..slow {
                    others_run().await;
                }
                let mut notes = table.notes();
                for place in &places {
                    notes.hidden.remove(place);
                }
                drop(notes);
                Ok(answer)
            },
        )
        .re_enacts(
            "spire #5030, #5842: events with an earlier id were committed later, and skipped",
        ),
        mutant(
            "events::some_batches_become_visible_in_parts",
            TAIL,
            |table, call| async move {
                let Call::Append { tenant, .. } = &call else {
                    return table.visible(call).await;
                };
                let tenant = tenant.clone();
                let answer = table.call(call).await?;
                if let Answer::Append(events) = &answer
                    && events.len() > 1
                {
                    // The last event of a batch is seen before those that come before it.
                    let first = (tenant, events[0].position);
                    table.notes().hidden.insert(first.clone());
                    others_run().await;
                    table.notes().hidden.remove(&first);
                }
                Ok(answer)
            },
        ),
    ]
}

fn dropped() -> Vec<Mutant<Ports>> {
    const BEGIN: &str = "transact-rs/sqlx #4385: what a cancelled transaction left behind";
    vec![
        appends(
            "events::append_stores_the_first_first",
            "events::append::cancelled_is_whole",
            |table, mut append| async move {
                let events = append.events.events().to_vec();
                let stored = append.stored(&table).await?;
                if events.len() < 2 || !stored.is_empty() {
                    return append.on(&table).await;
                }
                append.events = EventBatch::of(events[0].clone());
                let mut appended = append.on(&table).await?;
                tokio::task::yield_now().await;
                appended.extend(append.with(&table, events[1..].to_vec()).await?);
                Ok(appended)
            },
        )
        .re_enacts(BEGIN),
        mutant(
            "events::prune_goes_one_by_one",
            "events::prune::cancelled_is_whole",
            |table, call| async move {
                let Call::Prune {
                    tenant,
                    before,
                    at_most,
                } = call
                else {
                    return table.call(call).await;
                };
                let old = EventFilter {
                    during: Window::new(None, Some(before))?,
                    ..EventFilter::EVERYTHING
                };
                let mut pruned = 0;
                while pruned < u64::from(at_most) && table.store.count(&tenant, &old).await? > 0 {
                    pruned += table.store.prune(&tenant, before, 1).await?;
                    tokio::task::yield_now().await;
                }
                Ok(Answer::Prune(pruned))
            },
        )
        .re_enacts(BEGIN),
    ]
}
