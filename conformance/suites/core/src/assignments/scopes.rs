//! Moving a grant from one scope to another.

use portproof_ports::{ErrorKind, GrantScope, Ports, Which};

use super::{Assignments, ada, lasting, new_grant, role, scoped, subject};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds},
    fixture::{START, day},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        move_takes_the_grant_along,
        move_leaves_the_others,
        move_creates_nothing,
        move_takes_a_held_place,
        move_to_itself_changes_nothing,
        move_race_has_one_winner,
        move_does_not_save_from_revocation,
        move_is_refused_where_disclaimed,
    ]
}

/// A grant moves to another scope, from everywhere and to everywhere too, with its window and the
/// time of its first grant.
///
/// A loan that moves must end when it was to end.
#[rule(
    "assignments::move_scope::takes_the_grant_along",
    capability = "assignments.move_scope",
    source = "duck-iam: a move that granted anew, and lost the end"
)]
async fn move_takes_the_grant_along(w: &Assignments) -> Checked {
    let (ada, editor) = (ada()?, role("editor")?);
    let mut grant = w.subject.clone();
    for to in [
        scoped("org")?,
        scoped("org ")?,
        GrantScope::Global,
        scoped("global")?,
    ] {
        let moved = w
            .store
            .move_scope(&w.tenant, &ada, &editor, &grant.scope, &to);
        equal("whether there was one to move", &moved.await?, &true)?;
        grant.scope = to;
        equal("Ada's grants", &w.grants(&ada).await?, &vec![grant.clone()])?;
    }
    Ok(())
}

/// A move leaves every other grant where it is: the subject's of other roles and scopes, and other
/// subjects' in the same scope.
///
/// A move is of one person.
#[rule(
    "assignments::move_scope::moves_exactly_one",
    capability = "assignments.move_scope",
    source = "duck-iam: subject, role and scope must all match"
)]
async fn move_leaves_the_others(w: &Assignments) -> Checked {
    let bob = subject("Bob")?;
    let bobs = w
        .assign_each(vec![
            new_grant("Bob", "editor", None)?,
            new_grant("Bob", "editor", Some("org"))?,
        ])
        .await?;
    let mut adas = w
        .assign_each(vec![
            new_grant("Ada", "editor", Some("org"))?,
            lasting("Ada", "editor", Some("ORG"))?,
            lasting("Ada", "viewer", None)?,
            lasting("Ada", "viewer", Some("org"))?,
        ])
        .await?;
    let (ada, editor) = (ada()?, role("editor")?);
    let (from, to) = (scoped("org")?, scoped("club")?);
    let moved = w.store.move_scope(&w.tenant, &ada, &editor, &from, &to);
    equal("whether there was one to move", &moved.await?, &true)?;
    adas[0].scope = to;
    adas.push(w.subject.clone());
    adas.sort_by(|one, two| (&one.role, &one.scope).cmp(&(&two.role, &two.scope)));
    equal("Ada's grants", &w.grants(&ada).await?, &adas)?;
    equal("Bob's grants", &w.grants(&bob).await?, &bobs)
}

/// A move of what is not granted there answers that there was none, and creates and removes
/// nothing, also where the subject holds the role elsewhere, and also through another tenant.
///
/// A move that grants is a way around whoever may grant.
#[rule(
    "assignments::move_scope::creates_nothing",
    capability = "assignments.move_scope",
    source = "duck-iam: a move created a grant that did not exist"
)]
async fn move_creates_nothing(w: &Assignments) -> Checked {
    let (global, org, club) = (GrantScope::Global, scoped("org")?, scoped("club")?);
    for (who, what, from, to) in [
        ("Ada", "editor", &org, &club),
        ("Ada", "editor", &org, &global),
        ("Ada", "editor", &org, &org),
        ("Ada", "viewer", &global, &org),
        ("Ada", "no such role", &global, &org),
        ("nobody", "editor", &global, &org),
        ("Ad_", "editor", &global, &org),
    ] {
        let (who, what) = (subject(who)?, role(what)?);
        let moved = w.store.move_scope(&w.tenant, &who, &what, from, to).await?;
        equal("whether there was one to move", &moved, &false)?;
        w.subject_unchanged().await?;
    }
    let empty = w.context.tenant()?;
    let moved = w
        .store
        .move_scope(&empty, &ada()?, &role("editor")?, &global, &org)
        .await?;
    equal("whether another tenant moved it", &moved, &false)?;
    equal(
        "grants of nobody",
        &w.grants(&subject("nobody")?).await?,
        &vec![],
    )?;
    w.subject_unchanged().await
}

