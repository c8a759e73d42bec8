//! Mutants that store families wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    Document, ErrorKind, FamilyId, PortError, Ports, RefreshDigest, RefreshTokenStore, Span,
    Timestamp,
};
use serde_json::Value;

use super::{Answer, Call, asks, keeps, mutant, stores, tells};
use crate::edits::{Edits, careless, common, doubles, every, fold, to_millis};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [by_edits(), issued(), kept()]
        .into_iter()
        .flatten()
        .collect()
}

/// Those that any port can have, and those that are an edit of a call or of an answer.
fn by_edits() -> Vec<Mutant<Ports>> {
    Edits::<dyn RefreshTokenStore>::new(|ports| &mut ports.refresh_tokens)
        .common(&common!("refresh_tokens", "list_of", "keeps_families"))
        .race(
            "refresh_tokens::issues_of_a_token_race",
            "refresh_tokens::issue::race_has_one_owner",
            "issue",
        )
        .re_enacts("fosite #402: duplicate tokens")
        .race(
            "refresh_tokens::issues_of_a_family_race",
            "refresh_tokens::issue::race_has_one_family",
            "issue",
        )
        .race(
            "refresh_tokens::revocations_race",
            "refresh_tokens::revoke::race_has_one_winner",
            "revoke",
        )
        .calls(
            "refresh_tokens::identities_are_folded",
            "refresh_tokens::issue::keeps_ids_apart",
            |arguments| every(arguments, "identity", &fold),
        )
        .re_enacts("CVE-2026-55170 (openfga): a collation made user:Alice and user:alice one")
        .calls(
            "refresh_tokens::clients_are_folded",
            "refresh_tokens::issue::keeps_ids_apart",
            |arguments| every(arguments, "client", &fold),
        )
        .calls(
            "refresh_tokens::sessions_are_folded",
            "refresh_tokens::issue::keeps_ids_apart",
            |arguments| every(arguments, "session", &fold),
        )
        .calls(
            "refresh_tokens::family_ids_are_folded",
            "refresh_tokens::issue::keeps_ids_apart",
            |arguments| {
                every(arguments, "id", &fold);
                fold(&mut arguments["family"]);
            },
        )
        .calls(
            "refresh_tokens::data_is_converted_carelessly",
            "refresh_tokens::issue::keeps_data_exactly",
            |arguments| every(arguments, "data", &careless),
        )
        .calls(
            "refresh_tokens::instants_are_kept_in_millis",
            "refresh_tokens::issue::keeps_instants",
            |arguments| every(arguments, "now", &to_millis),
        )
        .re_enacts("dex b51e73bc: timestamps were stored with the default precision")
        .answer(
            "refresh_tokens::spending_is_kept_in_millis",
            "refresh_tokens::issue::keeps_instants",
            "get",
            |answer| every(answer, "spent_at", &to_millis),
        )
        .capped(
            "refresh_tokens::lists_are_capped",
            "refresh_tokens::list_of::is_complete_at_any_length",
        )
        .offsets(
            "refresh_tokens::offsets_skip",
            "refresh_tokens::list_of::walk_survives_removals",
        )
        .offsets(
            "refresh_tokens::offsets_repeat",
            "refresh_tokens::list_of::walk_survives_insertions",
        )
        .offsets(
            "refresh_tokens::offsets_fit_everywhere",
            "refresh_tokens::list_of::refuses_a_foreign_cursor",
        )
        .done()
}

