//! What is known about subjects: attributes, changed one by one and lost by nobody.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use portproof_ports::{AttributeName, Document, ErrorKind, MAX_ATTRIBUTES, Ports};
use serde_json::json;

use super::{Assignments, ada, all_set, changes, subject};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds},
    fixture::{awkward_document, document, hostile, large_document},
    race::{RACERS, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        nothing_is_known_of_nobody,
        merge_changes_what_it_names,
        set_replaces_the_document,
        null_is_a_value,
        clear_removes,
        no_changes_change_nothing,
        documents_are_kept_exactly,
        large_documents_are_kept,
        hostile_names_are_kept_apart,
        hostile_subjects_have_their_own,
        as_many_as_there_may_be,
        one_too_many_is_refused,
        merge_race_loses_nothing,
        merge_race_keeps_the_limit,
        merge_is_seen_whole,
    ]
}

/// Of a subject that nothing was stored about, nothing is known: an empty map, and no error.
///
/// Most subjects have no attributes.
#[rule(
    "assignments::attributes::of_nobody_are_empty",
    source = "duck-iam 2.0.0: a missing bag was an error; openfga #3014"
)]
async fn nothing_is_known_of_nobody(w: &Assignments) -> Checked {
    for who in ["nobody", "Ad", "Ada%", "_da", "ADA"] {
        let known = w.known_of(&subject(who)?).await?;
        equal("what is known of nobody", &known.len(), &0)?;
    }
    w.subject_unchanged().await
}

/// A merge sets what it names and leaves every other attribute as it is; it answers all of them, as
/// the next read does.
///
/// A merge that replaces takes away what another part of the engine knows.
#[rule(
    "assignments::merge_attributes::changes_only_what_it_names",
    source = "duck-iam: a lost connection made a merge replace the whole bag"
)]
async fn merge_changes_what_it_names(w: &Assignments) -> Checked {
    let given = changes([
        ("clearance", Some(json!({"level": 8}))),
        ("CLEARANCE", Some(json!("new"))),
    ])?;
    let mut expected = w.known.clone();
    expected.extend(all_set(&given));
    let answer = w.store.merge_attributes(&w.tenant, &ada()?, &given).await?;
    equal("the answer of the merge", &answer, &expected)?;
    equal(
        "what is known of Ada",
        &w.known_of(&ada()?).await?,
        &expected,
    )?;
    w.grant_unchanged().await
}

/// An attribute that is set becomes the new document, whole: documents are not merged.
///
/// A field that is left out was meant to go.
#[rule(
    "assignments::merge_attributes::replaces_the_document",
    source = "duck-iam: merging one level and no deeper, as the contract has it"
)]
async fn set_replaces_the_document(w: &Assignments) -> Checked {
    for value in [
        json!({"nested": {"other": true}}),
        json!({}),
        json!([1]),
        json!([]),
        json!({"nested": {}}),
        json!(0),
        json!(false),
        json!(""),
    ] {
        let given = changes([("clearance", Some(value))])?;
        let mut expected = w.known.clone();
        expected.extend(all_set(&given));
        let answer = w.store.merge_attributes(&w.tenant, &ada()?, &given).await?;
        equal("the answer of the merge", &answer, &expected)?;
        equal(
            "what is known of Ada",
            &w.known_of(&ada()?).await?,
            &expected,
        )?;
    }
    Ok(())
}

/// An attribute that is set to null is there, and null: it is not absent, and setting it does not
/// clear it.
///
/// "Known to have none" and "not known" decide differently.
#[rule(
    "assignments::merge_attributes::keeps_null",
    source = "duck-iam: null into a JSON column; better-auth #8660: null compared"
)]
async fn null_is_a_value(w: &Assignments) -> Checked {
    let given = changes([("clearance", Some(json!(null))), ("new", Some(json!(null)))])?;
    let answer = w.store.merge_attributes(&w.tenant, &ada()?, &given).await?;
    let mut expected = w.known.clone();
    expected.extend(all_set(&given));
    equal("the answer of the merge", &answer, &expected)?;
    equal(
        "what is known of Ada",
        &w.known_of(&ada()?).await?,
        &expected,
    )?;
    equal("how many attributes there are", &answer.len(), &4)
}

