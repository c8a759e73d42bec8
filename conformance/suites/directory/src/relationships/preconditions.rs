//! Preconditions: what must hold for a batch to be written.

use portproof_ports::{
    EdgeBatch, EdgeFilter, EdgeWrite, ErrorKind, Ports, Precondition, Relationship,
};

use super::{Graph, edge, filters, full, grid, just, plain};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, just_before, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        must_exist_is_kept,
        must_not_exist_is_kept,
        all_must_hold,
        preconditions_see_no_ended_edge,
        preconditions_see_what_was_before,
        preconditions_without_writes,
    ]
}

/// A batch that says what must exist is written when an edge that the filter means is there, and not
/// when there are only others, whatever the filter: nothing is written then.
///
/// An engine shares a folder if it still has an owner; that a stranger's folder has one says nothing.
#[rule(
    "relationships::preconditions::must_exist",
    source = "spicedb: preconditions of a write; openfga: every combination of a filter"
)]
async fn must_exist_is_kept(w: &Graph) -> Checked {
    let mark = edge("mark:1", "marks", "mark:1")?;
    for filter in filters()? {
        let tenant = w.context.tenant()?;
        let (meant, others): (Vec<_>, Vec<_>) =
            grid()?.into_iter().partition(|edge| filter.means(edge));
        w.put_plain(&tenant, &others).await?;
        let batch = just(EdgeWrite::Create(plain(mark.clone())))?
            .given(vec![Precondition::MustExist(filter.clone())])?;
        let what = format!("a batch when {filter:?} must exist");
        let answer = w.store.write(&tenant, &batch, START).await;
        fails(&format!("{what}, and does not"), answer, ErrorKind::Stale)?;
        let exists = w.other.exists(&tenant, &mark, START).await?;
        equal("whether it wrote all the same", &exists, &false)?;
        w.put_plain(&tenant, &meant[meant.len() - 1..]).await?;
        w.store.write(&tenant, &batch, START).await?;
        let exists = w.other.exists(&tenant, &mark, START).await?;
        equal(&format!("{what}, and does"), &exists, &true)?;
    }
    Ok(())
}

/// A batch that says what must not exist is written when there are only edges that the filter does not
/// mean, and not when one is there that it does: nothing is written then.
///
/// "If it has no owner yet" is how a thing gets one owner, and not two.
#[rule(
    "relationships::preconditions::must_not_exist",
    source = "spicedb: preconditions of a write; openfga: every combination of a filter"
)]
async fn must_not_exist_is_kept(w: &Graph) -> Checked {
    let mark = edge("mark:1", "marks", "mark:1")?;
    for filter in filters()?.into_iter().filter(|it| *it != EdgeFilter::EVERY) {
        let tenant = w.context.tenant()?;
        let (meant, others): (Vec<_>, Vec<_>) =
            grid()?.into_iter().partition(|edge| filter.means(edge));
        w.put_plain(&tenant, &others).await?;
        w.put_plain(&tenant, &meant[..1]).await?;
        let batch = just(EdgeWrite::Create(plain(mark.clone())))?
            .given(vec![Precondition::MustNotExist(filter.clone())])?;
        let what = format!("a batch when {filter:?} must not exist");
        let answer = w.store.write(&tenant, &batch, START).await;
        fails(&format!("{what}, and does"), answer, ErrorKind::Stale)?;
        let exists = w.other.exists(&tenant, &mark, START).await?;
        equal("whether it wrote all the same", &exists, &false)?;
        let gone = just(EdgeWrite::Delete(meant[0].clone()))?;
        w.store.write(&tenant, &gone, START).await?;
        w.store.write(&tenant, &batch, START).await?;
        let exists = w.other.exists(&tenant, &mark, START).await?;
        equal(&format!("{what}, and does not"), &exists, &true)?;
    }
    Ok(())
}

/// All preconditions of a batch must hold: one of several that does not is enough to refuse it, wherever
/// it stands, and a hundred that do are taken.
///
/// An adapter that checks the first one only guards nothing with the others.
#[rule(
    "relationships::preconditions::all_must_hold",
    source = "spicedb: a write with several preconditions"
)]
async fn all_must_hold(w: &Graph) -> Checked {
    let holds: Vec<Precondition> = w
        .bystanders
        .iter()
        .map(|(_, there)| Precondition::MustExist(EdgeFilter::only(&there.edge)))
        .collect();
    let missing = EdgeFilter::only(&edge("user:Nobody", "viewer", "doc:Plan")?);
    let there = EdgeFilter::only(&w.subject.edge);
    let given = full(edge("user:Bob", "viewer", "doc:Plan")?, "Bob")?;
    let writes = vec![
        EdgeWrite::Create(given.clone()),
        EdgeWrite::Delete(w.subject.edge.clone()),
    ];
    for fault in [
        Precondition::MustExist(missing.clone()),
        Precondition::MustNotExist(there),
    ] {
        for place in 0..=holds.len() {
            let mut conditions = holds.clone();
            conditions.insert(place, fault.clone());
            let batch = EdgeBatch::new(writes.clone())?.given(conditions)?;
            let answer = w.store.write(&w.tenant, &batch, START).await;
            let what = format!("a batch whose precondition {place} does not hold");
            fails(&what, answer, ErrorKind::Stale)?;
            equal("its first write", &w.seen(&given.edge).await?, &None)?;
            w.subject_unchanged().await?;
        }
    }
    let mut hundred = holds;
    hundred.resize(100, Precondition::MustNotExist(missing));
    let batch = EdgeBatch::new(writes)?.given(hundred)?;
    w.store.write(&w.tenant, &batch, START).await?;
    w.is_stored(
        "the first write of a batch whose all preconditions hold",
        &given,
    )
    .await
}

