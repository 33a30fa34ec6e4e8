use mimir_shared_config::PluginId;
use thiserror::Error;

use crate::StateStoreError;

/// What can go wrong in the registry.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// A plugin of this name is loaded already.
    #[error("a plugin named `{0}` is loaded already")]
    AlreadyLoaded(PluginId),
    /// No plugin of this name is loaded.
    #[error("no plugin named `{0}` is loaded")]
    NotLoaded(PluginId),
    /// The quarantine could not be ended or begun for good.
    #[error(transparent)]
    State(#[from] StateStoreError),
}
