//! Writes to identities that are dropped half way.

use std::sync::Arc;

use portproof_ports::{
    Identity, IdentityFilter, IdentityId, IdentityState, IdentityStore, IdentityUpdate,
    PageRequest, Ports, TenantId, Version,
};

use super::{Identities, account, ada, email, id, new_identity, unverified, verified};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::{START, document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        creation_cancelled,
        update_cancelled,
        link_cancelled,
        unlink_cancelled,
        merge_cancelled,
        erasure_cancelled,
    ]
}

/// Everybody, and whom an identifier of each finds.
type Seen = (Vec<Identity>, Vec<Option<IdentityId>>);

impl Records for Identities {
    type Store = dyn IdentityStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn IdentityStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        let duplicate = vec![
            verified(email("second@example.com")?, minute(3)),
            unverified(account("google", "second")?),
        ];
        for identity in [
            ada()?,
            new_identity("duplicate", duplicate)?,
            new_identity("mark", vec![])?,
        ] {
            self.store.create(tenant, identity, START).await?;
        }
        Ok(())
    }

    async fn look(
        &self,
        store: &Arc<dyn IdentityStore>,
        tenant: &TenantId,
    ) -> Result<Seen, Failure> {
        let page = PageRequest::first(10)?;
        let all = store.list(tenant, &IdentityFilter::Every, &page).await?;
        let mut all = all.items;
        all.retain(|identity| identity.id.as_str() != "mark");
        let mut owners = Vec::new();
        for address in ["ada@example.com", "second@example.com", "new@example.com"] {
            let owner = store.find(tenant, &email(address)?).await?;
            owners.push(owner.map(|identity| identity.id));
        }
        Ok((all, owners))
    }

    async fn mark(&self, store: &Arc<dyn IdentityStore>, tenant: &TenantId) -> Checked {
        store.erase(tenant, &id("mark")?).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn IdentityStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        Ok(store.get(tenant, &id("mark")?).await?.is_none())
    }
}

/// A creation that is dropped wherever it waits stores the identity with all its identifiers or
/// nothing of it, and the next calls work.
///
/// Whoever hung up while registering would have an account that nothing finds, or an address that
/// is taken by nobody.
#[rule(
    "identity::create::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn creation_cancelled(w: &Identities) -> Checked {
    let identifiers = vec![
        unverified(email("new@example.com")?),
        verified(account("github", "new")?, minute(1)),
    ];
    let new = &new_identity("new", identifiers)?;
    whole(w, |store, tenant| async move {
        store.create(&tenant, new.clone(), START).await
    })
    .await
}

/// An update that is dropped wherever it waits replaces state and profile or neither, and the next
/// calls work.
///
/// Somebody would be blocked for a reason that the profile does not know yet.
#[rule(
    "identity::update::cancelled_is_whole",
    source = "sqlx #4393: after a cancelled begin every query of a pool failed for 20 minutes",
    environments = "pool_of_one"
)]
async fn update_cancelled(w: &Identities) -> Checked {
    let id = &id("Ada")?;
    let update = &IdentityUpdate {
        state: IdentityState::Blocked(minute(4)),
        profile: document("blocked")?,
    };
    whole(w, |store, tenant| async move {
        let seen = Version::FIRST;
        store
            .update(&tenant, id, seen, update.clone(), minute(5))
            .await
    })
    .await
}

/// A link that is dropped wherever it waits gives the identity the identifier, as verified as it
/// was, or does not, and the next calls work.
///
/// An identifier that finds an identity which does not have it can be taken from nobody.
#[rule(
    "identity::link::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn link_cancelled(w: &Identities) -> Checked {
    let id = &id("Ada")?;
    let new = &verified(email("new@example.com")?, minute(4));
    whole(w, |store, tenant| async move {
        store.link(&tenant, id, new.clone(), minute(5)).await
    })
    .await
}

/// An unlink that is dropped wherever it waits takes the identifier away or leaves it as it was, and
/// the next calls work.
///
/// An address that was given up would find its former owner, or a version would count a change that
/// never was.
#[rule(
    "identity::unlink::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn unlink_cancelled(w: &Identities) -> Checked {
    let (id, address) = (&id("Ada")?, &email("ada@example.com")?);
    whole(w, |store, tenant| async move {
        store.unlink(&tenant, id, address, minute(5)).await
    })
    .await
}

/// A merge that is dropped wherever it waits moves every identifier and erases the duplicate, or
/// does nothing, and the next calls work.
///
/// Half a merge is an account that was erased into nothing.
#[rule(
    "identity::merge::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    capability = "identity.merge",
    environments = "pool_of_one"
)]
async fn merge_cancelled(w: &Identities) -> Checked {
    let (survivor, duplicate) = (&id("Ada")?, &id("duplicate")?);
    whole(w, |store, tenant| async move {
        store.merge(&tenant, survivor, duplicate, minute(5)).await
    })
    .await
}

/// An erasure that is dropped wherever it waits ends the identity with all its identifiers or
/// nothing of it, and the next calls work.
///
/// Identifiers that outlive their identity can never be used again.
#[rule(
    "identity::erase::cancelled_is_whole",
    source = "spire #6946: rows that belonged to a deleted one stayed",
    environments = "pool_of_one"
)]
async fn erasure_cancelled(w: &Identities) -> Checked {
    let id = &id("Ada")?;
    whole(
        w,
        |store, tenant| async move { store.erase(&tenant, id).await },
    )
    .await
}
