use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::adapters::disk::{self, Durability};
use crate::bundle::protocol::{BundleRequest, Bundled};
use crate::bundle::{BUNDLER_VERSION, SDK};
use crate::error::LoadError;
use crate::identity::sha256;

/// Entries of a kind beyond which the oldest are removed.
pub(crate) const MAX_ENTRIES: usize = 512;

/// Bundles, V8's compiled code, what plugins declared, and what is known of those that did not change, kept between runs in `cache/` of Mimir's folder, where no plugin
/// can write.
///
/// Everything here can be made again: an entry that is damaged or out of date counts as missing, and a cache that can't
/// be written is no error.
#[derive(Debug, Clone)]
pub struct PluginCache {
    dir: PathBuf,
}

/// A bundle, and all that decides whether it is still what bundling would give.
#[derive(Serialize, Deserialize)]
struct BundleEntry {
    bundled: Bundled,
    /// Folders (relative to the root) in which a new file could change what an import means, with the hash of the names
    /// in them.
    listings: Vec<(String, String)>,
}

impl PluginCache {
    /// The cache in Mimir's folder.
    pub fn in_home(home: &Path) -> Self {
        Self { dir: home.join("cache") }
    }

    /// The bundle of a plugin, if none of the files that it was made from has changed since and no new one could take
    /// the place of one of them.
    pub fn bundle(&self, request: &BundleRequest) -> Option<Bundled> {
        let bytes = read_sealed(&self.bundle_path(request))?;
        let entry: BundleEntry = serde_json::from_slice(&bytes).ok()?;
        let is_same = |path: &str, expected: &str| {
            // Read through the real path: a file that became a link out of the folder is another file
            let path = disk::canonical(&request.root.join(path)).filter(|real| real.starts_with(&request.root));
            let bytes = path.and_then(|path| disk::read(&path).ok().flatten());
            bytes.is_some_and(|bytes| sha256(&bytes) == expected)
        };
        let is_valid = entry.listings.iter().all(|(dir, expected)| listing(&request.root.join(dir)) == *expected)
            && entry.bundled.inputs.iter().all(|input| is_same(&input.path, &input.sha256));
        is_valid.then_some(entry.bundled)
    }

    /// Keeps a bundle.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub fn store_bundle(&self, request: &BundleRequest, bundled: &Bundled) -> Result<(), LoadError> {
        let listings = folders_that_matter(&request.root, bundled)
            .into_iter()
            .map(|dir| (dir.clone(), listing(&request.root.join(dir))))
            .collect();
        let path = self.bundle_path(request);
        let bytes = serde_json::to_vec(&BundleEntry { bundled: bundled.clone(), listings })
            .map_err(|source| LoadError::StoreCorrupt { path: path.clone(), source })?;
        write_sealed(&path, &bytes)?;
        prune(&self.dir.join("bundles"));
        Ok(())
    }

    /// The bundle of a plugin as it was kept, whatever has become of the files that it was made from.
    pub(crate) fn kept_bundle(&self, request: &BundleRequest) -> Option<Bundled> {
        let entry: BundleEntry = serde_json::from_slice(&read_sealed(&self.bundle_path(request))?).ok()?;
        Some(entry.bundled)
    }

    /// Where the indexes of plugins lie.
    pub(crate) fn folder_of_indexes(&self) -> PathBuf {
        self.dir.join("indexes")
    }

    /// The bundle of a tool whose code is a single text. `key` names that text and all around it.
    pub(crate) fn tool(&self, key: &str) -> Option<Bundled> {
        serde_json::from_slice(&read_sealed(&self.tool_path(key))?).ok()
    }

    /// Keeps the bundle of a tool.
    pub(crate) fn store_tool(&self, key: &str, bundled: &Bundled) -> Result<(), LoadError> {
        let path = self.tool_path(key);
        let bytes =
            serde_json::to_vec(bundled).map_err(|source| LoadError::StoreCorrupt { path: path.clone(), source })?;
        write_sealed(&path, &bytes)?;
        prune(&self.dir.join("tools"));
        Ok(())
    }

    /// V8's compiled form of a script. `key` names the script's content and all that the form depends on (the engine's
    /// version and flags).
    pub fn code_cache(&self, key: &str) -> Option<Vec<u8>> {
        read_sealed(&self.code_path(key))
    }

    /// Keeps V8's compiled form of a script.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub fn store_code_cache(&self, key: &str, bytes: &[u8]) -> Result<(), LoadError> {
        write_sealed(&self.code_path(key), bytes)?;
        prune(&self.dir.join("code"));
        Ok(())
    }

    /// Drops V8's compiled form of a script, as when V8 rejects it.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub fn remove_code_cache(&self, key: &str) -> Result<(), LoadError> {
        disk::remove(&self.code_path(key))
    }

    /// Where it is kept what the plugins of a project declared.
    pub(crate) fn declared_path(&self, project: &Path) -> PathBuf {
        self.dir.join("declared").join(sha256(project.as_os_str().as_encoded_bytes()))
    }

    fn bundle_path(&self, request: &BundleRequest) -> PathBuf {
        let key = format!("{}\0{}\0{}", bundler_version(), request.root.display(), request.entry);
        self.dir.join("bundles").join(sha256(key.as_bytes()))
    }

    fn code_path(&self, key: &str) -> PathBuf {
        self.dir.join("code").join(sha256(key.as_bytes()))
    }

    fn tool_path(&self, key: &str) -> PathBuf {
        let key = format!("{}\0{key}", bundler_version());
        self.dir.join("tools").join(sha256(key.as_bytes()))
    }
}

