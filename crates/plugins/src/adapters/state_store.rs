use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use mimir_loader::{LoadError, PluginState};
use mimir_registry::{StateStore, StateStoreError, StoredQuarantine};
use mimir_shared_config::{PluginId, PluginIdentity};
use parking_lot::RwLock;
use tokio::sync::OnceCell;

/// The registry's [`StateStore`] over the loader's, which binds a quarantine to the plugin's whole identity.
pub(crate) struct LoaderStates {
    store: mimir_loader::StateStore,
    identities: RwLock<HashMap<PluginId, PluginIdentity>>,
    /// What was kept when the first plugin was registered, read once for all; nothing if it could not be read.
    at_start: OnceCell<Option<Vec<(PluginIdentity, PluginState)>>>,
}

impl LoaderStates {
    pub(crate) fn new(store: mimir_loader::StateStore) -> Self {
        Self { store, identities: RwLock::default(), at_start: OnceCell::new() }
    }

    /// Says which plugin a name stands for in this run.
    pub(crate) fn identify(&self, plugin: PluginId, identity: PluginIdentity) {
        self.identities.write().insert(plugin, identity);
    }

    /// What was kept of a plugin when the run began.
    async fn at_start(&self, plugin: &PluginId) -> Result<Option<PluginState>, StateStoreError> {
        let read = async || {
            let store = self.store.clone();
            tokio::task::spawn_blocking(move || store.all().ok()).await.ok().flatten()
        };
        let Some(all) = self.at_start.get_or_init(read).await else {
            // Each plugin says why
            return self.with(plugin, "read", |store, identity| store.get(identity)).await;
        };
        let identities = self.identities.read();
        let kept = identities.get(plugin).and_then(|identity| all.iter().find(|(held, _)| held == identity));
        Ok(kept.map(|(_, state)| state.clone()))
    }

    /// Runs on a thread that may wait for the disk. What was never loaded has no state.
    async fn with<T: Send + 'static>(
        &self,
        plugin: &PluginId,
        action: &'static str,
        work: impl FnOnce(mimir_loader::StateStore, &PluginIdentity) -> Result<T, LoadError> + Send + 'static,
    ) -> Result<Option<T>, StateStoreError> {
        let Some(identity) = self.identities.read().get(plugin).cloned() else { return Ok(None) };
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(store, &identity)).await;
        let failed = |source| StateStoreError { plugin: plugin.clone(), action, source };
        match done {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(error)) => Err(failed(error.into())),
            Err(error) => Err(failed(error.into())),
        }
    }
}

/// A newtype, since both the trait and `Arc` are foreign here.
pub(crate) struct Shared(pub(crate) Arc<LoaderStates>);

#[async_trait]
impl StateStore for Shared {
    async fn quarantine(&self, plugin: &PluginId) -> Result<Option<StoredQuarantine>, StateStoreError> {
        let state = self.0.at_start(plugin).await?;
        let quarantine = state.and_then(|state| state.quarantine);
        Ok(quarantine.map(|quarantine| StoredQuarantine { reason: quarantine.reason }))
    }

    async fn set_quarantine<'a>(
        &self,
        plugin: &PluginId,
        quarantine: Option<&'a StoredQuarantine>,
    ) -> Result<(), StateStoreError> {
        let reason = quarantine.map(|quarantine| quarantine.reason.clone());
        let change = move |store: mimir_loader::StateStore, identity: &PluginIdentity| match reason {
            Some(reason) => store.quarantine(identity, &reason),
            None => store.release(identity).map(drop),
        };
        self.0.with(plugin, "written", change).await.map(drop)
    }
}
