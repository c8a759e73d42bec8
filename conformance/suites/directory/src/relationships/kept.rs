//! What is kept exactly: ids, caveats, instants.

use portproof_ports::{
    Document, Edge, EdgeWrite, ObjectId, ObjectRef, ObjectType, Ports, Relation, Relationship,
    SubjectRef,
};
use serde_json::json;

use super::{Graph, edge, full, object, plain};
use crate::{
    Case, Checked, Failure, cases,
    check::equal,
    fixture::{START, awkward_document, hostile, instants, large_document},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ids_are_compared_as_bytes,
        separators_are_letters,
        longest_ids_are_kept,
        sets_are_not_their_objects,
        caveats_are_kept,
        no_caveat_is_not_null,
        ends_are_kept,
        references_need_not_be_stored,
    ]
}

/// An edge that has `text` in one of its six places.
fn with(place: usize, text: &str) -> Result<Edge, Failure> {
    let text_at = |at: usize, usual: &str| if at == place { text } else { usual }.to_owned();
    Ok(Edge {
        subject: SubjectRef::Userset {
            object: ObjectRef {
                kind: ObjectType::new(text_at(0, "group"))?,
                id: ObjectId::new(text_at(1, "eng"))?,
            },
            relation: Relation::new(text_at(2, "member"))?,
        },
        relation: Relation::new(text_at(3, "viewer"))?,
        object: ObjectRef {
            kind: ObjectType::new(text_at(4, "doc"))?,
            id: ObjectId::new(text_at(5, "Plan"))?,
        },
    })
}

/// Types, ids and relations are kept as they are and compared as bytes, in each place of an edge: every
/// awkward text is an edge of its own, is found as itself, and goes alone.
///
/// A backend that folds case or accents, trims, or looks for patterns gives one user's permissions to
/// another.
#[rule(
    "relationships::ids::are_compared_as_bytes",
    source = "CVE-2026-55170 (openfga); spicedb 0de30277c (#3161): a collation compared ids without regard to case",
    environments = "collation"
)]
async fn ids_are_compared_as_bytes(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    let mut given = Vec::new();
    for place in 0..6 {
        for (number, text) in hostile().iter().enumerate() {
            given.push(Relationship {
                caveat: Some(Document::new(json!([place, number]))?),
                ..plain(with(place, text)?)
            });
        }
    }
    w.put(&tenant, &given).await?;
    for stored in &given {
        let found = w.other.get(&tenant, &stored.edge, START).await?;
        equal("an edge with awkward ids", &found.as_ref(), &Some(stored))?;
    }
    // Those with the usual subject are in one list, and those with the usual object in another.
    for (places, listed) in [
        (3..6, w.from(&tenant, &with(6, "")?.subject, START).await?),
        (0..4, w.to(&tenant, &object("doc:Plan")?, START).await?),
    ] {
        let mut expected: Vec<&Edge> = given
            .iter()
            .enumerate()
            .filter(|(number, _)| places.contains(&(number / hostile().len())))
            .map(|(_, given)| &given.edge)
            .collect();
        let mut listed: Vec<&Edge> = listed.iter().map(|listed| &listed.edge).collect();
        expected.sort();
        listed.sort();
        equal("the edges with one usual end", &listed, &expected)?;
    }
    let (gone, kept): (Vec<_>, Vec<_>) = given
        .iter()
        .enumerate()
        .partition(|(number, _)| number % 2 == 0);
    for (_, gone) in &gone {
        let batch = super::just(EdgeWrite::Delete(gone.edge.clone()))?;
        w.store.write(&tenant, &batch, START).await?;
    }
    for (there, edges) in [(false, gone), (true, kept)] {
        for (_, given) in edges {
            let exists = w.store.exists(&tenant, &given.edge, START).await?;
            equal("whether an edge is left", &exists, &there)?;
        }
    }
    Ok(())
}

