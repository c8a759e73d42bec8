//! Every rule of the core ports, on PostgreSQL: whichever server can be had.

use std::process::ExitCode;

use portproof_tests::{Place, Postgres};

fn main() -> ExitCode {
    portproof::run_suites(Postgres::new(Place::Any))
}
