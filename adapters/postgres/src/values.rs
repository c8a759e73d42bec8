//! Values, to and from PostgreSQL's binary format.

use portproof_ports::Timestamp;
use portproof_sql::{Kind, Value};
use sqlx::{
    Encode, Postgres, Row as _, Type, TypeInfo as _, ValueRef as _,
    encode::IsNull,
    error::BoxDynError,
    postgres::PgArguments,
    postgres::{PgArgumentBuffer, PgRow, PgTypeInfo, PgValueFormat, PgValueRef},
    query::Query,
};

/// PostgreSQL counts microseconds from the year 2000 on.
const MICROS_TO_2000: i64 = 946_684_800_000_000;

struct Instant(Timestamp);

impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        <sqlx::types::time::OffsetDateTime as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Instant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&(self.0.as_micros() - MICROS_TO_2000).to_be_bytes());
        Ok(IsNull::No)
    }
}

/// JSON text, sent as it is.
struct Json<'a>(&'a str);

impl Type<Postgres> for Json<'_> {
    fn type_info() -> PgTypeInfo {
        <sqlx::types::Json<()> as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Json<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.push(JSONB_VERSION);
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

/// What the binary format of `jsonb` begins with.
const JSONB_VERSION: u8 = 1;

/// Binds a value behind those that are bound.
pub(crate) fn bind<'q>(
    query: Query<'q, Postgres, PgArguments>,
    value: &'q Value,
) -> Query<'q, Postgres, PgArguments> {
    match value {
        Value::Null(Kind::Int) => query.bind(None::<i64>),
        Value::Null(Kind::Bool) => query.bind(None::<bool>),
        Value::Null(Kind::Text) => query.bind(None::<&str>),
        Value::Null(Kind::Bytes) => query.bind(None::<&[u8]>),
        Value::Null(Kind::Time) => query.bind(None::<Instant>),
        Value::Null(Kind::Json) | Value::Unknown => query.bind(None::<Json<'_>>),
        Value::Int(value) => query.bind(*value),
        Value::Bool(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.as_str()),
        Value::Bytes(value) => query.bind(value.as_slice()),
        Value::Time(value) => query.bind(Instant(*value)),
        Value::Json(value) => query.bind(Json(value)),
    }
}

/// The values of a row.
pub(crate) fn read(row: &PgRow) -> Vec<Value> {
    (0..row.len())
        .map(|column| match row.try_get_raw(column) {
            Ok(value) => read_one(&value).unwrap_or(Value::Unknown),
            Err(_) => Value::Unknown,
        })
        .collect()
}

fn read_one(value: &PgValueRef<'_>) -> Option<Value> {
    let type_info = value.type_info();
    let kind = match type_info.name() {
        "INT8" | "INT4" | "INT2" => Kind::Int,
        "BOOL" => Kind::Bool,
        "TEXT" | "VARCHAR" | "NAME" => Kind::Text,
        "BYTEA" => Kind::Bytes,
        "TIMESTAMPTZ" => Kind::Time,
        "JSONB" => Kind::Json,
        _ => return None,
    };
    if value.is_null() {
        return Some(Value::Null(kind));
    }
    if value.format() != PgValueFormat::Binary {
        return None;
    }
    let bytes = value.as_bytes().ok()?;
    Some(match kind {
        Kind::Int => Value::Int(integer(bytes)?),
        Kind::Bool => Value::Bool(bytes == [1]),
        Kind::Text => Value::Text(text(bytes)?),
        Kind::Bytes => Value::Bytes(bytes.to_vec()),
        // Infinite instants, and those before 1970 and after 9999, are none of ours.
        Kind::Time => {
            let micros = integer(bytes)?.checked_add(MICROS_TO_2000)?;
            Value::Time(Timestamp::from_micros(micros).ok()?)
        }
        Kind::Json => match bytes.split_first()? {
            (&JSONB_VERSION, json) => Value::Json(text(json)?),
            _ => return None,
        },
    })
}

fn integer(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        2 => Some(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        4 => Some(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        _ => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}
