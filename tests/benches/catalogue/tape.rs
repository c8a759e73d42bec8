//! A tape: the calls of a run as data, with the case that each belongs to and what it overlapped.

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, ThreadId},
};

use portproof::{Manifest, Opened, Target, async_trait};
use portproof_ports::{
    Handler, Port, PortCall, PortResult, Ports, PortsTransaction, Transactions, Wrap,
};
use tokio::{sync::OnceCell, task};

/// Through what a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Handle {
    First,
    Second,
    /// What was opened as the so-many-eth thing of a run: the store once more, or a transaction.
    Opened(usize),
}

/// What was done.
pub(crate) enum Act {
    Call(Box<dyn Replayable>),
    Begin(usize),
    Commit,
    Rollback,
    Drop,
    Reopen(usize),
    Dump,
}

/// A call of a tape.
pub(crate) struct Taped {
    pub(crate) handle: Handle,
    pub(crate) act: Act,
    /// When it began, on a clock that counts all beginnings and ends.
    pub(crate) began: u64,
    /// When it ended.
    pub(crate) ended: u64,
    /// After so many polls it was dropped, if it was.
    pub(crate) dropped_after: Option<u32>,
    case: Option<Arc<str>>,
}

/// A call that can be made again on other stores.
pub(crate) trait Replayable: Send + Sync {
    fn run<'a>(&'a self, stores: &'a Stores) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

struct CallOf<P: Port + ?Sized>(P::Call);

impl<P: Port + ?Sized> Replayable for CallOf<P> {
    fn run<'a>(&'a self, stores: &'a Stores) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if let Some(port) = stores.port::<P>() {
                // What it answers was looked at when it was recorded.
                let _ = port.call(self.0.clone()).await;
            }
        })
    }
}

/// The ports of a store by their names, and its transactions.
#[derive(Clone, Default)]
pub(crate) struct Stores {
    ports: Arc<Mutex<HashMap<&'static str, Arc<dyn Any + Send + Sync>>>>,
    pub(crate) transactions: Option<Arc<dyn Transactions>>,
}

impl Stores {
    pub(crate) fn of(ports: &Ports) -> Self {
        let stores = Self {
            transactions: ports.transactions.clone(),
            ..Self::default()
        };
        let _ = ports.wrapped(&stores);
        stores
    }

    fn port<P: Port + ?Sized>(&self) -> Option<Arc<P>> {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let port = ports.get(P::NAME)?;
        port.downcast_ref::<Arc<P>>().cloned()
    }
}

/// Puts nothing in front of the ports, but keeps them.
impl Wrap for Stores {
    fn wrap<P: Port + ?Sized>(&self, port: Arc<P>) -> Arc<P> {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.insert(P::NAME, Arc::new(Arc::clone(&port)));
        port
    }
}

/// What is recorded; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    clock: u64,
    calls: Vec<Taped>,
    /// The case that a task, or what blocks on a thread, made its last call for.
    cases: HashMap<Caller, Arc<str>>,
    opened: usize,
}

#[derive(PartialEq, Eq, Hash)]
enum Caller {
    Task(task::Id),
    Thread(ThreadId),
}

impl Caller {
    fn this() -> Self {
        task::try_id().map_or_else(|| Self::Thread(thread::current().id()), Self::Task)
    }
}

/// What tells the tenants of a case from all others': the same in all of their ids, whatever is
/// changed about these.
fn case_of(tenant: &str) -> Option<String> {
    let (_, run) = tenant.rsplit_once('-')?;
    // A UUID without its last digit, which some ids go without.
    Some(run.get(..31)?.to_lowercase())
}

impl Tape {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self) -> usize {
        let mut entries = self.entries();
        entries.opened += 1;
        entries.opened
    }

    fn begin(&self, handle: Handle, act: Act, tenant: Option<&str>) -> usize {
        let mut entries = self.entries();
        entries.clock += 1;
        let case = match tenant.and_then(case_of) {
            Some(case) => {
                let case: Arc<str> = case.into();
                entries.cases.insert(Caller::this(), Arc::clone(&case));
                Some(case)
            }
            None => entries.cases.get(&Caller::this()).cloned(),
        };
        let began = entries.clock;
        entries.calls.push(Taped {
            handle,
            act,
            began,
            ended: u64::MAX,
            dropped_after: None,
            case,
        });
        entries.calls.len() - 1
    }

    fn end(&self, number: usize, dropped_after: Option<u32>) {
        let mut entries = self.entries();
        entries.clock += 1;
        let ended = entries.clock;
        if let Some(call) = entries.calls.get_mut(number) {
            call.ended = ended;
            call.dropped_after = dropped_after;
        }
    }

    async fn noting<T>(
        &self,
        handle: Handle,
        act: Act,
        tenant: Option<&str>,
        run: impl Future<Output = T>,
    ) -> T {
        let noted = Noted {
            tape: self,
            number: self.begin(handle, act, tenant),
            polls: AtomicU32::new(0),
        };
        let mut run = pin!(run);
        let answer = poll_fn(|task| {
            noted.polls.fetch_add(1, Ordering::Relaxed);
            run.as_mut().poll(task)
        })
        .await;
        self.end(noted.number, None);
        std::mem::forget(noted);
        answer
    }

    /// The calls, those of each case in the order in which they began; what belongs to no case that
    /// is known comes last.
    pub(crate) fn into_cases(self) -> Vec<Vec<Taped>> {
        let calls = std::mem::take(&mut self.entries().calls);
        // A transaction belongs to the case that calls inside it.
        let mut of_handles: HashMap<Handle, Arc<str>> = HashMap::new();
        for call in &calls {
            if let (Handle::Opened(_), Some(case)) = (call.handle, &call.case) {
                of_handles.insert(call.handle, Arc::clone(case));
            }
        }
        let mut order: Vec<Option<Arc<str>>> = Vec::new();
        let mut cases: HashMap<Option<Arc<str>>, Vec<Taped>> = HashMap::new();
        for call in calls {
            let inside = match call.act {
                Act::Begin(number) | Act::Reopen(number) => Handle::Opened(number),
                _ => call.handle,
            };
            let case = of_handles.get(&inside).or(call.case.as_ref()).cloned();
            let of_case = cases.entry(case.clone()).or_insert_with(|| {
                order.push(case);
                Vec::new()
            });
            of_case.push(call);
        }
        order.sort_by_key(Option::is_none);
        order
            .into_iter()
            .filter_map(|case| cases.remove(&case))
            .collect()
    }
}

