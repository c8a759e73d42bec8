//! Writes at once: of one edge, under conditions, and under the eyes of readers.

use portproof_ports::{
    Edge, EdgeBatch, EdgeFilter, EdgeWrite, ErrorKind, HowMany, Ports, Precondition, WhichObjects,
    WhichRelations, WhichSubjects,
};

use super::{Graph, edge, full, just, object, plain, subject};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds},
    fixture::START,
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        create_race_has_one_winner,
        absence_race_has_one_winner,
        presence_race_leaves_one,
        batches_cross_whole,
        batch_is_seen_whole,
        removal_race_counts_once,
        forgetting_race_leaves_nothing,
    ]
}

/// Of callers that create one edge at once, one does, and the others are told that it is there: it is the
/// winner's.
///
/// "Create" is how an engine decides who was first.
#[rule(
    "relationships::create::race_has_one_winner",
    source = "twentyhq/twenty #26025: looked first and wrote later",
    environments = "isolation"
)]
async fn create_race_has_one_winner(w: &Graph) -> Checked {
    for round in 0..6 {
        let contested = edge("user:Bob", "owner", &format!("doc:{round}"))?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let batch = full(contested.clone(), &format!("racer {racer}"))
                .and_then(|given| just(EdgeWrite::Create(given)));
            async move { Ok::<_, Failure>(store.write(&tenant, &batch?, START).await) }
        })
        .await?;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        exactly_one(
            "creating one edge at once",
            &answers,
            Result::is_ok,
            |answer| matches!(answer, Err(error) if error.kind() == ErrorKind::AlreadyExists),
        )?;
        let winner = answers.iter().position(Result::is_ok).unwrap_or_default();
        let given = full(contested, &format!("racer {winner}"))?;
        w.is_stored("the edge after the race", &given).await?;
    }
    Ok(())
}

/// Of callers that each write an edge of their own under the condition that none of the kind is there, one
/// does, and the others are told that the condition does not hold.
///
/// "If it has no owner yet" must not give a thing eight owners because all eight asked at once.
#[rule(
    "relationships::preconditions::race_for_an_absence",
    source = "leodip/goiabada #77: looked first and wrote later, and both went on",
    environments = "isolation"
)]
async fn absence_race_has_one_winner(w: &Graph) -> Checked {
    for round in 0..6 {
        let thing = format!("doc:{round}");
        let owned = EdgeFilter {
            subjects: WhichSubjects::Every,
            relations: WhichRelations::Only(edge("user:0", "owner", "doc:0")?.relation),
            objects: WhichObjects::Only(object(&thing)?),
        };
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let batch = edge(&format!("user:{racer}"), "owner", &thing).and_then(|edge| {
                let none = vec![Precondition::MustNotExist(owned.clone())];
                Ok(just(EdgeWrite::Touch(plain(edge)))?.given(none)?)
            });
            async move { Ok::<_, Failure>(store.write(&tenant, &batch?, START).await) }
        })
        .await?;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        exactly_one(
            "owning a thing that has no owner",
            &answers,
            Result::is_ok,
            |answer| matches!(answer, Err(error) if error.kind() == ErrorKind::Stale),
        )?;
        let winner = answers.iter().position(Result::is_ok).unwrap_or_default();
        let owners = w.to(&w.tenant, &object(&thing)?, START).await?;
        let expected = plain(edge(&format!("user:{winner}"), "owner", &thing)?);
        equal("the owners after the race", &owners, &vec![expected])?;
    }
    Ok(())
}

