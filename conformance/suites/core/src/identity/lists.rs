//! The list of a tenant's identities: complete, in order, and stable while others come and go.

use portproof_ports::{
    Identity, IdentityFilter, IdentityKind, IdentityState, IdentityUpdate, NewIdentity, Page,
    PageRequest, PortResult, Ports, TenantId,
};

use super::{Identities, new_identity};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::{START, document, minute},
    lists::{
        MANY, first_item, has_large_pages, make, refuses_cursor, refuses_damaged, walks_answer,
    },
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_and_ordered,
        list_has_no_limit_of_its_own,
        list_filters,
        list_of_nobody_is_empty,
        walk_survives_removals,
        walk_survives_insertions,
        cursor_belongs_to_its_list,
        damaged_cursor_is_refused,
    ]
}

impl Identities {
    async fn list(
        &self,
        tenant: &TenantId,
        filter: IdentityFilter,
        page: PageRequest,
    ) -> PortResult<Page<Identity>> {
        self.other.list(tenant, &filter, &page).await
    }

    /// Stores seven more identities, several in one instant, and answers all ten of the tenant in
    /// the list's order.
    async fn ten(&self) -> Result<Vec<Identity>, Failure> {
        let mut all = vec![self.subject.clone()];
        all.extend(
            self.bystanders
                .iter()
                .filter(|(tenant, _)| *tenant == self.tenant)
                .map(|(_, i)| i.clone()),
        );
        for (name, kind, created_at) in [
            ("m", IdentityKind::Human, minute(3)),
            ("B", IdentityKind::Service, START),
            ("b", IdentityKind::Device, START),
            ("Ä", IdentityKind::Human, minute(3)),
            ("_", IdentityKind::Human, START),
            ("a", IdentityKind::Service, minute(1)),
            ("z ", IdentityKind::Device, minute(3)),
        ] {
            let given = NewIdentity {
                kind,
                ..new_identity(name, vec![])?
            };
            all.push(self.store.create(&self.tenant, given, created_at).await?);
        }
        all.sort_by(|one, two| (one.created_at, &one.id).cmp(&(two.created_at, &two.id)));
        Ok(all)
    }
}

/// A list holds every identity of the tenant once and whole, by creation and then by the bytes of
/// the id, at whatever page size; a cursor is answered exactly when more follow.
///
/// A cursor on the creation alone skips those who registered in one instant.
#[rule(
    "identity::list::is_complete_and_ordered",
    source = "leapmux #287; openfga: order must not depend on the database's locale",
    environments = "collation"
)]
async fn list_is_complete_and_ordered(w: &Identities) -> Checked {
    let expected = w.ten().await?;
    walks_answer("the identities", &expected, |page| {
        w.list(&w.tenant, IdentityFilter::Every, page)
    })
    .await
}

/// A list goes on beyond a hundred, and beyond the largest page; a page is as large as was asked for.
///
/// A default limit that nobody asked for hides the hundred and first.
#[rule(
    "identity::list::has_no_limit_of_its_own",
    source = "better-auth #10342: members beyond a default limit failed"
)]
async fn list_has_no_limit_of_its_own(w: &Identities) -> Checked {
    let (store, tenant) = (w.store.clone(), w.tenant.clone());
    make(MANY - 3, move |number| {
        let (store, tenant) = (store.clone(), tenant.clone());
        async move {
            let identity = new_identity(&format!("number {number}"), vec![])?;
            store.create(&tenant, identity, START).await?;
            Ok(())
        }
    })
    .await?;
    for filter in [
        IdentityFilter::Every,
        IdentityFilter::Kind(IdentityKind::Human),
    ] {
        // One of them is a service.
        let count = if filter == IdentityFilter::Every {
            MANY
        } else {
            MANY - 1
        };
        let what = format!("the list of {filter:?}");
        let listed = has_large_pages(&what, count, |page| w.list(&w.tenant, filter, page)).await?;
        holds(
            listed.is_sorted_by(|one, two| one.id < two.id),
            "those of one instant are listed once, by id",
        )?;
    }
    Ok(())
}

/// A filtered list holds exactly those that pass, walked like any other.
///
/// Who is blocked and not shown stays blocked; who is shown and not blocked is suspected.
#[rule(
    "identity::list::filters",
    source = "AuthHero dd16e55: totals and pages ignored the filter"
)]
async fn list_filters(w: &Identities) -> Checked {
    let mut all = w.ten().await?;
    for name in ["B", "m", "z "] {
        let identity = some(
            name,
            all.iter_mut().find(|identity| identity.id.as_str() == name),
        )?;
        let change = IdentityUpdate {
            state: IdentityState::Blocked(minute(5)),
            profile: document("blocked")?,
        };
        *identity = w
            .store
            .update(&w.tenant, &identity.id, identity.version, change, minute(5))
            .await?;
    }
    for kind in [
        IdentityKind::Human,
        IdentityKind::Service,
        IdentityKind::Device,
    ] {
        let expected: Vec<Identity> = all
            .iter()
            .filter(|identity| identity.kind == kind)
            .cloned()
            .collect();
        holds(expected.len() > 1, "the fixture has several of each kind")?;
        walks_answer(&format!("those of {kind:?}"), &expected, |page| {
            w.list(&w.tenant, IdentityFilter::Kind(kind), page)
        })
        .await?;
    }
    let blocked: Vec<Identity> = all
        .into_iter()
        .filter(|identity| identity.state != IdentityState::Active)
        .collect();
    walks_answer("those that are blocked", &blocked, |page| {
        w.list(&w.tenant, IdentityFilter::Blocked, page)
    })
    .await
}

