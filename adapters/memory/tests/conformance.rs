//! Every rule of all ports, on the memory adapter.

use std::process::ExitCode;

use portproof_tests::Memory;

fn main() -> ExitCode {
    portproof::run_suites(Memory)
}
