//! Mutants that list sessions wrongly.

use portproof::mutants::Mutant;
use portproof_ports::{
    Cursor, IdentityId, Page, PageRequest, PortError, PortResult, Ports, Session, Span, TenantId,
    Timestamp, Version,
};

use super::{
    Answer, Call, Table, asks, each, mutant, page_by_key, page_by_offset, place, seen_at, tells,
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    [whole(), whose(), walked(), cursors()]
        .into_iter()
        .flatten()
        .collect()
}

fn whole() -> Vec<Mutant<Ports>> {
    const COMPLETE: &str = "session::list_of::is_complete_and_ordered";
    const LENGTH: &str = "session::list_of::is_complete_at_any_length";
    const LIVE: &str = "session::list_of::holds_live_ones_only";
    vec![
        listed(
            "session::list_of_goes_on_by_creation_only",
            COMPLETE,
            |list| async move {
                let rows = list.live().await?;
                page_by_key(rows, &list.page, &["creation"], |session| {
                    session.created_at
                })
            },
        )
        .re_enacts("leapmux #287: a cursor on the creation dropped rows of one millisecond"),
        tells("session::list_of_has_no_next", COMPLETE, |_, answer| {
            answer.map(|answer| with_page(answer, |page| page.next = None))
        })
        .re_enacts("AuthHero 953739e: a list never answered that there is more"),
        tells(
            "session::list_of_has_a_next_after_every_full_page",
            COMPLETE,
            |call, answer| match call {
                Call::ListOf { page: request, .. } => answer.map(|answer| {
                    with_page(answer, |page| {
                        if page.items.len() == usize::from(request.limit()) && page.next.is_none() {
                            page.next = Cursor::seal(&["more"], &0).ok();
                        }
                    })
                }),
                _ => answer,
            },
        ),
        listed(
            "session::list_of_is_by_id_only",
            COMPLETE,
            |list| async move {
                let mut rows = list.live().await?;
                rows.sort_by(|one, two| one.id.cmp(&two.id));
                page_by_offset(&rows, &list.page)
            },
        ),
        listed(
            "session::list_of_breaks_no_ties",
            COMPLETE,
            |list| async move {
                let mut rows = list.live().await?;
                rows.reverse();
                rows.sort_by_key(|session| session.created_at);
                page_by_offset(&rows, &list.page)
            },
        ),
        listed(
            "session::list_of_answers_everything",
            COMPLETE,
            |list| async move {
                let items = list.live().await?;
                Ok(Answer::ListOf(Page { items, next: None }))
            },
        )
        .re_enacts("hydra #3362: a list ignored which page was asked for"),
        listed(
            "session::list_of_forgets_the_tenant_on_page_two",
            COMPLETE,
            |list| async move {
                let mut rows = list.live().await?;
                if list.page.cursor().is_some() {
                    for tenant in list.table.tenants() {
                        if tenant != list.tenant {
                            rows.extend(list.table.rows(&tenant).await?);
                        }
                    }
                    rows.sort_by_key(place);
                }
                page_by_key(rows, &list.page, &[], place)
            },
        )
        .re_enacts("kratos 93d364c8e: AND before OR made page two hold other tenants' rows"),
        mutant(
            "session::list_of_has_a_limit_of_its_own",
            LENGTH,
            |table, mut call| async move {
                if let Call::ListOf { page, .. } = &mut call {
                    let limit = PageRequest::first(page.limit().min(100))?;
                    *page = page
                        .cursor()
                        .map_or(limit.clone(), |cursor| limit.following(cursor.clone()));
                }
                table.call(call).await
            },
        )
        .re_enacts("better-auth #10342: a default limit hid everything above 100 rows"),
        tells(
            "session::list_of_ends_after_a_thousand",
            LENGTH,
            |call, answer| match call {
                Call::ListOf { page: request, .. } if request.limit() == 1000 => {
                    answer.map(|answer| with_page(answer, |page| page.next = None))
                }
                _ => answer,
            },
        ),
        tells(
            "session::list_of_shows_the_first_version",
            "session::update::replaces_data_only",
            |call, answer| match call {
                Call::ListOf { .. } => {
                    Ok(each(answer?, |session| session.version = Version::FIRST))
                }
                _ => answer,
            },
        ),
        listed(
            "session::list_of_knows_no_touches",
            "session::touch::slides_the_idle_end",
            |list| async move {
                let mut rows = list.stored().await?;
                rows.retain(|row| seen_at(row.clone(), row.created_at).is_live(list.now));
                page_by_offset(&rows, &list.page)
            },
        ),
        listed(
            "session::list_of_holds_what_is_over",
            LIVE,
            |list| async move { page_by_offset(&list.stored().await?, &list.page) },
        ),
        asks("session::list_of_holds_what_ends_now", LIVE, |mut call| {
            if let Call::ListOf { now, .. } = &mut call {
                *now = now.before(Span::MICROSECOND);
            }
            call
        }),
        listed(
            "session::list_of_leaves_gaps_for_what_is_over",
            LIVE,
            |list| async move {
                let answer = page_by_offset(&list.stored().await?, &list.page)?;
                Ok(with_page(answer, |page| {
                    page.items.retain(|row| row.is_live(list.now));
                }))
            },
        ),
    ]
}

