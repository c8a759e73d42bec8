//! Purges that forget a port, or a part, or reach too far.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use portproof::mutants::{Mutant, faulty};
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    Document, Event, EventBatch, EventId, EventKind, EventStore, ExpectedHead, NewEvent,
    NewSession, PageRequest, Port, PortError, PortResult, Ports, Position, Sequence,
    SessionStoreAnswer, SessionStoreCall, StreamId, TenantDraft, TenantId,
    TenantStoreAnswer as Answer, TenantStoreCall as Call, Timestamp,
};

use super::lock;
use crate::edits::{Edits, begins, is_like};

type Tenants = Arc<Mutex<BTreeSet<TenantId>>>;

/// For each port a purge that forgets it: what it holds is kept beside, where no purge reaches.
/// Grants are beside their roles.
pub(super) fn forgotten() -> Vec<Mutant<Ports>> {
    macro_rules! forgets {
        ($($name:literal: $($port:ident)+;)*) => {
            vec![$({
                let beside = MemoryAdapter::new();
                Mutant::new(
                    concat!("tenants::purge_forgets_", $name),
                    "tenants::purge::removes_everything",
                    move |mut ports: Ports, _| {
                        let kept = beside.ports();
                        $(ports.$port = ports.$port.and(kept.$port.clone());)+
                        ports
                    },
                )
            }),*]
        };
    }
    forgets! {
        "identity": identity;
        "session": session;
        "credentials": credentials;
        "keystore": keystore;
        "policies_and_assignments": policies assignments;
        "codes": codes;
        "refresh_tokens": refresh_tokens;
        "entities": entities;
        "events": events;
        "relationships": relationships;
        "organizations": organizations;
        "outbox": outbox;
    }
}

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    const ALONE: &str = "tenants::purge::leaves_others_alone";
    let edits = Edits::new(|ports: &mut Ports| &mut ports.tenants)
        .reaches("tenants::purge_by_prefix", ALONE, "purge", "tenant", begins)
        .reaches(
            "tenants::purge_by_pattern",
            ALONE,
            "purge",
            "tenant",
            is_like,
        )
        .re_enacts("duck-iam: a prefix that was a pattern deleted another tenant's grants")
        .reaches(
            "tenants::purge_folds_ids",
            ALONE,
            "purge",
            "tenant",
            |id, other| id.to_lowercase() == other.to_lowercase(),
        )
        .reaches(
            "tenants::purge_pads_ids",
            ALONE,
            "purge",
            "tenant",
            |id, other| id.trim_end() == other.trim_end(),
        );
    let hidden = Tenants::default();
    let begun = Tenants::default();
    let purged = Tenants::default();
    let mut mutants = edits
        .fault(
            "tenants::purge_needs_the_record",
            "tenants::purge::needs_no_record",
            |store, call| async move {
                if let Call::Purge { tenant, .. } = &call
                    && store.get(tenant).await?.is_none()
                {
                    return Ok(Answer::Purge(0));
                }
                store.call(call).await
            },
        )
        .fault(
            "tenants::purge_leaves_the_record",
            "tenants::purge::removes_everything",
            |store, call| async move {
                let Call::Purge { tenant, .. } = &call else {
                    return store.call(call).await;
                };
                let record = store.get(tenant).await?;
                let answer = store.call(call.clone()).await;
                if let Some(record) = record {
                    let draft = TenantDraft {
                        name: record.name,
                        settings: record.settings,
                    };
                    store.create(tenant, draft, record.created_at).await?;
                }
                answer
            },
        )
        .answer(
            "tenants::purge_counts_tenants",
            "tenants::purge::counts_records",
            "purge",
            |answer| {
                if *answer != 0 {
                    *answer = 1.into();
                }
            },
        )
        .call(
            "tenants::purge_has_no_limit",
            "tenants::purge::keeps_to_its_limit",
            "purge",
            |arguments| arguments["at_most"] = u32::MAX.into(),
        )
        .call(
            "tenants::purge_has_one_page",
            "tenants::purge::removes_thousands",
            "purge",
            |arguments| {
                let at_most = arguments["at_most"].as_u64().unwrap_or_default();
                arguments["at_most"] = at_most.min(1_000).into();
            },
        )
        .fault(
            "tenants::purge_removes_the_record_first",
            "tenants::purge::removes_the_record_last",
            move |store, call| {
                let hidden = Arc::clone(&hidden);
                async move {
                    match &call {
                        Call::Purge { tenant, .. } => {
                            lock(&hidden).insert(tenant.clone());
                        }
                        Call::Create { tenant, .. } => {
                            lock(&hidden).remove(tenant);
                        }
                        Call::Get { tenant } if lock(&hidden).contains(tenant) => {
                            return Ok(Answer::Get(None));
                        }
                        _ => {}
                    }
                    store.call(call).await
                }
            },
        )
        .fault(
            "tenants::purge_of_nobody_fails",
            "tenants::purge::finds_nothing_twice",
            |store, call| async move {
                match store.call(call).await {
                    Ok(Answer::Purge(0)) => Err(PortError::not_found("tenant")),
                    answer => answer,
                }
            },
        )
        .fault(
            "tenants::versions_go_on",
            "tenants::purge::recreated_tenant_starts_empty",
            move |store, call| {
                let purged = Arc::clone(&purged);
                async move {
                    match call {
                        Call::Create { tenant, draft, now } => {
                            let created = store.create(&tenant, draft.clone(), now).await?;
                            if !lock(&purged).contains(&tenant) {
                                return Ok(Answer::Create(created));
                            }
                            let seen = created.version;
                            let updated = store.update(&tenant, seen, draft, now).await?;
                            Ok(Answer::Create(updated))
                        }
                        Call::Purge { tenant, at_most } => {
                            lock(&purged).insert(tenant.clone());
                            Ok(Answer::Purge(store.purge(&tenant, at_most).await?))
                        }
                        call => store.call(call).await,
                    }
                }
            },
        )
        .race(
            "tenants::purges_count_what_others_remove",
            "tenants::purge::race_counts_each_once",
            "purge",
        )
        .fault(
            "tenants::purge_believes_itself_busy",
            "tenants::purge::cancelled_can_be_finished",
            move |store, call| {
                let begun = Arc::clone(&begun);
                async move {
                    let Call::Purge { tenant, .. } = &call else {
                        return store.call(call).await;
                    };
                    let tenant = tenant.clone();
                    if !lock(&begun).insert(tenant.clone()) {
                        return Ok(Answer::Purge(0));
                    }
                    tokio::task::yield_now().await;
                    let answer = store.call(call).await;
                    lock(&begun).remove(&tenant);
                    answer
                }
            },
        )
        .done();
    mutants.push(sessions_of_a_cache());
    mutants.push(sessions_come_back());
    mutants.push(positions_go_on());
    mutants.push(logs_begin_anew());
    mutants
}

