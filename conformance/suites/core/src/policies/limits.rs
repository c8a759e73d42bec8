//! How much a policy or a role may hold: all of that is kept, and nothing beyond is stored.

use portproof_ports::{
    ErrorKind, Expected, MAX_CONDITION_DEPTH, MAX_PATTERNS, MAX_RULES, PolicyDraft, Ports,
    RoleDraft, RoleId, Version,
};
use serde_json::{Value, json};

use super::{
    Book,
    kind::{
        Kind, Policies, Record, Roles, bare_policy, bare_role, made, permission_part, rule_part,
    },
};
use crate::{
    Case, Checked, Failure, cases,
    check::{fails, holds},
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        policy_at_its_limits_is_kept,
        role_at_its_limits_is_kept,
        policy_over_a_limit_is_refused,
        role_over_a_limit_is_refused,
    ]
}

/// A condition of this many levels.
fn nested(levels: usize) -> Value {
    let test = json!({"test": {"field": "action", "operator": "exists"}});
    (1..levels).fold(test, |inner, level| match level % 3 {
        0 => json!({"all": [inner]}),
        1 => json!({"none": [{"any": []}, inner]}),
        _ => json!({"any": [inner, {"all": []}]}),
    })
}

fn numbered(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("pattern {number}"))
        .collect()
}

/// A policy under this id with `rules`.
fn policy_of(id: &str, rules: Vec<Value>) -> Result<PolicyDraft, Failure> {
    let mut policy = bare_policy(id);
    policy["rules"] = rules.into();
    made(policy)
}

/// A rule with another value in one field.
fn rule_with(field: &str, value: impl Into<Value>) -> Value {
    let mut rule = rule_part("one");
    rule[field] = value.into();
    rule
}

/// Policies that are each over one limit, with the field that it is a limit of.
pub(super) fn policies_over_a_limit(id: &str) -> Result<Vec<(&'static str, PolicyDraft)>, Failure> {
    let many = (0..=MAX_RULES).map(|number| rule_part(&number.to_string()));
    let twice = vec![rule_part("one"), rule_part("two"), rule_part("one")];
    let patterns = numbered(MAX_PATTERNS + 1);
    let too_deep = nested(MAX_CONDITION_DEPTH + 1);
    let mut targets = [bare_policy(id), bare_policy(id)];
    targets[0]["targets"] = json!({"actions": patterns});
    targets[1]["targets"] = json!({"resources": patterns});
    let [actions, resources] = targets;
    Ok(vec![
        ("rules", policy_of(id, many.collect())?),
        ("rules", policy_of(id, twice)?),
        (
            "actions",
            policy_of(id, vec![rule_with("actions", patterns.clone())])?,
        ),
        (
            "resources",
            policy_of(id, vec![rule_with("resources", patterns)])?,
        ),
        (
            "conditions",
            policy_of(
                id,
                vec![rule_part("fine"), rule_with("conditions", too_deep)],
            )?,
        ),
        ("actions", made(actions)?),
        ("resources", made(resources)?),
    ])
}

/// Roles that are each over one limit, with the field that it is a limit of.
pub(super) fn roles_over_a_limit(id: &str) -> Result<Vec<(&'static str, RoleDraft)>, Failure> {
    let mut many = Roles::bare(id)?;
    for number in 0..=MAX_RULES {
        Roles::add(&mut many, &number.to_string())?;
    }
    let mut parents = Roles::bare(id)?;
    parents.inherits = Some(roles(MAX_RULES + 1)?);
    let mut deep = bare_role(id);
    let mut permission = permission_part("read");
    permission["conditions"] = nested(MAX_CONDITION_DEPTH + 1);
    deep["permissions"] = json!([permission_part("write"), permission]);
    Ok(vec![
        ("permissions", many),
        ("inherits", parents),
        ("conditions", made(deep)?),
    ])
}

fn roles(count: usize) -> Result<Vec<RoleId>, Failure> {
    (0..count)
        .map(|number| Roles::id(&format!("role {number}")))
        .collect()
}

