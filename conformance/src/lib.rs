//! Conformance test kit for the storage behind authentication and authorization.
//!
//! An auth engine talks to storage through ports (the traits of `portproof-ports`), and anybody may
//! write an adapter for them. This crate says, rule by rule, whether an adapter may be trusted with
//! logins, and shows the calls that prove it when it may not.
//!
//! # The tests of an adapter
//!
//! Describe the adapter as a [`Target`] and hand it to [`run_suites`], in a test of its own with
//! `harness = false`:
//!
//! ```no_run
//! use portproof::{Manifest, Opened, Profile, Target, async_trait};
//! use portproof_memory::MemoryAdapter;
//! use portproof_ports::Ports;
//!
//! struct MyTarget;
//!
//! #[async_trait]
//! impl Target for MyTarget {
//!     fn manifest(&self) -> Manifest {
//!         Manifest::new("my adapter")
//!             .lacks("reopen", "it ends with its process")
//!             .lacks("dump", "it keeps nothing outside its process")
//!             .profiles(Profile::ALL)
//!     }
//!
//!     async fn open(&self) -> Opened<Ports> {
//!         Ok(MemoryAdapter::new().ports())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     portproof::run_suites(MyTarget)
//! }
//! ```
//!
//! Every rule is then a test: filtered, listed and run in parallel like any other, also under
//! nextest. [`check()`] gives the same verdicts as a value.
//!
//! # What a verdict means
//!
//! A rule is [held, broken, waived, not claimed or not run](Verdict); only held is green. A case
//! that could not run counts as broken, and nothing is skipped while it runs: what an adapter does
//! not do is in its [`Manifest`], with a reason.
//!
//! The core ports are claimed unless the manifest says otherwise; those of another [`Profile`] are
//! not, until it does.
//!
//! # Suites for ports of your own
//!
//! A port is a trait with [`#[port]`](macro@portproof_ports::port) on it. A [`World`] is what its cases
//! start from, [`#[rule]`](macro@rule) makes a rule and its case of a documented function, and
//! [`run_custom_suites`] runs them. [`mutants`] proves that they notice what they should.
//!
//! A record of an application's own that is kept as an entity needs no port: [`suites::entity_suite`]
//! makes its suite of a type that can make samples.

pub mod suites;

use std::process::ExitCode;

pub use portproof_kit::{
    Case, CaseFuture, Cause, CauseKind, Checked, Context, Environment, Failure, HOOKS, Hidden,
    Level, Manifest, Opened, Outcome, Profile, Report, Rule, Selection, Stores, Suite, Target,
    Transcript, Verdict, World, cancel, cases, check, check_suites, mutants, race, rule,
    run_custom_suites, walk,
};

/// For targets: makes async methods of their trait implementation.
pub use portproof_ports::async_trait;

/// Runs the suites of all ports on a target, as the tests of a binary with `harness = false`.
///
/// ```no_run
/// # use portproof::{Manifest, Opened, Target, async_trait};
/// # use portproof_ports::Ports;
/// # struct MyTarget;
/// # #[async_trait]
/// # impl Target for MyTarget {
/// #     fn manifest(&self) -> Manifest { Manifest::new("my adapter") }
/// #     async fn open(&self) -> Opened<Ports> { Ok(Ports::default()) }
/// # }
/// fn main() -> std::process::ExitCode {
///     portproof::run_suites(MyTarget)
/// }
/// ```
#[must_use]
pub fn run_suites(target: impl Target) -> ExitCode {
    run_custom_suites(target, suites::all())
}

/// Checks every rule of all ports on a target, and answers the verdicts as a value.
///
/// ```
/// use portproof::{Manifest, Opened, Profile, Target, async_trait, check};
/// use portproof_memory::MemoryAdapter;
/// use portproof_ports::Ports;
///
/// struct Memory;
///
/// #[async_trait]
/// impl Target for Memory {
///     fn manifest(&self) -> Manifest {
///         Manifest::new("memory")
///             .lacks("reopen", "in memory")
///             .lacks("dump", "in memory")
///             .profiles(Profile::ALL)
///     }
///     async fn open(&self) -> Opened<Ports> {
///         Ok(MemoryAdapter::new().ports())
///     }
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let report = check(Memory).await;
/// assert!(report.is_green(), "{report}");
/// # });
/// ```
pub async fn check(target: impl Target) -> Report {
    check_suites(target, suites::all(), &Selection::default(), |_| {}).await
}

/// All rules of all suites, in order: the catalogue.
#[must_use]
pub fn catalogue() -> Vec<Rule> {
    let cases = suites::all().into_iter().flat_map(|suite| suite.cases);
    cases.map(|case| case.rule).collect()
}

/// The ids of all rules, in order, for merging.
#[must_use]
pub fn catalogue_ids() -> Vec<&'static str> {
    catalogue().iter().map(|rule| rule.id).collect()
}
