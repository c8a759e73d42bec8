//! Which tenants there are, and the end of all that one has: the tenants port in memory.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use async_trait::async_trait;
use portproof_ports::{
    Attributes, Cursor, Page, PageRequest, PortError, PortResult, Position, SubjectId, TenantDraft,
    TenantId, TenantStore, Timestamp, Version,
};

use crate::{MemoryAdapter, state::Tenant};

/// What a cursor of the list is bound to: there is one list.
const LIST: [&str; 1] = ["tenants.list"];

#[async_trait]
impl TenantStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn create(
        &self,
        tenant: &TenantId,
        draft: TenantDraft,
        now: Timestamp,
    ) -> PortResult<portproof_ports::Tenant> {
        self.step(tenant, |stored| {
            if stored.record.is_some() {
                return Err(PortError::already_exists("tenant"));
            }
            let record = portproof_ports::Tenant {
                id: tenant.clone(),
                name: draft.name,
                settings: draft.settings,
                version: Version::FIRST,
                created_at: now,
                updated_at: now,
            };
            stored.record = Some(record.clone());
            Ok(record)
        })
    }

    async fn get(&self, tenant: &TenantId) -> PortResult<Option<portproof_ports::Tenant>> {
        self.step(tenant, |tenant| Ok(tenant.record.clone()))
    }

    async fn update(
        &self,
        tenant: &TenantId,
        expected: Version,
        draft: TenantDraft,
        now: Timestamp,
    ) -> PortResult<portproof_ports::Tenant> {
        self.step(tenant, |tenant| {
            let record = tenant.record.as_mut();
            let record = record.ok_or(PortError::not_found("tenant"))?;
            if record.version != expected {
                return Err(PortError::stale("tenant"));
            }
            record.name = draft.name;
            record.settings = draft.settings;
            record.version = expected.next();
            record.updated_at = now;
            Ok(record.clone())
        })
    }

    async fn list(&self, request: &PageRequest) -> PortResult<Page<portproof_ports::Tenant>> {
        let begin = match request.cursor() {
            Some(cursor) => Excluded(cursor.open::<TenantId>(&LIST)?),
            None => Unbounded,
        };
        self.step_of_records(begin, |rest| {
            let limit = usize::from(request.limit());
            let items: Vec<_> = (&mut *rest).take(limit).cloned().collect();
            let next = match (items.last(), rest.next()) {
                (Some(last), Some(_)) => Some(Cursor::seal(&LIST, &last.id)?),
                _ => None,
            };
            Ok(Page { items, next })
        })
    }

    async fn purge(&self, tenant: &TenantId, at_most: u32) -> PortResult<u64> {
        self.step(tenant, |tenant| Ok(purge(tenant, u64::from(at_most))))
    }
}

/// Removes records until there are none or `at_most` went; answers how many did.
fn purge(tenant: &mut Tenant, at_most: u64) -> u64 {
    // Every field is named, so that one that is added cannot be forgotten here.
    let Tenant {
        record,
        identities,
        owners,
        sessions,
        credentials,
        lookups,
        credential_policy,
        keys,
        policies,
        roles,
        grants,
        attributes,
        codes,
        families,
        refresh_tokens,
        entities,
        entity_keys,
        events,
        event_ids,
        heads,
        last_position,
        edges,
        organizations,
        memberships,
        invitations,
        items,
    } = tenant;

    let mut left = at_most;
    // First what lets somebody in, and grants before the roles that they name.
    take(&mut left, || sessions.pop_first().is_some());
    take(&mut left, || families.pop_first().is_some());
    take(&mut left, || codes.pop_first().is_some());
    take(&mut left, || credentials.pop_first().is_some());
    take(&mut left, || grants.pop_first().is_some());
    take(&mut left, || take_attribute(attributes));
    take(&mut left, || roles.pop_first().is_some());
    take(&mut left, || policies.pop_first().is_some());
    take(&mut left, || identities.pop_first().is_some());
    take(&mut left, || keys.pop_first().is_some());
    take(&mut left, || credential_policy.take().is_some());
    take(&mut left, || invitations.pop_first().is_some());
    take(&mut left, || memberships.pop_first().is_some());
    take(&mut left, || organizations.pop_first().is_some());
    take(&mut left, || edges.pop_first().is_some());
    take(&mut left, || items.pop_first().is_some());
    take(&mut left, || entities.pop_first().is_some());
    take(&mut left, || events.pop_first().is_some());
    if left > 0 {
        // No event is left that they could be about.
        heads.clear();
        *last_position = Position::START;
    }
    take(&mut left, || record.take().is_some());

    owners.retain(|_, identity| identities.contains_key(identity));
    lookups.retain(|_, credential| credentials.contains_key(credential));
    refresh_tokens.retain(|_, (family, _)| families.contains_key(family));
    entity_keys.retain(|(kind, _), entity| entities.contains_key(&(kind.clone(), entity.clone())));
    event_ids.retain(|_, position| events.contains_key(position));
    at_most - left
}

/// Takes one after the other until there is none, or none may be taken any more.
fn take(left: &mut u64, mut one: impl FnMut() -> bool) {
    while *left > 0 && one() {
        *left -= 1;
    }
}

/// Takes an attribute of some subject, and on the way the subjects that have none; answers whether
/// there was one.
fn take_attribute(known: &mut BTreeMap<SubjectId, Attributes>) -> bool {
    while let Some(mut subject) = known.first_entry() {
        let taken = subject.get_mut().pop_first();
        if subject.get().is_empty() {
            subject.remove();
        }
        if taken.is_some() {
            return true;
        }
    }
    false
}
