//! How long the catalogue takes on each reference adapter, and how much of that is the kit's: the
//! calls of a run are made once more without the kit, in the same process.
//!
//! `just bench` prints the table, and fails when a ratio is worse than in the committed baseline.
//! Times are shown, and never compared: what is compared are counts and ratios of one run.

mod baseline;
mod replay;
mod tape;

use std::{collections::BTreeMap, env, fs, process::ExitCode, sync::Arc, time::Instant};

use portproof::{Opened, Report, Selection, Target, check_suites, suites};
use portproof_tests::{Memory, Place, Postgres, Sqlite};

use crate::tape::{Recording, Tape};

/// Runs of each adapter, and replays, unless `--runs` says otherwise; the medians count.
const RUNS: usize = 3;
/// How many cases run concurrently.
const AT_ONCE: usize = 8;

/// Ratios and counts by their names, for the baseline.
type Ratios = BTreeMap<String, f64>;

fn main() -> ExitCode {
    let measured = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(measure()))
        .and_then(|ratios| baseline::compare(&ratios));
    match measured {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The value of an option: `--adapter memory` leaves out the others, `--ratios FILE` adds the lines
/// `ratio <name> <value>` that another benchmark printed.
fn option(name: &str) -> Option<String> {
    let mut arguments = env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

async fn measure() -> Opened<Ratios> {
    let only = option("--adapter");
    let is_wanted = |name| only.as_ref().is_none_or(|only| only == name);
    let mut ratios = Ratios::new();
    if let Some(file) = option("--ratios") {
        ratios = baseline::lines(&fs::read_to_string(file)?)?;
        println!("adapters beside the same statements through sqlx; more is quicker");
        for (name, value) in &ratios {
            println!("{name:<32} {value:.2}");
        }
    }
    let runs = option("--runs").map_or(Ok(RUNS), |runs| runs.parse())?;
    println!(
        "medians of {runs} runs and of {runs} replays; cores: the time of this process on them"
    );
    println!(
        "adapter    rules   calls  calls a rule  run s  (cores)  replay s  (cores)  overhead  \
         (cores)  rules in 1000 replayed calls"
    );
    if is_wanted("memory") {
        measured("memory", async || Ok(Memory), runs, &mut ratios).await?;
    }
    if is_wanted("sqlite") {
        let target = async || Ok(Sqlite::temporary()?);
        measured("sqlite", target, runs, &mut ratios).await?;
    }
    if is_wanted("postgres") {
        let server = portproof_database::postgres().await?;
        let target = async || {
            let database = server.fresh_database().await?;
            Ok(Postgres::new(Place::Url(database)))
        };
        measured("postgres", target, runs, &mut ratios).await?;
    }
    Ok(ratios)
}

/// What something took.
#[derive(Clone, Copy)]
struct Took {
    calls: usize,
    seconds: f64,
    /// Of this process, on all cores.
    processor: f64,
}

impl Took {
    async fn by<T>(run: impl Future<Output = Opened<(usize, T)>>) -> Opened<(Self, T)> {
        let (started, before) = (Instant::now(), processor_seconds()?);
        let (calls, answer) = run.await?;
        let took = Self {
            calls,
            seconds: started.elapsed().as_secs_f64(),
            processor: processor_seconds()? - before,
        };
        Ok((took, answer))
    }

    fn seconds_a_call(&self) -> f64 {
        self.seconds / self.calls as f64
    }

    fn processor_a_call(&self) -> f64 {
        self.processor / self.calls as f64
    }
}

/// What the operating system counts of this process, in hundredths of a second.
fn processor_seconds() -> Opened<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat
        .rsplit_once(") ")
        .ok_or("the statistics of a process")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    // The fields 14 and 15 of all, of which two came before.
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// Runs the catalogue and replays it, in alternation, and prints a line.
async fn measured<T: Target>(
    name: &str,
    target: impl AsyncFn() -> Opened<T>,
    times: usize,
    ratios: &mut Ratios,
) -> Opened<()> {
    let tape = Tape::default();
    let recording = Recording::new(Arc::new(target().await?), &tape);
    let (_, rules) = run(name, recording).await?;
    let cases: Vec<_> = tape.into_cases().into_iter().map(Arc::new).collect();
    let taped = cases.iter().map(|calls| calls.len()).sum();

    let (mut runs, mut replays) = (Vec::new(), Vec::new());
    for _ in 0..times.max(1) {
        let store = target().await?;
        runs.push(Took::by(run(name, store)).await?.0);
        let store = Arc::new(target().await?);
        let replayed = async { Ok((taped, replay::replay(store, &cases, AT_ONCE).await?)) };
        replays.push(Took::by(replayed).await?.0);
    }
    let (run, replay) = (
        median(&runs, Took::seconds_a_call),
        median(&replays, Took::seconds_a_call),
    );
    let overhead = run.seconds_a_call() / replay.seconds_a_call();
    let [run_cores, replay_cores] =
        [&runs, &replays].map(|all| median(all, Took::processor_a_call));
    let overhead_cores = run_cores.processor_a_call() / replay_cores.processor_a_call();
    let calls_a_rule = run.calls as f64 / rules as f64;
    let rate = rules as f64 / run.seconds * (1_000.0 * replay.seconds_a_call());
    println!(
        "{name:<9} {rules:>6} {:>7} {calls_a_rule:>13.1} {:>6.2} {:>8.2} {:>9.2} {:>8.2} \
         {overhead:>9.2} {overhead_cores:>8.2} {rate:>29.2}",
        run.calls, run.seconds, run_cores.processor, replay.seconds, replay_cores.processor
    );
    for (what, value) in [
        ("calls_a_rule", calls_a_rule),
        ("overhead", overhead),
        ("rules_in_1000_replayed_calls", rate),
    ] {
        ratios.insert(format!("{name}.{what}"), value);
    }
    Ok(())
}

/// Runs the catalogue; answers how many calls it made, and of how many rules.
async fn run<T: Target>(name: &str, target: T) -> Opened<(usize, usize)> {
    let selection = Selection {
        at_once: Some(AT_ONCE),
        ..Selection::default()
    };
    let report: Report = check_suites(target, suites::all(), &selection, |_| {}).await;
    if !report.is_green() {
        return Err(format!("{name} breaks rules: see `portproof run --adapter {name}`").into());
    }
    let ran = report.outcomes.iter().filter(|outcome| outcome.calls > 0);
    let (calls, rules) = ran.fold((0, 0), |(calls, rules), outcome| {
        (calls + outcome.calls, rules + 1)
    });
    Ok((calls, rules))
}

fn median(all: &[Took], by: impl Fn(&Took) -> f64) -> Took {
    let mut sorted = all.to_vec();
    sorted.sort_by(|one, two| by(one).total_cmp(&by(two)));
    sorted[sorted.len() / 2]
}
