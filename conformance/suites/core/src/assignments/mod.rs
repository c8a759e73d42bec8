//! The assignments port's suite: who holds which role where and when, and what is known of them.

use std::{collections::BTreeMap, sync::Arc};

use portproof_ports::{
    AssignmentStore, AttributeChange, AttributeName, Attributes, Document, Expected, Grant,
    GrantScope, NewGrant, Page, PageRequest, PolicyStore, PortResult, Ports, RoleDraft, RoleId,
    Scope, SubjectId, TenantId, Text, Timestamp, Window,
};
use serde_json::{Value, json};

use super::{
    fixture::{START, day, document, minute},
    offered,
};
use crate::{Checked, Context, Failure, Suite, World, check::equal, walk};

mod attributes;
mod batches;
mod cancelled;
mod forget;
mod grants;
mod kept;
mod lists;
mod revoke;
mod scopes;
mod times;
mod walks;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        crate::model::Authorization,
        "assignments::random::calls_in_turn",
        "assignments::random::calls_at_once"
    );
}

/// All rules of the assignments port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        grants::cases(),
        kept::cases(),
        batches::cases(),
        revoke::cases(),
        scopes::cases(),
        times::cases(),
        lists::cases(),
        walks::cases(),
        attributes::cases(),
        forget::cases(),
        walls::cases(),
        random::cases(),
        cancelled::cases(),
    ];
    Suite::new("assignments", parts.into_iter().flatten().collect())
}

/// A tenant where Ada is an editor, and another where somebody of her name is one too.
struct Assignments {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn AssignmentStore>,
    /// The store through the second handle.
    other: Arc<dyn AssignmentStore>,
    /// The roles.
    policies: Arc<dyn PolicyStore>,
    tenant: TenantId,
    /// A tenant that has the roles, a subject of Ada's name, and what is known about her.
    elsewhere: TenantId,
    /// Ada's one grant: what most rules are about.
    subject: Grant,
    /// What is known about Ada.
    known: Attributes,
    /// What no case means.
    bystanders: Vec<Bystander>,
}

/// Somebody whom no case means: all grants, and all that is known.
struct Bystander {
    tenant: TenantId,
    subject: SubjectId,
    grants: Vec<Grant>,
    known: Attributes,
}

/// Whose grant most rules are about.
fn ada() -> Result<SubjectId, Failure> {
    subject("Ada")
}

fn subject(id: &str) -> Result<SubjectId, Failure> {
    Ok(SubjectId::new(id)?)
}

fn role(id: &str) -> Result<RoleId, Failure> {
    Ok(RoleId::new(id)?)
}

fn scope(id: &str) -> Result<Scope, Failure> {
    Ok(Scope::new(id)?)
}

/// The scope of this name as a grant's.
fn scoped(id: &str) -> Result<GrantScope, Failure> {
    Ok(GrantScope::Scoped(scope(id)?))
}

/// A grant with both bounds set; `None` for everywhere.
fn new_grant(who: &str, what: &str, place: Option<&str>) -> Result<NewGrant, Failure> {
    Ok(NewGrant {
        subject: subject(who)?,
        role: role(what)?,
        scope: place.map_or(Ok(GrantScope::Global), scoped)?,
        window: Window::new(Some(minute(1)), Some(day(30)))?,
    })
}

/// A grant that holds always; `None` for everywhere.
fn lasting(who: &str, what: &str, place: Option<&str>) -> Result<NewGrant, Failure> {
    Ok(NewGrant {
        window: Window::ALWAYS,
        ..new_grant(who, what, place)?
    })
}

/// What is stored of a grant that was first made at `granted_at`.
fn stored(new: &NewGrant, granted_at: Timestamp) -> Grant {
    let NewGrant {
        subject,
        role,
        scope,
        window,
    } = new.clone();
    Grant {
        subject,
        role,
        scope,
        window,
        granted_at,
    }
}

/// The roles of these names.
fn roles(names: &[&str]) -> Result<Vec<RoleId>, Failure> {
    names.iter().map(|name| role(name)).collect()
}

