use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Extent, Located, PlatformError};

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
    /// What it may reach: then it is looked up, started and confined as a plugin's program. Nothing is Mimir's own use: it
    /// has the user's rights.
    pub rights: Option<ProgramRights>,
}

/// What a program of a plugin may reach beside itself, installed software, and a home and a folder for temporary files of
/// its own, which are gone when it has ended. A file or folder that is no more where it was found when the program
/// starts grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramRights {
    /// The project's root, and which folder that is, where it is known. A program is looked up outside of it, or by a path relative to it.
    pub root: Located,
    /// Files and folders that may be read, and run.
    pub read: Vec<Located>,
    /// That may be read and changed, and where new files may be made; nothing is removed.
    pub write: Vec<Located>,
    /// Where it may remove as well.
    pub own: Vec<Located>,
    /// Folders whose names may be listed, with those of all that lies beneath.
    pub list: Vec<Located>,
    /// Whether it may use the network.
    pub network: bool,
    /// How many processes and threads it may have at once.
    pub processes: u32,
}

/// What the kernel really holds of a program's [`ProgramRights`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confined {
    /// Files outside its rights.
    pub files: Extent,
    /// No network of any kind. False also if it has the right.
    pub no_network: bool,
    /// At least no TCP.
    pub no_tcp: bool,
    /// No signals to other processes.
    pub no_signals: bool,
    /// No sockets of the machine's services (Docker, keys, desktop).
    pub no_unix_sockets: bool,
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
    /// How far it was confined; nothing if it was not to be, or could not be because no trampoline was given.
    pub confined: Option<Confined>,
}
