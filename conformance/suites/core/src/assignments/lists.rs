//! The lists: complete, in order, and each with cursors of its own.

use portproof_ports::{Expected, Grant, GrantScope, NewGrant, PageRequest, Ports, Window};

use super::{
    Assignments, ada, lasting, new_grant, role, role_draft, roles, scoped, stored, subject,
};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, minute},
    lists::{first_item, has_large_pages, make, refuses_cursor, refuses_damaged, walks_answer},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        grants_are_complete_and_ordered,
        grants_of_nobody,
        grants_refuse_a_foreign_cursor,
        grants_refuse_a_damaged_cursor,
        holders_are_complete_and_ordered,
        holders_of_nothing,
        holders_refuse_a_foreign_cursor,
        holders_refuse_a_damaged_cursor,
        roles_are_complete_and_ordered,
        roles_refuse_a_foreign_cursor,
        roles_refuse_a_damaged_cursor,
        grants_have_no_limit_of_their_own,
        holders_have_no_limit_of_their_own,
        roles_have_no_limit_of_their_own,
    ]
}

impl Assignments {
    /// Stores seven more grants of Ada's, in no order, ended ones and later ones among them;
    /// answers all eight as they are listed.
    pub(super) async fn eight_of_ada(&self) -> Result<Vec<Grant>, Failure> {
        let mut grants = self
            .assign_each(vec![
                new_grant("Ada", "viewer", Some("b"))?,
                NewGrant {
                    window: Window::new(None, Some(START))?,
                    ..new_grant("Ada", "editor", Some("b"))?
                },
                lasting("Ada", "viewer", None)?,
                new_grant("Ada", "editor", Some("B"))?,
                NewGrant {
                    window: Window::new(Some(minute(999)), None)?,
                    ..new_grant("Ada", "editor", Some(" a"))?
                },
                new_grant("Ada", "editor ", Some("é"))?,
                new_grant("Ada", "editor ", Some("z"))?,
            ])
            .await?;
        grants.push(self.subject.clone());
        grants.sort_by(|one, two| (&one.role, &one.scope).cmp(&(&two.role, &two.scope)));
        Ok(grants)
    }

    /// Stores grants of the viewer's role, in no order; answers all eight as they are listed.
    pub(super) async fn eight_viewers(&self) -> Result<Vec<Grant>, Failure> {
        let mut grants = self
            .assign_each(vec![
                new_grant("zoe", "viewer", None)?,
                NewGrant {
                    window: Window::new(None, Some(START))?,
                    ..new_grant("Zoe", "viewer", Some("b"))?
                },
                lasting("Zoe", "viewer", Some("B"))?,
                lasting("Zoe", "viewer", None)?,
                NewGrant {
                    window: Window::new(Some(minute(999)), None)?,
                    ..new_grant("Zoe ", "viewer", None)?
                },
                new_grant("élan", "viewer", Some("b"))?,
                new_grant(" x", "viewer", Some("b"))?,
                new_grant("Ada", "viewer", Some(" b"))?,
            ])
            .await?;
        grants.sort_by(|one, two| (&one.subject, &one.scope).cmp(&(&two.subject, &two.scope)));
        Ok(grants)
    }

    /// Gives Ada eight roles in a scope that hold at minute 5, and two that do not; answers the
    /// eight, as they are listed.
    pub(super) async fn eight_roles(&self) -> Result<Vec<portproof_ports::RoleId>, Failure> {
        let mut held = roles(&[
            "viewer", "editor", "editor ", "Viewer", "éditeur", "a", "B", "_",
        ])?;
        for id in &held {
            self.save_role(id.as_str()).await?;
            self.assign(lasting("Ada", id.as_str(), Some("org"))?)
                .await?;
        }
        for (id, from, until) in [
            ("early", Some(minute(6)), None),
            ("late", None, Some(minute(5))),
        ] {
            self.save_role(id).await?;
            self.assign(NewGrant {
                window: Window::new(from, until)?,
                ..new_grant("Ada", id, Some("org"))?
            })
            .await?;
        }
        held.sort();
        Ok(held)
    }
}

