//! `portproof list` and `portproof explain`.

use std::io::{self, Write};

use portproof::{Level, catalogue};

use crate::{error::CliError, out::say};

/// Lists all rules, as text or as a JSON array.
pub(crate) fn list(json: bool) -> Result<bool, CliError> {
    let rules = catalogue();
    let mut out = io::stdout().lock();
    let written = if json {
        serde_json::to_writer_pretty(&mut out, &rules)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        rules
            .iter()
            .try_for_each(|rule| writeln!(out, "{}\n    {}", rule.id, wrapped(rule.text, "    ")))
    };
    match written {
        // Whoever pipes the list into `head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        written => written.map(|()| true).map_err(CliError::Output),
    }
}

/// Tells all about one rule.
pub(crate) fn explain(id: &str) -> Result<bool, CliError> {
    let rules = catalogue();
    let rule = rules
        .iter()
        .find(|rule| rule.id == id)
        .ok_or_else(|| CliError::UnknownRule(id.to_owned()))?;
    let level = match rule.level {
        Level::Must => "every adapter of the port must keep it",
        Level::Should => "an adapter should keep it",
    };
    say!("{}\n", rule.id);
    say!("  {}\n", wrapped(rule.text, "  "));
    say!("  why      {}", wrapped(rule.why, "           "));
    say!("  source   {}", wrapped(rule.source, "           "));
    say!("  level    {level}");
    say!("  profile  {}", rule.profile);
    if let Some(capability) = rule.capability {
        let when = if rule.disclaimed {
            "disclaims"
        } else {
            "claims"
        };
        say!("  applies  where the adapter {when} `{capability}`");
    }
    say!("  run it   portproof run --rule {}", rule.id);
    say!("           cargo test -- --exact {}", rule.id);
    Ok(true)
}

/// Wrapped to a terminal of 80 columns, with what the further lines begin with.
fn wrapped(text: &str, indent: &str) -> String {
    textwrap::fill(text, textwrap::Options::new(80 - indent.len()))
        .replace('\n', &format!("\n{indent}"))
}
