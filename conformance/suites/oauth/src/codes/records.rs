//! Codes as records: what is stored is what was given, once.

use std::num::NonZeroU32;

use portproof_ports::{
    BoundTo, ClientId, Code, CodeKinds, CodesOf, Consumed, ErrorKind, IdentityId, NewCode, Ports,
    Span, Timestamp,
};

use super::{Codes, bound_to, digest, kind, long_code, new_code};
use crate::{
    Case, Checked, cases,
    check::{equal, fails, holds, some},
    fixture::{
        START, awkward_document, day, document, hostile, instants, just_before, large_document,
        minute,
    },
    race::{RACERS, exactly_one, race},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        ready_answers,
        put_is_stored_whole,
        stored_id_is_refused,
        spent_id_is_refused,
        no_end_in_the_past,
        put_race_has_one_owner,
        owners_need_not_be_stored,
        hostile_kinds_are_kept_apart,
        hostile_owners_are_kept_apart,
        guesses_are_kept_exactly,
        data_is_kept_exactly,
        large_data_is_kept,
        instants_are_kept_exactly,
    ]
}

/// A store that is open says that it is ready, on every handle.
///
/// An engine that cannot rely on it starts on a store that does not work, and no code is redeemed.
#[rule(
    "codes::ready::answers",
    source = "spicedb #3142: one hung call wedged the server"
)]
async fn ready_answers(w: &Codes) -> Checked {
    w.store.ready().await?;
    w.other.ready().await?;
    Ok(())
}

/// A code is answered as it is stored: every field as it was given, without failures, not consumed.
///
/// A redirect or a PKCE challenge that is lost on the way is one that nobody compares.
#[rule(
    "codes::put::stores_it_whole",
    source = "dex #3119: PKCE fields were lost in a store"
)]
async fn put_is_stored_whole(w: &Codes) -> Checked {
    let whole = new_code("whole")?;
    let of_nobody = NewCode {
        id: digest("another of nobody"),
        identity: None,
        ..whole.clone()
    };
    let unbound = NewCode {
        id: digest("unbound"),
        bound_to: BoundTo::Nobody,
        ..whole.clone()
    };
    let endless = NewCode {
        id: digest("endless"),
        guesses: None,
        ..whole.clone()
    };
    for given in [whole, of_nobody, unbound, endless] {
        let stored = w.store.put(&w.tenant, given.clone(), START).await?;
        let expected = Code {
            kind: given.kind,
            id: given.id,
            bound_to: given.bound_to,
            identity: given.identity,
            guesses: given.guesses,
            expires_at: given.expires_at,
            data: given.data,
            failures: 0,
            consumed_at: None,
            created_at: START,
        };
        equal("the answer of put", &stored, &expected)?;
        equal(
            "the code as it is read",
            &w.seen(&stored.id).await?,
            &Some(expected),
        )?;
    }
    w.subject_unchanged().await
}

/// A code is never stored over another: a stored id is refused and its code stays as it is.
///
/// Whoever can bring about a second code under an id redeems it as somebody else.
#[rule(
    "codes::put::refuses_a_stored_id",
    source = "dex: unique user and device codes, a second create fails"
)]
async fn stored_id_is_refused(w: &Codes) -> Checked {
    let mut given = long_code("subject", "Mallory", "evil")?;
    given.data = document("other data")?;
    let answer = w.other.put(&w.tenant, given, minute(1)).await;
    fails(
        "storing a code under a stored id",
        answer,
        ErrorKind::AlreadyExists,
    )?;
    w.subject_unchanged().await
}

/// Also the id of a code that was consumed, is over or guessed out, and is not swept yet, is
/// refused, and what is stored stays.
///
/// A used assertion or nonce that can be stored again is one that can be used again.
#[rule(
    "codes::put::refuses_a_spent_id",
    source = "hydra: a known client assertion is rejected; keycloak: put if absent of single-use marks"
)]
async fn spent_id_is_refused(w: &Codes) -> Checked {
    let consumed = w.put(new_code("consumed")?).await?;
    w.is_consumed_once(&consumed, minute(1)).await?;
    let guessed_out = w.guessed_out("guessed out").await?;
    for (what, bearer, now) in [
        ("a consumed code", "consumed", minute(2)),
        ("a consumed code at its end", "consumed", minute(10)),
        ("a code that is guessed out", "guessed out", minute(2)),
        ("a code at its end", "subject", minute(10)),
        ("a code long after its end", "subject", day(1)),
    ] {
        let given = long_code(bearer, "Mallory", "app")?;
        let answer = w.store.put(&w.tenant, given, now).await;
        fails(
            &format!("storing a code under the id of {what}"),
            answer,
            ErrorKind::AlreadyExists,
        )?;
    }
    let replay = w.consume(&consumed, minute(3)).await?;
    holds(
        matches!(replay, Consumed::Replayed(code) if code.identity == consumed.identity),
        "the consumed code is still known as consumed",
    )?;
    equal(
        "consuming the one that is guessed out",
        &w.consume(&guessed_out, minute(3)).await?,
        &Consumed::Refused,
    )?;
    w.subject_unchanged().await
}

