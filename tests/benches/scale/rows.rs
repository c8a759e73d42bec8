//! Which rows there are: what the loading statements insert, and how a workload finds one of them
//! again without asking.
//!
//! A row is a number, and everything in it is made of that, alike here and in SQL: digests and ids
//! are spread as random ones are. People belong to tenants, half of them to the biggest and a fifth
//! to thousands of small ones; somebody or something called `heavy` in the biggest has a twentieth of
//! all rows. A fifth of what can be over is over.

use portproof_ports::{Document, Invalid, TenantId, Timestamp};

use super::tables::{Count, TABLES, Table};

/// Spreads numbers over 32 bits, each to one of its own.
const SPREAD: u64 = 2_654_435_761;

/// A row in this many belongs to [`HEAVY`], and people are as many as a fifth of the rows.
pub(crate) const OF_HEAVY: u64 = 20;
pub(crate) const OF_A_PERSON: u64 = 5;
/// How many of [`HEAVY`]'s rows are of a rare kind: the last ones, so that a walk over all of them
/// comes to these at its end. As many in a small store as in a large one.
pub(crate) const RARE: u64 = 20;

/// The biggest tenant.
pub(crate) const BIGGEST: &str = "big-0";
/// Who, or what, has more rows than anybody reads at once.
pub(crate) const HEAVY: &str = "heavy";
/// How many roles each tenant has.
pub(crate) const ROLES: u64 = 20;

/// When everything happens that is measured.
pub(crate) const NOW: Timestamp = match Timestamp::from_micros(1_800_000_000_000_000) {
    Ok(now) => now,
    Err(_) => Timestamp::MAX,
};

/// What is kept in a record.
pub(crate) const DATA: &str = r#"{"device":"Firefox on Linux","address":"203.0.113.7","scopes":["openid","profile","email"],"nonce":"n-0S6_WzA2Mj"}"#;

pub(crate) fn data() -> Result<Document, Invalid> {
    Document::from_json(DATA)
}

/// How many rows there are of each kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows(pub(crate) u64);

impl Rows {
    /// How many people there are.
    pub(crate) const fn people(self) -> u64 {
        self.0 / OF_A_PERSON
    }

    /// How many tenants are small.
    const fn small_tenants(self) -> u64 {
        self.0 / 1000 + 1
    }

    /// The person whom a row is of, when it is not [`HEAVY`]'s.
    pub(crate) const fn person(self, row: u64) -> u64 {
        row % self.people()
    }

    /// The role that is granted by a row.
    pub(crate) fn role(self, row: u64) -> String {
        let role = (self.person(row) + row / self.people()) % ROLES;
        format!("role-{role}")
    }

    /// When a row of whoever has rows that are not over came to be.
    pub(crate) const fn created(row: u64) -> Result<Timestamp, Invalid> {
        let after = row.cast_signed() * 1_000_003 % 6_000_000_000_000;
        Timestamp::from_micros(NOW.as_micros() - 7_776_000_000_000 + after)
    }

    /// A person's tenant.
    pub(crate) fn tenant(self, person: u64) -> Result<TenantId, Invalid> {
        let spread = spread(person);
        TenantId::new(match spread % 100 {
            0..50 => BIGGEST.to_owned(),
            50..70 => "big-1".to_owned(),
            70..80 => "big-2".to_owned(),
            _ => format!("small-{}", spread / 100 % self.small_tenants()),
        })
    }
}

fn spread(number: u64) -> u64 {
    number.wrapping_mul(SPREAD) % (1 << 32)
}

/// The id that is made of a number.
pub(crate) fn id(number: u64) -> String {
    format!("{:08x}-{number:x}", spread(number))
}

/// The digest that is made of a number.
pub(crate) fn digest(number: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&spread(number).to_be_bytes()[4..]);
    digest[24..].copy_from_slice(&number.to_be_bytes());
    digest
}

/// In what the databases' SQL differs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sql {
    Postgres,
    Sqlite,
}

impl Sql {
    fn digest(self, number: &str) -> String {
        match self {
            Self::Postgres => format!(
                "decode(lpad(to_hex({number} * {SPREAD} % 4294967296), 8, '0') \
                 || lpad(to_hex({number}), 56, '0'), 'hex')"
            ),
            Self::Sqlite => {
                format!("unhex(printf('%08x%056x', {number} * {SPREAD} % 4294967296, {number}))")
            }
        }
    }

    fn id(self, number: &str) -> String {
        match self {
            Self::Postgres => format!(
                "(lpad(to_hex({number} * {SPREAD} % 4294967296), 8, '0') || '-' || to_hex({number}))"
            ),
            Self::Sqlite => {
                format!("printf('%08x-%x', {number} * {SPREAD} % 4294967296, {number})")
            }
        }
    }

