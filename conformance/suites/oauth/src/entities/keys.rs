//! Unique keys: what finds an entity, and what no other may have.

use portproof_ports::{
    ErrorKind, MAX_UNIQUE_KEYS, NewEntity, OwnedEntity, Ports, UniqueKey, UniqueScope,
};

use super::{Registry, client, global, id, kind, new_client, own, portal};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, some},
    fixture::{START, hostile, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        taken_key_is_refused,
        global_key_is_refused_everywhere,
        no_keys_collide_with_none,
        sixteen_keys_are_kept,
        finds_by_each_key,
        keys_are_compared_whole,
        global_key_answers_whose,
        tenants_keys_are_not_global,
    ]
}

/// A key that another entity has is refused, whichever of several it is, and nothing is stored: not
/// the entity, and none of its other keys.
///
/// Two connections for one domain send people to somebody else's login.
#[rule(
    "entities::create::refuses_a_taken_key",
    source = "hydra: a trust grant's issuer, subject and key are unique together",
    environments = "collation"
)]
async fn taken_key_is_refused(w: &Registry) -> Checked {
    for key in &w.subject.keys {
        let others = [own("a", "first")?, global("z", "last", &w.tenant)?];
        let mut keys = others.to_vec();
        keys.push(key.clone());
        let answer = w.store.create(&w.tenant, new_client("new", keys)?, START);
        let what = format!("creating a client with the key {key:?}");
        fails(&what, answer.await, ErrorKind::AlreadyExists)?;
        equal("the refused client", &w.seen("new").await?, &None)?;
        for other in &others {
            w.is_free(other).await?;
        }
    }
    w.subject_unchanged().await
}

/// A global key that an entity of any tenant has is refused in every other.
///
/// Whoever registers another customer's domain, or client id, gets the requests that are meant for
/// them.
#[rule(
    "entities::create::refuses_a_key_taken_elsewhere",
    source = "AuthHero: a client id and a custom domain are looked up without a tenant, and must be one tenant's"
)]
async fn global_key_is_refused_everywhere(w: &Registry) -> Checked {
    let third = w.context.tenant()?;
    let taken = global("client_id", "portal", &w.tenant)?;
    for tenant in [&w.elsewhere, &third] {
        let own_key = own("name", "theirs")?;
        let given = new_client("new", vec![own_key.clone(), taken.clone()])?;
        let answer = w.other.create(tenant, given, START).await;
        fails(
            "creating a client with a key of another tenant's",
            answer,
            ErrorKind::AlreadyExists,
        )?;
        equal(
            "the refused client",
            &w.seen_in(tenant, "new").await?,
            &None,
        )?;
        let found = w.store.find(tenant, &client()?, &own_key).await?;
        equal("what has the key that came with it", &found, &None)?;
    }
    w.subject_unchanged().await
}

/// Entities without keys can be stored, as many as one likes.
///
/// An absent name that is stored as an empty one lets one connection in and no second.
#[rule(
    "entities::create::needs_no_key",
    source = "hydra: two clients without secrets do not collide on a unique key"
)]
async fn no_keys_collide_with_none(w: &Registry) -> Checked {
    for name in ["one", "two", "three"] {
        let created = w.create(new_client(name, vec![])?).await?;
        w.is_stored(&created).await?;
    }
    Ok(())
}

/// An entity may have 16 keys, several of one name, and each finds it and is refused to others.
///
/// A key that is not noted is one that two may have.
#[rule(
    "entities::create::keeps_sixteen_keys",
    source = "the contract: limits are named and the same everywhere"
)]
async fn sixteen_keys_are_kept(w: &Registry) -> Checked {
    let mut keys: Vec<UniqueKey> = Vec::new();
    for number in 0..MAX_UNIQUE_KEYS / 2 {
        keys.push(own("alias", &format!("{number}"))?);
        keys.push(global("alias", &format!("{number}"), &w.tenant)?);
    }
    let created = w.create(new_client("new", keys.clone())?).await?;
    w.is_stored(&created).await?;
    for key in keys {
        let given = new_client("second", vec![key])?;
        let answer = w.store.create(&w.tenant, given, START).await;
        fails("taking one of the keys", answer, ErrorKind::AlreadyExists)?;
    }
    Ok(())
}

