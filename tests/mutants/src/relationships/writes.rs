//! Mutants that write wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    EdgeFilter, EdgeWrite, HowMany, PortError, Ports, Span, WhichObjects, WhichRelations,
    WhichSubjects,
};

use super::{Answer, Call, asks, each, mutant, stores, writes};
use crate::edits::{Edits, careless, every, to_millis};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [singles(), batches(), kept(), ends()].concat()
}

fn singles() -> Vec<Mutant<Ports>> {
    vec![
        stores(
            "relationships::create_drops_the_caveat",
            "relationships::create::stores_it_whole",
            |write, given| {
                if matches!(write, EdgeWrite::Create(_)) {
                    given.caveat = None;
                }
            },
        )
        .re_enacts("AuthHero 5dddd72: create dropped fields"),
        writes(
            "relationships::create_overwrites",
            "relationships::create::refuses_a_stored_edge",
            |table, batch| async move {
                let touches = batch.writes().map(|write| match write {
                    EdgeWrite::Create(given) => EdgeWrite::Touch(given),
                    write => write,
                });
                batch.with(touches.collect())?.on(&table).await
            },
        ),
        writes(
            "relationships::create_waits_for_the_sweep",
            "relationships::create::replaces_an_ended_edge",
            |table, batch| async move {
                for write in batch.writes() {
                    let is_create = matches!(write, EdgeWrite::Create(_));
                    if is_create && table.row(&batch.tenant, write.edge()).await?.is_some() {
                        return Err(PortError::already_exists("relationship"));
                    }
                }
                batch.on(&table).await
            },
        ),
        writes(
            "relationships::touch_only_updates",
            "relationships::touch::creates_what_is_missing",
            |table, batch| async move {
                let mut kept = Vec::new();
                for write in batch.writes() {
                    let is_touch = matches!(write, EdgeWrite::Touch(_));
                    if !is_touch || table.row(&batch.tenant, write.edge()).await?.is_some() {
                        kept.push(write);
                    }
                }
                batch.with(kept)?.on(&table).await
            },
        ),
        writes(
            "relationships::touch_ignores_what_is_there",
            "relationships::touch::replaces_the_whole",
            |table, batch| async move {
                let mut kept = Vec::new();
                for write in batch.writes() {
                    let is_touch = matches!(write, EdgeWrite::Touch(_));
                    if !is_touch || table.row(&batch.tenant, write.edge()).await?.is_none() {
                        kept.push(write);
                    }
                }
                batch.with(kept)?.on(&table).await
            },
        ),
        writes(
            "relationships::touch_keeps_the_old_end",
            "relationships::touch::removes_what_is_not_given",
            |table, batch| async move {
                let mut merged = Vec::new();
                for mut write in batch.writes() {
                    let old = table.row(&batch.tenant, write.edge()).await?;
                    if let (EdgeWrite::Touch(given), Some(old)) = (&mut write, old) {
                        given.until = given.until.or(old.until);
                    }
                    merged.push(write);
                }
                batch.with(merged)?.on(&table).await
            },
        )
        .re_enacts("spicedb 6e260eb25 (#2796): a touch without expiration kept the old one"),
        writes(
            "relationships::delete_takes_the_sets_along",
            "relationships::delete::removes_exactly_one",
            |table, batch| async move {
                batch.on(&table).await?;
                for write in batch.writes() {
                    if let EdgeWrite::Delete(edge) = write {
                        let filter = EdgeFilter {
                            subjects: WhichSubjects::Of(edge.subject.object().clone()),
                            relations: WhichRelations::Only(edge.relation),
                            objects: WhichObjects::Only(edge.object),
                        };
                        table
                            .store
                            .delete_where(&batch.tenant, &filter, HowMany::Every)
                            .await?;
                    }
                }
                Ok(())
            },
        ),
        writes(
            "relationships::delete_of_nothing_fails",
            "relationships::delete::of_nothing_is_fine",
            |table, batch| async move {
                for write in batch.writes() {
                    let is_delete = matches!(write, EdgeWrite::Delete(_));
                    if is_delete && table.row(&batch.tenant, write.edge()).await?.is_none() {
                        return Err(PortError::not_found("relationship"));
                    }
                }
                batch.on(&table).await
            },
        ),
        writes(
            "relationships::deleted_keeps_its_place",
            "relationships::delete::frees_the_edge",
            |table, batch| async move {
                let place = |write: &EdgeWrite| (batch.tenant.clone(), write.edge().clone());
                let is_taken = batch.writes().any(|write| {
                    let is_create = matches!(write, EdgeWrite::Create(_));
                    is_create && table.notes().deleted.contains(&place(&write))
                });
                if is_taken {
                    return Err(PortError::already_exists("relationship"));
                }
                let deleted = batch
                    .writes()
                    .filter(|write| matches!(write, EdgeWrite::Delete(_)));
                let deleted: Vec<_> = deleted.map(|write| place(&write)).collect();
                table.notes().deleted.extend(deleted);
                batch.on(&table).await
            },
        ),
        writes(
            "relationships::write_drops_what_is_over",
            "relationships::write::refuses_an_end_in_the_past",
            |table, batch| async move {
                let is_live = |write: &EdgeWrite| {
                    let given = write.stored();
                    given.is_none_or(|given| given.is_live(batch.now))
                };
                let kept = batch.writes().filter(is_live).collect();
                batch.with(kept)?.on(&table).await
            },
        ),
    ]
}

