//! Mutants that take one id for another.

use portproof::mutants::Mutant;
use portproof_ports::Ports;
use serde_json::{Value, json};

use crate::edits::{Edits, every, fold};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    const BYTES: &str = "relationships::ids::are_compared_as_bytes";
    Edits::new(|ports| &mut ports.relationships)
        .calls("relationships::ids_are_folded", BYTES, |arguments| {
            every(arguments, "id", &fold);
        })
        .re_enacts("CVE-2026-55170 (openfga): user:Alice and user:alice were one")
        .calls("relationships::relations_are_folded", BYTES, |arguments| {
            every(arguments, "relation", &fold);
        })
        .re_enacts("spicedb 0de30277c (#3161): a collation compared without regard to case")
        .calls("relationships::types_are_folded", BYTES, |arguments| {
            every(arguments, "kind", &fold);
        })
        .calls(
            "relationships::keys_are_joined_by_colons",
            "relationships::ids::separators_are_letters",
            split_again,
        )
        .calls(
            "relationships::ids_are_cut_off",
            "relationships::ids::keeps_the_longest",
            |arguments| {
                every(arguments, "id", &|id| {
                    let text = id.as_str().unwrap_or_default();
                    if text.len() > 128 && text.is_char_boundary(128) {
                        *id = json!(text[..128]);
                    }
                });
            },
        )
        .re_enacts("openfga #2230: object ids were limited to 128 on MySQL")
        .calls(
            "relationships::all_sets_are_one",
            "relationships::ids::sets_are_not_their_objects",
            |arguments| {
                every(arguments, "userset", &|set| {
                    set["relation"] = json!("member");
                });
            },
        )
        .done()
}

/// Joins type and id by a colon, and takes them apart at the first one.
fn split_again(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let text = |field: Option<&Value>| Some(field?.as_str()?.to_owned());
            if let (Some(kind), Some(id)) = (text(fields.get("kind")), text(fields.get("id"))) {
                let joined = format!("{kind}:{id}");
                if let Some((kind, id)) = joined.split_once(':') {
                    fields.insert("kind".into(), json!(kind));
                    fields.insert("id".into(), json!(id));
                }
            }
            fields.values_mut().for_each(split_again);
        }
        Value::Array(items) => items.iter_mut().for_each(split_again),
        _ => {}
    }
}
