//! What an engine makes of several ports: leases, a log that one worker at a time follows, and an
//! outbox that many empty.
//!
//! A lease is an entity that says who works on something, and until when. Whoever takes it, keeps it
//! or gives it back puts the version that it saw: of two workers one gets it, and one that was away for
//! too long moves nothing any more. So the version is the fencing token. The worker whose turn it is
//! may follow the events, in their order, from the position that the turn remembers.
//!
//! Where order is of no matter, and one item that fails must not hold up the rest, there is the outbox:
//! what a change is to be told by is an item that is put with it, in one transaction.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect"
)]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use portproof::Target;
use portproof_ports::*;
use portproof_tests::{Memory, Place, Postgres, Sqlite};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Barrier, Mutex},
    task::JoinSet,
};
use uuid::Uuid;

/// How long a worker has what it took.
const LEASE: Span = Span::minutes(1);
/// How many workers there are.
const WORKERS: usize = 8;

/// What one worker at a time works on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Turn {
    /// The work that it is the turn of.
    work: String,
    worker: String,
    /// From when on others may take it.
    until: Timestamp,
    /// The last event that was handed out.
    done: Position,
}

impl TypedEntity for Turn {
    const KIND: &'static str = "turn";

    fn id(&self) -> &str {
        &self.work
    }
}

/// A worker, on a handle of its own.
#[derive(Clone)]
struct Worker {
    name: String,
    tenant: TenantId,
    turns: Entities<Turn>,
    events: Arc<dyn EventStore>,
    outbox: Arc<dyn OutboxStore>,
}

impl Worker {
    /// Takes the turn, unless another has it still or is quicker.
    async fn claim(&self, work: &str, now: Timestamp) -> PortResult<Option<Kept<Turn>>> {
        let mine = |done| Turn {
            work: work.to_owned(),
            worker: self.name.clone(),
            until: now.after(LEASE),
            done,
        };
        match self.turns.get(&self.tenant, work).await? {
            None => {
                let first = mine(Position::default());
                won(self.turns.create(&self.tenant, &first, now).await)
            }
            Some(held) if held.record.until > now => Ok(None),
            Some(free) => self.put(free.version, &mine(free.record.done), now).await,
        }
    }

    /// Keeps the turn for longer, with what was done; `None` when it is another's by now.
    async fn renew(
        &self,
        turn: &Kept<Turn>,
        done: Position,
        now: Timestamp,
    ) -> PortResult<Option<Kept<Turn>>> {
        let until = now.after(LEASE);
        let renewed = Turn {
            until,
            done,
            ..turn.record.clone()
        };
        self.put(turn.version, &renewed, now).await
    }

    /// Gives the turn back.
    async fn release(&self, turn: &Kept<Turn>, now: Timestamp) -> PortResult<bool> {
        let free = Turn {
            until: now,
            ..turn.record.clone()
        };
        Ok(self.put(turn.version, &free, now).await?.is_some())
    }

    async fn put(
        &self,
        seen: Version,
        turn: &Turn,
        now: Timestamp,
    ) -> PortResult<Option<Kept<Turn>>> {
        won(self.turns.put(&self.tenant, seen, turn, now).await)
    }

    /// The events that come next.
    async fn next(&self, turn: &Kept<Turn>, at_most: u16) -> PortResult<Vec<Event>> {
        let page = PageRequest::first(at_most)?;
        let next = self.events.read_all(&self.tenant, turn.record.done, &page);
        Ok(next.await?.items)
    }
}

/// `None` when another was quicker.
fn won<T>(answer: PortResult<T>) -> PortResult<Option<T>> {
    match answer {
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Stale) => {
            Ok(None)
        }
        answer => answer.map(Some),
    }
}

/// A store that is used by two handles.
struct Stage {
    handles: [Ports; 2],
    tenant: TenantId,
}

impl Stage {
    /// On a store that others may use, as a tenant that nobody else is.
    async fn of(target: &impl Target) -> Self {
        let first = target.open().await.unwrap();
        let second = target.second(&first).await.unwrap();
        Self {
            handles: [first, second],
            tenant: TenantId::new(Uuid::new_v4().to_string()).unwrap(),
        }
    }

    fn worker(&self, number: usize) -> Worker {
        let ports = &self.handles[number % 2];
        Worker {
            name: format!("worker {number}"),
            tenant: self.tenant.clone(),
            turns: Entities::new(ports.entities.clone().unwrap()),
            events: ports.events.clone().unwrap(),
            outbox: ports.outbox.clone().unwrap(),
        }
    }

