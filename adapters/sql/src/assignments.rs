//! The assignments port: grants and attributes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use portproof_ports::{
    AssignmentStore, AttributeChange, AttributeName, Attributes, Grant, GrantScope, MAX_ATTRIBUTES,
    MAX_BATCH, NewGrant, Page, PageRequest, PortError, PortResult, Revocation, RoleId, Scope,
    SubjectId, TenantId, Timestamp, Which, Window,
};

use crate::{
    backend::Isolation,
    batch::{padded, pieces, tuples},
    database::{Database, Tx},
    failure::Failure,
    paging::List,
    value::{Row, Value, values},
};

/// Grants and attributes in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlAssignmentStore(pub(crate) Database);

/// A global grant's scope: no [`Scope`] is empty, and nothing sorts before it.
const GLOBAL: &str = "";

fn scope_text(scope: &GrantScope) -> &str {
    match scope {
        GrantScope::Global => GLOBAL,
        GrantScope::Scoped(scope) => scope.as_str(),
    }
}

macro_rules! columns {
    () => {
        "subject, role, scope, holds_from, holds_until, granted_at"
    };
}

fn grant(row: &Row) -> PortResult<Grant> {
    let scope: String = row.get(2)?;
    let scope = match scope.as_str() {
        GLOBAL => GrantScope::Global,
        _ => GrantScope::Scoped(Scope::new(scope).map_err(|_| row.corrupt())?),
    };
    Ok(Grant {
        subject: row.get(0)?,
        role: row.get(1)?,
        scope,
        window: Window::new(row.get(3)?, row.get(4)?).map_err(|_| row.corrupt())?,
        granted_at: row.get(5)?,
    })
}

fn grants(rows: &[Row]) -> PortResult<Vec<Grant>> {
    rows.iter().map(grant).collect()
}

fn grant_values(tenant: &TenantId, new: &NewGrant, now: Timestamp) -> Vec<Value> {
    values![
        tenant,
        &new.subject,
        &new.role,
        scope_text(&new.scope),
        new.window.from(),
        new.window.until(),
        now
    ]
}

/// Inserts `$rows` as grants, the values of which are those of [`grant_values`].
macro_rules! insert {
    ($rows:literal, $conflict:literal) => {
        concat!(
            "INSERT INTO auth_grants (tenant, ",
            columns!(),
            ") VALUES ",
            $rows,
            " ON CONFLICT (tenant, subject, role, scope) DO ",
            $conflict
        )
    };
}

macro_rules! set_window {
    ($rows:literal) => {
        insert!(
            $rows,
            "UPDATE SET holds_from = excluded.holds_from, holds_until = excluded.holds_until"
        )
    };
}

