//! Mutants that are right as long as nobody else calls.

use portproof::mutants::Mutant;
use portproof_ports::{EdgeWrite, PortError, PortResult, Ports};

use super::{Answer, Batch, Call, Table, mutant, others_run, preconditions::check, writes};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        writes(
            "relationships::create_looks_then_writes",
            "relationships::create::race_has_one_winner",
            |table, batch| async move {
                let (tenant, now) = (&batch.tenant, batch.now);
                let mut touches = Vec::new();
                for write in batch.writes() {
                    touches.push(match write {
                        EdgeWrite::Create(given) => {
                            if table.store.exists(tenant, &given.edge, now).await? {
                                return Err(PortError::already_exists("relationship"));
                            }
                            EdgeWrite::Touch(given)
                        }
                        write => write,
                    });
                }
                others_run().await;
                batch.with(touches)?.on(&table).await
            },
        )
        .re_enacts("twentyhq/twenty #26025: looked first and wrote later"),
        writes(
            "relationships::absence_is_looked_at_then_written",
            "relationships::preconditions::race_for_an_absence",
            look_then_write,
        ),
        writes(
            "relationships::presence_is_looked_at_then_written",
            "relationships::preconditions::race_for_a_presence",
            look_then_write,
        ),
        writes(
            "relationships::batch_deletes_first",
            "relationships::write::race_is_one_after_another",
            |table, batch| async move {
                let (deletes, rest): (Vec<_>, Vec<_>) = batch
                    .writes()
                    .partition(|write| matches!(write, EdgeWrite::Delete(_)));
                batch.with(deletes)?.on(&table).await?;
                others_run().await;
                batch.unconditional()?.with(rest)?.on(&table).await
            },
        ),
        writes(
            "relationships::batch_is_seen_in_parts",
            "relationships::write::is_seen_whole",
            |table, batch| async move {
                batch.with(Vec::new())?.on(&table).await?;
                for write in batch.writes() {
                    batch.unconditional()?.with(vec![write])?.on(&table).await?;
                    others_run().await;
                }
                Ok(())
            },
        ),
        mutant(
            "relationships::removal_counts_then_removes",
            "relationships::delete_where::race_counts_once",
            |table, call| async move {
                let Call::DeleteWhere { tenant, filter, .. } = &call else {
                    return table.call(call).await;
                };
                let meant = table.rows(tenant, |row| filter.means(&row.edge)).await?;
                others_run().await;
                table.call(call.clone()).await?;
                Ok(Answer::DeleteWhere(meant.len() as u64))
            },
        ),
        mutant(
            "relationships::forget_ends_what_it_saw",
            "relationships::forget::race_leaves_nothing",
            |table, call| async move {
                let Call::Forget { tenant, object } = &call else {
                    return table.call(call).await;
                };
                let theirs = table
                    .rows(tenant, |row| {
                        row.edge.object == *object || row.edge.subject.object() == object
                    })
                    .await?;
                others_run().await;
                let mut ended = 0;
                for row in theirs {
                    ended += u64::from(table.delete(tenant, &row.edge).await?);
                    others_run().await;
                }
                Ok(Answer::Forget(ended))
            },
        ),
    ]
}

/// Checks the preconditions, and writes later.
async fn look_then_write(table: Table, batch: Batch) -> PortResult<()> {
    check(&table, &batch, batch.now).await?;
    others_run().await;
    batch.unconditional()?.on(&table).await
}
