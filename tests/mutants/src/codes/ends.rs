//! Mutants that revoke and sweep wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    Code, CodeKinds, CodeStore, CodesOf, Consumed, IdentityId, PortError, Ports, Span, Timestamp,
};

use super::{
    Answer, Call, asks, is_meant, key, key_of, mutant, mutant_per_handle, others_run, tells,
};
use crate::edits::Edits;

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    let mut mutants = Edits::<dyn CodeStore>::new(|ports| &mut ports.codes)
        .race(
            "codes::revocations_race",
            "codes::revoke::race_has_one_winner",
            "revoke",
        )
        .race(
            "codes::sweeps_race",
            "codes::sweep::race_counts_each_once",
            "sweep",
        )
        .done();
    mutants.extend(revoked());
    mutants.extend(all_revoked());
    mutants.extend(swept());
    mutants
}

fn revoked() -> Vec<Mutant<Ports>> {
    const SPARES: &str = "codes::revoke::spares_consumed_ones";
    vec![
        mutant_per_handle(
            "codes::revoke_leaves_other_caches",
            "codes::revoke::ends_it_everywhere",
            |table, call| async move {
                let Some(key) = key_of(&call) else {
                    return table.call(call).await;
                };
                let Call::Peek { now, .. } = call else {
                    table.notes().beside.remove(&key);
                    return table.call(call).await;
                };
                let cached = table.notes().beside.get(&key).cloned();
                if let Some(cached) = cached.filter(|cached| cached.is_live(now)) {
                    return Ok(Answer::Peek(Some(cached)));
                }
                let answer = table.call(call).await?;
                if let Answer::Peek(Some(code)) = &answer {
                    table.notes().beside.insert(key, code.clone());
                }
                Ok(answer)
            },
        )
        .re_enacts("better-auth #3885, #10520: what a second store kept went on authenticating"),
        tells(
            "codes::revoke_always_says_yes",
            "codes::revoke::answers_whether_there_was_one",
            |_, answer| match answer {
                Answer::Revoke(_) => Ok(Answer::Revoke(true)),
                answer => Ok(answer),
            },
        )
        .re_enacts("AuthHero: removing a missing row answered true"),
        mutant(
            "codes::revoke_spares_the_expired",
            "codes::revoke::ends_a_dead_one",
            |table, call| async move {
                let key = key_of(&call);
                if let (Call::Revoke { .. }, Some(key)) = (&call, &key)
                    && table.notes().marked.contains(key)
                {
                    return Ok(Answer::Revoke(false));
                }
                let answer = table.call(call).await?;
                // What was over when it was last looked for is over.
                if let (Answer::Peek(None), Some(key)) = (&answer, key)
                    && table.row(&key).await?.is_some()
                {
                    table.notes().marked.insert(key);
                }
                Ok(answer)
            },
        ),
        mutant(
            "codes::revoke_hides_what_was_consumed",
            SPARES,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                let Some(key) = key_of(&call) else {
                    return Ok(answer);
                };
                let consumed = table.notes().consumed.contains_key(&key);
                match (&call, &answer) {
                    (Call::Revoke { .. }, _) if consumed => {
                        table.notes().marked.insert(key);
                    }
                    (Call::Consume { .. }, Answer::Consume(Consumed::Replayed(_)))
                        if table.notes().marked.contains(&key) =>
                    {
                        return Ok(Answer::Consume(Consumed::Refused));
                    }
                    _ => {}
                }
                Ok(answer)
            },
        ),
        mutant(
            "codes::revoke_counts_what_was_consumed",
            SPARES,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (Answer::Revoke(false), Some(key)) = (&answer, key_of(&call)) {
                    let consumed = table.notes().consumed.contains_key(&key);
                    return Ok(Answer::Revoke(consumed));
                }
                Ok(answer)
            },
        ),
        mutant(
            "codes::revoke_looks_then_deletes",
            "codes::revoke::races_with_a_consumer",
            |table, call| async move {
                let Some(key) = key_of(&call).filter(|_| matches!(call, Call::Revoke { .. }))
                else {
                    return table.call(call).await;
                };
                let before = table.row(&key).await?;
                others_run().await;
                let answer = table.call(call).await?;
                let was_there = before.is_some_and(|code| code.consumed_at.is_none());
                Ok(if was_there {
                    Answer::Revoke(true)
                } else {
                    answer
                })
            },
        ),
        mutant(
            "codes::revoke_is_a_mark",
            "codes::revoke::frees_the_id",
            |table, call| async move {
                let key = key_of(&call);
                if let (Call::Put { .. }, Some(key)) = (&call, &key)
                    && table.notes().marked.contains(key)
                {
                    return Err(PortError::already_exists("code"));
                }
                let answer = table.call(call).await?;
                if let (Answer::Revoke(true), Some(key)) = (&answer, key) {
                    table.notes().marked.insert(key);
                }
                Ok(answer)
            },
        ),
        mutant(
            "codes::guesses_outlive_a_revocation",
            "codes::revoke::frees_the_id",
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                let Some(key) = key_of(&call) else {
                    return Ok(answer);
                };
                if let Answer::RecordFailure(Some(code)) = &answer {
                    table.notes().beside.insert(key, code.clone());
                } else if let (Call::Put { .. }, Answer::Put(code)) = (&call, &answer)
                    && let Some(before) = table.notes().beside.get(&key)
                {
                    return Ok(Answer::Put(Code {
                        failures: before.failures,
                        ..code.clone()
                    }));
                }
                Ok(answer)
            },
        ),
    ]
}

