use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, File, Metadata as CapMetadata, OpenOptions};

use super::opened::{id_of, is_of_the_kernel, kind_of, mode_of, names_of, path_of};
use super::os_file_system::to_ms;
use crate::{DirEntry, FileKind, Guard, Metadata, Place, PlatformError};

/// `name` is nothing for the root itself, which has no name in a folder that is open.
pub(super) struct OpenPlace {
    pub(super) real_path: PathBuf,
    pub(super) folder: Arc<Dir>,
    pub(super) name: Option<OsString>,
}

impl OpenPlace {
    pub(super) fn is_link(&self) -> bool {
        matches!(self.metadata(), Ok(Some(Metadata { kind: FileKind::Symlink, .. })))
    }

    /// Makes sure that the folder is still where it was when its path was asked for: whoever decided about that path
    /// did not decide about another one.
    fn is_still_there(&self) -> Result<(), PlatformError> {
        match (path_of(&self.folder), &self.name) {
            (Some(found), Some(_)) if Some(&*found) != self.real_path.parent() => {
                Err(self.error("find", io::Error::other("its folder was moved meanwhile")))
            }
            _ => Ok(()),
        }
    }

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

    /// Opens the file and makes sure that it is an ordinary one: a pipe would keep us waiting, and to open a device may
    /// do something already.
    fn open_file(&self, action: &'static str, options: &mut OpenOptions) -> Result<(File, CapMetadata), PlatformError> {
        const EXPECTED: &str = "an ordinary file";
        let name = self.name(EXPECTED)?;
        if let Some(Metadata { kind, .. }) = self.metadata()?
            && kind != FileKind::File
            && Guard::FsKind.stands()
        {
            return Err(self.wrong(kind, EXPECTED));
        }
        options.follow(FollowSymlinks::No);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt;
            use rustix::fs::OFlags;
            options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
        }
        let opened = self.folder.open_with(name, options).and_then(|file| {
            let metadata = file.metadata()?;
            Ok((file, metadata))
        });
        match opened {
            Ok((_, metadata)) if !metadata.is_file() && Guard::FsKind.stands() => {
                Err(self.wrong(kind_of(metadata.file_type()), EXPECTED))
            }
            Ok((file, _)) if is_of_the_kernel(&file) => Err(PlatformError::WrongKind {
                path: self.real_path.clone(),
                found: "a file of the kernel's",
                expected: EXPECTED,
            }),
            Ok((file, metadata)) => {
                self.is_still_there()?;
                Ok((file, metadata))
            }
            Err(source) => match self.metadata() {
                Ok(Some(Metadata { kind, .. })) if kind != FileKind::File => Err(self.wrong(kind, EXPECTED)),
                _ => Err(self.error(action, source)),
            },
        }
    }

    fn open_dir(&self) -> Result<Arc<Dir>, PlatformError> {
        let Some(name) = &self.name else { return Ok(Arc::clone(&self.folder)) };
        match self.folder.open_dir_nofollow(name) {
            Ok(dir) => {
                self.is_still_there()?;
                Ok(Arc::new(dir))
            }
            Err(source) => match self.metadata() {
                Ok(Some(Metadata { kind, .. })) if kind != FileKind::Directory => Err(self.wrong(kind, "a folder")),
                _ => Err(self.error("open", source)),
            },
        }
    }

    /// A new file beside the place, to take its name once it is complete. Nobody can know its name before it exists, and
    /// it is created or not opened at all.
    fn create_sibling(&self, is_replacement: bool) -> io::Result<(OsString, File)> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).follow(FollowSymlinks::No);
        #[cfg(unix)]
        if is_replacement {
            // Until it has the permissions of the file that it replaces
            cap_std::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        #[cfg(not(unix))]
        let _ = is_replacement;
        loop {
            let sibling = OsString::from(format!(".mimir-{:016x}.tmp", unpredictable()));
            match self.folder.open_with(&sibling, &options) {
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
                id: id_of(&metadata),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.error("look at", source)),
        }
    }

    fn read(&self, limit: u64) -> Result<Vec<u8>, PlatformError> {
        let (file, metadata) = self.open_file("read", OpenOptions::new().read(true))?;
        let limit = if Guard::FsSize.stands() { limit } else { u64::MAX };
        if metadata.len() > limit {
            return Err(self.too_large(limit));
        }
        // The file may grow meanwhile
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
        let (sibling, mut file) =
            self.create_sibling(existing.is_some()).map_err(|source| self.error("write", source))?;
        let mut replace = || {
            file.write_all(contents)?;
            #[cfg(unix)]
            if let Some(existing) = existing {
                use cap_std::fs::{Permissions, PermissionsExt};
                file.set_permissions(Permissions::from_mode(existing.mode & 0o777))?;
            }
            Ok(())
        };
        let written: io::Result<()> = replace();
        let replaced = written.map_err(|source| self.error("write", source)).and_then(|()| {
            self.is_still_there()?;
            self.folder.rename(&sibling, &self.folder, name).map_err(|source| self.error("write", source))
        });
        if replaced.is_err() {
            let _ = self.folder.remove_file(&sibling);
        }
        replaced
    }

    fn append(&self, contents: &[u8], limit: u64) -> Result<(), PlatformError> {
        let (mut file, metadata) = self.open_file("append to", OpenOptions::new().append(true).create(true))?;
        if names_of(&metadata) > 1 && Guard::FsLinks.stands() {
            // A write puts a new file in its place, but this would change what stands under the other names
            return Err(PlatformError::WrongKind {
                path: self.real_path.clone(),
                found: "a file with other names (hard links)",
                expected: "one that is only here",
            });
        }
        let limit = if Guard::FsSize.stands() { limit } else { u64::MAX };
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

    fn enter(&self) -> Result<Box<dyn Place>, PlatformError> {
        Ok(Box::new(OpenPlace { real_path: self.real_path.clone(), folder: self.open_dir()?, name: None }))
    }

    fn create_dir(&self) -> Result<(), PlatformError> {
        match &self.name {
            Some(name) => {
                self.is_still_there()?;
                self.folder.create_dir(name).map_err(|source| self.error("create", source))
            }
            None => Err(self.error("create", io::ErrorKind::AlreadyExists.into())),
        }
    }

    fn remove(&self) -> Result<(), PlatformError> {
        let name = self.name("something beneath it")?;
        self.is_still_there()?;
        let removed = match self.metadata()? {
            Some(Metadata { kind: FileKind::Directory, .. }) => self.folder.remove_dir(name),
            Some(_) => self.folder.remove_file_or_symlink(name),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        removed.map_err(|source| self.error("remove", source))
    }
}

/// A number that only this process can know: the standard library seeds its hashes with random keys.
fn unpredictable() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(COUNT.fetch_add(1, Ordering::Relaxed))
}
