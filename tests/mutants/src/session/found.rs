//! Mutants that find, name or forget sessions wrongly.

use std::sync::Arc;

use portproof::mutants::{Handle, Mutant};
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    Document, NewSession, PortCall, PortError, PortResult, Ports, Session, SessionDigest, TenantId,
    Timestamp, Version,
};

use super::{
    Answer, Call, Table, asks, each, is_nothing, mutant, mutant_per_handle, seen_at, tells,
    tenant_of, with_fault,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [found(), of_tenants(), errors(), restarts()]
        .into_iter()
        .flatten()
        .collect()
}

fn found() -> Vec<Mutant<Ports>> {
    const MISSING: &str = "session::get::missing_is_none";
    const WHOLE: &str = "session::get::compares_ids_whole";
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
                if table
                    .notes()
                    .missing
                    .contains(&(tenant.clone(), id.clone()))
                {
                    return Ok(Answer::Get(None));
                }
                let answer = table.call(call).await?;
                if answer == Answer::Get(None) {
                    table.notes().missing.insert((tenant, id));
                }
                Ok(answer)
            },
        ),
        mutant(
            "session::ids_are_compared_by_their_beginning",
            WHOLE,
            |table, call| {
                with_ids_like(table, call, |one, two| {
                    one.as_bytes()[..31] == two.as_bytes()[..31]
                })
            },
        ),
        mutant(
            "session::ids_are_text_without_case",
            WHOLE,
            |table, call| {
                with_ids_like(table, call, |one, two| {
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
                        with_fault(port, &Arc::default(), |table, call| async move {
                            let answer = table.call(call).await?;
                            Ok(each(answer, |session| {
                                *session = seen_at(session.clone(), session.created_at);
                            }))
                        })
                    });
                }
                ports
            },
        ),
    ]
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

/// Goes on to other tenants when there is nothing in the call's own.
async fn in_any_tenant(table: Table, mut call: Call, method: &str) -> PortResult<Answer> {
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
