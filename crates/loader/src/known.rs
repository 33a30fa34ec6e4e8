//! The way of a start: what the index knows is taken from there, and code is fetched when somebody wants to run it.

use std::sync::{Arc, OnceLock};

use mimir_shared_config::{Grant, PluginIdentity, PluginManifest};
use mimir_shared_platform::Guard;
use tokio::task::JoinSet;

use crate::bundle::protocol::BundleRequest;
use crate::declared::Declarations;
use crate::discovery::{self, Discovery, Found, Origin, Place};
use crate::error::LoadError;
use crate::identity;
use crate::index::{Known, Remembered};
use crate::loaded::{GrantState, LoadedPlugin, Script};
use crate::loader::{Inner, PluginLoader};
use crate::stores::GrantStore;

/// A plugin that was found, and what came of loading it.
#[derive(Debug)]
pub struct Examined {
    /// The plugin as it was found.
    pub found: Found,
    /// What was loaded, or why it was not.
    pub loaded: Result<LoadedPlugin, LoadError>,
}

impl PluginLoader {
    /// Like [`PluginLoader::discover`], and reads nothing of a plugin whose files are as they were when
    /// [`PluginLoader::load_all`] last loaded it. For who starts plugins; who is asked about them reads them.
    ///
    /// # Errors
    /// As [`PluginLoader::discover`].
    pub async fn discover_known(&self) -> Result<Discovery, LoadError> {
        self.blocking(|inner| {
            let is_trusted = inner.trust.is_trusted(&inner.places.project)?;
            let remembered = inner.index.read(&inner.version);
            Ok(discovery::discover(&inner.places, &inner.config, is_trusted, &remembered))
        })
        .await
    }

    /// Loads these plugins, enabled or not, in any order. What [`PluginLoader::discover_known`] did not have to read is
    /// loaded without its code; what it had to read is remembered for the next start.
    ///
    /// # Errors
    /// [`LoadError::Interrupted`]. What is wrong with a single plugin is in its [`Examined`].
    pub async fn load_all(&self, found: Vec<Found>) -> Result<Vec<Examined>, LoadError> {
        let (mut loaded, others) = self.blocking(move |inner| Ok(inner.load_known(found))).await?;
        let mut loading = JoinSet::new();
        for found in others {
            let loader = self.clone();
            loading.spawn(async move {
                let _turn = loader.inner.bundling.acquire().await.map_err(|_| LoadError::Interrupted)?;
                loader
                    .blocking(move |inner| {
                        let loaded = inner.load(&found, true);
                        Ok(Examined { found, loaded })
                    })
                    .await
            });
        }
        let has_new = !loading.is_empty();
        while let Some(one) = loading.join_next().await {
            loaded.push(one.map_err(|_| LoadError::Interrupted)??);
        }
        if has_new {
            let plugins = loaded.iter().filter_map(|one| one.loaded.as_ref().ok());
            let remembered: Remembered =
                plugins.filter_map(|plugin| Some((plugin.dir.clone(), Arc::clone(plugin.known.as_ref()?)))).collect();
            self.blocking(move |inner| {
                inner.index.write(&inner.version, remembered);
                Ok(())
            })
            .await?;
        }
        Ok(loaded)
    }

    /// What the plugins of this project declared when they were last started.
    ///
    /// # Errors
    /// [`LoadError::Interrupted`].
    pub async fn declarations(&self) -> Result<Declarations, LoadError> {
        self.blocking(|inner| Ok(Declarations::read(inner.cache.declared_path(&inner.places.project)))).await
    }

    /// The code of a plugin, to be run: one ES module that belongs to the content for which `plugin.identity` stands, and so to
    /// the content that was granted. Where it was not read at the start, that is verified now.
    ///
    /// # Errors
    /// [`LoadError::Changed`], and what else is wrong with the plugin.
    pub async fn code(&self, plugin: &Arc<LoadedPlugin>) -> Result<Arc<str>, LoadError> {
        if let Some(code) = plugin.code() {
            return Ok(code);
        }
        let _turn = self.inner.bundling.acquire().await.map_err(|_| LoadError::Interrupted)?;
        let plugin = Arc::clone(plugin);
        self.blocking(move |inner| {
            if plugin.code().is_none() {
                // Whoever was faster has the same
                let _ = plugin.script.set(inner.fetch(&plugin)?);
            }
            plugin.code().ok_or(LoadError::Interrupted)
        })
        .await
    }
}

