//! Batches: many grants or revocations, all or none, counted once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use portproof_ports::{
    ErrorKind, MAX_BATCH, NewGrant, PageRequest, Ports, Revocation, Which, Window,
};

use super::{Assignments, ada, lasting, new_grant, role, scope, scoped, stored, subject};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds},
    fixture::{START, day, minute},
    race::{RACERS, race},
    rule, walk,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        batch_stores_each,
        batch_counts_new_ones_once,
        batch_keeps_first_times,
        later_of_two_wins,
        batch_is_all_or_nothing,
        batch_of_none,
        full_batch_is_taken,
        too_large_batch_is_refused,
        batch_race_counts_once,
        batch_is_seen_whole,
        revocations_end_each,
        revocations_are_pairs,
        revocations_of_none,
        full_batch_of_revocations_is_taken,
        too_large_batch_of_revocations_is_refused,
        revocations_are_seen_whole,
    ]
}

fn revocation(who: &str, what: &str, which: Which) -> Result<Revocation, Failure> {
    Ok(Revocation {
        subject: subject(who)?,
        role: role(what)?,
        which,
    })
}

/// A grant in each of `count` scopes.
fn in_scopes(who: &str, count: usize) -> Result<Vec<NewGrant>, Failure> {
    (0..count)
        .map(|number| new_grant(who, "viewer", Some(&format!("scope {number:04}"))))
        .collect()
}

/// A batch stores each of its grants whole, as granting them one by one would.
///
/// The first grant of a batch is no more real than its last.
#[rule(
    "assignments::assign_many::stores_each",
    source = "duck-iam: a batch answered that it was applied, and dropped the ends"
)]
async fn batch_stores_each(w: &Assignments) -> Checked {
    let batch = [
        new_grant("Bob", "editor", None)?,
        lasting("Bob", "editor", Some("org"))?,
        new_grant("Bob", "viewer", Some("org"))?,
        lasting("Cleo", "viewer", None)?,
        NewGrant {
            window: Window::new(None, Some(day(2)))?,
            ..new_grant("Cleo", "viewer", Some("org"))?
        },
    ];
    let count = w.store.assign_many(&w.tenant, &batch, minute(4)).await?;
    equal("how many grants are new", &count, &5)?;
    let expected: Vec<_> = batch.iter().map(|new| stored(new, minute(4))).collect();
    let mut found = w.grants(&subject("Bob")?).await?;
    found.extend(w.grants(&subject("Cleo")?).await?);
    equal("the grants as they are read", &found, &expected)?;
    w.subject_unchanged().await
}

/// A batch answers how many of its grants were not there: not those that are granted already, also
/// when they have ended, and one that it names twice only once.
///
/// What is counted here is what an administrator is told, and what a licence is billed by.
#[rule(
    "assignments::assign_many::counts_new_ones_once",
    source = "better-auth #6572, #10257: affected rows counted wrong; duck-iam: credit for existing grants"
)]
async fn batch_counts_new_ones_once(w: &Assignments) -> Checked {
    let ended = NewGrant {
        window: Window::new(None, Some(minute(1)))?,
        ..new_grant("Bob", "viewer", Some("org"))?
    };
    w.assign(ended.clone()).await?;
    let batch = [
        new_grant("Ada", "editor", None)?,
        new_grant("Ada", "editor", Some("org"))?,
        ended,
        lasting("Cleo", "viewer", None)?,
        new_grant("Cleo", "viewer", None)?,
        lasting("Cleo", "viewer", Some("org"))?,
        lasting("Cleo", "viewer", Some("org"))?,
    ];
    let count = w.store.assign_many(&w.tenant, &batch, day(3)).await?;
    equal("how many grants are new", &count, &3)?;
    let count = w.other.assign_many(&w.tenant, &batch, day(3)).await?;
    equal("how many are new the second time", &count, &0)
}

/// A batch sets the windows of what is granted already, and keeps its first times.
///
/// A batch is the same as its grants one by one.
#[rule(
    "assignments::assign_many::keeps_first_times",
    source = "spicedb #2796: a bulk write that kept the old expiration"
)]
async fn batch_keeps_first_times(w: &Assignments) -> Checked {
    let batch = [
        lasting("Ada", "editor", None)?,
        lasting("Ada", "viewer", None)?,
    ];
    w.store.assign_many(&w.tenant, &batch, day(1)).await?;
    let expected = vec![stored(&batch[0], START), stored(&batch[1], day(1))];
    equal("Ada's grants", &w.grants(&ada()?).await?, &expected)
}

