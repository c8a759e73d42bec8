//! The rules about calls that are dropped half way, on pools of a test's own: right ones, and ones
//! that leak.

use std::{
    borrow::Cow,
    fmt::{self, Debug, Formatter},
    sync::{Arc, Mutex},
    time::Duration,
};

use portproof::{
    Manifest, Opened, Profile, Report, Selection, Target, async_trait, cancel::dropped_after,
    catalogue, check_suites, suites,
};
use portproof_ports::{
    Document, KeyId, KeyStore, KeyUse, NewKey, PortResult, Ports, PrivateKey, TenantId, Text,
    Timestamp,
};
use portproof_sql::{
    Answer, Database, Dialect, Driver, Failure, KeystoreCost, KeystorePassword, Limits, Pooled,
    Sealing, Statement,
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

/// The rules that drop a call after each of its polls, and those that drop a transaction.
fn rules() -> Vec<&'static str> {
    let mut ids: Vec<_> = catalogue().iter().map(|rule| rule.id).collect();
    ids.retain(|id| id.ends_with("::cancelled_is_whole") || DROP_TRANSACTIONS.contains(id));
    ids
}

/// The rules that leave it to the drop of a transaction to undo it.
const DROP_TRANSACTIONS: [&str; 4] = [
    "transactions::panic::leaves_nothing",
    "transactions::drop::leaves_nothing",
    "transactions::turns::leave_all_in_order",
    "transactions::calls::dropped_is_whole",
];

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
/// One that leaks keeps connections that are closed as they are, in the middle of a transaction, and
/// lends them again: what sqlx's own `begin` does when it is dropped before it is answered (sqlx #4385).
struct Waiting<D: Driver, const LEAKS: bool> {
    driver: D,
    leaked: Leaked<D::Connection>,
}

type Leaked<C> = Arc<Mutex<Vec<C>>>;

impl<D: Driver, const LEAKS: bool> Debug for Waiting<D, LEAKS> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.driver.fmt(f)
    }
}

impl<D: Driver, const LEAKS: bool> Waiting<D, LEAKS> {
    fn new(driver: D) -> Self {
        let leaked = Arc::default();
        Self { driver, leaked }
    }
}

/// A connection, and where it goes when it is closed, unless it is closed for good.
struct Open<C> {
    connection: Option<C>,
    leaked: Option<Leaked<C>>,
}

impl<C> Open<C> {
    fn get(&mut self) -> &mut C {
        self.connection.as_mut().unwrap()
    }
}

impl<C> Drop for Open<C> {
    fn drop(&mut self) {
        if let (Some(connection), Some(leaked)) = (self.connection.take(), &self.leaked) {
            leaked.lock().unwrap().push(connection);
        }
    }
}

#[async_trait]
impl<D: Driver, const LEAKS: bool> Driver for Waiting<D, LEAKS> {
    type Connection = Open<D::Connection>;

    fn dialect(&self) -> Dialect {
        self.driver.dialect()
    }

    fn limits(&self) -> Limits {
        self.driver.limits()
    }

    async fn connect(&self) -> Result<Self::Connection, Failure> {
        let leaked = self.leaked.lock().unwrap().pop();
        let connection = match leaked {
            Some(connection) => Ok(connection),
            None => self.driver.connect().await,
        };
        yield_now().await;
        Ok(Open {
            connection: Some(connection?),
            leaked: LEAKS.then(|| Arc::clone(&self.leaked)),
        })
    }

    async fn is_alive(connection: &mut Self::Connection) -> bool {
        D::is_alive(connection.get()).await
    }

    async fn run(
        connection: &mut Self::Connection,
        statement: &Statement,
    ) -> Result<Answer, Failure> {
        let answer = D::run(connection.get(), statement).await;
        yield_now().await;
        answer
    }

    async fn script(
        connection: &mut Self::Connection,
        sql: Cow<'static, str>,
    ) -> Result<(), Failure> {
        let done = D::script(connection.get(), sql).await;
        yield_now().await;
        done
    }
}

/// The rules about writes of one statement, which open no transaction that could leak.
const OF_ONE_STATEMENT: [&str; 22] = [
    "identity::erase::cancelled_is_whole",
    "session::create::cancelled_is_whole",
    "session::rotate::cancelled_is_whole",
    "session::revoke_all_of::cancelled_is_whole",
    "credentials::consume::cancelled_is_whole",
    "credentials::remove::cancelled_is_whole",
    "credentials::remove_all_of::cancelled_is_whole",
    "policies::delete_role::cancelled_is_whole",
    "codes::put::cancelled_is_whole",
    "codes::consume::cancelled_is_whole",
    "codes::record_failure::cancelled_is_whole",
    "codes::revoke_all_of::cancelled_is_whole",
    "refresh_tokens::revoke::cancelled_is_whole",
    "refresh_tokens::revoke_all_of::cancelled_is_whole",
    "refresh_tokens::sweep::cancelled_is_whole",
    "entities::remove::cancelled_is_whole",
    "events::prune::cancelled_is_whole",
    "organizations::delete::cancelled_is_whole",
    "outbox::put::cancelled_is_whole",
    "outbox::complete::cancelled_is_whole",
    "outbox::put_back::cancelled_is_whole",
    "outbox::give_up::cancelled_is_whole",
];

async fn ports(driver: impl Driver) -> Ports {
    let database = Database::new(Pooled::new(driver));
    let password = KeystorePassword::new("hunter2");
    let sealing = Sealing::connect(&database, &password, None, KeystoreCost::Least);
    let sealing = sealing.await.unwrap();
    portproof_sql::ports(&database, Some(&sealing))
}

