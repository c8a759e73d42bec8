//! Races: of those who want one id, one key or one version, one gets it.

use portproof_ports::{
    Entity, ErrorKind, OwnedEntity, PortError, PortResult, Ports, TenantId, UniqueKey, Version,
    in_transaction,
};

use super::{Registry, change, client, global, id, new_client, own};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds, some},
    fixture::{START, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        id_race_has_one_owner,
        key_race_has_one_owner,
        global_key_race_has_one_owner,
        global_key_race_of_transactions_has_one_owner,
        put_race_has_one_winner,
        put_race_for_a_key_has_one_owner,
        swap_race_swaps_nothing,
        put_never_recreates,
        remove_race_counts_once,
    ]
}

/// How often each race is run.
const ROUNDS: usize = 4;

fn failed_as(kind: ErrorKind) -> impl Fn(&PortResult<Entity>) -> bool {
    move |answer| answer.as_ref().is_err_and(|error| error.kind() == kind)
}

/// Of callers that create one id at once, one succeeds, with all its keys; those of the others are
/// free.
///
/// Two clients that share an id share a secret that only one of them knows.
#[rule(
    "entities::create::race_has_one_owner",
    source = "twentyhq/twenty #26025: check, then write",
    environments = "isolation"
)]
async fn id_race_has_one_owner(w: &Registry) -> Checked {
    for round in 0..ROUNDS {
        let name = format!("contested {round}");
        let key = |racer: usize| own("slug", &format!("{round}-{racer}"));
        let mut given = Vec::new();
        for racer in 0..RACERS {
            given.push(new_client(&name, vec![key(racer)?])?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, given) = (w.handle(racer), w.tenant.clone(), given[racer].clone());
            async move { store.create(&tenant, given, START).await }
        })
        .await?;
        let lost = failed_as(ErrorKind::AlreadyExists);
        exactly_one("creating one id at once", &answers, Result::is_ok, lost)?;
        for (racer, answer) in answers.iter().enumerate() {
            match answer {
                Ok(created) => w.is_stored(created).await?,
                Err(_) => w.is_free(&key(racer)?).await?,
            }
        }
    }
    Ok(())
}

/// Creates clients that all want `key`, each in the tenant of its turn; fails unless one gets it,
/// and nothing is stored of the others.
async fn race_for_key(w: &Registry, tenants: &[&TenantId], key: &UniqueKey) -> Checked {
    let mut given = Vec::new();
    for racer in 0..RACERS {
        let name = format!("{} {racer}", key.value.as_str());
        // Before the contested one in the order of keys, and after it.
        let keys = vec![
            own("a", &name)?,
            key.clone(),
            global("z", &format!("{racer} {}", key.name.as_str()), &w.tenant)?,
        ];
        given.push((
            tenants[racer % tenants.len()].clone(),
            new_client(&format!("racer {racer}"), keys)?,
        ));
    }
    let answers = race(RACERS, |racer| {
        let (store, (tenant, given)) = (w.handle(racer / 2), given[racer].clone());
        async move { store.create(&tenant, given, START).await }
    })
    .await?;
    let lost = failed_as(ErrorKind::AlreadyExists);
    exactly_one("taking one key at once", &answers, Result::is_ok, lost)?;
    for ((tenant, given), answer) in given.iter().zip(&answers) {
        let stored = w.seen_in(tenant, given.id.as_str()).await?;
        equal("what is stored", &stored.as_ref(), &answer.as_ref().ok())?;
        for its_own in given.keys.iter().filter(|its_own| *its_own != key) {
            let found = w.other.find(tenant, &given.kind, its_own).await?;
            equal("what its key finds", &found.as_ref(), &answer.as_ref().ok())?;
        }
    }
    let mut racers = given.iter().zip(&answers);
    let winner = racers.find_map(|((tenant, _), answer)| Some((tenant, answer.as_ref().ok()?)));
    for tenant in tenants {
        let found = w.other.find(tenant, &client()?, key).await?;
        let expected = winner.filter(|(owner, _)| owner == tenant);
        let expected = expected.map(|(_, entity)| entity);
        equal("what the contested key finds", &found.as_ref(), &expected)?;
    }
    for (tenant, given) in &given {
        w.store.remove(tenant, &given.kind, &given.id).await?;
    }
    Ok(())
}

