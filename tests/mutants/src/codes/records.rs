//! Mutants that store and find wrongly.

use std::num::NonZeroU32;

use portproof::mutants::Mutant;
use portproof_ports::{BoundTo, Code, CodeKind, CodeStore, ErrorKind, PortError, Ports, Timestamp};
use serde_json::json;

use super::{Answer, Call, asks, key_of, mutant, tells};
use crate::edits::{Edits, careless, common, every, fold, to_millis};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    let edits = Edits::<dyn CodeStore>::new(|ports| &mut ports.codes)
        .common(&common!("codes", "keeps_codes"));
    [kept(edits).done(), put(), found()]
        .into_iter()
        .flatten()
        .collect()
}

fn kept(edits: Edits<dyn CodeStore>) -> Edits<dyn CodeStore> {
    edits
        .call(
            "codes::identities_are_lost",
            "codes::put::stores_it_whole",
            "put",
            |arguments| arguments["code"]["identity"] = json!(null),
        )
        .call(
            "codes::the_label_is_lost",
            "codes::put::stores_it_whole",
            "put",
            |arguments| arguments["code"]["data"]["label"] = json!(null),
        )
        .re_enacts("dex #3119: fields of a request were lost in a store")
        .also(
            "codes::put_replaces",
            "codes::put::refuses_a_stored_id",
            "put",
            |arguments| {
                let code = &arguments["code"];
                let there = json!({
                    "tenant": arguments["tenant"], "kind": code["kind"], "id": code["id"],
                });
                vec![("revoke", there)]
            },
        )
        .race("codes::puts_race", "codes::put::race_has_one_owner", "put")
        .re_enacts("twentyhq/twenty #26025: check, then write")
        .calls(
            "codes::kinds_are_folded",
            "codes::put::keeps_kinds_apart",
            |arguments| every(arguments, "kind", &fold),
        )
        .calls(
            "codes::identities_are_folded",
            "codes::put::keeps_owners_apart",
            |arguments| every(arguments, "identity", &fold),
        )
        .re_enacts("CVE-2026-55170: a collation made user:Alice and user:alice one")
        .calls(
            "codes::clients_are_folded",
            "codes::put::keeps_owners_apart",
            |arguments| every(arguments, "client", &fold),
        )
        .calls(
            "codes::data_loses_nulls",
            "codes::put::keeps_data_exactly",
            |arguments| every(arguments, "data", &careless),
        )
        .calls(
            "codes::data_is_cut_off",
            "codes::put::keeps_large_data",
            |arguments| {
                every(arguments, "text", &|text| {
                    if let Some(long) = text.as_str() {
                        *text = json!(long.chars().take(4096).collect::<String>());
                    }
                });
            },
        )
        .re_enacts("dex c7e9960c: a state longer than its column")
        .calls(
            "codes::instants_in_milliseconds",
            "codes::put::keeps_instants",
            |arguments| {
                for name in ["now", "expires_at"] {
                    every(arguments, name, &to_millis);
                }
            },
        )
        .re_enacts("dex b51e73bc: timestamps without a precision")
        .calls(
            "codes::ids_are_cut_off",
            "codes::peek::compares_ids_whole",
            |arguments| {
                // The digest's last two bytes go.
                every(arguments, "id", &|id| {
                    if let Some(digest) = id.as_str() {
                        *id = json!(format!("{}AAA=", &digest[..40]));
                    }
                });
            },
        )
        .error(
            "codes::an_elapsed_end_is_a_server_error",
            "codes::put::refuses_an_elapsed_end",
            "put",
            ErrorKind::Refused,
            PortError::Backend("a check of the table failed".into()),
        )
}

