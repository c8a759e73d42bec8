//! Policies and roles as records: what is saved is what was given, over what the caller saw.

use portproof_ports::{ErrorKind, Expected, PortError, Ports, Version};

use super::{
    Book,
    kind::{Kind, Policies, Record, Roles},
    limits,
};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, instants, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        policy_is_stored_whole,
        role_is_stored_whole,
        policy_is_replaced_whole,
        role_is_replaced_whole,
        same_policy_changes_nothing,
        same_role_changes_nothing,
        stored_policy_is_not_absent,
        stored_role_is_not_absent,
        stale_policy_is_refused,
        stale_role_is_refused,
        save_never_recreates,
        anything_is_replaced_or_created,
        names_may_repeat,
        instants_are_kept,
        records_survive_a_restart,
        errors_name_what_was_wrong,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that is told otherwise, or nothing, asks for decisions that nobody can make.
#[rule(
    "policies::ready::answers",
    source = "spicedb #3142: one hung call wedged the server"
)]
async fn ready_answers(w: &Book) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// A new policy is answered as it is stored: every field as it was given, version 1, created and
/// updated now.
///
/// A condition that is lost on the way lets in everybody whom it kept out.
#[rule(
    "policies::save_policy::stores_it_whole",
    source = "AuthHero 5dddd72: create dropped fields that the next read missed; dex #3119"
)]
async fn policy_is_stored_whole(w: &Book) -> Checked {
    stored_whole::<Policies>(w).await
}

/// A new role is answered as it is stored: every field as it was given, version 1, created and
/// updated now.
///
/// A permission that loses its scope holds everywhere.
#[rule(
    "policies::save_role::stores_it_whole",
    source = "duck-iam 3.2.0: a list in a column of another type did not come back"
)]
async fn role_is_stored_whole(w: &Book) -> Checked {
    stored_whole::<Roles>(w).await
}

async fn stored_whole<K: Kind>(w: &Book) -> Checked {
    let draft = K::full("fresh", "new")?;
    let expected = Record::new(draft.clone(), minute(1));
    let saved = K::save(&*w.store, &w.tenant, Expected::Absent, draft, minute(1)).await?;
    equal("the answer of the save", &saved, &expected)?;
    w.reads::<K>(&expected).await?;
    w.subject_unchanged::<K>().await
}

/// A save over a stored policy replaces all of it: what the draft leaves out is gone, the version is
/// one higher, and the creation stays.
///
/// A rule that was taken out of a policy and is still enforced, or still grants, is found by nobody.
#[rule(
    "policies::save_policy::replaces_the_whole",
    source = "Casbin.NET #176: a save appended; spicedb 6e260eb25: what was left out stayed"
)]
async fn policy_is_replaced_whole(w: &Book) -> Checked {
    replaced_whole::<Policies>(w).await
}

/// A save over a stored role replaces all of it: what the draft leaves out is gone, the version is
/// one higher, and the creation stays.
///
/// A permission that was taken from a role must be taken from its holders.
#[rule(
    "policies::save_role::replaces_the_whole",
    source = "sqlalchemy-adapter #54: saving again added rows; better-auth: none did not clear"
)]
async fn role_is_replaced_whole(w: &Book) -> Checked {
    replaced_whole::<Roles>(w).await
}

async fn replaced_whole<K: Kind>(w: &Book) -> Checked {
    let full = K::subject(w);
    let drafts = [
        K::bare("subject")?,
        K::full("subject", "another")?,
        full.draft.clone(),
    ];
    let mut stored = full.clone();
    for (later, draft) in (5..).zip(drafts) {
        let expected = stored.changed(draft.clone(), minute(later));
        let seen = Expected::Version(stored.version);
        stored = K::save(&*w.other, &w.tenant, seen, draft, minute(later)).await?;
        equal("the answer of the save", &stored, &expected)?;
        w.reads::<K>(&stored).await?;
    }
    Ok(())
}

