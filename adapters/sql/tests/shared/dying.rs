//! A process that dies while it migrates, wherever it stands then.

use std::{
    borrow::Cow,
    env,
    process::{Command, Stdio, exit},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use async_trait::async_trait;
use portproof_sql::{Answer, Dialect, Driver, Failure, Limits, Statement};

/// Where a process finds its database.
const PLACE: &str = "PORTPROOF_TEST_PLACE";
/// How many statements it lives for.
const LIFE: &str = "PORTPROOF_TEST_LIFE";
/// With what it ends when they are used up.
const DIED: i32 = 77;

/// The place whose schema this process is to migrate, if it is one of [`migrating`]'s: through a
/// [`Dying`] driver.
pub(crate) fn place() -> Option<String> {
    let place = env::var(PLACE).ok()?;
    let life = env::var(LIFE).unwrap().parse().unwrap();
    LEFT.store(life, Ordering::Relaxed);
    Some(place)
}

/// Runs `test` of this binary in a process that migrates `place` and dies before its statement of
/// this number; answers whether it did die.
pub(crate) fn migrating(test: &str, place: &str, life: u32) -> bool {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(PLACE, place)
        .env(LIFE, life.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let died = output.status.code() == Some(DIED);
    assert!(died || output.status.success(), "{said}");
    died
}

/// Lets processes live for 0 statements, 1, and so on, several of them concurrently, each on a place
/// of its own, until one survives; answers how many died. `lives` runs one and answers whether it did.
pub(crate) fn until_one_survives(lives: impl Fn(u32) -> bool + Sync) -> u32 {
    for first in (0..).step_by(AT_ONCE) {
        let died = thread::scope(|scope| {
            let lives = &lives;
            let batch = (first..).take(AT_ONCE);
            let batch: Vec<_> = batch.map(|life| scope.spawn(move || lives(life))).collect();
            batch
                .into_iter()
                .map(|one| one.join().unwrap())
                .take_while(|died| *died)
                .count()
        });
        if died < AT_ONCE {
            return first + u32::try_from(died).unwrap();
        }
    }
    0
}

/// How many processes there are.
const AT_ONCE: usize = 8;

/// How many statements this process still lives for.
static LEFT: AtomicU32 = AtomicU32::new(u32::MAX);

fn live_or_die() {
    if LEFT.fetch_sub(1, Ordering::Relaxed) == 0 {
        // Nothing is closed and nothing undone: the system takes what the process had.
        exit(DIED);
    }
}

/// A driver whose process dies before a statement.
#[derive(Debug)]
pub(crate) struct Dying<D>(pub(crate) D);

#[async_trait]
impl<D: Driver> Driver for Dying<D> {
    type Connection = D::Connection;

    fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    async fn connect(&self) -> Result<Self::Connection, Failure> {
        self.0.connect().await
    }

    async fn is_alive(connection: &mut Self::Connection) -> bool {
        D::is_alive(connection).await
    }

    async fn run(
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> Result<Answer, Failure> {
        live_or_die();
        D::run(connection, statement).await
    }

    async fn script(
        connection: &mut Self::Connection,
        sql: Cow<'static, str>,
    ) -> Result<(), Failure> {
        live_or_die();
        D::script(connection, sql).await
    }
}
