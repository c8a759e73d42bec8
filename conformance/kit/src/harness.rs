//! `run_custom_suites`: every rule a test of its own, in `cargo test`, nextest and IDEs.

use std::{env, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{
    Outcome, Stores, Suite, Target, Verdict,
    report::VerdictFolder,
    runner::{Plan, Planned, Runner},
};

/// Runs any suites on a target, as the tests of a binary with `harness = false`.
#[must_use]
pub fn run_custom_suites<S: Stores>(target: impl Target<S>, suites: Vec<Suite<S>>) -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Error: the async runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let runner = Arc::new(Runner::new(Arc::new(target), &suites, again));
    let rules = runner.plan(suites);
    if rules.len() < 2 {
        eprintln!("Error: there are no rules to check");
        return ExitCode::FAILURE;
    }
    // Listing opens no store and writes nothing.
    let folder = (!arguments.list).then(|| VerdictFolder::of_this_run(runner.adapter()));
    let shared = Arc::new(Shared {
        runtime,
        runner,
        folder,
    });
    let trials = rules
        .into_iter()
        .map(|planned| trial(planned, &shared))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What the trials of a process share: above all, one open store.
struct Shared<S> {
    runtime: tokio::runtime::Runtime,
    runner: Arc<Runner<S>>,
    folder: Option<VerdictFolder>,
}

fn trial<S: Stores>(planned: Planned<S>, shared: &Arc<Shared<S>>) -> Trial {
    let name = planned.rule.id;
    let (kind, ignored) = match &planned.plan {
        Plan::Run => (String::new(), false),
        Plan::Waived(reason) => (format!("waived: {reason}"), false),
        Plan::NotClaimed(reason) => (format!("not claimed: {reason}"), true),
    };
    let shared = Arc::clone(shared);
    if ignored && let Some(folder) = &shared.folder {
        // An ignored test does not run, and its verdict is known. Under nextest every process comes
        // by here; the first one writes.
        let outcome = shared.runtime.block_on(shared.runner.run(&planned));
        let _ = folder.write_once(&outcome);
    }
    Trial::test(name, move || {
        let runner = Arc::clone(&shared.runner);
        let outcome = shared
            .runtime
            .block_on(async move { runner.run(&planned).await });
        if let Some(folder) = &shared.folder {
            folder
                .write(&outcome)
                .map_err(|error| format!("the verdict could not be written: {error}"))?;
        }
        answer(outcome)
    })
    .with_kind(kind)
    .with_ignored_flag(ignored)
}

fn answer(outcome: Outcome) -> Result<(), Failed> {
    match outcome.verdict {
        Verdict::Held | Verdict::Waived => Ok(()),
        Verdict::NotClaimed => Err(Failed::from(format!(
            "not claimed: {}",
            outcome.reason.unwrap_or_default()
        ))),
        Verdict::Broken | Verdict::NotRun => {
            let failure = outcome.failure.unwrap_or_default();
            // nextest takes a failure's text from the standard error, after this word.
            if env::var_os("NEXTEST").is_some() {
                eprintln!("Error: {failure}");
                return Err(Failed::from("see the report above"));
            }
            Err(Failed::from(failure))
        }
    }
}

/// The command that runs a rule again, as far as Cargo tells the test binary.
fn again(_adapter: &str, rule: &str) -> String {
    let package = env::var("CARGO_PKG_NAME")
        .map(|name| format!(" -p {name}"))
        .unwrap_or_default();
    let test = env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .and_then(|stem| Some(stem.rsplit_once('-')?.0.to_owned()))
        .map(|name| format!(" --test {name}"))
        .unwrap_or_default();
    format!("cargo test{package}{test} -- --exact {rule}")
}
