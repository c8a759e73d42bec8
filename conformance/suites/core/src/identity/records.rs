//! Identities as records: what is stored is what was given, once, with all its identifiers or not
//! at all.

use portproof_ports::{
    ErrorKind, Identity, IdentityId, IdentityKind, IdentityState, LinkedIdentifier, MAX_GET_MANY,
    MAX_IDENTIFIERS, NewIdentity, Ports, Version,
};

use super::{
    Identities, account, ada, email, id, new_identity, phone, unverified, username, verified,
};
use crate::{
    Case, Checked, cases,
    check::{equal, fails},
    fixture::{START, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        created_is_stored_whole,
        stored_id_is_refused,
        taken_identifier_is_refused,
        identifier_named_twice_is_refused,
        too_many_identifiers_are_refused,
        no_identifiers_collide_with_none,
        id_race_has_one_owner,
        identifier_race_has_one_owner,
        missing_is_none,
        many_are_answered_once,
        too_many_are_refused,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that is told otherwise sends nobody to a store that works.
#[rule(
    "identity::ready::answers",
    source = "spicedb #3142: one call that hung wedged the server"
)]
async fn ready_answers(w: &Identities) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// A created identity is answered as it is stored: active, at version 1, every field as given, its
/// identifiers in order and linked at its creation.
///
/// What an engine shows after a registration must be what the next login reads.
#[rule(
    "identity::create::stores_it_whole",
    source = "AuthHero 5dddd72: create dropped profile fields and answered another shape than get"
)]
async fn created_is_stored_whole(w: &Identities) -> Checked {
    let given = NewIdentity {
        kind: IdentityKind::Device,
        ..new_identity(
            "new",
            vec![
                unverified(account("saml", "Z")?),
                verified(username("new")?, minute(7)),
                unverified(phone("+15551234567")?),
                verified(email("new@example.com")?, minute(9)),
            ],
        )?
    };
    let created = w.store.create(&w.tenant, given.clone(), minute(3)).await?;
    let mut identifiers: Vec<LinkedIdentifier> = given
        .identifiers
        .iter()
        .map(|new| LinkedIdentifier {
            identifier: new.identifier.clone(),
            verified_at: new.verified_at,
            linked_at: minute(3),
        })
        .collect();
    identifiers.sort_by(|one, two| one.identifier.cmp(&two.identifier));
    let expected = Identity {
        id: given.id.clone(),
        kind: IdentityKind::Device,
        state: IdentityState::Active,
        profile: given.profile,
        identifiers,
        version: Version::FIRST,
        created_at: minute(3),
        updated_at: minute(3),
    };
    equal("the answer of create", &created, &expected)?;
    equal(
        "the identity as it is read",
        &w.seen(&given.id).await?,
        &Some(expected.clone()),
    )?;
    for linked in &expected.identifiers {
        let found = w.other.find(&w.tenant, &linked.identifier).await?;
        equal(
            "the identity as it is found",
            &found.as_ref(),
            &Some(&expected),
        )?;
    }
    w.subject_unchanged().await
}

/// A stored id is refused: its identity stays as it is, and the identifiers that came with the
/// refused one belong to nobody.
///
/// Whoever registers an id again would take an account over, or block an address for good.
#[rule(
    "identity::create::refuses_a_stored_id",
    source = "AuthHero: a duplicate id was a server error, others overwrite"
)]
async fn stored_id_is_refused(w: &Identities) -> Checked {
    let given = new_identity("Ada", vec![unverified(email("mallory@example.com")?)])?;
    let answer = w.other.create(&w.tenant, given, minute(1)).await;
    fails(
        "creating an identity under a stored id",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    equal(
        "the owner of the address",
        &w.owner(&email("mallory@example.com")?).await?,
        &None,
    )?;
    w.subject_unchanged().await
}

/// An identifier that is another's is refused, whichever kind it is of, and nothing is stored: not
/// the identity, and none of its other identifiers.
///
/// Two accounts with one address are one account too many, and half an account is worse.
#[rule(
    "identity::create::refuses_a_taken_identifier",
    source = "better-auth #942; kratos: a failed identifier left the identity behind",
    environments = "collation"
)]
async fn taken_identifier_is_refused(w: &Identities) -> Checked {
    for linked in &w.subject.identifiers {
        let given = new_identity(
            "new",
            vec![
                unverified(email("first@example.com")?),
                unverified(linked.identifier.clone()),
                unverified(account("zoo", "last")?),
            ],
        )?;
        let answer = w.store.create(&w.tenant, given, START).await;
        let what = format!("creating an identity with {:?}", linked.identifier);
        fails(&what, answer, ErrorKind::AlreadyExists)?;
        equal("the refused identity", &w.seen(&id("new")?).await?, &None)?;
        for free in [email("first@example.com")?, account("zoo", "last")?] {
            equal(
                "the owner of what came with it",
                &w.owner(&free).await?,
                &None,
            )?;
        }
    }
    w.subject_unchanged().await
}

