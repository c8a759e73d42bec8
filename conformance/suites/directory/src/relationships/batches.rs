//! Batches: several writes at once.

use portproof_ports::{Edge, EdgeBatch, EdgeWrite, ErrorKind, Ports, Relationship};

use super::{Graph, edge, full, plain};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds},
    fixture::{START, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        batch_does_all,
        batch_is_all_or_nothing,
        edge_twice_is_refused,
        empty_batch_changes_nothing,
        full_batch_is_taken,
        batch_replaces_what_ended,
    ]
}

/// The first of several edges of Bob's, and on.
fn of_bob(number: usize) -> Result<Edge, Failure> {
    edge("user:Bob", "viewer", &format!("doc:{number:04}"))
}

/// A batch does all of its writes, of whatever kinds and in whatever order they are mixed.
///
/// What moves a document to another folder is a create and a delete; with one of them alone it is in
/// both, or in none.
#[rule(
    "relationships::write::does_every_write",
    source = "spicedb: creates, touches and deletes of one call"
)]
async fn batch_does_all(w: &Graph) -> Checked {
    let (old, kept) = (full(of_bob(1)?, "old")?, full(of_bob(2)?, "kept")?);
    w.put(&w.tenant, &[old.clone(), kept.clone()]).await?;
    let touched = plain(old.edge.clone());
    let (created, fresh) = (full(of_bob(3)?, "created")?, full(of_bob(0)?, "fresh")?);
    let batch = EdgeBatch::new(vec![
        EdgeWrite::Create(created.clone()),
        EdgeWrite::Delete(w.subject.edge.clone()),
        EdgeWrite::Touch(touched.clone()),
        EdgeWrite::Delete(of_bob(9)?),
        EdgeWrite::Touch(fresh.clone()),
    ])?;
    w.store.write(&w.tenant, &batch, START).await?;
    for given in [&created, &touched, &fresh, &kept] {
        w.is_stored("an edge after the batch", given).await?;
    }
    equal("the deleted edge", &w.seen(&w.subject.edge).await?, &None)?;
    let theirs = w.from(&w.tenant, &created.edge.subject, START).await?;
    equal("Bob's edges", &theirs, &vec![fresh, touched, kept, created])
}

/// A batch of which one write cannot be done does nothing, wherever that one stands and whatever the
/// others are.
///
/// A half of a batch is a permission that nobody meant: the owner is gone, and the new one is not
/// there.
#[rule(
    "relationships::write::is_all_or_nothing",
    source = "openfga, keto and spicedb: one write that fails fails all",
    environments = "isolation"
)]
async fn batch_is_all_or_nothing(w: &Graph) -> Checked {
    let stored: Vec<Relationship> = (0..4)
        .map(|number| full(of_bob(number)?, "stored"))
        .collect::<Result<_, Failure>>()?;
    w.put(&w.tenant, &stored).await?;
    let others = [
        EdgeWrite::Create(full(of_bob(7)?, "created")?),
        EdgeWrite::Touch(plain(of_bob(0)?)),
        EdgeWrite::Delete(of_bob(1)?),
        EdgeWrite::Touch(full(of_bob(8)?, "touched")?),
    ];
    for place in 0..=others.len() {
        let mut writes = others.to_vec();
        let taken = EdgeWrite::Create(plain(w.subject.edge.clone()));
        writes.insert(place, taken);
        let answer = w
            .store
            .write(&w.tenant, &EdgeBatch::new(writes)?, START)
            .await;
        fails(
            &format!("a batch whose write {place} cannot be done"),
            answer,
            ErrorKind::AlreadyExists,
        )?;
        let theirs = w.from(&w.tenant, &of_bob(0)?.subject, START).await?;
        equal("Bob's edges after it", &theirs, &stored)?;
        w.subject_unchanged().await?;
    }
    Ok(())
}

/// A batch with two writes of one edge is refused, whatever they are, and nothing is written.
///
/// Which of the two wins would be the backend's choice, and another one's on the next backend.
#[rule(
    "relationships::write::refuses_an_edge_twice",
    source = "openfga and spicedb: a duplicate within one call fails"
)]
async fn edge_twice_is_refused(w: &Graph) -> Checked {
    let given = full(of_bob(1)?, "given")?;
    let writes = [
        EdgeWrite::Create(given.clone()),
        EdgeWrite::Touch(given.clone()),
        EdgeWrite::Touch(plain(given.edge.clone())),
        EdgeWrite::Delete(given.edge.clone()),
    ];
    for one in &writes {
        for two in &writes {
            let between = EdgeWrite::Delete(w.subject.edge.clone());
            let batch = EdgeBatch::new(vec![one.clone(), between, two.clone()])?;
            let answer = w.store.write(&w.tenant, &batch, START).await;
            fails("an edge twice in a batch", answer, ErrorKind::Refused)?;
        }
    }
    equal("the edge", &w.seen(&given.edge).await?, &None)?;
    w.subject_unchanged().await
}

