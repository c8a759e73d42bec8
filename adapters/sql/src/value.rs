//! What goes into a statement and what comes out of it, whatever the driver.

use std::fmt;

use portproof_ports::{
    Attempt, AttributeName, ClientId, CodeDigest, CodeKind, Counter, CredentialId, Document,
    EntityId, EntityKind, EventId, EventKind, FamilyId, IdentityId, InvitationDigest, ItemId,
    ItemKind, KeyId, LookupDigest, ObjectId, ObjectType, OrganizationId, PolicyId, PortError,
    PortResult, Position, RefreshDigest, Relation, RoleId, Sequence, SessionDigest, SessionRef,
    Span, StreamId, SubjectId, TenantId, Text, Timestamp, UniqueValue, Version,
};
use serde::de::DeserializeOwned;

/// The type of a column, and of a null: a driver must know what it sends nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A 64-bit integer.
    Int,
    /// A truth value.
    Bool,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
    /// An instant.
    Time,
    /// A JSON document.
    Json,
}

/// A value bound to a statement, or found in a row.
///
/// `Debug` shows the type and never the value: what is stored here is somebody's secret.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// No value of this type.
    Null(Kind),
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An instant.
    Time(Timestamp),
    /// JSON text.
    Json(String),
    /// Something that no column here holds. Found in a row only; reading it is an error.
    Unknown,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null(_) => "null",
            Self::Int(_) => "[int]",
            Self::Bool(_) => "[bool]",
            Self::Text(_) => "[text]",
            Self::Bytes(_) => "[bytes]",
            Self::Time(_) => "[time]",
            Self::Json(_) => "[json]",
            Self::Unknown => "[unknown]",
        })
    }
}

/// The values of a statement, in the order of its placeholders.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::value::Value::from($value)),*]
    };
}
pub(crate) use values;

/// What is bound as a value of one kind, and perhaps not at all.
trait Bound {
    const KIND: Kind;
}

impl<T: Bound> From<Option<T>> for Value
where
    Self: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null(T::KIND), Self::from)
    }
}

macro_rules! bound {
    ($($type:ty, $kind:ident, $value:ident => $variant:expr;)*) => {$(
        impl Bound for $type {
            const KIND: Kind = Kind::$kind;
        }
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $variant
            }
        }
    )*};
}

bound! {
    i64, Int, value => Self::Int(value);
    u32, Int, value => Self::Int(i64::from(value));
    &str, Text, value => Self::Text(value.to_owned());
    String, Text, value => Self::Text(value);
    Vec<u8>, Bytes, value => Self::Bytes(value);
    &[u8], Bytes, value => Self::Bytes(value.to_vec());
    Timestamp, Time, value => Self::Time(value);
    Span, Int, value => Self::Int(value.as_micros());
    Version, Int, value => Self::Int(value.get());
    Counter, Int, value => Self::Int(value.get());
    Sequence, Int, value => Self::Int(value.get());
    Position, Int, value => Self::Int(value.get());
    Attempt, Int, value => Self::Int(value.get());
    &SessionDigest, Bytes, value => Self::Bytes(value.as_bytes().to_vec());
    &CodeDigest, Bytes, value => Self::Bytes(value.as_bytes().to_vec());
    &RefreshDigest, Bytes, value => Self::Bytes(value.as_bytes().to_vec());
    &InvitationDigest, Bytes, value => Self::Bytes(value.as_bytes().to_vec());
    &LookupDigest, Bytes, value => Self::Bytes(value.as_bytes().to_vec());
    &Document, Json, value => Self::Json(value.to_json());
}

/// What a column is read as.
///
/// A driver without a type of its own for something answers the next best one: SQLite has integers
/// for instants and truth values, and texts for documents. Both shapes are read.
pub trait Column: Sized {
    /// The value, or `None` when it cannot be understood: nothing is ever made up instead.
    fn read(value: &Value) -> Option<Self>;
}

impl<T: Column> Column for Option<T> {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Null(_) => Some(None),
            value => T::read(value).map(Some),
        }
    }
}

impl Column for i64 {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }
}

impl Column for u64 {
    fn read(value: &Value) -> Option<Self> {
        i64::read(value)?.try_into().ok()
    }
}

impl Column for bool {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(*value),
            Value::Int(0) => Some(false),
            Value::Int(1) => Some(true),
            _ => None,
        }
    }
}

impl Column for String {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Text(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl Column for Vec<u8> {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl Column for Timestamp {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Time(value) => Some(*value),
            Value::Int(micros) => Self::from_micros(*micros).ok(),
            _ => None,
        }
    }
}

/// A document as a type of its own: `Stored<PolicyDraft>`.
#[derive(Debug)]
pub struct Stored<T>(pub T);

impl<T: DeserializeOwned> Column for Stored<T> {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Json(text) | Value::Text(text) => serde_json::from_str(text).ok().map(Self),
            _ => None,
        }
    }
}

impl Column for Document {
    fn read(value: &Value) -> Option<Self> {
        Stored::read(value).map(|Stored(document)| document)
    }
}

