//! An adapter outside this workspace has every rule as a test of its own, under `cargo test` and
//! under nextest, with the same verdicts.

#[expect(dead_code, reason = "not all that is shared is of use here")]
mod shared;

use std::{collections::BTreeMap, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use portproof::{Verdict, catalogue_ids};

use shared::{Ran, Runner, cargo, check, needs_nextest, run};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = vec![
        Trial::test("a_strangers_adapter_is_green_under_cargo_test", || {
            green(&run(Runner::CargoTest, "conformance", &[])?)
        }),
        Trial::test("a_broken_adapter_fails_under_cargo_test", || {
            broken(&run(Runner::CargoTest, "broken", &[])?)
        }),
        Trial::test("no_store_is_opened_to_list_the_rules", list),
        Trial::test(
            "a_rule_that_is_not_claimed_says_so_when_it_is_chosen",
            chosen,
        ),
        Trial::test("a_waiver_of_no_rule_fails_a_filtered_run", waived_in_vain),
        needs_nextest(Trial::test(
            "a_strangers_adapter_is_green_under_nextest",
            || {
                let nextest = run(Runner::Nextest, "conformance", &[])?;
                green(&nextest)?;
                same(&run(Runner::CargoTest, "conformance", &[])?, &nextest)
            },
        )),
        needs_nextest(Trial::test(
            "a_broken_adapter_fails_the_same_under_nextest",
            || {
                let nextest = run(Runner::Nextest, "broken", &[])?;
                broken(&nextest)?;
                same(&run(Runner::CargoTest, "broken", &[])?, &nextest)
            },
        )),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// All session rules held, and all of the other ports are shown as not claimed.
fn green(ran: &Ran) -> Result<(), Failed> {
    check(ran, ran.output.status.success(), "the run succeeds")?;
    check(ran, ran.report.is_green(), "the report is green")?;
    let sessions = catalogue_ids()
        .into_iter()
        .filter(|id| id.starts_with("session::"))
        .count();
    // Reopening is disclaimed; the kit's own two checks are run as well.
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
    let lines: Vec<&str> = text.lines().collect();
    let (sessions, others): (Vec<_>, Vec<_>) = catalogue_ids()
        .into_iter()
        .partition(|id| id.starts_with("session::"));
    let listed = |id: &&&str| lines.contains(&&*format!("{id}: test"));
    // The one about restarts is not claimed.
    let count = sessions.iter().filter(listed).count();
    if count != sessions.len() - 1 || others.iter().any(|id| listed(&id)) {
        return Err(format!("{count} of {} are listed in {text}", sessions.len()).into());
    }
    let mut ports: Vec<&str> = others
        .iter()
        .filter_map(|id| id.split("::").next())
        .collect();
    ports.dedup();
    for port in ports {
        let rules = others
            .iter()
            .filter(|id| id.split("::").next() == Some(port));
        let begins = format!("{port}::… ({} rules not claimed, ", rules.count());
        let found = lines
            .iter()
            .filter(|line| line.starts_with(&begins))
            .count();
        if found != 1 {
            return Err(format!("{begins:?} is one line, got {found} in {text}").into());
        }
    }
    Ok(())
}

/// What was chosen by its whole name, or by a part of it, and is no test.
fn chosen() -> Result<(), Failed> {
    for filter in [&["--exact", "codes::ready::answers"][..], &["codes::ready"]] {
        let command = ["test", "--locked", "--test", "conformance", "--"];
        let verdicts = tempfile::tempdir()?;
        let output = cargo(&[&command, filter].concat())
            .env("PORTPROOF_VERDICTS", verdicts.path())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !said.contains("codes::ready::answers is not claimed: the manifest does not claim") {
            return Err(format!("{filter:?} does not say why nothing ran: {said}").into());
        }
    }
    Ok(())
}

/// A run of one rule, which holds, of a manifest that waives a rule that there is not.
fn waived_in_vain() -> Result<(), Failed> {
    let command = ["test", "--locked", "--test", "toys", "--", "counter::count"];
    let verdicts = tempfile::tempdir()?;
    let output = cargo(&command)
        .env("PORTPROOF_VERDICTS", verdicts.path())
        .env("PORTPROOF_TOY", "waiving nothing")
        .output()?;
    let said = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    if output.status.success() || !said.contains("which is not a rule") {
        return Err(format!("expected that it fails because of the waiver: {said}").into());
    }
    if !said.contains("1 passed; 0 failed") {
        return Err(format!("expected that the rule itself holds: {said}").into());
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
