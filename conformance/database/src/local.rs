//! The local way: a server of this machine's own binaries, on a directory that dies with it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::time::sleep;
use uuid::Uuid;

use crate::lease::{self, LEASE, Lease};
use crate::settings::Settings;
use crate::state::StateDirectory;
use crate::supervisor::{SUPERVISE, Started, detached, tail};
use crate::url::ServerUrl;
use crate::{Source, binaries};

/// A busy machine may take long for initdb, which takes half a second on an idle one.
const START_PATIENCE: Duration = Duration::from_secs(90);
/// Somebody else may take the port between our look and the server's start.
const PORT_ATTEMPTS: usize = 5;

/// Starts a server and takes its lease. The caller holds the lock.
pub(crate) async fn start(settings: &Settings, state: &StateDirectory) -> Result<Started, String> {
    let bin = binaries::find(settings.bin.as_deref())?;
    sweep(&state.servers());
    let mut problem = String::new();
    for _ in 0..PORT_ATTEMPTS {
        match attempt(&bin, state).await {
            Ok((url, lease)) => {
                let source = Source::Local {
                    bin: bin.display().to_string(),
                };
                return Ok(Started { url, source, lease });
            }
            Err(error) => problem = error,
        }
        if !problem.contains("could not bind") {
            break;
        }
    }
    Err(problem)
}

async fn attempt(bin: &Path, state: &StateDirectory) -> Result<(ServerUrl, Lease), String> {
    let port =
        free_port().map_err(|error| format!("there is no free port on 127.0.0.1: {error}"))?;
    let password = Uuid::new_v4().simple().to_string();
    let directory = state.servers().join(Uuid::new_v4().simple().to_string());
    let url = ServerUrl::parse(&format!(
        "postgres://postgres:{password}@127.0.0.1:{port}/postgres?sslmode=disable"
    ))?;

    let mut command = detached(SUPERVISE);
    command.arg("local").arg(&directory);
    command
        // The messages that are searched and shown are the English ones.
        .env("LC_ALL", "C")
        .env("PORTPROOF_LEASE", LEASE.to_string())
        .env("PORTPROOF_PORT", port.to_string())
        .env("PORTPROOF_PASSWORD", &password)
        .env("PORTPROOF_BIN", bin);
    if let Some(user) = &state.server_user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let supervisor = command
        .spawn()
        .map_err(|error| format!("cannot start /bin/sh: {error}"))?;
    let user = state
        .server_user
        .as_ref()
        .map_or("this user", |user| user.name.as_str());
    let lease = wait(&url, &directory, supervisor, user).await?;
    Ok((url, lease))
}

/// Waits until the server answers, or its supervisor says that it will not.
async fn wait(
    url: &ServerUrl,
    directory: &Path,
    mut supervisor: Child,
    user: &str,
) -> Result<Lease, String> {
    let since = Instant::now();
    loop {
        let log = || tail(&fs::read_to_string(directory.join("log")).unwrap_or_default());
        if directory.join("failed").exists() {
            let problem = format!("the server did not start:\n{}", log());
            // Tells the supervisor that the log has been read.
            let _ = fs::remove_dir_all(directory);
            return Err(problem);
        }
        if let Ok(Some(status)) = supervisor.try_wait() {
            return Err(format!(
                "the shell that starts the server ended ({status}): user {user} must be able to write to {} \
                 and to pass through every directory above it; set PORTPROOF_STATE to one where that is so",
                directory.parent().unwrap_or(directory).display()
            ));
        }
        let refusal = match lease::take(url.options()).await {
            Ok(lease) => return Ok(lease),
            Err(refusal) => refusal,
        };
        if since.elapsed() > START_PATIENCE {
            return Err(format!(
                "the server did not answer within {} seconds ({refusal}):\n{}",
                START_PATIENCE.as_secs(),
                log()
            ));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Removes what servers left whose supervisor was killed itself. The caller holds the lock, so none
/// is starting. A server that still runs on such a directory ends within a minute of losing it.
fn sweep(servers: &Path) {
    for entry in fs::read_dir(servers).into_iter().flatten().flatten() {
        let supervisor = fs::read_to_string(entry.path().join("supervisor")).ok();
        if !supervisor
            .and_then(|pid| pid.trim().parse().ok())
            .is_some_and(runs)
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether there is such a process, other than one that ended and waits for its parent to notice.
fn runs(pid: i32) -> bool {
    if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The state follows the name, which is in brackets and may hold anything.
        return !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'));
    }
    kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}
