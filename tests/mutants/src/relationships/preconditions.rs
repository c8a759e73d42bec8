//! Mutants that check preconditions wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{EdgeBatch, PortResult, Ports, Precondition, Timestamp, WhichSubjects};

use super::{Batch, Table, writes};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        writes(
            "relationships::anybodys_edge_must_exist",
            "relationships::preconditions::must_exist",
            |table, batch| {
                changed(table, batch, |condition| {
                    if let Precondition::MustExist(filter) = condition {
                        filter.subjects = WhichSubjects::Every;
                    }
                    true
                })
            },
        ),
        writes(
            "relationships::an_objects_edges_may_exist",
            "relationships::preconditions::must_not_exist",
            |table, batch| {
                changed(table, batch, |condition| {
                    if let Precondition::MustNotExist(filter) = condition
                        && matches!(filter.subjects, WhichSubjects::Of(_))
                    {
                        return false;
                    }
                    true
                })
            },
        ),
        writes(
            "relationships::first_precondition_is_enough",
            "relationships::preconditions::all_must_hold",
            |table, batch| async move {
                let mut conditions = batch.batch.preconditions().to_vec();
                conditions.truncate(1);
                let mut batch = batch.unconditional()?;
                batch.batch = batch.batch.given(conditions)?;
                batch.on(&table).await
            },
        ),
        writes(
            "relationships::preconditions_see_what_is_over",
            "relationships::preconditions::see_no_ended_edge",
            |table, batch| async move {
                check(&table, &batch, Timestamp::MIN).await?;
                batch.unconditional()?.on(&table).await
            },
        ),
        writes(
            "relationships::preconditions_are_checked_afterwards",
            "relationships::preconditions::see_what_was_before",
            |table, batch| async move {
                batch.unconditional()?.on(&table).await?;
                check(&table, &batch, batch.now).await
            },
        ),
        writes(
            "relationships::nothing_to_write_is_nothing_to_check",
            "relationships::preconditions::are_checked_without_writes",
            |table, batch| async move {
                if batch.batch.writes().is_empty() {
                    return Ok(());
                }
                batch.on(&table).await
            },
        ),
    ]
}

/// Checks the preconditions of a batch at `now`, and writes nothing.
pub(super) async fn check(table: &Table, batch: &Batch, now: Timestamp) -> PortResult<()> {
    let nothing = batch.with(Vec::new())?;
    Batch { now, ..nothing }.on(table).await
}

/// Writes a batch with the preconditions that `change` keeps, as it leaves them.
async fn changed(
    table: Table,
    batch: Batch,
    change: fn(&mut Precondition) -> bool,
) -> PortResult<()> {
    let mut conditions = batch.batch.preconditions().to_vec();
    conditions.retain_mut(change);
    let writes = EdgeBatch::new(batch.batch.writes().to_vec())?;
    let batch = Batch {
        batch: writes.given(conditions)?,
        ..batch
    };
    batch.on(&table).await
}
