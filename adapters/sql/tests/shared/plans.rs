//! How a database goes about the statements: every one that the suites make it run is explained.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use portproof::{Manifest, Opened, Profile, Selection, Target, check_suites, suites};
use portproof_ports::Ports;
use portproof_sql::{
    Answer, Backend, Database, Dialect, Failure, Isolation, KeystorePassword, Sealing, Statement,
    Transaction, Value,
};

/// The lines of each statement's plan.
pub(crate) type Plans = BTreeMap<String, Vec<String>>;

/// Runs the suites on `backend`, which has a schema; answers the plans of what they ran.
pub(crate) async fn plans(backend: impl Backend, explain: &'static str) -> Plans {
    let plans = Arc::new(Explained {
        explain,
        plans: Mutex::default(),
    });
    let explaining = Explaining(backend, Arc::clone(&plans));
    let database = Database::new(explaining);
    let password = KeystorePassword::new("hunter2");
    let sealing = Sealing::connect(&database, &password, None).await.unwrap();
    let target = Given(portproof_sql::ports(&database, Some(&sealing)));
    check_suites(target, suites::all(), &Selection::default(), |_| {}).await;
    let plans = std::mem::take(&mut *plans.plans.lock().unwrap());
    assert!(plans.len() > 100, "only {} statements", plans.len());
    plans
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
        plans.insert(statement.sql.clone().into_owned(), Vec::new());
        let sql = format!("{} {}", self.explain, statement.sql);
        Some(Statement::new(sql, statement.values.clone()))
    }

    fn note(&self, statement: &Statement, answer: Answer) {
        let rows = answer.rows.into_iter().flatten();
        let lines = rows.filter_map(|value| match value {
            Value::Text(line) => Some(line),
            _ => None,
        });
        let sql = statement.sql.clone().into_owned();
        self.plans.lock().unwrap().insert(sql, lines.collect());
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
        self.0.read(statement).await
    }

    async fn write(&self, statement: &Statement) -> Result<Answer, Failure> {
        if let Some(question) = self.1.question(statement) {
            self.1.note(statement, self.0.write(&question).await?);
        }
        self.0.write(statement).await
    }

    async fn begin(&self, isolation: Isolation) -> Result<Box<dyn Transaction>, Failure> {
        let open = self.0.begin(isolation).await?;
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
        self.0.run(statement).await
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
        self.0.commit().await
    }

    async fn undo(self: Box<Self>) {
        self.0.undo().await;
    }
}
