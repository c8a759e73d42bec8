//! Writes to policies and roles that are dropped half way.

use std::sync::Arc;

use portproof_ports::{
    Expected, Grant, GrantScope, NewGrant, PageRequest, Policy, PolicyStore, Ports, Role,
    SubjectId, TenantId, Window,
};

use super::{
    Book,
    kind::{Kind, Policies, Roles},
};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        saved_policy_cancelled,
        saved_role_cancelled,
        deleted_role_cancelled,
    ]
}

/// A policy and a role, and whoever holds the role if there is a port of assignments.
type Seen = (Option<Policy>, Option<Role>, Vec<Grant>);

impl Records for Book {
    type Store = dyn PolicyStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn PolicyStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        let (policy, mark) = (Policies::full("policy", "old")?, Policies::bare("mark")?);
        for draft in [policy, mark] {
            self.store
                .save_policy(tenant, Expected::Absent, draft, START)
                .await?;
        }
        let draft = Roles::full("role", "old")?;
        let role = draft.id.clone();
        self.store
            .save_role(tenant, Expected::Absent, draft, START)
            .await?;
        if let Some(assignments) = &self.context.stores().assignments {
            let new = NewGrant {
                subject: SubjectId::new("Ada")?,
                role,
                scope: GrantScope::Global,
                window: Window::ALWAYS,
            };
            assignments.assign(tenant, new, START).await?;
        }
        Ok(())
    }

    async fn look(&self, store: &Arc<dyn PolicyStore>, tenant: &TenantId) -> Result<Seen, Failure> {
        let (policy, role) = (Policies::id("policy")?, Roles::id("role")?);
        let is_first = Arc::ptr_eq(store, &self.store);
        let ports = if is_first {
            self.context.stores()
        } else {
            self.context.second()
        };
        let held = match &ports.assignments {
            None => Vec::new(),
            Some(assignments) => {
                let page = PageRequest::first(10)?;
                assignments.holders_of(tenant, &role, &page).await?.items
            }
        };
        Ok((
            store.get_policy(tenant, &policy).await?,
            store.get_role(tenant, &role).await?,
            held,
        ))
    }

    async fn mark(&self, store: &Arc<dyn PolicyStore>, tenant: &TenantId) -> Checked {
        store.delete_policy(tenant, &Policies::id("mark")?).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn PolicyStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        let found = store.get_policy(tenant, &Policies::id("mark")?).await?;
        Ok(found.is_none())
    }
}

/// A policy whose replacement is dropped wherever it waits is the new one or the old one, whole, and
/// the next calls work.
///
/// Without the policy that forbids something, everybody may do it.
#[rule(
    "policies::save_policy::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn saved_policy_cancelled(w: &Book) -> Checked {
    let draft = &Policies::full("policy", "new")?;
    whole(w, |store, tenant| async move {
        let expected = Expected::Anything;
        store
            .save_policy(&tenant, expected, draft.clone(), minute(1))
            .await
    })
    .await
}

/// A role whose replacement is dropped wherever it waits is the new one or the old one, whole and
/// held as before, and the next calls work.
///
/// An edit of a role would take it from everybody who holds it.
#[rule(
    "policies::save_role::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn saved_role_cancelled(w: &Book) -> Checked {
    let draft = &Roles::full("role", "new")?;
    whole(w, |store, tenant| async move {
        let expected = Expected::Anything;
        store
            .save_role(&tenant, expected, draft.clone(), minute(1))
            .await
    })
    .await
}

/// A role whose deletion is dropped wherever it waits is gone with all its grants, or neither is,
/// and the next calls work.
///
/// Grants that outlive their role come back to life when its id is used again.
#[rule(
    "policies::delete_role::cancelled_is_whole",
    source = "spire #6946: rows that belonged to a deleted one stayed",
    environments = "pool_of_one"
)]
async fn deleted_role_cancelled(w: &Book) -> Checked {
    let id = &Roles::id("role")?;
    whole(w, |store, tenant| async move {
        store.delete_role(&tenant, id).await
    })
    .await
}
