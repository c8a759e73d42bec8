//! Mutants that find, list or forget tokens wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    Cursor, FamilyId, Page, PageRequest, PortError, PortResult, Ports, RefreshDigest, Span,
    Timestamp,
};

use super::{Answer, Call, Table, asks, mutant, mutant_per_handle, tells};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [found(), spent(), listed()].into_iter().flatten().collect()
}

fn found() -> Vec<Mutant<Ports>> {
    const WHOLE: &str = "refresh_tokens::get::compares_digests_whole";
    vec![
        tells(
            "refresh_tokens::no_rows_is_an_error",
            "refresh_tokens::get::missing_is_none",
            |_, answer| match answer {
                Ok(Answer::Get(None)) => Err(PortError::Backend("no rows in result set".into())),
                answer => answer,
            },
        )
        .re_enacts("openfga #3014: a driver's no-rows error was not mapped"),
        mutant_per_handle(
            "refresh_tokens::missing_is_cached",
            "refresh_tokens::get::sees_what_was_missing",
            |table, call| async move {
                let Call::Get { tenant, token, now } = call.clone() else {
                    return table.call(call).await;
                };
                let key = (tenant, token);
                if table.notes().times.contains_key(&key) {
                    return Ok(Answer::Get(None));
                }
                let answer = table.call(call).await?;
                if answer == Answer::Get(None) {
                    table.notes().times.insert(key, now);
                }
                Ok(answer)
            },
        )
        .re_enacts("AuthHero: a cache kept the answer that nothing is there"),
        mutant(
            "refresh_tokens::digests_are_compared_by_their_beginning",
            WHOLE,
            |table, call| {
                with_digests_like(table, call, |one, two| {
                    one.as_bytes()[..31] == two.as_bytes()[..31]
                })
            },
        ),
        mutant(
            "refresh_tokens::digests_are_text_without_case",
            WHOLE,
            |table, call| {
                with_digests_like(table, call, |one, two| {
                    let [one, two] = [one, two].map(|digest| String::from(digest.clone()));
                    one.eq_ignore_ascii_case(&two)
                })
            },
        ),
        asks(
            "refresh_tokens::digests_end_at_white_space",
            WHOLE,
            |call| {
                let cut = |digest: &mut RefreshDigest| {
                    let mut bytes = *digest.as_bytes();
                    if bytes[31] == 0 || bytes[31].is_ascii_whitespace() {
                        bytes[31] = b' ';
                        *digest = RefreshDigest::new(bytes);
                    }
                };
                match call {
                    Call::Issue { family, .. } => cut(&mut family.token),
                    Call::Get { token, .. } => cut(token),
                    _ => {}
                }
            },
        ),
    ]
}

fn spent() -> Vec<Mutant<Ports>> {
    const TELLS: &str = "refresh_tokens::get::tells_spent_from_current";
    const OVER: &str = "refresh_tokens::get::is_over_with_the_family";
    vec![
        tells(
            "refresh_tokens::get_shows_spent_tokens_as_current",
            TELLS,
            |_, answer| match answer {
                Ok(Answer::Get(Some(mut token))) => {
                    token.spent_at = None;
                    Ok(Answer::Get(Some(token)))
                }
                answer => answer,
            },
        ),
        tells(
            "refresh_tokens::get_finds_no_spent_token",
            TELLS,
            |_, answer| match answer {
                Ok(Answer::Get(Some(token))) if token.spent_at.is_some() => Ok(Answer::Get(None)),
                answer => answer,
            },
        ),
        tells(
            "refresh_tokens::get_shows_since_when_the_family_was_seen",
            TELLS,
            |_, answer| match answer {
                Ok(Answer::Get(Some(mut token))) => {
                    token.spent_at = token.spent_at.and(Some(token.family.seen_at));
                    Ok(Answer::Get(Some(token)))
                }
                answer => answer,
            },
        ),
        asks("refresh_tokens::get_at_the_end_is_in_time", OVER, |call| {
            if let Call::Get { now, .. } = call {
                *now = now.before(Span::MICROSECOND);
            }
        }),
        mutant(
            "refresh_tokens::spent_tokens_outlive_their_family",
            OVER,
            |table, call| async move {
                let answer = table.call(call.clone()).await?;
                if let (Call::Get { tenant, token, .. }, Answer::Get(None)) = (&call, &answer) {
                    let row = table.row(tenant, token).await?;
                    return Ok(Answer::Get(row.filter(|row| row.spent_at.is_some())));
                }
                Ok(answer)
            },
        ),
        mutant(
            "refresh_tokens::presenting_what_is_over_ends_it",
            OVER,
            |table, call| async move {
                if let Call::Rotate {
                    tenant, old, now, ..
                } = &call
                    && let Some(row) = table.row(tenant, old).await?
                    && row.spent_at.is_some()
                    && !row.family.is_live(*now)
                {
                    table.store.revoke(tenant, &row.family.id).await?;
                }
                table.call(call).await
            },
        ),
    ]
}

