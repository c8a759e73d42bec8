//! The few words in which the databases differ.

use std::{borrow::Cow, sync::OnceLock};

use crate::{backend::Isolation, schema::Declared};

/// Which SQL a backend speaks.
///
/// Statements are the same for all of them, with numbered placeholders (`$1`), but for what is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// A schema template with this dialect's types: `{text}`, `{int}`, `{bytes}`, `{time}`,
    /// `{json}`, and `{table}` for what follows a table's columns.
    #[must_use]
    pub fn schema(self, template: &str) -> String {
        let words: [(&str, &str); 6] = match self {
            // Collation "C" compares bytes, as the ports do, whatever the database's locale is.
            Self::Postgres => [
                ("{text}", "text COLLATE \"C\""),
                ("{int}", "bigint"),
                ("{bytes}", "bytea"),
                ("{time}", "timestamptz"),
                ("{json}", "jsonb"),
                ("{table}", ""),
            ],
            // SQLite's default collation compares bytes; instants are microseconds since 1970.
            Self::Sqlite => [
                ("{text}", "TEXT"),
                ("{int}", "INTEGER"),
                ("{bytes}", "BLOB"),
                ("{time}", "INTEGER"),
                ("{json}", "TEXT"),
                ("{table}", " STRICT"),
            ],
        };
        words.iter().fold(template.to_owned(), |sql, (word, with)| {
            sql.replace(word, with)
        })
    }

    /// What begins a transaction that will write.
    #[must_use]
    pub const fn begin(self, isolation: Isolation) -> &'static str {
        match (self, isolation) {
            // Said in every transaction: a server, database or role may have another default.
            (Self::Postgres, Isolation::Latest) => {
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
            }
            (Self::Postgres, Isolation::Snapshot) => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"
            }
            // One writer at a time: it sees the latest there is, and nothing moves under it.
            (Self::Sqlite, _) => "BEGIN IMMEDIATE",
        }
    }

    /// A `SELECT` that locks the rows it answers until the transaction ends.
    #[must_use]
    pub fn locking(self, select: &'static str) -> Cow<'static, str> {
        match self {
            // Not `FOR UPDATE`: that would also hold up whoever only refers to the row.
            Self::Postgres => Cow::Owned(format!("{select} FOR NO KEY UPDATE")),
            Self::Sqlite => Cow::Borrowed(select),
        }
    }

    /// A `SELECT`, or what inserts its rows, during which nobody changes or removes those that it reads,
    /// and which others may read so at once.
    #[must_use]
    pub fn sharing(self, select: &'static str) -> Cow<'static, str> {
        match self {
            Self::Postgres => Cow::Owned(format!("{select} FOR SHARE")),
            Self::Sqlite => Cow::Borrowed(select),
        }
    }

    /// The later of two instants that are there.
    #[must_use]
    pub fn later(self, a: &str, b: &str) -> String {
        match self {
            Self::Postgres => format!("GREATEST({a}, {b})"),
            Self::Sqlite => format!("max({a}, {b})"),
        }
    }

    /// The earlier of two instants that are there.
    #[must_use]
    pub fn earlier(self, a: &str, b: &str) -> String {
        match self {
            Self::Postgres => format!("LEAST({a}, {b})"),
            Self::Sqlite => format!("min({a}, {b})"),
        }
    }

    /// An instant, `micros` microseconds later, exactly.
    #[must_use]
    pub fn plus(self, instant: &str, micros: &str) -> String {
        match self {
            // Postgres multiplies an interval by a float, which is exact up to 2^53 only: hours and
            // the rest stay below that for every span there is. Days would follow the time zone.
            Self::Postgres => format!(
                "({instant} + ({micros} / 3600000000) * interval '1 hour' \
                 + ({micros} % 3600000000) * interval '1 microsecond')"
            ),
            Self::Sqlite => format!("({instant} + {micros})"),
        }
    }

    /// How many tables there are with the name `$1`: in the adapter's schema, or in the file.
    #[must_use]
    pub const fn count_tables(self) -> &'static str {
        match self {
            Self::Postgres => "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)",
            Self::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1",
        }
    }

    /// The names of the indexes, keys and references of the adapter's schema that the database can
    /// name, and 1 for those that let nothing in twice.
    pub(crate) const fn catalogue(self) -> &'static str {
        match self {
            // What was built beside the writers and failed has a name, and is not valid.
            Self::Postgres => {
                "SELECT c.relname::text, i.indisunique::int::bigint \
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                 JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = current_schema() AND i.indisvalid \
                 UNION ALL SELECT r.conname::text, 0 FROM pg_constraint r \
                 JOIN pg_namespace n ON n.oid = r.connamespace \
                 WHERE n.nspname = current_schema() AND r.contype = 'f'"
            }
            // Keys and references are parts of their tables there, and go with them only.
            Self::Sqlite => {
                "SELECT name, sql LIKE 'CREATE UNIQUE %' FROM sqlite_schema \
                 WHERE type = 'index' AND sql IS NOT NULL"
            }
        }
    }

    /// Whether [`catalogue`](Self::catalogue) names what was declared like this.
    pub(crate) const fn names(self, declared: Declared) -> bool {
        matches!(
            (self, declared),
            (Self::Postgres, _) | (Self::Sqlite, Declared::Index { .. })
        )
    }
}

/// A statement's text, put together once for each dialect.
#[derive(Debug)]
pub(crate) struct Texts([OnceLock<String>; 2]);

impl Texts {
    pub(crate) const fn new() -> Self {
        Self([OnceLock::new(), OnceLock::new()])
    }

    /// The dialect's text, which is `make`'s.
    pub(crate) fn get(
        &'static self,
        dialect: Dialect,
        make: impl FnOnce() -> String,
    ) -> &'static str {
        let [postgres, sqlite] = &self.0;
        let text = match dialect {
            Dialect::Postgres => postgres,
            Dialect::Sqlite => sqlite,
        };
        text.get_or_init(make)
    }
}