fn issued() -> Vec<Mutant<Ports>> {
    const WHOLE: &str = "refresh_tokens::issue::stores_it_whole";
    const ID: &str = "refresh_tokens::issue::refuses_a_stored_id";
    const TOKEN: &str = "refresh_tokens::issue::refuses_a_stored_token";
    const ELAPSED: &str = "refresh_tokens::issue::refuses_an_elapsed_end";
    const EARLIER: &str = "refresh_tokens::issue::expires_at_the_earlier_end";
    vec![
        stores("refresh_tokens::issue_drops_the_session", WHOLE, |family| {
            family.session = None;
        })
        .re_enacts("AuthHero 5dddd72: create dropped fields of what it was given"),
        stores(
            "refresh_tokens::absent_idle_is_a_default",
            WHOLE,
            |family| {
                family.idle = family.idle.or(Some(Span::days(30)));
            },
        ),
        tells(
            "refresh_tokens::issue_answers_before_the_defaults",
            WHOLE,
            |_, answer| match answer {
                Ok(Answer::Issue(mut family)) => {
                    family.expires_at = family.ends_at;
                    Ok(Answer::Issue(family))
                }
                answer => answer,
            },
        ),
        mutant(
            "refresh_tokens::issue_is_an_upsert",
            ID,
            |table, call| async move {
                if let Call::Issue {
                    tenant,
                    family,
                    now,
                } = &call
                    && family.ends_at > *now
                {
                    table.store.revoke(tenant, &family.id).await?;
                }
                table.call(call).await
            },
        ),
        mutant(
            "refresh_tokens::issue_takes_the_place_of_an_expired_one",
            ID,
            |table, call| async move {
                if let Call::Issue {
                    tenant,
                    family,
                    now,
                } = &call
                {
                    let mut rows = table.rows(tenant).await?;
                    rows.retain(|row| row.id == family.id && !row.is_live(*now));
                    table.delete(tenant, rows).await?;
                }
                table.call(call).await
            },
        ),
        mutant(
            "refresh_tokens::issue_stores_the_token_of_a_refused_family",
            ID,
            |table, call| async move {
                let answer = table.call(call.clone()).await;
                if let (
                    Call::Issue {
                        tenant,
                        mut family,
                        now,
                    },
                    Err(PortError::AlreadyExists(what)),
                ) = (call, &answer)
                    && what == "family"
                {
                    family.id = FamilyId::new(format!("half of {}", family.id.as_str()))?;
                    // Whether the token is free is no matter to an adapter that did not mean it.
                    let _ = table.store.issue(&tenant, family, now).await;
                }
                answer
            },
        ),
        mutant(
            "refresh_tokens::issue_moves_the_token",
            TOKEN,
            |table, call| async move {
                if let Call::Issue { tenant, family, .. } = &call
                    && let Some(owner) = table.row(tenant, &family.token).await?
                {
                    table.store.revoke(tenant, &owner.family.id).await?;
                }
                table.call(call).await
            },
        ),
        mutant(
            "refresh_tokens::issue_takes_an_expired_token",
            TOKEN,
            |table, call| async move {
                if let Call::Issue {
                    tenant,
                    family,
                    now,
                } = &call
                    && let Some(owner) = table.row(tenant, &family.token).await?
                    && !owner.family.is_live(*now)
                {
                    table.store.revoke(tenant, &owner.family.id).await?;
                }
                table.call(call).await
            },
        ),
        mutant(
            "refresh_tokens::issue_stores_the_family_of_a_refused_token",
            TOKEN,
            |table, call| async move {
                let answer = table.call(call.clone()).await;
                if let (
                    Call::Issue {
                        tenant,
                        mut family,
                        now,
                    },
                    Err(PortError::AlreadyExists(what)),
                ) = (call, &answer)
                    && what == "refresh token"
                {
                    family.token = RefreshDigest::of(family.id.as_str().as_bytes());
                    // Whether that is free is no matter to an adapter that did not mean it.
                    let _ = table.store.issue(&tenant, family, now).await;
                }
                answer
            },
        ),
        asks(
            "refresh_tokens::issue_accepts_an_end_at_now",
            ELAPSED,
            |call| {
                if let Call::Issue { family, now, .. } = call
                    && family.ends_at == *now
                {
                    *now = now.before(Span::MICROSECOND);
                }
            },
        ),
        asks("refresh_tokens::elapsed_end_is_no_end", ELAPSED, |call| {
            if let Call::Issue { family, now, .. } = call
                && family.ends_at <= *now
            {
                family.ends_at = Timestamp::MAX;
            }
        }),
        stores("refresh_tokens::knows_no_idle_end", EARLIER, |family| {
            family.idle = None;
        }),
        stores("refresh_tokens::knows_no_absolute_end", EARLIER, |family| {
            if family.idle.is_some() {
                family.ends_at = Timestamp::MAX;
            }
        }),
        tells(
            "refresh_tokens::client_is_a_foreign_key",
            "refresh_tokens::issue::needs_nothing_stored",
            |call, answer| match call {
                Call::Issue { family, .. } if family.client.as_str().len() > 5 => {
                    Err(PortError::not_found("client"))
                }
                _ => answer,
            },
        )
        .re_enacts("AuthHero 3b77bf0: a row that another table lacked made every insert fail"),
        tells(
            "refresh_tokens::refuses_by_another_name",
            "refresh_tokens::errors::name_what_was_wrong",
            |_, answer| match answer {
                Err(error) if error.kind() == ErrorKind::Refused => {
                    Err(PortError::refused("family", "is over"))
                }
                answer => answer,
            },
        ),
        mutant(
            "refresh_tokens::token_is_told_before_the_family",
            "refresh_tokens::errors::name_what_was_wrong",
            |table, call| async move {
                if let Call::Issue {
                    tenant,
                    family,
                    now,
                } = &call
                    && family.ends_at > *now
                    && table.row(tenant, &family.token).await?.is_some()
                {
                    return Err(PortError::already_exists("refresh token"));
                }
                table.call(call).await
            },
        ),
    ]
}

