//! Tenants as records: what is stored is what was given, once.

use portproof_ports::{ErrorKind, Ports, Tenant, TenantDraft, Text, Version};

use super::{Tenants, draft, other_draft};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, awkward_document, hostile, instants, large_document, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        created_whole,
        stored_id_is_refused,
        create_race_has_one_owner,
        missing_is_none,
        names_are_kept_exactly,
        settings_are_kept_exactly,
        instants_are_kept_exactly,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that cannot rely on it starts on a store that does not work.
#[rule(
    "tenants::ready::answers",
    source = "spicedb #3142: one hung call wedged the server"
)]
async fn ready_answers(w: &Tenants) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// A new tenant is answered as it is stored: its id, name and settings as they were given, in its
/// first version, both instants those of its creation.
///
/// Settings that are lost on the way are those of nobody: a customer logs in under the rules of the
/// house.
#[rule(
    "tenants::create::stores_it_whole",
    source = "dex #3119: fields were lost in a store"
)]
async fn created_whole(w: &Tenants) -> Checked {
    let (id, given) = (w.context.tenant()?, draft("Åke & Söner's 100%")?);
    let created = w.store.create(&id, given.clone(), minute(3)).await?;
    let expected = Tenant {
        id,
        name: given.name,
        settings: given.settings,
        version: Version::FIRST,
        created_at: minute(3),
        updated_at: minute(3),
    };
    equal("the answer of create", &created, &expected)?;
    let seen = w.seen(&expected.id).await?;
    equal("the tenant as it is read", &seen, &Some(expected))?;
    w.subject_unchanged().await
}

/// A tenant is never stored over another: a stored id is refused, and its tenant stays as it is.
///
/// Whoever signs up under the name of a customer would get its settings replaced.
#[rule(
    "tenants::create::refuses_a_stored_id",
    source = "AuthHero f64c7c9: a tenant's id that was taken was a failure of the server"
)]
async fn stored_id_is_refused(w: &Tenants) -> Checked {
    let answer = w.other.create(&w.subject.id, other_draft()?, minute(1));
    fails(
        "creating a tenant that is stored",
        answer.await,
        ErrorKind::AlreadyExists,
    )?;
    w.subject_unchanged().await
}

/// Of many who create a tenant under one id at once, one does, and it is stored as that one gave it.
///
/// Two customers who sign up under one name would share all that they have.
#[rule(
    "tenants::create::race_has_one_owner",
    source = "a check before an insert is a race; AuthHero f64c7c9: one typed conflict",
    environments = "isolation"
)]
async fn create_race_has_one_owner(w: &Tenants) -> Checked {
    for _ in 0..4 {
        let id = w.context.tenant()?;
        let answers = race(RACERS, |racer| {
            let (store, id) = (w.handle(racer), id.clone());
            async move {
                let given = draft(&format!("racer {racer}"))?;
                Ok::<_, crate::Failure>(store.create(&id, given, START).await)
            }
        })
        .await?;
        let answers: Vec<_> = answers.into_iter().collect::<Result<_, _>>()?;
        exactly_one(
            "creating one tenant at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        let stored = w.seen(&id).await?;
        let owner = answers.into_iter().find_map(Result::ok);
        equal("the tenant after the race", &stored, &owner)?;
    }
    Ok(())
}

/// A tenant that is not stored is answered as none.
///
/// A default in its place is a customer whom nobody has signed up.
#[rule(
    "tenants::get::missing_is_none",
    source = "AuthHero 3b77bf0: where a tenant's row was missing, every insert failed"
)]
async fn missing_is_none(w: &Tenants) -> Checked {
    let missing = w.context.tenant()?;
    equal(
        "a tenant that is not stored",
        &w.seen(&missing).await?,
        &None,
    )
}

/// Names are kept to the byte: case, spaces at the ends, accents, quotes and wildcards.
///
/// What is shown to a customer as its name is what it wrote.
#[rule(
    "tenants::create::keeps_names_exactly",
    source = "MySQL pads and folds texts where nobody asked for it"
)]
async fn names_are_kept_exactly(w: &Tenants) -> Checked {
    for text in hostile().iter().map(String::as_str).chain([""]) {
        let (id, name) = (w.context.tenant()?, Text::new(text)?);
        let given = TenantDraft {
            name: name.clone(),
            ..draft("named")?
        };
        w.store.create(&id, given, START).await?;
        let stored = w.seen(&id).await?.map(|tenant| tenant.name);
        equal("the name as it is read", &stored, &Some(name))?;
    }
    Ok(())
}

/// Settings are kept exactly: numbers of 64 bits, nulls, empty things, keys and texts of every kind,
/// and documents close to the largest.
///
/// A setting that changes on the way is one that nobody made.
#[rule(
    "tenants::create::keeps_settings_exactly",
    source = "JSON columns that read numbers as doubles, and drop nulls"
)]
async fn settings_are_kept_exactly(w: &Tenants) -> Checked {
    for settings in [awkward_document()?, large_document()?] {
        let id = w.context.tenant()?;
        let given = TenantDraft {
            settings: settings.clone(),
            ..draft("set")?
        };
        let created = w.store.create(&id, given.clone(), START).await?;
        let stored = w.seen(&id).await?.map(|tenant| tenant.settings);
        equal("the settings as they are read", &stored, &Some(settings))?;
        let updated = w
            .store
            .update(&id, created.version, given, minute(1))
            .await?;
        equal(
            "the settings after an update",
            &Some(updated.settings),
            &stored,
        )?;
    }
    Ok(())
}

/// Instants are kept to the microsecond, from 1970 to 9999, whatever a server's time zone is.
///
/// A tenant that seems to be changed an hour ago was not.
#[rule(
    "tenants::create::keeps_instants_exactly",
    source = "AuthHero: created_at was stored with toDateString()",
    environments = "time_zone"
)]
async fn instants_are_kept_exactly(w: &Tenants) -> Checked {
    for instant in instants()? {
        let id = w.context.tenant()?;
        let created = w.store.create(&id, draft("then")?, START).await?;
        let updated = w
            .store
            .update(&id, created.version, other_draft()?, instant)
            .await?;
        equal("the answered instant", &updated.updated_at, &instant)?;
        equal("the updated tenant", &w.seen(&id).await?, &Some(updated))?;

        let id = w.context.tenant()?;
        let created = w.store.create(&id, draft("then")?, instant).await?;
        equal("the answered instant", &created.created_at, &instant)?;
        equal("the created tenant", &w.seen(&id).await?, &Some(created))?;
    }
    Ok(())
}
