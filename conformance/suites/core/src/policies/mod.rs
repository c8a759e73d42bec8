//! The policies port's suite: the rules that decide, and the roles that people hold.

use std::sync::Arc;

use portproof_ports::{
    AssignmentStore, Expected, PageRequest, PolicyDraft, PolicyStore, Ports, RoleDraft, TenantId,
    Timestamp,
};
use serde::de::DeserializeOwned;

use self::kind::{Kind, Policies, Record, Roles};
use super::{fixture::START, offered};
use crate::{Checked, Context, Failure, Suite, World, check::equal};

mod apart;
mod cancelled;
mod contents;
mod ends;
mod grants;
mod kind;
mod limits;
mod lists;
mod races;
mod records;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::PolicyStoreCall,
        "policies::random::calls_in_turn",
        "policies::random::calls_at_once"
    );
}

/// All rules of the policies port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        apart::cases(),
        contents::cases(),
        limits::cases(),
        races::cases(),
        ends::cases(),
        grants::cases(),
        lists::cases(),
        random::cases(),
        cancelled::cases(),
    ];
    Suite::new("policies", parts.into_iter().flatten().collect())
}

/// The policies of `fixtures/policies.json`.
fn example_policies() -> Result<Vec<PolicyDraft>, Failure> {
    examples(include_str!("../../../../../fixtures/policies.json"))
}

/// The roles of `fixtures/roles.json`.
fn example_roles() -> Result<Vec<RoleDraft>, Failure> {
    examples(include_str!("../../../../../fixtures/roles.json"))
}

fn examples<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::new(format!("a fixture is not valid: {error}")))
}

/// A tenant with policies and roles, and another with the same ids in it.
struct Book {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn PolicyStore>,
    /// The store through the second handle.
    other: Arc<dyn PolicyStore>,
    tenant: TenantId,
    /// A tenant that has a policy and a role under the subjects' id, and under `fresh`. No case
    /// writes to it.
    elsewhere: TenantId,
    /// The policy that most rules about policies are about.
    policy: Record<PolicyDraft>,
    /// The role that most rules about roles are about.
    role: Record<RoleDraft>,
    policies: Vec<(TenantId, Record<PolicyDraft>)>,
    roles: Vec<(TenantId, Record<RoleDraft>)>,
}

impl World for Book {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("policies", context.stores().policies.as_ref())?;
        let other = offered("policies", context.second().policies.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let policies = bystanders::<Policies>(&*store, &tenant, &elsewhere).await?;
        let roles = bystanders::<Roles>(&*store, &tenant, &elsewhere).await?;
        let policy = Policies::full("subject", "the subject")?;
        let role = Roles::full("subject", "the subject")?;
        Ok(Self {
            policy: Policies::save(&*store, &tenant, Expected::Absent, policy, START).await?,
            role: Roles::save(&*store, &tenant, Expected::Absent, role, START).await?,
            context,
            store,
            other,
            tenant,
            elsewhere,
            policies,
            roles,
        })
    }

    async fn bystanders_unchanged(&self) -> Checked {
        self.unchanged::<Policies>().await?;
        self.unchanged::<Roles>().await
    }
}

/// Stores what no case means: one beside the subject, with an id and a label that differ from its
/// in their case, and two under ids of the tenant's in the other tenant.
async fn bystanders<K: Kind>(
    store: &dyn PolicyStore,
    tenant: &TenantId,
    elsewhere: &TenantId,
) -> Result<Vec<(TenantId, Record<K::Draft>)>, Failure> {
    let mut stored = Vec::new();
    for (tenant, id, label) in [
        (tenant, "Subject", "The Subject"),
        (elsewhere, "fresh", "the subject"),
        (elsewhere, "subject", "elsewhere"),
    ] {
        let draft = K::full(id, label)?;
        let saved = K::save(store, tenant, Expected::Absent, draft, START).await?;
        stored.push((tenant.clone(), saved));
    }
    Ok(stored)
}

