//! What every list of every port keeps.

use std::{fmt::Debug, future::Future};

use portproof_ports::{Cursor, ErrorKind, Page, PageRequest, PortResult};

use crate::{
    Checked, Failure,
    check::{equal, fails, holds, some},
    race::{RACERS, race},
    walk,
};

/// More records than any page has: what a list of its own limit would cut off.
pub const MANY: usize = 1_100;

/// Makes `count` records, some at once, each by its number.
pub async fn make<F>(count: usize, record: impl Fn(usize) -> F + Clone + Send + 'static) -> Checked
where
    F: Future<Output = Checked> + Send + 'static,
{
    let lanes = race(RACERS, |lane| {
        let record = record.clone();
        async move {
            for number in (lane..count).step_by(RACERS) {
                record(number).await?;
            }
            Ok(())
        }
    })
    .await?;
    lanes.into_iter().collect()
}

/// Fails unless a list of so many items has pages as large as a page may be, until few remain, and is
/// the same at few a page. Answers the items, which are for the case to compare.
pub async fn has_large_pages<T, F>(
    what: &str,
    count: usize,
    list: impl Fn(PageRequest) -> F,
) -> Result<Vec<T>, Failure>
where
    T: Debug + PartialEq,
    F: Future<Output = PortResult<Page<T>>>,
{
    let pages = walk::pages_of(count, 1000, &list).await?;
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    let full = std::iter::repeat_n(1000, count / 1000);
    let rest = Some(count % 1000).filter(|rest| *rest > 0);
    let expected: Vec<usize> = full.chain(rest).collect();
    equal(
        &format!("{what}: how many each page holds"),
        &sizes,
        &expected,
    )?;
    let items: Vec<T> = pages.into_iter().flatten().collect();
    let few = walk::pages_of(count, 97, &list).await?;
    let few: Vec<T> = few.into_iter().flatten().collect();
    holds(items == few, format!("{what}: the same at 97 a page"))?;
    Ok(items)
}

/// Fails unless walks at every telling page size answer exactly `expected`, in order: one by one,
/// pages that divide the list and that do not, one page that fits it and larger ones.
pub async fn walks_answer<T, F>(
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
        let pages = walk::pages_of(expected.len(), size, &list).await?;
        let items: Vec<T> = pages.into_iter().flatten().collect();
        let what = format!("{what}, walked at {size} a page");
        if items.len() == expected.len() {
            for (number, (got, expected)) in items.iter().zip(expected).enumerate() {
                equal(&format!("{what}: item {number}"), got, expected)?;
            }
        } else {
            return Err(Failure::new(format!(
                "{what}\n  expected {} items: {expected:?}\n  got      {} until the walk ended or had more: {items:?}",
                expected.len(),
                items.len()
            )));
        }
    }
    Ok(())
}

/// The first page of a list that has more than one item, and the cursor after it.
pub async fn first_item<T, F>(list: impl Fn(PageRequest) -> F) -> Result<(T, Cursor), Failure>
where
    F: Future<Output = PortResult<Page<T>>>,
{
    let mut page = list(PageRequest::first(1)?).await?;
    let item = some("the first item of a list", page.items.pop())?;
    let cursor = some("a cursor after the first of several items", page.next)?;
    Ok((item, cursor))
}

/// Fails unless `list` refuses the cursor.
pub async fn refuses_cursor<T, F>(
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
pub async fn refuses_damaged<T, F>(cursor: &Cursor, list: impl Fn(PageRequest) -> F) -> Checked
where
    T: Debug,
    F: Future<Output = PortResult<Page<T>>>,
{
    for (what, text) in damages(cursor) {
        refuses_cursor(what, Cursor::new(text)?, &list).await?;
    }
    Ok(())
}

/// In how many ways a cursor can be damaged.
pub const DAMAGES: usize = 8;

/// The cursor, damaged in one of the ways there are, by its number.
pub fn damaged(cursor: &Cursor, number: usize) -> Result<Cursor, Failure> {
    let [.., (_, last)] = damages(cursor);
    let mut ways = damages(cursor).into_iter().map(|(_, text)| text);
    Ok(Cursor::new(ways.nth(number).unwrap_or(last))?)
}

fn damages(cursor: &Cursor) -> [(&'static str, String); DAMAGES] {
    let text = cursor.as_str();
    let mut flipped: Vec<char> = text.chars().collect();
    if let Some(middle) = flipped.get_mut(text.len() / 2) {
        *middle = if *middle == 'A' { 'B' } else { 'A' };
    }
    [
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
    ]
}
