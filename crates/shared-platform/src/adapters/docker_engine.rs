use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error as BollardError;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    UploadToContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use bollard::{ClientVersion, Docker, body_full};
use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::{ContainerFile, ContainerOutput, ContainerRequest, DockerClient, Guard, PlatformError};

/// Where an engine listens that was installed for the whole machine.
const USUAL_SOCKET: &str = "/var/run/docker.sock";

/// The language that is spoken: that of Docker 25, and the oldest that Docker 29 understands.
const VERSION: ClientVersion = ClientVersion { major_version: 1, minor_version: 44 };

/// How long the engine may take to make or remove a container, or to say what it is.
const ENGINE: Duration = Duration::from_secs(30);

/// Runs containers by a Docker engine (or what speaks its language) on this machine, over its Unix socket.
#[derive(Debug, Clone)]
pub struct DockerEngine {
    socket: Result<PathBuf, String>,
}

impl DockerEngine {
    /// The engine that `host` names, written as in the variable `DOCKER_HOST`: `unix:///run/docker.sock`. Without it, the
    /// usual one. An engine on another machine is not used: what a plugin may do there is nobody's to say here.
    pub fn new(host: Option<&str>) -> Self {
        let socket = match host.filter(|host| !host.is_empty()) {
            None => Ok(PathBuf::from(USUAL_SOCKET)),
            Some(host) => match host.strip_prefix("unix://") {
                Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
                _ => Err(host.to_owned()),
            },
        };
        Self { socket }
    }

    async fn connect(&self, patience: Duration) -> Result<Docker, PlatformError> {
        let socket = self.socket.as_ref().map_err(|host| PlatformError::NoDocker {
            socket: host.into(),
            source: "only an engine on this machine is used, by its Unix socket".into(),
        })?;
        let none = |source: Box<dyn Error + Send + Sync>| PlatformError::NoDocker { socket: socket.clone(), source };
        let path = socket.to_str().ok_or_else(|| none("the path of its socket is not UTF-8".into()))?;
        let docker = Docker::connect_with_unix(path, (patience + ENGINE).as_secs(), &VERSION);
        let docker = docker.map_err(|error| none(error.into()))?;
        match timeout(ENGINE, docker.ping()).await {
            Ok(Ok(_)) => Ok(docker),
            Ok(Err(error)) => Err(none(error.into())),
            Err(_) => Err(none("it does not answer".into())),
        }
    }
}

#[async_trait]
impl DockerClient for DockerEngine {
    async fn run(&self, request: ContainerRequest) -> Result<ContainerOutput, PlatformError> {
        let docker = self.connect(request.timeout).await?;
        // A task of its own, so that the container is removed even if nobody waits for it any more: a request to make it
        // that is broken off half-way may still make it
        let (still_wanted, dropped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move { to_its_end(&docker, request, dropped).await });
        let result = task.await;
        drop(still_wanted);
        result.unwrap_or_else(|error| Err(failed("run a container", error)))
    }
}

async fn to_its_end(
    docker: &Docker,
    request: ContainerRequest,
    dropped: oneshot::Receiver<()>,
) -> Result<ContainerOutput, PlatformError> {
    let image = request.image.clone();
    let options = CreateContainerOptionsBuilder::default().build();
    let created = timeout(ENGINE, docker.create_container(Some(options), description(&request))).await;
    let id = match created {
        Ok(Ok(created)) => created.id,
        Ok(Err(BollardError::DockerResponseServerError { status_code: 404, .. })) => {
            return Err(PlatformError::NoImage { image });
        }
        Ok(Err(error)) => return Err(failed("make a container", error)),
        Err(_) => return Err(PlatformError::TimedOut { what: "the making of a container".to_owned(), after: ENGINE }),
    };
    let result = tokio::select! {
        result = timeout(request.timeout, run(docker, &id, &request)) => result.unwrap_or_else(|_| {
            Err(PlatformError::TimedOut { what: format!("a container of {image}"), after: request.timeout })
        }),
        _ = dropped => Err(failed("run a container", "nobody waits for it any more")),
    };
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match timeout(ENGINE, docker.remove_container(&id, Some(options))).await {
        Ok(Ok(())) => result,
        // What has gone by itself is gone
        Ok(Err(BollardError::DockerResponseServerError { status_code: 404, .. })) => result,
        Ok(Err(error)) => result.and(Err(failed("remove a container", error))),
        Err(_) => result.and(Err(failed("remove a container", "the engine does not answer"))),
    }
}

