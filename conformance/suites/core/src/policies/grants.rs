//! Roles and their grants: a deleted role is held by nobody, also when it is saved again.

use std::{fmt::Debug, sync::Arc};

use portproof_ports::{
    AssignmentStore, ErrorKind, Grant, GrantScope, NewGrant, PageRequest, Ports, RoleId, Scope,
    SubjectId, TenantId, Timestamp, Window,
};

use super::{
    Book,
    kind::{Kind, Roles},
};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds},
    fixture::{START, day, minute},
    race::{RACERS, race},
    rule, walk,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        delete_ends_grants,
        role_saved_again_is_held_by_nobody,
        delete_ends_more_than_a_page,
        delete_races_with_assign,
        save_keeps_grants,
    ]
}

fn new_grant(subject: &str, role: &str, scope: Option<&str>) -> Result<NewGrant, Failure> {
    Ok(NewGrant {
        subject: SubjectId::new(subject)?,
        role: RoleId::new(role)?,
        scope: match scope {
            None => GrantScope::Global,
            Some(scope) => GrantScope::Scoped(Scope::new(scope)?),
        },
        window: Window::ALWAYS,
    })
}

/// The assignments port beside the policies, and grants that no rule here means.
struct Held<'a> {
    book: &'a Book,
    stores: [Arc<dyn AssignmentStore>; 2],
    bystanders: Vec<(TenantId, Grant)>,
}

impl<'a> Held<'a> {
    /// Gives Ada the role beside the subject, and in the other tenant the subject's namesake.
    async fn build(book: &'a Book) -> Result<Self, Failure> {
        let stores = book.assignments()?;
        let mut bystanders = Vec::new();
        for (tenant, role) in [(&book.tenant, "Subject"), (&book.elsewhere, "subject")] {
            let grant = new_grant("Ada", role, None)?;
            let grant = stores[0].assign(tenant, grant, START).await?;
            bystanders.push((tenant.clone(), grant));
        }
        Ok(Self {
            book,
            stores,
            bystanders,
        })
    }

    /// Gives Ada the subject everywhere and in a scope, Bob from tomorrow on, and Cy until a minute
    /// ago.
    async fn four(&self) -> Result<Vec<Grant>, Failure> {
        let until_then = Window::new(None, Some(minute(1)))?;
        let tomorrow = Window::new(Some(day(1)), Some(day(90)))?;
        let mut grants = Vec::new();
        for (subject, scope, window) in [
            ("Ada", None, Window::ALWAYS),
            ("Ada", Some("acme"), Window::ALWAYS),
            ("Bob", None, tomorrow),
            ("Cy", Some("acme"), until_then),
        ] {
            let grant = NewGrant {
                window,
                ..new_grant(subject, "subject", scope)?
            };
            grants.push(self.assign(grant, START).await?);
        }
        Ok(grants)
    }

    async fn assign(&self, grant: NewGrant, now: Timestamp) -> Result<Grant, Failure> {
        Ok(self.stores[0].assign(&self.book.tenant, grant, now).await?)
    }

    /// Everybody who holds the role, as both handles see it.
    async fn holders(&self, tenant: &TenantId, role: &str) -> Result<Vec<Grant>, Failure> {
        let role = RoleId::new(role)?;
        let [first, second] = &self.stores;
        let both = [
            holders_of(&**first, tenant, &role).await?,
            holders_of(&**second, tenant, &role).await?,
        ];
        same("the holders of a role", both)
    }

    /// Fails unless nobody holds the subject, wherever one looks, and the other grants are there.
    async fn nobody_holds_it(&self) -> Checked {
        let tenant = &self.book.tenant;
        let held = self.holders(tenant, "subject").await?;
        equal("the holders of the role", &held, &vec![])?;
        let page = PageRequest::first(100)?;
        for store in &self.stores {
            for (subject, scope) in [
                ("Ada", None),
                ("Ada", Some("acme")),
                ("Bob", None),
                ("Cy", Some("acme")),
            ] {
                let grant = new_grant(subject, "subject", scope)?;
                let grants = store.grants_of(tenant, &grant.subject, &page).await?.items;
                let left: Vec<&Grant> =
                    grants.iter().filter(|one| one.role == grant.role).collect();
                equal(&format!("{subject}'s grants of the role"), &left, &vec![])?;
                for now in [START, day(2)] {
                    let roles = store
                        .roles_of(tenant, &grant.subject, &grant.scope, now, &page)
                        .await?;
                    holds(
                        !roles.items.contains(&grant.role),
                        format!("{subject} does not hold the role at {now}"),
                    )?;
                }
            }
        }
        self.bystanders_unchanged().await
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, grant) in &self.bystanders {
            let held = self.holders(tenant, grant.role.as_str()).await?;
            equal(
                "the grants of a role that nobody touched",
                &held,
                &vec![grant.clone()],
            )?;
        }
        Ok(())
    }
}

/// Everybody who holds the role, as one handle sees it.
async fn holders_of(
    store: &dyn AssignmentStore,
    tenant: &TenantId,
    role: &RoleId,
) -> Result<Vec<Grant>, Failure> {
    let page = |page: PageRequest| async move { store.holders_of(tenant, role, &page).await };
    walk::all(1000, page).await
}

/// What both handles answer.
fn same<T: Debug + PartialEq>(what: &str, [first, second]: [T; 2]) -> Result<T, Failure> {
    equal(
        &format!("the second handle's view of {what}"),
        &second,
        &first,
    )?;
    Ok(first)
}

