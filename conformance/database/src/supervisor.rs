//! What the local and the Docker way have in common: the script that outlives this process.

use std::process::{Command, Stdio};

use crate::Source;
use crate::lease::Lease;
use crate::url::ServerUrl;

/// A server that this process started, and holds.
pub(crate) struct Started {
    pub(crate) url: ServerUrl,
    pub(crate) source: Source,
    pub(crate) lease: Lease,
}

/// Starts the server, watches over it, and ends it; see the file.
pub(crate) const SUPERVISE: &str = include_str!("supervise.sh");

/// A script's name in lists of processes, where its text would fill the screen: so that comes in a
/// variable instead.
pub(crate) const NAME: &str = "portproof-postgres";
pub(crate) const SCRIPT_VARIABLE: &str = "PORTPROOF_SCRIPT";
pub(crate) const RUN_SCRIPT: &str = "eval \"$PORTPROOF_SCRIPT\"";

/// A shell that runs `script` on its own: signals to this process's group do not reach it, and it
/// holds none of its files open, which a test runner would take for a leak.
///
/// Hardly anything of the environment comes along: PGOPTIONS and the like would reach the server.
pub(crate) fn detached(script: &str) -> Command {
    use std::os::unix::process::CommandExt;

    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", RUN_SCRIPT, NAME])
        .env_clear()
        .env(SCRIPT_VARIABLE, script);
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    // Docker's own, for the command that looks after a container.
    command.envs(
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DOCKER_")),
    );
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command
}

/// The end of a log, short enough for an error.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
