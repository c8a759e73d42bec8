//! Lists that are narrowed by relation and by type, and whose cursors are of use in them alone.

use portproof_ports::{
    Edge, ObjectType, Page, PageRequest, PortResult, Ports, Relation, Relationship, TenantId,
    WhichRelations, WhichTypes,
};

use super::{Graph, edge, grid, object, plain, subject};
use crate::{
    Case, Checked, Failure, cases,
    check::equal,
    fixture::{START, minute},
    lists::{first_item, refuses_cursor, walks_answer},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        from_is_narrowed,
        to_is_narrowed,
        from_refuses_a_foreign_cursor,
        to_refuses_a_foreign_cursor,
    ]
}

/// What narrows a list, each with each.
fn narrowings(types: [&str; 2]) -> Result<Vec<(WhichRelations, WhichTypes)>, Failure> {
    let mut all = Vec::new();
    for relations in [
        WhichRelations::Every,
        WhichRelations::Only(Relation::new("view_r")?),
        WhichRelations::Only(Relation::new("viewer")?),
        WhichRelations::Only(Relation::new("view%")?),
    ] {
        for types in [
            WhichTypes::Every,
            WhichTypes::Only(ObjectType::new(types[0])?),
            WhichTypes::Only(ObjectType::new(types[1])?),
            WhichTypes::Only(ObjectType::new("%")?),
        ] {
            all.push((relations.clone(), types));
        }
    }
    Ok(all)
}

/// The lists that most of this is about.
impl Graph {
    async fn page_of_set(
        &self,
        tenant: &TenantId,
        (relations, types): &(WhichRelations, WhichTypes),
        page: PageRequest,
    ) -> PortResult<Page<Relationship>> {
        let set = portproof_ports::SubjectRef::Userset {
            object: portproof_ports::ObjectRef {
                kind: ObjectType::new("group")?,
                id: portproof_ports::ObjectId::new("ada")?,
            },
            relation: Relation::new("member")?,
        };
        self.other
            .from(tenant, &set, relations, types, START, &page)
            .await
    }

    async fn to_doc(
        &self,
        tenant: &TenantId,
        (relations, types): &(WhichRelations, WhichTypes),
        page: PageRequest,
    ) -> PortResult<Page<Relationship>> {
        let doc = portproof_ports::ObjectRef {
            kind: ObjectType::new("doc")?,
            id: portproof_ports::ObjectId::new("a%")?,
        };
        self.other
            .to(tenant, &doc, relations, types, START, &page)
            .await
    }
}

/// Those edges of the grid, for ever.
fn those(which: impl Fn(&Edge) -> bool) -> Result<Vec<Relationship>, Failure> {
    let edges = grid()?.into_iter().filter(which);
    Ok(edges.map(plain).collect())
}

/// The list from a subject can be narrowed to a relation, to a type of objects, or to both: it holds
/// those edges and no others, in the same order, at whatever page size.
///
/// "Which documents may they edit?" must not be answered with what they may view.
#[rule(
    "relationships::from::is_narrowed",
    source = "openfga, spicedb and keto: queries with every combination of a filter"
)]
async fn from_is_narrowed(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    w.put_plain(&tenant, &grid()?).await?;
    let set = subject("group:ada#member")?;
    for narrowing in narrowings(["doc", "Doc"])? {
        let (relations, types) = &narrowing;
        let mut expected = those(|edge| {
            let of_it = edge.subject == set;
            of_it && relations.mean(&edge.relation) && types.mean(&edge.object.kind)
        })?;
        expected.sort_by(|one, two| one.edge.cmp(&two.edge));
        let what = format!("the edges in {relations:?} to {types:?}");
        let list = |page| w.page_of_set(&tenant, &narrowing, page);
        walks_answer(&what, &expected, list).await?;
    }
    Ok(())
}

/// The list to an object can be narrowed to a relation, to a type of subjects, or to both: it holds those
/// edges and no others, in the same order, at whatever page size. Sets have the type of their object.
///
/// "Which groups may view it?" is asked to be shown to somebody.
#[rule(
    "relationships::to::is_narrowed",
    source = "openfga, spicedb and keto: reverse queries with every combination of a filter"
)]
async fn to_is_narrowed(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    w.put_plain(&tenant, &grid()?).await?;
    let doc = object("doc:a%")?;
    for narrowing in narrowings(["group", "user"])? {
        let (relations, types) = &narrowing;
        let mut expected = those(|edge| {
            let to_it = edge.object == doc;
            to_it && relations.mean(&edge.relation) && types.mean(&edge.subject.object().kind)
        })?;
        expected.sort_by(|one, two| {
            let key = |it: &Relationship| (it.edge.relation.clone(), it.edge.subject.clone());
            key(one).cmp(&key(two))
        });
        let what = format!("the edges in {relations:?} of {types:?}");
        let list = |page| w.to_doc(&tenant, &narrowing, page);
        walks_answer(&what, &expected, list).await?;
    }
    Ok(())
}

