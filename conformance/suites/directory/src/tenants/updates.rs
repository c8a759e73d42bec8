//! Updates of tenants: whole, by those who saw what they change.

use portproof_ports::{ErrorKind, Ports, Tenant};

use super::{Tenants, draft, other_draft};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails},
    fixture::minute,
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        replaced_whole,
        stale_is_refused,
        missing_is_refused,
        race_has_one_winner,
    ]
}

/// An update replaces the name and the settings, counts the version by one and notes the instant; the
/// id and the instant of the creation stay.
///
/// A setting that outlives its removal is one that somebody took away for a reason.
#[rule(
    "tenants::update::replaces_it_whole",
    source = "kratos: a tenant's id cannot be updated; updates that merge where they should replace"
)]
async fn replaced_whole(w: &Tenants) -> Checked {
    let mut expected = w.subject.clone();
    for (at, given) in [(5, other_draft()?), (4, draft("The subject")?)] {
        let updated = w
            .store
            .update(&expected.id, expected.version, given.clone(), minute(at))
            .await?;
        expected = Tenant {
            name: given.name,
            settings: given.settings,
            version: expected.version.next(),
            updated_at: minute(at),
            ..expected
        };
        equal("the answer of update", &updated, &expected)?;
        let seen = w.seen(&expected.id).await?;
        equal("the updated tenant", &seen.as_ref(), &Some(&expected))?;
    }
    Ok(())
}

/// An update by who saw an older version, or one that never was, is refused, and changes nothing.
///
/// Two operators who change settings at once undo each other's work unseen.
#[rule(
    "tenants::update::refuses_a_stale_version",
    source = "updates without a version: the last one wins"
)]
async fn stale_is_refused(w: &Tenants) -> Checked {
    let first = &w.subject;
    let updated = w
        .store
        .update(&first.id, first.version, other_draft()?, minute(1))
        .await?;
    for version in [first.version, updated.version.next()] {
        let stale = draft("stale")?;
        let answer = w.other.update(&first.id, version, stale, minute(2)).await;
        fails("an update of another version", answer, ErrorKind::Stale)?;
    }
    equal("the tenant", &w.seen(&first.id).await?, &Some(updated))
}

/// An update of a tenant that is not stored is refused, and stores none.
///
/// A tenant that comes into being by a late change of its settings has nobody's consent.
#[rule(
    "tenants::update::refuses_a_missing_tenant",
    source = "updates that upsert"
)]
async fn missing_is_refused(w: &Tenants) -> Checked {
    let missing = w.context.tenant()?;
    let answer = w
        .store
        .update(&missing, w.subject.version, other_draft()?, minute(1))
        .await;
    fails("an update of no tenant", answer, ErrorKind::NotFound)?;
    equal("the tenant", &w.seen(&missing).await?, &None)?;
    w.subject_unchanged().await
}

/// Of many who update one version at once, one does; the others are told that they lost.
///
/// Whoever is told of success and overwritten in the same instant believes in settings that are not.
#[rule(
    "tenants::update::race_has_one_winner",
    source = "lost updates: a read, a comparison and a write that are three statements",
    environments = "isolation"
)]
async fn race_has_one_winner(w: &Tenants) -> Checked {
    let mut stored = w.subject.clone();
    for round in 1..=4 {
        let answers = race(RACERS, |racer| {
            let (store, seen) = (w.handle(racer), stored.clone());
            async move {
                let given = draft(&format!("racer {racer}"))?;
                let answer = store.update(&seen.id, seen.version, given, minute(round));
                Ok::<_, Failure>(answer.await)
            }
        })
        .await?;
        let answers: Vec<_> = answers.into_iter().collect::<Result<_, _>>()?;
        exactly_one(
            "updating one version at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|error| error.kind() == ErrorKind::Stale)
            },
        )?;
        let winner = answers.into_iter().find_map(Result::ok);
        equal(
            "the tenant after the race",
            &w.seen(&stored.id).await?,
            &winner,
        )?;
        stored = winner.ok_or_else(|| Failure::new("nobody won"))?;
    }
    Ok(())
}
