use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::PlatformError;

/// Runs command lines of the user's own, or such as the user has allowed, with the user's rights. What plugins ask for
/// goes through a [`ProcessExecutor`](crate::ProcessExecutor), which knows no shell.
#[async_trait]
pub trait Shell: Send + Sync {
    /// Runs a command line to its end, in a process group of its own, with nothing on standard input. The whole group is
    /// killed when the shell has ended, when the time is up, and when the future is dropped.
    ///
    /// # Errors
    /// [`PlatformError::Start`] if there is no shell or no such folder. A command that fails or takes too long is no
    /// error.
    async fn run_line(&self, request: ShellRequest) -> Result<ShellOutput, PlatformError>;
}

/// A command line to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellRequest {
    /// As it was written: `bash` reads it, or `sh` where there is none.
    pub command: String,
    /// Where it starts.
    pub cwd: PathBuf,
    /// All of its environment.
    pub env: BTreeMap<OsString, OsString>,
    /// How long it may run.
    pub timeout: Duration,
    /// How many bytes of its output are kept: two thirds of them from the beginning, the rest from the end.
    pub keep: usize,
}

/// What a command left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShellOutput {
    /// Its exit code; nothing if a signal ended it, or it was stopped.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it was stopped because its time was up.
    pub is_timed_out: bool,
    /// The beginning of what it wrote, to standard output and to standard error as they came.
    pub head: Vec<u8>,
    /// How many bytes are missing between the two.
    pub missing: u64,
    /// The end, if there is more than the beginning.
    pub tail: Vec<u8>,
}
