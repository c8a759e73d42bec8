//! The command line, as a person or a script uses it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use portproof::catalogue;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

fn portproof(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portproof"));
    command.args(arguments);
    command
}

/// What the command printed on both streams; that it did not panic is part of every test.
fn text(output: &Output) -> String {
    let text = [&*output.stdout, &*output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// Runs it, and fails unless it exits like this and says all of these.
#[track_caller]
fn check(mut command: Command, exit: i32, says: &[&str]) -> String {
    let output = command.output().unwrap();
    let text = text(&output);
    assert_eq!(output.status.code(), Some(exit), "{text}");
    for said in says {
        assert!(text.contains(said), "expected {said:?} in: {text}");
    }
    text
}

#[test]
fn the_list_is_the_catalogue() {
    let output = portproof(&["list", "--json"]).output().unwrap();
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let rules = catalogue();
    assert_eq!(listed.len(), rules.len());
    for (listed, rule) in listed.iter().zip(&rules) {
        assert_eq!(listed["id"], rule.id);
        assert_eq!(listed["profile"], rule.profile.name());
        for field in ["id", "port", "level", "text", "why", "source", "capability"] {
            assert!(listed.get(field).is_some(), "{} has no {field}", rule.id);
        }
    }
    let plain = check(portproof(&["list"]), 0, &[]);
    for rule in &rules {
        assert!(plain.contains(rule.id));
    }
}

#[test]
fn a_rule_is_explained() {
    let id = "session::rotate::ends_the_old_id";
    check(portproof(&["explain", id]), 0, &[id, "why", "source"]);
    check(
        portproof(&["explain", "no::such::rule"]),
        2,
        &["no rule begins with `no::such::rule`"],
    );
}

#[test]
fn the_memory_adapter_is_green() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let mut command = portproof(&["run", "--adapter", "memory", "--json"]);
    command.arg(&file);
    let text = check(command, 0, &["session", "0 broken"]);
    assert!(!text.contains('\u{1b}'), "colours in a pipe");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let report: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(report["format"], 1);
    assert_eq!(report["adapters"][0]["adapter"], "memory");
    assert_eq!(report["adapters"][0]["green"], true);
    let outcomes = report["adapters"][0]["outcomes"].as_array().unwrap();
    let run: Vec<&str> = outcomes
        .iter()
        .filter_map(|outcome| outcome["rule"].as_str())
        .collect();
    for rule in catalogue() {
        assert!(run.contains(&rule.id), "{} is not in the report", rule.id);
    }
}

#[test]
fn a_part_can_be_run() {
    let rule = "session::touch::never_revives";
    check(
        portproof(&["run", "--adapter", "memory", "--rule", rule]),
        0,
        &["1 held, 0 broken"],
    );
    let text = check(
        portproof(&["run", "--adapter", "memory", "--port", "keystore"]),
        0,
        &["keystore"],
    );
    assert!(!text.contains("session"), "{text}");
}

#[test]
fn what_does_not_exist_is_named() {
    check(
        portproof(&["run", "--adapter", "redis"]),
        2,
        &["`redis` is not an adapter", "sqlite:PATH"],
    );
    check(
        portproof(&["run", "--port", "sessions"]),
        2,
        &["`sessions` is not a port", "session"],
    );
    check(
        portproof(&["run", "--profile", "openid"]),
        2,
        &["`openid` is not a profile", "core, oauth, directory, audit"],
    );
    check(
        portproof(&["run", "--rule", "session::no"]),
        2,
        &["no rule begins with `session::no`"],
    );
    check(
        portproof(&["run", "--port", "identity", "--rule", "session::"]),
        2,
        &["no rule is in the profiles"],
    );
    check(
        portproof(&["mutants", "--by", "::whoever::"]),
        2,
        &["no rule has `::whoever::` in its id"],
    );
}

#[test]
fn what_some_rules_notice_is_told() {
    let mut command = portproof(&["mutants", "--port", "keystore"]);
    command.args(["--by", "keystore::insert::"]);
    // Those rules' own mutants, and others that they were not made for.
    let text = check(command, 0, &["noticed  keystore::", "not seen keystore::"]);
    assert!(!text.contains("SURVIVED"), "{text}");
}

/// Whoever reads the first line only has seen enough: nothing is said of it. It is no failure, but
/// of mutants that were not run nobody knows that they are killed.
#[test]
fn readers_may_stop() {
    for (arguments, exit) in [
        (&["list"][..], 0),
        (&["list", "--json"], 0),
        (&["mutants", "--port", "keystore"], 1),
    ] {
        let mut running = portproof(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(running.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let output = running.wait_with_output().unwrap();
        let text = text(&output);
        // On a busy machine the first line may be long in coming.
        let mut told = text.lines().filter(|line| !line.ends_with(" so far"));
        assert_eq!(told.next(), None, "{arguments:?}");
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}");
    }
}

/// A full disk is another matter.
#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_told() {
    let mut command = portproof(&["list"]);
    command.stdout(fs::File::create("/dev/full").unwrap());
    let output = command.output().unwrap();
    let text = text(&output);
    assert!(text.contains("the output could not be written"), "{text}");
    assert_eq!(output.status.code(), Some(2), "{text}");
}

#[test]
fn sqlite_keeps_to_the_file_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a folder's file.sqlite");
    let name = format!("sqlite:{}", file.display());
    for _ in 0..2 {
        check(
            portproof(&["run", "--adapter", &name, "--port", "session"]),
            0,
            &["0 broken"],
        );
    }
    assert!(file.is_file());
}

