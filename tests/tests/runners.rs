//! An adapter outside this workspace has every rule as a test of its own, under `cargo test` and
//! under nextest, with the same verdicts.
//!
//! Where cargo-nextest is not installed its trials are shown as ignored, unless `PORTPROOF_REQUIRE`
//! names it.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
};

use libtest_mimic::{Arguments, Failed, Trial};
use portproof::{Report, Verdict, catalogue_ids};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let required = env::var("PORTPROOF_REQUIRE").unwrap_or_default();
    let nextest = required.split(',').any(|what| what == "nextest") || has_nextest();
    let kind = if nextest {
        ""
    } else {
        "cargo-nextest is not installed"
    };
    let needs_nextest = |trial: Trial| trial.with_kind(kind).with_ignored_flag(!nextest);
    let trials = vec![
        Trial::test("a_strangers_adapter_is_green_under_cargo_test", || {
            green(&run(Runner::CargoTest, "conformance")?)
        }),
        Trial::test("a_broken_adapter_fails_under_cargo_test", || {
            broken(&run(Runner::CargoTest, "broken")?)
        }),
        Trial::test("no_store_is_opened_to_list_the_rules", list),
        needs_nextest(Trial::test(
            "a_strangers_adapter_is_green_under_nextest",
            || {
                let nextest = run(Runner::Nextest, "conformance")?;
                green(&nextest)?;
                same(&run(Runner::CargoTest, "conformance")?, &nextest)
            },
        )),
        needs_nextest(Trial::test(
            "a_broken_adapter_fails_the_same_under_nextest",
            || {
                let nextest = run(Runner::Nextest, "broken")?;
                broken(&nextest)?;
                same(&run(Runner::CargoTest, "broken")?, &nextest)
            },
        )),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn has_nextest() -> bool {
    cargo(&["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}

#[derive(Clone, Copy, PartialEq)]
enum Runner {
    CargoTest,
    Nextest,
}

/// What a run printed and which verdicts it left.
struct Ran {
    output: Output,
    text: String,
    report: Report,
}

/// Cargo in the workspace outside, knowing nothing of the run that it is part of.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let ours = name.to_string_lossy();
        if ["NEXTEST", "CARGO_PKG_", "CARGO_MANIFEST_", "__CARGO"]
            .iter()
            .any(|start| ours.starts_with(start))
        {
            command.env_remove(&name);
        }
    }
    command
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("outside"))
        // What is built already need not be built again.
        .env("CARGO_TARGET_DIR", target_folder());
    command
}

fn target_folder() -> PathBuf {
    let binary = env::current_exe().unwrap_or_default();
    binary
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map_or_else(|| "target".into(), Path::to_owned)
}

fn run(runner: Runner, test: &str) -> Result<Ran, Failed> {
    let verdicts = tempfile::tempdir()?;
    let mut command = match runner {
        Runner::CargoTest => cargo(&["test", "--locked", "--test", test]),
        Runner::Nextest => cargo(&[
            "nextest",
            "run",
            "--locked",
            "--no-fail-fast",
            "--test",
            test,
        ]),
    };
    let output = command
        .env("PORTPROOF_VERDICTS", verdicts.path())
        .output()?;
    let text = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    let runs: Vec<PathBuf> = std::fs::read_dir(verdicts.path())?
        .map(|run| run.map(|run| run.path()))
        .collect::<Result<_, _>>()?;
    let [run] = &*runs else {
        return Err(format!("expected the verdicts of one run, got {runs:?}: {text}").into());
    };
    let mut reports = Report::merge(run, &catalogue_ids())?;
    let report = reports
        .pop()
        .ok_or_else(|| format!("no verdicts: {text}"))?;
    Ok(Ran {
        output,
        text,
        report,
    })
}

fn check(ran: &Ran, holds: bool, expected: &str) -> Result<(), Failed> {
    if holds {
        return Ok(());
    }
    Err(format!("expected that {expected}; got {}", ran.text).into())
}

/// All session rules held, and all of the other ports are shown as not claimed.
fn green(ran: &Ran) -> Result<(), Failed> {
    check(ran, ran.output.status.success(), "the run succeeds")?;
    check(ran, ran.report.is_green(), "the report is green")?;
    let sessions = catalogue_ids()
        .into_iter()
        .filter(|id| id.starts_with("session::"))
        .count();
    // Reopening is disclaimed; the kit's own two checks run as well.
    check(
        ran,
        ran.report.count(Verdict::Held) == sessions - 1 + 2,
        "every session rule held",
    )?;
    check(
        ran,
        ran.report.count(Verdict::NotRun) == 0 || ran.text.contains("skipped"),
        "every rule has a verdict",
    )?;
    check(
        ran,
        ran.text.contains("session::rotate::ends_the_old_id"),
        "each rule is a test",
    )
}

fn broken(ran: &Ran) -> Result<(), Failed> {
    check(ran, !ran.output.status.success(), "the run fails")?;
    let verdict = |rule: &str| {
        ran.report
            .outcomes
            .iter()
            .find(|outcome| outcome.rule == rule)
            .map(|outcome| outcome.verdict)
    };
    for (rule, expected) in [
        ("session::get::missing_is_none", Verdict::Held),
        (
            "session::create::expires_at_the_earlier_end",
            Verdict::Broken,
        ),
        (
            "session::revoke::answers_whether_there_was_one",
            Verdict::Waived,
        ),
        // Waived and kept: the waiver is the error.
        ("session::ready::answers", Verdict::Broken),
    ] {
        check(
            ran,
            verdict(rule) == Some(expected),
            &format!("{rule} is {expected}"),
        )?;
    }
    for said in [
        "broken breaks session::create::expires_at_the_earlier_end",
        "the calls that show it",
        "session.get {",
        "remove the waiver",
        "cargo test -p outside --test broken -- --exact session::create::expires_at_the_earlier_end",
    ] {
        check(ran, ran.text.contains(said), &format!("it says {said:?}"))?;
    }
    Ok(())
}

fn list() -> Result<(), Failed> {
    let output = cargo(&["test", "--locked", "--test", "conformance", "--", "--list"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for id in catalogue_ids() {
        if !text.contains(id) {
            return Err(format!("{id} is not listed in {text}").into());
        }
    }
    Ok(())
}

/// The same verdict for each rule that ran. What is ignored is not run by nextest at all.
fn same(one: &Ran, other: &Ran) -> Result<(), Failed> {
    let verdicts = |ran: &Ran| -> BTreeMap<String, Verdict> {
        ran.report
            .outcomes
            .iter()
            .filter(|outcome| !matches!(outcome.verdict, Verdict::NotRun | Verdict::NotClaimed))
            .map(|outcome| (outcome.rule.clone(), outcome.verdict))
            .collect()
    };
    let (one, other) = (verdicts(one), verdicts(other));
    if one == other {
        return Ok(());
    }
    Err(format!("the verdicts differ: {one:?} and {other:?}").into())
}