/// Sessions are touched in a cache, which nobody told of the purge.
fn sessions_of_a_cache() -> Mutant<Ports> {
    let cache = MemoryAdapter::new();
    Mutant::new(
        "tenants::purge_forgets_a_cache",
        "tenants::purge::ends_what_was_given_out",
        move |mut ports: Ports, _| {
            let cache = cache.ports().session;
            ports.session = ports.session.map(|sessions| {
                faulty(sessions, move |store, call| {
                    let cache = cache.clone();
                    async move {
                        let answer = store.call(call.clone()).await?;
                        match (&call, &answer, cache) {
                            (SessionStoreCall::Create { .. }, _, Some(cache)) => {
                                cache.call(call).await?;
                            }
                            (
                                SessionStoreCall::Touch { .. },
                                SessionStoreAnswer::Touch(None),
                                Some(cache),
                            ) => return cache.call(call).await,
                            _ => {}
                        }
                        Ok(answer)
                    }
                })
            });
            ports
        },
    )
}

/// A purge forgets the heads of streams, and not how far the log has come.
fn positions_go_on() -> Mutant<Ports> {
    Mutant::new(
        "tenants::positions_go_on",
        "tenants::purge::recreated_tenant_starts_empty",
        |mut ports: Ports, _| {
            let events = ports.events.clone();
            ports.tenants = ports.tenants.map(|tenants| {
                faulty(tenants, move |store, call| {
                    let events = events.clone();
                    async move {
                        let answer = store.call(call.clone()).await;
                        if let (Call::Purge { tenant, .. }, Some(events)) = (call, events) {
                            append_all(&events, &tenant, vec![note()?]).await?;
                            events.prune(&tenant, Timestamp::MAX, 1).await?;
                        }
                        answer
                    }
                })
            });
            ports
        },
    )
}

