//! Made-up calls on tenants, all but the list: it answers the tenants of others, too.

use std::sync::Arc;

use portproof_ports::{Ports, TenantDraft, TenantId, TenantStore, TenantStoreCall};
use proptest::strategy::BoxedStrategy;

use super::{Few, Random, Size, Small, calls, small, small::one_of};

impl Small for TenantDraft {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; TenantDraft { name, settings } }
    }
}

impl Random for TenantStoreCall {
    type Port = dyn TenantStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.tenants.as_ref()
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        let steps = calls! { size;
            6 Create { tenant, draft, now }
            3 Get { tenant }
            8 Update { tenant, expected, draft, now }
        };
        // A purge need not be one step.
        let purge = small! { size; Self::Purge { tenant, at_most } };
        if size.in_turn {
            one_of(vec![(17, steps), (3, purge)])
        } else {
            steps
        }
    }

    fn looks(size: Size) -> Vec<Self> {
        let tenants = TenantId::few(size).into_iter();
        tenants.map(|tenant| Self::Get { tenant }).collect()
    }
}