/// Of a grant that a batch names twice, the later one's window is stored, as if they were granted
/// one after the other.
///
/// One statement that upserts a row twice fails on some backends, and picks one on others.
#[rule(
    "assignments::assign_many::later_of_two_wins",
    source = "keyv #1504: a batch that set one key twice"
)]
async fn later_of_two_wins(w: &Assignments) -> Checked {
    for (who, place) in [("Bob", None), ("Cleo", Some("org"))] {
        let first = lasting(who, "editor", place)?;
        let between = lasting(who, "viewer", place)?;
        let last = new_grant(who, "editor", place)?;
        let batch = [first, between.clone(), last.clone()];
        w.store.assign_many(&w.tenant, &batch, START).await?;
        let expected = vec![stored(&last, START), stored(&between, START)];
        equal("the grants", &w.grants(&subject(who)?).await?, &expected)?;
    }
    Ok(())
}

/// A batch with a role that is not stored is refused whole, wherever in it the role is: nothing is
/// granted, and what was granted stays as it is.
///
/// Half a batch is a team of which half cannot work, and nobody knows which half.
#[rule(
    "assignments::assign_many::is_all_or_nothing",
    source = "AuthHero 2185ce2: statements outside of a transaction; casbin: partial batches",
    environments = "isolation"
)]
async fn batch_is_all_or_nothing(w: &Assignments) -> Checked {
    for place in 0..3 {
        let mut batch = vec![
            lasting("Ada", "editor", None)?,
            lasting("Bob", "viewer", Some("org"))?,
        ];
        batch.insert(place, lasting("Bob", "admin", None)?);
        let answer = w.store.assign_many(&w.tenant, &batch, day(1)).await;
        fails("a batch with an unknown role", answer, ErrorKind::NotFound)?;
        equal("Bob's grants", &w.grants(&subject("Bob")?).await?, &vec![])?;
        w.subject_unchanged().await?;
    }
    Ok(())
}

/// A batch of none grants nothing and succeeds.
///
/// A statement with an empty list of values is an error on most backends.
#[rule(
    "assignments::assign_many::of_none_is_zero",
    source = "kratos #10582: a syntax error for an empty list"
)]
async fn batch_of_none(w: &Assignments) -> Checked {
    let count = w.store.assign_many(&w.tenant, &[], START).await?;
    equal("how many grants are new", &count, &0)?;
    w.subject_unchanged().await
}

/// A batch may be as large as the contract says, and each of its grants is stored.
///
/// Six columns of a thousand rows are more parameters than some backends take.
#[rule(
    "assignments::assign_many::takes_a_full_batch",
    source = "openfga, spicedb: batches over the backend's own limit"
)]
async fn full_batch_is_taken(w: &Assignments) -> Checked {
    let batch = in_scopes("Bob", MAX_BATCH)?;
    let count = w.store.assign_many(&w.tenant, &batch, START).await?;
    equal("how many grants are new", &count, &(MAX_BATCH as u64))?;
    let bob = subject("Bob")?;
    let found = walk::all(1000, |page| w.grants_page(&w.tenant, &bob, page)).await?;
    let expected: Vec<_> = batch.iter().map(|new| stored(new, START)).collect();
    holds(
        found == expected,
        "each grant of a full batch is read as it was given",
    )
}

/// A batch that is larger than the contract allows is refused for its size, before its roles are
/// looked at, and nothing is granted.
///
/// Cut off at the limit, it would leave people without roles and tell nobody.
#[rule(
    "assignments::assign_many::refuses_too_many",
    source = "what the arguments alone show to be wrong is refused first: the contract"
)]
async fn too_large_batch_is_refused(w: &Assignments) -> Checked {
    let mut batch = in_scopes("Bob", MAX_BATCH + 1)?;
    let answer = w.store.assign_many(&w.tenant, &batch, START).await;
    fails("a batch of one too many", answer, ErrorKind::Refused)?;
    batch[0].role = role("admin")?;
    let answer = w.store.assign_many(&w.tenant, &batch, START).await;
    fails(
        "a batch of one too many, and of an unknown role",
        answer,
        ErrorKind::Refused,
    )?;
    equal("Bob's grants", &w.grants(&subject("Bob")?).await?, &vec![])
}

