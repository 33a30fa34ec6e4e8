use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mimir_shared_config::{Access, Capabilities, Denial, PluginId};
use parking_lot::RwLock;

/// Decides about every host call, in the agent's process: before it is made, and once more on what it really reached.
///
/// It knows the effective capabilities of each plugin (what the manifest asks, the user grants and the company allows).
/// A plugin that it does not know may do nothing.
pub struct CapabilityControl {
    root: PathBuf,
    effective: RwLock<HashMap<PluginId, Capabilities>>,
}

impl CapabilityControl {
    /// A control for the project at `root` (an absolute path).
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), effective: RwLock::default() }
    }

    /// The project's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Sets what `plugin` may do from now on.
    pub fn set(&self, plugin: PluginId, effective: Capabilities) {
        self.effective.write().insert(plugin, effective);
    }

    /// Takes everything from `plugin`.
    pub fn revoke(&self, plugin: &PluginId) {
        self.effective.write().remove(plugin);
    }

    /// Whether `plugin` may do `access`.
    pub fn check(&self, plugin: &PluginId, access: &Access) -> Result<(), Denial> {
        match self.effective.read().get(plugin) {
            Some(capabilities) => capabilities.permits(access, &self.root),
            None => Capabilities::default().permits(access, &self.root),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_plugin_may_do_what_was_set_for_it_and_nothing_once_revoked() {
        let control = CapabilityControl::new("/project");
        let plugin = PluginId::new("reader").unwrap();
        let read = Access::FileRead { path: "src/main.rs".into() };
        assert!(control.check(&plugin, &read).is_err());
        let mut capabilities = Capabilities::default();
        capabilities.filesystem.read = true;
        control.set(plugin.clone(), capabilities);
        assert!(control.check(&plugin, &read).is_ok());
        assert!(control.check(&PluginId::new("other").unwrap(), &read).is_err());
        control.revoke(&plugin);
        assert!(control.check(&plugin, &read).is_err());
    }
}