/// A batch without writes succeeds, and changes nothing.
///
/// An engine that found nothing to change would fail on SQL that is none.
#[rule(
    "relationships::write::of_nothing_is_fine",
    source = "keto and kratos: empty input made a statement that is no SQL"
)]
async fn empty_batch_changes_nothing(w: &Graph) -> Checked {
    let batch = EdgeBatch::new(Vec::new())?;
    w.store.write(&w.tenant, &batch, START).await?;
    w.subject_unchanged().await
}

/// A batch of a thousand writes is done whole, of each kind and of all kinds mixed.
///
/// Backends limit the parameters of a statement; an adapter that does not know that fails on the first
/// customer with many users.
#[rule(
    "relationships::write::takes_a_full_batch",
    source = "openfga, spicedb and keto: more tuples than a statement takes"
)]
async fn full_batch_is_taken(w: &Graph) -> Checked {
    let tenant = w.context.tenant()?;
    let numbered = |number: usize, label: &str| full(of_bob(number)?, label);
    let of_all = |write: fn(Relationship) -> EdgeWrite, label: &str| -> Result<_, Failure> {
        let writes: Result<Vec<_>, Failure> = (0..1000)
            .map(|number| Ok(write(numbered(number, label)?)))
            .collect();
        Ok(EdgeBatch::new(writes?)?)
    };
    let everybody = of_bob(0)?.subject;
    for (name, write) in [
        (
            "created",
            EdgeWrite::Create as fn(Relationship) -> EdgeWrite,
        ),
        ("touched", EdgeWrite::Touch),
    ] {
        let batch = of_all(write, name)?;
        w.store.write(&tenant, &batch, START).await?;
        let listed = w.from(&tenant, &everybody, START).await?;
        let expected: Vec<_> = (0..1000)
            .map(|number| numbered(number, name))
            .collect::<Result<_, Failure>>()?;
        holds(
            listed == expected,
            format!("a thousand edges are {name}, got {}", listed.len()),
        )?;
    }
    // The last of them cannot be created, and nothing is.
    let mut writes: Vec<_> = (1001..2000)
        .map(|number| Ok(EdgeWrite::Create(plain(of_bob(number)?))))
        .collect::<Result<_, Failure>>()?;
    writes.push(EdgeWrite::Create(plain(of_bob(999)?)));
    let answer = w
        .store
        .write(&tenant, &EdgeBatch::new(writes)?, START)
        .await;
    fails(
        "a batch whose last write fails",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    let writes: Result<Vec<_>, Failure> = (500..1500)
        .map(|number| {
            Ok(match number {
                500..1000 => EdgeWrite::Delete(of_bob(number)?),
                1000..1200 => EdgeWrite::Create(numbered(number, "mixed")?),
                _ => EdgeWrite::Touch(numbered(number, "mixed")?),
            })
        })
        .collect();
    w.store
        .write(&tenant, &EdgeBatch::new(writes?)?, START)
        .await?;
    let listed = w.from(&tenant, &everybody, START).await?;
    let expected: Vec<_> = (0..500)
        .map(|number| numbered(number, "touched"))
        .chain((1000..1500).map(|number| numbered(number, "mixed")))
        .collect::<Result<_, Failure>>()?;
    holds(
        listed == expected,
        format!(
            "the edges after a mixed batch are right, got {}",
            listed.len()
        ),
    )
}

/// Creates of a batch whose edges are over replace them, all of them.
///
/// A whole team's access that ended is given again at once, or to those only who never had it.
#[rule(
    "relationships::write::creates_ended_edges",
    source = "spicedb: what has expired can be created again before it is collected"
)]
async fn batch_replaces_what_ended(w: &Graph) -> Checked {
    let ended: Vec<_> = (0..120)
        .step_by(2)
        .map(|number| {
            Ok(Relationship {
                until: Some(minute(1)),
                ..full(of_bob(number)?, "ended")?
            })
        })
        .collect::<Result<_, Failure>>()?;
    w.put(&w.tenant, &ended).await?;
    let created: Vec<_> = (0..120)
        .map(|number| Ok(plain(of_bob(number)?)))
        .collect::<Result<_, Failure>>()?;
    let writes = created.iter().cloned().map(EdgeWrite::Create).collect();
    let batch = EdgeBatch::new(writes)?;
    let early = w.store.write(&w.tenant, &batch, START).await;
    fails("creating what is there", early, ErrorKind::AlreadyExists)?;
    w.store.write(&w.tenant, &batch, minute(1)).await?;
    let theirs = w.from(&w.tenant, &of_bob(0)?.subject, START).await?;
    holds(theirs == created, "all of 120 edges are created")
}
