//! Transcripts: which calls a case made, and what they answered.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portproof_ports::{
    Handler, Port, PortCall, PortError, PortResult, Ports, PortsTransaction, Transactions, Wrap,
    async_trait,
};
use tokio::{
    task::{coop::consume_budget, yield_now},
    time::Instant,
};

use crate::watch::{Activity, OpenCall, OpenState, Progress};

mod shown;

pub(crate) use shown::Shown;

/// The calls of a case, in the order in which they began.
///
/// Values are kept, and made into text only when a case fails.
#[derive(Clone, Default)]
pub struct Transcript(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    calls: Vec<Entry>,
    /// How many calls came before these.
    forgotten: usize,
    /// Where the calls of the case itself begin, after those that made its fixture.
    case_begins: Option<usize>,
    /// Where the checks of the bystanders begin.
    afterwards_begins: Option<usize>,
    /// What makes the case's tenants its own, and tells a reader nothing.
    noise: Option<Arc<str>>,
    /// Whether the case is over, whatever its calls still do.
    closed: bool,
    /// How many transactions were begun.
    transactions: u32,
    /// Whether a call met no store.
    met_no_store: bool,
    /// How many calls began and ended: the steps of the case.
    steps: u64,
    /// The hook of the target that the case waits for.
    hook: Option<&'static str>,
    /// The smallest failure so far of a search that goes on.
    found: Option<Found>,
}

/// A failure that was found, with the calls that show it.
struct Found {
    message: String,
    calls: Vec<Entry>,
    afterwards_begins: Option<usize>,
}

impl Entries {
    /// The next step.
    fn step(&mut self) -> Moment {
        self.steps += 1;
        Moment {
            at: Instant::now(),
            step: self.steps,
        }
    }

    /// The call with this number, unless it was forgotten.
    fn entry(&mut self, number: usize) -> Option<&mut Entry> {
        self.calls.get_mut(number.checked_sub(self.forgotten)?)
    }

    /// The call that ended last.
    fn last_ended(&self) -> Option<&Entry> {
        let ended = |entry: &&Entry| entry.ended.map(|ended| ended.step);
        self.calls.iter().max_by_key(ended)
    }

    /// Forgets the calls so far; answers them.
    fn forget(&mut self) -> Vec<Entry> {
        self.forgotten += self.calls.len();
        self.case_begins = None;
        self.afterwards_begins = None;
        mem::take(&mut self.calls)
    }

    fn without_noise(&self, text: String) -> String {
        match &self.noise {
            Some(noise) => text
                .replace(&**noise, "")
                .replace(&noise.to_uppercase(), ""),
            None => text,
        }
    }
}

struct Entry {
    handle: Arc<str>,
    port: &'static str,
    method: &'static str,
    call: Box<dyn fmt::Debug + Send>,
    began: Moment,
    /// When it answered or was dropped.
    ended: Option<Moment>,
    /// How far it has come, once it has waited and until it ends.
    progress: Option<Arc<Progress>>,
    end: End,
}

impl Entry {
    fn name(&self) -> String {
        format!("{}: {}.{}", self.handle, self.port, self.method)
    }

    /// What the call does, unless it ended.
    fn open(&self) -> Option<OpenCall> {
        if self.ended.is_some() {
            return None;
        }
        Some(OpenCall {
            name: self.name(),
            open_for: self.began.at.elapsed(),
            polls: self
                .progress
                .as_ref()
                .map_or(1, |progress| progress.polls()),
            state: match &self.progress {
                Some(progress) => progress.state(),
                // In its first poll.
                None => OpenState::Runs,
            },
        })
    }
}

/// When a call began or ended.
#[derive(Clone, Copy)]
struct Moment {
    at: Instant,
    /// Its place among all beginnings and ends of calls of the case, so that the moments of
    /// concurrent calls have an order. No two are equal.
    step: u64,
}

/// How a call ended.
enum End {
    /// It runs.
    NotYet,
    Answered(Box<dyn fmt::Debug + Send>),
    /// The case dropped it after so many polls.
    Dropped(u32),
}

/// More calls than a case that ends makes: a list whose cursor leads nowhere, or a retry that never
/// succeeds, would take all memory.
const MOST_CALLS: usize = 50_000;

impl Transcript {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        // What a panicking case recorded so far is what we want to show.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transcript that leaves `noise` out of what it shows.
    pub(crate) fn without(noise: &Arc<str>) -> Self {
        let transcript = Self::default();
        transcript.entries().noise = Some(Arc::clone(noise));
        transcript
    }

