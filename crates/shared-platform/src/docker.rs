use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::PlatformError;

/// Runs containers.
#[async_trait]
pub trait DockerClient: Send + Sync {
    /// Runs a container to its end. It has no network, no privileges, and nothing of this machine is mounted into it.
    /// It is removed when its program has ended, when the time is up, when the output is too large, and when the future
    /// is dropped.
    ///
    /// # Errors
    /// [`PlatformError::NoDocker`], [`PlatformError::NoImage`], [`PlatformError::Docker`], [`PlatformError::TimedOut`],
    /// [`PlatformError::TooLarge`]. A program that ends with an exit code other than 0 is no error.
    async fn run(&self, request: ContainerRequest) -> Result<ContainerOutput, PlatformError>;
}

/// A container to run.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerRequest {
    /// The full name of the image. One that is not on this machine is not fetched.
    pub image: String,
    /// What is run in it, as arguments of the image's entry point; empty is what the image says.
    pub command: Vec<String>,
    /// Variables of its environment.
    pub env: BTreeMap<String, String>,
    /// Copied to [`PROJECT`](ContainerRequest::PROJECT), which is where the program starts.
    pub files: Vec<ContainerFile>,
    /// What the program reads from standard input; nothing is an empty one.
    pub input: Option<Vec<u8>>,
    /// How long it may run.
    pub timeout: Duration,
    /// How many bytes it may write to standard output, and as many again to standard error.
    pub output_limit: usize,
    /// How much memory it may use, in bytes; there is no swap beyond it.
    pub memory: u64,
    /// How many processes and threads there may be in it.
    pub processes: u32,
    /// How many processors it may use, in thousandths of one.
    pub cpu_thousandths: u32,
    /// On whose behalf: a label of the container, for people who look for it.
    pub owner: String,
}

impl ContainerRequest {
    /// The folder in the container that files are copied to.
    pub const PROJECT: &'static str = "/project";
}

/// A file that is copied into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFile {
    /// Its path there, relative, with `/` and without `..`.
    pub path: String,
    /// Its contents.
    pub contents: Vec<u8>,
    /// Whether it can be run.
    pub is_executable: bool,
}

/// What a container left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerOutput {
    /// The exit code of its program.
    pub exit_code: i64,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}
