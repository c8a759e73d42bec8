//! Transcripts: which calls a case made, and what they answered.

use std::{
    fmt::{self, Write as _},
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portproof_ports::{
    Handler, Port, PortCall, PortError, PortResult, Ports, PortsTransaction, Transactions, Wrap,
    async_trait,
};
use tokio::task::yield_now;

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
}

impl Entries {
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
    end: End,
}

/// How a call ended.
enum End {
    /// It runs.
    NotYet,
    Answered(Box<dyn fmt::Debug + Send>),
    /// The case dropped it after so many polls.
    Dropped(u32),
}

/// The most calls that are shown, the last ones.
const MOST_SHOWN: usize = 60;
/// More calls than a case that ends makes: a list whose cursor leads nowhere, or a retry that never
/// succeeds, would take all memory.
const MOST_CALLS: usize = 50_000;
/// The most characters of a call or an answer that are shown.
const SHOWN: usize = 320;

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
        entries.forgotten += entries.calls.len();
        entries.calls.clear();
        entries.case_begins = None;
        entries.afterwards_begins = None;
    }

    pub(crate) fn begin_case(&self) {
        let mut entries = self.entries();
        entries.case_begins = Some(entries.calls.len());
    }

    pub(crate) fn begin_afterwards(&self) {
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
        entries.calls.push(Entry {
            handle: Arc::clone(handle),
            port,
            method,
            call,
            end: End::NotYet,
        });
        entries.calls.len() - 1
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
            polls: 0,
            answered: false,
        };
        let mut run = pin!(run);
        let answer = poll_fn(|task| {
            watched.polls += 1;
            run.as_mut().poll(task)
        })
        .await;
        watched.answered = true;
        answer
    }

    fn end(&self, number: usize, end: End) {
        let mut entries = self.entries();
        if entries.closed {
            return;
        }
        if let Some(entry) = entries.calls.get_mut(number) {
            entry.end = end;
        }
    }

    /// Keeps it as it is: a call that hangs is not one that the case dropped.
    pub(crate) fn close(&self) {
        self.entries().closed = true;
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
        Ok(())
    }

    /// As text; with `whole`, also the calls that made the fixture.
    #[must_use]
    pub fn to_text(&self, whole: bool) -> String {
        let entries = self.entries();
        let begins = entries.case_begins.unwrap_or(0);
        let mut text = String::new();
        if begins > 0 && !whole {
            let _ = writeln!(
                text,
                "  ({begins} calls made the fixture; PORTPROOF_TRANSCRIPT=whole shows them)"
            );
        }
        let mut from = if whole { 0 } else { begins };
        if !whole && entries.calls.len() - from > MOST_SHOWN {
            from = entries.calls.len() - MOST_SHOWN;
            let _ = writeln!(
                text,
                "  ({} more calls are left out before these)",
                from - begins
            );
        }
        for (number, entry) in entries.calls.iter().enumerate().skip(from) {
            if entries.afterwards_begins == Some(number) {
                let _ = writeln!(text, "  -- afterwards, everything else:");
            }
            let call = format!("{:?}", entry.call);
            // The variant says what the method's name says.
            let arguments = call.split_once(' ').map_or("", |(_, arguments)| arguments);
            let (handle, port, method) = (&entry.handle, entry.port, entry.method);
            let _ = writeln!(
                text,
                "  {number:>3} {handle}: {port}.{method} {}",
                shorten(arguments)
            );
            let answer = match &entry.end {
                End::NotYet => "never answered".to_owned(),
                End::Answered(answer) => format!("{answer:?}"),
                End::Dropped(1) => "dropped after 1 poll".to_owned(),
                End::Dropped(polls) => format!("dropped after {polls} polls"),
            };
            let _ = writeln!(text, "      -> {}", shorten(plain(&answer)));
        }
        entries.without_noise(text)
    }

    /// A text about the case without what tells a reader nothing.
    pub(crate) fn plainly(&self, text: &str) -> String {
        self.entries().without_noise(text.to_owned())
    }
}

/// `Session { … }` of `Ok(Get(Session { … }))`; an error as it is.
fn plain(answer: &str) -> &str {
    answer
        .strip_prefix("Ok(")
        .and_then(|answer| answer.strip_suffix("))"))
        .and_then(|answer| answer.split_once('('))
        .map_or(answer, |(_, answer)| answer)
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
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
        answer
    }
}

/// Notes that a call was dropped before it answered.
struct Watched<'a> {
    transcript: &'a Transcript,
    number: usize,
    polls: u32,
    answered: bool,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.answered && !std::thread::panicking() {
            self.transcript.end(self.number, End::Dropped(self.polls));
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
