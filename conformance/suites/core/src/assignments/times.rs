//! Which roles are held when, and when that changes next.

use portproof_ports::{
    ErrorKind, GrantScope, NewGrant, PageRequest, Ports, Timestamp, Which, Window,
};

use super::{Assignments, ada, lasting, new_grant, role, roles, scoped, subject};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, day, just_before, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        held_from_beginning_to_end,
        global_and_scoped_are_apart,
        roles_of_nobody,
        next_change_is_the_earliest,
        next_change_comes_after_now,
        next_change_follows_writes,
        next_change_minds_nobody_else,
        next_change_of_nothing,
        next_change_is_refused_where_disclaimed,
    ]
}

/// A role is held from the first instant of its grant's window on, and no longer at its last:
/// whatever bound is absent does not count.
///
/// An access that ends at noon and is there at noon is there for whoever waits for noon.
#[rule(
    "assignments::roles_of::holds_from_beginning_to_end",
    source = "duck-iam: expired grants were answered; AuthHero 2.6: a code was good after its end",
    environments = "time_zone"
)]
async fn held_from_beginning_to_end(w: &Assignments) -> Checked {
    for (who, from, until) in [
        ("both", Some(minute(10)), Some(minute(20))),
        ("from", Some(minute(10)), None),
        ("until", None, Some(minute(20))),
        ("always", None, None),
    ] {
        for place in [None, Some("org")] {
            let window = Window::new(from, until)?;
            let new = NewGrant {
                window,
                ..new_grant(who, "viewer", place)?
            };
            w.assign(new.clone()).await?;
            for now in [
                Timestamp::MIN,
                just_before(minute(10)),
                minute(10),
                just_before(minute(20)),
                minute(20),
                day(3000),
            ] {
                let held = if window.holds(now) {
                    roles(&["viewer"])?
                } else {
                    vec![]
                };
                let found = w
                    .other
                    .roles_of(
                        &w.tenant,
                        &new.subject,
                        &new.scope,
                        now,
                        &PageRequest::first(9)?,
                    )
                    .await?;
                equal(&format!("what is held at {now}"), &found.items, &held)?;
            }
        }
    }
    Ok(())
}

/// The roles of a scope are those that are granted in it, and those of everywhere are those that
/// are granted everywhere: neither holds the other's.
///
/// An engine adds them up itself. One that asks for the global ones and gets all makes every
/// project's administrator one of everything.
#[rule(
    "assignments::roles_of::keeps_global_and_scoped_apart",
    source = "duck-iam 2.1.0: drizzle, prisma and redis collapsed them; AuthHero ee69820",
    environments = "collation"
)]
async fn global_and_scoped_are_apart(w: &Assignments) -> Checked {
    w.assign_each(vec![
        lasting("Ada", "viewer", Some("org"))?,
        lasting("Ada", "editor ", Some("org"))?,
        lasting("Ada", "editor ", None)?,
        lasting("Ada", "viewer", Some("org/a"))?,
    ])
    .await?;
    for (place, held) in [
        (GrantScope::Global, &["editor", "editor "][..]),
        (scoped("org")?, &["editor ", "viewer"]),
        (scoped("org/a")?, &["viewer"]),
        (scoped("org/")?, &[]),
        (scoped("or%")?, &[]),
        (scoped("Org")?, &[]),
        (scoped("*")?, &[]),
        (scoped("global")?, &[]),
        (scoped("null")?, &[]),
    ] {
        let found = w.roles(&ada()?, &place, minute(5)).await?;
        equal(
            &format!("what Ada holds in {place:?}"),
            &found,
            &roles(held)?,
        )?;
    }
    Ok(())
}

/// The roles of a subject who has none, there or anywhere, are an empty list without a cursor.
///
/// Most subjects have none in most scopes.
#[rule(
    "assignments::roles_of::of_nobody_is_empty",
    source = "openfga #3014: a driver's no-rows error was not mapped"
)]
async fn roles_of_nobody(w: &Assignments) -> Checked {
    for who in ["nobody", "Ad", "Ada%", "_da", "ADA"] {
        for place in [GrantScope::Global, scoped("org")?] {
            let (who, page) = (subject(who)?, PageRequest::first(1)?);
            let found = w.store.roles_of(&w.tenant, &who, &place, minute(5), &page);
            let found = found.await?;
            equal("the roles of nobody", &found.items, &vec![])?;
            equal("the cursor after none", &found.next, &None)?;
        }
    }
    Ok(())
}

/// A subject's roles next change at the earliest beginning or end that is still to come, of all
/// grants in all scopes.
///
/// What caches the roles for longer lets in who is out, or keeps out who is in.
#[rule(
    "assignments::next_change::is_the_earliest_bound",
    capability = "assignments.next_change",
    source = "duck-iam 5.8.1: a cache outlived the end of a grant by a minute",
    environments = "time_zone"
)]
async fn next_change_is_the_earliest(w: &Assignments) -> Checked {
    for (what, place, from, until) in [
        ("viewer", None, Some(day(2)), Some(day(3))),
        ("viewer", Some("org"), None, Some(day(5))),
        ("editor", Some("org"), Some(day(1)), None),
        ("editor ", None, None, None),
    ] {
        w.assign(NewGrant {
            window: Window::new(from, until)?,
            ..new_grant("Ada", what, place)?
        })
        .await?;
    }
    for (now, expected) in [
        (START, Some(minute(1))),
        (minute(1), Some(day(1))),
        (minute(2), Some(day(1))),
        (day(1), Some(day(2))),
        (day(2), Some(day(3))),
        (day(3), Some(day(5))),
        (day(5), Some(day(30))),
        (day(30), None),
    ] {
        for store in [&w.store, &w.other] {
            let next = store.next_change(&w.tenant, &ada()?, now).await?;
            equal(&format!("the next change after {now}"), &next, &expected)?;
        }
    }
    Ok(())
}

