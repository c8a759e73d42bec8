//! What is said when there is no server: each failure by its text, and no text with a password.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;

use crate::runner::Runner;
use crate::sandbox::Sandbox;
use crate::trials::Needs::{Docker, Nothing, Server};
use crate::trials::{Case, Outcome, Way, block_on, case, ensure, execute};

pub(crate) const CASES: &[Case] = &[
    case("errors::an_unknown_way", Nothing, an_unknown_way),
    case(
        "errors::no_url_where_one_is_insisted_on",
        Nothing,
        no_url_where_one_is_insisted_on,
    ),
    case("errors::a_bad_url", Nothing, a_bad_url),
    case(
        "errors::a_url_where_nothing_listens",
        Nothing,
        a_url_where_nothing_listens,
    ),
    case("errors::a_wrong_password", Server, a_wrong_password),
    case("errors::a_missing_database", Server, a_missing_database),
    case(
        "errors::a_role_that_may_not_create_databases",
        Server,
        a_role_that_may_not_create_databases,
    ),
    case("errors::no_engine", Nothing, no_engine),
    case(
        "errors::an_image_that_cannot_be_had",
        Docker,
        an_image_that_cannot_be_had,
    ),
    case("errors::no_binaries", Nothing, no_binaries),
    case("errors::initdb_fails", Nothing, initdb_fails),
    case("errors::nothing_at_all", Nothing, nothing_at_all),
    case(
        "errors::a_state_directory_under_a_file",
        Nothing,
        a_state_directory_under_a_file,
    ),
    case(
        "errors::a_state_directory_open_to_others",
        Nothing,
        a_state_directory_open_to_others,
    ),
    case(
        "errors::a_missing_temporary_directory",
        Nothing,
        a_missing_temporary_directory,
    ),
];

/// An address at which no engine listens.
pub(crate) const NO_ENGINE: (&str, &str) = ("DOCKER_HOST", "unix:///nowhere/docker.sock");

/// Starts a runner under these variables; it must fail and say all of this.
fn refused(sandbox: &Sandbox, variables: &[(&str, &str)], says: &[&str]) -> Outcome {
    refused_as("hold", sandbox, variables, says)
}

fn refused_as(role: &str, sandbox: &Sandbox, variables: &[(&str, &str)], says: &[&str]) -> Outcome {
    let mut runner = Runner::spawn(sandbox.command(role)?.envs(variables.iter().copied()))?;
    let text = runner.answer()?.get("error")?;
    for part in says {
        ensure(text.contains(part), || {
            format!("{part:?} is not in: {text}")
        })?;
    }
    ensure(!text.contains("secret"), || {
        format!("a password is in: {text}")
    })
}

fn an_unknown_way() -> Outcome {
    let says = ["PORTPROOF_POSTGRES is \"podman\"", "url, docker or local"];
    refused(&Sandbox::new()?, &[("PORTPROOF_POSTGRES", "podman")], &says)
}

fn no_url_where_one_is_insisted_on() -> Outcome {
    refused(
        &Sandbox::new()?,
        &[("PORTPROOF_POSTGRES", "url")],
        &["PORTPROOF_POSTGRES_URL is not set"],
    )
}

fn a_bad_url() -> Outcome {
    let sandbox = Sandbox::new()?;
    for (url, says) in [
        ("app:secret@db/app", "PORTPROOF_POSTGRES_URL is not a URL"),
        ("http://app:secret@db/app", "is not a Postgres URL"),
        ("postgres://app:p@secret@db/app", "write it as %40"),
        ("postgres://app:1/secret@db/app", "write it as %40"),
    ] {
        refused(&sandbox, &[("PORTPROOF_POSTGRES_URL", url)], &[says])?;
    }
    Ok(())
}

fn a_url_where_nothing_listens() -> Outcome {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let url = format!("postgres://app:secret@127.0.0.1:{port}/app");
    let place = format!("127.0.0.1:{port}/app");
    let says = [place.as_str(), "nothing answers there", "start the server"];
    refused(&Sandbox::new()?, &[("PORTPROOF_POSTGRES_URL", &url)], &says)
}

/// A server to name in a URL, and its URL.
fn given(sandbox: &Sandbox) -> Result<(Runner, String), Failed> {
    let mut runner = sandbox.start(Way::any(), "hold")?;
    let url = runner.answer()?.get("url")?;
    Ok((runner, url))
}

/// The URL of the same server with another login.
fn login(url: &str, login: &str) -> String {
    let place = url.split_once('@').map_or("", |(_, place)| place);
    format!("postgres://{login}@{place}")
}

fn a_wrong_password() -> Outcome {
    let sandbox = Sandbox::new()?;
    let (_server, url) = given(&sandbox)?;
    let url = login(&url, "postgres:secret");
    refused(
        &sandbox,
        &[("PORTPROOF_POSTGRES_URL", &url)],
        &["refuses the password of user \"postgres\""],
    )
}

