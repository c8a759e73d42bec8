//! Mutants that remove many edges wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    EdgeFilter, HowMany, ObjectRef, PortResult, Ports, TenantId, WhichObjects, WhichSubjects,
};

use super::{Answer, Call, Table, asks, mutant};
use crate::edits::is_like;

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    const EXACTLY: &str = "relationships::delete_where::removes_exactly_what_is_meant";
    vec![
        asks(
            "relationships::removal_takes_all_of_a_type",
            EXACTLY,
            |call| {
                if let Call::DeleteWhere { filter, .. } = call
                    && let WhichSubjects::Of(object) = &filter.subjects
                {
                    filter.subjects = WhichSubjects::OfType(object.kind.clone());
                }
            },
        ),
        asks("relationships::removal_takes_sets_along", EXACTLY, |call| {
            if let Call::DeleteWhere { filter, .. } = call
                && let WhichSubjects::Only(subject) = &filter.subjects
            {
                filter.subjects = WhichSubjects::Of(subject.object().clone());
            }
        }),
        asks(
            "relationships::removal_knows_no_limit",
            "relationships::delete_where::keeps_to_at_most",
            |call| {
                if let Call::DeleteWhere { how_many, .. } = call {
                    *how_many = HowMany::Every;
                }
            },
        ),
        asks(
            "relationships::removal_takes_a_thousand",
            "relationships::delete_where::goes_beyond_a_page",
            |call| {
                if let Call::DeleteWhere { how_many, .. } = call
                    && *how_many == HowMany::Every
                {
                    *how_many = HowMany::AtMost(1000);
                }
            },
        )
        .re_enacts("AuthHero 7d9f138: a logout revoked the first 100 only"),
        mutant(
            "relationships::removal_leaves_what_ends_by_itself",
            "relationships::delete_where::takes_ended_edges",
            |table, call| async move {
                let Call::DeleteWhere { tenant, filter, .. } = &call else {
                    return table.call(call).await;
                };
                let meant = table
                    .rows(tenant, |row| row.until.is_none() && filter.means(&row.edge))
                    .await?;
                let mut removed = 0;
                for row in meant {
                    removed += u64::from(table.delete(tenant, &row.edge).await?);
                }
                Ok(Answer::DeleteWhere(removed))
            },
        ),
        mutant(
            "relationships::forget_ends_one_side",
            "relationships::forget::ends_both_sides",
            |table, call| async move {
                let Call::Forget { tenant, object } = &call else {
                    return table.call(call).await;
                };
                let ended = table.to_it(tenant, object, HowMany::Every).await?;
                Ok(Answer::Forget(ended))
            },
        )
        .re_enacts("spire #6946: rows that belonged to a deleted one stayed"),
        mutant(
            "relationships::forget_ends_a_thousand",
            "relationships::forget::goes_beyond_a_page",
            |table, call| async move {
                let Call::Forget { tenant, object } = &call else {
                    return table.call(call).await;
                };
                let thousand = HowMany::AtMost(1000);
                let to = table.to_it(tenant, object, thousand).await?;
                let from = table.of_it(tenant, object, thousand).await?;
                Ok(Answer::Forget(to + from))
            },
        ),
        mutant(
            "relationships::forget_takes_ids_for_patterns",
            "relationships::forget::of_nothing_is_zero",
            |table, call| async move {
                let Call::Forget { tenant, object } = &call else {
                    return table.call(call).await;
                };
                let is_meant = |other: &ObjectRef| {
                    other.kind == object.kind && is_like(object.id.as_str(), other.id.as_str())
                };
                let rows = table.rows(tenant, |row| {
                    is_meant(&row.edge.object) || is_meant(row.edge.subject.object())
                });
                let mut ended = 0;
                for row in rows.await? {
                    ended += u64::from(table.delete(tenant, &row.edge).await?);
                }
                Ok(Answer::Forget(ended))
            },
        ),
    ]
}

impl Table {
    /// Removes the edges to an object.
    pub(super) async fn to_it(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
        how_many: HowMany,
    ) -> PortResult<u64> {
        let filter = EdgeFilter {
            objects: WhichObjects::Only(object.clone()),
            ..EdgeFilter::EVERY
        };
        self.store.delete_where(tenant, &filter, how_many).await
    }

    /// Removes the edges of an object and of its sets.
    pub(super) async fn of_it(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
        how_many: HowMany,
    ) -> PortResult<u64> {
        let filter = EdgeFilter {
            subjects: WhichSubjects::Of(object.clone()),
            ..EdgeFilter::EVERY
        };
        self.store.delete_where(tenant, &filter, how_many).await
    }
}
