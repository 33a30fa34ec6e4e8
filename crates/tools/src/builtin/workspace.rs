use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use mimir_shared_config::{Closed, Risk, closed_path};
use mimir_shared_platform::{FileKind, FileSystem, Links, Place, PlatformError};

use super::credentials::holds_credentials;
use crate::plain::plain;
use crate::{Need, ToolError};

/// Where the tools work: which file a path names, what stands in the way of touching it, and what permission it takes.
///
/// A path is relative to the project's root or absolute. Links are resolved first, so that what is asked for is what is
/// touched.
pub(super) struct Workspace {
    root: PathBuf,
    home: Option<PathBuf>,
    own: Vec<PathBuf>,
    files: Arc<dyn FileSystem>,
}

/// What a tool would do to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    Write,
    Edit,
    Delete,
}

impl Action {
    fn kind(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Edit => "edit",
            Self::Delete => "delete",
        }
    }
}

/// A file or folder, or where one may be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Its absolute path, without links.
    pub(super) path: PathBuf,
    /// Relative to the project's root, if it is inside.
    pub(super) inside: Option<PathBuf>,
}

impl Target {
    /// As events and results name it: with `/`, and relative where that is possible.
    pub(super) fn name(&self) -> String {
        let Some(inside) = &self.inside else { return self.path.display().to_string() };
        let names: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        if names.is_empty() { ".".to_owned() } else { names.join("/") }
    }

    /// The same fit to be shown: a name may hold what steers a terminal.
    pub(super) fn shown(&self) -> String {
        plain(&self.name()).replace('\n', "\u{fffd}")
    }
}

/// Where the kernel shows what it knows, other programs' memory and variables among it, and devices.
pub(crate) const KERNELS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Bytes of a path, about what systems take.
const LONGEST_PATH: usize = 4_096;