#[async_trait]
impl AssignmentStore for SqlAssignmentStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn assign(&self, tenant: &TenantId, new: NewGrant, now: Timestamp) -> PortResult<Grant> {
        const ASSIGN: &str = concat!(
            set_window!("($1, $2, $3, $4, $5, $6, $7)"),
            " RETURNING ",
            columns!()
        );
        // That the role is stored is for the reference to say.
        let values = grant_values(tenant, &new, now);
        let row = self.0.write_row("grant", ASSIGN, values).await?;
        grant(&row.ok_or(PortError::corrupt("grant"))?)
    }

    async fn assign_many(
        &self,
        tenant: &TenantId,
        grants: &[NewGrant],
        now: Timestamp,
    ) -> PortResult<u64> {
        if grants.len() > MAX_BATCH {
            return Err(PortError::refused("grants", "are more than 1000"));
        }
        // The last of those that are named twice is what remains. In order, so that two batches do
        // not lock crosswise.
        let each_once: BTreeMap<_, _> = grants
            .iter()
            .map(|new| ((&new.subject, &new.role, &new.scope), new))
            .collect();
        let grants: Vec<&NewGrant> = each_once.into_values().collect();
        if grants.is_empty() {
            return Ok(0);
        }
        let grants = &grants;
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut added = 0;
                    for piece in pieces(grants) {
                        let rows = tuples(1, 7, piece.len());
                        let values: Vec<Value> = piece
                            .iter()
                            .flat_map(|new| grant_values(tenant, new, now))
                            .collect();
                        // First those that are new, which counts them; then the windows of all.
                        let add = insert!("{rows}", "NOTHING").replace("{rows}", &rows);
                        let new = tx.write(add, values.clone()).await?;
                        if new < piece.len() as u64 {
                            let set = set_window!("{rows}").replace("{rows}", &rows);
                            tx.write(set, values).await?;
                        }
                        added += new;
                    }
                    Ok(added)
                })
            })
            .await
    }

    async fn revoke(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        role: &RoleId,
        which: &Which,
    ) -> PortResult<u64> {
        const ONE: &str = "DELETE FROM auth_grants \
            WHERE tenant = $1 AND subject = $2 AND role = $3 AND scope = $4";
        const EVERY: &str =
            "DELETE FROM auth_grants WHERE tenant = $1 AND subject = $2 AND role = $3";
        let scope = match which {
            Which::Every => return self.0.write(EVERY, values![tenant, subject, role]).await,
            Which::Global => GLOBAL,
            Which::Scoped(scope) => scope.as_str(),
        };
        self.0
            .write(ONE, values![tenant, subject, role, scope])
            .await
    }

    async fn revoke_many(&self, tenant: &TenantId, revocations: &[Revocation]) -> PortResult<u64> {
        const ONES: &str = "DELETE FROM auth_grants \
            WHERE tenant = $1 AND (subject, role, scope) IN (VALUES {rows})";
        const EVERY: &str = "DELETE FROM auth_grants \
            WHERE tenant = $1 AND (subject, role) IN (VALUES {rows})";
        if revocations.len() > MAX_BATCH {
            return Err(PortError::refused("revocations", "are more than 1000"));
        }
        let mut ones: Vec<(&SubjectId, &RoleId, &str)> = Vec::new();
        let mut every: Vec<(&SubjectId, &RoleId)> = Vec::new();
        for Revocation {
            subject,
            role,
            which,
        } in revocations
        {
            match which {
                Which::Global => ones.push((subject, role, GLOBAL)),
                Which::Scoped(scope) => ones.push((subject, role, scope.as_str())),
                Which::Every => every.push((subject, role)),
            }
        }
        let mut statements = Vec::new();
        if !ones.is_empty() {
            let ones = padded(&ones);
            let sql = ONES.replace("{rows}", &tuples(2, 3, ones.len()));
            let mut values = values![tenant];
            for (subject, role, scope) in ones {
                values.extend(values![*subject, *role, *scope]);
            }
            statements.push((sql, values));
        }
        if !every.is_empty() {
            let every = padded(&every);
            let sql = EVERY.replace("{rows}", &tuples(2, 2, every.len()));
            let mut values = values![tenant];
            for (subject, role) in every {
                values.extend(values![*subject, *role]);
            }
            statements.push((sql, values));
        }
        // A transaction only where there is more than one step.
        if statements.len() < 2 {
            return match statements.pop() {
                Some((sql, values)) => self.0.write(sql, values).await,
                None => Ok(0),
            };
        }
        let statements = &statements;
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut revoked = 0;
                    for (sql, values) in statements {
                        revoked += tx.write(sql.clone(), values.clone()).await?;
                    }
                    Ok(revoked)
                })
            })
            .await
    }

    async fn move_scope(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        role: &RoleId,
        from: &GrantScope,
        to: &GrantScope,
    ) -> PortResult<bool> {
        const GET: &str = "SELECT scope FROM auth_grants \
            WHERE tenant = $1 AND subject = $2 AND role = $3 AND scope = $4";
        const MAKE_ROOM: &str = "DELETE FROM auth_grants \
            WHERE tenant = $1 AND subject = $2 AND role = $3 AND scope = $4";
        const MOVE: &str = "UPDATE auth_grants SET scope = $5 \
            WHERE tenant = $1 AND subject = $2 AND role = $3 AND scope = $4";
        let (from, to) = (scope_text(from), scope_text(to));
        let at = |scope| values![tenant, subject, role, scope];
        if from == to {
            return Ok(self.0.row("grant", GET, at(from)).await?.is_some());
        }
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    if tx.lock("grant", GET, at(from)).await?.is_empty() {
                        return Ok(false);
                    }
                    tx.write(MAKE_ROOM, at(to)).await?;
                    let mut values = at(from);
                    values.push(to.into());
                    match tx.write(MOVE, values).await {
                        // Granted there since room was made: that one gives way, too.
                        Err(Failure::Taken(_)) => Err(Failure::Conflict),
                        moved => Ok(moved? == 1),
                    }
                })
            })
            .await
    }

    async fn grants_of(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        request: &PageRequest,
    ) -> PortResult<Page<Grant>> {
        const LIST: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_grants WHERE tenant = $1 AND subject = $2 AND (role, scope) > ($3, $4) \
             ORDER BY role, scope LIMIT $5"
        );
        let parts = ["assignments.grants_of", tenant.as_str(), subject.as_str()];
        let list = List::new(&parts, request);
        let after: Option<(RoleId, GrantScope)> = list.after()?;
        let (role, scope) = match &after {
            Some((role, scope)) => (role.as_str(), scope_text(scope)),
            None => ("", ""),
        };
        let values = values![tenant, subject, role, scope, list.rows()];
        let rows = self.0.rows("grant", LIST, values).await?;
        list.page(grants(&rows)?, |grant| {
            (grant.role.clone(), grant.scope.clone())
        })
    }

    async fn holders_of(
        &self,
        tenant: &TenantId,
        role: &RoleId,
        request: &PageRequest,
    ) -> PortResult<Page<Grant>> {
        const LIST: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_grants WHERE tenant = $1 AND role = $2 AND (subject, scope) > ($3, $4) \
             ORDER BY subject, scope LIMIT $5"
        );
        let parts = ["assignments.holders_of", tenant.as_str(), role.as_str()];
        let list = List::new(&parts, request);
        let after: Option<(SubjectId, GrantScope)> = list.after()?;
        let (subject, scope) = match &after {
            Some((subject, scope)) => (subject.as_str(), scope_text(scope)),
            None => ("", ""),
        };
        let values = values![tenant, role, subject, scope, list.rows()];
        let rows = self.0.rows("grant", LIST, values).await?;
        list.page(grants(&rows)?, |grant| {
            (grant.subject.clone(), grant.scope.clone())
        })
    }

    async fn roles_of(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        scope: &GrantScope,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<RoleId>> {
        const LIST: &str = "SELECT role FROM auth_grants \
            WHERE tenant = $1 AND subject = $2 AND scope = $3 \
            AND (holds_from IS NULL OR holds_from <= $4) \
            AND (holds_until IS NULL OR holds_until > $4) \
            AND role > $5 ORDER BY role LIMIT $6";
        let scope = scope_text(scope);
        let parts = [
            "assignments.roles_of",
            tenant.as_str(),
            subject.as_str(),
            scope,
        ];
        let list = List::new(&parts, request);
        let after: Option<RoleId> = list.after()?;
        let after = after.as_ref().map_or("", RoleId::as_str);
        let values = values![tenant, subject, scope, now, after, list.rows()];
        let rows = self.0.rows("grant", LIST, values).await?;
        let roles = rows
            .iter()
            .map(|row| row.get(0))
            .collect::<PortResult<_>>()?;
        list.page(roles, RoleId::clone)
    }

    async fn next_change(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        now: Timestamp,
    ) -> PortResult<Option<Timestamp>> {
        const NEXT: &str = "SELECT min(at) FROM (\
            SELECT min(holds_from) AS at FROM auth_grants \
            WHERE tenant = $1 AND subject = $2 AND holds_from > $3 UNION ALL \
            SELECT min(holds_until) FROM auth_grants \
            WHERE tenant = $1 AND subject = $2 AND holds_until > $3) AS changes";
        let row = self
            .0
            .row("grant", NEXT, values![tenant, subject, now])
            .await?;
        row.ok_or(PortError::corrupt("grant"))?.get(0)
    }

    async fn attributes(&self, tenant: &TenantId, subject: &SubjectId) -> PortResult<Attributes> {
        let values = values![tenant, subject];
        attributes(&self.0.rows("attributes", ATTRIBUTES, values).await?)
    }

    async fn merge_attributes(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        changes: &BTreeMap<AttributeName, AttributeChange>,
    ) -> PortResult<Attributes> {
        if changes.is_empty() {
            return self.attributes(tenant, subject).await;
        }
        let (mut set, mut cleared) = (Vec::new(), Vec::new());
        for (name, change) in changes {
            match change {
                AttributeChange::Set(value) => set.push((name, value.to_json())),
                AttributeChange::Clear => cleared.push(name),
            }
        }
        if set.len() > MAX_ATTRIBUTES {
            return Err(too_many_attributes());
        }
        let (set, cleared) = (&set, &cleared);
        self.0
            .transaction(move |tx| {
                Box::pin(async move {
                    lock_subject(tx, tenant, subject).await?;
                    clear(tx, tenant, subject, cleared).await?;
                    for piece in pieces(set) {
                        let sql = SET.replace("{rows}", &tuples(1, 4, piece.len()));
                        let mut values = Vec::new();
                        for (name, json) in piece {
                            let json = Value::Json(json.clone());
                            values.extend(values![tenant, subject, *name, json]);
                        }
                        tx.write(sql, values).await?;
                    }
                    let values = values![tenant, subject];
                    let merged = attributes(&tx.rows("attributes", ATTRIBUTES, values).await?)?;
                    if merged.len() > MAX_ATTRIBUTES {
                        return Err(too_many_attributes().into());
                    }
                    Ok(merged)
                })
            })
            .await
    }

    async fn forget(&self, tenant: &TenantId, subject: &SubjectId) -> PortResult<u64> {
        const GRANTS: &str = "DELETE FROM auth_grants WHERE tenant = $1 AND subject = $2";
        const NAMED: &str = "DELETE FROM auth_attributes WHERE tenant = $1 AND subject = $2";
        const SUBJECT: &str = "DELETE FROM auth_subjects WHERE tenant = $1 AND subject = $2";
        // Of one instant: what is added meanwhile stays, all of it, whichever table it is in.
        self.0
            .transaction_of(Isolation::Snapshot, move |tx| {
                Box::pin(async move {
                    let of_subject = || values![tenant, subject];
                    tx.write(SUBJECT, of_subject()).await?;
                    let attributes = tx.write(NAMED, of_subject()).await?;
                    let grants = tx.write(GRANTS, of_subject()).await?;
                    Ok(attributes + grants)
                })
            })
            .await
    }
}

