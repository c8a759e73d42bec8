//! The codes port.

use std::num::NonZeroU32;

use async_trait::async_trait;
use portproof_ports::{
    BoundTo, ClientId, Code, CodeDigest, CodeKind, CodeKinds, CodeStore, CodesOf, Consumed,
    NewCode, PortError, PortResult, TenantId, Timestamp,
};

use crate::{
    database::{Database, TRIES, unsettled},
    value::{Row, values},
};

/// Codes in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlCodeStore(pub(crate) Database);

macro_rules! columns {
    () => {
        "kind, id, client, identity, guesses, expires_at, data, failures, consumed_at, created_at"
    };
}

/// What holds of a code that nobody consumed and that is not guessed out.
macro_rules! usable {
    () => {
        "consumed_at IS NULL AND (guesses IS NULL OR failures < guesses)"
    };
}

fn code(row: &Row) -> PortResult<Code> {
    let client: String = row.get(2)?;
    let bound_to = if client.is_empty() {
        BoundTo::Nobody
    } else {
        BoundTo::Client(ClientId::new(client).map_err(|_| row.corrupt())?)
    };
    let guesses: Option<i64> = row.get(4)?;
    let guesses = guesses.map(|guesses| {
        let guesses = u32::try_from(guesses).ok().and_then(NonZeroU32::new);
        guesses.ok_or_else(|| row.corrupt())
    });
    Ok(Code {
        kind: row.get(0)?,
        id: row.get(1)?,
        bound_to,
        identity: row.get(3)?,
        guesses: guesses.transpose()?,
        expires_at: row.get(5)?,
        data: row.get(6)?,
        failures: row.get(7)?,
        consumed_at: row.get(8)?,
        created_at: row.get(9)?,
    })
}

/// What is stored as the client.
fn client(bound_to: &BoundTo) -> &str {
    match bound_to {
        BoundTo::Nobody => "",
        BoundTo::Client(client) => client.as_str(),
    }
}