/// A subject's list holds each of its grants once, whatever their windows, by role, then the global
/// one, then the scopes by their bytes; a cursor is answered exactly when more follow.
///
/// Whoever reviews somebody's access must see also what begins tomorrow.
#[rule(
    "assignments::grants_of::is_complete_and_ordered",
    source = "leapmux #287: a cursor on a part of the order; hydra #3362: pages ignored",
    environments = "collation"
)]
async fn grants_are_complete_and_ordered(w: &Assignments) -> Checked {
    let expected = w.eight_of_ada().await?;
    let ada = ada()?;
    walks_answer("Ada's grants", &expected, |page| {
        w.grants_page(&w.tenant, &ada, page)
    })
    .await
}

/// The list of a subject without grants is empty, and has no cursor.
///
/// An engine asks for everybody's.
#[rule(
    "assignments::grants_of::of_nobody_is_empty",
    source = "openfga #3014: a driver's no-rows error was not mapped"
)]
async fn grants_of_nobody(w: &Assignments) -> Checked {
    for who in ["nobody", "Ad", "Ada%", "_da", "ADA", "Áda"] {
        let page = PageRequest::first(1)?;
        let found = w.store.grants_of(&w.tenant, &subject(who)?, &page).await?;
        equal("the grants of nobody", &found.items, &vec![])?;
        equal("the cursor after none", &found.next, &None)?;
    }
    Ok(())
}

/// A cursor of a subject's list is refused in those of another subject or tenant, and in other
/// lists.
///
/// A cursor that moves is a way to read on in somebody else's list.
#[rule(
    "assignments::grants_of::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn grants_refuse_a_foreign_cursor(w: &Assignments) -> Checked {
    w.eight_of_ada().await?;
    let (ada, bystander, editor) = (ada()?, subject("ada")?, role("editor")?);
    let (_, cursor) = first_item(|page| w.grants_page(&w.tenant, &ada, page)).await?;
    refuses_cursor("another subject's list", cursor.clone(), |page| {
        w.grants_page(&w.tenant, &bystander, page)
    })
    .await?;
    refuses_cursor("another tenant's list", cursor.clone(), |page| {
        w.grants_page(&w.elsewhere, &ada, page)
    })
    .await?;
    refuses_cursor("the list of holders", cursor.clone(), |page| {
        w.holders_page(&w.tenant, &editor, page)
    })
    .await?;
    let global = GrantScope::Global;
    refuses_cursor("the list of roles", cursor, |page| {
        w.roles_page(&w.tenant, &global, START, page)
    })
    .await
}

/// A damaged or invented cursor of a subject's list is refused as such.
///
/// Whoever starts at the beginning again walks for ever.
#[rule(
    "assignments::grants_of::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn grants_refuse_a_damaged_cursor(w: &Assignments) -> Checked {
    w.eight_of_ada().await?;
    let ada = ada()?;
    let (_, cursor) = first_item(|page| w.grants_page(&w.tenant, &ada, page)).await?;
    refuses_damaged(&cursor, |page| w.grants_page(&w.tenant, &ada, page)).await
}

/// A role's list holds each of its grants once, whatever their windows, by subject, then the global
/// one, then the scopes by their bytes; a cursor is answered exactly when more follow.
///
/// Before a role is changed, this says whom it changes.
#[rule(
    "assignments::holders_of::is_complete_and_ordered",
    source = "better-auth #10342: the list failed above 100; leapmux #287",
    environments = "collation"
)]
async fn holders_are_complete_and_ordered(w: &Assignments) -> Checked {
    let expected = w.eight_viewers().await?;
    let viewer = role("viewer")?;
    walks_answer("the viewers", &expected, |page| {
        w.holders_page(&w.tenant, &viewer, page)
    })
    .await
}