/// No letter separates the parts of an edge: those that look alike when they are written one behind the
/// other, with whatever between them, are different edges.
///
/// Whoever may choose an id would choose one that spells somebody else's edge.
#[rule(
    "relationships::ids::separators_are_letters",
    source = "openfga: ids with every legal character; keys that are put together of texts collide",
    environments = "collation"
)]
async fn separators_are_letters(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    let mut edges = Vec::new();
    for separator in [
        "",
        ":",
        "#",
        "@",
        "|",
        "/",
        ",",
        "%",
        "_",
        " ",
        "\\",
        "\u{1f600}",
    ] {
        let joined = |left: &str, right: &str| format!("{left}{separator}{right}");
        // Of two neighbours, the one or the other has the letter between them.
        for place in 0..5 {
            let mut left = ["a", "b", "c", "d", "e", "f"].map(str::to_owned);
            let mut right = left.clone();
            left[place] = joined(&left[place], "x");
            right[place + 1] = joined("x", &right[place + 1]);
            for [kind, id, set, relation, object_kind, object_id] in [left, right] {
                edges.push(Edge {
                    subject: SubjectRef::Userset {
                        object: ObjectRef {
                            kind: ObjectType::new(kind)?,
                            id: ObjectId::new(id)?,
                        },
                        relation: Relation::new(set)?,
                    },
                    relation: Relation::new(relation)?,
                    object: ObjectRef {
                        kind: ObjectType::new(object_kind)?,
                        id: ObjectId::new(object_id)?,
                    },
                });
            }
        }
        // A set, and an object whose id is spelled like one.
        edges.push(edge(
            "group:eng#member",
            "viewer",
            &format!("doc:{separator}x"),
        )?);
        edges.push(Edge {
            subject: SubjectRef::Object(ObjectRef {
                kind: ObjectType::new("group")?,
                id: ObjectId::new("eng#member")?,
            }),
            ..edge("group:eng", "viewer", &format!("doc:{separator}x"))?
        });
    }
    for (number, given) in edges.iter().enumerate() {
        let relationship = Relationship {
            caveat: Some(Document::new(json!(number))?),
            ..plain(given.clone())
        };
        let batch = super::just(EdgeWrite::Create(relationship))?;
        w.store.write(&tenant, &batch, START).await?;
    }
    for (number, given) in edges.iter().enumerate() {
        let found = w.other.get(&tenant, given, START).await?;
        let caveat = found.and_then(|found| found.caveat);
        equal(
            "the caveat of an edge that is spelled like another",
            &caveat,
            &Some(Document::new(json!(number))?),
        )?;
        let from = w.from(&tenant, &given.subject, START).await?;
        let expected = edges
            .iter()
            .filter(|it| it.subject == given.subject)
            .count();
        equal("how many edges its subject has", &from.len(), &expected)?;
    }
    Ok(())
}

/// Ids as long as they may be are kept whole in all six places at once, and told apart by their last
/// letter.
///
/// A backend that cuts them off makes one of all that begin alike; one that refuses them does so after
/// years.
#[rule(
    "relationships::ids::keeps_the_longest",
    source = "openfga #2230: object ids were limited to 128 on MySQL"
)]
async fn longest_ids_are_kept(w: &Graph) -> Checked {
    // Nothing that compresses.
    let long = |mark: char, seed: u32| -> String {
        let mut state = seed;
        let letters = (0..254).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'!' + u8::try_from((state >> 24) % 94).unwrap_or_default())
        });
        letters.chain([mark]).collect()
    };
    let given = |mark: char| -> Result<Edge, Failure> {
        Ok(Edge {
            subject: SubjectRef::Userset {
                object: ObjectRef {
                    kind: ObjectType::new(long('t', 1))?,
                    id: ObjectId::new(long('i', 2))?,
                },
                relation: Relation::new(long('s', 3))?,
            },
            relation: Relation::new(long('r', 4))?,
            object: ObjectRef {
                kind: ObjectType::new(long('o', 5))?,
                id: ObjectId::new(long(mark, 6))?,
            },
        })
    };
    let (one, two) = (full(given('1')?, "one")?, full(given('2')?, "two")?);
    w.write(EdgeWrite::Create(one.clone())).await?;
    w.write(EdgeWrite::Create(two.clone())).await?;
    w.is_stored("the edge of long ids", &one).await?;
    w.is_stored("the edge that differs in the last letter", &two)
        .await?;
    w.write(EdgeWrite::Delete(one.edge.clone())).await?;
    equal("the deleted one", &w.seen(&one.edge).await?, &None)?;
    w.is_stored("the other one", &two).await
}

