use std::path::Path;
use std::sync::Arc;

use mimir_shared_config::PluginManifest;

use crate::adapters::disk;
use crate::entry::{MainModule, find_main};
use crate::error::{LoadError, Problem};
use crate::manifest::{self, ReadManifest, whole};

/// What is known about a plugin before any of its code is looked at.
#[derive(Debug)]
pub struct Validation {
    /// What the plugin says about itself.
    pub manifest: PluginManifest,
    /// The module to load, relative to the folder.
    pub main: String,
    /// What its author may want to change.
    pub warnings: Vec<Problem>,
}

/// Checks a plugin's folder: the manifest, the module to load, the version of Mimir. It neither reads nor runs code;
/// whether the sources can be bundled shows when they are.
#[derive(Debug, Clone)]
pub struct PluginValidator {
    mimir_version: String,
}

/// A folder that passed.
pub(crate) struct Checked {
    pub(crate) main: MainModule,
    pub(crate) warnings: Vec<Problem>,
}

impl PluginValidator {
    /// A validator for plugins of this version of Mimir.
    pub fn new(mimir_version: impl Into<String>) -> Self {
        Self { mimir_version: mimir_version.into() }
    }

    /// Checks the plugin in `dir`.
    ///
    /// # Errors
    /// The first of: no manifest, a wrong one, another version of Mimir needed, no module to load.
    pub fn validate(&self, dir: &Path) -> Result<Validation, LoadError> {
        let root = disk::canonical(dir).ok_or_else(|| LoadError::ManifestMissing { dir: dir.to_owned() })?;
        let read = manifest::read(&root)?;
        let Checked { main, warnings } = self.check(&root, &read)?;
        Ok(Validation { manifest: Arc::unwrap_or_clone(read.manifest), main: main.path, warnings })
    }

    /// The same for a folder whose manifest is read already. `root` is canonical.
    pub(crate) fn check(&self, root: &Path, read: &ReadManifest) -> Result<Checked, LoadError> {
        self.check_engine(&read.manifest)?;
        let main = find_main(root, &read.manifest, read.package.as_ref())?;
        let mut warnings = warnings(read);
        warnings.extend(main.warning.iter().map(|warning| whole(warning, Some("build the package".into()))));
        Ok(Checked { main, warnings })
    }

    fn check_engine(&self, manifest: &PluginManifest) -> Result<(), LoadError> {
        let Some(range) = &manifest.engines.mimir else {
            return Ok(());
        };
        if nodejs_semver::Range::parse(range).is_err() {
            return Err(LoadError::EngineRange { range: range.clone() });
        }
        if manifest.works_with(&self.mimir_version) {
            return Ok(());
        }
        Err(LoadError::EngineMismatch { wanted: range.clone(), have: self.mimir_version.clone() })
    }
}

fn warnings(read: &ReadManifest) -> Vec<Problem> {
    let ReadManifest { manifest, package, package_bytes, .. } = read;
    let mut warnings = Vec::new();
    let mut warn = |message: &str, hint: &str| warnings.push(whole(message, Some(hint.to_owned())));
    if package_bytes.is_some() && package.is_none() {
        warn("package.json is no JSON, and is passed over", "correct it or remove it");
    }
    let package_version = package.as_ref().and_then(|package| package.get("version")?.as_str());
    if package_version.is_some_and(|version| version != manifest.version) {
        warn("its version differs from package.json's", "give both the same version");
    }
    if manifest.description.is_none() {
        warn("it has no description", "say in one sentence what it does; `mimir plugin list` shows it");
    }
    let mut seen = std::collections::HashSet::new();
    for event in manifest.events.iter().filter(|event| !seen.insert(**event)) {
        warn(&format!("`{event}` is listed twice"), "list each event once");
    }
    warnings
}
