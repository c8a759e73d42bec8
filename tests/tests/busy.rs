//! All suites on all three adapters, beside two busy loops per core: a rule that needs a quiet machine
//! fails here. `just busy` runs it; it is no part of `cargo test`, since it takes minutes.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};
use portproof::{Target, Verdict, check};
use portproof_tests::{Memory, Place, Postgres, Sqlite};

/// Busy loops per core.
const LOOPS: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(&Arc::default())).exit_code();
    }
    // One after the other: the loops are all there is beside an adapter.
    arguments.test_threads = Some(1);
    let turns = Arc::new(AtomicU64::new(0));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..cores * LOOPS {
        let turns = Arc::clone(&turns);
        // They end with the process.
        thread::spawn(move || {
            loop {
                let mut turn = 0_u64;
                while turn < 1_000_000 {
                    turn = std::hint::black_box(turn + 1);
                }
                turns.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    println!("{} busy loops on {cores} cores", cores * LOOPS);
    libtest_mimic::run(&arguments, trials(&turns)).exit_code()
}

fn trials(turns: &Arc<AtomicU64>) -> Vec<Trial> {
    vec![
        trial("memory", turns, || Ok(Memory)),
        trial("sqlite", turns, || Ok(Sqlite::temporary()?)),
        trial("postgres", turns, || Ok(Postgres::new(Place::Any))),
    ]
}

fn trial<T: Target>(
    name: &str,
    turns: &Arc<AtomicU64>,
    target: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Trial {
    let turns = Arc::clone(turns);
    Trial::test(name, move || {
        let target = target()?;
        let (began, before) = (Instant::now(), turns.load(Ordering::Relaxed));
        let report = tokio::runtime::Runtime::new()?.block_on(check(target));
        let took = began.elapsed();
        let busy = turns.load(Ordering::Relaxed) - before;
        if busy == 0 && took > Duration::from_secs(1) {
            return Err("the busy loops did not run".into());
        }
        let held = report.count(Verdict::Held);
        println!(
            "{}: {held} held in {:.1} s, beside {busy} million turns",
            report.adapter,
            took.as_secs_f64()
        );
        if report.is_green() {
            return Ok(());
        }
        let broken: Vec<&str> = report
            .broken()
            .filter_map(|outcome| outcome.failure.as_deref())
            .collect();
        Err(format!("{held} held; broken:\n{}", broken.join("\n")).into())
    })
}
