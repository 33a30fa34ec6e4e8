use std::path::Path;

use crate::{DirEntry, Metadata, PlatformError};

/// An open folder that no path leads out of: not by `..`, not by an absolute path, not by a symbolic link, and not by
/// one that is swapped in while a path is walked.
pub trait Directory: Send + Sync {
    /// The absolute path of the folder, without links.
    fn root(&self) -> &Path;

    /// Walks to `path`, relative to the root, and opens the folder in which it stands. Whether anything stands there is
    /// not yet known; the folder must exist. The empty path and `.` are the root itself.
    ///
    /// # Errors
    /// [`PlatformError::Outside`] if the path leads out of the root, [`PlatformError::File`] if the folder does not
    /// exist.
    fn place(&self, path: &Path, links: Links) -> Result<Box<dyn Place>, PlatformError>;
}

/// What becomes of a symbolic link in the last component of a path. Those before it are always followed, beneath the
/// root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The place is where the link leads.
    Follow,
    /// The place is the link itself.
    Keep,
}

/// A name in an open folder: where a file or folder stands, or may be created. No operation follows a symbolic link, so
/// each touches what stands at [`Place::real_path`] and nothing else, whatever happened to the path since: look at that
/// path, decide, then act.
pub trait Place: Send + Sync {
    /// The absolute path of the place, without links.
    fn real_path(&self) -> &Path;

    /// About what stands here; nothing if nothing does.
    fn metadata(&self) -> Result<Option<Metadata>, PlatformError>;

    /// The contents of the file, of at most `limit` bytes.
    fn read(&self, limit: u64) -> Result<Vec<u8>, PlatformError>;

    /// Replaces the contents of the file, or creates it; others see the old contents or the new ones. The permissions
    /// of a file that exists are kept.
    fn write(&self, contents: &[u8]) -> Result<(), PlatformError>;

    /// Adds to the end of the file, or creates it. The file may have `limit` bytes afterwards.
    fn append(&self, contents: &[u8], limit: u64) -> Result<(), PlatformError>;

    /// What the folder contains, by name; at most `limit` entries.
    fn read_dir(&self, limit: usize) -> Result<Vec<DirEntry>, PlatformError>;

    /// The place called `name` in the folder that stands here.
    fn child(&self, name: &str) -> Result<Box<dyn Place>, PlatformError>;

    /// Opens the folder that stands here: a place that stays this one folder, whatever is moved to the path meanwhile.
    fn enter(&self) -> Result<Box<dyn Place>, PlatformError>;

    /// Creates a folder.
    fn create_dir(&self) -> Result<(), PlatformError>;

    /// Removes a file or a link, or a folder that is empty.
    fn remove(&self) -> Result<(), PlatformError>;
}
