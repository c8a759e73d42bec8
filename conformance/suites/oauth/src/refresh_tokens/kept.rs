//! What is kept exactly: ids, data, instants and spans.

use portproof_ports::{
    ClientId, Document, ErrorKind, FamiliesOf, Family, FamilyId, IdentityId, NewFamily,
    PageRequest, Ports, Rotation, SessionRef, Span, Timestamp,
};
use serde_json::json;

use super::{Families, LEEWAY, app, current, digest, long_family, new_family, rotated, spent};
use crate::{
    Case, Checked, Failure, cases,
    check::{equal, fails, holds, some},
    fixture::{START, awkward_document, hostile, instants, just_before, large_document},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        hostile_ids_are_kept_apart,
        data_is_kept_exactly,
        large_data_is_kept,
        instants_are_kept_exactly,
        idle_time_is_kept_exactly,
    ]
}

/// A family under a hostile text: its id and its client, identity and session are all called so.
fn called(name: &str) -> Result<NewFamily, Failure> {
    Ok(NewFamily {
        id: FamilyId::new(name)?,
        token: digest(&format!("token of {name}")),
        client: ClientId::new(name)?,
        session: Some(SessionRef::new(name)?),
        ..long_family("hostile", name)?
    })
}

/// Ids of families, identities, clients and sessions are kept and compared as bytes: case, accents,
/// composition, spaces and characters that mean something to a query language tell them apart.
///
/// An adapter that folds them lets one client use, or one user end, the tokens of another.
#[rule(
    "refresh_tokens::issue::keeps_ids_apart",
    source = "CVE-2026-55170: a collation made user:Alice and user:alice one",
    environments = "collation"
)]
async fn hostile_ids_are_kept_apart(w: &Families) -> Checked {
    for name in hostile() {
        w.store.issue(&w.tenant, called(name)?, START).await?;
    }
    let page = PageRequest::first(1000)?;
    for name in hostile() {
        let identity = IdentityId::new(name.clone())?;
        let listed = w.store.list_of(&w.tenant, &identity, START, &page).await?;
        let ids: Vec<FamilyId> = listed.items.into_iter().map(|family| family.id).collect();
        equal(
            &format!("the families of {name:?}"),
            &ids,
            &vec![FamilyId::new(name.clone())?],
        )?;
    }
    // Each way of ending takes exactly the one that is called so.
    for (number, name) in hostile().iter().enumerate() {
        let ended = match number % 4 {
            0 => u64::from(
                w.store
                    .revoke(&w.tenant, &FamilyId::new(name.clone())?)
                    .await?,
            ),
            1 => {
                let whose = FamiliesOf::Identity(IdentityId::new(name.clone())?);
                w.store.revoke_all_of(&w.tenant, &whose).await?
            }
            2 => {
                let whose = FamiliesOf::Client(ClientId::new(name.clone())?);
                w.store.revoke_all_of(&w.tenant, &whose).await?
            }
            _ => {
                let whose = FamiliesOf::Session(SessionRef::new(name.clone())?);
                w.store.revoke_all_of(&w.tenant, &whose).await?
            }
        };
        equal(
            &format!("how many families called {name:?} ended"),
            &ended,
            &1,
        )?;
    }
    w.subject_unchanged().await
}

/// A family's data is kept exactly, through rotations, too: nulls and absences, empty lists and
/// objects, numbers to 64 bits, fractions to the last digit, every character.
///
/// A scope that changes on its way lets an app do what nobody consented to.
#[rule(
    "refresh_tokens::issue::keeps_data_exactly",
    source = "AuthHero 285af35: an emoji made every later read fail"
)]
async fn data_is_kept_exactly(w: &Families) -> Checked {
    let documents = [
        awkward_document()?,
        Document::new(json!(null))?,
        Document::new(json!(false))?,
        Document::new(json!(0))?,
        Document::new(json!(""))?,
        Document::new(json!([]))?,
        Document::new(json!({}))?,
        Document::new(json!({"null": null, "nested": {"null": null}}))?,
    ];
    for (number, data) in documents.into_iter().enumerate() {
        let given = NewFamily {
            data: data.clone(),
            ..new_family(&format!("document {number}"))?
        };
        let issued = w.issue(given).await?;
        equal("the data that issue answers", &issued.data, &data)?;
        let found = some("the family", w.seen(&issued.token).await?)?;
        equal("the data as it is found", &found.family.data, &data)?;
        let new = digest(&format!("successor {number}"));
        let rotation = w.rotate(&issued.token, &new, START).await?;
        let expected = rotated(&issued, &new, START);
        equal(
            "the data that rotate answers",
            &rotation,
            &Rotation::Rotated(expected.clone()),
        )?;
        equal(
            "the data after a rotation",
            &w.seen(&new).await?,
            &current(&expected),
        )?;
    }
    Ok(())
}

