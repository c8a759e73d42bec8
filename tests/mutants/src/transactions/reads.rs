//! The faults of what is seen inside of a transaction.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use portproof::mutants::faulty;
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    Port, PortCall, PortError, PortResult, Ports, PortsTransaction, SessionStoreAnswer, async_trait,
};

use super::Fault;

#[derive(Clone, Default)]
pub(super) struct ReadsOutside;

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

/// What is not stored inside is looked for outside.
#[derive(Clone, Default)]
pub(super) struct SeesOthers;

impl Fault for SeesOthers {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        let outside = outside.session.clone();
        inside.session = inside.session.take().map(|port| {
            faulty(port, move |port, call| {
                let outside = outside.clone();
                async move {
                    match (port.call(call.clone()).await, outside) {
                        (Ok(SessionStoreAnswer::Get(None)), Some(outside)) => {
                            outside.call(call).await
                        }
                        (answer, _) => answer,
                    }
                }
            })
        });
    }
}

/// Whatever is done inside, the list of tenants is that outside.
#[derive(Clone, Default)]
pub(super) struct ListsOutside;

impl Fault for ListsOutside {
    fn inside(&mut self, outside: &Ports, inside: &mut Ports) {
        list_tenants_of(outside, inside);
    }
}

/// Inside no tenants are listed.
#[derive(Clone, Default)]
pub(super) struct ListsNone;

impl Fault for ListsNone {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        list_tenants_of(&MemoryAdapter::new().ports(), inside);
    }
}

/// Whoever has looked at the list of tenants is told that others were faster.
#[derive(Clone, Default)]
pub(super) struct LosesListers(Arc<AtomicBool>);

#[async_trait]
impl Fault for LosesListers {
    fn inside(&mut self, _outside: &Ports, inside: &mut Ports) {
        self.0 = Arc::default();
        let listed = Arc::clone(&self.0);
        inside.tenants = inside.tenants.take().map(|port| {
            faulty(port, move |port, call| {
                listed.fetch_or(call.method() == "list", Ordering::SeqCst);
                async move { port.call(call).await }
            })
        });
    }

    async fn commit(&self, inner: Box<dyn PortsTransaction>) -> PortResult<()> {
        if self.0.load(Ordering::SeqCst) {
            return Err(PortError::lost_transaction());
        }
        inner.commit().await
    }
}

/// Lists these ports' tenants inside.
fn list_tenants_of(ports: &Ports, inside: &mut Ports) {
    let listed = ports.tenants.clone();
    inside.tenants = inside.tenants.take().map(|port| {
        faulty(port, move |port, call| {
            let port = match &listed {
                Some(listed) if call.method() == "list" => Arc::clone(listed),
                _ => port,
            };
            async move { port.call(call).await }
        })
    });
}
