//! Revoking: exactly what is named, at once, for everybody.

use portproof_ports::{Grant, GrantScope, MAX_BATCH, Ports, Which, Window};

use super::{Assignments, ada, lasting, new_grant, role, roles, scope, stored, subject};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, day, minute},
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        global_spares_scoped,
        scoped_spares_others,
        every_takes_all_of_a_role,
        every_handle_knows,
        revoking_nothing_is_told,
        whatever_its_window,
        revoking_frees_the_place,
        every_is_more_than_a_page,
        revocation_race_counts_once,
        revocation_races_with_grants,
    ]
}

impl Assignments {
    /// Ada as an editor everywhere and in scopes whose names are alike, and as a viewer.
    async fn many_of_ada(&self) -> Result<Vec<Grant>, Failure> {
        let mut grants = vec![self.subject.clone()];
        for new in [
            new_grant("Ada", "editor", Some("ORG"))?,
            new_grant("Ada", "editor", Some("global"))?,
            new_grant("Ada", "editor", Some("null"))?,
            new_grant("Ada", "editor", Some("or_"))?,
            new_grant("Ada", "editor", Some("org"))?,
            new_grant("Ada", "editor", Some("org "))?,
            new_grant("Ada", "editor ", Some("org"))?,
            new_grant("Ada", "viewer", None)?,
            new_grant("Ada", "viewer", Some("org"))?,
        ] {
            grants.push(self.assign(new).await?);
        }
        Ok(grants)
    }
}

/// Revoking the global grant ends that one, and no scoped one.
///
/// Ending a trial for everything must not end what was bought for one project.
#[rule(
    "assignments::revoke::global_spares_scoped",
    source = "duck-iam 1.6.1: without a scope one adapter ended one row, the others all"
)]
async fn global_spares_scoped(w: &Assignments) -> Checked {
    let mut left = w.many_of_ada().await?;
    left.remove(0);
    let (ada, editor) = (ada()?, role("editor")?);
    let ended = w.store.revoke(&w.tenant, &ada, &editor, &Which::Global);
    equal("how many grants ended", &ended.await?, &1)?;
    equal("Ada's grants", &w.grants(&ada).await?, &left)?;
    let ended = w.store.revoke(&w.tenant, &ada, &editor, &Which::Global);
    equal("how many ended the second time", &ended.await?, &0)?;
    equal("Ada's grants then", &w.grants(&ada).await?, &left)
}

/// Revoking in a scope ends the one grant in exactly that scope.
///
/// The scope is what keeps one project's administrator out of the next.
#[rule(
    "assignments::revoke::scoped_spares_others",
    source = "duck-iam: the router dropped the scope of a revocation; prisma: a null that matched nothing"
)]
async fn scoped_spares_others(w: &Assignments) -> Checked {
    let mut left = w.many_of_ada().await?;
    let (ada, editor) = (ada()?, role("editor")?);
    for (place, expected) in [("org", 1), ("org", 0), ("or%", 0), ("null", 1), ("NULL", 0)] {
        let which = Which::Scoped(scope(place)?);
        let ended = w.store.revoke(&w.tenant, &ada, &editor, &which).await?;
        equal(&format!("how many ended in {place:?}"), &ended, &expected)?;
        let place = GrantScope::Scoped(scope(place)?);
        left.retain(|grant| grant.role != editor || grant.scope != place);
        equal("Ada's grants", &w.grants(&ada).await?, &left)?;
    }
    Ok(())
}

/// Revoking every grant of a role ends those in all scopes and the global one, of this subject and
/// this role only; it answers how many there were.
///
/// One that is left is one that nobody looks for.
#[rule(
    "assignments::revoke::every_takes_all_scopes",
    source = "duck-iam 2.2.0: memory and file ended the global row only"
)]
async fn every_takes_all_of_a_role(w: &Assignments) -> Checked {
    let mut left = w.many_of_ada().await?;
    let (ada, editor) = (ada()?, role("editor")?);
    left.retain(|grant| grant.role != editor);
    let ended = w.store.revoke(&w.tenant, &ada, &editor, &Which::Every);
    equal("how many grants ended", &ended.await?, &7)?;
    equal("Ada's grants", &w.grants(&ada).await?, &left)?;
    w.known_unchanged().await
}