#[test]
fn sqlite_says_where_it_cannot_write() {
    let no_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml/store.sqlite");
    let name = format!("sqlite:{}", no_folder.display());
    is_not_opened(&["run", "--adapter", &name]);
}

/// Runs it, and fails unless it is one error that the store could not be opened, without a table.
#[track_caller]
fn is_not_opened(arguments: &[&str]) -> String {
    let text = check(
        portproof(arguments),
        2,
        &["error: ", "the store could not be opened: "],
    );
    assert_eq!(text.matches("could not be opened").count(), 1, "{text}");
    assert!(!text.contains("held"), "{text}");
    assert!(text.lines().count() < 10, "{text}");
    text
}

#[test]
fn a_server_that_is_not_there_is_told_once() {
    let url = "postgres://ada:hunter2@127.0.0.1:1/auth";
    let text = is_not_opened(&["run", "--adapter", url]);
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_bad_url_is_told() {
    let url = "postgres://ada:hunter2@host:notaport/auth";
    let text = is_not_opened(&["run", "--adapter", url]);
    assert!(!text.contains("hunter2"), "{text}");
    // What could be opened has a table, and its verdicts are written.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let mut command = portproof(&["run", "--adapter", "memory", "--adapter", url]);
    command
        .args(["--rule", "session::ready::", "--json"])
        .arg(&file);
    let text = check(command, 2, &["1 held, 0 broken", "error: postgres: "]);
    assert_eq!(text.matches("could not be opened").count(), 1, "{text}");
    let report: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(report["adapters"][0]["green"], true);
    assert_eq!(report["adapters"][1]["green"], false);
    let mut command = portproof(&["run", "--adapter", "postgres"]);
    command
        .env("PORTPROOF_POSTGRES_URL", "not a url at all")
        .env_remove("PORTPROOF_POSTGRES");
    check(command, 2, &["PORTPROOF_POSTGRES_URL"]);
}

#[test]
fn an_image_that_is_missing_is_named() {
    let mut command = portproof(&["run", "--adapter", "postgres"]);
    command
        .env("PORTPROOF_POSTGRES", "docker")
        .env("PORTPROOF_POSTGRES_IMAGE", "portproof-no-such-image:0")
        .env_remove("PORTPROOF_POSTGRES_URL");
    // Where there is no engine at all, that is what is said.
    let text = check(command, 2, &["error:"]);
    assert!(
        text.contains("portproof-no-such-image") || text.contains("Docker"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_once() {
    let server = portproof_database::postgres().await.unwrap();
    let (start, rest) = server.url().split_once("://").unwrap();
    let (user, place) = rest.rsplit_once('@').unwrap();
    let user = user.split(':').next().unwrap();
    let url = format!("{start}://{user}:wrong-hunter2@{place}");
    let text = is_not_opened(&["run", "--adapter", &url]);
    assert!(text.contains("password"), "{text}");
    assert!(!text.contains("wrong-hunter2"), "{text}");
}

/// Sixteen processes that meet an empty store at once all find its schema, whoever made it.
#[track_caller]
fn sixteen_at_once(adapter: &str) {
    let running: Vec<_> = (0..16)
        .map(|_| {
            portproof(&["run", "--adapter", adapter, "--rule", "session::ready::"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for process in running {
        let output = process.wait_with_output().unwrap();
        let text = text(&output);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 held, 0 broken"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_processes_meet_an_empty_database() {
    let server = portproof_database::postgres().await.unwrap();
    let url = server.fresh_database().await.unwrap();
    sixteen_at_once(&url);
}

#[test]
fn sixteen_processes_meet_an_empty_file() {
    let folder = tempfile::tempdir().unwrap();
    sixteen_at_once(&format!(
        "sqlite:{}",
        folder.path().join("store.sqlite").display()
    ));
}

/// A server that dies in the middle of a run: a proxy in front of a real one, which hangs up for
/// good after so many bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_is_told_once() {
    let server = portproof_database::postgres().await.unwrap();
    let (before, place) = server.url().rsplit_once('@').unwrap();
    let (address, rest) = place.split_once('/').unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("{before}@127.0.0.1:{port}/{rest}");
    let (scheme, user) = before.split_once("://").unwrap();
    let user = user.split(':').next().unwrap();
    let given = format!("{scheme}://{user}@127.0.0.1:{port}/");
    let proxy = tokio::spawn(hang_up_after(listener, address.to_owned(), 200_000));
    let run = tokio::task::spawn_blocking(move || {
        let mut command = portproof(&["run", "--adapter", &url, "--port", "session"]);
        // Each call on the dead server waits that long for another connection.
        command.env("PORTPROOF_PATIENCE_SECONDS", "5");
        check(
            command,
            1,
            &[
                " rules are not run because of session::",
                "no rule can be checked until",
            ],
        )
    });
    let text = run.await.unwrap();
    let reports = text.matches("postgres breaks session::").count();
    assert_eq!(reports, 1, "{text}");
    // The command is the one that was given, without the password.
    let again = text.lines().find(|line| line.starts_with("  again "));
    let again = again.unwrap();
    for part in ["portproof run --adapter ", &given, " --rule session::"] {
        assert!(again.contains(part), "{again}");
    }
    proxy.abort();
}

/// Passes bytes on both ways until there were `bytes` of them, then closes everything.
async fn hang_up_after(listener: TcpListener, address: String, bytes: u64) {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let left = Arc::new(AtomicU64::new(bytes));
    let spent = Arc::new(tokio::sync::Notify::new());
    let accept = async {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(&address).await else {
                return;
            };
            let (client_read, client_write) = client.into_split();
            let (server_read, server_write) = server.into_split();
            for (mut from, mut to) in [(client_read, server_write), (server_read, client_write)] {
                let (left, spent) = (Arc::clone(&left), Arc::clone(&spent));
                tokio::spawn(async move {
                    let mut buffer = vec![0; 8192];
                    let pass = async {
                        while let Ok(read) = from.read(&mut buffer).await {
                            if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
                                return;
                            }
                            let before = left.fetch_sub(
                                (read as u64).min(left.load(Ordering::SeqCst)),
                                Ordering::SeqCst,
                            );
                            if before <= read as u64 {
                                spent.notify_waiters();
                                return;
                            }
                        }
                    };
                    tokio::select! {
                        () = pass => {}
                        () = spent.notified() => {}
                    }
                });
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = spent.notified() => {}
    }
}