    /// Forgets the calls so far: what follows is all there is to show.
    pub(crate) fn restart(&self) {
        let mut entries = self.entries();
        if !entries.closed {
            entries.forget();
        }
    }

    /// Whether a call answered that the store is not there.
    pub(crate) fn met_no_store(&self) -> bool {
        self.entries().met_no_store
    }

    /// Says that the fixture is stored: the calls of the case itself follow.
    pub fn begin_case(&self) {
        let mut entries = self.entries();
        entries.case_begins = Some(entries.calls.len());
    }

    /// Says that the case is done: the checks of everything else follow.
    pub fn begin_afterwards(&self) {
        let mut entries = self.entries();
        entries.afterwards_begins = Some(entries.calls.len());
    }

    /// How many calls were made.
    #[must_use]
    pub fn len(&self) -> usize {
        let entries = self.entries();
        entries.forgotten + entries.calls.len()
    }

    /// Whether no call was made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn begin<P: Port + ?Sized>(&self, handle: &Arc<str>, call: &P::Call) -> usize {
        let method = call.method();
        self.begin_any(handle, P::NAME, method, Box::new(call.clone()))
    }

    fn begin_any(
        &self,
        handle: &Arc<str>,
        port: &'static str,
        method: &'static str,
        call: Box<dyn fmt::Debug + Send>,
    ) -> usize {
        let mut entries = self.entries();
        if entries.closed {
            return usize::MAX;
        }
        let began = entries.step();
        entries.calls.push(Entry {
            handle: Arc::clone(handle),
            port,
            method,
            call,
            began,
            ended: None,
            progress: None,
            end: End::NotYet,
        });
        entries.forgotten + entries.calls.len() - 1
    }

    /// What the next transaction through this handle is called.
    fn transaction(&self, handle: &str) -> Arc<str> {
        let mut entries = self.entries();
        entries.transactions += 1;
        format!("{handle}/{}", entries.transactions).into()
    }

    /// Runs what is no call of a port, and notes it.
    async fn noting<T: Clone + fmt::Debug + Send + 'static>(
        &self,
        handle: &Arc<str>,
        method: &'static str,
        run: impl Future<Output = T> + Send,
    ) -> T {
        let number = self.begin_any(handle, TRANSACTIONS, method, Box::new(Nothing {}));
        let answer = self.watching(number, run).await;
        self.end(number, End::Answered(Box::new(answer.clone())));
        answer
    }

    /// Runs a call, and notes when it is dropped.
    async fn watching<T>(&self, number: usize, run: impl Future<Output = T>) -> T {
        let mut watched = Watched {
            transcript: self,
            number,
            progress: None,
            answered: false,
        };
        let mut run = pin!(run);
        let answer = poll_fn(|task| {
            let before = watched.progress.take();
            let progress = Progress::of(task, before.clone());
            let polled = progress.poll(|task| run.as_mut().poll(task));
            let is_noted = before.is_some_and(|before| Arc::ptr_eq(&before, &progress));
            if polled.is_pending() && !is_noted {
                self.waits(number, &progress);
            }
            watched.progress = Some(progress);
            polled
        })
        .await;
        watched.answered = true;
        answer
    }

    /// Notes that a call waits.
    fn waits(&self, number: usize, progress: &Arc<Progress>) {
        if let Some(entry) = self.entries().entry(number) {
            entry.progress = Some(Arc::clone(progress));
        }
    }

    fn end(&self, number: usize, end: End) {
        let mut entries = self.entries();
        if entries.closed {
            return;
        }
        let ended = entries.step();
        if let Some(entry) = entries.entry(number) {
            entry.ended = Some(ended);
            entry.progress = None;
            entry.end = end;
        }
    }

    /// Waits for a hook of the target, and notes it meanwhile.
    pub(crate) async fn during<T>(&self, hook: &'static str, run: impl Future<Output = T>) -> T {
        self.entries().hook = Some(hook);
        let answer = run.await;
        self.entries().hook = None;
        answer
    }

    /// What the case says when it made more calls than one that ends.
    pub(crate) fn without_end(&self) -> Option<String> {
        (self.entries().calls.len() >= MOST_CALLS).then(|| {
            format!(
                "the case made {MOST_CALLS} calls and did not end; the last ones show what it goes on with"
            )
        })
    }

    /// Answers no call of a case that is over, or does not end: what it left running ends with that.
    async fn goes_on(&self) -> PortResult<()> {
        let is_over = {
            let entries = self.entries();
            entries.closed || entries.calls.len() >= MOST_CALLS
        };
        if is_over {
            // Whatever does not look at answers can be aborted here.
            yield_now().await;
            return Err(PortError::Backend("the case is over".into()));
        }
        // An adapter that never waits must not keep the thread from other cases.
        consume_budget().await;
        Ok(())
    }

    /// Notes that the case is over, whatever its calls still do.
    pub(crate) fn end_case(&self) {
        self.entries().closed = true;
    }

    /// What the case does now.
    pub(crate) fn activity(&self) -> Activity {
        let entries = self.entries();
        Activity {
            steps: entries.steps,
            hook: entries.hook,
            last: entries.last_ended().map(Entry::name),
            open: entries.calls.iter().filter_map(Entry::open).collect(),
        }
    }

    /// Keeps the calls so far as those that show this failure, should the case not come to its end.
    pub(crate) fn keep_found(&self, message: &str) {
        let mut entries = self.entries();
        if entries.closed {
            return;
        }
        let afterwards_begins = entries.afterwards_begins;
        entries.found = Some(Found {
            message: message.to_owned(),
            calls: entries.forget(),
            afterwards_begins,
        });
    }

    /// Keeps it as it is: a call that hangs is not one that the case dropped. Answers what was found
    /// before, if anything was, and shows the calls of that instead.
    pub(crate) fn close(&self) -> Option<String> {
        let mut entries = self.entries();
        entries.closed = true;
        let found = entries.found.take()?;
        entries.forget();
        entries.forgotten -= found.calls.len();
        entries.calls = found.calls;
        entries.afterwards_begins = found.afterwards_begins;
        Some(found.message)
    }

    /// A text about the case without what tells a reader nothing.
    pub(crate) fn plainly(&self, text: &str) -> String {
        self.entries().without_noise(text.to_owned())
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transcript({} calls)", self.len())
    }
}

