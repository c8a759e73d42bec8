//! `portproof`: runs the conformance suites from a command line.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

mod adapters;
mod catalogue;
mod error;
mod mutants;
mod out;
mod progress;
mod report;
mod run;
mod table;

/// Proves that the storage behind authentication and authorization behaves.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the suites on adapters (what happens without a command)
    Run(RunArguments),
    /// Lists the rules
    List {
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Tells all about one rule
    Explain {
        /// The rule's id
        rule: String,
    },
    /// Runs the mutants of the reference adapter and shows which rules notice each
    Mutants {
        /// Those of these ports only
        #[arg(long = "port", value_name = "PORT")]
        ports: Vec<String>,
        /// Counts only what rules notice whose ids contain this: `::random::`
        #[arg(long, value_name = "TEXT")]
        by: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Merges the verdicts that test binaries wrote into one table
    Report {
        /// A folder with a run's verdicts; the latest run's without it, in PORTPROOF_VERDICTS or
        /// Cargo's target folder (CARGO_TARGET_DIR)
        folder: Option<PathBuf>,
    },
}

/// What to run.
#[derive(Args, Debug, Default)]
struct RunArguments {
    /// memory, sqlite, sqlite:PATH, postgres or postgres://URL; may be given again
    #[arg(long = "adapter", value_name = "NAME|URL")]
    adapters: Vec<String>,
    /// The rules of this profile's ports only; may be given again
    #[arg(long = "profile", value_name = "PROFILE")]
    profiles: Vec<String>,
    /// The rules of this port only; may be given again
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<String>,
    /// The rules whose ids begin with this only; may be given again
    #[arg(long = "rule", value_name = "RULE")]
    rules: Vec<String>,
    /// Also writes the verdicts to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the async runtime does not start: {error}");
            return ExitCode::from(2);
        }
    };
    let ended = runtime.block_on(async {
        match arguments
            .command
            .unwrap_or(Command::Run(RunArguments::default()))
        {
            Command::Run(arguments) => run::run(arguments).await,
            Command::List { json } => catalogue::list(json),
            Command::Explain { rule } => catalogue::explain(&rule),
            Command::Mutants { ports, by, json } => mutants::run(&ports, by.as_deref(), json).await,
            Command::Report { folder } => report::report(folder),
        }
    });
    let ended = ended.and_then(|all_well| {
        out::written()?;
        Ok(all_well)
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
