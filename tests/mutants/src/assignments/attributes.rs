//! Mutants that keep what is known of subjects wrongly.

use std::collections::BTreeMap;

use portproof::mutants::Mutant;
use portproof_ports::{
    AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, AttributeChange, Attributes,
    Document, Port, PortError, PortResult, Ports,
};
use serde_json::Value;

use super::{
    Changes, Store, failing, lists::nothing_is_an_error, mutant, pause, rewritten, syntax_error,
    with_subject,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        mutant(
            "assignments::nothing_known_is_an_error",
            "assignments::attributes::of_nobody_are_empty",
            |store, call| nothing_is_an_error("attributes", store, call),
        )
        .re_enacts("duck-iam 2.0.0: a missing row was an error"),
        mutant(
            "assignments::merge_replaces_the_bag",
            "assignments::merge_attributes::changes_only_what_it_names",
            merge_replaces_the_bag,
        )
        .re_enacts("duck-iam: a merge replaced the whole bag when its read failed"),
        mutant(
            "assignments::documents_are_merged",
            "assignments::merge_attributes::replaces_the_document",
            documents_are_merged,
        ),
        rewritten(
            "assignments::null_clears",
            "assignments::merge_attributes::keeps_null",
            |mut call| {
                if let Call::MergeAttributes { changes, .. } = &mut call {
                    for change in changes.values_mut() {
                        if matches!(change, AttributeChange::Set(value) if value.value().is_null())
                        {
                            *change = AttributeChange::Clear;
                        }
                    }
                }
                call
            },
        ),
        rewritten(
            "assignments::cleared_is_null",
            "assignments::merge_attributes::clears",
            |mut call| {
                if let Call::MergeAttributes { changes, .. } = &mut call {
                    for change in changes.values_mut() {
                        if *change == AttributeChange::Clear {
                            *change = AttributeChange::Set(document(Value::Null));
                        }
                    }
                }
                call
            },
        ),
        failing(
            "assignments::no_changes_are_a_syntax_error",
            "assignments::merge_attributes::of_nothing_changes_nothing",
            |call| match call {
                Call::MergeAttributes { changes, .. } if changes.is_empty() => Some(syntax_error()),
                _ => None,
            },
        ),
        rewritten(
            "assignments::numbers_are_floats",
            "assignments::merge_attributes::keeps_documents",
            |mut call| {
                if let Call::MergeAttributes { changes, .. } = &mut call {
                    for change in changes.values_mut() {
                        if let AttributeChange::Set(value) = change {
                            let mut inner = value.value().clone();
                            through_floats(&mut inner);
                            *value = document(inner);
                        }
                    }
                }
                call
            },
        )
        .re_enacts("spire: numbers that went through floats"),
        failing(
            "assignments::column_is_too_narrow",
            "assignments::merge_attributes::keeps_large_documents",
            |call| match call {
                Call::MergeAttributes { changes, .. } if large(changes) => {
                    Some(PortError::Backend("data too long for column".into()))
                }
                _ => None,
            },
        )
        .re_enacts("AuthHero 028f2b5: a column that was too narrow"),
        rewritten(
            "assignments::prototypes_are_dropped",
            "assignments::merge_attributes::keeps_names_apart",
            |mut call| {
                if let Call::MergeAttributes { changes, .. } = &mut call {
                    changes.retain(|name, _| name.as_str() != "__proto__");
                }
                call
            },
        )
        .re_enacts("duck-iam 3.0.1: an attribute named `__proto__`"),
        rewritten(
            "assignments::attributes_of_trimmed_subjects",
            "assignments::merge_attributes::keeps_subjects_apart",
            |call| match call {
                Call::MergeAttributes { .. } | Call::Attributes { .. } => {
                    with_subject(call, |id| id.trim_start().to_owned())
                }
                call => call,
            },
        ),
        mutant(
            "assignments::changes_count_as_new",
            "assignments::merge_attributes::takes_as_many_as_there_may_be",
            changes_count_as_new,
        ),
        mutant(
            "assignments::half_of_too_many_is_kept",
            "assignments::merge_attributes::refuses_too_many",
            half_is_kept,
        ),
        mutant(
            "assignments::merge_reads_and_writes_back",
            "assignments::merge_attributes::race_loses_nothing",
            merge_writes_back,
        )
        .re_enacts("duck-iam 1.6.1: a merge that read, changed and wrote back"),
        mutant(
            "assignments::limit_is_checked_first",
            "assignments::merge_attributes::race_keeps_the_limit",
            limit_is_checked_first,
        )
        .re_enacts("better-auth #9993: a limit that was counted before the write"),
        mutant(
            "assignments::merge_is_seen_in_part",
            "assignments::merge_attributes::is_seen_whole",
            merge_one_by_one,
        ),
    ]
}