/// Saving the policy that is stored already changes nothing: not the version, nor when it was
/// updated.
///
/// A deployment that saves all its policies at every start would tell every cache that all of them
/// changed.
#[rule(
    "policies::save_policy::same_changes_nothing",
    source = "the contract; duck-iam: saved and saved again is identical"
)]
async fn same_policy_changes_nothing(w: &Book) -> Checked {
    same_changes_nothing::<Policies>(w).await
}

/// Saving the role that is stored already changes nothing: not the version, nor when it was updated.
///
/// Whoever holds the version of before would be told that somebody changed the role.
#[rule(
    "policies::save_role::same_changes_nothing",
    source = "the contract; kratos: an update without a change is no new version"
)]
async fn same_role_changes_nothing(w: &Book) -> Checked {
    same_changes_nothing::<Roles>(w).await
}

async fn same_changes_nothing<K: Kind>(w: &Book) -> Checked {
    let subject = K::subject(w);
    for expected in [Expected::Anything, Expected::Version(subject.version)] {
        for store in [&w.store, &w.other] {
            let same = subject.draft.clone();
            let saved = K::save(&**store, &w.tenant, expected, same, minute(9)).await?;
            equal("the answer of saving the same", &saved, subject)?;
        }
    }
    w.subject_unchanged::<K>().await
}

/// A policy that is expected to be new is never saved over a stored one, not even over the same.
///
/// Two authors who choose one id would each believe that theirs decides.
#[rule(
    "policies::save_policy::refuses_a_stored_id",
    source = "casbin #1310: adding what is there duplicated or failed, as the index was"
)]
async fn stored_policy_is_not_absent(w: &Book) -> Checked {
    stored_is_not_absent::<Policies>(w).await
}

/// A role that is expected to be new is never saved over a stored one, not even over the same.
///
/// Whoever creates a role `support` would give its powers to the holders of the one there is.
#[rule(
    "policies::save_role::refuses_a_stored_id",
    source = "tower-sessions: create must not overwrite, a contract that no suite checked"
)]
async fn stored_role_is_not_absent(w: &Book) -> Checked {
    stored_is_not_absent::<Roles>(w).await
}

async fn stored_is_not_absent<K: Kind>(w: &Book) -> Checked {
    for draft in [
        K::full("subject", "another")?,
        K::subject(w).draft.clone(),
        K::bare("subject")?,
    ] {
        let answer = K::save(&*w.other, &w.tenant, Expected::Absent, draft, minute(1)).await;
        fails("saving as new under a stored id", answer, ErrorKind::Stale)?;
        w.subject_unchanged::<K>().await?;
    }
    // An id that differs in its case only is free.
    let near = K::full("SUBJECT", "another")?;
    let saved = K::save(&*w.store, &w.tenant, Expected::Absent, near, minute(1)).await?;
    w.reads::<K>(&saved).await?;
    w.subject_unchanged::<K>().await
}

/// A save that saw another version of a policy is told so and writes nothing, not even when it
/// brings what is stored.
///
/// The later of two editors would put back the rule that the earlier one removed.
#[rule(
    "policies::save_policy::refuses_a_stale_version",
    source = "casbin-pg-adapter #42: a policy that was updated could not be removed"
)]
async fn stale_policy_is_refused(w: &Book) -> Checked {
    stale_is_refused::<Policies>(w).await
}

/// A save that saw another version of a role is told so and writes nothing, not even when it brings
/// what is stored.
///
/// A permission that was revoked a moment ago would be back.
#[rule(
    "policies::save_role::refuses_a_stale_version",
    source = "dex #2547: concurrent updates overwrote each other"
)]
async fn stale_role_is_refused(w: &Book) -> Checked {
    stale_is_refused::<Roles>(w).await
}

