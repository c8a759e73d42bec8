//! The entities port's suite: documents by kind and id, and the keys that are unique among them.

use std::sync::Arc;

use portproof_ports::{
    Entity, EntityChange, EntityId, EntityKind, EntityStore, NewEntity, OwnedEntity, Ports,
    TenantId, UniqueKey, UniqueKeys, UniqueScope,
};

use super::{
    fixture::{START, document},
    offered,
};
use crate::{Checked, Context, Failure, Profile, Suite, World, check::equal};

mod cancelled;
mod changes;
mod ends;
mod keys;
mod lists;
mod races;
mod records;
mod walls;

/// Made-up calls.
mod random {
    portproof::random_rules!(
        portproof_ports::EntityStoreCall,
        "entities::random::calls_in_turn",
        "entities::random::calls_at_once"
    );
}

/// All rules of the entities port.
pub(super) fn suite() -> Suite<Ports> {
    let parts = [
        records::cases(),
        keys::cases(),
        changes::cases(),
        ends::cases(),
        races::cases(),
        lists::cases(),
        walls::cases(),
        random::cases(),
        cancelled::cases(),
    ];
    Suite::new("entities", parts.into_iter().flatten().collect()).of_profile(Profile::Oauth)
}

/// A tenant with a client, and everywhere around it entities that resemble it: of its kind, of
/// another kind, of another tenant.
struct Registry {
    context: Context<Ports>,
    /// The store.
    store: Arc<dyn EntityStore>,
    /// The store through the second handle.
    other: Arc<dyn EntityStore>,
    tenant: TenantId,
    /// A tenant that has a client with the subject's id, body apart, and with its own keys.
    elsewhere: TenantId,
    /// The client that most rules are about: with a key of its tenant, and a global one.
    subject: Entity,
    /// What no case means.
    bystanders: Vec<(TenantId, Entity)>,
}

/// The kind that most rules are about.
fn client() -> Result<EntityKind, Failure> {
    kind("client")
}

fn kind(kind: &str) -> Result<EntityKind, Failure> {
    Ok(EntityKind::new(kind)?)
}

fn id(id: &str) -> Result<EntityId, Failure> {
    Ok(EntityId::new(id)?)
}

/// A key within a tenant.
fn own(name: &str, value: &str) -> Result<UniqueKey, Failure> {
    Ok(UniqueKey::new(name, value, UniqueScope::Tenant)?)
}

/// A key over all tenants. Cases run at once on one store, and so each has values of its own: the
/// `tenant`, which nobody else uses, is part of them.
fn global(name: &str, value: &str, tenant: &TenantId) -> Result<UniqueKey, Failure> {
    let value = format!("{value} of {}", tenant.as_str());
    Ok(UniqueKey::new(name, &value, UniqueScope::Global)?)
}

fn unique(keys: Vec<UniqueKey>) -> Result<UniqueKeys, Failure> {
    Ok(UniqueKeys::new(keys)?)
}

/// A client with this id and these keys.
fn new_client(name: &str, keys: Vec<UniqueKey>) -> Result<NewEntity, Failure> {
    Ok(NewEntity {
        kind: client()?,
        id: id(name)?,
        body: document(name)?,
        keys: unique(keys)?,
    })
}

/// A change to this body and these keys.
fn change(label: &str, keys: Vec<UniqueKey>) -> Result<EntityChange, Failure> {
    Ok(EntityChange {
        body: document(label)?,
        keys: unique(keys)?,
    })
}

/// The client that most rules are about.
fn portal(tenant: &TenantId) -> Result<NewEntity, Failure> {
    new_client(
        "portal",
        vec![
            own("name", "Portal")?,
            global("client_id", "portal", tenant)?,
        ],
    )
}