/// All that decides, apart from the sources, what a bundle looks like.
pub(crate) fn bundler_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| format!("{BUNDLER_VERSION}\0{}", sha256(SDK.as_bytes())))
}

/// All folders from the root down to each input, and the `node_modules` in each of them: where an import is looked for
/// before, or next to, where it was found.
pub(crate) fn folders_that_matter(root: &Path, bundled: &Bundled) -> BTreeSet<String> {
    let mut own = BTreeSet::from([String::new()]);
    for input in &bundled.inputs {
        let mut rest = input.path.as_str();
        while let Some((dir, _)) = rest.rsplit_once('/') {
            own.insert(dir.to_owned());
            rest = dir;
        }
    }
    let packages: Vec<_> = own
        .iter()
        .map(|dir| if dir.is_empty() { "node_modules".to_owned() } else { format!("{dir}/node_modules") })
        .filter(|dir| disk::is_dir(&root.join(dir)))
        .collect();
    own.extend(packages);
    own
}

fn listing(dir: &Path) -> String {
    sha256(disk::list(dir).unwrap_or_default().join("\0").as_bytes())
}

/// A file that starts with the hash of the rest of it.
pub(crate) fn write_sealed(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let mut sealed = sha256(bytes).into_bytes();
    sealed.push(b'\n');
    sealed.extend_from_slice(bytes);
    disk::write_atomic(path, &sealed, Durability::Cache)
}

fn read_sealed(path: &Path) -> Option<Vec<u8>> {
    unseal(disk::read(path).ok()??)
}

/// What such a file holds, if it is whole.
pub(crate) fn unseal(mut sealed: Vec<u8>) -> Option<Vec<u8>> {
    if sealed.get(64) != Some(&b'\n') {
        return None;
    }
    let bytes = sealed.split_off(65);
    (sha256(&bytes).as_bytes() == &sealed[..64]).then_some(bytes)
}

/// Removes the oldest files of a folder, if there are too many.
pub(crate) fn prune(dir: &Path) {
    let names = disk::list(dir).unwrap_or_default();
    if names.len() <= MAX_ENTRIES {
        return;
    }
    let mut entries: Vec<_> =
        names.iter().map(|name| dir.join(name)).map(|path| (disk::modified(&path), path)).collect();
    entries.sort_unstable();
    // An eighth at once, so that not every new entry has to look at all
    for (_, path) in entries.iter().take(names.len() - MAX_ENTRIES + MAX_ENTRIES / 8) {
        let _ = disk::remove(path);
    }
}
