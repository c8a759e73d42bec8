//! Updates of what is kept in sessions.

use portproof_ports::{Document, ErrorKind, Ports, Session, Version};

use super::{Sessions, digest, new_session};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds, some},
    fixture::{START, document, just_before, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        update_replaces_data,
        update_of_stale_version_is_refused,
        update_creates_nothing,
        update_never_undoes_a_revocation,
        update_race_has_one_winner,
        update_loses_no_attribute,
    ]
}

/// An update replaces the data, raises the version by one and moves neither an end nor the last
/// sight.
///
/// A session that each save prolongs never ends while a page saves in the background.
#[rule(
    "session::update::replaces_data_only",
    source = "spring-session: a save must not be a touch"
)]
async fn update_replaces_data(w: &Sessions) -> Checked {
    let data = Document::new(serde_json::json!({"only": "this"}))?;
    let updated = w
        .store
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            data.clone(),
            minute(5),
        )
        .await?;
    let expected = Session {
        data,
        version: w.subject.version.next(),
        ..w.subject.clone()
    };
    equal("the answer of update", &updated, &expected)?;
    equal(
        "the session as it is read",
        &w.seen(&w.subject.id).await?,
        &Some(expected.clone()),
    )?;
    equal(
        "Ada's sessions",
        &w.of_ada(START).await?,
        &vec![expected.clone()],
    )?;
    // The same data again is an update like any other; so is one in the last moment.
    let last = just_before(w.subject.expires_at);
    let again = w
        .store
        .update(
            &w.tenant,
            &w.subject.id,
            updated.version,
            updated.data,
            last,
        )
        .await?;
    let expected = Session {
        version: updated.version.next(),
        ..expected
    };
    equal("the answer of a second update", &again, &expected)?;
    let over = w
        .store
        .get(&w.tenant, &w.subject.id, w.subject.expires_at)
        .await?;
    equal("the session at the end it had", &over, &None)
}

/// An update that saw another version is told so, and writes nothing.
///
/// Otherwise the later of two requests undoes what the earlier one did.
#[rule(
    "session::update::refuses_a_stale_version",
    source = "spring-session: two requests that add different attributes"
)]
async fn update_of_stale_version_is_refused(w: &Sessions) -> Checked {
    for version in [w.subject.version.next(), Version::new(i64::MAX)?] {
        let answer = w
            .store
            .update(
                &w.tenant,
                &w.subject.id,
                version,
                document("late")?,
                minute(1),
            )
            .await;
        fails(
            "an update of a version that is not stored",
            answer,
            ErrorKind::Stale,
        )?;
    }
    w.subject_unchanged().await?;
    w.store
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            document("first")?,
            minute(1),
        )
        .await?;
    let answer = w
        .other
        .update(
            &w.tenant,
            &w.subject.id,
            w.subject.version,
            document("late")?,
            minute(1),
        )
        .await;
    fails("an update of the version before", answer, ErrorKind::Stale)?;
    let found = some("the session", w.seen(&w.subject.id).await?)?;
    equal("the data", &found.data, &document("first")?)
}

/// An update of a session that is over, revoked or unknown is told that there is none, and creates
/// nothing.
///
/// A request that ends after the logout would log its user in again.
#[rule(
    "session::update::never_recreates",
    source = "tj/connect-redis #328, expressjs/session #632, auth0/nextjs-auth0 #2335"
)]
async fn update_creates_nothing(w: &Sessions) -> Checked {
    let (late, version) = (document("late")?, w.subject.version);
    let unknown = digest("unknown");
    let answer = w
        .store
        .update(&w.tenant, &unknown, version, late.clone(), START)
        .await;
    fails("updating an unknown session", answer, ErrorKind::NotFound)?;
    equal("the unknown session", &w.seen(&unknown).await?, &None)?;
    let (id, end) = (&w.subject.id, w.subject.expires_at);
    let answer = w
        .store
        .update(&w.tenant, id, version, late.clone(), end)
        .await;
    fails("updating a session at its end", answer, ErrorKind::NotFound)?;
    // That it is over is told before that its version is another.
    let answer = w
        .store
        .update(&w.tenant, id, version.next(), late.clone(), end)
        .await;
    fails(
        "updating a session at its end, with another version",
        answer,
        ErrorKind::NotFound,
    )?;
    w.subject_unchanged().await?;
    w.store.revoke(&w.tenant, id).await?;
    let answer = w
        .other
        .update(&w.tenant, id, version, late, minute(1))
        .await;
    fails("updating a revoked session", answer, ErrorKind::NotFound)?;
    equal("the revoked session", &w.seen(id).await?, &None)?;
    equal("Ada's sessions", &w.of_ada(START).await?, &vec![])
}

