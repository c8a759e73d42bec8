//! What is to be done until it is done: the outbox port in memory.

use async_trait::async_trait;
use portproof_ports::{
    Attempt, Claim, Ended, Item, ItemId, ItemKind, ItemState, NewItem, OutboxStore, Page,
    PageRequest, PortError, PortResult, Span, TenantId, Text, Timestamp,
};

use crate::{MemoryAdapter, lists::page, state::Tenant};

#[async_trait]
impl OutboxStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn put(&self, tenant: &TenantId, item: NewItem, now: Timestamp) -> PortResult<Item> {
        self.step(tenant, |tenant| {
            if tenant.items.contains_key(&item.id) {
                return Err(PortError::already_exists("item"));
            }
            let item = Item {
                id: item.id,
                kind: item.kind,
                payload: item.payload,
                state: ItemState::Waiting {
                    due_at: item.due_at,
                },
                attempts: Attempt::NONE,
                trouble: None,
                created_at: now,
            };
            tenant.items.insert(item.id.clone(), item.clone());
            Ok(item)
        })
    }

    async fn get(&self, tenant: &TenantId, id: &ItemId) -> PortResult<Option<Item>> {
        self.step(tenant, |tenant| Ok(tenant.items.get(id).cloned()))
    }

    async fn claim(
        &self,
        tenant: &TenantId,
        kind: &ItemKind,
        at_most: u16,
        lease: Span,
        now: Timestamp,
    ) -> PortResult<Vec<Item>> {
        self.step(tenant, |tenant| {
            let items = tenant.items.values_mut();
            let mut due: Vec<&mut Item> = items
                .filter(|item| item.kind == *kind && item.state.is_due(now))
                .collect();
            // They come by their ids, and a sort keeps that order among equals.
            due.sort_by_key(|item| due_since(item.state));
            let claimed = due.into_iter().take(usize::from(at_most)).map(|item| {
                item.attempts = item.attempts.next();
                item.state = ItemState::Claimed {
                    until: now.after(lease),
                };
                item.clone()
            });
            Ok(claimed.collect())
        })
    }

    async fn renew(
        &self,
        tenant: &TenantId,
        claim: &Claim,
        lease: Span,
        now: Timestamp,
    ) -> PortResult<bool> {
        let until = now.after(lease);
        self.step(tenant, |tenant| {
            Ok(follow(tenant, claim, ItemState::Claimed { until }, None))
        })
    }

    async fn complete(&self, tenant: &TenantId, claim: &Claim, now: Timestamp) -> PortResult<bool> {
        self.step(tenant, |tenant| {
            Ok(follow(tenant, claim, ItemState::Done { at: now }, None))
        })
    }

    async fn put_back(
        &self,
        tenant: &TenantId,
        claim: &Claim,
        due_at: Timestamp,
        trouble: &Text,
    ) -> PortResult<bool> {
        let state = ItemState::Waiting { due_at };
        self.step(tenant, |tenant| {
            Ok(follow(tenant, claim, state, Some(trouble)))
        })
    }

    async fn give_up(
        &self,
        tenant: &TenantId,
        claim: &Claim,
        trouble: &Text,
        now: Timestamp,
    ) -> PortResult<bool> {
        let state = ItemState::GivenUp { at: now };
        self.step(tenant, |tenant| {
            Ok(follow(tenant, claim, state, Some(trouble)))
        })
    }

    async fn revive(&self, tenant: &TenantId, id: &ItemId, due_at: Timestamp) -> PortResult<bool> {
        self.step(tenant, |tenant| match tenant.items.get_mut(id) {
            Some(item) if matches!(item.state, ItemState::GivenUp { .. }) => {
                item.state = ItemState::Waiting { due_at };
                Ok(true)
            }
            _ => Ok(false),
        })
    }

    async fn list_given_up(
        &self,
        tenant_id: &TenantId,
        request: &PageRequest,
    ) -> PortResult<Page<Item>> {
        self.step(tenant_id, |tenant| {
            let given_up = tenant
                .items
                .iter()
                .filter(|(_, item)| matches!(item.state, ItemState::GivenUp { .. }))
                .map(|(id, item)| (id.clone(), item));
            page("outbox.list_given_up", tenant_id, &(), request, given_up)
        })
    }

    async fn sweep(
        &self,
        tenant: &TenantId,
        ended: Ended,
        until: Timestamp,
        at_most: u32,
    ) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let over = tenant
                .items
                .extract_if(.., |_, item| match (ended, item.state) {
                    (Ended::Done, ItemState::Done { at })
                    | (Ended::GivenUp, ItemState::GivenUp { at }) => at <= until,
                    _ => false,
                });
            Ok(over.take(at_most as usize).count() as u64)
        })
    }
}

/// Since when an item has been due that is.
fn due_since(state: ItemState) -> Timestamp {
    let (ItemState::Waiting { due_at: since }
    | ItemState::Claimed { until: since }
    | ItemState::Done { at: since }
    | ItemState::GivenUp { at: since }) = state;
    since
}

/// What follows a claim, if it holds; answers whether it does.
fn follow(tenant: &mut Tenant, claim: &Claim, state: ItemState, trouble: Option<&Text>) -> bool {
    let Some(item) = tenant.items.get_mut(&claim.item) else {
        return false;
    };
    let holds = item.attempts == claim.attempt && matches!(item.state, ItemState::Claimed { .. });
    if holds {
        item.state = state;
        if let Some(trouble) = trouble {
            item.trouble = Some(trouble.clone());
        }
    }
    holds
}
