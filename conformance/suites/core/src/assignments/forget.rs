//! The end of a subject: every grant and everything that is known.

use portproof_ports::{GrantScope, MAX_BATCH, Ports};
use serde_json::json;

use super::{Assignments, ada, changes, facts, lasting, new_grant, stored, subject};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, day, minute},
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        forget_ends_everything,
        forget_spares_everybody_else,
        forget_of_nobody,
        forget_starts_afresh,
        forget_is_more_than_a_page,
        forget_race_counts_once,
        forget_races_with_writes,
    ]
}

/// Forgetting a subject ends all of its grants, whatever their scopes and windows, and all of its
/// attributes, on every handle and in every list; it answers how many there were of both.
///
/// What is left of somebody who is deleted is somebody's who gets the id next.
#[rule(
    "assignments::forget::ends_everything",
    source = "AuthHero: a user who was created again held the old roles; spire #6946: orphans"
)]
async fn forget_ends_everything(w: &Assignments) -> Checked {
    let ada = ada()?;
    // So that caches would have it.
    w.eight_of_ada().await?;
    w.known_unchanged().await?;
    w.roles(&ada, &GrantScope::Global, minute(5)).await?;
    let ended = w.store.forget(&w.tenant, &ada).await?;
    equal("how many grants and attributes ended", &ended, &(8 + 3))?;
    equal("Ada's grants", &w.grants(&ada).await?, &vec![])?;
    equal("what is known of Ada", &w.known_of(&ada).await?.len(), &0)?;
    let held = w.roles(&ada, &GrantScope::Global, minute(5)).await?;
    equal("what Ada holds", &held, &vec![])?;
    let ended = w.other.forget(&w.tenant, &ada).await?;
    equal("how many ended the second time", &ended, &0)
}

/// Forgetting a subject leaves everybody else's grants and attributes, however alike the ids are.
///
/// A deletion by pattern takes the neighbours along.
#[rule(
    "assignments::forget::spares_everybody_else",
    source = "duck-iam: keys that were patterns deleted others' grants; better-auth #10507"
)]
async fn forget_spares_everybody_else(w: &Assignments) -> Checked {
    for who in ["A%", "_da", "Adam", "Ad", "%", "*", "ad*"] {
        w.assign(new_grant(who, "editor", Some("org"))?).await?;
        w.store
            .merge_attributes(&w.tenant, &subject(who)?, &facts(who)?)
            .await?;
    }
    for (who, left) in [("A%", 4), ("%", 4), ("*", 4), ("_da", 4)] {
        let ended = w.store.forget(&w.tenant, &subject(who)?).await?;
        equal(&format!("how many of {who:?} ended"), &ended, &left)?;
    }
    for who in ["Adam", "Ad", "ad*"] {
        let grants = w.grants(&subject(who)?).await?;
        let given = stored(&new_grant(who, "editor", Some("org"))?, START);
        equal("the grants of somebody else", &grants, &vec![given])?;
    }
    w.subject_unchanged().await
}

/// Forgetting a subject of whom nothing is stored answers none and changes nothing.
///
/// An erasure may be repeated, and must not fail the second time.
#[rule(
    "assignments::forget::of_nobody_is_zero",
    source = "AuthHero: removing a missing row answered true; better-auth #7143: an error"
)]
async fn forget_of_nobody(w: &Assignments) -> Checked {
    for who in ["nobody", "Ad", "Ada%", "_da", "ADA"] {
        let ended = w.store.forget(&w.tenant, &subject(who)?).await?;
        equal("how many ended", &ended, &0)?;
    }
    w.subject_unchanged().await
}

