//! How a database goes about the statements: every one that the suites make it run is explained, and
//! those of each call are counted.

use std::{
    borrow::Cow,
    cell::Cell,
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use portproof::{
    Manifest, Opened, Profile, Selection, Target, catalogue, check_suites, mutants::faulty, suites,
};
use portproof_ports::{Port, PortCall, Ports, Wrap};
use portproof_sql::{
    Answer, Backend, Database, Dialect, Failure, Isolation, KeystoreCost, KeystorePassword,
    Sealing, Statement, Transaction, Value,
};
use tokio::task_local;

/// How a database goes about each statement.
pub(crate) type Plans = BTreeMap<String, Plan>;

/// How a database goes about a statement.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// What it says of that.
    pub(crate) lines: Vec<String>,
    /// Whether it must look at the values each time.
    pub(crate) by_values: bool,
}

/// The most statements that a call may take, whatever it finds: some decide by several reads and
/// write into several tables, and an update that lost against others looks again.
///
/// The suites have lists, batches and removals of thousands of rows: what asked once for each of them
/// would be far beyond. The one call that does is not called with any: [`reseal`] seals each key by
/// itself, and the suites' keys are all sealed with the present password.
///
/// [`reseal`]: portproof_ports::KeyStore::reseal
const MOST: u32 = 10;

/// The most hundreds, tens and ones of up to a thousand.
const PIECES: u32 = 27;

/// The methods that are given many at once, and how many more statements those may take: what is
/// written in hundreds, tens and ones. Unique keys of an entity are taken one by one, in their order, and
/// those it had are freed likewise: up to sixteen of each. A write of relationships has three kinds of them, and asks for
/// each of up to a hundred preconditions by itself. A purge runs two for each table, three where it
/// locks first, more for each thousand of rows, and two again where another purge took them first.
const BATCHES: [(&str, u32); 8] = [
    ("assignments.assign_many", PIECES),
    ("assignments.merge_attributes", PIECES),
    ("entities.create", 16),
    ("entities.put", 32),
    ("events.append", PIECES),
    ("identity.create", PIECES),
    ("relationships.write", 3 * PIECES + 100),
    ("tenants.purge", 140),
];

task_local! {
    /// How many statements the call of this task has run.
    static RUN: Cell<u32>;
}

/// Counts a statement of this task's call. One that met other transactions is tried again from its
/// beginning, as often as it meets some, and is counted from there.
fn counted<T>(answer: Result<T, Failure>) -> Result<T, Failure> {
    let again = matches!(answer, Err(Failure::Conflict));
    // Making the sealing keys is no call.
    let _ = RUN.try_with(|run| run.set(if again { 0 } else { run.get() + 1 }));
    answer
}

/// Runs the suites on `backend`, which has a schema; answers the plans of what they ran.
///
/// No call of theirs may have run more than [`MOST`] statements.
pub(crate) async fn plans(backend: impl Backend, explain: &'static str) -> Plans {
    let plans = Arc::new(Explained {
        explain,
        plans: Mutex::default(),
    });
    let explaining = Explaining(backend, Arc::clone(&plans));
    let database = Database::new(explaining);
    let password = KeystorePassword::new("hunter2");
    let sealing = Sealing::connect(&database, &password, None, KeystoreCost::Least);
    let sealing = sealing.await.unwrap();
    let counts = Counts::default();
    let ports = portproof_sql::ports(&database, Some(&sealing)).wrapped(&counts);
    // Races, random sequences and calls that are dropped run the statements of the other rules, only
    // more often.
    const REPEATED: [&str; 3] = ["::random::", "race", "::cancelled_"];
    let mut rules: Vec<_> = catalogue().iter().map(|rule| rule.id.to_owned()).collect();
    rules.retain(|id| !REPEATED.iter().any(|part| id.contains(part)));
    let selection = Selection {
        rules,
        ..Selection::default()
    };
    check_suites(Given(ports), suites::all(), &selection, |_| {}).await;
    let counts = counts.0.lock().unwrap();
    assert!(counts.len() > 60, "only {} methods", counts.len());
    let mut many: Vec<_> = counts.iter().collect();
    many.retain(|(method, run)| {
        let batch = BATCHES.iter().find(|(batch, _)| batch == method);
        **run > MOST + batch.map_or(0, |(_, more)| *more)
    });
    assert!(many.is_empty(), "statements of a call: {many:?}");
    let plans = std::mem::take(&mut *plans.plans.lock().unwrap());
    assert!(plans.len() > 100, "only {} statements", plans.len());
    assert!(plans.values().any(|plan| plan.by_values));
    plans
}

