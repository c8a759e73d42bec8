//! Identifiers: finding by them, and linking them.

use portproof_ports::{
    ErrorKind, Identity, LinkedIdentifier, MAX_IDENTIFIERS, NewIdentifier, Ports, Version,
};

use super::{Identities, account, email, id, new_identity, phone, unverified, username, verified};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, some},
    fixture::{hostile, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        each_identifier_finds_its_owner,
        kinds_are_kept_apart,
        accounts_are_compared_whole,
        link_adds_one,
        link_again_changes_nothing,
        link_again_verifies,
        link_of_anothers_is_refused,
        link_needs_an_identity,
        link_keeps_to_the_limit,
        link_race_has_one_owner,
        link_race_loses_none,
        link_race_keeps_to_the_limit,
    ]
}

/// Puts an identifier in its place among those of an identity.
fn with(
    identity: &Identity,
    new: &NewIdentifier,
    linked_at: portproof_ports::Timestamp,
) -> Identity {
    let mut changed = identity.clone();
    changed.identifiers.push(LinkedIdentifier {
        identifier: new.identifier.clone(),
        verified_at: new.verified_at,
        linked_at,
    });
    changed
        .identifiers
        .sort_by(|one, two| one.identifier.cmp(&two.identifier));
    changed.version = identity.version.next();
    changed.updated_at = linked_at;
    changed
}

/// Each identifier of an identity finds it, whole, however it was typed.
///
/// A login by one's second address must be the same login.
#[rule(
    "identity::find::finds_by_each_identifier",
    source = "better-auth #942, #7806: an address in another case found nobody, or somebody else"
)]
async fn each_identifier_finds_its_owner(w: &Identities) -> Checked {
    for typed in [
        email("ada@example.com")?,
        email("ADA@Example.COM")?,
        email("\u{200b}ada@example.com")?,
        phone("+46 8 123 456 78")?,
        username("ＡＤＡ")?,
        account("google", "sub-1")?,
    ] {
        for store in [&w.store, &w.other] {
            let found = store.find(&w.tenant, &typed).await?;
            equal(
                &format!("whom {typed:?} finds"),
                &found.as_ref(),
                &Some(&w.subject),
            )?;
        }
    }
    Ok(())
}

/// An identifier finds nobody as another kind: a username that looks like an address is none.
///
/// Whoever chooses somebody's address as a username would receive their logins.
#[rule(
    "identity::find::keeps_kinds_apart",
    source = "better-auth #9818, #9503: account ids, provider ids and user ids were confused",
    environments = "collation"
)]
async fn kinds_are_kept_apart(w: &Identities) -> Checked {
    equal(
        "the owner of the username",
        &w.owner(&username("ada@example.com")?).await?,
        &Some(id("ada")?),
    )?;
    equal(
        "the owner of the address",
        &w.owner(&email("ada@example.com")?).await?,
        &Some(id("Ada")?),
    )?;
    let texts = new_identity(
        "texts",
        vec![
            unverified(username("+46812345678")?),
            unverified(account("email", "ada@example.com")?),
        ],
    )?;
    w.create(texts).await?;
    equal(
        "the owner of the number",
        &w.owner(&phone("+46812345678")?).await?,
        &Some(id("Ada")?),
    )?;
    equal(
        "the owner of the name",
        &w.owner(&username("+46812345678")?).await?,
        &Some(id("texts")?),
    )?;
    w.subject_unchanged().await
}

