//! What differs between two values, field by field, as their `Debug` shows them.
//!
//! Cases compare any type that has `Debug`, so its text is all there is: the indented form of it
//! (`{:#?}`) says which line belongs to which field.

use std::{fmt, fmt::Write as _};

/// The most fields that are shown.
const MOST: usize = 12;
/// The most characters of a value that are shown.
const LONGEST: usize = 120;
/// The most characters of one line in which both values are shown whole.
const SHORT: usize = 60;
/// How much of what two long values have in common is shown before they differ.
const BEFORE: usize = 2;

/// What was expected and what came instead, below a line that says of what: field by field where both
/// are records of one kind, else both whole.
#[must_use]
pub fn expected_and_got(expected: &dyn fmt::Debug, got: &dyn fmt::Debug) -> String {
    let whole = || format!("\n  expected {expected:?}\n  got      {got:?}");
    let parsed = parse(&format!("{expected:#?}")).zip(parse(&format!("{got:#?}")));
    let Some((left, right)) = parsed else {
        return whole();
    };
    let mut fields = Vec::new();
    compare("", &left, &right, &mut fields);
    if fields.is_empty() {
        return whole() + "\n  they differ in what is not shown";
    }
    if fields.iter().any(|field| field.path.is_empty()) {
        return whole();
    }
    let mut text = "\n  expected ≠ got".to_owned();
    for Field { path, left, right } in fields.iter().take(MOST) {
        let (left, right) = apart(left, right);
        let _ = write!(text, "\n    {path}: {left} ≠ {right}");
    }
    if fields.len() > MOST {
        let _ = write!(text, "\n    and {} more fields", fields.len() - MOST);
    }
    text
}

/// A value in one line, as `{:?}` has it, but with nothing left out of its documents and texts.
pub(crate) fn one_line(value: &dyn fmt::Debug) -> String {
    let parsed = parse(&format!("{value:#?}"));
    parsed.map_or_else(|| format!("{value:?}"), |value| value.to_string())
}

/// A field that differs.
struct Field {
    path: String,
    left: String,
    right: String,
}

/// A value, as its indented `Debug` text has it.
#[derive(Debug, PartialEq)]
enum Value {
    /// One line.
    Line(String),
    /// `Session {`, with its fields or items.
    Group(String, Vec<(String, Value)>),
}

/// What is shown where one side has nothing.
const NOTHING: &str = "nothing";

fn parse(text: &str) -> Option<Value> {
    let mut lines = text.lines();
    let first = lines.next()?;
    let value = value(first.trim(), &mut lines)?;
    lines.next().is_none().then_some(value)
}

/// The value that begins with this text and goes on in these lines.
fn value<'a>(begins: &str, lines: &mut impl Iterator<Item = &'a str>) -> Option<Value> {
    if !begins.ends_with(['{', '(', '[']) {
        return Some(Value::Line(begins.to_owned()));
    }
    let mut fields = Vec::new();
    loop {
        let line = lines.next()?.trim();
        let line = line.strip_suffix(',').unwrap_or(line);
        if ["}", ")", "]"].contains(&line) {
            return Some(Value::Group(begins.to_owned(), fields));
        }
        let named = begins.ends_with('{').then(|| line.split_once(": "));
        let (name, rest) = match named.flatten() {
            Some((name, rest)) => (name.to_owned(), rest),
            None if begins.ends_with('[') => (format!("[{}]", fields.len()), line),
            None => (String::new(), line),
        };
        fields.push((name, value(rest, lines)?));
    }
}

fn compare(path: &str, left: &Value, right: &Value, differ: &mut Vec<Field>) {
    if left == right {
        return;
    }
    match (left, right) {
        (Value::Group(begins, ours), Value::Group(also, theirs)) if begins == also => {
            if begins.ends_with('[') {
                return compare_items(path, ours, theirs, differ);
            }
            for (number, (name, field)) in ours.iter().enumerate() {
                let same = theirs.iter().enumerate().find(|(place, (other, _))| {
                    other == name && (!name.is_empty() || *place == number)
                });
                let path = joined(path, name);
                match same {
                    Some((_, (_, other))) => compare(&path, field, other, differ),
                    None => differ.push(Field::new(path, Some(field), None)),
                }
            }
            for (name, field) in theirs {
                if !ours.iter().any(|(known, _)| known == name) {
                    differ.push(Field::new(joined(path, name), None, Some(field)));
                }
            }
        }
        _ => differ.push(Field::new(path.to_owned(), Some(left), Some(right))),
    }
}

