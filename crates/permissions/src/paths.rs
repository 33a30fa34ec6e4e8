//! Paths as people write them, relative to the project. No file is looked at: links are for the caller.

use std::path::{Component, Path, PathBuf};

/// Where the project is, and the user's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    pub(crate) home: Option<PathBuf>,
}

/// Where a path leads, without `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The path, absolute unless the project's root is not.
    pub(crate) path: PathBuf,
    /// The path relative to the project, if it lies in it.
    pub(crate) inside: Option<PathBuf>,
    /// The path relative to the user's home, if it lies in it.
    pub(crate) home: Option<PathBuf>,
    /// It leads somewhere that can't be told: `~other/x` or a name with a variable.
    pub(crate) is_unknown: bool,
}

impl Project {
    /// Where a path leads that is relative to the project, absolute, or begins with `~/`.
    pub(crate) fn place(&self, written: &str) -> Place {
        let (path, is_unknown) = match written.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => match &self.home {
                Some(home) => (home.join(rest.trim_start_matches('/')), false),
                None => (PathBuf::from(written), true),
            },
            // Somebody's home
            Some(_)
                if !written.starts_with("~$") && !self.root.join(written).starts_with("~") && written.contains('/') =>
            {
                (PathBuf::from(written), true)
            }
            _ => (self.root.join(written), false),
        };
        let path = normal(&path);
        let beneath = |base: &Path| path.strip_prefix(base).ok().map(Path::to_path_buf);
        let inside = beneath(&normal(&self.root)).filter(|_| !is_unknown);
        let home = self.home.as_deref().map(normal).and_then(|home| beneath(&home)).filter(|_| !is_unknown);
        Place { inside, home, is_unknown, path }
    }
}

/// The path without `.` and `..`.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            Component::ParentDir if out.has_root() => {}
            part => out.push(part),
        }
    }
    out
}
