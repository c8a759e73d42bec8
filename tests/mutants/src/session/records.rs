//! Mutants that store sessions wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    Document, IdentityId, Keep, NewSession, PortError, PortResult, Ports, Session, Span, Timestamp,
};
use serde_json::{Value, json};

use super::{Answer, Call, Table, asks, each, mutant, others_run, page_by_offset, stores, tells};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [created(), kept()].into_iter().flatten().collect()
}

fn created() -> Vec<Mutant<Ports>> {
    const WHOLE: &str = "session::create::stores_it_whole";
    const STORED: &str = "session::create::refuses_a_stored_id";
    const ELAPSED: &str = "session::create::refuses_an_elapsed_end";
    const EARLIER: &str = "session::create::expires_at_the_earlier_end";
    vec![
        tells(
            "session::ready_fails",
            "session::ready::answers",
            |call, answer| match call {
                Call::Ready {} => Err(PortError::Unavailable("no pool".into())),
                _ => answer,
            },
        ),
        stores("session::create_drops_the_identity", WHOLE, |session| {
            session.identity = None;
        })
        .re_enacts("AuthHero 5dddd72: create dropped fields of what it was given"),
        stores("session::absent_idle_is_the_longest", WHOLE, |session| {
            session.idle = session
                .idle
                .or(Span::from_micros(Timestamp::MAX.as_micros()).ok());
        }),
        tells(
            "session::defaults_are_made_up_on_read",
            WHOLE,
            |call, answer| match call {
                Call::Get { .. } => Ok(each(answer?, |session| {
                    session.identity = session.identity.take().or(IdentityId::new("guest").ok());
                })),
                _ => answer,
            },
        )
        .re_enacts("better-auth #5779: defaults were applied on read"),
        tells(
            "session::create_answers_before_the_defaults",
            WHOLE,
            |call, answer| match call {
                Call::Create { .. } => Ok(each(answer?, |session| {
                    session.expires_at = session.ends_at;
                })),
                _ => answer,
            },
        ),
        mutant(
            "session::create_is_an_upsert",
            STORED,
            |table, call| async move {
                if let Call::Create {
                    tenant,
                    session,
                    now,
                } = &call
                    && session.ends_at > *now
                {
                    table.store.revoke(tenant, &session.id).await?;
                }
                table.call(call).await
            },
        ),
        mutant(
            "session::create_answers_what_is_stored",
            STORED,
            |table, call| async move {
                if let Call::Create {
                    tenant, session, ..
                } = &call
                    && let Some(row) = table.row(tenant, &session.id).await?
                {
                    return Ok(Answer::Create(row));
                }
                table.call(call).await
            },
        ),
        mutant(
            "session::create_takes_the_place_of_an_expired_one",
            "session::create::refuses_an_expired_id",
            |table, call| async move {
                if let Call::Create {
                    tenant,
                    session,
                    now,
                } = &call
                    && session.ends_at > *now
                    && table.store.get(tenant, &session.id, *now).await?.is_none()
                {
                    table.store.revoke(tenant, &session.id).await?;
                }
                table.call(call).await
            },
        ),
        asks(
            "session::create_accepts_an_end_at_now",
            ELAPSED,
            |mut call| {
                if let Call::Create { session, now, .. } = &mut call
                    && session.ends_at == *now
                {
                    *now = now.before(Span::MICROSECOND);
                }
                call
            },
        ),
        asks("session::elapsed_end_is_no_end", ELAPSED, |mut call| {
            if let Call::Create { session, now, .. } = &mut call
                && session.ends_at <= *now
            {
                session.ends_at = Timestamp::MAX;
            }
            call
        }),
        tells(
            "session::create_refuses_a_brief_session",
            ELAPSED,
            |call, answer| match call {
                Call::Create { session, now, .. }
                    if session.ends_at <= now.after(Span::MICROSECOND) =>
                {
                    Err(PortError::refused("ends_at", "is too soon"))
                }
                _ => answer,
            },
        ),
        stores("session::knows_no_idle_end", EARLIER, |session| {
            session.idle = None;
        }),
        stores("session::knows_no_absolute_end", EARLIER, |session| {
            if session.idle.is_some() {
                session.ends_at = Timestamp::MAX;
            }
        }),
        stores(
            "session::idle_is_kept_in_seconds",
            "session::create::keeps_the_idle_time",
            |session| {
                session.idle = session.idle.map(|idle| in_steps_of(idle, 1_000_000));
            },
        )
        .re_enacts("lucia #1392: seconds and milliseconds were mixed"),
        stores(
            "session::idle_is_32_bits_of_millis",
            "session::create::keeps_the_idle_time",
            |session| {
                session.idle = session.idle.map(|idle| {
                    idle.min(Span::from_micros(i64::from(u32::MAX) * 1_000).unwrap_or(idle))
                });
            },
        ),
        mutant(
            "session::create_looks_then_writes",
            "session::create::race_has_one_owner",
            |table, call| async move {
                let Call::Create {
                    tenant,
                    session,
                    now,
                } = call
                else {
                    return table.call(call).await;
                };
                if session.ends_at > now && table.row(&tenant, &session.id).await?.is_none() {
                    others_run().await;
                    table.store.revoke(&tenant, &session.id).await?;
                }
                Ok(Answer::Create(
                    table.store.create(&tenant, session, now).await?,
                ))
            },
        ),
        tells(
            "session::identity_is_a_foreign_key",
            "session::create::needs_no_identity",
            |call, answer| match call {
                Call::Create {
                    session:
                        NewSession {
                            identity: Some(identity),
                            ..
                        },
                    ..
                } if !["Ada", "ada"].contains(&identity.as_str()) => {
                    Err(PortError::not_found("identity"))
                }
                _ => answer,
            },
        )
        .re_enacts("AuthHero 3b77bf0: a row that another table lacked made every insert fail"),
    ]
}

