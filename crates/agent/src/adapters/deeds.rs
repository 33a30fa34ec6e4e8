use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mimir_plugins::PluginId;

/// What plugins did to calls in this process, for `/plugins`.
#[derive(Default)]
pub(crate) struct Deeds(Mutex<BTreeMap<PluginId, BTreeMap<&'static str, u32>>>);

impl Deeds {
    /// Counts a deed: `blocked`, `changed`.
    pub(crate) fn count(&self, plugin: &PluginId, deed: &'static str) {
        let mut deeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *deeds.entry(plugin.clone()).or_default().entry(deed).or_default() += 1;
    }

    /// What a plugin did, in words.
    pub(crate) fn of(&self, plugin: &PluginId) -> Vec<String> {
        let deeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = deeds.get(plugin).into_iter().flatten();
        counted.map(|(deed, count)| format!("{deed} {count} call{}", if *count == 1 { "" } else { "s" })).collect()
    }
}