/// A list that nobody passes is empty, and has no cursor.
///
/// An engine asks every new tenant.
#[rule(
    "identity::list::of_nobody_is_empty",
    source = "openfga, hydra: the last page has no token"
)]
async fn list_of_nobody_is_empty(w: &Identities) -> Checked {
    let empty = w.context.tenant()?;
    for filter in [
        IdentityFilter::Every,
        IdentityFilter::Blocked,
        IdentityFilter::Kind(IdentityKind::Human),
    ] {
        let page = w.list(&empty, filter, PageRequest::first(10)?).await?;
        equal("the identities of an empty tenant", &page.items, &vec![])?;
        equal("the cursor after none", &page.next, &None)?;
    }
    let page = w
        .list(&w.tenant, IdentityFilter::Blocked, PageRequest::first(10)?)
        .await?;
    equal("those that are blocked", &page.items, &vec![])
}

/// A walk goes on when identities are erased under it, also the one that its cursor stands on: it
/// answers everybody who stays once.
///
/// An offset skips somebody for each who goes.
#[rule(
    "identity::list::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn walk_survives_removals(w: &Identities) -> Checked {
    let expected = w.ten().await?;
    let first = PageRequest::first(3)?;
    let mut page = w
        .list(&w.tenant, IdentityFilter::Every, first.clone())
        .await?;
    let mut walked = page.items.clone();
    while let Some(cursor) = page.next {
        let last = some("the last of a page", page.items.last())?;
        let spared = w.bystanders.iter().any(|(_, identity)| identity == last);
        holds(
            spared || w.store.erase(&w.tenant, &last.id).await?,
            "it was there",
        )?;
        page = w
            .list(&w.tenant, IdentityFilter::Every, first.following(cursor))
            .await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    equal("the identities that were walked", &walked, &expected)
}

/// A walk goes on when identities are created under it: it answers everybody who was there once,
/// and nobody twice.
///
/// An offset answers somebody again for each who comes.
#[rule(
    "identity::list::walk_survives_insertions",
    source = "AuthHero 0e6acf4; leapmux #287",
    environments = "collation"
)]
async fn walk_survives_insertions(w: &Identities) -> Checked {
    let expected = w.ten().await?;
    let first = PageRequest::first(3)?;
    let mut page = w
        .list(&w.tenant, IdentityFilter::Every, first.clone())
        .await?;
    let mut walked = page.items;
    let mut number = 0;
    while let Some(cursor) = page.next {
        for (letter, created_at) in [("!", START), ("~", minute(2)), ("é", minute(3))] {
            number += 1;
            let given = new_identity(&format!("{letter} {number}"), vec![])?;
            w.store.create(&w.tenant, given, created_at).await?;
        }
        page = w
            .list(&w.tenant, IdentityFilter::Every, first.following(cursor))
            .await?;
        walked.extend(page.items);
        holds(number < 100, "a walk comes to an end")?;
    }
    for identity in &expected {
        let times = walked.iter().filter(|walked| *walked == identity).count();
        equal(
            &format!("how often {:?} was answered", identity.id),
            &times,
            &1,
        )?;
    }
    let mut ids: Vec<_> = walked.iter().map(|identity| &identity.id).collect();
    ids.sort();
    ids.dedup();
    equal("how many were answered once", &ids.len(), &walked.len())
}

/// A cursor is of use in the list that answered it, and refused under another filter and in
/// another tenant.
///
/// A cursor that moves reads on in somebody else's list.
#[rule(
    "identity::list::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn cursor_belongs_to_its_list(w: &Identities) -> Checked {
    w.ten().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, IdentityFilter::Every, page)).await?;
    let human = IdentityFilter::Kind(IdentityKind::Human);
    for (what, tenant, filter) in [
        ("another tenant's list", &w.elsewhere, IdentityFilter::Every),
        (
            "the list of the blocked",
            &w.tenant,
            IdentityFilter::Blocked,
        ),
        ("the list of a kind", &w.tenant, human),
    ] {
        refuses_cursor(&format!("a cursor in {what}"), cursor.clone(), |page| {
            w.list(tenant, filter, page)
        })
        .await?;
    }
    let (_, of_humans) = first_item(|page| w.list(&w.tenant, human, page)).await?;
    refuses_cursor(
        "a cursor of one kind in another's list",
        of_humans,
        |page| w.list(&w.tenant, IdentityFilter::Kind(IdentityKind::Service), page),
    )
    .await?;
    let rest = PageRequest::first(100)?.following(cursor);
    let rest = w
        .store
        .list(&w.tenant, &IdentityFilter::Every, &rest)
        .await?;
    equal("how many follow the cursor's", &rest.items.len(), &9)
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// Whoever starts at the beginning again walks for ever.
#[rule(
    "identity::list::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481"
)]
async fn damaged_cursor_is_refused(w: &Identities) -> Checked {
    w.ten().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, IdentityFilter::Every, page)).await?;
    refuses_damaged(&cursor, |page| {
        w.list(&w.tenant, IdentityFilter::Every, page)
    })
    .await
}