/// How many rules are checked on leaking pools concurrently: most of that time is spent waiting for
/// what leaked.
pub(crate) const AT_ONCE: usize = 24;

/// On a pool of one connection: a driver that is right holds all of the [`rules`], and one that leaks breaks those about
/// transactions, which must be found out of it. `driver` makes one for the database of this number,
/// which lets statements wait for locks for so long.
pub(crate) async fn cancelled_calls_leave_nothing<D: Driver>(
    driver: impl AsyncFn(usize, Duration) -> D,
) {
    let right = async |database, patience| {
        let driver = driver(database, patience).await;
        ports(Waiting::<_, false>::new(driver)).await
    };
    let patience = Duration::from_secs(30);
    let second = right(AT_ONCE, patience).await;
    let report = check(&rules(), &right(AT_ONCE, patience).await, &second).await;
    let broken: Vec<_> = report.broken().map(|one| &one.failure).collect();
    assert!(report.is_green(), "{broken:?}");

    let mut found_out = Vec::new();
    for rules in rules().chunks(AT_ONCE) {
        let mut checks = Vec::new();
        for (database, &rule) in rules.iter().enumerate() {
            // What waits for a transaction that leaked waits for ever.
            let patience = Duration::from_secs(3);
            let second = right(database, patience).await;
            // A pool for each, since what one leaves in it breaks the next.
            let leaking = driver(database, patience).await;
            let leaking = ports(Waiting::<_, true>::new(leaking)).await;
            checks.push(tokio::spawn(async move {
                check(&[rule], &leaking, &second).await
            }));
        }
        for check in checks {
            let report = check.await.unwrap();
            found_out.extend(report.broken().map(|broken| broken.rule.clone()));
        }
    }
    let mut expected = rules();
    expected.retain(|rule| !OF_ONE_STATEMENT.contains(rule));
    assert_eq!(found_out, expected);
}

/// How many keys each tenant has to be sealed anew.
const KEYS: usize = 3;

/// A keystore on a pool of its own, whose keys are sealed with `password` or were with `previous`.
async fn keystore(
    driver: impl Driver,
    password: &str,
    previous: Option<&str>,
) -> std::sync::Arc<dyn KeyStore> {
    let database = Database::new(Pooled::new(driver));
    let (password, previous) = (
        KeystorePassword::new(password),
        previous.map(KeystorePassword::new),
    );
    let sealing = Sealing::connect(&database, &password, previous.as_ref(), KeystoreCost::Least);
    let sealing = sealing.await.unwrap();
    portproof_sql::ports(&database, Some(&sealing))
        .keystore
        .unwrap()
}

fn key(number: usize) -> NewKey {
    NewKey {
        id: KeyId::new(format!("key {number}")).unwrap(),
        key_use: KeyUse::Signing,
        algorithm: Text::new("ES256").unwrap(),
        public: Document::new(serde_json::json!({"kty": "EC"})).unwrap(),
        private: PrivateKey::new(format!("private {number}").into_bytes()).unwrap(),
    }
}

/// How many of a tenant's keys this keystore opens. One that it opens must be the right one.
async fn opened(keystore: &dyn KeyStore, tenant: &TenantId) -> usize {
    let mut opened = 0;
    for number in 0..KEYS {
        let key = key(number);
        if let Ok(found) = keystore.get(tenant, &key.id).await {
            assert_eq!(found.unwrap().private, key.private);
            opened += 1;
        }
    }
    opened
}

/// Sealing a tenant's keys anew is done whole or not at all, wherever it is dropped, and the next calls
/// work. No rule can see that: through a port a key is the same under both passwords. Here another
/// handle knows the old password only, and opens none of the keys that are sealed anew.
pub(crate) async fn a_cancelled_reseal_is_whole<D: Driver>(driver: impl AsyncFn(Duration) -> D) {
    let patience = Duration::from_secs(30);
    let old = keystore(driver(patience).await, "old", None).await;
    let waiting = Waiting::<_, false>::new(driver(patience).await);
    let both = keystore(waiting, "new", Some("old")).await;
    let now = Timestamp::from_micros(1_700_000_000_000_000).unwrap();
    let mut polls = 0;
    loop {
        polls += 1;
        let tenant = TenantId::new(format!("dropped after {polls}")).unwrap();
        for number in 0..KEYS {
            old.insert(&tenant, key(number), now).await.unwrap();
        }
        let answer: Option<PortResult<u64>> = dropped_after(polls, both.reseal(&tenant)).await;
        // A commit that is on its way may end between two of the reads, but only once.
        let mut left = opened(&*old, &tenant).await;
        if left != 0 && left != KEYS {
            left = opened(&*old, &tenant).await;
        }
        assert!(left == 0 || left == KEYS, "{left} left after {polls} polls");
        // It waits for what the dropped one may still hold.
        let again = both.reseal(&tenant).await.unwrap();
        assert!(
            again == 0 || (again == KEYS as u64 && left == KEYS),
            "{again}"
        );
        assert_eq!(opened(&*old, &tenant).await, 0);
        assert_eq!(opened(&*both, &tenant).await, KEYS);
        if let Some(answer) = answer {
            assert_eq!((answer, again), (Ok(KEYS as u64), 0));
            break;
        }
    }
    assert!(polls > KEYS as u32 + 3, "it waited {polls} times only");
}