/// A code that would be over when it is stored is refused, and nothing is stored.
///
/// Backends read an elapsed end as "no end" and keep the code for ever.
#[rule(
    "codes::put::refuses_an_elapsed_end",
    source = "keyv: a save with an elapsed expiry must not last for ever"
)]
async fn no_end_in_the_past(w: &Codes) -> Checked {
    for (bearer, expires_at) in [("at now", START), ("before now", just_before(START))] {
        let given = NewCode {
            expires_at,
            ..new_code(bearer)?
        };
        let answer = w.store.put(&w.tenant, given, START).await;
        fails(
            &format!("storing a code that is over {bearer}"),
            answer,
            ErrorKind::Refused,
        )?;
        let id = digest(bearer);
        let found = w.seen_as(&w.subject.kind, &id, Timestamp::MIN).await?;
        equal("what is stored of a refused code", &found, &None)?;
        w.put(new_code(bearer)?).await?;
    }
    let brief = NewCode {
        expires_at: START.after(Span::MICROSECOND),
        ..new_code("brief")?
    };
    let brief = w.put(brief).await?;
    w.is_consumed_once(&brief, START).await
}

/// Of callers that store one id at once, one owns the code and the others are told.
///
/// Two users who are given one code log in as each other.
#[rule(
    "codes::put::race_has_one_owner",
    source = "keycloak: of two who mark a value as used, one is first; twentyhq/twenty #26025",
    environments = "isolation"
)]
async fn put_race_has_one_owner(w: &Codes) -> Checked {
    for round in 0..4 {
        let id = digest(&format!("contested {round}"));
        let mut candidates = Vec::new();
        for racer in 0..RACERS {
            let mut given = new_code(&format!("owner {racer}"))?;
            given.id = id.clone();
            candidates.push(given);
        }
        let answers = race(RACERS, |racer| {
            let store = w.handle(racer);
            let (tenant, given) = (w.tenant.clone(), candidates[racer].clone());
            async move { store.put(&tenant, given, START).await }
        })
        .await?;
        exactly_one(
            "storing one id at once",
            &answers,
            Result::is_ok,
            |answer| {
                answer
                    .as_ref()
                    .is_err_and(|e| e.kind() == ErrorKind::AlreadyExists)
            },
        )?;
        let owned = answers.into_iter().find_map(Result::ok);
        equal(
            "the code that the winner was told it owns",
            &w.seen(&id).await?,
            &owned,
        )?;
    }
    Ok(())
}

/// A code may name an identity and a client that are stored nowhere.
///
/// With foreign keys, whoever registers or whose account is kept elsewhere gets no code.
#[rule(
    "codes::put::needs_no_owner",
    source = "AuthHero 3b77bf0: a missing row of another table made every insert fail"
)]
async fn owners_need_not_be_stored(w: &Codes) -> Checked {
    let given = long_code(
        "new",
        "an identity that is stored nowhere",
        "a client that is stored nowhere",
    )?;
    let stored = w.put(given).await?;
    w.unchanged(&stored).await?;
    w.is_consumed_once(&stored, minute(1)).await
}

/// Kinds are kept and compared as bytes: one digest is a code of its own in each kind.
///
/// A code for verifying an address that passes as one for a new password takes accounts over.
#[rule(
    "codes::put::keeps_kinds_apart",
    source = "AuthHero: consume looked at no kind; CVE-2026-55170: a collation made two ids one",
    environments = "collation"
)]
async fn hostile_kinds_are_kept_apart(w: &Codes) -> Checked {
    let mut stored = Vec::new();
    for name in hostile() {
        let given = NewCode {
            kind: kind(name)?,
            data: document(name)?,
            ..new_code("of each kind")?
        };
        stored.push(w.store.put(&w.tenant, given, START).await?);
    }
    for code in &stored {
        let found = w.seen_as(&code.kind, &code.id, START).await?;
        equal("the code of this kind", &found.as_ref(), &Some(code))?;
    }
    for code in &stored {
        let consumed = w.consume(code, minute(1)).await?;
        let expected = Consumed::First(Code {
            consumed_at: Some(minute(1)),
            ..code.clone()
        });
        equal("consuming the code of this kind", &consumed, &expected)?;
    }
    w.subject_unchanged().await
}

/// The ids of identities and clients are kept and compared as bytes.
///
/// An adapter that folds them hands one client's codes to another.
#[rule(
    "codes::put::keeps_owners_apart",
    source = "CVE-2026-55170: a collation made user:Alice and user:alice one",
    environments = "collation"
)]
async fn hostile_owners_are_kept_apart(w: &Codes) -> Checked {
    let tenant = w.context.tenant()?;
    for (number, name) in hostile().iter().enumerate() {
        for of in ["identity", "client"] {
            let given = NewCode {
                id: digest(&format!("of {of} {number}")),
                bound_to: bound_to(if of == "client" { name } else { "any" })?,
                identity: match of {
                    "identity" => Some(IdentityId::new(name.clone())?),
                    _ => None,
                },
                ..new_code("new")?
            };
            let stored = w.store.put(&tenant, given, START).await?;
            let found = w.store.peek(&tenant, &stored.kind, &stored.id, START).await;
            equal("the code as it is read", &found?, &Some(stored))?;
        }
    }
    for name in hostile() {
        for whose in [
            CodesOf::Identity(IdentityId::new(name.clone())?),
            CodesOf::Client(ClientId::new(name.clone())?),
        ] {
            let ended = w
                .store
                .revoke_all_of(&tenant, &whose, &CodeKinds::Every)
                .await?;
            equal(&format!("how many codes of {whose:?} ended"), &ended, &1)?;
        }
    }
    Ok(())
}

