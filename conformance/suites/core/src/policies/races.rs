//! Saves at once: one winner, nothing lost, and nobody who sees half of one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use portproof_ports::{
    ErrorKind, Expected, PageRequest, PolicyStore, PortResult, Ports, TenantId, Version,
};
use tokio::sync::watch;

use super::{
    Book,
    kind::{Kind, Policies, Record, Roles},
};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, holds, some},
    fixture::{START, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        creation_race_has_one_winner,
        change_race_has_one_winner,
        retried_changes_are_all_there,
        every_change_counts,
        readers_see_whole_records,
        deleted_while_saved_is_gone,
    ]
}

fn is_stale<T>(answer: &PortResult<T>) -> bool {
    answer
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::Stale)
}

/// Saves drafts of one id, a different one for each caller, all at once.
async fn save_at_once<K: Kind>(
    w: &Book,
    id: &str,
    expected: Expected,
) -> Result<Vec<PortResult<Record<K::Draft>>>, Failure> {
    let mut drafts = Vec::new();
    for racer in 0..RACERS {
        drafts.push(K::full(id, &format!("racer {racer}, {expected:?}"))?);
    }
    race(RACERS, |racer| {
        let (store, tenant) = (w.handle(racer), w.tenant.clone());
        let draft = drafts[racer].clone();
        async move { K::save(&*store, &tenant, expected, draft, minute(1)).await }
    })
    .await
}

/// Of callers that save a new policy or role under one id at once, one wins and the others are told.
///
/// Two owners of one id each believe that the rules are theirs.
#[rule(
    "policies::save::creation_race_has_one_winner",
    source = "casbin #1423: adding at once left duplicates; hydra #3870",
    environments = "isolation"
)]
async fn creation_race_has_one_winner(w: &Book) -> Checked {
    one_creator::<Policies>(w).await?;
    one_creator::<Roles>(w).await
}

async fn one_creator<K: Kind>(w: &Book) -> Checked {
    for round in 0..4 {
        let id = format!("round {round}");
        let answers = save_at_once::<K>(w, &id, Expected::Absent).await?;
        exactly_one(
            &format!("saving a new {} at once", K::NAME),
            &answers,
            Result::is_ok,
            is_stale,
        )?;
        let won = answers.into_iter().find_map(Result::ok);
        equal(
            "what the winner was told of",
            &w.seen::<K>(&K::id(&id)?).await?,
            &won,
        )?;
    }
    Ok(())
}

/// Of callers that change one version of a policy or role at once, one wins and the others are told.
///
/// A lost change is a denial that somebody believes in.
#[rule(
    "policies::save::change_race_has_one_winner",
    source = "dex #2547: concurrent updates overwrote each other",
    environments = "isolation"
)]
async fn change_race_has_one_winner(w: &Book) -> Checked {
    one_changer::<Policies>(w).await?;
    one_changer::<Roles>(w).await
}

async fn one_changer<K: Kind>(w: &Book) -> Checked {
    let mut version = Version::FIRST;
    for _ in 0..4 {
        let answers = save_at_once::<K>(w, "subject", Expected::Version(version)).await?;
        exactly_one(
            &format!("changing one version of a {} at once", K::NAME),
            &answers,
            Result::is_ok,
            is_stale,
        )?;
        let won = answers.into_iter().find_map(Result::ok);
        let found = w.seen::<K>(&K::id("subject")?).await?;
        equal("what the winner was told of", &found, &won)?;
        version = version.next();
    }
    Ok(())
}

/// Callers that each add a rule or a permission, and try again when they are told to, all get it
/// stored.
///
/// That is how two administrators work at once, and what the version is for.
#[rule(
    "policies::save::loses_nothing_when_retried",
    source = "better-auth #9993: what was read, changed and written was lost",
    environments = "isolation"
)]
async fn retried_changes_are_all_there(w: &Book) -> Checked {
    all_are_added::<Policies>(w).await?;
    all_are_added::<Roles>(w).await
}

