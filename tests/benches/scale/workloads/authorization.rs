//! Who may do what: assignments and relationships.

use portproof_ports::{
    Edge, EdgeBatch, EdgeFilter, EdgeWrite, GrantScope, HowMany, NewGrant, ObjectId, ObjectRef,
    ObjectType, PortResult, Precondition, Relation, Relationship, RoleId, Scope, SubjectRef,
    TenantId, Which, WhichObjects, WhichRelations, WhichSubjects, WhichTypes, Window,
};

use super::{Workload, far, is_full, new, of, subject, tenant, workloads};
use crate::{
    rows::{NOW, OF_A_PERSON, RARE, id},
    store::Store,
};

pub(super) const WORKLOADS: &[Workload] = workloads! {
    "assignments.assign", one in 1: |s, k| {
        let (tenant, subject) = subject(s, of(9, k))?;
        let grant = NewGrant {
            subject,
            role: RoleId::new("role-0")?,
            scope: GrantScope::Scoped(Scope::new(format!("new-{k}"))?),
            window: Window::ALWAYS,
        };
        s.assignments.assign(&tenant, grant, NOW).await?.granted_at == NOW
    };
    "assignments.revoke", one in 20: |s, k| {
        let row = of(2, k);
        let (tenant, subject) = subject(s, row)?;
        let role = RoleId::new(s.rows.role(row))?;
        s.assignments.revoke(&tenant, &subject, &role, &Which::Every).await? == 1
    };
    "assignments.roles_of", one in 1: |s, k| {
        let (tenant, subject) = subject(s, of(1, k))?;
        let page = s.assignments.roles_of(&tenant, &subject, &GrantScope::Global, NOW, &s.first);
        !page.await?.items.is_empty()
    };
    "assignments.next_change", one in 1: |s, k| {
        let (tenant, subject) = subject(s, of(1, k))?;
        s.assignments.next_change(&tenant, &subject, NOW).await?.is_none()
    };
    "assignments.grants_of", one in 1: |s, k| {
        let (tenant, subject) = subject(s, of(1, k))?;
        !s.assignments.grants_of(&tenant, &subject, &s.first).await?.items.is_empty()
    };
    "assignments.grants_of, long, first page", one in 1: |s, _k| {
        let (tenant, subject) = (&s.heavy.tenant, &s.heavy.subject);
        s.assignments.grants_of(tenant, subject, &s.first).await?.next.is_some()
    };
    "assignments.grants_of, long, in the middle", one in 1: |s, _k| {
        let (tenant, subject) = (&s.heavy.tenant, &s.heavy.subject);
        let page = s.assignments.grants_of(tenant, subject, &s.middle.grants).await?;
        is_full(s, &page.items)
    };
    "assignments.holders_of, long, first page", one in 1: |s, _k| {
        let (tenant, role) = (&s.heavy.tenant, &s.heavy.role);
        s.assignments.holders_of(tenant, role, &s.first).await?.next.is_some()
    };
    "assignments.holders_of, long, in the middle", one in 1: |s, _k| {
        let (tenant, role) = (&s.heavy.tenant, &s.heavy.role);
        let page = s.assignments.holders_of(tenant, role, &s.middle.holders).await?;
        is_full(s, &page.items)
    };
    "assignments.forget", one in 100: |s, k| {
        let (tenant, subject) = subject(s, of(11, k))?;
        s.assignments.forget(&tenant, &subject).await? > 0
    };

    "relationships.exists", one in 20: |s, k| {
        let (tenant, edge) = edge(s, of(1, k))?;
        s.relationships.exists(&tenant, &edge, NOW).await?
    };
    "relationships.write, create", one in 1: |s, k| {
        let row = of(9, k);
        let (tenant, mut edge) = edge(s, row)?;
        edge.object = document(id(new(s, k)))?;
        // Which is an error when the edge is there.
        write(s, &tenant, EdgeWrite::Create(until_later(edge)), vec![]).await?
    };
    "relationships.write, touch what exists", one in 20: |s, k| {
        let (tenant, edge) = edge(s, of(2, k))?;
        let exists = Precondition::MustExist(EdgeFilter::only(&edge));
        write(s, &tenant, EdgeWrite::Touch(until_later(edge)), vec![exists]).await?
    };
    "relationships.write, delete what exists", one in 20: |s, k| {
        let (tenant, edge) = edge(s, of(4, k))?;
        let exists = Precondition::MustExist(EdgeFilter::only(&edge));
        write(s, &tenant, EdgeWrite::Delete(edge), vec![exists]).await?
    };
    // In whatever relation: the subject has very many edges, and the object hardly any.
    "relationships.write, unless otherwise related", one in 20: |s, k| {
        let (_, edge) = edge(s, of(11, k))?;
        let related = EdgeFilter {
            subjects: WhichSubjects::Only(s.heavy.user.clone()),
            relations: WhichRelations::Every,
            objects: WhichObjects::Only(edge.object.clone()),
        };
        let unless = Precondition::MustNotExist(related);
        let touch = EdgeWrite::Touch(until_later(edge));
        write(s, &s.heavy.tenant, touch, vec![unless]).await?
    };
    "relationships.from", one in 20: |s, k| {
        let (tenant, edge) = edge(s, of(1, k))?;
        let (relations, types) = (&WhichRelations::Every, &WhichTypes::Every);
        let page = s.relationships.from(&tenant, &edge.subject, relations, types, NOW, &s.first);
        !page.await?.items.is_empty()
    };
    "relationships.from, long, first page", one in 1: |s, _k| {
        let (relations, types, who) = (&WhichRelations::Every, &WhichTypes::Every, &s.heavy.user);
        let page = s.relationships.from(&s.heavy.tenant, who, relations, types, NOW, &s.first);
        page.await?.next.is_some()
    };
    "relationships.from, long, in the middle", one in 1: |s, _k| {
        let (relations, types, who) = (&WhichRelations::Every, &WhichTypes::Every, &s.heavy.user);
        let (tenant, middle) = (&s.heavy.tenant, &s.middle.edges_from);
        let page = s.relationships.from(tenant, who, relations, types, NOW, middle).await?;
        is_full(s, &page.items)
    };
    "relationships.from, long, one relation, rare type", one in 1: |s, _k| {
        let relations = WhichRelations::Only(Relation::new("viewer")?);
        let (types, who) = (WhichTypes::Only(ObjectType::new("folder")?), &s.heavy.user);
        let page = s.relationships.from(&s.heavy.tenant, who, &relations, &types, NOW, &s.first);
        page.await?.items.len() as u64 == RARE
    };
    "relationships.from, long, rare type", one in 1: |s, _k| {
        let relations = WhichRelations::Every;
        let (types, who) = (WhichTypes::Only(ObjectType::new("folder")?), &s.heavy.user);
        let page = s.relationships.from(&s.heavy.tenant, who, &relations, &types, NOW, &s.first);
        page.await?.items.len() as u64 == RARE
    };
    "relationships.to", one in 20: |s, k| {
        let (tenant, edge) = edge(s, of(1, k))?;
        let (relations, types) = (&WhichRelations::Every, &WhichTypes::Every);
        let page = s.relationships.to(&tenant, &edge.object, relations, types, NOW, &s.first);
        page.await?.items.len() == 1
    };
    "relationships.to, long, first page", one in 1: |s, _k| {
        let (relations, types, what) = (&WhichRelations::Every, &WhichTypes::Every, &s.heavy.document);
        let page = s.relationships.to(&s.heavy.tenant, what, relations, types, NOW, &s.first);
        page.await?.next.is_some()
    };
    "relationships.to, long, in the middle", one in 1: |s, _k| {
        let (relations, types, what) = (&WhichRelations::Every, &WhichTypes::Every, &s.heavy.document);
        let (tenant, middle) = (&s.heavy.tenant, &s.middle.edges_to);
        let page = s.relationships.to(tenant, what, relations, types, NOW, middle).await?;
        is_full(s, &page.items)
    };
    "relationships.to, long, one relation, rare type", one in 1: |s, _k| {
        let relations = WhichRelations::Only(Relation::new("viewer")?);
        let (types, what) = (WhichTypes::Only(ObjectType::new("visitor")?), &s.heavy.document);
        let page = s.relationships.to(&s.heavy.tenant, what, &relations, &types, NOW, &s.first);
        page.await?.items.len() as u64 == RARE
    };
    "relationships.to, long, rare type", one in 1: |s, _k| {
        let relations = WhichRelations::Every;
        let (types, what) = (WhichTypes::Only(ObjectType::new("visitor")?), &s.heavy.document);
        let page = s.relationships.to(&s.heavy.tenant, what, &relations, &types, NOW, &s.first);
        page.await?.items.len() as u64 == RARE
    };
    "relationships.delete_where, a subject's", one in 100: |s, k| {
        let (tenant, edge) = edge(s, of(7, k))?;
        let theirs = EdgeFilter {
            subjects: WhichSubjects::Only(edge.subject),
            ..EdgeFilter::EVERY
        };
        s.relationships.delete_where(&tenant, &theirs, HowMany::Every).await? == OF_A_PERSON
    };
    "relationships.delete_where, no such relation", one in 1: |s, _k| {
        let nobodys = EdgeFilter {
            relations: WhichRelations::Only(Relation::new("nobody's")?),
            ..EdgeFilter::EVERY
        };
        let many = HowMany::AtMost(10);
        s.relationships.delete_where(&s.heavy.tenant, &nobodys, many).await? == 0
    };
    "relationships.forget", one in 20: |s, k| {
        let (tenant, edge) = edge(s, of(6, k))?;
        s.relationships.forget(&tenant, &edge.object).await? == 1
    };
    "relationships.sweep, one", one in 20: |s, _k| {
        s.relationships.sweep(&s.heavy.tenant, NOW, 1).await? == 1
    };
};

