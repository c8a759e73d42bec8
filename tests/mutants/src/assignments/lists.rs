//! Mutants that list wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    AssignmentStoreAnswer as Answer, AssignmentStoreCall as Call, Cursor, Page, PageRequest, Port,
    PortCall, PortError, PortResult, Ports,
};

use super::{SERVER_CLOCK, Store, answered, first, mutant, syntax_error};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        answered(
            "assignments::ended_grants_are_hidden",
            "assignments::grants_of::is_complete_and_ordered",
            |_, answer| match answer {
                Answer::GrantsOf(mut page) => {
                    page.items.retain(|grant| {
                        grant
                            .window
                            .until()
                            .is_none_or(|until| until > SERVER_CLOCK)
                    });
                    Answer::GrantsOf(page)
                }
                answer => answer,
            },
        ),
        answered(
            "assignments::holders_have_no_next",
            "assignments::holders_of::is_complete_and_ordered",
            |_, answer| match answer {
                Answer::HoldersOf(mut page) => {
                    page.next = None;
                    Answer::HoldersOf(page)
                }
                answer => answer,
            },
        )
        .re_enacts("AuthHero 953739e: the next page was never announced"),
        mutant(
            "assignments::roles_are_filtered_after_the_cut",
            "assignments::roles_of::is_complete_and_ordered",
            |store: Store, call: Call| async move {
                let mut answer = store.call(call.clone()).await?;
                if let Call::RolesOf {
                    tenant,
                    subject,
                    page: asked,
                    ..
                } = &call
                    && let Answer::RolesOf(page) = &mut answer
                    && page.next.is_some()
                {
                    // A page of all grants, of which some are of other scopes, or over.
                    let asked = first(asked.limit())?;
                    let grants = store.grants_of(tenant, subject, &asked).await?;
                    let roles: Vec<_> = grants.items.into_iter().map(|grant| grant.role).collect();
                    page.items.retain(|role| roles.contains(role));
                }
                Ok(answer)
            },
        ),
        mutant(
            "assignments::no_grants_of_is_an_error",
            "assignments::grants_of::of_nobody_is_empty",
            |store, call| nothing_is_an_error("grants_of", store, call),
        ),
        mutant(
            "assignments::no_holders_of_is_an_error",
            "assignments::holders_of::of_nothing_is_empty",
            |store, call| nothing_is_an_error("holders_of", store, call),
        ),
        mutant(
            "assignments::grants_of_begins_anew",
            "assignments::grants_of::refuses_a_foreign_cursor",
            |store, call| begins_anew("grants_of", store, call),
        )
        .re_enacts("kratos 93d364c8e: the second page was of another list"),
        mutant(
            "assignments::grants_of_leaks_a_driver_error",
            "assignments::grants_of::refuses_a_damaged_cursor",
            |store, call| driver_error("grants_of", store, call),
        ),
        mutant(
            "assignments::holders_of_begins_anew",
            "assignments::holders_of::refuses_a_foreign_cursor",
            |store, call| begins_anew("holders_of", store, call),
        ),
        mutant(
            "assignments::holders_of_leaks_a_driver_error",
            "assignments::holders_of::refuses_a_damaged_cursor",
            |store, call| driver_error("holders_of", store, call),
        )
        .re_enacts("spicedb fa1d7f481: a malformed page token was an inner error"),
        mutant(
            "assignments::roles_of_begins_anew",
            "assignments::roles_of::refuses_a_foreign_cursor",
            |store, call| begins_anew("roles_of", store, call),
        ),
        mutant(
            "assignments::roles_of_leaks_a_driver_error",
            "assignments::roles_of::refuses_a_damaged_cursor",
            |store, call| driver_error("roles_of", store, call),
        ),
        mutant(
            "assignments::grants_of_skips_after_removals",
            "assignments::grants_of::walk_survives_removals",
            |store, call| offset_paging("grants_of", store, call),
        )
        .re_enacts("AuthHero 0e6acf4: a cursor that was an offset"),
        mutant(
            "assignments::grants_of_skips_after_insertions",
            "assignments::grants_of::walk_survives_insertions",
            |store, call| offset_paging("grants_of", store, call),
        ),
        mutant(
            "assignments::holders_of_skips_after_removals",
            "assignments::holders_of::walk_survives_removals",
            |store, call| offset_paging("holders_of", store, call),
        ),
        mutant(
            "assignments::holders_of_skips_after_insertions",
            "assignments::holders_of::walk_survives_insertions",
            |store, call| offset_paging("holders_of", store, call),
        ),
        mutant(
            "assignments::roles_of_skips_after_changes",
            "assignments::roles_of::walk_survives_changes",
            |store, call| offset_paging("roles_of", store, call),
        ),
        mutant(
            "assignments::grants_of_pages_hold_500",
            "assignments::grants_of::has_no_limit_of_its_own",
            |store, call| pages_of_500("grants_of", store, call),
        ),
        mutant(
            "assignments::holders_of_pages_hold_500",
            "assignments::holders_of::has_no_limit_of_its_own",
            |store, call| pages_of_500("holders_of", store, call),
        ),
        mutant(
            "assignments::roles_of_pages_hold_500",
            "assignments::roles_of::has_no_limit_of_its_own",
            |store, call| pages_of_500("roles_of", store, call),
        ),
    ]
}