/// Stores whose calls can be recorded: what a target opens.
pub trait Stores: Clone + Send + Sync + 'static {
    /// The same stores, noting every call in `transcript` as made through `handle`.
    #[must_use]
    fn recorded(&self, transcript: &Transcript, handle: &'static str) -> Self;

    /// Whether the port of this name is among them.
    fn offers(&self, port: &str) -> bool;
}

impl<P: Port + ?Sized> Stores for Arc<P> {
    fn recorded(&self, transcript: &Transcript, handle: &'static str) -> Self {
        Record(transcript.clone(), handle.into()).wrap(Self::clone(self))
    }

    fn offers(&self, port: &str) -> bool {
        port == P::NAME
    }
}

impl Stores for Ports {
    fn offers(&self, port: &str) -> bool {
        self.offered().contains(&port)
    }

    fn recorded(&self, transcript: &Transcript, handle: &'static str) -> Self {
        self.wrapped(&Record(transcript.clone(), handle.into()))
    }
}

/// Records every port alike, as called through this handle.
#[derive(Clone)]
struct Record(Transcript, Arc<str>);

impl Wrap for Record {
    fn wrap<P: Port + ?Sized>(&self, port: Arc<P>) -> Arc<P> {
        P::via(Arc::new(Recorder {
            inner: port,
            transcript: self.0.clone(),
            handle: Arc::clone(&self.1),
        }))
    }

    fn wrap_transactions(&self, transactions: Arc<dyn Transactions>) -> Arc<dyn Transactions> {
        Arc::new(RecordedTransactions(self.clone(), transactions))
    }
}

struct Recorder<P: ?Sized> {
    inner: Arc<P>,
    transcript: Transcript,
    handle: Arc<str>,
}

#[async_trait]
impl<P: Port + ?Sized> Handler<P::Call> for Recorder<P> {
    async fn handle(&self, call: P::Call) -> PortResult<<P::Call as PortCall>::Answer> {
        self.transcript.goes_on().await?;
        let number = self.transcript.begin::<P>(&self.handle, &call);
        let call = self.inner.call(call);
        let answer = self.transcript.watching(number, call).await;
        let end = End::Answered(Box::new(answer.clone()));
        self.transcript.end(number, end);
        if let Err(PortError::Unavailable(_)) = &answer {
            self.transcript.entries().met_no_store = true;
        }
        answer
    }
}

/// Notes that a call was dropped before it answered.
struct Watched<'a> {
    transcript: &'a Transcript,
    number: usize,
    progress: Option<Arc<Progress>>,
    answered: bool,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.answered && !std::thread::panicking() {
            let polls = self
                .progress
                .as_ref()
                .map_or(0, |progress| progress.polls());
            self.transcript.end(self.number, End::Dropped(polls));
        }
    }
}

