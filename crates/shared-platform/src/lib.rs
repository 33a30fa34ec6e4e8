//! Mimir's ports to the outside world (files, processes, HTTP, time, notices, the audit log) and their real adapters.
//!
//! The other crates are given these ports and ban the ambient functions behind them in their `clippy.toml`. Nothing here
//! knows what a plugin may do: the ports make it possible to ask (which file was really opened, which address a host
//! stands for), and whoever uses them asks.

#![forbid(unsafe_code)]

mod adapters;
mod audit;
mod clock;
mod confinement;
mod directory;
mod docker;
mod error;
mod file_system;
mod guard;
mod http;
mod notifier;
mod process;
mod shell;
#[cfg(feature = "testing")]
pub mod testing;
mod within;

pub use adapters::{
    AuditEntry, AuditFolder, AuditGap, AuditProblem, AuditReader, AuditVerdict, DockerEngine, FileAuditLog,
    HostProcesses, OsFileSystem, ReqwestClient, StderrNotifier, SystemClock, Trampoline, exec_main_if_requested,
    read_private_file, verify_audit,
};
pub use audit::{AuditLine, AuditLog, AuditRecord, BrokenChain, ChainHead, MakeRecord, Torn, verify_segment};
pub use clock::Clock;
pub use confinement::{Confinement, ConfinementError, Enforced, Extent, Right, landlock_abi};
pub use directory::{Directory, Links, Place};
pub use docker::{ContainerFile, ContainerOutput, ContainerRequest, DockerClient};
pub use error::PlatformError;
pub use file_system::{DirEntry, FileId, FileKind, FileSystem, Located, Metadata, UpdateFn};
pub use guard::Guard;
#[cfg(feature = "test-hooks")]
pub use guard::WITHOUT_GUARD;
pub use http::{AddressCheck, HttpAnswer, HttpBody, HttpClient, HttpRequest, HttpResponse};
pub use notifier::{Level, Notice, Notifier};
pub use process::{Confined, ProcessExecutor, ProcessOutput, ProcessRequest, ProgramRights};
pub use shell::{Shell, ShellOutput, ShellRequest};
pub use within::within;
