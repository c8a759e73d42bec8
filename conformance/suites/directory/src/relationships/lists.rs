//! The two lists: complete, in order, and refusing what is no cursor of theirs.

use std::future::Future;

use portproof_ports::{
    Edge, Page, PageRequest, PortResult, Ports, Relationship, WhichRelations, WhichTypes,
};

use super::{Graph, edge, full, object, subject};
use crate::{
    Case, Checked, Failure, cases,
    check::equal,
    fixture::{START, minute},
    lists::{first_item, refuses_cursor, refuses_damaged, walks_answer},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        from_is_complete_and_ordered,
        to_is_complete_and_ordered,
        from_is_complete_at_any_length,
        to_is_complete_at_any_length,
        from_nobody_is_empty,
        from_refuses_a_damaged_cursor,
        to_refuses_a_damaged_cursor,
    ]
}

/// The edges of `group:many#member` in the order of their list: the relation first, then the object's
/// type and id, as bytes.
fn in_order_from() -> Result<Vec<Relationship>, Failure> {
    let places = [
        ("B", "doc:a"),
        ("a", "Doc:z"),
        ("a", "doc:B"),
        ("a", "doc:a"),
        ("a", "doc:a "),
        ("a", "doc:a-"),
        ("a", "doc:a_"),
        ("a", "doc:é"),
        ("a", "doc-:0"),
        ("a", "docs:0"),
        ("a ", "doc:0"),
        ("a-", "doc:0"),
        ("b", "a:a"),
        ("é", "a:a"),
        ("\u{ffff}", "a:a"),
        ("\u{10000}", "a:a"),
    ];
    let edges = places
        .into_iter()
        .map(|(relation, to)| full(edge("group:many#member", relation, to)?, to));
    edges.collect()
}

/// The edges to `doc:many` in the order of their list: the relation first, then the subject's type, id
/// and relation, as bytes; an object comes before its sets.
fn in_order_to() -> Result<Vec<Relationship>, Failure> {
    let places = [
        ("user:z", "B"),
        ("Group:z#z", "a"),
        ("group:A", "a"),
        ("group:a", "a"),
        ("group:a#Member", "a"),
        ("group:a#member", "a"),
        ("group:a#é", "a"),
        ("group:a ", "a"),
        ("group:a #member", "a"),
        ("group:a-", "a"),
        ("group:á", "a"),
        ("group-:0#a", "a"),
        ("groups:0", "a"),
        ("a:a", "a "),
        ("a:a", "b"),
        ("a:a", "é"),
        ("a:a", "\u{ffff}"),
        ("a:a", "\u{10000}"),
    ];
    let edges = places
        .into_iter()
        .map(|(from, relation)| full(edge(from, relation, "doc:many")?, from));
    edges.collect()
}

/// Every other one, and then the rest: an order that no list has.
fn shuffled(edges: &[Relationship]) -> Vec<Relationship> {
    let (even, odd): (Vec<_>, Vec<_>) = edges
        .iter()
        .enumerate()
        .partition(|(number, _)| number % 2 == 0);
    let (even, odd) = (even.into_iter().rev(), odd.into_iter());
    even.chain(odd).map(|(_, edge)| edge.clone()).collect()
}

/// The list from a subject holds every edge of it once and whole, by relation, then by the object's type
/// and id, as bytes, at whatever page size; a cursor is answered exactly when more follow.
///
/// What no page shows, nobody knows that a subject may do; and an order that depends on a locale is
/// another one on the next server, in the middle of a walk.
#[rule(
    "relationships::from::is_complete_and_ordered",
    source = "openfga: ordered results are byte-ordered whatever the locale; AuthHero 953739e: next was missing",
    environments = "collation"
)]
async fn from_is_complete_and_ordered(w: &Graph) -> Checked {
    let expected = in_order_from()?;
    w.put(&w.tenant, &shuffled(&expected)).await?;
    let other = full(edge("group:many", "a", "doc:a")?, "no member")?;
    w.put(&w.tenant, std::slice::from_ref(&other)).await?;
    let from = subject("group:many#member")?;
    walks_answer("the edges from a set", &expected, |page| {
        w.page_from(&w.tenant, &from, START, page)
    })
    .await?;
    let from = subject("group:many")?;
    walks_answer("the edges from its object", &[other], |page| {
        w.page_from(&w.tenant, &from, START, page)
    })
    .await
}

/// The list to an object holds every edge to it once and whole, by relation, then by the subject's type,
/// id and relation, as bytes, at whatever page size; a cursor is answered exactly when more follow.
///
/// Whom no page shows can do what nobody sees.
#[rule(
    "relationships::to::is_complete_and_ordered",
    source = "openfga: ordered results are byte-ordered whatever the locale; spicedb: reverse queries",
    environments = "collation"
)]
async fn to_is_complete_and_ordered(w: &Graph) -> Checked {
    let expected = in_order_to()?;
    w.put(&w.tenant, &shuffled(&expected)).await?;
    let others = full(edge("doc:many", "a", "doc:Many")?, "another")?;
    w.put(&w.tenant, &[others]).await?;
    let to = object("doc:many")?;
    walks_answer("the edges to an object", &expected, |page| {
        w.to_page(&w.tenant, &to, START, page)
    })
    .await
}

