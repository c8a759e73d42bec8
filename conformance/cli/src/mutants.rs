//! `portproof mutants`: which rules notice which fault.

use std::io::{self, IsTerminal};

use portproof::{
    catalogue,
    mutants::{Killed, Mutant, score},
    suites,
};
use portproof_mutants::{Modest, Reference, all, related};
use portproof_ports::Ports;
use serde::Serialize;

use crate::{
    error::CliError,
    out::{self, say},
    progress::Progress,
};

#[derive(Serialize)]
struct Json {
    mutants: Vec<Killed>,
}

/// Runs the mutants of these ports, or all; answers whether each was killed by its rule. With `by`,
/// it says how many are noticed by the rules whose ids contain this, and that is all it is about.
pub(crate) async fn run(ports: &[String], by: Option<&str>, json: bool) -> Result<bool, CliError> {
    let rules = catalogue();
    let chosen = |rule: &str| {
        ports.is_empty()
            || ports
                .iter()
                .any(|port| rule.split("::").next() == Some(port))
    };
    if let Some(unknown) = ports
        .iter()
        .find(|port| !rules.iter().any(|rule| rule.port() == **port))
    {
        let mut names: Vec<&str> = rules.iter().map(|rule| rule.port()).collect();
        names.dedup();
        return Err(CliError::UnknownPort(unknown.clone(), names.join(", ")));
    }
    if let Some(by) = by
        && !rules.iter().any(|rule| rule.id.contains(by))
    {
        return Err(CliError::UnknownBy(by.to_owned()));
    }
    let disclaimed = |id: &str| rules.iter().any(|rule| rule.id == id && rule.disclaimed);
    let (of_modest, of_reference): (Vec<_>, Vec<_>) = all()
        .into_iter()
        .filter(|mutant| chosen(mutant.breaks))
        .partition(|mutant| disclaimed(mutant.breaks));
    let suites = suites::all();
    let number = of_modest.len() + of_reference.len();
    let mut progress = Progress::new("reference", "mutants", "not noticed", number);
    if !json && io::stdout().is_terminal() {
        progress = progress.without_bar();
    }
    let show = |killed: &Killed| {
        let noticed = match by {
            Some(_) => !killed.killed_by.is_empty(),
            None => killed.is_killed(),
        };
        progress.done(!noticed);
        if !json {
            print(killed, by.is_some());
        }
    };
    let against = |mutant: &Mutant<Ports>| {
        let mut selection = related(mutant);
        if let Some(by) = by {
            let ids = rules.iter().map(|rule| rule.id);
            selection.rules = ids
                .filter(|id| id.contains(by))
                .map(str::to_owned)
                .collect();
        }
        selection
    };
    let scored = async {
        let mut results = score(Reference::default, &suites, &of_reference, against, show).await;
        results.extend(score(Modest::default, &suites, &of_modest, against, show).await);
        results
    };
    let results = tokio::select! {
        results = scored => results,
        () = out::closed() => return Ok(false),
    };
    drop(progress);
    if let Some(by) = by {
        let noticed = results.iter().filter(|result| !result.killed_by.is_empty());
        let (noticed, all) = (noticed.count(), results.len());
        if json {
            say!(
                "{}",
                serde_json::to_string_pretty(&Json { mutants: results })?
            );
        } else {
            say!("\n{noticed} of {all} mutants are noticed by the rules with {by:?} in their ids");
        }
        return Ok(true);
    }
    let killed = results.iter().filter(|result| result.is_killed()).count();
    let without: Vec<&str> = rules
        .iter()
        .filter(|rule| chosen(rule.id) && !results.iter().any(|result| result.breaks == rule.id))
        .map(|rule| rule.id)
        .collect();
    let all_killed = killed == results.len() && without.is_empty();
    if json {
        say!(
            "{}",
            serde_json::to_string_pretty(&Json { mutants: results })?
        );
        return Ok(all_killed);
    }
    let re_enacted = results
        .iter()
        .filter(|result| result.source.is_some())
        .count();
    say!(
        "\n{} rules, {} mutants ({re_enacted} re-enact a real bug), {killed} killed, {} survivors",
        rules.iter().filter(|rule| chosen(rule.id)).count(),
        results.len(),
        results.len() - killed,
    );
    for rule in without {
        say!("no mutant breaks {rule}");
    }
    Ok(all_killed)
}

/// Prints what became of a mutant; `by` some rules only, it need not be its own that noticed.
fn print(killed: &Killed, by: bool) {
    let mark = match (by, killed.is_killed(), killed.killed_by.is_empty()) {
        (false, true, _) => "killed  ",
        (false, false, _) => "SURVIVED",
        (true, _, false) => "noticed ",
        (true, _, true) => "not seen",
    };
    say!("{mark} {}", killed.id);
    let own = if by { "made for" } else { "by" };
    say!("         {own} {}", killed.breaks);
    let others = killed
        .killed_by
        .iter()
        .filter(|rule| by || *rule != killed.breaks);
    let other = if by { "by" } else { "and" };
    for rule in others {
        say!("         {other} {rule}");
    }
}
