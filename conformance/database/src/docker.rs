//! The Docker way: a container from Testcontainers, whose own command ends it when nobody is left.
//!
//! Testcontainers for Rust removes a container when its handle is dropped, and only then. A server
//! that several processes share, and that outlives a killed one, needs another end: the container
//! runs our supervisor, removes itself with its volumes when that one is done, and the handle is
//! forgotten.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use testcontainers::bollard::Docker;
use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::IntoContainerPort;
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::error::ClientError;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt, TestcontainersError};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::Source;
use crate::lease::{self, LEASE, Lease};
use crate::settings::Settings;
use crate::state::StateDirectory;
use crate::supervisor::{NAME, RUN_SCRIPT, SCRIPT_VARIABLE, SUPERVISE, Started, detached, tail};
use crate::url::ServerUrl;

const PORT: u16 = 5432;
const PING_PATIENCE: Duration = Duration::from_secs(10);
const PULL_PATIENCE: Duration = Duration::from_secs(10 * 60);
const START_PATIENCE: Duration = Duration::from_secs(120);
/// Says which state directory a container belongs to.
const LABEL: &str = "portproof.state";
/// What the supervisor prints when the server is not going to answer.
const FAILED: &str = "portproof: postgres ended before it was ready";

/// Starts a container and takes its server's lease. The caller holds the lock.
pub(crate) async fn start(settings: &Settings, state: &StateDirectory) -> Result<Started, String> {
    let image = &settings.image;
    let engine = engine().await?;
    let label = format!(
        "{}:{}",
        nix::unistd::Uid::effective(),
        state.path().display()
    );
    sweep(&engine, &label).await;

    let name = format!("portproof-{}", Uuid::new_v4().simple());
    let password = Uuid::new_v4().simple().to_string();
    let mut watch = Watch::over(&name);
    let container = timeout(
        PULL_PATIENCE,
        request(image, &name, &label, &password).start(),
    )
    .await
    .map_err(|_| {
        format!(
            "{image} took longer than {} seconds to pull",
            PULL_PATIENCE.as_secs()
        )
    })?
    .map_err(|error| explain(image, &error))?;
    watch.started();

    match wait(&container, &password).await {
        Ok((url, lease)) => {
            // Dropping it would remove the container that others may be using by then.
            std::mem::forget(container);
            let source = Source::Docker {
                image: image.clone(),
                container: name,
            };
            Ok(Started { url, source, lease })
        }
        Err(problem) => {
            let _ = container.rm().await;
            Err(problem)
        }
    }
}

/// The engine that Testcontainers would use, if it answers.
async fn engine() -> Result<Docker, String> {
    let silent = |problem: String| {
        format!(
            "no Docker engine answers ({problem}): start one, set DOCKER_HOST, or see that this user may use it"
        )
    };
    let engine = docker_client_instance()
        .await
        .map_err(|error| silent(error.to_string()))?;
    match timeout(PING_PATIENCE, engine.ping()).await {
        Ok(Ok(_)) => Ok(engine),
        Ok(Err(error)) => Err(silent(chain(&error))),
        Err(_) => Err(silent(format!(
            "nothing within {} seconds",
            PING_PATIENCE.as_secs()
        ))),
    }
}

/// Whether the engine could start a container of the image now.
pub(crate) async fn has_image(image: &str) -> Result<(), String> {
    let found = timeout(PING_PATIENCE, engine().await?.inspect_image(image)).await;
    match found {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => Err(format!("the engine did not say whether it has {image}")),
    }
}

fn request(
    image: &str,
    name: &str,
    label: &str,
    password: &str,
) -> testcontainers::ContainerRequest<GenericImage> {
    // The tag is what follows the last colon, unless that colon belongs to a registry's port.
    let (repository, tag) = match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    };
    let here = engine_is_here();
    // Over loopback there is nothing to hide the password from, and proving it without sending it
    // costs an unoptimised client fifty milliseconds for each connection.
    let method = if here { "password" } else { "scram-sha-256" };
    GenericImage::new(repository, tag)
        .with_entrypoint("sh")
        .with_exposed_port(PORT.tcp())
        .with_cmd(["-c", RUN_SCRIPT, NAME, "docker"])
        .with_env_var(SCRIPT_VARIABLE, SUPERVISE)
        .with_env_var("POSTGRES_HOST_AUTH_METHOD", method)
        .with_env_var("POSTGRES_PASSWORD", password)
        .with_env_var("PORTPROOF_PASSWORD", password)
        .with_env_var("PORTPROOF_PORT", PORT.to_string())
        .with_env_var("PORTPROOF_LEASE", LEASE.to_string())
        .with_env_var(
            "PORTPROOF_HASTE",
            std::env::var("PORTPROOF_HASTE").unwrap_or_default(),
        )
        .with_label(LABEL, label)
        .with_container_name(name)
        .with_startup_timeout(START_PATIENCE)
        .with_host_config_modifier(move |config| {
            config.auto_remove = Some(true);
            if here {
                publish_on_loopback(config);
            }
        })
}