/// Changes of attributes: `Some` sets one, `None` clears it.
fn changes(
    of: impl IntoIterator<Item = (impl Into<String>, Option<Value>)>,
) -> Result<BTreeMap<AttributeName, AttributeChange>, Failure> {
    of.into_iter()
        .map(|(name, value)| {
            let change = match value {
                Some(value) => AttributeChange::Set(Document::new(value)?),
                None => AttributeChange::Clear,
            };
            Ok((AttributeName::new(name)?, change))
        })
        .collect()
}

/// What is known of a subject that only ever had these attributes set.
fn all_set(changes: &BTreeMap<AttributeName, AttributeChange>) -> Attributes {
    let set = |change: &AttributeChange| match change {
        AttributeChange::Set(value) => Some(value.clone()),
        AttributeChange::Clear => None,
    };
    changes
        .iter()
        .filter_map(|(name, change)| Some((name.clone(), set(change)?)))
        .collect()
}

/// Attributes whose names differ in case and in a trailing space, one of them null.
fn facts(label: &str) -> Result<BTreeMap<AttributeName, AttributeChange>, Failure> {
    changes([
        ("clearance", Some(document(label)?.into())),
        ("Clearance", Some(json!({"of": label, "level": 7}))),
        ("clearance ", Some(Value::Null)),
    ])
}

/// A role of this id, with nothing in it that grants could depend on.
fn role_draft(id: &RoleId) -> Result<RoleDraft, Failure> {
    Ok(RoleDraft {
        id: id.clone(),
        name: Text::new("a role")?,
        description: None,
        permissions: Vec::new(),
        inherits: None,
        scope: None,
        metadata: None,
    })
}

impl World for Assignments {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("assignments", context.stores().assignments.as_ref())?;
        let other = offered("assignments", context.second().assignments.as_ref())?;
        let policies = offered("policies", context.stores().policies.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        for (tenant, id) in [
            (&tenant, "editor"),
            (&tenant, "viewer"),
            (&tenant, "editor "),
            (&elsewhere, "editor"),
            (&elsewhere, "viewer"),
        ] {
            let draft = role_draft(&role(id)?)?;
            policies
                .save_role(tenant, Expected::Anything, draft, START)
                .await?;
        }
        let mut bystanders = Vec::new();
        for (tenant, who, given) in [
            (
                &tenant,
                "ada",
                vec![
                    new_grant("ada", "editor", None)?,
                    new_grant("ada", "editor", Some("org"))?,
                ],
            ),
            (&tenant, "Ada ", vec![new_grant("Ada ", "editor", None)?]),
            (
                &elsewhere,
                "Ada",
                vec![
                    new_grant("Ada", "editor", None)?,
                    new_grant("Ada", "viewer", Some("org"))?,
                ],
            ),
        ] {
            let mut grants = Vec::new();
            for new in given {
                grants.push(store.assign(tenant, new, START).await?);
            }
            let subject = subject(who)?;
            let known = store
                .merge_attributes(tenant, &subject, &facts("a bystander")?)
                .await?;
            bystanders.push(Bystander {
                tenant: tenant.clone(),
                subject,
                grants,
                known,
            });
        }
        let given = new_grant("Ada", "editor", None)?;
        let granted = store.assign(&tenant, given, START).await?;
        let known = store
            .merge_attributes(&tenant, &ada()?, &facts("Ada")?)
            .await?;
        Ok(Self {
            context,
            store,
            other,
            policies,
            tenant,
            elsewhere,
            subject: granted,
            known,
            bystanders,
        })
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for bystander in &self.bystanders {
            let (tenant, subject) = (&bystander.tenant, &bystander.subject);
            let who = format!("{subject:?} in tenant {tenant:?}, whom nobody meant");
            let page = PageRequest::first(1000)?;
            let grants = self.store.grants_of(tenant, subject, &page).await?.items;
            equal(&format!("the grants of {who}"), &grants, &bystander.grants)?;
            let known = self.store.attributes(tenant, subject).await?;
            equal(&format!("what is known of {who}"), &known, &bystander.known)?;
        }
        Ok(())
    }
}

