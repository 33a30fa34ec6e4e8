use std::path::{Path, PathBuf};

use mimir_shared_platform::OsFileSystem;

use crate::PluginsError;
use crate::surroundings::Surroundings;

/// Where this process works, as [`PluginsBuilder`](crate::PluginsBuilder) finds it by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The project's root, without links.
    pub project: PathBuf,
    /// Mimir's own folder. It need not exist.
    pub home: PathBuf,
}

impl Folders {
    /// Those of this process; `project` names another one. Nothing in them is read, so that a wrong configuration is in
    /// nobody's way.
    ///
    /// # Errors
    /// If there is no such folder, no home, or the project holds Mimir's own folder.
    pub fn find(project: Option<&Path>) -> Result<Self, PluginsError> {
        let places = Surroundings::find(project, None, None, None, &OsFileSystem)?.places;
        Ok(Self { project: places.project, home: places.home })
    }
}
