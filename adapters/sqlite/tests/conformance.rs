//! Every rule of all ports, on a SQLite file.

use std::process::ExitCode;

use portproof_tests::Sqlite;

fn main() -> ExitCode {
    match Sqlite::temporary() {
        Ok(target) => portproof::run_suites(target),
        Err(error) => {
            eprintln!("Error: no place for a database: {error}");
            ExitCode::FAILURE
        }
    }
}