/// Of callers that create entities with one key at once, one succeeds; nothing is stored of the
/// others.
///
/// Two connections for one domain: who logs in where is a matter of luck.
#[rule(
    "entities::create::race_has_one_owner_of_a_key",
    source = "better-auth #942: two users with one address",
    environments = "isolation"
)]
async fn key_race_has_one_owner(w: &Registry) -> Checked {
    for round in 0..ROUNDS {
        let key = own("m", &format!("contested {round}"))?;
        race_for_key(w, &[&w.tenant], &key).await?;
        w.is_free(&key).await?;
    }
    Ok(())
}

/// Of callers that create entities with one global key at once, in different tenants, one succeeds.
///
/// Two customers who have one domain read each other's passwords.
#[rule(
    "entities::create::race_has_one_owner_over_tenants",
    source = "AuthHero: a client id and a custom domain are looked up without a tenant, and must be one tenant's",
    environments = "isolation"
)]
async fn global_key_race_has_one_owner(w: &Registry) -> Checked {
    for round in 0..ROUNDS {
        let key = global("m", &format!("contested {round}"), &w.tenant)?;
        race_for_key(w, &[&w.tenant, &w.elsewhere], &key).await?;
        w.is_free(&key).await?;
    }
    Ok(())
}

/// Of transactions that create entities with one global key at once, in different tenants, one is
/// committed; of the others nothing is stored.
///
/// A transaction that looks at its own tenants only gives one domain to two customers.
#[rule(
    "entities::create::race_has_one_owner_over_transactions",
    capability = "transactions",
    source = "AuthHero: a client id and a custom domain are looked up without a tenant, and must be one tenant's",
    environments = "isolation"
)]
async fn global_key_race_of_transactions_has_one_owner(w: &Registry) -> Checked {
    let tenants = [&w.tenant, &w.elsewhere];
    for round in 0..ROUNDS {
        let key = global("m", &format!("contested {round}"), &w.tenant)?;
        let mut given = Vec::new();
        for racer in 0..RACERS {
            let name = format!("racer {round} {racer}");
            let keyless = new_client(&format!("{name}, before"), vec![])?;
            given.push((keyless, new_client(&name, vec![key.clone()])?));
        }
        let answers = race(RACERS, |racer| {
            let ports = if racer / 2 % 2 == 0 {
                w.context.stores().clone()
            } else {
                w.context.second().clone()
            };
            let (tenant, given) = (tenants[racer % 2].clone(), given[racer].clone());
            async move {
                in_transaction(&ports, |inside| async move {
                    let entities = inside.entities.ok_or(PortError::not_found("port"))?;
                    entities.create(&tenant, given.0, START).await?;
                    entities.create(&tenant, given.1, START).await
                })
                .await
            }
        })
        .await?;
        exactly_one(
            "transactions that take one key at once",
            &answers,
            Result::is_ok,
            |answer| {
                matches!(answer, Err(error) if [ErrorKind::AlreadyExists, ErrorKind::Stale]
                    .contains(&error.kind()))
            },
        )?;
        for (racer, ((keyless, given), answer)) in given.iter().zip(&answers).enumerate() {
            let tenant = tenants[racer % 2];
            let stored = w.seen_in(tenant, given.id.as_str()).await?;
            equal("what is stored", &stored.as_ref(), &answer.as_ref().ok())?;
            let before = w.seen_in(tenant, keyless.id.as_str()).await?;
            equal(
                "whether what it created before is stored",
                &before.is_some(),
                &answer.is_ok(),
            )?;
            if let Ok(created) = answer {
                let expected = OwnedEntity {
                    tenant: tenant.clone(),
                    entity: created.clone(),
                };
                let found = w.anywhere(&key).await?;
                equal("what the key finds anywhere", &found, &Some(expected))?;
            }
        }
    }
    Ok(())
}

