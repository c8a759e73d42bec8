//! The refresh token port.

use async_trait::async_trait;
use portproof_ports::{
    ClientId, FamiliesOf, Family, FamilyId, IdentityId, NewFamily, Page, PageRequest, PortError,
    PortResult, RefreshDigest, RefreshToken, RefreshTokenStore, Rotation, Span, TenantId,
    Timestamp,
};

use crate::{
    database::{Database, Tx},
    failure::Failure,
    paging::{List, by_creation},
    value::{Row, values},
};

/// Refresh tokens in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlRefreshTokenStore(pub(crate) Database);

macro_rules! columns {
    ($prefix:literal) => {
        concat!(
            $prefix,
            "id, ",
            $prefix,
            "token, ",
            $prefix,
            "identity, ",
            $prefix,
            "client, ",
            $prefix,
            "session, ",
            $prefix,
            "idle, ",
            $prefix,
            "ends_at, ",
            $prefix,
            "data, ",
            $prefix,
            "rotations, ",
            $prefix,
            "created_at, ",
            $prefix,
            "seen_at, ",
            $prefix,
            "expires_at",
        )
    };
}

fn family(row: &Row) -> PortResult<Family> {
    Ok(Family {
        id: row.get(0)?,
        token: row.get(1)?,
        identity: row.get(2)?,
        client: row.get(3)?,
        session: row.get(4)?,
        idle: row.get(5)?,
        ends_at: row.get(6)?,
        data: row.get(7)?,
        rotations: row.get(8)?,
        created_at: row.get(9)?,
        seen_at: row.get(10)?,
        expires_at: row.get(11)?,
    })
}

/// Stores a token as the family's; the unique key says whether it is one's already.
async fn add_token(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    token: &RefreshDigest,
    family: &FamilyId,
) -> Result<(), Failure> {
    const ADD: &str =
        "INSERT INTO auth_refresh_tokens (tenant, digest, family) VALUES ($1, $2, $3)";
    tx.write(ADD, values![tenant, token, family]).await?;
    Ok(())
}

const REVOKE: &str = "DELETE FROM auth_refresh_families WHERE tenant = $1 AND id = $2";