/// A session that is revoked while it is updated is gone afterwards.
///
/// Otherwise a user who logs out while a page still saves stays logged in.
#[rule(
    "session::update::never_undoes_a_revocation",
    source = "auth0/nextjs-auth0 #2530: the fix of a late save was get, then set"
)]
async fn update_never_undoes_a_revocation(w: &Sessions) -> Checked {
    for round in 0..8 {
        let session = w.create(new_session(&format!("round {round}"))?).await?;
        let late = document("late")?;
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, id, data) = (w.tenant.clone(), session.id.clone(), late.clone());
            let version = session.version;
            async move {
                if racer == 3 {
                    return store.revoke(&tenant, &id).await;
                }
                match store.update(&tenant, &id, version, data, START).await {
                    Err(error)
                        if matches!(error.kind(), ErrorKind::Stale | ErrorKind::NotFound) =>
                    {
                        Ok(false)
                    }
                    answer => answer.map(|_| true),
                }
            }
        })
        .await?;
        let mut updates = 0;
        for (racer, answer) in answers.into_iter().enumerate() {
            let done = answer?;
            if racer == 3 {
                holds(done, "there is a session to revoke")?;
            } else {
                updates += u32::from(done);
            }
        }
        holds(updates <= 1, "one update of a version at most succeeds")?;
        equal("the revoked session", &w.seen(&session.id).await?, &None)?;
    }
    Ok(())
}

/// Of callers that update one version at once, one wins and the others are told.
///
/// Otherwise what one request stored, such as a second factor that was passed, is lost.
#[rule(
    "session::update::race_has_one_winner",
    source = "dex #2547: concurrent refreshes overwrote each other",
    environments = "isolation"
)]
async fn update_race_has_one_winner(w: &Sessions) -> Checked {
    let mut version = w.subject.version;
    for round in 0..4 {
        let mut data = Vec::new();
        for racer in 0..RACERS {
            data.push(document(&format!("round {round}, racer {racer}"))?);
        }
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, id, data) = (w.tenant.clone(), w.subject.id.clone(), data[racer].clone());
            async move { store.update(&tenant, &id, version, data, minute(1)).await }
        })
        .await?;
        exactly_one(
            "updating one version at once",
            &answers,
            Result::is_ok,
            |answer| answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Stale),
        )?;
        let won = answers.into_iter().find_map(Result::ok);
        equal(
            "the session that the winner was told of",
            &w.seen(&w.subject.id).await?,
            &won,
        )?;
        version = version.next();
    }
    Ok(())
}

/// Callers that each add an attribute, and try again when they are told to, all get it stored.
///
/// Otherwise a user passes the second factor in one tab and is asked for it again.
#[rule(
    "session::update::loses_nothing_when_retried",
    source = "spring-session: two requests that add different attributes both survive",
    environments = "isolation"
)]
async fn update_loses_no_attribute(w: &Sessions) -> Checked {
    let answers = race(RACERS, |racer| {
        let store = w.handle(racer);
        let (tenant, id) = (w.tenant.clone(), w.subject.id.clone());
        let mut session = w.subject.clone();
        async move {
            // All begin with what they read before; each try that is stale means that another
            // caller's update came between.
            for _ in 0..RACERS {
                let mut data = session.data.value().clone();
                data[format!("racer {racer}")] = racer.into();
                let data = Document::new(data)?;
                match store
                    .update(&tenant, &id, session.version, data, minute(1))
                    .await
                {
                    Err(error) if error.kind() == ErrorKind::Stale => {
                        let found = store.get(&tenant, &id, minute(1)).await?;
                        session = some("the session", found)?;
                    }
                    answer => return answer.map(drop).map_err(Failure::from),
                }
            }
            Err(Failure::new(format!(
                "expected that of {RACERS} callers each succeeds in as many tries"
            )))
        }
    })
    .await?;
    answers.into_iter().collect::<Checked>()?;
    let found = some("the session", w.seen(&w.subject.id).await?)?;
    for racer in 0..RACERS {
        let attribute = &found.data.value()[format!("racer {racer}")];
        equal("an attribute that was added", attribute, &racer.into())?;
    }
    let writers = i64::try_from(RACERS).unwrap_or(i64::MAX);
    equal(
        "the version after as many updates",
        &found.version.get(),
        &(1 + writers),
    )
}
