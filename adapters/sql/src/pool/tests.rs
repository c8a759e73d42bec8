//! Connections that are lent, trusted, doubted and closed, over a database that answers as a test says.

use std::{
    collections::VecDeque,
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;

/// A database that lets everybody in, and answers what a test says, or nothing.
#[derive(Clone, Debug, Default)]
struct Told {
    opened: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    ran: Arc<AtomicUsize>,
    answers: Arc<Mutex<VecDeque<Result<(), Failure>>>>,
}

#[derive(Debug)]
struct Connection(Told);

impl Drop for Connection {
    fn drop(&mut self) {
        count(&self.0.closed);
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::SeqCst);
}

impl Told {
    fn answering(answers: impl IntoIterator<Item = Result<(), Failure>>) -> Self {
        let told = Self::default();
        told.answers.lock().unwrap().extend(answers);
        told
    }

    /// How many connections were opened, how many closed, how often one was asked whether it
    /// lives, and how many statements were run.
    fn counts(&self) -> [usize; 4] {
        [&self.opened, &self.closed, &self.asked, &self.ran]
            .map(|counter| counter.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Driver for Told {
    type Connection = Connection;

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn limits(&self) -> Limits {
        Limits {
            connections: 2,
            acquire: Duration::from_secs(10),
            answer: Duration::from_secs(35),
        }
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        count(&self.opened);
        Ok(Connection(self.clone()))
    }

    async fn is_alive(connection: &mut Connection) -> bool {
        count(&connection.0.asked);
        true
    }

    async fn run(connection: &mut Connection, _: &Statement) -> Result<Answer, Failure> {
        count(&connection.0.ran);
        let answer = connection.0.answers.lock().unwrap().pop_front();
        match answer {
            Some(answer) => answer.map(|()| Answer::default()),
            None => pending().await,
        }
    }

    async fn script(_: &mut Connection, _: Cow<'static, str>) -> Result<(), Failure> {
        pending().await
    }
}

fn statement() -> Statement {
    Statement::new("SELECT 1", Vec::new())
}

/// Each attempt takes as long as a connection is waited for, and closes it.
#[tokio::test(start_paused = true)]
async fn a_database_that_stalls_is_lost() {
    let stalled = Told::default();
    let pooled = Pooled::new(stalled.clone());
    let began = tokio::time::Instant::now();
    assert!(matches!(
        pooled.write(&statement()).await,
        Err(Failure::Lost)
    ));
    assert_eq!(began.elapsed().as_secs(), 35);
    assert!(matches!(
        pooled.read(&statement()).await,
        Err(Failure::Lost)
    ));
    assert_eq!(began.elapsed().as_secs(), 3 * 35);
    let begun = pooled.begin(Isolation::Snapshot).await;
    assert!(matches!(begun, Err(Failure::Lost)));
    assert_eq!(began.elapsed().as_secs(), 5 * 35);
    assert_eq!(stalled.counts(), [5, 5, 0, 3]);
}

/// The scripts that a migration runs are waited for; the next mark of a transaction is not.
#[tokio::test(start_paused = true)]
async fn a_migration_may_take_long() {
    let pooled = Pooled::new(Told::default());
    let day = Duration::from_secs(86_400);
    let mut lease = pooled.lease().await.unwrap();
    let migration = lease.script("CREATE TABLE a (b); CREATE TABLE c (d);".into());
    assert!(tokio::time::timeout(day, migration).await.is_err());
    let marked = tokio::time::timeout(day, lease.script(NEXT_MARK.into())).await;
    assert!(matches!(marked, Ok(Err(Failure::Lost))));
}

#[tokio::test]
async fn a_connection_that_has_just_answered_is_not_asked() {
    let told = Told::answering([Ok(()), Ok(()), Ok(())]);
    let pooled = Pooled::new(told.clone());
    for _ in 0..2 {
        pooled.write(&statement()).await.unwrap();
    }
    assert_eq!(told.counts(), [1, 0, 0, 2]);
    std::thread::sleep(TRUSTED);
    pooled.read(&statement()).await.unwrap();
    assert_eq!(told.counts(), [1, 0, 1, 3]);
}

/// One that was found dead is closed, and the one beside it is asked.
#[tokio::test]
async fn a_write_that_was_not_run_is_run_again() {
    let told = Told::answering([Err(Failure::Unrun), Ok(())]);
    let pooled = Pooled::new(told.clone());
    let (one, other) = (pooled.lease().await, pooled.lease().await);
    one.unwrap().give_back();
    other.unwrap().give_back();
    pooled.write(&statement()).await.unwrap();
    assert_eq!(told.counts(), [2, 1, 1, 2]);
}

#[tokio::test]
async fn a_write_that_may_have_been_run_is_not_run_again() {
    let told = Told::answering([Err(Failure::Lost), Ok(())]);
    let pooled = Pooled::new(told.clone());
    let answer = pooled.write(&statement()).await;
    assert!(matches!(answer, Err(Failure::Lost)));
    assert_eq!(told.counts(), [1, 1, 0, 1]);
    pooled.read(&statement()).await.unwrap();
    assert_eq!(told.counts(), [2, 1, 0, 2]);
}

/// Who is dropped closes the connection, and one may be opened in its place.
#[tokio::test]
async fn a_call_that_is_dropped_makes_room() {
    let told = Told::default();
    let pooled = Pooled::new(told.clone());
    for _ in 0..4 {
        let moment = Duration::from_millis(1);
        let statement = statement();
        let dropped = tokio::time::timeout(moment, pooled.write(&statement)).await;
        assert!(dropped.is_err());
    }
    assert_eq!(told.counts(), [4, 4, 0, 4]);
    let both = [pooled.lease().await.unwrap(), pooled.lease().await.unwrap()];
    let moment = Duration::from_millis(10);
    assert!(tokio::time::timeout(moment, pooled.lease()).await.is_err());
    drop(both);
}
