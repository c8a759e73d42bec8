//! Pages by the key of the last item: what comes and goes meanwhile moves nothing.

use portproof_ports::{Cursor, Page, PageRequest, PortResult, Timestamp};
use serde::{Serialize, de::DeserializeOwned};

/// What sorts after every id: ids are at most 255 bytes.
pub(crate) const AFTER_EVERY_ID: &str = {
    const LAST: [u8; 256] = {
        // U+10FFFF, 64 times.
        let mut bytes = [0x8f; 256];
        let mut at = 0;
        while at < 256 {
            bytes[at] = 0xf4;
            bytes[at + 2] = 0xbf;
            bytes[at + 3] = 0xbf;
            at += 4;
        }
        bytes
    };
    match std::str::from_utf8(&LAST) {
        Ok(text) => text,
        Err(_) => "",
    }
};

/// A list, by all that makes it this one and no other: the method, the tenant and the filters.
pub(crate) struct List<'a> {
    parts: &'a [&'a str],
    request: &'a PageRequest,
}

impl<'a> List<'a> {
    pub(crate) const fn new(parts: &'a [&'a str], request: &'a PageRequest) -> Self {
        Self { parts, request }
    }

    /// Behind which item the page begins; `None` for the first page.
    pub(crate) fn after<P: DeserializeOwned>(&self) -> PortResult<Option<P>> {
        let cursor = self.request.cursor();
        cursor.map(|cursor| cursor.open(self.parts)).transpose()
    }

    /// How many rows to ask for: one more than the page holds tells whether there are more.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.request.limit()) + 1
    }

    /// The page of these items, which are at most [`rows`](Self::rows).
    pub(crate) fn page<T, P: Serialize>(
        &self,
        mut items: Vec<T>,
        position: impl Fn(&T) -> P,
    ) -> PortResult<Page<T>> {
        let limit = usize::from(self.request.limit());
        let more = items.len() > limit;
        items.truncate(limit);
        let next = match items.last() {
            Some(last) if more => Some(Cursor::seal(self.parts, &position(last))?),
            _ => None,
        };
        Ok(Page { items, next })
    }
}

/// Where a list by creation and then by text begins: behind `after`, or before everything.
pub(crate) fn by_creation<'p, I>(
    after: Option<&'p (Timestamp, I)>,
    text: impl Fn(&'p I) -> &'p str,
) -> (Timestamp, &'p str) {
    after.map_or((Timestamp::MIN, ""), |(created_at, id)| {
        (*created_at, text(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use portproof_ports::KeyId;

    #[test]
    fn nothing_sorts_after_the_last() {
        let highest = KeyId::new("\u{10ffff}".repeat(63)).unwrap();
        assert!(highest.as_str() < AFTER_EVERY_ID);
        assert_eq!(AFTER_EVERY_ID.chars().count(), 64);
    }
}
