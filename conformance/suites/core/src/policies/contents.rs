//! What policies and roles say: kept as their authors wrote it, in order, to the last letter.

use portproof_ports::{Document, PolicyDraft, Ports, RoleDraft, Text};
use serde_json::{Value, json};

use super::{
    Book, example_policies, example_roles,
    kind::{Kind, Policies, Roles, bare_policy, bare_role, made, permission_part, rule_part},
};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, awkward_document, hostile, large_document, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        policy_order_is_kept,
        role_order_is_kept,
        policy_absent_and_empty_differ,
        role_absent_and_empty_differ,
        example_policies_are_kept,
        example_roles_are_kept,
        policy_documents_are_kept,
        role_documents_are_kept,
        conditions_are_kept,
        priorities_are_kept,
        rules_belong_to_their_policy,
        parents_need_not_be_stored,
    ]
}

/// Saves these drafts one over the other, which all differ, and fails unless each is answered and
/// read as it is, one version after the other.
async fn each_is_kept<K: Kind>(w: &Book, drafts: Vec<K::Draft>) -> Checked {
    let mut stored = K::subject(w).clone();
    for draft in drafts {
        let expected = stored.changed(draft.clone(), minute(1));
        stored = w.save::<K>(draft, minute(1)).await?;
        equal("the answer of the save", &stored, &expected)?;
        w.reads::<K>(&expected).await?;
    }
    Ok(())
}

/// A policy's rules, and their actions and resources, keep the author's order, also where an action
/// is there twice; another order is a change.
///
/// Where the first rule that matches decides, their order is the policy.
#[rule(
    "policies::save_policy::keeps_the_order",
    source = "casbin: the order of rules was the database's; no suite checks it"
)]
async fn policy_order_is_kept(w: &Book) -> Checked {
    let mut drafts = Vec::new();
    for order in [
        ["c", "a", "b"],
        ["b", "a", "c"],
        ["a", "b", "c"],
        ["a", "c", "b"],
    ] {
        let patterns = [order[2], order[0], order[1], order[0]];
        let rules: Vec<Value> = order
            .iter()
            .map(|id| {
                let mut rule = rule_part(id);
                rule["actions"] = json!(patterns);
                rule["resources"] = json!(patterns);
                rule
            })
            .collect();
        let mut policy = bare_policy("subject");
        policy["rules"] = rules.into();
        policy["targets"] = json!({"actions": patterns, "resources": patterns, "roles": patterns});
        drafts.push(made(policy)?);
    }
    each_is_kept::<Policies>(w, drafts).await
}

/// A role's permissions and parents keep the author's order, also where one is there twice; another
/// order is a change.
///
/// An engine may look for the first that matches, and a person who compares two versions sees what
/// changed.
#[rule(
    "policies::save_role::keeps_the_order",
    source = "duck-iam 3.2.0: parents in a column of another type"
)]
async fn role_order_is_kept(w: &Book) -> Checked {
    let mut drafts = Vec::new();
    for order in [
        ["c", "a", "b", "a"],
        ["b", "a", "c", "a"],
        ["a", "a", "b", "c"],
        ["c", "b", "a", "a"],
    ] {
        let mut role = bare_role("subject");
        role["permissions"] = order.map(permission_part).to_vec().into();
        role["inherits"] = json!(order);
        drafts.push(made(role)?);
    }
    each_is_kept::<Roles>(w, drafts).await
}