impl World for Registry {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        let store = offered("entities", context.stores().entities.as_ref())?;
        let other = offered("entities", context.second().entities.as_ref())?;
        let (tenant, elsewhere) = (context.tenant()?, context.tenant()?);
        let near = new_client(
            "Portal",
            vec![
                own("name", "portal")?,
                own("Name", "Portal")?,
                own("client_id", "Portal")?,
                global("client_id", "Portal", &tenant)?,
                global("name", "portal", &tenant)?,
            ],
        )?;
        let keyless = new_client("portal ", vec![])?;
        let of_another_kind = NewEntity {
            kind: kind("Client")?,
            body: document("of another kind")?,
            ..portal(&tenant)?
        };
        let there = NewEntity {
            body: document("elsewhere")?,
            ..portal(&elsewhere)?
        };
        let mut bystanders = Vec::new();
        for (tenant, entity) in [
            (&tenant, near),
            (&tenant, keyless),
            (&tenant, of_another_kind),
            (&elsewhere, there),
        ] {
            let stored = store.create(tenant, entity, START).await?;
            bystanders.push((tenant.clone(), stored));
        }
        let subject = store.create(&tenant, portal(&tenant)?, START).await?;
        Ok(Self {
            context,
            store,
            other,
            tenant,
            elsewhere,
            subject,
            bystanders,
        })
    }

    async fn bystanders_unchanged(&self) -> Checked {
        for (tenant, entity) in &self.bystanders {
            let what = format!("{:?} {:?} in tenant {tenant:?}", entity.kind, entity.id);
            let found = self.store.get(tenant, &entity.kind, &entity.id).await?;
            equal(
                &format!("{what}, which nobody touched"),
                &found.as_ref(),
                &Some(entity),
            )?;
            for key in &entity.keys {
                let found = self.store.find(tenant, &entity.kind, key).await?;
                equal(
                    &format!("{what}, by its key {key:?}"),
                    &found.as_ref(),
                    &Some(entity),
                )?;
            }
        }
        Ok(())
    }
}

impl Registry {
    /// A client of the tenant as both handles see it.
    async fn seen(&self, name: &str) -> Result<Option<Entity>, Failure> {
        self.seen_in(&self.tenant, name).await
    }

    /// A client of this tenant as both handles see it.
    async fn seen_in(&self, tenant: &TenantId, name: &str) -> Result<Option<Entity>, Failure> {
        let (kind, id) = (client()?, id(name)?);
        let first = self.store.get(tenant, &kind, &id).await?;
        let second = self.other.get(tenant, &kind, &id).await?;
        equal("the second handle's view of the entity", &second, &first)?;
        Ok(first)
    }

    /// The id of the tenant's client that has a key, through both handles.
    async fn holder(&self, key: &UniqueKey) -> Result<Option<EntityId>, Failure> {
        let first = self.store.find(&self.tenant, &client()?, key).await?;
        let second = self.other.find(&self.tenant, &client()?, key).await?;
        equal("what the second handle finds", &second, &first)?;
        Ok(first.map(|entity| entity.id))
    }

    /// The client of any tenant that has a global key, through both handles.
    async fn anywhere(&self, key: &UniqueKey) -> Result<Option<OwnedEntity>, Failure> {
        let (kind, name, value) = (client()?, &key.name, &key.value);
        let first = self.store.find_global(&kind, name, value).await?;
        let second = self.other.find_global(&kind, name, value).await?;
        equal("what the second handle finds", &second, &first)?;
        Ok(first)
    }

    /// Fails unless no client has this key.
    async fn is_free(&self, key: &UniqueKey) -> Checked {
        let what = format!("what has the key {key:?}");
        if key.scope == UniqueScope::Global {
            equal(&what, &self.anywhere(key).await?, &None)?;
        }
        equal(&what, &self.holder(key).await?, &None)
    }

    /// Fails unless the subject is as it was created, and found by all its keys.
    async fn subject_unchanged(&self) -> Checked {
        self.is_stored(&self.subject).await
    }

    /// Fails unless this client of the tenant is stored so, and found by all its keys.
    async fn is_stored(&self, entity: &Entity) -> Checked {
        let name = entity.id.as_str();
        equal(
            &format!("the client {name:?}"),
            &self.seen(name).await?.as_ref(),
            &Some(entity),
        )?;
        for key in &entity.keys {
            let found = self.holder(key).await?;
            equal(
                &format!("what has the key {key:?}"),
                &found.as_ref(),
                &Some(&entity.id),
            )?;
            if key.scope == UniqueScope::Global {
                let expected = OwnedEntity {
                    tenant: self.tenant.clone(),
                    entity: entity.clone(),
                };
                let found = self.anywhere(key).await?;
                equal(
                    &format!("what has the key {key:?} anywhere"),
                    &found,
                    &Some(expected),
                )?;
            }
        }
        Ok(())
    }

    /// Stores a client in the tenant at [`START`].
    async fn create(&self, entity: NewEntity) -> Result<Entity, Failure> {
        Ok(self.store.create(&self.tenant, entity, START).await?)
    }

    /// One of the two handles, in turn.
    fn handle(&self, racer: usize) -> Arc<dyn EntityStore> {
        if racer.is_multiple_of(2) {
            self.store.clone()
        } else {
            self.other.clone()
        }
    }
}
