//! Items as records: what is stored is what was given, once.

use portproof_ports::{Attempt, ErrorKind, Item, ItemId, ItemState, NewItem, Ports, Timestamp};

use super::{LEASE, Outbox, claimed, id, in_state, kind, new_item, of_kind, troubled};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    fixture::{START, awkward_document, day, document, hostile, instants, large_document, minute},
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        put_is_stored_whole,
        stored_id_is_refused,
        put_race_has_one_owner,
        missing_item_is_none,
        hostile_ids_are_kept_apart,
        hostile_kinds_are_kept_apart,
        payload_is_kept_exactly,
        large_payload_is_kept,
        instants_are_kept_exactly,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that cannot rely on it starts on a store that does not work, and tells nobody of anything.
#[rule(
    "outbox::ready::answers",
    source = "spicedb #3142: one hung call wedged the server"
)]
async fn ready_answers(w: &Outbox) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// An item is answered as it is stored: every field as it was given, waiting, without attempts and
/// without trouble.
///
/// A webhook whose payload is lost on the way tells its receiver of something else, or of nothing.
#[rule(
    "outbox::put::stores_it_whole",
    source = "AuthHero: an item holds its event, when it was put, and how often it was tried"
)]
async fn put_is_stored_whole(w: &Outbox) -> Checked {
    for (name, due_at) in [
        ("later", day(3)),
        ("now", START),
        ("before", Timestamp::MIN),
    ] {
        let given = NewItem {
            due_at,
            ..new_item(name)?
        };
        let stored = w.put(given.clone()).await?;
        let expected = Item {
            id: given.id,
            kind: given.kind,
            payload: given.payload,
            state: ItemState::Waiting { due_at },
            attempts: Attempt::NONE,
            trouble: None,
            created_at: START,
        };
        equal("the answer of put", &stored, &expected)?;
        w.is("the item as it is read", &expected).await?;
    }
    w.subject_unchanged().await
}

/// An item is never stored over another, whatever has become of that one: waiting, claimed, put back,
/// done or given up, it stays as it is.
///
/// Otherwise what was done is done again, whenever the one who put it did not hear the answer.
#[rule(
    "outbox::put::refuses_a_stored_id",
    source = "the contract: the id of the event that it tells of, so that it is put once"
)]
async fn stored_id_is_refused(w: &Outbox) -> Checked {
    let put_back = w.claimed("put back").await?;
    let (due_at, why) = (minute(1), super::text("busy")?);
    w.store
        .put_back(&w.tenant, &put_back.claim(), due_at, &why)
        .await?;
    let stored = [
        w.subject.clone(),
        w.claimed("claimed").await?,
        troubled(&put_back, ItemState::Waiting { due_at }, &why),
        w.done("over and done", minute(1)).await?,
        w.given_up("hopeless", minute(1)).await?,
    ];
    for item in stored {
        for kind_name in [item.kind.as_str(), "another"] {
            let given = NewItem {
                payload: document("another payload")?,
                ..of_kind(item.id.as_str(), kind_name)?
            };
            let answer = w.other.put(&w.tenant, given, day(2)).await;
            let what = format!(
                "putting an item under the id of one that is {:?}",
                item.state
            );
            fails(&what, answer, ErrorKind::AlreadyExists)?;
        }
        w.is("the item that was there", &item).await?;
    }
    Ok(())
}

/// Of callers that put one id at once, one owns the item and the others are told.
///
/// Two who believe that theirs is stored wait for what never happens, or it happens twice.
#[rule(
    "outbox::put::race_has_one_owner",
    source = "keycloak: of two who mark a value as used, one is first; twentyhq/twenty #26025",
    environments = "isolation"
)]
async fn put_race_has_one_owner(w: &Outbox) -> Checked {
    for round in 0..4 {
        let contested = id(&format!("contested {round}"))?;
        let mut candidates = Vec::new();
        for racer in 0..RACERS {
            candidates.push(NewItem {
                id: contested.clone(),
                ..new_item(&format!("of {racer}"))?
            });
        }
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, given) = (w.tenant.clone(), candidates[racer].clone());
            async move { store.put(&tenant, given, START).await }
        })
        .await?;
        exactly_one(
            "putting one id at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        let owned = some("the winner's", answers.into_iter().find_map(Result::ok))?;
        w.is("the item that the winner was told it owns", &owned)
            .await?;
    }
    Ok(())
}