/// The next change comes after the instant that is asked about: a bound at that very instant has
/// happened, and one a microsecond later is the next.
///
/// A change that is always now is a cache that is never used.
#[rule(
    "assignments::next_change::comes_after_now",
    capability = "assignments.next_change",
    source = "a span holds its first instant and not its last: the contract"
)]
async fn next_change_comes_after_now(w: &Assignments) -> Checked {
    for (now, expected) in [
        (Timestamp::MIN, Some(minute(1))),
        (just_before(minute(1)), Some(minute(1))),
        (minute(1), Some(day(30))),
        (just_before(day(30)), Some(day(30))),
        (day(30), None),
        (Timestamp::MAX, None),
    ] {
        let next = w.store.next_change(&w.tenant, &ada()?, now).await?;
        equal(&format!("the next change after {now}"), &next, &expected)?;
    }
    Ok(())
}

/// The next change is that of the grants as they are: a window that was set anew, and a grant that
/// was revoked, no longer count.
///
/// It is asked for exactly when something was written.
#[rule(
    "assignments::next_change::follows_writes",
    capability = "assignments.next_change",
    source = "AuthHero: reads from a cache after writes that it did not know"
)]
async fn next_change_follows_writes(w: &Assignments) -> Checked {
    let ada = ada()?;
    let renewed = NewGrant {
        window: Window::new(None, Some(day(40)))?,
        ..new_grant("Ada", "editor", None)?
    };
    let next = w.other.next_change(&w.tenant, &ada, START).await?;
    equal("the next change", &next, &Some(minute(1)))?;
    w.assign(renewed).await?;
    for store in [&w.store, &w.other] {
        let next = store.next_change(&w.tenant, &ada, START).await?;
        equal("the next change after a new window", &next, &Some(day(40)))?;
    }
    w.store
        .revoke(&w.tenant, &ada, &role("editor")?, &Which::Every)
        .await?;
    for store in [&w.store, &w.other] {
        let next = store.next_change(&w.tenant, &ada, START).await?;
        equal("the next change after a revocation", &next, &None)?;
    }
    Ok(())
}

/// The next change of a subject is that of its own grants in its own tenant.
///
/// Otherwise everybody's caches end with anybody's grant.
#[rule(
    "assignments::next_change::minds_nobody_else",
    capability = "assignments.next_change",
    source = "hydra 43c9be1b5, keto 0c61e343: a condition without its tenant"
)]
async fn next_change_minds_nobody_else(w: &Assignments) -> Checked {
    let new = lasting("Ada", "editor", None)?;
    w.assign(new).await?;
    // Ada of the other tenant, and `ada`, have bounds.
    let next = w.store.next_change(&w.tenant, &ada()?, START).await?;
    equal("the next change of who has no bounds", &next, &None)?;
    for who in ["Ad", "Ada%", "_da", "ADA"] {
        let next = w
            .store
            .next_change(&w.tenant, &subject(who)?, START)
            .await?;
        equal("the next change of somebody else", &next, &None)?;
    }
    Ok(())
}

/// A subject without grants, or with none that has a bound, has no next change.
///
/// Most have none; an error or an instant in their place is asked for again and again.
#[rule(
    "assignments::next_change::of_nothing_is_none",
    capability = "assignments.next_change",
    source = "openfga #3014: no rows; the least of nothing is null"
)]
async fn next_change_of_nothing(w: &Assignments) -> Checked {
    w.assign(lasting("Bob", "viewer", None)?).await?;
    w.assign(lasting("Bob", "viewer", Some("org"))?).await?;
    for who in ["nobody", "Bob"] {
        for now in [Timestamp::MIN, START] {
            let next = w.store.next_change(&w.tenant, &subject(who)?, now).await?;
            equal(&format!("the next change of {who}"), &next, &None)?;
        }
    }
    Ok(())
}

/// An adapter that does not tell the next change refuses the question as unsupported.
///
/// "Never" in its place is a cache that never ends.
#[rule(
    "assignments::next_change::is_refused_where_disclaimed",
    capability = "assignments.next_change",
    disclaimed,
    source = "duck-iam: optional methods that were missing in silence"
)]
async fn next_change_is_refused_where_disclaimed(w: &Assignments) -> Checked {
    for who in ["Ada", "nobody"] {
        let answer = w.store.next_change(&w.tenant, &subject(who)?, START).await;
        fails("asking for the next change", answer, ErrorKind::Unsupported)?;
    }
    w.subject_unchanged().await
}