    /// What every worker says when all of them do it at once.
    async fn at_once<T, F>(&self, act: impl Fn(Worker) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = PortResult<T>> + Send + 'static,
    {
        let barrier = Arc::new(Barrier::new(WORKERS));
        let mut acts = JoinSet::new();
        for number in 0..WORKERS {
            let (barrier, act) = (Arc::clone(&barrier), act(self.worker(number)));
            acts.spawn(async move {
                barrier.wait().await;
                act.await.unwrap()
            });
        }
        acts.join_all().await
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

fn webhook() -> ItemKind {
    ItemKind::new("webhook").unwrap()
}

/// Someone is signed up, and that is noted and is to be told, in the same transaction; again when it was lost to another.
async fn sign_up(ports: &Ports, tenant: &TenantId, id: &str, fails: bool) -> PortResult<bool> {
    loop {
        let done = in_transaction(ports, |inside| async move {
            let identity = NewIdentity {
                id: IdentityId::new(id)?,
                kind: IdentityKind::Human,
                profile: Document::from_json("{}")?,
                identifiers: Vec::new(),
            };
            let told = EventBatch::of(NewEvent {
                id: EventId::new(id)?,
                kind: EventKind::new("signed_up")?,
                subject: Some(SubjectId::new(id)?),
                occurred_at: at(0),
                payload: Document::from_json("{}")?,
            });
            let item = NewItem {
                id: ItemId::new(id)?,
                kind: webhook(),
                due_at: at(0),
                payload: Document::from_json("{}")?,
            };
            let (identities, events) = (inside.identity.unwrap(), inside.events.unwrap());
            let outbox = inside.outbox.unwrap();
            let stream = StreamId::new(id)?;
            identities.create(tenant, identity, at(0)).await?;
            let absent = ExpectedHead::Absent;
            events.append(tenant, &stream, absent, &told, at(0)).await?;
            outbox.put(tenant, item, at(0)).await?;
            if fails {
                return Err(PortError::refused("sign-up", "was given up"));
            }
            Ok(())
        });
        match done.await {
            Err(PortError::Stale(_)) => {}
            Err(PortError::Refused { .. }) => return Ok(false),
            done => return done.map(|()| true),
        }
    }
}

/// Of many workers that want the turn one gets it, and again when its time is over.
async fn one_has_the_turn(stage: &Stage) {
    let end = at(0).after(LEASE);
    for (now, takers) in [(at(0), 1), (at(1), 0), (end, 1), (end.after(LEASE), 1)] {
        let claim = |worker: Worker| async move { worker.claim("race", now).await };
        let turns: Vec<_> = stage.at_once(claim).await.into_iter().flatten().collect();
        assert_eq!(turns.len(), takers, "at {now:?}: {turns:?}");
        for turn in turns {
            assert_eq!(turn.record.until, now.after(LEASE));
        }
    }
}

/// What a worker that died was at is handed out by the next one; should the first have been asleep
/// only, it moves nothing any more.
async fn a_dead_workers_turn_comes_back(stage: &Stage) {
    for id in ["1", "2", "3", "4", "5"] {
        sign_up(&stage.handles[0], &stage.tenant, id, false)
            .await
            .unwrap();
    }
    let [one, other] = [stage.worker(0), stage.worker(1)];
    let ids = |events: &[Event]| -> Vec<String> {
        events
            .iter()
            .map(|event| event.id.as_str().to_owned())
            .collect()
    };

    let turn = one.claim("death", at(0)).await.unwrap().unwrap();
    let batch = one.next(&turn, 2).await.unwrap();
    assert_eq!(ids(&batch), ["1", "2"]);
    let done = batch[1].position;
    let turn = one.renew(&turn, done, at(30)).await.unwrap().unwrap();
    let unfinished = one.next(&turn, 2).await.unwrap();
    assert_eq!(ids(&unfinished), ["3", "4"]);

    // It was renewed at 30 seconds.
    assert_eq!(other.claim("death", at(89)).await, Ok(None));
    let taken = other.claim("death", at(90)).await.unwrap().unwrap();
    assert_eq!(taken.record.done, done);
    assert!(taken.version > turn.version, "the token goes up");
    assert_eq!(ids(&other.next(&taken, 9).await.unwrap()), ["3", "4", "5"]);

    let late = unfinished[1].position;
    assert_eq!(one.renew(&turn, late, at(91)).await, Ok(None));
    assert_eq!(one.release(&turn, at(91)).await, Ok(false));
    let kept = one.turns.get(&stage.tenant, "death").await;
    assert_eq!(kept, Ok(Some(taken)));
}

/// While some sign up, workers tell of it: of everybody who was signed up, and of nobody else. Some
/// workers die at it, and some are sent away at first: what they had comes back.
async fn an_outbox_tells_of_every_change(stage: &Stage) {
    const PEOPLE: usize = 40;
    let mut signing = JoinSet::new();
    for number in 0..4 {
        let (ports, tenant) = (stage.handles[number % 2].clone(), stage.tenant.clone());
        signing.spawn(async move {
            let mut signed_up = Vec::new();
            for person in (number..PEOPLE).step_by(4) {
                let id = format!("person {person}");
                if sign_up(&ports, &tenant, &id, person % 5 == 0)
                    .await
                    .unwrap()
                {
                    signed_up.push(id);
                }
            }
            signed_up
        });
    }

    let expected = PEOPLE - PEOPLE / 5;
    let done = Arc::new(AtomicUsize::new(0));
    // A third of a lease passes with every look at the clock.
    let clock = Arc::new(AtomicI64::new(0));
    let claims: Arc<Mutex<Vec<Claim>>> = Arc::default();
    let mut working = JoinSet::new();
    for number in 0..WORKERS {
        let (worker, done) = (stage.worker(number), Arc::clone(&done));
        let (clock, claims) = (Arc::clone(&clock), Arc::clone(&claims));
        working.spawn(async move {
            let (outbox, tenant) = (&worker.outbox, &worker.tenant);
            let mut told = Vec::new();
            while done.load(Ordering::SeqCst) < expected {
                tokio::task::yield_now().await;
                let now = at(clock.fetch_add(20, Ordering::Relaxed));
                let claimed = outbox.claim(tenant, &webhook(), 3, LEASE, now).await;
                for item in claimed.unwrap() {
                    let claim = item.claim();
                    let person = item.id.as_str().split(' ').next_back();
                    let person: usize = person.unwrap().parse().unwrap();
                    claims.lock().await.push(claim.clone());
                    match (person % 3, item.attempts.get()) {
                        // It dies.
                        (1, 1) => {}
                        // It is sent away.
                        (2, 1 | 2) => {
                            let (due_at, why) = (now.after(LEASE), Text::new("503").unwrap());
                            let put_back = outbox.put_back(tenant, &claim, due_at, &why);
                            put_back.await.unwrap();
                        }
                        _ => {
                            if outbox.complete(tenant, &claim, now).await.unwrap() {
                                told.push(item.id.as_str().to_owned());
                                done.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    }
                }
            }
            told
        });
    }
    let mut signed_up: Vec<_> = signing.join_all().await.into_iter().flatten().collect();
    let mut told: Vec<_> = working.join_all().await.into_iter().flatten().collect();
    signed_up.sort();
    told.sort();
    assert_eq!(signed_up.len(), expected);
    assert_eq!(told, signed_up);

    let mut claims: Vec<_> = std::mem::take(&mut *claims.lock().await)
        .into_iter()
        .map(|claim| (claim.item, claim.attempt))
        .collect();
    let all = claims.len();
    claims.sort();
    claims.dedup();
    assert_eq!(claims.len(), all, "an attempt had two workers");
    // Of 32 people 11 are of a worker that dies, and 10 are sent away twice.
    assert!(all >= expected + 11 + 2 * 10, "{all} claims");
    let outbox = stage.handles[0].outbox.clone().unwrap();
    for id in signed_up {
        let id = ItemId::new(id).unwrap();
        let item = outbox.get(&stage.tenant, &id).await.unwrap().unwrap();
        assert!(matches!(item.state, ItemState::Done { .. }), "{item:?}");
    }
}

async fn all(target: impl Target) {
    one_has_the_turn(&Stage::of(&target).await).await;
    a_dead_workers_turn_comes_back(&Stage::of(&target).await).await;
    an_outbox_tells_of_every_change(&Stage::of(&target).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_has_leases_and_an_outbox() {
    all(Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_has_leases_and_an_outbox() {
    all(Sqlite::temporary().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_has_leases_and_an_outbox() {
    all(Postgres::new(Place::Any)).await;
}