async fn all_are_added<K: Kind>(w: &Book) -> Checked {
    /// More attempts than any of them needs: with each that fails another one has succeeded.
    const MOST_ATTEMPTS: usize = 4 * RACERS;
    let answers = race(RACERS, |racer| {
        let (store, tenant) = (w.handle(racer), w.tenant.clone());
        async move {
            let id = K::id("subject")?;
            let mut attempt = 0;
            loop {
                attempt += 1;
                let stored = some("the subject", K::get(&*store, &tenant, &id).await?)?;
                let seen = Expected::Version(stored.version);
                let mut draft = stored.draft;
                K::add(&mut draft, &format!("racer {racer}"))?;
                let answer = K::save(&*store, &tenant, seen, draft, minute(1)).await;
                if !is_stale(&answer) || attempt == MOST_ATTEMPTS {
                    return answer.map(drop).map_err(Failure::from);
                }
            }
        }
    })
    .await?;
    answers.into_iter().collect::<Checked>()?;
    let before = K::subject(w);
    let found = some("the subject", w.seen::<K>(&K::id("subject")?).await?)?;
    equal(
        "how much there is after all were added",
        &K::count(&found.draft),
        &(K::count(&before.draft) + RACERS),
    )?;
    let writers = i64::try_from(RACERS).unwrap_or(i64::MAX);
    equal(
        "the version after as many changes",
        &found.version.get(),
        &(before.version.get() + writers),
    )
}

/// Changes that are made at once without a version are all counted: each is answered a version of
/// its own, and the highest is what is stored.
///
/// Two states under one version are one to every cache.
#[rule(
    "policies::save::every_change_has_a_version",
    source = "better-auth #9993: counters that were read and written back"
)]
async fn every_change_counts(w: &Book) -> Checked {
    versions_are_contiguous::<Policies>(w).await?;
    versions_are_contiguous::<Roles>(w).await
}

async fn versions_are_contiguous<K: Kind>(w: &Book) -> Checked {
    for id in ["subject", "fresh", "subject"] {
        let before = w.seen::<K>(&K::id(id)?).await?;
        let mut count = before.map_or(0, |record| record.version.get());
        // What the last round saved is not to be the same again.
        if count > 1 {
            count = w.save::<K>(K::bare(id)?, START).await?.version.get();
        }
        let answers = save_at_once::<K>(w, id, Expected::Anything).await?;
        let mut saved = answers.into_iter().collect::<PortResult<Vec<_>>>()?;
        saved.sort_by_key(|record| record.version);
        let versions: Vec<i64> = saved.iter().map(|record| record.version.get()).collect();
        let expected: Vec<i64> = (count + 1..).take(RACERS).collect();
        equal(
            &format!("the versions of a {} that many changed", K::NAME),
            &versions,
            &expected,
        )?;
        let found = w.seen::<K>(&K::id(id)?).await?;
        equal("what is stored at last", &found.as_ref(), &saved.last())?;
    }
    Ok(())
}

/// Who reads a policy or a role while it is saved sees it before or after: never missing, empty, or
/// half of each.
///
/// A policy without its denials, even for an instant, lets somebody in.
#[rule(
    "policies::save::readers_see_it_whole",
    source = "casbin: a save deletes all rules and inserts them again; no suite reads meanwhile",
    environments = "isolation"
)]
async fn readers_see_whole_records(w: &Book) -> Checked {
    seen_whole::<Policies>(w).await?;
    seen_whole::<Roles>(w).await
}

async fn seen_whole<K: Kind>(w: &Book) -> Checked {
    let odd = K::subject(w).draft.clone();
    let even = K::bare("subject")?;
    let reading = Arc::new(AtomicUsize::new(RACERS - 1));
    // How often it was saved; closed when the writer has come to its end.
    let (saved, saves) = watch::channel(0);
    let mut saved = Some(saved);
    let answers = race(RACERS, |racer| {
        let (store, tenant) = (w.handle(racer), w.tenant.clone());
        let (reading, saves, saved) = (Arc::clone(&reading), saves.clone(), saved.take());
        let (odd, even) = (odd.clone(), even.clone());
        async move {
            let drafts = [&even, &odd];
            if let Some(saved) = saved {
                return save_while::<K>(&reading, saved, &*store, &tenant, drafts).await;
            }
            let read = read_while::<K>(saves, &*store, &tenant, drafts).await;
            reading.fetch_sub(1, Ordering::Relaxed);
            read
        }
    })
    .await?;
    answers.into_iter().collect()
}