/// An account is found by provider and subject together, both compared as bytes.
///
/// By the subject alone, the same number at another provider opens the account.
#[rule(
    "identity::find::compares_accounts_whole",
    source = "Auth.js: a lookup by one part survived its suite",
    environments = "collation"
)]
async fn accounts_are_compared_whole(w: &Identities) -> Checked {
    for (provider, subject, owner) in [
        ("google", "sub-1", Some("Ada")),
        ("google", "sub-2", Some("ada")),
        ("github", "sub-1", Some("ada")),
        ("github", "sub-2", None),
        ("Google", "sub-1", None),
        ("google", "SUB-1", None),
        ("google", "sub-1 ", None),
        ("googlesub", "-1", None),
        ("google", "%", None),
    ] {
        let expected = owner.map(id).transpose()?;
        let found = w.owner(&account(provider, subject)?).await?;
        equal(
            &format!("the owner of {provider:?} and {subject:?}"),
            &found,
            &expected,
        )?;
    }
    for (number, subject) in hostile().iter().enumerate().step_by(3) {
        let name = format!("hostile {number}");
        w.create(new_identity(
            &name,
            vec![unverified(account(subject, subject)?)],
        )?)
        .await?;
    }
    for (number, subject) in hostile().iter().enumerate().step_by(3) {
        let owner = w.owner(&account(subject, subject)?).await?;
        equal(
            &format!("the owner of {subject:?}"),
            &owner,
            &Some(id(&format!("hostile {number}"))?),
        )?;
    }
    Ok(())
}

/// Linking adds an identifier, which finds the identity from then on, raises the version by one,
/// and changes nothing else.
///
/// An address that is shown and does not find its owner locks them out.
#[rule(
    "identity::link::adds_one",
    source = "duck-auth: link, then find; Keycloak: the federated identities of one user are complete"
)]
async fn link_adds_one(w: &Identities) -> Checked {
    let mut expected = w.subject.clone();
    for (at, new) in [
        (minute(1), verified(email("second@example.com")?, minute(9))),
        (
            minute(2),
            unverified(account("google", "a second account")?),
        ),
        (minute(3), unverified(phone("+15550001111")?)),
    ] {
        // Whoever caches that nobody was found must not go on doing so.
        equal("the owner before", &w.owner(&new.identifier).await?, &None)?;
        expected = with(&expected, &new, at);
        let linked = w
            .store
            .link(&w.tenant, &w.subject.id, new.clone(), at)
            .await?;
        equal("the answer of link", &linked, &expected)?;
        equal(
            "Ada",
            &w.seen(&w.subject.id).await?,
            &Some(expected.clone()),
        )?;
        let found = w.other.find(&w.tenant, &new.identifier).await?;
        equal("whom it finds", &found.as_ref(), &Some(&expected))?;
    }
    Ok(())
}

/// Linking what is linked already, verified the same, changes nothing: no version, no time.
///
/// Each login by a provider links again, and must not make everybody else's update stale.
#[rule(
    "identity::link::again_changes_nothing",
    source = "duck-auth: an identical link is a no-op"
)]
async fn link_again_changes_nothing(w: &Identities) -> Checked {
    for linked in &w.subject.identifiers {
        let again = NewIdentifier {
            identifier: linked.identifier.clone(),
            verified_at: linked.verified_at,
        };
        let answer = w
            .store
            .link(&w.tenant, &w.subject.id, again, minute(50))
            .await?;
        equal("the answer of link", &answer, &w.subject)?;
    }
    w.subject_unchanged().await
}

/// Linking again with another verification sets that one's, in both directions, keeps when it was
/// linked, and leaves the other identifiers as they are.
///
/// Verifying one address must not verify the other.
#[rule(
    "identity::link::again_sets_the_verification",
    source = "kratos: a verified flag for each address"
)]
async fn link_again_verifies(w: &Identities) -> Checked {
    let mut expected = w.subject.clone();
    for (at, identifier, verified_at) in [
        (minute(10), phone("+46812345678")?, Some(minute(8))),
        (minute(11), email("ada@example.com")?, None),
        (minute(12), account("google", "sub-1")?, Some(minute(12))),
    ] {
        for linked in &mut expected.identifiers {
            if linked.identifier == identifier {
                linked.verified_at = verified_at;
            }
        }
        expected.version = expected.version.next();
        expected.updated_at = at;
        let new = NewIdentifier {
            identifier,
            verified_at,
        };
        let answer = w.store.link(&w.tenant, &w.subject.id, new, at).await?;
        equal("the answer of link", &answer, &expected)?;
        equal(
            "Ada",
            &w.seen(&w.subject.id).await?,
            &Some(expected.clone()),
        )?;
    }
    Ok(())
}

