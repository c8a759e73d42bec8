//! The walls between tenants, what a restart keeps, and what errors say.

use portproof_ports::{
    ErrorKind, Expected, GrantScope, MAX_ATTRIBUTES, MAX_BATCH, PageRequest, PortError, Ports,
    Revocation, Which,
};
use serde_json::json;

use super::{
    Assignments, ada, all_set, changes, facts, lasting, new_grant, offered, role, role_draft,
    roles, stored, subject,
};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds},
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        other_tenants_reach_nothing,
        roles_of_other_tenants_are_unknown,
        tenants_are_compared_as_bytes,
        all_is_kept_over_a_restart,
        errors_name_what_was_wrong,
    ]
}

/// Through another tenant a grant and an attribute cannot be read, listed, changed or ended.
///
/// The tenant is the wall between customers; one method without it is a hole.
#[rule(
    "assignments::tenancy::other_tenants_reach_nothing",
    source = "kratos 93d364c8e, hydra 43c9be1b5, keto 0c61e343; paySphere #1917"
)]
async fn other_tenants_reach_nothing(w: &Assignments) -> Checked {
    let (ada, editor, store) = (ada()?, role("editor")?, &w.store);
    let there = w.context.tenant()?;
    let page = PageRequest::first(10)?;
    let found = store.grants_of(&there, &ada, &page).await?;
    equal("Ada's grants in an empty tenant", &found.items, &vec![])?;
    let found = store.holders_of(&there, &editor, &page).await?;
    equal("the editors of an empty tenant", &found.items, &vec![])?;
    let found = store.roles_of(&there, &ada, &GrantScope::Global, minute(5), &page);
    equal(
        "Ada's roles in an empty tenant",
        &found.await?.items,
        &vec![],
    )?;
    let known = store.attributes(&there, &ada).await?;
    equal("what an empty tenant knows of Ada", &known.len(), &0)?;
    for which in [Which::Global, Which::Every] {
        let ended = store.revoke(&there, &ada, &editor, &which).await?;
        equal("how many grants an empty tenant revoked", &ended, &0)?;
        let revocation = Revocation {
            subject: ada.clone(),
            role: editor.clone(),
            which,
        };
        let ended = store.revoke_many(&there, &[revocation]).await?;
        equal("how many a batch of its revoked", &ended, &0)?;
    }
    let ended = store.forget(&there, &ada).await?;
    equal("how much an empty tenant forgot", &ended, &0)?;
    let theirs = changes([("clearance", Some(json!("theirs")))])?;
    let answer = store.merge_attributes(&there, &ada, &theirs).await?;
    equal("what the other tenant knows", &answer, &all_set(&theirs))?;
    let new = lasting("Ada", "viewer", None)?;
    let granted = store.assign(&w.elsewhere, new.clone(), minute(9)).await?;
    equal(
        "a grant in another tenant",
        &granted,
        &stored(&new, minute(9)),
    )?;
    let count = store.assign_many(&w.elsewhere, &[new], minute(9)).await?;
    equal("how many of it are new", &count, &0)?;
    w.subject_unchanged().await?;
    let viewer = role("viewer")?;
    let ended = store.revoke(&w.elsewhere, &ada, &viewer, &Which::Global);
    equal("how many of it end", &ended.await?, &1)?;
    w.subject_unchanged().await
}

/// A role that is stored in another tenant only is not stored: it is refused, alone and in a batch.
///
/// A reference across the wall gives one customer's people the roles of another's.
#[rule(
    "assignments::tenancy::roles_of_others_are_unknown",
    source = "kratos: foreign keys that pointed across networks"
)]
async fn roles_of_other_tenants_are_unknown(w: &Assignments) -> Checked {
    let draft = role_draft(&role("only there")?)?;
    w.policies
        .save_role(&w.elsewhere, Expected::Anything, draft, START)
        .await?;
    let new = new_grant("Bob", "only there", None)?;
    let answer = w.store.assign(&w.tenant, new.clone(), START).await;
    fails(
        "granting another tenant's role",
        answer,
        ErrorKind::NotFound,
    )?;
    let answer = w.store.assign_many(&w.tenant, &[new], START).await;
    fails("granting it in a batch", answer, ErrorKind::NotFound)?;
    equal("Bob's grants", &w.grants(&subject("Bob")?).await?, &vec![])
}