/// An identifier that is named twice in one call is refused, and nothing is stored.
///
/// A backend that ignores the second one also ignores which of the two was verified.
#[rule(
    "identity::create::refuses_an_identifier_named_twice",
    source = "spicedb, openfga: a duplicate within one call fails"
)]
async fn identifier_named_twice_is_refused(w: &Identities) -> Checked {
    let twice = vec![
        unverified(email("twice@example.com")?),
        verified(email("Twice@Example.com")?, minute(1)),
    ];
    let answer = w
        .store
        .create(&w.tenant, new_identity("new", twice)?, START)
        .await;
    fails(
        "creating an identity with an identifier twice",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    equal("the refused identity", &w.seen(&id("new")?).await?, &None)?;
    equal(
        "the owner of the identifier",
        &w.owner(&email("twice@example.com")?).await?,
        &None,
    )
}

/// An identity may have 64 identifiers; one more is refused, and nothing is stored.
///
/// Without a limit that all adapters share, a login can be made as slow as one likes.
#[rule(
    "identity::create::keeps_to_the_limit",
    source = "the contract: limits are named and the same everywhere"
)]
async fn too_many_identifiers_are_refused(w: &Identities) -> Checked {
    let identifiers = |count: usize| -> Result<Vec<_>, crate::Failure> {
        (0..count)
            .map(|number| Ok(unverified(account("many", &format!("{number}"))?)))
            .collect()
    };
    let answer = w
        .store
        .create(
            &w.tenant,
            new_identity("new", identifiers(MAX_IDENTIFIERS + 1)?)?,
            START,
        )
        .await;
    fails(
        "creating an identity with too many identifiers",
        answer,
        ErrorKind::Refused,
    )?;
    equal("the refused identity", &w.seen(&id("new")?).await?, &None)?;
    equal(
        "the owner of an identifier",
        &w.owner(&account("many", "0")?).await?,
        &None,
    )?;
    let most = new_identity("new", identifiers(MAX_IDENTIFIERS)?)?;
    let created = w.create(most).await?;
    equal(
        "how many identifiers there are",
        &created.identifiers.len(),
        &MAX_IDENTIFIERS,
    )?;
    equal("the identity", &w.seen(&created.id).await?, &Some(created))
}

/// Identities without identifiers can be stored, as many as one likes.
///
/// An absent address that is stored as an empty one lets one service account in and no second.
#[rule(
    "identity::create::needs_no_identifier",
    source = "objectstack #5030 and others: uniqueness over what is absent"
)]
async fn no_identifiers_collide_with_none(w: &Identities) -> Checked {
    for name in ["service 1", "service 2", "service 3"] {
        let given = NewIdentity {
            kind: IdentityKind::Service,
            ..new_identity(name, vec![])?
        };
        let created = w.create(given).await?;
        equal("its identifiers", &created.identifiers, &vec![])?;
        equal("the identity", &w.seen(&created.id).await?, &Some(created))?;
    }
    Ok(())
}

/// Of callers that create one id at once, one succeeds, with all its identifiers; those of the
/// others belong to nobody.
///
/// Two registrations that both succeed share an account.
#[rule(
    "identity::create::race_has_one_owner",
    source = "supabase/auth, better-auth: check, then write",
    environments = "isolation"
)]
async fn id_race_has_one_owner(w: &Identities) -> Checked {
    for round in 0..4 {
        let mut given = Vec::new();
        for racer in 0..RACERS {
            let address = email(&format!("round-{round}-racer-{racer}@example.com"))?;
            given.push(new_identity(
                &format!("contested {round}"),
                vec![unverified(address)],
            )?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, given) = (w.handle(racer), w.tenant.clone(), given[racer].clone());
            async move { store.create(&tenant, given, START).await }
        })
        .await?;
        exactly_one(
            "creating one id at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        let stored = w.seen(&id(&format!("contested {round}"))?).await?;
        for (given, answer) in given.iter().zip(&answers) {
            let owner = w.owner(&given.identifiers[0].identifier).await?;
            equal(
                "the owner of a racer's address",
                &owner.is_some(),
                &answer.is_ok(),
            )?;
            if let Ok(answer) = answer {
                equal("the stored identity", &stored.as_ref(), &Some(answer))?;
            }
        }
    }
    Ok(())
}

