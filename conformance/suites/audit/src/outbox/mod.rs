//! The outbox port's suite: what is to be done is done, by one worker at a time.

use std::sync::Arc;

use portproof_ports::{
    Claim, Item, ItemId, ItemKind, ItemState, NewItem, OutboxStore, PortResult, Ports, Span,
    TenantId, Text, Timestamp,
};

use super::{
    fixture::{START, day, document, minute},
    offered,
};
use crate::{
    Checked, Context, Failure, Profile, Suite, World,
    check::{equal, some},
};

mod cancelled;
mod claims;
mod fences;
mod lists;
mod many;
mod outcomes;
mod races;
mod records;
mod revivals;
mod sweeps;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::OutboxStoreCall,
        "outbox::random::calls_in_turn",
        "outbox::random::calls_at_once"
    );
}

/// All rules of the outbox port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        claims::cases(),
        races::cases(),
        many::cases(),
        fences::cases(),
        outcomes::cases(),
        revivals::cases(),
        lists::cases(),
        sweeps::cases(),
        walls::cases(),
        cancelled::cases(),
        random::cases(),
    ];
    let cases = parts.into_iter().flatten().collect();
    Suite::new("outbox", cases).of_profile(Profile::Audit)
}

/// For how long a worker claims.
const LEASE: Span = Span::minutes(5);

/// A tenant with items in every state, and another with some of the same ids in it.
struct Outbox {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn OutboxStore>,
    /// The store through the second handle.
    other: Arc<dyn OutboxStore>,
    tenant: TenantId,
    /// A tenant that has an item under [`Self::subject`]'s id, which was claimed once.
    elsewhere: TenantId,
    /// What most rules are about: an item that waits, and is due in the tenth minute.
    subject: Item,
    /// What no case means: of other kinds, or due or ended long after all else.
    bystanders: Vec<(TenantId, Item)>,
}

/// The id with this name.
fn id(name: &str) -> Result<ItemId, Failure> {
    Ok(ItemId::new(name)?)
}

fn kind(name: &str) -> Result<ItemKind, Failure> {
    Ok(ItemKind::new(name)?)
}

/// The kind of most items.
fn mail() -> Result<ItemKind, Failure> {
    kind("mail")
}

fn text(words: &str) -> Result<Text, Failure> {
    Ok(Text::new(words)?)
}

/// An item that is due in the tenth minute, under the id of its name.
fn new_item(name: &str) -> Result<NewItem, Failure> {
    Ok(NewItem {
        id: id(name)?,
        kind: mail()?,
        due_at: minute(10),
        payload: document(name)?,
    })
}

/// An item of another kind, due at [`START`].
fn of_kind(name: &str, kind_name: &str) -> Result<NewItem, Failure> {
    Ok(NewItem {
        kind: kind(kind_name)?,
        due_at: START,
        ..new_item(name)?
    })
}

/// The item in this state.
fn in_state(item: &Item, state: ItemState) -> Item {
    Item {
        state,
        ..item.clone()
    }
}

/// The item as it is when it was claimed once more, until then.
fn claimed(item: &Item, until: Timestamp) -> Item {
    Item {
        attempts: item.attempts.next(),
        ..in_state(item, ItemState::Claimed { until })
    }
}

/// The item as it is when its worker left it in this state, with this trouble.
fn troubled(item: &Item, state: ItemState, trouble: &Text) -> Item {
    Item {
        trouble: Some(trouble.clone()),
        ..in_state(item, state)
    }
}

/// The ids of these items.
fn ids(items: &[Item]) -> Vec<ItemId> {
    items.iter().map(|item| item.id.clone()).collect()
}

impl World for Outbox {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("outbox", context.stores().outbox.as_ref())?;
        let other = offered("outbox", context.second().outbox.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let mut bystanders = Vec::new();
        // Each is claimed while no other of its kind is due.
        for (tenant, name, kind_name, ended) in [
            (&tenant, "done", "mail", Some(true)),
            (&tenant, "given up", "mail", Some(false)),
            (&tenant, "subject ", "mail ", None),
            (&elsewhere, "hopeless", "mail", Some(false)),
            (&elsewhere, "subject", "mail", None),
        ] {
            let item = store
                .put(tenant, of_kind(name, kind_name)?, START)
                .await
                .map_err(Failure::from)?;
            let claim = claim_of(&*store, tenant, &item, START).await?;
            let (refused, late) = (text("refused")?, day(1000));
            let held = match ended {
                Some(true) => store.complete(tenant, &claim, late).await?,
                Some(false) => store.give_up(tenant, &claim, &refused, late).await?,
                None => true,
            };
            equal("whether a bystander's claim holds", &held, &true)?;
            let item = some("a bystander", store.get(tenant, &item.id).await?)?;
            bystanders.push((tenant.clone(), item));
        }
        let far = NewItem {
            due_at: day(1000),
            ..new_item("far")?
        };
        for (tenant, given) in [
            (&tenant, far),
            (&tenant, of_kind("Subject", "Mail")?),
            (&elsewhere, of_kind("fresh", "mail")?),
        ] {
            let item = store.put(tenant, given, START).await?;
            bystanders.push((tenant.clone(), item));
        }
        let subject = store.put(&tenant, new_item("subject")?, START).await?;
        let world = Self {
            context,
            store,
            other,
            tenant,
            elsewhere,
            subject,
            bystanders,
        };
        // So that the caches of both handles have it.
        world.subject_unchanged().await?;
        Ok(world)
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, item) in &self.bystanders {
            let what = format!(
                "the item {:?} in tenant {tenant:?}, which nobody touched",
                item.id
            );
            let found = self.seen_in(tenant, &item.id).await?;
            equal(&what, &found.as_ref(), &Some(item))?;
        }
        Ok(())
    }
}