/// An object and its sets are different subjects, and so are two of its sets: each has its own edges.
///
/// What the members of a group may do, the group itself need not, and its admins may do more.
#[rule(
    "relationships::ids::sets_are_not_their_objects",
    source = "openfga and spicedb: usersets are queried apart from objects",
    environments = "collation"
)]
async fn sets_are_not_their_objects(w: &Graph) -> Checked {
    let subjects = [
        "group:eng",
        "group:eng#member",
        "group:eng#Member",
        "group:eng#owner",
    ];
    for (number, from) in subjects.iter().enumerate() {
        for other in &subjects[number..] {
            let found = w.seen(&edge(other, "viewer", "doc:Plan")?).await?;
            equal("an edge that nobody created", &found, &None)?;
        }
        let given = full(edge(from, "viewer", "doc:Plan")?, from)?;
        w.write(EdgeWrite::Create(given)).await?;
    }
    w.write(EdgeWrite::Delete(edge(subjects[1], "viewer", "doc:Plan")?))
        .await?;
    for (number, from) in subjects.iter().enumerate() {
        let given = full(edge(from, "viewer", "doc:Plan")?, from)?;
        let found = w.seen(&given.edge).await?;
        let expected = (number != 1).then_some(given);
        equal("an edge after one of them was deleted", &found, &expected)?;
    }
    Ok(())
}

/// A caveat is kept exactly, whatever it holds and however large it is.
///
/// A policy is evaluated on it: another number is another decision.
#[rule(
    "relationships::caveats::are_kept_exactly",
    source = "openfga and spicedb: large and nested contexts are kept"
)]
async fn caveats_are_kept(w: &Graph) -> Checked {
    for (what, caveat) in [
        ("an awkward caveat", awkward_document()?),
        ("a large caveat", large_document()?),
    ] {
        let given = Relationship {
            caveat: Some(caveat),
            ..plain(w.subject.edge.clone())
        };
        w.write(EdgeWrite::Touch(given.clone())).await?;
        w.is_stored(what, &given).await?;
    }
    Ok(())
}

/// No caveat, a null, an empty object and an empty list are four things, and stay what they are.
///
/// An engine that asks whether there is a caveat gives access when one became none.
#[rule(
    "relationships::caveats::absent_is_not_null",
    source = "openfga and spicedb: a context that is absent stays absent"
)]
async fn no_caveat_is_not_null(w: &Graph) -> Checked {
    let caveats = [None, Some(json!(null)), Some(json!({})), Some(json!([]))];
    for caveat in &caveats {
        for (name, write) in [
            ("create", EdgeWrite::Create as fn(Relationship) -> EdgeWrite),
            ("touch", EdgeWrite::Touch),
        ] {
            let given = Relationship {
                edge: edge("user:Ada", name, "doc:Plan")?,
                caveat: caveat.clone().map(Document::new).transpose()?,
                until: None,
            };
            if name == "create" {
                w.write(EdgeWrite::Delete(given.edge.clone())).await?;
            }
            w.write(write(given.clone())).await?;
            w.is_stored(&format!("the edge after a {name}"), &given)
                .await?;
        }
    }
    Ok(())
}

/// Ends are kept to the microsecond, from 1970 to 9999.
///
/// An end that is rounded ends access early, or late.
#[rule(
    "relationships::until::is_kept_exactly",
    source = "dex: instants are kept in the precision that is declared",
    environments = "time_zone"
)]
async fn ends_are_kept(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    for until in instants()?.into_iter().skip(1) {
        let given = Relationship {
            until: Some(until),
            ..plain(w.subject.edge.clone())
        };
        let before = crate::fixture::just_before(until);
        let batch = super::touches(std::slice::from_ref(&given))?;
        w.store.write(&tenant, &batch, before).await?;
        let found = w.other.get(&tenant, &given.edge, before).await?;
        equal("the edge at its last moment", &found, &Some(given.clone()))?;
        let found = w.other.get(&tenant, &given.edge, until).await?;
        equal("the edge at its end", &found, &None)?;
    }
    Ok(())
}

/// The ends of an edge need not be stored anywhere, and an edge may lead from an object to itself, or
/// in a circle.
///
/// References are the engine's job; a backend that checks them refuses what it does not know.
#[rule(
    "relationships::create::needs_no_stored_ends",
    source = "OneAuth: no foreign keys, since edges name ids that need not exist as rows"
)]
async fn references_need_not_be_stored(w: &Graph) -> Checked {
    for (from, to) in [
        ("thing:1", "thing:1"),
        ("thing:1", "thing:2"),
        ("thing:2", "thing:1"),
        ("thing:1#parent", "thing:1"),
    ] {
        let given = full(edge(from, "parent", to)?, from)?;
        w.write(EdgeWrite::Create(given.clone())).await?;
        w.is_stored("an edge between things unknown", &given)
            .await?;
    }
    Ok(())
}
