//! Mutants that consume wrongly, or know nothing of replays.

use portproof::mutants::Mutant;
use portproof_ports::{
    BoundTo, Code, CodeKind, CodeKinds, CodesOf, Consumed, PortError, PortResult, Ports, Span,
};

use super::{
    Answer, Call, Refusal, Table, consumed_at, key_of, mutant, others_run, refuses, tells,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [first(), bound(), replayed()]
        .into_iter()
        .flatten()
        .collect()
}

fn first() -> Vec<Mutant<Ports>> {
    const ONCE: &str = "codes::consume::succeeds_once";
    const END: &str = "codes::consume::minds_the_end";
    vec![
        tells(
            "codes::consume_always_succeeds",
            ONCE,
            |_, answer| match answer {
                Answer::Consume(Consumed::Replayed(code)) => {
                    Ok(Answer::Consume(Consumed::First(code)))
                }
                answer => Ok(answer),
            },
        )
        .re_enacts("AuthHero: marking a code as used succeeded fifty times of fifty"),
        mutant(
            "codes::consumption_is_cached",
            ONCE,
            |table, call| async move {
                let consumes = matches!(call, Call::Consume { .. });
                let Some(key) = key_of(&call).filter(|_| consumes) else {
                    return table.call(call).await;
                };
                if let Some(code) = table.notes().beside.get(&key).cloned() {
                    return Ok(Answer::Consume(Consumed::First(code)));
                }
                let answer = table.call(call).await?;
                if let Answer::Consume(Consumed::First(code)) = &answer {
                    table.notes().beside.insert(key, code.clone());
                }
                Ok(answer)
            },
        )
        .re_enacts("AuthHero: through its cache one code was redeemed three times"),
        tells(
            "codes::consume_answers_the_row_before",
            ONCE,
            |_, answer| match answer {
                Answer::Consume(Consumed::First(code)) => {
                    Ok(Answer::Consume(Consumed::First(Code {
                        consumed_at: None,
                        ..code
                    })))
                }
                answer => Ok(answer),
            },
        ),
        mutant(
            "codes::consume_looks_then_writes",
            "codes::consume::race_has_one_winner",
            |table, call| async move {
                let Some(key) = key_of(&call).filter(|_| matches!(call, Call::Consume { .. }))
                else {
                    return table.call(call).await;
                };
                let before = table.row(&key).await?;
                others_run().await;
                let answer = table.call(call).await?;
                match (before, answer) {
                    (Some(before), Answer::Consume(Consumed::Replayed(code)))
                        if before.consumed_at.is_none() =>
                    {
                        Ok(Answer::Consume(Consumed::First(code)))
                    }
                    (_, answer) => Ok(answer),
                }
            },
        )
        .re_enacts("supabase/auth #2613, twentyhq/twenty #26025: looked, then marked"),
        refuses(
            "codes::expired_ones_are_consumed",
            END,
            |table, refusal| async move {
                if refusal.bound_to != refusal.stored.bound_to {
                    return Ok(Consumed::Refused);
                }
                consume_all_the_same(&table, &refusal).await
            },
        )
        .re_enacts("AuthHero: consume looked at no expiry"),
        refuses(
            "codes::consumed_at_the_very_end",
            END,
            |table, refusal| async move {
                if refusal.bound_to != refusal.stored.bound_to
                    || refusal.now != refusal.stored.expires_at
                {
                    return Ok(Consumed::Refused);
                }
                consume_all_the_same(&table, &refusal).await
            },
        ),
        refuses(
            "codes::consuming_late_burns",
            END,
            |table, refusal| async move {
                if refusal.now >= refusal.stored.expires_at {
                    burn(&table, &refusal).await?;
                }
                Ok(Consumed::Refused)
            },
        ),
        mutant(
            "codes::consume_takes_a_while",
            "codes::consume::refusals_burn_nothing",
            |table, call| async move {
                let Some((tenant, kind, id)) =
                    key_of(&call).filter(|_| matches!(call, Call::Consume { .. }))
                else {
                    return table.call(call).await;
                };
                // A lock by the digest alone, that nobody waits for.
                let lock = (tenant, kind.clone(), id);
                let is_free = table.notes().marked.insert(lock.clone());
                if !is_free {
                    return Ok(Answer::Consume(Consumed::Refused));
                }
                others_run().await;
                let answer = table.call(call).await;
                table.notes().marked.remove(&lock);
                answer
            },
        ),
        mutant(
            "codes::unknown_is_an_error",
            "codes::consume::unknown_is_refused",
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if answer == Answer::Consume(Consumed::Refused)
                    && let Some(key) = key_of(&call)
                    && table.row(&key).await?.is_none()
                {
                    return Err(PortError::not_found("code"));
                }
                Ok(answer)
            },
        ),
        mutant(
            "codes::unknown_is_marked_as_used",
            "codes::consume::unknown_is_refused",
            |table, call| async move {
                if let Call::Put { .. } = &call
                    && let Some(key) = key_of(&call)
                    && table.notes().marked.contains(&key)
                {
                    return Err(PortError::already_exists("code"));
                }
                let answer = table.call(call.clone()).await?;
                if answer == Answer::Consume(Consumed::Refused)
                    && let Some(key) = key_of(&call)
                    && table.row(&key).await?.is_none()
                {
                    table.notes().marked.insert(key);
                }
                Ok(answer)
            },
        ),
        mutant(
            "codes::consume_ends_the_others",
            "codes::consume::leaves_others",
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (Call::Consume { tenant, kind, .. }, Answer::Consume(Consumed::First(code))) =
                    (call, &answer)
                    && let Some(identity) = &code.identity
                {
                    let whose = CodesOf::Identity(identity.clone());
                    let kinds = CodeKinds::Only(kind);
                    table.store.revoke_all_of(&tenant, &whose, &kinds).await?;
                }
                Ok(answer)
            },
        ),
    ]
}

