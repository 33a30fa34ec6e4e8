use std::path::{Path, PathBuf};

use crate::adapters::disk;

/// Where to look for plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The project's root: the nearest folder upwards with `.mimir/` or `.git`.
    pub project: PathBuf,
    /// Mimir's own folder: `~/.mimir`, or what `MIMIR_HOME` names.
    pub home: PathBuf,
    /// Folders that were named for this run, each a plugin's folder or a folder of such.
    pub explicit: Vec<PathBuf>,
}

impl Places {
    /// The places for work that starts in `cwd`. Without a folder that marks a project, `cwd` itself is its root.
    pub fn new(cwd: &Path, home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        let marks = |dir: &&Path| {
            // The user's own ~/.mimir makes no project of the home folder
            let own = dir.join(".mimir");
            dir.join(".git").symlink_metadata().is_ok() || (disk::is_dir(&own) && own != home)
        };
        let project = cwd.ancestors().find(marks).unwrap_or(cwd).to_owned();
        Self { project, home, explicit: Vec::new() }
    }

    /// With folders that were named for this run.
    #[must_use]
    pub fn with_explicit(self, explicit: Vec<PathBuf>) -> Self {
        Self { explicit, ..self }
    }

    pub(crate) fn project_plugins(&self) -> PathBuf {
        self.project.join(".mimir/plugins")
    }

    pub(crate) fn user_plugins(&self) -> PathBuf {
        self.home.join("plugins")
    }

    pub(crate) fn node_modules(&self) -> PathBuf {
        self.project.join("node_modules")
    }
}