fn kept() -> Vec<Mutant<Ports>> {
    const APART: &str = "session::create::keeps_identities_apart";
    const DATA: &str = "session::create::keeps_data_exactly";
    const LARGE: &str = "session::create::keeps_large_data";
    const INSTANTS: &str = "session::create::keeps_instants";
    vec![
        mutant(
            "session::identities_are_compared_without_case",
            APART,
            |table, call| {
                by_identity(table, call, |one, two| {
                    one.to_lowercase() == two.to_lowercase()
                })
            },
        )
        .re_enacts("CVE-2026-55170 (openfga): a collation made user:Alice and user:alice one"),
        mutant(
            "session::identities_are_compared_without_padding",
            APART,
            |table, call| by_identity(table, call, |one, two| one.trim_end() == two.trim_end()),
        ),
        mutant("session::identities_are_patterns", APART, |table, call| {
            by_identity(table, call, |stored, asked| {
                stored == asked
                    || asked
                        .strip_suffix('%')
                        .is_some_and(|start| stored.starts_with(start))
            })
        }),
        stores("session::data_goes_through_doubles", DATA, |session| {
            session.data = rewritten(&session.data, &|value| {
                if let Value::Number(number) = value {
                    *value = json!(number.as_f64());
                }
            });
        }),
        stores("session::data_loses_its_nulls", DATA, |session| {
            session.data = rewritten(&session.data, &|value| {
                if let Value::Object(fields) = value {
                    fields.retain(|_, field| !field.is_null());
                }
            });
        }),
        tells("session::emoji_are_not_read_back", DATA, |_, answer| {
            let answer = answer?;
            if let Answer::Get(Some(session)) = &answer
                && session.data.to_json().chars().any(|c| c > '\u{ffff}')
            {
                return Err(PortError::corrupt("session"));
            }
            Ok(answer)
        })
        .re_enacts("AuthHero 285af35: an emoji made every later read fail"),
        asks("session::update_keeps_no_bare_null", DATA, |mut call| {
            if let Call::Update { data, .. } = &mut call
                && data.value().is_null()
            {
                *data = Document::empty();
            }
            call
        }),
        stores("session::data_is_cut_off", LARGE, |session| {
            session.data = rewritten(&session.data, &|value| {
                if let Value::String(text) = value {
                    *text = text.chars().take(65_535).collect();
                }
            });
        })
        .re_enacts("ADmad/cakephp-social-auth #30: a token was cut off silently"),
        tells(
            "session::data_is_too_long_for_its_column",
            LARGE,
            |call, answer| match call {
                Call::Create { session, .. } if session.data.to_json().len() > 65_535 => {
                    Err(PortError::Backend("value too long for the column".into()))
                }
                _ => answer,
            },
        )
        .re_enacts("next-auth #4734: a value too long for its column locked a user out"),
        asks(
            "session::instants_are_kept_in_millis",
            INSTANTS,
            |mut call| {
                if let Call::Create { now, .. } | Call::Touch { now, .. } = &mut call {
                    *now = micros(now.as_micros() / 1_000 * 1_000);
                }
                call
            },
        )
        .re_enacts("dex b51e73bc: timestamps were stored with the default precision"),
        stores("session::ends_an_hour_late", INSTANTS, |session| {
            session.ends_at = session.ends_at.after(Span::minutes(60));
        })
        .re_enacts("redaxo #6679: an instant was read in the zone of the database's session"),
        asks(
            "session::instants_are_32_bits_of_seconds",
            INSTANTS,
            |mut call| {
                const SECONDS: i64 = 1_000_000;
                if let Call::Touch { now, .. } = &mut call {
                    let seconds = (now.as_micros() / SECONDS).min(i64::from(i32::MAX));
                    *now = micros(seconds * SECONDS + now.as_micros() % SECONDS);
                }
                call
            },
        ),
        asks(
            "session::creation_is_moved_out_of_the_hour_that_is_skipped",
            INSTANTS,
            |mut call| {
                if let Call::Create { now, session, .. } = &mut call
                    && (1_774_746_000..1_774_749_600).contains(&(now.as_micros() / 1_000_000))
                    && session.ends_at > now.after(Span::minutes(60))
                {
                    *now = now.after(Span::minutes(60));
                }
                call
            },
        ),
    ]
}

