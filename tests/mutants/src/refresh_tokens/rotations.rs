//! Mutants that rotate wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    Document, ErrorKind, Family, FamilyId, PortError, Ports, RefreshDigest, Rotation, Span,
};

use super::{Answer, Call, keeps, mutant, new_of, rotates};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [kept(), moved(), refused()].into_iter().flatten().collect()
}

fn kept() -> Vec<Mutant<Ports>> {
    const KEEPS: &str = "refresh_tokens::rotate::keeps_the_family";
    const AGAIN: &str = "refresh_tokens::rotate::works_again_and_again";
    let changed = |id, change: fn(&mut Family)| {
        keeps(id, KEEPS, move |family| {
            if family.rotations > 0 {
                change(family);
            }
        })
    };
    vec![
        changed("refresh_tokens::rotate_drops_the_data", |family| {
            family.data = Document::empty();
        }),
        changed("refresh_tokens::rotate_drops_the_session", |family| {
            family.session = None;
        }),
        changed("refresh_tokens::rotate_is_a_new_creation", |family| {
            family.created_at = family.seen_at;
        }),
        mutant(
            "refresh_tokens::rotate_makes_a_new_family",
            KEEPS,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (
                    Call::Rotate {
                        tenant, new, now, ..
                    },
                    Answer::Rotate(Rotation::Rotated(family)),
                ) = (&call, &answer)
                {
                    table.store.revoke(tenant, &family.id).await?;
                    let given = new_of(family, family.id.clone(), new.clone());
                    let now = family.seen_at.max(*now);
                    let issued = table.store.issue(tenant, given, now).await?;
                    return Ok(Answer::Rotate(Rotation::Rotated(issued)));
                }
                Ok(answer)
            },
        )
        .re_enacts("AuthHero: a token was made anew and its parent marked, in two writes"),
        rotates(
            "refresh_tokens::rotate_works_once",
            AGAIN,
            |table, rotate| async move {
                match rotate.presented(&table).await? {
                    Some(token) if token.family.token == rotate.old => {
                        if token.family.rotations > 0 {
                            return Ok(Rotation::Gone);
                        }
                        rotate.on(&table).await
                    }
                    _ => rotate.on(&table).await,
                }
            },
        ),
        mutant(
            "refresh_tokens::rotate_spends_all_tokens_again",
            AGAIN,
            |table, call| async move {
                let mut answer = table.call(call).await?;
                if let Answer::Get(Some(token)) = &mut answer {
                    token.spent_at = token.spent_at.and(Some(token.family.seen_at));
                }
                Ok(answer)
            },
        )
        .re_enacts("hydra: first_used_at must be written once"),
    ]
}

fn moved() -> Vec<Mutant<Ports>> {
    const SLIDES: &str = "refresh_tokens::rotate::slides_the_idle_end";
    const BACK: &str = "refresh_tokens::rotate::never_moves_back";
    vec![
        keeps(
            "refresh_tokens::rotate_moves_the_absolute_end",
            SLIDES,
            |family| {
                if family.rotations > 0 {
                    family.ends_at = family.seen_at.after(Span::days(90));
                    family.expires_at = Family::expiry(family.seen_at, family.idle, family.ends_at);
                }
            },
        ),
        keeps(
            "refresh_tokens::rotate_forgets_the_absolute_end",
            SLIDES,
            |family| {
                if family.rotations > 0
                    && let Some(idle) = family.idle
                {
                    family.expires_at = family.seen_at.after(idle);
                }
            },
        ),
        keeps("refresh_tokens::rotate_is_no_use", SLIDES, |family| {
            family.seen_at = family.created_at;
            family.expires_at = Family::expiry(family.seen_at, family.idle, family.ends_at);
        }),
        rotates(
            "refresh_tokens::rotate_by_a_slow_clock_is_late",
            BACK,
            |table, rotate| async move {
                match rotate.presented(&table).await? {
                    Some(token) if rotate.now < token.family.seen_at => Ok(Rotation::Gone),
                    _ => rotate.on(&table).await,
                }
            },
        ),
        mutant(
            "refresh_tokens::slow_clocks_spend_earlier",
            BACK,
            |table, call| async move {
                let mut answer = table.call(call.clone()).await?;
                match (call, &mut answer) {
                    (
                        Call::Rotate {
                            tenant, old, now, ..
                        },
                        Answer::Rotate(Rotation::Rotated(_)),
                    ) => {
                        table.notes().times.insert((tenant, old), now);
                    }
                    (Call::Get { tenant, token, .. }, Answer::Get(Some(found))) => {
                        let spent_at = table.notes().times.get(&(tenant, token)).copied();
                        found.spent_at = spent_at.or(found.spent_at);
                    }
                    _ => {}
                }
                Ok(answer)
            },
        ),
        mutant(
            "refresh_tokens::slow_clocks_move_the_family_back",
            BACK,
            |table, call| async move {
                let mut answer = table.call(call.clone()).await?;
                if let (
                    Call::Rotate { tenant, now, .. },
                    Answer::Rotate(Rotation::Rotated(family)),
                ) = (&call, &answer)
                {
                    let key = (tenant.clone(), family.id.clone());
                    table.notes().families.insert(key, *now);
                }
                if let (Call::Get { tenant, .. } | Call::Rotate { tenant, .. }, answer) =
                    (&call, &mut answer)
                {
                    super::each(answer, |family| {
                        let key = (tenant.clone(), family.id.clone());
                        if let Some(now) = table.notes().families.get(&key) {
                            family.seen_at = *now;
                            family.expires_at = Family::expiry(*now, family.idle, family.ends_at);
                        }
                    });
                }
                Ok(answer)
            },
        ),
    ]
}

