//! Granting one role: what is stored, once, and only of a role that there is.

use portproof_ports::{ErrorKind, GrantScope, NewGrant, PortResult, Ports, SubjectId, Window};

use super::{Assignments, ada, lasting, new_grant, role, scoped, stored, subject};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds},
    fixture::{START, day, just_before, minute},
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        grant_is_stored_whole,
        unknown_role_is_refused,
        subject_need_not_be_stored,
        granting_again_leaves_one,
        granting_again_sets_the_window,
        granting_again_keeps_the_first_time,
        ended_grant_is_renewed,
        scopes_are_separate_grants,
        grant_race_leaves_one,
        grant_ends_with_a_role_that_goes,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that is told otherwise, or nothing, refuses everybody everything.
#[rule(
    "assignments::ready::answers",
    source = "spicedb #3142: one hung call wedged the server"
)]
async fn ready_answers(w: &Assignments) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// A grant is answered as it is stored: subject, role, scope, both bounds, and the time of the
/// call.
///
/// A batch that answered that a loan of a role was made, and stored one for ever, has happened.
#[rule(
    "assignments::assign::stores_it_whole",
    source = "duck-iam: five adapters took an end and threw it away"
)]
async fn grant_is_stored_whole(w: &Assignments) -> Checked {
    let bob = subject("Bob")?;
    let mut expected = Vec::new();
    for (place, window) in [
        (None, Window::new(Some(minute(1)), Some(day(30)))?),
        (Some("org"), Window::new(Some(minute(2)), None)?),
        (Some("org/a"), Window::new(None, Some(day(31)))?),
        (Some("org/b"), Window::ALWAYS),
    ] {
        let new = NewGrant {
            window,
            ..new_grant("Bob", "viewer", place)?
        };
        let answer = w.store.assign(&w.tenant, new.clone(), minute(3)).await?;
        equal("the answer of assign", &answer, &stored(&new, minute(3)))?;
        expected.push(answer);
    }
    equal(
        "the grants as they are read",
        &w.grants(&bob).await?,
        &expected,
    )?;
    w.subject_unchanged().await
}

/// A role that is not stored is refused, also when its id almost is one that is, and nothing is
/// granted.
///
/// A grant of a role that comes later gives its holder what nobody decided to give.
#[rule(
    "assignments::assign::refuses_an_unknown_role",
    source = "duck-iam: an unknown role was stored by memory, file, redis and http; AuthHero: answered true"
)]
async fn unknown_role_is_refused(w: &Assignments) -> Checked {
    for (who, what) in [
        ("Bob", "admin"),
        ("Bob", "Editor"),
        ("Bob", "edito"),
        ("Bob", "editor%"),
        ("Bob", "editor  "),
        ("Bob", "_ditor"),
        ("Ada", "owner"),
    ] {
        for place in [None, Some("org")] {
            let new = new_grant(who, what, place)?;
            let answer = w.store.assign(&w.tenant, new, START).await;
            fails(
                &format!("granting the role {what:?}, which is not stored"),
                answer,
                ErrorKind::NotFound,
            )?;
        }
        // When the role comes, nobody holds it.
        w.save_role(what).await?;
        let page = portproof_ports::PageRequest::first(10)?;
        let holders = w.store.holders_of(&w.tenant, &role(what)?, &page).await?;
        equal("its holders once it is stored", &holders.items, &vec![])?;
    }
    equal(
        "what Bob was granted",
        &w.grants(&subject("Bob")?).await?,
        &vec![],
    )?;
    w.subject_unchanged().await
}

/// A subject may be one that is stored nowhere: roles are given to whatever an engine names.
///
/// Services, groups and people of another system hold roles too.
#[rule(
    "assignments::assign::needs_no_subject",
    source = "AuthHero 3b77bf0: a missing row of another table made every insert fail"
)]
async fn subject_need_not_be_stored(w: &Assignments) -> Checked {
    for who in ["service:billing", "group/7", "nobody@nowhere", "*"] {
        let new = new_grant(who, "viewer", None)?;
        let granted = w.assign(new.clone()).await?;
        equal("the answer of assign", &granted, &stored(&new, START))?;
        let who = subject(who)?;
        equal(
            "the grants as they are read",
            &w.grants(&who).await?,
            &vec![granted],
        )?;
    }
    Ok(())
}

