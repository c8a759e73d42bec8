//! What backends are known to mangle: hostile ids and instants, kept exactly.

use portproof_ports::{GrantScope, NewGrant, PageRequest, Ports, Timestamp, Window};

use super::{Assignments, lasting, new_grant, role, scoped, stored, subject};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, hostile, instants, just_before},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        hostile_subjects_are_kept_apart,
        hostile_roles_are_kept_apart,
        hostile_scopes_are_kept_apart,
        names_do_not_run_together,
        instants_are_kept_exactly,
    ]
}

/// Subjects whose ids differ at all are different subjects, however alike they look.
///
/// A folded, trimmed or pattern-matched id gives one person the roles of another.
#[rule(
    "assignments::assign::keeps_subjects_apart",
    source = "openfga CVE-2026-55170: Alice and alice were one in an authorization store",
    environments = "collation"
)]
async fn hostile_subjects_are_kept_apart(w: &Assignments) -> Checked {
    let mut batch = Vec::new();
    for who in hostile() {
        batch.push(new_grant(who, "viewer", None)?);
    }
    let count = w.store.assign_many(&w.tenant, &batch, START).await?;
    equal("how many grants are new", &count, &(batch.len() as u64))?;
    for new in &batch {
        let page = PageRequest::first(10)?;
        let grants = w.other.grants_of(&w.tenant, &new.subject, &page).await?;
        equal(
            &format!("the grants of {:?}", new.subject),
            &grants.items,
            &vec![stored(new, START)],
        )?;
    }
    w.subject_unchanged().await
}

/// Roles whose ids differ at all are different roles to their holders.
///
/// The holder of `plain` is not a holder of `PLAIN`, nor of `pl_in`.
#[rule(
    "assignments::assign::keeps_roles_apart",
    source = "openfga CVE-2026-55170; casbin: rules that begin alike were removed together",
    environments = "collation"
)]
async fn hostile_roles_are_kept_apart(w: &Assignments) -> Checked {
    let mut expected = Vec::new();
    for what in hostile() {
        w.save_role(what).await?;
        expected.push(stored(&lasting(what, what, None)?, START));
        w.assign(lasting(what, what, None)?).await?;
    }
    for grant in &expected {
        let page = PageRequest::first(10)?;
        let holders = w.store.holders_of(&w.tenant, &grant.role, &page).await?;
        equal(
            &format!("the holders of {:?}", grant.role),
            &holders.items,
            &vec![grant.clone()],
        )?;
    }
    w.subject_unchanged().await
}

/// Scopes whose ids differ at all are different scopes, and none of them, whatever it is called, is
/// everywhere.
///
/// A scope called `null` or `*` that is read as everywhere makes an administrator.
#[rule(
    "assignments::assign::keeps_scopes_of_any_name",
    source = "duck-iam 5.8.0: a scope that decoded as global; redis: keys that were patterns"
)]
async fn hostile_scopes_are_kept_apart(w: &Assignments) -> Checked {
    // Every other scope is Bob's, and the rest are Cleo's.
    let owners = ["Bob", "Cleo"];
    for (half, who) in owners.into_iter().enumerate() {
        let mut batch = Vec::new();
        for place in hostile().iter().skip(half).step_by(2) {
            batch.push(lasting(who, "viewer", Some(place))?);
        }
        w.store.assign_many(&w.tenant, &batch, START).await?;
        let mut expected: Vec<_> = batch.iter().map(|new| stored(new, START)).collect();
        expected.sort_by(|one, two| one.scope.cmp(&two.scope));
        equal("the grants", &w.grants(&subject(who)?).await?, &expected)?;
    }
    let page = PageRequest::first(10)?;
    for (half, who) in owners.into_iter().enumerate() {
        let who = subject(who)?;
        for (number, place) in hostile().iter().enumerate() {
            let scope = scoped(place)?;
            let mine = number % 2 == half;
            let held = if mine { vec![role("viewer")?] } else { vec![] };
            let found = w.store.roles_of(&w.tenant, &who, &scope, START, &page);
            equal(
                &format!("what {who:?} holds in {place:?}"),
                &found.await?.items,
                &held,
            )?;
        }
        let everywhere = w.roles(&who, &GrantScope::Global, START).await?;
        equal("what is held everywhere", &everywhere, &vec![])?;
    }
    Ok(())
}

