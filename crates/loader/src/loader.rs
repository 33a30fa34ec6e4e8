use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mimir_shared_config::{Config, PluginId, PluginIdentity};
use tokio::sync::Semaphore;

use crate::adapters::bundler_process::BundlerProcess;
use crate::adapters::{clock, disk};
use crate::bundle::protocol::{BundleRequest, Bundled};
use crate::cache::PluginCache;
use crate::discovery::{self, Discovery, Found, Origin, Place, Places};
use crate::error::LoadError;
use crate::identity;
use crate::index::{Known, PluginIndex, Remembered};
use crate::known::Examined;
use crate::loaded::{LoadedPlugin, Script};
use crate::manifest::{self, ReadManifest};
use crate::ports::Bundler;
use crate::stores::{GrantStore, StateStore, TrustStore};
use crate::tool::{self, LoadedTool, ToolLanguage};
use crate::validator::{Checked, PluginValidator, Validation};

/// How often a plugin is bundled anew because its files changed while they were read.
const ATTEMPTS: usize = 3;

/// Finds, checks and bundles plugins. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct PluginLoader {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) places: Places,
    pub(crate) config: Config,
    pub(crate) version: String,
    validator: PluginValidator,
    bundler: Box<dyn Bundler>,
    pub(crate) cache: PluginCache,
    pub(crate) index: PluginIndex,
    pub(crate) grants: GrantStore,
    pub(crate) trust: TrustStore,
    state: StateStore,
    /// The bundler takes a processor to itself.
    pub(crate) bundling: Semaphore,
    /// Nanoseconds since 1970.
    pub(crate) now_ns: fn() -> i128,
}

/// A plugin's folder, read and bundled.
pub(crate) struct Whole {
    pub(crate) root: PathBuf,
    pub(crate) read: Arc<ReadManifest>,
    pub(crate) checked: Checked,
    pub(crate) bundled: Bundled,
    pub(crate) is_from_cache: bool,
    pub(crate) identity: PluginIdentity,
}

/// What came of loading all plugins that are enabled.
#[derive(Debug, Default)]
pub struct LoadReport {
    /// The plugins that loaded, in the order of the configuration, then by name. Not all may run: see their grants.
    pub plugins: Vec<Arc<LoadedPlugin>>,
    /// The plugins that did not, each once, and why.
    pub failed: Vec<(PluginId, Arc<LoadError>)>,
    /// What was wrong before any plugin was looked at: entries that name nothing, folders without a plugin.
    pub problems: Vec<Arc<LoadError>>,
}

impl PluginLoader {
    /// A loader that keeps what it keeps in `places.home`, for plugins of `mimir_version`. `config` says what is enabled.
    pub fn new(places: Places, config: Config, mimir_version: &str) -> Self {
        Self::with_bundler(places, config, mimir_version, Box::new(BundlerProcess::current_exe()))
    }

