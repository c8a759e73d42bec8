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

type Looker = for<'a> fn(&'a Ports, &'a TenantId) -> CaseFuture<'a, Result<Vec<String>, Failure>>;

macro_rules! lookers {
    ($($port:literal: $call:ty;)*) => {
        /// How to look at each port; that none is missing is a test of this file.
        const LOOKERS: &[(&str, Looker)] = &[$(
            ($port, |ports, tenant| Box::pin(look_at::<$call>(ports, tenant))),
        )*];
    };
}

lookers! {
    "identity": IdentityStoreCall;
    "session": SessionStoreCall;
    "credentials": CredentialStoreCall;
    "keystore": KeyStoreCall;
    "policies": PolicyStoreCall;
    "assignments": AssignmentStoreCall;
    "codes": CodeStoreCall;
    "refresh_tokens": RefreshTokenStoreCall;
    "entities": EntityStoreCall;
    "events": EventStoreCall;
    "relationships": RelationshipStoreCall;
    "organizations": OrganizationStoreCall;
    "outbox": OutboxStoreCall;
    "tenants": TenantStoreCall;
}

/// Looks at everything that a tenant has in the ports that are offered.
///
/// # Errors
///
/// When a read fails, or a port is offered that nobody knows how to look at.
pub async fn looked(ports: &Ports, tenant: &TenantId) -> Result<Look, Failure> {
    let mut look = Look::new();
    for port in ports.offered() {
        // No port: what is done in them is seen in the ports.
        if port == "transactions" {
            continue;
        }
        let looker = LOOKERS.iter().find(|(name, _)| *name == port);
        let (_, looker) =
            looker.ok_or_else(|| Failure::new(format!("nobody knows how to look at {port}")))?;
        look.push((port, looker(ports, tenant).await?));
    }
    Ok(look)
}

async fn look_at<C: Random>(ports: &Ports, tenant: &TenantId) -> Result<Vec<String>, Failure> {
    let size = Size {
        tenants: 1,
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
        let mut known: Vec<&str> = LOOKERS.iter().map(|(port, _)| *port).collect();
        known.push("transactions");
        assert_eq!(known, Ports::NAMES);
    }
}
