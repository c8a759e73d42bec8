//! The keystore port's suite: the keys that sign and encrypt, and which of them is in use.

use std::sync::Arc;

use portproof_ports::{
    Document, KeyId, KeyState, KeyStore, KeyUse, NewKey, Ports, PrivateKey, StoredKey, TenantId,
    Text, Timestamp,
};
use serde_json::json;

use super::{
    fixture::{START, day, minute},
    offered,
};
use crate::{Checked, Context, Failure, Suite, World, check::equal};

mod cancelled;
mod ends;
mod life;
mod lists;
mod records;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::KeyStoreCall,
        "keystore::random::calls_in_turn",
        "keystore::random::calls_at_once"
    );
}

/// All rules of the keystore port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        life::cases(),
        ends::cases(),
        lists::cases(),
        walls::cases(),
        random::cases(),
        cancelled::cases(),
    ];
    Suite::new("keystore", parts.into_iter().flatten().collect())
}

/// A tenant with keys of both uses, and another with the same ids in it.
struct Keys {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn KeyStore>,
    /// The store through the second handle.
    other: Arc<dyn KeyStore>,
    tenant: TenantId,
    /// A tenant that has keys under the ids of `active` and `next`.
    elsewhere: TenantId,
    /// The signing key in use.
    active: StoredKey,
    /// A signing key that waits.
    next: StoredKey,
    /// What no case means.
    bystanders: Vec<(TenantId, StoredKey)>,
}

fn id(id: &str) -> Result<KeyId, Failure> {
    Ok(KeyId::new(id)?)
}

/// The private part of the key of this label: unlike any other, and not text.
fn private(label: &str) -> Result<PrivateKey, Failure> {
    let mut bytes = format!("private part of {label}, which nobody may see").into_bytes();
    bytes.extend([0x00, 0xff, 0x80, 0x0a]);
    Ok(PrivateKey::new(bytes)?)
}

/// A key with every field set, of this use.
fn key_for(key_use: KeyUse, name: &str) -> Result<NewKey, Failure> {
    Ok(NewKey {
        id: id(name)?,
        key_use,
        algorithm: Text::new("ES256")?,
        public: Document::new(
            json!({"kty": "EC", "crv": "P-256", "x": format!("x of {name}"), "y": "Ä"}),
        )?,
        private: private(name)?,
    })
}

/// A signing key.
fn signing(name: &str) -> Result<NewKey, Failure> {
    key_for(KeyUse::Signing, name)
}

/// Until when a key that retires in these tests is published.
const PUBLISHED_UNTIL: Timestamp = day(30);

impl World for Keys {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("keystore", context.stores().keystore.as_ref())?;
        let other = offered("keystore", context.second().keystore.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let mut bystanders = Vec::new();
        for (tenant, key) in [
            (&tenant, key_for(KeyUse::Encryption, "Active")?),
            (&tenant, key_for(KeyUse::Encryption, "active ")?),
            (&elsewhere, key_for(KeyUse::Signing, "active")?),
            (&elsewhere, key_for(KeyUse::Signing, "next")?),
        ] {
            let mut key = key;
            key.private = private(&format!("{:?}, which no case means", key.id))?;
            bystanders.push((tenant.clone(), store.insert(tenant, key, START).await?));
        }
        let used = [
            (&tenant, KeyUse::Encryption, 0),
            (&elsewhere, KeyUse::Signing, 2),
        ];
        for (tenant, key_use, number) in used {
            let id = bystanders[number].1.id.clone();
            bystanders[number].1 = store
                .rotate(tenant, key_use, None, &id, PUBLISHED_UNTIL, START)
                .await?;
        }
        store.insert(&tenant, signing("active")?, START).await?;
        let active = store
            .rotate(
                &tenant,
                KeyUse::Signing,
                None,
                &id("active")?,
                PUBLISHED_UNTIL,
                minute(1),
            )
            .await?;
        let next = store.insert(&tenant, signing("next")?, minute(2)).await?;
        Ok(Self {
            context,
            store,
            other,
            tenant,
            elsewhere,
            active,
            next,
            bystanders,
        })
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, key) in &self.bystanders {
            let found = self.store.get(tenant, &key.id).await?;
            equal(
                &format!(
                    "the key {:?} in tenant {tenant:?}, which nobody touched",
                    key.id
                ),
                &found.as_ref(),
                &Some(key),
            )?;
        }
        for (tenant, key_use, number) in [
            (&self.tenant, KeyUse::Encryption, 0),
            (&self.elsewhere, KeyUse::Signing, 2),
        ] {
            let found = self.store.active(tenant, key_use).await?;
            equal(
                "the active key of another use or tenant",
                &found.as_ref(),
                &Some(&self.bystanders[number].1),
            )?;
        }
        Ok(())
    }
}

impl Keys {
    /// A key as both handles see it.
    async fn seen(&self, id: &KeyId) -> Result<Option<StoredKey>, Failure> {
        let first = self.store.get(&self.tenant, id).await?;
        let second = self.other.get(&self.tenant, id).await?;
        equal("the second handle's view of the key", &second, &first)?;
        Ok(first)
    }

    /// The signing key in use, as both handles see it.
    async fn in_use(&self) -> Result<Option<StoredKey>, Failure> {
        let first = self.store.active(&self.tenant, KeyUse::Signing).await?;
        let second = self.other.active(&self.tenant, KeyUse::Signing).await?;
        equal("the second handle's active key", &second, &first)?;
        Ok(first)
    }

    /// Fails unless the two signing keys are as they were stored.
    async fn keys_unchanged(&self) -> Checked {
        equal(
            "the key in use",
            &self.in_use().await?.as_ref(),
            &Some(&self.active),
        )?;
        equal(
            "the active key",
            &self.seen(&self.active.id).await?.as_ref(),
            &Some(&self.active),
        )?;
        equal(
            "the next key",
            &self.seen(&self.next.id).await?.as_ref(),
            &Some(&self.next),
        )
    }

    /// Puts the next key in the place of the active one at this time.
    async fn rotate(&self, now: Timestamp) -> Result<StoredKey, Failure> {
        let active = Some(self.active.id.clone());
        let rotated = self.store.rotate(
            &self.tenant,
            KeyUse::Signing,
            active,
            &self.next.id,
            PUBLISHED_UNTIL,
            now,
        );
        Ok(rotated.await?)
    }

    /// The ids that others verify with at this time.
    async fn published(&self, now: Timestamp) -> Result<Vec<KeyId>, Failure> {
        let set = self
            .other
            .public_set(&self.tenant, KeyUse::Signing, now)
            .await?;
        Ok(set.into_iter().map(|key| key.id).collect())
    }

    /// One of the two handles, in turn.
    fn handle(&self, racer: usize) -> Arc<dyn KeyStore> {
        if racer.is_multiple_of(2) {
            self.store.clone()
        } else {
            self.other.clone()
        }
    }
}

/// The active key after it went out of use at this time.
fn retired(key: &StoredKey, now: Timestamp) -> StoredKey {
    StoredKey {
        state: KeyState::Retired {
            published_until: PUBLISHED_UNTIL,
        },
        retired_at: Some(now),
        ..key.clone()
    }
}
