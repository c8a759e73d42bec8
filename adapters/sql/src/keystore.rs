//! The keystore port. Private keys are sealed before they are stored.

use async_trait::async_trait;
use portproof_ports::{
    KeyId, KeyState, KeyStore, KeyUse, MAX_KEYS, NewKey, Page, PageRequest, PortError, PortResult,
    PublicKey, StoredKey, TenantId, Timestamp,
};

use crate::{
    database::{Database, TRIES, Tx, unsettled},
    failure::Failure,
    paging::{AFTER_EVERY_ID, List},
    sealing::Sealing,
    value::{Row, Value, names, values},
};

/// Keys in a SQL database.
#[derive(Clone, Debug)]
pub struct SqlKeyStore {
    pub(crate) database: Database,
    pub(crate) sealing: Sealing,
}

names! { KeyUse:
    Signing = "signing",
    Encryption = "encryption",
}

const NEXT: &str = "next";
const ACTIVE: &str = "active";

macro_rules! columns {
    () => {
        "id, key_use, algorithm, public_key, private_key, seal, state, published_until, \
         created_at, activated_at, retired_at, revoked_at"
    };
}

fn state(row: &Row) -> PortResult<KeyState> {
    let name: String = row.get(6)?;
    match name.as_str() {
        NEXT => Ok(KeyState::Next),
        ACTIVE => Ok(KeyState::Active),
        "retired" => Ok(KeyState::Retired {
            published_until: row.get(7)?,
        }),
        "revoked" => Ok(KeyState::Revoked),
        _ => Err(row.corrupt()),
    }
}

/// Locks the keys of a use against other writers, also when there are none.
async fn lock_ring(tx: &mut Tx<'_>, tenant: &TenantId, key_use: KeyUse) -> Result<(), Failure> {
    const LOCK: &str = "INSERT INTO auth_key_rings AS r (tenant, key_use, changes) \
        VALUES ($1, $2, 1) ON CONFLICT (tenant, key_use) DO UPDATE SET changes = r.changes + 1";
    tx.write(LOCK, values![tenant, key_use]).await?;
    Ok(())
}

impl SqlKeyStore {
    fn key(&self, tenant: &TenantId, row: &Row) -> PortResult<StoredKey> {
        let id: KeyId = row.get(0)?;
        let sealed: Vec<u8> = row.get(4)?;
        let private = self.sealing.open(row.get(5)?, tenant, &id, &sealed)?;
        Ok(StoredKey {
            id,
            key_use: row.get(1)?,
            algorithm: row.get(2)?,
            public: row.get(3)?,
            private,
            state: state(row)?,
            created_at: row.get(8)?,
            activated_at: row.get(9)?,
            retired_at: row.get(10)?,
            revoked_at: row.get(11)?,
        })
    }
}

#[async_trait]
impl KeyStore for SqlKeyStore {
    async fn ready(&self) -> PortResult<()> {
        self.database.ready().await
    }

    async fn insert(
        &self,
        tenant: &TenantId,
        new: NewKey,
        now: Timestamp,
    ) -> PortResult<StoredKey> {
        const EXISTS: &str = "SELECT 1 FROM auth_keys WHERE tenant = $1 AND id = $2";
        const COUNT: &str = "SELECT count(*) FROM auth_keys WHERE tenant = $1 AND key_use = $2";
        const INSERT: &str = "INSERT INTO auth_keys (tenant, id, key_use, algorithm, public_key, \
            private_key, seal, state, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'next', $8)";
        let sealed = self.sealing.seal(tenant, &new.id, &new.private)?;
        let key = StoredKey {
            id: new.id,
            key_use: new.key_use,
            algorithm: new.algorithm,
            public: new.public,
            private: new.private,
            state: KeyState::Next,
            created_at: now,
            activated_at: None,
            retired_at: None,
            revoked_at: None,
        };
        let values = &values![
            tenant,
            &key.id,
            key.key_use,
            &key.algorithm,
            &key.public,
            sealed,
            self.sealing.generation(),
            now
        ];
        let new = &key;
        self.database
            .transaction(move |tx| {
                Box::pin(async move {
                    lock_ring(tx, tenant, new.key_use).await?;
                    let stored = tx.row("key", EXISTS, values![tenant, &new.id]).await?;
                    if stored.is_some() {
                        return Err(PortError::already_exists("key").into());
                    }
                    let count = tx.row("key", COUNT, values![tenant, new.key_use]).await?;
                    let count: u64 = count.ok_or(PortError::corrupt("key"))?.get(0)?;
                    if count >= MAX_KEYS as u64 {
                        let full = PortError::refused("keys", "are 1000 of this use already");
                        return Err(full.into());
                    }
                    tx.write(INSERT, values.clone()).await
                })
            })
            .await?;
        Ok(key)
    }

