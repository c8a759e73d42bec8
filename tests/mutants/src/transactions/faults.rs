//! The faults, each after what it does to a transaction or to the ports inside of it.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    thread,
};

use portproof::mutants::faulty;
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    IdentityStoreAnswer, IdentityStoreCall, NewIdentity, PolicyStore, Port, PortCall, PortError,
    PortResult, Ports, PortsTransaction, SessionStore, SessionStoreAnswer, TenantId, UniqueKey,
    UniqueScope, Wrap, async_trait,
};
use tokio::task::yield_now;

use super::Fault;
use crate::entities::with_keys;

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
pub(super) struct ForgetsAPort;

impl Fault for ForgetsAPort {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        inside.session = apart();
    }
}

#[derive(Clone, Default)]
pub(super) struct OneOutside;

impl Fault for OneOutside {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        inside.identity.clone_from(&outside.identity);
    }
}

/// What is to be told is put outside: it is told of what was undone.
#[derive(Clone, Default)]
pub(super) struct ItemsOutside;

impl Fault for ItemsOutside {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        inside.outbox.clone_from(&outside.outbox);
    }
}

#[derive(Clone, Default)]
pub(super) struct CommitsErrors;

#[async_trait]
impl Fault for CommitsErrors {
    async fn rollback(&self, inner: Box<dyn PortsTransaction>) {
        commit_now(inner);
    }
}

#[derive(Clone, Default)]
pub(super) struct CommitsPanics;

impl Fault for CommitsPanics {
    fn drops(&self, inner: Box<dyn PortsTransaction>) {
        if thread::panicking() {
            commit_now(inner);
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct CommitsDrops;

impl Fault for CommitsDrops {
    fn drops(&self, inner: Box<dyn PortsTransaction>) {
        if !thread::panicking() {
            commit_now(inner);
        }
    }
}

/// After the end of a transaction its ports are those outside.
#[derive(Clone, Default)]
pub(super) struct GoesOn;

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

/// After the end of a transaction its sessions are ready for more.
#[derive(Clone, Default)]
pub(super) struct StaysReady;

impl Fault for StaysReady {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        inside.session = inside.session.take().map(|port| {
            faulty(port, |port, call| async move {
                if call.method() == "ready" {
                    return Ok(SessionStoreAnswer::Ready(()));
                }
                port.call(call).await
            })
        });
    }
}

/// As if each that was not committed kept one of sixteen connections.
#[derive(Clone, Default)]
pub(super) struct Leaks(Arc<AtomicUsize>);

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

/// All ports inside are those outside.
#[derive(Clone, Default)]
pub(super) struct NoneAtAll;

impl Fault for NoneAtAll {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        *inside = outside.clone();
        inside.transactions = None;
    }
}

/// Inside nothing is unique over all tenants.
#[derive(Clone, Default)]
pub(super) struct OwnKeysOnly;

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
pub(super) struct LacksAPort;

impl Fault for LacksAPort {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        inside.keystore = None;
    }
}

#[derive(Clone, Default)]
pub(super) struct Nests;

impl Fault for Nests {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        inside.transactions.clone_from(&outside.transactions);
    }
}

/// After an error nothing goes any more.
#[derive(Clone, Default)]
pub(super) struct Aborts(Arc<AtomicBool>);

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
pub(super) struct LosesOneOfTwo;

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
pub(super) struct OneTenant;

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
pub(super) struct HalfCalls;

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
pub(super) struct LosersWrite {
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
pub(super) struct LastOneWins {
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
pub(super) struct TwoSteps {
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
