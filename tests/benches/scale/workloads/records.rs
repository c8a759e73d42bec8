//! What is kept of and for a tenant: events, entities, organizations, what is to be done.

use portproof_ports::{
    Attempt, Claim, Ended, EntityChange, EntityId, EntityKind, Event, EventBatch, EventFilter,
    EventId, EventKind, EventKinds, EventSubjects, ExpectedHead, IdentityId, InvitationDigest,
    ItemId, ItemKind, MemberRoles, NewEntity, NewEvent, NewInvitation, NewItem, NewMembership,
    NewOrganization, OrganizationId, OrganizationUpdate, PortResult, Position, RoleId, Sequence,
    Slug, Span, StreamId, SubjectId, TenantId, Text, UniqueKey, UniqueKeys, UniqueScope, Version,
    Window,
};

use super::{Of, Workload, far, is_full, new, of, subject, tenant, workloads};
use crate::{
    rows::{NOW, OF_A_PERSON, RARE, Rows, data, digest, id},
    store::{Heavy, Store},
};

/// A count is measured of what is rare only: it takes as long as there is something to count.
pub(super) const WORKLOADS: &[Workload] = workloads! {
    "events.append, to a new stream", one in 1: |s, k| {
        let (tenant, subject) = subject(s, of(9, k))?;
        let stream = StreamId::new(id(new(s, k)))?;
        // A number that other appends do not use.
        let events = event(subject, new(s, k) + s.rows.0)?;
        let appended = s.events.append(&tenant, &stream, ExpectedHead::Absent, &events, NOW);
        is_at(&appended.await?, Sequence::FIRST)
    };
    "events.append, to an expected head", one in 100: |s, k| {
        let (tenant, subject) = subject(s, of(2, k))?;
        let stream = StreamId::new(subject.as_str())?;
        let events = event(subject, new(s, k) + 2 * s.rows.0)?;
        // The sequences of a person's events begin with 1.
        let head = Sequence::new(OF_A_PERSON.cast_signed())?;
        let expected = ExpectedHead::At(head);
        let appended = s.events.append(&tenant, &stream, expected, &events, NOW);
        is_at(&appended.await?, head.next())
    };
    "events.append, to a long stream", one in 1: |s, k| {
        let (tenant, stream) = (&s.heavy.tenant, &s.heavy.stream);
        let events = event(s.heavy.subject.clone(), new(s, k) + 3 * s.rows.0)?;
        let appended = s.events.append(tenant, stream, ExpectedHead::Anything, &events, NOW);
        appended.await?.len() == 1
    };
    "events.get", one in 20: |s, k| {
        let id = EventId::new(id(of(1, k)))?;
        s.events.get(&tenant(s, of(1, k))?, &id).await?.is_some()
    };
    "events.head", one in 1: |s, k| {
        let (tenant, subject) = subject(s, of(1, k))?;
        s.events.head(&tenant, &StreamId::new(subject.as_str())?).await?.is_some()
    };
    "events.read", one in 1: |s, k| {
        let (tenant, subject) = subject(s, of(1, k))?;
        let stream = StreamId::new(subject.as_str())?;
        let page = s.events.read(&tenant, &stream, Sequence::FIRST, &s.first).await?;
        page.items.len() as u64 == OF_A_PERSON
    };
    "events.read, long, first page", one in 1: |s, _k| {
        let (tenant, stream) = (&s.heavy.tenant, &s.heavy.stream);
        s.events.read(tenant, stream, Sequence::FIRST, &s.first).await?.next.is_some()
    };
    "events.read, long, in the middle", one in 1: |s, _k| {
        let (tenant, stream) = (&s.heavy.tenant, &s.heavy.stream);
        let page = s.events.read(tenant, stream, Sequence::FIRST, &s.middle.stream).await?;
        is_full(s, &page.items)
    };
    "events.read_all, from the middle", one in 1: |s, k| {
        // About half of the events are the biggest tenant's.
        let after = Position::new((s.rows.0 / 4 + k % 100).cast_signed())?;
        is_full(s, &s.events.read_all(&s.heavy.tenant, after, &s.first).await?.items)
    };
    "events.query, of a kind", one in 1: |s, _k| {
        let filter = EventFilter { kinds: of_kind("login")?, ..EventFilter::EVERYTHING };
        s.events.query(&s.heavy.tenant, &filter, &s.first).await?.next.is_some()
    };
    "events.query, of a rare kind", one in 1: |s, _k| {
        let filter = EventFilter { kinds: of_kind("rare")?, ..EventFilter::EVERYTHING };
        is_rare(&s.events.query(&s.heavy.tenant, &filter, &s.first).await?.items)
    };
    "events.query, about somebody", one in 1: |s, k| {
        let (tenant, subject) = subject(s, of(1, k))?;
        let page = s.events.query(&tenant, &about(&subject), &s.first).await?;
        page.items.len() as u64 == OF_A_PERSON
    };
    "events.query, about nobody", one in 1: |s, _k| {
        let filter = EventFilter { subjects: EventSubjects::Nobody, ..EventFilter::EVERYTHING };
        s.events.query(&s.heavy.tenant, &filter, &s.first).await?.next.is_some()
    };
    "events.query, long, first page", one in 1: |s, _k| {
        s.events.query(&s.heavy.tenant, &s.heavy.events, &s.first).await?.next.is_some()
    };
    "events.query, long, in the middle", one in 1: |s, _k| {
        let (filter, middle) = (&s.heavy.events, &s.middle.events);
        is_full(s, &s.events.query(&s.heavy.tenant, filter, middle).await?.items)
    };
    "events.query, long, of a rare kind", one in 1: |s, _k| {
        let filter = EventFilter { kinds: of_kind("rare")?, ..s.heavy.events.clone() };
        is_rare(&s.events.query(&s.heavy.tenant, &filter, &s.first).await?.items)
    };
    "events.query, of a short time", one in 1: |s, _k| {
        let filter = EventFilter { during: short_time(s)?, ..EventFilter::EVERYTHING };
        s.events.query(&s.heavy.tenant, &filter, &s.first).await?.next.is_some()
    };
    "events.query, long, of a short time", one in 1: |s, _k| {
        let filter = EventFilter { during: short_time(s)?, ..s.heavy.events.clone() };
        !s.events.query(&s.heavy.tenant, &filter, &s.first).await?.items.is_empty()
    };
    "events.count, of a rare kind", one in 1: |s, _k| {
        let filter = EventFilter { kinds: of_kind("rare")?, ..EventFilter::EVERYTHING };
        s.events.count(&s.heavy.tenant, &filter).await? == RARE
    };
    "events.prune, one", one in 20: |s, _k| {
        s.events.prune(&s.heavy.tenant, NOW.before(Span::days(100)), 1).await? == 1
    };

    "entities.create", one in 1: |s, k| {
        let number = id(new(s, k));
        let entity = NewEntity {
            kind: client()?,
            id: EntityId::new(number.clone())?,
            body: data()?,
            keys: keys(&number, &number)?,
        };
        s.entities.create(&tenant(s, of(9, k))?, entity, NOW).await?.version == Version::FIRST
    };
    "entities.get", one in 20: |s, k| {
        let (tenant, id) = entity(s, of(1, k))?;
        s.entities.get(&tenant, &client()?, &id).await?.is_some()
    };
    "entities.find", one in 20: |s, k| {
        let (tenant, id) = entity(s, of(1, k))?;
        let slug = UniqueKey::new("slug", id.as_str(), UniqueScope::Tenant)?;
        s.entities.find(&tenant, &client()?, &slug).await?.is_some_and(|found| found.id == id)
    };
    "entities.find_global", one in 20: |s, k| {
        let (tenant, id) = entity(s, of(1, k))?;
        let UniqueKey { name, value, .. } = global(id.as_str())?;
        let found = s.entities.find_global(&client()?, &name, &value).await?;
        found.is_some_and(|found| found.tenant == tenant && found.entity.id == id)
    };
    "entities.put", one in 20: |s, k| {
        let (tenant, id) = entity(s, of(2, k))?;
        let keys = keys(id.as_str(), &format!("new-{}", id.as_str()))?;
        let change = EntityChange { body: data()?, keys };
        let (kind, version) = (client()?, Version::FIRST);
        let put = s.entities.put(&tenant, &kind, &id, version, change, NOW);
        put.await?.version == version.next()
    };
    "entities.remove", one in 20: |s, k| {
        let (tenant, id) = entity(s, of(4, k))?;
        s.entities.remove(&tenant, &client()?, &id).await?
    };
    "entities.list, long, first page", one in 1: |s, _k| {
        s.entities.list(&s.heavy.tenant, &s.heavy.kind, &s.first).await?.next.is_some()
    };
    "entities.list, long, in the middle", one in 1: |s, _k| {
        let middle = &s.middle.entities;
        is_full(s, &s.entities.list(&s.heavy.tenant, &s.heavy.kind, middle).await?.items)
    };

    "organizations.create", one in 1: |s, k| {
        let number = id(new(s, k));
        let organization = NewOrganization {
            id: OrganizationId::new(number.clone())?,
            slug: Slug::new(&number)?,
            member_limit: None,
            data: data()?,
        };
        let tenant = tenant(s, of(9, k))?;
        s.organizations.create(&tenant, organization, NOW).await?.version == Version::FIRST
    };
    "organizations.get", one in 1: |s, k| {
        let (tenant, id) = organization(s, of(1, k))?;
        s.organizations.get(&tenant, &id).await?.is_some()
    };
    "organizations.find", one in 1: |s, k| {
        let (tenant, id) = organization(s, of(1, k))?;
        let found = s.organizations.find(&tenant, &Slug::new(id.as_str())?).await?;
        found.is_some_and(|found| found.id == id)
    };
    "organizations.update", one in 100: |s, k| {
        let (tenant, id) = organization(s, of(7, k))?;
        let slug = Slug::new(&format!("new-{}", id.as_str()))?;
        let update = OrganizationUpdate { slug, member_limit: None, data: data()? };
        s.organizations.update(&tenant, &id, Version::FIRST, update, NOW).await?.id == id
    };
    "organizations.delete", one in 100: |s, k| {
        let (tenant, id) = organization(s, of(6, k))?;
        s.organizations.delete(&tenant, &id).await?
    };
    "organizations.list, first page", one in 1: |s, _k| {
        s.organizations.list(&s.heavy.tenant, &s.first).await?.next.is_some()
    };
    "organizations.list, in the middle", one in 1: |s, _k| {
        let middle = &s.middle.organizations;
        is_full(s, &s.organizations.list(&s.heavy.tenant, middle).await?.items)
    };
    "organizations.add_member", one in 1: |s, k| {
        add_member(s, organization(s, of(9, k))?, k).await?
    };
    // To few members: with a limit, they are counted whenever somebody joins.
    "organizations.add_member, with a limit", one in 100: |s, k| {
        add_member(s, organization(s, of(14, k))?, k).await?
    };
    "organizations.add_member, to many", one in 1: |s, k| {
        let Heavy { tenant, organization, .. } = &s.heavy;
        add_member(s, (tenant.clone(), organization.clone()), k).await?
    };
    "organizations.member", one in 20: |s, k| {
        let (tenant, organization, identity) = membership(s, of(1, k))?;
        s.organizations.member(&tenant, &organization, &identity).await?.is_some()
    };
    "organizations.set_roles", one in 20: |s, k| {
        let (tenant, organization, identity) = membership(s, of(12, k))?;
        let (roles, version) = (MemberRoles::default(), Version::FIRST);
        let set = s.organizations.set_roles(&tenant, &organization, &identity, version, roles, NOW);
        set.await?.version == version.next()
    };
    "organizations.remove_member", one in 20: |s, k| {
        let (tenant, organization, identity) = membership(s, of(11, k))?;
        s.organizations.remove_member(&tenant, &organization, &identity).await?
    };
    "organizations.remove_all_of", one in 20: |s, k| {
        let (tenant, _, identity) = membership(s, of(16, k))?;
        s.organizations.remove_all_of(&tenant, &identity).await? == 1
    };
    "organizations.members_of", one in 1: |s, k| {
        let (tenant, id) = organization(s, of(1, k))?;
        let page = s.organizations.members_of(&tenant, &id, &s.first).await?;
        page.items.len() as u64 >= OF_A_PERSON
    };
    "organizations.members_of, long, first page", one in 1: |s, _k| {
        let Heavy { tenant, organization, .. } = &s.heavy;
        s.organizations.members_of(tenant, organization, &s.first).await?.next.is_some()
    };
    "organizations.members_of, long, in the middle", one in 1: |s, _k| {
        let (Heavy { tenant, organization, .. }, middle) = (&s.heavy, &s.middle.members);
        is_full(s, &s.organizations.members_of(tenant, organization, middle).await?.items)
    };
    "organizations.organizations_of", one in 20: |s, k| {
        let (tenant, _, identity) = membership(s, of(1, k))?;
        let page = s.organizations.organizations_of(&tenant, &identity, &s.first).await?;
        page.items.len() == 1
    };
    "organizations.organizations_of, long, first page", one in 1: |s, _k| {
        let Heavy { tenant, identity, .. } = &s.heavy;
        s.organizations.organizations_of(tenant, identity, &s.first).await?.next.is_some()
    };
    "organizations.organizations_of, long, in the middle", one in 1: |s, _k| {
        let (Heavy { tenant, identity, .. }, middle) = (&s.heavy, &s.middle.memberships);
        is_full(s, &s.organizations.organizations_of(tenant, identity, middle).await?.items)
    };
    "organizations.invite", one in 1: |s, k| {
        let (tenant, organization) = organization(s, of(9, k))?;
        let invitation = NewInvitation {
            id: InvitationDigest::new(digest(new(s, k))),
            organization,
            invitee: Text::new("somebody@example.org")?,
            roles: roles()?,
            expires_at: far(),
            data: data()?,
        };
        s.organizations.invite(&tenant, invitation, NOW).await?.created_at == NOW
    };
    "organizations.invitation", one in 20: |s, k| {
        let (tenant, id) = invitation(s, of(1, k))?;
        s.organizations.invitation(&tenant, &id, NOW).await?.is_some()
    };
    "organizations.accept", one in 20: |s, k| {
        let (tenant, id) = invitation(s, of(2, k))?;
        let identity = IdentityId::new(format!("new-{k}"))?;
        let accepted = s.organizations.accept(&tenant, &id, &identity, NOW).await?;
        accepted.identity == identity
    };
    "organizations.revoke", one in 20: |s, k| {
        let (tenant, id) = invitation(s, of(4, k))?;
        s.organizations.revoke(&tenant, &id).await?
    };
    "organizations.invitations_of, long, first page", one in 1: |s, _k| {
        let Heavy { tenant, organization, .. } = &s.heavy;
        s.organizations.invitations_of(tenant, organization, NOW, &s.first).await?.next.is_some()
    };
    "organizations.invitations_of, long, in the middle", one in 1: |s, _k| {
        let (Heavy { tenant, organization, .. }, middle) = (&s.heavy, &s.middle.invitations);
        is_full(s, &s.organizations.invitations_of(tenant, organization, NOW, middle).await?.items)
    };
    "organizations.sweep, one", one in 20: |s, _k| {
        s.organizations.sweep(&s.heavy.tenant, NOW, 1).await? == 1
    };

    "outbox.put", one in 1: |s, k| {
        let item = NewItem {
            id: ItemId::new(id(new(s, k)))?,
            kind: ItemKind::new("webhook")?,
            due_at: far(),
            payload: data()?,
        };
        s.outbox.put(&tenant(s, of(9, k))?, item, NOW).await?.attempts == Attempt::NONE
    };
    "outbox.get", one in 20: |s, k| {
        s.outbox.get(&tenant(s, of(1, k))?, &ItemId::new(id(of(1, k)))?).await?.is_some()
    };
    "outbox.claim, one", one in 20: |s, k| {
        // At least as many are due in the row's tenant as are claimed there.
        claims(s, &tenant(s, of(11, k))?, "mail", 1).await? == 1
    };
    "outbox.claim, ten", one in 500: |s, _k| {
        claims(s, &s.heavy.tenant, "letter", 10).await? == 10
    };
    "outbox.claim, when none is due", one in 1: |s, _k| {
        claims(s, &s.heavy.tenant, "webhook", 10).await? == 0
    };
    "outbox.complete", one in 20: |s, k| {
        let (tenant, claim) = claimed(s, of(2, k))?;
        s.outbox.complete(&tenant, &claim, NOW).await?
    };
    "outbox.put_back", one in 20: |s, k| {
        let ((tenant, claim), trouble) = (claimed(s, of(4, k))?, Text::new("it does not answer")?);
        s.outbox.put_back(&tenant, &claim, far(), &trouble).await?
    };
    "outbox.list_given_up, first page", one in 1: |s, _k| {
        s.outbox.list_given_up(&s.heavy.tenant, &s.first).await?.next.is_some()
    };
    "outbox.list_given_up, in the middle", one in 1: |s, _k| {
        is_full(s, &s.outbox.list_given_up(&s.heavy.tenant, &s.middle.given_up).await?.items)
    };
    "outbox.sweep, one", one in 20: |s, _k| {
        s.outbox.sweep(&s.heavy.tenant, Ended::Done, NOW, 1).await? == 1
    };
};

