//! Mutants that update sessions wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    Document, NewSession, PortError, PortResult, Ports, Session, Span, Timestamp,
};
use serde_json::Value;

use super::{Answer, Call, Table, asks, is_nothing, mutant, others_run};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
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