fn refused() -> Vec<Mutant<Ports>> {
    const CLIENT: &str = "refresh_tokens::rotate::is_for_its_client_only";
    const LIVE: &str = "refresh_tokens::rotate::needs_a_live_family";
    const STORED: &str = "refresh_tokens::rotate::refuses_a_stored_token";
    vec![
        rotates(
            "refresh_tokens::rotate_is_for_every_client",
            CLIENT,
            |table, mut rotate| async move {
                if let Some(token) = rotate.presented(&table).await? {
                    rotate.client = token.family.client;
                }
                rotate.on(&table).await
            },
        )
        .re_enacts("AuthHero dd071e0: a refresh token was accepted for another client"),
        rotates(
            "refresh_tokens::another_client_ends_the_family",
            CLIENT,
            |table, rotate| async move {
                if let Some(token) = rotate.presented(&table).await?
                    && token.family.client != rotate.client
                {
                    table.store.revoke(&rotate.tenant, &token.family.id).await?;
                }
                rotate.on(&table).await
            },
        ),
        rotates(
            "refresh_tokens::reuse_is_told_to_every_client",
            CLIENT,
            |table, mut rotate| async move {
                if let Some(token) = rotate.presented(&table).await?
                    && token.spent_at.is_some()
                {
                    rotate.client = token.family.client;
                }
                rotate.on(&table).await
            },
        ),
        rotates(
            "refresh_tokens::rotate_ignores_the_end",
            LIVE,
            |table, mut rotate| async move {
                rotate.now = rotate.now.before(Span::MICROSECOND);
                rotate.on(&table).await
            },
        ),
        rotates(
            "refresh_tokens::rotate_looks_at_the_new_token_first",
            LIVE,
            |table, rotate| async move {
                if table.row(&rotate.tenant, &rotate.new).await?.is_some() {
                    return Err(PortError::already_exists("refresh token"));
                }
                rotate.on(&table).await
            },
        ),
        rotates(
            "refresh_tokens::rotate_stores_first_and_looks_later",
            LIVE,
            |table, rotate| async move {
                let rotation = rotate.on(&table).await?;
                if rotation == Rotation::Gone {
                    let rows = table.rows(&rotate.tenant).await?;
                    if let Some(any) = rows.first() {
                        let id = FamilyId::new(format!("orphan {:?}", rotate.new))?;
                        let given = new_of(any, id, rotate.new.clone());
                        // Whether it succeeds is no matter to an adapter that did not mean it.
                        let _ = table
                            .store
                            .issue(&rotate.tenant, given, rotate.now.before(Span::days(1)))
                            .await;
                    }
                }
                Ok(rotation)
            },
        ),
        rotates(
            "refresh_tokens::rotate_overwrites",
            STORED,
            |table, rotate| async move {
                if let Some(token) = rotate.presented(&table).await?
                    && token.spent_at.is_none()
                    && let Some(owner) = table.row(&rotate.tenant, &rotate.new).await?
                    && owner.family.id != token.family.id
                {
                    table.store.revoke(&rotate.tenant, &owner.family.id).await?;
                }
                rotate.on(&table).await
            },
        ),
        rotates(
            "refresh_tokens::rotate_burns_the_token_of_a_refused_one",
            STORED,
            |table, mut rotate| async move {
                let rotation = rotate.on(&table).await;
                if rotation
                    .as_ref()
                    .is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
                {
                    rotate.new = RefreshDigest::of(rotate.old.as_bytes());
                    // It is spent, and then its successor cannot be stored.
                    rotate.on(&table).await?;
                }
                rotation
            },
        ),
        rotates(
            "refresh_tokens::rotate_to_itself_is_a_retry",
            STORED,
            |table, rotate| async move {
                match rotate.presented(&table).await? {
                    Some(token) if rotate.old == rotate.new => Ok(Rotation::Retried(token.family)),
                    _ => rotate.on(&table).await,
                }
            },
        ),
        rotates(
            "refresh_tokens::rotate_takes_an_expired_token",
            STORED,
            |table, rotate| async move {
                if let Some(owner) = table.row(&rotate.tenant, &rotate.new).await?
                    && !owner.family.is_live(rotate.now)
                {
                    table.store.revoke(&rotate.tenant, &owner.family.id).await?;
                }
                rotate.on(&table).await
            },
        ),
    ]
}
