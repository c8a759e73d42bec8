//! The rules about calls that are dropped half way, on pools of a test's own: right ones, and ones
//! that leak.

use std::{borrow::Cow, time::Duration};

use portproof::{
    Manifest, Opened, Profile, Report, Selection, Target, async_trait, catalogue, check_suites, suites,
};
use portproof_ports::Ports;
use portproof_sql::{
    Answer, Database, Dialect, Driver, Failure, KeystorePassword, Pooled, Sealing, Statement,
};
use tokio::task::yield_now;

/// Two handles on a store, each on a pool of its own.
struct Handles(Ports, Ports);

#[async_trait]
impl Target for Handles {
    fn manifest(&self) -> Manifest {
        Manifest::new("pools")
            .profiles(Profile::ALL)
            .lacks("reopen", "another test does it")
            .lacks("dump", "another test does it")
    }

    async fn open(&self) -> Opened<Ports> {
        Ok(self.0.clone())
    }

    async fn second(&self, _first: &Ports) -> Opened<Ports> {
        Ok(self.1.clone())
    }
}

/// The rules that drop a call after each of its polls.
fn rules() -> Vec<&'static str> {
    let mut ids: Vec<_> = catalogue().iter().map(|rule| rule.id).collect();
    ids.retain(|id| id.ends_with("::cancelled_is_whole"));
    ids
}

/// Runs these of the [`rules`].
async fn check(rules: &[&str], first: &Ports, second: &Ports) -> Report {
    let selection = Selection {
        rules: rules.iter().map(ToString::to_string).collect(),
        ..Selection::default()
    };
    check_suites(
        Handles(first.clone(), second.clone()),
        suites::all(),
        &selection,
        |_| {},
    )
    .await
}

/// A driver that waits after everything that it does, so that a call can be dropped
/// there: a near server's answer is often there before anybody waits for it.
///
/// One that leaks gives connections back as they are, in the middle of a transaction: what sqlx's own
/// `begin` does when it is dropped before it is answered (sqlx #4385).
#[derive(Debug)]
struct Waiting<D, const LEAKS: bool>(D);

#[async_trait]
impl<D: Driver, const LEAKS: bool> Driver for Waiting<D, LEAKS> {
    type Connection = D::Connection;

    fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    async fn acquire(&self) -> Result<Self::Connection, Failure> {
        let connection = self.0.acquire().await;
        yield_now().await;
        connection
    }

    fn close(connection: Self::Connection) {
        if LEAKS {
            drop(connection);
        } else {
            D::close(connection);
        }
    }

    async fn run(
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> Result<Answer, Failure> {
        let answer = D::run(connection, statement).await;
        yield_now().await;
        answer
    }

    async fn script(
        connection: &mut Self::Connection,
        sql: Cow<'static, str>,
    ) -> Result<(), Failure> {
        let done = D::script(connection, sql).await;
        yield_now().await;
        done
    }
}

/// The rules about writes of one statement, which open no transaction that could leak.
const OF_ONE_STATEMENT: [&str; 9] = [
    "identity::erase::cancelled_is_whole",
    "session::create::cancelled_is_whole",
    "session::rotate::cancelled_is_whole",
    "session::revoke_all_of::cancelled_is_whole",
    "credentials::consume::cancelled_is_whole",
    "credentials::remove::cancelled_is_whole",
    "credentials::remove_all_of::cancelled_is_whole",
    "policies::delete_role::cancelled_is_whole",
    "organizations::delete::cancelled_is_whole",
];

async fn ports(driver: impl Driver) -> Ports {
    let database = Database::new(Pooled(driver));
    let password = KeystorePassword::new("hunter2");
    let sealing = Sealing::connect(&database, &password, None).await.unwrap();
    portproof_sql::ports(&database, Some(&sealing))
}

/// On a pool of one connection: a driver that is right holds all of the [`rules`], and one that leaks breaks those about
/// transactions, which must be found out of it. `driver` makes one, which lets statements wait for
/// locks as long as it is told.
pub(crate) async fn cancelled_calls_leave_nothing<D: Driver>(driver: impl AsyncFn(Duration) -> D) {
    let right = async || {
        let driver = driver(Duration::from_secs(30)).await;
        ports(Waiting::<_, false>(driver)).await
    };
    let second = right().await;
    let report = check(&rules(), &right().await, &second).await;
    let broken: Vec<_> = report.broken().map(|one| &one.failure).collect();
    assert!(report.is_green(), "{broken:?}");

    let mut found_out = Vec::new();
    for rule in rules() {
        // A pool for each, since what one leaves in it breaks the next.
        // What waits for a transaction that leaked waits for ever.
        let leaking = driver(Duration::from_secs(2)).await;
        let leaking = ports(Waiting::<_, true>(leaking)).await;
        let report = check(&[rule], &leaking, &second).await;
        found_out.extend(report.broken().map(|broken| broken.rule.clone()));
    }
    let mut expected = rules();
    expected.retain(|rule| !OF_ONE_STATEMENT.contains(rule));
    assert_eq!(found_out, expected);
}
