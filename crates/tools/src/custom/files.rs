use std::path::PathBuf;

use mimir_shared_config::ConfigError;
use mimir_shared_platform::{DirEntry, FileKind, FileSystem, PlatformError};
use thiserror::Error;

use crate::NameConflict;
use crate::plain::plain_line;

/// A folder of YAML files that people write: `~/.mimir/tools`, `.mimir/commands`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomFolder {
    /// The folder. It need not exist.
    pub path: PathBuf,
    /// Its name, for people: `~/.mimir/tools`, `.mimir/tools`.
    pub shown: String,
    /// Whether it belongs to the repository, and not to the user.
    pub is_repositorys: bool,
    /// Whether the user trusts it. What lies in their own home is theirs.
    pub is_trusted: bool,
}

impl CustomFolder {
    /// One of the user's own.
    pub fn of_user(path: impl Into<PathBuf>, shown: impl Into<String>) -> Self {
        Self { path: path.into(), shown: shown.into(), is_repositorys: false, is_trusted: true }
    }

    /// One of the repository.
    pub fn of_repository(path: impl Into<PathBuf>, shown: impl Into<String>, is_trusted: bool) -> Self {
        Self { path: path.into(), shown: shown.into(), is_repositorys: true, is_trusted }
    }
}

/// Why a file was not taken, or not all of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadProblem {
    /// The repository is not trusted.
    #[error("{count} file{} in {folder} {} not used: you have not said that you trust this repository", if *count == 1 { "" } else { "s" }, if *count == 1 { "is" } else { "are" })]
    Untrusted {
        /// The folder.
        folder: String,
        /// How many files there are.
        count: usize,
    },
    /// The file is not as it should be. All that is wrong is in here, with the places.
    #[error(transparent)]
    Invalid(ConfigError),
    /// The file or the folder can't be read.
    #[error("{place} can't be read")]
    Unreadable {
        /// Which.
        place: String,
        /// Why not.
        #[source]
        source: PlatformError,
    },
    /// It is a link, a folder or a device, where a file should be.
    #[error("{place} is not used: it is no plain file")]
    NoFile {
        /// Which.
        place: String,
    },
    /// There are too many.
    #[error("{folder} has more than {limit} files: the rest is not used")]
    TooMany {
        /// The folder.
        folder: String,
        /// How many are read.
        limit: usize,
    },
    /// Another command has the name.
    #[error(transparent)]
    Name(NameConflict),
    /// The file says something that does not count.
    #[error("{place}: {what}")]
    DoesNotCount {
        /// The file.
        place: String,
        /// What does not count, and why.
        what: String,
    },
}

impl LoadProblem {
    /// Whether it is as it should be and only worth knowing.
    pub fn is_for_information(&self) -> bool {
        matches!(self, Self::Untrusted { .. } | Self::DoesNotCount { .. })
    }
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct CustomFile<T> {
    /// Which of the folders it lies in.
    pub(crate) folder: usize,
    /// Its name, for people.
    pub(crate) place: String,
    pub(crate) value: T,
}

/// Files in a folder; people have a handful.
const MOST: usize = 200;
/// Bytes of a file: what is longer, the parser refuses.
const LARGEST: u64 = 256 << 10;

/// Reads all files of the folders, by name, and says what is wrong with them.
pub(crate) fn read_folders<T>(
    files: &dyn FileSystem,
    folders: &[CustomFolder],
    parse: impl Fn(&str, &str) -> Result<T, ConfigError>,
) -> (Vec<CustomFile<T>>, Vec<LoadProblem>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (index, folder) in folders.iter().enumerate() {
        let mut entries = match files.read_dir(&folder.path) {
            Ok(entries) => entries,
            Err(error) if error.is_not_found() => continue,
            Err(source) => {
                problems.push(LoadProblem::Unreadable { place: folder.shown.clone(), source });
                continue;
            }
        };
        entries.retain(|entry| entry.name.ends_with(".yml") || entry.name.ends_with(".yaml"));
        entries.sort();
        if !folder.is_trusted {
            let count = entries.len();
            problems.extend((count > 0).then(|| LoadProblem::Untrusted { folder: folder.shown.clone(), count }));
            continue;
        }
        if entries.len() > MOST {
            problems.push(LoadProblem::TooMany { folder: folder.shown.clone(), limit: MOST });
            entries.truncate(MOST);
        }
        for entry in entries {
            let place = format!("{}/{}", folder.shown, plain_line(&entry.name, 200));
            match read(files, folder, &entry, &place)
                .and_then(|text| parse(&place, &text).map_err(LoadProblem::Invalid))
            {
                Ok(value) => found.push(CustomFile { folder: index, place, value }),
                Err(problem) => problems.push(problem),
            }
        }
    }
    (found, problems)
}

fn read(files: &dyn FileSystem, folder: &CustomFolder, entry: &DirEntry, place: &str) -> Result<String, LoadProblem> {
    let path = folder.path.join(&entry.name);
    let unreadable = |source| LoadProblem::Unreadable { place: place.to_owned(), source };
    // In their home, people keep links to where they keep such files; in a repository a link may lead anywhere
    let may_be = match entry.kind {
        FileKind::File => true,
        FileKind::Symlink => !folder.is_repositorys,
        FileKind::Directory | FileKind::Other => false,
    };
    let metadata = files.metadata(&path).map_err(unreadable)?;
    if !may_be || !metadata.is_file() {
        return Err(LoadProblem::NoFile { place: place.to_owned() });
    }
    if metadata.len > LARGEST {
        return Err(unreadable(PlatformError::TooLarge { what: place.to_owned(), limit: LARGEST }));
    }
    files.read_to_string(&path).map_err(unreadable)
}
