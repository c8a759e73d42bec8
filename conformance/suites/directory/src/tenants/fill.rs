//! What fills a tenant in every port: something in each table, list and index that an adapter may
//! keep, under the ids of the small world that [`looked`](crate::model::looked) looks at.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use portproof_ports::{
    AttributeChange, AttributeName, BoundTo, ClientId, CodeDigest, CodeKind, CredentialId,
    CredentialKind, Edge, EdgeBatch, EdgeWrite, Email, EntityId, EntityKind, EventBatch, EventId,
    EventKind, Expected, ExpectedHead, FamilyId, GrantScope, Identifier, IdentityId, IdentityKind,
    InvitationDigest, ItemId, ItemKind, KeyId, KeyUse, LookupDigest, MemberRoles, NewCode,
    NewCredential, NewEntity, NewEvent, NewFamily, NewGrant, NewIdentifier, NewIdentity,
    NewInvitation, NewItem, NewKey, NewMembership, NewOrganization, NewSession, ObjectId,
    ObjectRef, ObjectType, OldSecret, OrganizationId, PasswordHash, PolicyDraft, PolicyId,
    PortError, Ports, PrivateKey, ProviderId, ProviderSubject, RefreshDigest, Relation,
    Relationship, RoleDraft, RoleId, Scope, Secret, SessionDigest, SessionRef, Slug, Span,
    StreamId, SubjectId, SubjectRef, TenantDraft, TenantId, Text, UniqueKey, UniqueKeys,
    UniqueScope, Window,
};

use super::draft;
use crate::{
    CaseFuture, Failure,
    check::equal,
    fixture::{START, day, document, minute},
};

/// Fills a port; answers how many records it stored.
type Fill = for<'a> fn(&'a Ports, &'a TenantId) -> CaseFuture<'a, Result<u64, Failure>>;

macro_rules! fillers {
    ($($port:ident: $fill:ident;)*) => {
        /// How to fill each port, what is named before what names it; that none is missing is a test
        /// of this file.
        const FILLERS: &[(&str, Fill)] = &[$(
            (stringify!($port), |ports, tenant| Box::pin(async move {
                match &ports.$port {
                    Some(port) => $fill(port, tenant).await,
                    None => Ok(0),
                }
            })),
        )*];
    };
}

fillers! {
    identity: identities;
    session: sessions;
    credentials: credentials;
    keystore: keys;
    policies: policies;
    assignments: assignments;
    codes: codes;
    refresh_tokens: refresh_tokens;
    entities: entities;
    events: events;
    relationships: edges;
    organizations: organizations;
    outbox: items;
    tenants: tenants;
}

/// Fills a tenant, which has nothing, in every port that is offered; answers how many records it has
/// then.
pub(super) async fn fill(ports: &Ports, tenant: &TenantId) -> Result<u64, Failure> {
    let mut records = 0;
    for port in ports.offered() {
        // No port: there is nothing in them.
        if port == "transactions" {
            continue;
        }
        let filler = FILLERS.iter().find(|(name, _)| *name == port);
        let (_, fill) =
            filler.ok_or_else(|| Failure::new(format!("nobody knows how to fill {port}")))?;
        let filled = fill(ports, tenant).await;
        records += filled.map_err(|failure| failure.while_(&format!("{port} was being filled")))?;
    }
    Ok(records)
}

type Store<P> = Arc<P>;

async fn identities(
    store: &Store<dyn portproof_ports::IdentityStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    let identifiers = [
        Identifier::Email(Email::new("ada@example.com")?),
        Identifier::Federated {
            provider: ProviderId::new("idp")?,
            subject: ProviderSubject::new("7")?,
        },
    ];
    let linked = identifiers.map(|identifier| NewIdentifier {
        identifier,
        verified_at: Some(START),
    });
    for (id, kind, identifiers) in [
        ("ada", IdentityKind::Human, linked.to_vec()),
        ("Ada", IdentityKind::Service, Vec::new()),
    ] {
        let identity = NewIdentity {
            id: IdentityId::new(id)?,
            kind,
            profile: document(id)?,
            identifiers,
        };
        store.create(tenant, identity, START).await?;
    }
    Ok(2)
}