/// A revoked grant is gone at once, on every handle and from every list.
///
/// A server that remembers the old answer lets in who was thrown out.
#[rule(
    "assignments::revoke::is_known_everywhere",
    source = "AuthHero: a cache that took a revocation for a read; duck-iam 5.8.1"
)]
async fn every_handle_knows(w: &Assignments) -> Checked {
    let (ada, editor) = (ada()?, role("editor")?);
    // So that caches would have it.
    let held = w.roles(&ada, &GrantScope::Global, minute(1)).await?;
    equal("what Ada holds", &held, &roles(&["editor"])?)?;
    w.grant_unchanged().await?;
    w.store
        .revoke(&w.tenant, &ada, &editor, &Which::Every)
        .await?;
    let held = w.roles(&ada, &GrantScope::Global, minute(1)).await?;
    equal("what Ada holds afterwards", &held, &vec![])?;
    equal("Ada's grants", &w.grants(&ada).await?, &vec![])?;
    let page = portproof_ports::PageRequest::first(10)?;
    for store in [&w.store, &w.other] {
        let holders = store.holders_of(&w.tenant, &editor, &page).await?.items;
        holds(
            holders.iter().all(|grant| grant.subject != ada),
            format!("Ada is no holder, got {holders:?}"),
        )?;
    }
    Ok(())
}

/// Revoking what is not granted answers none, whether it is the subject, the role or the scope that
/// is unknown, and ends nothing.
///
/// An audit log must not tell of two revocations where there was one grant.
#[rule(
    "assignments::revoke::of_nothing_is_zero",
    source = "AuthHero: removing a missing row answered true; better-auth #7143: an error"
)]
async fn revoking_nothing_is_told(w: &Assignments) -> Checked {
    for (who, what) in [
        ("Ada", "viewer"),
        ("Ada", "Editor"),
        ("Ada", "no such role"),
        ("Ad", "editor"),
        ("Ada%", "editor"),
        ("nobody", "editor"),
    ] {
        let (who, what) = (subject(who)?, role(what)?);
        for which in [Which::Global, Which::Scoped(scope("org")?), Which::Every] {
            let ended = w.store.revoke(&w.tenant, &who, &what, &which).await?;
            equal("how many grants ended", &ended, &0)?;
        }
    }
    w.subject_unchanged().await
}

/// A grant is revoked at whatever time it holds: also one that has ended, and one that has not
/// begun.
///
/// One that begins tomorrow would begin, after it was taken back.
#[rule(
    "assignments::revoke::takes_no_time",
    source = "duck-iam: grants with a later beginning; the contract: revocation takes no time"
)]
async fn whatever_its_window(w: &Assignments) -> Checked {
    let (bob, viewer) = (subject("Bob")?, role("viewer")?);
    for (place, from, until) in [
        (None, None, Some(minute(0))),
        (Some("org"), Some(day(3000)), None),
        (Some("club"), None, None),
    ] {
        w.assign(portproof_ports::NewGrant {
            window: Window::new(from, until)?,
            ..new_grant("Bob", "viewer", place)?
        })
        .await?;
    }
    let which = Which::Scoped(scope("org")?);
    let ended = w.store.revoke(&w.tenant, &bob, &viewer, &which).await?;
    equal("how many that begin later ended", &ended, &1)?;
    let ended = w.store.revoke(&w.tenant, &bob, &viewer, &Which::Global);
    equal("how many that were over ended", &ended.await?, &1)?;
    let ended = w.store.revoke(&w.tenant, &bob, &viewer, &Which::Every);
    equal("how many others ended", &ended.await?, &1)
}