pub(super) async fn nothing_is_an_error(
    method: &'static str,
    store: Store,
    call: Call,
) -> PortResult<Answer> {
    let asked = call.method() == method;
    let answer = store.call(call).await?;
    let nothing = match &answer {
        Answer::GrantsOf(page) | Answer::HoldersOf(page) => page.items.is_empty(),
        Answer::RolesOf(page) => page.items.is_empty(),
        Answer::Attributes(known) => known.is_empty(),
        _ => false,
    };
    if asked && nothing {
        return Err(PortError::NotFound("no rows".into()));
    }
    Ok(answer)
}

/// The page that a call asks for.
fn page_of(call: &mut Call) -> Option<&mut PageRequest> {
    match call {
        Call::GrantsOf { page, .. } | Call::HoldersOf { page, .. } | Call::RolesOf { page, .. } => {
            Some(page)
        }
        _ => None,
    }
}

async fn pages_of_500(method: &'static str, store: Store, mut call: Call) -> PortResult<Answer> {
    if call.method() == method
        && let Some(page) = page_of(&mut call)
    {
        let fewer = first(page.limit().min(500))?;
        *page = match page.cursor() {
            Some(cursor) => fewer.following(cursor.clone()),
            None => fewer,
        };
    }
    store.call(call).await
}

async fn begins_anew(method: &'static str, store: Store, mut call: Call) -> PortResult<Answer> {
    let answer = store.call(call.clone()).await;
    let asked = call.method() == method;
    match (answer, page_of(&mut call)) {
        (Err(PortError::InvalidCursor), Some(page)) if asked => {
            *page = first(page.limit())?;
            store.call(call).await
        }
        (answer, _) => answer,
    }
}

async fn driver_error(method: &'static str, store: Store, call: Call) -> PortResult<Answer> {
    let asked = call.method() == method;
    store.call(call).await.map_err(|error| match error {
        PortError::InvalidCursor if asked => syntax_error(),
        error => error,
    })
}

/// The part of the whole list at an offset, and the cursor that says the next.
fn slice<T>(whole: Page<T>, offset: usize, limit: usize) -> Page<T> {
    let count = whole.items.len();
    let items: Vec<T> = whole.items.into_iter().skip(offset).take(limit).collect();
    let end = offset + items.len();
    let next = (end < count)
        .then(|| Cursor::new(end.to_string()).ok())
        .flatten();
    Page { items, next }
}

async fn offset_paging(method: &'static str, store: Store, mut call: Call) -> PortResult<Answer> {
    if call.method() != method {
        return store.call(call).await;
    }
    let Some(page) = page_of(&mut call) else {
        return store.call(call).await;
    };
    let limit = usize::from(page.limit());
    let offset = page
        .cursor()
        .map_or(Ok(0), |cursor| cursor.as_str().parse());
    let offset: usize = offset.map_err(|_| PortError::InvalidCursor)?;
    *page = first(1000)?;
    Ok(match store.call(call).await? {
        Answer::GrantsOf(whole) => Answer::GrantsOf(slice(whole, offset, limit)),
        Answer::HoldersOf(whole) => Answer::HoldersOf(slice(whole, offset, limit)),
        Answer::RolesOf(whole) => Answer::RolesOf(slice(whole, offset, limit)),
        answer => answer,
    })
}
