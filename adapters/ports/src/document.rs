//! JSON that every adapter can keep exactly.

use std::{fmt, io, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::Invalid;

/// The largest document, in bytes of its JSON text.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;
/// The deepest document, in nested arrays and objects.
pub const MAX_DOCUMENT_DEPTH: usize = 16;

/// Two to the 63rd: the first whole number that is no longer an `i64`.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// A JSON value of at most 1 MiB and 16 levels, without NUL in its texts and keys.
///
/// Numbers are integers of 64 bits, or finite fractions. The constructor writes a whole number
/// given as a fraction (`1.0`, `-0.0`) as the integer that it is, so that two documents are equal
/// exactly when they say the same, whatever a backend makes of the spelling. The order of keys
/// says nothing; `null`, an empty array, an empty object and an absent key all differ.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Document(Arc<Value>);

impl Document {
    /// Takes a JSON value.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it is over 1 MiB or 16 levels, has a NUL, or a whole number beyond 64 bits.
    pub fn new(mut value: Value) -> Result<Self, Invalid> {
        normalize(&mut value, MAX_DOCUMENT_DEPTH)?;
        if serde_json::to_writer(AtMost(MAX_DOCUMENT_BYTES), &value).is_err() {
            return Err(Invalid::new("document", "is larger than 1 MiB"));
        }
        Ok(Self(Arc::new(value)))
    }

    /// Reads a document from JSON text.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it is not JSON, or not a document.
    pub fn from_json(text: &str) -> Result<Self, Invalid> {
        let value =
            serde_json::from_str(text).map_err(|_| Invalid::new("document", "is not JSON"))?;
        Self::new(value)
    }

    /// The empty object.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(Value::Object(serde_json::Map::new())))
    }

    /// As a JSON value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// As JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.0.to_string()
    }
}

impl TryFrom<Value> for Document {
    type Error = Invalid;
    fn try_from(value: Value) -> Result<Self, Invalid> {
        Self::new(value)
    }
}

impl From<Document> for Value {
    fn from(document: Document) -> Self {
        Arc::unwrap_or_clone(document.0)
    }
}

/// The JSON, without the end of a long one; with `{:#?}`, whole and with a line for each field.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return write!(f, "{:#}", self.0);
        }
        let text = self.0.to_string();
        if text.len() <= 200 {
            return f.write_str(&text);
        }
        let start: String = text.chars().take(120).collect();
        write!(f, "{start}… ({} bytes)", text.len())
    }
}

/// For optional documents: a `null` that is there is a document, and not an absence.
pub(crate) fn present<'de, D>(deserializer: D) -> Result<Option<Document>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Document::deserialize(deserializer).map(Some)
}

/// Takes so many bytes, keeps none, and refuses more.
struct AtMost(usize);

impl io::Write for AtMost {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.0.checked_sub(bytes.len());
        self.0 = left.ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn normalize(value: &mut Value, levels_left: usize) -> Result<(), Invalid> {
    let too_deep = Invalid::new("document", "is deeper than 16 levels");
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => normalize_number(number),
        Value::String(text) => no_nul(text),
        Value::Array(items) => {
            let levels_left = levels_left.checked_sub(1).ok_or(too_deep)?;
            items
                .iter_mut()
                .try_for_each(|item| normalize(item, levels_left))
        }
        Value::Object(fields) => {
            let levels_left = levels_left.checked_sub(1).ok_or(too_deep)?;
            fields.iter_mut().try_for_each(|(key, field)| {
                no_nul(key)?;
                normalize(field, levels_left)
            })
        }
    }
}

fn no_nul(text: &str) -> Result<(), Invalid> {
    if text.contains('\0') {
        return Err(Invalid::new("document", "has a NUL"));
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "only whole numbers that fit are cast"
)]
fn normalize_number(number: &mut Number) -> Result<(), Invalid> {
    let Some(fraction) = number.as_f64().filter(|_| number.is_f64()) else {
        return Ok(());
    };
    if fraction.fract() != 0.0 {
        return Ok(());
    }
    if !(-TWO_TO_63..TWO_TO_63).contains(&fraction) {
        return Err(Invalid::new("document", "has a number beyond 64 bits"));
    }
    *number = Number::from(fraction as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_spelled() {
        let spelled = Document::from_json("[1.0, -0.0, 1e3, 1.5]").unwrap();
        assert_eq!(spelled, Document::new(json!([1, 0, 1000, 1.5])).unwrap());
    }

    #[test]
    fn each_limit_is_named() {
        let refused = |value| Document::new(value).unwrap_err().problem;
        assert_eq!(refused(json!("a\0b")), "has a NUL");
        assert_eq!(refused(json!({"a\0b": 1})), "has a NUL");
        assert_eq!(refused(json!(1e300)), "has a number beyond 64 bits");
        assert_eq!(
            refused(json!("x".repeat(MAX_DOCUMENT_BYTES))),
            "is larger than 1 MiB"
        );
        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(Document::new(nested(16)).is_ok());
        assert_eq!(refused(nested(17)), "is deeper than 16 levels");
    }

    #[test]
    fn the_widest_integers_are_kept() {
        let text = format!("[{},{}]", i64::MIN, u64::MAX);
        assert_eq!(Document::from_json(&text).unwrap().to_json(), text);
    }
}