/// The list of a role that nobody holds, or that is not stored, is empty and has no cursor.
///
/// That nobody holds it is what one asks before one deletes it.
#[rule(
    "assignments::holders_of::of_nothing_is_empty",
    source = "openfga #3014; casbin: rules that begin alike"
)]
async fn holders_of_nothing(w: &Assignments) -> Checked {
    for what in [
        "viewer",
        "no such role",
        "Editor",
        "edito",
        "editor%",
        "_ditor",
    ] {
        let page = PageRequest::first(1)?;
        let found = w.store.holders_of(&w.tenant, &role(what)?, &page).await?;
        equal("the holders of nothing", &found.items, &vec![])?;
        equal("the cursor after none", &found.next, &None)?;
    }
    Ok(())
}

/// A cursor of a role's list is refused in those of another role or tenant, and in other lists.
///
/// A cursor that moves is a way to read on in somebody else's list.
#[rule(
    "assignments::holders_of::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e, hydra 43c9be1b5: page two held other tenants' rows"
)]
async fn holders_refuse_a_foreign_cursor(w: &Assignments) -> Checked {
    w.eight_viewers().await?;
    let (ada, viewer, editor) = (ada()?, role("viewer")?, role("editor")?);
    let (_, cursor) = first_item(|page| w.holders_page(&w.tenant, &viewer, page)).await?;
    refuses_cursor("another role's list", cursor.clone(), |page| {
        w.holders_page(&w.tenant, &editor, page)
    })
    .await?;
    refuses_cursor("another tenant's list", cursor.clone(), |page| {
        w.holders_page(&w.elsewhere, &viewer, page)
    })
    .await?;
    refuses_cursor("a subject's list", cursor, |page| {
        w.grants_page(&w.tenant, &ada, page)
    })
    .await
}

/// A damaged or invented cursor of a role's list is refused as such.
///
/// Whoever starts at the beginning again walks for ever.
#[rule(
    "assignments::holders_of::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn holders_refuse_a_damaged_cursor(w: &Assignments) -> Checked {
    w.eight_viewers().await?;
    let viewer = role("viewer")?;
    let (_, cursor) = first_item(|page| w.holders_page(&w.tenant, &viewer, page)).await?;
    refuses_damaged(&cursor, |page| w.holders_page(&w.tenant, &viewer, page)).await
}

/// The roles that a subject holds in a scope are listed once each, by the bytes of their ids, and
/// those that do not hold at the time are left out, at whatever page size.
///
/// A page that is filtered after it was cut is short, and its walk ends too early.
#[rule(
    "assignments::roles_of::is_complete_and_ordered",
    source = "AuthHero 953739e: next was missing; hydra #3384",
    environments = "collation"
)]
async fn roles_are_complete_and_ordered(w: &Assignments) -> Checked {
    let expected = w.eight_roles().await?;
    let org = scoped("org")?;
    walks_answer("Ada's roles", &expected, |page| {
        w.roles_page(&w.tenant, &org, minute(5), page)
    })
    .await
}

/// A cursor of a list of roles is refused in those of another scope, subject or tenant, and of use
/// at another time.
///
/// Time goes on while one walks; the list is the same.
#[rule(
    "assignments::roles_of::refuses_a_foreign_cursor",
    source = "kratos 93d364c8e; the contract: now may differ from page to page"
)]
async fn roles_refuse_a_foreign_cursor(w: &Assignments) -> Checked {
    w.eight_roles().await?;
    let (org, global) = (scoped("org")?, GrantScope::Global);
    let (_, cursor) = first_item(|page| w.roles_page(&w.tenant, &org, minute(5), page)).await?;
    for other in [global, scoped("org ")?, scoped("Org")?] {
        refuses_cursor("another scope's list", cursor.clone(), |page| {
            let other = other.clone();
            async move { w.roles_page(&w.tenant, &other, minute(5), page).await }
        })
        .await?;
    }
    refuses_cursor("another tenant's list", cursor.clone(), |page| {
        w.roles_page(&w.elsewhere, &org, minute(5), page)
    })
    .await?;
    let bystander = subject("ada")?;
    refuses_cursor("another subject's list", cursor.clone(), |page| {
        let (bystander, org) = (bystander.clone(), org.clone());
        async move {
            w.store
                .roles_of(&w.tenant, &bystander, &org, minute(5), &page)
                .await
        }
    })
    .await?;
    let page = PageRequest::first(20)?.following(cursor);
    let rest = w.roles_page(&w.tenant, &org, minute(7), page).await?;
    equal("how many follow at a later time", &rest.items.len(), &8)
}