/// What a policy leaves out stays left out, and what is empty or null stays that: each of them is a
/// policy of its own.
///
/// Targets that are left out are everything and empty ones are nothing: who mixes them up turns a
/// policy off, or on for everybody.
#[rule(
    "policies::save_policy::keeps_absent_and_empty_apart",
    source = "duck-iam: absent became a default on some adapters; better-auth #5779",
    environments = "collation"
)]
async fn policy_absent_and_empty_differ(w: &Book) -> Checked {
    let mut drafts: Vec<PolicyDraft> = Vec::new();
    let mut add = |change: &dyn Fn(&mut Value)| -> Checked {
        let mut policy = bare_policy("subject");
        change(&mut policy);
        drafts.push(made(policy)?);
        Ok(())
    };
    add(&|_| {})?;
    for targets in [
        json!({}),
        json!({"actions": []}),
        json!({"resources": []}),
        json!({"roles": []}),
        json!({"actions": [], "resources": [], "roles": []}),
        json!({"actions": [""]}),
    ] {
        add(&|policy| policy["targets"] = targets.clone())?;
    }
    add(&|policy| policy["description"] = json!(""))?;
    add(&|policy| policy["name"] = json!(""))?;
    let nothing = [
        json!(null),
        json!({}),
        json!([]),
        json!(""),
        json!(false),
        json!(0),
    ];
    add(&|policy| policy["rules"] = json!([rule_part("one")]))?;
    let fields = [
        ("description", vec![json!("")]),
        ("actions", vec![json!([]), json!([""])]),
        ("resources", vec![json!([]), json!([""])]),
        ("metadata", nothing.to_vec()),
        (
            "conditions",
            vec![
                json!({"any": []}),
                json!({"none": []}),
                json!({"all": [{"all": []}]}),
            ],
        ),
    ];
    for (field, values) in fields {
        for value in values {
            add(&|policy| {
                policy["rules"] = json!([rule_part("one")]);
                policy["rules"][0][field] = value.clone();
            })?;
        }
    }
    let operands = [None].into_iter().chain(nothing.map(Some));
    for operand in operands {
        add(&|policy| {
            let mut test = json!({"field": "", "operator": "eq"});
            if let Some(operand) = &operand {
                test["value"] = operand.clone();
            }
            policy["rules"] = json!([rule_part("one")]);
            policy["rules"][0]["conditions"] = json!({"all": [{"test": test}]});
        })?;
    }
    each_is_kept::<Policies>(w, drafts).await
}

/// What a role leaves out stays left out, and what is empty or null stays that: each of them is a
/// role of its own.
///
/// A permission without a scope holds everywhere; one that lost its conditions holds always.
#[rule(
    "policies::save_role::keeps_absent_and_empty_apart",
    source = "duck-iam: an adapter invented an empty list of parents",
    environments = "collation"
)]
async fn role_absent_and_empty_differ(w: &Book) -> Checked {
    let mut drafts: Vec<RoleDraft> = Vec::new();
    let mut add = |change: &dyn Fn(&mut Value)| -> Checked {
        let mut role = bare_role("subject");
        change(&mut role);
        drafts.push(made(role)?);
        Ok(())
    };
    add(&|_| {})?;
    let fields = [
        ("description", vec![json!("")]),
        ("name", vec![json!("")]),
        ("inherits", vec![json!([])]),
        ("scope", vec![json!("null"), json!("*")]),
        (
            "metadata",
            vec![
                json!(null),
                json!({}),
                json!([]),
                json!(""),
                json!(false),
                json!(0),
            ],
        ),
    ];
    for (field, values) in fields {
        for value in values {
            add(&|role| role[field] = value.clone())?;
        }
    }
    for permission in [
        json!({"action": "", "resource": ""}),
        json!({"action": "", "resource": "", "scope": "*"}),
        json!({"action": "", "resource": "", "conditions": {"all": []}}),
        json!({"action": "", "resource": "", "conditions": {"any": []}}),
        json!({"action": "", "resource": "", "conditions": {"none": []}}),
    ] {
        add(&|role| role["permissions"] = json!([permission]))?;
    }
    each_is_kept::<Roles>(w, drafts).await
}

/// Policies as engines write them are kept as they are: every algorithm, every operator, with and
/// without targets.
///
/// An operator or an algorithm that a backend does not know is somebody's rule.
#[rule(
    "policies::save_policy::keeps_the_examples",
    source = "the policies of the engines that this port was made for"
)]
async fn example_policies_are_kept(w: &Book) -> Checked {
    for draft in example_policies()? {
        let saved = w.save::<Policies>(draft.clone(), START).await?;
        equal("the answer of the save", &saved.draft, &draft)?;
        w.reads::<Policies>(&saved).await?;
    }
    Ok(())
}

