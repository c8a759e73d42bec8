//! Mutants that write in steps, so that who drops a write between them leaves a half of it.

use portproof::mutants::Mutant;
use portproof_ports::{HowMany, Ports};

use super::{Answer, Call, mutant, writes};

const BEGIN: &str = "transact-rs/sqlx #4385: what a cancelled transaction left behind";

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        writes(
            "relationships::batch_is_written_in_steps",
            "relationships::write::cancelled_is_whole",
            |table, batch| async move {
                batch.with(Vec::new())?.on(&table).await?;
                let writes: Vec<_> = batch.writes().collect();
                for piece in writes.chunks(15) {
                    let piece = batch.unconditional()?.with(piece.to_vec())?;
                    piece.on(&table).await?;
                    between_steps().await;
                }
                Ok(())
            },
        )
        .re_enacts(BEGIN),
        mutant(
            "relationships::removal_goes_page_by_page",
            "relationships::delete_where::cancelled_is_whole",
            |table, call| async move {
                let Call::DeleteWhere { tenant, filter, .. } = &call else {
                    return table.call(call).await;
                };
                let mut removed = 0;
                loop {
                    let page = HowMany::AtMost(10);
                    let gone = table.store.delete_where(tenant, filter, page).await?;
                    removed += gone;
                    if gone < 10 {
                        return Ok(Answer::DeleteWhere(removed));
                    }
                    between_steps().await;
                }
            },
        )
        .re_enacts(BEGIN),
        mutant(
            "relationships::forget_ends_one_side_first",
            "relationships::forget::cancelled_is_whole",
            |table, call| async move {
                let Call::Forget { tenant, object } = &call else {
                    return table.call(call).await;
                };
                let to = table.to_it(tenant, object, HowMany::Every).await?;
                between_steps().await;
                let from = table.of_it(tenant, object, HowMany::Every).await?;
                Ok(Answer::Forget(to + from))
            },
        ),
    ]
}

/// Where a write is dropped.
async fn between_steps() {
    tokio::task::yield_now().await;
}
