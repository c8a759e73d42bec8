//! Mutants that write families in two steps, so that who drops a write between them leaves a half of
//! it.
//!
//! Each waits once, after the first step, and is right when nobody drops it.

use portproof::mutants::Mutant;
use portproof_ports::{PortResult, Ports, RefreshDigest, TenantId};

use super::{Answer, Call, Table, is_meant, mutant};
use crate::cancelled::{BEGIN, between_steps};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    let [issue, rotate, reuse] = of_tokens();
    let [revoke, revoke_all_of, sweep] = of_families();
    vec![
        issue.re_enacts(BEGIN),
        rotate.re_enacts(BEGIN),
        reuse.re_enacts(BEGIN),
        revoke,
        revoke_all_of,
        sweep,
    ]
}

fn of_tokens() -> [Mutant<Ports>; 3] {
    [
        mutant(
            "refresh_tokens::issue_stores_the_token_later",
            "refresh_tokens::issue::cancelled_is_whole",
            |table, call| async move {
                let Call::Issue { tenant, family, .. } = &call else {
                    return table.found(call).await;
                };
                let (tenant, token) = (tenant.clone(), family.token.clone());
                let answer = table.call(call).await?;
                table.without(&tenant, &token).await;
                Ok(answer)
            },
        ),
        mutant(
            "refresh_tokens::rotate_stores_the_new_token_later",
            "refresh_tokens::rotate::cancelled_is_whole",
            |table, call| async move {
                let Call::Rotate { tenant, new, .. } = &call else {
                    return table.found(call).await;
                };
                let (tenant, token) = (tenant.clone(), new.clone());
                let answer = table.call(call).await?;
                table.without(&tenant, &token).await;
                Ok(answer)
            },
        ),
        mutant(
            "refresh_tokens::reuse_ends_the_token_first",
            "refresh_tokens::reuse::cancelled_is_whole",
            |table, call| async move {
                let Call::Rotate {
                    tenant,
                    client,
                    old,
                    leeway,
                    now,
                    ..
                } = &call
                else {
                    return table.found(call).await;
                };
                if let Some(token) = table.store.get(tenant, old, *now).await?
                    && token.family.client == *client
                    && token.spent_at.is_some()
                    && !token.is_retry(*leeway, *now)
                {
                    table.without(tenant, &token.family.token).await;
                }
                table.call(call).await
            },
        ),
    ]
}

fn of_families() -> [Mutant<Ports>; 3] {
    [
        mutant(
            "refresh_tokens::revoke_ends_the_token_first",
            "refresh_tokens::revoke::cancelled_is_whole",
            |table, call| async move {
                let Call::Revoke { tenant, family } = &call else {
                    return table.found(call).await;
                };
                let rows = table.rows(tenant).await?;
                if let Some(row) = rows.into_iter().find(|row| row.id == *family) {
                    table.without(tenant, &row.token).await;
                }
                table.call(call).await
            },
        ),
        mutant(
            "refresh_tokens::revoke_all_of_one_by_one",
            "refresh_tokens::revoke_all_of::cancelled_is_whole",
            |table, call| async move {
                let Call::RevokeAllOf { tenant, whose } = &call else {
                    return table.call(call).await;
                };
                let mut revoked = 0;
                for row in table.rows(tenant).await? {
                    if is_meant(whose, &row) {
                        revoked += u64::from(table.store.revoke(tenant, &row.id).await?);
                        between_steps().await;
                    }
                }
                Ok(Answer::RevokeAllOf(revoked))
            },
        ),
        mutant(
            "refresh_tokens::sweep_removes_spent_tokens_first",
            "refresh_tokens::sweep::cancelled_is_whole",
            |table, call| async move {
                let Call::Sweep { tenant, now, .. } = &call else {
                    return table.found(call).await;
                };
                let tokens: Vec<RefreshDigest> = {
                    let notes = table.notes();
                    let theirs = notes.tokens.iter().filter(|(of, _)| of == tenant);
                    theirs.map(|(_, token)| token.clone()).collect()
                };
                for token in tokens {
                    if let Some(found) = table.row(tenant, &token).await?
                        && found.spent_at.is_some()
                        && !found.family.is_live(*now)
                    {
                        table.without(tenant, &token).await;
                    }
                }
                table.call(call).await
            },
        ),
    ]
}

impl Table {
    /// Waits, while a token is not stored yet or not any more.
    async fn without(&self, tenant: &TenantId, token: &RefreshDigest) {
        let key = (tenant.clone(), token.clone());
        self.notes().missing.insert(key.clone());
        between_steps().await;
        self.notes().missing.remove(&key);
    }

    /// What is answered while some tokens are missing.
    async fn found(&self, call: Call) -> PortResult<Answer> {
        if let Call::Get { tenant, token, .. } = &call
            && self
                .notes()
                .missing
                .contains(&(tenant.clone(), token.clone()))
        {
            return Ok(Answer::Get(None));
        }
        self.call(call).await
    }
}