fn listed() -> Vec<Mutant<Ports>> {
    const LIVE: &str = "refresh_tokens::list_of::holds_live_ones_only";
    vec![
        asks(
            "refresh_tokens::list_of_holds_what_ends_now",
            LIVE,
            |call| {
                if let Call::ListOf { now, .. } = call {
                    *now = now.before(Span::MICROSECOND);
                }
            },
        ),
        asks("refresh_tokens::list_of_holds_what_is_over", LIVE, |call| {
            if let Call::ListOf { now, .. } = call {
                *now = Timestamp::MIN;
            }
        }),
        tells(
            "refresh_tokens::list_of_breaks_ties_backwards",
            "refresh_tokens::list_of::is_complete_and_ordered",
            |_, answer| match answer {
                Ok(Answer::ListOf(mut page)) => {
                    page.items.reverse();
                    page.items.sort_by_key(|family| family.created_at);
                    Ok(Answer::ListOf(page))
                }
                answer => answer,
            },
        ),
        tells(
            "refresh_tokens::list_of_ends_after_a_thousand",
            "refresh_tokens::list_of::is_complete_at_any_length",
            |call, answer| match (call, answer) {
                (Call::ListOf { page: request, .. }, Ok(Answer::ListOf(mut page)))
                    if request.limit() == 1000 =>
                {
                    page.next = None;
                    Ok(Answer::ListOf(page))
                }
                (_, answer) => answer,
            },
        ),
        tells(
            "refresh_tokens::list_of_nobody_is_missing",
            "refresh_tokens::list_of::of_nobody_is_empty",
            |_, answer| match answer {
                Ok(Answer::ListOf(page)) if page.items.is_empty() => {
                    Err(PortError::not_found("identity"))
                }
                answer => answer,
            },
        ),
        mutant(
            "refresh_tokens::list_of_is_by_the_last_use",
            "refresh_tokens::list_of::walk_survives_rotations",
            |table, call| async move {
                let Call::ListOf {
                    tenant,
                    identity,
                    now,
                    page,
                } = &call
                else {
                    return table.call(call).await;
                };
                let whole = PageRequest::first(1000)?;
                let listed = table.store.list_of(tenant, identity, *now, &whole).await?;
                let mut rows = listed.items;
                rows.sort_by_key(|row| (row.seen_at, row.id.clone()));
                if let Some(cursor) = page.cursor() {
                    let last: (Timestamp, FamilyId) = cursor.open(&["by use"])?;
                    rows.retain(|row| (row.seen_at, row.id.clone()) > last);
                }
                let more = rows.len() > usize::from(page.limit());
                rows.truncate(usize::from(page.limit()));
                let next = match rows.last() {
                    Some(last) if more => {
                        Some(Cursor::seal(&["by use"], &(last.seen_at, last.id.clone()))?)
                    }
                    _ => None,
                };
                Ok(Answer::ListOf(Page { items: rows, next }))
            },
        ),
    ]
}

/// Finds the token whose digest is the `same` when there is none under the digest itself.
async fn with_digests_like(
    table: Table,
    call: Call,
    same: fn(&RefreshDigest, &RefreshDigest) -> bool,
) -> PortResult<Answer> {
    let answer = table.call(call.clone()).await?;
    let (Call::Get { tenant, token, now }, Answer::Get(None)) = (&call, &answer) else {
        return Ok(answer);
    };
    let like: Vec<RefreshDigest> = {
        let notes = table.notes();
        let theirs = notes.tokens.iter().filter(|(of, _)| of == tenant);
        let digests = theirs.map(|(_, digest)| digest);
        digests
            .filter(|digest| same(digest, token))
            .cloned()
            .collect()
    };
    for digest in like {
        let found = table.store.get(tenant, &digest, *now).await?;
        if found.is_some() {
            return Ok(Answer::Get(found));
        }
    }
    Ok(answer)
}