async fn sessions(
    store: &Store<dyn portproof_ports::SessionStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    for (bearer, identity) in [("one", Some("ada")), ("two", None)] {
        let session = NewSession {
            id: SessionDigest::of(bearer.as_bytes()),
            identity: identity.map(IdentityId::new).transpose()?,
            idle: Some(Span::days(10)),
            ends_at: day(90),
            data: document(bearer)?,
        };
        store.create(tenant, session, START).await?;
    }
    // So that a digest has been given up.
    let (old, new) = (SessionDigest::of(b"two"), SessionDigest::of(b"three"));
    store.rotate(tenant, &old, &new, START).await?;
    Ok(2)
}

/// A password, and an API key whose first digest is in its grace.
async fn credentials(
    store: &Store<dyn portproof_ports::CredentialStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA";
    let key = |bearer: &str| Secret::ApiKey(LookupDigest::of(bearer.as_bytes()));
    for (id, secret) in [
        ("cd", Secret::Password(PasswordHash::new(hash)?)),
        ("Cd", key("one")),
    ] {
        let credential = NewCredential {
            id: CredentialId::new(id)?,
            identity: IdentityId::new("ada")?,
            secret,
            metadata: document(id)?,
            expires_at: Some(day(90)),
        };
        let stored = store.add(tenant, credential, START).await?;
        if stored.secret.kind() == CredentialKind::ApiKey {
            let (id, seen, old) = (&stored.id, stored.version, OldSecret::ValidUntil(day(9)));
            store
                .replace(tenant, id, seen, key("two"), old, START)
                .await?;
        }
        store.record_failure(tenant, &stored.id).await?;
    }
    let rules = document("rules")?;
    match store
        .set_policy(tenant, Expected::Absent, rules, START)
        .await
    {
        Ok(_) => Ok(3),
        // Disclaimed.
        Err(PortError::Unsupported(_)) => Ok(2),
        Err(error) => Err(error.into()),
    }
}

async fn keys(
    store: &Store<dyn portproof_ports::KeyStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    for (id, key_use) in [
        ("key", KeyUse::Signing),
        ("Key", KeyUse::Encryption),
        ("key ", KeyUse::Signing),
    ] {
        let key = NewKey {
            id: KeyId::new(id)?,
            key_use,
            algorithm: Text::new("ES256")?,
            public: document(id)?,
            private: PrivateKey::new(b"private".to_vec())?,
        };
        store.insert(tenant, key, START).await?;
    }
    let (use_, next) = (KeyUse::Signing, KeyId::new("key")?);
    store
        .rotate(tenant, use_, None, &next, day(9), START)
        .await?;
    Ok(3)
}

async fn policies(
    store: &Store<dyn portproof_ports::PolicyStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    let policy = PolicyDraft {
        id: PolicyId::new("po")?,
        name: Text::new("a policy")?,
        description: None,
        algorithm: portproof_ports::Algorithm::DenyOverrides,
        targets: None,
        rules: Vec::new(),
    };
    let absent = Expected::Absent;
    store.save_policy(tenant, absent, policy, START).await?;
    let role = RoleDraft {
        id: RoleId::new("ro")?,
        name: Text::new("a role")?,
        description: None,
        permissions: Vec::new(),
        inherits: None,
        scope: None,
        metadata: Some(document("role")?),
    };
    store.save_role(tenant, absent, role, START).await?;
    Ok(2)
}

/// Grants of the stored role, a subject's attributes, and a subject that had one.
async fn assignments(
    store: &Store<dyn portproof_ports::AssignmentStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    let [subject, other] = [SubjectId::new("su")?, SubjectId::new("Su")?];
    for scope in [GrantScope::Global, GrantScope::Scoped(Scope::new("org")?)] {
        let grant = NewGrant {
            subject: subject.clone(),
            role: RoleId::new("ro")?,
            scope,
            window: Window::ALWAYS,
        };
        store.assign(tenant, grant, START).await?;
    }
    let mut set = BTreeMap::new();
    let mut clear = BTreeMap::new();
    for name in ["at", "At"] {
        let name = AttributeName::new(name)?;
        clear.insert(name.clone(), AttributeChange::Clear);
        set.insert(name, AttributeChange::Set(document("attribute")?));
    }
    for (subject, changes) in [(&subject, &set), (&other, &set), (&other, &clear)] {
        store.merge_attributes(tenant, subject, changes).await?;
    }
    Ok(4)
}

