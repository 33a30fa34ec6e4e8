//! What is known of plugins whose files are still as they were when they were last loaded: a start that finds them so
//! reads, parses and hashes none of them.
//!
//! It says what a plugin *is*, never whether it may run: trust and grants are looked up at every start. Nor is it believed
//! when code is about to run: what runs is held against the content hash once more (`known.rs`).

mod fingerprint;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_shared_config::{ContentHash, PluginManifest};
use serde::{Deserialize, Serialize};

use crate::adapters::{disk, own_file};
use crate::bundle::protocol::{Bundled, Confinement};
use crate::cache::{self, PluginCache};
use crate::entry::MainModule;
use crate::error::Problem;
use crate::identity::OwnHashes;
use crate::manifest::{MANIFEST, PACKAGE, ReadManifest};

/// What was changed so shortly before it was read, in nanoseconds, is not remembered: a second change could leave the same
/// time behind, since some file systems count in steps of two seconds.
const UNSETTLED: i128 = 2_000_000_000;

/// One file for each project, in Mimir's folder for what can be made again.
#[derive(Debug, Clone)]
pub(crate) struct PluginIndex {
    path: PathBuf,
}

/// A plugin as it was when its files looked so.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    /// The files and folders that decide what the plugin is, relative to its folder: the manifest, `package.json`, every
    /// file in the bundle, and the folders in which a new file could take the place of one of them.
    paths: Vec<String>,
    /// What the file system told of them.
    fingerprint: String,
    pub(crate) manifest: Arc<PluginManifest>,
    pub(crate) package: String,
    /// The module to load.
    pub(crate) main: String,
    /// The hashes of what is part of the content and not of the bundle.
    pub(crate) own: OwnHashes,
    /// The content hash.
    pub(crate) hash: ContentHash,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) confinement: Confinement,
}

/// Plugins by their folders, canonical.
pub(crate) type Remembered = BTreeMap<PathBuf, Arc<Known>>;

/// What the index's file holds.
#[derive(Serialize, Deserialize)]
struct File {
    /// Another Mimir may read the same files otherwise.
    version: String,
    plugins: Remembered,
}

impl PluginIndex {
    /// The index for a project.
    pub(crate) fn new(cache: &PluginCache, project: &Path) -> Self {
        let name = crate::identity::sha256(project.as_os_str().as_encoded_bytes());
        Self { path: cache.folder_of_indexes().join(name) }
    }

    /// What it holds. Nothing if it is missing, damaged, another version's, or could be somebody else's.
    pub(crate) fn read(&self, mimir_version: &str) -> Remembered {
        let read = || {
            let bytes = cache::unseal(own_file::read(&self.path).ok()??)?;
            serde_json::from_slice::<File>(&bytes).ok().filter(|file| file.version == version(mimir_version))
        };
        read().map(|file| file.plugins).unwrap_or_default()
    }

    /// Puts this in place of what it held. One that can't be written is no error: the next start takes longer.
    pub(crate) fn write(&self, mimir_version: &str, plugins: Remembered) {
        let written = serde_json::to_vec(&File { version: version(mimir_version), plugins });
        if let Ok(bytes) = written
            && cache::write_sealed(&self.path, &bytes).is_ok()
        {
            self.path.parent().into_iter().for_each(cache::prune);
        }
    }
}

fn version(mimir_version: &str) -> String {
    format!("{mimir_version} {}", cache::bundler_version())
}

impl Known {
    /// Remembers a plugin that was read and bundled since `began`, in nanoseconds since 1970. None where its files are too
    /// fresh, or where what the file system tells does not decide what it is.
    pub(crate) fn new(
        root: &Path,
        began: i128,
        (read, main, warnings): (&ReadManifest, &MainModule, &[Problem]),
        bundled: &Bundled,
        hash: &ContentHash,
    ) -> Option<Arc<Self>> {
        if !main.is_plain {
            return None;
        }
        let mut paths = cache::folders_that_matter(root, bundled);
        paths.extend(bundled.inputs.iter().map(|input| input.path.clone()));
        paths.insert(MANIFEST.to_owned());
        paths.extend(read.package_bytes.as_ref().map(|_| PACKAGE.to_owned()));
        // Where the usual names of the module to load are looked for
        paths.extend(disk::is_dir(&root.join("src")).then(|| "src".to_owned()));
        let taken = fingerprint::take(root, paths.iter().map(String::as_str))?;
        if taken.changed >= began - UNSETTLED {
            return None;
        }
        let known = Self {
            paths: paths.into_iter().collect(),
            fingerprint: taken.digest,
            manifest: Arc::clone(&read.manifest),
            package: read.package_or_plugin(),
            main: main.path.clone(),
            own: read.hashes(),
            hash: hash.clone(),
            warnings: warnings.to_vec(),
            confinement: bundled.confinement,
        };
        // A manifest that would come back as another one is read anew every time
        let again = serde_json::from_slice::<Self>(&serde_json::to_vec(&known).ok()?).ok()?;
        (again.manifest == known.manifest).then(|| Arc::new(known))
    }

    /// Whether the plugin in this folder, which is canonical, still looks as it did.
    pub(crate) fn still_stands(&self, root: &Path) -> bool {
        let taken = fingerprint::take(root, self.paths.iter().map(String::as_str));
        taken.is_some_and(|taken| taken.digest == self.fingerprint)
    }
}
