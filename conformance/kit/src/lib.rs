//! What every suite of Portproof is made of: rules, cases and the worlds that they run in; the
//! runner, its transcripts and reports; races, cancelled calls, generated operations, mutants.
//!
//! Adapter authors use [`portproof`](https://docs.rs/portproof), which has all of this and the suites.
//! The suites are crates of their own, so that they compile side by side, and a change of one
//! compiles that one.

// The macros name the kit by its public name, also in here.
extern crate self as portproof;

pub mod cancel;
mod case;
mod causes;
pub mod check;
pub mod difference;
pub mod fixture;
mod harness;
pub mod lists;
pub mod model;
pub mod mutants;
mod profile;
pub mod race;
mod report;
mod rule;
mod runner;
mod target;
mod transcript;
mod verdict;
pub mod walk;
mod watch;

use std::sync::Arc;

pub use case::{Case, CaseFuture, Context, Suite, World};
pub use causes::{Cause, CauseKind, Hidden};
pub use check::{Checked, Failure};
pub use harness::run_custom_suites;
pub use portproof_macros::rule;
pub use profile::Profile;
pub use report::{Report, Selection, check_suites};
pub use rule::{Environment, Level, Rule};
pub use target::{HOOKS, Manifest, Opened, Target};
pub use transcript::{Stores, Transcript};
pub use verdict::{Outcome, Verdict};

/// For targets: makes async methods of their trait implementation.
pub use portproof_ports::async_trait;

/// The port, which the target's manifest claims.
///
/// # Errors
///
/// When it is not there.
pub fn offered<P: ?Sized>(name: &str, port: Option<&Arc<P>>) -> Result<Arc<P>, Failure> {
    port.cloned().ok_or_else(|| {
        Failure::new(format!(
            "the manifest claims the port `{name}`, but the adapter does not offer it"
        ))
        .because_of(CauseKind::MissingPort, name)
    })
}
