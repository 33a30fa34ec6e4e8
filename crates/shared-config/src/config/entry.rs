use std::fmt;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::Origin;
use crate::matchers::Glob;
use crate::{PluginId, PluginSource};

/// An entry of `enabled`, `disabled` or `required`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginEntry {
    /// Which plugin.
    pub spec: PluginSpec,
    /// As it is written.
    pub text: String,
    /// Who says so.
    pub origin: Origin,
}

/// Which plugin is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PluginSpec {
    /// A folder, resolved against the folder of the file that names it, without `.` and `..`.
    Folder(PathBuf),
    /// A plugin by its package's name.
    Package {
        /// The name.
        name: PluginId,
        /// The version or range behind an `@`, if there is one.
        version: Option<String>,
    },
}

/// A text that names no plugin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{text}` names no plugin: write a folder (`./plugins/mine`) or a package (`mimir-plugin-x`, `@scope/mimir-x`)"
)]
pub struct InvalidPluginEntry {
    /// The text as it was written.
    pub text: String,
}

impl PluginSpec {
    /// Reads an entry. A folder begins with `./`, `../`, `/` or `~/`, or is `.`; `~/` is left for the caller, who knows
    /// the user's home. All else is a package. `base` is what relative folders are relative to.
    pub fn parse(text: &str, base: &Path) -> Result<Self, InvalidPluginEntry> {
        let invalid = || InvalidPluginEntry { text: text.to_owned() };
        if text.contains('\0') {
            return Err(invalid());
        }
        if is_folder(text) {
            return Ok(Self::Folder(join(base, Path::new(text))));
        }
        // The `@` of a scope is at the start, that of a version is not
        let (name, version) = match text.char_indices().skip(1).find(|(_, c)| *c == '@') {
            Some((at, _)) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        if version.is_some_and(|range| nodejs_semver::Range::parse(range).is_err() && !is_tag(range)) {
            return Err(invalid());
        }
        let name = PluginId::new(name).map_err(|_| invalid())?;
        Ok(Self::Package { name, version: version.map(str::to_owned) })
    }

    /// Whether this entry means that plugin. A package's name also means a folder with a plugin of that name, since what
    /// lies in `.mimir/plugins/` is enabled and disabled by its name.
    pub fn means(&self, name: &PluginId, source: &PluginSource) -> bool {
        match self {
            Self::Folder(folder) => matches!(source, PluginSource::Folder(path) if Path::new(path) == folder),
            Self::Package { name: wanted, .. } => wanted == name,
        }
    }
}

fn is_folder(text: &str) -> bool {
    matches!(text, "." | ".." | "~")
        || ["./", "../", "/", "~/", ".\\", "..\\"].iter().any(|start| text.starts_with(start))
        || Path::new(text).is_absolute()
}

/// A distribution tag such as `latest`.
fn is_tag(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

pub(super) fn join(base: &Path, path: &Path) -> PathBuf {
    if path.starts_with("~") {
        return path.to_path_buf();
    }
    let mut joined = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(joined.components().next_back(), Some(Component::Normal(_))) => {
                joined.pop();
            }
            Component::ParentDir if joined.has_root() => {}
            part => joined.push(part),
        }
    }
    joined
}

impl fmt::Display for PluginSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Package { name, version: Some(version) } => write!(f, "{name}@{version}"),
            Self::Package { name, version: None } => write!(f, "{name}"),
        }
    }
}

/// An entry of `allowlist` or `blocklist`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginPattern {
    /// As it is written: a package's name with `*` for any run of characters, or a folder.
    pub text: String,
    /// The folder, resolved, if it is one.
    pub folder: Option<PathBuf>,
    /// Who says so.
    pub origin: Origin,
}

impl PluginPattern {
    pub(crate) fn new(text: &str, base: &Path, origin: Origin) -> Self {
        let folder = is_folder(text).then(|| join(base, Path::new(text)));
        Self { text: text.to_owned(), folder, origin }
    }

    /// Whether it allows that plugin. A name allows packages and what came with Mimir, never a folder that calls itself so.
    pub(crate) fn allows(&self, name: &PluginId, source: &PluginSource) -> bool {
        match (&self.folder, source) {
            (Some(folder), PluginSource::Folder(path)) => Path::new(path).starts_with(folder),
            (None, PluginSource::Registry(_) | PluginSource::Builtin) => Glob::new(&self.text).matches(name.as_str()),
            _ => false,
        }
    }

    /// Whether it blocks that plugin. A name blocks whatever calls itself so.
    pub(crate) fn blocks(&self, name: &PluginId, source: &PluginSource) -> bool {
        match (&self.folder, source) {
            (Some(folder), PluginSource::Folder(path)) => Path::new(path).starts_with(folder),
            (Some(_), _) => false,
            (None, _) => Glob::new(&self.text).matches(name.as_str()),
        }
    }
}