/// An identifier that is another's is refused, and stays the other's.
///
/// A link that takes over is a takeover.
#[rule(
    "identity::link::refuses_anothers",
    source = "duck-auth: link of a foreign subject; Auth.js: a second link to another user survived its suite"
)]
async fn link_of_anothers_is_refused(w: &Identities) -> Checked {
    for linked in &w.subject.identifiers {
        let new = verified(linked.identifier.clone(), minute(5));
        let answer = w.store.link(&w.tenant, &id("ada")?, new, minute(5)).await;
        fails(
            &format!("linking {:?}", linked.identifier),
            answer,
            ErrorKind::AlreadyExists,
        )?;
        w.subject_unchanged().await?;
    }
    Ok(())
}

/// Linking to an identity that is not stored is told, and links nothing.
///
/// An identifier that belongs to nobody can be registered by nobody.
#[rule(
    "identity::link::needs_an_identity",
    source = "kratos: identifiers without their identity"
)]
async fn link_needs_an_identity(w: &Identities) -> Checked {
    let free = email("free@example.com")?;
    let answer = w
        .store
        .link(
            &w.tenant,
            &id("nobody")?,
            unverified(free.clone()),
            minute(1),
        )
        .await;
    fails("linking to nobody", answer, ErrorKind::NotFound)?;
    equal("the owner", &w.owner(&free).await?, &None)?;
    equal("nobody", &w.seen(&id("nobody")?).await?, &None)?;
    let somebody = w
        .create(new_identity("somebody", vec![unverified(free.clone())])?)
        .await?;
    equal(
        "the owner afterwards",
        &w.owner(&free).await?,
        &Some(somebody.id),
    )
}

/// An identity has at most 64 identifiers; linking one more is refused and links nothing, but one
/// that it has can be linked again.
///
/// A limit that only creation minds is none.
#[rule(
    "identity::link::keeps_to_the_limit",
    source = "the contract: limits are named and the same everywhere"
)]
async fn link_keeps_to_the_limit(w: &Identities) -> Checked {
    let identifiers = (0..MAX_IDENTIFIERS)
        .map(|number| Ok(unverified(account("many", &format!("{number}"))?)))
        .collect::<Result<Vec<_>, crate::Failure>>()?;
    let full = w.create(new_identity("full", identifiers)?).await?;
    let more = email("more@example.com")?;
    let answer = w
        .store
        .link(&w.tenant, &full.id, unverified(more.clone()), minute(1))
        .await;
    fails("linking one more", answer, ErrorKind::Refused)?;
    equal("the owner of one more", &w.owner(&more).await?, &None)?;
    equal("who is full", &w.seen(&full.id).await?, &Some(full.clone()))?;
    let again = verified(account("many", "7")?, minute(2));
    let linked = w.store.link(&w.tenant, &full.id, again, minute(2)).await?;
    equal(
        "how many there are",
        &linked.identifiers.len(),
        &MAX_IDENTIFIERS,
    )?;
    equal("the version", &linked.version, &full.version.next())
}

/// Of identities that link one identifier at once, one gets it, and the others are told.
///
/// Two owners of an address are two people with one inbox.
#[rule(
    "identity::link::race_has_one_owner",
    source = "supabase/auth, better-auth: check, then write",
    environments = "isolation"
)]
async fn link_race_has_one_owner(w: &Identities) -> Checked {
    for racer in 0..RACERS {
        w.create(new_identity(&format!("racer {racer}"), vec![])?)
            .await?;
    }
    for round in 0..4 {
        let contested = email(&format!("contested-{round}@example.com"))?;
        let names = (0..RACERS)
            .map(|racer| id(&format!("racer {racer}")))
            .collect::<Result<Vec<_>, _>>()?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, name) = (w.handle(racer), w.tenant.clone(), names[racer].clone());
            let new = unverified(contested.clone());
            async move { store.link(&tenant, &name, new, minute(1)).await }
        })
        .await?;
        exactly_one(
            "linking one identifier at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        let winner = answers
            .into_iter()
            .find_map(Result::ok)
            .map(|identity| identity.id);
        equal("the owner", &w.owner(&contested).await?, &winner)?;
        for name in names {
            let racer = some("a racer", w.seen(&name).await?)?;
            let has_it = racer
                .identifiers
                .iter()
                .any(|linked| linked.identifier == contested);
            equal(
                "whether a racer has it",
                &has_it,
                &(winner.as_ref() == Some(&name)),
            )?;
        }
    }
    Ok(())
}