async fn stale_is_refused<K: Kind>(w: &Book) -> Checked {
    let subject = K::subject(w);
    let (late, now) = (K::full("subject", "late")?, minute(1));
    for version in [subject.version.next(), Version::new(i64::MAX)?] {
        for draft in [late.clone(), subject.draft.clone()] {
            let expected = Expected::Version(version);
            let answer = K::save(&*w.store, &w.tenant, expected, draft, now).await;
            fails(
                "a save over a version that is not stored",
                answer,
                ErrorKind::Stale,
            )?;
        }
    }
    w.subject_unchanged::<K>().await?;
    let first = K::full("subject", "first")?;
    let seen = Expected::Version(subject.version);
    let changed = K::save(&*w.store, &w.tenant, seen, first, now).await?;
    for draft in [late, changed.draft.clone()] {
        let answer = K::save(&*w.other, &w.tenant, seen, draft, minute(2)).await;
        fails("a save over the version before", answer, ErrorKind::Stale)?;
    }
    w.reads::<K>(&changed).await
}

/// A save that saw a version is refused when nothing is stored any more, or never was, and stores
/// nothing.
///
/// An editor that is left open would bring back the policy, or the role, that was deleted
/// meanwhile.
#[rule(
    "policies::save::never_recreates",
    source = "auth0/nextjs-auth0 #2335: a late save brought back what was deleted"
)]
async fn save_never_recreates(w: &Book) -> Checked {
    never_recreates::<Policies>(w).await?;
    never_recreates::<Roles>(w).await
}

async fn never_recreates<K: Kind>(w: &Book) -> Checked {
    w.delete::<K>("subject").await?;
    for id in ["subject", "unknown"] {
        let expected = Expected::Version(Version::FIRST);
        let draft = K::full(id, "late")?;
        let answer = K::save(&*w.other, &w.tenant, expected, draft, minute(1)).await;
        fails("a save over what is not stored", answer, ErrorKind::Stale)?;
        w.reads_none::<K>(id).await?;
    }
    Ok(())
}

/// A save that expects nothing creates what is missing and replaces what is stored, whatever its
/// version.
///
/// Whoever imports policies must not have to know what was there.
#[rule(
    "policies::save::takes_anything",
    source = "duck-iam: MySQL's query builder has no such upsert, and every one failed"
)]
async fn anything_is_replaced_or_created(w: &Book) -> Checked {
    takes_anything::<Policies>(w).await?;
    takes_anything::<Roles>(w).await
}

async fn takes_anything<K: Kind>(w: &Book) -> Checked {
    let draft = K::full("fresh", "one")?;
    let mut expected = Record::new(draft.clone(), minute(1));
    equal(
        "the answer of a first save",
        &w.save::<K>(draft, minute(1)).await?,
        &expected,
    )?;
    for (later, label) in (2..).zip(["two", "three", "four"]) {
        let draft = K::full("fresh", label)?;
        expected = expected.changed(draft.clone(), minute(later));
        let saved = w.save::<K>(draft, minute(later)).await?;
        equal("the answer of a later save", &saved, &expected)?;
    }
    w.reads::<K>(&expected).await?;
    w.subject_unchanged::<K>().await
}

/// Two policies may have one name, and two roles.
///
/// A unique index on one backend makes an import fail there that works on the others.
#[rule(
    "policies::save::names_may_repeat",
    source = "duck-iam: a unique index on names, on Postgres only"
)]
async fn names_may_repeat(w: &Book) -> Checked {
    one_name_twice::<Policies>(w).await?;
    one_name_twice::<Roles>(w).await
}

async fn one_name_twice<K: Kind>(w: &Book) -> Checked {
    let second = w.save::<K>(K::full("fresh", "the subject")?, START).await?;
    w.reads::<K>(&second).await?;
    w.subject_unchanged::<K>().await
}

/// Instants are kept to the microsecond, from 1970 to 9999: the creation as the first save names it,
/// the update as the last change does, whichever is later.
///
/// A change that is dated an hour off is not found when somebody asks who could read what then.
#[rule(
    "policies::save::keeps_instants",
    source = "duck-iam 3.2.0: a default that was the process's start; dex b51e73bc, fd20b213",
    environments = "time_zone"
)]
async fn instants_are_kept(w: &Book) -> Checked {
    keeps_instants::<Policies>(w).await?;
    keeps_instants::<Roles>(w).await
}

