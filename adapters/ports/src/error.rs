//! The errors: of constructors ([`Invalid`]) and of ports ([`PortError`]).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What a port answers.
pub type PortResult<T> = Result<T, PortError>;

/// A value that no adapter should have to keep: which field, and which limit it breaks.
///
/// The text never holds the value itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct Invalid {
    /// The field or type that was to be made.
    pub field: &'static str,
    /// What is wrong with it, naming the limit: `is longer than 255 bytes`.
    pub problem: &'static str,
}

impl Invalid {
    /// That `field` has a `problem`.
    #[must_use]
    pub const fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }
}

/// Why a call on a port failed.
///
/// Callers decide by kind: the caller's doing ([`NotFound`](Self::NotFound),
/// [`AlreadyExists`](Self::AlreadyExists), [`Stale`](Self::Stale), [`Refused`](Self::Refused),
/// [`InvalidCursor`](Self::InvalidCursor), [`Unsupported`](Self::Unsupported)), what may be tried
/// again ([`Unavailable`](Self::Unavailable)), and what must alarm ([`Corrupt`](Self::Corrupt),
/// [`Backend`](Self::Backend)). No text holds a secret or echoes a caller's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PortError {
    /// A write names something that is not stored.
    #[error("{0} is not stored")]
    NotFound(Cow<'static, str>),
    /// A create, or a change of a unique field, meets something that is stored already. Names the
    /// record or field that is taken.
    #[error("{0} is taken")]
    AlreadyExists(Cow<'static, str>),
    /// A compare-and-swap lost: what is stored is not what the caller saw.
    #[error("{0} has changed since it was read")]
    Stale(Cow<'static, str>),
    /// The call makes no sense as it is: which argument, and why.
    #[error("{field} {problem}")]
    Refused {
        /// The argument or field.
        field: Cow<'static, str>,
        /// What is wrong with it.
        problem: Cow<'static, str>,
    },
    /// A cursor that this list did not hand out: another tenant's, another list's, another
    /// filter's, or a damaged one.
    #[error("the cursor does not belong to this list")]
    InvalidCursor,
    /// The adapter does not offer this, and its manifest says so.
    #[error("{0} is not supported by this adapter")]
    Unsupported(Cow<'static, str>),
    /// The backend does not answer now; the call may be tried again.
    #[error("the backend is unavailable: {0}")]
    Unavailable(Cow<'static, str>),
    /// What is stored cannot be understood, or was tampered with.
    #[error("what is stored is corrupt: {0}")]
    Corrupt(Cow<'static, str>),
    /// The backend failed in a way that the adapter does not know.
    #[error("the backend failed: {0}")]
    Backend(Cow<'static, str>),
}

/// A [`PortError`] without its details: what callers and rules compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// [`PortError::NotFound`].
    NotFound,
    /// [`PortError::AlreadyExists`].
    AlreadyExists,
    /// [`PortError::Stale`].
    Stale,
    /// [`PortError::Refused`].
    Refused,
    /// [`PortError::InvalidCursor`].
    InvalidCursor,
    /// [`PortError::Unsupported`].
    Unsupported,
    /// [`PortError::Unavailable`].
    Unavailable,
    /// [`PortError::Corrupt`].
    Corrupt,
    /// [`PortError::Backend`].
    Backend,
}

impl PortError {
    /// The kind, for comparing.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::AlreadyExists(_) => ErrorKind::AlreadyExists,
            Self::Stale(_) => ErrorKind::Stale,
            Self::Refused { .. } => ErrorKind::Refused,
            Self::InvalidCursor => ErrorKind::InvalidCursor,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Backend(_) => ErrorKind::Backend,
        }
    }

    /// A [`PortError::NotFound`] of the named record.
    #[must_use]
    pub const fn not_found(what: &'static str) -> Self {
        Self::NotFound(Cow::Borrowed(what))
    }

    /// A [`PortError::AlreadyExists`] of the named record or field.
    #[must_use]
    pub const fn already_exists(what: &'static str) -> Self {
        Self::AlreadyExists(Cow::Borrowed(what))
    }

    /// A [`PortError::Stale`] of the named record.
    #[must_use]
    pub const fn stale(what: &'static str) -> Self {
        Self::Stale(Cow::Borrowed(what))
    }

    /// A [`PortError::Refused`]: which argument, and what is wrong with it.
    #[must_use]
    pub const fn refused(field: &'static str, problem: &'static str) -> Self {
        Self::Refused {
            field: Cow::Borrowed(field),
            problem: Cow::Borrowed(problem),
        }
    }

    /// A [`PortError::Corrupt`] of the named record or field.
    #[must_use]
    pub const fn corrupt(what: &'static str) -> Self {
        Self::Corrupt(Cow::Borrowed(what))
    }

    /// A handler answered for another method than it was asked; used by the code of `#[port]`.
    #[doc(hidden)]
    #[must_use]
    pub const fn mismatched_answer() -> Self {
        Self::Backend(Cow::Borrowed("a handler answered for another method"))
    }
}

impl From<Invalid> for PortError {
    fn from(invalid: Invalid) -> Self {
        Self::refused(invalid.field, invalid.problem)
    }
}
