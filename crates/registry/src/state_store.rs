use std::collections::HashMap;

use async_trait::async_trait;
use mimir_shared_config::PluginId;
use parking_lot::Mutex;

use crate::{StateStore, StateStoreError, StoredQuarantine};

/// Keeps quarantines for this run alone: what a replay uses, which must not leave traces.
#[derive(Debug, Default)]
pub struct InMemoryStates(Mutex<HashMap<PluginId, StoredQuarantine>>);

#[async_trait]
impl StateStore for InMemoryStates {
    async fn quarantine(&self, plugin: &PluginId) -> Result<Option<StoredQuarantine>, StateStoreError> {
        Ok(self.0.lock().get(plugin).cloned())
    }

    async fn set_quarantine<'a>(
        &self,
        plugin: &PluginId,
        quarantine: Option<&'a StoredQuarantine>,
    ) -> Result<(), StateStoreError> {
        match quarantine {
            Some(quarantine) => self.0.lock().insert(plugin.clone(), quarantine.clone()),
            None => self.0.lock().remove(plugin),
        };
        Ok(())
    }
}
