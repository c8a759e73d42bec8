//! Instants and lengths of time, in microseconds.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::Invalid;

/// An instant: UTC, in microseconds since 1970, up to the end of the year 9999.
///
/// Every adapter keeps it exactly, whatever the time zone of its process, server or session.
///
/// ```
/// use portproof_ports::Timestamp;
///
/// let now = Timestamp::from_micros(1_700_000_000_123_456)?;
/// assert_eq!(now.to_string(), "2023-11-14T22:13:20.123456Z");
/// assert!(Timestamp::from_micros(-1).is_err());
/// # Ok::<(), portproof_ports::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// The instant `micros` microseconds after 1970.
    ///
    /// # Errors
    ///
    /// [`Invalid`] before 1970 and after 9999.
    pub const fn from_micros(micros: i64) -> Result<Self, Invalid> {
        if micros < Self::MIN.0 || micros > Self::MAX.0 {
            return Err(Invalid::new(
                "timestamp",
                "is outside the years 1970 to 9999",
            ));
        }
        Ok(Self(micros))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This instant, `span` later; at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn after(self, span: Span) -> Self {
        match self.0.checked_add(span.0) {
            Some(micros) if micros <= Self::MAX.0 => Self(micros),
            _ => Self::MAX,
        }
    }

    /// This instant, `span` earlier; at least [`Timestamp::MIN`].
    #[must_use]
    pub const fn before(self, span: Span) -> Self {
        if self.0 < span.0 {
            return Self::MIN;
        }
        Self(self.0 - span.0)
    }
}

impl TryFrom<i64> for Timestamp {
    type Error = Invalid;
    fn try_from(micros: i64) -> Result<Self, Invalid> {
        Self::from_micros(micros)
    }
}

impl From<Timestamp> for i64 {
    fn from(instant: Timestamp) -> Self {
        instant.0
    }
}

impl From<Timestamp> for OffsetDateTime {
    fn from(instant: Timestamp) -> Self {
        // Every timestamp is in the range of `OffsetDateTime`.
        Self::from_unix_timestamp_nanos(i128::from(instant.0) * 1_000).unwrap_or(Self::UNIX_EPOCH)
    }
}

impl TryFrom<OffsetDateTime> for Timestamp {
    type Error = Invalid;
    /// Refuses what is finer than a microsecond instead of rounding it.
    fn try_from(instant: OffsetDateTime) -> Result<Self, Invalid> {
        let nanos = instant.unix_timestamp_nanos();
        if nanos % 1_000 != 0 {
            return Err(Invalid::new("timestamp", "is finer than a microsecond"));
        }
        i64::try_from(nanos / 1_000)
            .map_err(|_| Invalid::new("timestamp", "is outside the years 1970 to 9999"))
            .and_then(Self::from_micros)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from(*self)
            .format(&Rfc3339)
            .map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A length of time: at least a microsecond.
///
/// ```
/// use portproof_ports::Span;
///
/// assert_eq!(Span::minutes(30), Span::from_micros(1_800_000_000)?);
/// assert!(Span::from_micros(0).is_err());
/// # Ok::<(), portproof_ports::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Span(i64);

impl Span {
    /// A microsecond: the least there is.
    pub const MICROSECOND: Self = Self(1);

    /// A span of `micros` microseconds.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when it is less than a microsecond, or longer than [`Timestamp::MAX`] is from
    /// 1970.
    pub const fn from_micros(micros: i64) -> Result<Self, Invalid> {
        if micros < 1 || micros > Timestamp::MAX.0 {
            return Err(Invalid::new(
                "span",
                "is outside 1 microsecond to 8029 years",
            ));
        }
        Ok(Self(micros))
    }

    /// A span of `seconds`; none counts as one microsecond.
    #[must_use]
    pub const fn seconds(seconds: u32) -> Self {
        if seconds == 0 {
            return Self::MICROSECOND;
        }
        Self(seconds as i64 * 1_000_000)
    }

    /// A span of `minutes`; none counts as one microsecond.
    #[must_use]
    pub const fn minutes(minutes: u16) -> Self {
        Self::seconds(minutes as u32 * 60)
    }

    /// A span of `days`; none counts as one microsecond.
    #[must_use]
    pub const fn days(days: u16) -> Self {
        if days == 0 {
            return Self::MICROSECOND;
        }
        Self(days as i64 * 86_400_000_000)
    }

    /// Its length in microseconds.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Span {
    type Error = Invalid;
    fn try_from(micros: i64) -> Result<Self, Invalid> {
        Self::from_micros(micros)
    }
}

impl From<Span> for i64 {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}µs", self.0)
    }
}
