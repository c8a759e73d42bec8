//! The reference adapters as targets: what their own conformance tests, the command line and the
//! tests of the kit all run the suites on.

use std::{env, time::Duration};

mod memory;
mod postgres;
mod sqlite;

pub use memory::Memory;
pub use postgres::{Place, Postgres};
pub use sqlite::Sqlite;

/// The password that seals keys in the targets' stores.
const KEYSTORE_PASSWORD: &str = "the password of a test's keystore";

/// How long a call waits for a connection, or for its turn to write. Many cases share each handle,
/// and whole catalogues share the cores: the last in the queue is slow, and not broken. So does a call
/// on a server that is gone, unless `PORTPROOF_PATIENCE_SECONDS` says otherwise.
fn patience() -> Duration {
    let seconds = env::var("PORTPROOF_PATIENCE_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(50))
}

// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
