use std::path::Path;

use crate::access::{Access, Denial};
use crate::matchers::{Change, ClosedPlaces, RestrictedPaths, beneath};
use crate::permits::not_granted;
use crate::{Closed, Filesystem};

/// What a plugin may do with files, compiled: it is asked before every call on a file, and again after it was opened.
#[derive(Debug, Clone)]
pub struct FileAccess {
    read: bool,
    write: bool,
    delete: bool,
    /// `None` if a glob is wrong, which closes everything.
    restricted: Option<RestrictedPaths>,
}

/// The rules that decide about a file, in this order. Each can refuse, none can allow what another refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRule {
    /// The path is beneath the project's root.
    Beneath,
    /// The path is not one of those that are closed to all plugins.
    Closed,
    /// Reading, writing or deleting is granted.
    Granted,
    /// No glob under `restricted` covers the path.
    Restricted,
}

impl FileAccess {
    /// Compiles the capability.
    pub fn new(filesystem: &Filesystem) -> Self {
        let Filesystem { read, write, delete, restricted } = filesystem;
        Self { read: *read, write: *write, delete: *delete, restricted: RestrictedPaths::new(restricted) }
    }

    /// Whether it lets `access` through; nothing if that is none to a file. `applies` says which rules count: all of
    /// them, except in tests that take one out to see what it holds.
    pub fn permits(
        &self,
        access: &Access,
        places: &ClosedPlaces,
        applies: impl Fn(FileRule) -> bool,
    ) -> Option<Result<(), Denial>> {
        let (path, change, granted, verb, key) = match access {
            Access::FileRead { path } => (path, Change::None, self.read, "reading", "read"),
            Access::FileWrite { path } => (path, Change::Write, self.write, "writing", "write"),
            Access::FileDelete { path } => (path, Change::Remove, self.delete, "deleting", "delete"),
            _ => return None,
        };
        let shown = path.display();
        let deny = |reason: String| Some(Err(Denial::new(access, reason, None)));
        let relative = match beneath(places.root(), path) {
            Some(relative) => relative,
            None if applies(FileRule::Beneath) => return deny(format!("`{shown}` lies outside the project")),
            None => path.strip_prefix("/").unwrap_or(path).into(),
        };
        if applies(FileRule::Closed)
            && let Some(closed) = places.find(&relative, change)
        {
            return deny(format!("`{shown}` {}, which no plugin may touch", closed.reason()));
        }
        if change != Change::None && relative.as_os_str().is_empty() {
            return deny("the project's root itself stays".to_owned());
        }
        if !granted && applies(FileRule::Granted) {
            let line = format!("`{key}: true`");
            return Some(Err(not_granted(access, &format!("{verb} `{shown}`"), "filesystem", &line)));
        }
        if !applies(FileRule::Restricted) {
            return Some(Ok(()));
        }
        match &self.restricted {
            // Manifests and grants are checked when they are read, so only a value made by code comes here.
            None => deny("a glob under `restricted` is wrong, so all files are closed".to_owned()),
            Some(restricted) if restricted.is_closed(&relative) => {
                let hint = "take the glob that covers it out of `capabilities.filesystem.restricted`".to_owned();
                Some(Err(Denial::new(access, format!("`{shown}` is restricted"), Some(hint))))
            }
            Some(restricted) if !restricted.is_empty() && holds_git_objects(&relative) => {
                deny(format!("`{shown}` holds former contents of files that are restricted"))
            }
            Some(_) => Some(Ok(())),
        }
    }
}

/// Whether git keeps contents of files there, packed: all that was ever committed, whatever it is called in the project.
fn holds_git_objects(relative: &Path) -> bool {
    let mut names = relative.iter();
    names.any(|name| name.eq_ignore_ascii_case(".git"))
        && names.any(|name| name.eq_ignore_ascii_case("objects") || name.eq_ignore_ascii_case("lfs"))
}

impl Denial {
    /// For a file that is closed to all plugins for what it was found to be, not for its name.
    pub fn closed(access: &Access, path: &Path, closed: Closed) -> Self {
        Self::new(access, format!("`{}` {}, which no plugin may touch", path.display(), closed.reason()), None)
    }
}
