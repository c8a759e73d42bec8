//! Every rule of all ports, on PostgreSQL: whichever server can be had.

use std::process::ExitCode;

use portproof_tests::{Place, Postgres};

fn main() -> ExitCode {
    portproof::run_suites(Postgres::new(Place::Any))
}