/// An attribute that is cleared is gone and no other; clearing what is not there changes nothing.
///
/// What stays behind as null, or as a default, is still known.
#[rule(
    "assignments::merge_attributes::clears",
    source = "dex, better-auth: an optional field that kept its old value"
)]
async fn clear_removes(w: &Assignments) -> Checked {
    let mut expected = w.known.clone();
    for name in [
        "no such attribute",
        "clearanc_",
        "clearance",
        "clearance",
        "clearance ",
    ] {
        let given = changes([(name, None)])?;
        expected.remove(&AttributeName::new(name)?);
        let answer = w.store.merge_attributes(&w.tenant, &ada()?, &given).await?;
        equal("the answer of the merge", &answer, &expected)?;
        equal(
            "what is known of Ada",
            &w.known_of(&ada()?).await?,
            &expected,
        )?;
    }
    let nobody = subject("nobody")?;
    let answer = w
        .store
        .merge_attributes(&w.tenant, &nobody, &changes([("x", None)])?)
        .await?;
    equal("what is known of nobody", &answer.len(), &0)
}

/// A merge of no changes changes nothing and answers what is known.
///
/// An update without a column to set is an error on most backends.
#[rule(
    "assignments::merge_attributes::of_nothing_changes_nothing",
    source = "kratos #10582: an empty list; dex: no-op updates"
)]
async fn no_changes_change_nothing(w: &Assignments) -> Checked {
    let none = std::collections::BTreeMap::new();
    let answer = w.store.merge_attributes(&w.tenant, &ada()?, &none).await?;
    equal("the answer of the merge", &answer, &w.known)?;
    let nobody = subject("nobody")?;
    let answer = w.store.merge_attributes(&w.tenant, &nobody, &none).await?;
    equal("what is known of nobody", &answer.len(), &0)?;
    w.subject_unchanged().await
}

/// Documents are kept exactly: every kind of value, every text, the widest numbers, and the
/// difference between null, empty and absent.
///
/// A clearance that came back as another number decides about another one.
#[rule(
    "assignments::merge_attributes::keeps_documents",
    source = "hydra, kratos: JSON null; spire: numbers through floats; AuthHero 285af35: emoji"
)]
async fn documents_are_kept_exactly(w: &Assignments) -> Checked {
    let given = changes([
        ("awkward", Some(awkward_document()?.into())),
        ("highest", Some(json!(u64::MAX))),
        ("text of a number", Some(json!("12"))),
        ("text of JSON", Some(json!("{\"a\":1}"))),
    ])?;
    let bob = subject("Bob")?;
    let answer = w.store.merge_attributes(&w.tenant, &bob, &given).await?;
    let expected = all_set(&given);
    equal("the answer of the merge", &answer, &expected)?;
    equal("what is known of Bob", &w.known_of(&bob).await?, &expected)
}

/// A document as large as there may be is kept whole, next to others.
///
/// A column that cuts it off keeps text that is no JSON any more.
#[rule(
    "assignments::merge_attributes::keeps_large_documents",
    source = "AuthHero 028f2b5, next-auth #160: columns that were too narrow"
)]
async fn large_documents_are_kept(w: &Assignments) -> Checked {
    let large = large_document()?;
    let given = changes([
        ("large", Some(large.into())),
        ("also", Some(document("beside it")?.into())),
    ])?;
    let bob = subject("Bob")?;
    let answer = w.store.merge_attributes(&w.tenant, &bob, &given).await?;
    let expected = all_set(&given);
    holds(answer == expected, "a mebibyte is answered as it was given")?;
    holds(
        w.known_of(&bob).await? == expected,
        "a mebibyte is read as it was given",
    )
}

/// Attributes whose names differ at all are different attributes, whatever they mean to a language
/// or a query.
///
/// A name that is a path, a pattern or a prototype reaches what it does not name.
#[rule(
    "assignments::merge_attributes::keeps_names_apart",
    source = "duck-iam 3.0.1: `__proto__` as an attribute; openfga CVE-2026-55170",
    environments = "collation"
)]
async fn hostile_names_are_kept_apart(w: &Assignments) -> Checked {
    let bob = subject("Bob")?;
    let given = changes(
        hostile()
            .iter()
            .enumerate()
            .map(|(number, name)| (name.as_str(), Some(json!(number)))),
    )?;
    let answer = w.store.merge_attributes(&w.tenant, &bob, &given).await?;
    let mut expected = all_set(&given);
    equal("the answer of the merge", &answer, &expected)?;
    for name in hostile().iter().step_by(2) {
        expected.remove(&AttributeName::new(name.clone())?);
    }
    let cleared = changes(
        hostile()
            .iter()
            .step_by(2)
            .map(|name| (name.as_str(), None)),
    )?;
    w.store.merge_attributes(&w.tenant, &bob, &cleared).await?;
    equal("what is known of Bob", &w.known_of(&bob).await?, &expected)
}

