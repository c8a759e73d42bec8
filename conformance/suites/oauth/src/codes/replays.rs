//! Replays: what was consumed is known as consumed, until it is swept.

use portproof_ports::{BoundTo, Code, Consumed, Ports};

use super::{Codes, bound_to, new_code};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, day, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        replay_is_told,
        replay_is_told_to_the_end,
        consumed_code_is_shown,
        replay_is_nobody_elses,
        consumption_is_of_the_first,
    ]
}

/// Whoever consumes a consumed code is told that it is a replay, with the code as it is stored:
/// every field, as consumed by the first.
///
/// An engine that learns of a replay revokes what was issued from the code; it must know what that
/// is.
#[rule(
    "codes::consume::tells_a_replay",
    source = "hydra: an invalidated code stays readable; goiabada #77: reuse went unnoticed"
)]
async fn replay_is_told(w: &Codes) -> Checked {
    w.consume(&w.subject, minute(1)).await?;
    let consumed = Code {
        consumed_at: Some(minute(1)),
        ..w.subject.clone()
    };
    for again in 0..4 {
        let (kind, id, bound_to) = (&w.subject.kind, &w.subject.id, &w.subject.bound_to);
        let answer = w
            .handle(again)
            .consume(&w.tenant, kind, id, bound_to, minute(2))
            .await?;
        equal(
            "consuming it again",
            &answer,
            &Consumed::Replayed(consumed.clone()),
        )?;
    }
    Ok(())
}

/// A replay is told whatever the time is, also after the code's end, as long as the code is not
/// swept.
///
/// A stolen code that is tried after ten minutes is a stolen code all the same.
#[rule(
    "codes::consume::tells_a_replay_late",
    source = "hydra: invalidating a code keeps its row; the contract: until it is swept"
)]
async fn replay_is_told_to_the_end(w: &Codes) -> Checked {
    w.consume(&w.subject, minute(1)).await?;
    let consumed = Code {
        consumed_at: Some(minute(1)),
        ..w.subject.clone()
    };
    // By a clock that is behind the first consumer's, too.
    for now in [START, minute(9), minute(10), minute(11), day(300)] {
        let answer = w.consume(&w.subject, now).await?;
        equal(
            &format!("consuming it again at {now}"),
            &answer,
            &Consumed::Replayed(consumed.clone()),
        )?;
    }
    w.store.sweep(&w.tenant, minute(10), 1000).await?;
    equal(
        "consuming it after a sweep",
        &w.consume(&w.subject, minute(11)).await?,
        &Consumed::Refused,
    )
}

/// A consumed code is found, as consumed, until it is swept.
///
/// An engine that looks before it consumes takes a replay for a typing error.
#[rule(
    "codes::peek::shows_consumed_ones",
    source = "hydra: a used code is read with the error that it is used"
)]
async fn consumed_code_is_shown(w: &Codes) -> Checked {
    w.consume(&w.subject, minute(1)).await?;
    let consumed = Code {
        consumed_at: Some(minute(1)),
        ..w.subject.clone()
    };
    let (kind, id) = (&w.subject.kind, &w.subject.id);
    for now in [START, minute(1), minute(10), day(300)] {
        let found = w.seen_as(kind, id, now).await?;
        equal(
            &format!("the consumed code at {now}"),
            &found.as_ref(),
            &Some(&consumed),
        )?;
    }
    w.store.sweep(&w.tenant, minute(10), 1000).await?;
    equal("the code after a sweep", &w.seen(id).await?, &None)
}

/// That a code was consumed is told to those it is bound to: another client is refused as if there
/// were none.
///
/// Otherwise one client can have the tokens of another revoked, or learns whose they are.
#[rule(
    "codes::consume::tells_others_no_replay",
    source = "RFC 6749, 4.1.3: a code is the client's that it was issued to; the contract"
)]
async fn replay_is_nobody_elses(w: &Codes) -> Checked {
    w.consume(&w.subject, minute(1)).await?;
    for wrong in [BoundTo::Nobody, bound_to("App")?, bound_to("evil")?] {
        let answer = w
            .store
            .consume(&w.tenant, &w.subject.kind, &w.subject.id, &wrong, minute(2))
            .await?;
        equal(
            &format!("consuming what the app consumed as {wrong:?}"),
            &answer,
            &Consumed::Refused,
        )?;
    }
    Ok(())
}

/// A replay changes nothing: when the code was consumed stays what the first consumer said.
///
/// A thief who replays would move the time of the theft in every log.
#[rule(
    "codes::consume::keeps_the_first_time",
    source = "AuthHero: marking a code as used set its time anew on each call"
)]
async fn consumption_is_of_the_first(w: &Codes) -> Checked {
    let mut codes = vec![w.subject.clone()];
    codes.push(w.put(new_code("second")?).await?);
    for code in &codes {
        w.consume(code, minute(3)).await?;
    }
    for now in [START, minute(3), minute(5), minute(9)] {
        for code in &codes {
            w.consume(code, now).await?;
            w.guess(code, now).await?;
            let expected = Code {
                consumed_at: Some(minute(3)),
                ..code.clone()
            };
            equal(
                &format!("the code after a replay at {now}"),
                &w.seen(&code.id).await?,
                &Some(expected),
            )?;
        }
    }
    Ok(())
}