macro_rules! integers {
    ($($type:ty: $new:path;)*) => {$(
        impl Column for $type {
            fn read(value: &Value) -> Option<Self> {
                $new(i64::read(value)?).ok()
            }
        }
    )*};
}

integers! {
    Span: Span::from_micros;
    Version: Version::new;
    Counter: Counter::new;
    Sequence: Sequence::new;
    Position: Position::new;
    Attempt: Attempt::new;
}

macro_rules! digests {
    ($($type:ty)*) => {$(
        impl Column for $type {
            fn read(value: &Value) -> Option<Self> {
                match value {
                    Value::Bytes(bytes) => Self::try_from(bytes.as_slice()).ok(),
                    _ => None,
                }
            }
        }
    )*};
}

digests! { SessionDigest LookupDigest CodeDigest RefreshDigest InvitationDigest }

macro_rules! ids {
    ($($type:ty)*) => {$(
        bound! { &$type, Text, value => Self::Text(value.as_str().to_owned()); }

        impl Column for $type {
            fn read(value: &Value) -> Option<Self> {
                Self::new(String::read(value)?).ok()
            }
        }
    )*};
}

ids! {
    TenantId IdentityId CredentialId KeyId PolicyId RoleId SubjectId AttributeName ClientId CodeKind
    FamilyId SessionRef EntityKind EntityId UniqueValue EventId EventKind StreamId ObjectType ObjectId Relation OrganizationId
    ItemId ItemKind Text
}

/// The names under which the variants of an enum are stored.
macro_rules! names {
    ($type:ident: $($variant:ident = $name:literal),* $(,)?) => {
        impl $crate::value::Column for $type {
            fn read(value: &$crate::value::Value) -> Option<Self> {
                match value {
                    $($crate::value::Value::Text(name) if name == $name => {
                        Some($type::$variant)
                    })*
                    _ => None,
                }
            }
        }

        impl From<$type> for $crate::value::Value {
            fn from(variant: $type) -> Self {
                Self::Text(match variant {
                    $($type::$variant => $name,)*
                }.to_owned())
            }
        }
    };
}
pub(crate) use names;

/// A row of an answer.
#[derive(Clone, Debug)]
pub struct Row {
    record: &'static str,
    values: Vec<Value>,
}

impl Row {
    /// A row of the named record: the name that its errors carry.
    #[must_use]
    pub const fn new(record: &'static str, values: Vec<Value>) -> Self {
        Self { record, values }
    }

    /// The value of the column at `index`.
    ///
    /// # Errors
    ///
    /// [`PortError::Corrupt`], naming the record, when there is none or it cannot be understood.
    pub fn get<T: Column>(&self, index: usize) -> PortResult<T> {
        self.values
            .get(index)
            .and_then(T::read)
            .ok_or_else(|| self.corrupt())
    }

    /// Whether there is nothing in the column at `index`.
    #[must_use]
    pub fn is_null(&self, index: usize) -> bool {
        matches!(self.values.get(index), None | Some(Value::Null(_)))
    }

    /// That this row cannot be understood.
    #[must_use]
    pub const fn corrupt(&self) -> PortError {
        PortError::corrupt(self.record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_are_read() {
        let row = Row::new(
            "record",
            vec![
                Value::Int(7),
                Value::Time(Timestamp::MAX),
                Value::Int(1),
                Value::Bool(true),
                Value::Text(r#"{"a":1}"#.into()),
                Value::Json(r#"{"a":1}"#.into()),
            ],
        );
        assert_eq!(row.get::<Timestamp>(0).unwrap().as_micros(), 7);
        assert_eq!(row.get::<Timestamp>(1).unwrap(), Timestamp::MAX);
        assert!(row.get::<bool>(2).unwrap() && row.get::<bool>(3).unwrap());
        assert_eq!(
            row.get::<Document>(4).unwrap(),
            row.get::<Document>(5).unwrap()
        );
    }

    #[test]
    fn what_cannot_be_understood_is_corrupt_and_named() {
        let values = vec![
            Value::Int(-1),
            Value::Int(2),
            Value::Text("{".into()),
            Value::Bytes(vec![1; 31]),
            Value::Null(Kind::Text),
            Value::Unknown,
        ];
        let row = Row::new("record", values);
        let corrupt = Err(PortError::corrupt("record"));
        assert_eq!(row.get::<Timestamp>(0), corrupt);
        assert_eq!(row.get::<bool>(1), Err(PortError::corrupt("record")));
        assert_eq!(row.get::<Document>(2), Err(PortError::corrupt("record")));
        assert!(row.get::<SessionDigest>(3).is_err());
        assert!(row.get::<String>(4).is_err() && row.get::<Option<String>>(4).unwrap().is_none());
        assert!(row.get::<Option<i64>>(5).is_err() && row.get::<i64>(6).is_err());
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", values!["hunter2", 7_i64, Timestamp::MAX]);
        assert_eq!(shown, "[[text], [int], [time]]");
    }
}
