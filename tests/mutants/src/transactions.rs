//! Mutants of transactions.
//!
//! Each is a fault at the place where a transaction begins or ends, or in a port inside of it; the
//! ports outside are right.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    thread,
};

use portproof::mutants::{Handle, Mutant, faulty};
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    IdentityStoreAnswer, IdentityStoreCall, NewIdentity, PolicyStore, Port, PortCall, PortError,
    PortResult, Ports, PortsTransaction, SessionStore, TenantId, Transactions, UniqueKey,
    UniqueScope, Wrap, async_trait,
};
use tokio::task::yield_now;

use crate::entities::with_keys;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        mutant::<ForgetsAPort>(
            "transactions::commit_forgets_a_port",
            "transactions::commit::makes_all_visible",
        ),
        mutant::<OneOutside>(
            "transactions::a_port_writes_outside",
            "transactions::rollback::leaves_nothing",
        )
        .re_enacts("better-auth #7758: the root connection was used inside of a transaction"),
        mutant::<CommitsErrors>(
            "transactions::errors_commit",
            "transactions::error::leaves_nothing",
        ),
        mutant::<CommitsPanics>(
            "transactions::panics_commit",
            "transactions::panic::leaves_nothing",
        ),
        mutant::<CommitsDrops>(
            "transactions::drops_commit",
            "transactions::drop::leaves_nothing",
        ),
        mutant::<GoesOn>(
            "transactions::kept_ports_go_on",
            "transactions::end::kept_ports_are_refused",
        ),
        mutant::<Leaks>(
            "transactions::undone_ones_keep_a_connection",
            "transactions::turns::leave_all_in_order",
        ),
        Mutant::new(
            "transactions::forgets_at_a_restart",
            "transactions::restart::keeps_what_was_committed",
            |ports, handle| match handle {
                Handle::Reopened => MemoryAdapter::new().ports(),
                Handle::First | Handle::Second => ports,
            },
        ),
        mutant::<ReadsOutside>(
            "transactions::reads_go_outside",
            "transactions::reads::see_own_writes",
        )
        .re_enacts("better-auth #7758: the root connection was used inside of a transaction"),
        mutant::<NoneAtAll>(
            "transactions::there_are_none",
            "transactions::reads::see_all_or_nothing_outside",
        )
        .re_enacts("hydra 3ad64db92: every transaction was none, without a word"),
        mutant::<LacksAPort>(
            "transactions::a_port_is_not_inside",
            "transactions::ports::are_those_outside",
        ),
        mutant::<Nests>(
            "transactions::others_begin_inside",
            "transactions::nested::is_refused",
        )
        .re_enacts("AuthHero 2f65572: a transaction in a transaction joined it, or failed"),
        mutant::<Aborts>(
            "transactions::a_refused_call_aborts",
            "transactions::refused::leaves_the_rest",
        )
        .re_enacts("AuthHero: a failed probe within a transaction aborted it on PostgreSQL"),
        mutant::<LosesOneOfTwo>(
            "transactions::calls_at_once_get_lost",
            "transactions::calls::at_once_are_all_done",
        ),
        mutant::<OneTenant>(
            "transactions::keeps_one_tenant",
            "transactions::tenancy::spans_tenants",
        ),
        mutant::<HalfCalls>(
            "transactions::a_dropped_call_leaves_a_half",
            "transactions::calls::dropped_is_whole",
        ),
        mutant::<LosersWrite>(
            "transactions::a_loser_leaves_a_session",
            "transactions::conflict::one_creator_wins",
        )
        .re_enacts("AuthHero 2185ce2: writes of several statements left a part on an error"),
        mutant::<LastOneWins>(
            "transactions::the_last_writer_wins",
            "transactions::conflict::no_update_is_lost",
        )
        .re_enacts("better-auth #9993: counters that were read, changed and written"),
        mutant::<OwnKeysOnly>(
            "transactions::keys_over_tenants_are_nobodys",
            "entities::create::race_has_one_owner_over_transactions",
        ),
        mutant::<TwoSteps>(
            "transactions::commits_in_two_steps",
            "transactions::commit::cancelled_is_whole",
        ),
    ]
}

