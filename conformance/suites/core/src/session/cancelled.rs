//! Writes to sessions that are dropped half way.

use std::sync::Arc;

use portproof_ports::{Keep, PageRequest, Ports, Session, SessionStore, TenantId};

use super::{Sessions, ada, digest, long_session, new_session};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        creation_cancelled,
        rotation_cancelled,
        revocation_of_all_cancelled,
    ]
}

/// The sessions under every id that is written here, and Ada's as they are listed.
type Seen = (Vec<Option<Session>>, Vec<Session>);

impl Records for Sessions {
    type Store = dyn SessionStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn SessionStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        for session in [
            new_session("old")?,
            new_session("another")?,
            long_session("mark", None)?,
        ] {
            self.store.create(tenant, session, START).await?;
        }
        Ok(())
    }

    async fn look(
        &self,
        store: &Arc<dyn SessionStore>,
        tenant: &TenantId,
    ) -> Result<Seen, Failure> {
        let mut found = Vec::new();
        for bearer in ["old", "new"] {
            found.push(store.get(tenant, &digest(bearer), minute(1)).await?);
        }
        let page = PageRequest::first(10)?;
        let listed = store.list_of(tenant, &ada()?, minute(1), &page).await?;
        Ok((found, listed.items))
    }

    async fn mark(&self, store: &Arc<dyn SessionStore>, tenant: &TenantId) -> Checked {
        store.revoke(tenant, &digest("mark")).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn SessionStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        let found = store.get(tenant, &digest("mark"), START).await?;
        Ok(found.is_none())
    }
}

/// A creation that is dropped wherever it waits stores the whole session or none, and the next calls
/// work.
///
/// Of a login whose client hangs up, a session would stay that no list shows and nobody can end.
#[rule(
    "session::create::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn creation_cancelled(w: &Sessions) -> Checked {
    let new = &new_session("new")?;
    whole(w, |store, tenant| async move {
        store.create(&tenant, new.clone(), START).await
    })
    .await
}

/// A rotation that is dropped wherever it waits gives the session its new id or leaves it the old
/// one, and the next calls work.
///
/// Whoever hangs up at that moment would be logged out, or leave an id behind that still logs in.
#[rule(
    "session::rotate::cancelled_is_whole",
    source = "spring-session #1791: the old id stayed in the index after a change of ids",
    environments = "pool_of_one"
)]
async fn rotation_cancelled(w: &Sessions) -> Checked {
    let (old, new) = (&digest("old"), &digest("new"));
    whole(w, |store, tenant| async move {
        store.rotate(&tenant, old, new, minute(1)).await
    })
    .await
}

/// A revocation of all sessions of an identity that is dropped wherever it waits ends all of them or
/// none, and the next calls work.
///
/// Who is told nothing tries again; who sees one of the sessions gone believes that all are.
#[rule(
    "session::revoke_all_of::cancelled_is_whole",
    source = "better-auth #10520: ended sessions went on authenticating in a second store",
    environments = "pool_of_one"
)]
async fn revocation_of_all_cancelled(w: &Sessions) -> Checked {
    let ada = &ada()?;
    whole(w, |store, tenant| async move {
        store.revoke_all_of(&tenant, ada, &Keep::Nothing).await
    })
    .await
}
