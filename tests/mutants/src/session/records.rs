//! Mutants that store, read or update sessions wrongly.

use portproof::mutants::{Handle, Mutant};
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    Document, IdentityId, NewSession, PortError, PortResult, Ports, Session, SessionDigest, Span,
    TenantId, Timestamp, Version,
};
use serde_json::{Value, json};

use super::{
    Answer, Call, Table, asks, each, is_nothing, mutant, mutant_per_handle, others_run,
    page_by_offset, seen_at, stores, tells, tenant_of,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [
        created(),
        kept(),
        found(),
        updated(),
        of_tenants(),
        errors(),
        restarts(),
    ]
    .into_iter()
    .flatten()
    .collect()
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
            session.identity = None
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
                    session.expires_at = session.ends_at
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
            session.idle = None
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
    fn identities(table: Table, call: Call, same: fn(&str, &str) -> bool) -> Identities {
        Box::pin(by_identity(table, call, same))
    }
    vec![
        mutant(
            "session::identities_are_compared_without_case",
            APART,
            |table, call| {
                identities(table, call, |one, two| {
                    one.to_lowercase() == two.to_lowercase()
                })
            },
        )
        .re_enacts("CVE-2026-55170 (openfga): a collation made user:Alice and user:alice one"),
        mutant(
            "session::identities_are_compared_without_padding",
            APART,
            |table, call| identities(table, call, |one, two| one.trim_end() == two.trim_end()),
        ),
        mutant("session::identities_are_patterns", APART, |table, call| {
            identities(table, call, |stored, asked| {
                stored == asked
                    || asked
                        .strip_suffix('%')
                        .is_some_and(|start| stored.starts_with(start))
            })
        }),
        stores("session::data_goes_through_doubles", DATA, |session| {
            session.data = rewritten(&session.data, &|value| match &*value {
                Value::Number(number) => *value = json!(number.as_f64()),
                _ => {}
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

fn found() -> Vec<Mutant<Ports>> {
    const MISSING: &str = "session::get::missing_is_none";
    const WHOLE: &str = "session::get::compares_ids_whole";
    fn by_id(
        table: Table,
        call: Call,
        same: fn(&SessionDigest, &SessionDigest) -> bool,
    ) -> Identities {
        Box::pin(with_ids_like(table, call, same))
    }
    vec![
        mutant(
            "session::missing_is_a_guest",
            MISSING,
            |table, call| async move {
                let Call::Get { id, now, .. } = call.clone() else {
                    return table.call(call).await;
                };
                let found = table.call(call).await?;
                if !matches!(found, Answer::Get(None)) {
                    return Ok(found);
                }
                Ok(Answer::Get(Some(Session {
                    id,
                    identity: None,
                    idle: None,
                    ends_at: Timestamp::MAX,
                    data: Document::empty(),
                    version: Version::FIRST,
                    created_at: now,
                    seen_at: now,
                    expires_at: Timestamp::MAX,
                })))
            },
        ),
        tells(
            "session::no_rows_is_an_error",
            MISSING,
            |_, answer| match answer {
                Ok(Answer::Get(None)) => Err(PortError::Backend("no rows in result set".into())),
                answer => answer,
            },
        )
        .re_enacts("openfga #3014: a driver's no-rows error was not mapped"),
        mutant_per_handle(
            "session::missing_is_cached",
            "session::get::sees_what_was_missing",
            |table, call| async move {
                let Call::Get { tenant, id, .. } = call.clone() else {
                    return table.call(call).await;
                };
                if table.notes().ids.contains(&(tenant.clone(), id.clone())) {
                    return Ok(Answer::Get(None));
                }
                let answer = table.call(call).await?;
                if answer == Answer::Get(None) {
                    table.notes().ids.insert((tenant, id));
                }
                Ok(answer)
            },
        ),
        mutant(
            "session::ids_are_compared_by_their_beginning",
            WHOLE,
            |table, call| {
                by_id(table, call, |one, two| {
                    one.as_bytes()[..31] == two.as_bytes()[..31]
                })
            },
        ),
        mutant(
            "session::ids_are_text_without_case",
            WHOLE,
            |table, call| {
                by_id(table, call, |one, two| {
                    let [one, two] = [one, two].map(|id| String::from(id.clone()));
                    one.eq_ignore_ascii_case(&two)
                })
            },
        ),
        asks("session::ids_end_at_white_space", WHOLE, |mut call| {
            if let Call::Create {
                session: NewSession { id, .. },
                ..
            }
            | Call::Get { id, .. } = &mut call
                && matches!(id.as_bytes()[31], 0x00 | 0x0a)
            {
                let mut bytes = *id.as_bytes();
                bytes[31] = 0x20;
                *id = SessionDigest::new(bytes);
            }
            call
        }),
    ]
}

fn updated() -> Vec<Mutant<Ports>> {
    const DATA_ONLY: &str = "session::update::replaces_data_only";
    const STALE: &str = "session::update::refuses_a_stale_version";
    const NEVER: &str = "session::update::never_recreates";
    vec![
        mutant(
            "session::update_is_a_touch",
            DATA_ONLY,
            |table, call| async move {
                let Call::Update {
                    tenant, id, now, ..
                } = call.clone()
                else {
                    return table.call(call).await;
                };
                let answer = table.call(call).await?;
                let touched = table.store.touch(&tenant, &id, now).await?;
                Ok(touched.map_or(answer, Answer::Update))
            },
        ),
        mutant(
            "session::update_merges_data",
            DATA_ONLY,
            |table, mut call| async move {
                if let Call::Update {
                    tenant, id, data, ..
                } = &mut call
                    && let Some(row) = table.row(tenant, id).await?
                    && let (Value::Object(old), Value::Object(new)) =
                        (row.data.value(), data.value())
                {
                    let mut merged = old.clone();
                    merged.extend(new.clone());
                    *data = Document::new(Value::Object(merged))?;
                }
                table.call(call).await
            },
        ),
        mutant(
            "session::update_writes_nothing",
            DATA_ONLY,
            |table, call| async move {
                let Call::Update {
                    tenant,
                    id,
                    expected,
                    data,
                    now,
                } = call.clone()
                else {
                    return table.call(call).await;
                };
                match table.store.get(&tenant, &id, now).await? {
                    Some(session) if session.version == expected => {
                        let version = expected.next();
                        Ok(Answer::Update(Session {
                            data,
                            version,
                            ..session
                        }))
                    }
                    _ => table.call(call).await,
                }
            },
        )
        .re_enacts("next-auth #9326: an update used the wrong key and silently did nothing"),
        mutant(
            "session::update_without_a_change_finds_no_row",
            DATA_ONLY,
            |table, call| async move {
                if let Call::Update {
                    tenant, id, data, ..
                } = &call
                    && table
                        .row(tenant, id)
                        .await?
                        .is_some_and(|row| row.data == *data)
                {
                    return Err(PortError::not_found("session"));
                }
                table.call(call).await
            },
        ),
        mutant(
            "session::update_has_no_id_in_its_where",
            DATA_ONLY,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let Call::Update { tenant, data, .. } = call {
                    for row in table.rows(&tenant).await? {
                        table
                            .put(
                                &tenant,
                                &Session {
                                    data: data.clone(),
                                    ..row
                                },
                            )
                            .await?;
                    }
                }
                Ok(answer)
            },
        ),
        mutant(
            "session::update_ignores_the_version",
            STALE,
            |table, mut call| async move {
                if let Call::Update {
                    tenant,
                    id,
                    expected,
                    ..
                } = &mut call
                    && let Some(row) = table.row(tenant, id).await?
                {
                    *expected = row.version;
                }
                table.call(call).await
            },
        ),
        mutant(
            "session::update_takes_any_later_version",
            STALE,
            |table, mut call| async move {
                if let Call::Update {
                    tenant,
                    id,
                    expected,
                    ..
                } = &mut call
                    && let Some(row) = table.row(tenant, id).await?
                {
                    *expected = row.version.min(*expected);
                }
                table.call(call).await
            },
        ),
        mutant(
            "session::update_is_an_upsert",
            NEVER,
            |table, call| async move {
                let answer = table.call(call.clone()).await;
                if let Call::Update {
                    tenant,
                    id,
                    data,
                    now,
                    ..
                } = call
                    && is_nothing(&answer)
                {
                    let session = NewSession {
                        id,
                        identity: None,
                        idle: None,
                        ends_at: now.after(Span::days(1)),
                        data,
                    };
                    return Ok(Answer::Update(
                        table.store.create(&tenant, session, now).await?,
                    ));
                }
                answer
            },
        )
        .re_enacts("expressjs/session #632: a late save stored a session that a logout had ended"),
        asks("session::update_ignores_the_end", NEVER, |mut call| {
            if let Call::Update { now, .. } = &mut call {
                *now = Timestamp::MIN;
            }
            call
        }),
        mutant(
            "session::update_is_get_then_set",
            "session::update::never_undoes_a_revocation",
            |table, call| update_later(table, call, false),
        )
        .re_enacts("auth0/nextjs-auth0 #2530: the fix of a late save was get, then set"),
        mutant(
            "session::update_compares_then_writes",
            "session::update::race_has_one_winner",
            |table, call| update_later(table, call, true),
        )
        .re_enacts("dex #2547: concurrent refreshes overwrote each other"),
        mutant(
            "session::update_does_not_tell_of_a_conflict",
            "session::update::loses_nothing_when_retried",
            |table, call| async move {
                let answer = table.call(call.clone()).await;
                if let (Call::Update { tenant, id, .. }, Err(PortError::Stale(_))) =
                    (&call, &answer)
                    && let Some(row) = table.row(tenant, id).await?
                {
                    return Ok(Answer::Update(row));
                }
                answer
            },
        )
        .re_enacts("everruns #2427: whether an atomic write won was answered, and ignored"),
    ]
}

fn of_tenants() -> Vec<Mutant<Ports>> {
    const APART: &str = "session::tenancy::tenants_are_compared_as_bytes";
    let without = |id, method: &'static str| {
        let rule = "session::tenancy::other_tenants_reach_nothing";
        mutant(id, rule, move |table, call| {
            in_any_tenant(table, call, method)
        })
    };
    vec![
        without("session::get_without_a_tenant", "get"),
        without("session::touch_without_a_tenant", "touch"),
        without("session::update_without_a_tenant", "update"),
        without("session::rotate_without_a_tenant", "rotate"),
        without("session::revoke_without_a_tenant", "revoke"),
        without("session::revoke_all_of_without_a_tenant", "revoke_all_of").re_enacts(
            "paySphere #1917: a tenant of null dropped the filter, and all tenants were meant",
        ),
        without("session::list_of_without_a_tenant", "list_of"),
        without("session::sweep_without_a_tenant", "sweep")
            .re_enacts("better-auth #10507: clearing one prefix removed the keys of others"),
        asks(
            "session::tenants_are_compared_without_case",
            APART,
            |call| with_tenant(call, |tenant| tenant.to_lowercase()),
        ),
        asks(
            "session::tenants_are_compared_without_padding",
            APART,
            |call| with_tenant(call, |tenant| tenant.trim_end().to_owned()),
        ),
    ]
}

fn errors() -> Vec<Mutant<Ports>> {
    const NAMED: &str = "session::errors::name_what_was_wrong";
    vec![
        tells(
            "session::a_constraint_is_told_as_it_is",
            NAMED,
            |_, answer| {
                answer.map_err(|error| match error {
                    PortError::AlreadyExists(_) => {
                        PortError::already_exists("duplicate key value violates \"sessions_pkey\"")
                    }
                    error => error,
                })
            },
        ),
        tells("session::refuses_by_another_name", NAMED, |_, answer| {
            answer.map_err(|error| match error {
                PortError::Refused { problem, .. } => PortError::Refused {
                    field: "session".into(),
                    problem,
                },
                error => error,
            })
        }),
        tells("session::missing_is_called_a_row", NAMED, |_, answer| {
            answer.map_err(|error| match error {
                PortError::NotFound(_) => PortError::not_found("row"),
                error => error,
            })
        }),
        tells("session::stale_is_called_a_version", NAMED, |_, answer| {
            answer.map_err(|error| match error {
                PortError::Stale(_) => PortError::stale("version"),
                error => error,
            })
        }),
    ]
}

fn restarts() -> Vec<Mutant<Ports>> {
    const KEEPS: &str = "session::restart::keeps_sessions";
    vec![
        Mutant::new(
            "session::forgets_at_a_restart",
            KEEPS,
            |mut ports: Ports, handle| {
                if handle == Handle::Reopened {
                    ports.session = MemoryAdapter::new().ports().session;
                }
                ports
            },
        ),
        Mutant::new(
            "session::touches_are_kept_in_memory",
            KEEPS,
            |mut ports: Ports, handle| {
                if handle == Handle::Reopened {
                    ports.session = ports.session.map(|port| {
                        super::with_fault(
                            port,
                            &std::sync::Arc::default(),
                            |table, call| async move {
                                let answer = table.call(call).await?;
                                Ok(each(answer, |session| {
                                    *session = seen_at(session.clone(), session.created_at);
                                }))
                            },
                        )
                    });
                }
                ports
            },
        ),
    ]
}

type Identities = std::pin::Pin<Box<dyn Future<Output = PortResult<Answer>> + Send>>;

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
                is_theirs(row, &identity) && keep != portproof_ports::Keep::Session(row.id.clone())
            });
            Ok(Answer::RevokeAllOf(ended.await?))
        }
        call => table.call(call).await,
    }
}

