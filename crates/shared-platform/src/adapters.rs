//! The only code of Mimir that touches files, processes, the network, the clock and the terminal.

mod audit;
mod capability_directory;
mod host_processes;
mod os_file_system;
mod reqwest_client;
mod stderr_notifier;
mod system_clock;

pub use audit::{
    AuditEntry, AuditFolder, AuditGap, AuditProblem, AuditReader, AuditVerdict, FileAuditLog, verify_audit,
};
pub use host_processes::HostProcesses;
pub use os_file_system::OsFileSystem;
pub use reqwest_client::ReqwestClient;
pub use stderr_notifier::StderrNotifier;
pub use system_clock::SystemClock;
