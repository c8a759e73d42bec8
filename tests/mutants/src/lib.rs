//! Mutants of the reference adapter: each breaks one rule, and that rule's case must notice.
//!
//! One file a port, and one for writes that are dropped half way. A mutant is a few lines over the right adapter and is named after what it
//! breaks; the ones that re-enact a real bug name it.

use std::sync::{Arc, Mutex, PoisonError};

use portproof::{
    Manifest, Opened, Profile, Selection, Target, catalogue,
    mutants::{Mutant, faulty},
};
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    Handler, KeyStore, KeyStoreAnswer, KeyStoreCall, Port, PortCall, PortError, PortResult, Ports,
    Wrap, async_trait,
};

mod assignments;
mod cancelled;
mod clocks;
mod codes;
mod credentials;
mod edits;
mod entities;
mod events;
mod identity;
mod keystore;
mod organizations;
mod outbox;
mod policies;
mod random;
mod refresh_tokens;
mod relationships;
mod session;
mod tenants;
mod transactions;

/// All mutants of all ports.
#[must_use]
pub fn all() -> Vec<Mutant<Ports>> {
    [
        identity::mutants(),
        session::mutants(),
        credentials::mutants(),
        keystore::mutants(),
        policies::mutants(),
        assignments::mutants(),
        random::mutants(),
        clocks::mutants(),
        cancelled::mutants(),
        codes::mutants(),
        refresh_tokens::mutants(),
        entities::mutants(),
        events::mutants(),
        relationships::mutants(),
        organizations::mutants(),
        outbox::mutants(),
        tenants::mutants(),
        transactions::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The rules to run on a mutant to see all that notice it: those of its port, and of the ports that
/// an operation of the contract reaches into.
#[must_use]
pub fn related(mutant: &Mutant<Ports>) -> Selection {
    let ports: &[&str] = match mutant.breaks.split("::").next().unwrap_or_default() {
        "policies" | "assignments" => &["policies", "assignments"],
        other => &[other],
    };
    Selection {
        ports: ports.iter().map(ToString::to_string).collect(),
        ..Selection::default()
    }
}

/// The rule that a mutant is made for, and no other.
#[must_use]
pub fn its_rule(mutant: &Mutant<Ports>) -> Selection {
    Selection {
        rules: vec![mutant.breaks.to_owned()],
        ..Selection::default()
    }
}

/// What mutants are made of besides the reference, without a fault: right, or they would prove
/// nothing.
#[must_use]
pub fn unfaulted() -> Vec<Mutant<Ports>> {
    outbox::unfaulted()
}

/// The reference adapter as a target with all hooks, so that every rule applies: reopening it gives
/// the same store, and its dump holds what an adapter may keep in clear of a key.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    memory: MemoryAdapter,
    rests: Arc<Mutex<Vec<u8>>>,
}

impl Reference {
    fn ports(&self) -> Ports {
        let mut ports = self.memory.ports();
        ports.keystore = ports.keystore.map(|inner| {
            <dyn KeyStore>::via(Arc::new(Resting {
                inner,
                rests: Arc::clone(&self.rests),
            }))
        });
        ports
    }
}

#[async_trait]
impl Target for Reference {
    fn manifest(&self) -> Manifest {
        Manifest::new("reference").profiles(Profile::ALL)
    }

    async fn open(&self) -> Opened<Ports> {
        Ok(self.ports())
    }

    async fn reopen(&self) -> Option<Opened<Ports>> {
        Some(Ok(self.ports()))
    }

    async fn dump(&self) -> Option<Opened<Vec<u8>>> {
        let rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Ok(rests.clone()))
    }
}

/// What a target may lack of a port, with the methods that it is about.
const CAPABILITIES: &[(&str, &[&str])] = &[
    ("identity.merge", &["merge"]),
    ("credentials.policy", &["policy", "set_policy"]),
    ("keystore.reseal", &["reseal"]),
    ("assignments.move_scope", &["move_scope"]),
    ("assignments.next_change", &["next_change"]),
];

/// The reference adapter as a target that disclaims every capability that can be disclaimed: the
/// methods answer that they are not supported, and the rules about that apply.
#[derive(Clone, Debug, Default)]
pub struct Modest(Reference);

#[async_trait]
impl Target for Modest {
    fn manifest(&self) -> Manifest {
        let rules = catalogue();
        let known = |capability| rules.iter().any(|rule| rule.capability == Some(capability));
        CAPABILITIES
            .iter()
            .filter(|(capability, _)| known(*capability))
            .fold(
                Reference::default().manifest().renamed("modest"),
                |manifest, (capability, _)| {
                    manifest.lacks(*capability, "to show how it is refused")
                },
            )
    }

    async fn open(&self) -> Opened<Ports> {
        Ok(self.0.ports().wrapped(&Refuse))
    }

    async fn reopen(&self) -> Option<Opened<Ports>> {
        Some(self.open().await)
    }

    async fn dump(&self) -> Option<Opened<Vec<u8>>> {
        self.0.dump().await
    }
}

/// Refuses the methods of every capability.
#[derive(Clone)]
struct Refuse;

impl Wrap for Refuse {
    fn wrap<P: Port + ?Sized>(&self, port: Arc<P>) -> Arc<P> {
        faulty(port, |port, call| async move {
            let refused = |(capability, methods): &(&'static str, &[&str])| {
                let of_port = capability.split('.').next() == Some(P::NAME);
                of_port && methods.contains(&call.method())
            };
            match CAPABILITIES.iter().find(|entry| refused(entry)) {
                Some((capability, _)) => Err(PortError::Unsupported((*capability).into())),
                None => port.call(call).await,
            }
        })
    }
}

/// Notes what rests of each key: its id and its public part.
struct Resting {
    inner: Arc<dyn KeyStore>,
    rests: Arc<Mutex<Vec<u8>>>,
}

#[async_trait]
impl Handler<KeyStoreCall> for Resting {
    async fn handle(&self, call: KeyStoreCall) -> PortResult<KeyStoreAnswer> {
        if let KeyStoreCall::Insert { key, .. } = &call {
            let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
            rests.extend(key.id.as_str().bytes());
            rests.extend(key.public.to_json().bytes());
        }
        self.inner.call(call).await
    }
}