/// Granting what is granted succeeds and leaves one grant, everywhere as well as in a scope.
///
/// A unique index does not see two rows whose scope is null as the same.
#[rule(
    "assignments::assign::again_leaves_one",
    source = "duck-iam: duplicate global rows, and an error for scoped ones; AuthHero 9c9fefe"
)]
async fn granting_again_leaves_one(w: &Assignments) -> Checked {
    let bob = subject("Bob")?;
    for place in [None, Some("org")] {
        let new = new_grant("Bob", "editor", place)?;
        let first = w.assign(new.clone()).await?;
        for store in [&w.store, &w.other, &w.store] {
            let again = store.assign(&w.tenant, new.clone(), START).await?;
            equal("the answer of granting it again", &again, &first)?;
        }
    }
    equal("how many grants Bob has", &w.grants(&bob).await?.len(), &2)?;
    let every = portproof_ports::Which::Every;
    let revoked = w
        .store
        .revoke(&w.tenant, &bob, &role("editor")?, &every)
        .await?;
    equal("how many grants are revoked", &revoked, &2)?;
    equal("what is left", &w.grants(&bob).await?, &vec![])
}

/// Granting what is granted sets its window to the new one, whole: a bound that is not given is no
/// longer there.
///
/// A loan that was made permanent must not end, and a permanent grant that was limited must.
#[rule(
    "assignments::assign::again_sets_the_window",
    source = "spicedb #2796: a touch without an expiration kept the old one"
)]
async fn granting_again_sets_the_window(w: &Assignments) -> Checked {
    for place in [None, Some("org")] {
        let new = new_grant("Ada", "editor", place)?;
        let mut expected = w.assign(new.clone()).await?;
        for window in [
            Window::ALWAYS,
            Window::new(None, Some(day(2)))?,
            Window::new(Some(minute(7)), None)?,
            Window::new(Some(minute(2)), Some(minute(3)))?,
            Window::ALWAYS,
        ] {
            let again = NewGrant {
                window,
                ..new.clone()
            };
            expected.window = window;
            let answer = w.store.assign(&w.tenant, again, START).await?;
            equal("the answer of granting it again", &answer, &expected)?;
            let grants = w.grants(&ada()?).await?;
            holds(
                grants.contains(&expected),
                format!("the grant is read with its window {window:?}, got {grants:?}"),
            )?;
        }
    }
    equal(
        "how many grants Ada has",
        &w.grants(&ada()?).await?.len(),
        &2,
    )?;
    w.known_unchanged().await
}

/// Granting what is granted keeps the time of the first grant, by whatever clock it is granted
/// again.
///
/// "Since when does she have it" is what an auditor asks.
#[rule(
    "assignments::assign::again_keeps_the_first_time",
    source = "duck-iam 3.2.0: times that were not those of the write"
)]
async fn granting_again_keeps_the_first_time(w: &Assignments) -> Checked {
    let new = new_grant("Ada", "editor", None)?;
    for now in [day(3), minute(1), just_before(START)] {
        let again = w.other.assign(&w.tenant, new.clone(), now).await?;
        equal("the answer of granting it again", &again, &w.subject)?;
        w.subject_unchanged().await?;
    }
    Ok(())
}

/// A grant that has ended is still the grant of its place: granting it again renews it and keeps
/// its first time.
///
/// Adapters that hide what has ended from themselves meet it as a duplicate.
#[rule(
    "assignments::assign::renews_an_ended_grant",
    source = "spicedb #2796: what happens to an expired row that is written again"
)]
async fn ended_grant_is_renewed(w: &Assignments) -> Checked {
    let new = NewGrant {
        window: Window::new(None, Some(minute(2)))?,
        ..new_grant("Ada", "viewer", Some("org"))?
    };
    w.assign(new.clone()).await?;
    let renewed = NewGrant {
        window: Window::new(None, Some(day(9)))?,
        ..new
    };
    let answer = w.store.assign(&w.tenant, renewed.clone(), day(8)).await?;
    equal("the renewed grant", &answer, &stored(&renewed, START))?;
    let held = w.roles(&ada()?, &renewed.scope, day(8)).await?;
    equal("what Ada holds in the scope", &held, &vec![role("viewer")?])?;
    equal(
        "how many grants she has",
        &w.grants(&ada()?).await?.len(),
        &2,
    )
}