/// What the user has said, read once for many plugins.
pub(crate) struct Standing {
    grants: Vec<Grant>,
    is_trusted: OnceLock<bool>,
}

impl Standing {
    /// Whether a plugin may run.
    pub(crate) fn of(
        &self,
        inner: &Inner,
        found: &Found,
        identity: &PluginIdentity,
        manifest: &PluginManifest,
    ) -> Result<GrantState, LoadError> {
        if found.needs_trust && Guard::TrustRepository.stands() {
            let root = &inner.places.project;
            let is_trusted = match self.is_trusted.get() {
                Some(known) => *known,
                None => {
                    let read = inner.trust.is_trusted(root)?;
                    *self.is_trusted.get_or_init(|| read)
                }
            };
            if !is_trusted {
                return Ok(GrantState::RepositoryUntrusted { root: root.clone() });
            }
        }
        Ok(GrantStore::state_among(&self.grants, identity, manifest))
    }
}

impl Inner {
    pub(crate) fn standing(&self) -> Result<Standing, LoadError> {
        Ok(Standing { grants: self.grants.all()?, is_trusted: OnceLock::new() })
    }

    /// Loads what the index knows, and gives back the rest.
    fn load_known(&self, found: Vec<Found>) -> (Vec<Examined>, Vec<Found>) {
        // Grants that can't be read are told by each plugin that is loaded whole
        let Ok(standing) = self.standing() else { return (Vec::new(), found) };
        let (mut loaded, mut others) = (Vec::new(), Vec::new());
        for found in found {
            match &found.origin {
                Origin::Index(known) => {
                    let plugin = self.known(&found, known, &standing);
                    loaded.push(Examined { found, loaded: plugin });
                }
                Origin::Files(_) | Origin::Nowhere => others.push(found),
            }
        }
        (loaded, others)
    }

    fn known(&self, found: &Found, known: &Arc<Known>, standing: &Standing) -> Result<LoadedPlugin, LoadError> {
        let identity = identity::identity(&found.dir, &known.package, known.hash.clone());
        let grant = standing.of(self, found, &identity, &known.manifest)?;
        Ok(LoadedPlugin {
            id: found.id.clone(),
            manifest: Arc::clone(&known.manifest),
            dir: found.dir.clone(),
            place: found.place,
            identity,
            warnings: known.warnings.clone(),
            grant,
            position: found.position,
            is_from_cache: true,
            confinement: known.confinement,
            script: OnceLock::new(),
            known: Some(Arc::clone(known)),
        })
    }

    /// The code of a plugin that came from the index.
    fn fetch(&self, plugin: &LoadedPlugin) -> Result<Script, LoadError> {
        let changed = || LoadError::Changed { dir: plugin.dir.clone() };
        let known = plugin.known.as_ref().ok_or_else(changed)?;
        if known.still_stands(&plugin.dir) {
            // The index may be wrong, or forged: the files themselves are read, hashed and held against what was granted
            let whole = self.read_whole(&discovery::read_folder(&plugin.dir, Place::Explicit, false))?;
            return if whole.identity == plugin.identity { Ok(Script::new(whole.bundled)) } else { Err(changed()) };
        }
        // Somebody works on it. A run goes on with what it began with, as it does where the code was read at the start:
        // else whoever can write there could switch off a guard in the middle of a run
        let (root, name) = (plugin.dir.clone(), plugin.id.as_str().to_owned());
        let request = BundleRequest { root, entry: known.main.clone(), name };
        let kept = self.cache.kept_bundle(&request).ok_or_else(changed)?;
        let is_same = identity::content_hash(&known.own, &kept.inputs) == plugin.identity.hash;
        if is_same { Ok(Script::new(kept)) } else { Err(changed()) }
    }
}

#[cfg(test)]
mod tests;
