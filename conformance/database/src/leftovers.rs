//! Databases on a server that outlives the run: who made them, and dropping them afterwards.
//!
//! A process that creates databases on the server of `PORTPROOF_POSTGRES_URL` puts a number of its
//! own into their names and holds an advisory lock on that number. Whoever opens the server later
//! drops the databases whose number nobody holds.

use std::sync::{Mutex, PoisonError};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use crate::lease;

/// The databases of this process, dropped with it.
pub(crate) struct Leftovers {
    options: PgConnectOptions,
    holder: Uuid,
    /// The database that was connected to. Advisory locks count within one database, so processes
    /// that connect to different ones cannot see each other's, and must not judge by them.
    home: i64,
    created: Mutex<Vec<String>>,
}

/// A name that says whose it is; lower case letters, digits and underscores only.
pub(crate) fn database_name(leftovers: Option<&Leftovers>, holder: Uuid, number: u32) -> String {
    let home = leftovers.map_or(0, |leftovers| leftovers.home);
    format!("portproof_{home}_{:016x}_{number}", lock_key(holder))
}

fn lock_key(holder: Uuid) -> i64 {
    let (high, low) = holder.as_u64_pair();
    // Without the sign: it becomes part of a name.
    ((high ^ low) >> 1).cast_signed()
}

impl Leftovers {
    /// Takes a number for this process on `connection`, and drops what others left behind.
    pub(crate) async fn open(
        connection: &mut PgConnection,
        options: &PgConnectOptions,
    ) -> Result<Self, sqlx::Error> {
        let holder = Uuid::new_v4();
        let home: i64 = sqlx::query_scalar(
            "select oid::bigint from pg_database where datname = current_database()",
        )
        .fetch_one(&mut *connection)
        .await?;
        sqlx::query("select pg_advisory_lock($1)")
            .bind(lock_key(holder))
            .execute(&mut *connection)
            .await?;
        sweep(connection, home).await?;
        Ok(Self {
            options: options.clone(),
            holder,
            home,
            created: Mutex::default(),
        })
    }

    pub(crate) fn holder(&self) -> Uuid {
        self.holder
    }

    pub(crate) fn created(&self) -> &Mutex<Vec<String>> {
        &self.created
    }
}

/// Drops the databases of processes that are gone. What cannot be dropped now stays for the next.
async fn sweep(connection: &mut PgConnection, home: i64) -> Result<(), sqlx::Error> {
    let prefix = format!("portproof_{home}_");
    let names: Vec<String> =
        sqlx::query_scalar("select datname::text from pg_database where starts_with(datname, $1)")
            .bind(&prefix)
            .fetch_all(&mut *connection)
            .await?;
    for name in names {
        let owner = name[prefix.len()..]
            .split('_')
            .next()
            .and_then(|key| i64::from_str_radix(key, 16).ok());
        let Some(owner) = owner else { continue };
        let gone: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(owner)
            .fetch_one(&mut *connection)
            .await?;
        if gone {
            let _ = drop_database(connection, &name).await;
            sqlx::query("select pg_advisory_unlock($1)")
                .bind(owner)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

/// Without force: if somebody is connected, the judgement that its owner is gone was wrong.
async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    connection
        .execute(AssertSqlSafe(format!("drop database if exists \"{name}\"")))
        .await
        .map(drop)
}

impl Drop for Leftovers {
    /// Waits for the drops: a process that is about to end would cut them off.
    fn drop(&mut self) {
        let names = std::mem::take(
            self.created
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if names.is_empty() {
            return;
        }
        let options = self.options.clone();
        // A thread of its own, since this one may be inside a runtime. What fails here is left for
        // the next process that opens the server.
        let thread = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            else {
                return;
            };
            runtime.block_on(async {
                let Ok(mut connection) = lease::connect(&options).await else {
                    return;
                };
                for name in names {
                    // This process's own: a pool that is still closing does not count as use.
                    // Servers before 13 do not know the word and wait instead.
                    let forced =
                        AssertSqlSafe(format!("drop database if exists \"{name}\" with (force)"));
                    if connection.execute(forced).await.is_err() {
                        let _ = drop_database(&mut connection, &name).await;
                    }
                }
            });
        });
        let _ = thread.join();
    }
}