/// The grants of one role in several scopes, and everywhere, are separate: each has its own window
/// and time, and writing one leaves the others.
///
/// One row a role and subject makes an editor of one project an editor of the next.
#[rule(
    "assignments::assign::keeps_scopes_apart",
    source = "duck-iam 1.6.1: scoped grants and global ones were one",
    environments = "collation"
)]
async fn scopes_are_separate_grants(w: &Assignments) -> Checked {
    let places = ["ORG", "Org", "org", "org ", "org%", "or_", "global"];
    let mut expected = vec![w.subject.clone()];
    for (number, place) in (2_u16..).zip(places) {
        let new = NewGrant {
            window: Window::new(Some(minute(number)), Some(day(number)))?,
            ..new_grant("Ada", "editor", Some(place))?
        };
        expected.push(w.store.assign(&w.tenant, new, minute(number)).await?);
    }
    expected.sort_by(|one, two| one.scope.cmp(&two.scope));
    equal("Ada's grants", &w.grants(&ada()?).await?, &expected)?;
    let again = lasting("Ada", "editor", Some("org"))?;
    w.assign(again).await?;
    for grant in &mut expected {
        if grant.scope == scoped("org")? {
            grant.window = Window::ALWAYS;
        }
    }
    equal(
        "Ada's grants after one was written",
        &w.grants(&ada()?).await?,
        &expected,
    )
}

/// Of callers that make one grant at once, all succeed, and one grant is there: with the time that
/// all were answered and the window of one of them.
///
/// Two tabs, two clicks: a second row survives the revocation of the first.
#[rule(
    "assignments::assign::race_leaves_one",
    source = "duck-iam: 20 concurrent identical grants left 3 rows; scoped ones failed 9 times",
    environments = "isolation"
)]
async fn grant_race_leaves_one(w: &Assignments) -> Checked {
    for round in 0..6 {
        let who = format!("contested {round}");
        let place = (round % 2 == 1).then_some("org");
        let new = new_grant(&who, "editor", place)?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, mut new) = (w.handle(racer), w.tenant.clone(), new.clone());
            let hour = u16::try_from(racer).unwrap_or_default() + 1;
            async move {
                new.window = Window::new(Some(minute(hour)), None)?;
                let granted = store.assign(&tenant, new.clone(), minute(hour)).await?;
                equal("the window that was given", &granted.window, &new.window)?;
                Ok::<_, crate::Failure>(granted)
            }
        })
        .await?;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let grants = w.grants(&subject(&who)?).await?;
        equal("how many grants there are", &grants.len(), &1)?;
        holds(
            answers.contains(&grants[0]),
            "the grant that is there was answered to one of its callers",
        )?;
        for answer in answers {
            equal(
                "the time that a caller was answered",
                &answer.granted_at,
                &grants[0].granted_at,
            )?;
        }
    }
    Ok(())
}

/// A role that is granted while it is deleted is granted to nobody afterwards: each grant failed
/// for want of the role, or ended with it.
///
/// A grant that outlives its role comes back with the next role of that id.
#[rule(
    "assignments::assign::race_with_a_deletion",
    source = "duck-iam, AuthHero: a role that was created again was held by its old holders",
    environments = "isolation"
)]
async fn grant_ends_with_a_role_that_goes(w: &Assignments) -> Checked {
    for round in 0..6 {
        let short_lived = w.save_role(&format!("short-lived {round}")).await?;
        let answers: Vec<PortResult<bool>> = race(RACERS, |racer| {
            let (store, policies) = (w.handle(racer), w.policies.clone());
            let (tenant, role) = (w.tenant.clone(), short_lived.clone());
            let who = SubjectId::new(format!("holder {racer}"));
            async move {
                if racer == 3 {
                    return policies.delete_role(&tenant, &role).await;
                }
                let Ok(subject) = who else { return Ok(false) };
                let new = NewGrant {
                    subject,
                    role,
                    scope: GrantScope::Global,
                    window: Window::ALWAYS,
                };
                store.assign(&tenant, new, START).await.map(|_| true)
            }
        })
        .await?;
        for answer in answers {
            if answer != Ok(true) {
                fails("granting a role that went", answer, ErrorKind::NotFound)?;
            }
        }
        let found = w.policies.get_role(&w.tenant, &short_lived).await?;
        equal("the deleted role", &found, &None)?;
        for when in ["is gone", "is there again"] {
            let page = portproof_ports::PageRequest::first(10)?;
            let holders = w.other.holders_of(&w.tenant, &short_lived, &page).await?;
            equal(
                &format!("the holders of a deleted role that {when}"),
                &holders.items,
                &vec![],
            )?;
            w.save_role(short_lived.as_str()).await?;
        }
    }
    Ok(())
}
