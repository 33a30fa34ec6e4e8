use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::LoadError;

fn error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LoadError {
    move |source| LoadError::Io { action, path: path.to_owned(), source }
}

/// No file that is read whole comes near this, in bytes.
const LARGEST: u64 = 256 << 20;

/// The bytes of a file, or `None` if there is none. A pipe or a device is an error: it may never end.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, LoadError> {
    read_at_most(path, LARGEST)
}

/// The same for a file of a largest size, in bytes.
pub(crate) fn read_at_most(path: &Path, most: u64) -> Result<Option<Vec<u8>>, LoadError> {
    let checked = fs::metadata(path).and_then(|found| match found.len() {
        _ if !found.is_file() && !found.is_dir() => Err(io::Error::other("it is no ordinary file")),
        len if len > most => Err(io::Error::other(format!("it has {len} bytes, and {most} are the most"))),
        _ => fs::read(path),
    });
    match checked {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(error("read", path)(e)),
    }
}

/// The path with all links resolved, or `None` if it leads nowhere.
pub(crate) fn canonical(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

pub(crate) fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

pub(crate) fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// The names in a folder, sorted; none if there is no such folder.
pub(crate) fn list(dir: &Path) -> Result<Vec<String>, LoadError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(e) => return Err(error("list", dir)(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is no Unicode can't be a plugin's or a module's
        if let Ok(name) = entry.map_err(error("list", dir))?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The folders in a folder, sorted by name, links to such included: the name, and whether it is a link. None if there is no
/// such folder.
pub(crate) fn folders(dir: &Path) -> Result<Vec<(String, bool)>, LoadError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(e) => return Err(error("list", dir)(e)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(error("list", dir))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // What it is stands in the folder itself; only a link has to be looked at
        let is_link = entry.file_type().is_ok_and(|kind| !kind.is_dir() && !kind.is_file());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) || (is_link && is_dir(&dir.join(&name))) {
            folders.push((name, is_link));
        }
    }
    folders.sort_unstable();
    Ok(folders)
}

/// Whether something is a file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
}

/// What the file system tells of a file or a folder without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: Kind,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Rights and kind, as the system has them.
    pub(crate) mode: u32,
    /// In bytes.
    pub(crate) size: u64,
    /// When the content was written, in nanoseconds since 1970, or whenever somebody says that it was.
    pub(crate) modified_ns: i128,
    /// When anything about it was changed, by the system's clock.
    pub(crate) changed_ns: i128,
}

/// What lies at `path` itself: none for a link, for what is neither file nor folder, and for nothing.
#[cfg(unix)]
pub(crate) fn stat(path: &Path) -> Option<Stat> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::symlink_metadata(path).ok()?;
    let kind = match found.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        _ => return None,
    };
    let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    Some(Stat {
        kind,
        device: found.dev(),
        inode: found.ino(),
        mode: found.mode(),
        size: found.size(),
        modified_ns: time(found.mtime(), found.mtime_nsec()),
        changed_ns: time(found.ctime(), found.ctime_nsec()),
    })
}

/// Elsewhere too little is told to know a changed file from one that is as it was.
#[cfg(not(unix))]
pub(crate) fn stat(_: &Path) -> Option<Stat> {
    None
}

/// Creates a folder that only its owner can look into, with all above it.
pub(crate) fn create_private_dir(dir: &Path) -> Result<(), LoadError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(error("write", dir))
}

/// A new folder that only its owner can look into, and that goes with what is given back.
pub(crate) fn temporary_dir() -> Result<tempfile::TempDir, LoadError> {
    // Made with mode 0700
    tempfile::tempdir().map_err(error("write", &std::env::temp_dir()))
}

/// Whether a file must have survived when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// What the user said: on the disk before the write counts as done.
    Lasting,
    /// What can be made again.
    Cache,
}

/// Puts a file in place in one step, readable by its owner alone: others see the old or the new content, nothing between.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8], durability: Durability) -> Result<(), LoadError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    create_private_dir(dir)?;
    // A temporary file is created with mode 0600
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(error("write", dir))?;
    file.write_all(bytes).map_err(error("write", path))?;
    if durability == Durability::Lasting {
        file.as_file().sync_data().map_err(error("write", path))?;
    }
    file.persist(path).map_err(|e| error("write", path)(e.error))?;
    Ok(())
}

/// Holds the file's lock until it is dropped. Waits while another process holds it.
pub(crate) struct Locked(#[allow(dead_code, reason = "closing the file is what gives the lock back")] File);

/// Takes the lock that guards `path`: a file beside it, since `path` itself is replaced by every write.
pub(crate) fn lock(path: &Path) -> Result<Locked, LoadError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = PathBuf::from(name);
    create_private_dir(path.parent().unwrap_or(Path::new(".")))?;
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        options.mode(0o600).custom_flags(no_link);
    }
    let file = options.open(&lock).map_err(error("lock", &lock))?;
    file.lock().map_err(error("lock", &lock))?;
    Ok(Locked(file))
}

/// Removes a file; that it is gone already is no error.
pub(crate) fn remove(path: &Path) -> Result<(), LoadError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(error("write", path)(e)),
        _ => Ok(()),
    }
}

/// When a file was last written.
pub(crate) fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