/// An entity is found by each of its keys, and by nothing that only its body holds.
///
/// What is unique and not found must be read out of a list, by whoever asks first.
#[rule(
    "entities::find::finds_by_each_key",
    source = "dex: a device request is found by each of its codes"
)]
async fn finds_by_each_key(w: &Registry) -> Checked {
    let given = new_client(
        "new",
        vec![
            own("slug", "new")?,
            own("issuer", "https://new.example.com/a?b='c'")?,
            global("client_id", "new", &w.tenant)?,
        ],
    )?;
    let created = w.create(given).await?;
    w.is_stored(&created).await?;
    w.is_free(&own("label", "new")?).await?;
    w.is_free(&own("slug", "x")?).await?;
    w.subject_unchanged().await
}

/// Keys are compared whole and as bytes: those that differ in name, in value by whatever byte, or in
/// scope are of different entities.
///
/// A domain that is taken for another's is a login at somebody else.
#[rule(
    "entities::find::compares_keys_whole",
    source = "MySQL pads texts before it compares them; CVE-2026-55170",
    environments = "collation"
)]
async fn keys_are_compared_whole(w: &Registry) -> Checked {
    let mut expected = Vec::new();
    for (number, value) in hostile().iter().enumerate() {
        let mut keys = vec![own("hostile", value)?];
        // The longest of them leave no room for what makes a global one this case's own.
        if value.len() < 120 {
            keys.push(global("hostile", value, &w.tenant)?);
        }
        let given = new_client(&format!("hostile {number}"), keys)?;
        expected.push(w.create(given).await?);
    }
    for (name, scope) in [
        ("one", UniqueScope::Tenant),
        ("One", UniqueScope::Tenant),
        ("one", UniqueScope::Global),
        ("One", UniqueScope::Global),
    ] {
        let value = format!("the same of {}", w.tenant.as_str());
        let key = UniqueKey::new(name, &value, scope)?;
        let given = new_client(&format!("{name} {scope:?}"), vec![key])?;
        expected.push(w.create(given).await?);
    }
    for entity in &expected {
        for key in &entity.keys {
            let found = w.store.find(&w.tenant, &client()?, key).await?;
            let what = format!("what has the key {key:?}");
            equal(&what, &found.as_ref(), &Some(entity))?;
            if key.scope == UniqueScope::Global {
                let found = w.anywhere(key).await?.map(|owned| owned.entity);
                equal(&what, &found.as_ref(), &Some(entity))?;
            }
        }
    }
    Ok(())
}

/// A global key answers the entity that has it together with its tenant, whichever tenant that is.
///
/// A request that brings a client id and no more is served in the tenant that this answers.
#[rule(
    "entities::find_global::answers_whose_it_is",
    source = "AuthHero: getByClientId and getByDomain answer the tenant with the record"
)]
async fn global_key_answers_whose(w: &Registry) -> Checked {
    let third = w.context.tenant()?;
    let there = w.store.create(&third, portal(&third)?, minute(2)).await?;
    for (tenant, expected) in [(&w.tenant, &w.subject), (&third, &there)] {
        let found = w.anywhere(&global("client_id", "portal", tenant)?).await?;
        let expected = OwnedEntity {
            tenant: tenant.clone(),
            entity: expected.clone(),
        };
        equal("whose it is", &found, &Some(expected))?;
    }
    let elsewhere = global("client_id", "portal", &w.elsewhere)?;
    let elsewhere = some("the third one", w.anywhere(&elsewhere).await?)?;
    equal("whose it is", &elsewhere.tenant, &w.elsewhere)?;
    let key = global("client_id", "portal", &w.tenant)?;
    let of_another = w
        .store
        .find_global(&kind("connection")?, &key.name, &key.value)
        .await?;
    equal("one of another kind", &of_another, &None)
}

/// A key that is unique within a tenant is not found as a global one, and takes no global one away.
///
/// A name that one customer chose would be answered to whoever guesses it.
#[rule(
    "entities::find_global::ignores_tenants_own",
    source = "kratos 93d364c8e: page two held other tenants' rows"
)]
async fn tenants_keys_are_not_global(w: &Registry) -> Checked {
    let value = format!("shop of {}", w.tenant.as_str());
    let theirs = own("client_id", &value)?;
    let wide = global("client_id", "shop", &w.tenant)?;
    equal("both values", &theirs.value, &wide.value)?;
    let created = w.create(new_client("new", vec![theirs.clone()])?).await?;
    equal("what is found", &w.anywhere(&wide).await?, &None)?;
    let given = NewEntity {
        id: id("other")?,
        ..new_client("other", vec![wide.clone()])?
    };
    let other = w.store.create(&w.elsewhere, given, START).await?;
    let found = some("the global one", w.anywhere(&wide).await?)?;
    equal("the global one", &found.entity, &other)?;
    w.is_stored(&created).await
}