/// Data of a mebibyte is kept whole.
///
/// A column that is too short cuts consent off, or logs apps out.
#[rule(
    "refresh_tokens::issue::keeps_large_data",
    source = "next-auth #9098, #4734; dex c7e9960c"
)]
async fn large_data_is_kept(w: &Families) -> Checked {
    let given = NewFamily {
        data: large_document()?,
        ..new_family("new")?
    };
    w.issue(given.clone()).await?;
    let found = some("the family", w.seen(&given.token).await?)?;
    holds(
        found.family.data == given.data,
        "a mebibyte of data is found as it was issued",
    )
}

/// Instants are kept to the microsecond, from 1970 to 9999, whatever the time zones of process,
/// server and session are: when a family was issued, seen and ends, and when a token was spent.
///
/// A token that was spent an hour ago in another time zone is a retry there, or a theft here.
#[rule(
    "refresh_tokens::issue::keeps_instants",
    source = "redaxo #6679, koa-pg-session #9, dex b51e73bc; hydra 337000aac: expires_at was not UTC",
    environments = "time_zone"
)]
async fn instants_are_kept_exactly(w: &Families) -> Checked {
    for instant in instants()? {
        let name = format!("{instant}");
        let given = NewFamily {
            idle: None,
            ends_at: Timestamp::MAX,
            ..new_family(&name)?
        };
        if instant == Timestamp::MAX {
            let ended = w.store.issue(&w.tenant, given, instant).await;
            fails(
                "issuing a family at the end of time",
                ended,
                ErrorKind::Refused,
            )?;
            continue;
        }
        let issued = w.store.issue(&w.tenant, given, instant).await?;
        let expected = Family {
            created_at: instant,
            seen_at: instant,
            ends_at: Timestamp::MAX,
            expires_at: Timestamp::MAX,
            ..issued.clone()
        };
        equal("the family as it is answered", &issued, &expected)?;
        let found = w.seen_at(&issued.token, instant).await?;
        equal("the family as it is found", &found, &current(&expected))?;
        // Issued at the beginning of time, and rotated then.
        let given = NewFamily {
            idle: None,
            ends_at: Timestamp::MAX,
            ..new_family(&format!("rotated at {name}"))?
        };
        let issued = w.store.issue(&w.tenant, given, Timestamp::MIN).await?;
        let new = digest(&format!("since {name}"));
        let rotation = w.rotate(&issued.token, &new, instant).await?;
        let expected = rotated(&issued, &new, instant);
        equal(
            "the family as its rotation answers it",
            &rotation,
            &Rotation::Rotated(expected.clone()),
        )?;
        equal(
            &format!("a token that was spent at {instant}"),
            &w.seen_at(&issued.token, instant).await?,
            &spent(&expected, instant),
        )?;
    }
    for ends_at in instants()? {
        if ends_at == Timestamp::MIN {
            continue;
        }
        let given = NewFamily {
            idle: None,
            ends_at,
            ..new_family(&format!("until {ends_at}"))?
        };
        let token = given.token.clone();
        w.store.issue(&w.tenant, given, Timestamp::MIN).await?;
        let last = w.seen_at(&token, just_before(ends_at)).await?;
        holds(
            last.is_some(),
            format!("a family that ends at {ends_at} is live just before"),
        )?;
        equal(
            &format!("a family that ends at {ends_at}, then"),
            &w.seen_at(&token, ends_at).await?,
            &None,
        )?;
    }
    Ok(())
}

/// The idle time is kept to the microsecond, from one microsecond to thousands of years, and every
/// rotation counts with it.
///
/// A column of whole seconds or minutes logs apps out early, or never.
#[rule(
    "refresh_tokens::issue::keeps_the_idle_time",
    source = "lucia #1392: seconds and milliseconds were mixed; dex b51e73bc: precision was lost"
)]
async fn idle_time_is_kept_exactly(w: &Families) -> Checked {
    for micros in [
        1,
        999,
        1_500,
        90_000_001,
        i64::from(u32::MAX) * 1_000,
        3_000_000_000_000_001,
        Timestamp::MAX.as_micros(),
    ] {
        let idle = Span::from_micros(micros)?;
        let given = NewFamily {
            idle: Some(idle),
            ends_at: Timestamp::MAX,
            ..new_family(&format!("idle {micros}"))?
        };
        let issued = w.issue(given).await?;
        let expected = Family {
            expires_at: START.after(idle),
            idle: Some(idle),
            ..issued.clone()
        };
        equal("the family as it is answered", &issued, &expected)?;
        let found = w.seen(&issued.token).await?;
        equal("the family as it is found", &found, &current(&expected))?;
        let (new, last) = (
            digest(&format!("after {micros}")),
            just_before(issued.expires_at),
        );
        let rotation = w
            .other
            .rotate(&w.tenant, &app()?, &issued.token, &new, Some(LEEWAY), last)
            .await?;
        equal(
            "the family that is rotated at its last moment",
            &rotation,
            &Rotation::Rotated(rotated(&issued, &new, last)),
        )?;
    }
    Ok(())
}
