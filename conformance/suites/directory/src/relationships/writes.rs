//! Single writes: create, touch, delete.

use portproof_ports::{EdgeWrite, ErrorKind, Ports, Relationship};

use super::{Graph, edge, full, just, plain};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, day, document, just_before, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        created_is_stored_whole,
        stored_edge_is_refused,
        ended_edge_can_be_created,
        touch_creates,
        touch_replaces_whole,
        touch_removes_what_is_not_given,
        delete_removes_exactly_one,
        delete_of_nothing_is_fine,
        deleted_can_be_written_again,
        no_end_in_the_past,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that cannot rely on it starts on a store that does not work, and nobody may do anything.
#[rule(
    "relationships::ready::answers",
    source = "spicedb #3142: one hung call wedged the server"
)]
async fn ready_answers(w: &Graph) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// A created edge is there for every read, whole: its caveat and its end as they were given, whether its
/// subject is an object or a set.
///
/// A lost caveat makes a conditional permission an unconditional one, and a lost end makes it one for
/// ever.
#[rule(
    "relationships::create::stores_it_whole",
    source = "AuthHero 5dddd72: create dropped fields that the next read missed"
)]
async fn created_is_stored_whole(w: &Graph) -> Checked {
    let set = || edge("group:eng#member", "editor", "doc:Draft");
    for (number, given) in [
        full(set()?, "both")?,
        Relationship {
            until: None,
            ..full(edge("user:Bob", "viewer", "doc:Plan")?, "caveat only")?
        },
        Relationship {
            until: Some(minute(7)),
            ..plain(edge("group:eng", "editor", "doc:Draft")?)
        },
        plain(edge("user:Ada", "editor", "doc:Plan")?),
    ]
    .into_iter()
    .enumerate()
    {
        equal("an edge before", &w.seen(&given.edge).await?, &None)?;
        w.write(EdgeWrite::Create(given.clone())).await?;
        w.is_stored(&format!("created edge {number}"), &given)
            .await?;
    }
    w.subject_unchanged().await
}

/// Creating an edge that is there is refused, also with the same caveat and end, and changes nothing.
///
/// An engine that gives a thing its owner by creating the edge would give it to whoever comes next.
#[rule(
    "relationships::create::refuses_a_stored_edge",
    source = "openfga and spicedb: a create of what exists fails"
)]
async fn stored_edge_is_refused(w: &Graph) -> Checked {
    for given in [
        w.subject.clone(),
        plain(w.subject.edge.clone()),
        full(w.subject.edge.clone(), "another")?,
    ] {
        let answer = w.write(EdgeWrite::Create(given)).await;
        fails("creating a stored edge", answer, ErrorKind::AlreadyExists)?;
        w.subject_unchanged().await?;
    }
    // Also at its last moment.
    let last = just_before(day(90));
    let batch = just(EdgeWrite::Create(plain(w.subject.edge.clone())))?;
    let answer = w.other.write(&w.tenant, &batch, last).await;
    fails(
        "creating it at its last moment",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    w.subject_unchanged().await
}

/// An edge that is over can be created again from the instant of its end on, without its being swept;
/// nothing is left of what it was.
///
/// Otherwise access that ended on Friday cannot be given again on Monday, or comes with Friday's
/// caveat.
#[rule(
    "relationships::create::replaces_an_ended_edge",
    source = "spicedb: what has expired can be created again before it is collected"
)]
async fn ended_edge_can_be_created(w: &Graph) -> Checked {
    let ended = Relationship {
        until: Some(minute(5)),
        ..full(edge("user:Bob", "viewer", "doc:Plan")?, "ended")?
    };
    w.write(EdgeWrite::Create(ended.clone())).await?;
    let again = plain(ended.edge.clone());
    let batch = just(EdgeWrite::Create(again.clone()))?;
    let early = w.store.write(&w.tenant, &batch, just_before(minute(5)));
    fails(
        "creating it too early",
        early.await,
        ErrorKind::AlreadyExists,
    )?;
    w.store.write(&w.tenant, &batch, minute(5)).await?;
    w.is_stored("the edge that was created again", &again)
        .await?;
    w.subject_unchanged().await
}

/// A touch of an edge that is not there creates it, whole.
///
/// Engines that synchronise a directory touch what they find there; what a touch does not create,
/// nobody is a member of.
#[rule(
    "relationships::touch::creates_what_is_missing",
    source = "spicedb: a touch writes the edge whether it exists or not"
)]
async fn touch_creates(w: &Graph) -> Checked {
    let given = full(edge("user:Bob", "viewer", "doc:Plan")?, "touched")?;
    w.write(EdgeWrite::Touch(given.clone())).await?;
    w.is_stored("the touched edge", &given).await?;
    w.subject_unchanged().await
}

/// A touch of an edge that is there replaces its caveat and its end, and leaves one edge.
///
/// A permission that is extended, or put under a condition, and is not, is the old permission.
#[rule(
    "relationships::touch::replaces_the_whole",
    source = "spicedb: a touch updates caveat and expiration"
)]
async fn touch_replaces_whole(w: &Graph) -> Checked {
    for (label, until) in [("longer", day(200)), ("shorter", minute(3))] {
        let given = Relationship {
            edge: w.subject.edge.clone(),
            caveat: Some(document(label)?),
            until: Some(until),
        };
        w.write(EdgeWrite::Touch(given.clone())).await?;
        w.is_stored(&format!("the edge with a {label} life"), &given)
            .await?;
        equal(
            "the edge at its new end",
            &w.seen_at(&given.edge, until).await?,
            &None,
        )?;
    }
    Ok(())
}

