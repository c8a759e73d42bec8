//! Mutants that write codes in two steps, so that who drops a write between them leaves a half of it.
//!
//! Each waits once, after the first step, and is right when nobody drops it.

use portproof::mutants::Mutant;
use portproof_ports::{Code, Document, NewCode, PortResult, Ports, TenantId};

use super::{Answer, Call, Table, is_meant, mutant};
use crate::cancelled::{BEGIN, between_steps};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "codes::put_writes_data_later",
            "codes::put::cancelled_is_whole",
            |table, call| async move {
                if let Call::Put { tenant, code, now } = &call {
                    let empty = NewCode {
                        data: Document::empty(),
                        ..code.clone()
                    };
                    let store = &table.store;
                    let first = store.put(tenant, empty, *now).await?;
                    between_steps().await;
                    store.revoke(tenant, &first.kind, &first.id).await?;
                }
                table.call(call).await
            },
        )
        .re_enacts(BEGIN),
        mutant(
            "codes::consume_moves_to_the_used_ones",
            "codes::consume::cancelled_is_whole",
            |table, call| async move {
                if let Call::Consume {
                    tenant,
                    kind,
                    id,
                    bound_to,
                    now,
                } = &call
                {
                    let key = (tenant.clone(), kind.clone(), id.clone());
                    if let Some(code) = table.row(&key).await?
                        && code.bound_to == *bound_to
                        && code.is_live(*now)
                        && table.store.revoke(tenant, kind, id).await?
                    {
                        between_steps().await;
                        put_again(&table, tenant, code).await?;
                    }
                }
                table.call(call).await
            },
        )
        .re_enacts(BEGIN),
        mutant(
            "codes::guess_counts_from_nothing",
            "codes::record_failure::cancelled_is_whole",
            |table, call| async move {
                if let Call::RecordFailure {
                    tenant,
                    kind,
                    id,
                    now,
                } = &call
                {
                    let key = (tenant.clone(), kind.clone(), id.clone());
                    if let Some(code) = table.row(&key).await?
                        && code.is_live(*now)
                        && table.store.revoke(tenant, kind, id).await?
                    {
                        let fresh = Code {
                            failures: 0,
                            ..code.clone()
                        };
                        put_again(&table, tenant, fresh).await?;
                        between_steps().await;
                        count(&table, tenant, &code).await?;
                    }
                }
                table.call(call).await
            },
        ),
        mutant(
            "codes::revoke_all_of_one_by_one",
            "codes::revoke_all_of::cancelled_is_whole",
            |table, call| async move {
                let Call::RevokeAllOf {
                    tenant,
                    whose,
                    kinds,
                } = &call
                else {
                    return table.call(call).await;
                };
                let mut revoked = 0;
                for code in table
                    .rows(tenant, |code| code.consumed_at.is_none())
                    .await?
                {
                    if is_meant(&code, whose, kinds) {
                        let store = &table.store;
                        revoked += u64::from(store.revoke(tenant, &code.kind, &code.id).await?);
                        between_steps().await;
                    }
                }
                // Those that are guessed out, which are not seen.
                let Answer::RevokeAllOf(rest) = table.call(call).await? else {
                    return Ok(Answer::RevokeAllOf(revoked));
                };
                Ok(Answer::RevokeAllOf(revoked + rest))
            },
        ),
    ]
}

/// Stores a code that was removed as it was.
async fn put_again(table: &Table, tenant: &TenantId, code: Code) -> PortResult<()> {
    let again = NewCode {
        kind: code.kind.clone(),
        id: code.id.clone(),
        bound_to: code.bound_to.clone(),
        identity: code.identity.clone(),
        guesses: code.guesses,
        expires_at: code.expires_at,
        data: code.data.clone(),
    };
    table.store.put(tenant, again, code.created_at).await?;
    count(table, tenant, &code).await
}

/// Counts as many guesses at a new code as this one has.
async fn count(table: &Table, tenant: &TenantId, code: &Code) -> PortResult<()> {
    for _ in 0..code.failures {
        table
            .store
            .record_failure(tenant, &code.kind, &code.id, code.created_at)
            .await?;
    }
    Ok(())
}
