//! Probes: one record of each port, to be written and looked at inside and outside of transactions.
//!
//! A port that comes to the bundle gets a probe, and with it all rules of this suite.

use std::{collections::BTreeMap, fmt, num::NonZeroU32};

use portproof_ports::{
    AttributeChange, AttributeName, BoundTo, ClientId, CodeDigest, CodeKind, CredentialId,
    CredentialKind, Edge, EdgeBatch, EdgeWrite, Email, EntityId, EntityKind, ErrorKind, EventBatch,
    EventFilter, EventId, EventKind, Expected, ExpectedHead, FamilyId, GrantScope, Identifier,
    IdentityFilter, IdentityId, IdentityKind, KeyId, KeyUse, Kinds, LookupDigest, NewCode,
    NewCredential, NewEntity, NewEvent, NewFamily, NewGrant, NewIdentifier, NewIdentity, NewKey,
    NewSession, ObjectId, ObjectRef, ObjectType, PageRequest, PortError, PortResult, Ports,
    PrivateKey, RefreshDigest, Relation, Relationship, RoleDraft, RoleId, Secret, Sequence,
    SessionDigest, Span, StreamId, SubjectId, SubjectRef, TenantId, Text, UniqueKey, UniqueKeys,
    UniqueScope, WhichRelations, WhichTypes, Window, async_trait,
};

use crate::suites::fixture::{START, day, document, minute};

/// What is seen of a record, in each way that its port has of looking: by its id, by what finds it,
/// in a list. All of them see it, or none does.
pub(super) type Views = Vec<Option<String>>;

/// How to write a port's record of some name, and how to see it.
#[async_trait]
pub(super) trait Probe: Send + Sync {
    /// The name of the port.
    fn port(&self) -> &'static str;

    /// Stores the record.
    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()>;

    /// Makes a call that is refused because of what is stored, when the record of this name is;
    /// answers what it answered, and what it should.
    async fn refused(
        &self,
        ports: &Ports,
        tenant: &TenantId,
        name: &str,
    ) -> (PortResult<()>, ErrorKind) {
        let answer = self.write(ports, tenant, name).await;
        (answer, ErrorKind::AlreadyExists)
    }

    /// Looks at the record.
    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views>;
}

/// The probes of all ports.
pub(super) const PROBES: &[&dyn Probe] = &[
    &Identities,
    &Sessions,
    &Credentials,
    &Keys,
    &Policies,
    &Assignments,
    &Codes,
    &RefreshTokens,
    &Entities,
    &Events,
    &Relationships,
    &Organizations,
    &Items,
    &Tenants,
];

struct Identities;
struct Sessions;
struct Credentials;
struct Keys;
struct Policies;
struct Assignments;
struct Codes;
struct RefreshTokens;
struct Entities;
struct Events;
struct Relationships;

/// The port of this name in the bundle.
macro_rules! port {
    ($ports:ident.$name:ident) => {
        $ports
            .$name
            .as_ref()
            .ok_or(PortError::Unsupported(stringify!($name).into()))?
    };
}

mod organizations;
mod outbox;
mod tenants;

use organizations::Organizations;
use outbox::Items;
use tenants::Tenants;

fn shown<T: fmt::Debug>(record: Option<T>) -> Option<String> {
    record.map(|record| format!("{record:?}"))
}

/// A document for a record; no name makes one that is refused.
fn data(name: &str) -> PortResult<portproof_ports::Document> {
    document(name).map_err(|_| PortError::refused("document", "is not one"))
}

fn all() -> PortResult<PageRequest> {
    Ok(PageRequest::first(1000)?)
}

#[async_trait]
impl Probe for Identities {
    fn port(&self) -> &'static str {
        "identity"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let identity = NewIdentity {
            id: IdentityId::new(name)?,
            kind: IdentityKind::Human,
            profile: data(name)?,
            identifiers: vec![NewIdentifier {
                identifier: address(name)?,
                verified_at: Some(START),
            }],
        };
        let stored = port!(ports.identity).create(tenant, identity, START).await;
        stored.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.identity), IdentityId::new(name)?);
        let listed = store.list(tenant, &IdentityFilter::Every, &all()?).await?;
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(store.find(tenant, &address(name)?).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}

