//! The audit log on disk.
//!
//! Each process writes segments of its own, `~/.mimir/audit/*.ndjson`, each line with the hash of the one before. How far
//! a segment had come is noted apart from it, in `~/.mimir/audit-heads/*.ndjson`, one chain of all processes, appended
//! under a lock. A note is only written once the lines that it speaks of are, so what it says is on disk, unless
//! somebody cut it off or the machine lost its power.

mod heads;
mod log;
mod queue;
mod read;
mod repair;
mod segment;
mod verify;
mod writer;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

pub use log::FileAuditLog;
pub use read::{AuditEntry, AuditReader};
pub use verify::{AuditGap, AuditProblem, AuditVerdict, verify_audit};

/// The folders of the audit log, and how much is kept in them.
#[derive(Debug, Clone)]
pub struct AuditFolder {
    /// Where the segments lie.
    pub segments: PathBuf,
    /// Where the anchors of their heads lie.
    pub heads: PathBuf,
    /// A segment is ended once it is as long as this, in bytes.
    pub segment_bytes: u64,
    /// A file of anchors is ended once it is as long as this, in bytes.
    pub heads_bytes: u64,
    /// The oldest segments are removed while all take more than this, in bytes.
    pub keep_bytes: u64,
    /// Segments are removed once nothing was written to them for so long, in milliseconds.
    pub keep_ms: u64,
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl AuditFolder {
    /// The audit log of the user whose Mimir folder is `home`: segments of 8 MiB, 1 GiB and 180 days in all.
    pub fn in_home(home: &Path) -> Self {
        Self {
            segments: home.join("audit"),
            heads: home.join("audit-heads"),
            segment_bytes: 8 << 20,
            heads_bytes: 1 << 20,
            keep_bytes: 1 << 30,
            keep_ms: 180 * DAY_MS,
        }
    }
}

/// The names in a folder that end in `.ndjson`, in their order; none if there is no folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string()
            && name.ends_with(".ndjson")
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Makes a folder that is for the user alone: what plugins did is nobody else's business.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens a file to read and append, for the user alone.
fn open(path: &Path, is_new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).create_new(is_new);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