    /// A loader with another bundler than this program started again.
    pub fn with_bundler(places: Places, config: Config, mimir_version: &str, bundler: Box<dyn Bundler>) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let cache = PluginCache::in_home(&places.home);
        let inner = Inner {
            validator: PluginValidator::new(mimir_version),
            version: mimir_version.to_owned(),
            index: PluginIndex::new(&cache, &places.project),
            cache,
            grants: GrantStore::in_home(&places.home),
            trust: TrustStore::in_home(&places.home),
            state: StateStore::in_home(&places.home),
            bundling: Semaphore::new(processors),
            now_ns: clock::now_ns,
            bundler,
            places,
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where it looks.
    pub fn places(&self) -> &Places {
        &self.inner.places
    }

    /// What the user granted.
    pub fn grants(&self) -> &GrantStore {
        &self.inner.grants
    }

    /// Which repositories the user trusts.
    pub fn trust(&self) -> &TrustStore {
        &self.inner.trust
    }

    /// What is remembered of each plugin's conduct.
    pub fn state(&self) -> &StateStore {
        &self.inner.state
    }

    /// Bundles and compiled code.
    pub fn cache(&self) -> &PluginCache {
        &self.inner.cache
    }

    /// Finds all plugins, enabled or not, broken or not, and reads what each says about itself.
    ///
    /// # Errors
    /// If the list of trusted repositories can't be read. What is wrong with a single plugin is in its [`Found`].
    pub async fn discover(&self) -> Result<Discovery, LoadError> {
        self.blocking(|inner| {
            let is_trusted = inner.trust.is_trusted(&inner.places.project)?;
            Ok(discovery::discover(&inner.places, &inner.config, is_trusted, &Remembered::new()))
        })
        .await
    }

    /// Checks a folder without bundling it.
    ///
    /// # Errors
    /// What is wrong with it, as [`PluginValidator::validate`] says.
    pub async fn validate(&self, dir: impl Into<PathBuf>) -> Result<Validation, LoadError> {
        let dir = dir.into();
        self.blocking(move |inner| inner.validator.validate(&dir)).await
    }

    /// Loads the plugin in a folder, whatever the configuration says about it, as if it had been named for this run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn load_folder(&self, dir: impl Into<PathBuf>) -> Result<LoadedPlugin, LoadError> {
        let dir = dir.into();
        let found = self.blocking(move |_| Ok(discovery::read_folder(&dir, Place::Explicit, false))).await?;
        self.load(&found).await
    }

    /// Loads one plugin, enabled or not. Its code is not run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn load(&self, found: &Found) -> Result<LoadedPlugin, LoadError> {
        let _turn = self.inner.bundling.acquire().await.map_err(|_| LoadError::Interrupted)?;
        let found = found.clone();
        self.blocking(move |inner| inner.load(&found, false)).await
    }

    /// Makes the code of a tool ready to run, under this name. It can import nothing but `@mimir/plugin`. Its code is not run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn load_tool(&self, id: PluginId, text: String, language: ToolLanguage) -> Result<LoadedTool, LoadError> {
        let _turn = self.inner.bundling.acquire().await.map_err(|_| LoadError::Interrupted)?;
        self.blocking(move |inner| tool::load(inner.bundler.as_ref(), &inner.cache, id, &text, language)).await
    }

    /// Finds and loads all plugins that are enabled. A broken one is reported, and the others load.
    ///
    /// # Errors
    /// If the list of trusted repositories can't be read.
    pub async fn load_enabled(&self) -> Result<LoadReport, LoadError> {
        let Discovery { found, problems } = self.discover_known().await?;
        let mut report = LoadReport { problems, ..LoadReport::default() };
        for Examined { found, loaded } in self.load_all(found.into_iter().filter(Found::is_enabled).collect()).await? {
            match loaded {
                Ok(plugin) => report.plugins.push(Arc::new(plugin)),
                Err(error) => report.failed.push((found.id, Arc::new(error))),
            }
        }
        // `None` after every position
        report.plugins.sort_by_cached_key(|plugin| (plugin.position.unwrap_or(usize::MAX), plugin.id.clone()));
        report.failed.sort_by_cached_key(|(id, _)| id.clone());
        Ok(report)
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, LoadError> + Send + 'static,
    ) -> Result<T, LoadError> {
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || work(&inner)).await.map_err(|_| LoadError::Interrupted)?
    }
}

