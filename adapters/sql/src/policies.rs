//! The policies port: policies and roles, each as one document.

use async_trait::async_trait;
use portproof_ports::{
    Expected, Page, PageRequest, Policy, PolicyDraft, PolicyId, PolicyStore, PortError, PortResult,
    Role, RoleDraft, RoleId, TenantId, Timestamp, Version,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    database::Database,
    failure::Failure,
    paging::List,
    value::{Row, Stored, Value, values},
};

/// Policies and roles in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlPolicyStore(pub(crate) Database);

/// What policies and roles have in common: a draft under its id, with a version.
struct Record<T> {
    draft: T,
    version: Version,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The statements about one of the two tables.
struct Table {
    record: &'static str,
    get: &'static str,
    insert: &'static str,
    update: &'static str,
    list: &'static str,
}

macro_rules! table {
    ($record:literal in $table:literal) => {
        Table {
            record: $record,
            get: concat!(
                "SELECT id, draft, version, created_at, updated_at FROM ",
                $table,
                " WHERE tenant = $1 AND id = $2"
            ),
            insert: concat!(
                "INSERT INTO ",
                $table,
                " (tenant, id, draft, version, created_at, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)"
            ),
            update: concat!(
                "UPDATE ",
                $table,
                " SET draft = $3, version = $4, updated_at = $5 WHERE tenant = $1 AND id = $2"
            ),
            list: concat!(
                "SELECT id, draft, version, created_at, updated_at FROM ",
                $table,
                " WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3"
            ),
        }
    };
}

const POLICIES: Table = table!("policy" in "auth_policies");
const ROLES: Table = table!("role" in "auth_roles");

/// A draft, as it is stored.
trait Draft: PartialEq + Serialize + DeserializeOwned + Send + Sync {
    fn id(&self) -> &str;
}

impl Draft for PolicyDraft {
    fn id(&self) -> &str {
        self.id.as_str()
    }
}

impl Draft for RoleDraft {
    fn id(&self) -> &str {
        self.id.as_str()
    }
}

fn record<T: Draft>(row: &Row) -> PortResult<Record<T>> {
    let Stored(draft): Stored<T> = row.get(1)?;
    // A draft under another's id would be read as that one.
    if draft.id() != row.get::<String>(0)? {
        return Err(row.corrupt());
    }
    Ok(Record {
        draft,
        version: row.get(2)?,
        created_at: row.get(3)?,
        updated_at: row.get(4)?,
    })
}

impl SqlPolicyStore {
    async fn save<T: Draft>(
        &self,
        table: &'static Table,
        tenant: &TenantId,
        expected: Expected,
        draft: T,
        now: Timestamp,
    ) -> PortResult<Record<T>> {
        let json = serde_json::to_string(&draft)
            .map_err(|_| PortError::Backend("a draft cannot be written as JSON".into()))?;
        let (given, json) = (&draft, &json);
        let (version, created_at, updated_at) = self
            .0
            .transaction(move |tx| {
                Box::pin(async move {
                    let key = values![tenant, given.id()];
                    let stored = tx.lock(table.record, table.get, key).await?.pop();
                    let stored = stored.as_ref().map(record::<T>).transpose()?;
                    let version = stored.as_ref().map(|stored| stored.version);
                    let as_expected = match expected {
                        Expected::Anything => true,
                        Expected::Absent => version.is_none(),
                        Expected::Version(expected) => version == Some(expected),
                    };
                    if !as_expected {
                        return Err(stale(table));
                    }
                    let json = Value::Json(json.clone());
                    let (version, created_at) = match stored {
                        Some(stored) if stored.draft == *given => {
                            return Ok((stored.version, stored.created_at, stored.updated_at));
                        }
                        Some(stored) => {
                            let version = stored.version.next();
                            let values = values![tenant, given.id(), json, version, now];
                            tx.write(table.update, values).await?;
                            (version, stored.created_at)
                        }
                        None => {
                            let first = Version::FIRST;
                            let values = values![tenant, given.id(), json, first, now, now];
                            match tx.write(table.insert, values).await {
                                // Somebody else was first, which only matters to who believed in
                                // nobody.
                                Err(Failure::Taken(_)) if expected == Expected::Anything => {
                                    return Err(Failure::Conflict);
                                }
                                written => written?,
                            };
                            (first, now)
                        }
                    };
                    Ok((version, created_at, now))
                })
            })
            .await?;
        Ok(Record {
            draft,
            version,
            created_at,
            updated_at,
        })
    }

