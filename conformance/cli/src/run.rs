//! `portproof run`: progress while it runs, bug reports, and a table at the end.

use std::{fs, time::Instant};

use portproof::{Profile, Report, Rule, Selection, Verdict, catalogue};
use serde::Serialize;

use crate::{
    RunArguments,
    adapters::{Adapter, Named},
    error::CliError,
    out::say,
    progress::Progress,
    table::print_table,
};

/// The version of the JSON that `--json` writes.
const FORMAT: u32 = 1;

/// An adapter's report, and how long it took.
pub(crate) struct Timed {
    pub(crate) report: Report,
    pub(crate) seconds: f64,
}

/// Runs the suites; answers whether no rule is broken.
pub(crate) async fn run(arguments: RunArguments) -> Result<bool, CliError> {
    let rules = catalogue();
    let selection = select(&rules, &arguments)?;
    let adapters = if arguments.adapters.is_empty() {
        Named::all().await?
    } else {
        let mut named = Vec::new();
        for name in &arguments.adapters {
            named.push(Named::parse(name).await?);
        }
        named
    };
    let selected = rules.iter().filter(|rule| selection.holds(rule)).count();
    let mut reports = Vec::new();
    for named in &adapters {
        if let Some(note) = &named.note {
            say!("{note}");
        }
        let selection = Selection {
            again: Some(format!("portproof run --adapter {} --rule", named.name)),
            ..selection.clone()
        };
        reports.push(check(&named.adapter, &selection, selected).await);
    }
    let printed = print_reports(&reports);
    if let Some(file) = arguments.json {
        write_json(&reports, &file).map_err(|error| CliError::Write { file, error })?;
    }
    printed
}

/// Prints the bug reports and the table; answers whether no rule is broken.
///
/// # Errors
///
/// When a store could not be opened: nothing is known of that adapter, which is in no table.
pub(crate) fn print_reports(reports: &[Timed]) -> Result<bool, CliError> {
    let is_closed = |timed: &&Timed| timed.report.not_opened().is_some();
    let (closed, opened): (Vec<&Timed>, Vec<&Timed>) = reports.iter().partition(is_closed);
    for timed in &opened {
        let failures = timed.report.failures();
        if !failures.is_empty() {
            say!("{failures}\n");
        }
    }
    if !opened.is_empty() {
        print_table(&opened);
    }
    let closed = closed.iter().filter_map(|timed| {
        let cause = timed.report.not_opened()?;
        Some(format!("{}: {}", timed.report.adapter, cause.text))
    });
    let closed: Vec<String> = closed.collect();
    if !closed.is_empty() {
        return Err(CliError::NotOpened(closed.join("\nerror: ")));
    }
    Ok(opened.iter().all(|timed| timed.report.is_green()))
}

/// What a person chose, with names that exist.
fn select(rules: &[Rule], arguments: &RunArguments) -> Result<Selection, CliError> {
    let mut ports: Vec<&str> = rules.iter().map(Rule::port).collect();
    ports.dedup();
    for port in &arguments.ports {
        if !ports.contains(&&**port) {
            return Err(CliError::UnknownPort(port.clone(), ports.join(", ")));
        }
    }
    let profiles = arguments.profiles.iter().map(|name| profile(name));
    let profiles = profiles.collect::<Result<_, _>>()?;
    for prefix in &arguments.rules {
        if !rules.iter().any(|rule| rule.id.starts_with(&**prefix)) {
            return Err(CliError::UnknownRule(prefix.clone()));
        }
    }
    let selection = Selection {
        profiles,
        ports: arguments.ports.clone(),
        rules: arguments.rules.clone(),
        ..Selection::default()
    };
    if !rules.iter().any(|rule| selection.holds(rule)) {
        return Err(CliError::NothingSelected);
    }
    Ok(selection)
}

fn profile(name: &str) -> Result<Profile, CliError> {
    let known = Profile::ALL.into_iter().find(|known| known.name() == name);
    known.ok_or_else(|| {
        let names = Profile::ALL.map(Profile::name).join(", ");
        CliError::UnknownProfile(name.to_owned(), names)
    })
}

async fn check(adapter: &Adapter, selection: &Selection, rules: usize) -> Timed {
    let progress = Progress::new(adapter.name(), "rules", "broken", rules);
    let started = Instant::now();
    let report = adapter
        .check(selection, |outcome| {
            progress.done(outcome.verdict == Verdict::Broken);
        })
        .await;
    Timed {
        report,
        seconds: started.elapsed().as_secs_f64(),
    }
}

#[derive(Serialize)]
struct Json<'a> {
    format: u32,
    kit: &'static str,
    adapters: Vec<JsonAdapter<'a>>,
}

#[derive(Serialize)]
struct JsonAdapter<'a> {
    #[serde(flatten)]
    report: &'a Report,
    seconds: f64,
    green: bool,
}

fn write_json(reports: &[Timed], file: &std::path::Path) -> std::io::Result<()> {
    let json = Json {
        format: FORMAT,
        kit: env!("CARGO_PKG_VERSION"),
        adapters: reports
            .iter()
            .map(|timed| JsonAdapter {
                report: &timed.report,
                seconds: timed.seconds,
                green: timed.report.is_green(),
            })
            .collect(),
    };
    fs::write(file, serde_json::to_vec_pretty(&json)?)
}
