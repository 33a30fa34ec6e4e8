//! `enable` and `disable`: edits to the configuration that a person wrote.

use std::path::{Path, PathBuf};

use mimir_commands::{StoreError, Switched, with_causes};
use mimir_loader::{Found, GrantState, Place};
use mimir_shared_config::{ConfigError, Decision, PluginEntry, PluginList, add_plugin, remove_plugin};
use mimir_shared_platform::{AuditRecord, PlatformError};
use serde_json::json;

use super::{MANIFEST, Store};
use crate::adapters::problems::{configuration, load_error};

impl Store {
    pub(super) async fn enable(&self, name: &str, global: bool) -> Result<Switched, StoreError> {
        let file = self.file(global);
        let found = match self.find(name).await {
            Ok(found) => found,
            Err(unknown) => {
                let Some(entry) = self.entry_of_folder(name, &file) else { return Err(unknown) };
                let changed = self.edit(&file, |name, text| add_plugin(name, text, PluginList::Enabled, &entry))?;
                let after = self.reread()?;
                let dir = self.files.canonicalize(&self.surroundings.current_dir.join(name)).unwrap_or_default();
                let found = after.discover().await?.found.into_iter().find(|found| found.dir == dir);
                return after.switched(found.as_ref(), name, changed.then_some(file)).await;
            }
        };
        if let Decision::Blocked(origin) | Decision::NotAllowed(origin) = &found.decision {
            return Err(StoreError::Refused {
                message: format!("`{}` may not run: {origin} says so", found.id),
                hint: Some("whoever maintains that list can change it".to_owned()),
            });
        }
        let is_listed = !self.entries(&self.config.plugins.enabled, &found, &file).is_empty();
        let needs_entry = matches!(found.place, Place::NodeModules | Place::Listed) && !is_listed;
        let disabling = self.entries(&self.config.plugins.disabled, &found, &file);
        let changed = self.edit(&file, |name, text| {
            let mut text = text.to_owned();
            for entry in &disabling {
                text = remove_plugin(name, &text, PluginList::Disabled, &entry.text)?;
            }
            if needs_entry && matches!(found.decision, Decision::NotListed) {
                text = add_plugin(name, &text, PluginList::Enabled, &found.package)?;
            }
            Ok(text)
        })?;
        let after = self.reread()?;
        let found = after.find(found.id.as_str()).await?;
        let mut switched = after.switched(Some(&found), name, changed.then_some(file)).await?;
        if let Ok(plugin) = after.loader.load(&found).await
            && after.loader.state().release(&plugin.identity).map_err(|error| load_error(&error))?
        {
            self.record(AuditRecord::new(plugin.id.as_str(), "release", json!({ "hash": plugin.identity.hash })))?;
            switched.notes.push("it is not in quarantine any more".to_owned());
        }
        Ok(switched)
    }

    pub(super) async fn disable(&self, name: &str, global: bool) -> Result<Switched, StoreError> {
        let found = self.find(name).await?;
        if let Decision::Required(origin) = &found.decision {
            return Err(StoreError::Refused {
                message: format!("`{}` must run: {origin} says so", found.id),
                hint: Some("whoever maintains that list can change it".to_owned()),
            });
        }
        let file = self.file(global);
        let changed = found.is_enabled()
            && self.edit(&file, |name, text| add_plugin(name, text, PluginList::Disabled, found.id.as_str()))?;
        let after = self.reread()?;
        let found = after.find(found.id.as_str()).await?;
        after.switched(Some(&found), name, changed.then_some(file)).await
    }

    /// What it came to, with what is still missing.
    async fn switched(&self, found: Option<&Found>, name: &str, file: Option<PathBuf>) -> Result<Switched, StoreError> {
        let Some(found) = found else {
            return Ok(Switched { id: name.to_owned(), enabled: false, file, notes: Vec::new() });
        };
        let mut notes = Vec::new();
        match &found.decision {
            Decision::Disabled(origin) => notes.push(format!("{origin} disables it")),
            decision if decision.runs() => match self.loader.load(found).await {
                Ok(plugin) => match plugin.grant {
                    GrantState::Granted { .. } => {}
                    GrantState::NeedsGrant { .. } => {
                        notes.push(format!("it needs a grant before it runs: mimir plugin grant {}", found.id));
                    }
                    GrantState::RepositoryUntrusted { .. } => {
                        notes.push("it runs once this repository is trusted: mimir plugin trust".to_owned());
                    }
                },
                Err(error) => notes.push(format!("it can't be loaded: {}", with_causes(&error))),
            },
            _ => {}
        }
        let file = file.map(|file| PathBuf::from(self.short(&file)));
        Ok(Switched { id: found.id.to_string(), enabled: found.is_enabled(), file, notes })
    }

    fn file(&self, global: bool) -> PathBuf {
        if global { self.surroundings.user_config() } else { self.surroundings.project_config() }
    }

    /// The entries of this file that mean the plugin.
    fn entries<'a>(&self, entries: &'a [PluginEntry], found: &Found, file: &Path) -> Vec<&'a PluginEntry> {
        let source = found.source();
        let of_file = entries.iter().filter(|entry| Path::new(&entry.origin.place) == file);
        of_file.filter(|entry| entry.spec.means(&found.id, &source) || entry.text == found.package).collect()
    }

    /// How the configuration in `file` would name a plugin's folder.
    fn entry_of_folder(&self, name: &str, file: &Path) -> Option<String> {
        let folder = self.surroundings.current_dir.join(name);
        let is_path = name.contains(['/', '\\']) || name == ".";
        if !is_path || !self.files.exists(&folder.join(MANIFEST)) {
            return None;
        }
        let folder = self.files.canonicalize(&folder).ok()?;
        let base = file.parent()?;
        // The configuration's folder may not exist yet; the one that it will lie in does
        let base = self.files.canonicalize(base).unwrap_or_else(|_| base.to_owned());
        match folder.strip_prefix(&base) {
            Ok(beneath) => Some(format!("./{}", beneath.display())),
            Err(_) => match folder.strip_prefix(base.parent()?) {
                Ok(beside) => Some(format!("../{}", beside.display())),
                Err(_) => Some(folder.display().to_string()),
            },
        }
    }

    /// Changes a configuration file; tells whether it came out different.
    fn edit(
        &self,
        file: &Path,
        change: impl FnOnce(&str, &str) -> Result<String, ConfigError>,
    ) -> Result<bool, StoreError> {
        let failed = |error: PlatformError| {
            StoreError::failed(
                with_causes(&error),
                Some("check the folder's permissions and the free space".to_owned()),
            )
        };
        let text = match self.files.read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.is_not_found() => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let changed = change(&file.to_string_lossy(), &text).map_err(|error| configuration(&error))?;
        if changed == text {
            return Ok(false);
        }
        if let Some(folder) = file.parent() {
            self.files.create_dir_all(folder, None).map_err(failed)?;
        }
        self.files.write_atomic(file, changed.as_bytes(), None).map_err(failed)?;
        Ok(true)
    }

    /// The same store after a change of the configuration.
    fn reread(&self) -> Result<Self, StoreError> {
        Ok(self.settings.clone().store()?)
    }
}
