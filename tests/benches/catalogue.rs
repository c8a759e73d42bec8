//! How long the whole core catalogue takes on each reference adapter, in total and per case, with
//! the memory adapter in the same run as the measure.
//!
//! `cargo bench -p portproof-tests --bench catalogue`

use std::{process::ExitCode, time::Instant};

use portproof::{Outcome, Report, Selection, Target, check_suites, suites};
use portproof_tests::{Memory, Place, Postgres, Sqlite};

/// Runs of each adapter; the median counts.
const RUNS: usize = 5;

fn main() -> ExitCode {
    let measured = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(measure()));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    println!("medians of {RUNS} runs; alone: one case at a time, without races and bulk");
    println!("adapter    cases   calls  total ms  ms a case  alone  slowest case");
    let memory = median("memory", || Ok(Memory)).await?;
    let sqlite = median("sqlite", || Ok(Sqlite::temporary()?)).await?;
    let server = portproof_database::postgres().await?;
    let postgres = median("postgres", || {
        Ok(Postgres::new(Place::Server(server.clone())))
    })
    .await?;
    println!(
        "sqlite takes {:.1} times as long as memory, postgres {:.1} times",
        sqlite / memory,
        postgres / memory
    );
    Ok(())
}

/// Runs the catalogue several times, prints a line and answers the median of the totals.
async fn median<T: Target>(
    name: &str,
    target: impl Fn() -> Result<T, Box<dyn std::error::Error + Send + Sync>>,
) -> Result<f64, Box<dyn std::error::Error + Send + Sync>> {
    let mut runs: Vec<(f64, Report)> = Vec::new();
    for _ in 0..RUNS {
        let target = target()?;
        let started = Instant::now();
        let report = check_suites(target, suites::all(), &Selection::default(), |_| {}).await;
        if !report.is_green() {
            return Err(
                format!("{name} breaks rules: see `portproof run --adapter {name}`").into(),
            );
        }
        runs.push((started.elapsed().as_secs_f64() * 1_000.0, report));
    }
    runs.sort_by(|one, two| one.0.total_cmp(&two.0));
    let (total, report) = &runs[RUNS / 2];
    let ran: Vec<&Outcome> = report
        .outcomes
        .iter()
        .filter(|outcome| outcome.calls > 0)
        .collect();
    let calls: usize = ran.iter().map(|outcome| outcome.calls).sum();
    let one = Selection {
        at_once: Some(1),
        ..Selection::default()
    };
    let alone = check_suites(target()?, suites::core(), &one, |_| {}).await;
    // What is left out makes more calls than a plain case does.
    let plain: Vec<f64> = alone
        .outcomes
        .iter()
        .filter(|outcome| (1..=60).contains(&outcome.calls))
        .map(|outcome| outcome.millis)
        .collect();
    let slowest = alone
        .outcomes
        .iter()
        .max_by(|one, two| one.millis.total_cmp(&two.millis));
    println!(
        "{name:<9} {:>6} {calls:>7} {total:>9.0} {:>10.2} {:>6.2}  {}",
        ran.len(),
        total / ran.len() as f64,
        plain.iter().sum::<f64>() / plain.len() as f64,
        slowest.map_or_else(String::new, |o| format!("{} ({:.0} ms)", o.rule, o.millis)),
    );
    Ok(*total)
}