fn kept() -> Vec<Mutant<Ports>> {
    const DATA: &str = "refresh_tokens::issue::keeps_data_exactly";
    const IDLE: &str = "refresh_tokens::issue::keeps_the_idle_time";
    vec![
        keeps(
            "refresh_tokens::rotated_data_goes_through_doubles",
            DATA,
            |family| {
                if family.rotations > 0 {
                    let mut value = family.data.value().clone();
                    doubles(&mut value);
                    family.data = Document::new(value).unwrap_or_else(|_| Document::empty());
                }
            },
        ),
        stores(
            "refresh_tokens::data_is_cut_off",
            "refresh_tokens::issue::keeps_large_data",
            |family| {
                let mut value = family.data.value().clone();
                every(&mut value, "text", &|text| {
                    if let Value::String(text) = text {
                        *text = text.chars().take(65_535).collect();
                    }
                });
                family.data = Document::new(value).unwrap_or_else(|_| Document::empty());
            },
        )
        .re_enacts("next-auth #9098: a column was too short for a token"),
        stores("refresh_tokens::idle_is_kept_in_seconds", IDLE, |family| {
            family.idle = family.idle.map(|idle| {
                let seconds = idle.as_micros() / 1_000_000;
                Span::from_micros(seconds * 1_000_000).unwrap_or(Span::seconds(1))
            });
        })
        .re_enacts("lucia #1392: seconds and milliseconds were mixed"),
        stores(
            "refresh_tokens::idle_is_32_bits_of_millis",
            IDLE,
            |family| {
                let most = Span::from_micros(i64::from(u32::MAX) * 1_000);
                family.idle = family
                    .idle
                    .map(|idle| most.map_or(idle, |most| idle.min(most)));
            },
        ),
        asks(
            "refresh_tokens::instants_are_32_bits_of_seconds",
            "refresh_tokens::issue::keeps_instants",
            |call| {
                if let Call::Rotate { now, .. } = call {
                    let most = Timestamp::from_micros(i64::from(i32::MAX) * 1_000_000);
                    *now = most.map_or(*now, |most| most.min(*now));
                }
            },
        ),
    ]
}