/// The address that finds the identity of this name.
pub(super) fn address(name: &str) -> PortResult<Identifier> {
    let local = name.replace(' ', ".");
    Ok(Identifier::Email(Email::new(&format!(
        "{local}@example.com"
    ))?))
}

#[async_trait]
impl Probe for Sessions {
    fn port(&self) -> &'static str {
        "session"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let session = NewSession {
            id: SessionDigest::of(name.as_bytes()),
            identity: Some(IdentityId::new("Ada")?),
            idle: Some(Span::minutes(30)),
            ends_at: day(90),
            data: data(name)?,
        };
        let stored = port!(ports.session).create(tenant, session, START).await;
        stored.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.session), SessionDigest::of(name.as_bytes()));
        let ada = IdentityId::new("Ada")?;
        let listed = store.list_of(tenant, &ada, minute(1), &all()?).await?;
        Ok(vec![
            shown(store.get(tenant, &id, minute(1)).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}

#[async_trait]
impl Probe for Credentials {
    fn port(&self) -> &'static str {
        "credentials"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let credential = NewCredential {
            id: CredentialId::new(name)?,
            identity: IdentityId::new("Ada")?,
            secret: Secret::RecoveryCode(LookupDigest::of(name.as_bytes())),
            metadata: data(name)?,
            expires_at: Some(day(90)),
        };
        let store = port!(ports.credentials);
        store.add(tenant, credential, START).await.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.credentials), CredentialId::new(name)?);
        let (ada, lookup) = (IdentityId::new("Ada")?, LookupDigest::of(name.as_bytes()));
        let listed = store.list_of(tenant, &ada, &Kinds::Every, &all()?).await?;
        let found = store
            .find(tenant, CredentialKind::RecoveryCode, &lookup, START)
            .await?;
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(found),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}

#[async_trait]
impl Probe for Keys {
    fn port(&self) -> &'static str {
        "keystore"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let key = NewKey {
            id: KeyId::new(name)?,
            key_use: KeyUse::Signing,
            algorithm: Text::new("ES256")?,
            public: data(name)?,
            private: PrivateKey::new(format!("the private part of {name}").into_bytes())?,
        };
        let stored = port!(ports.keystore).insert(tenant, key, START).await;
        stored.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.keystore), KeyId::new(name)?);
        let listed = store.list(tenant, KeyUse::Signing, &all()?).await?;
        let published = store.public_set(tenant, KeyUse::Signing, START).await?;
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
            shown(published.into_iter().find(|found| found.id == id)),
        ])
    }
}

#[async_trait]
impl Probe for Policies {
    fn port(&self) -> &'static str {
        "policies"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let (store, draft) = (port!(ports.policies), role(name, name)?);
        let saved = store
            .save_role(tenant, Expected::Absent, draft, START)
            .await;
        saved.map(drop)
    }

    async fn refused(
        &self,
        ports: &Ports,
        tenant: &TenantId,
        name: &str,
    ) -> (PortResult<()>, ErrorKind) {
        let answer = self.write(ports, tenant, name).await;
        (answer, ErrorKind::Stale)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.policies), RoleId::new(name)?);
        let listed = store.list_roles(tenant, &all()?).await?;
        Ok(vec![
            shown(store.get_role(tenant, &id).await?),
            shown(listed.items.into_iter().find(|found| found.draft.id == id)),
        ])
    }
}

/// A role of this id and name.
pub(super) fn role(id: &str, name: &str) -> PortResult<RoleDraft> {
    Ok(RoleDraft {
        id: RoleId::new(id)?,
        name: Text::new(name)?,
        description: None,
        permissions: Vec::new(),
        inherits: None,
        scope: None,
        metadata: None,
    })
}

