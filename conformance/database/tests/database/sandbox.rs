//! A directory of a test's own, and all that runners start because of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;

use crate::runner::{ROLE, Runner};
use crate::trials::{Outcome, Way, block_on, wait_for};

/// A directory of a test's own, with whatever its runners start.
pub(crate) struct Sandbox {
    path: PathBuf,
}

impl Sandbox {
    pub(crate) fn new() -> Result<Self, Failed> {
        // A space, since paths have them; short, and reachable for the user that servers run as.
        let name = format!("portproof test {}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// A runner that has not been started: none of the outer run's settings, this sandbox's state.
    pub(crate) fn command(&self, role: &str) -> Result<Command, Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        for name in [
            "PORTPROOF_POSTGRES",
            "PORTPROOF_POSTGRES_URL",
            "PORTPROOF_REQUIRE",
        ] {
            command.env_remove(name);
        }
        command
            .env(ROLE, role)
            .env("PORTPROOF_STATE", self.state())
            .env("PORTPROOF_HASTE", "yes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        Ok(command)
    }

    pub(crate) fn start(&self, way: Way, role: &str) -> Result<Runner, Failed> {
        Runner::spawn(self.command(role)?.env("PORTPROOF_POSTGRES", way.name()))
    }

    /// What runs or lies about because of this sandbox, in words; empty when nothing does.
    pub(crate) fn remains(&self) -> Vec<String> {
        let servers = std::fs::read_dir(self.state().join("servers"));
        let mut remains: Vec<String> = servers
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().display().to_string())
            .collect();
        let path = self.path.display().to_string();
        remains.extend(processes().into_iter().filter(|line| line.contains(&path)));
        remains.extend(
            self.containers()
                .into_iter()
                .map(|id| format!("container {id}")),
        );
        remains
    }

    /// Containers in any state that belong to this sandbox; none where no engine answers.
    pub(crate) fn containers(&self) -> Vec<String> {
        let label = format!(
            "portproof.state={}:{}",
            nix::unistd::Uid::effective(),
            self.state().display()
        );
        block_on(async {
            let filters = std::collections::HashMap::from([("label", vec![label.as_str()])]);
            let list = ListContainersOptionsBuilder::new()
                .all(true)
                .filters(&filters)
                .build();
            let Ok(engine) = docker_client_instance().await else {
                return Vec::new();
            };
            let found = engine.list_containers(Some(list)).await.unwrap_or_default();
            found
                .into_iter()
                .filter_map(|container| container.id)
                .collect()
        })
    }

    /// Process ids of the scripts that watch over this sandbox's local servers.
    pub(crate) fn supervisors(&self) -> Vec<i32> {
        let servers = std::fs::read_dir(self.state().join("servers"));
        servers
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("supervisor")).ok())
            .filter_map(|pid| pid.trim().parse().ok())
            .collect()
    }

    /// Waits until nothing is left, and then some: an engine may still be at work on the request of
    /// a process that was killed.
    pub(crate) fn wait_until_clean_for_good(&self) -> Outcome {
        for _ in 0..5 {
            self.wait_until_clean()?;
            std::thread::sleep(Duration::from_millis(500));
        }
        self.wait_until_clean()
    }

    pub(crate) fn wait_until_clean(&self) -> Outcome {
        wait_for("nothing to be left", || {
            let remains = self.remains();
            if remains.is_empty() {
                Ok(())
            } else {
                Err(remains.join("\n"))
            }
        })
    }
}

impl Drop for Sandbox {
    /// Ends servers at once, so that a test need not wait for their grace to run out.
    fn drop(&mut self) {
        for pid in self.supervisors() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        for id in self.containers() {
            block_on(async {
                if let Ok(engine) = docker_client_instance().await {
                    let force = RemoveContainerOptionsBuilder::new()
                        .force(true)
                        .v(true)
                        .build();
                    let _ = engine.remove_container(&id, Some(force)).await;
                }
            });
        }
        let _ = self.wait_until_clean();
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The command lines of all processes.
fn processes() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc")
        .and_then(|all| std::fs::metadata("/proc/self/cmdline").map(|_| all))
    else {
        let listed = Command::new("ps").args(["-A", "-o", "args="]).output();
        let listed = listed.map(|output| output.stdout).unwrap_or_default();
        return String::from_utf8_lossy(&listed)
            .lines()
            .map(Into::into)
            .collect();
    };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}