fn all_revoked() -> Vec<Mutant<Ports>> {
    const THEIRS: &str = "codes::revoke_all_of::ends_exactly_theirs";
    const CLIENT: &str = "codes::revoke_all_of::ends_a_clients";
    vec![
        asks("codes::revoke_all_of_without_case", THEIRS, |call| {
            if let Call::RevokeAllOf {
                whose: CodesOf::Identity(identity),
                ..
            } = call
                && let Ok(folded) = IdentityId::new(identity.as_str().to_lowercase())
            {
                *identity = folded;
            }
        }),
        mutant(
            "codes::revoke_all_of_ends_what_begins_alike",
            THEIRS,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                let (
                    Call::RevokeAllOf {
                        tenant,
                        whose: CodesOf::Identity(asked),
                        ..
                    },
                    &Answer::RevokeAllOf(mut ended),
                ) = (call, &answer)
                else {
                    return Ok(answer);
                };
                for code in table.rows(&tenant, |_| true).await? {
                    let owner = code.identity.as_ref();
                    if owner.is_some_and(|owner| owner.as_str().starts_with(asked.as_str())) {
                        let revoked = table.store.revoke(&tenant, &code.kind, &code.id);
                        ended += u64::from(revoked.await?);
                    }
                }
                Ok(Answer::RevokeAllOf(ended))
            },
        ),
        tells(
            "codes::revoke_all_of_counts_statements",
            THEIRS,
            |_, answer| match answer {
                Answer::RevokeAllOf(ended) => Ok(Answer::RevokeAllOf(ended.min(1))),
                answer => Ok(answer),
            },
        )
        .re_enacts("better-auth #6572, #5682: the counts of affected rows were wrong"),
        asks("codes::clients_are_taken_for_identities", CLIENT, |call| {
            if let Call::RevokeAllOf { whose, .. } = call
                && let CodesOf::Client(client) = whose
                && let Ok(identity) = IdentityId::new(client.as_str())
            {
                *whose = CodesOf::Identity(identity);
            }
        })
        .re_enacts("better-auth #9818: an id was passed where another was meant"),
        mutant(
            "codes::a_clients_codes_are_its_users",
            CLIENT,
            |table, call| async move {
                let Call::RevokeAllOf {
                    tenant,
                    whose: whose @ CodesOf::Client(_),
                    kinds,
                } = &call
                else {
                    return table.call(call).await;
                };
                // A join with the users, which leaves out codes of nobody.
                let mut ended = 0;
                for code in table.rows(tenant, |code| code.identity.is_some()).await? {
                    if is_meant(&code, whose, kinds) {
                        let revoked = table.store.revoke(tenant, &code.kind, &code.id);
                        ended += u64::from(revoked.await?);
                    }
                }
                Ok(Answer::RevokeAllOf(ended))
            },
        ),
        asks(
            "codes::revoke_all_of_looks_at_no_kind",
            "codes::revoke_all_of::keeps_to_the_kind",
            |call| {
                if let Call::RevokeAllOf { kinds, .. } = call {
                    *kinds = CodeKinds::Every;
                }
            },
        ),
        mutant(
            "codes::revoke_all_of_counts_what_was_consumed",
            "codes::revoke_all_of::spares_consumed_ones",
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                let (
                    Call::RevokeAllOf {
                        tenant,
                        whose,
                        kinds,
                    },
                    Answer::RevokeAllOf(ended),
                ) = (&call, &answer)
                else {
                    return Ok(answer);
                };
                let notes = table.notes();
                let consumed = notes
                    .consumed
                    .iter()
                    .filter(|((of, ..), code)| of == tenant && is_meant(code, whose, kinds));
                Ok(Answer::RevokeAllOf(ended + consumed.count() as u64))
            },
        ),
        mutant(
            "codes::revoke_all_of_ends_the_first_thousand",
            "codes::revoke_all_of::ends_more_than_a_page",
            |table, call| async move {
                let Call::RevokeAllOf {
                    tenant,
                    whose,
                    kinds,
                } = &call
                else {
                    return table.call(call).await;
                };
                let mut theirs = table
                    .rows(tenant, |code| code.consumed_at.is_none())
                    .await?;
                theirs.retain(|code| is_meant(code, whose, kinds));
                theirs.truncate(1000);
                let mut ended = 0;
                for code in theirs {
                    let revoked = table.store.revoke(tenant, &code.kind, &code.id);
                    ended += u64::from(revoked.await?);
                }
                Ok(Answer::RevokeAllOf(ended))
            },
        )
        .re_enacts("AuthHero 7d9f138: a logout revoked the first 100 only"),
        mutant(
            "codes::revoke_all_of_counts_then_deletes",
            "codes::revoke_all_of::race_counts_what_ended",
            |table, call| async move {
                let Call::RevokeAllOf {
                    tenant,
                    whose,
                    kinds,
                } = &call
                else {
                    return table.call(call).await;
                };
                let mut theirs = table
                    .rows(tenant, |code| code.consumed_at.is_none())
                    .await?;
                theirs.retain(|code| is_meant(code, whose, kinds));
                others_run().await;
                table.call(call.clone()).await?;
                Ok(Answer::RevokeAllOf(theirs.len() as u64))
            },
        ),
    ]
}

