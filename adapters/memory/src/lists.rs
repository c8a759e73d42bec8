//! Pages: the one way in which every list is answered.

use portproof_ports::{Cursor, Page, PageRequest, PortError, PortResult, TenantId};
use serde::{Serialize, de::DeserializeOwned};

/// Answers a page of `rows`, which come in any order, each with its key: the list's order is that
/// of the keys, and no two rows have one key.
///
/// A cursor holds the key of the last row before it, and opens only for the same `list`, `tenant`
/// and `filter`. That the row is still there does not matter: a page begins after its key.
pub(crate) fn page<'a, K, T>(
    list: &str,
    tenant: &TenantId,
    filter: &impl Serialize,
    request: &PageRequest,
    rows: impl Iterator<Item = (K, &'a T)>,
) -> PortResult<Page<T>>
where
    K: Ord + Serialize + DeserializeOwned,
    T: Clone + 'a,
{
    let filter = serde_json::to_string(filter)
        .map_err(|_| PortError::Backend("a list's filter is not JSON".into()))?;
    let list = [list, tenant.as_str(), &filter];
    let after = request.cursor().map(|cursor| cursor.open::<K>(&list));
    let after = after.transpose()?;
    let mut rest: Vec<(K, &T)> = rows
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
        .collect();
    let limit = usize::from(request.limit());
    let more = rest.len() > limit;
    if more {
        // What comes after the page need not be in order.
        rest.select_nth_unstable_by(limit, |(one, _), (two, _)| one.cmp(two));
        rest.truncate(limit);
    }
    rest.sort_unstable_by(|(one, _), (two, _)| one.cmp(two));
    let next = match rest.last() {
        Some((last, _)) if more => Some(Cursor::seal(&list, last)?),
        _ => None,
    };
    Ok(Page {
        items: rest.into_iter().map(|(_, row)| row.clone()).collect(),
        next,
    })
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;

    fn rows(tenant: &str, keys: &[u32], request: &PageRequest) -> PortResult<Page<u32>> {
        let tenant = TenantId::new(tenant).unwrap();
        let rows = keys.iter().map(|key| (Reverse(*key), key));
        page("numbers.list", &tenant, &"odd", request, rows)
    }

    #[test]
    fn a_walk_answers_what_stays_once_in_order_also_when_its_cursor_stands_on_what_went() {
        let first = PageRequest::first(2).unwrap();
        let page = rows("acme", &[1, 9, 5, 7], &first).unwrap();
        assert_eq!(page.items, [9, 7]);
        // The last one of the page goes, and another comes before it.
        let second = first.following(page.next.unwrap());
        let page = rows("acme", &[1, 11, 9, 5], &second).unwrap();
        assert_eq!(page.items, [5, 1]);
        assert_eq!(page.next, None, "nothing is left");
    }

    #[test]
    fn a_cursor_is_there_exactly_when_there_is_more() {
        for (keys, more) in [(&[][..], false), (&[1, 2], false), (&[1, 2, 3], true)] {
            let page = rows("acme", keys, &PageRequest::first(2).unwrap()).unwrap();
            assert_eq!(page.next.is_some(), more, "{keys:?}");
        }
    }

    #[test]
    fn a_cursor_opens_for_its_own_tenant_only() {
        let first = PageRequest::first(1).unwrap();
        let cursor = rows("acme", &[1, 2], &first).unwrap().next.unwrap();
        let answer = rows("other", &[1, 2], &first.following(cursor));
        assert_eq!(answer, Err(PortError::InvalidCursor));
    }
}
