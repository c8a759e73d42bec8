//! Pages of a list, and the cursors between them.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{Invalid, PortError, PortResult};

/// The most items of a page.
pub const MAX_PAGE: u16 = 1000;
/// The longest cursor, in bytes.
pub const MAX_CURSOR_BYTES: usize = 4096;

/// Which page of a list to answer.
///
/// A list has a total order that its method names. A walk (the first page, then each page after the
/// cursor of the one before, until a page has no cursor) answers every row that stays where it is
/// exactly once, whatever else comes and goes meanwhile, also when the row that the cursor stands on
/// goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageRequest {
    #[serde(deserialize_with = "checked_limit")]
    limit: u16,
    after: Option<Cursor>,
}

impl PageRequest {
    /// The first page, of at most `limit` items.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when `limit` is not 1 to 1000.
    pub const fn first(limit: u16) -> Result<Self, Invalid> {
        if limit == 0 || limit > MAX_PAGE {
            return Err(Invalid::new("page limit", "is outside 1 to 1000"));
        }
        Ok(Self { limit, after: None })
    }

    /// A page of the same size, after `cursor`.
    #[must_use]
    pub const fn following(&self, cursor: Cursor) -> Self {
        Self {
            limit: self.limit,
            after: Some(cursor),
        }
    }

    /// The most items to answer: 1 to 1000.
    #[must_use]
    pub const fn limit(&self) -> u16 {
        self.limit
    }

    /// Where to begin; without it at the list's beginning.
    #[must_use]
    pub const fn cursor(&self) -> Option<&Cursor> {
        self.after.as_ref()
    }
}

fn checked_limit<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let limit = u16::deserialize(deserializer)?;
    PageRequest::first(limit)
        .map(|request| request.limit)
        .map_err(serde::de::Error::custom)
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins: present exactly when there are more items.
    pub next: Option<Cursor>,
}

/// A place in a list: opaque to engines, and of use only in the list that handed it out.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor(String);

impl Cursor {
    /// Takes a cursor as it came from a caller.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it is longer than 4096 bytes, or not printable ASCII. Whether it belongs to
    /// a list is for that list to say.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        if text.len() > MAX_CURSOR_BYTES {
            return Err(Invalid::new("cursor", "is longer than 4096 bytes"));
        }
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Invalid::new("cursor", "is not printable ASCII"));
        }
        Ok(Self(text))
    }

    /// The cursor's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For adapters: the cursor that stands on `position`, for the list that `list` names.
    ///
    /// `list` holds everything that makes it this list and no other: the method, the tenant and
    /// the filters. `position` is the order's key of the last item of a page. The checksum keeps a
    /// cursor from being used elsewhere by mistake; it is not a signature, and need not be one: a
    /// list answers its own tenant's rows from any position.
    ///
    /// # Errors
    ///
    /// [`PortError::Backend`] when `position` cannot be written as JSON.
    pub fn seal<P: Serialize>(list: &[&str], position: &P) -> PortResult<Self> {
        let position = serde_json::to_vec(position)
            .map_err(|_| PortError::Backend("a cursor's position is not JSON".into()))?;
        let mut bytes = checksum(list, &position).to_vec();
        bytes.extend_from_slice(&position);
        Ok(Self(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// For adapters: the position that [`seal`](Self::seal) wrote for the same `list`.
    ///
    /// # Errors
    ///
    /// [`PortError::InvalidCursor`] for every other cursor.
    pub fn open<P: DeserializeOwned>(&self, list: &[&str]) -> PortResult<P> {
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(&self.0)
            .map_err(|_| PortError::InvalidCursor)?;
        let (found, position) = bytes
            .split_at_checked(CHECKSUM_BYTES)
            .ok_or(PortError::InvalidCursor)?;
        if found != checksum(list, position) {
            return Err(PortError::InvalidCursor);
        }
        serde_json::from_slice(position).map_err(|_| PortError::InvalidCursor)
    }
}

const CHECKSUM_BYTES: usize = 16;

fn checksum(list: &[&str], position: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    for part in list {
        // Lengths keep ["ab", "c"] and ["a", "bc"] apart.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(position);
    let digest: [u8; 32] = hash.finalize().into();
    let mut short = [0; CHECKSUM_BYTES];
    short.copy_from_slice(&digest[..CHECKSUM_BYTES]);
    short
}

impl TryFrom<String> for Cursor {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.0.chars().take(12).collect();
        write!(f, "{start}…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_in_its_own_list() {
        let cursor = Cursor::seal(&["list", "ab", "c"], &("last", 7)).unwrap();
        let position: (String, u8) = cursor.open(&["list", "ab", "c"]).unwrap();
        assert_eq!(position, ("last".to_owned(), 7));
        for other in [&["list", "a", "bc"][..], &["list", "ab"], &[]] {
            let opened = cursor.open::<(String, u8)>(other);
            assert_eq!(opened, Err(PortError::InvalidCursor));
        }
    }

    #[test]
    fn damage_is_an_invalid_cursor() {
        let text = Cursor::seal(&["list"], &"last")
            .unwrap()
            .as_str()
            .to_owned();
        for damaged in [
            "",
            "a",
            &text[1..],
            &text[..text.len() - 2],
            "====",
            &text.repeat(2),
        ] {
            let opened = Cursor::new(damaged).unwrap().open::<String>(&["list"]);
            assert_eq!(opened, Err(PortError::InvalidCursor), "{damaged}");
        }
    }

    #[test]
    fn the_limit_is_checked_also_when_it_is_read() {
        assert!(PageRequest::first(0).is_err());
        assert!(PageRequest::first(1001).is_err());
        assert!(serde_json::from_str::<PageRequest>(r#"{"limit":0,"after":null}"#).is_err());
    }
}