fn bound() -> Vec<Mutant<Ports>> {
    const CLIENT: &str = "codes::consume::needs_its_client";
    const KIND: &str = "codes::consume::needs_its_kind";
    /// Of the rules, and of made-up calls.
    const KINDS: [&str; 2] = ["authorization_code", "ticket"];
    vec![
        refuses(
            "codes::clients_are_not_compared",
            CLIENT,
            |table, refusal| async move { consume_in_time(&table, &refusal).await },
        )
        .re_enacts("AuthHero dd071e0: a token was taken from another client"),
        refuses(
            "codes::naming_no_client_is_any_client",
            CLIENT,
            |table, refusal| async move {
                if refusal.bound_to == BoundTo::Nobody {
                    return consume_in_time(&table, &refusal).await;
                }
                Ok(Consumed::Refused)
            },
        )
        .re_enacts("paySphere #1917: an absent value dropped its condition"),
        refuses(
            "codes::bound_to_nobody_is_to_anybody",
            CLIENT,
            |table, refusal| async move {
                if refusal.stored.bound_to == BoundTo::Nobody {
                    return consume_in_time(&table, &refusal).await;
                }
                Ok(Consumed::Refused)
            },
        ),
        refuses(
            "codes::another_client_burns",
            CLIENT,
            |table, refusal| async move {
                if refusal.bound_to != refusal.stored.bound_to {
                    burn(&table, &refusal).await?;
                }
                Ok(Consumed::Refused)
            },
        ),
        mutant(
            "codes::consume_looks_at_no_kind",
            KIND,
            |table, mut call| async move {
                let answer = table.call(call.clone()).await?;
                if answer != Answer::Consume(Consumed::Refused) {
                    return Ok(answer);
                }
                for other in KINDS {
                    if let Call::Consume { kind, .. } = &mut call {
                        *kind = CodeKind::new(other)?;
                    }
                    let answer = table.call(call.clone()).await?;
                    if answer != Answer::Consume(Consumed::Refused) {
                        return Ok(answer);
                    }
                }
                Ok(answer)
            },
        )
        .re_enacts("AuthHero: consume looked at no kind"),
        mutant(
            "codes::another_kind_burns",
            KIND,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (Call::Consume { tenant, id, .. }, Answer::Consume(Consumed::Refused)) =
                    (&call, &answer)
                {
                    for kind in KINDS {
                        let kind = CodeKind::new(kind)?;
                        table.store.revoke(tenant, &kind, id).await?;
                    }
                }
                Ok(answer)
            },
        ),
    ]
}

