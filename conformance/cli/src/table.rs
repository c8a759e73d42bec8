//! The table at the end: a row a port, a column an adapter.

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use portproof::{Outcome, Verdict};

use crate::{out::say, run::Timed};

/// Prints the verdicts and a last line that says what they come to.
pub(crate) fn print_table(reports: &[&Timed]) {
    let mut ports: Vec<&str> = Vec::new();
    for outcome in reports.iter().flat_map(|timed| &timed.report.outcomes) {
        if !ports.contains(&outcome.port()) {
            ports.push(outcome.port());
        }
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    let mut header = vec!["rules held / broken / not claimed".to_owned()];
    header.extend(reports.iter().map(|timed| timed.report.adapter.clone()));
    table.set_header(header);
    for port in ports {
        let mut row = vec![port.to_owned()];
        for timed in reports {
            row.push(counts(
                timed
                    .report
                    .outcomes
                    .iter()
                    .filter(|outcome| outcome.port() == port),
            ));
        }
        table.add_row(row);
    }
    let mut all = vec!["all".to_owned()];
    all.extend(
        reports
            .iter()
            .map(|timed| counts(timed.report.outcomes.iter())),
    );
    table.add_row(all);
    let mut time = vec!["time".to_owned()];
    time.extend(
        reports
            .iter()
            .map(|timed| format!("{:.2} s", timed.seconds)),
    );
    table.add_row(time);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    say!("{table}");
    let sum = |verdict| -> usize {
        reports
            .iter()
            .map(|timed| timed.report.count(verdict))
            .sum()
    };
    let waived = sum(Verdict::Waived);
    let waived = if waived > 0 {
        format!(", {waived} waived")
    } else {
        String::new()
    };
    let not_run = sum(Verdict::NotRun);
    let not_run = if not_run > 0 {
        format!(", {not_run} not run")
    } else {
        String::new()
    };
    say!(
        "{} held, {} broken{waived}, {} not claimed{not_run}",
        sum(Verdict::Held),
        sum(Verdict::Broken),
        sum(Verdict::NotClaimed),
    );
}

fn counts<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> String {
    let (mut held, mut broken, mut not_claimed, mut others) = (0, 0, 0, 0);
    for outcome in outcomes {
        match outcome.verdict {
            Verdict::Held => held += 1,
            Verdict::Broken => broken += 1,
            Verdict::NotClaimed => not_claimed += 1,
            Verdict::Waived | Verdict::NotRun => others += 1,
        }
    }
    if others > 0 {
        return format!("{held} / {broken} / {not_claimed} (+{others})");
    }
    format!("{held} / {broken} / {not_claimed}")
}