/// A damaged or invented cursor of a list of roles is refused as such.
///
/// Whoever starts at the beginning again walks for ever.
#[rule(
    "assignments::roles_of::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn roles_refuse_a_damaged_cursor(w: &Assignments) -> Checked {
    w.eight_roles().await?;
    let org = scoped("org")?;
    let (_, cursor) = first_item(|page| w.roles_page(&w.tenant, &org, minute(5), page)).await?;
    refuses_damaged(&cursor, |page| {
        w.roles_page(&w.tenant, &org, minute(5), page)
    })
    .await
}

/// How many grants the lists below have: more than half of the largest page, and fewer than a batch
/// may have.
const MORE: usize = 600;

/// The list of a subject's grants goes on beyond a hundred, and a page is as large as was asked for.
///
/// Who reviews somebody's access sees all of it, or believes to.
#[rule(
    "assignments::grants_of::has_no_limit_of_its_own",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn grants_have_no_limit_of_their_own(w: &Assignments) -> Checked {
    let given = (0..MORE)
        .map(|number| lasting("Carol", "viewer", Some(&format!("scope {number:04}"))))
        .collect::<Result<Vec<_>, _>>()?;
    w.store.assign_many(&w.tenant, &given, START).await?;
    let carol = subject("Carol")?;
    let grants = |page| w.grants_page(&w.tenant, &carol, page);
    let listed = has_large_pages("Carol's grants", MORE, grants).await?;
    let expected: Vec<_> = given.iter().map(|new| stored(new, START)).collect();
    holds(
        listed == expected,
        "each grant is listed once, by its scope",
    )
}

/// The list of a role's holders goes on beyond a hundred, and a page is as large as was asked for.
///
/// A role whose last holders are not shown is thought to be safe to change.
#[rule(
    "assignments::holders_of::has_no_limit_of_its_own",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn holders_have_no_limit_of_their_own(w: &Assignments) -> Checked {
    let given = (0..MORE)
        .map(|number| lasting(&format!("holder {number:04}"), "viewer", None))
        .collect::<Result<Vec<_>, _>>()?;
    w.store.assign_many(&w.tenant, &given, START).await?;
    let viewer = role("viewer")?;
    let holders = |page| w.holders_page(&w.tenant, &viewer, page);
    let listed = has_large_pages("the viewers", MORE, holders).await?;
    let expected: Vec<_> = given.iter().map(|new| stored(new, START)).collect();
    holds(listed == expected, "each holder is listed once, by its id")
}

/// The list of the roles that a subject holds goes on beyond a hundred, and a page is as large as was
/// asked for.
///
/// A role that is not answered is a permission that its holder does not have.
#[rule(
    "assignments::roles_of::has_no_limit_of_its_own",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn roles_have_no_limit_of_their_own(w: &Assignments) -> Checked {
    let (policies, tenant) = (w.policies.clone(), w.tenant.clone());
    make(MORE, move |number| {
        let (policies, tenant) = (policies.clone(), tenant.clone());
        async move {
            let draft = role_draft(&role(&format!("role {number:04}"))?)?;
            let expected = Expected::Anything;
            policies.save_role(&tenant, expected, draft, START).await?;
            Ok(())
        }
    })
    .await?;
    let given = (0..MORE)
        .map(|number| lasting("Ada", &format!("role {number:04}"), Some("org")))
        .collect::<Result<Vec<_>, _>>()?;
    w.store.assign_many(&w.tenant, &given, START).await?;
    let org = scoped("org")?;
    let held = |page| w.roles_page(&w.tenant, &org, minute(5), page);
    let listed = has_large_pages("Ada's roles", MORE, held).await?;
    let expected: Vec<_> = given.into_iter().map(|new| new.role).collect();
    holds(listed == expected, "each role is listed once, by its id")
}
