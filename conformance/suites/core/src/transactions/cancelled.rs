//! Transactions that are dropped half way.

use std::sync::Arc;

use portproof_ports::{Ports, TenantId, in_transaction};

use super::{Bundle, Views};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases, rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![cancelled]
}

impl Records for Bundle {
    type Store = Ports;
    type State = Vec<Views>;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<Ports>; 2] {
        [&self.first, &self.second]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        for probe in self.few() {
            probe.write(&self.first, tenant, "older").await?;
        }
        Ok(())
    }

    async fn look(&self, store: &Arc<Ports>, tenant: &TenantId) -> Result<Vec<Views>, Failure> {
        let mut all = Vec::new();
        for name in ["older", "new"] {
            for probe in self.few() {
                all.push(probe.look(store, tenant, name).await?);
            }
        }
        Ok(all)
    }

    async fn mark(&self, store: &Arc<Ports>, tenant: &TenantId) -> Checked {
        for probe in self.few() {
            probe.write(store, tenant, "mark").await?;
        }
        Ok(())
    }

    async fn is_marked(&self, store: &Arc<Ports>, tenant: &TenantId) -> Result<bool, Failure> {
        for probe in self.few() {
            let views = probe.look(store, tenant, "mark").await?;
            if views.iter().any(Option::is_none) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A transaction that is dropped wherever it waits, from its beginning to its commit, is done in all
/// ports or in none, and the next calls work.
///
/// Whoever hangs up during a sign-up would have an account that they cannot log in to.
#[rule(
    "transactions::commit::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one, isolation"
)]
async fn cancelled(w: &Bundle) -> Checked {
    let probes = &w.few();
    whole(w, |ports, tenant| async move {
        in_transaction(&ports, |inside| async move {
            for probe in probes {
                probe.write(&inside, &tenant, "new").await?;
            }
            Ok(())
        })
        .await
    })
    .await
}
