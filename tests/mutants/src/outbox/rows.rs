//! An outbox as rows, which is right: what a mutant does otherwise it can do to a row.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use portproof_ports::{
    Attempt, Claim, Cursor, Ended, Item, ItemId, ItemKind, ItemState, NewItem,
    OutboxStoreAnswer as Answer, OutboxStoreCall as Call, Page, PageRequest, PortError, PortResult,
    Span, TenantId, Text, Timestamp,
};

type Table = BTreeMap<(TenantId, ItemId), Item>;

/// The rows that all handles share.
#[derive(Clone, Default)]
pub(super) struct Rows(Arc<Mutex<Table>>);

impl Rows {
    /// Does something to the rows in one step.
    pub(super) fn step<T>(&self, step: impl FnOnce(&mut Table) -> T) -> T {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn get(&self, tenant: &TenantId, id: &ItemId) -> Option<Item> {
        self.step(|rows| rows.get(&(tenant.clone(), id.clone())).cloned())
    }

    pub(super) fn set(&self, tenant: &TenantId, item: Item) {
        self.step(|rows| rows.insert((tenant.clone(), item.id.clone()), item));
    }

    pub(super) fn remove(&self, tenant: &TenantId, id: &ItemId) {
        self.step(|rows| rows.remove(&(tenant.clone(), id.clone())));
    }

    /// The tenant's items that are meant, by the bytes of their ids.
    pub(super) fn of(&self, tenant: &TenantId, is_meant: impl Fn(&Item) -> bool) -> Vec<Item> {
        self.step(|rows| {
            let theirs = rows.iter().filter(|((owner, _), _)| owner == tenant);
            let items = theirs.map(|(_, item)| item).filter(|item| is_meant(item));
            items.cloned().collect()
        })
    }

    /// The items of a kind that are due, in their order.
    pub(super) fn due(&self, tenant: &TenantId, kind: &ItemKind, now: Timestamp) -> Vec<Item> {
        let mut due = self.of(tenant, |item| item.kind == *kind && item.state.is_due(now));
        due.sort_by_key(|item| since(item.state));
        due
    }

    /// Claims these, as they are stored by now; answers them as they are then.
    pub(super) fn take(
        &self,
        tenant: &TenantId,
        items: impl IntoIterator<Item = Item>,
        until: Timestamp,
    ) -> Vec<Item> {
        let taken = items.into_iter().filter_map(|item| {
            let mut item = self.get(tenant, &item.id)?;
            item.attempts = item.attempts.next();
            item.state = ItemState::Claimed { until };
            self.set(tenant, item.clone());
            Some(item)
        });
        taken.collect()
    }

    /// The item whose claim holds.
    pub(super) fn held(&self, tenant: &TenantId, claim: &Claim) -> Option<Item> {
        let item = self.get(tenant, &claim.item)?;
        let holds =
            item.attempts == claim.attempt && matches!(item.state, ItemState::Claimed { .. });
        holds.then_some(item)
    }

    /// What a worker says of a claim that holds, in one step.
    fn follow(
        &self,
        tenant: &TenantId,
        claim: &Claim,
        state: ItemState,
        trouble: Option<Text>,
    ) -> bool {
        self.step(|rows| {
            let Some(item) = rows.get_mut(&(tenant.clone(), claim.item.clone())) else {
                return false;
            };
            if item.attempts != claim.attempt || !matches!(item.state, ItemState::Claimed { .. }) {
                return false;
            }
            item.state = state;
            item.trouble = trouble.or(item.trouble.take());
            true
        })
    }

    fn put(&self, tenant: TenantId, new: NewItem, now: Timestamp) -> PortResult<Item> {
        let item = waiting(new, now);
        self.step(|rows| {
            let place = (tenant, item.id.clone());
            if rows.contains_key(&place) {
                return Err(PortError::already_exists("item"));
            }
            rows.insert(place, item.clone());
            Ok(item)
        })
    }

    fn claim(
        &self,
        tenant: &TenantId,
        kind: &ItemKind,
        at_most: u16,
        lease: Span,
        now: Timestamp,
    ) -> Vec<Item> {
        self.step(|rows| {
            let of_kind = rows
                .iter_mut()
                .filter(|((owner, _), item)| owner == tenant && item.kind == *kind);
            let mut due: Vec<&mut Item> = of_kind
                .map(|(_, item)| item)
                .filter(|item| item.state.is_due(now))
                .collect();
            due.sort_by_key(|item| since(item.state));
            let first = due.into_iter().take(usize::from(at_most));
            let taken = first.map(|item| {
                item.attempts = item.attempts.next();
                item.state = ItemState::Claimed {
                    until: now.after(lease),
                };
                item.clone()
            });
            taken.collect()
        })
    }

    /// The right answer.
    pub(super) fn call(&self, call: Call) -> PortResult<Answer> {
        Ok(match call {
            Call::Ready {} => Answer::Ready(()),
            Call::Put { tenant, item, now } => Answer::Put(self.put(tenant, item, now)?),
            Call::Get { tenant, id } => Answer::Get(self.get(&tenant, &id)),
            Call::Claim {
                tenant,
                kind,
                at_most,
                lease,
                now,
            } => Answer::Claim(self.claim(&tenant, &kind, at_most, lease, now)),
            Call::Renew {
                tenant,
                claim,
                lease,
                now,
            } => {
                let until = now.after(lease);
                let state = ItemState::Claimed { until };
                Answer::Renew(self.follow(&tenant, &claim, state, None))
            }
            Call::Complete { tenant, claim, now } => {
                let state = ItemState::Done { at: now };
                Answer::Complete(self.follow(&tenant, &claim, state, None))
            }
            Call::PutBack {
                tenant,
                claim,
                due_at,
                trouble,
            } => {
                let state = ItemState::Waiting { due_at };
                Answer::PutBack(self.follow(&tenant, &claim, state, Some(trouble)))
            }
            Call::GiveUp {
                tenant,
                claim,
                trouble,
                now,
            } => {
                let state = ItemState::GivenUp { at: now };
                Answer::GiveUp(self.follow(&tenant, &claim, state, Some(trouble)))
            }
            Call::Revive { tenant, id, due_at } => Answer::Revive(self.step(|rows| {
                let item = rows.get_mut(&(tenant, id));
                let dead = item.filter(|item| matches!(item.state, ItemState::GivenUp { .. }));
                dead.map(|item| item.state = ItemState::Waiting { due_at })
                    .is_some()
            })),
            Call::ListGivenUp { tenant, page } => {
                let dead = self.of(&tenant, |item| {
                    matches!(item.state, ItemState::GivenUp { .. })
                });
                Answer::ListGivenUp(listed(&tenant, &page, dead)?)
            }
            Call::Sweep {
                tenant,
                ended,
                until,
                at_most,
            } => Answer::Sweep(self.step(|rows| {
                let over = rows.extract_if(.., |(owner, _), item| {
                    *owner == tenant && has_ended(item, ended, until)
                });
                over.take(at_most as usize).count() as u64
            })),
        })
    }
}

/// A page of these, which are in their order.
pub(super) fn listed(
    tenant: &TenantId,
    page: &PageRequest,
    mut items: Vec<Item>,
) -> PortResult<Page<Item>> {
    let list = ["the rows that were given up", tenant.as_str()];
    if let Some(cursor) = page.cursor() {
        let after: ItemId = cursor.open(&list)?;
        items.retain(|item| item.id > after);
    }
    let more = items.len() > usize::from(page.limit());
    items.truncate(page.limit().into());
    let next = match items.last() {
        Some(last) if more => Some(Cursor::seal(&list, &last.id)?),
        _ => None,
    };
    Ok(Page { items, next })
}

/// A new item.
pub(super) fn waiting(new: NewItem, now: Timestamp) -> Item {
    Item {
        id: new.id,
        kind: new.kind,
        payload: new.payload,
        state: ItemState::Waiting { due_at: new.due_at },
        attempts: Attempt::NONE,
        trouble: None,
        created_at: now,
    }
}

/// Whether an item ended so, until then.
pub(super) fn has_ended(item: &Item, ended: Ended, until: Timestamp) -> bool {
    match (ended, item.state) {
        (Ended::Done, ItemState::Done { at }) | (Ended::GivenUp, ItemState::GivenUp { at }) => {
            at <= until
        }
        _ => false,
    }
}

/// The time in a state.
pub(super) fn since(state: ItemState) -> Timestamp {
    match state {
        ItemState::Waiting { due_at } => due_at,
        ItemState::Claimed { until } => until,
        ItemState::Done { at } | ItemState::GivenUp { at } => at,
    }
}
