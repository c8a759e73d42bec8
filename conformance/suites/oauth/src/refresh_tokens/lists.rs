//! The list of an identity's families: complete, in order, and stable while others come and go.

use portproof_ports::{
    Family, IdentityId, NewFamily, Page, PageRequest, PortResult, Ports, TenantId, Timestamp,
};

use super::{Families, ada, digest, long_family, new_family, rotated};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, day, just_before, minute},
    lists::{first_item, refuses_cursor, refuses_damaged, walks_answer},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_and_ordered,
        list_holds_live_families_only,
        list_is_complete_at_any_length,
        list_of_nobody_is_empty,
        walk_survives_removals,
        walk_survives_insertions,
        walk_survives_rotations,
        cursor_belongs_to_its_list,
        damaged_cursor_is_refused,
    ]
}

impl Families {
    /// Ada's families, as a list to walk.
    async fn list(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        page: PageRequest,
    ) -> PortResult<Page<Family>> {
        let identity = IdentityId::new("Ada")?;
        self.other.list_of(tenant, &identity, now, &page).await
    }

    /// Stores seven more families of Ada's, several in one instant, and answers all eight in the
    /// list's order.
    async fn eight(&self) -> Result<Vec<Family>, Failure> {
        let mut families = vec![self.subject.clone()];
        for (name, created_at) in [
            ("f", minute(3)),
            ("B", START),
            ("b", START),
            ("é", minute(3)),
            ("b ", START),
            ("a", minute(1)),
            ("z", minute(3)),
        ] {
            let given = long_family(name, "Ada")?;
            families.push(self.store.issue(&self.tenant, given, created_at).await?);
        }
        families.sort_by(|one, two| (one.created_at, &one.id).cmp(&(two.created_at, &two.id)));
        Ok(families)
    }
}

/// A list holds every live family of the identity once and whole, by creation and then by the bytes of
/// the id, at whatever page size; a cursor is answered exactly when more follow. A rotation moves
/// nothing in it.
///
/// An app that no page shows is one that its user cannot end.
#[rule(
    "refresh_tokens::list_of::is_complete_and_ordered",
    source = "leapmux #287: rows of one millisecond were dropped; AuthHero 953739e: next was missing",
    environments = "collation"
)]
async fn list_is_complete_and_ordered(w: &Families) -> Checked {
    let mut expected = w.eight().await?;
    walks_answer("Ada's families", &expected, |page| {
        w.list(&w.tenant, minute(5), page)
    })
    .await?;
    for place in [0, 3, 7] {
        let new = digest(&format!("new {place}"));
        w.rotate(&expected[place].token, &new, minute(4)).await?;
        expected[place] = rotated(&expected[place], &new, minute(4));
    }
    walks_answer("Ada's families, some rotated", &expected, |page| {
        w.list(&w.tenant, minute(5), page)
    })
    .await
}

/// A list holds the families that are live at the time of the call: not those that are at their end,
/// idle or absolute.
///
/// A user who is shown what is over cannot tell which app is a thief's.
#[rule(
    "refresh_tokens::list_of::holds_live_ones_only",
    source = "kratos: the active filter; crudauth #35"
)]
async fn list_holds_live_families_only(w: &Families) -> Checked {
    let over = NewFamily {
        idle: None,
        ends_at: minute(10),
        ..new_family("over")?
    };
    let over = w.issue(over).await?;
    let both = [over, w.subject.clone()];
    let last = just_before(minute(10));
    walks_answer("the families before the end of one", &both, |page| {
        w.list(&w.tenant, last, page)
    })
    .await?;
    let left = [w.advance(&w.subject, "one", minute(9)).await?];
    for now in [minute(10), just_before(minute(39))] {
        walks_answer("the families at the end of one", &left, |page| {
            w.list(&w.tenant, now, page)
        })
        .await?;
    }
    for now in [minute(39), day(91)] {
        walks_answer("the families after all ends", &[], |page| {
            w.list(&w.tenant, now, page)
        })
        .await?;
    }
    Ok(())
}