async fn keeps_instants<K: Kind>(w: &Book) -> Checked {
    let mut changed = K::subject(w).clone();
    for instant in instants()? {
        let id = format!("{instant}");
        let created = Record::new(K::bare(&id)?, instant);
        let saved = w.save::<K>(created.draft.clone(), instant).await?;
        equal("the answer of the first save", &saved, &created)?;
        let found = K::get(&*w.other, &w.tenant, K::id_of(&created.draft)).await?;
        equal(
            "what was created then, as it is read",
            &found,
            &Some(created),
        )?;
        changed = changed.changed(K::full("subject", &id)?, instant);
        w.save::<K>(changed.draft.clone(), instant).await?;
        let found = K::get(&*w.other, &w.tenant, K::id_of(&changed.draft)).await?;
        equal(
            "what was changed then, as it is read",
            &found.as_ref(),
            &Some(&changed),
        )?;
    }
    Ok(())
}

/// What was saved is there when the store is opened anew, and what was deleted is not.
///
/// After a restart an engine without its policies denies everybody, or nobody.
#[rule(
    "policies::restart::keeps_policies_and_roles",
    capability = "reopen",
    source = "duck-iam 2.1.0: a file that could not be read was an empty store"
)]
async fn records_survive_a_restart(w: &Book) -> Checked {
    survives_a_restart::<Policies>(w).await?;
    survives_a_restart::<Roles>(w).await
}

async fn survives_a_restart<K: Kind>(w: &Book) -> Checked {
    let deleted = w.save::<K>(K::full("deleted", "deleted")?, START).await?;
    w.delete::<K>("deleted").await?;
    let changed = w
        .save::<K>(K::full("subject", "changed")?, minute(1))
        .await?;
    let reopened = w.context.reopen().await?;
    let reopened = super::offered("policies", reopened.policies.as_ref())?;
    let found = K::get(&*reopened, &w.tenant, K::id_of(&changed.draft)).await?;
    equal("what was saved, after a restart", &found, &Some(changed))?;
    let found = K::get(&*reopened, &w.tenant, K::id_of(&deleted.draft)).await?;
    equal("what was deleted, after a restart", &found, &None)
}

/// An error says what it is about: the stale policy or role, or the field that is over its limit.
///
/// A person who is told only that something failed tries the same again.
#[rule(
    "policies::errors::name_what_was_wrong",
    source = "the contract; kratos: a constraint's violation named nothing"
)]
async fn errors_name_what_was_wrong(w: &Book) -> Checked {
    for (field, draft) in limits::policies_over_a_limit("fresh")? {
        let saved = w
            .store
            .save_policy(&w.tenant, Expected::Anything, draft, START)
            .await;
        names_field("a policy", saved.err(), field)?;
    }
    for (field, draft) in limits::roles_over_a_limit("fresh")? {
        let saved = w
            .store
            .save_role(&w.tenant, Expected::Anything, draft, START)
            .await;
        names_field("a role", saved.err(), field)?;
    }
    let draft = Policies::bare("subject")?;
    let saved = Policies::save(&*w.store, &w.tenant, Expected::Absent, draft, START).await;
    equal(
        "a stale policy",
        &saved.err(),
        &Some(PortError::stale("policy")),
    )?;
    let draft = Roles::bare("subject")?;
    let saved = Roles::save(&*w.store, &w.tenant, Expected::Absent, draft, START).await;
    equal(
        "a stale role",
        &saved.err(),
        &Some(PortError::stale("role")),
    )
}

fn names_field(what: &str, error: Option<PortError>, expected: &str) -> Checked {
    match error {
        Some(PortError::Refused { field, .. }) => equal(
            &format!("the field of {what} that is refused"),
            &&*field,
            &expected,
        ),
        other => equal(
            &format!("the refusal of {what} for its {expected}"),
            &other.map(|error| error.kind()),
            &Some(ErrorKind::Refused),
        ),
    }
}