/// Claims this item, which is the only one of its kind that is due.
async fn claim_of(
    store: &dyn OutboxStore,
    tenant: &TenantId,
    item: &Item,
    now: Timestamp,
) -> Result<Claim, Failure> {
    let found = store.claim(tenant, &item.kind, 1, LEASE, now).await?;
    let expected = claimed(item, now.after(LEASE));
    equal("what is claimed", &found, &vec![expected.clone()])?;
    Ok(expected.claim())
}

impl Outbox {
    /// The handle that a racer uses: they take turns.
    fn handle(&self, racer: usize) -> Arc<dyn OutboxStore> {
        Arc::clone(if racer.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        })
    }

    /// The item as both handles see it.
    async fn seen_in(&self, tenant: &TenantId, id: &ItemId) -> Result<Option<Item>, Failure> {
        let first = self.store.get(tenant, id).await?;
        let second = self.other.get(tenant, id).await?;
        equal("the second handle's view of the item", &second, &first)?;
        Ok(first)
    }

    /// Fails unless the item is stored as this one.
    async fn is(&self, what: &str, expected: &Item) -> Checked {
        let found = self.seen_in(&self.tenant, &expected.id).await?;
        equal(what, &found.as_ref(), &Some(expected))
    }

    /// Fails unless the subject is as it was put.
    async fn subject_unchanged(&self) -> Checked {
        let what = "the item, which was to stay as it is";
        self.is(what, &self.subject).await
    }

    /// Puts an item in the tenant at [`START`].
    async fn put(&self, given: NewItem) -> Result<Item, Failure> {
        Ok(self.store.put(&self.tenant, given, START).await?)
    }

    /// Puts an item of a kind of its own, due at [`START`], and claims it then.
    async fn claimed(&self, name: &str) -> Result<Item, Failure> {
        let item = self.put(of_kind(name, name)?).await?;
        self.again(&item, START).await
    }

    /// Claims an item that is the only one of its kind that is due.
    async fn again(&self, item: &Item, now: Timestamp) -> Result<Item, Failure> {
        claim_of(&*self.other, &self.tenant, item, now).await?;
        Ok(claimed(item, now.after(LEASE)))
    }

    /// The subject, claimed in the tenth minute for [`LEASE`].
    async fn subject_claimed(&self) -> Result<Item, Failure> {
        self.again(&self.subject, minute(10)).await
    }

    /// Claims so many mails.
    async fn claim(&self, at_most: u16, now: Timestamp) -> Result<Vec<Item>, Failure> {
        let kind = mail()?;
        let found = self.store.claim(&self.tenant, &kind, at_most, LEASE, now);
        Ok(found.await?)
    }

    /// Puts an item of a kind of its own, claims it and gives it up, at that time.
    async fn given_up(&self, name: &str, at: Timestamp) -> Result<Item, Failure> {
        let (item, why) = (self.claimed(name).await?, text(name)?);
        let answer = self
            .store
            .give_up(&self.tenant, &item.claim(), &why, at)
            .await;
        equal("whether giving it up held", &answer?, &true)?;
        Ok(troubled(&item, ItemState::GivenUp { at }, &why))
    }

    /// Puts an item of a kind of its own, claims it and completes it, at that time.
    async fn done(&self, name: &str, at: Timestamp) -> Result<Item, Failure> {
        let item = self.claimed(name).await?;
        let answer = self.store.complete(&self.tenant, &item.claim(), at).await;
        equal("whether completing it held", &answer?, &true)?;
        Ok(in_state(&item, ItemState::Done { at }))
    }

    /// Fails unless each call of who shows this claim is told that it does not hold.
    async fn does_not_hold(&self, what: &str, claim: &Claim, now: Timestamp) -> Checked {
        for follow in Follow::ALL {
            let answer = follow.call(&*self.store, &self.tenant, claim, now).await?;
            equal(&format!("{follow:?} of {what}"), &answer, &false)?;
        }
        Ok(())
    }
}

/// What a worker can do who has claimed an item.
#[derive(Clone, Copy, Debug)]
enum Follow {
    Renew,
    Complete,
    PutBack,
    GiveUp,
}

impl Follow {
    const ALL: [Self; 4] = [Self::Renew, Self::Complete, Self::PutBack, Self::GiveUp];

    /// What it says went wrong.
    fn trouble(self) -> PortResult<Text> {
        Ok(Text::new(format!("{self:?}"))?)
    }

    /// Does it at `now`; an item that is put back is due an hour later.
    async fn call(
        self,
        store: &dyn OutboxStore,
        tenant: &TenantId,
        claim: &Claim,
        now: Timestamp,
    ) -> PortResult<bool> {
        let why = self.trouble()?;
        match self {
            Self::Renew => store.renew(tenant, claim, LEASE, now).await,
            Self::Complete => store.complete(tenant, claim, now).await,
            Self::PutBack => {
                let due_at = now.after(Span::minutes(60));
                store.put_back(tenant, claim, due_at, &why).await
            }
            Self::GiveUp => store.give_up(tenant, claim, &why, now).await,
        }
    }

    /// What the item is after that.
    fn after(self, item: &Item, now: Timestamp) -> Result<Item, Failure> {
        let why = self.trouble()?;
        Ok(match self {
            Self::Renew => {
                let until = now.after(LEASE);
                in_state(item, ItemState::Claimed { until })
            }
            Self::Complete => in_state(item, ItemState::Done { at: now }),
            Self::PutBack => {
                let due_at = now.after(Span::minutes(60));
                troubled(item, ItemState::Waiting { due_at }, &why)
            }
            Self::GiveUp => troubled(item, ItemState::GivenUp { at: now }, &why),
        })
    }
}
