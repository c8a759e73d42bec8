//! Writes to codes that are dropped half way.

use std::{num::NonZeroU32, sync::Arc};

use portproof_ports::{Code, CodeKinds, CodeStore, CodesOf, NewCode, Ports, TenantId};

use super::{Codes, ada, digest, kind, long_code, new_code};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        storing_cancelled,
        consumption_cancelled,
        guess_cancelled,
        revocation_of_all_cancelled,
    ]
}

/// The codes under every id that is written here.
type Seen = Vec<Option<Code>>;

impl Records for Codes {
    type Store = dyn CodeStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn CodeStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        // One more guess ends it.
        let guessed = NewCode {
            guesses: NonZeroU32::new(2),
            ..new_code("guessed")?
        };
        for code in [
            new_code("old")?,
            guessed,
            long_code("mark", "mark", "marks")?,
        ] {
            self.store.put(tenant, code, START).await?;
        }
        let authorization = kind("authorization_code")?;
        self.store
            .record_failure(tenant, &authorization, &digest("guessed"), START)
            .await?;
        Ok(())
    }

    async fn look(&self, store: &Arc<dyn CodeStore>, tenant: &TenantId) -> Result<Seen, Failure> {
        let authorization = kind("authorization_code")?;
        let mut found = Vec::new();
        for bearer in ["old", "guessed", "new"] {
            let id = digest(bearer);
            found.push(store.peek(tenant, &authorization, &id, minute(1)).await?);
        }
        Ok(found)
    }

    async fn mark(&self, store: &Arc<dyn CodeStore>, tenant: &TenantId) -> Checked {
        let authorization = kind("authorization_code")?;
        store
            .revoke(tenant, &authorization, &digest("mark"))
            .await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn CodeStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        let authorization = kind("authorization_code")?;
        let found = store
            .peek(tenant, &authorization, &digest("mark"), START)
            .await?;
        Ok(found.is_none())
    }
}

/// A code that is being stored when the call is dropped, wherever it waits, is stored whole or not at
/// all, and the next calls work.
///
/// A code without its PKCE challenge or its client is one that anybody may redeem.
#[rule(
    "codes::put::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn storing_cancelled(w: &Codes) -> Checked {
    let new = &new_code("new")?;
    whole(w, |store, tenant| async move {
        store.put(&tenant, new.clone(), START).await
    })
    .await
}

/// A consumption that is dropped wherever it waits uses the code up, which stays to tell of a replay,
/// or leaves it as it is, and the next calls work.
///
/// A code that is gone and was never consumed logs nobody in, and its replay looks like a typing
/// error.
#[rule(
    "codes::consume::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn consumption_cancelled(w: &Codes) -> Checked {
    let (authorization, id) = (&kind("authorization_code")?, &digest("old"));
    let bound_to = &w.subject.bound_to;
    whole(w, |store, tenant| async move {
        store
            .consume(&tenant, authorization, id, bound_to, minute(1))
            .await
    })
    .await
}

/// A wrong guess that is dropped wherever it waits is counted or not, and forgets none that was
/// counted before; the next calls work.
///
/// Who guesses and hangs up would have as many guesses as they like.
#[rule(
    "codes::record_failure::cancelled_is_whole",
    source = "the contract: a guess is counted, or there was none",
    environments = "pool_of_one"
)]
async fn guess_cancelled(w: &Codes) -> Checked {
    // The last guess there is: done again it counts nothing, since the code is dead then.
    let (authorization, id) = (&kind("authorization_code")?, &digest("guessed"));
    whole(w, |store, tenant| async move {
        store
            .record_failure(&tenant, authorization, id, minute(1))
            .await
    })
    .await
}

/// A revocation of all codes of an identity that is dropped wherever it waits ends all of them or
/// none, and the next calls work.
///
/// Who is told nothing tries again; who sees one of the codes gone believes that all are.
#[rule(
    "codes::revoke_all_of::cancelled_is_whole",
    source = "better-auth #10520: what was ended went on authenticating in a second store",
    environments = "pool_of_one"
)]
async fn revocation_of_all_cancelled(w: &Codes) -> Checked {
    let whose = &CodesOf::Identity(ada()?);
    whole(w, |store, tenant| async move {
        store.revoke_all_of(&tenant, whose, &CodeKinds::Every).await
    })
    .await
}