/// What is wrong with transactions: each begins with a clone of it.
#[async_trait]
trait Fault: Clone + Default + Send + Sync + 'static {
    /// Refuses to begin.
    fn refuses(&self) -> bool {
        false
    }

    /// Changes the ports inside.
    fn inside(&mut self, _outside: &Ports, _inside: &mut Ports) {}

    async fn commit(&self, inner: Box<dyn PortsTransaction>) -> PortResult<()> {
        inner.commit().await
    }

    async fn rollback(&self, inner: Box<dyn PortsTransaction>) {
        inner.rollback().await;
    }

    /// Drops it.
    fn drops(&self, _inner: Box<dyn PortsTransaction>) {}
}

/// The mutant that has this fault.
fn mutant<F: Fault>(id: &'static str, breaks: &'static str) -> Mutant<Ports> {
    Mutant::new(id, breaks, |mut ports: Ports, _| {
        let outside = ports.clone();
        ports.transactions = ports.transactions.take().map(|inner| {
            Arc::new(Infected {
                inner,
                outside,
                fault: F::default(),
            }) as Arc<dyn Transactions>
        });
        ports
    })
}

struct Infected<F> {
    inner: Arc<dyn Transactions>,
    outside: Ports,
    fault: F,
}

#[async_trait]
impl<F: Fault> Transactions for Infected<F> {
    async fn begin(&self) -> PortResult<Box<dyn PortsTransaction>> {
        let mut fault = self.fault.clone();
        if fault.refuses() {
            return Err(PortError::Unavailable("no connection is left".into()));
        }
        let inner = self.inner.begin().await?;
        let mut ports = inner.ports().clone();
        fault.inside(&self.outside, &mut ports);
        Ok(Box::new(Begun {
            inner: Some(inner),
            ports,
            fault,
        }))
    }
}

struct Begun<F: Fault> {
    /// Until it ends.
    inner: Option<Box<dyn PortsTransaction>>,
    ports: Ports,
    fault: F,
}

#[async_trait]
impl<F: Fault> PortsTransaction for Begun<F> {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    async fn commit(mut self: Box<Self>) -> PortResult<()> {
        let inner = self.inner.take();
        let inner = inner.ok_or(PortError::ended_transaction())?;
        self.fault.commit(inner).await
    }

    async fn rollback(mut self: Box<Self>) {
        if let Some(inner) = self.inner.take() {
            self.fault.rollback(inner).await;
        }
    }
}

impl<F: Fault> Drop for Begun<F> {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            self.fault.drops(inner);
        }
    }
}

/// Commits where nobody can wait: the reference never makes one wait.
fn commit_now(inner: Box<dyn PortsTransaction>) {
    let mut commit = pin!(inner.commit());
    let _ = commit
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The calls on a port, to be made again.
type Log<C> = Arc<Mutex<Vec<C>>>;

/// The port, with its calls kept.
fn logged<P: Port + ?Sized>(port: Arc<P>, log: &Log<P::Call>) -> Arc<P> {
    let log = Arc::clone(log);
    faulty(port, move |port, call: P::Call| {
        lock(&log).push(call.clone());
        async move { port.call(call).await }
    })
}

/// Makes the calls of a log.
fn replay<P: Port + ?Sized>(
    port: &Option<Arc<P>>,
    log: &Log<P::Call>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let (port, calls) = (port.clone(), std::mem::take(&mut *lock(log)));
    Box::pin(async move {
        for call in calls {
            if let Some(port) = &port {
                // Whether it succeeds is no matter to what should not make it.
                let _ = port.call(call).await;
            }
        }
    })
}

/// A port that has nothing to do with the others.
fn apart() -> Option<Arc<dyn SessionStore>> {
    MemoryAdapter::new().ports().session
}

#[derive(Clone, Default)]
struct ForgetsAPort;

impl Fault for ForgetsAPort {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        inside.session = apart();
    }
}

#[derive(Clone, Default)]
struct OneOutside;

impl Fault for OneOutside {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        inside.identity.clone_from(&outside.identity);
    }
}

#[derive(Clone, Default)]
struct CommitsErrors;

#[async_trait]
impl Fault for CommitsErrors {
    async fn rollback(&self, inner: Box<dyn PortsTransaction>) {
        commit_now(inner);
    }
}

