//! Policies and roles as one: what a check of both needs of each.

use std::fmt::Debug;

use portproof_ports::{
    Expected, Page, PageRequest, Policy, PolicyDraft, PolicyId, PolicyStore, PortResult, Role,
    RoleDraft, RoleId, TenantId, Timestamp, Version,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Book;
use crate::{CaseFuture, Checked, Failure, fixture::document};

/// A stored policy or role: both are kept in the same way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record<D> {
    pub(super) draft: D,
    pub(super) version: Version,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl<D> Record<D> {
    /// The record of a draft that is new at `now`.
    pub(super) const fn new(draft: D, now: Timestamp) -> Self {
        Self {
            draft,
            version: Version::FIRST,
            created_at: now,
            updated_at: now,
        }
    }

    /// This record after its draft became another at `now`.
    pub(super) const fn changed(&self, draft: D, now: Timestamp) -> Self {
        Self {
            draft,
            version: self.version.next(),
            created_at: self.created_at,
            updated_at: now,
        }
    }
}

/// Policies or roles: what a rule about both needs of each.
pub(super) trait Kind: Send + Sync + 'static {
    /// What one of them is called.
    const NAME: &'static str;
    type Id: Clone + Debug + Ord + Send + Sync + 'static;
    type Draft: Clone + Debug + PartialEq + Send + Sync + 'static;

    fn id(text: &str) -> Result<Self::Id, Failure>;
    fn id_of(draft: &Self::Draft) -> &Self::Id;
    /// A draft with every field set, marked with `label`.
    fn full(id: &str, label: &str) -> Result<Self::Draft, Failure>;
    /// A draft without anything that may be left out.
    fn bare(id: &str) -> Result<Self::Draft, Failure>;
    /// Adds one rule or permission.
    fn add(draft: &mut Self::Draft, label: &str) -> Checked;
    /// How many rules or permissions there are.
    fn count(draft: &Self::Draft) -> usize;
    /// The world's one that most rules are about.
    fn subject(w: &Book) -> &Record<Self::Draft>;
    /// Those of the world that no case means.
    fn bystanders(w: &Book) -> &[(TenantId, Record<Self::Draft>)];

    fn save<'a>(
        store: &'a dyn PolicyStore,
        tenant: &'a TenantId,
        expected: Expected,
        draft: Self::Draft,
        now: Timestamp,
    ) -> CaseFuture<'a, PortResult<Record<Self::Draft>>>;
    fn get<'a>(
        store: &'a dyn PolicyStore,
        tenant: &'a TenantId,
        id: &'a Self::Id,
    ) -> CaseFuture<'a, PortResult<Option<Record<Self::Draft>>>>;
    fn delete<'a>(
        store: &'a dyn PolicyStore,
        tenant: &'a TenantId,
        id: &'a Self::Id,
    ) -> CaseFuture<'a, PortResult<bool>>;
    fn list<'a>(
        store: &'a dyn PolicyStore,
        tenant: &'a TenantId,
        page: PageRequest,
    ) -> CaseFuture<'a, PortResult<Page<Record<Self::Draft>>>>;
}

/// The policies.
pub(super) struct Policies;
/// The roles.
pub(super) struct Roles;

