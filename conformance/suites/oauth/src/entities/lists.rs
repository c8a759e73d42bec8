//! The list of a kind: complete, in order, and stable while others come and go.

use portproof_ports::{Entity, NewEntity, Page, PageRequest, PortResult, Ports, TenantId, Version};

use super::{Registry, change, client, id, kind, new_client, own};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::{START, minute},
    lists::{first_item, refuses_cursor, refuses_damaged, walks_answer},
    race::{RACERS, race},
    rule, walk,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_and_ordered,
        list_has_no_limit_of_its_own,
        list_of_none_is_empty,
        list_keeps_its_place_after_changes,
        walk_survives_removals,
        walk_survives_insertions,
        cursor_belongs_to_its_list,
        damaged_cursor_is_refused,
    ]
}

impl Registry {
    async fn list(&self, tenant: &TenantId, page: PageRequest) -> PortResult<Page<Entity>> {
        let kind = portproof_ports::EntityKind::new("client")?;
        self.other.list(tenant, &kind, &page).await
    }

    /// Stores seven more clients, several in one instant, and some of other kinds between them;
    /// answers all ten clients of the tenant in the list's order.
    async fn ten(&self) -> Result<Vec<Entity>, Failure> {
        let mut all = vec![self.subject.clone()];
        let theirs = self
            .bystanders
            .iter()
            .filter(|(tenant, entity)| *tenant == self.tenant && entity.kind.as_str() == "client");
        all.extend(theirs.map(|(_, entity)| entity.clone()));
        for (name, created_at) in [
            ("m", minute(3)),
            ("B", START),
            ("b", START),
            ("Ä", minute(3)),
            ("_", START),
            ("a", minute(1)),
            ("z ", minute(3)),
        ] {
            let given = new_client(name, vec![own("slug", name)?])?;
            let between = NewEntity {
                kind: kind("connection")?,
                ..given.clone()
            };
            self.store.create(&self.tenant, between, created_at).await?;
            all.push(self.store.create(&self.tenant, given, created_at).await?);
        }
        all.sort_by(|one, two| (one.created_at, &one.id).cmp(&(two.created_at, &two.id)));
        Ok(all)
    }
}

/// A list holds every entity of its kind and tenant once and whole, by creation and then by the
/// bytes of the id, at whatever page size; a cursor is answered exactly when more follow.
///
/// A cursor on the creation alone skips what was stored in one instant.
#[rule(
    "entities::list::is_complete_and_ordered",
    source = "AuthHero 953739e: clients never had a next page; f738edf: each list got its own paging",
    environments = "collation"
)]
async fn list_is_complete_and_ordered(w: &Registry) -> Checked {
    let expected = w.ten().await?;
    walks_answer("the clients", &expected, |page| w.list(&w.tenant, page)).await
}

/// A walk over thousands answers each once and in order, one by one, by sevens and by thousands.
///
/// A default limit that nobody named hides all clients after the hundredth.
#[rule(
    "entities::list::has_no_limit_of_its_own",
    source = "better-auth #10342: a default limit of 100"
)]
async fn list_has_no_limit_of_its_own(w: &Registry) -> Checked {
    /// How many entities there are; not a multiple of a page's size.
    const MANY: usize = 2_500;
    let hook = kind("hook")?;
    race(RACERS, |racer| {
        let (store, tenant, kind) = (w.handle(racer), w.tenant.clone(), hook.clone());
        async move {
            for number in (racer..MANY).step_by(RACERS) {
                let given = NewEntity {
                    kind: kind.clone(),
                    ..new_client(&format!("hook {number:04}"), vec![])?
                };
                // Many in each instant, and instants against the order of ids.
                let at = minute(u16::try_from(9 - number % 10).unwrap_or_default());
                store.create(&tenant, given, at).await?;
            }
            Ok::<(), Failure>(())
        }
    })
    .await?
    .into_iter()
    .collect::<Result<Vec<()>, _>>()?;
    let mut expected: Vec<(u16, String)> = (0..MANY)
        .map(|number| {
            let at = u16::try_from(9 - number % 10).unwrap_or_default();
            (at, format!("hook {number:04}"))
        })
        .collect();
    expected.sort();
    for size in [1000, 7, 1] {
        let list = |page| {
            let (store, hook) = (&w.store, &hook);
            async move { store.list(&w.tenant, hook, &page).await }
        };
        let walked = walk::all(size, list).await?;
        equal("how many were walked", &walked.len(), &MANY)?;
        for (got, (at, name)) in walked.iter().zip(&expected) {
            equal("the next one", &got.id.as_str(), &name.as_str())?;
            equal("its creation", &got.created_at, &minute(*at))?;
        }
    }
    Ok(())
}