/// Finds the session whose id is the `same` when there is none under the id itself.
async fn with_ids_like(
    table: Table,
    call: Call,
    same: fn(&SessionDigest, &SessionDigest) -> bool,
) -> PortResult<Answer> {
    let Call::Get { tenant, id, now } = &call else {
        return table.call(call).await;
    };
    let answer = table.call(call.clone()).await?;
    if answer == Answer::Get(None) {
        let mut rows = table.rows(tenant).await?;
        rows.retain(|row| row.is_live(*now) && same(&row.id, id));
        return Ok(Answer::Get(rows.pop()));
    }
    Ok(answer)
}

/// Decides on an update by what it read, and writes later, when others had their turn.
async fn update_later(table: Table, call: Call, only_what_is_there: bool) -> PortResult<Answer> {
    let Call::Update {
        tenant,
        id,
        expected,
        data,
        now,
    } = call.clone()
    else {
        return table.call(call).await;
    };
    let read = table.store.get(&tenant, &id, now).await?;
    let Some(read) = read.filter(|read| read.version == expected) else {
        return table.call(call).await;
    };
    others_run().await;
    if only_what_is_there && table.row(&tenant, &id).await?.is_none() {
        return Err(PortError::not_found("session"));
    }
    let version = expected.next();
    let written = Session {
        data,
        version,
        ..read
    };
    Ok(Answer::Update(table.put(&tenant, &written).await?))
}

/// Goes on to other tenants when there is nothing in the call's own.
async fn in_any_tenant(table: Table, mut call: Call, method: &str) -> PortResult<Answer> {
    use portproof_ports::PortCall as _;
    let own = table.call(call.clone()).await;
    if call.method() != method || !is_nothing(&own) {
        return own;
    }
    for other in table.tenants() {
        if let Some(tenant) = tenant_of(&mut call) {
            *tenant = other;
        }
        let answer = table.call(call.clone()).await;
        if !is_nothing(&answer) {
            return answer;
        }
    }
    own
}

fn with_tenant(mut call: Call, fold: fn(&str) -> String) -> Call {
    if let Some(tenant) = tenant_of(&mut call)
        && let Ok(folded) = TenantId::new(fold(tenant.as_str()))
    {
        *tenant = folded;
    }
    call
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
