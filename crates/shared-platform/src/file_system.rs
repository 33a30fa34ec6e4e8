use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Directory, PlatformError};

/// Files, for Mimir's own use (configuration, caches, stores). What plugins ask for goes through a [`Directory`].
pub trait FileSystem: Send + Sync {
    /// The whole contents of a file.
    fn read(&self, path: &Path) -> Result<Vec<u8>, PlatformError>;

    /// The whole contents of a file, as text.
    ///
    /// # Errors
    /// [`PlatformError::NotUtf8`] beside those of the operating system.
    fn read_to_string(&self, path: &Path) -> Result<String, PlatformError> {
        String::from_utf8(self.read(path)?).map_err(|_| PlatformError::NotUtf8 { path: path.to_owned() })
    }

    /// Replaces the contents of a file, or creates it. Whoever reads it meanwhile, and whoever reads it after a crash,
    /// finds the old contents or the new ones, never a mixture. A symbolic link stays one: its target is written.
    ///
    /// `mode` holds the Unix permission bits; without it they stay as they are (0o666 less the umask for a new file).
    fn write_atomic(&self, path: &Path, contents: &[u8], mode: Option<u32>) -> Result<(), PlatformError>;

    /// Changes a file while nobody else does so by this function, in this process or another: `change` is given the
    /// contents (nothing if there is no such file) and gives new ones, or nothing to leave it.
    ///
    /// The lock is a file `.NAME.lock` beside it, which stays. The folder is created if need be. `mode` is as for
    /// [`FileSystem::write_atomic`].
    ///
    /// # Errors
    /// [`PlatformError::Update`] if `change` failed.
    fn update(&self, path: &Path, mode: Option<u32>, change: UpdateFn<'_>) -> Result<(), PlatformError>;

    /// Creates a folder and those above it, unless they exist. `mode` is that of the folders it creates (0o777 less the
    /// umask without it).
    fn create_dir_all(&self, path: &Path, mode: Option<u32>) -> Result<(), PlatformError>;

    /// Removes a file, a link (not its target), or a folder with all it contains. It is no error if there is none.
    fn remove(&self, path: &Path) -> Result<(), PlatformError>;

    /// What a folder contains, by name.
    fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>, PlatformError>;

    /// About the file or folder at `path`, or where a link there leads.
    fn metadata(&self, path: &Path) -> Result<Metadata, PlatformError>;

    /// The absolute path without links, `.` and `..`.
    fn canonicalize(&self, path: &Path) -> Result<PathBuf, PlatformError>;

    /// Whether there is something at `path` (a link that leads nowhere does not count).
    fn exists(&self, path: &Path) -> bool {
        self.metadata(path).is_ok()
    }

    /// Opens a folder that relative paths can't be walked out of.
    fn open_directory(&self, root: &Path) -> Result<Arc<dyn Directory>, PlatformError>;
}

/// Given the contents of a file, or nothing if there is none, gives new contents, or nothing to leave it.
pub type UpdateFn<'a> =
    &'a mut dyn FnMut(Option<Vec<u8>>) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>>;

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Its name. What is no UTF-8 shows as `�` and can't be reached by it.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// An ordinary file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe, a socket.
    Other,
}

impl FileKind {
    /// By what a file type says of itself: the standard library and `cap-std` have one each.
    pub(crate) const fn of(is_file: bool, is_dir: bool, is_symlink: bool) -> Self {
        match (is_file, is_dir, is_symlink) {
            (true, ..) => Self::File,
            (_, true, _) => Self::Directory,
            (.., true) => Self::Symlink,
            _ => Self::Other,
        }
    }

    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a folder",
            Self::Symlink => "a link",
            Self::Other => "a device or pipe",
        }
    }
}

/// About a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Its size in bytes.
    pub len: u64,
    /// When its contents changed, in milliseconds since 1970.
    pub modified_ms: u64,
    /// Its Unix permission bits; 0 where there are none.
    pub mode: u32,
    /// Which one it is; nothing where the system has no numbers for files.
    pub id: Option<FileId>,
}

/// Which file or folder it is, whatever it is called, for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    /// The number of the file system.
    pub device: u64,
    /// The number of the file in it.
    pub inode: u64,
}

/// A file or folder as it was found. What stands at the path later is meant only if it is the same one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    /// Its absolute path, without links.
    pub path: PathBuf,
    /// Which one it is; nothing where the system has no numbers for files.
    pub id: Option<FileId>,
}

impl Metadata {
    /// Whether it is an ordinary file.
    pub fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }

    /// Whether it is a folder.
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }
}