/// A grant that moves to where the subject holds the role already takes that one's place: one is
/// left, with the window and the time of the one that moved.
///
/// Two rows for one place, or an error of the backend, are what a plain update makes of it.
#[rule(
    "assignments::move_scope::takes_a_held_place",
    capability = "assignments.move_scope",
    source = "duck-iam: moving onto a held scope left two rows"
)]
async fn move_takes_a_held_place(w: &Assignments) -> Checked {
    let (ada, editor, org) = (ada()?, role("editor")?, scoped("org")?);
    let new = lasting("Ada", "editor", Some("org"))?;
    w.store.assign(&w.tenant, new.clone(), day(1)).await?;
    let global = GrantScope::Global;
    let moved = w.store.move_scope(&w.tenant, &ada, &editor, &global, &org);
    equal("whether there was one to move", &moved.await?, &true)?;
    let mut expected = w.subject.clone();
    expected.scope = org.clone();
    equal("Ada's grants", &w.grants(&ada).await?, &vec![expected])?;
    // And to everywhere.
    let new = lasting("Ada", "editor", None)?;
    w.store.assign(&w.tenant, new, day(1)).await?;
    let moved = w.other.move_scope(&w.tenant, &ada, &editor, &org, &global);
    equal("whether there was one to move back", &moved.await?, &true)?;
    w.subject_unchanged().await
}

/// A move of a grant to the scope where it is answers that there was one, and leaves it as it is.
///
/// Making room in the new place first would delete it.
#[rule(
    "assignments::move_scope::to_itself_changes_nothing",
    capability = "assignments.move_scope",
    source = "a move to where it is changes nothing: the contract"
)]
async fn move_to_itself_changes_nothing(w: &Assignments) -> Checked {
    let (ada, editor) = (ada()?, role("editor")?);
    let there = w.assign(new_grant("Ada", "editor", Some("org"))?).await?;
    for scope in [GrantScope::Global, scoped("org")?] {
        let moved = w.store.move_scope(&w.tenant, &ada, &editor, &scope, &scope);
        equal("whether there was one", &moved.await?, &true)?;
        let expected = vec![w.subject.clone(), there.clone()];
        equal("Ada's grants", &w.grants(&ada).await?, &expected)?;
    }
    Ok(())
}

/// Of callers that move one grant to different scopes at once, one is told that it did, and the
/// grant is where that one moved it.
///
/// Two winners are two grants where one was decided on.
#[rule(
    "assignments::move_scope::race_has_one_winner",
    capability = "assignments.move_scope",
    source = "duck-iam: a move by deletion and insertion",
    environments = "isolation"
)]
async fn move_race_has_one_winner(w: &Assignments) -> Checked {
    let editor = role("editor")?;
    for round in 0..6 {
        let who = subject(&format!("contested {round}"))?;
        let before = w.assign(new_grant(who.as_str(), "editor", None)?).await?;
        let mut places = Vec::new();
        for racer in 0..RACERS {
            places.push(scoped(&format!("scope {racer}"))?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (who, editor, to) = (who.clone(), editor.clone(), places[racer].clone());
            async move {
                store
                    .move_scope(&tenant, &who, &editor, &GrantScope::Global, &to)
                    .await
            }
        })
        .await?;
        exactly_one(
            "moving one grant at once",
            &answers,
            |answer| *answer == Ok(true),
            |answer| *answer == Ok(false),
        )?;
        for (answer, scope) in answers.iter().zip(places) {
            if *answer == Ok(true) {
                let mut expected = before.clone();
                expected.scope = scope;
                equal("the grants", &w.grants(&who).await?, &vec![expected])?;
            }
        }
    }
    Ok(())
}

/// A grant that moves while all of its role are revoked is revoked, before its move or after it.
///
/// A grant that slips through while it moves stays with somebody who was thrown out.
#[rule(
    "assignments::move_scope::race_with_a_revocation",
    capability = "assignments.move_scope",
    source = "duck-iam 2.1.0: a race between a migration and a revocation brought the grant back",
    environments = "isolation"
)]
async fn move_does_not_save_from_revocation(w: &Assignments) -> Checked {
    let editor = role("editor")?;
    for round in 0..8 {
        let who = subject(&format!("contested {round}"))?;
        w.assign(new_grant(who.as_str(), "editor", None)?).await?;
        let to = scoped("org")?;
        let answers = race(2, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (who, editor, to) = (who.clone(), editor.clone(), to.clone());
            async move {
                if racer == 1 {
                    return store.revoke(&tenant, &who, &editor, &Which::Every).await;
                }
                store
                    .move_scope(&tenant, &who, &editor, &GrantScope::Global, &to)
                    .await
                    .map(|_| 0)
            }
        })
        .await?;
        let mut ended = 0;
        for answer in answers {
            ended += answer?;
        }
        equal("how many grants ended", &ended, &1)?;
        equal("the grants that are left", &w.grants(&who).await?, &vec![])?;
    }
    Ok(())
}

/// An adapter that does not offer moves refuses them as unsupported, and moves nothing.
///
/// An engine that is told "no such grant" instead believes that there is none.
#[rule(
    "assignments::move_scope::is_refused_where_disclaimed",
    capability = "assignments.move_scope",
    disclaimed,
    source = "duck-iam: optional methods that were missing in silence"
)]
async fn move_is_refused_where_disclaimed(w: &Assignments) -> Checked {
    for who in ["Ada", "nobody"] {
        let answer = w
            .store
            .move_scope(
                &w.tenant,
                &subject(who)?,
                &role("editor")?,
                &GrantScope::Global,
                &scoped("org")?,
            )
            .await;
        fails("a move", answer, ErrorKind::Unsupported)?;
    }
    w.subject_unchanged().await?;
    let now = w.roles(&ada()?, &scoped("org")?, START).await?;
    holds(now.is_empty(), "nothing has moved")
}
