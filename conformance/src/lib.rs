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

// The macros name this crate by its public name, also in here.
extern crate self as portproof;

pub mod cancel;
mod case;
pub mod check;
mod harness;
mod model;
pub mod mutants;
mod profile;
pub mod race;
mod report;
mod rule;
mod runner;
pub mod suites;
mod target;
mod transcript;
mod verdict;
pub mod walk;
mod watch;

pub use case::{Case, CaseFuture, Context, Suite, World};
pub use check::{Checked, Failure};
pub use harness::{run_custom_suites, run_suites};
pub use portproof_macros::rule;
pub use profile::Profile;
pub use report::{Report, Selection, catalogue_ids, check, check_suites};
pub use rule::{Level, Rule};
pub use runner::catalogue;
pub use target::{HOOKS, Manifest, Opened, Target};
pub use transcript::{Stores, Transcript};
pub use verdict::{Outcome, Verdict};

/// For targets: makes async methods of their trait implementation.
pub use portproof_ports::async_trait;