/// The list of a kind that a tenant has none of is empty, and has no cursor.
///
/// An engine asks every new tenant.
#[rule(
    "entities::list::of_none_is_empty",
    source = "openfga, hydra: the last page has no token"
)]
async fn list_of_none_is_empty(w: &Registry) -> Checked {
    let empty = w.context.tenant()?;
    for (tenant, kind) in [
        (&empty, client()?),
        (&w.tenant, kind("hook")?),
        (&w.tenant, kind("CLIENT")?),
        (&w.tenant, kind("clien%")?),
    ] {
        let page = w
            .store
            .list(tenant, &kind, &PageRequest::first(10)?)
            .await?;
        equal("the entities of none", &page.items, &vec![])?;
        equal("the cursor after none", &page.next, &None)?;
    }
    Ok(())
}

/// A change moves nothing in the list, which shows it.
///
/// A list by the last change shows what is saved during a walk twice, or never.
#[rule(
    "entities::list::changes_move_nothing",
    source = "spring-session #1791: an index kept what was before a change"
)]
async fn list_keeps_its_place_after_changes(w: &Registry) -> Checked {
    let mut expected = w.ten().await?;
    for entity in expected
        .iter_mut()
        .filter(|entity| entity.id.as_str().len() < 3)
    {
        let put = change("changed", vec![])?;
        let (kind, id) = (&entity.kind, &entity.id);
        *entity = w
            .store
            .put(&w.tenant, kind, id, Version::FIRST, put, minute(9))
            .await?;
    }
    walks_answer("the clients", &expected, |page| w.list(&w.tenant, page)).await
}

/// A walk goes on when entities are removed under it, also the one that its cursor stands on: it
/// answers each that stays once.
///
/// An offset skips one for each that goes.
#[rule(
    "entities::list::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn walk_survives_removals(w: &Registry) -> Checked {
    let expected = w.ten().await?;
    let first = PageRequest::first(3)?;
    let mut page = w.list(&w.tenant, first.clone()).await?;
    let mut walked = page.items.clone();
    while let Some(cursor) = page.next {
        let last = some("the last of a page", page.items.last())?;
        let spared = w.bystanders.iter().any(|(_, entity)| entity == last);
        holds(
            spared || w.store.remove(&w.tenant, &last.kind, &last.id).await?,
            "it was there",
        )?;
        page = w.list(&w.tenant, first.following(cursor)).await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    equal("the clients that were walked", &walked, &expected)
}

/// A walk goes on when entities are created under it: it answers each that was there once, and none
/// twice.
///
/// An offset answers one again for each that comes.
#[rule(
    "entities::list::walk_survives_insertions",
    source = "AuthHero 0e6acf4; leapmux #287",
    environments = "collation"
)]
async fn walk_survives_insertions(w: &Registry) -> Checked {
    let expected = w.ten().await?;
    let first = PageRequest::first(3)?;
    let mut page = w.list(&w.tenant, first.clone()).await?;
    let mut walked = page.items;
    let mut number = 0;
    while let Some(cursor) = page.next {
        for (letter, created_at) in [("!", START), ("~", minute(2)), ("é", minute(3))] {
            number += 1;
            let given = new_client(&format!("{letter} {number}"), vec![])?;
            w.store.create(&w.tenant, given, created_at).await?;
        }
        page = w.list(&w.tenant, first.following(cursor)).await?;
        walked.extend(page.items);
        holds(number < 100, "a walk comes to an end")?;
    }
    for entity in &expected {
        let times = walked.iter().filter(|walked| *walked == entity).count();
        equal(&format!("how often {:?} came", entity.id), &times, &1)?;
    }
    let mut ids: Vec<_> = walked.iter().map(|entity| &entity.id).collect();
    ids.sort();
    ids.dedup();
    equal("how many came once", &ids.len(), &walked.len())
}

/// A cursor is of use in the list that answered it, and refused in that of another kind and in
/// another tenant's.
///
/// A cursor that moves reads on in somebody else's list.
#[rule(
    "entities::list::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn cursor_belongs_to_its_list(w: &Registry) -> Checked {
    w.ten().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, page)).await?;
    refuses_cursor(
        "a cursor in another tenant's list",
        cursor.clone(),
        |page| w.list(&w.elsewhere, page),
    )
    .await?;
    for other in ["connection", "Client", "hook"] {
        let other = kind(other)?;
        refuses_cursor("a cursor in another kind's list", cursor.clone(), |page| {
            let other = other.clone();
            async move { w.store.list(&w.tenant, &other, &page).await }
        })
        .await?;
    }
    let rest = PageRequest::first(100)?.following(cursor);
    let rest = w.store.list(&w.tenant, &client()?, &rest).await?;
    equal("how many follow the cursor's", &rest.items.len(), &9)?;
    let found = w.store.get(&w.tenant, &client()?, &id("portal")?).await?;
    equal("the client", &found.as_ref(), &Some(&w.subject))
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// Whoever starts at the beginning again walks for ever.
#[rule(
    "entities::list::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481"
)]
async fn damaged_cursor_is_refused(w: &Registry) -> Checked {
    w.ten().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, page)).await?;
    refuses_damaged(&cursor, |page| w.list(&w.tenant, page)).await
}