/// What was revoked can be granted again, and starts afresh: with its own time and window.
///
/// A tombstone that is revived tells an auditor of an unbroken membership.
#[rule(
    "assignments::revoke::frees_the_place",
    source = "spicedb, vault: delete, then create"
)]
async fn revoking_frees_the_place(w: &Assignments) -> Checked {
    let (ada, editor) = (ada()?, role("editor")?);
    w.store
        .revoke(&w.tenant, &ada, &editor, &Which::Global)
        .await?;
    let new = lasting("Ada", "editor", None)?;
    let again = w.store.assign(&w.tenant, new.clone(), day(2)).await?;
    equal("the new grant", &again, &stored(&new, day(2)))?;
    equal("Ada's grants", &w.grants(&ada).await?, &vec![again])
}

/// Every grant of a role is revoked, also when they are more than any page holds.
///
/// An adapter that lists and then deletes ends the first hundred.
#[rule(
    "assignments::revoke::every_is_more_than_a_page",
    source = "AuthHero 7d9f138: the first 100 only; better-auth #10342"
)]
async fn every_is_more_than_a_page(w: &Assignments) -> Checked {
    let (ada, editor) = (ada()?, role("editor")?);
    let mut batch = Vec::new();
    for number in 0..MAX_BATCH {
        batch.push(new_grant("Ada", "editor", Some(&format!("{number}")))?);
    }
    w.store.assign_many(&w.tenant, &batch, START).await?;
    let ended = w.store.revoke(&w.tenant, &ada, &editor, &Which::Every);
    equal(
        "how many grants ended",
        &ended.await?,
        &(MAX_BATCH as u64 + 1),
    )?;
    equal("Ada's grants", &w.grants(&ada).await?, &vec![])
}

/// Of callers that revoke one grant at once, one is told that there was one.
///
/// The one who is told sends the notice, closes the account, writes the log.
#[rule(
    "assignments::revoke::race_counts_once",
    source = "everruns #2427: a boolean that nobody could rely on",
    environments = "isolation"
)]
async fn revocation_race_counts_once(w: &Assignments) -> Checked {
    let (ada, editor) = (ada()?, role("editor")?);
    for round in 0..6 {
        w.assign(new_grant("Ada", "editor", Some("org"))?).await?;
        w.assign(new_grant("Ada", "editor", None)?).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (ada, editor) = (ada.clone(), editor.clone());
            async move { store.revoke(&tenant, &ada, &editor, &Which::Every).await }
        })
        .await?;
        let mut ended = 0;
        for answer in answers {
            ended += answer?;
        }
        equal(&format!("how many ended in round {round}"), &ended, &2)?;
        equal("Ada's grants", &w.grants(&ada).await?, &vec![])?;
    }
    Ok(())
}

/// A grant that is made while all of its role are revoked is either revoked and counted, or stays.
///
/// A grant that is neither is one that nobody knows of.
#[rule(
    "assignments::revoke::race_counts_what_ended",
    source = "duck-iam 2.1.0: a migration brought revoked grants back",
    environments = "isolation"
)]
async fn revocation_races_with_grants(w: &Assignments) -> Checked {
    let editor = role("editor")?;
    for round in 0..6 {
        let who = subject(&format!("contested {round}"))?;
        let mut news = Vec::new();
        for racer in 0..RACERS {
            news.push(new_grant(
                who.as_str(),
                "editor",
                Some(&format!("{racer}")),
            )?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (who, editor, new) = (who.clone(), editor.clone(), news[racer].clone());
            async move {
                if racer == 4 {
                    return store.revoke(&tenant, &who, &editor, &Which::Every).await;
                }
                store.assign(&tenant, new, START).await.map(|_| 0)
            }
        })
        .await?;
        let mut ended = 0;
        for answer in answers {
            ended += answer?;
        }
        equal(
            "grants that ended and grants that are left, together",
            &(ended + w.grants(&who).await?.len() as u64),
            &(RACERS as u64 - 1),
        )?;
    }
    Ok(())
}