#[async_trait]
impl CodeStore for SqlCodeStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn put(&self, tenant: &TenantId, new: NewCode, now: Timestamp) -> PortResult<Code> {
        const PUT: &str = concat!(
            "INSERT INTO auth_codes (tenant, ",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, NULL, $9)"
        );
        if new.expires_at <= now {
            return Err(PortError::refused("expires_at", "is not after now"));
        }
        let code = Code {
            kind: new.kind,
            id: new.id,
            bound_to: new.bound_to,
            identity: new.identity,
            guesses: new.guesses,
            expires_at: new.expires_at,
            data: new.data,
            failures: 0,
            consumed_at: None,
            created_at: now,
        };
        let values = values![
            tenant,
            &code.kind,
            &code.id,
            client(&code.bound_to),
            code.identity.as_ref(),
            code.guesses.map(NonZeroU32::get),
            code.expires_at,
            &code.data,
            now
        ];
        self.0.write(PUT, values).await?;
        Ok(code)
    }

    async fn peek(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
        now: Timestamp,
    ) -> PortResult<Option<Code>> {
        const PEEK: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_codes WHERE tenant = $1 AND kind = $2 AND id = $3 \
             AND (consumed_at IS NOT NULL OR (expires_at > $4 AND ",
            usable!(),
            "))"
        );
        let values = values![tenant, kind, id, now];
        let row = self.0.row("code", PEEK, values).await?;
        row.as_ref().map(code).transpose()
    }

    async fn consume(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
        bound_to: &BoundTo,
        now: Timestamp,
    ) -> PortResult<Consumed> {
        const CONSUME: &str = concat!(
            "UPDATE auth_codes SET consumed_at = $5 WHERE tenant = $1 AND kind = $2 AND id = $3 \
             AND client = $4 AND expires_at > $5 AND ",
            usable!(),
            " RETURNING ",
            columns!()
        );
        const STORED: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_codes WHERE tenant = $1 AND kind = $2 AND id = $3 AND client = $4"
        );
        let client = client(bound_to);
        // That it was not consumed and why are two questions; what was removed meanwhile may be
        // there again.
        for _ in 0..TRIES {
            let values = values![tenant, kind, id, client, now];
            if let Some(row) = self.0.write_row("code", CONSUME, values).await? {
                return Ok(Consumed::First(code(&row)?));
            }
            let values = values![tenant, kind, id, client];
            let stored = self.0.row("code", STORED, values).await?;
            match stored.as_ref().map(code).transpose()? {
                Some(code) if code.consumed_at.is_some() => return Ok(Consumed::Replayed(code)),
                Some(code) if code.is_live(now) => {}
                _ => return Ok(Consumed::Refused),
            }
        }
        Err(unsettled())
    }

    async fn record_failure(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
        now: Timestamp,
    ) -> PortResult<Option<Code>> {
        const FAIL: &str = concat!(
            "UPDATE auth_codes SET failures = failures + 1 \
             WHERE tenant = $1 AND kind = $2 AND id = $3 AND expires_at > $4 AND ",
            usable!(),
            " RETURNING ",
            columns!()
        );
        let values = values![tenant, kind, id, now];
        let row = self.0.write_row("code", FAIL, values).await?;
        row.as_ref().map(code).transpose()
    }

    async fn revoke(
        &self,
        tenant: &TenantId,
        kind: &CodeKind,
        id: &CodeDigest,
    ) -> PortResult<bool> {
        const REVOKE: &str = "DELETE FROM auth_codes \
            WHERE tenant = $1 AND kind = $2 AND id = $3 AND consumed_at IS NULL";
        Ok(self.0.write(REVOKE, values![tenant, kind, id]).await? == 1)
    }

    async fn revoke_all_of(
        &self,
        tenant: &TenantId,
        whose: &CodesOf,
        kinds: &CodeKinds,
    ) -> PortResult<u64> {
        macro_rules! revoke {
            ($whose:literal, $kinds:literal) => {
                concat!(
                    "DELETE FROM auth_codes WHERE tenant = $1 AND consumed_at IS NULL AND ",
                    $whose,
                    " = $2",
                    $kinds
                )
            };
        }
        let (of_every_kind, of_one_kind, whose) = match whose {
            CodesOf::Identity(identity) => (
                revoke!("identity", ""),
                revoke!("identity", " AND kind = $3"),
                identity.as_str(),
            ),
            CodesOf::Client(client) => (
                revoke!("client", ""),
                revoke!("client", " AND kind = $3"),
                client.as_str(),
            ),
        };
        match kinds {
            CodeKinds::Every => self.0.write(of_every_kind, values![tenant, whose]).await,
            CodeKinds::Only(kind) => {
                let values = values![tenant, whose, kind];
                self.0.write(of_one_kind, values).await
            }
        }
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        const SELECT: &str = "SELECT kind, id FROM auth_codes \
            WHERE tenant = $1 AND expires_at <= $2 ORDER BY expires_at, kind, id LIMIT $3";
        const LEFT: &str = "SELECT 1 FROM auth_codes \
            WHERE tenant = $1 AND expires_at <= $2 ORDER BY expires_at LIMIT 1";
        // As with sessions: selected before. A code's end never moves, so that it is not asked
        // again whether it is over: asked by the end, a database would look at all that are.
        let sql = format!(
            "WITH chosen AS ({}) DELETE FROM auth_codes \
             WHERE tenant = $1 AND (kind, id) IN (SELECT kind, id FROM chosen)",
            self.0.dialect().locking(SELECT)
        );
        let at_most = u64::from(at_most);
        let mut swept = 0;
        while swept < at_most {
            let rest = i64::try_from(at_most - swept).unwrap_or(i64::MAX);
            let values = values![tenant, now, rest];
            swept += self.0.write(sql.clone(), values).await?;
            // Another sweeper may have taken what was selected: fewer than asked for must mean that
            // none is left.
            let left = values![tenant, now];
            if swept < at_most && self.0.row("code", LEFT, left).await?.is_none() {
                break;
            }
        }
        Ok(swept)
    }
}