/// The container as the engine is told of it. What it would have by default and does not need is taken away; what could
/// reach this machine (mounts, devices, namespaces of the host, ports) is never named.
fn description(request: &ContainerRequest) -> ContainerCreateBody {
    let mut host = HostConfig {
        memory: i64::try_from(request.memory).ok(),
        memory_swap: i64::try_from(request.memory).ok(),
        nano_cpus: Some(i64::from(request.cpu_thousandths) * 1_000_000),
        pids_limit: Some(i64::from(request.processes)),
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        publish_all_ports: Some(false),
        // Its output comes here and is kept nowhere else
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..HostConfig::default()
    };
    if !Guard::DockerConfined.stands() {
        host = HostConfig::default();
    }
    ContainerCreateBody {
        image: Some(request.image.clone()),
        cmd: (!request.command.is_empty()).then(|| request.command.clone()),
        env: Some(request.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        working_dir: Some(ContainerRequest::PROJECT.to_owned()),
        attach_stdin: Some(request.input.is_some()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(request.input.is_some()),
        stdin_once: Some(request.input.is_some()),
        tty: Some(false),
        labels: Some(HashMap::from([("mimir.plugin".to_owned(), request.owner.clone())])),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

async fn run(docker: &Docker, id: &str, request: &ContainerRequest) -> Result<ContainerOutput, PlatformError> {
    if !request.files.is_empty() {
        let archive = archive(&request.files).map_err(|error| failed("pack the files for a container", error))?;
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        let uploaded = docker.upload_to_container(id, Some(options), body_full(archive.into())).await;
        uploaded.map_err(|error| failed("copy files into a container", error))?;
    }
    let options = AttachContainerOptionsBuilder::default();
    let options = options.stdin(request.input.is_some()).stdout(true).stderr(true).stream(true).build();
    let attached = docker.attach_container(id, Some(options)).await;
    let AttachContainerResults { mut output, mut input } =
        attached.map_err(|error| failed("reach a container", error))?;
    let started = docker.start_container(id, None::<StartContainerOptions>).await;
    started.map_err(|error| failed("start a container", error))?;

    let feed = async {
        if let Some(bytes) = &request.input {
            // A program need not read all of its input
            let _ = input.write_all(bytes).await;
            let _ = input.shutdown().await;
        }
        Ok(())
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let read = async {
        while let Some(piece) = output.next().await {
            let piece = piece.map_err(|error| failed("read a container's output", error))?;
            let (into, bytes) = match &piece {
                LogOutput::StdOut { message } | LogOutput::Console { message } => (&mut stdout, message),
                LogOutput::StdErr { message } => (&mut stderr, message),
                LogOutput::StdIn { .. } => continue,
            };
            if into.len() + bytes.len() > request.output_limit {
                let what = format!("the output of a container of {}", request.image);
                return Err(PlatformError::TooLarge { what, limit: request.output_limit as u64 });
            }
            into.extend_from_slice(bytes);
        }
        Ok(())
    };
    tokio::try_join!(feed, read)?;

    let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
    let waited = docker.wait_container(id, Some(options)).next().await;
    let exit_code = match waited {
        Some(Ok(ended)) => ended.status_code,
        Some(Err(BollardError::DockerContainerWaitError { code, .. })) => code,
        Some(Err(error)) => return Err(failed("wait for a container", error)),
        None => return Err(failed("wait for a container", "the engine says nothing")),
    };
    Ok(ContainerOutput { exit_code, stdout, stderr })
}

/// Files as the engine takes them: a tar archive. It makes the folders above them by itself.
fn archive(files: &[ContainerFile]) -> std::io::Result<Vec<u8>> {
    let root = Path::new(ContainerRequest::PROJECT.trim_start_matches('/'));
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.contents.len() as u64);
        header.set_mode(if file.is_executable { 0o755 } else { 0o644 });
        archive.append_data(&mut header, root.join(&file.path), file.contents.as_slice())?;
    }
    archive.into_inner()
}

fn failed(action: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> PlatformError {
    PlatformError::Docker { action, source: source.into() }
}