fn batches() -> Vec<Mutant<Ports>> {
    vec![
        writes(
            "relationships::write_forgets_the_last",
            "relationships::write::does_every_write",
            |table, batch| async move {
                let mut kept: Vec<_> = batch.writes().collect();
                kept.truncate(4);
                batch.with(kept)?.on(&table).await
            },
        ),
        writes(
            "relationships::batch_is_written_one_by_one",
            "relationships::write::is_all_or_nothing",
            |table, batch| async move {
                batch.with(Vec::new())?.on(&table).await?;
                for write in batch.writes() {
                    let one = batch.unconditional()?.with(vec![write])?;
                    one.on(&table).await?;
                }
                Ok(())
            },
        ),
        writes(
            "relationships::last_of_two_wins",
            "relationships::write::refuses_an_edge_twice",
            |table, batch| async move {
                let mut kept: Vec<EdgeWrite> = Vec::new();
                for write in batch.writes() {
                    kept.retain(|kept| kept.edge() != write.edge());
                    kept.push(write);
                }
                batch.with(kept)?.on(&table).await
            },
        ),
        writes(
            "relationships::empty_batch_is_no_sql",
            "relationships::write::of_nothing_is_fine",
            |table, batch| async move {
                if batch.batch.writes().is_empty() {
                    return Err(PortError::Backend("a syntax error".into()));
                }
                batch.on(&table).await
            },
        ),
        writes(
            "relationships::batch_has_too_many_parameters",
            "relationships::write::takes_a_full_batch",
            |table, batch| async move {
                if batch.batch.writes().len() > 800 {
                    return Err(PortError::Backend("too many parameters".into()));
                }
                batch.on(&table).await
            },
        ),
        writes(
            "relationships::batches_wait_for_the_sweep",
            "relationships::write::creates_ended_edges",
            |table, batch| async move {
                let creates = batch
                    .writes()
                    .filter(|write| matches!(write, EdgeWrite::Create(_)));
                // The fast way for many knows nothing of ends.
                let creates: Vec<_> = creates.collect();
                for write in creates.iter().skip(100) {
                    if table.row(&batch.tenant, write.edge()).await?.is_some() {
                        return Err(PortError::already_exists("relationship"));
                    }
                }
                batch.on(&table).await
            },
        ),
    ]
}

fn kept() -> Vec<Mutant<Ports>> {
    let mut edited = Edits::new(|ports| &mut ports.relationships)
        .calls(
            "relationships::caveats_are_read_as_doubles",
            "relationships::caveats::are_kept_exactly",
            |arguments| every(arguments, "caveat", &careless),
        )
        .calls(
            "relationships::ends_are_kept_in_milliseconds",
            "relationships::until::is_kept_exactly",
            |arguments| every(arguments, "until", &to_millis),
        )
        .done();
    edited.push(mutant(
        "relationships::null_caveats_are_none",
        "relationships::caveats::absent_is_not_null",
        |table, call| async move {
            let mut answer = table.call(call).await?;
            each(&mut answer, |found| {
                found.caveat = found
                    .caveat
                    .take()
                    .filter(|caveat| !caveat.value().is_null());
            });
            Ok(answer)
        },
    ));
    edited.push(writes(
        "relationships::edges_to_themselves_are_refused",
        "relationships::create::needs_no_stored_ends",
        |table, batch| async move {
            let mut edges = batch.batch.writes().iter().map(EdgeWrite::edge);
            if edges.any(|edge| edge.subject.object() == &edge.object) {
                return Err(PortError::Backend("a violated constraint".into()));
            }
            batch.on(&table).await
        },
    ));
    edited
}

fn ends() -> Vec<Mutant<Ports>> {
    const OVER: &str = "relationships::until::is_over_at_its_end";
    vec![
        asks("relationships::ended_edges_exist", OVER, |call| {
            if let Call::Exists { now, .. } = call {
                *now = now.before(Span::MICROSECOND);
            }
        }),
        asks("relationships::ended_edges_are_found", OVER, |call| {
            if let Call::Get { now, .. } = call {
                *now = now.before(Span::MICROSECOND);
            }
        }),
        asks("relationships::ended_edges_are_listed", OVER, |call| {
            if let Call::From { now, .. } = call {
                *now = now.before(Span::MICROSECOND);
            }
        }),
        asks(
            "relationships::ended_edges_are_listed_in_reverse",
            OVER,
            |call| {
                if let Call::To { now, .. } = call {
                    *now = now.before(Span::MICROSECOND);
                }
            },
        ),
        asks(
            "relationships::sweep_is_early",
            "relationships::sweep::removes_exactly_what_is_over",
            |call| {
                if let Call::Sweep { now, .. } = call {
                    *now = now.after(Span::MICROSECOND);
                }
            },
        ),
        asks(
            "relationships::sweep_knows_no_limit",
            "relationships::sweep::keeps_to_at_most",
            |call| {
                if let Call::Sweep { at_most, .. } = call {
                    *at_most = u32::MAX;
                }
            },
        ),
        asks(
            "relationships::sweep_takes_a_thousand",
            "relationships::sweep::goes_beyond_a_page",
            |call| {
                if let Call::Sweep { at_most, .. } = call {
                    *at_most = (*at_most).min(1000);
                }
            },
        ),
        mutant(
            "relationships::sweep_looks_then_removes",
            "relationships::sweep::race_spares_what_is_renewed",
            |table, call| async move {
                let Call::Sweep { tenant, now, .. } = &call else {
                    return table.call(call).await;
                };
                let over = table.rows(tenant, |row| !row.is_live(*now)).await?;
                super::others_run().await;
                let mut swept = 0;
                for row in over {
                    swept += u64::from(table.delete(tenant, &row.edge).await?);
                    super::others_run().await;
                }
                Ok(Answer::Sweep(swept))
            },
        ),
    ]
}