/// Roles as engines write them are kept as they are: with and without scopes, conditions, parents.
///
/// Whoever is an editor here must be the same editor there.
#[rule(
    "policies::save_role::keeps_the_examples",
    source = "the roles of the engines that this port was made for"
)]
async fn example_roles_are_kept(w: &Book) -> Checked {
    for draft in example_roles()? {
        let saved = w.save::<Roles>(draft.clone(), START).await?;
        equal("the answer of the save", &saved.draft, &draft)?;
        w.reads::<Roles>(&saved).await?;
    }
    Ok(())
}

/// A text as long as a text may be.
fn long_text() -> Result<Text, Failure> {
    Ok(Text::new("0123456789abcdé".repeat(4096))?)
}

/// A policy's texts and documents are kept exactly, whatever is in them and however large they are.
///
/// A number that went through a fraction, or a text that lost its end, is another condition.
#[rule(
    "policies::save_policy::keeps_texts_and_documents",
    source = "next-auth #9098, #4734: columns of 255; casbin: commas and quotes in rules"
)]
async fn policy_documents_are_kept(w: &Book) -> Checked {
    let awkward = awkward_document()?;
    let mut policy = bare_policy("subject");
    let mut rule = rule_part("one");
    rule["actions"] = json!(hostile());
    rule["resources"] = json!(hostile());
    rule["metadata"] = json!(awkward);
    rule["conditions"] = json!({"all": [
        {"test": {"field": "a\nb\r\n\tc\u{1}", "operator": "in", "value": awkward}},
    ]});
    policy["rules"] = json!([rule]);
    policy["targets"] = json!({"actions": hostile(), "resources": hostile(), "roles": hostile()});
    policy["name"] = json!(hostile().concat());
    policy["description"] = json!(long_text()?);
    each_is_kept::<Policies>(w, vec![made(policy.clone())?]).await?;
    policy["id"] = json!("fresh");
    policy["rules"][0]["metadata"] = json!(large_document()?);
    large_is_kept::<Policies>(w, made(policy)?).await
}

/// A role's texts and documents are kept exactly, whatever is in them and however large they are.
///
/// A resource that lost its end is a shorter prefix, and allows more.
#[rule(
    "policies::save_role::keeps_texts_and_documents",
    source = "openfga #2230: ids cut to 128; duck-iam: parts joined by a space met others"
)]
async fn role_documents_are_kept(w: &Book) -> Checked {
    let awkward = awkward_document()?;
    let mut role = bare_role("subject");
    let permissions: Vec<Value> = hostile()
        .iter()
        .map(|text| json!({"action": text, "resource": text, "scope": text}))
        .collect();
    role["permissions"] = permissions.into();
    role["permissions"][0]["conditions"] = json!({"none": [
        {"test": {"field": "a\nb\r\n\tc\u{1}", "operator": "in", "value": awkward}},
    ]});
    role["inherits"] = json!(hostile());
    role["name"] = json!(hostile().concat());
    role["description"] = json!(long_text()?);
    role["metadata"] = json!(awkward);
    each_is_kept::<Roles>(w, vec![made(role.clone())?]).await?;
    role["id"] = json!("fresh");
    role["metadata"] = json!(large_document()?);
    large_is_kept::<Roles>(w, made(role)?).await
}

/// Saves what is too large to be shown, and fails unless it is read as it is.
async fn large_is_kept<K: Kind>(w: &Book, draft: K::Draft) -> Checked {
    w.save::<K>(draft.clone(), START).await?;
    let found = w.seen::<K>(K::id_of(&draft)).await?;
    holds(
        found.is_some_and(|found| found.draft == draft),
        "a mebibyte of metadata is read as it was written",
    )
}