const ATTRIBUTES: &str =
    "SELECT name, value FROM auth_attributes WHERE tenant = $1 AND subject = $2 ORDER BY name";

const SET: &str = "INSERT INTO auth_attributes (tenant, subject, name, value) VALUES {rows} \
    ON CONFLICT (tenant, subject, name) DO UPDATE SET value = excluded.value";

fn attributes(rows: &[Row]) -> PortResult<Attributes> {
    rows.iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?)))
        .collect()
}

const fn too_many_attributes() -> PortError {
    PortError::refused("attributes", "are more than 256")
}

/// Lets one writer at a time change a subject's attributes: only so can they be counted.
async fn lock_subject(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    subject: &SubjectId,
) -> Result<(), Failure> {
    const LOCK: &str = "INSERT INTO auth_subjects AS s (tenant, subject, changes) \
        VALUES ($1, $2, 1) ON CONFLICT (tenant, subject) DO UPDATE SET changes = s.changes + 1";
    tx.write(LOCK, values![tenant, subject]).await?;
    Ok(())
}

async fn clear(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    subject: &SubjectId,
    names: &[&AttributeName],
) -> Result<(), Failure> {
    const CLEAR: &str = "DELETE FROM auth_attributes \
        WHERE tenant = $1 AND subject = $2 AND name IN (VALUES {rows})";
    for names in names.chunks(1000) {
        let names = padded(names);
        let sql = CLEAR.replace("{rows}", &tuples(3, 1, names.len()));
        let mut values = values![tenant, subject];
        values.extend(names.map(|name| Value::from(*name)));
        tx.write(sql, values).await?;
    }
    Ok(())
}
