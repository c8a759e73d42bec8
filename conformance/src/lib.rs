//! Conformance test kit for the storage behind authentication and authorization.
//!
//! See `run_suites`.

// The macros name this crate by its public name, also in here.
extern crate self as portproof;

mod case;
pub mod check;
mod harness;
pub mod mutants;
pub mod race;
mod report;
mod rule;
mod runner;
pub mod suites;
mod target;
mod transcript;
mod verdict;
pub mod walk;

pub use case::{Case, CaseFuture, Context, Suite, World};
pub use check::{Checked, Failure};
pub use harness::{run_custom_suites, run_suites};
pub use portproof_macros::rule;
pub use report::{Report, Selection, catalogue_ids, check, check_suites};
pub use rule::{Level, Rule};
pub use runner::catalogue;
pub use target::{HOOKS, Manifest, Opened, Target};
pub use transcript::{Stores, Transcript};
pub use verdict::{Outcome, Verdict};

/// For targets: makes async methods of their trait implementation.
pub use portproof_ports::async_trait;
