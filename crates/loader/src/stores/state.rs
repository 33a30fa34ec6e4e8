use std::path::Path;

use mimir_shared_config::PluginIdentity;
use serde::{Deserialize, Serialize};

use super::file::StoreFile;
use crate::adapters::clock;
use crate::error::LoadError;

/// What is remembered of a plugin's conduct.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginState {
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    /// Set while the plugin may not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
}

/// Why a plugin may not run until someone enables it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// What it did.
    pub reason: String,
    /// When it was put there, in milliseconds since 1970.
    pub since: u64,
}

/// What is remembered of each plugin, in `state.json` of Mimir's folder. Another content of a plugin starts anew.
#[derive(Debug, Clone)]
pub struct StateStore {
    file: StoreFile<States>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct States {
    plugins: Vec<Remembered>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Remembered {
    identity: PluginIdentity,
    #[serde(flatten)]
    state: PluginState,
}

impl StateStore {
    /// The store in Mimir's folder.
    pub fn in_home(home: &Path) -> Self {
        Self { file: StoreFile::new(home.join("state.json")) }
    }

    /// What is remembered of a plugin.
    ///
    /// # Errors
    /// If the file can't be read or understood.
    pub fn get(&self, identity: &PluginIdentity) -> Result<PluginState, LoadError> {
        let all = self.file.read()?.plugins;
        Ok(all.into_iter().find(|held| held.identity == *identity).map(|held| held.state).unwrap_or_default())
    }

    /// All that is remembered.
    ///
    /// # Errors
    /// If the file can't be read or understood.
    pub fn all(&self) -> Result<Vec<(PluginIdentity, PluginState)>, LoadError> {
        Ok(self.file.read()?.plugins.into_iter().map(|held| (held.identity, held.state)).collect())
    }

    /// Changes what is remembered of a plugin, and gives the result. What is the default is forgotten.
    ///
    /// # Errors
    /// If the file can't be read, understood or written.
    pub fn update(
        &self,
        identity: &PluginIdentity,
        change: impl FnOnce(&mut PluginState),
    ) -> Result<PluginState, LoadError> {
        self.file.update(|content| {
            let position = content.plugins.iter().position(|held| held.identity == *identity);
            let before = position.map(|at| content.plugins.swap_remove(at).state).unwrap_or_default();
            let mut state = before.clone();
            change(&mut state);
            if state != PluginState::default() {
                content.plugins.push(Remembered { identity: identity.clone(), state: state.clone() });
            }
            (state != before, state)
        })
    }

    /// Keeps a plugin from running until [`StateStore::release`].
    ///
    /// # Errors
    /// If the file can't be read, understood or written.
    pub fn quarantine(&self, identity: &PluginIdentity, reason: &str) -> Result<(), LoadError> {
        let quarantine = Quarantine { reason: reason.to_owned(), since: clock::now_ms() };
        self.update(identity, |state| state.quarantine = Some(quarantine)).map(drop)
    }

    /// Forgets all failures of a plugin and its quarantine. Gives whether it was in quarantine.
    ///
    /// # Errors
    /// If the file can't be read, understood or written.
    pub fn release(&self, identity: &PluginIdentity) -> Result<bool, LoadError> {
        let mut was_there = false;
        self.update(identity, |state| {
            was_there = state.quarantine.is_some();
            *state = PluginState::default();
        })?;
        Ok(was_there)
    }
}
