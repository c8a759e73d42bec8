//! Values, to and from SQLite's storage classes.

use portproof_sql::{Kind, Value};
use sqlx::{
    Row as _, Sqlite, TypeInfo as _, ValueRef as _,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

/// Binds a value behind those that are bound: instants as microseconds since 1970, documents as
/// texts, truth values as 0 and 1.
pub(crate) fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    value: &'q Value,
) -> Query<'q, Sqlite, SqliteArguments> {
    match value {
        Value::Null(_) | Value::Unknown => query.bind(None::<i64>),
        Value::Int(value) => query.bind(*value),
        Value::Bool(value) => query.bind(i64::from(*value)),
        Value::Time(value) => query.bind(value.as_micros()),
        Value::Text(value) | Value::Json(value) => query.bind(value.clone()),
        Value::Bytes(value) => query.bind(value.clone()),
    }
}

/// The values of a row.
pub(crate) fn read(row: &SqliteRow) -> Vec<Value> {
    (0..row.len())
        .map(|column| read_one(row, column).unwrap_or(Value::Unknown))
        .collect()
}

fn read_one(row: &SqliteRow, column: usize) -> Option<Value> {
    let value = row.try_get_raw(column).ok()?;
    if value.is_null() {
        // Whatever it could have been: readers ask for a null, not for a kind of null.
        return Some(Value::Null(Kind::Text));
    }
    match value.type_info().name() {
        "INTEGER" => row.try_get_unchecked(column).ok().map(Value::Int),
        "TEXT" => row.try_get_unchecked(column).ok().map(Value::Text),
        "BLOB" => row.try_get_unchecked(column).ok().map(Value::Bytes),
        _ => None,
    }
}