pub(super) fn set_all(known: Attributes) -> Changes {
    let set = |(name, value)| (name, AttributeChange::Set(value));
    known.into_iter().map(set).collect()
}

async fn merge_replaces_the_bag(store: Store, mut call: Call) -> PortResult<Answer> {
    if let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = &mut call
    {
        for name in store.attributes(tenant, subject).await?.into_keys() {
            changes.entry(name).or_insert(AttributeChange::Clear);
        }
    }
    store.call(call).await
}

async fn documents_are_merged(store: Store, mut call: Call) -> PortResult<Answer> {
    if let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = &mut call
    {
        for (name, old) in store.attributes(tenant, subject).await? {
            if let Some(AttributeChange::Set(new)) = changes.get_mut(&name)
                && let (Value::Object(old), Value::Object(given)) = (old.value(), new.value())
            {
                let mut merged = old.clone();
                merged.extend(given.clone());
                *new = document(Value::Object(merged));
            }
        }
    }
    store.call(call).await
}

async fn changes_count_as_new(store: Store, call: Call) -> PortResult<Answer> {
    if let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = &call
        && store.attributes(tenant, subject).await?.len() + changes.len() > 256
    {
        return Err(PortError::refused("attributes", "are more than 256"));
    }
    store.call(call).await
}

async fn half_is_kept(store: Store, call: Call) -> PortResult<Answer> {
    let answer = store.call(call.clone()).await;
    if let (
        Err(PortError::Refused { .. }),
        Call::MergeAttributes {
            tenant,
            subject,
            changes,
        },
    ) = (&answer, call)
    {
        let known = store.attributes(&tenant, &subject).await?;
        let half = changes
            .into_iter()
            .filter(|(name, _)| known.contains_key(name))
            .collect();
        store.merge_attributes(&tenant, &subject, &half).await?;
    }
    answer
}

async fn merge_writes_back(store: Store, call: Call) -> PortResult<Answer> {
    let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = call
    else {
        return store.call(call).await;
    };
    let mut read = set_all(store.attributes(&tenant, &subject).await?);
    pause().await;
    read.extend(changes);
    // What came since is not in the bag that is written.
    for name in store.attributes(&tenant, &subject).await?.into_keys() {
        read.entry(name).or_insert(AttributeChange::Clear);
    }
    let answer = store.merge_attributes(&tenant, &subject, &read).await?;
    Ok(Answer::MergeAttributes(answer))
}

async fn limit_is_checked_first(store: Store, call: Call) -> PortResult<Answer> {
    let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = &call
    else {
        return store.call(call).await;
    };
    let known = store.attributes(tenant, subject).await?;
    let has_room = known.len() + changes.len() <= 256;
    pause().await;
    match store.call(call).await {
        // An adapter that checks no more than this would have written it.
        Err(PortError::Refused { .. }) if has_room => Ok(Answer::MergeAttributes(known)),
        answer => answer,
    }
}

async fn merge_one_by_one(store: Store, call: Call) -> PortResult<Answer> {
    let Call::MergeAttributes {
        tenant,
        subject,
        changes,
    } = call
    else {
        return store.call(call).await;
    };
    for (name, change) in changes {
        let one = BTreeMap::from([(name, change)]);
        store.merge_attributes(&tenant, &subject, &one).await?;
        pause().await;
    }
    let answer = store.attributes(&tenant, &subject).await?;
    Ok(Answer::MergeAttributes(answer))
}

fn large(changes: &Changes) -> bool {
    changes.values().any(
        |change| matches!(change, AttributeChange::Set(value) if value.to_json().len() > 65_536),
    )
}

fn through_floats(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64() {
                *value = serde_json::from_str(&format!("{float:.0}"))
                    .ok()
                    .filter(|_| float.fract() == 0.0)
                    .unwrap_or_else(|| Value::from(float));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(through_floats),
        Value::Object(fields) => fields.values_mut().for_each(through_floats),
        _ => {}
    }
}

fn document(value: Value) -> Document {
    Document::new(value).unwrap_or_else(|_| Document::empty())
}
