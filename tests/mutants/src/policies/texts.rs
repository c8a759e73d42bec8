//! Faults of what policies and roles say: small edits of what is saved.

use std::collections::BTreeSet;

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{
    Expected, PolicyId, PolicyStoreAnswer as Answer, PolicyStoreCall as Call, Port, PortError,
    PortResult, Ports, RoleId, RuleId, Timestamp,
};
use serde_json::{Value, json};

use super::{
    faults::all,
    kind::{Kind, Policies, Roles, Store, edits},
};

/// Does something to every value of this key, however deep.
fn each(json: &mut Value, key: &str, edit: &dyn Fn(&mut Value)) {
    match json {
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| each(value, key, edit));
            fields.get_mut(key).into_iter().for_each(edit);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, key, edit)),
        _ => {}
    }
}

/// Does something to every object, however deep.
fn each_object(json: &mut Value, edit: &dyn Fn(&mut serde_json::Map<String, Value>)) {
    match json {
        Value::Object(fields) => {
            fields
                .values_mut()
                .for_each(|value| each_object(value, edit));
            edit(fields);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, edit)),
        _ => {}
    }
}

/// Does something to every text, however deep.
fn each_text(json: &mut Value, edit: &dyn Fn(&mut String)) {
    match json {
        Value::String(text) => edit(text),
        Value::Object(fields) => fields.values_mut().for_each(|value| each_text(value, edit)),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, edit)),
        _ => {}
    }
}

fn sort(list: &mut Value) {
    if let Some(items) = list.as_array_mut() {
        items.sort_by_key(Value::to_string);
    }
}

fn dedup(list: &mut Value) {
    if let Some(items) = list.as_array_mut() {
        let mut seen = BTreeSet::new();
        items.retain(|item| seen.insert(item.to_string()));
    }
}

fn truncate(list: &mut Value, length: usize) {
    if let Some(items) = list.as_array_mut() {
        items.truncate(length);
    }
}

/// Removes this key wherever its value is this.
fn absent_if(json: &mut Value, key: &str, value: &Value) {
    each_object(json, &|fields| {
        if fields.get(key) == Some(value) {
            fields.remove(key);
        }
    });
}

