use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::PlatformError;

/// Runs programs.
#[async_trait]
pub trait ProcessExecutor: Send + Sync {
    /// Runs a program to its end, in a process group of its own. The whole group is killed when the program has ended,
    /// when the time is up, when the output is too large, and when the future is dropped.
    ///
    /// # Errors
    /// [`PlatformError::Start`], [`PlatformError::TimedOut`], [`PlatformError::TooLarge`]. A program that ends with an
    /// exit code other than 0 is no error.
    async fn run(&self, request: ProcessRequest) -> Result<ProcessOutput, PlatformError>;
}

/// A program to run. There is never a shell in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessRequest {
    /// The program: a path, or a name that is looked up in the `PATH` of the environment it gets.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What it reads from standard input; nothing is an empty one.
    pub input: Option<Vec<u8>>,
    /// Where it starts; nothing is Mimir's own working directory.
    pub cwd: Option<PathBuf>,
    /// Variables added to the scrubbed environment (or replacing one of it).
    pub env: BTreeMap<OsString, OsString>,
    /// How long it may run.
    pub timeout: Duration,
    /// How many bytes it may write to standard output, and as many again to standard error.
    pub output_limit: usize,
}

/// What a program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessOutput {
    /// Its exit code; nothing if a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}