    fn time(self, micros: &str) -> String {
        match self {
            Self::Postgres => {
                format!("(timestamptz 'epoch' + ({micros}) * interval '1 microsecond')")
            }
            Self::Sqlite => format!("({micros})"),
        }
    }

    const fn json(self) -> &'static str {
        match self {
            Self::Postgres => "jsonb",
            Self::Sqlite => "text",
        }
    }

    fn table(self, name: &str) -> String {
        match self {
            Self::Postgres => format!("portproof.{name}"),
            Self::Sqlite => name.to_owned(),
        }
    }

    /// The statements that load all rows.
    pub(crate) fn load(self, rows: Rows) -> Vec<String> {
        TABLES
            .iter()
            .map(|table| self.insert(table, rows))
            .collect()
    }

    fn insert(self, table: &Table, rows: Rows) -> String {
        let (people, small) = (rows.people(), rows.small_tenants());
        let tenant = |person: &str| {
            let spread = format!("({person} * {SPREAD} % 4294967296)");
            format!(
                "CASE WHEN {spread} % 100 < 50 THEN '{BIGGEST}' WHEN {spread} % 100 < 70 THEN 'big-1' \
                 WHEN {spread} % 100 < 80 THEN 'big-2' ELSE 'small-' || ({spread} / 100 % {small}) END"
            )
        };
        let person = format!("(i % {people})");
        let of_heavy = format!("i % {OF_HEAVY} = 0");
        let owned = |heavy: &str, other: &str| {
            format!("CASE WHEN {of_heavy} THEN '{heavy}' ELSE {other} END")
        };
        let numbered = |tenant: &str| {
            format!(
                "CASE WHEN {tenant} < 3 THEN 'big-' || ({tenant}) \
                 ELSE 'small-' || ({tenant} - 3) END"
            )
        };
        let now = NOW.as_micros();
        // Earlier ones have lower numbers.
        let created = format!("{now} - 7776000000000 + i * 1000003 % 6000000000000");
        let ends = format!("{now} + 7776000000000 + i");
        let expires = format!(
            "CASE WHEN i % 5 = 3 THEN {now} - 60000000 - i ELSE {now} + 2592000000000 + i END"
        );
        let occurred =
            format!("CASE WHEN i % 5 = 3 THEN {now} - 17280000000000 - i ELSE {created} END");
        let rare = rows.0.saturating_sub(RARE * OF_HEAVY);
        let words = [
            ("{tenant number i}", numbered("i")),
            ("{tenant of role i}", numbered(&format!("i / {ROLES}"))),
            ("{tenant of i}", tenant("i")),
            ("{tenant}", owned(BIGGEST, &tenant(&person))),
            ("{person}", owned(HEAVY, &self.id(&person))),
            (
                "{scope}",
                owned(
                    "scope-",
                    &format!("CASE WHEN i / {people} % 2 = 0 THEN '' ELSE 'scope-' END"),
                ),
            ),
            (
                "{role}",
                format!("CASE WHEN {of_heavy} THEN 0 ELSE ({person} + i / {people}) % {ROLES} END"),
            ),
            ("{spent digest}", self.digest(&format!("({} + i)", rows.0))),
            ("{digest}", self.digest("i")),
            ("{id}", self.id("i")),
            ("{created}", self.time(&created)),
            ("{ends}", self.time(&ends)),
            ("{expires}", self.time(&expires)),
            ("{data}", format!("'{DATA}'")),
            ("{occurred}", self.time(&occurred)),
            // One more with each row of the same person.
            (
                "{sequence}",
                format!("CASE WHEN {of_heavy} THEN i / {OF_HEAVY} ELSE i / {people} END + 1"),
            ),
            ("{of heavy}", of_heavy),
            ("{rare}", format!("i % {OF_HEAVY} = 0 AND i >= {rare}")),
            ("{json}", self.json().to_owned()),
            ("{events}", self.table("auth_events")),
            ("{organizations}", self.table("auth_organizations")),
            ("{biggest}", format!("'{BIGGEST}'")),
            ("{heavy}", format!("'{HEAVY}'")),
            ("{roles}", ROLES.to_string()),
        ];
        let values = words
            .iter()
            .fold(table.values.to_owned(), |sql, (word, with)| {
                sql.replace(word, with)
            });
        let count = match table.count {
            Count::Rows => rows.0,
            Count::People => people,
            Count::Tenants => small + 3,
            Count::Roles => (small + 3) * ROLES,
            Count::One => 1,
        };
        let (name, columns) = (self.table(table.name), table.columns);
        format!(
            "INSERT INTO {name} ({columns}) \
             WITH RECURSIVE n(i) AS (SELECT CAST(0 AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count}) \
             SELECT {values}"
        )
    }
}
