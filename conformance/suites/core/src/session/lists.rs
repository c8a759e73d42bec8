//! The list of an identity's sessions: complete, in order, and stable while others come and go.

use portproof_ports::{
    IdentityId, NewSession, Page, PageRequest, PortResult, Ports, Session, TenantId, Timestamp,
};

use super::{Sessions, ada, digest, long_session, new_session};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::{START, day, just_before, minute},
    lists::{first_item, refuses_cursor, refuses_damaged, walks_answer},
    rule, walk,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        list_is_complete_and_ordered,
        list_holds_live_sessions_only,
        list_is_complete_at_any_length,
        list_of_nobody_is_empty,
        guests_are_in_no_list,
        walk_survives_removals,
        walk_survives_insertions,
        cursor_belongs_to_its_list,
        damaged_cursor_is_refused,
    ]
}

impl Sessions {
    /// Ada's sessions, as a list to walk.
    async fn list(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        page: PageRequest,
    ) -> PortResult<Page<Session>> {
        let identity = IdentityId::new("Ada")?;
        self.other.list_of(tenant, &identity, now, &page).await
    }

    /// Stores seven more sessions of Ada's, several in one instant, and answers all eight in the
    /// list's order.
    async fn eight(&self) -> Result<Vec<Session>, Failure> {
        let mut sessions = vec![self.subject.clone()];
        for (number, created_at) in [
            (5, minute(3)),
            (1, START),
            (2, START),
            (6, minute(3)),
            (3, START),
            (4, minute(1)),
            (7, minute(3)),
        ] {
            let given = long_session(&format!("session {number}"), Some("Ada"))?;
            sessions.push(self.store.create(&self.tenant, given, created_at).await?);
        }
        sessions.sort_by(|one, two| (one.created_at, &one.id).cmp(&(two.created_at, &two.id)));
        Ok(sessions)
    }
}

/// A list holds every live session of the identity once, by creation and then by id, at whatever
/// page size; a cursor is answered exactly when more follow.
///
/// A session that no page shows is one that its user cannot end.
#[rule(
    "session::list_of::is_complete_and_ordered",
    source = "leapmux #287: rows of one millisecond were dropped; AuthHero 953739e: next was missing",
    environments = "collation"
)]
async fn list_is_complete_and_ordered(w: &Sessions) -> Checked {
    let expected = w.eight().await?;
    walks_answer("Ada's sessions", &expected, |page| {
        w.list(&w.tenant, minute(5), page)
    })
    .await
}

/// A list holds the sessions that are live at the time of the call: not those that are at their
/// end.
///
/// A user who is shown sessions that are over cannot tell which one is a thief's.
#[rule(
    "session::list_of::holds_live_ones_only",
    source = "kratos: the active filter; crudauth #35"
)]
async fn list_holds_live_sessions_only(w: &Sessions) -> Checked {
    let over = NewSession {
        idle: None,
        ends_at: minute(10),
        ..new_session("over")?
    };
    let over = w.create(over).await?;
    let mut both = vec![w.subject.clone(), over];
    both.sort_by(|one, two| one.id.cmp(&two.id));
    let last = just_before(minute(10));
    walks_answer("the sessions before the end of one", &both, |page| {
        w.list(&w.tenant, last, page)
    })
    .await?;
    let left = [w.subject.clone()];
    walks_answer("the sessions at the end of one", &left, |page| {
        w.list(&w.tenant, minute(10), page)
    })
    .await?;
    walks_answer("the sessions after all ends", &[], |page| {
        w.list(&w.tenant, day(91), page)
    })
    .await
}

/// A page holds as many sessions as were asked for, up to a thousand, and a list of more than a
/// thousand is walked to its end.
///
/// A limit of the adapter's own hides sessions, and an engine takes the first hundred for all.
#[rule(
    "session::list_of::is_complete_at_any_length",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn list_is_complete_at_any_length(w: &Sessions) -> Checked {
    w.create_many(1001).await?;
    let pages = walk::pages(1000, |page| w.list(&w.tenant, START, page)).await?;
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    equal("how many sessions each page holds", &sizes, &vec![1000, 2])?;
    let listed: Vec<_> = pages
        .into_iter()
        .flatten()
        .map(|session| session.id)
        .collect();
    let mut expected: Vec<_> = (0..1001)
        .map(|number| digest(&format!("one of many {number}")))
        .chain([w.subject.id.clone()])
        .collect();
    expected.sort();
    holds(
        listed == expected,
        "all sessions of one instant are listed once, by id",
    )
}