/// A page holds as many families as were asked for, up to a thousand, and a list of thousands is walked
/// to its end, also by whoever changes the size of the pages on the way.
///
/// A limit of the adapter's own hides families, and an engine takes the first hundred for all.
#[rule(
    "refresh_tokens::list_of::is_complete_at_any_length",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn list_is_complete_at_any_length(w: &Families) -> Checked {
    let tenant = w.context.tenant()?;
    w.issue_many(&tenant, 2500).await?;
    let mut expected: Vec<String> = (0..2500)
        .map(|number| format!("one of many {number}"))
        .collect();
    expected.sort();
    // Of one instant, and so by id.
    for thousands in [usize::MAX, 2] {
        let mut listed = Vec::new();
        let mut page = w.list(&tenant, START, PageRequest::first(1000)?).await?;
        while let Some(cursor) = page.next.take() {
            listed.append(&mut page.items);
            let limit = match listed.len() {
                so_far if so_far < thousands.saturating_mul(1000) => 1000,
                so_far if so_far < 2400 => 7,
                _ => 1,
            };
            let request = PageRequest::first(limit)?.following(cursor);
            page = w.list(&tenant, START, request).await?;
            let left = expected.len().saturating_sub(listed.len());
            equal(
                &format!("how many a page of {limit} holds when {left} are left"),
                &page.items.len(),
                &left.min(usize::from(limit)),
            )?;
        }
        listed.append(&mut page.items);
        let listed: Vec<_> = listed.iter().map(|family| family.id.as_str()).collect();
        holds(
            listed == expected,
            format!(
                "all of 2500 families are listed once, by id, got {}",
                listed.len()
            ),
        )?;
    }
    Ok(())
}

/// The list of an identity without families is empty, and has no cursor.
///
/// Otherwise a user without apps gets an error, or is shown those of strangers.
#[rule(
    "refresh_tokens::list_of::of_nobody_is_empty",
    source = "kratos: an empty list made a statement that is no SQL"
)]
async fn list_of_nobody_is_empty(w: &Families) -> Checked {
    for nobody in [
        "nobody", "Ad", "Ada%", "%", "_da", "ada ", "App", "Sid", "subject",
    ] {
        let nobody = IdentityId::new(nobody)?;
        let page = w
            .store
            .list_of(&w.tenant, &nobody, START, &PageRequest::first(1)?)
            .await?;
        equal("the families of nobody", &page.items, &vec![])?;
        equal("the cursor after none", &page.next, &None)?;
    }
    Ok(())
}

/// A walk goes on when families end under it, also the one that its cursor stands on: it answers every
/// family that stays once.
///
/// An app that is skipped goes on when a user ends them one by one.
#[rule(
    "refresh_tokens::list_of::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn walk_survives_removals(w: &Families) -> Checked {
    let expected = w.eight().await?;
    let first = PageRequest::first(2)?;
    let mut page = w.list(&w.tenant, minute(5), first.clone()).await?;
    let mut walked = page.items.clone();
    while let Some(cursor) = page.next {
        // All that were answered end, also the one that the cursor stands on.
        for family in &page.items {
            w.store.revoke(&w.tenant, &family.id).await?;
        }
        page = w
            .list(&w.tenant, minute(5), first.following(cursor))
            .await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    equal("the families that were walked", &walked, &expected)
}