#[derive(Clone, Default)]
struct CommitsPanics;

impl Fault for CommitsPanics {
    fn drops(&self, inner: Box<dyn PortsTransaction>) {
        if thread::panicking() {
            commit_now(inner);
        }
    }
}

#[derive(Clone, Default)]
struct CommitsDrops;

impl Fault for CommitsDrops {
    fn drops(&self, inner: Box<dyn PortsTransaction>) {
        if !thread::panicking() {
            commit_now(inner);
        }
    }
}

/// After the end of a transaction its ports are those outside.
#[derive(Clone, Default)]
struct GoesOn;

impl Fault for GoesOn {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        let outside = outside.session.clone();
        inside.session = inside.session.take().map(|port| {
            faulty(port, move |port, call| {
                let outside = outside.clone();
                async move {
                    match (port.call(call.clone()).await, outside) {
                        (Err(error), Some(outside)) if error == PortError::ended_transaction() => {
                            outside.call(call).await
                        }
                        (answer, _) => answer,
                    }
                }
            })
        });
    }
}

/// As if each that was not committed kept one of sixteen connections.
#[derive(Clone, Default)]
struct Leaks(Arc<AtomicUsize>);

#[async_trait]
impl Fault for Leaks {
    fn refuses(&self) -> bool {
        self.0.load(Ordering::SeqCst) >= 16
    }

    async fn rollback(&self, inner: Box<dyn PortsTransaction>) {
        self.drops(inner);
    }

    fn drops(&self, _inner: Box<dyn PortsTransaction>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Default)]
struct ReadsOutside;

impl Fault for ReadsOutside {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        let outside = outside.session.clone();
        inside.session = inside.session.take().map(|port| {
            faulty(port, move |port, call| {
                let outside = outside.clone();
                async move {
                    match outside {
                        Some(outside) if ["get", "list_of"].contains(&call.method()) => {
                            outside.call(call).await
                        }
                        _ => port.call(call).await,
                    }
                }
            })
        });
    }
}

/// All ports inside are those outside.
#[derive(Clone, Default)]
struct NoneAtAll;

impl Fault for NoneAtAll {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        *inside = outside.clone();
        inside.transactions = None;
    }
}

/// Inside nothing is unique over all tenants.
#[derive(Clone, Default)]
struct OwnKeysOnly;

impl Fault for OwnKeysOnly {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        inside.entities = inside.entities.take().map(|port| {
            faulty(port, |port, call| async move {
                let own = |mut keys: Vec<UniqueKey>| {
                    keys.retain(|key| key.scope == UniqueScope::Tenant);
                    keys
                };
                port.call(with_keys(call, own)).await
            })
        });
    }
}

#[derive(Clone, Default)]
struct LacksAPort;

impl Fault for LacksAPort {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        inside.keystore = None;
    }
}

#[derive(Clone, Default)]
struct Nests;

impl Fault for Nests {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        inside.transactions.clone_from(&outside.transactions);
    }
}

/// After an error nothing goes any more.
#[derive(Clone, Default)]
struct Aborts(Arc<AtomicBool>);

fn aborted() -> PortError {
    PortError::Backend("the server answered with error 25P02".into())
}

impl Wrap for Aborts {
    fn wrap<P: Port + ?Sized>(&self, port: Arc<P>) -> Arc<P> {
        let failed = Arc::clone(&self.0);
        faulty(port, move |port, call: P::Call| {
            let failed = Arc::clone(&failed);
            async move {
                if failed.load(Ordering::SeqCst) {
                    return Err(aborted());
                }
                let answer = port.call(call).await;
                failed.store(answer.is_err(), Ordering::SeqCst);
                answer
            }
        })
    }
}

#[async_trait]
impl Fault for Aborts {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        self.0 = Arc::default();
        *inside = inside.wrapped(self);
    }

    async fn commit(&self, inner: Box<dyn PortsTransaction>) -> PortResult<()> {
        if self.0.load(Ordering::SeqCst) {
            return Err(aborted());
        }
        inner.commit().await
    }
}

/// A call that meets another one answers, and does nothing.
#[derive(Clone, Default)]
struct LosesOneOfTwo;

