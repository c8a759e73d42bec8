//! Made-up calls on policies and roles.

use std::sync::Arc;

use portproof_ports::{
    Algorithm, Condition, Document, Effect, Permission, PolicyDraft, PolicyId, PolicyRule,
    PolicyStore, PolicyStoreCall, Ports, RoleDraft, RoleId, Targets, TenantId, Text,
};
use proptest::{
    collection,
    sample::select,
    strategy::{BoxedStrategy, Strategy},
};
use serde_json::json;

use super::{
    Few, Random, Size, Small, calls, small,
    small::{just, one_of, pages},
};

impl Few for Algorithm {
    const EVEN: bool = true;

    fn few(_: Size) -> Vec<Self> {
        vec![
            Self::DenyOverrides,
            Self::AllowOverrides,
            Self::FirstMatch,
            Self::HighestPriority,
        ]
    }
}

impl Few for Effect {
    const EVEN: bool = true;

    fn few(_: Size) -> Vec<Self> {
        vec![Self::Allow, Self::Deny]
    }
}

impl Small for Condition {
    fn small(size: Size) -> BoxedStrategy<Self> {
        let test = small! { size; Self::Test { field, operator, value } };
        let operator = |operator: &'static str, value| {
            let (field, operator) = (Text::new("level").ok()?, Text::new(operator).ok()?);
            let value = Document::new(value).ok();
            Some(Self::Test {
                field,
                operator,
                value,
            })
        };
        let few = [
            operator("before", json!(false)),
            operator("lt", json!(null)),
        ];
        let few: Vec<Self> = few.into_iter().flatten().collect();
        let inner = one_of(vec![
            (2, test.clone()),
            (2, select(few).boxed()),
            (1, just(Self::always())),
            (1, just(Self::Any(vec![Self::None(vec![])]))),
        ]);
        let several = collection::vec(inner.clone(), 0..=3);
        one_of(vec![
            (2, inner),
            (3, several.clone().prop_map(Self::All).boxed()),
            (1, several.clone().prop_map(Self::Any).boxed()),
            (1, several.prop_map(Self::None).boxed()),
        ])
    }
}

impl Small for PolicyRule {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; PolicyRule { id, effect, description, priority, actions, resources, conditions, metadata } }
    }
}

impl Small for Targets {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; Targets { actions, resources, roles } }
    }
}

impl Small for PolicyDraft {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; PolicyDraft { id, name, description, algorithm, targets, rules } }
    }
}

impl Small for Permission {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; Permission { action, resource, scope, conditions } }
    }
}

impl Small for RoleDraft {
    fn small(size: Size) -> BoxedStrategy<Self> {
        small! { size; RoleDraft { id, name, description, permissions, inherits, scope, metadata } }
    }
}

impl Random for PolicyStoreCall {
    type Port = dyn PolicyStore;

    fn port(ports: &Ports) -> Option<&Arc<Self::Port>> {
        ports.policies.as_ref()
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        one_of(vec![
            (
                1,
                small! { size; Self::SavePolicy { tenant, expected, policy, now } },
            ),
            (
                1,
                small! { size; Self::SaveRole { tenant, expected, role, now } },
            ),
        ])
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        calls! { size;
            6 SavePolicy { tenant, expected, policy, now }
            2 GetPolicy { tenant, id }
            1 DeletePolicy { tenant, id }
            1 ListPolicies { tenant, page }
            6 SaveRole { tenant, expected, role, now }
            2 GetRole { tenant, id }
            1 DeleteRole { tenant, id }
            1 ListRoles { tenant, page }
        }
    }

    fn looks(size: Size) -> Vec<Self> {
        let mut looks = Vec::new();
        for tenant in TenantId::few(size) {
            let tenant = || tenant.clone();
            for id in PolicyId::few(size) {
                looks.push(Self::GetPolicy {
                    tenant: tenant(),
                    id,
                });
            }
            for id in RoleId::few(size) {
                looks.push(Self::GetRole {
                    tenant: tenant(),
                    id,
                });
            }
            for page in pages(size).take(1) {
                looks.push(Self::ListPolicies {
                    tenant: tenant(),
                    page: page.clone(),
                });
                looks.push(Self::ListRoles {
                    tenant: tenant(),
                    page,
                });
            }
        }
        looks
    }
}
