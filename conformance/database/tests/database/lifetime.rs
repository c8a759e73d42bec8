//! One server for many processes, and nothing left of it however they end.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testcontainers_modules::testcontainers::ImageExt;
use testcontainers_modules::testcontainers::runners::AsyncRunner;

use crate::sandbox::Sandbox;
use crate::trials::Needs::{Docker, Local};
use crate::trials::{Case, Outcome, Way, ask, block_on, case, ensure};

pub(crate) const CASES: &[Case] = &[
    case(
        "lifetime::local::killed_at_any_moment_leaves_nothing",
        Local,
        || killed(Way::Local),
    ),
    case(
        "lifetime::docker::killed_at_any_moment_leaves_nothing",
        Docker,
        || killed(Way::Docker),
    ),
    case("lifetime::local::two_at_once_share", Local, || {
        share(Way::Local, 2)
    }),
    case("lifetime::docker::two_at_once_share", Docker, || {
        share(Way::Docker, 2)
    }),
    case("lifetime::local::eight_at_once_share", Local, || {
        share(Way::Local, 8)
    }),
    case("lifetime::docker::eight_at_once_share", Docker, || {
        share(Way::Docker, 8)
    }),
    case("lifetime::local::ended_leaves_nothing", Local, || {
        ended(Way::Local)
    }),
    case("lifetime::docker::ended_leaves_nothing", Docker, || {
        ended(Way::Docker)
    }),
    case("lifetime::local::outlives_its_starter", Local, || {
        outlives(Way::Local)
    }),
    case("lifetime::docker::outlives_its_starter", Docker, || {
        outlives(Way::Docker)
    }),
    case("lifetime::local::the_next_finds_it_warm", Local, || {
        warm(Way::Local)
    }),
    case("lifetime::docker::the_next_finds_it_warm", Docker, || {
        warm(Way::Docker)
    }),
    case(
        "lifetime::local::a_stopped_server_is_replaced",
        Local,
        a_stopped_server_is_replaced,
    ),
    case(
        "lifetime::local::what_a_killed_supervisor_left_is_swept",
        Local,
        swept,
    ),
    case(
        "lifetime::local::others_cannot_log_in",
        Local,
        others_cannot_log_in,
    ),
    case(
        "lifetime::docker::the_image_suits_testcontainers_modules",
        Docker,
        modules,
    ),
];

fn share(way: Way, processes: usize) -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut runners = Vec::new();
    for _ in 0..processes {
        runners.push(sandbox.start(way, "hold")?);
    }
    let mut urls = Vec::new();
    for runner in &mut runners {
        urls.push(runner.answer()?.get("url")?);
    }
    urls.dedup();
    ensure(urls.len() == 1, || {
        format!("{} servers for {processes} processes", urls.len())
    })
}

fn killed(way: Way) -> Outcome {
    // All at once: most of the time is spent waiting for the supervisors to give up.
    let moments = [0, 50, 200, 500, 1000, 2000];
    std::thread::scope(|scope| {
        let threads = moments.map(|moment| scope.spawn(move || killed_after(way, moment)));
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

fn killed_after(way: Way, moment: u64) -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut runner = sandbox.start(way, "hold")?;
    std::thread::sleep(Duration::from_millis(moment));
    runner.kill();
    sandbox.wait_until_clean_for_good().map_err(|failed| {
        format!(
            "after {moment} ms: {}",
            failed.message().unwrap_or_default()
        )
        .into()
    })
}

fn ended(way: Way) -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut runner = sandbox.start(way, "fresh")?;
    runner.answer()?.get("fresh")?;
    runner.finish();
    sandbox.wait_until_clean()?;
    // The lock and the note, and the empty directory for servers.
    let left: Vec<_> = std::fs::read_dir(sandbox.state())?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    ensure(left.len() == 3, || format!("{left:?}"))
}

fn outlives(way: Way) -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut first = sandbox.start(way, "hold")?;
    let url = first.answer()?.get("url")?;
    let mut second = sandbox.start(way, "hold")?;
    ensure(second.answer()?.get("url")? == url, || {
        "the second process got another server".into()
    })?;
    first.kill();
    // Longer than a supervisor in haste waits without users.
    std::thread::sleep(Duration::from_secs(7));
    block_on(ask(&url, "select 'here'")).map(drop)
}

fn warm(way: Way) -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut urls = Vec::new();
    for _ in 0..3 {
        let mut runner = sandbox.start(way, "hold")?;
        urls.push(runner.answer()?.get("url")?);
        runner.finish();
    }
    urls.dedup();
    ensure(urls.len() == 1, || {
        format!("{} servers for three processes in a row", urls.len())
    })
}

fn a_stopped_server_is_replaced() -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut first = sandbox.start(Way::Local, "hold")?;
    let url = first.answer()?.get("url")?;
    for pid in sandbox.supervisors() {
        kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    }
    sandbox.wait_until_clean()?;
    let mut second = sandbox.start(Way::Local, "hold")?;
    let other = second.answer()?.get("url")?;
    ensure(other != url, || {
        "the note of a server that is gone was believed".into()
    })
}

fn swept() -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut first = sandbox.start(Way::Local, "hold")?;
    first.answer()?.get("url")?;
    let supervisors = sandbox.supervisors();
    ensure(!supervisors.is_empty(), || {
        "nothing watches over the server".into()
    })?;
    for pid in supervisors {
        kill(Pid::from_raw(pid), Signal::SIGKILL)?;
    }
    first.kill();
    // The server runs on, unwatched. Another start, which does not know of it, clears it up.
    std::fs::remove_file(note(&sandbox)?)?;
    let mut second = sandbox.start(Way::Local, "hold")?;
    second.answer()?.get("url")?;
    second.finish();
    sandbox.wait_until_clean()
}

fn note(sandbox: &Sandbox) -> Result<PathBuf, Failed> {
    let mut files = std::fs::read_dir(sandbox.state())?
        .flatten()
        .map(|entry| entry.path());
    let found = files.find(|path| path.extension().is_some_and(|end| end == "json"));
    found.ok_or_else(|| "there is no note".into())
}

fn others_cannot_log_in() -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut runner = sandbox.start(Way::Local, "hold")?;
    let url = runner.answer()?.get("url")?;
    let mode =
        |path: &Path| std::fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
    ensure(mode(&note(&sandbox)?)? == 0o600, || {
        "the note can be read".into()
    })?;
    ensure(mode(&sandbox.state().join("servers"))? == 0o700, || {
        "the servers can be seen".into()
    })?;
    let place = url.split_once('@').map_or("", |(_, place)| place);
    let guess = block_on(ask(
        &format!("postgres://postgres:guess@{place}"),
        "select 'in'",
    ));
    ensure(guess.is_err(), || "the server lets anybody in".into())
}

/// An image that only starts under our own command would be of no use to others.
fn modules() -> Outcome {
    let image = block_on(portproof_database::available())?.docker?;
    let (name, tag) = image
        .rsplit_once(':')
        .ok_or_else(|| format!("{image} has no tag"))?;
    block_on(async {
        let postgres = testcontainers_modules::postgres::Postgres::default().with_db_name("app");
        let container = postgres.with_name(name).with_tag(tag).start().await?;
        let (host, port) = (
            container.get_host().await?,
            container.get_host_port_ipv4(5432).await?,
        );
        let url = format!("postgres://postgres:postgres@{host}:{port}/app?sslmode=disable");
        let answer = ask(&url, "select current_database()::text").await;
        container.rm().await?;
        ensure(answer? == ["app"], || {
            "not the database that was asked for".into()
        })
    })
}
