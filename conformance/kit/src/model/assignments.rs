//! Made-up calls on grants and attributes, and on the roles that grants name.

use std::sync::Arc;

use portproof_ports::{
    AssignmentStore, AssignmentStoreAnswer, AssignmentStoreCall, AttributeChange, Cursor, Expected,
    GrantScope, NewGrant, PageRequest, PolicyStoreAnswer, PolicyStoreCall, PortAnswer, PortCall,
    PortFuture, Ports, Revocation, RoleDraft, RoleId, Scope, SubjectId, TenantId, Text, Timestamp,
    Which, Window,
};
use proptest::strategy::{BoxedStrategy, Strategy};

use super::{
    Calls, Few, Random, Size, Small, calls, small,
    small::{just, of, one_of, pages},
};
use crate::{Checked, fixture::START};

impl Few for GrantScope {
    fn few(size: Size) -> Vec<Self> {
        let scopes = Scope::few(size).into_iter().map(Self::Scoped);
        [Self::Global].into_iter().chain(scopes).collect()
    }
}

impl Few for Window {
    const EVEN: bool = true;

    fn few(size: Size) -> Vec<Self> {
        let mut all = vec![Self::ALWAYS];
        for instant in Timestamp::few(size) {
            all.extend(Self::new(None, Some(instant)));
            all.extend(Self::new(Some(instant), None));
            all.extend(Self::new(Some(START), Some(instant)));
        }
        all
    }
}

impl Small for NewGrant {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; NewGrant { subject, role, scope, window } }
    }
}

impl Small for Which {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (1, just(Self::Global)),
            (2, of(size, Self::Scoped)),
            (1, just(Self::Every)),
        ])
    }
}

impl Small for Revocation {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; Revocation { subject, role, which } }
    }
}

impl Small for AttributeChange {
    fn small(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![(2, of(size, Self::Set)), (1, just(Self::Clear))])
    }
}

impl Random for AssignmentStoreCall {
    type Port = dyn AssignmentStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.assignments.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Assign { tenant, grant, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        calls! { size;
            8 Assign { tenant, grant, now }
            3 AssignMany { tenant, grants, now }
            2 Revoke { tenant, subject, role, which }
            1 RevokeMany { tenant, revocations }
            3 MoveScope { tenant, subject, role, from, to }
            1 GrantsOf { tenant, subject, page }
            1 HoldersOf { tenant, role, page }
            2 RolesOf { tenant, subject, scope, now, page }
            2 NextChange { tenant, subject, now }
            1 Attributes { tenant, subject }
            4 MergeAttributes { tenant, subject, changes }
            1 Forget { tenant, subject }
        }
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            let tenant = || tenant.clone();
            for (subject, page) in SubjectId::few(size).into_iter().zip(pages(size)) {
                looks.push(Self::Attributes {
                    tenant: tenant(),
                    subject: subject.clone(),
                });
                looks.push(Self::GrantsOf {
                    tenant: tenant(),
                    subject,
                    page,
                });
            }
            for (role, page) in RoleId::few(size).into_iter().zip(pages(size)) {
                looks.push(Self::HoldersOf {
                    tenant: tenant(),
                    role,
                    page,
                });
            }
        }
        looks
    }
}

/// A call on grants, or one that makes or ends a role.
#[derive(Clone, Debug)]
pub enum Authorization {
    /// On grants and attributes.
    Grants(AssignmentStoreCall),
    /// On policies and roles.
    Roles(PolicyStoreCall),
}

/// What such a call answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Authorized {
    Grants(AssignmentStoreAnswer),
    Roles(PolicyStoreAnswer),
}

fn save_role(size: Size) -> BoxedStrategy<Authorization> {
    let role = (RoleId::small(size), Text::small(size)).prop_map(|(id, name)| RoleDraft {
        id,
        name,
        description: None,
        permissions: Vec::new(),
        inherits: None,
        scope: None,
        metadata: None,
    });
    (TenantId::small(size), role, Timestamp::small(size))
        .prop_map(|(tenant, role, now)| {
            Authorization::Roles(PolicyStoreCall::SaveRole {
                tenant,
                expected: Expected::Anything,
                role,
                now,
            })
        })
        .boxed()
}

impl Calls for Authorization {
    type Answer = Authorized;

    fn offered(ports: &Ports) -> Checked {
        <PolicyStoreCall as Calls>::offered(ports)?;
        <AssignmentStoreCall as Calls>::offered(ports)
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        let grants = <AssignmentStoreCall as Random>::begins(size).prop_map(Self::Grants);
        one_of(vec![(1, save_role(size)), (1, grants.boxed())])
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        let delete = (TenantId::small(size), RoleId::small(size))
            .prop_map(|(tenant, id)| PolicyStoreCall::DeleteRole { tenant, id });
        one_of(vec![
            (
                6,
                <AssignmentStoreCall as Random>::any(size)
                    .prop_map(Self::Grants)
                    .boxed(),
            ),
            (3, save_role(size)),
            (1, delete.prop_map(Self::Roles).boxed()),
        ])
    }

    fn looks(size: Size) -> Vec<Self> {
        let looks = <AssignmentStoreCall as Random>::looks(size);
        looks.into_iter().map(Self::Grants).collect()
    }

    fn tenant_mut(&mut self) -> Option<&mut TenantId> {
        match self {
            Self::Grants(call) => PortCall::tenant_mut(call),
            Self::Roles(call) => PortCall::tenant_mut(call),
        }
    }

    fn page_mut(&mut self) -> Option<&mut PageRequest> {
        match self {
            Self::Grants(call) => PortCall::page_mut(call),
            Self::Roles(call) => PortCall::page_mut(call),
        }
    }

    fn take_next(answer: &mut Authorized) -> Option<Cursor> {
        match answer {
            Authorized::Grants(answer) => answer.take_next(),
            Authorized::Roles(answer) => answer.take_next(),
        }
    }

    fn run(self, ports: &Ports) -> PortFuture<'_, Authorized> {
        Box::pin(async move {
            Ok(match self {
                Self::Grants(call) => Authorized::Grants(call.run(ports).await?),
                Self::Roles(call) => Authorized::Roles(call.run(ports).await?),
            })
        })
    }
}