/// What a cursor is of no use in, beside its own list of every edge.
fn narrower(kind: &str) -> Result<[(WhichRelations, WhichTypes); 2], Failure> {
    Ok([
        (
            WhichRelations::Only(Relation::new("viewer")?),
            WhichTypes::Every,
        ),
        (
            WhichRelations::Every,
            WhichTypes::Only(ObjectType::new(kind)?),
        ),
    ])
}

/// A cursor of the list from a subject is of use in that list, and refused in that of another subject,
/// relation, type or tenant, in that of a set of the subject, and in the list to an object.
///
/// Otherwise a cursor that is passed on shows somebody else's edges.
#[rule(
    "relationships::from::refuses_a_foreign_cursor",
    source = "keto 0c61e343, kratos 93d364c8e: page two held other tenants' rows"
)]
async fn from_refuses_a_foreign_cursor(w: &Graph) -> Checked {
    let (tenant, elsewhere) = (&w.context.tenant()?, &w.context.tenant()?);
    for tenant in [tenant, elsewhere] {
        w.put_plain(tenant, &grid()?).await?;
    }
    let all = (WhichRelations::Every, WhichTypes::Every);
    let list = |page| w.page_of_set(tenant, &all, page);
    let (_, cursor) = first_item(list).await?;
    for from in [
        "group:ada",
        "group:ada#Member",
        "user:ada#member",
        "user:ada",
    ] {
        let from = subject(from)?;
        let what = "a cursor in another subject's list";
        let list = |page| w.page_from(tenant, &from, START, page);
        refuses_cursor(what, cursor.clone(), list).await?;
    }
    for narrowing in narrower("doc")? {
        let what = "a cursor in a narrower list";
        let list = |page| w.page_of_set(tenant, &narrowing, page);
        refuses_cursor(what, cursor.clone(), list).await?;
        let (_, narrow) = first_item(list).await?;
        let list = |page| w.page_of_set(tenant, &all, page);
        refuses_cursor("a narrower list's cursor", narrow, list).await?;
    }
    let list = |page| w.page_of_set(elsewhere, &all, page);
    refuses_cursor("a cursor in another tenant's list", cursor.clone(), list).await?;
    let group = object("group:ada")?;
    let list = |page| w.to_page(tenant, &group, START, page);
    refuses_cursor("a cursor in the list to an object", cursor.clone(), list).await?;
    // Time goes on during a walk, and servers change.
    let page = PageRequest::first(10)?.following(cursor);
    let set = subject("group:ada#member")?;
    let rest = w
        .store
        .from(tenant, &set, &all.0, &all.1, minute(1), &page)
        .await?;
    equal("how many follow the cursor's", &rest.items.len(), &8)
}

/// A cursor of the list to an object is of use in that list, and refused in that of another object,
/// relation, type or tenant, and in the list from a subject.
///
/// Otherwise a cursor that is passed on shows who has to do with something else.
#[rule(
    "relationships::to::refuses_a_foreign_cursor",
    source = "keto 0c61e343, kratos 93d364c8e: page two held other tenants' rows"
)]
async fn to_refuses_a_foreign_cursor(w: &Graph) -> Checked {
    let (tenant, elsewhere) = (&w.context.tenant()?, &w.context.tenant()?);
    for tenant in [tenant, elsewhere] {
        w.put_plain(tenant, &grid()?).await?;
    }
    // So that the list from what has its name is not empty.
    w.put_plain(tenant, &[edge("doc:a%", "viewer", "doc:ab")?])
        .await?;
    let all = (WhichRelations::Every, WhichTypes::Every);
    let list = |page| w.to_doc(tenant, &all, page);
    let (_, cursor) = first_item(list).await?;
    for to in ["doc:ab", "Doc:a%"] {
        let to = object(to)?;
        let list = |page| w.to_page(tenant, &to, START, page);
        refuses_cursor("a cursor in another object's list", cursor.clone(), list).await?;
    }
    for narrowing in narrower("group")? {
        let what = "a cursor in a narrower list";
        let list = |page| w.to_doc(tenant, &narrowing, page);
        refuses_cursor(what, cursor.clone(), list).await?;
        let (_, narrow) = first_item(list).await?;
        let list = |page| w.to_doc(tenant, &all, page);
        refuses_cursor("a narrower list's cursor", narrow, list).await?;
    }
    let list = |page| w.to_doc(elsewhere, &all, page);
    refuses_cursor("a cursor in another tenant's list", cursor.clone(), list).await?;
    let from = subject("doc:a%")?;
    let list = |page| w.page_from(tenant, &from, START, page);
    refuses_cursor("a cursor in the list from a subject", cursor.clone(), list).await?;
    let page = PageRequest::first(100)?.following(cursor);
    let rest = w
        .store
        .to(tenant, &object("doc:a%")?, &all.0, &all.1, minute(1), &page)
        .await?;
    equal("how many follow the cursor's", &rest.items.len(), &20)
}
