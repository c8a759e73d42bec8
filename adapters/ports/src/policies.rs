//! The policies port: the rules that decide, and the roles that people hold.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Document, Expected, Invalid, Page, PageRequest, PolicyId, PortResult, RoleId, RuleId, Scope,
    TenantId, Text, Timestamp, Version, port,
};

/// The most rules of a policy, and permissions or parents of a role.
pub const MAX_RULES: usize = 1000;
/// The most actions, and the most resources, of a rule or a policy's targets.
pub const MAX_PATTERNS: usize = 100;
/// The deepest nesting of conditions.
pub const MAX_CONDITION_DEPTH: usize = 10;

/// How a policy makes one decision of its rules' votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Any rule that denies wins.
    DenyOverrides,
    /// Any rule that allows wins.
    AllowOverrides,
    /// The first rule that matches wins.
    FirstMatch,
    /// The matching rule of the highest priority wins.
    HighestPriority,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// When a rule applies. Storage keeps it as it is and never evaluates it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// When all of these hold; also when there are none.
    All(Vec<Condition>),
    /// When any of these holds.
    Any(Vec<Condition>),
    /// When none of these holds.
    None(Vec<Condition>),
    /// When this test holds.
    Test {
        /// The attribute that is tested: `subject.attributes.level`.
        field: Text,
        /// The operator, as the engine names it.
        operator: Text,
        /// What it is compared with; absent for operators without an operand, which is not the
        /// same as null.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "crate::document::present"
        )]
        value: Option<Document>,
    },
}

impl Condition {
    /// The condition that always holds.
    #[must_use]
    pub const fn always() -> Self {
        Self::All(Vec::new())
    }

    fn depth(&self) -> usize {
        match self {
            Self::All(inner) | Self::Any(inner) | Self::None(inner) => {
                1 + inner.iter().map(Self::depth).max().unwrap_or(0)
            }
            Self::Test { .. } => 1,
        }
    }
}

/// One rule of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// Its id within the policy.
    pub id: RuleId,
    /// What it says.
    pub effect: Effect,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// Its weight where priorities count.
    pub priority: i64,
    /// The actions it is about, in the author's order.
    pub actions: Vec<Text>,
    /// The resources it is about, in the author's order.
    pub resources: Vec<Text>,
    /// When it applies.
    pub conditions: Condition,
    /// What the engine keeps about it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::document::present"
    )]
    pub metadata: Option<Document>,
}

/// What a policy is about; an absent list is about everything, an empty one about nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Targets {
    /// The actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<Text>>,
    /// The resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<Text>>,
    /// The roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleId>>,
}

/// What a policy says: all of it that its author writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyDraft {
    /// Its id, chosen by its author and kept exactly.
    pub id: PolicyId,
    /// Its name; two policies may have one name.
    pub name: Text,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// How its rules make one decision.
    pub algorithm: Algorithm,
    /// What it is about; absent for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// Its rules, in the author's order.
    pub rules: Vec<PolicyRule>,
}

impl PolicyDraft {
    /// Checks the limits that hold for every adapter; each calls it before it stores a policy.
    ///
    /// # Errors
    ///
    /// [`Invalid`], naming the limit: at most [`MAX_RULES`] rules with ids of their own,
    /// [`MAX_PATTERNS`] actions and resources of a rule or of the targets, conditions
    /// [`MAX_CONDITION_DEPTH`] deep.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.rules.len() > MAX_RULES {
            return Err(Invalid::new("rules", "are more than 1000"));
        }
        let mut ids: Vec<&str> = self.rules.iter().map(|rule| rule.id.as_str()).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Invalid::new("rules", "name one id twice"));
        }
        let targets = self.targets.as_ref();
        let target_actions = targets.and_then(|targets| targets.actions.as_ref());
        let target_resources = targets.and_then(|targets| targets.resources.as_ref());
        let too_many = |patterns: &Vec<Text>| patterns.len() > MAX_PATTERNS;
        let actions = self.rules.iter().map(|rule| &rule.actions);
        if actions.chain(target_actions).any(too_many) {
            return Err(Invalid::new("actions", "are more than 100"));
        }
        let resources = self.rules.iter().map(|rule| &rule.resources);
        if resources.chain(target_resources).any(too_many) {
            return Err(Invalid::new("resources", "are more than 100"));
        }
        for rule in &self.rules {
            if rule.conditions.depth() > MAX_CONDITION_DEPTH {
                return Err(Invalid::new("conditions", "are deeper than 10 levels"));
            }
        }
        Ok(())
    }
}

/// A stored policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// What it says.
    pub draft: PolicyDraft,
    /// Counts the changes of what it says.
    pub version: Version,
    /// When it was first saved.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

/// What a role lets its holders do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Permission {
    /// The action.
    pub action: Text,
    /// The resource.
    pub resource: Text,
    /// Where it holds; absent for everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// When it holds; absent for always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Condition>,
}