fn whose() -> Vec<Mutant<Ports>> {
    const NOBODY: &str = "session::list_of::of_nobody_is_empty";
    const GUESTS: &str = "session::list_of::holds_no_guests";
    vec![
        listed(
            "session::list_of_nobody_is_missing",
            NOBODY,
            |list| async move {
                let rows = list.live().await?;
                if rows.is_empty() {
                    return Err(PortError::not_found("identity"));
                }
                page_by_offset(&rows, &list.page)
            },
        ),
        listed("session::list_of_a_pattern", NOBODY, |list| async move {
            let asked = list.identity.as_str().trim_end_matches('%').to_owned();
            let mut rows = list.table.rows(&list.tenant).await?;
            rows.retain(|row| {
                row.is_live(list.now)
                    && row
                        .identity
                        .as_ref()
                        .is_some_and(|owner| owner.as_str().starts_with(&asked))
            });
            page_by_offset(&rows, &list.page)
        }),
        listed(
            "session::list_of_null_holds_guests",
            GUESTS,
            |list| async move {
                let mut rows = list.table.rows(&list.tenant).await?;
                rows.retain(|row| {
                    let owner = row.identity.as_ref().map_or("null", IdentityId::as_str);
                    row.is_live(list.now) && owner == list.identity.as_str()
                });
                page_by_offset(&rows, &list.page)
            },
        ),
        listed(
            "session::list_of_anybody_holds_guests",
            GUESTS,
            |list| async move {
                let mut rows = list.table.rows(&list.tenant).await?;
                rows.retain(|row| {
                    let owner = row.identity.as_ref();
                    row.is_live(list.now) && owner.is_none_or(|owner| *owner == list.identity)
                });
                page_by_offset(&rows, &list.page)
            },
        ),
    ]
}

fn walked() -> Vec<Mutant<Ports>> {
    vec![
        listed(
            "session::list_of_counts_what_it_skips",
            "session::list_of::walk_survives_removals",
            |list| async move { page_by_offset(&list.live().await?, &list.page) },
        )
        .re_enacts("AuthHero 0e6acf4: a cursor was an offset"),
        listed(
            "session::list_of_needs_the_row_of_its_cursor",
            "session::list_of::walk_survives_removals",
            |list| async move {
                let rows = list.live().await?;
                if let Some(cursor) = list.page.cursor() {
                    let last = cursor.open(&[])?;
                    if !rows.iter().any(|row| place(row) == last) {
                        return Ok(Answer::ListOf(Page {
                            items: vec![],
                            next: None,
                        }));
                    }
                }
                page_by_key(rows, &list.page, &[], place)
            },
        ),
        listed(
            "session::list_of_skips_by_a_count",
            "session::list_of::walk_survives_insertions",
            |list| async move { page_by_offset(&list.live().await?, &list.page) },
        ),
    ]
}