#[async_trait]
impl Probe for Assignments {
    fn port(&self) -> &'static str {
        "assignments"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let (store, subject) = (port!(ports.assignments), SubjectId::new(name)?);
        let change = AttributeChange::Set(data(name)?);
        let changes = BTreeMap::from([(AttributeName::new("team")?, change)]);
        let merged = store.merge_attributes(tenant, &subject, &changes).await;
        merged.map(drop)
    }

    /// Grants a role that is not stored, which no key of a backend knows but a reference does.
    async fn refused(
        &self,
        ports: &Ports,
        tenant: &TenantId,
        name: &str,
    ) -> (PortResult<()>, ErrorKind) {
        let assign = async {
            let grant = NewGrant {
                subject: SubjectId::new(name)?,
                role: RoleId::new("a role that is not stored")?,
                scope: GrantScope::Global,
                window: Window::ALWAYS,
            };
            let assigned = port!(ports.assignments).assign(tenant, grant, START).await;
            assigned.map(drop)
        };
        (assign.await, ErrorKind::NotFound)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, subject) = (port!(ports.assignments), SubjectId::new(name)?);
        let attributes = store.attributes(tenant, &subject).await?;
        Ok(vec![shown((!attributes.is_empty()).then_some(attributes))])
    }
}

#[async_trait]
impl Probe for Codes {
    fn port(&self) -> &'static str {
        "codes"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let code = NewCode {
            kind: CodeKind::new("ticket")?,
            id: CodeDigest::of(name.as_bytes()),
            bound_to: BoundTo::Client(ClientId::new("app")?),
            identity: Some(IdentityId::new("Ada")?),
            guesses: NonZeroU32::new(5),
            expires_at: day(90),
            data: data(name)?,
        };
        port!(ports.codes).put(tenant, code, START).await.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, kind) = (port!(ports.codes), CodeKind::new("ticket")?);
        let id = CodeDigest::of(name.as_bytes());
        Ok(vec![shown(
            store.peek(tenant, &kind, &id, minute(1)).await?,
        )])
    }
}

#[async_trait]
impl Probe for RefreshTokens {
    fn port(&self) -> &'static str {
        "refresh_tokens"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let family = NewFamily {
            id: FamilyId::new(name)?,
            token: RefreshDigest::of(name.as_bytes()),
            identity: IdentityId::new("Ada")?,
            client: ClientId::new("app")?,
            session: None,
            idle: Some(Span::days(30)),
            ends_at: day(90),
            data: data(name)?,
        };
        let store = port!(ports.refresh_tokens);
        store.issue(tenant, family, START).await.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.refresh_tokens), FamilyId::new(name)?);
        let token = RefreshDigest::of(name.as_bytes());
        let ada = IdentityId::new("Ada")?;
        let listed = store.list_of(tenant, &ada, minute(1), &all()?).await?;
        Ok(vec![
            shown(store.get(tenant, &token, minute(1)).await?),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}

/// The key of this entity within its tenant.
fn key(name: &str) -> PortResult<UniqueKey> {
    Ok(UniqueKey::new("name", name, UniqueScope::Tenant)?)
}

/// Its key over all tenants: cases run at once on one store, so the tenant is part of it.
fn wide_key(tenant: &TenantId, name: &str) -> PortResult<UniqueKey> {
    let value = format!("{name} of {}", tenant.as_str());
    Ok(UniqueKey::new("client_id", &value, UniqueScope::Global)?)
}

#[async_trait]
impl Probe for Entities {
    fn port(&self) -> &'static str {
        "entities"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let entity = NewEntity {
            kind: EntityKind::new("client")?,
            id: EntityId::new(name)?,
            body: data(name)?,
            keys: UniqueKeys::new(vec![key(name)?, wide_key(tenant, name)?])?,
        };
        let stored = port!(ports.entities).create(tenant, entity, START).await;
        stored.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id) = (port!(ports.entities), EntityId::new(name)?);
        let (kind, wide) = (EntityKind::new("client")?, wide_key(tenant, name)?);
        let anywhere = store.find_global(&kind, &wide.name, &wide.value).await?;
        let listed = store.list(tenant, &kind, &all()?).await?;
        Ok(vec![
            shown(store.get(tenant, &kind, &id).await?),
            shown(store.find(tenant, &kind, &key(name)?).await?),
            shown(anywhere.map(|owned| owned.entity)),
            shown(listed.items.into_iter().find(|found| found.id == id)),
        ])
    }
}