/// Of callers that create identities with one identifier at once, one succeeds; nothing is stored
/// of the others.
///
/// Two accounts with one address: the password reset of one opens the other.
#[rule(
    "identity::create::race_has_one_owner_of_an_identifier",
    source = "better-auth #942: two users with one address",
    environments = "isolation"
)]
async fn identifier_race_has_one_owner(w: &Identities) -> Checked {
    for round in 0..4 {
        let address = email(&format!("contested-{round}@example.com"))?;
        let mut given = Vec::new();
        for racer in 0..RACERS {
            let identifiers = vec![
                unverified(username(&format!("r{round}-{racer}"))?),
                unverified(address.clone()),
            ];
            given.push(new_identity(
                &format!("round {round}, racer {racer}"),
                identifiers,
            )?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, given) = (w.handle(racer), w.tenant.clone(), given[racer].clone());
            async move { store.create(&tenant, given, START).await }
        })
        .await?;
        exactly_one(
            "creating one address at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        for (given, answer) in given.iter().zip(answers) {
            equal(
                "a racer's identity",
                &w.seen(&given.id).await?,
                &answer.ok(),
            )?;
        }
    }
    Ok(())
}

/// What is not stored is answered as missing, by id and by identifier, never as somebody else.
///
/// A default identity is somebody who may log in.
#[rule(
    "identity::get::missing_is_none",
    source = "openfga #3014; AuthHero: lookups that fell back"
)]
async fn missing_is_none(w: &Identities) -> Checked {
    for name in ["nobody", "Ad", "Ada  ", "%", "Ad_", "ADA"] {
        equal(&format!("{name:?}"), &w.seen(&id(name)?).await?, &None)?;
    }
    for nobody in [
        email("nobody@example.com")?,
        email("ada@example.co")?,
        phone("+4681234567")?,
        username("ad")?,
        username("%")?,
        account("google", "sub-3")?,
    ] {
        equal(
            &format!("the owner of {nobody:?}"),
            &w.owner(&nobody).await?,
            &None,
        )?;
    }
    Ok(())
}

/// Several ids at once are answered by id, each identity once and whole; those that are not stored
/// are left out, and none are answered for none.
///
/// An empty list that becomes no condition answers everybody.
#[rule(
    "identity::get_many::answers_each_once",
    source = "kratos: a list without ids was a syntax error"
)]
async fn many_are_answered_once(w: &Identities) -> Checked {
    equal("nobody", &w.store.get_many(&w.tenant, &[]).await?, &vec![])?;
    let ids = [
        id("ada")?,
        id("nobody")?,
        id("Ada")?,
        id("ada")?,
        id("Ada ")?,
        id("Ada")?,
    ];
    let mut expected = vec![w.subject.clone()];
    expected.extend(
        w.bystanders
            .iter()
            .take(2)
            .map(|(_, identity)| identity.clone()),
    );
    expected.sort_by(|one, two| one.id.cmp(&two.id));
    for store in [&w.store, &w.other] {
        equal(
            "the identities",
            &store.get_many(&w.tenant, &ids).await?,
            &expected,
        )?;
    }
    let one = w
        .store
        .get_many(&w.tenant, std::slice::from_ref(&w.subject.id))
        .await?;
    equal("Ada alone", &one, &vec![w.subject.clone()])
}

/// A thousand ids at once are answered; one more is refused.
///
/// A backend that takes fewer parameters fails for the largest customers only.
#[rule(
    "identity::get_many::keeps_to_the_limit",
    source = "openfga, spicedb: batches beyond a backend's parameters"
)]
async fn too_many_are_refused(w: &Identities) -> Checked {
    let mut ids: Vec<IdentityId> = (1..MAX_GET_MANY)
        .map(|number| id(&format!("nobody {number}")))
        .collect::<Result<_, _>>()?;
    ids.push(ada()?.id);
    equal("how many ids there are", &ids.len(), &MAX_GET_MANY)?;
    let found = w.store.get_many(&w.tenant, &ids).await?;
    equal("the identities", &found, &vec![w.subject.clone()])?;
    ids.push(id("one more")?);
    fails(
        "one id more",
        w.store.get_many(&w.tenant, &ids).await,
        ErrorKind::Refused,
    )
}
