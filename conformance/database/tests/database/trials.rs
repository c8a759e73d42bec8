//! Cases as data, and whether this machine can run them.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use portproof_database::Available;

/// Far beyond what anything here takes, since other tests may want the machine too.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) type Outcome = Result<(), Failed>;

/// A test.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    name: &'static str,
    needs: Needs,
    run: fn() -> Outcome,
}

pub(crate) const fn case(name: &'static str, needs: Needs, run: fn() -> Outcome) -> Case {
    Case { name, needs, run }
}

/// What a case needs of the machine.
#[derive(Clone, Copy)]
pub(crate) enum Needs {
    Nothing,
    Docker,
    Local,
    /// Either of them.
    Server,
    Both,
}

/// A way to start a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Docker,
    Local,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Local => "local",
        }
    }

    /// One that works here, for cases that do not care which.
    pub(crate) fn any() -> Self {
        match block_on(portproof_database::available()) {
            Ok(available) if available.local.is_err() => Self::Docker,
            _ => Self::Local,
        }
    }
}

/// The trials of these cases.
pub(crate) fn list(cases: &[Case]) -> Vec<Trial> {
    let available = block_on(portproof_database::available()).ok();
    cases
        .iter()
        .map(|case| trial(*case, available.as_ref()))
        .collect()
}

fn trial(case: Case, available: Option<&Available>) -> Trial {
    let required = std::env::var("PORTPROOF_REQUIRE").unwrap_or_default();
    let lacks = |what: &str, there: Option<bool>| {
        there != Some(true) && !required.split(',').any(|word| word.trim() == what)
    };
    let docker = lacks(
        "docker",
        available.map(|available| available.docker.is_ok()),
    );
    let local = lacks("local", available.map(|available| available.local.is_ok()));
    let missing =
        match case.needs {
            Needs::Nothing => None,
            Needs::Docker => docker.then_some("needs a Docker engine that has the image"),
            Needs::Local => local.then_some("needs local Postgres binaries"),
            Needs::Server => (docker && local)
                .then_some("needs Docker with the image, or local Postgres binaries"),
            Needs::Both => (docker || local)
                .then_some("needs Docker with the image, and local Postgres binaries"),
        };
    let trial = Trial::test(case.name, move || {
        (case.run)().inspect_err(|failed| {
            // nextest takes a failure's message from a line that begins like this.
            eprintln!("Error: {}", failed.message().unwrap_or("no reason given"));
        })
    });
    match missing {
        None => trial,
        Some(reason) => trial.with_kind(reason).with_ignored_flag(true),
    }
}

#[expect(
    clippy::unwrap_used,
    reason = "without a runtime no case can even fail properly"
)]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Asks until the answer is good, or the patience is over.
pub(crate) fn wait_for<T>(
    what: &str,
    mut ask: impl FnMut() -> Result<T, String>,
) -> Result<T, Failed> {
    let since = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(last) if since.elapsed() > PATIENCE => {
                return Err(format!("waited for {what} in vain; last seen:\n{last}").into());
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(otherwise().into())
    }
}

/// Runs one statement.
pub(crate) async fn execute(url: &str, statement: &str) -> Outcome {
    use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
    let mut connection = PgConnection::connect(url).await?;
    connection
        .execute(AssertSqlSafe(statement.to_string()))
        .await?;
    Ok(connection.close().await?)
}

/// Asks for one column of text.
pub(crate) async fn ask(url: &str, query: &str) -> Result<Vec<String>, Failed> {
    use sqlx::{AssertSqlSafe, Connection, PgConnection};
    let mut connection = PgConnection::connect(url).await?;
    let rows = sqlx::query_scalar(AssertSqlSafe(query.to_string()))
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    Ok(rows)
}