/// An event of this name, which tells this.
async fn append(ports: &Ports, tenant: &TenantId, name: &str, told: &str) -> PortResult<()> {
    let event = NewEvent {
        id: EventId::new(name)?,
        kind: EventKind::new("signed.up")?,
        subject: Some(SubjectId::new("Ada")?),
        occurred_at: START,
        payload: data(told)?,
    };
    let (stream, events) = (StreamId::new(name)?, EventBatch::of(event));
    let appended = port!(ports.events)
        .append(tenant, &stream, ExpectedHead::Anything, &events, START)
        .await;
    appended.map(drop)
}

#[async_trait]
impl Probe for Events {
    fn port(&self) -> &'static str {
        "events"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        append(ports, tenant, name, name).await
    }

    // The same again is a retry, which is answered.
    async fn refused(
        &self,
        ports: &Ports,
        tenant: &TenantId,
        name: &str,
    ) -> (PortResult<()>, ErrorKind) {
        let told = append(ports, tenant, name, "something else").await;
        (told, ErrorKind::AlreadyExists)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, id, stream) = (
            port!(ports.events),
            EventId::new(name)?,
            StreamId::new(name)?,
        );
        let all = all()?;
        let in_stream = store.read(tenant, &stream, Sequence::FIRST, &all).await?;
        let found = store.query(tenant, &EventFilter::EVERYTHING, &all).await?;
        Ok(vec![
            shown(store.get(tenant, &id).await?),
            shown(store.head(tenant, &stream).await?),
            shown(in_stream.items.into_iter().next()),
            shown(found.items.into_iter().find(|found| found.id == id)),
        ])
    }
}

/// The edge of this name.
fn edge(name: &str) -> PortResult<Edge> {
    let object = |kind, id| -> PortResult<ObjectRef> {
        Ok(ObjectRef {
            kind: ObjectType::new(kind)?,
            id: ObjectId::new(id)?,
        })
    };
    Ok(Edge {
        subject: SubjectRef::Object(object("user", name)?),
        relation: Relation::new("owner")?,
        object: object("document", "report")?,
    })
}

#[async_trait]
impl Probe for Relationships {
    fn port(&self) -> &'static str {
        "relationships"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let created = EdgeWrite::Create(Relationship {
            edge: edge(name)?,
            caveat: Some(data(name)?),
            until: Some(day(90)),
        });
        let batch = EdgeBatch::new(vec![created])?;
        port!(ports.relationships)
            .write(tenant, &batch, START)
            .await
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, edge, all) = (port!(ports.relationships), edge(name)?, all()?);
        let (every, types) = (WhichRelations::Every, WhichTypes::Every);
        let from = store.from(tenant, &edge.subject, &every, &types, START, &all);
        let from = from.await?.items.into_iter().next();
        let to = store.to(tenant, &edge.object, &every, &types, START, &all);
        let mut to = to.await?.items.into_iter();
        Ok(vec![
            shown(store.get(tenant, &edge, START).await?),
            shown(from),
            shown(to.find(|found| found.edge == edge)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_a_probe() {
        let mut probed: Vec<&str> = PROBES.iter().map(|probe| probe.port()).collect();
        probed.push("transactions");
        assert_eq!(probed, Ports::NAMES);
    }
}
