//! Test binaries of the toys, under `cargo test` and under nextest: exit codes, the outcome of each
//! test, every line of every bug report, and what `portproof report` says afterwards are what the
//! model says.

#[path = "../../tests/toys/mod.rs"]
mod toys;

#[path = "../../../tests/tests/shared/mod.rs"]
mod shared;

use std::{
    collections::BTreeMap,
    process::{Command, ExitCode},
};

use libtest_mimic::{Arguments, Failed, Trial};
use portproof::{
    Outcome, Report,
    Verdict::{self, Broken, Held, NotClaimed, NotRun, Waived},
    catalogue_ids,
};

use shared::{Ran, Runner, check, needs_nextest, run, run_toys};
use toys::{Expected, Liar, model};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for Expected { name, .. } in model() {
        let under_cargo = format!("{name}_under_cargo_test").replace(' ', "_");
        trials.push(Trial::test(under_cargo, move || {
            is_as_expected(name, Runner::CargoTest)
        }));
        let under_nextest = format!("{name}_under_nextest").replace(' ', "_");
        trials.push(needs_nextest(Trial::test(under_nextest, move || {
            is_as_expected(name, Runner::Nextest)
        })));
    }
    type Check = fn(Runner) -> Result<(), Failed>;
    let of_core_ports: [(&str, Check); 2] = [("stranger", is_green), ("liar", lies)];
    for (name, check) in of_core_ports {
        trials.push(Trial::test(format!("{name}_under_cargo_test"), move || {
            check(Runner::CargoTest)
        }));
        trials.push(needs_nextest(Trial::test(
            format!("{name}_under_nextest"),
            move || check(Runner::Nextest),
        )));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn counts(report: &Report) -> [usize; 5] {
    [Held, Broken, Waived, NotClaimed, NotRun].map(|verdict| report.count(verdict))
}

/// The report of an adapter that is right, but for the ports that it does not claim, is green.
fn is_green(runner: Runner) -> Result<(), Failed> {
    let ran = run(runner, "conformance", &[])?;
    exits(&ran, 0, runner)?;
    let counts = counts(&ran.report);
    let [held, _, _, not_claimed, _] = counts;
    check(
        &ran,
        held > 0 && held + not_claimed == ran.report.outcomes.len(),
        "every rule holds or is not claimed",
    )?;
    reported(&ran, counts)
}

/// Who claims ports that are not there breaks every rule of theirs, as it does as a value.
fn lies(runner: Runner) -> Result<(), Failed> {
    let value = tokio::runtime::Runtime::new()?.block_on(portproof::check(Liar));
    let ran = run(runner, "toys", &[("PORTPROOF_TOY", "liar")])?;
    // Which rule of a port reports that it is missing is not said.
    let verdicts = |report: &Report| -> BTreeMap<String, Verdict> {
        let outcomes = report.outcomes.iter();
        outcomes
            .map(|one| {
                let verdict = if one.cause.is_some() {
                    Broken
                } else {
                    one.verdict
                };
                (one.rule.clone(), verdict)
            })
            .collect()
    };
    let (found, expected) = (verdicts(&ran.report), verdicts(&value));
    check(
        &ran,
        found == expected,
        &format!("the verdicts are {expected:?}, not {found:?}"),
    )?;
    // One report a port.
    for reports in [&ran.report, &value] {
        let mut ports: Vec<&str> = reports.broken().map(Outcome::port).collect();
        let count = ports.len();
        ports.dedup();
        check(
            &ran,
            ports.len() == count,
            "a port that is missing is reported once",
        )?;
    }
    exits(&ran, value.count(Broken), runner)?;
    check(
        &ran,
        ran.text.contains("claims the port `session`"),
        "it says which port is missing",
    )?;
    reported(&ran, counts(&value))
}

fn is_as_expected(name: &str, runner: Runner) -> Result<(), Failed> {
    let expected = model().into_iter().find(|known| known.name == name);
    let expected = expected.ok_or("a toy that is not in the model")?;
    let variables = [("PORTPROOF_TOY", name), ("PORTPROOF_TIMEOUT_SECONDS", "1")];
    let ran = run_toys(runner, &variables)?;
    exits(&ran, expected.count(Broken), runner)?;
    tests_end(&ran, &expected, runner)?;
    verdicts_are_written(&ran, &expected)?;
    reports_are_shown(&ran, &expected, runner)?;
    // The rules of the core ports, which are no rules of this suite, are shown as not run: so the
    // report of a custom suite is never green.
    let core = catalogue_ids().len();
    let [held, broken, waived, not_claimed, not_run] = expected.counts();
    reported(&ran, [held, broken, waived, not_claimed, not_run + core])
}

/// A test fails for what is broken, and for nothing else: also what is waived passes.
fn exits(ran: &Ran, broken: usize, runner: Runner) -> Result<(), Failed> {
    let code = match (broken, runner) {
        (0, _) => 0,
        (_, Runner::CargoTest) => 101,
        (_, Runner::Nextest) => 100,
    };
    let found = ran.output.status.code();
    check(
        ran,
        found == Some(code),
        &format!("it exits with {code}, not {found:?}"),
    )
}

/// Each rule is a test that ends as its verdict says. What is not claimed is one test that is ignored,
/// with the number of rules and the reasons; nextest only says that it skipped one.
fn tests_end(ran: &Ran, expected: &Expected, runner: Runner) -> Result<(), Failed> {
    let mut ended: BTreeMap<&str, &str> = BTreeMap::new();
    for line in ran.text.lines() {
        let (rule, end) = match runner {
            Runner::CargoTest => match line
                .strip_prefix("test ")
                .and_then(|l| l.rsplit_once(" ... "))
            {
                Some((rule, end)) => {
                    let rule = rule.trim();
                    (rule.rsplit_once("] ").map_or(rule, |(_, rule)| rule), end)
                }
                None => continue,
            },
            Runner::Nextest => {
                let end = line.split_whitespace().next().unwrap_or_default();
                let of_toys = line.contains("] ") && line.contains(" outside::toys ");
                if !of_toys || !["PASS", "FAIL"].contains(&end) {
                    continue;
                }
                (line.rsplit(' ').next().unwrap_or_default(), end)
            }
        };
        ended.insert(rule, end);
    }
    let word = |verdict| match (runner, verdict) {
        (Runner::CargoTest, Broken) => Some("FAILED"),
        (Runner::Nextest, Broken) => Some("FAIL"),
        (_, NotClaimed) => None,
        (Runner::CargoTest, _) => Some("ok"),
        (Runner::Nextest, _) => Some("PASS"),
    };
    let in_model: BTreeMap<&str, &str> = expected
        .verdicts
        .iter()
        .filter_map(|(rule, verdict)| Some((*rule, word(*verdict)?)))
        .collect();
    let unclaimed = expected.count(NotClaimed);
    let ignored: Vec<&str> = ended
        .iter()
        .filter_map(|(name, end)| (*end == "ignored").then_some(*name))
        .collect();
    ended.retain(|_, end| *end != "ignored");
    check(
        ran,
        ended == in_model,
        &format!("the tests end as {in_model:?}, not as {ended:?}"),
    )?;
    if unclaimed == 0 {
        return check(ran, ignored.is_empty(), "no test is ignored");
    }
    let rules = if unclaimed == 1 { "rule" } else { "rules" };
    let line = format!("counter::… ({unclaimed} {rules} not claimed, ");
    let (named, shown) = match (runner, &*ignored) {
        (Runner::CargoTest, [name]) => (name.starts_with(&line), " 1 ignored;"),
        (Runner::CargoTest, _) => (false, " 1 ignored;"),
        (Runner::Nextest, _) => (true, " 1 skipped"),
    };
    check(
        ran,
        named,
        &format!("one ignored test begins with {line:?}"),
    )?;
    check(ran, ran.text.contains(shown), &format!("it says {shown:?}"))
}

/// The verdicts that the processes left are those of the model, with their reasons.
fn verdicts_are_written(ran: &Ran, expected: &Expected) -> Result<(), Failed> {
    let written = |id| {
        ran.report
            .outcomes
            .iter()
            .find(|outcome| outcome.rule == id)
    };
    let reporter = expected.check_verdicts(&ran.report);
    let reporter = reporter.map_err(|wrong| format!("{wrong}: {}", ran.text))?;
    for (id, verdict) in expected.verdicts {
        let found = written(id).ok_or_else(|| format!("{id} has no verdict: {}", ran.text))?;
        let reports = reporter.as_deref().is_none_or(|reporter| reporter == id);
        let has_report = matches!(verdict, Broken | Waived) && reports;
        check(
            ran,
            found.failure.is_some() == has_report,
            &format!("{id} has a bug report if it is broken and no other rule reports its cause"),
        )?;
        check(
            ran,
            found.unavailable == (verdict == Broken && expected.unavailable()),
            &format!("{id} says whether there was a store"),
        )?;
    }
    if let Some((id, reason)) = expected.reason {
        let found = written(id).and_then(|outcome| outcome.reason.as_deref());
        check(
            ran,
            found == Some(reason),
            &format!("{id} has the reason {reason:?}, not {found:?}"),
        )?;
    }
    let others = ran.report.outcomes.len() - expected.verdicts.len();
    check(
        ran,
        others == catalogue_ids().len(),
        "there are no verdicts about other rules",
    )
}

/// Every line of the bug report of everything that is broken is printed, the command that runs it
/// again among them.
fn reports_are_shown(ran: &Ran, expected: &Expected, runner: Runner) -> Result<(), Failed> {
    for outcome in &ran.report.outcomes {
        if let (Some(cause), NotRun) = (&outcome.cause, outcome.verdict) {
            // Under nextest each process reports what it met.
            let said = format!("not run because of {}: {}", cause.reported_by, cause.text);
            check(
                ran,
                runner == Runner::Nextest || ran.text.contains(&said),
                &format!("it says {said:?}"),
            )?;
        }
        let Some(failure) = &outcome.failure else {
            continue;
        };
        let known = expected.verdicts.iter().find(|(id, _)| *id == outcome.rule);
        let (id, _) = known.ok_or_else(|| format!("nobody expected {}", outcome.rule))?;
        let again = format!("  again   cargo test -p outside --test toys -- --exact {id}");
        for said in expected.says_of(id).into_iter().chain([again]) {
            check(
                ran,
                failure.contains(&said),
                &format!("the bug report says {said:?}"),
            )?;
        }
        for line in failure.lines().map(str::trim) {
            // nextest takes a text from after this word, which is before its first line.
            let is_shown = |shown: &str| shown.trim_start_matches("Error: ").trim() == line;
            check(
                ran,
                outcome.verdict == Waived || ran.text.lines().map(str::trim).any(is_shown),
                &format!("the line {line:?} is printed"),
            )?;
        }
    }
    Ok(())
}

/// `portproof report` prints the same bug reports, and these counts: held, broken, waived, not claimed
/// and not run. It succeeds when all is held or not claimed.
fn reported(ran: &Ran, counts: [usize; 5]) -> Result<(), Failed> {
    let output = Command::new(env!("CARGO_BIN_EXE_portproof"))
        .arg("report")
        .arg(&ran.verdicts)
        .output()?;
    let said = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    let [held, broken, waived, not_claimed, not_run] = counts;
    let unless_none = |count, what| match count {
        0 => String::new(),
        count => format!(", {count} {what}"),
    };
    let last = format!(
        "{held} held, {broken} broken{}, {not_claimed} not claimed{}\n",
        unless_none(waived, "waived"),
        unless_none(not_run, "not run"),
    );
    let reports = ran.report.broken();
    let mut says: Vec<&str> = reports.filter_map(|one| one.failure.as_deref()).collect();
    says.push(&last);
    let mut code = i32::from(broken + waived + not_run > 0);
    let closed = ran.report.not_opened();
    let closed = closed.map(|cause| format!("error: {}: {}\n", ran.report.adapter, cause.text));
    // Nothing is known of an adapter whose store could not be opened.
    if let Some(closed) = &closed {
        (says, code) = (vec![&**closed], 2);
    }
    for text in says {
        if !said.contains(text) {
            return Err(format!("expected that the report says {text:?}; got {said}").into());
        }
    }
    if closed.is_some() && said.contains(" held") {
        return Err(format!("expected no table, got {said}").into());
    }
    if output.status.code() == Some(code) {
        return Ok(());
    }
    let found = output.status;
    Err(format!("expected that the report exits with {code}, got {found}: {said}").into())
}