/// Tenant ids are compared as bytes: tenants that differ in case or in a trailing space are two.
///
/// A backend that folds them gives one customer the administrators of another.
#[rule(
    "assignments::tenancy::tenants_are_compared_as_bytes",
    source = "CVE-2026-55170; MySQL pads texts before it compares them",
    environments = "collation"
)]
async fn tenants_are_compared_as_bytes(w: &Assignments) -> Checked {
    // The context's tenants come in triples of one id, that id with a space, and in capitals.
    let mut tenants = Vec::new();
    for number in 0_u16..4 {
        let tenant = w.context.tenant()?;
        let draft = role_draft(&role("editor")?)?;
        w.policies
            .save_role(&tenant, Expected::Anything, draft, START)
            .await?;
        let new = lasting("Ada", "editor", None)?;
        let granted = w.store.assign(&tenant, new, minute(number)).await?;
        let given = facts(tenant.as_str())?;
        w.store.merge_attributes(&tenant, &ada()?, &given).await?;
        tenants.push((tenant, granted, all_set(&given)));
    }
    for (tenant, granted, given) in tenants {
        let page = PageRequest::first(10)?;
        let found = w.other.grants_of(&tenant, &ada()?, &page).await?;
        equal("the tenant's own grants", &found.items, &vec![granted])?;
        let known = w.other.attributes(&tenant, &ada()?).await?;
        equal("what the tenant knows", &known, &given)?;
    }
    Ok(())
}

/// What was granted and known is there when the store is opened anew, and what was ended is not.
///
/// A deployment must not take everybody's roles, nor give back those that were taken.
#[rule(
    "assignments::restart::keeps_everything",
    capability = "reopen",
    source = "duck-iam 5.8.0: a file that was half written; a flush that failed"
)]
async fn all_is_kept_over_a_restart(w: &Assignments) -> Checked {
    let bob = subject("Bob")?;
    w.assign(new_grant("Bob", "viewer", None)?).await?;
    w.store.forget(&w.tenant, &bob).await?;
    let reopened = w.context.reopen().await?;
    let reopened = offered("assignments", reopened.assignments.as_ref())?;
    let page = PageRequest::first(10)?;
    let found = reopened.grants_of(&w.tenant, &ada()?, &page).await?;
    equal("Ada's grants", &found.items, &vec![w.subject.clone()])?;
    let global = GrantScope::Global;
    let ada = ada()?;
    let held = reopened.roles_of(&w.tenant, &ada, &global, minute(1), &page);
    equal("Ada's roles", &held.await?.items, &roles(&["editor"])?)?;
    let known = reopened.attributes(&w.tenant, &ada).await?;
    equal("what is known of Ada", &known, &w.known)?;
    let found = reopened.grants_of(&w.tenant, &bob, &page).await?;
    equal("Bob's grants, which ended", &found.items, &vec![])
}

/// Errors name what was wrong as the contract does, and never repeat what the caller gave.
///
/// An engine tells a role that is gone from a batch that is too long by the name.
#[rule(
    "assignments::errors::name_what_was_wrong",
    source = "duck-iam: one refusal everywhere, and the id never echoed; spicedb: drivers' errors leaked"
)]
async fn errors_name_what_was_wrong(w: &Assignments) -> Checked {
    let new = new_grant("Bob", "no such role", None)?;
    let answer = w.store.assign(&w.tenant, new.clone(), START).await;
    let unknown = PortError::not_found("role");
    equal(
        "the error of an unknown role",
        &answer,
        &Err(unknown.clone()),
    )?;
    let answer = w
        .store
        .assign_many(&w.tenant, std::slice::from_ref(&new), START)
        .await;
    equal("the error of it in a batch", &answer, &Err(unknown))?;
    let batch = vec![new.clone(); MAX_BATCH + 1];
    let revocation = Revocation {
        subject: new.subject,
        role: new.role,
        which: Which::Every,
    };
    let revocations = vec![revocation; MAX_BATCH + 1];
    let many = (0..=MAX_ATTRIBUTES).map(|n| (format!("no such name {n}"), Some(json!(n))));
    let many = changes(many)?;
    let merged = w.store.merge_attributes(&w.tenant, &ada()?, &many).await;
    for (expected, refused) in [
        (
            "grants",
            w.store.assign_many(&w.tenant, &batch, START).await.err(),
        ),
        (
            "revocations",
            w.store.revoke_many(&w.tenant, &revocations).await.err(),
        ),
        ("attributes", merged.err()),
    ] {
        let Some(PortError::Refused { field, problem }) = refused else {
            return Err(crate::Failure::new(format!(
                "the error of too many {expected}\n  expected it to be refused\n  got      {refused:?}"
            )));
        };
        equal("what was refused", &&*field, &expected)?;
        holds(
            !problem.contains("no such"),
            "an error does not repeat what the caller gave",
        )?;
    }
    Ok(())
}
