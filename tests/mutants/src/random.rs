//! Mutants for the rules about made-up calls: two faults that every port can have.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{Port, PortCall, PortResult, Ports};
use tokio::sync::OnceCell;

use crate::edits::Slot;

/// For each port: what breaks its calls in turn, and what breaks its calls at once.
pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    macro_rules! of_ports {
        ($($port:literal $field:ident),* $(,)?) => {
            [$(
                forgetful(
                    concat!($port, "::a_cache_that_nobody_clears"),
                    concat!($port, "::random::calls_in_turn"),
                    |ports| &mut ports.$field,
                ),
                mixed_up(
                    concat!($port, "::answers_are_mixed_up"),
                    concat!($port, "::random::calls_at_once"),
                    |ports| &mut ports.$field,
                ),
            )*].into()
        };
    }
    of_ports![
        "identity" identity,
        "session" session,
        "credentials" credentials,
        "keystore" keystore,
        "policies" policies,
        "assignments" assignments,
        "codes" codes,
        "refresh_tokens" refresh_tokens,
        "entities" entities,
        "events" events,
        "relationships" relationships,
        "organizations" organizations,
        "outbox" outbox,
        "tenants" tenants,
    ]
}

type Outcome<P> = PortResult<<<P as Port>::Call as PortCall>::Answer>;

/// What writes to a record, and not what reads it, is kept from a cache that is asked first.
fn forgetful<P: Port + ?Sized>(
    id: &'static str,
    breaks: &'static str,
    slot: Slot<P>,
) -> Mutant<Ports> {
    const READS: [&str; 15] = [
        "get",
        "peek",
        "find",
        "list",
        "active",
        "history",
        "grants_of",
        "roles_of",
        "attributes",
        "policy",
        "exists",
        "from",
        "member",
        "organizations_of",
        "invitation",
    ];
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        let cache: Arc<Mutex<BTreeMap<String, Outcome<P>>>> = Arc::default();
        let port = slot(&mut ports);
        *port = port.take().map(|port| {
            faulty(port, move |port, call: P::Call| {
                let cache = Arc::clone(&cache);
                async move {
                    if !READS.iter().any(|read| call.method().starts_with(read)) {
                        return port.call(call).await;
                    }
                    let key = format!("{call:?}");
                    let cached = lock(&cache).get(&key).cloned();
                    match cached {
                        Some(answer) => answer,
                        None => {
                            let answer = port.call(call).await;
                            lock(&cache).insert(key, answer.clone());
                            answer
                        }
                    }
                }
            })
        });
        ports
    })
}

/// Of calls of one method that run at once, each gets the answer of the first.
fn mixed_up<P: Port + ?Sized>(
    id: &'static str,
    breaks: &'static str,
    slot: Slot<P>,
) -> Mutant<Ports> {
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        type Running<P> = BTreeMap<&'static str, Arc<OnceCell<Outcome<P>>>>;
        let running: Arc<Mutex<Running<P>>> = Arc::default();
        let port = slot(&mut ports);
        *port = port.take().map(|port| {
            faulty(port, move |port, call: P::Call| {
                let running = Arc::clone(&running);
                async move {
                    let method = call.method();
                    let cell = Arc::clone(lock(&running).entry(method).or_default());
                    let answer = cell.get_or_init(|| async {
                        for _ in 0..4 {
                            tokio::task::yield_now().await;
                        }
                        let answer = port.call(call).await;
                        lock(&running).remove(method);
                        answer
                    });
                    answer.await.clone()
                }
            })
        });
        ports
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