    async fn one<T: Draft>(
        &self,
        table: &'static Table,
        tenant: &TenantId,
        id: &str,
    ) -> PortResult<Option<Record<T>>> {
        let row = self
            .0
            .row(table.record, table.get, values![tenant, id])
            .await?;
        row.as_ref().map(record).transpose()
    }

    async fn list<T: Draft>(
        &self,
        table: &'static Table,
        list: &List<'_>,
        tenant: &TenantId,
        after: &str,
    ) -> PortResult<Vec<Record<T>>> {
        let values = values![tenant, after, list.rows()];
        let rows = self.0.rows(table.record, table.list, values).await?;
        rows.iter().map(record).collect()
    }
}

fn stale(table: &Table) -> Failure {
    PortError::stale(table.record).into()
}

impl From<Record<PolicyDraft>> for Policy {
    fn from(record: Record<PolicyDraft>) -> Self {
        Self {
            draft: record.draft,
            version: record.version,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

impl From<Record<RoleDraft>> for Role {
    fn from(record: Record<RoleDraft>) -> Self {
        Self {
            draft: record.draft,
            version: record.version,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

#[async_trait]
impl PolicyStore for SqlPolicyStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn save_policy(
        &self,
        tenant: &TenantId,
        expected: Expected,
        policy: PolicyDraft,
        now: Timestamp,
    ) -> PortResult<Policy> {
        policy.check()?;
        let saved = self.save(&POLICIES, tenant, expected, policy, now).await?;
        Ok(saved.into())
    }

    async fn get_policy(&self, tenant: &TenantId, id: &PolicyId) -> PortResult<Option<Policy>> {
        let policy = self.one(&POLICIES, tenant, id.as_str()).await?;
        Ok(policy.map(Policy::from))
    }

    async fn delete_policy(&self, tenant: &TenantId, id: &PolicyId) -> PortResult<bool> {
        const DELETE: &str = "DELETE FROM auth_policies WHERE tenant = $1 AND id = $2";
        Ok(self.0.write(DELETE, values![tenant, id]).await? == 1)
    }

    async fn list_policies(
        &self,
        tenant: &TenantId,
        request: &PageRequest,
    ) -> PortResult<Page<Policy>> {
        let parts = ["policies.list_policies", tenant.as_str()];
        let list = List::new(&parts, request);
        let after: Option<PolicyId> = list.after()?;
        let after = after.as_ref().map_or("", PolicyId::as_str);
        let policies = self.list(&POLICIES, &list, tenant, after).await?;
        let policies = policies.into_iter().map(Policy::from).collect();
        list.page(policies, |policy| policy.draft.id.clone())
    }

    async fn save_role(
        &self,
        tenant: &TenantId,
        expected: Expected,
        role: RoleDraft,
        now: Timestamp,
    ) -> PortResult<Role> {
        role.check()?;
        let saved = self.save(&ROLES, tenant, expected, role, now).await?;
        Ok(saved.into())
    }

    async fn get_role(&self, tenant: &TenantId, id: &RoleId) -> PortResult<Option<Role>> {
        let role = self.one(&ROLES, tenant, id.as_str()).await?;
        Ok(role.map(Role::from))
    }

    async fn delete_role(&self, tenant: &TenantId, id: &RoleId) -> PortResult<bool> {
        // Its grants go with it, by the reference of theirs.
        const DELETE: &str = "DELETE FROM auth_roles WHERE tenant = $1 AND id = $2";
        Ok(self.0.write(DELETE, values![tenant, id]).await? == 1)
    }

    async fn list_roles(&self, tenant: &TenantId, request: &PageRequest) -> PortResult<Page<Role>> {
        let parts = ["policies.list_roles", tenant.as_str()];
        let list = List::new(&parts, request);
        let after: Option<RoleId> = list.after()?;
        let after = after.as_ref().map_or("", RoleId::as_str);
        let roles = self.list(&ROLES, &list, tenant, after).await?;
        let roles = roles.into_iter().map(Role::from).collect();
        list.page(roles, |role| role.draft.id.clone())
    }
}
