//! Writes to credentials that are dropped half way.

use std::sync::Arc;

use portproof_ports::{
    Credential, CredentialId, CredentialKind, CredentialStore, Kinds, OldSecret, PageRequest,
    PastSecret, Ports, TenantId, Version,
};

use super::{Credentials, api_key, code, digest, id, identity, new_credential, of, totp};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::{START, day, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        addition_cancelled,
        replacement_cancelled,
        consumption_cancelled,
        removal_cancelled,
        removal_of_all_cancelled,
    ]
}

/// Ada's credentials, what the digests of API keys find, and the history of one.
type Seen = (Vec<Credential>, Vec<Option<CredentialId>>, Vec<PastSecret>);

impl Records for Credentials {
    type Store = dyn CredentialStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn CredentialStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        for credential in [
            new_credential("key", api_key("key"))?,
            new_credential("code", code("code"))?,
            of("somebody else", "mark", totp("mark")?)?,
        ] {
            self.store.add(tenant, credential, START).await?;
        }
        Ok(())
    }

    async fn look(
        &self,
        store: &Arc<dyn CredentialStore>,
        tenant: &TenantId,
    ) -> Result<Seen, Failure> {
        let page = PageRequest::first(10)?;
        let of_ada = store
            .list_of(tenant, &identity("Ada")?, &Kinds::Every, &page)
            .await?;
        let mut found = Vec::new();
        for key in ["key", "new key"] {
            let kind = CredentialKind::ApiKey;
            let owner = store.find(tenant, kind, &digest(key), minute(5)).await?;
            found.push(owner.map(|credential| credential.id));
        }
        let history = store.history(tenant, &id("key")?, &page).await?;
        Ok((of_ada.items, found, history.items))
    }

    async fn mark(&self, store: &Arc<dyn CredentialStore>, tenant: &TenantId) -> Checked {
        store.remove(tenant, &id("mark")?).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn CredentialStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        Ok(store.get(tenant, &id("mark")?).await?.is_none())
    }
}

/// An addition that is dropped wherever it waits stores the credential, found by its digest, or
/// nothing of it, and the next calls work.
///
/// A key that was shown to its owner would be listed and log nobody in.
#[rule(
    "credentials::add::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn addition_cancelled(w: &Credentials) -> Checked {
    let new = &new_credential("new", api_key("new key"))?;
    whole(w, |store, tenant| async move {
        store.add(&tenant, new.clone(), minute(1)).await
    })
    .await
}

/// A replacement that is dropped wherever it waits puts the new secret in the place of the old one,
/// which goes to the history, or leaves all as it was, and the next calls work.
///
/// Otherwise neither the old key nor the new one works, or both do for ever.
#[rule(
    "credentials::replace::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn replacement_cancelled(w: &Credentials) -> Checked {
    let (id, secret, old) = (
        &id("key")?,
        &api_key("new key"),
        OldSecret::ValidUntil(day(2)),
    );
    whole(w, |store, tenant| async move {
        let seen = Version::FIRST;
        store
            .replace(&tenant, id, seen, secret.clone(), old, minute(2))
            .await
    })
    .await
}

/// A use of a recovery code that is dropped wherever it waits uses it up or leaves it as it was, and
/// the next calls work.
///
/// Whoever lost the connection would have a code that is of no use and was never used.
#[rule(
    "credentials::consume::cancelled_is_whole",
    source = "sqlx #4393: after a cancelled begin every query of a pool failed for 20 minutes",
    environments = "pool_of_one"
)]
async fn consumption_cancelled(w: &Credentials) -> Checked {
    let id = &id("code")?;
    whole(w, |store, tenant| async move {
        store.consume(&tenant, id, minute(2)).await
    })
    .await
}

/// A removal that is dropped wherever it waits ends the credential with its digests and its history,
/// or nothing of it, and the next calls work.
///
/// A key that no list shows any more would still log in.
#[rule(
    "credentials::remove::cancelled_is_whole",
    source = "spire #6946: rows that belonged to a deleted one stayed",
    environments = "pool_of_one"
)]
async fn removal_cancelled(w: &Credentials) -> Checked {
    let id = &id("key")?;
    whole(
        w,
        |store, tenant| async move { store.remove(&tenant, id).await },
    )
    .await
}

/// A removal of all credentials of an identity that is dropped wherever it waits ends all of them or
/// none, and the next calls work.
///
/// After a theft, what was not removed is what the thief has.
#[rule(
    "credentials::remove_all_of::cancelled_is_whole",
    source = "spire #6946: rows that belonged to a deleted one stayed",
    environments = "pool_of_one"
)]
async fn removal_of_all_cancelled(w: &Credentials) -> Checked {
    let ada = &identity("Ada")?;
    whole(w, |store, tenant| async move {
        store.remove_all_of(&tenant, ada, &Kinds::Every).await
    })
    .await
}
