//! `run_custom_suites`: every rule a test of its own, in `cargo test`, nextest and IDEs.

use std::{
    env,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{
    Outcome, Report, Rule, Stores, Suite, Target, Verdict,
    report::VerdictFolder,
    runner::{Options, Plan, Planned, Runner},
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
    let options = Options {
        again: again(),
        apart: false,
        verdicts_only: false,
    };
    let runner = Arc::new(Runner::new(Arc::new(target), &suites, options));
    let rules = runner.plan(suites);
    if rules.len() < 2 {
        eprintln!("Error: there are no rules to check");
        return ExitCode::FAILURE;
    }
    // The check of the manifest comes first.
    let order: Vec<&str> = rules.iter().map(|planned| planned.rule.id).collect();
    let unclaimed = unclaimed(&rules);
    // Listing opens no store and writes nothing.
    let folder = (!arguments.list).then(|| VerdictFolder::of_this_run(runner.adapter()));
    if let Some(folder) = &folder {
        // What is not claimed does not run, and its verdict is known.
        let _ = folder.write_once(&unclaimed.outcomes(runner.adapter()));
        unclaimed.tell(&arguments);
    }
    let shared = Arc::new(Shared {
        runtime,
        runner,
        folder,
        outcomes: Mutex::default(),
    });
    let mut trials: Vec<Trial> = rules
        .into_iter()
        .filter(|planned| !matches!(planned.plan, Plan::NotClaimed(_)))
        .map(|planned| trial(planned, &shared))
        .collect();
    trials.extend(unclaimed.trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    if is_nextest() || arguments.list {
        return conclusion.exit_code();
    }
    let report = shared.report(&order);
    for hidden in report.hidden() {
        eprintln!("{hidden}");
    }
    // The rule that says so is not among those that were chosen.
    let is_told = report.outcomes.iter().any(|one| one.rule == order[0]);
    if let Some(problem) = shared.runner.problem_of_manifest().filter(|_| !is_told) {
        eprintln!("Error: {problem}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// What the trials of a process share: above all, one open store.
struct Shared<S> {
    runtime: tokio::runtime::Runtime,
    runner: Arc<Runner<S>>,
    folder: Option<VerdictFolder>,
    outcomes: Mutex<Vec<Outcome>>,
}

impl<S: Stores> Shared<S> {
    /// The outcomes of this process, in this order.
    fn report(&self, order: &[&str]) -> Report {
        let outcomes = self.outcomes.lock();
        let mut outcomes = outcomes.unwrap_or_else(PoisonError::into_inner).clone();
        outcomes.sort_by_key(|outcome| order.iter().position(|id| *id == outcome.rule));
        Report {
            adapter: self.runner.adapter().to_owned(),
            outcomes,
        }
    }
}

/// Whether nextest runs this process, for one test.
fn is_nextest() -> bool {
    env::var_os("NEXTEST").is_some()
}

fn trial<S: Stores>(planned: Planned<S>, shared: &Arc<Shared<S>>) -> Trial {
    let name = planned.rule.id;
    let kind = match &planned.plan {
        Plan::Waived(reason) => format!("waived: {reason}"),
        Plan::Run | Plan::NotClaimed(_) => String::new(),
    };
    let shared = Arc::clone(shared);
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
        let mut outcomes = shared
            .outcomes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        outcomes.push(outcome.clone());
        drop(outcomes);
        answer(outcome)
    })
    .with_kind(kind)
}

/// The rules that are not claimed, with the reasons.
struct Unclaimed(Vec<(Rule, String)>);

fn unclaimed<S>(rules: &[Planned<S>]) -> Unclaimed {
    let rules = rules.iter().filter_map(|planned| match &planned.plan {
        Plan::NotClaimed(reason) => Some((planned.rule.clone(), reason.clone())),
        Plan::Run | Plan::Waived(_) => None,
    });
    Unclaimed(rules.collect())
}

impl Unclaimed {
    fn outcomes(&self, adapter: &str) -> Vec<Outcome> {
        let outcomes = self.0.iter().map(|(rule, reason)| Outcome {
            verdict: Verdict::NotClaimed,
            reason: Some(reason.clone()),
            ..Outcome::of(adapter, rule.id)
        });
        outcomes.collect()
    }

    /// A line for each port, with how many rules are not claimed, and why.
    fn ports(&self) -> Vec<String> {
        let mut ports: Vec<&str> = self.0.iter().map(|(rule, _)| rule.port()).collect();
        ports.dedup();
        let line = |port: &str| {
            let of_port = || self.0.iter().filter(|(rule, _)| rule.port() == port);
            let mut reasons: Vec<&str> = of_port().map(|(_, reason)| &**reason).collect();
            reasons.sort_unstable();
            reasons.dedup();
            let count = of_port().count();
            let rules = if count == 1 { "rule" } else { "rules" };
            shortened(format!(
                "{port}::… ({count} {rules} not claimed, {})",
                reasons.join("; ")
            ))
        };
        ports.into_iter().map(line).collect()
    }

    /// A test for each port, which is ignored; one that is run all the same fails.
    fn trials(&self) -> impl Iterator<Item = Trial> {
        let ports = self.ports().into_iter();
        ports.map(|line| {
            let failed = line.clone();
            Trial::test(line, || Err(Failed::from(failed))).with_ignored_flag(true)
        })
    }

    /// Says which of the rules that were chosen are no tests, and why.
    fn tell(&self, arguments: &Arguments) {
        let Some(filter) = arguments.filter.as_deref().filter(|_| !is_nextest()) else {
            return;
        };
        for (rule, reason) in &self.0 {
            let is_chosen = if arguments.exact {
                rule.id == filter
            } else {
                rule.id.contains(filter)
            };
            if is_chosen {
                eprintln!("{} is not claimed: {reason}", rule.id);
            }
        }
    }
}

/// A name that is no longer than those of rules are: the test runner gives all names the same width.
fn shortened(name: String) -> String {
    /// The most characters.
    const WIDTH: usize = 76;
    match name.char_indices().nth(WIDTH - 2) {
        Some((end, _)) => format!("{}…)", &name[..end]),
        None => name,
    }
}

fn answer(outcome: Outcome) -> Result<(), Failed> {
    let failure = match outcome.verdict {
        Verdict::Held | Verdict::Waived => return Ok(()),
        verdict => outcome.failure.unwrap_or_else(|| {
            let reason = outcome.reason.unwrap_or_default();
            format!("{verdict} {reason}")
        }),
    };
    // nextest takes a failure's text from the standard error, after this word.
    if is_nextest() {
        eprintln!("Error: {failure}");
        return Err(Failed::from("see the report above"));
    }
    Err(Failed::from(failure))
}

/// The command that runs a rule again, up to its id, as far as Cargo tells the test binary.
fn again() -> String {
    let package = env::var("CARGO_PKG_NAME")
        .map(|name| format!(" -p {name}"))
        .unwrap_or_default();
    let test = env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .and_then(|stem| Some(stem.rsplit_once('-')?.0.to_owned()))
        .map(|name| format!(" --test {name}"))
        .unwrap_or_default();
    format!("cargo test{package}{test} -- --exact")
}
