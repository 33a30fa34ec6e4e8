use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use mimir_shared_config::{Grant, PluginId, PluginIdentity, PluginManifest};
use oxc_sourcemap::OwnedSourceMap;

use crate::bundle::protocol::{Bundled, Confinement};
use crate::discovery::Place;
use crate::error::Problem;
use crate::index::Known;
use crate::stack;

/// Whether the user lets a plugin run.
#[derive(Debug, Clone, PartialEq)]
pub enum GrantState {
    /// It may run, with what the grant allows. A plugin that asks for nothing is granted just that without a question.
    Granted {
        /// What it may do.
        grant: Grant,
    },
    /// It asks for something, and this content of it was not granted anything. `mimir plugin grant NAME` settles it.
    NeedsGrant {
        /// What it asks for beyond the earlier grant, a line each, for a person to decide about. Empty if only the
        /// content changed.
        added: Vec<String>,
        /// What was granted to another content of the same package: if there is one, the content has changed since.
        granted_before: Option<Grant>,
    },
    /// It comes with a repository that the user has not said to trust. `mimir plugin trust` settles it.
    RepositoryUntrusted {
        /// The repository's root.
        root: PathBuf,
    },
}

impl GrantState {
    /// What keeps the plugin from running, as the rest of a sentence that begins with its name and "does not run, since".
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Granted { .. } => None,
            Self::NeedsGrant { added, granted_before } => Some(match (granted_before, added.join("; ")) {
                (None, added) => format!("it asks for what was not granted: {added}"),
                (Some(_), added) if added.is_empty() => "its content has changed since it was granted".to_owned(),
                (Some(_), added) => {
                    format!("its content has changed since it was granted, and it asks for more: {added}")
                }
            }),
            Self::RepositoryUntrusted { root } => Some(format!("{} is not trusted", root.display())),
        }
    }
}

/// A plugin that was found, checked and bundled, now or when its files were last others.
#[derive(Debug)]
pub struct LoadedPlugin {
    /// Its name.
    pub id: PluginId,
    /// What it says about itself.
    pub manifest: Arc<PluginManifest>,
    /// Its folder, with all links resolved.
    pub dir: PathBuf,
    /// Where it was found.
    pub place: Place,
    /// Which plugin it is.
    pub identity: PluginIdentity,
    /// What its author may want to change.
    pub warnings: Vec<Problem>,
    /// Whether it may run.
    pub grant: GrantState,
    /// Its position in `plugins.enabled`, if it is listed there.
    pub position: Option<usize>,
    /// Whether the bundle came from the cache, so that no source was parsed.
    pub is_from_cache: bool,
    /// What kept the bundler from the rest of the machine when the bundle was made.
    pub confinement: Confinement,
    /// Its code. What comes from the index has none before it is asked for it.
    pub(crate) script: OnceLock<Script>,
    /// What the index holds of it, or is to hold.
    pub(crate) known: Option<Arc<Known>>,
}

/// A plugin's bundle.
#[derive(Debug)]
pub(crate) struct Script {
    code: Arc<str>,
    /// Version 3, JSON, with sources relative to the plugin's folder.
    source_map: String,
    map: OnceLock<Option<OwnedSourceMap>>,
}

impl Script {
    pub(crate) fn new(bundled: Bundled) -> Self {
        Self { code: bundled.code.into(), source_map: bundled.source_map, map: OnceLock::new() }
    }
}

impl LoadedPlugin {
    /// What the plugin's bundle is to be called inside V8.
    pub fn script_name(&self) -> String {
        crate::script_name(self.id.as_str())
    }

    /// One ES module; its default export, or its only exported function, is the plugin. None before
    /// [`PluginLoader::code`](crate::PluginLoader::code) has fetched it, for a plugin that is as the index remembers it.
    pub fn code(&self) -> Option<Arc<str>> {
        self.script.get().map(|script| Arc::clone(&script.code))
    }

    /// A stack trace of V8's with the lines of the plugin's own sources in place of the bundle's.
    pub fn map_stack(&self, stack: &str) -> String {
        // Most plugins never fail, so the map is taken apart at the first trace
        let map = |script: &'_ Script| OwnedSourceMap::from_json_string(&script.source_map).ok();
        match self.script.get().and_then(|script| script.map.get_or_init(|| map(script)).as_ref()) {
            Some(map) => stack::map_stack(stack, self.id.as_str(), map),
            None => stack.to_owned(),
        }
    }
}
