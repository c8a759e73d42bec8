//! Mutants that end many families wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{FamiliesOf, PortResult, Ports};

use super::{Answer, Call, Table, is_meant, mutant, others_run};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "refresh_tokens::revoke_all_of_an_identity_ends_a_hundred",
            "refresh_tokens::revoke_all_of::ends_an_identitys_beyond_a_page",
            |table, call| {
                first_of(table, call, 100, |whose| {
                    matches!(whose, FamiliesOf::Identity(_))
                })
            },
        )
        .re_enacts("AuthHero 7d9f138: a logout revoked the first 100 only"),
        mutant(
            "refresh_tokens::revoke_all_of_a_client_ends_a_thousand",
            "refresh_tokens::revoke_all_of::ends_a_clients_beyond_a_page",
            |table, call| {
                first_of(table, call, 1000, |whose| {
                    matches!(whose, FamiliesOf::Client(_))
                })
            },
        ),
        mutant(
            "refresh_tokens::revoke_all_of_a_session_ends_a_thousand",
            "refresh_tokens::revoke_all_of::ends_a_sessions_beyond_a_page",
            |table, call| {
                first_of(table, call, 1000, |whose| {
                    matches!(whose, FamiliesOf::Session(_))
                })
            },
        ),
        mutant(
            "refresh_tokens::revoke_all_of_a_tenant_ends_two_thousand",
            "refresh_tokens::revoke_all_of::ends_everybodys_beyond_a_page",
            |table, call| {
                first_of(table, call, 2000, |whose| {
                    matches!(whose, FamiliesOf::Everybody)
                })
            },
        ),
        mutant(
            "refresh_tokens::revoke_all_of_counts_then_deletes",
            "refresh_tokens::revoke_all_of::race_counts_what_ended",
            |table, call| async move {
                let Call::RevokeAllOf { tenant, whose } = &call else {
                    return table.call(call).await;
                };
                let mut theirs = table.rows(tenant).await?;
                theirs.retain(|row| is_meant(whose, row));
                others_run().await;
                table.call(call.clone()).await?;
                Ok(Answer::RevokeAllOf(theirs.len() as u64))
            },
        ),
        mutant(
            "refresh_tokens::revoke_all_of_ends_what_it_saw",
            "refresh_tokens::revoke_all_of::race_with_rotations_leaves_none",
            |table, call| async move {
                let Call::RevokeAllOf { tenant, whose } = &call else {
                    return table.call(call).await;
                };
                let mut theirs = table.rows(tenant).await?;
                theirs.retain(|row| is_meant(whose, row));
                others_run().await;
                // What was rotated meanwhile is not what it saw.
                let mut ended = 0;
                for row in theirs {
                    let now = table.row(tenant, &row.token).await?;
                    if now.is_some_and(|now| now.spent_at.is_none()) {
                        ended += u64::from(table.store.revoke(tenant, &row.id).await?);
                    }
                }
                Ok(Answer::RevokeAllOf(ended))
            },
        ),
    ]
}

/// Ends the first families only of those that are `meant`.
async fn first_of(
    table: Table,
    call: Call,
    most: usize,
    meant: fn(&FamiliesOf) -> bool,
) -> PortResult<Answer> {
    match &call {
        Call::RevokeAllOf { tenant, whose } if meant(whose) => {
            let mut rows = table.rows(tenant).await?;
            rows.retain(|row| is_meant(whose, row));
            rows.truncate(most);
            Ok(Answer::RevokeAllOf(table.delete(tenant, rows).await?))
        }
        _ => table.call(call).await,
    }
}