async fn codes(
    store: &Store<dyn portproof_ports::CodeStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    let kind = CodeKind::new("ticket")?;
    let bound_to = BoundTo::Client(ClientId::new("app")?);
    for bearer in ["one", "two"] {
        let code = NewCode {
            kind: kind.clone(),
            id: CodeDigest::of(bearer.as_bytes()),
            bound_to: bound_to.clone(),
            identity: Some(IdentityId::new("ada")?),
            guesses: NonZeroU32::new(3),
            expires_at: day(90),
            data: document(bearer)?,
        };
        store.put(tenant, code, START).await?;
    }
    let [one, two] = [CodeDigest::of(b"one"), CodeDigest::of(b"two")];
    store.consume(tenant, &kind, &one, &bound_to, START).await?;
    store.record_failure(tenant, &kind, &two, START).await?;
    Ok(2)
}

/// A family with a spent token.
async fn refresh_tokens(
    store: &Store<dyn portproof_ports::RefreshTokenStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    let [one, two] = [RefreshDigest::of(b"one"), RefreshDigest::of(b"two")];
    let client = ClientId::new("app")?;
    let family = NewFamily {
        id: FamilyId::new("fa")?,
        token: one.clone(),
        identity: IdentityId::new("ada")?,
        client: client.clone(),
        session: Some(SessionRef::new("sid")?),
        idle: Some(Span::days(10)),
        ends_at: day(90),
        data: document("family")?,
    };
    store.issue(tenant, family, START).await?;
    store
        .rotate(tenant, &client, &one, &two, None, START)
        .await?;
    Ok(1)
}

/// An entity with a key within its tenant and one over all, and one of another kind without any.
async fn entities(
    store: &Store<dyn portproof_ports::EntityStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    let value = format!("v of {}", tenant.as_str());
    let key = |scope| UniqueKey::new("name", &value, scope);
    let keys = vec![key(UniqueScope::Tenant)?, key(UniqueScope::Global)?];
    for (kind, id, keys) in [("client", "en", keys), ("Client", "En", Vec::new())] {
        let entity = NewEntity {
            kind: EntityKind::new(kind)?,
            id: EntityId::new(id)?,
            body: document(id)?,
            keys: UniqueKeys::new(keys)?,
        };
        store.create(tenant, entity, START).await?;
    }
    Ok(2)
}

/// Two events of a stream, and a stream that had one.
async fn events(
    store: &Store<dyn portproof_ports::EventStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    for (stream, id, occurred_at) in [
        ("st", "ev", day(1)),
        ("St", "ev ", START),
        ("st", "Ev", day(2)),
    ] {
        let event = EventBatch::of(NewEvent {
            id: EventId::new(id)?,
            kind: EventKind::new("login")?,
            subject: Some(SubjectId::new("su")?),
            occurred_at,
            payload: document(id)?,
        });
        let (stream, head) = (StreamId::new(stream)?, ExpectedHead::Anything);
        store.append(tenant, &stream, head, &event, START).await?;
    }
    store.prune(tenant, day(1), 10).await?;
    Ok(2)
}

/// An edge from an object, and one from a set, which ends.
async fn edges(
    store: &Store<dyn portproof_ports::RelationshipStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    let object = |id: &str| -> Result<ObjectRef, Failure> {
        Ok(ObjectRef {
            kind: ObjectType::new("doc")?,
            id: ObjectId::new(id)?,
        })
    };
    let set = SubjectRef::Userset {
        object: object("a")?,
        relation: Relation::new("i_")?,
    };
    let mut writes = Vec::new();
    for (subject, caveat, until) in [
        (SubjectRef::Object(object("a")?), None, None),
        (set, Some(document("caveat")?), Some(day(9))),
    ] {
        let edge = Edge {
            subject,
            relation: Relation::new("in")?,
            object: object("A")?,
        };
        writes.push(EdgeWrite::Create(Relationship {
            edge,
            caveat,
            until,
        }));
    }
    store.write(tenant, &EdgeBatch::new(writes)?, START).await?;
    Ok(2)
}

