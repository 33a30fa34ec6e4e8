use std::path::Path;

use mimir_shared_config::{Grant, GrantMode, PluginIdentity, PluginManifest, PluginSource, widened, widened_limits};
use mimir_shared_platform::Guard;
use serde::{Deserialize, Serialize};

use super::file::StoreFile;
use crate::adapters::clock;
use crate::error::LoadError;
use crate::loaded::GrantState;

/// What the user allowed which plugin, in `grants.json` of Mimir's folder.
#[derive(Debug, Clone)]
pub struct GrantStore {
    file: StoreFile<Grants>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Grants {
    grants: Vec<Grant>,
}

impl GrantStore {
    /// The store in Mimir's folder.
    pub fn in_home(home: &Path) -> Self {
        Self { file: StoreFile::new(home.join("grants.json")) }
    }

    /// All grants, in the order in which they were given.
    ///
    /// # Errors
    /// If the file can't be read or understood.
    pub fn all(&self) -> Result<Vec<Grant>, LoadError> {
        Ok(self.file.read()?.grants)
    }

    /// Whether the plugin may run.
    ///
    /// A grant is for one content of one package from one source: other code may do something else with the same
    /// rights, so a changed plugin has to be granted anew, whatever it asks for. What asks for nothing needs no grant.
    ///
    /// # Errors
    /// If the file can't be read or understood.
    pub fn state(&self, identity: &PluginIdentity, manifest: &PluginManifest) -> Result<GrantState, LoadError> {
        Ok(Self::state_among(&self.all()?, identity, manifest))
    }

    /// The same among these grants, for who asks about many plugins.
    pub(crate) fn state_among(all: &[Grant], identity: &PluginIdentity, manifest: &PluginManifest) -> GrantState {
        // What a test takes out is that a grant is for one content of one source: then it is for whatever is called so
        let is_meant = |grant: &&Grant| match Guard::GrantContent.stands() {
            true => grant.is_for(identity),
            false => grant.identity.package == identity.package,
        };
        if let Some(grant) = all.iter().rfind(is_meant) {
            return GrantState::Granted { grant: grant.clone() };
        }
        let nothing =
            Grant { capabilities: Default::default(), limits: Default::default(), ..of_all(identity, manifest) };
        let beyond = |held: &Grant| {
            let mut added = widened(&manifest.capabilities, &held.capabilities);
            added.extend(widened_limits(&manifest.limits, &held.limits));
            added
        };
        if beyond(&nothing).is_empty() {
            return GrantState::Granted { grant: nothing };
        }
        let before = all.iter().rfind(|grant| is_same_package(&grant.identity, identity));
        GrantState::NeedsGrant { added: beyond(before.unwrap_or(&nothing)), granted_before: before.cloned() }
    }

    /// Allows the plugin all that its manifest asks for, in place of what it was allowed before.
    ///
    /// # Errors
    /// If the file can't be read, understood or written.
    pub fn grant(&self, identity: &PluginIdentity, manifest: &PluginManifest) -> Result<Grant, LoadError> {
        let grant = of_all(identity, manifest);
        self.put(grant.clone())?;
        Ok(grant)
    }

    /// Keeps a grant of less or more than the manifest asks for. One that holds for a run alone is not kept.
    ///
    /// # Errors
    /// If the file can't be read, understood or written.
    pub fn put(&self, grant: Grant) -> Result<(), LoadError> {
        if grant.mode == GrantMode::Run {
            return Ok(());
        }
        self.file.update(|content| {
            content.grants.retain(|held| !is_same_package(&held.identity, &grant.identity));
            content.grants.push(grant);
            (true, ())
        })
    }

    /// Takes back what a package from a source was allowed. Gives whether it had been allowed anything.
    ///
    /// # Errors
    /// If the file can't be read, understood or written.
    pub fn revoke(&self, source: &PluginSource, package: &str) -> Result<bool, LoadError> {
        self.file.update(|content| {
            let before = content.grants.len();
            content.grants.retain(|held| held.identity.source != *source || held.identity.package != package);
            let is_changed = content.grants.len() != before;
            (is_changed, is_changed)
        })
    }
}

fn of_all(identity: &PluginIdentity, manifest: &PluginManifest) -> Grant {
    Grant::of_everything(identity.clone(), manifest, clock::now_ms(), GrantMode::Lasting)
}

fn is_same_package(one: &PluginIdentity, other: &PluginIdentity) -> bool {
    one.source == other.source && one.package == other.package
}