/// Different identifiers that are linked to one identity at once are all linked, each with a
/// version of its own.
///
/// A list that is read, changed and written back loses all but the last.
#[rule(
    "identity::link::race_loses_none",
    source = "duck-iam: 50 concurrent changes left one",
    environments = "isolation"
)]
async fn link_race_loses_none(w: &Identities) -> Checked {
    let answers = race(RACERS, |racer| {
        let (store, tenant, ada) = (w.handle(racer), w.tenant.clone(), w.subject.id.clone());
        async move {
            let new = unverified(account("racers", &format!("{racer}"))?);
            Ok::<Identity, crate::Failure>(store.link(&tenant, &ada, new, minute(1)).await?)
        }
    })
    .await?;
    let mut versions: Vec<Version> = Vec::new();
    for answer in answers {
        versions.push(answer?.version);
    }
    versions.sort_unstable();
    let mut expected = Vec::new();
    let mut version = w.subject.version;
    for _ in 0..RACERS {
        version = version.next();
        expected.push(version);
    }
    equal("the versions that were answered", &versions, &expected)?;
    let found = some("Ada", w.seen(&w.subject.id).await?)?;
    equal(
        "how many identifiers she has",
        &found.identifiers.len(),
        &(4 + RACERS),
    )?;
    for racer in 0..RACERS {
        let owner = w.owner(&account("racers", &format!("{racer}"))?).await?;
        equal(
            "the owner of a racer's",
            &owner.as_ref(),
            &Some(&w.subject.id),
        )?;
    }
    Ok(())
}

/// Of links to one identity at once, as many succeed as it has room for, and the others are refused.
///
/// A limit that each caller counts for itself is passed by all of them.
#[rule(
    "identity::link::race_keeps_to_the_limit",
    source = "better-auth #9993, #10002: two accepts exceeded a limit",
    environments = "isolation"
)]
async fn link_race_keeps_to_the_limit(w: &Identities) -> Checked {
    const ROOM: usize = 3;
    for round in 0..3 {
        let name = format!("nearly full {round}");
        let identifiers = (0..MAX_IDENTIFIERS - ROOM)
            .map(|number| Ok(unverified(account(&name, &format!("{number}"))?)))
            .collect::<Result<Vec<_>, crate::Failure>>()?;
        let full = w.create(new_identity(&name, identifiers)?).await?;
        let links = (0..RACERS)
            .map(|racer| account("racers", &format!("{round}, {racer}")))
            .collect::<Result<Vec<_>, crate::Failure>>()?;
        let answers = race(RACERS, |racer| {
            let (store, tenant, full) = (w.handle(racer), w.tenant.clone(), full.id.clone());
            let new = unverified(links[racer].clone());
            async move { store.link(&tenant, &full, new, minute(1)).await }
        })
        .await?;
        let linked = answers.iter().filter(|answer| answer.is_ok()).count();
        equal("how many were linked", &linked, &ROOM)?;
        let found = some("who is full", w.seen(&full.id).await?)?;
        equal(
            "how many there are",
            &found.identifiers.len(),
            &MAX_IDENTIFIERS,
        )?;
        for (link, answer) in links.iter().zip(answers) {
            let owner = w.owner(link).await?;
            match answer {
                Ok(_) => equal(
                    "the owner of one that was linked",
                    &owner.as_ref(),
                    &Some(&full.id),
                )?,
                Err(error) => {
                    equal("why a link was refused", &error.kind(), &ErrorKind::Refused)?;
                    equal("the owner of one that was refused", &owner, &None)?;
                }
            }
        }
    }
    Ok(())
}
