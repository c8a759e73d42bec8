//! A look at everything that a tenant of a small world has, in every port.

use portproof_ports::{
    AssignmentStoreCall, CodeStoreCall, CredentialStoreCall, EntityStoreCall, EventStoreCall,
    IdentityStoreCall, KeyStoreCall, OrganizationStoreCall, OutboxStoreCall, PolicyStoreCall,
    PortError, Ports, RefreshTokenStoreCall, RelationshipStoreCall, SessionStoreCall, TenantId,
    TenantStoreCall,
};

use super::{Calls, Random, Size, settle, walk};
use crate::{Failure, case::CaseFuture};

/// Of each port that is offered what its reads answer, one line a call.
pub type Look = Vec<(&'static str, Vec<String>)>;

type Looker =
    for<'a> fn(&'a Ports, &'a TenantId, usize) -> CaseFuture<'a, Result<Vec<String>, Failure>>;

macro_rules! lookers {
    ($($port:literal: $call:ty, $ids:literal;)*) => {
        /// How to look at each port, and at how many ids of a kind: those that a tenant is filled
        /// with. That none is missing is a test of this file.
        const LOOKERS: &[(&str, Looker, usize)] = &[$(
            ($port, |ports, tenant, ids| Box::pin(look_at::<$call>(ports, tenant, ids)), $ids),
        )*];
    };
}

lookers! {
    "identity": IdentityStoreCall, 2;
    "session": SessionStoreCall, 2;
    "credentials": CredentialStoreCall, 2;
    "keystore": KeyStoreCall, 3;
    "policies": PolicyStoreCall, 2;
    "assignments": AssignmentStoreCall, 2;
    "codes": CodeStoreCall, 2;
    "refresh_tokens": RefreshTokenStoreCall, 2;
    "entities": EntityStoreCall, 2;
    "events": EventStoreCall, 3;
    "relationships": RelationshipStoreCall, 4;
    "organizations": OrganizationStoreCall, 3;
    "outbox": OutboxStoreCall, 4;
    "tenants": TenantStoreCall, 1;
}

/// Looks at everything that a tenant has in the ports that are offered.
///
/// # Errors
///
/// When a read fails, or a port is offered that nobody knows how to look at.
pub async fn looked(ports: &Ports, tenant: &TenantId) -> Result<Look, Failure> {
    looked_as_far(ports, tenant, |ids| ids).await
}

/// The same at as many ids of each kind as `far` makes of those that a tenant is filled with.
///
/// # Errors
///
/// As [`looked`].
pub async fn looked_as_far(
    ports: &Ports,
    tenant: &TenantId,
    far: fn(usize) -> usize,
) -> Result<Look, Failure> {
    let mut look = Look::new();
    for port in ports.offered() {
        // No port: what is done in them is seen in the ports.
        if port == "transactions" {
            continue;
        }
        let looker = LOOKERS.iter().find(|(name, ..)| *name == port);
        let (_, looker, ids) =
            looker.ok_or_else(|| Failure::new(format!("nobody knows how to look at {port}")))?;
        look.push((port, looker(ports, tenant, far(*ids)).await?));
    }
    Ok(look)
}

async fn look_at<C: Random>(
    ports: &Ports,
    tenant: &TenantId,
    ids: usize,
) -> Result<Vec<String>, Failure> {
    let size = Size {
        tenants: 1,
        ids,
        ..Size::SEQUENCE
    };
    let mut lines = Vec::new();
    for call in <C as Calls>::looks(size) {
        let call = settle(call, std::slice::from_ref(tenant));
        for answer in walk(ports, call.clone()).await {
            match answer {
                Ok(answer) => lines.push(format!("{}: {answer:?}", call.method())),
                // Disclaimed: nobody can have stored anything there.
                Err(PortError::Unsupported(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_can_be_looked_at() {
        let mut known: Vec<&str> = LOOKERS.iter().map(|(port, ..)| *port).collect();
        known.push("transactions");
        assert_eq!(known, Ports::NAMES);
    }
}
