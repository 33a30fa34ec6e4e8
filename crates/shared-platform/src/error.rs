use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// Why something outside of Mimir could not be reached or used.
#[derive(Debug, Error)]
pub enum PlatformError {
    /// The operating system refused, or there is no such file.
    #[error("can't {action} {}", path.display())]
    File {
        /// What was tried: `read`, `write`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The file is not text in UTF-8.
    #[error("{} is not UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// The path leads out of the folder that it has to stay in.
    #[error("{} leads out of {}", path.display(), root.display())]
    Outside {
        /// The path as it was asked for.
        path: PathBuf,
        /// The folder.
        root: PathBuf,
    },
    /// What stands at the path is of a kind that the operation can't take: a folder, a link, a device, a pipe.
    #[error("{} is {found}, not {expected}", path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// What stands there.
        found: &'static str,
        /// What was needed.
        expected: &'static str,
    },
    /// The file is not the user's alone, as it has to be.
    #[error("{} is not yours alone: others could read it (`chmod 600` it)", path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
    },
    /// There is more of something than the caller takes.
    #[error("{what} is larger than the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit: bytes, or entries of a folder.
        limit: u64,
    },
    /// The program could not be started.
    #[error("can't start `{program}`")]
    Start {
        /// The program.
        program: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A program lies in the project, where the project says what it does, and was not named by its path there.
    #[error("{} lies in the project", program.display())]
    ProgramInside {
        /// Where it was found.
        program: PathBuf,
    },
    /// The program could not be confined, and was not started.
    #[error("`{program}` can't be confined: {detail}")]
    Confinement {
        /// The program.
        program: String,
        /// What the trampoline said.
        detail: String,
    },
    /// The time was up; what was under way has been stopped.
    #[error("{what} took longer than {} ms", after.as_millis())]
    TimedOut {
        /// What took too long.
        what: String,
        /// The limit.
        after: Duration,
    },
    /// The caller does not allow the address that the host stands for.
    #[error("{host} may not be reached at {address}: {reason}")]
    AddressRefused {
        /// The host.
        host: String,
        /// The address, without a port.
        address: String,
        /// Why the caller refused it.
        reason: String,
    },
    /// The request is none that HTTP can carry.
    #[error("this is no request that can be sent: {detail}")]
    InvalidRequest {
        /// What is wrong.
        detail: String,
    },
    /// The host could not be reached, or the connection broke.
    #[error("{host} can't be reached")]
    Network {
        /// The host.
        host: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No Docker engine answers.
    #[error("no Docker engine answers at {}", socket.display())]
    NoDocker {
        /// Its socket.
        socket: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The image is not on this machine.
    #[error("the image {image} is not on this machine")]
    NoImage {
        /// Its full name.
        image: String,
    },
    /// The Docker engine refused, or failed.
    #[error("the Docker engine can't {action}")]
    Docker {
        /// What was tried.
        action: &'static str,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The function given to [`FileSystem::update`](crate::FileSystem::update) gave up; the file is as it was.
    #[error("{} was not changed", path.display())]
    Update {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The audit log can't be written (any more).
    #[error("the audit log {} can't be written: {detail}", path.display())]
    Audit {
        /// The log's segment, or its folder.
        path: PathBuf,
        /// What the operating system said.
        detail: String,
    },
    /// The audit log can't be read, or not be repaired.
    #[error("the audit log {} can't be checked", path.display())]
    AuditUnreadable {
        /// The folder of its segments.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl PlatformError {
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }

    /// What the operating system said, if it was asked about a file.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::File { source, .. } | Self::Start { source, .. } => Some(source.kind()),
            _ => None,
        }
    }

    /// Whether the file or program does not exist.
    pub fn is_not_found(&self) -> bool {
        self.io_kind() == Some(io::ErrorKind::NotFound)
    }
}