/// There is no item under an id that nobody put, nor under one that is like a stored one.
///
/// An engine that finds one that nobody put believes that what it wants told is on its way.
#[rule(
    "outbox::get::missing_is_none",
    source = "CVE-2026-55170: a collation compared ids without regard to case"
)]
async fn missing_item_is_none(w: &Outbox) -> Checked {
    for name in ["missing", "SUBJECT", "subjec", "%", "subject_", "mail"] {
        let found = w.seen_in(&w.tenant, &id(name)?).await?;
        equal(&format!("the item {name:?}"), &found, &None)?;
    }
    w.subject_unchanged().await
}

/// Ids are kept and compared as bytes: each of those that differ in case, accents or a trailing space
/// is an item of its own, to get and to follow up.
///
/// An adapter that folds them says of one order's mail that it was sent when another's was.
#[rule(
    "outbox::put::keeps_ids_apart",
    source = "CVE-2026-55170: a collation compared ids without regard to case",
    environments = "collation"
)]
async fn hostile_ids_are_kept_apart(w: &Outbox) -> Checked {
    let mut stored = Vec::new();
    for name in hostile() {
        let given = NewItem {
            id: ItemId::new(name.clone())?,
            payload: document(name)?,
            ..of_kind("x", "hostile")?
        };
        stored.push(w.put(given).await?);
    }
    stored.sort_by(|a, b| a.id.cmp(&b.id));
    for item in &stored {
        w.is("the item of this id", item).await?;
    }
    let kind = kind("hostile")?;
    let found = w.other.claim(&w.tenant, &kind, 1000, LEASE, START).await?;
    let until = START.after(LEASE);
    let expected: Vec<Item> = stored.iter().map(|item| claimed(item, until)).collect();
    equal("what is claimed", &found, &expected)?;
    // One after the other is done, and nothing but it.
    for (number, item) in expected.iter().enumerate() {
        let held = w.store.complete(&w.tenant, &item.claim(), minute(1)).await;
        equal("whether the claim holds", &held?, &true)?;
        let done = in_state(item, ItemState::Done { at: minute(1) });
        w.is("the item that is done", &done).await?;
        if let Some(next) = expected.get(number + 1) {
            w.is("the item after it", next).await?;
        }
    }
    w.subject_unchanged().await
}

/// Kinds are kept and compared as bytes: who asks for one is given nothing of another.
///
/// A worker that gets what is meant for another one sends the mail's text to a webhook.
#[rule(
    "outbox::put::keeps_kinds_apart",
    source = "CVE-2026-55170: a collation compared ids without regard to case",
    environments = "collation"
)]
async fn hostile_kinds_are_kept_apart(w: &Outbox) -> Checked {
    let mut stored = Vec::new();
    for (number, name) in hostile().iter().enumerate() {
        let given = of_kind(&format!("item {number}"), name)?;
        let item = w.put(given).await?;
        equal(
            "the kind that put answers",
            &item.kind.as_str(),
            &name.as_str(),
        )?;
        w.is("the item of this kind", &item).await?;
        stored.push(item);
    }
    for item in &stored {
        let found = w.store.claim(&w.tenant, &item.kind, 1000, LEASE, START);
        let expected = claimed(item, START.after(LEASE));
        equal(
            "what is claimed of this kind",
            &found.await?,
            &vec![expected],
        )?;
    }
    w.subject_unchanged().await
}