fn swept() -> Vec<Mutant<Ports>> {
    const OVER: &str = "codes::sweep::removes_exactly_what_is_over";
    const LIMIT: &str = "codes::sweep::keeps_to_its_limit";
    const KEEPS: &str = "codes::sweep::keeps_what_is_not_over";
    const INSTANTS: &str = "codes::sweep::knows_every_instant";
    vec![
        asks("codes::sweep_spares_what_ends_now", OVER, |call| {
            if let Call::Sweep { now, .. } = call {
                *now = now.before(Span::MICROSECOND);
            }
        }),
        asks("codes::sweep_is_a_microsecond_early", OVER, |call| {
            if let Call::Sweep { now, .. } = call {
                *now = now.after(Span::MICROSECOND);
            }
        }),
        tells(
            "codes::sweep_counts_statements",
            OVER,
            |_, answer| match answer {
                Answer::Sweep(swept) => Ok(Answer::Sweep(swept.min(1))),
                answer => Ok(answer),
            },
        ),
        asks("codes::sweep_ignores_its_limit", LIMIT, |call| {
            if let Call::Sweep { at_most, .. } = call {
                *at_most = u32::MAX;
            }
        }),
        asks("codes::sweep_of_none_is_a_sweep_of_all", LIMIT, |call| {
            if let Call::Sweep { at_most, .. } = call
                && *at_most == 0
            {
                *at_most = u32::MAX;
            }
        }),
        asks("codes::sweep_is_half_an_hour_early", KEEPS, |call| {
            if let Call::Sweep { now, .. } = call {
                *now = now.after(Span::minutes(30));
            }
        })
        .re_enacts("AuthHero c65565c: the cleanup removed what was live"),
        mutant(
            "codes::sweep_removes_what_was_consumed",
            KEEPS,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (Call::Sweep { tenant, .. }, Answer::Sweep(swept)) = (&call, &answer) {
                    let rows = table
                        .rows(tenant, |code| code.consumed_at.is_some())
                        .await?;
                    let mut notes = table.notes();
                    let hidden = rows.iter().map(|code| key(tenant, code));
                    let hidden = hidden.filter(|key| notes.marked.insert(key.clone()));
                    return Ok(Answer::Sweep(swept + hidden.count() as u64));
                }
                if let (Answer::Consume(Consumed::Replayed(_)), Some(key)) =
                    (&answer, key_of(&call))
                    && table.notes().marked.contains(&key)
                {
                    return Ok(Answer::Consume(Consumed::Refused));
                }
                Ok(answer)
            },
        ),
        mutant(
            "codes::sweep_leaves_the_index",
            "codes::sweep::frees_the_id",
            |table, call| async move {
                if let Call::Put { .. } = &call
                    && let Some(key) = key_of(&call)
                    && table.notes().marked.contains(&key)
                {
                    return Err(PortError::already_exists("code"));
                }
                let answer = table.call(call.clone()).await?;
                if let (Call::Sweep { tenant, .. }, Answer::Sweep(1..)) = (&call, &answer) {
                    let mut notes = table.notes();
                    let theirs = notes.stored.keys().filter(|(of, ..)| of == tenant);
                    let theirs: Vec<_> = theirs.cloned().collect();
                    notes.marked.extend(theirs);
                }
                Ok(answer)
            },
        )
        .re_enacts("spring-session #367: indexes were never pruned"),
        asks(
            "codes::sweep_reads_its_cutoff_in_another_zone",
            INSTANTS,
            |call| {
                if let Call::Sweep { now, .. } = call {
                    *now = now.before(Span::minutes(60));
                }
            },
        )
        .re_enacts("greyproxy #4: a local time was compared with one in UTC"),
        asks("codes::sweep_ends_in_2038", INSTANTS, |call| {
            if let Call::Sweep { now, .. } = call
                && let Ok(last) = Timestamp::from_micros(2_147_483_647_000_000)
            {
                *now = last.min(*now);
            }
        }),
        asks(
            "codes::sweep_has_batches_of_its_own",
            "codes::sweep::removes_thousands",
            |call| {
                if let Call::Sweep { at_most, .. } = call {
                    *at_most = 500.min(*at_most);
                }
            },
        ),
    ]
}
