//! The workspace outside, under both runners: what its tests print, and which verdicts they leave.
//!
//! Where cargo-nextest is not installed its trials are shown as ignored, unless `PORTPROOF_REQUIRE`
//! names it.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use libtest_mimic::{Failed, Trial};
use portproof::{Report, catalogue_ids};
use serde_json::Value;
use tempfile::TempDir;

/// A trial that needs cargo-nextest.
pub(crate) fn needs_nextest(trial: Trial) -> Trial {
    static HAS_NEXTEST: LazyLock<bool> = LazyLock::new(|| {
        let required = env::var("PORTPROOF_REQUIRE").unwrap_or_default();
        let installed = || cargo(&["nextest", "--version"]).output();
        required.split(',').any(|what| what == "nextest")
            || installed().is_ok_and(|output| output.status.success())
    });
    let kind = if *HAS_NEXTEST {
        ""
    } else {
        "cargo-nextest is not installed"
    };
    trial.with_kind(kind).with_ignored_flag(!*HAS_NEXTEST)
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Runner {
    CargoTest,
    Nextest,
}

/// What a run printed and which verdicts it left.
pub(crate) struct Ran {
    pub(crate) output: Output,
    pub(crate) text: String,
    pub(crate) report: Report,
    /// The folder with the verdicts.
    pub(crate) verdicts: PathBuf,
    _folder: TempDir,
}

/// Cargo in the workspace outside, knowing nothing of the run that it is part of.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = outside(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(arguments)
        // What is built already need not be built again.
        .env("CARGO_TARGET_DIR", target_folder());
    command
}

/// A program in the workspace outside, knowing nothing of the run that it is part of.
fn outside(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let ours = name.to_string_lossy();
        if ["NEXTEST", "CARGO_PKG_", "CARGO_MANIFEST_", "__CARGO"]
            .iter()
            .any(|start| ours.starts_with(start))
        {
            command.env_remove(&name);
        }
    }
    command.current_dir(folder());
    command
}

/// The folder of the workspace outside.
fn folder() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = crates.map(|folder| folder.join("tests/outside"));
    folders
        .find(|folder| folder.join("Cargo.toml").is_file())
        .unwrap_or_default()
}

fn target_folder() -> PathBuf {
    let binary = env::current_exe().unwrap_or_default();
    binary
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map_or_else(|| "target".into(), Path::to_owned)
}

/// Runs one test binary, with these variables.
pub(crate) fn run(runner: Runner, test: &str, variables: &[(&str, &str)]) -> Result<Ran, Failed> {
    let command = match runner {
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
    ran(command, variables)
}

/// The binary of the toys, built once and run many times, as Cargo and nextest run it: most of a
/// short run is Cargo's looking whether everything is built.
pub(crate) fn run_toys(runner: Runner, variables: &[(&str, &str)]) -> Result<Ran, Failed> {
    let command = match runner {
        Runner::CargoTest => {
            static BUILT: LazyLock<Result<PathBuf, String>> = LazyLock::new(built);
            let mut command = outside(BUILT.as_ref()?);
            command.env("CARGO_PKG_NAME", "outside");
            command
        }
        Runner::Nextest => {
            static LISTED: LazyLock<Result<[String; 2], String>> = LazyLock::new(listed);
            let [binaries, packages] = LISTED.as_ref()?;
            let mut command = cargo(&["nextest", "run", "--no-fail-fast"]);
            command.args(["--binaries-metadata", binaries]);
            command.args(["--cargo-metadata", packages]);
            command
        }
    };
    ran(command, variables)
}

/// Builds the toys; answers where their binary is.
fn built() -> Result<PathBuf, String> {
    let json = ["--no-run", "--message-format", "json"];
    let output = output(cargo(&["test", "--locked", "--test", "toys"]).args(json))?;
    let messages = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut toys = messages.filter(|message| message["target"]["name"] == "toys");
    let binary = toys.find_map(|toys| Some(PathBuf::from(toys["executable"].as_str()?)));
    binary.ok_or_else(|| format!("no binary was built: {output}"))
}

/// Writes down what nextest would ask Cargo for: which binaries there are, and of which packages.
fn listed() -> Result<[String; 2], String> {
    let binaries = ["--list-type", "binaries-only", "--message-format", "json"];
    let mut list = cargo(&["nextest", "list", "--locked", "--test", "toys"]);
    let mut packages = cargo(&["metadata", "--locked", "--format-version", "1"]);
    let written = |name: &str, text: String| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok::<_, String>(file.display().to_string())
    };
    Ok([
        written("toys.json", output(list.args(binaries))?)?,
        written("outside.json", output(&mut packages)?)?,
    ])
}

/// What a command that must succeed answers.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn ran(mut command: Command, variables: &[(&str, &str)]) -> Result<Ran, Failed> {
    let folder = tempfile::tempdir()?;
    let output = command
        .env("PORTPROOF_VERDICTS", folder.path())
        .envs(variables.iter().copied())
        .output()?;
    let text = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    let runs: Vec<PathBuf> = std::fs::read_dir(folder.path())?
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
        verdicts: run.clone(),
        output,
        text,
        report,
        _folder: folder,
    })
}

/// Fails with everything that was printed, unless it holds.
pub(crate) fn check(ran: &Ran, holds: bool, expected: &str) -> Result<(), Failed> {
    if holds {
        return Ok(());
    }
    Err(format!("expected that {expected}; got {}", ran.text).into())
}
