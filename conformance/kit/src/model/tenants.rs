//! Made-up calls on tenants, and on all that they have in other ports.

use std::sync::Arc;

use portproof_ports::{
    AssignmentStoreAnswer, AssignmentStoreCall, CodeStoreAnswer, CodeStoreCall,
    CredentialStoreAnswer, CredentialStoreCall, Cursor, EntityStoreAnswer, EntityStoreCall,
    EventStoreAnswer, EventStoreCall, IdentityStoreAnswer, IdentityStoreCall, KeyStoreAnswer,
    KeyStoreCall, OrganizationStoreAnswer, OrganizationStoreCall, OutboxStoreAnswer,
    OutboxStoreCall, PageRequest, PolicyStoreAnswer, PolicyStoreCall, PortAnswer, PortCall,
    PortFuture, Ports, RefreshTokenStoreAnswer, RefreshTokenStoreCall, RelationshipStoreAnswer,
    RelationshipStoreCall, SessionStoreAnswer, SessionStoreCall, TenantDraft, TenantId,
    TenantStore, TenantStoreAnswer, TenantStoreCall,
};
use proptest::strategy::{BoxedStrategy, Strategy};

use super::{Calls, Few, Random, Size, Small, calls, small, small::one_of};
use crate::Checked;

impl Small for TenantDraft {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; TenantDraft { name, settings } }
    }
}

/// All but the list, which answers the tenants of others, too.
impl Random for TenantStoreCall {
    type Port = dyn TenantStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.tenants.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        small! { size; Self::Create { tenant, draft, now } }
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        calls! { size;
            6 Create { tenant, draft, now }
            3 Get { tenant }
            8 Update { tenant, expected, draft, now }
        }
    }

    fn looks(size: Size) -> Vec<Self> {
        let tenants = TenantId::few(size).into_iter();
        tenants.map(|tenant| Self::Get { tenant }).collect()
    }
}

macro_rules! belongings {
    ($($port:ident: $call:ident, $answer:ident, $weight:literal;)*) => {
        /// A call on tenants, or on what they have; in turn, purges are among them.
        #[derive(Clone, Debug)]
        pub enum Belongings {$(
            /// On this port.
            $port($call),
        )*}

        /// What such a call answers.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Belonging {$(
            $port($answer),
        )*}

        impl Calls for Belongings {
            type Answer = Belonging;

            fn offered(ports: &Ports) -> Checked {
                <TenantStoreCall as Calls>::offered(ports)
            }

            fn begins(size: Size) -> BoxedStrategy<Self> {
                one_of(vec![$(
                    (1, <$call as Random>::begins(one_each(size)).prop_map(Self::$port).boxed()),
                )*])
            }

            fn any(size: Size) -> BoxedStrategy<Self> {
                if !size.in_turn {
                    return <TenantStoreCall as Random>::any(size).prop_map(Self::Tenants).boxed();
                }
                let of_port = one_of(vec![$(
                    ($weight, <$call as Random>::any(one_each(size)).prop_map(Self::$port).boxed()),
                )*]);
                let purge = TenantId::small(size);
                let purge = purge.prop_map(|tenant| {
                    Self::Tenants(TenantStoreCall::Purge { tenant, at_most: ALL })
                });
                one_of(vec![(14, of_port), (1, purge.boxed())])
            }

            fn looks(size: Size) -> Vec<Self> {
                if !size.in_turn {
                    let looks = <TenantStoreCall as Random>::looks(size).into_iter();
                    return looks.map(Self::Tenants).collect();
                }
                let mut all = Vec::new();
                $(
                    let looks = <$call as Random>::looks(one_each(size)).into_iter();
                    all.extend(looks.map(Self::$port));
                )*
                all
            }

            fn tenant_mut(&mut self) -> Option<&mut TenantId> {
                match self {$(
                    Self::$port(call) => PortCall::tenant_mut(call),
                )*}
            }

            fn page_mut(&mut self) -> Option<&mut PageRequest> {
                match self {$(
                    Self::$port(call) => PortCall::page_mut(call),
                )*}
            }

            fn settle(&mut self, tenants: &[TenantId]) {
                match self {$(
                    Self::$port(call) => Calls::settle(call, tenants),
                )*}
            }

            fn take_next(answer: &mut Belonging) -> Option<Cursor> {
                match answer {$(
                    Belonging::$port(answer) => answer.take_next(),
                )*}
            }

            fn has_more(&self, answer: &Belonging) -> bool {
                match (self, answer) {
                    $((Self::$port(call), Belonging::$port(answer)) => {
                        Calls::has_more(call, answer)
                    })*
                    _ => false,
                }
            }

            fn run(self, ports: &Ports) -> PortFuture<'_, Belonging> {
                Box::pin(async move {
                    Ok(match self {
                        // Whether what is over and not swept counts is for the adapter to say.
                        Self::Tenants(call @ TenantStoreCall::Purge { .. }) => {
                            call.run(ports).await?;
                            Belonging::Tenants(TenantStoreAnswer::Purge(0))
                        }
                        $(Self::$port(call) => Belonging::$port(call.run(ports).await?),)*
                    })
                })
            }
        }
    };
}

belongings! {
    Tenants: TenantStoreCall, TenantStoreAnswer, 6;
    Identity: IdentityStoreCall, IdentityStoreAnswer, 2;
    Session: SessionStoreCall, SessionStoreAnswer, 2;
    Credentials: CredentialStoreCall, CredentialStoreAnswer, 2;
    Keystore: KeyStoreCall, KeyStoreAnswer, 2;
    Policies: PolicyStoreCall, PolicyStoreAnswer, 2;
    Assignments: AssignmentStoreCall, AssignmentStoreAnswer, 2;
    Codes: CodeStoreCall, CodeStoreAnswer, 2;
    RefreshTokens: RefreshTokenStoreCall, RefreshTokenStoreAnswer, 2;
    Entities: EntityStoreCall, EntityStoreAnswer, 2;
    Events: EventStoreCall, EventStoreAnswer, 2;
    Relationships: RelationshipStoreCall, RelationshipStoreAnswer, 2;
    Organizations: OrganizationStoreCall, OrganizationStoreAnswer, 2;
    Outbox: OutboxStoreCall, OutboxStoreAnswer, 2;
}

/// More than a sequence makes: a purge of fewer removes whichever.
const ALL: u32 = 1_000;

/// The same tenants, each with one of everything.
fn one_each(size: Size) -> Size {
    Size {
        tenants: size.tenants,
        ..Size::SINGLE
    }
}
