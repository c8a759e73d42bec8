//! The ends of policies and roles: exactly the one that is named, and all of it.

use portproof_ports::{Expected, PortResult, Ports};
use serde_json::json;

use super::{
    Book,
    kind::{Kind, Policies, Record, Roles, bare_policy, bare_role, made},
};
use crate::{
    Case, Checked, cases,
    check::{equal, holds},
    fixture::{START, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        delete_removes_exactly_one,
        delete_answers_whether_there_was_one,
        delete_frees_the_id,
        delete_race_has_one_winner,
        what_names_a_role_stays,
    ]
}

/// A deleted policy or role is gone at once, on every handle, and all others stay: those with
/// similar ids, and those whose ids it matches as a pattern.
///
/// A policy that is gone on one server only still decides on the other.
#[rule(
    "policies::delete::removes_exactly_one",
    source = "casbin: removing a rule removed those of which it is a prefix; duck-iam: patterns in keys"
)]
async fn delete_removes_exactly_one(w: &Book) -> Checked {
    removes_exactly_one::<Policies>(w).await?;
    removes_exactly_one::<Roles>(w).await
}

async fn removes_exactly_one<K: Kind>(w: &Book) -> Checked {
    let mut others = Vec::new();
    for id in [
        "subject ", "subject1", "súbject", "sub", "SUBJECT", "s%", "_ubject", "s*", "sub.*",
    ] {
        others.push(w.save::<K>(K::full(id, "the subject")?, START).await?);
    }
    // So that caches would have it.
    w.subject_unchanged::<K>().await?;
    for id in ["subject", "s%", "_ubject", "s*", "sub.*"] {
        equal("whether there was one", &w.delete::<K>(id).await?, &true)?;
        w.reads_none::<K>(id).await?;
        let deleted = K::id(id)?;
        others.retain(|record| *K::id_of(&record.draft) != deleted);
        for other in &others {
            w.reads::<K>(other).await?;
        }
    }
    Ok(())
}

/// Deleting what is not there, or is not there any more, answers that there was none.
///
/// An audit log must not tell of deletions that did not happen.
#[rule(
    "policies::delete::answers_whether_there_was_one",
    source = "duck-iam: a missing one was an error on one adapter; AuthHero answered true"
)]
async fn delete_answers_whether_there_was_one(w: &Book) -> Checked {
    answers_whether_there_was_one::<Policies>(w).await?;
    answers_whether_there_was_one::<Roles>(w).await
}

async fn answers_whether_there_was_one<K: Kind>(w: &Book) -> Checked {
    for id in ["unknown", "fresh", "subject "] {
        equal("deleting an unknown one", &w.delete::<K>(id).await?, &false)?;
    }
    w.subject_unchanged::<K>().await?;
    equal("deleting one", &w.delete::<K>("subject").await?, &true)?;
    equal(
        "deleting it again",
        &w.delete::<K>("subject").await?,
        &false,
    )?;
    let elsewhere = K::delete(&*w.other, &w.tenant, &K::id("subject")?).await?;
    equal("deleting it on the second handle", &elsewhere, &false)
}

/// What is saved under a deleted one's id starts afresh: at version 1, created then, with nothing of
/// the old one.
///
/// What was deleted must not come back with a name.
#[rule(
    "policies::delete::frees_the_id",
    source = "spicedb, vault: delete, then create; AuthHero: permissions came back with the id"
)]
async fn delete_frees_the_id(w: &Book) -> Checked {
    frees_the_id::<Policies>(w).await?;
    frees_the_id::<Roles>(w).await
}

async fn frees_the_id<K: Kind>(w: &Book) -> Checked {
    w.save::<K>(K::full("subject", "changed")?, minute(1))
        .await?;
    w.delete::<K>("subject").await?;
    for (later, draft) in (2..).zip([K::bare("subject")?, K::subject(w).draft.clone()]) {
        let expected = Record::new(draft.clone(), minute(later));
        let saved = K::save(&*w.other, &w.tenant, Expected::Absent, draft, minute(later)).await?;
        equal("the answer of saving anew", &saved, &expected)?;
        w.reads::<K>(&expected).await?;
        w.delete::<K>("subject").await?;
    }
    Ok(())
}

/// Of callers that delete one policy or role at once, one is told that there was one.
///
/// Whoever acts on the answer, by ending sessions or sending mail, acts once.
#[rule(
    "policies::delete::race_has_one_winner",
    source = "better-auth #10086: guarded transitions failed when they were made at once",
    environments = "isolation"
)]
async fn delete_race_has_one_winner(w: &Book) -> Checked {
    one_deleter::<Policies>(w).await?;
    one_deleter::<Roles>(w).await
}

async fn one_deleter<K: Kind>(w: &Book) -> Checked {
    for round in 0..4 {
        let id = K::id(&format!("round {round}"))?;
        w.save::<K>(K::full(&format!("round {round}"), "to be deleted")?, START)
            .await?;
        let answers: Vec<PortResult<bool>> = race(RACERS, |racer| {
            let (store, tenant, id) = (w.handle(racer), w.tenant.clone(), id.clone());
            async move { K::delete(&*store, &tenant, &id).await }
        })
        .await?;
        exactly_one(
            &format!("deleting one {} at once", K::NAME),
            &answers,
            |answer| *answer == Ok(true),
            |answer| *answer == Ok(false),
        )?;
        equal("what was deleted", &w.seen::<K>(&id).await?, &None)?;
    }
    Ok(())
}

/// Deleting a role leaves the roles that inherit from it and the policies that name it as they are.
///
/// What a missing role means is the engine's to say; a policy whose targets became empty is about
/// nothing.
#[rule(
    "policies::delete_role::leaves_what_names_it",
    source = "the contract: parents and targets need not be stored"
)]
async fn what_names_a_role_stays(w: &Book) -> Checked {
    let mut child = bare_role("child");
    child["inherits"] = json!(["subject"]);
    let child = w.save::<Roles>(made(child)?, START).await?;
    let mut policy = bare_policy("about it");
    policy["targets"] = json!({"roles": ["subject"]});
    let policy = w.save::<Policies>(made(policy)?, START).await?;
    holds(w.delete::<Roles>("subject").await?, "there was a role")?;
    w.reads::<Roles>(&child).await?;
    w.reads::<Policies>(&policy).await?;
    w.subject_unchanged::<Policies>().await
}