/// Fails unless walks answer exactly these: one at a thousand a page, and one that goes on at seven after
/// two thousand, and at one near its end.
async fn walks_of_many<F>(edges: &[Edge], list: impl Fn(PageRequest) -> F) -> Checked
where
    F: Future<Output = PortResult<Page<Relationship>>>,
{
    for thousands in [usize::MAX, 2] {
        let mut page = list(PageRequest::first(1000)?).await?;
        let mut listed = Vec::new();
        while let Some(cursor) = page.next.take() {
            listed.append(&mut page.items);
            let limit = match listed.len() {
                so_far if so_far < thousands.saturating_mul(1000) => 1000,
                so_far if so_far < 2400 => 7,
                _ => 1,
            };
            page = list(PageRequest::first(limit)?.following(cursor)).await?;
            let left = edges.len().saturating_sub(listed.len());
            equal(
                &format!("how many a page of {limit} holds when {left} are left"),
                &page.items.len(),
                &left.min(usize::from(limit)),
            )?;
        }
        listed.append(&mut page.items);
        equal("how many a walk answers", &listed.len(), &edges.len())?;
        for (number, (got, expected)) in listed.iter().zip(edges).enumerate() {
            equal(&format!("edge {number} of a walk"), &got.edge, expected)?;
        }
    }
    Ok(())
}

/// A subject of thousands of edges is walked to its end, also by whoever changes the size of the pages
/// on the way: a thousand, seven, one.
///
/// A limit of the adapter's own hides what somebody may do, and an engine takes the first hundred for
/// all.
#[rule(
    "relationships::from::is_complete_at_any_length",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn from_is_complete_at_any_length(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    let edges: Vec<_> = (0..2500)
        .map(|number| {
            let relation = ["editor", "viewer"][number / 1250];
            edge("user:many", relation, &format!("doc:{number:04}"))
        })
        .collect::<Result<_, Failure>>()?;
    w.put_plain(&tenant, &edges).await?;
    let from = subject("user:many")?;
    walks_of_many(&edges, |page| w.page_from(&tenant, &from, START, page)).await
}

/// An object with thousands of edges is walked to its end, also by whoever changes the size of the pages
/// on the way: a thousand, seven, one.
///
/// Of a large group, the members after the first page are none.
#[rule(
    "relationships::to::is_complete_at_any_length",
    source = "better-auth #10342: a default limit hid everything above 100 rows"
)]
async fn to_is_complete_at_any_length(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    let edges: Vec<_> = (0..2500)
        .map(|number| {
            // An object, and two sets of it.
            let set = ["", "#admin", "#member"][number % 3];
            edge(
                &format!("group:{:04}{set}", number / 3),
                "viewer",
                "doc:many",
            )
        })
        .collect::<Result<_, Failure>>()?;
    w.put_plain(&tenant, &edges).await?;
    let to = object("doc:many")?;
    walks_of_many(&edges, |page| w.to_page(&tenant, &to, START, page)).await
}

/// The lists of a subject and of an object without edges are empty, and have no cursor: also of those
/// that are only on the other side of edges.
///
/// Otherwise somebody without rights gets an error, or those of a stranger.
#[rule(
    "relationships::from::nobody_is_empty",
    source = "kratos: an empty list made a statement that is no SQL"
)]
async fn from_nobody_is_empty(w: &Graph) -> Checked {
    let (relations, types) = (WhichRelations::Every, WhichTypes::Every);
    for nobody in ["user:Nobody", "user:Ad_", "user:%", "%:Ada", "doc:plan"] {
        let nobody = subject(nobody)?;
        let page = PageRequest::first(1)?;
        let page = w
            .store
            .from(&w.tenant, &nobody, &relations, &types, minute(1), &page)
            .await?;
        equal("the edges of nobody", &page.items, &vec![])?;
        equal("the cursor after none", &page.next, &None)?;
    }
    for nothing in ["doc:None", "doc:Pla_", "doc:%", "%:Plan", "user:ada"] {
        let nothing = object(nothing)?;
        let page = PageRequest::first(1)?;
        let page = w
            .store
            .to(&w.tenant, &nothing, &relations, &types, minute(1), &page)
            .await?;
        equal("the edges to nothing", &page.items, &vec![])?;
        equal("the cursor after none", &page.next, &None)?;
    }
    Ok(())
}

/// A damaged or invented cursor of the list from a subject is refused as such: no panic, no first page,
/// no driver's error.
///
/// An engine that gets the first page again walks for ever; one that gets an empty page misses edges.
#[rule(
    "relationships::from::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn from_refuses_a_damaged_cursor(w: &Graph) -> Checked {
    w.put(&w.tenant, &in_order_from()?).await?;
    let from = subject("group:many#member")?;
    let list = |page| w.page_from(&w.tenant, &from, START, page);
    let (_, cursor) = first_item(list).await?;
    refuses_damaged(&cursor, list).await?;
    let other = subject("user:Ada")?;
    refuses_cursor("a cursor in another subject's list", cursor, |page| {
        w.page_from(&w.tenant, &other, START, page)
    })
    .await
}

/// A damaged or invented cursor of the list to an object is refused as such: no panic, no first page, no
/// driver's error.
///
/// An engine that gets the first page again walks for ever; one that gets an empty page misses edges.
#[rule(
    "relationships::to::refuses_a_damaged_cursor",
    source = "ory 7baa5b562, spicedb fa1d7f481: forged and malformed page tokens"
)]
async fn to_refuses_a_damaged_cursor(w: &Graph) -> Checked {
    w.put(&w.tenant, &in_order_to()?).await?;
    let to = object("doc:many")?;
    let list = |page| w.to_page(&w.tenant, &to, START, page);
    let (_, cursor) = first_item(list).await?;
    refuses_damaged(&cursor, list).await?;
    let other = object("doc:Plan")?;
    refuses_cursor("a cursor in another object's list", cursor, |page| {
        w.to_page(&w.tenant, &other, START, page)
    })
    .await
}
