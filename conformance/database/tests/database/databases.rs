//! Databases on a server: made, copied, and gone in time from a server that stays.

use libtest_mimic::Failed;

use crate::runner::Runner;
use crate::sandbox::Sandbox;
use crate::trials::Needs::Server;
use crate::trials::{Case, Outcome, Way, ask, block_on, case, ensure, execute, wait_for};

pub(crate) const CASES: &[Case] = &[
    case(
        "databases::go_with_their_process",
        Server,
        go_with_their_process,
    ),
    case(
        "databases::of_a_killed_process_go_later",
        Server,
        of_a_killed_process_go_later,
    ),
    case(
        "databases::a_template_is_copied",
        Server,
        a_template_is_copied,
    ),
];

/// A runner on the server of this URL.
fn on(sandbox: &Sandbox, url: &str, role: &str) -> Result<Runner, Failed> {
    Runner::spawn(sandbox.command(role)?.env("PORTPROOF_POSTGRES_URL", url))
}

/// Databases of ours on the server.
fn ours(url: &str) -> Result<Vec<String>, Failed> {
    block_on(ask(
        url,
        "select datname::text from pg_database where datname like 'portproof%'",
    ))
}

fn go_with_their_process() -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut server = sandbox.start(Way::any(), "hold")?;
    let url = server.answer()?.get("url")?;
    let mut runner = on(&sandbox, &url, "fresh")?;
    let fresh = runner.answer()?.get("fresh")?;
    block_on(ask(&fresh, "select current_database()::text"))?;
    runner.finish();
    let left = ours(&url)?;
    ensure(left.is_empty(), || format!("{left:?}"))
}

fn of_a_killed_process_go_later() -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut server = sandbox.start(Way::any(), "hold")?;
    let url = server.answer()?.get("url")?;
    let mut killed = on(&sandbox, &url, "fresh")?;
    killed.answer()?.get("fresh")?;
    killed.kill();
    let mut alive = on(&sandbox, &url, "fresh")?;
    let kept = alive.answer()?.get("fresh")?;
    wait_for("the killed process's database to go", || {
        let look = || {
            on(&sandbox, &url, "hold")?.finish();
            ours(&url)
        };
        let left =
            look().map_err(|failed: Failed| failed.message().unwrap_or_default().to_string())?;
        if left.len() == 1 {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })?;
    block_on(ask(&kept, "select 'the living one keeps its own'")).map(drop)
}

fn a_template_is_copied() -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut server = sandbox.start(Way::any(), "hold")?;
    let url = server.answer()?.get("url")?;
    block_on(async {
        execute(&url, "create database \"a \"\"template\"\"\"").await?;
        let template = url.replace("/postgres?", "/a%20%22template%22?");
        execute(&template, "create table t as select 'copied' as c").await
    })?;
    // Once on a server of ours, where files are copied, and once on one that is given.
    let mut command = sandbox.command("hold")?;
    command.env("PORTPROOF_TEST_TEMPLATE", "a \"template\"");
    for (name, value) in [
        ("PORTPROOF_POSTGRES", Way::any().name()),
        ("PORTPROOF_POSTGRES_URL", url.as_str()),
    ] {
        command.env_remove("PORTPROOF_POSTGRES").env(name, value);
        let mut copier = Runner::spawn(&mut command)?;
        let found = block_on(ask(&copier.answer()?.get("clone")?, "select c from t"))?;
        ensure(found == ["copied"], || format!("{found:?}"))?;
    }
    Ok(())
}