/// How transactions are called where ports are.
const TRANSACTIONS: &str = "transactions";

/// Notes when transactions begin and how they end, and what is called inside.
struct RecordedTransactions(Record, Arc<dyn Transactions>);

#[async_trait]
impl Transactions for RecordedTransactions {
    async fn begin(&self) -> PortResult<Box<dyn PortsTransaction>> {
        let Record(transcript, handle) = &self.0;
        transcript.goes_on().await?;
        let named = transcript.transaction(handle);
        let number = transcript.begin_any(&named, TRANSACTIONS, "begin", Box::new(Nothing {}));
        let begun = transcript.watching(number, self.1.begin()).await;
        let answer = begun.as_ref().map(drop).map_err(PortError::clone);
        transcript.end(number, End::Answered(Box::new(answer)));
        let inner = begun?;
        let record = Record(transcript.clone(), named);
        Ok(Box::new(RecordedTransaction {
            ports: inner.ports().wrapped(&record),
            inner: Some(inner),
            record,
        }))
    }
}

struct RecordedTransaction {
    ports: Ports,
    /// Until it ends.
    inner: Option<Box<dyn PortsTransaction>>,
    record: Record,
}

#[async_trait]
impl PortsTransaction for RecordedTransaction {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    async fn commit(mut self: Box<Self>) -> PortResult<()> {
        let Record(transcript, handle) = self.record.clone();
        match self.inner.take() {
            Some(inner) => transcript.noting(&handle, "commit", inner.commit()).await,
            None => Err(PortError::ended_transaction()),
        }
    }

    async fn rollback(mut self: Box<Self>) {
        let Record(transcript, handle) = self.record.clone();
        if let Some(inner) = self.inner.take() {
            transcript
                .noting(&handle, "rollback", inner.rollback())
                .await;
        }
    }
}

impl Drop for RecordedTransaction {
    fn drop(&mut self) {
        if self.inner.is_some() {
            let Record(transcript, handle) = &self.record;
            let number = transcript.begin_any(handle, TRANSACTIONS, "drop", Box::new(Nothing {}));
            transcript.end(number, End::Answered(Box::new(())));
        }
    }
}

/// The arguments of what has none.
#[derive(Debug)]
struct Nothing {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use portproof_memory::MemoryAdapter;

    use super::*;

    #[tokio::test]
    async fn calls_that_never_wait_let_others_have_their_turn() {
        const CALLS: usize = 2_000;
        let ports = MemoryAdapter::new().ports();
        let ports = ports.recorded(&Transcript::default(), "a");
        let sessions = ports.session.unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        for _ in 0..CALLS {
            sessions.ready().await.unwrap();
        }
        other.abort();
        // One for each budget that Tokio gives a task.
        let turns = turns.load(Ordering::Relaxed);
        assert!((CALLS / 200..CALLS / 50).contains(&turns), "{turns}");
    }

    #[tokio::test]
    async fn a_call_that_waits_is_open_until_it_is_dropped() {
        let transcript = Transcript::default();
        let handle = "a".into();
        let waits = transcript.noting(&handle, "begin", std::future::pending::<()>());
        let mut waits = Box::pin(waits);
        let polled = poll_fn(|task| std::task::Poll::Ready(waits.as_mut().poll(task))).await;
        assert!(polled.is_pending());
        let [call] = <[OpenCall; 1]>::try_from(transcript.activity().open)
            .ok()
            .unwrap();
        assert_eq!((call.polls, call.state), (1, OpenState::Waits));
        assert_eq!(call.name, "a: transactions.begin");
        drop(waits);
        let after = transcript.activity();
        assert!(after.open.is_empty());
        assert_eq!(after.steps, 2);
    }

    #[tokio::test]
    async fn what_was_found_is_shown_when_a_later_call_hangs() {
        let transcript = Transcript::default();
        let handle = "a".into();
        let call = |method| transcript.noting(&handle, method, async {});
        call("found").await;
        transcript.keep_found("it differs");
        call("simpler").await;
        assert_eq!(transcript.len(), 2);
        assert_eq!(transcript.close().as_deref(), Some("it differs"));
        let text = transcript.to_text(true);
        assert!(
            text.contains("found") && !text.contains("simpler"),
            "{text}"
        );
        transcript.restart();
        call("late").await;
        assert_eq!(transcript.to_text(true), text);
        assert_eq!(transcript.len(), 2);
    }
}
