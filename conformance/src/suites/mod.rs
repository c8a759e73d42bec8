//! The suites: one folder a port, which reads as that port's contract.

use std::sync::Arc;

use portproof_ports::Ports;

use crate::{Failure, Suite};

mod assignments;
mod codes;
mod credentials;
pub(crate) mod fixture;
mod identity;
mod keystore;
pub(crate) mod lists;
mod policies;
mod refresh_tokens;
mod session;
mod tenants;

/// The suites of all core ports.
#[must_use]
pub fn core() -> Vec<Suite<Ports>> {
    vec![
        identity::suite(),
        session::suite(),
        credentials::suite(),
        keystore::suite(),
        policies::suite(),
        assignments::suite(),
    ]
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
    vec![codes::suite(), refresh_tokens::suite()]
}

/// The suites of the ports that an engine of many customers needs.
#[must_use]
pub fn directory() -> Vec<Suite<Ports>> {
    vec![tenants::suite()]
}

/// The suites of the ports that keep what happened.
#[must_use]
pub fn audit() -> Vec<Suite<Ports>> {
    vec![]
}

/// The port, which the target's manifest claims.
pub(crate) fn offered<P: ?Sized>(name: &str, port: Option<&Arc<P>>) -> Result<Arc<P>, Failure> {
    port.cloned().ok_or_else(|| {
        Failure::new(format!(
            "the manifest claims the port `{name}`, but the adapter does not offer it"
        ))
    })
}
