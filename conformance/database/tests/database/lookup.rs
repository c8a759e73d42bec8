//! The order in which a server is looked for, and what does not disturb it.

use std::os::unix::fs::PermissionsExt;

use crate::errors::{NO_ENGINE, programs};
use crate::runner::Runner;
use crate::sandbox::Sandbox;
use crate::trials::Needs::{Both, Local, Server};
use crate::trials::{Case, Outcome, Way, block_on, case, ensure};

pub(crate) const CASES: &[Case] = &[
    case("lookup::a_url_comes_first", Server, a_url_comes_first),
    case(
        "lookup::docker_comes_before_binaries",
        Both,
        docker_comes_before_binaries,
    ),
    case(
        "lookup::binaries_when_docker_is_silent",
        Local,
        binaries_when_docker_is_silent,
    ),
    case(
        "lookup::a_port_taken_meanwhile_is_replaced",
        Local,
        a_port_taken_meanwhile_is_replaced,
    ),
    case(
        "lookup::foreign_postgres_variables_do_no_harm",
        Local,
        foreign_postgres_variables_do_no_harm,
    ),
];

fn a_url_comes_first() -> Outcome {
    let sandbox = Sandbox::new()?;
    let mut server = sandbox.start(Way::any(), "hold")?;
    let url = server.answer()?.get("url")?;
    let answer =
        Runner::spawn(sandbox.command("hold")?.env("PORTPROOF_POSTGRES_URL", &url))?.answer()?;
    let shown = format!("{} {}", answer.get("source")?, answer.get("debug")?);
    ensure(shown.starts_with("PORTPROOF_POSTGRES_URL ("), || {
        shown.clone()
    })?;
    let password = url.split([':', '@']).nth(2).unwrap_or_default();
    ensure(!password.is_empty() && !shown.contains(password), || {
        format!("a password is in: {shown}")
    })
}

fn docker_comes_before_binaries() -> Outcome {
    let sandbox = Sandbox::new()?;
    let source = Runner::spawn(&mut sandbox.command("hold")?)?
        .answer()?
        .get("source")?;
    ensure(source.starts_with("Docker image"), || source)
}

fn binaries_when_docker_is_silent() -> Outcome {
    let sandbox = Sandbox::new()?;
    let answer = Runner::spawn(sandbox.command("hold")?.envs([NO_ENGINE]))?.answer()?;
    let (source, passed) = (answer.get("source")?, answer.get("passed")?);
    ensure(source.starts_with("local binaries in"), || source)?;
    ensure(passed.contains("no Docker engine answers"), || passed)
}

fn a_port_taken_meanwhile_is_replaced() -> Outcome {
    let sandbox = Sandbox::new()?;
    let real = block_on(portproof_database::available())?.local?;
    // The first server finds its port taken, the second one does not.
    let marker = sandbox.path().join("taken once");
    let exec = |name: &str| format!("exec '{}' \"$@\"", real.join(name).display());
    let postgres = format!(
        "if mkdir '{}' 2>/dev/null; then echo 'LOG:  could not bind IPv4 address' >&2; exit 1; fi; {}",
        marker.display(),
        exec("postgres")
    );
    let bin = programs(sandbox.path(), &postgres, &exec("initdb"), &exec("psql"))?;
    // Whoever the server runs as makes the marker.
    std::fs::set_permissions(sandbox.path(), std::fs::Permissions::from_mode(0o777))?;
    let variables = [
        ("PORTPROOF_POSTGRES", "local".as_ref()),
        ("PORTPROOF_POSTGRES_BIN", bin.as_os_str()),
    ];
    let answer = Runner::spawn(sandbox.command("hold")?.envs(variables))?.answer()?;
    answer.get("url")?;
    ensure(marker.exists(), || "the first attempt was not made".into())
}

fn foreign_postgres_variables_do_no_harm() -> Outcome {
    let sandbox = Sandbox::new()?;
    let variables = [
        ("PORTPROOF_POSTGRES", "local"),
        ("PGHOST", "nowhere.invalid"),
        ("PGPORT", "1"),
        ("PGDATABASE", "nothing"),
        ("PGPASSWORD", "wrong"),
        ("PGSSLMODE", "verify-full"),
        ("PGDATA", "/nowhere"),
        ("HOME", "/nowhere"),
    ];
    Runner::spawn(sandbox.command("fresh")?.envs(variables))?
        .answer()?
        .get("fresh")
        .map(drop)
}
