//! What cases say when something is not as a rule has it.

use std::{error::Error, fmt, panic::Location};

use portproof_ports::{ErrorKind, Invalid, PortError, PortResult};

use crate::{CauseKind, difference::expected_and_got};

/// What a case ends with.
pub type Checked = Result<(), Failure>;

/// What was expected, what came instead, and where a case noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was expected and what came.
    pub message: String,
    /// The line of the suite that noticed.
    pub at: &'static Location<'static>,
    /// Whether the store did not answer: the rule was not checked, and that counts as broken.
    pub unavailable: bool,
    /// What else keeps the rule from being checked, and others with it; and what that is about.
    pub cause: Option<(CauseKind, String)>,
    /// What the check looked at, as text: the transcript shows the answer that it is of whole.
    pub looked_at: Option<String>,
}

impl Failure {
    /// A failure with this message, noticed where this is called.
    #[must_use]
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            at: Location::caller(),
            unavailable: false,
            cause: None,
            looked_at: None,
        }
    }

    /// The same, because of something that keeps other rules from being checked as well.
    #[must_use]
    pub fn because_of(mut self, kind: CauseKind, subject: &str) -> Self {
        self.cause = Some((kind, subject.to_owned()));
        self
    }

    /// A failure because of this error of a call, noticed where this is called.
    #[track_caller]
    fn of_call(message: String, error: &PortError) -> Self {
        Self {
            unavailable: error.kind() == ErrorKind::Unavailable,
            ..Self::new(message)
        }
    }

    /// Says what was going on.
    #[must_use]
    pub fn while_(mut self, what: &str) -> Self {
        self.message = format!("while {what}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

impl From<PortError> for Failure {
    #[track_caller]
    fn from(error: PortError) -> Self {
        Self::of_call(
            format!("expected the call to succeed, got {error:?}"),
            &error,
        )
    }
}

impl From<Invalid> for Failure {
    #[track_caller]
    fn from(invalid: Invalid) -> Self {
        Self::new(format!("a fixture is not valid: {invalid}"))
    }
}

/// Fails unless both are equal.
///
/// # Errors
///
/// Naming `what` and showing how they differ.
#[track_caller]
pub fn equal<T: PartialEq + fmt::Debug>(what: &str, got: &T, expected: &T) -> Checked {
    if got == expected {
        return Ok(());
    }
    Err(Failure {
        looked_at: Some(format!("{got:?}")),
        ..Failure::new(format!("{what}{}", expected_and_got(expected, got)))
    })
}

/// Fails unless it holds.
///
/// # Errors
///
/// With `expected`, a sentence that says what should hold.
#[track_caller]
pub fn holds(condition: bool, expected: impl Into<String>) -> Checked {
    if condition {
        return Ok(());
    }
    Err(Failure::new(format!("expected that {}", expected.into())))
}

/// Fails unless the call failed with an error of this kind; errors' texts are nobody's contract.
///
/// # Errors
///
/// Naming `what` and showing what the call answered.
#[track_caller]
pub fn fails<T: fmt::Debug>(what: &str, answer: PortResult<T>, expected: ErrorKind) -> Checked {
    match answer {
        Err(error) if error.kind() == expected => Ok(()),
        Err(error) => Err(Failure::of_call(
            format!("{what}\n  expected the error {expected:?}\n  got      {error:?}"),
            &error,
        )),
        Ok(answer) => Err(Failure::new(format!(
            "{what}\n  expected the error {expected:?}\n  got      {answer:?}"
        ))),
    }
}

/// The value, which should be there.
///
/// # Errors
///
/// When there is none, naming `what`.
#[track_caller]
pub fn some<T>(what: &str, value: Option<T>) -> Result<T, Failure> {
    value.ok_or_else(|| {
        Failure::new(format!(
            "{what}\n  expected it to be there\n  got      None"
        ))
    })
}
