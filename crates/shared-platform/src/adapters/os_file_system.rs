use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::capability_directory::CapabilityDirectory;
use crate::{DirEntry, Directory, FileId, FileKind, FileSystem, Metadata, PlatformError, UpdateFn};

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFileSystem;

impl FileSystem for OsFileSystem {
    fn read(&self, path: &Path) -> Result<Vec<u8>, PlatformError> {
        fs::read(path).map_err(|source| PlatformError::file("read", path, source))
    }

    fn write_atomic(&self, path: &Path, contents: &[u8], mode: Option<u32>) -> Result<(), PlatformError> {
        let write = || {
            // The target of a link is replaced, not the link: people keep their configuration in other places
            let target = if path.is_symlink() { fs::canonicalize(path)? } else { path.to_owned() };
            replace(&target, contents, mode)
        };
        write().map_err(|source| PlatformError::file("write", path, source))
    }

    fn update(&self, path: &Path, mode: Option<u32>, change: UpdateFn<'_>) -> Result<(), PlatformError> {
        let at = |source| PlatformError::file("update", path, source);
        let folder = folder_of(path);
        self.create_dir_all(folder, mode.map(|mode| mode | (mode & 0o444) >> 2))?;
        let name = path.file_name().ok_or_else(|| at(io::ErrorKind::InvalidInput.into()))?;
        let lock_path = folder.join(format!(".{}.lock", name.to_string_lossy()));
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(at)?;
        lock.lock().map_err(at)?;

        let before = match fs::read(path) {
            Ok(contents) => Some(contents),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(error)),
        };
        let after = change(before).map_err(|source| PlatformError::Update { path: path.to_owned(), source })?;
        match after {
            Some(contents) => self.write_atomic(path, &contents, mode),
            None => Ok(()),
        }
        // The lock goes with the file that holds it; removing it would let two others lock different files
    }

    fn create_dir_all(&self, path: &Path, mode: Option<u32>) -> Result<(), PlatformError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        if let Some(mode) = mode {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
        }
        #[cfg(not(unix))]
        let _ = mode;
        builder.create(path).map_err(|source| PlatformError::file("create", path, source))
    }

    fn remove(&self, path: &Path) -> Result<(), PlatformError> {
        let remove = || {
            let kind = fs::symlink_metadata(path)?.file_type();
            if kind.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
        };
        match remove() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(|source| PlatformError::file("remove", path, source)),
        }
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>, PlatformError> {
        let list = || {
            let mut entries = Vec::new();
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                entries.push(DirEntry {
                    name: entry.file_name().to_string_lossy().into_owned(),
                    kind: kind_of(entry.file_type()?),
                });
            }
            entries.sort_unstable();
            Ok(entries)
        };
        list().map_err(|source| PlatformError::file("list", path, source))
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, PlatformError> {
        let metadata = fs::metadata(path).map_err(|source| PlatformError::file("look at", path, source))?;
        Ok(Metadata {
            kind: kind_of(metadata.file_type()),
            len: metadata.len(),
            modified_ms: metadata.modified().map_or(0, to_ms),
            mode: mode_of(&metadata),
            id: id_of(&metadata),
        })
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf, PlatformError> {
        fs::canonicalize(path).map_err(|source| PlatformError::file("find", path, source))
    }

    fn open_directory(&self, root: &Path) -> Result<Arc<dyn Directory>, PlatformError> {
        Ok(Arc::new(CapabilityDirectory::open(root)?))
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn replace(path: &Path, contents: &[u8], mode: Option<u32>) -> io::Result<()> {
    let folder = folder_of(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp-");
    #[cfg(unix)]
    let file = {
        use std::os::unix::fs::PermissionsExt;
        let kept = fs::metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o7777);
        // Permissions at creation are subject to the umask, those set after are not
        let exact = mode.or(kept);
        builder.permissions(fs::Permissions::from_mode(exact.unwrap_or(0o666) & 0o777));
        let file = builder.tempfile_in(folder)?;
        if let Some(mode) = exact {
            file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
        }
        file
    };
    #[cfg(not(unix))]
    let file = {
        let _ = mode;
        builder.tempfile_in(folder)?
    };
    file.as_file().write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The new name is only on the disk once the folder is
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

pub(super) fn to_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn kind_of(kind: fs::FileType) -> FileKind {
    FileKind::of(kind.is_file(), kind.is_dir(), kind.is_symlink())
}

#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
pub(super) fn id_of(metadata: &fs::Metadata) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    Some(FileId { device: metadata.dev(), inode: metadata.ino() })
}

#[cfg(not(unix))]
pub(super) fn id_of(_: &fs::Metadata) -> Option<FileId> {
    None
}

#[cfg(unix)]
fn mode_of(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777
}

#[cfg(not(unix))]
fn mode_of(_: &fs::Metadata) -> u32 {
    0
}