impl Fault for LosesOneOfTwo {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        let running = Arc::new(AtomicBool::new(false));
        inside.session = inside.session.take().map(|port| {
            faulty(port, move |port, call| {
                let running = Arc::clone(&running);
                async move {
                    if let (true, Some(apart)) = (running.swap(true, Ordering::SeqCst), apart()) {
                        return apart.call(call).await;
                    }
                    for _ in 0..16 {
                        yield_now().await;
                    }
                    let answer = port.call(call).await;
                    running.store(false, Ordering::SeqCst);
                    answer
                }
            })
        });
    }
}

/// What is written in other tenants than the first is forgotten.
#[derive(Clone, Default)]
struct OneTenant;

impl Fault for OneTenant {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        let (first, elsewhere) = (Arc::new(Mutex::new(None::<TenantId>)), apart());
        inside.session = inside.session.take().map(|port| {
            faulty(port, move |port, mut call| {
                let is_first = match call.tenant_mut() {
                    Some(tenant) => lock(&first).get_or_insert_with(|| tenant.clone()) == tenant,
                    None => true,
                };
                let port = match (&elsewhere, is_first) {
                    (Some(elsewhere), false) => Arc::clone(elsewhere),
                    _ => port,
                };
                async move { port.call(call).await }
            })
        });
    }
}

/// Links identifiers in a second step, and undoes nothing when it is dropped before that.
#[derive(Clone, Default)]
struct HalfCalls;

impl Fault for HalfCalls {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        inside.identity = inside.identity.take().map(|port| {
            faulty(port, |store, call| async move {
                let IdentityStoreCall::Create {
                    tenant,
                    identity,
                    now,
                } = call
                else {
                    return store.call(call).await;
                };
                let bare = NewIdentity {
                    identifiers: Vec::new(),
                    ..identity.clone()
                };
                let mut stored = store.create(&tenant, bare, now).await?;
                for identifier in identity.identifiers {
                    yield_now().await;
                    stored = store.link(&tenant, &stored.id, identifier, now).await?;
                }
                Ok(IdentityStoreAnswer::Create(stored))
            })
        });
    }
}

/// What did not come to its end leaves its sessions.
#[derive(Clone, Default)]
struct LosersWrite {
    log: Log<<dyn SessionStore as Port>::Call>,
    outside: Option<Arc<dyn SessionStore>>,
}

#[async_trait]
impl Fault for LosersWrite {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        self.log = Arc::default();
        self.outside.clone_from(&outside.session);
        inside.session = inside.session.take().map(|port| logged(port, &self.log));
    }

    async fn commit(&self, inner: Box<dyn PortsTransaction>) -> PortResult<()> {
        let committed = inner.commit().await;
        if committed.is_err() {
            replay(&self.outside, &self.log).await;
        }
        committed
    }

    async fn rollback(&self, inner: Box<dyn PortsTransaction>) {
        inner.rollback().await;
        replay(&self.outside, &self.log).await;
    }
}

/// Writes once more what met others, over what they wrote.
#[derive(Clone, Default)]
struct LastOneWins {
    log: Log<<dyn PolicyStore as Port>::Call>,
    outside: Option<Arc<dyn PolicyStore>>,
}

#[async_trait]
impl Fault for LastOneWins {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        self.log = Arc::default();
        self.outside.clone_from(&outside.policies);
        inside.policies = inside.policies.take().map(|port| logged(port, &self.log));
    }

    async fn commit(&self, inner: Box<dyn PortsTransaction>) -> PortResult<()> {
        match inner.commit().await {
            Err(PortError::Stale(_)) => {
                replay(&self.outside, &self.log).await;
                Ok(())
            }
            committed => committed,
        }
    }
}

/// Commits the sessions after all others.
#[derive(Clone, Default)]
struct TwoSteps {
    log: Log<<dyn SessionStore as Port>::Call>,
    outside: Option<Arc<dyn SessionStore>>,
}

#[async_trait]
impl Fault for TwoSteps {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        self.log = Arc::default();
        self.outside.clone_from(&outside.session);
        inside.session = apart().map(|port| logged(port, &self.log));
    }

    async fn commit(&self, inner: Box<dyn PortsTransaction>) -> PortResult<()> {
        inner.commit().await?;
        yield_now().await;
        replay(&self.outside, &self.log).await;
        Ok(())
    }
}
