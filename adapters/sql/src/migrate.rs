//! Bringing the schema to the version that this crate knows, and telling when it is another.

use std::{borrow::Cow, collections::BTreeMap};

use portproof_ports::{PortError, PortResult};
use sha2::{Digest, Sha256};

use crate::{
    database::{Database, Tx},
    dialect::Dialect,
    failure::Failure,
    schema::{Declared, MIGRATIONS, Migration, declared},
    value::values,
};

/// Why a schema could not be brought to the version that this crate knows. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A newer version of this adapter has been here.
    #[error(
        "the schema is at version {found}, and this adapter knows {known}: use a newer adapter"
    )]
    Newer {
        /// The version of the schema.
        found: i64,
        /// The newest version that this adapter knows.
        known: i64,
    },
    /// A step that was applied differs from the one that this adapter knows.
    #[error(
        "step {number} of the schema is not the one that this adapter knows: it was made by another build"
    )]
    Changed {
        /// The number of the step.
        number: i64,
    },
    /// Tables of a step are there, but not the record that it was applied.
    #[error("step {number} of the schema is there in part: drop its tables, or restore a backup")]
    Partial {
        /// The number of the step.
        number: i64,
    },
    /// The database failed.
    #[error("the schema could not be migrated: {0}")]
    Database(#[from] PortError),
}

const RECORDS: &str = "CREATE TABLE auth_migrations (
    number {int} NOT NULL,
    name {text} NOT NULL,
    digest {text} NOT NULL,
    CONSTRAINT auth_migrations_pkey PRIMARY KEY (number)
){table}";

const RECORDED: &str = "SELECT number, digest FROM auth_migrations ORDER BY number";

/// Applies every step that is not applied yet, in one transaction. Does nothing, and locks nothing,
/// when there is none.
///
/// `before` begins that transaction, outside of the schema: it takes the lock that lets one process
/// migrate at a time, where beginning a transaction does not, and creates what the tables live in.
///
/// # Errors
///
/// [`MigrateError`].
pub async fn migrate(
    database: &Database,
    before: Option<Cow<'static, str>>,
) -> Result<(), MigrateError> {
    if is_recording(database).await?
        && missing(&recorded(database).await?, database.dialect())?.is_empty()
    {
        return Ok(());
    }
    // The work answers what is wrong as a value: it has changed nothing then.
    database
        .transaction(|tx| {
            let before = before.clone();
            let dialect = database.dialect();
            Box::pin(async move { apply(tx, before, dialect).await })
        })
        .await?
}

async fn apply(
    tx: &mut Tx<'_>,
    before: Option<Cow<'static, str>>,
    dialect: Dialect,
) -> Result<Result<(), MigrateError>, Failure> {
    if let Some(before) = before {
        tx.script(before).await?;
    }
    if !has_table(tx, dialect, "auth_migrations").await? {
        tx.script(dialect.schema(RECORDS)).await?;
    }
    let mut found = Vec::new();
    for row in tx.rows("schema", RECORDED, values![]).await? {
        found.push((row.get(0)?, row.get(1)?));
    }
    let steps = match missing(&found, dialect) {
        Ok(steps) => steps,
        Err(error) => return Ok(Err(error)),
    };
    for step in steps {
        for table in tables(step.sql) {
            if has_table(tx, dialect, table).await? {
                let number = step.number;
                return Ok(Err(MigrateError::Partial { number }));
            }
        }
        tx.script(dialect.schema(step.sql)).await?;
        tx.write(
            "INSERT INTO auth_migrations (number, name, digest) VALUES ($1, $2, $3)",
            values![step.number, step.name, digest(step, dialect)],
        )
        .await?;
    }
    Ok(Ok(()))
}

/// Whether the schema is the one that this crate knows: every step was applied, and what they
/// declared beside the tables is still there. Somebody who restores a backup or makes room may have
/// dropped an index, and a unique one takes its rule along.
pub(crate) async fn check(database: &Database) -> PortResult<()> {
    let found = recorded(database).await?;
    match missing(&found, database.dialect()) {
        Ok([]) if has_declared(database).await? => Ok(()),
        _ => Err(PortError::corrupt("schema")),
    }
}

