//! The suites: one folder a port, which reads as that port's contract.

use std::sync::Arc;

use portproof_ports::Ports;

use crate::{CauseKind, Failure, Suite};

mod assignments;
mod codes;
mod credentials;
mod entities;
mod events;
pub(crate) mod fixture;
mod identity;
mod keystore;
pub(crate) mod lists;
mod organizations;
mod outbox;
mod policies;
mod preflight;
mod refresh_tokens;
mod relationships;
mod session;
mod tenants;
mod transactions;
mod typed;

pub use typed::{Sample, SampleEntity, document_suite, entity_suite};

/// The suites of all core ports, and of transactions over whatever ports there are.
#[must_use]
pub fn core() -> Vec<Suite<Ports>> {
    begun([
        identity::suite(),
        session::suite(),
        credentials::suite(),
        keystore::suite(),
        policies::suite(),
        assignments::suite(),
        transactions::suite(),
    ])
}

/// The suites, each with the rule that runs before its others.
fn begun<const N: usize>(suites: [Suite<Ports>; N]) -> Vec<Suite<Ports>> {
    suites.into_iter().map(preflight::first).collect()
}

/// The suites of all ports, whatever their profile.
#[must_use]
pub fn all() -> Vec<Suite<Ports>> {
    let mut suites = core();
    suites.extend(oauth());
    suites.extend(directory());
    suites.extend(audit());
    suites
}

/// The suites of the ports that an authorization server needs besides.
#[must_use]
pub fn oauth() -> Vec<Suite<Ports>> {
    begun([codes::suite(), refresh_tokens::suite(), entities::suite()])
}

/// The suites of the ports that an engine of many customers needs.
#[must_use]
pub fn directory() -> Vec<Suite<Ports>> {
    begun([
        relationships::suite(),
        organizations::suite(),
        tenants::suite(),
    ])
}

/// The suites of the ports that keep what happened.
#[must_use]
pub fn audit() -> Vec<Suite<Ports>> {
    begun([events::suite(), outbox::suite()])
}

/// The port, which the target's manifest claims.
pub(crate) fn offered<P: ?Sized>(name: &str, port: Option<&Arc<P>>) -> Result<Arc<P>, Failure> {
    port.cloned().ok_or_else(|| {
        Failure::new(format!(
            "the manifest claims the port `{name}`, but the adapter does not offer it"
        ))
        .because_of(CauseKind::MissingPort, name)
    })
}
