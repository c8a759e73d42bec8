//! Policies and roles: the policies port in memory.

use async_trait::async_trait;
use portproof_ports::{
    Expected, Page, PageRequest, Policy, PolicyDraft, PolicyId, PolicyStore, PortError, PortResult,
    Role, RoleDraft, RoleId, TenantId, Timestamp, Version,
};

use crate::{MemoryAdapter, lists::page, state::is_as_expected};

#[async_trait]
impl PolicyStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn save_policy(
        &self,
        tenant: &TenantId,
        expected: Expected,
        draft: PolicyDraft,
        now: Timestamp,
    ) -> PortResult<Policy> {
        draft.check()?;
        self.step(tenant, |tenant| {
            let stored = tenant.policies.get(&draft.id);
            if !is_as_expected(expected, stored.map(|policy| policy.version)) {
                return Err(PortError::stale("policy"));
            }
            if let Some(same) = stored.filter(|policy| policy.draft == draft) {
                return Ok(same.clone());
            }
            let policy = Policy {
                version: stored.map_or(Version::FIRST, |policy| policy.version.next()),
                created_at: stored.map_or(now, |policy| policy.created_at),
                updated_at: now,
                draft,
            };
            let id = policy.draft.id.clone();
            tenant.policies.insert(id, policy.clone());
            Ok(policy)
        })
    }

    async fn get_policy(&self, tenant: &TenantId, id: &PolicyId) -> PortResult<Option<Policy>> {
        self.step(tenant, |tenant| Ok(tenant.policies.get(id).cloned()))
    }

    async fn delete_policy(&self, tenant: &TenantId, id: &PolicyId) -> PortResult<bool> {
        self.step(tenant, |tenant| Ok(tenant.policies.remove(id).is_some()))
    }

    async fn list_policies(
        &self,
        tenant: &TenantId,
        request: &PageRequest,
    ) -> PortResult<Page<Policy>> {
        self.step(tenant, |stored| {
            let by_id = stored
                .policies
                .iter()
                .map(|(id, policy)| (id.clone(), policy));
            page("policies.list_policies", tenant, &(), request, by_id)
        })
    }

    async fn save_role(
        &self,
        tenant: &TenantId,
        expected: Expected,
        draft: RoleDraft,
        now: Timestamp,
    ) -> PortResult<Role> {
        draft.check()?;
        self.step(tenant, |tenant| {
            let stored = tenant.roles.get(&draft.id);
            if !is_as_expected(expected, stored.map(|role| role.version)) {
                return Err(PortError::stale("role"));
            }
            if let Some(same) = stored.filter(|role| role.draft == draft) {
                return Ok(same.clone());
            }
            let role = Role {
                version: stored.map_or(Version::FIRST, |role| role.version.next()),
                created_at: stored.map_or(now, |role| role.created_at),
                updated_at: now,
                draft,
            };
            tenant.roles.insert(role.draft.id.clone(), role.clone());
            Ok(role)
        })
    }

    async fn get_role(&self, tenant: &TenantId, id: &RoleId) -> PortResult<Option<Role>> {
        self.step(tenant, |tenant| Ok(tenant.roles.get(id).cloned()))
    }

    async fn delete_role(&self, tenant: &TenantId, id: &RoleId) -> PortResult<bool> {
        self.step(tenant, |tenant| {
            tenant.grants.retain(|_, grant| grant.role != *id);
            Ok(tenant.roles.remove(id).is_some())
        })
    }

    async fn list_roles(&self, tenant: &TenantId, request: &PageRequest) -> PortResult<Page<Role>> {
        self.step(tenant, |stored| {
            let by_id = stored.roles.iter().map(|(id, role)| (id.clone(), role));
            page("policies.list_roles", tenant, &(), request, by_id)
        })
    }
}
