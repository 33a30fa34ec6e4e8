use super::{Config, Origin, PluginEntry};
use crate::{PluginId, PluginSource};

/// A plugin that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a PluginId,
    /// Where it comes from.
    pub source: &'a PluginSource,
    /// Whether it runs without being listed: what lies in `.mimir/plugins/` or `~/.mimir/plugins/`, and what came with
    /// Mimir, does; a package in `node_modules/` does not.
    pub enabled_by_place: bool,
}

/// Whether a plugin runs, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It must run: the company says so.
    Required(Origin),
    /// It runs because it is listed.
    Enabled(Origin),
    /// It runs because of where it lies.
    EnabledByPlace,
    /// It does not run because it is disabled.
    Disabled(Origin),
    /// It does not run because a blocklist has it.
    Blocked(Origin),
    /// It does not run because an allowlist does not have it.
    NotAllowed(Origin),
    /// It does not run because no one enabled it.
    NotListed,
}

impl Decision {
    /// Whether the plugin runs.
    pub const fn runs(&self) -> bool {
        matches!(self, Self::Required(_) | Self::Enabled(_) | Self::EnabledByPlace)
    }
}

impl Config {
    /// Whether a plugin runs, and who says so.
    ///
    /// A blocklist comes first, then allowlists, then what is required, then `disabled` and `enabled`: the stronger layer
    /// decides, but what a more trusted layer disabled no less trusted one enables again.
    pub fn decide(&self, plugin: &Candidate<'_>) -> Decision {
        let Candidate { name, source, enabled_by_place } = *plugin;
        let required = self.teams.required.iter().filter(|entry| is_required(entry, name, source));
        let required = required.max_by_key(|entry| entry.origin.layer.trust()).map(|entry| &entry.origin);
        // What a layer requires, a less trusted one cannot take away
        let counts = |origin: &Origin| required.is_none_or(|by| origin.layer.trust() >= by.layer.trust());
        let overrules = |origin: &Origin| required.is_none_or(|by| origin.layer.trust() > by.layer.trust());

        let mut blocking = self.teams.blocklist.iter().filter(|pattern| counts(&pattern.origin));
        if let Some(pattern) = blocking.find(|pattern| pattern.blocks(name, source)) {
            return Decision::Blocked(pattern.origin.clone());
        }
        let mut allowlists = self.teams.allowlists.iter().filter(|list| overrules(&list.origin));
        if let Some(list) = allowlists.find(|list| !list.patterns.iter().any(|pattern| pattern.allows(name, source))) {
            return Decision::NotAllowed(list.origin.clone());
        }
        if let Some(required) = required {
            let mut disabled = self.plugins.disabled.iter().filter(|entry| overrules(&entry.origin));
            return disabled.find(|entry| entry.spec.means(name, source)).map_or_else(
                || Decision::Required(required.clone()),
                |entry| Decision::Disabled(entry.origin.clone()),
            );
        }
        let strongest = |entries: &[PluginEntry]| {
            let meant = entries.iter().filter(|entry| entry.spec.means(name, source));
            meant.map(|entry| entry.origin.clone()).max_by_key(|origin| origin.layer)
        };
        let enabled = strongest(&self.plugins.enabled);
        let disabled = self.plugins.disabled.iter().filter(|entry| entry.spec.means(name, source)).find(|entry| {
            let (no, yes) = (entry.origin.layer, enabled.as_ref().map(|origin| origin.layer));
            yes.is_none_or(|yes| no >= yes || no.trust() > yes.trust())
        });
        match (disabled, enabled) {
            (Some(entry), _) => Decision::Disabled(entry.origin.clone()),
            (None, Some(origin)) => Decision::Enabled(origin),
            (None, None) if enabled_by_place => Decision::EnabledByPlace,
            (None, None) => Decision::NotListed,
        }
    }

    /// Where a plugin stands in the order that the configuration gives: required ones first, then as `enabled` lists
    /// them. Those without a place come last, by name.
    pub fn position(&self, name: &PluginId, source: &PluginSource) -> Option<usize> {
        let required = self.teams.required.iter().position(|entry| is_required(entry, name, source));
        required.or_else(|| {
            let listed = self.plugins.enabled.iter().position(|entry| entry.spec.means(name, source));
            listed.map(|position| self.teams.required.len() + position)
        })
    }

    /// The plugin's own settings. An empty object if nothing is set.
    pub fn options_of(&self, name: &PluginId) -> serde_json::Value {
        self.plugins.options.get(name.as_str()).cloned().unwrap_or_else(|| serde_json::json!({}))
    }
}

/// A required package is only ever the package: a folder of the same name does not take its place.
fn is_required(entry: &PluginEntry, name: &PluginId, source: &PluginSource) -> bool {
    let is_right_kind = match entry.spec {
        super::PluginSpec::Folder(_) => true,
        super::PluginSpec::Package { .. } => !matches!(source, PluginSource::Folder(_)),
    };
    is_right_kind && entry.spec.means(name, source)
}