fn cursors() -> Vec<Mutant<Ports>> {
    const FOREIGN: &str = "session::list_of::refuses_a_foreign_cursor";
    const DAMAGED: &str = "session::list_of::refuses_a_damaged_cursor";
    vec![
        listed(
            "session::cursor_fits_every_list",
            FOREIGN,
            |list| async move { page_by_key(list.live().await?, &list.page, &[], place) },
        ),
        listed(
            "session::cursor_fits_every_identity",
            FOREIGN,
            |list| async move {
                let rows = list.live().await?;
                page_by_key(rows, &list.page, &[list.tenant.as_str()], place)
            },
        ),
        listed(
            "session::cursor_fits_one_instant",
            FOREIGN,
            |list| async move {
                let rows = list.live().await?;
                let names = [
                    list.tenant.as_str(),
                    list.identity.as_str(),
                    &list.now.to_string(),
                ];
                page_by_key(rows, &list.page, &names, place)
            },
        ),
        tells(
            "session::damaged_cursor_is_an_empty_page",
            DAMAGED,
            |_, answer| match answer {
                Err(PortError::InvalidCursor) => Ok(Answer::ListOf(Page {
                    items: vec![],
                    next: None,
                })),
                answer => answer,
            },
        )
        .re_enacts("AuthHero ab2e151: a cursor was read as a number, and every page was empty"),
        mutant(
            "session::damaged_cursor_is_the_beginning",
            DAMAGED,
            |table, mut call| async move {
                let answer = table.call(call.clone()).await;
                if let (Call::ListOf { page, .. }, Err(PortError::InvalidCursor)) =
                    (&mut call, &answer)
                {
                    *page = PageRequest::first(page.limit())?;
                    return table.call(call).await;
                }
                answer
            },
        ),
        tells(
            "session::damaged_cursor_is_a_drivers_error",
            DAMAGED,
            |_, answer| match answer {
                Err(PortError::InvalidCursor) => Err(PortError::Backend("invalid byte 61".into())),
                answer => answer,
            },
        )
        .re_enacts("ory 7baa5b562, spicedb fa1d7f481: malformed page tokens reached the database"),
    ]
}

/// A call of the list, as a statement goes wrong on it.
struct List {
    table: Table,
    tenant: TenantId,
    identity: IdentityId,
    now: Timestamp,
    page: PageRequest,
}

impl List {
    /// The identity's sessions in order, live or not.
    async fn stored(&self) -> PortResult<Vec<Session>> {
        let mut rows = self.table.rows(&self.tenant).await?;
        rows.retain(|row| row.identity.as_ref() == Some(&self.identity));
        Ok(rows)
    }

    /// The identity's live sessions in order.
    async fn live(&self) -> PortResult<Vec<Session>> {
        let mut rows = self.stored().await?;
        rows.retain(|row| row.is_live(self.now));
        Ok(rows)
    }
}

/// A mutant that answers lists as `fault` says.
fn listed<F, A>(id: &'static str, breaks: &'static str, fault: F) -> Mutant<Ports>
where
    F: Fn(List) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    mutant(id, breaks, move |table, call| {
        let fault = fault.clone();
        async move {
            match call {
                Call::ListOf {
                    tenant,
                    identity,
                    now,
                    page,
                } => {
                    fault(List {
                        table,
                        tenant,
                        identity,
                        now,
                        page,
                    })
                    .await
                }
                call => table.call(call).await,
            }
        }
    })
}

fn with_page(mut answer: Answer, change: impl FnOnce(&mut Page<Session>)) -> Answer {
    if let Answer::ListOf(page) = &mut answer {
        change(page);
    }
    answer
}
