#![allow(clippy::unwrap_used, reason = "test code")]

use mimir_shared_config::PluginId;

/// A plugin's name.
pub(crate) fn id(name: &str) -> PluginId {
    PluginId::new(name).unwrap()
}