/// Lists and ends the sessions of every identity that is the `same` as the one that is asked for.
async fn by_identity(table: Table, call: Call, same: fn(&str, &str) -> bool) -> PortResult<Answer> {
    let is_theirs = |session: &Session, asked: &IdentityId| {
        let stored = session.identity.as_ref();
        stored.is_some_and(|stored| same(stored.as_str(), asked.as_str()))
    };
    match call {
        Call::ListOf {
            tenant,
            identity,
            now,
            page,
        } => {
            let mut rows = table.rows(&tenant).await?;
            rows.retain(|row| row.is_live(now) && is_theirs(row, &identity));
            page_by_offset(&rows, &page)
        }
        Call::RevokeAllOf {
            tenant,
            identity,
            keep,
        } => {
            let ended = table.remove(&tenant, |row| {
                is_theirs(row, &identity) && keep != Keep::Session(row.id.clone())
            });
            Ok(Answer::RevokeAllOf(ended.await?))
        }
        call => table.call(call).await,
    }
}

/// A document with each value in it changed.
fn rewritten(data: &Document, change: &dyn Fn(&mut Value)) -> Document {
    fn walk(value: &mut Value, change: &dyn Fn(&mut Value)) {
        change(value);
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
            Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, change)),
            _ => {}
        }
    }
    let mut value = data.value().clone();
    walk(&mut value, change);
    Document::new(value).unwrap_or_else(|_| Document::empty())
}

fn micros(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap_or(Timestamp::MAX)
}

fn in_steps_of(span: Span, step: i64) -> Span {
    let steps = (span.as_micros() / step).max(1);
    Span::from_micros(steps * step).unwrap_or(span)
}