    async fn get(&self, tenant: &TenantId, id: &KeyId) -> PortResult<Option<StoredKey>> {
        const GET: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_keys WHERE tenant = $1 AND id = $2"
        );
        let row = self.database.row("key", GET, values![tenant, id]).await?;
        row.map(|row| self.key(tenant, &row)).transpose()
    }

    async fn active(&self, tenant: &TenantId, key_use: KeyUse) -> PortResult<Option<StoredKey>> {
        const ACTIVE: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_keys WHERE tenant = $1 AND key_use = $2 AND state = 'active'"
        );
        let values = values![tenant, key_use];
        let row = self.database.row("key", ACTIVE, values).await?;
        row.map(|row| self.key(tenant, &row)).transpose()
    }

    async fn list(
        &self,
        tenant: &TenantId,
        key_use: KeyUse,
        request: &PageRequest,
    ) -> PortResult<Page<StoredKey>> {
        const LIST: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_keys WHERE tenant = $1 AND key_use = $2 \
             AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT $5"
        );
        let key_use = Value::from(key_use);
        let use_name = match &key_use {
            Value::Text(name) => name.as_str(),
            _ => "",
        };
        let parts = ["keystore.list", tenant.as_str(), use_name];
        let list = List::new(&parts, request);
        let before: Option<(Timestamp, KeyId)> = list.after()?;
        let (created_at, id) = match &before {
            Some((created_at, id)) => (*created_at, id.as_str()),
            None => (Timestamp::MAX, AFTER_EVERY_ID),
        };
        let values = values![tenant, key_use.clone(), created_at, id, list.rows()];
        let rows = self.database.rows("key", LIST, values).await?;
        let keys = rows.iter().map(|row| self.key(tenant, row));
        let keys = keys.collect::<PortResult<_>>()?;
        list.page(keys, |key: &StoredKey| (key.created_at, key.id.clone()))
    }

    async fn rotate(
        &self,
        tenant: &TenantId,
        key_use: KeyUse,
        believed: Option<KeyId>,
        next: &KeyId,
        published_until: Timestamp,
        now: Timestamp,
    ) -> PortResult<StoredKey> {
        // Locks both keys as well as the ring: revoking one does not lock the ring.
        const LOCK: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM auth_keys WHERE tenant = $1 AND key_use = $2 \
             AND (id = $3 OR state = 'active') ORDER BY id"
        );
        const RETIRE: &str = "UPDATE auth_keys \
            SET state = 'retired', retired_at = $3, published_until = $4 \
            WHERE tenant = $1 AND id = $2";
        const ACTIVATE: &str = concat!(
            "UPDATE auth_keys SET state = 'active', activated_at = $3 \
             WHERE tenant = $1 AND id = $2 RETURNING ",
            columns!()
        );
        let believed = believed.as_ref();
        self.database
            .transaction(move |tx| {
                Box::pin(async move {
                    lock_ring(tx, tenant, key_use).await?;
                    let (mut chosen, mut active) = (None, None);
                    for row in tx.lock("key", LOCK, values![tenant, key_use, next]).await? {
                        let (id, state) = (row.get::<KeyId>(0)?, state(&row)?);
                        if state == KeyState::Active {
                            active = Some(id.clone());
                        }
                        if id == *next {
                            chosen = Some(state);
                        }
                    }
                    let chosen = chosen.ok_or(PortError::not_found("key"))?;
                    if active.as_ref() != believed {
                        return Err(PortError::stale("active key").into());
                    }
                    if chosen != KeyState::Next {
                        return Err(PortError::refused("next", "is not a next key").into());
                    }
                    if let Some(active) = &active {
                        let values = values![tenant, active, now, published_until];
                        tx.write(RETIRE, values).await?;
                    }
                    let row = tx.row("key", ACTIVATE, values![tenant, next, now]).await?;
                    let row = row.ok_or(PortError::not_found("key"))?;
                    Ok(self.key(tenant, &row)?)
                })
            })
            .await
    }

    async fn revoke(&self, tenant: &TenantId, id: &KeyId, now: Timestamp) -> PortResult<bool> {
        const REVOKE: &str = "UPDATE auth_keys SET state = 'revoked', revoked_at = $3 \
            WHERE tenant = $1 AND id = $2 AND state <> 'revoked'";
        Ok(self
            .database
            .write(REVOKE, values![tenant, id, now])
            .await?
            == 1)
    }

    async fn remove(&self, tenant: &TenantId, id: &KeyId) -> PortResult<bool> {
        const REMOVE: &str = "DELETE FROM auth_keys \
            WHERE tenant = $1 AND id = $2 AND state IN ('retired', 'revoked')";
        const STATE: &str = "SELECT state FROM auth_keys WHERE tenant = $1 AND id = $2";
        for _ in 0..TRIES {
            if self.database.write(REMOVE, values![tenant, id]).await? == 1 {
                return Ok(true);
            }
            let row = self.database.row("key", STATE, values![tenant, id]).await?;
            let state: Option<String> = row.map(|row| row.get(0)).transpose()?;
            match state.as_deref() {
                None => return Ok(false),
                Some(NEXT | ACTIVE) => {
                    return Err(PortError::refused("key", "is not out of use"));
                }
                // It went out of use between the two questions.
                Some(_) => {}
            }
        }
        Err(unsettled())
    }

    async fn public_set(
        &self,
        tenant: &TenantId,
        key_use: KeyUse,
        now: Timestamp,
    ) -> PortResult<Vec<PublicKey>> {
        const PUBLISHED: &str = "SELECT id, algorithm, public_key FROM auth_keys \
            WHERE tenant = $1 AND key_use = $2 AND (state IN ('next', 'active') \
            OR (state = 'retired' AND published_until > $3)) ORDER BY created_at DESC, id DESC";
        let values = values![tenant, key_use, now];
        let rows = self.database.rows("key", PUBLISHED, values).await?;
        rows.iter()
            .map(|row| {
                Ok(PublicKey {
                    id: row.get(0)?,
                    algorithm: row.get(1)?,
                    public: row.get(2)?,
                })
            })
            .collect()
    }

    async fn reseal(&self, tenant: &TenantId) -> PortResult<u64> {
        const OLDER: &str = "SELECT id, private_key, seal FROM auth_keys \
            WHERE tenant = $1 AND seal < $2 ORDER BY id";
        const RESEAL: &str = "UPDATE auth_keys SET private_key = $3, seal = $4 \
            WHERE tenant = $1 AND id = $2";
        self.database
            .transaction(move |tx| {
                Box::pin(async move {
                    let generation = self.sealing.generation();
                    let older = tx.lock("key", OLDER, values![tenant, generation]).await?;
                    for row in &older {
                        let id: KeyId = row.get(0)?;
                        let sealed: Vec<u8> = row.get(1)?;
                        let private = self.sealing.open(row.get(2)?, tenant, &id, &sealed)?;
                        let sealed = self.sealing.seal(tenant, &id, &private)?;
                        let values = values![tenant, &id, sealed, generation];
                        tx.write(RESEAL, values).await?;
                    }
                    Ok(older.len() as u64)
                })
            })
            .await
    }
}