/// Every number as a database that knows fractions only has it.
#[expect(clippy::cast_possible_truncation, reason = "that is the fault")]
fn through_fractions(json: &mut Value) {
    match json {
        Value::Number(number) => {
            if let Some(fraction) = number.as_f64()
                && !number.is_f64()
            {
                *number = (fraction as i64).into();
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(through_fractions),
        Value::Array(items) => items.iter_mut().for_each(through_fractions),
        _ => {}
    }
}

/// Cuts a text at this many bytes, or before.
fn cut(text: &mut String, bytes: usize) {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}

/// The mutants of policies: what breaks which rule, and how.
fn of_policies() -> Vec<Mutant<Ports>> {
    const ORDER: &str = "policies::save_policy::keeps_the_order";
    const ABSENT: &str = "policies::save_policy::keeps_absent_and_empty_apart";
    const EXAMPLES: &str = "policies::save_policy::keeps_the_examples";
    const TEXTS: &str = "policies::save_policy::keeps_texts_and_documents";
    const LIMIT: &str = "policies::save_policy::keeps_what_is_at_a_limit";
    const CONDITIONS: &str = "policies::save_policy::keeps_conditions";
    const PRIORITIES: &str = "policies::save_policy::keeps_priorities";
    vec![
        edits::<Policies>("policies::rules_by_id", ORDER, |p| {
            if let Some(rules) = p["rules"].as_array_mut() {
                rules.sort_by_key(|rule| rule["id"].to_string());
            }
        })
        .re_enacts("casbin: rules were loaded in the database's order"),
        edits::<Policies>("policies::actions_by_name", ORDER, |p| {
            each(p, "actions", &sort);
        }),
        edits::<Policies>("policies::resources_once", ORDER, |p| {
            each(p, "resources", &dedup);
        }),
        edits::<Policies>("policies::target_roles_by_name", ORDER, |p| {
            each(p, "roles", &sort);
        }),
        edits::<Policies>("policies::empty_targets_are_absent", ABSENT, |p| {
            absent_if(p, "targets", &json!({}));
        }),
        edits::<Policies>("policies::empty_target_actions_are_absent", ABSENT, |p| {
            if let Some(targets) = p.get_mut("targets") {
                absent_if(targets, "actions", &json!([]));
            }
        })
        .re_enacts("openfga, dex: an empty list came back as none"),
        edits::<Policies>("policies::targets_are_invented", ABSENT, |p| {
            if p.get("targets").is_none() {
                p["targets"] = json!({});
            }
        })
        .re_enacts("better-auth #5779: defaults were made up where nothing was stored"),
        edits::<Policies>("policies::null_operands_are_absent", ABSENT, |p| {
            absent_if(p, "value", &Value::Null);
        })
        .re_enacts("better-auth #8660: comparing with null was no comparison"),
        edits::<Policies>("policies::null_metadata_is_absent", ABSENT, |p| {
            absent_if(p, "metadata", &Value::Null);
        }),
        edits::<Policies>("policies::empty_metadata_is_absent", ABSENT, |p| {
            absent_if(p, "metadata", &json!({}));
        }),
        edits::<Policies>("policies::empty_descriptions_are_absent", ABSENT, |p| {
            absent_if(p, "description", &json!(""));
        }),
        edits::<Policies>("policies::false_operands_are_absent", ABSENT, |p| {
            absent_if(p, "value", &json!(false));
        }),
        edits::<Policies>("policies::algorithm_is_the_default", EXAMPLES, |p| {
            if p["algorithm"] == "first-match" {
                p["algorithm"] = "deny-overrides".into();
            }
        }),
        edits::<Policies>("policies::operators_are_old_ones", EXAMPLES, |p| {
            each(p, "operator", &|operator| {
                if operator == "before" {
                    *operator = "lt".into();
                }
            });
        }),
        edits::<Policies>("policies::texts_of_255", TEXTS, |p| {
            each_text(p, &|text| cut(text, 255));
        })
        .re_enacts("next-auth #9098: a column of 255 characters"),
        edits::<Policies>("policies::policy_texts_are_trimmed", TEXTS, |p| {
            each(p, "actions", &|actions| {
                each_text(actions, &|text| *text = text.trim_end().to_owned());
            });
        }),
        edits::<Policies>("policies::policy_numbers_are_fractions", TEXTS, |p| {
            each(p, "metadata", &through_fractions);
        })
        .re_enacts("keyv: whole numbers went through fractions"),
        edits::<Policies>("policies::large_metadata_is_dropped", TEXTS, |p| {
            each_object(p, &|fields| {
                if fields
                    .get("metadata")
                    .is_some_and(|data| data.to_string().len() > 65_535)
                {
                    fields.remove("metadata");
                }
            });
        }),
        edits::<Policies>("policies::five_hundred_rules", LIMIT, |p| {
            truncate(&mut p["rules"], 500);
        }),
        edits::<Policies>("policies::conditions_nine_deep", LIMIT, |p| {
            each(p, "conditions", &|conditions| nine_deep(conditions, 9));
        })
        .re_enacts("duck-iam: conditions that were too deep were taken for false"),
        edits::<Policies>("policies::conditions_are_simplified", CONDITIONS, |p| {
            each(p, "conditions", &|conditions| {
                let all = conditions.get("all").and_then(Value::as_array);
                if let Some([one]) = all.map(Vec::as_slice) {
                    *conditions = one.clone();
                }
            });
        }),
        edits::<Policies>("policies::conditions_are_sorted", CONDITIONS, |p| {
            each(p, "all", &sort);
        }),
        edits::<Policies>("policies::equal_conditions_are_one", CONDITIONS, |p| {
            each(p, "all", &dedup);
        }),
        edits::<Policies>("policies::any_is_all", CONDITIONS, |p| {
            each_object(p, &|fields| {
                if let Some(any) = fields.remove("any") {
                    fields.insert("all".to_owned(), any);
                }
            });
        })
        .re_enacts("better-auth #9756: conditions were lost where and met or"),
        edits::<Policies>("policies::priorities_are_fractions", PRIORITIES, |p| {
            each(p, "priority", &through_fractions);
        }),
        edits::<Policies>("policies::priorities_of_32_bits", PRIORITIES, |p| {
            each(p, "priority", &|priority| {
                let wide = priority.as_i64().unwrap_or_default();
                *priority = wide.clamp(i32::MIN.into(), i32::MAX.into()).into();
            });
        }),
        edits::<Policies>("policies::priorities_are_not_negative", PRIORITIES, |p| {
            each(p, "priority", &|priority| {
                *priority = priority.as_i64().unwrap_or_default().max(0).into();
            });
        }),
        Mutant::new(
            "policies::equal_rule_ids_are_one_rule",
            "policies::save_policy::rules_belong_to_their_policy",
            |mut ports: Ports, _| {
                ports.policies = ports.policies.map(|port| faulty(port, deletes_rules_by_id));
                ports
            },
        )
        .re_enacts("casbin-pg-adapter #42: equal rules were removed together"),
    ]
}

/// Takes what is deeper than so many levels for false.
fn nine_deep(condition: &mut Value, levels: usize) {
    for key in ["all", "any", "none"] {
        let inner = condition.get_mut(key).and_then(Value::as_array_mut);
        for inner in inner.into_iter().flatten() {
            match levels.checked_sub(1) {
                None | Some(0) => *inner = json!({"any": []}),
                Some(levels) => nine_deep(inner, levels),
            }
        }
    }
}

/// The mutants of roles: what breaks which rule, and how.
fn of_roles() -> Vec<Mutant<Ports>> {
    const ORDER: &str = "policies::save_role::keeps_the_order";
    const ABSENT: &str = "policies::save_role::keeps_absent_and_empty_apart";
    const EXAMPLES: &str = "policies::save_role::keeps_the_examples";
    const TEXTS: &str = "policies::save_role::keeps_texts_and_documents";
    const LIMIT: &str = "policies::save_role::keeps_what_is_at_a_limit";
    const PARENTS: &str = "policies::save_role::parents_need_not_be_stored";
    vec![
        edits::<Roles>("policies::permissions_by_action", ORDER, |r| {
            sort(&mut r["permissions"]);
        }),
        edits::<Roles>("policies::permissions_once", ORDER, |r| {
            dedup(&mut r["permissions"]);
        }),
        edits::<Roles>("policies::parents_by_name", ORDER, |r| {
            each(r, "inherits", &sort);
        }),
        edits::<Roles>("policies::parents_once", ORDER, |r| {
            each(r, "inherits", &dedup);
        }),
        edits::<Roles>("policies::parents_are_invented", ABSENT, |r| {
            if r.get("inherits").is_none() {
                r["inherits"] = json!([]);
            }
        })
        .re_enacts("duck-iam: Prisma's adapter invented an empty list of parents"),
        edits::<Roles>("policies::no_parents_are_absent", ABSENT, |r| {
            absent_if(r, "inherits", &json!([]));
        }),
        edits::<Roles>("policies::null_role_metadata_is_absent", ABSENT, |r| {
            absent_if(r, "metadata", &Value::Null);
        })
        .re_enacts("duck-iam: null in a column of JSON was no value"),
        edits::<Roles>("policies::empty_role_metadata_is_absent", ABSENT, |r| {
            absent_if(r, "metadata", &json!({}));
        }),
        edits::<Roles>("policies::any_scope_is_none", ABSENT, |r| {
            absent_if(r, "scope", &json!("*"));
        }),
        edits::<Roles>("policies::a_scope_called_null_is_none", ABSENT, |r| {
            absent_if(r, "scope", &json!("null"));
        }),
        edits::<Roles>("policies::always_is_unconditional", ABSENT, |r| {
            absent_if(r, "conditions", &json!({"all": []}));
        }),
        edits::<Roles>("policies::never_is_unconditional", ABSENT, |r| {
            absent_if(r, "conditions", &json!({"any": []}));
        }),
        edits::<Roles>("policies::permissions_lose_their_scope", EXAMPLES, |r| {
            each_object(r, &|fields| {
                if fields.contains_key("action") {
                    fields.remove("scope");
                }
            });
        }),
        edits::<Roles>("policies::permissions_are_of_one_resource", EXAMPLES, |r| {
            if let Some(permissions) = r["permissions"].as_array_mut() {
                let mut seen = BTreeSet::new();
                permissions.retain(|one| seen.insert(one["resource"].to_string()));
            }
        }),
        edits::<Roles>("policies::role_texts_of_128", TEXTS, |r| {
            each(r, "resource", &|resource| {
                each_text(resource, &|text| cut(text, 128));
            });
        })
        .re_enacts("openfga #2230: ids were limited to 128"),
        edits::<Roles>("policies::permissions_joined_by_a_space", TEXTS, |r| {
            each_object(r, &|fields| {
                let (Some(Value::String(action)), Some(Value::String(resource))) =
                    (fields.get("action"), fields.get("resource"))
                else {
                    return;
                };
                let joined = format!("{action} {resource}");
                let (action, resource) = joined.split_once(' ').unwrap_or_default();
                let (action, resource) = (action.to_owned(), resource.to_owned());
                fields.insert("action".to_owned(), action.into());
                fields.insert("resource".to_owned(), resource.into());
            });
        })
        .re_enacts("duck-iam: two parts joined by a space were read as two others"),
        edits::<Roles>("policies::role_numbers_are_fractions", TEXTS, |r| {
            each(r, "metadata", &through_fractions);
        }),
        edits::<Roles>("policies::a_hundred_permissions", LIMIT, |r| {
            truncate(&mut r["permissions"], 100);
        })
        .re_enacts("better-auth #10342: a second query's limit of a hundred"),
        edits::<Roles>("policies::nine_hundred_ninety_nine_parents", LIMIT, |r| {
            each(r, "inherits", &|parents| truncate(parents, 999));
        }),
        Mutant::new(
            "policies::parents_are_a_foreign_key",
            PARENTS,
            |mut ports: Ports, _| {
                ports.policies = ports.policies.map(|port| faulty(port, refuses_circles));
                ports
            },
        ),
        edits::<Roles>("policies::a_role_is_not_its_parent", PARENTS, |r| {
            let own = r["id"].clone();
            each(r, "inherits", &|parents| {
                parents
                    .as_array_mut()
                    .into_iter()
                    .for_each(|parents| parents.retain(|parent| *parent != own));
            });
        }),
    ]
}

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [of_policies(), of_roles()].into_iter().flatten().collect()
}

/// Refuses a role whose first parent inherits from it.
async fn refuses_circles(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::SaveRole { tenant, role, .. } = &call
        && let Some(parent) = role.inherits.as_ref().and_then(|parents| parents.first())
        && let Some(parent) = store.get_role(tenant, parent).await?
        && parent.draft.inherits.unwrap_or_default().contains(&role.id)
    {
        return Err(PortError::refused("inherits", "form a circle"));
    }
    store.call(call).await
}

/// Deletes a policy, and of all others the rules with the ids of its rules.
async fn deletes_rules_by_id(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::DeletePolicy { tenant, id } = &call
        && let Some(policy) = store.get_policy(tenant, id).await?
    {
        let ids: BTreeSet<RuleId> = policy.draft.rules.into_iter().map(|rule| rule.id).collect();
        for mut other in all::<Policies>(&store, tenant).await? {
            if other.draft.rules.iter().any(|rule| ids.contains(&rule.id)) {
                other.draft.rules.retain(|rule| !ids.contains(&rule.id));
                let now: Timestamp = other.updated_at;
                store
                    .save_policy(tenant, Expected::Anything, other.draft, now)
                    .await?;
            }
        }
    }
    store.call(call).await
}

/// Deletes a role, and its name wherever it stands.
pub(super) async fn delete_tidies_up(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::DeleteRole { tenant, id } = &call {
        for mut other in all::<Roles>(&store, tenant).await? {
            if let Some(parents) = &mut other.draft.inherits {
                parents.retain(|parent| parent != id);
            }
            let now = other.updated_at;
            store
                .save_role(tenant, Expected::Anything, other.draft, now)
                .await?;
        }
    }
    store.call(call).await
}

/// Deletes the policy and the role under an id, whichever is meant.
pub(super) async fn deletes_both_kinds(store: Store, call: Call) -> PortResult<Answer> {
    match &call {
        Call::DeletePolicy { tenant, id } => {
            let role = RoleId::new(Policies::text(id))?;
            store.delete_role(tenant, &role).await?;
        }
        Call::DeleteRole { tenant, id } => {
            let policy = PolicyId::new(Roles::text(id))?;
            store.delete_policy(tenant, &policy).await?;
        }
        _ => {}
    }
    store.call(call).await
}