/// The list of an identity without sessions is empty, and has no cursor.
///
/// Otherwise a user without sessions gets an error, or is shown those of strangers.
#[rule(
    "session::list_of::of_nobody_is_empty",
    source = "kratos: an empty list made a statement that is no SQL"
)]
async fn list_of_nobody_is_empty(w: &Sessions) -> Checked {
    for nobody in ["nobody", "Ad", "Ada%", "%", "_da", "ada "] {
        let nobody = IdentityId::new(nobody)?;
        let page = w
            .store
            .list_of(&w.tenant, &nobody, START, &PageRequest::first(1)?)
            .await?;
        equal("the sessions of nobody", &page.items, &vec![])?;
        equal("the cursor after none", &page.next, &None)?;
    }
    Ok(())
}

/// A guest's session is in no identity's list, whatever the identity is called.
///
/// Otherwise a user who is called "null" sees, and ends, the sessions of all guests.
#[rule(
    "session::list_of::holds_no_guests",
    source = "duck-auth: a null identity is in no list"
)]
async fn guests_are_in_no_list(w: &Sessions) -> Checked {
    for name in ["null", "NULL", "None", "guest", "undefined", "0"] {
        let name = IdentityId::new(name)?;
        let page = w
            .store
            .list_of(&w.tenant, &name, START, &PageRequest::first(10)?)
            .await?;
        equal(&format!("the sessions of {name:?}"), &page.items, &vec![])?;
    }
    let guest = some("the guest's session", w.seen(&digest("guest")).await?)?;
    equal("the guest's identity", &guest.identity, &None)
}

/// A walk goes on when sessions end under it, also the one that its cursor stands on: it answers
/// every session that stays once.
///
/// A session that is skipped goes on when a user ends them one by one.
#[rule(
    "session::list_of::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn walk_survives_removals(w: &Sessions) -> Checked {
    let expected = w.eight().await?;
    let first = PageRequest::first(2)?;
    let mut page = w.list(&w.tenant, minute(5), first.clone()).await?;
    let mut walked = page.items.clone();
    while let Some(cursor) = page.next {
        // All that were answered end, also the one that the cursor stands on.
        for session in &page.items {
            w.store.revoke(&w.tenant, &session.id).await?;
        }
        page = w
            .list(&w.tenant, minute(5), first.following(cursor))
            .await?;
        walked.extend(page.items.clone());
        holds(walked.len() < 100, "a walk comes to an end")?;
    }
    equal("the sessions that were walked", &walked, &expected)
}

/// A walk goes on when sessions are created under it: it answers every session that was there
/// once, and none twice.
///
/// A session that is skipped or doubled makes a user end the wrong one.
#[rule(
    "session::list_of::walk_survives_insertions",
    source = "AuthHero 0e6acf4; leapmux #287",
    environments = "collation"
)]
async fn walk_survives_insertions(w: &Sessions) -> Checked {
    let expected = w.eight().await?;
    let first = PageRequest::first(3)?;
    let mut page = w.list(&w.tenant, minute(5), first.clone()).await?;
    let mut walked = page.items;
    let mut number = 0;
    while let Some(cursor) = page.next {
        for created_at in [START, minute(2), minute(4)] {
            number += 1;
            let given = long_session(&format!("inserted {number}"), Some("Ada"))?;
            w.store.create(&w.tenant, given, created_at).await?;
        }
        page = w
            .list(&w.tenant, minute(5), first.following(cursor))
            .await?;
        walked.extend(page.items);
        holds(number < 100, "a walk comes to an end")?;
    }
    for session in &expected {
        let times = walked.iter().filter(|walked| *walked == session).count();
        equal(
            &format!("how often the session {:?} was answered", session.id),
            &times,
            &1,
        )?;
    }
    let mut ids: Vec<_> = walked.iter().map(|session| &session.id).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    equal("how many sessions were answered once", &ids.len(), &count)
}

/// A cursor is of use in the list that answered it, and refused in those of another identity or
/// tenant.
///
/// Otherwise a cursor that is passed on shows somebody else's sessions.
#[rule(
    "session::list_of::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn cursor_belongs_to_its_list(w: &Sessions) -> Checked {
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
/// sessions.
#[rule(
    "session::list_of::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn damaged_cursor_is_refused(w: &Sessions) -> Checked {
    w.eight().await?;
    let (_, cursor) = first_item(|page| w.list(&w.tenant, minute(5), page)).await?;
    refuses_damaged(&cursor, |page| w.list(&w.tenant, minute(5), page)).await
}
