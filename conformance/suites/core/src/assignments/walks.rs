//! Walks over the lists, while grants come and go under them.

use portproof_ports::{Grant, PageRequest, Ports, Which};

use super::{Assignments, ada, lasting, role, scoped};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::minute,
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        grants_walk_survives_removals,
        grants_walk_survives_insertions,
        holders_walk_survives_removals,
        holders_walk_survives_insertions,
        roles_walk_survives_changes,
    ]
}

impl Assignments {
    /// Revokes every grant of the subject's role, of which the lists of these cases have one, or
    /// the one in its scope.
    async fn revoke_grant(&self, grant: &Grant) -> Checked {
        let which = match &grant.scope {
            portproof_ports::GrantScope::Global => Which::Global,
            portproof_ports::GrantScope::Scoped(scope) => Which::Scoped(scope.clone()),
        };
        let revoked = self
            .store
            .revoke(&self.tenant, &grant.subject, &grant.role, &which)
            .await?;
        equal("how many grants a revocation ended", &revoked, &1)
    }

    /// Walks a list of grants two at a time, and does `between` to the store between the pages.
    async fn walk_while<A, B>(
        &self,
        list: impl Fn(PageRequest) -> A,
        between: impl Fn(Grant, usize) -> B,
    ) -> Result<Vec<Grant>, Failure>
    where
        A: Future<Output = portproof_ports::PortResult<portproof_ports::Page<Grant>>>,
        B: Future<Output = Checked>,
    {
        let first = PageRequest::first(2)?;
        let mut page = list(first.clone()).await?;
        let mut walked = page.items.clone();
        let mut pages = 1;
        while let Some(cursor) = page.next {
            let last = some("the last grant of a page", page.items.last())?;
            between(last.clone(), pages).await?;
            page = list(first.following(cursor)).await?;
            walked.extend(page.items.clone());
            pages += 1;
            holds(pages < 50, "a walk comes to an end")?;
        }
        Ok(walked)
    }
}

fn each_once(walked: &[Grant], expected: &[Grant]) -> Checked {
    for grant in expected {
        let times = walked.iter().filter(|walked| *walked == grant).count();
        equal(&format!("how often {grant:?} was answered"), &times, &1)?;
    }
    let mut places: Vec<_> = walked
        .iter()
        .map(|grant| (&grant.subject, &grant.role, &grant.scope))
        .collect();
    places.sort();
    places.dedup();
    equal("how many were answered once", &places.len(), &walked.len())
}

/// A walk over a subject's grants goes on when grants end under it, also the one that its cursor
/// stands on, and answers each that stays once.
///
/// An offset skips a grant for each that ends, while one revokes what one reads.
#[rule(
    "assignments::grants_of::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn grants_walk_survives_removals(w: &Assignments) -> Checked {
    let expected = w.eight_of_ada().await?;
    let ada = ada()?;
    let walked = w
        .walk_while(
            |page| w.grants_page(&w.tenant, &ada, page),
            |last, _| async move { w.revoke_grant(&last).await },
        )
        .await?;
    equal("the grants that were walked", &walked, &expected)
}

/// A walk over a subject's grants answers each that was there once when grants are made under it,
/// and none twice.
///
/// An offset answers a grant again for each that is made before it.
#[rule(
    "assignments::grants_of::walk_survives_insertions",
    source = "AuthHero 0e6acf4; leapmux #287",
    environments = "collation"
)]
async fn grants_walk_survives_insertions(w: &Assignments) -> Checked {
    let expected = w.eight_of_ada().await?;
    let ada = ada()?;
    let walked = w
        .walk_while(
            |page| w.grants_page(&w.tenant, &ada, page),
            |_, number| async move {
                let before = format!(" {number}");
                w.assign(lasting("Ada", "editor", Some(&before))?).await?;
                let after = format!("zz {number}");
                w.assign(lasting("Ada", "editor", Some(&after))?).await?;
                Ok(())
            },
        )
        .await?;
    each_once(&walked, &expected)
}

/// A walk over a role's grants goes on when grants end under it, also the one that its cursor
/// stands on, and answers each that stays once.
///
/// An offset skips a holder for each that is removed.
#[rule(
    "assignments::holders_of::walk_survives_removals",
    source = "AuthHero 0e6acf4: a cursor that was an offset"
)]
async fn holders_walk_survives_removals(w: &Assignments) -> Checked {
    let expected = w.eight_viewers().await?;
    let viewer = role("viewer")?;
    let walked = w
        .walk_while(
            |page| w.holders_page(&w.tenant, &viewer, page),
            |last, _| async move { w.revoke_grant(&last).await },
        )
        .await?;
    equal("the grants that were walked", &walked, &expected)
}

/// A walk over a role's grants answers each that was there once when grants are made under it, and
/// none twice.
///
/// An offset answers a holder again for each that is added before it.
#[rule(
    "assignments::holders_of::walk_survives_insertions",
    source = "AuthHero 0e6acf4; leapmux #287",
    environments = "collation"
)]
async fn holders_walk_survives_insertions(w: &Assignments) -> Checked {
    let expected = w.eight_viewers().await?;
    let viewer = role("viewer")?;
    let walked = w
        .walk_while(
            |page| w.holders_page(&w.tenant, &viewer, page),
            |_, number| async move {
                for who in [format!(" {number}"), format!("ü {number}")] {
                    w.assign(lasting(&who, "viewer", None)?).await?;
                }
                Ok(())
            },
        )
        .await?;
    each_once(&walked, &expected)
}

/// A walk over the roles of a subject answers each that stays held once, whatever else is granted,
/// revoked, begins or ends between its pages.
///
/// An engine that misses a role refuses what is allowed.
#[rule(
    "assignments::roles_of::walk_survives_changes",
    source = "AuthHero 0e6acf4; the contract: now may differ from page to page"
)]
async fn roles_walk_survives_changes(w: &Assignments) -> Checked {
    let expected = w.eight_roles().await?;
    let org = scoped("org")?;
    let first = PageRequest::first(2)?;
    let mut page = w
        .roles_page(&w.tenant, &org, minute(5), first.clone())
        .await?;
    let mut walked = page.items.clone();
    let mut later = 5;
    while let Some(cursor) = page.next {
        later += 1;
        let last = some("the last role of a page", page.items.last())?;
        let ended = w
            .store
            .revoke(&w.tenant, &w.subject.subject, last, &Which::Every);
        holds(ended.await? > 0, "the role that was listed was granted")?;
        // Two come before the cursor for the one that goes.
        for number in 0..2 {
            let new = w.save_role(&format!(" new {later} {number}")).await?;
            w.assign(lasting("Ada", new.as_str(), Some("org"))?).await?;
        }
        page = w
            .roles_page(&w.tenant, &org, minute(later), first.following(cursor))
            .await?;
        walked.extend(page.items.clone());
        holds(later < 50, "a walk comes to an end")?;
    }
    walked.retain(|role| role.as_str() != "early");
    equal("the roles that were walked", &walked, &expected)
}
