//! Writes to grants and attributes that are dropped half way.

use std::sync::Arc;

use portproof_ports::{
    AssignmentStore, Attributes, Expected, Grant, GrantScope, NewGrant, PageRequest, Ports,
    Revocation, TenantId, Which,
};
use serde_json::json;

use super::{
    Assignments, ada, changes, facts, lasting, new_grant, role, role_draft, scope, scoped, subject,
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
        batch_cancelled,
        revocations_cancelled,
        move_cancelled,
        merge_cancelled,
        forgetting_cancelled,
    ]
}

/// Ada's grants, and what is known of her.
type Seen = (Vec<Grant>, Attributes);

impl Records for Assignments {
    type Store = dyn AssignmentStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn AssignmentStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        for id in ["editor", "viewer"] {
            let draft = role_draft(&role(id)?)?;
            self.policies
                .save_role(tenant, Expected::Absent, draft, START)
                .await?;
        }
        for grant in [
            new_grant("Ada", "editor", None)?,
            new_grant("Ada", "viewer", Some("here"))?,
            new_grant("Ada", "viewer", Some("taken"))?,
            lasting("mark", "viewer", None)?,
        ] {
            self.store.assign(tenant, grant, START).await?;
        }
        self.store
            .merge_attributes(tenant, &ada()?, &facts("Ada")?)
            .await?;
        Ok(())
    }

    async fn look(
        &self,
        store: &Arc<dyn AssignmentStore>,
        tenant: &TenantId,
    ) -> Result<Seen, Failure> {
        let (ada, page) = (ada()?, PageRequest::first(100)?);
        let grants = store.grants_of(tenant, &ada, &page).await?;
        let known = store.attributes(tenant, &ada).await?;
        Ok((grants.items, known))
    }

    async fn mark(&self, store: &Arc<dyn AssignmentStore>, tenant: &TenantId) -> Checked {
        let (mark, viewer) = (subject("mark")?, role("viewer")?);
        store.revoke(tenant, &mark, &viewer, &Which::Global).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn AssignmentStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        let (mark, page) = (subject("mark")?, PageRequest::first(10)?);
        let left = store.grants_of(tenant, &mark, &page).await?;
        Ok(left.items.is_empty())
    }
}

/// A batch of grants that is dropped wherever it waits is made whole or not at all, and the next
/// calls work.
///
/// Who got a part of what a job needs fails in the middle of it.
#[rule(
    "assignments::assign_many::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn batch_cancelled(w: &Assignments) -> Checked {
    // More than one statement's worth, and one that is there already with another window.
    let mut grants: Vec<NewGrant> = (0..23)
        .map(|number| new_grant("Ada", "viewer", Some(&format!("scope {number:02}"))))
        .collect::<Result<_, Failure>>()?;
    grants.push(lasting("Ada", "editor", None)?);
    let grants = &grants[..];
    whole(w, |store, tenant| async move {
        store.assign_many(&tenant, grants, minute(1)).await
    })
    .await
}

/// A batch of revocations that is dropped wherever it waits ends all that it names or nothing, and
/// the next calls work.
///
/// Who leaves a team would keep a part of what they could do in it.
#[rule(
    "assignments::revoke_many::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn revocations_cancelled(w: &Assignments) -> Checked {
    let of = |id, which| {
        Ok::<_, Failure>(Revocation {
            subject: ada()?,
            role: role(id)?,
            which,
        })
    };
    let revocations = &[of("editor", Which::Global)?, of("viewer", Which::Every)?][..];
    whole(w, |store, tenant| async move {
        store.revoke_many(&tenant, revocations).await
    })
    .await
}

/// A move of a grant to another scope that is dropped wherever it waits leaves one grant, in the one
/// scope or in the other, and in the other what was there before or what was moved there; the next
/// calls work.
///
/// Whoever was moved would hold the role in both places, or in none.
#[rule(
    "assignments::move_scope::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    capability = "assignments.move_scope",
    environments = "pool_of_one"
)]
async fn move_cancelled(w: &Assignments) -> Checked {
    let (ada, viewer) = (&ada()?, &role("viewer")?);
    let to = GrantScope::Scoped(scope("taken")?);
    let (from, to) = (&scoped("here")?, &to);
    whole(w, |store, tenant| async move {
        store.move_scope(&tenant, ada, viewer, from, to).await
    })
    .await
}

/// A merge of attributes that is dropped wherever it waits makes all the changes or none, and the
/// next calls work.
///
/// A policy would read a clearance of today with a department of yesterday.
#[rule(
    "assignments::merge_attributes::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn merge_cancelled(w: &Assignments) -> Checked {
    let (ada, changes) = (
        &ada()?,
        &changes([
            ("Clearance", None),
            ("clearance", Some(json!({"level": 8}))),
            ("department", Some(json!("research"))),
        ])?,
    );
    whole(w, |store, tenant| async move {
        store.merge_attributes(&tenant, ada, changes).await
    })
    .await
}

/// When a subject is forgotten and that is dropped wherever it waits, its grants and attributes are
/// all gone or all there, and the next calls work.
///
/// Whoever asked to be forgotten would be half remembered, with nothing left that says so.
#[rule(
    "assignments::forget::cancelled_is_whole",
    source = "spire #6946: rows that belonged to a deleted one stayed",
    environments = "pool_of_one"
)]
async fn forgetting_cancelled(w: &Assignments) -> Checked {
    let ada = &ada()?;
    whole(w, |store, tenant| async move {
        store.forget(&tenant, ada).await
    })
    .await
}