/// Batches that name the same grants at once, in whatever order, all succeed, and together they
/// count each grant once.
///
/// Rows that two transactions lock in opposite orders are a deadlock.
#[rule(
    "assignments::assign_many::race_counts_once",
    source = "spicedb #3172: deadlocks that no retry ended; duck-iam: duplicate rows",
    environments = "isolation"
)]
async fn batch_race_counts_once(w: &Assignments) -> Checked {
    for round in 0..4 {
        let who = format!("contested {round}");
        let batch = in_scopes(&who, 6)?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, mut batch) = (w.handle(racer), w.tenant.clone(), batch.clone());
            if racer % 4 > 1 {
                batch.reverse();
            }
            async move { store.assign_many(&tenant, &batch, START).await }
        })
        .await?;
        let mut count = 0;
        for answer in answers {
            count += answer?;
        }
        equal("how many grants are new, together", &count, &6)?;
        let found = w.grants(&subject(&who)?).await?;
        equal("how many grants there are", &found.len(), &6)?;
    }
    Ok(())
}

/// Grants and ends five grants of Bob's again and again, while others look: they see all or none.
async fn seen_whole(w: &Assignments, by_revocations: bool) -> Checked {
    let done = Arc::new(AtomicBool::new(false));
    let batch = in_scopes("Bob", 5)?;
    let mut revocations = Vec::new();
    for number in 0..5 {
        let which = Which::Scoped(scope(&format!("scope {number:04}"))?);
        revocations.push(revocation("Bob", "viewer", which)?);
    }
    let (bob, page) = (subject("Bob")?, PageRequest::first(10)?);
    let answers = race(RACERS, |racer| {
        let (store, tenant, done) = (w.handle(racer), w.tenant.clone(), Arc::clone(&done));
        let (batch, revocations) = (batch.clone(), revocations.clone());
        let (bob, page) = (bob.clone(), page.clone());
        async move {
            if racer == 0 {
                let mut written = Ok(0);
                for _ in 0..8 {
                    written = store.assign_many(&tenant, &batch, START).await;
                    tokio::task::yield_now().await;
                    if by_revocations {
                        written = written.and(store.revoke_many(&tenant, &revocations).await);
                    } else {
                        written = written.and(store.forget(&tenant, &bob).await);
                    }
                    if written.is_err() {
                        break;
                    }
                }
                done.store(true, Ordering::Relaxed);
                return written.map(drop).map_err(Failure::from);
            }
            for _ in 0..200 {
                let seen = store.grants_of(&tenant, &bob, &page).await?.items.len();
                holds(
                    seen == 0 || seen == 5,
                    format!("a reader sees all five of a batch or none, got {seen}"),
                )?;
                if done.load(Ordering::Relaxed) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    })
    .await?;
    answers.into_iter().collect()
}

/// Whoever reads while a batch is granted sees none of it or all of it.
///
/// A half of it is a set of roles that nobody decided on.
#[rule(
    "assignments::assign_many::is_seen_whole",
    source = "openbao: readers saw partial batches; AuthHero 2185ce2",
    environments = "isolation"
)]
async fn batch_is_seen_whole(w: &Assignments) -> Checked {
    seen_whole(w, false).await
}

/// A batch of revocations ends the grants that each of them names, at whatever time they hold, and
/// answers how many there were; one that two of them name is counted once.
///
/// When somebody leaves, this is the call that takes everything away.
#[rule(
    "assignments::revoke_many::ends_each",
    source = "duck-iam: credit for missing grants; better-auth #6572: counts"
)]
async fn revocations_end_each(w: &Assignments) -> Checked {
    w.assign_each(vec![
        lasting("Bob", "editor", None)?,
        lasting("Bob", "editor", Some("org"))?,
        lasting("Bob", "editor", Some("club"))?,
        new_grant("Bob", "viewer", Some("org"))?,
        new_grant("Bob", "viewer", Some("club"))?,
    ])
    .await?;
    let left = w.assign(lasting("Bob", "viewer", None)?).await?;
    let org = || -> Result<Which, Failure> { Ok(Which::Scoped(scope("org")?)) };
    let revocations = [
        revocation("Ada", "editor", Which::Global)?,
        revocation("Bob", "editor", org()?)?,
        revocation("Bob", "editor", Which::Every)?,
        revocation("Bob", "editor", Which::Global)?,
        revocation("Bob", "viewer", org()?)?,
        revocation("Bob", "viewer", Which::Scoped(scope("club")?))?,
        revocation("Bob", "viewer", Which::Scoped(scope("nowhere")?))?,
        revocation("nobody", "viewer", Which::Every)?,
        revocation("Ada", "no such role", Which::Every)?,
    ];
    let ended = w.store.revoke_many(&w.tenant, &revocations).await?;
    equal("how many grants ended", &ended, &6)?;
    equal(
        "Bob's grants",
        &w.grants(&subject("Bob")?).await?,
        &vec![left],
    )?;
    equal("Ada's grants", &w.grants(&ada()?).await?, &vec![])?;
    let ended = w.other.revoke_many(&w.tenant, &revocations).await?;
    equal("how many ended the second time", &ended, &0)
}