/// Saves one draft and the other, so that the versions that are even say the first, while somebody
/// reads.
async fn save_while<K: Kind>(
    reading: &AtomicUsize,
    saved: watch::Sender<usize>,
    store: &dyn PolicyStore,
    tenant: &TenantId,
    [even, odd]: [&K::Draft; 2],
) -> Checked {
    // Readers end when they have seen some changes; a store that keeps none must not hold them.
    for _ in 0..1000 {
        for draft in [even, odd] {
            K::save(store, tenant, Expected::Anything, draft.clone(), minute(1)).await?;
            saved.send_modify(|saves| *saves += 1);
            // For stores that answer without waiting.
            tokio::task::yield_now().await;
        }
        if reading.load(Ordering::Relaxed) == 0 {
            break;
        }
    }
    Ok(())
}

/// Reads the subject, from the list and by its id, a few times for each save, until it has changed a
/// few times; fails unless each version says what it is to say.
async fn read_while<K: Kind>(
    mut saves: watch::Receiver<usize>,
    store: &dyn PolicyStore,
    tenant: &TenantId,
    drafts: [&K::Draft; 2],
) -> Checked {
    /// How often it is read for each save, at most.
    const READS: usize = 4;
    let id = K::id("subject")?;
    let (mut last, mut changes) = (Version::FIRST, 0);
    while changes < 6 && saves.changed().await.is_ok() {
        for _ in 0..READS {
            let page = K::list(store, tenant, PageRequest::first(10)?).await?;
            let mut listed = page.items.into_iter();
            let listed = listed.find(|record| *K::id_of(&record.draft) == id);
            for found in [listed, K::get(store, tenant, &id).await?] {
                let found = some("what is being saved", found)?;
                let expected = drafts[usize::from(found.version.get() % 2 == 1)];
                equal(
                    "what is being saved, at this version",
                    &&found.draft,
                    &expected,
                )?;
                changes += usize::from(found.version != last);
                last = found.version;
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// What is deleted while others save the version that they saw is gone then: no save brings it back,
/// and one caller deleted it.
///
/// A policy that was withdrawn would decide again, and a role would be held again.
#[rule(
    "policies::save::race_with_delete_recreates_nothing",
    source = "auth0/nextjs-auth0 #2530: first read, then written; connect-redis #328",
    environments = "isolation"
)]
async fn deleted_while_saved_is_gone(w: &Book) -> Checked {
    deleted_is_gone::<Policies>(w).await?;
    deleted_is_gone::<Roles>(w).await
}

async fn deleted_is_gone<K: Kind>(w: &Book) -> Checked {
    for round in 0..6 {
        let id = format!("round {round}");
        w.save::<K>(K::full(&id, "to be deleted")?, START).await?;
        let draft = K::full(&id, "late")?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (draft, deletes) = (draft.clone(), racer % 4 == 3);
            async move {
                if deletes {
                    return K::delete(&*store, &tenant, K::id_of(&draft)).await;
                }
                let seen = Expected::Version(Version::FIRST);
                let answer = K::save(&*store, &tenant, seen, draft, minute(1)).await;
                if is_stale(&answer) {
                    Ok(false)
                } else {
                    answer.map(|_| true)
                }
            }
        })
        .await?;
        let answers = answers.into_iter().collect::<PortResult<Vec<bool>>>()?;
        let (mut deleted, mut saved) = (0, 0);
        for (racer, done) in answers.into_iter().enumerate() {
            match racer % 4 {
                3 => deleted += usize::from(done),
                _ => saved += usize::from(done),
            }
        }
        equal("how many deleted it", &deleted, &1)?;
        holds(
            saved <= 1,
            format!("at most one change was saved, got {saved}"),
        )?;
        w.reads_none::<K>(&id).await?;
    }
    Ok(())
}