fn put() -> Vec<Mutant<Ports>> {
    const SPENT: &str = "codes::put::refuses_a_spent_id";
    vec![
        mutant(
            "codes::put_replaces_what_is_over",
            SPENT,
            |table, call| async move {
                let answer = table.call(call.clone()).await;
                let (Call::Put { tenant, code, now }, Err(PortError::AlreadyExists(_))) =
                    (&call, &answer)
                else {
                    return answer;
                };
                let (kind, id) = (&code.kind, &code.id);
                if table.store.peek(tenant, kind, id, *now).await?.is_none() {
                    table.store.revoke(tenant, kind, id).await?;
                    return table.call(call).await;
                }
                answer
            },
        ),
        mutant(
            "codes::put_takes_the_consumed_for_gone",
            SPENT,
            |table, call| async move {
                let answer = table.call(call.clone()).await;
                if let (Call::Put { .. }, Err(PortError::AlreadyExists(_))) = (&call, &answer)
                    && let Some(key) = key_of(&call)
                    && let Some(consumed) = table.notes().consumed.get(&key).cloned()
                {
                    return Ok(Answer::Put(consumed));
                }
                answer
            },
        ),
        asks(
            "codes::an_elapsed_end_is_none",
            "codes::put::refuses_an_elapsed_end",
            |call| {
                if let Call::Put { code, now, .. } = call
                    && code.expires_at <= *now
                {
                    code.expires_at = Timestamp::MAX;
                }
            },
        ),
        tells(
            "codes::identity_is_a_foreign_key",
            "codes::put::needs_no_owner",
            |call, answer| match call {
                Call::Put { code, .. }
                    if code
                        .identity
                        .as_ref()
                        .is_some_and(|identity| !["Ada", "ada"].contains(&identity.as_str())) =>
                {
                    Err(PortError::not_found("identity"))
                }
                _ => Ok(answer),
            },
        )
        .re_enacts("AuthHero 3b77bf0: a row that another table lacked made every insert fail"),
        tells(
            "codes::client_is_a_foreign_key",
            "codes::put::needs_no_owner",
            |call, answer| match call {
                Call::Put { code, .. } => match &code.bound_to {
                    BoundTo::Client(client) if !["app", "App"].contains(&client.as_str()) => {
                        Err(PortError::not_found("client"))
                    }
                    _ => Ok(answer),
                },
                _ => Ok(answer),
            },
        ),
        asks(
            "codes::guesses_are_a_small_integer",
            "codes::put::keeps_the_guesses",
            |call| {
                if let Call::Put { code, .. } = call {
                    let most = NonZeroU32::new(32_767);
                    code.guesses = code.guesses.min(most).or(code.guesses);
                }
            },
        ),
    ]
}

fn found() -> Vec<Mutant<Ports>> {
    const NONE: &str = "codes::peek::missing_is_none";
    vec![
        mutant(
            "codes::missing_is_a_default",
            NONE,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                let (Call::Peek { kind, id, now, .. }, Answer::Peek(None)) = (call, &answer) else {
                    return Ok(answer);
                };
                Ok(Answer::Peek(Some(Code {
                    kind,
                    id,
                    bound_to: BoundTo::Nobody,
                    identity: None,
                    guesses: None,
                    expires_at: Timestamp::MAX,
                    data: portproof_ports::Document::new(json!({}))?,
                    failures: 0,
                    consumed_at: None,
                    created_at: now,
                })))
            },
        ),
        asks("codes::peek_looks_at_no_kind", NONE, |call| {
            if let Call::Peek { kind, .. } = call
                && let Ok(code) = CodeKind::new("authorization_code")
            {
                *kind = code;
            }
        })
        .re_enacts("AuthHero: a code was found and used whatever its kind"),
        mutant(
            "codes::missing_is_remembered",
            "codes::peek::sees_what_was_missing",
            |table, call| async move {
                let looks = matches!(call, Call::Peek { .. });
                let Some(key) = key_of(&call).filter(|_| looks) else {
                    return table.call(call).await;
                };
                if table.notes().marked.contains(&key) {
                    return Ok(Answer::Peek(None));
                }
                let answer = table.call(call).await?;
                if answer == Answer::Peek(None) {
                    table.notes().marked.insert(key);
                }
                Ok(answer)
            },
        )
        .re_enacts("AuthHero: a cache kept the answer that nothing is there"),
        asks(
            "codes::peek_answers_expired_ones",
            "codes::peek::minds_the_end",
            |call| {
                if let Call::Peek { now, .. } = call {
                    *now = Timestamp::MIN;
                }
            },
        )
        .re_enacts("AuthHero: get answered expired codes"),
        mutant(
            "codes::peek_deletes_what_is_late",
            "codes::peek::uses_nothing_up",
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (
                    Call::Peek {
                        tenant, kind, id, ..
                    },
                    Answer::Peek(None),
                ) = (&call, &answer)
                {
                    table.store.revoke(tenant, kind, id).await?;
                }
                Ok(answer)
            },
        ),
        mutant(
            "codes::peek_counts",
            "codes::peek::uses_nothing_up",
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let Call::Peek {
                    tenant,
                    kind,
                    id,
                    now,
                } = &call
                {
                    table.store.record_failure(tenant, kind, id, *now).await?;
                }
                Ok(answer)
            },
        ),
    ]
}