/// Whether the database has what the steps declared beside the tables.
async fn has_declared(database: &Database) -> PortResult<bool> {
    let dialect = database.dialect();
    let mut found = BTreeMap::new();
    for row in database
        .rows("schema", dialect.catalogue(), values![])
        .await?
    {
        let (name, unique): (String, i64) = (row.get(0)?, row.get(1)?);
        found.insert(name, unique == 1);
    }
    let mut named = declared().filter(|(_, declared)| dialect.names(*declared));
    Ok(named.all(|(name, declared)| match declared {
        Declared::Index { unique } => found.get(name) == Some(&unique),
        Declared::Key | Declared::Reference => found.contains_key(name),
    }))
}

async fn is_recording(database: &Database) -> PortResult<bool> {
    let count = database.dialect().count_tables();
    let row = database
        .row("schema", count, values!["auth_migrations"])
        .await?;
    let count: i64 = row.ok_or(PortError::corrupt("schema"))?.get(0)?;
    Ok(count == 1)
}

async fn has_table(tx: &mut Tx<'_>, dialect: Dialect, table: &str) -> Result<bool, Failure> {
    let row = tx
        .row("schema", dialect.count_tables(), values![table])
        .await?;
    let count: i64 = row.ok_or(PortError::corrupt("schema"))?.get(0)?;
    Ok(count == 1)
}

async fn recorded(database: &Database) -> PortResult<Vec<(i64, String)>> {
    let rows = database.rows("schema", RECORDED, values![]).await?;
    rows.iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?)))
        .collect()
}

/// The steps that are still to be applied on top of what was.
fn missing(
    found: &[(i64, String)],
    dialect: Dialect,
) -> Result<&'static [Migration], MigrateError> {
    for (index, (number, recorded)) in found.iter().enumerate() {
        let Some(step) = MIGRATIONS.get(index) else {
            let newest = found.last().map_or(*number, |(newest, _)| *newest);
            return Err(MigrateError::Newer {
                found: newest,
                known: MIGRATIONS.len() as i64,
            });
        };
        if *number != step.number {
            return Err(MigrateError::Partial {
                number: step.number,
            });
        }
        if *recorded != digest(step, dialect) {
            return Err(MigrateError::Changed {
                number: step.number,
            });
        }
    }
    Ok(MIGRATIONS.get(found.len()..).unwrap_or_default())
}

fn digest(step: &Migration, dialect: Dialect) -> String {
    let digest: [u8; 32] = Sha256::digest(dialect.schema(step.sql)).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names of the tables that a step creates.
fn tables(sql: &str) -> impl Iterator<Item = &str> {
    sql.lines()
        .filter_map(|line| line.strip_prefix("CREATE TABLE ")?.strip_suffix(" ("))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded_as(number: i64, digest: &str) -> Vec<(i64, String)> {
        vec![(number, digest.to_owned())]
    }

    #[test]
    fn another_schema_is_told_from_an_older_one() {
        let dialect = Dialect::Sqlite;
        assert_eq!(missing(&[], dialect).unwrap().len(), MIGRATIONS.len());
        let mut found: Vec<_> = MIGRATIONS
            .iter()
            .map(|step| (step.number, digest(step, dialect)))
            .collect();
        assert!(missing(&found, dialect).unwrap().is_empty());
        found.push((found.len() as i64 + 1, String::new()));
        assert!(matches!(
            missing(&found, dialect),
            Err(MigrateError::Newer { .. })
        ));
        assert!(matches!(
            missing(&recorded_as(1, "other"), dialect),
            Err(MigrateError::Changed { number: 1 })
        ));
        assert!(matches!(
            missing(&recorded_as(2, ""), dialect),
            Err(MigrateError::Partial { number: 1 })
        ));
    }

    #[test]
    fn the_tables_of_a_step_are_found() {
        let tables: Vec<_> = tables(MIGRATIONS[0].sql).collect();
        assert!(
            tables.contains(&"auth_sessions") && tables.len() > 10,
            "{tables:?}"
        );
    }
}
