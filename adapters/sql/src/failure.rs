//! What goes wrong in a database, before it is a port's error.

use std::borrow::Cow;

use portproof_ports::PortError;

use crate::schema::Unique;

/// Why a statement failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// It is an answer to the caller already.
    Port(PortError),
    /// A unique key is taken.
    Taken(&'static Unique),
    /// A row refers to one that is not stored.
    NoReference,
    /// It met another transaction and was undone: it may be tried again.
    Conflict,
    /// The connection is dead. Whether the statement was run is not known.
    Lost,
    /// The connection is dead, and the database says that it ended before the statement was done:
    /// nothing of it was written.
    Unrun,
}

impl Failure {
    /// A failure that may pass.
    #[must_use]
    pub fn unavailable(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Port(PortError::Unavailable(why.into()))
    }

    /// A failure that the adapter does not know. `why` must hold no value and no secret.
    #[must_use]
    pub fn backend(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Port(PortError::Backend(why.into()))
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl From<Failure> for PortError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Port(error) => error,
            Failure::Taken(unique) => (unique.error)(),
            // The one reference that a caller can get wrong is a grant's to its role.
            Failure::NoReference => Self::not_found("role"),
            Failure::Conflict => Self::Unavailable("too many others write the same".into()),
            Failure::Lost | Failure::Unrun => Self::Unavailable("the connection was lost".into()),
        }
    }
}
