//! Who holds which role, and what is known about them: the assignments port in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use portproof_ports::{
    AssignmentStore, AttributeChange, AttributeName, Attributes, Grant, GrantScope, MAX_ATTRIBUTES,
    MAX_BATCH, NewGrant, Page, PageRequest, PortError, PortResult, Revocation, RoleId, SubjectId,
    TenantId, Timestamp, Which,
};

use crate::{MemoryAdapter, lists::page, state::Tenant};

#[async_trait]
impl AssignmentStore for MemoryAdapter {
    async fn ready(&self) -> PortResult<()> {
        self.is_ready()
    }

    async fn assign(&self, tenant: &TenantId, new: NewGrant, now: Timestamp) -> PortResult<Grant> {
        self.step(tenant, |tenant| {
            check_role(tenant, &new.role)?;
            Ok(grant(tenant, new, now))
        })
    }

    async fn assign_many(
        &self,
        tenant: &TenantId,
        grants: &[NewGrant],
        now: Timestamp,
    ) -> PortResult<u64> {
        if grants.len() > MAX_BATCH {
            return Err(PortError::refused("grants", "are more than 1000"));
        }
        self.step(tenant, |tenant| {
            for new in grants {
                check_role(tenant, &new.role)?;
            }
            let before = tenant.grants.len();
            for new in grants {
                grant(tenant, new.clone(), now);
            }
            Ok((tenant.grants.len() - before) as u64)
        })
    }

    async fn revoke(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        role: &RoleId,
        which: &Which,
    ) -> PortResult<u64> {
        self.step(tenant, |tenant| Ok(revoke(tenant, subject, role, which)))
    }

    async fn revoke_many(&self, tenant: &TenantId, revocations: &[Revocation]) -> PortResult<u64> {
        if revocations.len() > MAX_BATCH {
            return Err(PortError::refused("revocations", "are more than 1000"));
        }
        self.step(tenant, |tenant| {
            let each = revocations
                .iter()
                .map(|one| revoke(tenant, &one.subject, &one.role, &one.which));
            Ok(each.sum())
        })
    }

    async fn move_scope(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        role: &RoleId,
        from: &GrantScope,
        to: &GrantScope,
    ) -> PortResult<bool> {
        let place = |scope: &GrantScope| (subject.clone(), role.clone(), scope.clone());
        self.step(tenant, |tenant| {
            let Some(mut grant) = tenant.grants.remove(&place(from)) else {
                return Ok(false);
            };
            grant.scope = to.clone();
            tenant.grants.insert(place(to), grant);
            Ok(true)
        })
    }

    async fn grants_of(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        request: &PageRequest,
    ) -> PortResult<Page<Grant>> {
        self.step(tenant, |stored| {
            let theirs =
                of_subject(stored, subject).map(|g| ((g.role.clone(), g.scope.clone()), g));
            page("assignments.grants_of", tenant, subject, request, theirs)
        })
    }

    async fn holders_of(
        &self,
        tenant: &TenantId,
        role: &RoleId,
        request: &PageRequest,
    ) -> PortResult<Page<Grant>> {
        self.step(tenant, |stored| {
            let of_role = stored
                .grants
                .values()
                .filter(|grant| grant.role == *role)
                .map(|grant| ((grant.subject.clone(), grant.scope.clone()), grant));
            page("assignments.holders_of", tenant, role, request, of_role)
        })
    }

    async fn roles_of(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        scope: &GrantScope,
        now: Timestamp,
        request: &PageRequest,
    ) -> PortResult<Page<RoleId>> {
        self.step(tenant, |stored| {
            let held = of_subject(stored, subject)
                .filter(|grant| grant.scope == *scope && grant.window.holds(now))
                .map(|grant| (grant.role.clone(), &grant.role));
            let filter = (subject, scope);
            page("assignments.roles_of", tenant, &filter, request, held)
        })
    }

    async fn next_change(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        now: Timestamp,
    ) -> PortResult<Option<Timestamp>> {
        self.step(tenant, |tenant| {
            let bounds = of_subject(tenant, subject)
                .flat_map(|grant| [grant.window.from(), grant.window.until()]);
            Ok(bounds.flatten().filter(|bound| *bound > now).min())
        })
    }

    async fn attributes(&self, tenant: &TenantId, subject: &SubjectId) -> PortResult<Attributes> {
        self.step(tenant, |tenant| {
            let known = tenant.attributes.get(subject);
            Ok(known.cloned().unwrap_or_default())
        })
    }

    async fn merge_attributes(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        changes: &BTreeMap<AttributeName, AttributeChange>,
    ) -> PortResult<Attributes> {
        self.step(tenant, |tenant| {
            let known = tenant.attributes.get(subject);
            let mut merged = known.cloned().unwrap_or_default();
            for (name, change) in changes {
                match change {
                    AttributeChange::Set(value) => merged.insert(name.clone(), value.clone()),
                    AttributeChange::Clear => merged.remove(name),
                };
            }
            if merged.len() > MAX_ATTRIBUTES {
                return Err(PortError::refused("attributes", "are more than 256"));
            }
            tenant.attributes.insert(subject.clone(), merged.clone());
            Ok(merged)
        })
    }

    async fn forget(&self, tenant: &TenantId, subject: &SubjectId) -> PortResult<u64> {
        self.step(tenant, |tenant| {
            let grants = tenant
                .grants
                .extract_if(.., |_, grant| grant.subject == *subject)
                .count();
            let attributes = tenant.attributes.remove(subject).unwrap_or_default();
            Ok((grants + attributes.len()) as u64)
        })
    }
}

fn check_role(tenant: &Tenant, role: &RoleId) -> PortResult<()> {
    if !tenant.roles.contains_key(role) {
        return Err(PortError::not_found("role"));
    }
    Ok(())
}

/// Grants a stored role; where it is granted already, the window becomes the new one.
fn grant(tenant: &mut Tenant, new: NewGrant, now: Timestamp) -> Grant {
    let place = (new.subject.clone(), new.role.clone(), new.scope.clone());
    let grant = tenant.grants.entry(place).or_insert(Grant {
        subject: new.subject,
        role: new.role,
        scope: new.scope,
        window: new.window,
        granted_at: now,
    });
    grant.window = new.window;
    grant.clone()
}

/// Revokes grants of a role to a subject; answers how many there were.
fn revoke(tenant: &mut Tenant, subject: &SubjectId, role: &RoleId, which: &Which) -> u64 {
    let grants = &mut tenant.grants;
    let mut one = |scope| {
        let place = (subject.clone(), role.clone(), scope);
        u64::from(grants.remove(&place).is_some())
    };
    match which {
        Which::Global => one(GrantScope::Global),
        Which::Scoped(scope) => one(GrantScope::Scoped(scope.clone())),
        Which::Every => grants
            .extract_if(.., |_, grant| {
                grant.subject == *subject && grant.role == *role
            })
            .count() as u64,
    }
}

fn of_subject<'a>(tenant: &'a Tenant, subject: &'a SubjectId) -> impl Iterator<Item = &'a Grant> {
    let grants = tenant.grants.values();
    grants.filter(move |grant| grant.subject == *subject)
}