/// How many guesses end a code is kept, from one to as many as there can be.
///
/// A limit that is cut off lets a short code be guessed, or locks its owner out.
#[rule(
    "codes::put::keeps_the_guesses",
    source = "kratos: the limit of submissions is configurable"
)]
async fn guesses_are_kept_exactly(w: &Codes) -> Checked {
    for guesses in [1, 2, 127, 255, 32_768, 65_536, 2_147_483_648, u32::MAX] {
        let given = NewCode {
            guesses: NonZeroU32::new(guesses),
            ..new_code(&format!("{guesses} guesses"))?
        };
        let stored = w.put(given.clone()).await?;
        equal(
            "the guesses as they are answered",
            &stored.guesses,
            &given.guesses,
        )?;
        w.unchanged(&stored).await?;
        let counted = Code {
            failures: 1,
            ..stored.clone()
        };
        equal(
            &format!("the first of {guesses} guesses"),
            &w.guess(&stored, minute(1)).await?,
            &Some(counted),
        )?;
    }
    Ok(())
}

/// A code's data is kept exactly: nulls and absences, empty lists and objects, numbers to 64 bits,
/// every character; a `state` or a redirect of 4 KiB is whole.
///
/// A redirect that changes on its way sends a code to somebody else, or nowhere.
#[rule(
    "codes::put::keeps_data_exactly",
    source = "dex c7e9960c: a state longer than its column; AuthHero 285af35"
)]
async fn data_is_kept_exactly(w: &Codes) -> Checked {
    let given = NewCode {
        data: awkward_document()?,
        ..new_code("new")?
    };
    let stored = w.put(given.clone()).await?;
    equal("the data that put answers", &stored.data, &given.data)?;
    w.unchanged(&stored).await?;
    w.is_consumed_once(&stored, minute(1)).await
}

/// Data of a mebibyte is kept whole.
///
/// A column that is too short cuts requests off, or lets nobody log in.
#[rule(
    "codes::put::keeps_large_data",
    source = "next-auth #4734, dex c7e9960c: a value too long for its column"
)]
async fn large_data_is_kept(w: &Codes) -> Checked {
    let given = NewCode {
        data: large_document()?,
        ..new_code("new")?
    };
    let stored = w.put(given.clone()).await?;
    let found = some("the code", w.seen(&stored.id).await?)?;
    holds(
        found.data == given.data,
        "a mebibyte of data is read as it was written",
    )
}

/// Instants are kept to the microsecond, from 1970 to 9999, whatever the time zones of process,
/// server and session are.
///
/// Codes of ten minutes work for an hour more, or never.
#[rule(
    "codes::put::keeps_instants",
    source = "hydra 337000aac: an end that was not in UTC; redaxo #6679, dex b51e73bc",
    environments = "time_zone"
)]
async fn instants_are_kept_exactly(w: &Codes) -> Checked {
    for instant in instants()? {
        if instant == Timestamp::MAX {
            let given = NewCode {
                expires_at: instant,
                ..new_code("at the end of time")?
            };
            let answer = w.store.put(&w.tenant, given, instant).await;
            fails(
                "storing a code at the end of time",
                answer,
                ErrorKind::Refused,
            )?;
            continue;
        }
        let given = NewCode {
            expires_at: Timestamp::MAX,
            ..new_code(&format!("stored at {instant}"))?
        };
        let stored = w.store.put(&w.tenant, given, instant).await?;
        equal("when it was stored", &stored.created_at, &instant)?;
        let found = w.seen_as(&stored.kind, &stored.id, instant).await?;
        equal("the code as it is read", &found.as_ref(), &Some(&stored))?;
        w.is_consumed_once(&stored, instant).await?;
    }
    for expires_at in instants()? {
        if expires_at == Timestamp::MIN {
            continue;
        }
        let given = NewCode {
            expires_at,
            ..new_code(&format!("until {expires_at}"))?
        };
        let stored = w.store.put(&w.tenant, given, Timestamp::MIN).await?;
        let last = just_before(expires_at);
        let found = w.seen_as(&stored.kind, &stored.id, last).await?;
        equal(
            &format!("a code that is over at {expires_at}, just before"),
            &found.as_ref(),
            &Some(&stored),
        )?;
        let over = w.seen_as(&stored.kind, &stored.id, expires_at).await?;
        equal(
            &format!("a code that is over at {expires_at}, then"),
            &over,
            &None,
        )?;
    }
    Ok(())
}