impl Book {
    async fn unchanged<K: Kind>(&self) -> Checked {
        let mut there = Vec::new();
        for (tenant, record) in K::bystanders(self) {
            let id = K::id_of(&record.draft);
            let found = K::get(&*self.store, tenant, id).await?;
            equal(
                &format!(
                    "the {} {id:?} in tenant {tenant:?}, which nobody touched",
                    K::NAME
                ),
                &found.as_ref(),
                &Some(record),
            )?;
            if *tenant == self.elsewhere {
                there.push(record.clone());
            }
        }
        let page = K::list(&*self.store, &self.elsewhere, PageRequest::first(10)?).await?;
        equal(
            &format!("all of kind {} in the other tenant", K::NAME),
            &page.items,
            &there,
        )
    }

    /// The record under this id as both handles see it: `None` when there is none.
    async fn seen<K: Kind>(&self, id: &K::Id) -> Result<Option<Record<K::Draft>>, Failure> {
        let first = K::get(&*self.store, &self.tenant, id).await?;
        let second = K::get(&*self.other, &self.tenant, id).await?;
        equal(
            &format!("the second handle's view of the {} {id:?}", K::NAME),
            &second,
            &first,
        )?;
        Ok(first)
    }

    /// Fails unless both handles see exactly this record.
    async fn reads<K: Kind>(&self, record: &Record<K::Draft>) -> Checked {
        let id = K::id_of(&record.draft);
        equal(
            &format!("the {} {id:?} as it is read", K::NAME),
            &self.seen::<K>(id).await?.as_ref(),
            &Some(record),
        )
    }

    /// Fails unless there is none under this id.
    async fn reads_none<K: Kind>(&self, id: &str) -> Checked {
        equal(
            &format!("the {} {id:?}", K::NAME),
            &self.seen::<K>(&K::id(id)?).await?,
            &None,
        )
    }

    /// Fails unless the subject is as it was created.
    async fn subject_unchanged<K: Kind>(&self) -> Checked {
        self.reads::<K>(K::subject(self))
            .await
            .map_err(|failure| failure.while_("it was to stay as it is"))
    }

    /// Saves a draft in the tenant, whatever is stored, through the first handle.
    async fn save<K: Kind>(
        &self,
        draft: K::Draft,
        now: Timestamp,
    ) -> Result<Record<K::Draft>, Failure> {
        Ok(K::save(&*self.store, &self.tenant, Expected::Anything, draft, now).await?)
    }

    /// Deletes through the first handle; answers whether there was one.
    async fn delete<K: Kind>(&self, id: &str) -> Result<bool, Failure> {
        Ok(K::delete(&*self.store, &self.tenant, &K::id(id)?).await?)
    }

    /// The handle that this racer calls: they take turns.
    fn handle(&self, racer: usize) -> Arc<dyn PolicyStore> {
        Arc::clone(if racer.is_multiple_of(2) {
            &self.store
        } else {
            &self.other
        })
    }

    /// The assignments port of the same target, through both handles.
    fn assignments(&self) -> Result<[Arc<dyn AssignmentStore>; 2], Failure> {
        Ok([
            offered("assignments", self.context.stores().assignments.as_ref())?,
            offered("assignments", self.context.second().assignments.as_ref())?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// Every string under this key, however deep.
    fn strings<'a>(value: &'a Value, key: &str, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get(key).and_then(Value::as_str));
                fields.values().for_each(|value| strings(value, key, found));
            }
            Value::Array(items) => items.iter().for_each(|item| strings(item, key, found)),
            _ => {}
        }
    }

    #[test]
    fn the_examples_are_within_the_limits_and_use_everything() {
        let policies = example_policies().unwrap();
        policies.iter().for_each(|policy| policy.check().unwrap());
        example_roles()
            .unwrap()
            .iter()
            .for_each(|role| role.check().unwrap());
        let json = serde_json::to_value(&policies).unwrap();
        for (key, count) in [("algorithm", 4), ("operator", 19), ("effect", 2)] {
            let mut found = BTreeSet::new();
            strings(&json, key, &mut found);
            assert_eq!(found.len(), count, "{key}: {found:?}");
        }
    }

    #[test]
    fn the_drafts_of_the_world_set_everything_and_nothing() {
        assert!(Policies::full("id", "x").unwrap().check().is_ok());
        assert!(Roles::full("id", "x").unwrap().check().is_ok());
        assert_eq!(Policies::bare("id").unwrap().targets, None);
        assert_eq!(Roles::bare("id").unwrap().inherits, None);
    }
}
