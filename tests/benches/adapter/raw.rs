//! The statements of the adapters' calls, as somebody writes them with sqlx.

use std::sync::Arc;

use portproof_ports::{CodeDigest, RefreshDigest, SessionDigest};
use sqlx::{Executor, PgPool, Row, SqlitePool, types::Json};

use crate::{
    CLIENT, CODES, Call, Done, GRANTS, NOW, STORED, Side, TENANT, What, is, key, named, next,
};

/// Values of a document's column.
type Data = Json<serde_json::Value>;

/// Pools on a database.
pub(crate) struct Postgres {
    pub(crate) readers: PgPool,
    pub(crate) writer: PgPool,
}

/// Pools on a file.
pub(crate) struct Sqlite {
    pub(crate) readers: SqlitePool,
    pub(crate) writer: SqlitePool,
}

/// An instant as a driver knows it.
mod time {
    use sqlx::types::time::OffsetDateTime;

    pub(super) fn postgres(micros: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    pub(super) const fn sqlite(micros: i64) -> i64 {
        micros
    }
}

const GET: &str = "SELECT id, identity, idle, ends_at, data, version, created_at, seen_at, expires_at \
    FROM auth_sessions WHERE tenant = $1 AND id = $2 AND expires_at > $3";
const CONSUME: &str = "UPDATE auth_codes SET consumed_at = $5 WHERE tenant = $1 AND kind = $2 AND id = $3 \
    AND client = $4 AND expires_at > $5 AND consumed_at IS NULL AND (guesses IS NULL OR failures < guesses) \
    RETURNING kind, id, client, identity, guesses, expires_at, data, failures, consumed_at, created_at";
const ADD: &str = "INSERT INTO auth_refresh_tokens (tenant, digest, family) VALUES ($1, $2, $3)";
const SPEND: &str =
    "UPDATE auth_refresh_tokens SET spent_at = $3 WHERE tenant = $1 AND digest = $2";
const ROTATE: &str = "UPDATE auth_refresh_families \
    SET token = $3, rotations = rotations + 1, seen_at = $4, expires_at = $5 WHERE tenant = $1 AND id = $2";
const LIST: &str = "SELECT subject, role, scope, holds_from, holds_until, granted_at FROM auth_grants \
    WHERE tenant = $1 AND subject = $2 AND (role, scope) > ($3, $4) ORDER BY role, scope LIMIT $5";

macro_rules! touch {
    ($later:literal, $end:literal) => {
        concat!(
            "UPDATE auth_sessions SET seen_at = ",
            $later,
            ", expires_at = CASE WHEN idle IS NULL THEN ends_at ELSE ",
            $end,
            " END WHERE tenant = $1 AND id = $2 AND expires_at > $3 RETURNING \
             id, identity, idle, ends_at, data, version, created_at, seen_at, expires_at"
        )
    };
}

macro_rules! lock {
    ($locking:literal) => {
        concat!(
            "SELECT id, token, identity, client, session, idle, ends_at, data, rotations, created_at, \
             seen_at, expires_at FROM auth_refresh_families WHERE tenant = $1 AND id = \
             (SELECT family FROM auth_refresh_tokens WHERE tenant = $1 AND digest = $2) \
             AND client = $3 AND expires_at > $4",
            $locking
        )
    };
}

macro_rules! side {
    ($pools:ident, $database:ty, $time:ident: $instant:ty, $touch:expr, $begin:literal, $lock:expr) => {
        impl $pools {
            /// All columns of a row, which is a session's.
            fn is_session(row: &<$database as sqlx::Database>::Row) -> Done<()> {
                let _: (Vec<u8>, Option<String>, Option<i64>) =
                    (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                let _: ($instant, Data, i64) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
                let _: [$instant; 3] = [row.try_get(6)?, row.try_get(7)?, row.try_get(8)?];
                Ok(())
            }

            async fn get(&self, number: u64) -> Done<bool> {
                let id = SessionDigest::of(&key(number));
                let query = sqlx::query(GET)
                    .bind(TENANT)
                    .bind(id.as_bytes().as_slice())
                    .bind(time::$time(NOW));
                let row = query.fetch_optional(&self.readers).await?;
                row.as_ref().map(Self::is_session).transpose()?;
                Ok(row.is_some())
            }

            async fn touch(&self, number: u64) -> Done<bool> {
                let id = SessionDigest::of(&key(number));
                let query = sqlx::query($touch)
                    .bind(TENANT)
                    .bind(id.as_bytes().as_slice())
                    .bind(time::$time(NOW));
                let row = query.fetch_optional(&self.writer).await?;
                row.as_ref().map(Self::is_session).transpose()?;
                Ok(row.is_some())
            }

            async fn consume(&self, number: u64) -> Done<bool> {
                let id = CodeDigest::of(&key(number));
                let query = sqlx::query(CONSUME)
                    .bind(TENANT)
                    .bind(CODES)
                    .bind(id.as_bytes().as_slice())
                    .bind(CLIENT)
                    .bind(time::$time(NOW));
                let Some(row) = query.fetch_optional(&self.writer).await? else {
                    return Ok(false);
                };
                let _: (String, Vec<u8>, String) =
                    (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                let _: (Option<String>, Option<i64>, $instant) =
                    (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
                let _: (Data, i64) = (row.try_get(6)?, row.try_get(7)?);
                let _: (Option<$instant>, $instant) = (row.try_get(8)?, row.try_get(9)?);
                Ok(true)
            }

            async fn rotate(&self, number: u64) -> Done<bool> {
                let old = RefreshDigest::of(&key(number));
                let new = RefreshDigest::of(&next(number));
                let (old, new) = (old.as_bytes().as_slice(), new.as_bytes().as_slice());
                let now = time::$time(NOW);
                let mut open = self.writer.begin_with($begin).await?;
                let lock = sqlx::query($lock)
                    .bind(TENANT)
                    .bind(old)
                    .bind(CLIENT)
                    .bind(now);
                let Some(row) = open.fetch_optional(lock).await? else {
                    return Ok(false);
                };
                let family: String = row.try_get(0)?;
                let _: (Vec<u8>, String, String) =
                    (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
                let _: (Option<String>, Option<i64>, $instant) =
                    (row.try_get(4)?, row.try_get(5)?, row.try_get(6)?);
                let _: (Data, i64) = (row.try_get(7)?, row.try_get(8)?);
                let _: [$instant; 3] = [row.try_get(9)?, row.try_get(10)?, row.try_get(11)?];
                let add = sqlx::query(ADD).bind(TENANT).bind(new).bind(&family);
                open.execute(add).await?;
                let spend = sqlx::query(SPEND).bind(TENANT).bind(old).bind(now);
                open.execute(spend).await?;
                let rotate = sqlx::query(ROTATE)
                    .bind(TENANT)
                    .bind(&family)
                    .bind(new)
                    .bind(now)
                    .bind(time::$time(STORED + 86_400_000_000));
                open.execute(rotate).await?;
                open.commit().await?;
                Ok(true)
            }

            async fn grants(&self, number: u64) -> Done<bool> {
                let query = sqlx::query(LIST)
                    .bind(TENANT)
                    .bind(named(number))
                    .bind("")
                    .bind("")
                    .bind(21_i64);
                let rows = query.fetch_all(&self.readers).await?;
                for row in &rows {
                    let _: (String, String, String) =
                        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                    let _: [Option<$instant>; 2] = [row.try_get(3)?, row.try_get(4)?];
                    let _: $instant = row.try_get(5)?;
                }
                Ok(rows.len() as u64 == GRANTS)
            }
        }

        impl Side for $pools {
            fn call(self: Arc<Self>, what: What, number: u64) -> Call {
                Box::pin(async move {
                    let did = match what {
                        What::Get => self.get(number).await?,
                        What::Touch => self.touch(number).await?,
                        What::Consume => self.consume(number).await?,
                        What::Rotate => self.rotate(number).await?,
                        What::Grants => self.grants(number).await?,
                    };
                    is(did, what.name())
                })
            }
        }
    };
}

side! {
    Postgres, sqlx::Postgres, postgres: sqlx::types::time::OffsetDateTime,
    touch!(
        "GREATEST(seen_at, $3)",
        "LEAST(ends_at, (GREATEST(seen_at, $3) + (idle / 3600000000) * interval '1 hour' \
         + (idle % 3600000000) * interval '1 microsecond'))"
    ),
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    lock!(" FOR NO KEY UPDATE")
}

side! {
    Sqlite, sqlx::Sqlite, sqlite: i64,
    touch!("max(seen_at, $3)", "min(ends_at, (max(seen_at, $3) + idle))"),
    "BEGIN IMMEDIATE",
    lock!("")
}
