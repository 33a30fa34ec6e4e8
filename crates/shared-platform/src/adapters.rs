//! The only code of Mimir that touches files, processes, the network, the clock and the terminal.

mod audit;
mod capability_directory;
mod docker_engine;
mod host_processes;
mod name_lookup;
mod open_place;
mod opened;
mod os_file_system;
mod private_file;
mod reqwest_client;
mod stderr_notifier;
mod system_clock;

pub use audit::{
    AuditEntry, AuditFolder, AuditGap, AuditProblem, AuditReader, AuditVerdict, FileAuditLog, verify_audit,
};
pub use docker_engine::DockerEngine;
pub use host_processes::{HostProcesses, Trampoline, exec_main_if_requested};
pub use os_file_system::OsFileSystem;
pub use private_file::read_private_file;
pub use reqwest_client::ReqwestClient;
pub use stderr_notifier::StderrNotifier;
pub use system_clock::SystemClock;