/// The most statements that a call of each method ran.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<String, u32>>>);

impl Wrap for Counts {
    fn wrap<P: Port + ?Sized>(&self, port: Arc<P>) -> Arc<P> {
        let counts = Arc::clone(&self.0);
        faulty(port, move |port, call| {
            let counts = Arc::clone(&counts);
            let method = format!("{}.{}", P::NAME, call.method());
            RUN.scope(Cell::new(0), async move {
                let answer = port.call(call).await;
                let mut counts = counts.lock().unwrap();
                let most = counts.entry(method).or_default();
                *most = RUN.with(Cell::get).max(*most);
                answer
            })
        })
    }
}

struct Given(Ports);

#[async_trait]
impl Target for Given {
    fn manifest(&self) -> Manifest {
        Manifest::new("plans").profiles(Profile::ALL)
    }

    async fn open(&self) -> Opened<Ports> {
        Ok(self.0.clone())
    }
}

#[derive(Debug)]
struct Explained {
    explain: &'static str,
    plans: Mutex<Plans>,
}

impl Explained {
    /// The question, when it was not asked before. Values stay out of it, so that the plan is one
    /// for all of them.
    fn question(&self, statement: &Statement) -> Option<Statement> {
        let mut plans = self.plans.lock().unwrap();
        if plans.contains_key(&*statement.sql) {
            return None;
        }
        let plan = Plan {
            lines: Vec::new(),
            by_values: statement.plan_by_values,
        };
        plans.insert(statement.sql.clone().into_owned(), plan);
        let sql = format!("{} {}", self.explain, statement.sql);
        Some(Statement::new(sql, statement.values.clone()))
    }

    fn note(&self, statement: &Statement, answer: Answer) {
        let rows = answer.rows.into_iter().flatten();
        let lines = rows.filter_map(|value| match value {
            Value::Text(line) => Some(line),
            _ => None,
        });
        let mut plans = self.plans.lock().unwrap();
        let plan = plans.entry(statement.sql.clone().into_owned());
        plan.or_default().lines = lines.collect();
    }
}

#[derive(Debug)]
struct Explaining<B>(B, Arc<Explained>);

#[async_trait]
impl<B: Backend> Backend for Explaining<B> {
    fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    async fn read(&self, statement: &Statement) -> Result<Answer, Failure> {
        if let Some(question) = self.1.question(statement) {
            self.1.note(statement, self.0.read(&question).await?);
        }
        counted(self.0.read(statement).await)
    }

    async fn write(&self, statement: &Statement) -> Result<Answer, Failure> {
        if let Some(question) = self.1.question(statement) {
            self.1.note(statement, self.0.write(&question).await?);
        }
        counted(self.0.write(statement).await)
    }

    async fn begin(&self, isolation: Isolation) -> Result<Box<dyn Transaction>, Failure> {
        let open = counted(self.0.begin(isolation).await)?;
        Ok(Box::new(Open(open, Arc::clone(&self.1))))
    }
}

struct Open(Box<dyn Transaction>, Arc<Explained>);

#[async_trait]
impl Transaction for Open {
    async fn run(&mut self, statement: &Statement) -> Result<Answer, Failure> {
        if let Some(question) = self.1.question(statement) {
            let answer = self.0.run(&question).await?;
            self.1.note(statement, answer);
        }
        counted(self.0.run(statement).await)
    }

    async fn script(&mut self, sql: Cow<'static, str>) -> Result<(), Failure> {
        self.0.script(sql).await
    }

    async fn mark(&mut self) -> Result<(), Failure> {
        self.0.mark().await
    }

    async fn undo_to_mark(&mut self) -> Result<(), Failure> {
        self.0.undo_to_mark().await
    }

    async fn commit(self: Box<Self>) -> Result<(), Failure> {
        counted(self.0.commit().await)
    }

    async fn undo(self: Box<Self>) {
        self.0.undo().await;
    }
}