macro_rules! kind {
    (
        $kind:ident, $name:literal, $id:ident, $draft:ident, $stored:ident,
        [$save:ident, $get:ident, $delete:ident, $list:ident],
        [$full:ident, $bare:ident, $part:ident, $parts:ident, $subject:ident, $bystanders:ident]
    ) => {
        impl From<$stored> for Record<$draft> {
            fn from(stored: $stored) -> Self {
                Self {
                    draft: stored.draft,
                    version: stored.version,
                    created_at: stored.created_at,
                    updated_at: stored.updated_at,
                }
            }
        }

        impl Kind for $kind {
            const NAME: &'static str = $name;
            type Id = $id;
            type Draft = $draft;

            fn id(text: &str) -> Result<$id, Failure> {
                Ok($id::new(text)?)
            }
            fn id_of(draft: &$draft) -> &$id {
                &draft.id
            }
            fn full(id: &str, label: &str) -> Result<$draft, Failure> {
                made($full(id, label)?)
            }
            fn bare(id: &str) -> Result<$draft, Failure> {
                made($bare(id))
            }
            fn add(draft: &mut $draft, label: &str) -> Checked {
                draft.$parts.push(made($part(label))?);
                Ok(())
            }
            fn count(draft: &$draft) -> usize {
                draft.$parts.len()
            }
            fn subject(w: &Book) -> &Record<$draft> {
                &w.$subject
            }
            fn bystanders(w: &Book) -> &[(TenantId, Record<$draft>)] {
                &w.$bystanders
            }

            fn save<'a>(
                store: &'a dyn PolicyStore,
                tenant: &'a TenantId,
                expected: Expected,
                draft: $draft,
                now: Timestamp,
            ) -> CaseFuture<'a, PortResult<Record<$draft>>> {
                Box::pin(async move {
                    let saved = store.$save(tenant, expected, draft, now).await?;
                    Ok(saved.into())
                })
            }
            fn get<'a>(
                store: &'a dyn PolicyStore,
                tenant: &'a TenantId,
                id: &'a $id,
            ) -> CaseFuture<'a, PortResult<Option<Record<$draft>>>> {
                Box::pin(async move { Ok(store.$get(tenant, id).await?.map(Record::from)) })
            }
            fn delete<'a>(
                store: &'a dyn PolicyStore,
                tenant: &'a TenantId,
                id: &'a $id,
            ) -> CaseFuture<'a, PortResult<bool>> {
                Box::pin(store.$delete(tenant, id))
            }
            fn list<'a>(
                store: &'a dyn PolicyStore,
                tenant: &'a TenantId,
                page: PageRequest,
            ) -> CaseFuture<'a, PortResult<Page<Record<$draft>>>> {
                Box::pin(async move {
                    let page = store.$list(tenant, &page).await?;
                    Ok(Page {
                        items: page.items.into_iter().map(Record::from).collect(),
                        next: page.next,
                    })
                })
            }
        }
    };
}

kind!(
    Policies,
    "policy",
    PolicyId,
    PolicyDraft,
    Policy,
    [save_policy, get_policy, delete_policy, list_policies],
    [full_policy, bare_policy, rule_part, rules, policy, policies]
);
kind!(
    Roles,
    "role",
    RoleId,
    RoleDraft,
    Role,
    [save_role, get_role, delete_role, list_roles],
    [
        full_role,
        bare_role,
        permission_part,
        permissions,
        role,
        roles
    ]
);

/// What this JSON says.
pub(super) fn made<T: DeserializeOwned>(json: Value) -> Result<T, Failure> {
    serde_json::from_value(json)
        .map_err(|error| Failure::new(format!("a fixture is not valid: {error}")))
}

fn full_policy(id: &str, label: &str) -> Result<Value, Failure> {
    Ok(json!({
        "id": id,
        "name": label,
        "description": format!("what {label} is for"),
        "algorithm": "highest-priority",
        "targets": {
            "actions": ["read", "write:*"],
            "resources": ["posts", "org:*"],
            "roles": ["viewer", "Editor"],
        },
        "rules": [
            {
                "id": "second",
                "effect": "deny",
                "description": format!("whom {label} keeps out"),
                "priority": 100,
                "actions": ["write", "*"],
                "resources": ["posts:*", "comments"],
                "conditions": {"any": [
                    {"test": {"field": "subject.attributes.status", "operator": "eq", "value": label}},
                    {"none": [{"test": {"field": "subject.id", "operator": "exists"}}]},
                ]},
                "metadata": document(label)?,
            },
            {
                "id": "first",
                "effect": "allow",
                "priority": -7,
                "actions": ["read"],
                "resources": ["*"],
                "conditions": {"all": []},
            },
        ],
    }))
}

pub(super) fn bare_policy(id: &str) -> Value {
    json!({"id": id, "name": "bare", "algorithm": "deny-overrides", "rules": []})
}

pub(super) fn rule_part(label: &str) -> Value {
    json!({
        "id": label,
        "effect": "allow",
        "priority": 1,
        "actions": [label],
        "resources": ["*"],
        "conditions": {"all": []},
    })
}

fn full_role(id: &str, label: &str) -> Result<Value, Failure> {
    Ok(json!({
        "id": id,
        "name": label,
        "description": format!("who holds {label}"),
        "permissions": [
            {
                "action": "write",
                "resource": "posts",
                "scope": "org-1",
                "conditions": {"all": [
                    {"test": {"field": "resource.attributes.label", "operator": "eq", "value": label}},
                ]},
            },
            {"action": "read", "resource": "*"},
        ],
        "inherits": ["viewer", "Auditor"],
        "scope": "org-2",
        "metadata": document(label)?,
    }))
}

pub(super) fn bare_role(id: &str) -> Value {
    json!({"id": id, "name": "bare", "permissions": []})
}

pub(super) fn permission_part(label: &str) -> Value {
    json!({"action": label, "resource": "*"})
}