/// Each subject has attributes of its own, however alike the ids are.
///
/// What is known of one decides for another otherwise.
#[rule(
    "assignments::merge_attributes::keeps_subjects_apart",
    source = "openfga CVE-2026-55170; keyv #1590: a wrong key",
    environments = "collation"
)]
async fn hostile_subjects_have_their_own(w: &Assignments) -> Checked {
    for who in hostile() {
        let given = changes([("name", Some(json!(who)))])?;
        w.store
            .merge_attributes(&w.tenant, &subject(who)?, &given)
            .await?;
    }
    for who in hostile() {
        let known = w.other.attributes(&w.tenant, &subject(who)?).await?;
        let expected = all_set(&changes([("name", Some(json!(who)))])?);
        equal(&format!("what is known of {who:?}"), &known, &expected)?;
    }
    w.subject_unchanged().await
}

/// A subject may have as many attributes as the contract says, and when it does they can still be
/// changed, and one exchanged for another.
///
/// A limit that is one too low shows on the busiest account.
#[rule(
    "assignments::merge_attributes::takes_as_many_as_there_may_be",
    source = "the limit of the contract; kratos: batches at the limit"
)]
async fn as_many_as_there_may_be(w: &Assignments) -> Checked {
    let bob = subject("Bob")?;
    let full = changes((0..MAX_ATTRIBUTES).map(|n| (format!("{n:03}"), Some(json!(n)))))?;
    let answer = w.store.merge_attributes(&w.tenant, &bob, &full).await?;
    let mut expected = all_set(&full);
    holds(answer == expected, "each of a full set is answered")?;
    for given in [
        changes([("000", Some(json!("changed")))])?,
        // One comes before one goes, and after.
        changes([("!", Some(json!(1))), ("001", None)])?,
        changes([("002", None), ("new", Some(json!(1)))])?,
    ] {
        for (name, change) in &given {
            if *change == portproof_ports::AttributeChange::Clear {
                expected.remove(name);
            }
        }
        expected.extend(all_set(&given));
        let answer = w.store.merge_attributes(&w.tenant, &bob, &given).await?;
        holds(answer == expected, "a full set is changed as it was told")?;
    }
    holds(
        w.known_of(&bob).await? == expected,
        "a full set is read as it was changed",
    )
}

/// A merge after which there would be more attributes than the contract allows is refused, and
/// changes nothing, also none of those that were there.
///
/// A half of the changes is what nobody asked for.
#[rule(
    "assignments::merge_attributes::refuses_too_many",
    source = "nothing is changed by what is refused: the contract; AuthHero 285af35"
)]
async fn one_too_many_is_refused(w: &Assignments) -> Checked {
    let given = |count: usize| {
        let new = (0..count).map(|n| (format!("{n:03}"), Some(json!(n))));
        let known = [
            ("Clearance".to_owned(), None),
            ("clearance".to_owned(), Some(json!("changed"))),
        ];
        changes(known.into_iter().chain(new))
    };
    // Two of three are left of what is known.
    for count in [MAX_ATTRIBUTES - 1, MAX_ATTRIBUTES, MAX_ATTRIBUTES + 1] {
        let answer = w
            .store
            .merge_attributes(&w.tenant, &ada()?, &given(count)?)
            .await;
        fails("a merge of too many", answer, ErrorKind::Refused)?;
        w.subject_unchanged().await?;
    }
    let answer = w
        .store
        .merge_attributes(&w.tenant, &ada()?, &given(MAX_ATTRIBUTES - 2)?)
        .await?;
    equal("how many there may be", &answer.len(), &MAX_ATTRIBUTES)
}