async fn write(
    store: &Store,
    tenant: &TenantId,
    write: EdgeWrite,
    conditions: Vec<Precondition>,
) -> PortResult<bool> {
    let batch = EdgeBatch::new(vec![write])?.given(conditions)?;
    // Says nothing but that all was done.
    store.relationships.write(tenant, &batch, NOW).await?;
    Ok(true)
}

/// The edge of a row, and whose it is.
fn edge(store: &Store, row: u64) -> PortResult<(TenantId, Edge)> {
    let relation = match row % 20 {
        12 => "owner",
        _ => "viewer",
    };
    let edge = Edge {
        subject: SubjectRef::Object(user(id(store.rows.person(row)))?),
        relation: Relation::new(relation)?,
        object: document(id(row))?,
    };
    Ok((tenant(store, row)?, edge))
}

fn until_later(edge: Edge) -> Relationship {
    Relationship {
        edge,
        caveat: None,
        until: Some(far()),
    }
}

fn user(id: String) -> PortResult<ObjectRef> {
    Ok(ObjectRef {
        kind: ObjectType::new("user")?,
        id: ObjectId::new(id)?,
    })
}

fn document(id: String) -> PortResult<ObjectRef> {
    Ok(ObjectRef {
        kind: ObjectType::new("document")?,
        id: ObjectId::new(id)?,
    })
}