/// Each revocation of a batch is about its own subject, role and scope, and not about those of its
/// neighbours.
///
/// Three lists in one condition end every combination of them.
#[rule(
    "assignments::revoke_many::ends_no_combination",
    source = "AuthHero 9c9fefe: a condition over a list removed too much"
)]
async fn revocations_are_pairs(w: &Assignments) -> Checked {
    let mut left = w
        .assign_each(vec![
            lasting("Ada", "viewer", None)?,
            lasting("Ada", "viewer", Some("org"))?,
            lasting("Bob", "editor", None)?,
            lasting("Bob", "viewer", Some("org"))?,
        ])
        .await?;
    w.assign(lasting("Bob", "viewer", None)?).await?;
    left.insert(0, w.subject.clone());
    let gone = w.assign(lasting("Ada", "editor", Some("org"))?).await?;
    equal("the scope of what goes", &gone.scope, &scoped("org")?)?;
    let revocations = [
        revocation("Ada", "editor", Which::Scoped(scope("org")?))?,
        revocation("Bob", "viewer", Which::Global)?,
    ];
    let ended = w.store.revoke_many(&w.tenant, &revocations).await?;
    equal("how many grants ended", &ended, &2)?;
    let mut found = w.grants(&ada()?).await?;
    found.extend(w.grants(&subject("Bob")?).await?);
    equal("the grants that are left", &found, &left)
}

/// A batch of no revocations ends nothing and succeeds.
///
/// A condition over nothing is true of everything on some backends.
#[rule(
    "assignments::revoke_many::of_none_is_zero",
    source = "AuthHero 9c9fefe: an empty list removed every row"
)]
async fn revocations_of_none(w: &Assignments) -> Checked {
    let ended = w.store.revoke_many(&w.tenant, &[]).await?;
    equal("how many grants ended", &ended, &0)?;
    w.subject_unchanged().await
}

/// A batch of revocations may be as large as the contract says, and ends the grant of each.
///
/// Whoever ends the first hundred leaves nine hundred people with their roles.
#[rule(
    "assignments::revoke_many::takes_a_full_batch",
    source = "AuthHero 7d9f138: the first 100 only"
)]
async fn full_batch_of_revocations_is_taken(w: &Assignments) -> Checked {
    let batch = in_scopes("Bob", MAX_BATCH)?;
    w.store.assign_many(&w.tenant, &batch, START).await?;
    let mut revocations = Vec::new();
    for number in 0..MAX_BATCH {
        let which = Which::Scoped(scope(&format!("scope {number:04}"))?);
        revocations.push(revocation("Bob", "viewer", which)?);
    }
    let ended = w.store.revoke_many(&w.tenant, &revocations).await?;
    equal("how many grants ended", &ended, &(MAX_BATCH as u64))?;
    equal("Bob's grants", &w.grants(&subject("Bob")?).await?, &vec![])?;
    w.subject_unchanged().await
}

/// A batch of revocations that is larger than the contract allows is refused, and ends nothing.
///
/// Who is told of no error believes that everybody is out.
#[rule(
    "assignments::revoke_many::refuses_too_many",
    source = "limits are told, not applied in silence: the contract"
)]
async fn too_large_batch_of_revocations_is_refused(w: &Assignments) -> Checked {
    let revocations = vec![revocation("Ada", "editor", Which::Every)?; MAX_BATCH + 1];
    let answer = w.store.revoke_many(&w.tenant, &revocations).await;
    fails("a batch of one too many", answer, ErrorKind::Refused)?;
    w.subject_unchanged().await
}

/// Whoever reads while a batch is revoked sees all of it or none of it.
///
/// Somebody who is moved from one team to another must not be in half of one.
#[rule(
    "assignments::revoke_many::is_seen_whole",
    source = "AuthHero 2185ce2: statements outside of a transaction",
    environments = "isolation"
)]
async fn revocations_are_seen_whole(w: &Assignments) -> Checked {
    seen_whole(w, true).await
}