/// Conditions are kept as they were built: nothing is simplified, sorted or evaluated.
///
/// All of nothing holds and any of nothing does not: a backend that tidies up decides.
#[rule(
    "policies::save_policy::keeps_conditions",
    source = "better-auth #9756: conditions were lost where and met or; the contract"
)]
async fn conditions_are_kept(w: &Book) -> Checked {
    let test = |value: i64| json!({"test": {"field": "f", "operator": "eq", "value": value}});
    let wide: Vec<Value> = (0..200).rev().map(test).collect();
    let mut drafts = Vec::new();
    for conditions in [
        test(1),
        json!({"all": [test(1)]}),
        json!({"any": [test(1)]}),
        json!({"none": [test(1)]}),
        json!({"all": [test(1), test(1)]}),
        json!({"all": [test(2), test(1)]}),
        json!({"all": [test(1), test(2)]}),
        json!({"all": [{"all": [test(1)]}, test(2)]}),
        json!({"none": [{"none": [test(1)]}]}),
        json!({"any": [{"all": [test(1), {"any": []}]}, {"none": [test(2), {"all": []}]}]}),
        json!({"any": wide}),
    ] {
        let mut policy = bare_policy("subject");
        policy["rules"] = json!([rule_part("one")]);
        policy["rules"][0]["conditions"] = conditions;
        drafts.push(made(policy)?);
    }
    each_is_kept::<Policies>(w, drafts).await
}

/// Priorities are kept over all 64 bits, below zero too.
///
/// Of two priorities that a fraction makes equal, either rule may win.
#[rule(
    "policies::save_policy::keeps_priorities",
    source = "keyv, spire: whole numbers through fractions lost their last digits"
)]
async fn priorities_are_kept(w: &Book) -> Checked {
    let priorities = [
        i64::MIN,
        i64::MAX,
        0,
        -1,
        9_007_199_254_740_993,
        i64::MAX - 1,
    ];
    let mut drafts = Vec::new();
    for priority in priorities {
        let mut draft = Policies::bare("subject")?;
        Policies::add(&mut draft, "one")?;
        draft.rules[0].priority = priority;
        drafts.push(draft);
    }
    each_is_kept::<Policies>(w, drafts).await
}

/// A rule's id is its own within its policy only, and compared as bytes: rules of other policies
/// under the same id are other rules.
///
/// Two policies with a rule `allow-all` each must not share it.
#[rule(
    "policies::save_policy::rules_belong_to_their_policy",
    source = "casbin-pg-adapter #42: equal rules were removed together"
)]
async fn rules_belong_to_their_policy(w: &Book) -> Checked {
    let mut saved = Vec::new();
    for (id, label) in [("one", "first"), ("two", "second"), ("three", "third")] {
        let mut draft = Policies::bare(id)?;
        for rule in hostile() {
            Policies::add(&mut draft, rule)?;
        }
        for rule in &mut draft.rules {
            rule.description = Some(Text::new(label)?);
            rule.metadata = Some(Document::new(json!({"of": id}))?);
        }
        saved.push(w.save::<Policies>(draft, START).await?);
    }
    holds(
        w.delete::<Policies>("one").await?,
        "there was the first policy",
    )?;
    w.save::<Policies>(Policies::bare("two")?, minute(1))
        .await?;
    w.reads::<Policies>(&saved[2]).await?;
    w.subject_unchanged::<Policies>().await
}

/// A role's parents need not be stored, and may be itself or form a circle: they are kept as they
/// are.
///
/// What a missing parent means is the engine's to say; an import in another order must not fail.
#[rule(
    "policies::save_role::parents_need_not_be_stored",
    source = "keycloak: circles of roles hung; the contract leaves them to engines"
)]
async fn parents_need_not_be_stored(w: &Book) -> Checked {
    for (id, parents) in [
        ("itself", &["itself"][..]),
        ("one", &["two"]),
        ("two", &["one", "subject", "Subject"]),
        ("child", &["never stored", "subject"]),
    ] {
        let mut role = bare_role(id);
        role["inherits"] = json!(parents);
        let draft: RoleDraft = made(role)?;
        let saved = w.save::<Roles>(draft.clone(), START).await?;
        equal("the answer of the save", &saved.draft, &draft)?;
        w.reads::<Roles>(&saved).await?;
    }
    w.reads_none::<Roles>("never stored").await
}