/// For a precondition, an edge that is over is not there, from the instant of its end on.
///
/// Otherwise access that has ended keeps the next one from being given, or lets it be given.
#[rule(
    "relationships::preconditions::see_no_ended_edge",
    source = "spicedb: what has expired is invisible, collected or not"
)]
async fn preconditions_see_no_ended_edge(w: &Graph) -> Checked {
    let lent = Relationship {
        until: Some(minute(5)),
        ..plain(edge("user:Bob", "owner", "doc:Plan")?)
    };
    w.put(&w.tenant, std::slice::from_ref(&lent)).await?;
    let filters = [
        EdgeFilter::only(&lent.edge),
        EdgeFilter {
            relations: portproof_ports::WhichRelations::Only(lent.edge.relation.clone()),
            ..EdgeFilter::EVERY
        },
    ];
    for (number, filter) in filters.into_iter().enumerate() {
        let given = plain(edge(&format!("user:{number}"), "viewer", "doc:Lent")?);
        let with = |condition: fn(EdgeFilter) -> Precondition| {
            just(EdgeWrite::Touch(given.clone()))
                .and_then(|batch| Ok(batch.given(vec![condition(filter.clone())])?))
        };
        let must = with(Precondition::MustExist)?;
        let must_not = with(Precondition::MustNotExist)?;
        for (now, works, fault) in [
            (just_before(minute(5)), &must, &must_not),
            (minute(5), &must_not, &must),
            (minute(6), &must_not, &must),
        ] {
            let answer = w.store.write(&w.tenant, fault, now).await;
            fails("a precondition about an end", answer, ErrorKind::Stale)?;
            equal("what it wrote", &w.seen(&given.edge).await?, &None)?;
            w.store.write(&w.tenant, works, now).await?;
            w.is_stored("the edge when the precondition held", &given)
                .await?;
            w.write(EdgeWrite::Delete(given.edge.clone())).await?;
        }
    }
    Ok(())
}

/// Preconditions are about what is stored before the batch: what it deletes is there, and what it
/// creates is not.
///
/// "Hand over if I am the owner" names the edge that it deletes.
#[rule(
    "relationships::preconditions::see_what_was_before",
    source = "spicedb: preconditions are checked before the writes"
)]
async fn preconditions_see_what_was_before(w: &Graph) -> Checked {
    let new = full(edge("user:Bob", "viewer", "doc:Plan")?, "Bob")?;
    let batch = EdgeBatch::new(vec![
        EdgeWrite::Create(new.clone()),
        EdgeWrite::Delete(w.subject.edge.clone()),
    ])?
    .given(vec![
        Precondition::MustExist(EdgeFilter::only(&w.subject.edge)),
        Precondition::MustNotExist(EdgeFilter::only(&new.edge)),
    ])?;
    w.store.write(&w.tenant, &batch, START).await?;
    w.is_stored("the new edge", &new).await?;
    equal("the old one", &w.seen(&w.subject.edge).await?, &None)?;
    let answer = w.store.write(&w.tenant, &batch, START).await;
    fails("the same batch again", answer, ErrorKind::Stale)?;
    w.is_stored("the new edge, after that", &new).await
}

/// A batch without writes still says whether its preconditions hold.
///
/// An engine asks so, and takes a success for a yes.
#[rule(
    "relationships::preconditions::are_checked_without_writes",
    source = "none of the suites of this kind writes nothing under a condition"
)]
async fn preconditions_without_writes(w: &Graph) -> Checked {
    let filter = EdgeFilter::only(&w.subject.edge);
    let asks =
        |condition| EdgeBatch::new(Vec::new()).and_then(|batch| batch.given(vec![condition]));
    let yes = asks(Precondition::MustExist(filter.clone()))?;
    w.store.write(&w.tenant, &yes, START).await?;
    let no = asks(Precondition::MustNotExist(filter))?;
    let answer = w.store.write(&w.tenant, &no, START).await;
    fails("asking for what is not so", answer, ErrorKind::Stale)?;
    w.subject_unchanged().await
}
