//! Walks over lists, page by page.

use std::{fmt::Debug, future::Future};

use portproof_ports::{Page, PageRequest, PortResult};

use crate::{Failure, check::holds};

/// More pages than any case's list has.
const MOST_PAGES: usize = 20_000;

/// Walks a list to its end at `limit` items a page; answers the pages.
///
/// # Errors
///
/// When a page fails, holds more than it may, is empty although a cursor led to it, or when the
/// walk does not end.
pub async fn pages<T, F>(
    limit: u16,
    list: impl Fn(PageRequest) -> F,
) -> Result<Vec<Vec<T>>, Failure>
where
    T: Debug,
    F: Future<Output = PortResult<Page<T>>>,
{
    pages_of(usize::MAX, limit, list).await
}

/// The same for a list of `count` items: a walk that has answered more of them is not gone on with,
/// since it may lead through everything that is stored, or to no end.
pub(crate) async fn pages_of<T, F>(
    count: usize,
    limit: u16,
    list: impl Fn(PageRequest) -> F,
) -> Result<Vec<Vec<T>>, Failure>
where
    T: Debug,
    F: Future<Output = PortResult<Page<T>>>,
{
    let mut answered = 0;
    let first = PageRequest::first(limit)?;
    let mut request = first.clone();
    let mut pages = Vec::new();
    loop {
        let page = list(request).await?;
        holds(
            page.items.len() <= usize::from(limit),
            format!(
                "a page of at most {limit} has no more, got {}",
                page.items.len()
            ),
        )?;
        holds(
            !page.items.is_empty() || pages.is_empty(),
            format!(
                "a cursor leads to a page with items, got an empty page {}",
                pages.len()
            ),
        )?;
        holds(
            page.next.is_none() || page.items.len() == usize::from(limit),
            format!(
                "a page before the last is full, got {} of {limit}",
                page.items.len()
            ),
        )?;
        answered += page.items.len();
        pages.push(page.items);
        match page.next {
            None => return Ok(pages),
            Some(_) if answered > count => return Ok(pages),
            Some(cursor) => request = first.following(cursor),
        }
        holds(pages.len() < MOST_PAGES, "a walk comes to an end")?;
    }
}

/// Walks a list to its end; answers its items.
///
/// # Errors
///
/// As [`pages`].
pub async fn all<T, F>(limit: u16, list: impl Fn(PageRequest) -> F) -> Result<Vec<T>, Failure>
where
    T: Debug,
    F: Future<Output = PortResult<Page<T>>>,
{
    Ok(pages(limit, list).await?.into_iter().flatten().collect())
}