/// A payload is kept exactly: nulls and absences, empty lists and objects, numbers to 64 bits, every
/// character; and so whoever claims the item gets it, and after it was put back.
///
/// A receiver that checks a signature refuses what was changed on its way.
#[rule(
    "outbox::put::keeps_payloads_exactly",
    source = "AuthHero 285af35: an emoji made every later read fail"
)]
async fn payload_is_kept_exactly(w: &Outbox) -> Checked {
    let given = NewItem {
        payload: awkward_document()?,
        ..of_kind("awkward", "awkward")?
    };
    let stored = w.put(given.clone()).await?;
    equal(
        "the payload that put answers",
        &stored.payload,
        &given.payload,
    )?;
    w.is("the item as it is read", &stored).await?;
    let item = w.again(&stored, START).await?;
    let why = super::text("busy")?;
    w.store
        .put_back(&w.tenant, &item.claim(), minute(1), &why)
        .await?;
    let due_at = minute(1);
    let waiting = troubled(&item, ItemState::Waiting { due_at }, &why);
    let item = w.again(&waiting, minute(1)).await?;
    w.is("the item that is claimed again", &item).await
}

/// A payload of a mebibyte is kept whole, and given to whoever claims it.
///
/// A column that is too short cuts a message off, or nothing is told at all.
#[rule(
    "outbox::put::keeps_large_payloads",
    source = "next-auth #4734, dex c7e9960c: a value too long for its column"
)]
async fn large_payload_is_kept(w: &Outbox) -> Checked {
    let given = NewItem {
        payload: large_document()?,
        ..of_kind("large", "large")?
    };
    let stored = w.put(given.clone()).await?;
    let found = some("the item", w.store.get(&w.tenant, &stored.id).await?)?;
    holds(
        found.payload == given.payload,
        "a mebibyte is read as it was put",
    )?;
    let found = w.store.claim(&w.tenant, &given.kind, 1, LEASE, START).await;
    let found = some("the claimed item", found?.pop())?;
    holds(
        found.payload == given.payload,
        "a mebibyte is claimed as it was put",
    )
}

/// Instants are kept to the microsecond, from 1970 to 9999, whatever the time zones of process, server
/// and session are: when an item was put, when it is due, until when it is claimed and when it ended.
///
/// A retry that is due an hour too late is a login link that is over when it comes.
#[rule(
    "outbox::put::keeps_instants",
    source = "hydra 337000aac: an end that was not in UTC; redaxo #6679, dex b51e73bc",
    environments = "time_zone"
)]
async fn instants_are_kept_exactly(w: &Outbox) -> Checked {
    for (number, instant) in instants()?.into_iter().enumerate() {
        let name = format!("at {number}");
        let given = NewItem {
            due_at: instant,
            ..of_kind(&name, &name)?
        };
        let stored = w.store.put(&w.tenant, given, instant).await?;
        equal("when it was put", &stored.created_at, &instant)?;
        let waiting = ItemState::Waiting { due_at: instant };
        equal("when it is due", &stored.state, &waiting)?;
        w.is("the item as it is read", &stored).await?;
        let item = w.again(&stored, instant).await?;
        w.is("the item that is claimed", &item).await?;
        let why = super::text("busy")?;
        w.store
            .put_back(&w.tenant, &item.claim(), instant, &why)
            .await?;
        let waiting = troubled(&item, waiting, &why);
        w.is("the item that was put back", &waiting).await?;
        let item = w.again(&waiting, instant).await?;
        let ended = if number.is_multiple_of(2) {
            w.store.complete(&w.tenant, &item.claim(), instant).await?;
            ItemState::Done { at: instant }
        } else {
            w.store
                .give_up(&w.tenant, &item.claim(), &why, instant)
                .await?;
            ItemState::GivenUp { at: instant }
        };
        w.is("the item that ended", &in_state(&item, ended)).await?;
    }
    Ok(())
}
