use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, FileType, Metadata as CapMetadata, OpenOptions};

use super::os_file_system::to_ms;
use crate::{DirEntry, Directory, FileKind, Links, Metadata, Place, PlatformError};

/// A folder opened as a capability: every path is resolved beneath it by the operating system, or by `cap-std` step by
/// step where the system can't.
pub(super) struct CapabilityDirectory {
    root: PathBuf,
    dir: Arc<Dir>,
}

/// `name` is nothing for the root itself, which has no name in a folder that is open.
struct OpenPlace {
    real_path: PathBuf,
    folder: Arc<Dir>,
    name: Option<OsString>,
}

impl CapabilityDirectory {
    pub(super) fn open(root: &Path) -> Result<Self, PlatformError> {
        let open = || {
            let root = std::fs::canonicalize(root)?;
            let dir = Dir::open_ambient_dir(&root, ambient_authority())?;
            Ok((root, dir))
        };
        let (root, dir) = open().map_err(|source| PlatformError::file("open", root, source))?;
        Ok(Self { root, dir: Arc::new(dir) })
    }

    fn error(&self, action: &'static str, path: &Path, source: io::Error) -> PlatformError {
        // How cap-std says that a path leads out: this kind, and no code of the operating system's
        if source.kind() == io::ErrorKind::PermissionDenied && source.raw_os_error().is_none() {
            PlatformError::Outside { path: path.to_owned(), root: self.root.clone() }
        } else {
            PlatformError::file(action, path, source)
        }
    }

    /// `path` without links, relative to the root. What its last component names need not exist.
    fn resolve(&self, path: &Path, links: Links) -> io::Result<PathBuf> {
        if links == Links::Follow {
            match self.dir.canonicalize(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                resolved => return resolved,
            }
        }
        let mut components = path.components();
        match components.next_back() {
            // A path that ends like this names a folder by where it stands, so it has to exist
            None | Some(Component::CurDir | Component::ParentDir | Component::RootDir | Component::Prefix(_)) => {
                self.dir.canonicalize(path)
            }
            Some(Component::Normal(name)) => Ok(match components.as_path() {
                folder if folder.as_os_str().is_empty() => PathBuf::from(name),
                folder => self.dir.canonicalize(folder)?.join(name),
            }),
        }
    }
}

impl Directory for CapabilityDirectory {
    fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, path: &Path, links: Links) -> Result<Box<dyn Place>, PlatformError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let find = || {
            let resolved = self.resolve(path, links)?;
            let mut names: Vec<&OsStr> = Vec::new();
            for component in resolved.components() {
                match component {
                    Component::Normal(name) => names.push(name),
                    Component::CurDir => {}
                    _ => return Err(io::ErrorKind::InvalidInput.into()),
                }
            }
            let mut real_path = self.root.clone();
            let Some(name) = names.pop() else {
                return Ok(OpenPlace { real_path, folder: Arc::clone(&self.dir), name: None });
            };
            // Step by step and without following, so that the path is that of what is opened, even if someone swaps a
            // folder for a link at this moment
            let mut folder = Arc::clone(&self.dir);
            for step in names {
                folder = Arc::new(folder.open_dir_nofollow(step)?);
                real_path.push(step);
            }
            real_path.push(name);
            Ok(OpenPlace { real_path, folder, name: Some(name.to_owned()) })
        };
        match find() {
            Ok(place) => Ok(Box::new(place)),
            Err(source) => Err(self.error("find", path, source)),
        }
    }
}

impl OpenPlace {
    fn error(&self, action: &'static str, source: io::Error) -> PlatformError {
        PlatformError::file(action, &self.real_path, source)
    }

    fn wrong(&self, found: FileKind, expected: &'static str) -> PlatformError {
        PlatformError::WrongKind { path: self.real_path.clone(), found: found.describe(), expected }
    }

    fn too_large(&self, limit: u64) -> PlatformError {
        PlatformError::TooLarge { what: self.real_path.display().to_string(), limit }
    }

    fn name(&self, expected: &'static str) -> Result<&OsStr, PlatformError> {
        self.name.as_deref().ok_or_else(|| self.wrong(FileKind::Directory, expected))
    }

    /// Opens the file and makes sure that it is an ordinary one: a pipe would keep us waiting.
    fn open_file(&self, action: &'static str, options: &mut OpenOptions) -> Result<(File, CapMetadata), PlatformError> {
        const EXPECTED: &str = "an ordinary file";
        let name = self.name(EXPECTED)?;
        options.follow(FollowSymlinks::No);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt;
            options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        }
        let opened = self.folder.open_with(name, options).and_then(|file| {
            let metadata = file.metadata()?;
            Ok((file, metadata))
        });
        match opened {
            Ok((file, metadata)) if metadata.is_file() => Ok((file, metadata)),
            Ok((_, metadata)) => Err(self.wrong(kind_of(metadata.file_type()), EXPECTED)),
            Err(source) => match self.metadata() {
                Ok(Some(Metadata { kind, .. })) if kind != FileKind::File => Err(self.wrong(kind, EXPECTED)),
                _ => Err(self.error(action, source)),
            },
        }
    }

    fn open_dir(&self) -> Result<Arc<Dir>, PlatformError> {
        let Some(name) = &self.name else { return Ok(Arc::clone(&self.folder)) };
        match self.folder.open_dir_nofollow(name) {
            Ok(dir) => Ok(Arc::new(dir)),
            Err(source) => match self.metadata() {
                Ok(Some(Metadata { kind, .. })) if kind != FileKind::Directory => Err(self.wrong(kind, "a folder")),
                _ => Err(self.error("open", source)),
            },
        }
    }

    /// A new file beside the place, to take its name once it is complete.
    fn create_sibling(&self, name: &OsStr) -> io::Result<(OsString, File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            // Not made of the whole name, which may be as long as names can be
            let stem: String = name.to_string_lossy().chars().take(40).collect();
            let sibling = OsString::from(format!(".{stem}.{}-{count}.tmp", std::process::id()));
            match self.folder.open_with(&sibling, OpenOptions::new().write(true).create_new(true)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(|file| (sibling, file)),
            }
        }
    }
}

