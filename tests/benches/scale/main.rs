//! How much longer a call takes when there are a hundred times as many rows: on SQLite and on
//! Postgres, each with ten thousand and with a million sessions, refresh tokens, codes, grants,
//! relationships, events, entities, memberships, invitations and items of an outbox.
//!
//! `cargo bench -p portproof-tests --bench scale -- [--rows 10000,1000000] [--calls 400]
//! [--adapter sqlite] [part of a workload's name]`
//!
//! Calls are made in turn on the small and on the large store, so that whatever else the machine does
//! slows both down, and in several rounds: a ratio of medians is that of the middle round. One of more
//! than 1.5 is marked: what finds its rows by an index takes hardly longer. On a machine that does much
//! else, the tenth of the calls that were quickest says more.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

mod rows;
mod store;
mod tables;
mod workloads;

use rows::Rows;
use store::{Done, Place, Store};
use workloads::Workload;

/// In how many rounds the calls of each workload are made.
const ROUNDS: usize = 5;
/// From which ratio on an operation is marked.
const TOO_MUCH: f64 = 1.5;

fn main() -> ExitCode {
    let measured = Wanted::of_arguments().and_then(|wanted| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(measure(&wanted))
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What to measure.
struct Wanted {
    small: Rows,
    large: Rows,
    calls: u64,
    adapter: Option<String>,
    part: String,
}

impl Wanted {
    fn of_arguments() -> Done<Self> {
        let mut wanted = Self {
            small: Rows(10_000),
            large: Rows(1_000_000),
            calls: 400,
            adapter: None,
            part: String::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                // What cargo says to every benchmark.
                "--bench" => {}
                "--rows" => {
                    let both = value()?;
                    let (small, large) = both.split_once(',').ok_or("--rows needs two numbers")?;
                    (wanted.small, wanted.large) = (Rows(small.parse()?), Rows(large.parse()?));
                }
                "--calls" => wanted.calls = value()?.parse()?,
                "--adapter" => wanted.adapter = Some(value()?),
                part if !part.starts_with('-') => part.clone_into(&mut wanted.part),
                other => return Err(format!("there is no {other}").into()),
            }
        }
        // So that persons of one remainder have rows of that.
        if [wanted.small, wanted.large]
            .iter()
            .any(|rows| rows.0 < 1000 || rows.0 % 100 != 0)
        {
            return Err("--rows are hundreds, and a thousand at least".into());
        }
        Ok(wanted)
    }

    fn wants(&self, adapter: &str) -> bool {
        self.adapter
            .as_deref()
            .is_none_or(|wanted| wanted == adapter)
    }
}

async fn measure(wanted: &Wanted) -> Done<()> {
    if wanted.wants("sqlite") {
        on("sqlite", &Place::sqlite()?, wanted).await?;
    }
    if wanted.wants("postgres") {
        on("postgres", &Place::postgres().await?, wanted).await?;
    }
    Ok(())
}

async fn on(name: &str, place: &Place, wanted: &Wanted) -> Done<()> {
    println!("{name}");
    let stores = [
        place.store(wanted.small).await?,
        place.store(wanted.large).await?,
    ];
    let workloads = workloads::all().filter(|workload| workload.name.contains(&wanted.part));
    let mut measured: Vec<Measured> = workloads.map(Measured::nothing).collect();
    for round in 0..ROUNDS {
        for one in &mut measured {
            one.round(&stores, round, wanted.calls).await?;
        }
    }
    let [small, large] = [wanted.small.0, wanted.large.0];
    println!("\n  microseconds, in {small} rows and in {large}");
    println!(
        "  {:<52} {:>5} {:>9} {:>10} {:>17} {:>15}",
        "", "p10", "ratio", "p50", "ratio", "p99"
    );
    let mut slower = 0;
    for one in &mut measured {
        slower += u32::from(one.print());
    }
    println!(
        "\n  {slower} of {} take more than {TOO_MUCH} times as long",
        measured.len()
    );
    Ok(())
}

/// How long the calls of a workload took, on both stores.
struct Measured {
    workload: &'static Workload,
    times: [Vec<Duration>; 2],
    /// How much longer the median call took on the large store, in each round.
    ratios: Vec<f64>,
}

impl Measured {
    fn nothing(workload: &'static Workload) -> Self {
        Self {
            workload,
            times: [Vec::new(), Vec::new()],
            ratios: Vec::new(),
        }
    }

    /// Makes the calls of one round, in turn on both stores.
    async fn round(&mut self, stores: &[Store; 2], round: usize, calls: u64) -> Done<()> {
        let calls = calls.min(stores[0].rows.0 / self.workload.one_in);
        let mut times = [Vec::new(), Vec::new()];
        for number in (0..calls).skip(round).step_by(ROUNDS) {
            // Whoever is second finds more of the machine's caches warm.
            let first = usize::from(number % 2 == 0);
            for at in [first, 1 - first] {
                times[at].push(self.time(&stores[at], number).await?);
            }
        }
        let [small, large] = times.each_mut().map(|times| in_order(times, 0.5));
        self.ratios.push(large / small);
        for (all, times) in self.times.iter_mut().zip(times) {
            all.extend(times);
        }
        Ok(())
    }

    /// How long one call takes.
    async fn time(&self, store: &Store, number: u64) -> Done<Duration> {
        let Workload { name, one_in, call } = self.workload;
        let call = call(store, spread(number, store.rows.0 / one_in));
        let began = Instant::now();
        let done = call.await;
        let took = began.elapsed();
        if !done.map_err(|error| format!("{name}: {error}"))? {
            return Err(format!("{name}: call {number} did not do what it should").into());
        }
        Ok(took)
    }

    /// Prints a line; answers whether it is marked.
    fn print(&mut self) -> bool {
        let mut at = |share| self.times.each_mut().map(|times| in_order(times, share));
        let [quick, quick_large] = at(0.1);
        let [small, large] = at(0.5);
        let [slow, slow_large] = at(0.99);
        self.ratios.sort_by(f64::total_cmp);
        let (quick_ratio, ratio) = (quick_large / quick, self.ratios[ROUNDS / 2]);
        let is_marked = ratio > TOO_MUCH;
        println!(
            "{} {:<52} {quick:>5.0} {quick_large:>5.0} {quick_ratio:>5.2}  {small:>6.0} {large:>6.0} \
             {ratio:>5.2}  {slow:>7.0} {slow_large:>7.0}",
            if is_marked { "!" } else { " " },
            self.workload.name,
        );
        is_marked
    }
}

/// The numbers from 0 up to `count`, far from one after the other.
const fn spread(number: u64, count: u64) -> u64 {
    // Prime, so that each comes once.
    number * 7_368_787 % count
}

/// What this share of the times is at most, in microseconds; puts them in order.
fn in_order(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    times
        .get(at)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}