/// What a role is: all of it that its author writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleDraft {
    /// Its id, chosen by its author and kept exactly.
    pub id: RoleId,
    /// Its name; two roles may have one name.
    pub name: Text,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// What its holders may do, in the author's order.
    pub permissions: Vec<Permission>,
    /// The roles whose permissions it has too, in the author's order; they need not be stored, and
    /// may form a circle: what that means is the engine's to say. Absent is not the same as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherits: Option<Vec<RoleId>>,
    /// Where it may be granted; absent for everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// What the engine keeps about it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::document::present"
    )]
    pub metadata: Option<Document>,
}

impl RoleDraft {
    /// Checks the limits that hold for every adapter; each calls it before it stores a role.
    ///
    /// # Errors
    ///
    /// [`Invalid`], naming the limit: at most [`MAX_RULES`] permissions and parents, conditions
    /// [`MAX_CONDITION_DEPTH`] deep.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.permissions.len() > MAX_RULES {
            return Err(Invalid::new("permissions", "are more than 1000"));
        }
        if self.inherits.iter().flatten().count() > MAX_RULES {
            return Err(Invalid::new("inherits", "are more than 1000"));
        }
        let too_deep = |c: &Condition| c.depth() > MAX_CONDITION_DEPTH;
        if self
            .permissions
            .iter()
            .any(|permission| permission.conditions.as_ref().is_some_and(too_deep))
        {
            return Err(Invalid::new("conditions", "are deeper than 10 levels"));
        }
        Ok(())
    }
}

/// A stored role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// What it is.
    pub draft: RoleDraft,
    /// Counts the changes of what it is.
    pub version: Version,
    /// When it was first saved.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

/// Storage of policies and roles.
#[port("policies")]
#[async_trait]
pub trait PolicyStore: Send + Sync {
    /// Says whether the backend answers and holds the schema that the adapter knows.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not answer; `Corrupt` when the schema is another one.
    async fn ready(&self) -> PortResult<()>;

    /// Stores a policy, new or in place of the one with its id; answers it. It replaces the whole:
    /// what the draft leaves out is gone. Saving what is stored already changes nothing, not the
    /// version either.
    ///
    /// # Errors
    ///
    /// `Refused`, as [`PolicyDraft::check`]; `Stale("policy")` when something else is stored than
    /// `expected` says.
    async fn save_policy(
        &self,
        tenant: &TenantId,
        expected: Expected,
        policy: PolicyDraft,
        now: Timestamp,
    ) -> PortResult<Policy>;

    /// The policy with this id.
    ///
    /// # Errors
    ///
    /// `Corrupt("policy")` when what is stored cannot be read: a policy is never read as another or
    /// as none.
    async fn get_policy(&self, tenant: &TenantId, id: &PolicyId) -> PortResult<Option<Policy>>;

    /// Removes a policy; answers whether there was one.
    async fn delete_policy(&self, tenant: &TenantId, id: &PolicyId) -> PortResult<bool>;

    /// The tenant's policies, by id.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant or list; `Corrupt("policy")` when one of them
    /// cannot be read: a list without it would decide differently.
    async fn list_policies(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> PortResult<Page<Policy>>;

    /// Stores a role, new or in place of the one with its id; answers it. It replaces the whole,
    /// and its grants stay. Saving what is stored already changes nothing, not the version either.
    ///
    /// # Errors
    ///
    /// `Refused`, as [`RoleDraft::check`]; `Stale("role")` when something else is stored than
    /// `expected` says.
    async fn save_role(
        &self,
        tenant: &TenantId,
        expected: Expected,
        role: RoleDraft,
        now: Timestamp,
    ) -> PortResult<Role>;

    /// The role with this id.
    ///
    /// # Errors
    ///
    /// `Corrupt("role")` when what is stored cannot be read.
    async fn get_role(&self, tenant: &TenantId, id: &RoleId) -> PortResult<Option<Role>>;

    /// Removes a role and every grant of it, at once; answers whether there was one. A role that is
    /// saved again under its id is held by nobody.
    async fn delete_role(&self, tenant: &TenantId, id: &RoleId) -> PortResult<bool>;

    /// The tenant's roles, by id.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another tenant or list; `Corrupt("role")` when one of them
    /// cannot be read.
    async fn list_roles(&self, tenant: &TenantId, page: &PageRequest) -> PortResult<Page<Role>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_null_is_not_an_absence() {
        for json in [
            json!({"test": {"field": "f", "operator": "eq"}}),
            json!({"test": {"field": "f", "operator": "eq", "value": null}}),
        ] {
            let condition: Condition = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(serde_json::to_value(condition).unwrap(), json);
        }
    }

    #[test]
    fn the_patterns_of_targets_are_counted_too() {
        let policy = |targets| {
            let json = json!({
                "id": "p", "name": "", "algorithm": "first-match", "rules": [], "targets": targets,
            });
            serde_json::from_value::<PolicyDraft>(json).unwrap()
        };
        let many = vec!["x"; MAX_PATTERNS + 1];
        let refused = |targets| policy(targets).check().unwrap_err().field;
        assert_eq!(refused(json!({"actions": many})), "actions");
        assert_eq!(refused(json!({"resources": many})), "resources");
        assert!(policy(json!({"actions": many[1..]})).check().is_ok());
    }
}
