//! Organizations, memberships and invitations as they are read.

use std::num::NonZeroU32;

use portproof_ports::{Invitation, MemberRoles, Membership, Organization, PortResult, Slug};

use crate::value::{Column, Row, Stored, Value};

macro_rules! organization_columns {
    () => {
        "id, slug, member_limit, data, version, created_at, updated_at"
    };
}
pub(super) use organization_columns;

macro_rules! membership_columns {
    () => {
        "organization, identity, roles, version, joined_at, updated_at"
    };
}
pub(super) use membership_columns;

macro_rules! invitation_columns {
    () => {
        "id, organization, invitee, roles, expires_at, data, created_at"
    };
}
pub(super) use invitation_columns;

impl Column for Slug {
    fn read(value: &Value) -> Option<Self> {
        let stored = String::read(value)?;
        // What is not stored in its one spelling would be answered as something that nothing finds.
        Self::new(&stored)
            .ok()
            .filter(|slug| slug.as_str() == stored)
    }
}

impl Column for MemberRoles {
    fn read(value: &Value) -> Option<Self> {
        Stored::read(value).map(|Stored(roles)| roles)
    }
}

/// Roles as they are stored: a list of their ids, in order.
pub(super) fn roles(roles: &MemberRoles) -> Value {
    let ids = roles.iter().map(|role| role.as_str().into());
    Value::Json(serde_json::Value::Array(ids.collect()).to_string())
}

/// The limit in the column at `index`.
pub(super) fn member_limit(row: &Row, index: usize) -> PortResult<Option<NonZeroU32>> {
    let stored: Option<i64> = row.get(index)?;
    let limit = stored.map(|limit| {
        let limit = u32::try_from(limit).ok().and_then(NonZeroU32::new);
        limit.ok_or_else(|| row.corrupt())
    });
    limit.transpose()
}

pub(super) fn organization(row: &Row) -> PortResult<Organization> {
    Ok(Organization {
        id: row.get(0)?,
        slug: row.get(1)?,
        member_limit: member_limit(row, 2)?,
        data: row.get(3)?,
        version: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

pub(super) fn membership(row: &Row) -> PortResult<Membership> {
    Ok(Membership {
        organization: row.get(0)?,
        identity: row.get(1)?,
        roles: row.get(2)?,
        version: row.get(3)?,
        joined_at: row.get(4)?,
        updated_at: row.get(5)?,
    })
}

pub(super) fn invitation(row: &Row) -> PortResult<Invitation> {
    Ok(Invitation {
        id: row.get(0)?,
        organization: row.get(1)?,
        invitee: row.get(2)?,
        roles: row.get(3)?,
        expires_at: row.get(4)?,
        data: row.get(5)?,
        created_at: row.get(6)?,
    })
}
