//! How an identity becomes a member where it may not be one too many.

use std::num::NonZeroU32;

use portproof_ports::{Membership, OrganizationId, PortError, TenantId};

use super::rows::{membership_columns, roles};
use crate::{
    database::Tx,
    failure::Failure,
    value::{Row, Value, values},
};

/// Locks an organization against whoever joins, changes or deletes it; answers its row, of which the
/// limit is read. Needed where members are counted, or more than one row is written.
///
/// Each statement of a transaction sees what was committed before it, and nothing of those that run
/// beside it: two that count the members at once would both find a place. Whoever counts holds this
/// lock first, and so sees all who joined before.
pub(super) async fn lock(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &OrganizationId,
) -> Result<Option<Row>, Failure> {
    const LOCK: &str = "SELECT member_limit FROM auth_organizations WHERE tenant = $1 AND id = $2";
    let locked = tx.lock("organization", LOCK, values![tenant, id]).await?;
    Ok(locked.into_iter().next())
}

/// Makes an identity a member of an organization that is locked and has this limit.
pub(super) async fn join(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    limit: Option<NonZeroU32>,
    new: &Membership,
) -> Result<(), Failure> {
    const IS_MEMBER: &str = "SELECT 1 FROM auth_memberships \
        WHERE tenant = $1 AND organization = $2 AND identity = $3";
    const COUNT: &str =
        "SELECT count(*) FROM auth_memberships WHERE tenant = $1 AND organization = $2";
    const JOIN: &str = concat!(
        "INSERT INTO auth_memberships (tenant, ",
        membership_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $6)"
    );
    // Without a limit the unique key says all there is to say.
    if let Some(limit) = limit {
        let place = values![tenant, &new.organization, &new.identity];
        if tx.row("membership", IS_MEMBER, place).await?.is_some() {
            return Err(PortError::already_exists("membership").into());
        }
        let values = values![tenant, &new.organization];
        let count = tx.row("membership", COUNT, values).await?;
        let count: u64 = count.ok_or(PortError::corrupt("membership"))?.get(0)?;
        if count >= u64::from(limit.get()) {
            return Err(PortError::refused("member_limit", "is reached").into());
        }
    }
    tx.write(JOIN, joined(tenant, new)).await?;
    Ok(())
}

/// What is stored of a membership that begins.
pub(super) fn joined(tenant: &TenantId, new: &Membership) -> Vec<Value> {
    values![
        tenant,
        &new.organization,
        &new.identity,
        roles(&new.roles),
        new.version,
        new.joined_at
    ]
}
