//! Probes: one record of each port, to be written and looked at inside and outside of transactions.
//!
//! A port that comes to the bundle gets a probe, and with it all rules of this suite.

use std::fmt;

use portproof_ports::{
    ErrorKind, PageRequest, PortError, PortResult, Ports, TenantId, async_trait,
};

/// The port of this name in the bundle.
macro_rules! port {
    ($ports:ident.$name:ident) => {
        $ports
            .$name
            .as_ref()
            .ok_or(PortError::Unsupported(stringify!($name).into()))?
    };
}

mod assignments;
mod codes;
mod credentials;
mod entities;
mod events;
mod identity;
mod keystore;
mod organizations;
mod outbox;
mod policies;
mod refresh_tokens;
mod relationships;
mod session;
mod tenants;

pub(super) use identity::address;
pub(crate) use policies::role;

use assignments::Assignments;
use codes::Codes;
use credentials::Credentials;
use entities::Entities;
use events::Events;
use identity::Identities;
use keystore::Keys;
use organizations::Organizations;
use outbox::Items;
use policies::Policies;
use refresh_tokens::RefreshTokens;
use relationships::Relationships;
use session::Sessions;
use tenants::Tenants;

use crate::fixture::document;

/// What is seen of a record, in each way that its port has of looking: by its id, by what finds it,
/// in a list. All of them see it, or none does.
pub(crate) type Views = Vec<Option<String>>;

/// How to write a port's record of some name, and how to see it.
#[async_trait]
pub(crate) trait Probe: Send + Sync {
    /// The name of the port.
    fn port(&self) -> &'static str;

    /// Stores the record.
    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()>;

    /// Makes a call that is refused because of what is stored, when the record of this name is;
    /// answers what it answered, and what it should.
    async fn refused(
        &self,
        ports: &Ports,
        tenant: &TenantId,
        name: &str,
    ) -> (PortResult<()>, ErrorKind) {
        let answer = self.write(ports, tenant, name).await;
        (answer, ErrorKind::AlreadyExists)
    }

    /// Looks at the record.
    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views>;
}

/// The probes of all ports.
pub(crate) const PROBES: &[&dyn Probe] = &[
    &Identities,
    &Sessions,
    &Credentials,
    &Keys,
    &Policies,
    &Assignments,
    &Codes,
    &RefreshTokens,
    &Entities,
    &Events,
    &Relationships,
    &Organizations,
    &Items,
    &Tenants,
];

fn shown<T: fmt::Debug>(record: Option<T>) -> Option<String> {
    record.map(|record| format!("{record:?}"))
}

/// A document for a record; no name makes one that is refused.
fn data(name: &str) -> PortResult<portproof_ports::Document> {
    document(name).map_err(|_| PortError::refused("document", "is not one"))
}

fn all() -> PortResult<PageRequest> {
    Ok(PageRequest::first(1000)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_a_probe() {
        let mut probed: Vec<&str> = PROBES.iter().map(|probe| probe.port()).collect();
        probed.push("transactions");
        assert_eq!(probed, Ports::NAMES);
    }
}