/// All events about somebody.
pub(crate) fn about(subject: &SubjectId) -> EventFilter {
    EventFilter {
        subjects: EventSubjects::Only(subject.clone()),
        ..EventFilter::EVERYTHING
    }
}

/// A new event with the id of this number.
fn event(subject: SubjectId, number: u64) -> PortResult<EventBatch> {
    Ok(EventBatch::of(NewEvent {
        id: EventId::new(id(number))?,
        kind: EventKind::new("login")?,
        subject: Some(subject),
        occurred_at: NOW,
        payload: data()?,
    }))
}

fn is_at(appended: &[Event], sequence: Sequence) -> bool {
    matches!(appended, [event] if event.sequence == sequence)
}

fn is_rare(events: &[Event]) -> bool {
    events.len() as u64 == RARE
}

fn of_kind(kind: &str) -> PortResult<EventKinds> {
    Ok(EventKinds::Only(EventKind::new(kind)?))
}

/// In the middle of the events, and as long however many there are.
fn short_time(store: &Store) -> PortResult<Window> {
    let from = Rows::created(store.rows.0 / 2)?;
    Ok(Window::new(Some(from), Some(from.after(Span::minutes(5))))?)
}

fn client() -> PortResult<EntityKind> {
    Ok(EntityKind::new("client")?)
}