/// A walk goes on when families are issued under it: it answers every family that was there once, and
/// none twice.
///
/// A family that is skipped or doubled makes a user end the wrong one.
#[rule(
    "refresh_tokens::list_of::walk_survives_insertions",
    source = "AuthHero 0e6acf4; leapmux #287",
    environments = "collation"
)]
async fn walk_survives_insertions(w: &Families) -> Checked {
    let expected = w.eight().await?;
    let first = PageRequest::first(3)?;
    let mut page = w.list(&w.tenant, minute(5), first.clone()).await?;
    let mut walked = page.items;
    let mut number = 0;
    while let Some(cursor) = page.next {
        for created_at in [START, minute(2), minute(4)] {
            number += 1;
            let given = long_family(&format!("inserted {number}"), "Ada")?;
            w.store.issue(&w.tenant, given, created_at).await?;
        }
        page = w
            .list(&w.tenant, minute(5), first.following(cursor))
            .await?;
        walked.extend(page.items);
        holds(number < 100, "a walk comes to an end")?;
    }
    for family in &expected {
        let times = walked.iter().filter(|walked| *walked == family).count();
        equal(
            &format!("how often the family {:?} was answered", family.id),
            &times,
            &1,
        )?;
    }
    let mut ids: Vec<_> = walked.iter().map(|family| &family.id).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    equal("how many families were answered once", &ids.len(), &count)
}

/// A walk goes on when families are rotated under it: each is answered once, in its place.
///
/// Apps refresh all the time; a list in the order of their last use shows some twice and some never.
#[rule(
    "refresh_tokens::list_of::walk_survives_rotations",
    source = "spring-session #1791: an index kept the old id"
)]
async fn walk_survives_rotations(w: &Families) -> Checked {
    let expected = w.eight().await?;
    let first = PageRequest::first(3)?;
    let mut page = w.list(&w.tenant, minute(5), first.clone()).await?;
    let mut walked = page.items;
    let mut number = 0;
    while let Some(cursor) = page.next {
        // What was answered, and what will be.
        for family in &expected {
            number += 1;
            let found = w.of_ada(minute(5)).await?;
            let now = found.into_iter().find(|found| found.id == family.id);
            let token = now.map_or(family.token.clone(), |family| family.token);
            w.rotate(&token, &digest(&format!("new {number}")), minute(4))
                .await?;
        }
        page = w
            .list(&w.tenant, minute(5), first.following(cursor))
            .await?;
        walked.extend(page.items);
        holds(number < 100, "a walk comes to an end")?;
    }
    let ids = |families: &[Family]| -> Vec<String> {
        families
            .iter()
            .map(|family| family.id.as_str().to_owned())
            .collect()
    };
    equal(
        "the families that were walked",
        &ids(&walked),
        &ids(&expected),
    )
}

/// A cursor is of use in the list that answered it, and refused in those of another identity or
/// tenant.
///
/// Otherwise a cursor that is passed on shows somebody else's apps.
#[rule(
    "refresh_tokens::list_of::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn cursor_belongs_to_its_list(w: &Families) -> Checked {
    w.eight().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, minute(5), page)).await?;
    let other = IdentityId::new("ada")?;
    refuses_cursor(
        "a cursor in another identity's list",
        cursor.clone(),
        |page| {
            let other = other.clone();
            async move { w.store.list_of(&w.tenant, &other, minute(5), &page).await }
        },
    )
    .await?;
    refuses_cursor(
        "a cursor in another tenant's list",
        cursor.clone(),
        |page| w.list(&w.elsewhere, minute(5), page),
    )
    .await?;
    // Time goes on during a walk, and servers change.
    let page = PageRequest::first(10)?.following(cursor);
    let rest = w
        .store
        .list_of(&w.tenant, &ada()?, minute(6), &page)
        .await?;
    equal("how many follow the cursor's", &rest.items.len(), &7)
}

/// A damaged or invented cursor is refused as such: no panic, no first page, no driver's error.
///
/// An engine that gets the first page again walks for ever; one that gets an empty page misses
/// families.
#[rule(
    "refresh_tokens::list_of::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn damaged_cursor_is_refused(w: &Families) -> Checked {
    w.eight().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, minute(5), page)).await?;
    refuses_damaged(&cursor, |page| w.list(&w.tenant, minute(5), page)).await
}
