//! The mutants of lists.

use portproof::mutants::Mutant;
use portproof_ports::{
    Cursor, Page, PageRequest, PolicyStoreAnswer as Answer, PortError, PortResult, Ports, TenantId,
};
use serde_json::Value;

use super::{
    faults::all,
    kind::{Kind, Op, Policies, Roles, Store, mutant, with},
};

pub(super) fn mutants() -> Vec<Mutant<Ports>> {
    let mut mutants: Vec<_> = [
        both!(
            "order_folds_case",
            "list::is_complete_and_ordered",
            order_folds_case
        ),
        both!(
            "next_is_missing",
            "list::is_complete_and_ordered",
            next_is_missing,
            "AuthHero 953739e: the cursor of the next page was missing"
        ),
        both!(
            "a_hundred_at_most",
            "list::has_no_limit_of_its_own",
            a_hundred_at_most,
            "better-auth #10342: a default limit of a hundred"
        ),
        both!(
            "pages_hold_500",
            "list::has_no_limit_of_its_own",
            pages_of_500
        ),
        both!(
            "empty_is_missing",
            "list::of_nothing_is_empty",
            empty_is_missing,
            "kratos: a list without rows was an error"
        ),
        both!(
            "removals_shift_offsets",
            "list::walk_survives_removals",
            pages_by_offset,
            "AuthHero 0e6acf4: a cursor that was an offset"
        ),
        both!(
            "pages_begin_at_a_row",
            "list::walk_survives_removals",
            pages_by_row
        ),
        both!(
            "insertions_shift_offsets",
            "list::walk_survives_insertions",
            pages_by_offset
        ),
        both!(
            "cursors_of_all_tenants",
            "list::refuses_a_foreign_cursor",
            cursors_of_all_tenants,
            "kratos 93d364c8e: the second page was not kept to the tenant"
        ),
        both!(
            "damaged_is_first",
            "list::refuses_a_damaged_cursor",
            damaged_is_first,
            "AuthHero: a malformed cursor started at the beginning"
        ),
        both!(
            "damaged_is_a_driver_error",
            "list::refuses_a_damaged_cursor",
            damaged_is_a_driver_error
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    mutants.push(Mutant::new(
        "policies::cursors_of_all_lists",
        "policies::list::refuses_a_foreign_cursor",
        |mut ports: Ports, _| {
            ports.policies = ports.policies.map(|port| {
                let port = with::<Roles, _, _>(port, cursors_of_all_lists);
                with::<Policies, _, _>(port, cursors_of_all_lists)
            });
            ports
        },
    ));
    mutants
}

/// A page of what the tenant has, by id, from the place that the cursor of `list` names.
async fn paged<K: Kind>(
    store: &Store,
    (tenant, request): (&TenantId, &PageRequest),
    list: &[&str],
    place: impl Fn(&mut K::Stored, usize) -> Value,
    is_after: impl Fn(&mut K::Stored, usize, &Value) -> bool,
) -> PortResult<Answer> {
    let from: Option<Value> = match request.cursor() {
        Some(cursor) => Some(cursor.open(list)?),
        None => None,
    };
    let mut rest: Vec<(usize, K::Stored)> = Vec::new();
    for (number, mut record) in all::<K>(store, tenant).await?.into_iter().enumerate() {
        if from
            .as_ref()
            .is_none_or(|from| is_after(&mut record, number, from))
        {
            rest.push((number, record));
        }
    }
    let limit = usize::from(request.limit());
    let more = rest.len() > limit;
    rest.truncate(limit);
    let next = match rest.last_mut() {
        Some((number, last)) if more => Some(Cursor::seal(list, &place(last, *number))?),
        _ => None,
    };
    let items = rest.into_iter().map(|(_, record)| record).collect();
    Ok(K::listed(Page { items, next }))
}

fn text_of<K: Kind>(record: &mut K::Stored) -> Value {
    K::text(K::id_of(K::draft(record))).into()
}

/// Pages by an offset.
pub(super) async fn pages_by_offset<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    let Op::List(tenant, request) = &op else {
        return K::run(&store, op).await;
    };
    let list = ["offset", std::any::type_name::<K>(), tenant.as_str()];
    paged::<K>(
        &store,
        (tenant, request),
        &list,
        |_, number| number.into(),
        |_, number, from| from.as_u64().is_some_and(|from| number as u64 > from),
    )
    .await
}

/// Pages by the row that the cursor stands on, and ends when that has gone.
pub(super) async fn pages_by_row<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    let Op::List(tenant, request) = &op else {
        return K::run(&store, op).await;
    };
    let list = ["row", std::any::type_name::<K>(), tenant.as_str()];
    if let Some(cursor) = request.cursor() {
        let id: String = cursor.open(&list)?;
        if K::get(&store, tenant, &K::id(&id)?).await?.is_none() {
            return Ok(K::listed(Page {
                items: Vec::new(),
                next: None,
            }));
        }
    }
    by_id::<K>(&store, tenant, request, &list).await
}