/// A purge takes what was appended while it ran into a new log.
fn logs_begin_anew() -> Mutant<Ports> {
    Mutant::new(
        "tenants::purge_begins_a_new_log",
        "tenants::purge::race_leaves_logs_whole",
        |mut ports: Ports, _| {
            let events = ports.events.clone();
            ports.tenants = ports.tenants.map(|tenants| {
                faulty(tenants, move |store, call| {
                    let events = events.clone();
                    async move {
                        let (Call::Purge { tenant, .. }, Some(events)) = (&call, events) else {
                            return store.call(call).await;
                        };
                        let before = store.purge(tenant, u32::MAX).await?;
                        others().await;
                        let page = PageRequest::first(1_000)?;
                        let late = events.read_all(tenant, Position::START, &page).await?;
                        store.purge(tenant, u32::MAX).await?;
                        // The last first.
                        append_all(&events, tenant, late.items.into_iter().rev().collect()).await?;
                        Ok(Answer::Purge(before))
                    }
                })
            });
            ports
        },
    )
}

/// An event of which only the numbers stay.
fn note() -> PortResult<Event> {
    Ok(Event {
        id: EventId::new("note")?,
        stream: StreamId::new("notes")?,
        sequence: Sequence::FIRST,
        position: Position::START,
        kind: EventKind::new("note")?,
        subject: None,
        occurred_at: Timestamp::MIN,
        recorded_at: Timestamp::MIN,
        payload: Document::empty(),
    })
}

/// Appends these events as new ones.
async fn append_all(
    store: &Arc<dyn EventStore>,
    tenant: &TenantId,
    events: Vec<Event>,
) -> PortResult<()> {
    for event in events {
        let (stream, now) = (event.stream, event.recorded_at);
        let batch = EventBatch::of(NewEvent {
            id: event.id,
            kind: event.kind,
            subject: event.subject,
            occurred_at: event.occurred_at,
            payload: event.payload,
        });
        let head = ExpectedHead::Anything;
        store.append(tenant, &stream, head, &batch, now).await?;
    }
    Ok(())
}

/// Lets others go on.
async fn others() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// A touch reads a session, and writes it anew: what was purged in between is back.
fn sessions_come_back() -> Mutant<Ports> {
    Mutant::new(
        "tenants::touches_bring_sessions_back",
        "tenants::purge::race_with_writes",
        |mut ports: Ports, _| {
            ports.tenants = ports.tenants.map(|tenants| {
                faulty(tenants, |store, call| async move {
                    others().await;
                    store.call(call).await
                })
            });
            ports.session = ports.session.map(|sessions| {
                faulty(sessions, |store, call| async move {
                    let SessionStoreCall::Touch { tenant, id, now } = &call else {
                        return store.call(call).await;
                    };
                    let read = store.get(tenant, id, *now).await?;
                    others().await;
                    if let Some(read) = read
                        && store.get(tenant, id, *now).await?.is_none()
                    {
                        let again = NewSession {
                            id: read.id,
                            identity: read.identity,
                            idle: read.idle,
                            ends_at: read.ends_at,
                            data: read.data,
                        };
                        store.create(tenant, again, *now).await?;
                    }
                    store.call(call).await
                })
            });
            ports
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_forgotten_by_one() {
        let mutants = forgotten();
        let names = mutants.iter().filter_map(|mutant| {
            let names = mutant.id.strip_prefix("tenants::purge_forgets_")?;
            Some(names.split("_and_"))
        });
        let mut forgotten: Vec<&str> = names.flatten().collect();
        // Another one leaves the tenant's own record, and transactions hold nothing.
        forgotten.extend(["tenants", "transactions"]);
        assert_eq!(forgotten, Ports::NAMES);
    }
}
