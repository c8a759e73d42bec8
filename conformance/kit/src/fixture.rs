//! What the worlds of all suites are made of: instants, hostile strings, rich documents.

use std::sync::LazyLock;

use portproof_ports::{Document, Invalid, Span, Timestamp};
use serde_json::{Value, json};

use crate::Failure;

/// Texts that backends are known to mangle, all different: every one is an id, a name and a value.
static HOSTILE: LazyLock<Vec<String>> = LazyLock::new(|| {
    // That it can be read is a test of this file.
    serde_json::from_str(include_str!("../../../fixtures/hostile.json")).unwrap_or_default()
});

/// The instant when the worlds' records were made: in the hour that Paris skips in spring, and not
/// on a whole millisecond.
pub const START: Timestamp = Timestamp::MIN
    .after(Span::seconds(1_774_746_000 + 1_800))
    .after(Span::MICROSECOND)
    .after(Span::MICROSECOND)
    .after(Span::MICROSECOND);

/// An instant `minutes` after [`START`].
pub const fn minute(minutes: u16) -> Timestamp {
    START.after(Span::minutes(minutes))
}

/// An instant `days` after [`START`].
pub const fn day(days: u16) -> Timestamp {
    START.after(Span::days(days))
}

/// The instant just before this one: a microsecond earlier.
pub const fn just_before(instant: Timestamp) -> Timestamp {
    instant.before(Span::MICROSECOND)
}

/// The texts of `fixtures/hostile.json`.
pub fn hostile() -> &'static [String] {
    &HOSTILE
}

/// Instants that adapters are known to lose: the first, the last, beyond 2038, to the microsecond,
/// and in the hours that time zones skip or repeat.
pub fn instants() -> Result<Vec<Timestamp>, Failure> {
    [
        0,
        1,
        999_999,
        1_000_000,
        2_147_483_647_999_999,
        2_147_483_648_000_001,
        4_294_967_296_000_000,
        // 2026-03-29T01:30:00Z and 2026-10-25T00:30:00Z: Europe.
        1_774_747_800_000_001,
        1_792_888_200_500_000,
        // 2026-03-08T07:30:00Z and 2026-11-01T05:30:00Z: New York.
        1_772_955_000_000_999,
        1_793_511_000_999_000,
        253_402_300_799_999_999,
    ]
    .into_iter()
    .map(|micros| Ok(Timestamp::from_micros(micros)?))
    .collect()
}

/// What [`document`] marks.
static UNMARKED: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "label": null,
        "count": 7,
        "ratio": 0.25,
        "on": true,
        "tags": ["x", "Ä", "x "],
        "nested": {"level": {"deep": [1, [2, {"three": 3}]]}},
    })
});

/// A document with every kind of value, none of them a default, marked with `label`.
pub fn document(label: &str) -> Result<Document, Failure> {
    let mut marked = UNMARKED.clone();
    marked["label"] = label.into();
    Ok(Document::new(marked)?)
}

/// A document of everything that a careless conversion changes.
pub fn awkward_document() -> Result<Document, Failure> {
    let texts: Vec<&String> = hostile().iter().collect();
    let keys: serde_json::Map<String, serde_json::Value> = hostile()
        .iter()
        .enumerate()
        .map(|(number, key)| (key.clone(), json!(number)))
        .collect();
    Ok(Document::new(json!({
        "null": null,
        "false": false,
        "zero": 0,
        "empty text": "",
        "empty list": [],
        "empty object": {},
        "": "an empty key",
        "list of nulls": [null, null],
        "lowest": i64::MIN,
        "highest": u64::MAX,
        "beyond doubles": 9_007_199_254_740_993_i64,
        "fraction": 0.1,
        "tiny": 5e-324,
        "long fraction": 0.300_000_000_000_000_04,
        "lines": "a\nb\r\nc\td\u{8}\u{1f}\u{7f}",
        "escapes": "\\u0041 \\ / \" \u{2028}\u{2029}",
        "astral": "𝒳 👩‍👩‍👧‍👦 \u{10ffff}",
        "token": "t".repeat(4096),
        "texts": texts,
        "keys": keys,
        "sixteen levels": [[[[[[[[[[[[[[["bottom"]]]]]]]]]]]]]]],
    }))?)
}

static LARGE: LazyLock<Result<Document, Invalid>> = LazyLock::new(|| {
    let text = "0123456789abcdeé".repeat(60_000);
    Document::new(json!({ "text": text }))
});

/// A document close to the largest there may be.
pub fn large_document() -> Result<Document, Failure> {
    Ok(LARGE.clone()?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_hostile_texts_are_ids_and_all_different() {
        assert!(hostile().len() > 60);
        let different: BTreeSet<&String> = hostile().iter().collect();
        assert_eq!(different.len(), hostile().len());
        for text in hostile() {
            portproof_ports::IdentityId::new(text.clone()).unwrap();
        }
    }

    #[test]
    fn the_documents_are_documents() {
        document("x").unwrap();
        awkward_document().unwrap();
        assert!(large_document().unwrap().to_json().len() > 1_000_000);
        assert_eq!(instants().unwrap().len(), 12);
    }
}