fn entity(store: &Store, row: u64) -> PortResult<Of<EntityId>> {
    Ok((tenant(store, row)?, EntityId::new(id(row))?))
}

fn global(value: &str) -> PortResult<UniqueKey> {
    Ok(UniqueKey::new("client_id", value, UniqueScope::Global)?)
}

fn keys(client_id: &str, slug: &str) -> PortResult<UniqueKeys> {
    let slug = UniqueKey::new("slug", slug, UniqueScope::Tenant)?;
    Ok(UniqueKeys::new(vec![global(client_id)?, slug])?)
}

fn organization(store: &Store, row: u64) -> PortResult<Of<OrganizationId>> {
    let id = OrganizationId::new(id(store.rows.person(row)))?;
    Ok((tenant(store, row)?, id))
}

fn membership(store: &Store, row: u64) -> PortResult<(TenantId, OrganizationId, IdentityId)> {
    let (tenant, organization) = organization(store, row)?;
    Ok((tenant, organization, IdentityId::new(id(row))?))
}

fn invitation(store: &Store, row: u64) -> PortResult<Of<InvitationDigest>> {
    Ok((tenant(store, row)?, InvitationDigest::new(digest(row))))
}

/// How many are claimed of so many.
async fn claims(store: &Store, tenant: &TenantId, kind: &str, of: u16) -> PortResult<usize> {
    let (kind, lease) = (ItemKind::new(kind)?, Span::minutes(5));
    Ok(store
        .outbox
        .claim(tenant, &kind, of, lease, NOW)
        .await?
        .len())
}

/// The claim of who has an item.
fn claimed(store: &Store, row: u64) -> PortResult<Of<Claim>> {
    let (item, attempt) = (ItemId::new(id(row))?, Attempt::NONE.next());
    Ok((tenant(store, row)?, Claim { item, attempt }))
}

fn roles() -> PortResult<MemberRoles> {
    Ok(MemberRoles::new([RoleId::new("role-0")?])?)
}

async fn add_member(store: &Store, to: Of<OrganizationId>, number: u64) -> PortResult<bool> {
    let (tenant, organization) = to;
    let membership = NewMembership {
        organization,
        identity: IdentityId::new(format!("added-{number}"))?,
        roles: roles()?,
    };
    let added = store.organizations.add_member(&tenant, membership, NOW);
    Ok(added.await?.version == Version::FIRST)
}
