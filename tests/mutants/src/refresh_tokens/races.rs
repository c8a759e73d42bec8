//! Mutants that look first and write later, when others had their turn.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use portproof::mutants::Mutant;
use portproof_ports::{Ports, Rotation};

use super::{Answer, Call, each, forever, mutant, new_of, others_run, rotates};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    let running = Arc::new(AtomicUsize::new(0));
    vec![
        rotates(
            "refresh_tokens::rotate_looks_then_writes",
            "refresh_tokens::rotate::race_has_one_successor",
            |table, mut rotate| async move {
                let seen = rotate.presented(&table).await?;
                others_run().await;
                let rotation = rotate.on(&table).await?;
                match (seen, rotation) {
                    (Some(seen), Rotation::Retried(family)) if seen.spent_at.is_none() => {
                        rotate.old = family.token;
                        rotate.on(&table).await
                    }
                    (_, rotation) => Ok(rotation),
                }
            },
        )
        .re_enacts("hydra #3207, fosite #652: concurrent rotations of one token all succeeded"),
        rotates(
            "refresh_tokens::late_rotation_is_no_reuse",
            "refresh_tokens::rotate::strict_race_ends_the_family",
            |table, rotate| async move {
                let seen = rotate.presented(&table).await?;
                others_run().await;
                if seen.is_none_or(|seen| seen.spent_at.is_some()) {
                    return rotate.on(&table).await;
                }
                match rotate.within(forever()).on(&table).await? {
                    Rotation::Retried(_) => Ok(Rotation::Gone),
                    rotation => Ok(rotation),
                }
            },
        )
        .re_enacts("leodip/goiabada #77: concurrent exchanges went around reuse detection"),
        rotates(
            "refresh_tokens::rotate_looks_at_the_new_token_then_writes",
            "refresh_tokens::rotate::race_for_one_token",
            |table, rotate| async move {
                let taken = table.row(&rotate.tenant, &rotate.new).await?;
                others_run().await;
                if taken.is_none()
                    && let Some(owner) = table.row(&rotate.tenant, &rotate.new).await?
                {
                    table.store.revoke(&rotate.tenant, &owner.family.id).await?;
                }
                rotate.on(&table).await
            },
        )
        .re_enacts("twentyhq/twenty #26025: looked first and wrote later"),
        mutant(
            "refresh_tokens::rotations_at_once_are_counted_once",
            "refresh_tokens::rotate::loses_no_rotation",
            move |table, call| {
                let running = Arc::clone(&running);
                async move {
                    let rotates = matches!(call, Call::Rotate { .. });
                    let others = running.fetch_add(usize::from(rotates), Ordering::SeqCst);
                    if rotates {
                        others_run().await;
                    }
                    let mut answer = table.call(call).await;
                    running.fetch_sub(usize::from(rotates), Ordering::SeqCst);
                    // The count that was read before the others wrote theirs.
                    if let Ok(Answer::Rotate(Rotation::Rotated(_))) = &answer
                        && others == 0
                    {
                        return answer;
                    }
                    if let Ok(answer) = &mut answer {
                        each(answer, |family| {
                            family.rotations = family.rotations.saturating_sub(2);
                        });
                    }
                    answer
                }
            },
        )
        .re_enacts("dex: of 100 parallel updates some were lost"),
        rotates(
            "refresh_tokens::rotate_is_get_then_set",
            "refresh_tokens::rotate::never_undoes_a_revocation",
            |table, rotate| async move {
                let seen = rotate.presented(&table).await?;
                others_run().await;
                let rotation = rotate.on(&table).await?;
                match seen {
                    Some(seen) if seen.spent_at.is_none() && rotation == Rotation::Gone => {
                        let id = seen.family.id.clone();
                        let given = new_of(&seen.family, id, rotate.new.clone());
                        let again = table.store.issue(&rotate.tenant, given, rotate.now).await;
                        Ok(again.map_or(Rotation::Gone, Rotation::Rotated))
                    }
                    _ => Ok(rotation),
                }
            },
        )
        .re_enacts("auth0/nextjs-auth0 #2335: a rolling session was saved after its logout"),
        rotates(
            "refresh_tokens::reuse_is_looked_at_then_told",
            "refresh_tokens::reuse::race_is_told_once",
            |table, rotate| async move {
                let seen = rotate.presented(&table).await?;
                others_run().await;
                let rotation = rotate.on(&table).await?;
                match seen {
                    Some(seen) if seen.spent_at.is_some() && rotation == Rotation::Gone => {
                        Ok(Rotation::Reused(seen.family))
                    }
                    _ => Ok(rotation),
                }
            },
        )
        .re_enacts("everruns #2427: whether an atomic write won was answered, and ignored"),
        rotates(
            "refresh_tokens::reuse_ends_what_it_saw",
            "refresh_tokens::reuse::race_with_the_successor",
            |table, rotate| async move {
                let seen = rotate.presented(&table).await?;
                others_run().await;
                let now = rotate.presented(&table).await?;
                match (seen, now) {
                    (Some(seen), Some(now))
                        if seen.spent_at.is_some() && now.family.token != seen.family.token =>
                    {
                        // The row that it would delete is not the one that it saw.
                        Ok(Rotation::Reused(seen.family))
                    }
                    _ => rotate.on(&table).await,
                }
            },
        )
        .re_enacts("leodip/goiabada #77: the detection of reuse lost against a rotation"),
    ]
}