/// Whether a port that the engine opens on 127.0.0.1 can be reached from here.
fn engine_is_here() -> bool {
    let remote = std::env::var("DOCKER_HOST")
        .is_ok_and(|host| !host.is_empty() && !host.starts_with("unix:"));
    !remote && !Path::new("/.dockerenv").exists()
}

/// Testcontainers would open the port to the whole network.
fn publish_on_loopback(config: &mut HostConfig) {
    let binding = PortBinding {
        host_ip: Some("127.0.0.1".into()),
        host_port: Some(String::new()),
    };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(HashMap::from([(
        format!("{PORT}/tcp"),
        Some(vec![binding]),
    )]));
}

/// Waits by connecting: what an image prints when it is ready is its own affair.
async fn wait(
    container: &ContainerAsync<GenericImage>,
    password: &str,
) -> Result<(ServerUrl, Lease), String> {
    let broken = |error: TestcontainersError| format!("the container gives no port: {error}");
    let host = container.get_host().await.map_err(broken)?.to_string();
    // The name may mean ::1, and the port may be open on 127.0.0.1 only.
    let host = if host == "localhost" {
        "127.0.0.1"
    } else {
        &host
    };
    let port = container.get_host_port_ipv4(PORT).await.map_err(broken)?;
    let url = ServerUrl::parse(&format!(
        "postgres://postgres:{password}@{host}:{port}/postgres?sslmode=disable"
    ))?;

    let since = Instant::now();
    let mut looks = 0_u32;
    loop {
        let refusal = match lease::take(url.options()).await {
            Ok(lease) => return Ok((url, lease)),
            Err(refusal) => refusal,
        };
        looks += 1;
        if looks.is_multiple_of(20) {
            let log = container.stderr_to_vec().await.unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            if log.contains(FAILED) {
                return Err(format!(
                    "the container's server did not start:\n{}",
                    tail(&log)
                ));
            }
            if !container.is_running().await.unwrap_or(false) {
                return Err(format!("the container ended:\n{}", tail(&log)));
            }
            if since.elapsed() > START_PATIENCE {
                return Err(format!(
                    "the container's server did not answer within {} seconds ({refusal}):\n{}",
                    START_PATIENCE.as_secs(),
                    tail(&log)
                ));
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn explain(image: &str, error: &TestcontainersError) -> String {
    match error {
        TestcontainersError::Client(ClientError::PullImage { err, .. }) => format!(
            "the engine does not have {image} and cannot pull it ({}): load it, or set PORTPROOF_POSTGRES_IMAGE to one \
             that it has; fixtures/postgres-image builds one without a registry",
            chain(err)
        ),
        other => chain(other),
    }
}

/// An error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Removes containers of this state directory that were created and never started. The caller holds
/// the lock, so none of them is about to be; the age is for another machine on the same engine.
async fn sweep(engine: &Docker, label: &str) {
    let filters = HashMap::from([
        ("label".to_string(), vec![format!("{LABEL}={label}")]),
        ("status".to_string(), vec!["created".to_string()]),
    ]);
    let list = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    for container in engine.list_containers(Some(list)).await.unwrap_or_default() {
        let created = container
            .created
            .and_then(|at| u64::try_from(at).ok())
            .unwrap_or(0);
        if let (Some(id), true) = (container.id, created + 30 < now) {
            let remove = RemoveContainerOptionsBuilder::new().v(true).build();
            let _ = engine.remove_container(&id, Some(remove)).await;
        }
    }
}

/// A process that removes the container if this one is killed after creating and before starting it.
///
/// It reads from a pipe that ends with this process. It needs the `docker` command; without it the
/// next start sweeps.
struct Watch(Option<ChildStdin>);

impl Watch {
    fn over(container: &str) -> Self {
        // Without force, so that a container that did start stays. The engine may still be at work
        // on a request of the killed process, hence several looks.
        let script = "trap '' HUP INT TERM
            read -r word && exit 0
            for look in 1 2 3 4 5 6 7 8 9 10; do
                docker rm -v \"$1\" && exit 0
                sleep 1
            done";
        let child = detached(script)
            .arg(container)
            .stdin(Stdio::piped())
            .spawn();
        Self(child.ok().and_then(|child| child.stdin))
    }

    fn started(&mut self) {
        if let Some(mut pipe) = self.0.take() {
            let _ = pipe.write_all(b"started\n");
        }
    }
}