/// A policy with as much in it as there may be is kept whole: a thousand rules, a hundred actions
/// and resources, conditions ten levels deep.
///
/// A policy that is cut off at its end has lost a denial.
#[rule(
    "policies::save_policy::keeps_what_is_at_a_limit",
    source = "cakephp-social-auth #30: a value that was too long was cut, silently"
)]
async fn policy_at_its_limits_is_kept(w: &Book) -> Checked {
    let mut rules = vec![rule_part("full")];
    rules[0]["actions"] = numbered(MAX_PATTERNS).into();
    rules[0]["resources"] = numbered(MAX_PATTERNS).into();
    rules[0]["conditions"] = nested(MAX_CONDITION_DEPTH);
    rules.extend((1..MAX_RULES).map(|number| rule_part(&number.to_string())));
    let mut draft = policy_of("fresh", rules)?;
    draft.targets = made(json!({
        "actions": numbered(MAX_PATTERNS),
        "resources": numbered(MAX_PATTERNS),
    }))?;
    kept::<Policies>(w, draft).await
}

/// A role with as much in it as there may be is kept whole: a thousand permissions and parents,
/// conditions ten levels deep.
///
/// A list that ends at a hundred takes from people what they were given.
#[rule(
    "policies::save_role::keeps_what_is_at_a_limit",
    source = "better-auth #10342: the hundred-and-first was lost to a second query's limit"
)]
async fn role_at_its_limits_is_kept(w: &Book) -> Checked {
    let mut draft = Roles::bare("fresh")?;
    for number in 0..MAX_RULES {
        Roles::add(&mut draft, &number.to_string())?;
    }
    draft.permissions[0].conditions = Some(made(nested(MAX_CONDITION_DEPTH))?);
    draft.inherits = Some(roles(MAX_RULES)?);
    kept::<Roles>(w, draft).await
}

async fn kept<K: Kind>(w: &Book, draft: K::Draft) -> Checked {
    let expected = Record::new(draft.clone(), START);
    let saved = w.save::<K>(draft, START).await?;
    // Both are too long to be shown.
    holds(
        saved == expected,
        "the answer of the save is what was given",
    )?;
    let found = w.seen::<K>(K::id_of(&expected.draft)).await?;
    holds(found == Some(expected), "what is read is what was given")
}

/// A policy that is over a limit is refused before anything else is looked at, and nothing is
/// stored: more rules, actions, resources or levels than there may be, or one rule id twice.
///
/// An adapter that keeps what the next one cannot makes it impossible to move.
#[rule(
    "policies::save_policy::refuses_what_is_over_a_limit",
    source = "duck-iam: an over-long id was written, and every read answered none"
)]
async fn policy_over_a_limit_is_refused(w: &Book) -> Checked {
    for id in ["subject", "unknown"] {
        for (field, draft) in policies_over_a_limit(id)? {
            refused::<Policies>(w, field, draft).await?;
        }
    }
    w.reads_none::<Policies>("unknown").await?;
    w.subject_unchanged::<Policies>().await
}

/// A role that is over a limit is refused before anything else is looked at, and nothing is stored:
/// more permissions, parents or levels than there may be.
///
/// Conditions that are deeper than the engine follows count as true or false, and nobody knows
/// which.
#[rule(
    "policies::save_role::refuses_what_is_over_a_limit",
    source = "duck-iam: a condition too deep was false, and true inside of none"
)]
async fn role_over_a_limit_is_refused(w: &Book) -> Checked {
    for id in ["subject", "unknown"] {
        for (field, draft) in roles_over_a_limit(id)? {
            refused::<Roles>(w, field, draft).await?;
        }
    }
    w.reads_none::<Roles>("unknown").await?;
    w.subject_unchanged::<Roles>().await
}

async fn refused<K: Kind>(w: &Book, field: &str, draft: K::Draft) -> Checked {
    let stale = Expected::Version(Version::new(77)?);
    for expected in [Expected::Anything, stale] {
        let answer = K::save(&*w.store, &w.tenant, expected, draft.clone(), minute(1)).await;
        fails(
            &format!("saving a {} whose {field} are over a limit", K::NAME),
            // Its record is too long to be shown.
            answer.map(|saved| saved.version),
            ErrorKind::Refused,
        )?;
    }
    Ok(())
}