impl Assignments {
    /// The handle of a racer: every second one has the second.
    fn handle(&self, racer: usize) -> Arc<dyn AssignmentStore> {
        let store = if racer.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        };
        Arc::clone(store)
    }

    /// Stores a role.
    async fn save_role(&self, id: &str) -> Result<RoleId, Failure> {
        let id = role(id)?;
        let draft = role_draft(&id)?;
        self.policies
            .save_role(&self.tenant, Expected::Anything, draft, START)
            .await?;
        Ok(id)
    }

    /// Grants a role in the tenant at [`START`].
    async fn assign(&self, new: NewGrant) -> Result<Grant, Failure> {
        Ok(self.store.assign(&self.tenant, new, START).await?)
    }

    /// Grants all of these in the tenant at [`START`]; answers them as they are stored.
    async fn assign_each(&self, all: Vec<NewGrant>) -> Result<Vec<Grant>, Failure> {
        let mut grants = Vec::new();
        for new in all {
            grants.push(self.assign(new).await?);
        }
        Ok(grants)
    }

    /// All grants of a subject, as both handles see them.
    async fn grants(&self, subject: &SubjectId) -> Result<Vec<Grant>, Failure> {
        let list = |page| self.grants_page(&self.tenant, subject, page);
        let second = walk::all(1000, list).await?;
        let page = PageRequest::first(1000)?;
        let first = self.store.grants_of(&self.tenant, subject, &page).await?;
        if first.next.is_none() {
            equal(
                "the second handle's view of the grants",
                &second,
                &first.items,
            )?;
        }
        Ok(second)
    }

    /// A page of a subject's grants, through the second handle.
    async fn grants_page(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        page: PageRequest,
    ) -> PortResult<Page<Grant>> {
        self.other.grants_of(tenant, subject, &page).await
    }

    /// A page of a role's grants, through the second handle.
    async fn holders_page(
        &self,
        tenant: &TenantId,
        role: &RoleId,
        page: PageRequest,
    ) -> PortResult<Page<Grant>> {
        self.other.holders_of(tenant, role, &page).await
    }

    /// A page of the roles that Ada holds, through the second handle.
    async fn roles_page(
        &self,
        tenant: &TenantId,
        scope: &GrantScope,
        now: Timestamp,
        page: PageRequest,
    ) -> PortResult<Page<RoleId>> {
        let ada = &self.subject.subject;
        self.other.roles_of(tenant, ada, scope, now, &page).await
    }

    /// The roles that a subject holds in a scope, as both handles see them.
    async fn roles(
        &self,
        subject: &SubjectId,
        scope: &GrantScope,
        now: Timestamp,
    ) -> Result<Vec<RoleId>, Failure> {
        let (tenant, page) = (&self.tenant, PageRequest::first(1000)?);
        let first = self.store.roles_of(tenant, subject, scope, now, &page);
        let first = first.await?.items;
        let second = self.other.roles_of(tenant, subject, scope, now, &page);
        equal(
            "the second handle's view of the roles",
            &second.await?.items,
            &first,
        )?;
        Ok(first)
    }

    /// What is known of a subject, as both handles see it.
    async fn known_of(&self, subject: &SubjectId) -> Result<Attributes, Failure> {
        let first = self.store.attributes(&self.tenant, subject).await?;
        let second = self.other.attributes(&self.tenant, subject).await?;
        equal("the second handle's view of what is known", &second, &first)?;
        Ok(first)
    }

    /// Fails unless Ada has the grant that she was given, and no other.
    async fn grant_unchanged(&self) -> Checked {
        let grants = self.grants(&self.subject.subject).await?;
        equal(
            "Ada's grants, which were to stay as they are",
            &grants,
            &vec![self.subject.clone()],
        )
    }

    /// Fails unless what is known of Ada is what was stored.
    async fn known_unchanged(&self) -> Checked {
        let known = self.known_of(&self.subject.subject).await?;
        equal(
            "what is known of Ada, which was to stay as it is",
            &known,
            &self.known,
        )
    }

    /// Fails unless Ada is as the fixture left her.
    async fn subject_unchanged(&self) -> Checked {
        self.grant_unchanged().await?;
        self.known_unchanged().await
    }
}
