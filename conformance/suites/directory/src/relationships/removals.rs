//! Removing many: by a filter, and all of an object.

use portproof_ports::{
    Edge, EdgeFilter, HowMany, Ports, Relationship, WhichRelations, WhichSubjects,
};

use super::{Graph, edge, filters, full, grid, object, plain, subject};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        removal_takes_what_is_meant,
        removal_keeps_to_at_most,
        removal_goes_beyond_a_page,
        removal_takes_ended_edges,
        forgetting_ends_both_sides,
        forgetting_goes_beyond_a_page,
        forgetting_nothing_is_zero,
    ]
}

/// A removal by a filter removes the edges that the filter means, all of them and no others, whatever the
/// filter, and answers how many.
///
/// A filter that means too much takes away what others may do; one that means too little leaves what
/// should have ended.
#[rule(
    "relationships::delete_where::removes_exactly_what_is_meant",
    source = "spicedb: deletion by filter deletes exactly the matches; openfga: every combination of a filter"
)]
async fn removal_takes_what_is_meant(w: &Graph) -> Checked {
    for filter in filters()? {
        let tenant = w.context.tenant()?;
        let (meant, left): (Vec<_>, Vec<_>) =
            grid()?.into_iter().partition(|edge| filter.means(edge));
        w.put_plain(&tenant, &grid()?).await?;
        for count in [meant.len() as u64, 0] {
            let removed = w
                .store
                .delete_where(&tenant, &filter, HowMany::Every)
                .await?;
            equal(&format!("how many {filter:?} removed"), &removed, &count)?;
            let of_grid = w.of_grid(&tenant).await?;
            equal(&format!("what {filter:?} left"), &of_grid, &left)?;
        }
    }
    w.subject_unchanged().await
}

/// A removal of at most so many removes no more of those that are meant, and fewer only when none is
/// left.
///
/// An engine that removes in steps, so that nobody has to wait, stops at the first step that is too
/// small.
#[rule(
    "relationships::delete_where::keeps_to_at_most",
    source = "spicedb: the limit of a deletion is respected"
)]
async fn removal_keeps_to_at_most(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    w.put_plain(&tenant, &grid()?).await?;
    let filter = EdgeFilter {
        subjects: WhichSubjects::Of(object("group:ada")?),
        ..EdgeFilter::EVERY
    };
    let (meant, others): (Vec<_>, Vec<_>) =
        grid()?.into_iter().partition(|edge| filter.means(edge));
    equal("how many edges are meant", &meant.len(), &27)?;
    let mut left = 27;
    for (at_most, removed) in [(0, 0), (1, 1), (20, 20), (5, 5), (5, 1), (5, 0)] {
        let answer = w
            .store
            .delete_where(&tenant, &filter, HowMany::AtMost(at_most))
            .await?;
        equal(
            &format!("how many of {at_most} were removed"),
            &answer,
            &removed,
        )?;
        left -= removed;
        let edges = w.of_grid(&tenant).await?;
        let (kept, spared): (Vec<_>, Vec<_>) =
            edges.into_iter().partition(|edge| filter.means(edge));
        equal("how many of those are left", &(kept.len() as u64), &left)?;
        equal("the others", &spared, &others)?;
    }
    Ok(())
}

/// The first of many edges, and on: of many users, and of many sets.
fn one_of_many(number: usize) -> Result<Edge, Failure> {
    let from = match number % 2 {
        0 => format!("user:{number:04}"),
        _ => format!("group:{number:04}#member"),
    };
    edge(&from, "viewer", "doc:Plan")
}

/// A removal removes thousands at once, and a limited one as many as it is asked to.
///
/// What is left after the first thousand is what nobody looks at again.
#[rule(
    "relationships::delete_where::goes_beyond_a_page",
    source = "AuthHero 7d9f138: a logout revoked the first 100 only"
)]
async fn removal_goes_beyond_a_page(w: &Graph) -> Checked {
    let filter = EdgeFilter {
        relations: WhichRelations::Only(w.subject.edge.relation.clone()),
        objects: portproof_ports::WhichObjects::Only(object("doc:Plan")?),
        ..EdgeFilter::EVERY
    };
    let many: Vec<_> = (0..2500).map(one_of_many).collect::<Result<_, Failure>>()?;
    let other = edge("user:0000", "editor", "doc:Plan")?;
    for (how_many, removed) in [
        (HowMany::Every, 2500),
        (HowMany::AtMost(2400), 2400),
        (HowMany::AtMost(u32::MAX), 2500),
    ] {
        let tenant = w.context.tenant()?;
        w.put_plain(&tenant, &many).await?;
        w.put_plain(&tenant, std::slice::from_ref(&other)).await?;
        let answer = w.store.delete_where(&tenant, &filter, how_many).await?;
        equal(
            &format!("how many of {how_many:?} were removed"),
            &answer,
            &removed,
        )?;
        let left = w.to(&tenant, &other.object, START).await?;
        equal("how many are left", &left.len(), &(2501 - removed as usize))?;
        holds(
            left.iter().any(|left| left.edge == other),
            "the edge that is not meant is left",
        )?;
    }
    Ok(())
}

