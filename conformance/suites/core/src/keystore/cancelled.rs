//! Writes to the keystore that are dropped half way.

use std::sync::Arc;

use portproof_ports::{KeyId, KeyState, KeyStore, KeyUse, PageRequest, Ports, StoredKey, TenantId};

use super::{Keys, PUBLISHED_UNTIL, id, key_for, signing};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![insertion_cancelled, rotation_cancelled]
}

/// The signing keys, and the one in use.
type Seen = (Vec<StoredKey>, Option<StoredKey>);

/// The key whose revocation is the next write: of the other use, so that no look looks at it.
const MARK: &str = "mark";

impl Records for Keys {
    type Store = dyn KeyStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn KeyStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        let mark = key_for(KeyUse::Encryption, MARK)?;
        for key in [signing("active")?, signing("next")?, mark] {
            self.store.insert(tenant, key, START).await?;
        }
        let (active, until) = (&id("active")?, PUBLISHED_UNTIL);
        self.store
            .rotate(tenant, KeyUse::Signing, None, active, until, minute(1))
            .await?;
        Ok(())
    }

    async fn look(&self, store: &Arc<dyn KeyStore>, tenant: &TenantId) -> Result<Seen, Failure> {
        let page = PageRequest::first(10)?;
        let all = store.list(tenant, KeyUse::Signing, &page).await?;
        let active = store.active(tenant, KeyUse::Signing).await?;
        Ok((all.items, active))
    }

    async fn mark(&self, store: &Arc<dyn KeyStore>, tenant: &TenantId) -> Checked {
        store.revoke(tenant, &id(MARK)?, minute(1)).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn KeyStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        let found = store.get(tenant, &id(MARK)?).await?;
        Ok(found.is_some_and(|key| key.state == KeyState::Revoked))
    }
}

/// An insertion that is dropped wherever it waits stores the whole key or nothing of it, and the
/// next calls work.
///
/// A key without its other half signs tokens that nobody can verify.
#[rule(
    "keystore::insert::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn insertion_cancelled(w: &Keys) -> Checked {
    let new = &signing("new")?;
    whole(w, |store, tenant| async move {
        store.insert(&tenant, new.clone(), minute(2)).await
    })
    .await
}

/// A rotation that is dropped wherever it waits puts the next key in the place of the active one, or
/// leaves both as they were, and the next calls work.
///
/// Between the two steps there is no active key: nobody could log in until somebody noticed.
#[rule(
    "keystore::rotate::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn rotation_cancelled(w: &Keys) -> Checked {
    let (active, next) = (&id("active")?, &id("next")?);
    whole(w, |store, tenant| async move {
        let (believed, until): (Option<KeyId>, _) = (Some(active.clone()), PUBLISHED_UNTIL);
        store
            .rotate(&tenant, KeyUse::Signing, believed, next, until, minute(3))
            .await
    })
    .await
}