/// A subject, a role and a scope that together read the same are still told apart, wherever the
/// border between them is.
///
/// An adapter that joins them with a space or a colon takes `admin user` for `admin` of `user`.
#[rule(
    "assignments::assign::keeps_names_from_running_together",
    source = "duck-iam: redis members `admin user` decoded as another role and scope",
    environments = "collation"
)]
async fn names_do_not_run_together(w: &Assignments) -> Checked {
    for separator in [":", " ", "/", "|", ","] {
        let joined = |one: &str, two: &str| format!("{one}{separator}{two}");
        for what in ["r", &joined("r", "s"), &joined("r", "s:t")] {
            w.save_role(what).await?;
        }
        let news = [
            lasting("u", &joined("r", "s"), Some("t"))?,
            lasting("u", "r", Some(&joined("s", "t")))?,
            lasting(&joined("u", "r"), "r", Some("t"))?,
            lasting("u", &joined("r", "s"), None)?,
            lasting("u", "r", Some("s"))?,
        ];
        let first = w.store.assign_many(&w.tenant, &news, START).await?;
        let again = w.store.assign_many(&w.tenant, &news, START).await?;
        equal("how many are new the second time", &again, &0)?;
        for new in &news {
            let found = w.roles(&new.subject, &new.scope, START).await?;
            equal(
                &format!("whether {:?} holds {:?} there", new.subject, new.role),
                &found.contains(&new.role),
                &true,
            )?;
        }
        for new in [&news[0], &news[1]] {
            let which = match &new.scope {
                GrantScope::Global => portproof_ports::Which::Global,
                GrantScope::Scoped(scope) => portproof_ports::Which::Scoped(scope.clone()),
            };
            let revoked = w.store.revoke(&w.tenant, &new.subject, &new.role, &which);
            equal("how many one revocation ends", &revoked.await?, &1)?;
        }
        let gone = w.store.forget(&w.tenant, &subject("u")?).await?;
        let other = w.store.forget(&w.tenant, &news[2].subject).await?;
        equal(
            "how many grants there were in all",
            &(gone + other + 2),
            &first,
        )?;
        equal("how many that is", &first, &5)?;
    }
    w.subject_unchanged().await
}

/// Instants are kept to the microsecond, from 1970 to 9999: of a grant and of both bounds, and a
/// grant holds to the very microsecond.
///
/// A role that is held an hour longer, or for ever, is the work of a column without a zone, or of
/// one that counts seconds.
#[rule(
    "assignments::assign::keeps_instants",
    source = "dex b51e73bc, redaxo #6679; duck-iam: an end that was read as infinite",
    environments = "time_zone"
)]
async fn instants_are_kept_exactly(w: &Assignments) -> Checked {
    let place = scoped("org")?;
    let held = vec![role("viewer")?];
    for (number, instant) in instants()?.into_iter().enumerate() {
        let who = subject(&format!("at {number}"))?;
        let bounds = [
            (Some(instant), None),
            (None, Some(instant)),
            (Some(just_before(instant)), Some(instant)),
        ];
        for (from, until) in bounds {
            let Ok(window) = Window::new(from, until) else {
                // The first instant has none before it.
                continue;
            };
            let new = NewGrant {
                subject: who.clone(),
                window,
                ..lasting("?", "viewer", Some("org"))?
            };
            let answer = w.store.assign(&w.tenant, new.clone(), instant).await?;
            equal("the answer of assign", &answer, &stored(&new, instant))?;
            let page = PageRequest::first(10)?;
            let found = w.other.grants_of(&w.tenant, &who, &page).await?;
            equal("the grant as it is read", &found.items, &vec![answer])?;
            for now in [just_before(instant), instant, Timestamp::MAX] {
                let found = w
                    .store
                    .roles_of(&w.tenant, &who, &place, now, &page)
                    .await?;
                let expected = if window.holds(now) {
                    held.clone()
                } else {
                    vec![]
                };
                equal(
                    &format!("what is held at {now} through {window:?}"),
                    &found.items,
                    &expected,
                )?;
            }
        }
    }
    Ok(())
}