fn replayed() -> Vec<Mutant<Ports>> {
    const SHOWN: &str = "codes::peek::shows_consumed_ones";
    vec![
        tells(
            "codes::consumed_rows_are_deleted",
            "codes::consume::tells_a_replay",
            |_, answer| match answer {
                Answer::Consume(Consumed::Replayed(_)) => Ok(Answer::Consume(Consumed::Refused)),
                answer => Ok(answer),
            },
        )
        .re_enacts("goiabada #77: a reuse of a code went unnoticed"),
        tells(
            "codes::a_replay_names_nobody",
            "codes::consume::tells_a_replay",
            |_, answer| match answer {
                Answer::Consume(Consumed::Replayed(code)) => {
                    Ok(Answer::Consume(Consumed::Replayed(Code {
                        identity: None,
                        ..code
                    })))
                }
                answer => Ok(answer),
            },
        ),
        tells(
            "codes::replays_are_told_in_time_only",
            "codes::consume::tells_a_replay_late",
            |call, answer| match (call, answer) {
                (Call::Consume { now, .. }, Answer::Consume(Consumed::Replayed(code)))
                    if *now >= code.expires_at =>
                {
                    Ok(Answer::Consume(Consumed::Refused))
                }
                (_, answer) => Ok(answer),
            },
        ),
        tells(
            "codes::peek_hides_consumed_ones",
            SHOWN,
            |_, answer| match answer {
                Answer::Peek(Some(code)) if code.consumed_at.is_some() => Ok(Answer::Peek(None)),
                answer => Ok(answer),
            },
        ),
        tells(
            "codes::peek_hides_consumed_ones_at_their_end",
            SHOWN,
            |call, answer| match (call, answer) {
                (Call::Peek { now, .. }, Answer::Peek(Some(code))) if *now >= code.expires_at => {
                    Ok(Answer::Peek(None))
                }
                (_, answer) => Ok(answer),
            },
        ),
        refuses(
            "codes::replays_are_told_to_anybody",
            "codes::consume::tells_others_no_replay",
            |_, refusal| async move {
                if refusal.stored.consumed_at.is_some() {
                    return Ok(Consumed::Replayed(refusal.stored));
                }
                Ok(Consumed::Refused)
            },
        ),
        mutant(
            "codes::replays_move_the_time",
            "codes::consume::keeps_the_first_time",
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                match (call, answer) {
                    (
                        Call::Consume { tenant, now, .. },
                        Answer::Consume(Consumed::Replayed(code)),
                    ) => {
                        let code = consumed_at(code, now);
                        let key = super::key(&tenant, &code);
                        table.notes().beside.insert(key, code.clone());
                        Ok(Answer::Consume(Consumed::Replayed(code)))
                    }
                    (Call::Peek { tenant, .. }, Answer::Peek(Some(code))) => {
                        let moved = table
                            .notes()
                            .beside
                            .get(&super::key(&tenant, &code))
                            .cloned();
                        Ok(Answer::Peek(Some(moved.unwrap_or(code))))
                    }
                    (_, answer) => Ok(answer),
                }
            },
        )
        .re_enacts("AuthHero: marking a code as used set its time anew on each call"),
    ]
}

/// Consumes a code that was refused, as what it is, at its last moment; answers it as of now.
async fn consume_all_the_same(table: &Table, refusal: &Refusal) -> PortResult<Consumed> {
    let code = &refusal.stored;
    let last = code.expires_at.before(Span::MICROSECOND);
    let consumed = table
        .store
        .consume(&refusal.tenant, &code.kind, &code.id, &code.bound_to, last)
        .await?;
    Ok(match consumed {
        Consumed::First(code) => Consumed::First(consumed_at(code, refusal.now)),
        other => other,
    })
}

/// Consumes a code that was refused, as what it is, if it is not over.
async fn consume_in_time(table: &Table, refusal: &Refusal) -> PortResult<Consumed> {
    let code = &refusal.stored;
    let (tenant, now) = (&refusal.tenant, refusal.now);
    table
        .store
        .consume(tenant, &code.kind, &code.id, &code.bound_to, now)
        .await
}

/// Uses up a code that was refused.
async fn burn(table: &Table, refusal: &Refusal) -> PortResult<bool> {
    let (tenant, kind, id) = refusal.key();
    table.store.revoke(&tenant, &kind, &id).await
}
