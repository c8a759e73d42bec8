//! Who stands in which relation to what: the relationship port in memory.

use async_trait::async_trait;
use portproof_ports::{
    Edge, EdgeBatch, EdgeFilter, EdgeWrite, HowMany, ObjectRef, Page, PageRequest, PortError,
    PortResult, Precondition, Relationship, RelationshipStore, SubjectRef, TenantId, Timestamp,
    WhichRelations, WhichTypes,
};

use crate::{MemoryAdapter, lists::page, state::Tenant};

#[async_trait]
impl RelationshipStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn write(&self, tenant: &TenantId, batch: &EdgeBatch, now: Timestamp) -> PortResult<()> {
        batch.check(now)?;
        self.step(tenant, |tenant| {
            let all_hold = batch.preconditions().iter().all(|condition| {
                let is_there = |filter: &EdgeFilter| {
                    let mut live = tenant.edges.values().filter(|edge| edge.is_live(now));
                    live.any(|stored| filter.means(&stored.edge))
                };
                match condition {
                    Precondition::MustExist(filter) => is_there(filter),
                    Precondition::MustNotExist(filter) => !is_there(filter),
                }
            });
            if !all_hold {
                return Err(PortError::stale("precondition"));
            }
            let is_taken = |write: &EdgeWrite| {
                let is_create = matches!(write, EdgeWrite::Create(_));
                is_create && live(tenant, write.edge(), now).is_some()
            };
            if batch.writes().iter().any(is_taken) {
                return Err(PortError::already_exists("relationship"));
            }
            for write in batch.writes() {
                match write.stored() {
                    Some(given) => tenant.edges.insert(given.edge.clone(), given.clone()),
                    None => tenant.edges.remove(write.edge()),
                };
            }
            Ok(())
        })
    }

    async fn get(
        &self,
        tenant: &TenantId,
        edge: &Edge,
        now: Timestamp,
    ) -> PortResult<Option<Relationship>> {
        self.step(tenant, |tenant| Ok(live(tenant, edge, now).cloned()))
    }

    async fn exists(&self, tenant: &TenantId, edge: &Edge, now: Timestamp) -> PortResult<bool> {
        self.step(tenant, |tenant| Ok(live(tenant, edge, now).is_some()))
    }

    async fn from(
        &self,
        tenant: &TenantId,
        subject: &SubjectRef,
        relations: &WhichRelations,
        types: &WhichTypes,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<Relationship>> {
        self.step(tenant, |stored| {
            let theirs = stored
                .edges
                .values()
                .filter(|stored| {
                    stored.edge.subject == *subject
                        && relations.mean(&stored.edge.relation)
                        && types.mean(&stored.edge.object.kind)
                        && stored.is_live(now)
                })
                .map(|stored| {
                    let Edge {
                        relation, object, ..
                    } = stored.edge.clone();
                    ((relation, object), stored)
                });
            let filter = (subject, relations, types);
            page("relationships.from", tenant, &filter, request, theirs)
        })
    }

    async fn to(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
        relations: &WhichRelations,
        types: &WhichTypes,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<Relationship>> {
        self.step(tenant, |stored| {
            let to_it = stored
                .edges
                .values()
                .filter(|stored| {
                    stored.edge.object == *object
                        && relations.mean(&stored.edge.relation)
                        && types.mean(&stored.edge.subject.object().kind)
                        && stored.is_live(now)
                })
                .map(|stored| {
                    let Edge {
                        relation, subject, ..
                    } = stored.edge.clone();
                    ((relation, subject), stored)
                });
            let filter = (object, relations, types);
            page("relationships.to", tenant, &filter, request, to_it)
        })
    }

    async fn delete_where(
        &self,
        tenant: &TenantId,
        filter: &EdgeFilter,
        how_many: HowMany,
    ) -> PortResult<u64> {
        let at_most = match how_many {
            HowMany::Every => usize::MAX,
            HowMany::AtMost(most) => most as usize,
        };
        self.step(tenant, |tenant| {
            Ok(end(tenant, at_most, |stored| filter.means(&stored.edge)))
        })
    }

    async fn forget(&self, tenant: &TenantId, object: &ObjectRef) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            Ok(end(tenant, usize::MAX, |stored| {
                stored.edge.object == *object || stored.edge.subject.object() == object
            }))
        })
    }

    async fn sweep(&self, tenant: &TenantId, now: Timestamp, at_most: u32) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            Ok(end(tenant, at_most as usize, |stored| !stored.is_live(now)))
        })
    }
}

/// The edge, if it is there at `now`.
fn live<'a>(tenant: &'a Tenant, edge: &Edge, now: Timestamp) -> Option<&'a Relationship> {
    let stored = tenant.edges.get(edge);
    stored.filter(|stored| stored.is_live(now))
}

/// Removes at most so many of the edges that `ends` holds for; answers how many.
fn end(tenant: &mut Tenant, at_most: usize, ends: impl Fn(&Relationship) -> bool) -> u64 {
    let ended = tenant.edges.extract_if(.., |_, stored| ends(stored));
    ended.take(at_most).count() as u64
}
