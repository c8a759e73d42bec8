//! What every list of every port keeps.

use std::{fmt::Debug, future::Future};

use portproof_ports::{Cursor, ErrorKind, Page, PageRequest, PortResult};

use crate::{
    Checked, Failure,
    check::{equal, fails, some},
    walk,
};

/// Fails unless walks at every telling page size answer exactly `expected`, in order: one by one,
/// pages that divide the list and that do not, one page that fits it and larger ones.
pub(crate) async fn walks_answer<T, F>(
    what: &str,
    expected: &[T],
    list: impl Fn(PageRequest) -> F,
) -> Checked
where
    T: Debug + PartialEq,
    F: Future<Output = PortResult<Page<T>>>,
{
    let count = u16::try_from(expected.len()).unwrap_or(u16::MAX);
    let mut sizes = vec![1, 2, 3, count.saturating_sub(1), count, count + 1, 1000];
    sizes.retain(|size| *size > 0);
    sizes.sort_unstable();
    sizes.dedup();
    for size in sizes {
        let items = walk::all(size, &list).await?;
        let what = format!("{what}, walked at {size} a page");
        if items.len() == expected.len() {
            for (number, (got, expected)) in items.iter().zip(expected).enumerate() {
                equal(&format!("{what}: item {number}"), got, expected)?;
            }
        } else {
            return Err(Failure::new(format!(
                "{what}\n  expected {} items: {expected:?}\n  got      {}: {items:?}",
                expected.len(),
                items.len()
            )));
        }
    }
    Ok(())
}

/// The first page of a list that has more than one item, and the cursor after it.
pub(crate) async fn first_item<T, F>(
    list: impl Fn(PageRequest) -> F,
) -> Result<(T, Cursor), Failure>
where
    F: Future<Output = PortResult<Page<T>>>,
{
    let mut page = list(PageRequest::first(1)?).await?;
    let item = some("the first item of a list", page.items.pop())?;
    let cursor = some("a cursor after the first of several items", page.next)?;
    Ok((item, cursor))
}

/// Fails unless `list` refuses the cursor.
pub(crate) async fn refuses_cursor<T, F>(
    what: &str,
    cursor: Cursor,
    list: impl Fn(PageRequest) -> F,
) -> Checked
where
    T: Debug,
    F: Future<Output = PortResult<Page<T>>>,
{
    let request = PageRequest::first(10)?.following(cursor);
    fails(what, list(request).await, ErrorKind::InvalidCursor)
}

/// Fails unless `list` refuses `cursor` once it is damaged, in whatever way.
pub(crate) async fn refuses_damaged<T, F>(
    cursor: &Cursor,
    list: impl Fn(PageRequest) -> F,
) -> Checked
where
    T: Debug,
    F: Future<Output = PortResult<Page<T>>>,
{
    let text = cursor.as_str();
    let mut flipped: Vec<char> = text.chars().collect();
    if let Some(middle) = flipped.get_mut(text.len() / 2) {
        *middle = if *middle == 'A' { 'B' } else { 'A' };
    }
    let damaged = [
        ("an empty cursor", String::new()),
        ("a cursor that is a number", "1".to_owned()),
        ("a cursor of another format", "eyJpZCI6MX0".to_owned()),
        (
            "a cursor that lost its end",
            text[..text.len() - 1].to_owned(),
        ),
        ("a cursor that lost its beginning", text[1..].to_owned()),
        (
            "a cursor with another letter in it",
            flipped.into_iter().collect(),
        ),
        ("a cursor that was written twice", format!("{text}{text}")),
        ("a cursor of SQL", "'OR'1'='1".to_owned()),
    ];
    for (what, text) in damaged {
        refuses_cursor(what, Cursor::new(text)?, &list).await?;
    }
    Ok(())
}