/// Of two edges of which each may only go as long as the other one is there, one stays, however many try
/// to remove both at once.
///
/// A thing with two owners who both leave "since the other one stays" would belong to nobody.
#[rule(
    "relationships::preconditions::race_for_a_presence",
    source = "write skew (Berenson et al., 1995): both looked at what the other one removed",
    environments = "isolation"
)]
async fn presence_race_leaves_one(w: &Graph) -> Checked {
    for round in 0..6 {
        let thing = format!("doc:{round}");
        let owners = [
            edge("user:Ada", "owner", &thing)?,
            edge("user:Bob", "owner", &thing)?,
        ];
        w.put_plain(&w.tenant, &owners).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer / 2), w.tenant.clone());
            let other = EdgeFilter::only(&owners[1 - racer % 2]);
            let batch = just(EdgeWrite::Delete(owners[racer % 2].clone()))
                .and_then(|batch| Ok(batch.given(vec![Precondition::MustExist(other)])?));
            async move { Ok::<_, Failure>(store.write(&tenant, &batch?, START).await) }
        })
        .await?;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let left = w.to(&w.tenant, &object(&thing)?, START).await?;
        equal("how many owners are left", &left.len(), &1)?;
        for (racer, answer) in answers.iter().enumerate() {
            let won = left.iter().any(|left| left.edge != owners[racer % 2]);
            let as_expected = match answer {
                Ok(()) => won,
                Err(error) => !won && error.kind() == ErrorKind::Stale,
            };
            holds(
                as_expected,
                format!(
                    "all removals of one owner succeed, and none of the other, got {answers:?}"
                ),
            )?;
        }
    }
    Ok(())
}

/// Batches at once leave what they would one after another: of two that each create what the other one
/// deletes, one was last.
///
/// A delete of what is not there yet must not pass by the create that is on its way.
#[rule(
    "relationships::write::race_is_one_after_another",
    source = "spicedb aa9e31d9c (#2958): the order of transactions that overlap",
    environments = "isolation"
)]
async fn batches_cross_whole(w: &Graph) -> Checked {
    for round in 0..10 {
        let pair = [
            edge("user:Bob", "viewer", &format!("doc:{round}"))?,
            edge("user:Bob", "viewer", &format!("doc:{round}'"))?,
        ];
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer / 2), w.tenant.clone());
            let (one, two) = (pair[racer % 2].clone(), pair[1 - racer % 2].clone());
            let batch = EdgeBatch::new(vec![EdgeWrite::Touch(plain(one)), EdgeWrite::Delete(two)]);
            async move { Ok::<_, Failure>(store.write(&tenant, &batch?, START).await?) }
        })
        .await?;
        answers.into_iter().collect::<Result<Vec<()>, _>>()?;
        let one = w.seen(&pair[0]).await?;
        let two = w.seen(&pair[1]).await?;
        equal(
            "how many of two edges are there, of which every batch leaves one",
            &[one, two].into_iter().flatten().count(),
            &1,
        )?;
    }
    Ok(())
}

/// A reader sees the whole of a batch or nothing of it: of two edges that are always swapped it sees one,
/// whenever it looks, through whichever handle.
///
/// Who moves a document from one folder to another must not show it in both, nor lose it for a moment:
/// a check in that moment decides.
#[rule(
    "relationships::write::is_seen_whole",
    source = "spicedb and vault: readers outside never see a part of a batch",
    environments = "isolation"
)]
async fn batch_is_seen_whole(w: &Graph) -> Checked {
    /// How often the edges are swapped.
    const SWAPS: usize = 40;
    let swapped = [
        edge("folder:a", "parent", "doc:moved")?,
        edge("folder:b", "parent", "doc:moved")?,
    ];
    w.put_plain(&w.tenant, &swapped[..1]).await?;
    let answers = race(RACERS, |racer| {
        let (store, tenant) = (w.handle(racer), w.tenant.clone());
        let [one, two] = swapped.clone();
        async move {
            for swap in 0..SWAPS {
                if racer == 0 {
                    let (from, to) = if swap % 2 == 0 {
                        (&one, &two)
                    } else {
                        (&two, &one)
                    };
                    let batch = EdgeBatch::new(vec![
                        EdgeWrite::Delete(from.clone()),
                        EdgeWrite::Create(plain(to.clone())),
                    ])?;
                    store.write(&tenant, &batch, START).await?;
                    continue;
                }
                let page = portproof_ports::PageRequest::first(10)?;
                let seen = store
                    .to(
                        &tenant,
                        &one.object,
                        &WhichRelations::Every,
                        &portproof_ports::WhichTypes::Every,
                        START,
                        &page,
                    )
                    .await?;
                let what = "how many of two edges a reader sees that are always swapped";
                equal(what, &seen.items.len(), &1)?;
            }
            Ok::<_, Failure>(())
        }
    })
    .await?;
    answers.into_iter().collect()
}