/// Deleting a role ends every grant of it at once: everywhere and in scopes, also those that have
/// not begun or are over; and no grant of another role.
///
/// Who held a role that is gone must not hold a name that means something tomorrow.
#[rule(
    "policies::delete_role::ends_its_grants",
    capability = "assignments",
    source = "duck-iam: deleting a role left its grants; keycloak: deleting removes the mappings"
)]
async fn delete_ends_grants(w: &Book) -> Checked {
    let held = Held::build(w).await?;
    held.four().await?;
    holds(w.delete::<Roles>("subject").await?, "there was a role")?;
    held.nobody_holds_it().await?;
    let again = new_grant("Ada", "subject", None)?;
    for store in &held.stores {
        let answer = store.assign(&w.tenant, again.clone(), minute(1)).await;
        fails(
            "granting a role that was deleted",
            answer,
            ErrorKind::NotFound,
        )?;
    }
    held.bystanders_unchanged().await
}

/// A role that is saved again under a deleted one's id is held by nobody, until it is granted anew.
///
/// Whoever reuses the name `support` would give it to everybody who had it years ago.
#[rule(
    "policies::delete_role::saved_again_it_is_held_by_nobody",
    capability = "assignments",
    source = "duck-iam and AuthHero: recreated under the same id, a role was held again"
)]
async fn role_saved_again_is_held_by_nobody(w: &Book) -> Checked {
    let held = Held::build(w).await?;
    held.four().await?;
    w.delete::<Roles>("subject").await?;
    w.save::<Roles>(Roles::full("subject", "another")?, minute(1))
        .await?;
    held.nobody_holds_it().await?;
    let given = new_grant("Ada", "subject", None)?;
    let granted = held.assign(given, minute(5)).await?;
    equal("when it was granted anew", &granted.granted_at, &minute(5))?;
    let holders = held.holders(&w.tenant, "subject").await?;
    equal("its holders", &holders, &vec![granted])
}

/// Deleting a role ends its grants however many there are.
///
/// The role that everybody holds is the one whose end counts.
#[rule(
    "policies::delete_role::ends_more_than_a_page",
    capability = "assignments",
    source = "better-auth #10342: what was beyond the first hundred was not seen"
)]
async fn delete_ends_more_than_a_page(w: &Book) -> Checked {
    let held = Held::build(w).await?;
    let mut grants = Vec::new();
    for number in 0..1000 {
        grants.push(new_grant(&format!("subject {number}"), "subject", None)?);
    }
    let granted = held.stores[0]
        .assign_many(&w.tenant, &grants, START)
        .await?;
    equal("how many were granted", &granted, &1000)?;
    held.assign(new_grant("the last one", "subject", None)?, START)
        .await?;
    holds(w.delete::<Roles>("subject").await?, "there was a role")?;
    held.nobody_holds_it().await?;
    w.save::<Roles>(Roles::full("subject", "another")?, minute(1))
        .await?;
    held.nobody_holds_it().await
}

/// A role that is deleted while it is granted is held by nobody then: each grant was in time and
/// ended with it, or came too late and was refused.
///
/// A grant that slips in between the two steps of a deletion waits for the role to come back.
#[rule(
    "policies::delete_role::race_with_assign_leaves_no_grant",
    capability = "assignments",
    source = "duck-iam 2.1.0: a revoked grant came back from a race",
    environments = "isolation"
)]
async fn delete_races_with_assign(w: &Book) -> Checked {
    let held = Held::build(w).await?;
    for round in 0..6 {
        let answers = race(RACERS, |racer| {
            let (policies, tenant) = (w.handle(racer + round), w.tenant.clone());
            let assignments = Arc::clone(&held.stores[racer % 2]);
            async move {
                let grant = new_grant(&format!("racer {racer}"), "subject", None)?;
                if racer == 3 {
                    let there = policies.delete_role(&tenant, &grant.role).await?;
                    return holds(there, "there was a role to delete");
                }
                match assignments.assign(&tenant, grant, START).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                    answer => answer.map(drop).map_err(Failure::from),
                }
            }
        })
        .await?;
        answers.into_iter().collect::<Checked>()?;
        w.reads_none::<Roles>("subject").await?;
        w.save::<Roles>(Roles::full("subject", "again")?, minute(1))
            .await?;
        held.nobody_holds_it().await?;
    }
    Ok(())
}

/// Saving a role over a stored one keeps its grants as they are.
///
/// An administrator who adds a permission must not log everybody out of their role.
#[rule(
    "policies::save_role::keeps_its_grants",
    capability = "assignments",
    source = "SQL's REPLACE deletes first, and a foreign key takes the rest"
)]
async fn save_keeps_grants(w: &Book) -> Checked {
    let held = Held::build(w).await?;
    let mut grants = held.four().await?;
    grants.sort_by(|one, two| (&one.subject, &one.scope).cmp(&(&two.subject, &two.scope)));
    let drafts = [
        Roles::full("subject", "changed")?,
        Roles::bare("subject")?,
        Roles::bare("subject")?,
    ];
    for draft in drafts {
        w.save::<Roles>(draft, minute(1)).await?;
        let holders = held.holders(&w.tenant, "subject").await?;
        equal("the grants of the role that was saved", &holders, &grants)?;
    }
    held.bystanders_unchanged().await
}