impl Workspace {
    /// `home` is the user's, for paths with `~`; `own` are Mimir's own folders, which no tool may change.
    ///
    /// # Errors
    /// If there is no such root.
    pub(super) fn new(
        root: &Path,
        home: Option<PathBuf>,
        own: Vec<PathBuf>,
        files: Arc<dyn FileSystem>,
    ) -> Result<Self, PlatformError> {
        let root = files.canonicalize(root)?;
        // Both spellings: it may not exist yet, and it may be a link
        let own = own.into_iter().flat_map(|own| [files.canonicalize(&own).ok(), Some(own)]).flatten().collect();
        Ok(Self { root, home, own, files })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// What a path names. The file need not exist, nor the folders on the way. `Links::Keep` names a link itself.
    ///
    /// # Errors
    /// If it can name nothing.
    pub(super) fn resolve(&self, path: &str, links: Links) -> Result<Target, ToolError> {
        if path.len() > LONGEST_PATH || path.contains('\0') || path.is_empty() {
            return Err(ToolError::new("this is no path"));
        }
        let path = match (path.strip_prefix("~/").or((path == "~").then_some("")), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.root.join(path),
        };
        let path = match (links, path.file_name(), path.parent()) {
            (Links::Keep, Some(name), Some(folder)) => self.real(folder)?.join(name),
            _ => self.real(&path)?,
        };
        Ok(self.target(path))
    }

    /// An absolute path without links, as a target.
    pub(super) fn target(&self, path: PathBuf) -> Target {
        let inside = path.strip_prefix(&self.root).ok().map(Path::to_owned);
        Target { path, inside }
    }

    /// The nearest folder that exists, without links, and the names behind it.
    fn real(&self, path: &Path) -> Result<PathBuf, ToolError> {
        for existing in path.ancestors() {
            let Ok(real) = self.files.canonicalize(existing) else { continue };
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            if rest.components().any(|part| !matches!(part, Component::Normal(_))) {
                return Err(ToolError::new(format!("{} leads through a folder that does not exist", path.display())));
            }
            return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
        }
        Err(ToolError::new(format!("{} leads nowhere", path.display())))
    }

    /// What no permission opens.
    ///
    /// # Errors
    /// Why it stays closed.
    pub(super) fn refuse(&self, action: Action, target: &Target) -> Result<(), ToolError> {
        let refused = |why: &str| Err(ToolError::new(format!("{} {why}", target.shown())));
        let is_own = self.own.iter().any(|own| target.path.starts_with(own));
        if KERNELS.iter().any(|kernels| target.path.starts_with(kernels)) && !target.path.starts_with(&self.root) {
            return refused("is a file of the kernel's or a device");
        }
        if action == Action::Read {
            let is_secret = is_own && target.path.file_name().is_some_and(|name| name == "secrets.yml");
            return if is_secret { refused("holds Mimir's secrets, which no tool reads") } else { Ok(()) };
        }
        if is_own || self.closed(action, target) == Some(Closed::Mimir) {
            return refused("belongs to Mimir itself: no tool may change it, the person has to");
        }
        if self.own.iter().any(|own| own.starts_with(&target.path)) || target.path == self.root {
            return refused("is no file");
        }
        Ok(())
    }

    fn closed(&self, action: Action, target: &Target) -> Option<Closed> {
        let relative = match &target.inside {
            Some(inside) => inside,
            None => target.path.strip_prefix("/").unwrap_or(&target.path),
        };
        closed_path(relative, action != Action::Read)
    }

    /// The permission that it takes.
    pub(super) fn need(&self, tool: &str, action: Action, target: &Target) -> Option<Need> {
        let is_own = self.own.iter().any(|own| target.path.starts_with(own));
        let least_risk = match self.closed(action, target) {
            Some(Closed::Secrets) => Some(Risk::Critical),
            _ if holds_credentials(&target.path) || is_own => Some(Risk::High),
            Some(Closed::Git | Closed::Plugin | Closed::System) if action != Action::Read => Some(Risk::High),
            _ => None,
        };
        if action == Action::Read && target.inside.is_some() && least_risk.is_none() {
            return None;
        }
        Some(Need {
            kind: action.kind().to_owned(),
            command: format!("{} {}", action.kind(), target.shown()),
            path: Some(target.path.clone()),
            tool: tool.to_owned(),
            least_risk,
        })
    }

    /// Opens the folder in which the target stands; `create` makes the folders on the way. Whatever was moved or linked
    /// since the path was resolved, no other file is touched.
    pub(super) fn place(&self, target: &Target, create: bool) -> Result<Box<dyn Place>, ToolError> {
        let (Some(folder), Some(name)) = (target.path.parent(), target.path.file_name()) else {
            return Err(ToolError::new(format!("{} is a folder", target.shown())));
        };
        if create {
            self.files.create_dir_all(folder, None).map_err(|error| told(&error))?;
        }
        let opened = self.files.open_directory(folder).map_err(|error| told(&error))?;
        let place = opened.place(Path::new(name), Links::Keep).map_err(|error| told(&error))?;
        if place.real_path() != target.path {
            return Err(moved(target));
        }
        Ok(place)
    }

    /// Whether a file usually holds what nobody else may know, so that it is only read where it was asked for by name.
    pub(super) fn is_private(&self, path: &Path) -> bool {
        let need = self.need("", Action::Read, &self.target(path.to_owned()));
        need.is_some_and(|need| need.least_risk.is_some())
    }

    /// # Errors
    /// If nothing is there.
    pub(super) fn must_exist(&self, target: &Target) -> Result<(), ToolError> {
        if self.files.exists(&target.path) { Ok(()) } else { Err(self.missing(target)) }
    }

    /// What a folder contains; nothing if the target is no folder.
    pub(super) fn listing(&self, target: &Target) -> Result<Option<String>, ToolError> {
        const MOST: usize = 500;
        if !self.files.metadata(&target.path).is_ok_and(|it| it.is_dir()) {
            return Ok(None);
        }
        let entries = self.files.read_dir(&target.path).map_err(|error| told(&error))?;
        let mut text = format!("{} is a folder. It contains:\n", target.shown());
        for entry in entries.iter().take(MOST) {
            text.push_str(&plain(&entry.name).replace('\n', "\u{fffd}"));
            text.push_str(if entry.kind == FileKind::Directory { "/\n" } else { "\n" });
        }
        if entries.len() > MOST {
            text.push_str(&format!("[… {} more …]\n", entries.len() - MOST));
        } else if entries.is_empty() {
            text.push_str("(nothing)\n");
        }
        Ok(Some(text))
    }

    /// Whether nothing is there, not even a link.
    pub(super) fn is_missing(&self, target: &Target) -> bool {
        let Some(folder) = target.path.parent() else { return false };
        if !self.files.exists(folder) {
            return true;
        }
        !self.files.exists(&target.path) && self.place(target, false).is_ok_and(|it| matches!(it.metadata(), Ok(None)))
    }

    /// What there is instead of a file that does not exist.
    pub(super) fn missing(&self, target: &Target) -> ToolError {
        let nothing = format!("there is no {}", target.shown());
        let (Some(folder), Some(name)) = (target.path.parent(), target.path.file_name()) else {
            return ToolError::new(nothing);
        };
        let Ok(entries) = self.files.read_dir(folder) else {
            return ToolError::new(format!("{nothing}, nor the folder in which it would be"));
        };
        let wanted = name.to_string_lossy().to_lowercase();
        let stem = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let is_like = |name: &str| {
            let name = name.to_lowercase();
            name == wanted || (stem(&name).len() > 1 && stem(&name) == stem(&wanted))
        };
        let like: Vec<String> = entries
            .into_iter()
            .filter(|entry| is_like(&entry.name))
            .take(3)
            .map(|entry| self.target(folder.join(entry.name)).shown())
            .collect();
        if like.is_empty() {
            ToolError::new(nothing)
        } else {
            ToolError::new(format!("{nothing}. There is: {}", like.join(", ")))
        }
    }
}

/// The file is not the one that the permission was given for.
pub(super) fn moved(target: &Target) -> ToolError {
    ToolError::new(format!("another file stands at {} than a moment ago: try again", target.shown()))
}

/// An error with its causes, for the model.
pub(super) fn told(error: &dyn std::error::Error) -> ToolError {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    ToolError::new(message)
}