/// Edges that are removed by several at once, while others are created, are each counted once.
///
/// A count that is too high tells an administrator of people who never had access; one that is too low
/// hides some who did.
#[rule(
    "relationships::delete_where::race_counts_once",
    source = "none of the suites of this kind removes while others write",
    environments = "isolation"
)]
async fn removal_race_counts_once(w: &Graph) -> Checked {
    for round in 0..6 {
        let from = format!("group:{round}");
        let filter = EdgeFilter {
            subjects: WhichSubjects::Only(subject(&from)?),
            ..EdgeFilter::EVERY
        };
        let edges: Vec<Edge> = (0..60)
            .map(|number| edge(&from, "viewer", &format!("doc:{number:02}")))
            .collect::<Result<_, Failure>>()?;
        w.put_plain(&w.tenant, &edges[..30]).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, filter) = (w.handle(racer), w.tenant.clone(), filter.clone());
            let mine: Vec<Edge> = edges[30..]
                .iter()
                .skip(racer / 2)
                .step_by(4)
                .cloned()
                .collect();
            async move {
                if racer % 2 == 0 {
                    let mut removed = 0;
                    for how_many in [HowMany::AtMost(7), HowMany::Every] {
                        removed += store.delete_where(&tenant, &filter, how_many).await?;
                    }
                    return Ok(removed);
                }
                for edge in mine {
                    let batch = just(EdgeWrite::Create(plain(edge)))?;
                    store.write(&tenant, &batch, START).await?;
                }
                Ok::<u64, Failure>(0)
            }
        })
        .await?;
        let removed: u64 = answers.into_iter().sum::<Result<u64, Failure>>()?;
        let left = w.from(&w.tenant, &subject(&from)?, START).await?;
        equal(
            "edges that were removed and edges that are left, together",
            &(removed + left.len() as u64),
            &60,
        )?;
    }
    Ok(())
}

/// When an object is forgotten while edges to it are created under the condition that it has its mark,
/// none of them is left: each was created before that and went, or is refused.
///
/// The next group with this id would begin with members who joined the last one in its last moment.
#[rule(
    "relationships::forget::race_leaves_nothing",
    source = "auth0/nextjs-auth0 #2335: what was written while its owner went came back",
    environments = "isolation"
)]
async fn forgetting_race_leaves_nothing(w: &Graph) -> Checked {
    for round in 0..8 {
        let group = object(&format!("group:{round}"))?;
        let name = format!("group:{round}");
        let mark = edge("tenant:all", "parent", &name)?;
        w.put_plain(&w.tenant, std::slice::from_ref(&mark)).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (group, name) = (group.clone(), name.clone());
            let mark = Precondition::MustExist(EdgeFilter::only(&mark));
            async move {
                if racer == 5 {
                    return Ok((0, store.forget(&tenant, &group).await?));
                }
                let mut created = 0;
                for number in 0..4 {
                    let member = edge(&format!("user:{racer}-{number}"), "member", &name)?;
                    let batch =
                        just(EdgeWrite::Create(plain(member)))?.given(vec![mark.clone()])?;
                    match store.write(&tenant, &batch, START).await {
                        Ok(()) => created += 1,
                        Err(error) if error.kind() == ErrorKind::Stale => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok::<(u64, u64), Failure>((created, 0))
            }
        })
        .await?;
        let (mut created, mut ended) = (1, 0);
        for answer in answers {
            let (more, gone) = answer?;
            (created, ended) = (created + more, ended + gone);
        }
        equal("how many edges ended, of those created", &ended, &created)?;
        let left = w.to(&w.tenant, &group, START).await?;
        equal("the edges to what is forgotten", &left, &vec![])?;
    }
    Ok(())
}