/// A touch without an end makes an edge last for ever, and one without a caveat makes it unconditional:
/// what is not given is removed, and not kept.
///
/// What was made permanent would end all the same, on a day that nobody looks at any more.
#[rule(
    "relationships::touch::removes_what_is_not_given",
    source = "spicedb 6e260eb25 (#2796): a touch without expiration kept the old one"
)]
async fn touch_removes_what_is_not_given(w: &Graph) -> Checked {
    let caveat_only = Relationship {
        until: None,
        ..w.subject.clone()
    };
    let end_only = Relationship {
        until: Some(day(30)),
        ..plain(w.subject.edge.clone())
    };
    for given in [caveat_only, end_only, plain(w.subject.edge.clone())] {
        w.write(EdgeWrite::Touch(w.subject.clone())).await?;
        w.write(EdgeWrite::Touch(given.clone())).await?;
        w.is_stored("the edge without what was not given", &given)
            .await?;
    }
    Ok(())
}

/// A delete removes the edge that it names, for every read, and no other: not the one of a set, of
/// another case, the other way round, or in another tenant.
///
/// Whoever is removed from one group must not leave all groups, nor stay in this one.
#[rule(
    "relationships::delete::removes_exactly_one",
    source = "CVE-2026-55170: user:Alice and user:alice were one in an authorization store"
)]
async fn delete_removes_exactly_one(w: &Graph) -> Checked {
    w.write(EdgeWrite::Delete(w.subject.edge.clone())).await?;
    equal("the edge", &w.seen(&w.subject.edge).await?, &None)?;
    let (_, set) = &w.bystanders[3];
    w.is_stored("the edge of a set of the same object", set)
        .await
}

/// A delete of an edge that is not there succeeds and changes nothing, also a second time, also of one
/// that is over.
///
/// An engine that removes what a directory no longer has would otherwise stop half way when it is
/// started again.
#[rule(
    "relationships::delete::of_nothing_is_fine",
    source = "spicedb: deleting twice is no error"
)]
async fn delete_of_nothing_is_fine(w: &Graph) -> Checked {
    for (from, relation, to) in [
        ("user:Nobody", "viewer", "doc:Plan"),
        ("user:Ada", "view%", "doc:Plan"),
        ("user:Ada", "viewer", "doc:Pla_"),
        ("user:Ada#member", "viewer", "doc:Plan"),
    ] {
        let missing = edge(from, relation, to)?;
        w.write(EdgeWrite::Delete(missing.clone())).await?;
        w.write(EdgeWrite::Delete(missing)).await?;
    }
    let batch = just(EdgeWrite::Delete(w.subject.edge.clone()))?;
    w.subject_unchanged().await?;
    w.store.write(&w.tenant, &batch, day(91)).await?;
    // It was over then, and by another clock it was not.
    equal(
        "the edge by another clock",
        &w.seen(&w.subject.edge).await?,
        &None,
    )?;
    w.store.write(&w.tenant, &batch, START).await?;
    Ok(())
}

/// What was deleted can be created and touched again, and is then what was given now.
///
/// A tombstone that keeps its place locks a user out of what they were given back.
#[rule(
    "relationships::delete::frees_the_edge",
    source = "spicedb: sequences of delete, create and touch"
)]
async fn deleted_can_be_written_again(w: &Graph) -> Checked {
    let edge = &w.subject.edge;
    for (number, given) in [
        EdgeWrite::Create(plain(edge.clone())),
        EdgeWrite::Touch(full(edge.clone(), "touched")?),
        EdgeWrite::Create(full(edge.clone(), "created")?),
    ]
    .into_iter()
    .enumerate()
    {
        w.write(EdgeWrite::Delete(edge.clone())).await?;
        w.write(given.clone()).await?;
        if let Some(stored) = given.stored() {
            w.is_stored(&format!("the edge, written again ({number})"), stored)
                .await?;
        }
    }
    Ok(())
}

/// An edge that is over at the time of the call is refused, to create and to touch, and what is there
/// stays; one that is over a microsecond later is stored.
///
/// Storage that takes it in answers a success for what nobody will ever see.
#[rule(
    "relationships::write::refuses_an_end_in_the_past",
    source = "spicedb: a relationship that is written has to have an end to come"
)]
async fn no_end_in_the_past(w: &Graph) -> Checked {
    for (until, named) in [(START, "now"), (just_before(START), "before")] {
        let over = Relationship {
            until: Some(until),
            ..w.subject.clone()
        };
        for write in [EdgeWrite::Create(over.clone()), EdgeWrite::Touch(over)] {
            let answer = w.write(write).await;
            let what = format!("writing an edge that is over {named}");
            fails(&what, answer, ErrorKind::Refused)?;
        }
    }
    w.subject_unchanged().await?;
    let brief = Relationship {
        until: Some(minute(1)),
        ..plain(edge("user:Bob", "viewer", "doc:Plan")?)
    };
    let batch = just(EdgeWrite::Create(brief.clone()))?;
    let last = just_before(minute(1));
    w.store.write(&w.tenant, &batch, last).await?;
    w.is_stored("the edge of a microsecond", &brief).await
}