/// Notes that a call was dropped before it answered.
struct Noted<'a> {
    tape: &'a Tape,
    number: usize,
    polls: AtomicU32,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        let polls = self.polls.load(Ordering::Relaxed);
        self.tape.end(self.number, Some(polls));
    }
}

/// Records what goes through one handle.
#[derive(Clone)]
struct Tap(Tape, Handle);

struct Recorder<P: ?Sized>(Tap, Arc<P>);

#[async_trait]
impl<P: Port + ?Sized> Handler<P::Call> for Recorder<P> {
    async fn handle(&self, call: P::Call) -> PortResult<<P::Call as PortCall>::Answer> {
        let Self(Tap(tape, handle), port) = self;
        let tenant = call.clone().tenant_mut().cloned();
        let act = Act::Call(Box::new(CallOf::<P>(call.clone())));
        let tenant = tenant.as_ref().map(|tenant| tenant.as_str());
        tape.noting(*handle, act, tenant, port.call(call)).await
    }
}

impl Wrap for Tap {
    fn wrap<P: Port + ?Sized>(&self, port: Arc<P>) -> Arc<P> {
        P::via(Arc::new(Recorder(self.clone(), port)))
    }

    fn wrap_transactions(&self, transactions: Arc<dyn Transactions>) -> Arc<dyn Transactions> {
        Arc::new(TapedTransactions(self.clone(), transactions))
    }
}

struct TapedTransactions(Tap, Arc<dyn Transactions>);

#[async_trait]
impl Transactions for TapedTransactions {
    async fn begin(&self) -> PortResult<Box<dyn PortsTransaction>> {
        let Self(Tap(tape, handle), transactions) = self;
        let number = tape.opened();
        let begin = transactions.begin();
        let inner = tape
            .noting(*handle, Act::Begin(number), None, begin)
            .await?;
        let tap = Tap(tape.clone(), Handle::Opened(number));
        Ok(Box::new(TapedTransaction {
            ports: inner.ports().wrapped(&tap),
            inner: Some(inner),
            tap,
        }))
    }
}

struct TapedTransaction {
    ports: Ports,
    /// Until it ends.
    inner: Option<Box<dyn PortsTransaction>>,
    tap: Tap,
}

#[async_trait]
impl PortsTransaction for TapedTransaction {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    async fn commit(mut self: Box<Self>) -> PortResult<()> {
        let Tap(tape, handle) = self.tap.clone();
        match self.inner.take() {
            Some(inner) => tape.noting(handle, Act::Commit, None, inner.commit()).await,
            None => Ok(()),
        }
    }

    async fn rollback(mut self: Box<Self>) {
        let Tap(tape, handle) = self.tap.clone();
        if let Some(inner) = self.inner.take() {
            tape.noting(handle, Act::Rollback, None, inner.rollback())
                .await;
        }
    }
}

impl Drop for TapedTransaction {
    fn drop(&mut self) {
        if self.inner.take().is_some() {
            let Tap(tape, handle) = &self.tap;
            let number = tape.begin(*handle, Act::Drop, None);
            tape.end(number, None);
        }
    }
}

/// A target whose calls are recorded.
pub(crate) struct Recording<T> {
    target: Arc<T>,
    first: OnceCell<Ports>,
    tape: Tape,
}

impl<T> Recording<T> {
    pub(crate) fn new(target: Arc<T>, tape: &Tape) -> Self {
        Self {
            target,
            first: OnceCell::new(),
            tape: tape.clone(),
        }
    }

    fn taped(&self, ports: &Ports, handle: Handle) -> Ports {
        ports.wrapped(&Tap(self.tape.clone(), handle))
    }
}

impl<T> fmt::Debug for Recording<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recording")
    }
}

#[async_trait]
impl<T: Target> Target for Recording<T> {
    fn manifest(&self) -> Manifest {
        self.target.manifest()
    }

    async fn open(&self) -> Opened<Ports> {
        let first = self.first.get_or_try_init(|| self.target.open()).await?;
        Ok(self.taped(first, Handle::First))
    }

    async fn second(&self, _first: &Ports) -> Opened<Ports> {
        let first = self.first.get_or_try_init(|| self.target.open()).await?;
        let second = self.target.second(first).await?;
        Ok(self.taped(&second, Handle::Second))
    }

    async fn reopen(&self) -> Option<Opened<Ports>> {
        let number = self.tape.opened();
        let reopen = self.target.reopen();
        let act = Act::Reopen(number);
        let reopened = self.tape.noting(Handle::First, act, None, reopen).await?;
        Some(reopened.map(|ports| self.taped(&ports, Handle::Opened(number))))
    }

    async fn dump(&self) -> Option<Opened<Vec<u8>>> {
        let dump = self.target.dump();
        self.tape.noting(Handle::First, Act::Dump, None, dump).await
    }
}