impl Inner {
    /// Reads and bundles a plugin, and says whether it may run. With `remembers`, it comes with what the index is to hold of
    /// it.
    pub(crate) fn load(&self, found: &Found, remembers: bool) -> Result<LoadedPlugin, LoadError> {
        let began = (self.now_ns)();
        let Whole { root, read, checked, bundled, is_from_cache, identity } = self.read_whole(found)?;
        let Checked { main, mut warnings } = checked;
        let grant = self.standing()?.of(self, found, &identity, &read.manifest)?;
        warnings.extend(bundled.warnings.iter().cloned());
        let hash = &identity.hash;
        let known = remembers.then(|| Known::new(&root, began, (&read, &main, &warnings), &bundled, hash)).flatten();
        Ok(LoadedPlugin {
            id: read.manifest.name.clone(),
            manifest: Arc::clone(&read.manifest),
            dir: root,
            place: found.place,
            identity,
            warnings,
            grant,
            position: found.position,
            is_from_cache,
            confinement: bundled.confinement,
            script: OnceLock::from(Script::new(bundled)),
            known,
        })
    }

    /// Reads and bundles a plugin.
    pub(crate) fn read_whole(&self, found: &Found) -> Result<Whole, LoadError> {
        let (root, read) = match &found.origin {
            Origin::Files(read) => (found.dir.clone(), Arc::clone(read)),
            Origin::Index(_) | Origin::Nowhere => {
                let missing = || LoadError::ManifestMissing { dir: found.dir.clone() };
                let root = disk::canonical(&found.dir).ok_or_else(missing)?;
                let read = Arc::new(manifest::read(&root)?);
                (root, read)
            }
        };
        let checked = self.validator.check(&root, &read)?;
        let (entry, name) = (checked.main.path.clone(), read.manifest.name.as_str().to_owned());
        let (bundled, is_from_cache) = self.bundle(&root, &BundleRequest { root: root.clone(), entry, name })?;
        let hash = identity::content_hash(&read.hashes(), &bundled.inputs);
        let identity = identity::identity(&root, &read.package_or_plugin(), hash);
        Ok(Whole { root, read, checked, bundled, is_from_cache, identity })
    }

    fn bundle(&self, root: &Path, request: &BundleRequest) -> Result<(Bundled, bool), LoadError> {
        if let Some(bundled) = self.cache.bundle(request) {
            return Ok((bundled, true));
        }
        let mut bundled = self.bundler.bundle(root, request)?;
        for _ in 1..ATTEMPTS {
            // Taking what was stored also shows that the files are still those that were bundled
            if self.cache.store_bundle(request, &bundled).is_err() || self.cache.bundle(request).is_some() {
                break;
            }
            bundled = self.bundler.bundle(root, request)?;
        }
        Ok((bundled, false))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

    use super::*;
    use crate::bundle::protocol::{Confinement, Input};
    use crate::ports::MockBundler;

    fn bundled(source: &str) -> Bundled {
        Bundled {
            code: source.to_owned(),
            source_map: String::new(),
            inputs: vec![Input {
                path: "index.ts".into(),
                sha256: identity::sha256(source.as_bytes()),
                is_module: true,
            }],
            warnings: Vec::new(),
            confinement: Confinement::Full,
        }
    }

    /// An editor saves while the bundler reads: what is loaded is what lies there, or the last attempt.
    #[tokio::test]
    async fn files_that_change_meanwhile_are_bundled_again() {
        let check = async |results: &'static [&'static str], loaded: &str| {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("plugin.yml"), "name: p\nversion: 1.0.0\n").unwrap();
            std::fs::write(dir.path().join("index.ts"), "new").unwrap();
            let mut bundler = MockBundler::new();
            let mut left = results.iter();
            bundler
                .expect_bundle()
                .times(results.len())
                .returning(move |_, _| left.next().map(|source| bundled(source)).ok_or(LoadError::Interrupted));
            let home = tempfile::tempdir().unwrap();
            let places = Places::new(dir.path(), home.path());
            let loader = PluginLoader::with_bundler(places, Config::default(), "0.1.0", Box::new(bundler));
            let plugin = loader.load_folder(dir.path()).await.unwrap();
            assert_eq!((&*plugin.code().unwrap(), plugin.is_from_cache), (loaded, false));
        };
        check(&["new"], "new").await;
        check(&["old", "new"], "new").await;
        check(&["old", "older", "oldest"], "oldest").await;
    }
}