/// Of callers that change one version at once, one succeeds and the others are told that they are
/// stale; what is stored is the winner's, keys and all.
///
/// A lost update is a callback that an administrator removed and that is back.
#[rule(
    "entities::put::race_has_one_winner",
    source = "dex #2547: concurrent updates overwrote each other",
    environments = "isolation"
)]
async fn put_race_has_one_winner(w: &Registry) -> Checked {
    let mut version = Version::FIRST;
    for round in 0..ROUNDS {
        let key = |racer: usize| global("slug", &format!("{round}-{racer}"), &w.tenant);
        let mut given = Vec::new();
        for racer in 0..RACERS {
            given.push(change(&format!("{racer}"), vec![key(racer)?])?);
        }
        let (kind, id) = (client()?, id("portal")?);
        let answers = race(RACERS, |racer| {
            let (store, tenant, given) = (w.handle(racer), w.tenant.clone(), given[racer].clone());
            let (kind, id) = (kind.clone(), id.clone());
            async move {
                let now = minute(1);
                store.put(&tenant, &kind, &id, version, given, now).await
            }
        })
        .await?;
        let lost = failed_as(ErrorKind::Stale);
        exactly_one(
            "changing one version at once",
            &answers,
            Result::is_ok,
            lost,
        )?;
        for (racer, answer) in answers.iter().enumerate() {
            match answer {
                Ok(changed) => {
                    equal("its version", &changed.version, &version.next())?;
                    w.is_stored(changed).await?;
                }
                Err(_) => w.is_free(&key(racer)?).await?,
            }
        }
        version = version.next();
    }
    Ok(())
}

/// Of callers that change different entities to one key at once, in different tenants too, one
/// succeeds; the others keep what they had.
///
/// Renaming is no way around what creating refuses.
#[rule(
    "entities::put::race_has_one_owner_of_a_key",
    source = "better-auth #942: two users with one address",
    environments = "isolation"
)]
async fn put_race_for_a_key_has_one_owner(w: &Registry) -> Checked {
    let mut before = Vec::new();
    for racer in 0..RACERS {
        let tenant = if racer % 2 == 0 {
            &w.tenant
        } else {
            &w.elsewhere
        };
        let keys = vec![own("slug", &format!("{racer}"))?];
        let given = new_client(&format!("racer {racer}"), keys)?;
        before.push((tenant, w.store.create(tenant, given, START).await?));
    }
    for round in 0..ROUNDS {
        let key = global("slug", &format!("contested {round}"), &w.tenant)?;
        let put = change("renamed", vec![key])?;
        let answers = race(RACERS, |racer| {
            let (tenant, entity) = (before[racer].0.clone(), before[racer].1.clone());
            let (store, put) = (w.handle(racer / 2), put.clone());
            async move {
                let (kind, id, seen) = (&entity.kind, &entity.id, entity.version);
                store.put(&tenant, kind, id, seen, put, minute(1)).await
            }
        })
        .await?;
        let lost = failed_as(ErrorKind::AlreadyExists);
        exactly_one("changing to one key at once", &answers, Result::is_ok, lost)?;
        for ((tenant, before), answer) in before.iter_mut().zip(answers) {
            if let Ok(changed) = answer {
                *before = changed;
            }
            let stored = w.seen_in(tenant, before.id.as_str()).await?;
            equal("what is stored", &stored.as_ref(), &Some(&*before))?;
            for key in &before.keys {
                let found = w.other.find(tenant, &before.kind, key).await?;
                equal("what its key finds", &found.as_ref(), &Some(&*before))?;
            }
        }
    }
    Ok(())
}

