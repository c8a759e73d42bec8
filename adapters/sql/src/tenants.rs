//! The tenants port: a row for each, and what empties all tables of one.

use async_trait::async_trait;
use portproof_ports::{
    Page, PageRequest, PortResult, Tenant, TenantDraft, TenantId, TenantStore, Timestamp, Version,
};

use crate::{
    database::{Database, TRIES, not_written, unsettled},
    events::lock_log,
    paging::List,
    schema::{Rows, TENANT_TABLES, TenantTable},
    value::{Row, values},
};

/// How many rows of a table one transaction of a purge removes: few enough not to hold up those who
/// write meanwhile.
const BATCH: u64 = 1_000;

/// Tenants in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlTenantStore(pub(crate) Database);

macro_rules! columns {
    () => {
        "tenant, name, settings, version, created_at, updated_at"
    };
}

fn tenant(row: &Row) -> PortResult<Tenant> {
    Ok(Tenant {
        id: row.get(0)?,
        name: row.get(1)?,
        settings: row.get(2)?,
        version: row.get(3)?,
        created_at: row.get(4)?,
        updated_at: row.get(5)?,
    })
}

impl SqlTenantStore {
    /// Removes at most `at_most` of a tenant's rows of a table, each batch in a transaction of its
    /// own; answers how many. Fewer means that none is left.
    async fn empty(&self, table: &TenantTable, tenant: &TenantId, at_most: u64) -> PortResult<u64> {
        // As in sweeps: selected before, and asked whether that was all, since others may have
        // removed or renamed meanwhile what was selected.
        let sql = format!(
            "WITH of_tenant AS ({}) {}",
            self.0.dialect().locking(table.select),
            table.delete
        );
        let mut removed = 0;
        while removed < at_most {
            let batch = BATCH.min(at_most - removed);
            let limit = i64::try_from(batch).unwrap_or(i64::MAX);
            let gone = self.0.write(sql.clone(), values![tenant, limit]).await?;
            removed += gone;
            if gone < batch
                && self
                    .0
                    .row(table.name, table.left, values![tenant])
                    .await?
                    .is_none()
            {
                break;
            }
        }
        Ok(removed)
    }

    /// Removes what a table of logs has of a tenant, unless there is an event left: the next one would
    /// get a number that another has.
    async fn forget(&self, table: &'static TenantTable, tenant: &TenantId) -> PortResult<()> {
        const EVENT: &str = "SELECT 1 FROM auth_events AS of_tenant WHERE tenant = $1 LIMIT 1";
        loop {
            let forgot = self
                .0
                .transaction(move |tx| {
                    Box::pin(async move {
                        // Whoever appends has this row, and no stream is there without it.
                        if lock_log(tx, tenant).await?.is_none()
                            || tx.row("event", EVENT, values![tenant]).await?.is_some()
                        {
                            return Ok(0);
                        }
                        let sql = format!("WITH of_tenant AS ({}) {}", table.select, table.delete);
                        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
                        tx.write(sql, values![tenant, limit]).await
                    })
                })
                .await?;
            if forgot < BATCH {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl TenantStore for SqlTenantStore {
    async fn ready(&self) -> PortResult<()> {
        self.0.ready().await
    }

    async fn create(
        &self,
        tenant: &TenantId,
        draft: TenantDraft,
        now: Timestamp,
    ) -> PortResult<Tenant> {
        const CREATE: &str = concat!(
            "INSERT INTO auth_tenants (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6)"
        );
        let (name, settings, version) = (&draft.name, &draft.settings, Version::FIRST);
        let values = values![tenant, name, settings, version, now, now];
        self.0.write(CREATE, values).await?;
        Ok(Tenant {
            id: tenant.clone(),
            name: draft.name,
            settings: draft.settings,
            version,
            created_at: now,
            updated_at: now,
        })
    }

    async fn get(&self, id: &TenantId) -> PortResult<Option<Tenant>> {
        const GET: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_tenants WHERE tenant = $1"
        );
        let row = self.0.row("tenant", GET, values![id]).await?;
        row.as_ref().map(tenant).transpose()
    }

    async fn update(
        &self,
        id: &TenantId,
        expected: Version,
        draft: TenantDraft,
        now: Timestamp,
    ) -> PortResult<Tenant> {
        const UPDATE: &str = concat!(
            "UPDATE auth_tenants SET name = $3, settings = $4, version = version + 1, \
             updated_at = $5 WHERE tenant = $1 AND version = $2 RETURNING ",
            columns!()
        );
        // That it has this version and which one it has are two questions; what was removed
        // meanwhile may be there again.
        for _ in 0..TRIES {
            let values = values![id, expected, &draft.name, &draft.settings, now];
            if let Some(row) = self.0.write_row("tenant", UPDATE, values).await? {
                return tenant(&row);
            }
            let stored = self.get(id).await?;
            not_written("tenant", stored.map(|stored| stored.version), expected)?;
        }
        Err(unsettled())
    }

    async fn list(&self, request: &PageRequest) -> PortResult<Page<Tenant>> {
        const LIST: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_tenants WHERE tenant > $1 ORDER BY tenant LIMIT $2"
        );
        let list = List::new(&["tenants.list"], request);
        let after: Option<TenantId> = list.after()?;
        let after = after.as_ref().map_or("", TenantId::as_str);
        let rows = self.0.rows("tenant", LIST, values![after, list.rows()]);
        let tenants: PortResult<Vec<Tenant>> = rows.await?.iter().map(tenant).collect();
        list.page(tenants?, |tenant| tenant.id.clone())
    }

    async fn purge(&self, tenant: &TenantId, at_most: u32) -> PortResult<u64> {
        let at_most = u64::from(at_most);
        let mut removed = 0;
        for table in TENANT_TABLES {
            match table.rows {
                Rows::Records => removed += self.empty(table, tenant, at_most - removed).await?,
                // Only when nothing is left that they could be about.
                Rows::Notes if removed < at_most => {
                    self.empty(table, tenant, u64::MAX).await?;
                }
                Rows::Log if removed < at_most => self.forget(table, tenant).await?,
                Rows::Notes | Rows::Log | Rows::Parts => {}
            }
        }
        Ok(removed)
    }
}
