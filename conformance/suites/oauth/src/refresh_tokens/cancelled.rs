//! Writes to families that are dropped half way.

use std::sync::Arc;

use portproof_ports::{
    ClientId, FamiliesOf, Family, NewFamily, PageRequest, Ports, RefreshToken, RefreshTokenStore,
    TenantId,
};

use super::{Families, LEEWAY, ada, app, digest, id, long_family, new_family};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        issue_cancelled,
        rotation_cancelled,
        reuse_cancelled,
        revocation_cancelled,
        revocation_of_all_cancelled,
        sweep_cancelled,
    ]
}

/// Every token that is written here, as it is found, and Ada's families as they are listed.
type Seen = (Vec<Option<RefreshToken>>, Vec<Family>);

impl Records for Families {
    type Store = dyn RefreshTokenStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn RefreshTokenStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        let mark = NewFamily {
            client: ClientId::new("mark")?,
            ..long_family("mark", "mark")?
        };
        for family in [new_family("old")?, long_family("another", "Ada")?, mark] {
            self.store.issue(tenant, family, START).await?;
        }
        self.store
            .rotate(
                tenant,
                &app()?,
                &digest("old"),
                &digest("current"),
                None,
                START,
            )
            .await?;
        Ok(())
    }

    async fn look(
        &self,
        store: &Arc<dyn RefreshTokenStore>,
        tenant: &TenantId,
    ) -> Result<Seen, Failure> {
        let mut found = Vec::new();
        for bearer in ["old", "current", "another", "new"] {
            found.push(store.get(tenant, &digest(bearer), minute(1)).await?);
        }
        let page = PageRequest::first(10)?;
        let listed = store.list_of(tenant, &ada()?, minute(1), &page).await?;
        Ok((found, listed.items))
    }

    async fn mark(&self, store: &Arc<dyn RefreshTokenStore>, tenant: &TenantId) -> Checked {
        store.revoke(tenant, &id("mark")?).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn RefreshTokenStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        let found = store.get(tenant, &digest("mark"), START).await?;
        Ok(found.is_none())
    }
}

/// An issue that is dropped wherever it waits stores the family with its token or neither, and the
/// next calls work.
///
/// A family without a token is in the list of somebody's logins, and is of use to nobody.
#[rule(
    "refresh_tokens::issue::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn issue_cancelled(w: &Families) -> Checked {
    let new = &new_family("new")?;
    whole(w, |store, tenant| async move {
        store.issue(&tenant, new.clone(), START).await
    })
    .await
}

/// A rotation that is dropped wherever it waits spends the old token and has the new one in its place,
/// or leaves the family as it is, and the next calls work.
///
/// A client whose connection breaks at that moment has an old token that is spent and no new one: its
/// user is logged out, or taken for a thief.
#[rule(
    "refresh_tokens::rotate::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn rotation_cancelled(w: &Families) -> Checked {
    let (client, old, new) = (&app()?, &digest("current"), &digest("new"));
    // Done again it is a retry, which changes nothing.
    whole(w, |store, tenant| async move {
        store
            .rotate(&tenant, client, old, new, Some(LEEWAY), minute(1))
            .await
    })
    .await
}

/// A reuse whose call is dropped wherever it waits ends the family with all its tokens, or is as if it
/// had not been, and the next calls work.
///
/// A thief who hangs up would keep a token that works, or the owner a family that nothing rotates.
#[rule(
    "refresh_tokens::reuse::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn reuse_cancelled(w: &Families) -> Checked {
    let (client, spent, new) = (&app()?, &digest("old"), &digest("new"));
    whole(w, |store, tenant| async move {
        store
            .rotate(&tenant, client, spent, new, None, minute(1))
            .await
    })
    .await
}

/// A revocation that is dropped wherever it waits ends the family with all its tokens or leaves it as
/// it is, and the next calls work.
///
/// What is in no list and still gets access tokens is what nobody revokes again.
#[rule(
    "refresh_tokens::revoke::cancelled_is_whole",
    source = "better-auth #10520: what was ended went on authenticating in a second store",
    environments = "pool_of_one"
)]
async fn revocation_cancelled(w: &Families) -> Checked {
    let family = &id("old")?;
    whole(w, |store, tenant| async move {
        store.revoke(&tenant, family).await
    })
    .await
}

/// A revocation of all families of an identity that is dropped wherever it waits ends all of them or
/// none, and the next calls work.
///
/// Who is told nothing tries again; who sees one of the logins gone believes that all are.
#[rule(
    "refresh_tokens::revoke_all_of::cancelled_is_whole",
    source = "better-auth #10520: what was ended went on authenticating in a second store",
    environments = "pool_of_one"
)]
async fn revocation_of_all_cancelled(w: &Families) -> Checked {
    let whose = &FamiliesOf::Identity(ada()?);
    whole(w, |store, tenant| async move {
        store.revoke_all_of(&tenant, whose).await
    })
    .await
}

/// A sweep that is dropped wherever it waits has removed a family with all its tokens or left it with
/// all of them, and the next calls work.
///
/// Of a family that lost its spent tokens, and is over by the sweeper's clock only, reuse goes
/// unnoticed.
#[rule(
    "refresh_tokens::sweep::cancelled_is_whole",
    source = "AuthHero 6503423: a cleanup removed what a living record needed",
    environments = "pool_of_one"
)]
async fn sweep_cancelled(w: &Families) -> Checked {
    // One family is over then: of several, a sweep that is dropped may have removed a part.
    whole(w, |store, tenant| async move {
        store.sweep(&tenant, minute(30), 10).await
    })
    .await
}
