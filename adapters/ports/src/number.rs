//! Numbers that count something, and never what they should not: versions, counters, places.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Invalid;

macro_rules! numbers {
    ($($(#[$about:meta])* $name:ident = $field:literal, from $least:literal, shown $shown:literal;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(i64);

        impl $name {
            #[doc = concat!("A ", $field, " as it was stored.")]
            ///
            /// # Errors
            ///
            #[doc = concat!("[`Invalid`] when it is below ", $least, ".")]
            pub const fn new(number: i64) -> Result<Self, Invalid> {
                if number < $least {
                    return Err(Invalid::new($field, concat!("is below ", $least)));
                }
                Ok(Self(number))
            }

            /// As a number.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = Invalid;
            fn try_from(number: i64) -> Result<Self, Invalid> {
                Self::new(number)
            }
        }

        impl From<$name> for i64 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $shown, self.0)
            }
        }
    )*};
}

numbers! {
    /// How often a record was written: 1 when it was created, one more with every change.
    Version = "version", from 1, shown "v{}";
    /// A number that only goes up: a signature count, a time step. 0 to 2^63 - 1.
    Counter = "counter", from 0, shown "{}";
    /// The number of an event in its stream: 1 for the first one, one more for each that follows.
    Sequence = "sequence", from 1, shown "#{}";
    /// A place among all events of a tenant: 1 for the first event, one more for each that follows,
    /// in whichever stream.
    #[derive(Default)]
    Position = "position", from 0, shown "@{}";
    /// How often an item of an outbox was claimed: 0 before the first time, one more with each.
    Attempt = "attempt", from 0, shown "!{}";
}

impl Version {
    /// The version of a new record.
    pub const FIRST: Self = Self(1);

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Counter {
    /// Where every counter begins.
    pub const ZERO: Self = Self(0);
    /// The highest counter.
    pub const MAX: Self = Self(i64::MAX);
}

impl Sequence {
    /// That of a stream's first event.
    pub const FIRST: Self = Self(1);

    /// The sequence after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Attempt {
    /// Of what nobody claimed yet.
    pub const NONE: Self = Self(0);

    /// The attempt after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