/// A subject that was forgotten starts afresh when it comes again: with what it is given then, and
/// nothing else.
///
/// What was erased must not come back with a name.
#[rule(
    "assignments::forget::frees_the_subject",
    source = "AuthHero: a deleted user's role came back with the next of that id"
)]
async fn forget_starts_afresh(w: &Assignments) -> Checked {
    let ada = ada()?;
    w.store.forget(&w.tenant, &ada).await?;
    let new = lasting("Ada", "editor", None)?;
    let granted = w.store.assign(&w.tenant, new.clone(), day(2)).await?;
    equal("the new grant", &granted, &stored(&new, day(2)))?;
    let given = changes([("new", Some(json!(1)))])?;
    let answer = w.store.merge_attributes(&w.tenant, &ada, &given).await?;
    equal("how much is known", &answer.len(), &1)?;
    equal("Ada's grants", &w.grants(&ada).await?, &vec![granted])
}

/// Everything of a subject ends, also when it is more than any page holds.
///
/// An adapter that lists and then deletes forgets the first hundred.
#[rule(
    "assignments::forget::is_more_than_a_page",
    source = "AuthHero 7d9f138: the first 100 only; better-auth #10342"
)]
async fn forget_is_more_than_a_page(w: &Assignments) -> Checked {
    let ada = ada()?;
    let mut batch = Vec::new();
    for number in 0..MAX_BATCH {
        batch.push(new_grant("Ada", "editor", Some(&format!("{number}")))?);
    }
    w.store.assign_many(&w.tenant, &batch, START).await?;
    let ended = w.store.forget(&w.tenant, &ada).await?;
    equal("how many ended", &ended, &(MAX_BATCH as u64 + 1 + 3))?;
    equal("Ada's grants", &w.grants(&ada).await?, &vec![])
}

/// Callers that forget one subject at once are together told of each grant and attribute once.
///
/// What two erasures both report is erased twice in the record of it.
#[rule(
    "assignments::forget::race_counts_once",
    source = "better-auth #6572: affected rows counted wrong",
    environments = "isolation"
)]
async fn forget_race_counts_once(w: &Assignments) -> Checked {
    for round in 0..6 {
        let who = subject(&format!("contested {round}"))?;
        w.assign(new_grant(who.as_str(), "editor", None)?).await?;
        w.store
            .merge_attributes(&w.tenant, &who, &facts("contested")?)
            .await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, who) = (w.handle(racer), w.tenant.clone(), who.clone());
            async move { store.forget(&tenant, &who).await }
        })
        .await?;
        let mut ended = 0;
        for answer in answers {
            ended += answer?;
        }
        equal("how many ended, together", &ended, &4)?;
    }
    Ok(())
}

/// What is granted or known while its subject is forgotten either ends and is counted, or stays.
///
/// A grant that is neither is one that nobody erases again.
#[rule(
    "assignments::forget::race_counts_what_ended",
    source = "duck-iam 2.1.0: what a race brought back after its revocation",
    environments = "isolation"
)]
async fn forget_races_with_writes(w: &Assignments) -> Checked {
    for round in 0..6 {
        let who = subject(&format!("contested {round}"))?;
        let mut writes = Vec::new();
        for racer in 0..RACERS {
            writes.push((
                new_grant(who.as_str(), "editor", Some(&format!("{racer}")))?,
                changes([(format!("racer {racer}"), Some(json!(racer)))])?,
            ));
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, who) = (w.handle(racer), w.tenant.clone(), who.clone());
            let (new, given) = writes[racer].clone();
            async move {
                match racer {
                    4 => store.forget(&tenant, &who).await,
                    0..4 => store.assign(&tenant, new, START).await.map(|_| 0),
                    _ => store
                        .merge_attributes(&tenant, &who, &given)
                        .await
                        .map(|_| 0),
                }
            }
        })
        .await?;
        let mut ended = 0;
        for answer in answers {
            ended += answer?;
        }
        let left = w.grants(&who).await?.len() + w.known_of(&who).await?.len();
        equal(
            "what ended and what is left, together",
            &(ended + left as u64),
            &(RACERS as u64 - 1),
        )?;
    }
    Ok(())
}