/// Of fifty callers that each set another attribute at once, none undoes another's: all are there,
/// and each was answered its own.
///
/// Reading, changing and writing back keeps what the last of them knew.
#[rule(
    "assignments::merge_attributes::race_loses_nothing",
    source = "duck-iam 1.6.1: a merge that read and wrote; spring-session; better-auth #9993",
    environments = "isolation"
)]
async fn merge_race_loses_nothing(w: &Assignments) -> Checked {
    const CALLERS: usize = 50;
    let mut given = Vec::new();
    for caller in 0..CALLERS {
        given.push(changes([(
            format!("caller {caller}"),
            Some(json!(caller)),
        )])?);
    }
    for who in ["Ada", "Bob"] {
        let who = subject(who)?;
        let mut expected = w.known_of(&who).await?;
        let answers = race(CALLERS, |caller| {
            let (store, tenant, who) = (w.handle(caller), w.tenant.clone(), who.clone());
            let given = given[caller].clone();
            async move { store.merge_attributes(&tenant, &who, &given).await }
        })
        .await?;
        for (answer, given) in answers.into_iter().zip(&given) {
            let answer = answer?;
            holds(
                all_set(given)
                    .iter()
                    .all(|(name, value)| answer.get(name) == Some(value)),
                "a caller is answered what it set",
            )?;
            expected.extend(all_set(given));
        }
        equal("what is known", &w.known_of(&who).await?, &expected)?;
    }
    Ok(())
}

/// Callers that add attributes at once do not get past the limit: as many succeed as there is room
/// for, and the others are refused.
///
/// A limit that is counted before it is written is none.
#[rule(
    "assignments::merge_attributes::race_keeps_the_limit",
    source = "better-auth #9993, #10002: two accepts exceeded a limit",
    environments = "isolation"
)]
async fn merge_race_keeps_the_limit(w: &Assignments) -> Checked {
    const ROOM: usize = 3;
    for round in 0..4 {
        let who = subject(&format!("contested {round}"))?;
        let most = (0..MAX_ATTRIBUTES - ROOM).map(|n| (format!("{n:03}"), Some(json!(n))));
        w.store
            .merge_attributes(&w.tenant, &who, &changes(most)?)
            .await?;
        let mut given = Vec::new();
        for racer in 0..RACERS {
            given.push(changes([(format!("racer {racer}"), Some(json!(racer)))])?);
        }
        let answers = race(RACERS, |racer| {
            let (store, tenant, who) = (w.handle(racer), w.tenant.clone(), who.clone());
            let given = given[racer].clone();
            async move { store.merge_attributes(&tenant, &who, &given).await }
        })
        .await?;
        let mut added = 0;
        for answer in answers {
            if answer.is_ok() {
                added += 1;
            } else {
                fails("a merge past the limit", answer, ErrorKind::Refused)?;
            }
        }
        equal("how many merges had room", &added, &ROOM)?;
        let known = w.known_of(&who).await?;
        equal(
            "how many attributes there are",
            &known.len(),
            &MAX_ATTRIBUTES,
        )?;
    }
    Ok(())
}

/// Whoever reads while several attributes are changed in one merge sees all of the changes or none.
///
/// A department of yesterday with a clearance of today is somebody who does not exist.
#[rule(
    "assignments::merge_attributes::is_seen_whole",
    source = "AuthHero 2185ce2: statements outside of a transaction",
    environments = "isolation"
)]
async fn merge_is_seen_whole(w: &Assignments) -> Checked {
    let done = Arc::new(AtomicBool::new(false));
    let bob = subject("Bob")?;
    let mut writes = Vec::new();
    for number in 0..12 {
        writes.push(changes(
            ["one", "three", "two"].map(|name| (name, Some(json!(number)))),
        )?);
    }
    w.store
        .merge_attributes(&w.tenant, &bob, &writes[0])
        .await?;
    let answers = race(RACERS, |racer| {
        let (store, tenant, bob) = (w.handle(racer), w.tenant.clone(), bob.clone());
        let (done, writes) = (Arc::clone(&done), writes.clone());
        async move {
            if racer == 0 {
                let mut written = Ok(());
                for given in writes {
                    written = store
                        .merge_attributes(&tenant, &bob, &given)
                        .await
                        .map(drop);
                    if written.is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                done.store(true, Ordering::Relaxed);
                return written.map_err(Failure::from);
            }
            for _ in 0..200 {
                let known = store.attributes(&tenant, &bob).await?;
                let values: Vec<&Document> = known.values().collect();
                holds(
                    values.len() == 3 && values.iter().all(|value| *value == values[0]),
                    format!("a reader sees all changes of a merge or none, got {known:?}"),
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