async fn by_id<K: Kind>(
    store: &Store,
    tenant: &TenantId,
    request: &PageRequest,
    list: &[&str],
) -> PortResult<Answer> {
    paged::<K>(
        store,
        (tenant, request),
        list,
        |record, _| text_of::<K>(record),
        |record, _, from| text_of::<K>(record).as_str() > from.as_str(),
    )
    .await
}

/// Cursors that are of use in every tenant.
pub(super) async fn cursors_of_all_tenants<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    let Op::List(tenant, request) = &op else {
        return K::run(&store, op).await;
    };
    let list = ["all tenants", std::any::type_name::<K>()];
    by_id::<K>(&store, tenant, request, &list).await
}

/// Cursors that are of use in every list.
pub(super) async fn cursors_of_all_lists<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    let Op::List(tenant, request) = &op else {
        return K::run(&store, op).await;
    };
    by_id::<K>(&store, tenant, request, &["all lists", tenant.as_str()]).await
}

/// Begins at the beginning when it cannot read the cursor.
pub(super) async fn damaged_is_first<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::List(tenant, request) = &op {
        return match K::list(&store, tenant, request).await {
            Err(PortError::InvalidCursor) => {
                let first = PageRequest::first(request.limit())?;
                Ok(K::listed(K::list(&store, tenant, &first).await?))
            }
            answer => answer.map(K::listed),
        };
    }
    K::run(&store, op).await
}

/// Reports a damaged cursor as the database does.
pub(super) async fn damaged_is_a_driver_error<K: Kind>(
    store: Store,
    op: Op<K>,
) -> PortResult<Answer> {
    K::run(&store, op).await.map_err(|error| match error {
        PortError::InvalidCursor => PortError::Backend("invalid input syntax".into()),
        error => error,
    })
}

/// Orders by the ids without their case.
pub(super) async fn order_folds_case<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::List(tenant, request) = &op {
        let mut page = K::list(&store, tenant, request).await?;
        page.items.sort_by_cached_key(|record| {
            let text = text_of::<K>(&mut record.clone());
            text.as_str().unwrap_or_default().to_lowercase()
        });
        return Ok(K::listed(page));
    }
    K::run(&store, op).await
}

/// Ends the list with its first page.
pub(super) async fn next_is_missing<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::List(tenant, request) = &op {
        let page = K::list(&store, tenant, request).await?;
        return Ok(K::listed(Page { next: None, ..page }));
    }
    K::run(&store, op).await
}

/// Answers a hundred at most.
pub(super) async fn a_hundred_at_most<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::List(tenant, request) = &op {
        let mut page = K::list(&store, tenant, request).await?;
        page.items.truncate(100);
        return Ok(K::listed(page));
    }
    K::run(&store, op).await
}

/// Holds five hundred a page, whatever is asked for.
pub(super) async fn pages_of_500<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::List(tenant, request) = &op {
        let fewer = PageRequest::first(request.limit().min(500))?;
        let fewer = match request.cursor() {
            Some(cursor) => fewer.following(cursor.clone()),
            None => fewer,
        };
        return Ok(K::listed(K::list(&store, tenant, &fewer).await?));
    }
    K::run(&store, op).await
}

/// Takes an empty list for a missing one.
pub(super) async fn empty_is_missing<K: Kind>(store: Store, op: Op<K>) -> PortResult<Answer> {
    if let Op::List(tenant, request) = &op {
        let page = K::list(&store, tenant, request).await?;
        if page.items.is_empty() {
            return Err(PortError::not_found("tenant"));
        }
        return Ok(K::listed(page));
    }
    K::run(&store, op).await
}
