use std::path::PathBuf;
use std::sync::Arc;

use mimir_shared_config::{Decision, PluginId, PluginManifest, PluginSource};

use crate::error::LoadError;
use crate::index::Known;
use crate::manifest::ReadManifest;

/// Where a plugin was found. The order is the one in which the first of a name wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// `.mimir/plugins/` of the project.
    Project,
    /// `~/.mimir/plugins/`.
    User,
    /// The project's `node_modules/`, because an entry names the package.
    NodeModules,
    /// Elsewhere, because an entry names the path.
    Listed,
    /// A folder that was named for this run.
    Explicit,
}

impl Place {
    /// The place in words, for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Project => "the project's .mimir/plugins",
            Self::User => "~/.mimir/plugins",
            Self::NodeModules => "node_modules",
            Self::Listed => "a path in the configuration",
            Self::Explicit => "a folder named for this run",
        }
    }
}

/// A plugin of the same name that is not loaded because another comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadowed {
    /// Its folder.
    pub dir: PathBuf,
    /// Where it was found.
    pub place: Place,
    /// Its version, if its manifest can be read.
    pub version: Option<String>,
}

/// A plugin that was found. That it was found does not mean that it can be loaded.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its name; the folder's if the manifest can't be read.
    pub id: PluginId,
    /// Its folder, with all links resolved.
    pub dir: PathBuf,
    /// Where it was found.
    pub place: Place,
    /// Whether the project vouches for it, so that the user must trust the project first.
    pub needs_trust: bool,
    /// Its manifest, or what is wrong with it.
    pub manifest: Result<Arc<PluginManifest>, Arc<LoadError>>,
    /// The package's name: `package.json`'s if there is one, else the manifest's.
    pub package: String,
    /// Plugins of the same name that this one hides.
    pub shadowed: Vec<Shadowed>,
    /// Whether it is to be loaded, and who says so.
    pub decision: Decision,
    /// Its position in the order that the configuration gives, if it is listed there.
    pub position: Option<usize>,
    /// What its manifest was read from.
    pub(crate) origin: Origin,
}

/// Where what is said of a found plugin comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// From its files, just now.
    Files(Arc<ReadManifest>),
    /// From the index: its files are as they were.
    Index(Arc<Known>),
    /// From nowhere: its manifest can't be read.
    Nowhere,
}

impl Found {
    /// Its version, if the manifest can be read.
    pub fn version(&self) -> Option<&str> {
        self.manifest.as_ref().ok().map(|manifest| manifest.version.as_str())
    }

    /// Whether it is to be loaded.
    pub const fn is_enabled(&self) -> bool {
        self.decision.runs()
    }

    /// Where it comes from, as a part of its identity.
    pub fn source(&self) -> PluginSource {
        PluginSource::Folder(self.dir.to_string_lossy().into_owned())
    }

    /// Whether it is called so: by the manifest or, differently, by its package.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.id.as_str() == name || self.package == name
    }
}

/// Everything that was found.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    /// One plugin a name, in the order of the places.
    pub found: Vec<Found>,
    /// Entries that name nothing, folders without a plugin, places that can't be read.
    pub problems: Vec<Arc<LoadError>>,
}
