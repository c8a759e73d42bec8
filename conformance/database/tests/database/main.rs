//! Servers for tests, tested: where they come from, how they are shared, and that nothing is left.
//!
//! What this machine cannot run is listed as ignored, with the reason in its kind. `PORTPROOF_REQUIRE`,
//! a list of `docker` and `local`, makes it run, and fail, instead.

mod databases;
mod errors;
mod lifetime;
mod lookup;
mod runner;
mod sandbox;
mod trials;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(runner::ROLE) {
        return runner::play(&role);
    }
    let mut arguments = Arguments::from_args();
    // Most of the time is spent waiting, which needs no processor.
    arguments.test_threads.get_or_insert(8);
    let cases = [
        errors::CASES,
        lookup::CASES,
        databases::CASES,
        lifetime::CASES,
    ];
    libtest_mimic::run(&arguments, trials::list(&cases.concat())).exit_code()
}
