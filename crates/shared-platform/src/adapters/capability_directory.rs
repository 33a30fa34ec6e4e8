use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cap_fs_ext::DirExt;
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::open_place::OpenPlace;
use super::opened::path_of;
use crate::{Directory, Links, Place, PlatformError};

/// As many links as Linux follows on one path.
const MAX_LINKS: usize = 40;

/// A folder opened as a capability: every path is resolved beneath it by the operating system, or by `cap-std` step by
/// step where the system can't.
pub(super) struct CapabilityDirectory {
    root: PathBuf,
    dir: Arc<Dir>,
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
        // How `outside` and cap-std say that a path leads out: this kind, and no code of the operating system's
        if source.kind() == io::ErrorKind::PermissionDenied && source.raw_os_error().is_none() {
            PlatformError::Outside { path: path.to_owned(), root: self.root.clone() }
        } else {
            PlatformError::file(action, path, source)
        }
    }

    /// `path` without links, relative to the root. What its last component names need not exist, nor what a link there
    /// leads to.
    fn resolve(&self, path: &Path, links: Links) -> io::Result<PathBuf> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            if links == Links::Follow {
                match self.dir.canonicalize(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    resolved => return resolved,
                }
            }
            let mut components = path.components();
            let place = match components.next_back() {
                // A path that ends like this names a folder by where it stands, so it has to exist
                None | Some(Component::CurDir | Component::ParentDir | Component::RootDir | Component::Prefix(_)) => {
                    return self.dir.canonicalize(&path);
                }
                Some(Component::Normal(name)) => match components.as_path() {
                    folder if folder.as_os_str().is_empty() => PathBuf::from(name),
                    folder => self.dir.canonicalize(folder)?.join(name),
                },
            };
            match self.dir.read_link(&place) {
                // It leads to what does not exist, and that is the place: whoever decides about it has to know
                Ok(target) if links == Links::Follow => path = place.parent().unwrap_or(Path::new("")).join(target),
                _ => return Ok(place),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Opens the folder in which `path` (relative to the root) stands, step by step and without following links: so the
    /// path is that of what is opened, even if someone swaps a folder for a link at this moment.
    fn walk(&self, path: &Path) -> io::Result<OpenPlace> {
        let mut names: Vec<&OsStr> = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => names.push(name),
                Component::CurDir => {}
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            }
        }
        let mut real_path = self.root.clone();
        let mut folder = Arc::clone(&self.dir);
        let Some(name) = names.pop() else { return Ok(OpenPlace { real_path, folder, name: None }) };
        for step in names {
            folder = Arc::new(folder.open_dir_nofollow(step)?);
            real_path.push(step);
        }
        // What the kernel says of the open folder counts: it may have been moved, or have another spelling
        real_path = match path_of(&folder) {
            Some(found) if !found.starts_with(&self.root) => return Err(outside()),
            found => found.unwrap_or(real_path),
        };
        real_path.push(name);
        Ok(OpenPlace { real_path, folder, name: Some(name.to_owned()) })
    }
}

impl Directory for CapabilityDirectory {
    fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, path: &Path, links: Links) -> Result<Box<dyn Place>, PlatformError> {
        #[cfg(feature = "test-hooks")]
        if !crate::Guard::FsBeneath.stands() {
            return self.place_anywhere(path, links);
        }
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let find = || match self.walk(path) {
            // Most paths have no links in them
            Ok(place) if links == Links::Keep || !place.is_link() => Ok(place),
            _ => self.walk(&self.resolve(path, links)?),
        };
        match find() {
            Ok(place) => Ok(Box::new(place)),
            Err(source) => Err(self.error("find", path, source)),
        }
    }
}

#[cfg(feature = "test-hooks")]
impl CapabilityDirectory {
    /// What a place would be if nothing kept paths beneath the root.
    fn place_anywhere(&self, path: &Path, links: Links) -> Result<Box<dyn Place>, PlatformError> {
        let full = self.root.join(path);
        let find = || {
            let real_path = match std::fs::canonicalize(&full) {
                Ok(real_path) if links == Links::Follow => real_path,
                _ => {
                    let (Some(folder), Some(name)) = (full.parent(), full.file_name()) else {
                        return std::fs::canonicalize(&full);
                    };
                    std::fs::canonicalize(folder)?.join(name)
                }
            };
            Ok(real_path)
        };
        let at = |source| PlatformError::file("find", path, source);
        let real_path = find().map_err(at)?;
        let name = real_path.file_name().map(OsStr::to_owned);
        let folder = real_path.parent().unwrap_or(&real_path);
        let folder = Arc::new(Dir::open_ambient_dir(folder, ambient_authority()).map_err(at)?);
        Ok(Box::new(OpenPlace { real_path, folder, name }))
    }
}

/// The path does not stay beneath the root.
fn outside() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}
