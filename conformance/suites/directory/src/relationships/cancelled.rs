//! Writes that are dropped half way.

use std::sync::Arc;

use portproof_ports::{
    EdgeBatch, EdgeFilter, EdgeWrite, HowMany, Ports, Precondition, Relationship,
    RelationshipStore, TenantId, WhichSubjects,
};

use super::{Graph, edge, full, just, object, plain, subject, touches};
use crate::{
    Case, Checked, Context, Failure,
    cancel::{Records, whole},
    cases,
    fixture::START,
    rule, walk,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![write_cancelled, removal_cancelled, forgetting_cancelled]
}

/// The edges of a group, and those to it.
type Seen = (Vec<Relationship>, Vec<Relationship>);

impl Records for Graph {
    type Store = dyn RelationshipStore;
    type State = Seen;

    fn context(&self) -> &Context<Ports> {
        &self.context
    }

    fn handles(&self) -> [&Arc<dyn RelationshipStore>; 2] {
        [&self.store, &self.other]
    }

    async fn prepare(&self, tenant: &TenantId) -> Checked {
        let mut given = vec![plain(edge("mark:1", "marks", "mark:1")?)];
        for number in 0..30 {
            let (thing, user) = (format!("doc:{number:02}"), format!("user:{number:02}"));
            given.push(full(edge("group:eng", "viewer", &thing)?, &thing)?);
            given.push(full(edge(&user, "member", "group:eng")?, &user)?);
        }
        self.store.write(tenant, &touches(&given)?, START).await?;
        Ok(())
    }

    async fn look(
        &self,
        store: &Arc<dyn RelationshipStore>,
        tenant: &TenantId,
    ) -> Result<Seen, Failure> {
        let (relations, types) = (
            &portproof_ports::WhichRelations::Every,
            &portproof_ports::WhichTypes::Every,
        );
        let (from, to) = (&subject("group:eng")?, &object("group:eng")?);
        let from = walk::all(1000, |page| async move {
            store
                .from(tenant, from, relations, types, START, &page)
                .await
        })
        .await?;
        let to = walk::all(1000, |page| async move {
            store.to(tenant, to, relations, types, START, &page).await
        })
        .await?;
        Ok((from, to))
    }

    async fn mark(&self, store: &Arc<dyn RelationshipStore>, tenant: &TenantId) -> Checked {
        let batch = just(EdgeWrite::Delete(edge("mark:1", "marks", "mark:1")?))?;
        store.write(tenant, &batch, START).await?;
        Ok(())
    }

    async fn is_marked(
        &self,
        store: &Arc<dyn RelationshipStore>,
        tenant: &TenantId,
    ) -> Result<bool, Failure> {
        let mark = edge("mark:1", "marks", "mark:1")?;
        Ok(!store.exists(tenant, &mark, START).await?)
    }
}

/// A batch that is dropped wherever it waits is written whole or not at all, and the next calls work.
///
/// Who is moved from one team to another by a request that was given up would be in both, or in none.
#[rule(
    "relationships::write::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn write_cancelled(w: &Graph) -> Checked {
    // Of every kind more than one statement's worth, on one side of the group.
    let writes: Vec<EdgeWrite> = (0..45)
        .map(|number| {
            let edge = edge("group:eng", "viewer", &format!("doc:{number:02}"))?;
            Ok(match number {
                0..15 => EdgeWrite::Delete(edge),
                15..30 => EdgeWrite::Touch(plain(edge)),
                _ => EdgeWrite::Create(full(edge, "created")?),
            })
        })
        .collect::<Result<_, Failure>>()?;
    let first = edge("group:eng", "viewer", "doc:00")?;
    let condition = Precondition::MustExist(EdgeFilter::only(&first));
    let batch = &EdgeBatch::new(writes)?.given(vec![condition])?;
    whole(w, |store, tenant| async move {
        store.write(&tenant, batch, START).await
    })
    .await
}

/// A removal by a filter that is dropped wherever it waits removes all that are meant or nothing, and the
/// next calls work.
///
/// Whoever was to lose everything would keep a part of it, and nobody would know which.
#[rule(
    "relationships::delete_where::cancelled_is_whole",
    source = "sqlx #4385: a cancelled begin left its transaction open in the pool",
    environments = "pool_of_one"
)]
async fn removal_cancelled(w: &Graph) -> Checked {
    let filter = &EdgeFilter {
        subjects: WhichSubjects::Of(object("group:eng")?),
        ..EdgeFilter::EVERY
    };
    whole(w, |store, tenant| async move {
        store.delete_where(&tenant, filter, HowMany::Every).await
    })
    .await
}

/// When an object is forgotten and that is dropped wherever it waits, all edges on both of its sides are
/// gone or all there, and the next calls work.
///
/// A group that lost its members and kept its rights gives them to whoever joins the next of its name.
#[rule(
    "relationships::forget::cancelled_is_whole",
    source = "spire #6946: rows that belonged to a deleted one stayed",
    environments = "pool_of_one"
)]
async fn forgetting_cancelled(w: &Graph) -> Checked {
    let group = &object("group:eng")?;
    whole(w, |store, tenant| async move {
        store.forget(&tenant, group).await
    })
    .await
}