/// A removal takes edges that are over, too, and counts them.
///
/// By the clock of another server they might not be over, and whoever was removed would be back.
#[rule(
    "relationships::delete_where::takes_ended_edges",
    source = "servers' clocks differ; none of the suites of this kind lets them"
)]
async fn removal_takes_ended_edges(w: &Graph) -> Checked {
    let ended = Relationship {
        until: Some(minute(1)),
        ..plain(edge("user:Bob", "viewer", "doc:Plan")?)
    };
    let lasting = plain(edge("user:Bob", "editor", "doc:Plan")?);
    let filter = EdgeFilter {
        subjects: WhichSubjects::Only(subject("user:Bob")?),
        ..EdgeFilter::EVERY
    };
    for forgets in [false, true] {
        w.put(&w.tenant, &[ended.clone(), lasting.clone()]).await?;
        let removed = if forgets {
            w.store.forget(&w.tenant, &object("user:Bob")?).await?
        } else {
            w.store
                .delete_where(&w.tenant, &filter, HowMany::Every)
                .await?
        };
        equal("how many edges were removed", &removed, &2)?;
        for edge in [&ended.edge, &lasting.edge] {
            equal("an edge by an early clock", &w.seen(edge).await?, &None)?;
        }
    }
    w.subject_unchanged().await
}

/// Forgetting an object ends all edges to it, from it, and from its sets, and no others; it answers how
/// many, and counts one that leads back to it once.
///
/// A deleted group whose members keep what it could do, or whose id the next group gets with all of its
/// rights, is not deleted.
#[rule(
    "relationships::forget::ends_both_sides",
    source = "spire #6946: rows that belonged to a deleted one stayed"
)]
async fn forgetting_ends_both_sides(w: &Graph) -> Checked {
    let theirs = [
        ("group:eng", "viewer", "doc:Plan"),
        ("group:eng#member", "viewer", "doc:Plan"),
        ("group:eng#Owner", "viewer", "doc:plan"),
        ("user:Ada", "member", "group:eng"),
        ("group:ops#member", "member", "group:eng"),
        ("group:eng#member", "member", "group:eng"),
    ];
    let others = [
        ("group:Eng", "viewer", "doc:Plan"),
        ("group:eng ", "viewer", "doc:Plan"),
        ("Group:eng#member", "viewer", "doc:Plan"),
        ("eng:group#member", "viewer", "doc:Plan"),
        ("user:Ada", "member", "group:en"),
        ("user:Ada", "eng", "group:group"),
        ("group:ops#eng", "group", "doc:eng"),
    ];
    let of = |all: &[(&str, &str, &str)]| -> Result<Vec<Relationship>, Failure> {
        let edges = all
            .iter()
            .map(|(from, relation, to)| full(edge(from, relation, to)?, from));
        edges.collect()
    };
    let (theirs, others) = (of(&theirs)?, of(&others)?);
    w.put(&w.tenant, &theirs).await?;
    w.put(&w.tenant, &others).await?;
    for count in [theirs.len() as u64, 0] {
        let ended = w.store.forget(&w.tenant, &object("group:eng")?).await?;
        equal("how many edges ended", &ended, &count)?;
        for gone in &theirs {
            equal("an edge that ended", &w.seen(&gone.edge).await?, &None)?;
        }
        for kept in &others {
            w.is_stored("an edge of somebody else", kept).await?;
        }
    }
    w.subject_unchanged().await
}

/// Forgetting an object ends thousands of edges at once, on either side.
///
/// Of a group of thousands, the last ones would stay members.
#[rule(
    "relationships::forget::goes_beyond_a_page",
    source = "AuthHero 7d9f138: a bulk revocation covers more than a page of rows"
)]
async fn forgetting_goes_beyond_a_page(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    let many: Vec<_> = (0..2500)
        .map(|number| {
            let other = format!("user:{number:04}");
            match number % 2 {
                0 => edge(&other, "member", "group:eng"),
                _ => edge("group:eng#member", "viewer", &other),
            }
        })
        .collect::<Result<_, Failure>>()?;
    w.put_plain(&tenant, &many).await?;
    let ended = w.store.forget(&tenant, &object("group:eng")?).await?;
    equal("how many edges ended", &ended, &2500)?;
    let members = w.to(&tenant, &object("group:eng")?, START).await?;
    let viewed = w
        .from(&tenant, &subject("group:eng#member")?, START)
        .await?;
    equal(
        "the edges that are left",
        &(members.len(), viewed.len()),
        &(0, 0),
    )
}

/// Forgetting what has no edges, or removing what nothing is meant by, answers zero and changes nothing.
///
/// A pattern in an id must not mean everybody's.
#[rule(
    "relationships::forget::of_nothing_is_zero",
    source = "better-auth: percent signs and underscores in a condition were patterns"
)]
async fn forgetting_nothing_is_zero(w: &Graph) -> Checked {
    for nobody in [
        "user:%",
        "user:Ad_",
        "%:%",
        "user:Ad",
        "user:viewer",
        "viewer:Ada",
    ] {
        let ended = w.store.forget(&w.tenant, &object(nobody)?).await?;
        equal(&format!("how many edges of {nobody:?} ended"), &ended, &0)?;
        let filter = EdgeFilter {
            subjects: WhichSubjects::Of(object(nobody)?),
            ..EdgeFilter::EVERY
        };
        let removed = w
            .store
            .delete_where(&w.tenant, &filter, HowMany::Every)
            .await?;
        equal(
            &format!("how many of {nobody:?} were removed"),
            &removed,
            &0,
        )?;
    }
    w.subject_unchanged().await
}