impl Place for OpenPlace {
    fn real_path(&self) -> &Path {
        &self.real_path
    }

    fn metadata(&self) -> Result<Option<Metadata>, PlatformError> {
        let found = match &self.name {
            Some(name) => self.folder.symlink_metadata(name),
            None => self.folder.dir_metadata(),
        };
        match found {
            Ok(metadata) => Ok(Some(Metadata {
                kind: kind_of(metadata.file_type()),
                len: metadata.len(),
                modified_ms: metadata.modified().map_or(0, |time| to_ms(time.into_std())),
                mode: mode_of(&metadata),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.error("look at", source)),
        }
    }

    fn read(&self, limit: u64) -> Result<Vec<u8>, PlatformError> {
        let (file, metadata) = self.open_file("read", OpenOptions::new().read(true))?;
        if metadata.len() > limit {
            return Err(self.too_large(limit));
        }
        // The file may grow meanwhile, and some (in /proc) claim to be empty
        let mut contents = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.take(limit.saturating_add(1)).read_to_end(&mut contents).map_err(|source| self.error("read", source))?;
        if contents.len() as u64 > limit { Err(self.too_large(limit)) } else { Ok(contents) }
    }

    fn write(&self, contents: &[u8]) -> Result<(), PlatformError> {
        let name = self.name("an ordinary file")?;
        let existing = self.metadata()?;
        match existing {
            Some(Metadata { kind: FileKind::File, .. }) => {
                // To replace a file takes no right to write it, so ask for that right as well
                self.open_file("write", OpenOptions::new().write(true))?;
            }
            Some(Metadata { kind, .. }) => return Err(self.wrong(kind, "an ordinary file")),
            None => {}
        }
        let (sibling, mut file) = self.create_sibling(name).map_err(|source| self.error("write", source))?;
        let replace = || {
            file.write_all(contents)?;
            #[cfg(unix)]
            if let Some(existing) = existing {
                use cap_std::fs::{Permissions, PermissionsExt};
                file.set_permissions(Permissions::from_mode(existing.mode & 0o777))?;
            }
            drop(file);
            self.folder.rename(&sibling, &self.folder, name)
        };
        let replaced: io::Result<()> = replace();
        replaced.map_err(|source| {
            let _ = self.folder.remove_file(&sibling);
            self.error("write", source)
        })
    }

    fn append(&self, contents: &[u8], limit: u64) -> Result<(), PlatformError> {
        let (mut file, metadata) = self.open_file("append to", OpenOptions::new().append(true).create(true))?;
        if metadata.len().saturating_add(contents.len() as u64) > limit {
            return Err(self.too_large(limit));
        }
        file.write_all(contents).map_err(|source| self.error("append to", source))
    }

    fn read_dir(&self, limit: usize) -> Result<Vec<DirEntry>, PlatformError> {
        let dir = self.open_dir()?;
        let mut entries = Vec::new();
        for entry in dir.entries().map_err(|source| self.error("list", source))? {
            if entries.len() == limit {
                return Err(self.too_large(limit as u64));
            }
            let entry = entry.and_then(|entry| {
                Ok(DirEntry {
                    name: entry.file_name().to_string_lossy().into_owned(),
                    kind: kind_of(entry.file_type()?),
                })
            });
            entries.push(entry.map_err(|source| self.error("list", source))?);
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn child(&self, name: &str) -> Result<Box<dyn Place>, PlatformError> {
        let mut components = Path::new(name).components();
        let real_path = self.real_path.join(name);
        match (components.next(), components.next()) {
            (Some(Component::Normal(only)), None) if only == name => {
                Ok(Box::new(OpenPlace { real_path, folder: self.open_dir()?, name: Some(name.into()) }))
            }
            _ => Err(PlatformError::file("find", &real_path, io::ErrorKind::InvalidInput.into())),
        }
    }

    fn create_dir(&self) -> Result<(), PlatformError> {
        match &self.name {
            Some(name) => self.folder.create_dir(name).map_err(|source| self.error("create", source)),
            None => Err(self.error("create", io::ErrorKind::AlreadyExists.into())),
        }
    }

    fn remove(&self) -> Result<(), PlatformError> {
        let name = self.name("something beneath it")?;
        let removed = match self.metadata()? {
            Some(Metadata { kind: FileKind::Directory, .. }) => self.folder.remove_dir(name),
            Some(_) => self.folder.remove_file_or_symlink(name),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        removed.map_err(|source| self.error("remove", source))
    }
}

fn kind_of(kind: FileType) -> FileKind {
    FileKind::of(kind.is_file(), kind.is_dir(), kind.is_symlink())
}

#[cfg(unix)]
fn mode_of(metadata: &CapMetadata) -> u32 {
    cap_std::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777
}

#[cfg(not(unix))]
fn mode_of(_: &CapMetadata) -> u32 {
    0
}