#[async_trait]
impl RefreshTokenStore for SqlRefreshTokenStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn issue(&self, tenant: &TenantId, new: NewFamily, now: Timestamp) -> PortResult<Family> {
        const ISSUE: &str = concat!(
            "INSERT INTO auth_refresh_families (tenant, ",
            columns!(""),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $10, $11)"
        );
        if new.ends_at <= now {
            return Err(PortError::refused("ends_at", "is not after now"));
        }
        let family = Family {
            expires_at: Family::expiry(now, new.idle, new.ends_at),
            id: new.id,
            token: new.token,
            identity: new.identity,
            client: new.client,
            session: new.session,
            idle: new.idle,
            ends_at: new.ends_at,
            data: new.data,
            rotations: 0,
            created_at: now,
            seen_at: now,
        };
        let values = &values![
            tenant,
            &family.id,
            &family.token,
            &family.identity,
            &family.client,
            family.session.as_ref(),
            family.idle,
            family.ends_at,
            &family.data,
            now,
            family.expires_at
        ];
        let new = &family;
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    tx.write(ISSUE, values.clone()).await?;
                    add_token(tx, tenant, &new.token, &new.id).await
                })
            })
            .await?;
        Ok(family)
    }

    async fn get(
        &self,
        tenant: &TenantId,
        token: &RefreshDigest,
        now: Timestamp,
    ) -> PortResult<Option<RefreshToken>> {
        const GET: &str = concat!(
            "SELECT ",
            columns!("f."),
            ", t.spent_at FROM auth_refresh_tokens t \
             JOIN auth_refresh_families f ON f.tenant = t.tenant AND f.id = t.family \
             WHERE t.tenant = $1 AND t.digest = $2 AND f.tenant = $1 AND f.expires_at > $3"
        );
        let values = values![tenant, token, now];
        let Some(row) = self.0.row("refresh token", GET, values).await? else {
            return Ok(None);
        };
        Ok(Some(RefreshToken {
            spent_at: row.get(12)?,
            family: family(&row)?,
        }))
    }

    async fn rotate(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        old: &RefreshDigest,
        new: &RefreshDigest,
        leeway: Option<Span>,
        now: Timestamp,
    ) -> PortResult<Rotation> {
        // Locks the family, which whoever rotates or ends it does first: what is read of its tokens
        // afterwards stays.
        const LOCK: &str = concat!(
            "SELECT ",
            columns!(""),
            " FROM auth_refresh_families WHERE tenant = $1 AND id = \
             (SELECT family FROM auth_refresh_tokens WHERE tenant = $1 AND digest = $2) \
             AND client = $3 AND expires_at > $4"
        );
        const SPENT_AT: &str =
            "SELECT spent_at FROM auth_refresh_tokens WHERE tenant = $1 AND digest = $2";
        const SPEND: &str =
            "UPDATE auth_refresh_tokens SET spent_at = $3 WHERE tenant = $1 AND digest = $2";
        const ROTATE: &str = "UPDATE auth_refresh_families \
            SET token = $3, rotations = rotations + 1, seen_at = $4, expires_at = $5 \
            WHERE tenant = $1 AND id = $2";
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    let values = values![tenant, old, client, now];
                    let Some(row) = tx.lock("family", LOCK, values).await?.pop() else {
                        return Ok(Rotation::Gone);
                    };
                    let mut family = family(&row)?;
                    if family.token != *old {
                        let values = values![tenant, old];
                        let spent = tx.row("refresh token", SPENT_AT, values).await?;
                        let spent = spent.ok_or(PortError::corrupt("refresh token"))?;
                        let spent_at = Some(spent.get(0)?);
                        let token = RefreshToken { spent_at, family };
                        if token.is_retry(leeway, now) {
                            return Ok(Rotation::Retried(token.family));
                        }
                        tx.write(REVOKE, values![tenant, &token.family.id]).await?;
                        return Ok(Rotation::Reused(token.family));
                    }
                    family.token = new.clone();
                    family.rotations += 1;
                    family.seen_at = family.seen_at.max(now);
                    family.expires_at = Family::expiry(family.seen_at, family.idle, family.ends_at);
                    add_token(tx, tenant, new, &family.id).await?;
                    tx.write(SPEND, values![tenant, old, family.seen_at])
                        .await?;
                    let values =
                        values![tenant, &family.id, new, family.seen_at, family.expires_at];
                    tx.write(ROTATE, values).await?;
                    Ok(Rotation::Rotated(family))
                })
            })
            .await
    }

    async fn revoke(&self, tenant: &TenantId, family: &FamilyId) -> PortResult<bool> {
        Ok(self.0.write(REVOKE, values![tenant, family]).await? == 1)
    }

    async fn revoke_all_of(&self, tenant: &TenantId, whose: &FamiliesOf) -> PortResult<u64> {
        const OF_IDENTITY: &str =
            "DELETE FROM auth_refresh_families WHERE tenant = $1 AND identity = $2";
        const OF_CLIENT: &str =
            "DELETE FROM auth_refresh_families WHERE tenant = $1 AND client = $2";
        const OF_SESSION: &str =
            "DELETE FROM auth_refresh_families WHERE tenant = $1 AND session = $2";
        const OF_EVERYBODY: &str =
            "DELETE FROM auth_refresh_families AS of_everybody WHERE tenant = $1";
        let (sql, values) = match whose {
            FamiliesOf::Identity(identity) => (OF_IDENTITY, values![tenant, identity]),
            FamiliesOf::Client(client) => (OF_CLIENT, values![tenant, client]),
            FamiliesOf::Session(session) => (OF_SESSION, values![tenant, session]),
            FamiliesOf::Everybody => (OF_EVERYBODY, values![tenant]),
        };
        self.0.write(sql, values).await
    }

    async fn list_of(
        &self,
        tenant: &TenantId,
        identity: &IdentityId,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<Family>> {
        const LIST: &str = concat!(
            "SELECT ",
            columns!(""),
            " FROM auth_refresh_families WHERE tenant = $1 AND identity = $2 AND expires_at > $3 \
             AND (created_at, id) > ($4, $5) ORDER BY created_at, id LIMIT $6"
        );
        let parts = ["refresh_tokens.list_of", tenant.as_str(), identity.as_str()];
        let list = List::new(&parts, request);
        let after: Option<(Timestamp, FamilyId)> = list.after()?;
        let (created_at, id) = by_creation(after.as_ref(), FamilyId::as_str);
        let values = values![tenant, identity, now, created_at, id, list.rows()];
        let rows = self.0.rows("family", LIST, values).await?;
        let families = rows.iter().map(family).collect::<PortResult<_>>()?;
        list.page(families, |family: &Family| {
            (family.created_at, family.id.clone())
        })
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        // As with sessions: selected before, and asked again whether it is over, by no index.
        const SELECT: &str = "SELECT id FROM auth_refresh_families \
            WHERE tenant = $1 AND expires_at <= $2 ORDER BY expires_at, id LIMIT $3";
        const LEFT: &str = "SELECT 1 FROM auth_refresh_families \
            WHERE tenant = $1 AND expires_at <= $2 ORDER BY expires_at LIMIT 1";
        let sql = format!(
            "WITH chosen AS ({}) DELETE FROM auth_refresh_families \
             WHERE tenant = $1 AND (expires_at <= $2) IS TRUE AND id IN (SELECT id FROM chosen)",
            self.0.dialect().locking(SELECT)
        );
        let at_most = u64::from(at_most);
        let mut swept = 0;
        // Another sweeper may have taken what was selected: fewer than asked for must mean that
        // none is left.
        while swept < at_most {
            let rest = i64::try_from(at_most - swept).unwrap_or(i64::MAX);
            let values = values![tenant, now, rest];
            swept += self.0.write(sql.clone(), values).await?;
            let left = self.0.row("family", LEFT, values![tenant, now]).await?;
            if left.is_none() {
                break;
            }
        }
        Ok(swept)
    }
}