/// Two entities that are changed to each other's keys at once both keep their own.
///
/// In whatever order the two happen, the first meets a key that the second still has.
#[rule(
    "entities::put::race_swaps_nothing",
    source = "linearizability; deadlocks of crosswise writers",
    environments = "isolation"
)]
async fn swap_race_swaps_nothing(w: &Registry) -> Checked {
    let (one, two) = (own("slug", "one")?, own("slug", "two")?);
    let first = w.create(new_client("1", vec![one.clone()])?).await?;
    let second = w.create(new_client("2", vec![two.clone()])?).await?;
    let given = [
        (first.clone(), change("swapped", vec![two])?),
        (second.clone(), change("swapped", vec![one])?),
    ];
    for _ in 0..ROUNDS {
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer / 2), w.tenant.clone());
            let (entity, put) = given[racer % 2].clone();
            async move {
                let (kind, id, seen) = (&entity.kind, &entity.id, entity.version);
                store.put(&tenant, kind, id, seen, put, minute(1)).await
            }
        })
        .await?;
        for answer in answers {
            fails("a half of a swap", answer, ErrorKind::AlreadyExists)?;
        }
        w.is_stored(&first).await?;
        w.is_stored(&second).await?;
    }
    Ok(())
}

/// Of changes and a removal at once, the removal has the last word: the entity is gone, and no key
/// of any change stays.
///
/// A client that is deleted while somebody saves it must not be back.
#[rule(
    "entities::put::race_never_recreates",
    source = "tj/connect-redis #328: a late save wrote back what had been deleted",
    environments = "isolation"
)]
async fn put_never_recreates(w: &Registry) -> Checked {
    for round in 0..ROUNDS {
        let created = w
            .create(new_client(
                &format!("gone {round}"),
                vec![own("slug", "gone")?],
            )?)
            .await?;
        let key = |racer: usize| own("slug", &format!("{round}-{racer}"));
        let mut given = Vec::new();
        for racer in 0..RACERS {
            given.push(change(&format!("{racer}"), vec![key(racer)?])?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, given) = (w.handle(racer), w.tenant.clone(), given[racer].clone());
            let (kind, id) = (created.kind.clone(), created.id.clone());
            async move {
                if racer == RACERS / 2 {
                    return store
                        .remove(&tenant, &kind, &id)
                        .await
                        .map(|gone| if gone { None } else { Some(Version::FIRST) });
                }
                let seen = Version::FIRST;
                let changed = store.put(&tenant, &kind, &id, seen, given, START).await;
                changed.map(|entity| Some(entity.version))
            }
        })
        .await?;
        let removal = some("the removal", answers.get(RACERS / 2))?;
        equal("the removal's answer", removal, &Ok(None))?;
        for answer in &answers {
            let fits = match answer {
                Ok(_) => true,
                Err(error) => [ErrorKind::NotFound, ErrorKind::Stale].contains(&error.kind()),
            };
            holds(
                fits,
                format!("a change is done or told why not, got {answer:?}"),
            )?;
        }
        equal("what is stored", &w.seen(created.id.as_str()).await?, &None)?;
        for racer in 0..RACERS {
            w.is_free(&key(racer)?).await?;
        }
        w.is_free(&own("slug", "gone")?).await?;
    }
    Ok(())
}

/// Of callers that remove one entity at once, one is told that there was one.
///
/// What is cleaned up after a removal is cleaned up once.
#[rule(
    "entities::remove::race_counts_once",
    source = "everruns #2427, better-auth #6572: what a removal answered was wrong, or not looked at",
    environments = "isolation"
)]
async fn remove_race_counts_once(w: &Registry) -> Checked {
    for round in 0..ROUNDS {
        let given = new_client(&format!("gone {round}"), vec![own("slug", "gone")?])?;
        let created = w.create(given).await?;
        let answers = race(RACERS, |racer| {
            let (store, tenant) = (w.handle(racer), w.tenant.clone());
            let (kind, id) = (created.kind.clone(), created.id.clone());
            async move { store.remove(&tenant, &kind, &id).await }
        })
        .await?;
        let (won, lost) = (Ok(true), Ok(false));
        exactly_one(
            "removing one entity at once",
            &answers,
            |answer| *answer == won,
            |answer| *answer == lost,
        )?;
        equal("what is stored", &w.seen(created.id.as_str()).await?, &None)?;
    }
    Ok::<(), Failure>(())
}