/// Compares lists: what is equal at both ends is left out, so that one item too many is one
/// difference.
fn compare_items(
    path: &str,
    ours: &[(String, Value)],
    theirs: &[(String, Value)],
    differ: &mut Vec<Field>,
) {
    let same = |(left, right): &(&(String, Value), &(String, Value))| left.1 == right.1;
    let before = ours.iter().zip(theirs).take_while(same).count();
    let (ours, theirs) = (&ours[before..], &theirs[before..]);
    let after = ours.iter().rev().zip(theirs.iter().rev());
    let after = after.take_while(same).count();
    let (ours, theirs) = (&ours[..ours.len() - after], &theirs[..theirs.len() - after]);
    for place in 0..ours.len().max(theirs.len()) {
        let path = format!("{path}[{}]", before + place);
        match (ours.get(place), theirs.get(place)) {
            (Some((_, left)), Some((_, right))) => compare(&path, left, right, differ),
            (left, right) => differ.push(Field::new(
                path,
                left.map(|(_, value)| value),
                right.map(|(_, value)| value),
            )),
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    match (path, name) {
        (path, "") => path.to_owned(),
        ("", name) => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

impl Field {
    fn new(path: String, left: Option<&Value>, right: Option<&Value>) -> Self {
        let text = |value: Option<&Value>| value.map_or(NOTHING.to_owned(), Value::to_string);
        Self {
            path,
            left: text(left),
            right: text(right),
        }
    }
}

/// The value in one line, as `{:?}` has it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (begins, fields) = match self {
            Self::Line(line) => return f.write_str(line),
            Self::Group(begins, fields) => (begins, fields),
        };
        f.write_str(begins)?;
        // A map has no name, and no spaces inside.
        let (has_names, is_record) = (begins.ends_with('{'), begins.len() > 1);
        let inside = if has_names && is_record { " " } else { "" };
        for (number, (name, field)) in fields.iter().enumerate() {
            f.write_str(if number == 0 { inside } else { ", " })?;
            if has_names && !name.is_empty() {
                write!(f, "{name}: ")?;
            }
            write!(f, "{field}")?;
        }
        f.write_str(inside)?;
        f.write_str(match begins.chars().next_back() {
            Some('{') => "}",
            Some('(') => ")",
            _ => "]",
        })
    }
}

/// Two values from where they differ: `…00.000003Z` and `…00Z`; both whole where they are short, and
/// neither longer than fits a line.
fn apart(left: &str, right: &str) -> (String, String) {
    let same = left.chars().zip(right.chars()).take_while(|(l, r)| l == r);
    let same = same.count();
    let from = if left.len().max(right.len()) > LONGEST || is_instant(left) && is_instant(right) {
        same.saturating_sub(BEFORE)
    } else {
        0
    };
    let shown = |text: &str| {
        let mut shown: String = text.chars().skip(from).take(LONGEST).collect();
        if from > 0 {
            shown.insert(0, '…');
        }
        if text.chars().count() > from + LONGEST {
            shown.push('…');
        }
        shown
    };
    (shown(left), shown(right))
}

/// Whether it is written as an instant is: most of two of them is often the same.
fn is_instant(text: &str) -> bool {
    text.len() <= SHORT && text.ends_with('Z') && text.contains('T') && text.contains(':')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portproof_ports::{Span, Timestamp};

    use super::*;

    #[derive(Clone, Debug)]
    struct Record {
        #[expect(dead_code, reason = "for Debug")]
        name: &'static str,
        #[expect(dead_code, reason = "for Debug")]
        seen_at: Timestamp,
        #[expect(dead_code, reason = "for Debug")]
        tags: Vec<u8>,
        #[expect(dead_code, reason = "for Debug")]
        by_name: BTreeMap<&'static str, u8>,
    }

    fn record() -> Record {
        Record {
            name: "a {",
            seen_at: Timestamp::MIN.after(Span::seconds(1_774_746_000)),
            tags: vec![1, 2, 3],
            by_name: BTreeMap::from([("x", 1)]),
        }
    }

    fn differ(expected: &dyn fmt::Debug, got: &dyn fmt::Debug) -> String {
        expected_and_got(expected, got)
    }

    #[test]
    fn a_field_is_shown_by_its_name() {
        let expected = record();
        let seen_at = Timestamp::MIN
            .after(Span::seconds(1_774_746_000))
            .after(Span::MICROSECOND);
        let got = Record {
            seen_at,
            ..record()
        };
        let text = "\n  expected ≠ got\n    seen_at: …00Z ≠ …00.000001Z";
        assert_eq!(differ(&Some(expected.clone()), &Some(got.clone())), text);
        let text = "\n  expected ≠ got\n    [1].seen_at: …00Z ≠ …00.000001Z";
        let lists = (vec![record(), expected], vec![record(), got]);
        assert_eq!(differ(&lists.0, &lists.1), text);
    }

    #[test]
    fn an_item_too_few_is_one_difference() {
        let got = Record {
            tags: vec![1, 3],
            by_name: BTreeMap::from([("y", 1)]),
            ..record()
        };
        assert_eq!(
            differ(&record(), &got),
            "\n  expected ≠ got\n    tags[1]: 2 ≠ nothing\n    by_name.\"x\": 1 ≠ nothing\n    by_name.\"y\": nothing ≠ 1"
        );
    }

    #[test]
    fn what_has_no_fields_is_shown_whole() {
        assert_eq!(differ(&1, &2), "\n  expected 1\n  got      2");
        let none: Option<Record> = None;
        let text = differ(&Some(record()), &none);
        assert!(
            text.contains("expected Some(Record { name: \"a {\", "),
            "{text}"
        );
        assert!(text.ends_with("got      None"), "{text}");
    }

    #[test]
    fn one_line_is_what_debug_says() {
        let records = Some(vec![record(), record()]);
        assert_eq!(one_line(&records), format!("{records:?}"));
        let document = portproof_ports::Document::new(serde_json::json!({
            "text": "x".repeat(300), "empty": {}, "list": [1, {"a": "b"}],
        }));
        let text = one_line(&(1, document.unwrap()));
        assert!(text.contains(&"x".repeat(300)), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn what_debug_hides_is_said_to_be_hidden() {
        let text = differ(&record(), &record());
        assert!(text.ends_with("they differ in what is not shown"), "{text}");
    }

    #[test]
    fn a_long_value_is_shown_from_where_it_differs() {
        let long = |end: &str| (1, format!("{}{end}", "x".repeat(400)));
        let text = differ(&vec![long("a")], &vec![long("b")]);
        assert_eq!(text, "\n  expected ≠ got\n    [0]: …xxa\" ≠ …xxb\"");
    }
}