fn a_missing_database() -> Outcome {
    let sandbox = Sandbox::new()?;
    let (_server, url) = given(&sandbox)?;
    let url = url.replace("/postgres?", "/nothing?");
    let says = [
        "/nothing",
        "does not exist",
        "create it, or correct the name",
    ];
    refused(&sandbox, &[("PORTPROOF_POSTGRES_URL", &url)], &says)
}

fn a_role_that_may_not_create_databases() -> Outcome {
    let sandbox = Sandbox::new()?;
    let (_server, url) = given(&sandbox)?;
    block_on(execute(&url, "create role humble login password 'secret'"))?;
    let url = login(&url, "humble:secret");
    let says = [
        "cannot create a database",
        "user \"humble\" may not do this",
        "createdb",
    ];
    refused_as(
        "fresh",
        &sandbox,
        &[("PORTPROOF_POSTGRES_URL", &url)],
        &says,
    )
}

fn no_engine() -> Outcome {
    let says = [
        "no Postgres from Docker image",
        "no Docker engine answers",
        "DOCKER_HOST",
    ];
    refused(
        &Sandbox::new()?,
        &[("PORTPROOF_POSTGRES", "docker"), NO_ENGINE],
        &says,
    )
}

fn an_image_that_cannot_be_had() -> Outcome {
    // A registry that nobody runs, so that the answer is quick and needs no network.
    let image = "localhost:1/portproof-missing:1";
    let says = [
        image,
        "does not have",
        "cannot pull",
        "PORTPROOF_POSTGRES_IMAGE",
        "fixtures/postgres-image",
    ];
    let variables = [
        ("PORTPROOF_POSTGRES", "docker"),
        ("PORTPROOF_POSTGRES_IMAGE", image),
    ];
    refused(&Sandbox::new()?, &variables, &says)
}

fn no_binaries() -> Outcome {
    let sandbox = Sandbox::new()?;
    let bin = sandbox.path().display().to_string();
    let says = [
        "no Postgres from local binaries",
        "PORTPROOF_POSTGRES_BIN",
        "no postgres in it",
        "initdb, psql",
    ];
    refused(
        &sandbox,
        &[
            ("PORTPROOF_POSTGRES", "local"),
            ("PORTPROOF_POSTGRES_BIN", &bin),
        ],
        &says,
    )
}

fn initdb_fails() -> Outcome {
    let sandbox = Sandbox::new()?;
    let bin = programs(
        sandbox.path(),
        "true",
        "echo 'initdb: the disk is made of cheese' >&2; exit 1",
        "true",
    )?;
    let bin = bin.display().to_string();
    let says = ["the server did not start", "the disk is made of cheese"];
    refused(
        &sandbox,
        &[
            ("PORTPROOF_POSTGRES", "local"),
            ("PORTPROOF_POSTGRES_BIN", &bin),
        ],
        &says,
    )?;
    sandbox.wait_until_clean()
}

fn nothing_at_all() -> Outcome {
    let sandbox = Sandbox::new()?;
    let bin = sandbox.path().display().to_string();
    let says = [
        "no Postgres server could be found or started",
        "Docker image",
        "no Docker engine answers",
        "no postgres in it",
        "set PORTPROOF_POSTGRES_URL=",
        "apt install postgresql",
    ];
    refused(
        &sandbox,
        &[("PORTPROOF_POSTGRES_BIN", &bin), NO_ENGINE],
        &says,
    )
}

fn a_state_directory_under_a_file() -> Outcome {
    let sandbox = Sandbox::new()?;
    std::fs::write(sandbox.path().join("file"), "")?;
    let state = sandbox.path().join("file/state").display().to_string();
    let says = ["cannot use the state directory", &state, "PORTPROOF_STATE"];
    refused(&sandbox, &[("PORTPROOF_STATE", &state)], &says)
}

fn a_state_directory_open_to_others() -> Outcome {
    let sandbox = Sandbox::new()?;
    std::fs::create_dir(sandbox.state())?;
    std::fs::set_permissions(sandbox.state(), std::fs::Permissions::from_mode(0o777))?;
    refused(&sandbox, &[], &["nobody else may write to"])
}

fn a_missing_temporary_directory() -> Outcome {
    let sandbox = Sandbox::new()?;
    let missing = sandbox.path().join("missing").display().to_string();
    let says = [
        "cannot use the state directory",
        &missing,
        "set TMPDIR or PORTPROOF_STATE",
    ];
    refused(
        &sandbox,
        &[("PORTPROOF_STATE", ""), ("TMPDIR", &missing)],
        &says,
    )
}

/// A directory of shell scripts in the place of the binaries.
pub(crate) fn programs(
    under: &Path,
    postgres: &str,
    initdb: &str,
    psql: &str,
) -> std::io::Result<PathBuf> {
    let bin = under.join("bin");
    std::fs::create_dir(&bin)?;
    for (name, body) in [("postgres", postgres), ("initdb", initdb), ("psql", psql)] {
        let path = bin.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(bin)
}