/// An organization with a member, and one that somebody joined by an invitation and another may.
async fn organizations(
    store: &Store<dyn portproof_ports::OrganizationStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    for (id, slug, member_limit) in [("or", "ac", NonZeroU32::new(5)), ("Or", "a", None)] {
        let organization = NewOrganization {
            id: OrganizationId::new(id)?,
            slug: Slug::new(slug)?,
            member_limit,
            data: document(id)?,
        };
        store.create(tenant, organization, START).await?;
    }
    let roles = || MemberRoles::new([RoleId::new("ro")?]);
    let member = NewMembership {
        organization: OrganizationId::new("or")?,
        identity: IdentityId::new("ada")?,
        roles: roles()?,
    };
    store.add_member(tenant, member, START).await?;
    let [one, two] = [&b"one"[..], b"two"].map(InvitationDigest::of);
    for id in [&one, &two] {
        let invitation = NewInvitation {
            id: id.clone(),
            organization: OrganizationId::new("Or")?,
            invitee: Text::new("bob@example.com")?,
            roles: roles()?,
            expires_at: day(90),
            data: document("an invitation")?,
        };
        store.invite(tenant, invitation, START).await?;
    }
    store
        .accept(tenant, &two, &IdentityId::new("ada")?, START)
        .await?;
    Ok(5)
}

/// An item that waits, one that is claimed, one that is done, and one that was given up.
async fn items(
    store: &Store<dyn portproof_ports::OutboxStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    let kind = ItemKind::new("mail")?;
    for (id, due_at) in [("it", START), ("It", START), ("it ", START), ("i%", day(1))] {
        let item = NewItem {
            id: ItemId::new(id)?,
            kind: kind.clone(),
            due_at,
            payload: document(id)?,
        };
        store.put(tenant, item, START).await?;
    }
    let claimed = store
        .claim(tenant, &kind, 3, Span::minutes(1), START)
        .await?;
    for (item, is_hopeless) in claimed.iter().zip([true, false]) {
        let claim = item.claim();
        let held = if is_hopeless {
            let trouble = Text::new("refused")?;
            store.give_up(tenant, &claim, &trouble, minute(1)).await?
        } else {
            store.complete(tenant, &claim, minute(1)).await?
        };
        equal("whether the claim of who claimed it holds", &held, &true)?;
    }
    equal("how many were claimed", &claimed.len(), &3)?;
    Ok(4)
}

async fn tenants(
    store: &Store<dyn portproof_ports::TenantStore>,
    tenant: &TenantId,
) -> Result<u64, Failure> {
    let created = store.create(tenant, draft("a tenant")?, START).await?;
    let changed = TenantDraft {
        settings: document("changed")?,
        ..draft("a tenant")?
    };
    store
        .update(tenant, created.version, changed, minute(1))
        .await?;
    Ok(1)
}

#[cfg(test)]
mod tests {
    use portproof_memory::MemoryAdapter;

    use super::*;
    use crate::model::{Look, looked, looked_as_far};

    #[test]
    fn every_port_has_a_filler() {
        let mut filled: Vec<&str> = FILLERS.iter().map(|(port, _)| *port).collect();
        filled.push("transactions");
        assert_eq!(filled, Ports::NAMES);
    }

    /// A filler that stores nothing, or where nobody looks, would let its port be forgotten.
    #[tokio::test]
    async fn what_is_filled_is_seen_in_every_port() {
        let ports = MemoryAdapter::new().ports();
        let tenant = TenantId::new("acme").unwrap();
        let before = looked(&ports, &tenant).await.unwrap();
        fill(&ports, &tenant).await.unwrap();
        let after = looked(&ports, &tenant).await.unwrap();
        for (before, after) in before.iter().zip(&after) {
            assert_ne!(before, after, "{} is as it was", before.0);
        }
    }

    /// A look further than at the ids that a tenant is filled with shows no more of it.
    #[tokio::test]
    async fn a_look_shows_all_that_is_filled() {
        let ports = MemoryAdapter::new().ports();
        let [full, empty] = ["acme", "nobody"].map(|id| TenantId::new(id).unwrap());
        fill(&ports, &full).await.unwrap();
        let far = |ids| usize::max(ids, 6);
        let nothing = looked_as_far(&ports, &empty, far).await.unwrap();
        let all = looked_as_far(&ports, &full, far).await.unwrap();
        let seen = looked(&ports, &full).await.unwrap();
        let lines = |look: &Look| -> Vec<String> {
            let ports = look.iter();
            ports
                .flat_map(|(port, lines)| lines.iter().map(move |line| format!("{port}: {line}")))
                .collect()
        };
        let (nothing, seen) = (lines(&nothing), lines(&seen));
        let mut found = 0;
        for line in lines(&all) {
            found += usize::from(!nothing.contains(&line));
            assert!(nothing.contains(&line) || seen.contains(&line), "{line}");
        }
        assert!(found > 40, "{found}");
    }
}
