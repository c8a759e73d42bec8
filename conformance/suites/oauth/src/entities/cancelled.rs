//! Writes to entities that are dropped half way.

use std::sync::Arc;

use portproof_ports::{
    Document, EntityStore, PageRequest, Ports, TenantId, Timestamp, UniqueKey, UniqueScope, Version,
};

use super::{Registry, change, client, global, id, new_client, own, portal};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![creation_cancelled, put_cancelled, removal_cancelled]
}

/// The clients, each with the names of its keys, and what the keys find, in the tenant and anywhere.
type Seen = (
    Vec<(String, Document, Vec<String>, Version, Timestamp)>,
    Vec<Option<String>>,
);

/// All keys that the writes give or take.
fn keys(tenant: &TenantId) -> Result<[UniqueKey; 4], Failure> {
    Ok([
        own("name", "Portal")?,
        global("client_id", "portal", tenant)?,
        own("name", "new")?,
        global("client_id", "new", tenant)?,
    ])
}

impl Records for Registry {
    type Store = dyn EntityStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn EntityStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        for entity in [portal(tenant)?, new_client("mark", vec![])?] {
            self.store.create(tenant, entity, START).await?;
        }
        Ok(())
    }

    async fn look(&self, store: &Arc<dyn EntityStore>, tenant: &TenantId) -> Result<Seen, Failure> {
        let kind = client()?;
        let page = store.list(tenant, &kind, &PageRequest::first(10)?).await?;
        let others = page
            .items
            .into_iter()
            .filter(|entity| entity.id.as_str() != "mark");
        let clients = others.map(|entity| {
            let values = entity.keys.iter().map(|key| key.value.as_str());
            let keys = values.map(|value| value.replace(tenant.as_str(), "the tenant"));
            (
                entity.id.as_str().to_owned(),
                entity.body,
                keys.collect(),
                entity.version,
                entity.updated_at,
            )
        });
        let clients = clients.collect();
        let mut found = Vec::new();
        for key in keys(tenant)? {
            let here = store.find(tenant, &kind, &key).await?;
            found.push(here.map(|entity| entity.id.as_str().to_owned()));
            if key.scope == UniqueScope::Global {
                let owned = store.find_global(&kind, &key.name, &key.value).await?;
                found.push(owned.map(|owned| owned.entity.id.as_str().to_owned()));
            }
        }
        Ok((clients, found))
    }

    async fn mark(&self, store: &Arc<dyn EntityStore>, tenant: &TenantId) -> Checked {
        store.remove(tenant, &client()?, &id("mark")?).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn EntityStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        let mark = store.get(tenant, &client()?, &id("mark")?).await?;
        Ok(mark.is_none())
    }
}

/// A creation that is dropped wherever it waits stores the entity with all its keys or nothing of
/// it, and the next calls work.
///
/// A domain that is taken by nothing can never be registered.
#[rule(
    "entities::create::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn creation_cancelled(w: &Registry) -> Checked {
    whole(w, |store, tenant| async move {
        let [_, _, name, wide] = keys(&tenant).map_err(unfit)?;
        let new = new_client("new", vec![name, wide]).map_err(unfit)?;
        store.create(&tenant, new, START).await
    })
    .await
}

/// A change that is dropped wherever it waits replaces body and keys or nothing, and the next calls
/// work.
///
/// A client would be found by what it is not called, or by nothing.
#[rule(
    "entities::put::cancelled_is_whole",
    source = "sqlx #4393: after a cancelled begin every query of a pool failed for 20 minutes",
    environments = "pool_of_one"
)]
async fn put_cancelled(w: &Registry) -> Checked {
    let (kind, id) = (&client()?, &id("portal")?);
    whole(w, |store, tenant| async move {
        let [_, _, name, wide] = keys(&tenant).map_err(unfit)?;
        let put = change("changed", vec![name, wide]).map_err(unfit)?;
        let seen = Version::FIRST;
        store.put(&tenant, kind, id, seen, put, minute(5)).await
    })
    .await
}

/// A removal that is dropped wherever it waits ends the entity with all its keys or nothing of it,
/// and the next calls work.
///
/// Keys that outlive their entity can never be used again.
#[rule(
    "entities::remove::cancelled_is_whole",
    source = "spire #6946: rows that belonged to a deleted one stayed",
    environments = "pool_of_one"
)]
async fn removal_cancelled(w: &Registry) -> Checked {
    let (kind, id) = (&client()?, &id("portal")?);
    whole(w, |store, tenant| async move {
        store.remove(&tenant, kind, id).await
    })
    .await
}

/// A fixture that is not valid, where only a port's error can be told.
fn unfit(failure: Failure) -> portproof_ports::PortError {
    portproof_ports::PortError::Backend(failure.message.into())
}
