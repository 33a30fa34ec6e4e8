use figment::value::{Dict, Map as ProfileMap};
use figment::{Figment, Metadata, Profile, Provider};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read::ReadLayer;
use super::{
    Allowlist, Budget, BudgetFile, Config, Hooks, Isolation, Layer, Origin, OverrideFile, PluginMode, Plugins,
    PreCompactHook, SandboxLayer, Teams,
};
use crate::error::ConfigError;
use crate::{Capabilities, Failure};

/// How many failures in a row quarantine a plugin, unless someone says otherwise.
const QUARANTINE_AFTER: u32 = 3;

/// The plain values, of which the strongest layer's counts: what figment merges.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Plain {
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<Isolation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine_after: Option<u32>,
    options: IndexMap<String, Value>,
    budget: BudgetFile,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

/// One layer for figment, under the name that its errors show.
struct PlainLayer {
    place: String,
    dict: Dict,
}

impl Provider for PlainLayer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<ProfileMap<Profile, Dict>, figment::Error> {
        Ok(ProfileMap::from([(Profile::Default, self.dict.clone())]))
    }
}

/// Layers come from the weakest to the strongest.
pub(super) fn merge(layers: &[ReadLayer], trusted: bool, notices: Vec<String>) -> Result<Config, ConfigError> {
    let mut merge = Merge { trusted, notices, ..Merge::default() };
    for layer in layers {
        merge.plugins(layer);
        merge.teams(layer);
        merge.hooks(layer);
        merge.sandbox(layer);
        merge.plain(layer)?;
    }
    let Merge { plain, mut plugins, mut teams, hooks, required_layers, notices, .. } = merge;
    plugins.isolation = plain.isolation.unwrap_or_default();
    plugins.quarantine_after = plain.quarantine_after.unwrap_or(QUARANTINE_AFTER);
    plugins.options = plain.options;
    teams.failure = plain.failure;
    // The company's come first, in its order
    teams.required.sort_by_key(|entry| std::cmp::Reverse((entry.origin.layer.trust(), entry.origin.layer)));
    let BudgetFile { enabled, max_cost } = plain.budget;
    let budget = Budget { enabled: enabled.unwrap_or(max_cost.is_some()), max_cost };
    Ok(Config { plugins, teams, hooks, budget, required_layers, notices })
}

#[derive(Default)]
struct Merge {
    trusted: bool,
    plain: Plain,
    plugins: Plugins,
    teams: Teams,
    hooks: Hooks,
    required_layers: Vec<(SandboxLayer, Origin)>,
    notices: Vec<String>,
}

impl Merge {
    /// Whether a layer can do more than narrow.
    fn may_widen(&self, layer: &ReadLayer) -> bool {
        self.trusted || layer.layer != Layer::Project
    }

    fn say_left_out(&mut self, layer: &ReadLayer, key: &str, is_there: bool) {
        if is_there {
            let place = layer.place();
            self.notices.push(format!(
                "`{key}` in {place} has no effect until you trust this repository (`mimir plugin trust`)"
            ));
        }
    }

    fn plugins(&mut self, layer: &ReadLayer) {
        let said = &layer.file.plugins;
        // Before it is trusted, the only plugins that a repository's lists could mean are the user's own
        if self.may_widen(layer) {
            self.plugins.enabled.extend(layer.entries(&["plugins", "enabled"], &said.enabled));
            self.plugins.disabled.extend(layer.entries(&["plugins", "disabled"], &said.disabled));
        } else {
            self.say_left_out(layer, "plugins.enabled", !said.enabled.is_empty());
            self.say_left_out(layer, "plugins.disabled", !said.disabled.is_empty());
        }
        for (name, OverrideFile { limits, failure, mode }) in &said.overrides {
            let own = self.plugins.overrides.entry(name.clone()).or_default();
            match layer.layer {
                Layer::Project | Layer::Policy => own.limits_at_most = own.limits_at_most.narrowest(limits),
                _ => own.limits = own.limits.overridden_by(limits),
            }
            match failure {
                Some(Failure::Open) if layer.layer == Layer::Project => {
                    let place = layer.place();
                    self.notices.push(format!(
                        "`failure: open` for {name} in {place} has no effect: a repository can only say `closed`"
                    ));
                }
                Some(failure) => own.failure = Some(*failure),
                None => {}
            }
            match layer.layer {
                Layer::Project if *mode == Some(PluginMode::Enforce) => {
                    let place = layer.place();
                    self.notices.push(format!(
                        "`mode: enforce` for {name} in {place} has no effect: a repository can only say `observe`, about \
                         plugins that it brings"
                    ));
                }
                Layer::Project => own.mode_in_repository = *mode,
                layer => own.mode = mode.map(|mode| (mode, layer)).or(own.mode),
            }
        }
    }

    fn teams(&mut self, layer: &ReadLayer) {
        let said = &layer.file.teams.plugins;
        let keys = |key| ["teams", "plugins", key];
        if self.may_widen(layer) {
            if let Some(allowlist) = &said.allowlist {
                let patterns = layer.patterns(&keys("allowlist"), allowlist);
                self.teams.allowlists.push(Allowlist { patterns, origin: layer.origin(&keys("allowlist"), None) });
            }
            self.teams.blocklist.extend(layer.patterns(&keys("blocklist"), &said.blocklist));
            self.teams.required.extend(layer.entries(&keys("required"), &said.required));
        } else {
            self.say_left_out(layer, "teams.plugins.allowlist", said.allowlist.is_some());
            self.say_left_out(layer, "teams.plugins.blocklist", !said.blocklist.is_empty());
            self.say_left_out(layer, "teams.plugins.required", !said.required.is_empty());
        }
        if let Some(ceiling) = &said.capabilities {
            let narrower = |held: &Capabilities| crate::effective(held, ceiling, None);
            self.teams.capabilities = Some(self.teams.capabilities.as_ref().map_or_else(|| ceiling.clone(), narrower));
        }
        self.teams.limits = self.teams.limits.narrowest(&said.limits);
    }

    fn hooks(&mut self, layer: &ReadLayer) {
        let said = &layer.file.hooks.pre_compact;
        if self.may_widen(layer) {
            let hook = |(index, entry): (usize, &super::HookEntry)| PreCompactHook {
                entry: entry.clone(),
                origin: layer.origin(&["hooks", "PreCompact"], Some(index)),
            };
            self.hooks.pre_compact.extend(said.iter().enumerate().map(hook));
        } else {
            self.say_left_out(layer, "hooks.PreCompact", !said.is_empty());
        }
    }

    fn plain(&mut self, layer: &ReadLayer) -> Result<(), ConfigError> {
        let said = self.admissible(layer);
        let below = Figment::new().merge(provider("the layers below", &self.plain)?);
        let merged = below.merge(provider(layer.place(), &said)?).extract();
        self.plain = merged.map_err(|error| does_not_fit(&error))?;
        Ok(())
    }

    /// Whoever requires more protection than there is keeps plugins from starting. A repository could switch off the user's
    /// guards so.
    fn sandbox(&mut self, layer: &ReadLayer) {
        let said = &layer.file.sandbox.require;
        if layer.layer == Layer::Project {
            if !said.is_empty() {
                let place = layer.place();
                self.notices.push(format!(
                    "`sandbox.require` in {place} has no effect: only the user and the company can say it"
                ));
            }
            return;
        }
        let required =
            said.iter().enumerate().map(|(index, one)| (*one, layer.origin(&["sandbox", "require"], Some(index))));
        self.required_layers.extend(required);
    }

    /// What a layer says, without what it cannot: a repository only narrows isolation, budget and quarantine, trusted or
    /// not; a company's numbers are ceilings.
    fn admissible(&mut self, layer: &ReadLayer) -> Plain {
        let file = &layer.file;
        let mut said = Plain {
            isolation: file.plugins.isolation,
            quarantine_after: file.plugins.quarantine_after,
            options: IndexMap::new(),
            budget: file.budget.clone(),
            failure: file.teams.plugins.failure,
        };
        if self.may_widen(layer) {
            let options = file.plugins.options.iter();
            said.options = options.map(|(name, own)| (name.clone(), Value::from_iter(own.clone()))).collect();
        } else {
            self.say_left_out(layer, "plugins.options", !file.plugins.options.is_empty());
        }
        if matches!(layer.layer, Layer::Project | Layer::Policy) {
            let held = self.plain.quarantine_after.unwrap_or(QUARANTINE_AFTER);
            said.quarantine_after = said.quarantine_after.map(|count| count.min(held));
            let held = self.plain.budget.max_cost.unwrap_or(f64::INFINITY);
            said.budget.max_cost = said.budget.max_cost.map(|cost| cost.min(held));
        }
        if layer.layer == Layer::Project {
            let mut only = |is_wider: bool, key: &str, only: &str| {
                if is_wider {
                    let place = layer.place();
                    self.notices.push(format!("`{key}` in {place} has no effect: a repository can only say {only}"));
                }
                !is_wider
            };
            let is_narrower =
                |value: &Isolation| only(*value == Isolation::InProcess, "plugins.isolation", "`process`");
            said.isolation = said.isolation.filter(is_narrower);
            said.budget.enabled = said.budget.enabled.filter(|value| only(!value, "budget.enabled", "`true`"));
            said.failure =
                said.failure.filter(|value| only(*value == Failure::Open, "teams.plugins.failure", "`closed`"));
        }
        said
    }
}

fn does_not_fit(error: &figment::Error) -> ConfigError {
    ConfigError::Layers { problem: error.to_string() }
}

fn provider(place: &str, said: &Plain) -> Result<PlainLayer, ConfigError> {
    let value = figment::value::Value::serialize(said).map_err(|error| does_not_fit(&error))?;
    Ok(PlainLayer { place: place.to_owned(), dict: value.into_dict().unwrap_or_default() })
}

/// For [`Config::default`]: what holds without any layer.
pub(super) fn default_plugins() -> Plugins {
    Plugins {
        enabled: Vec::new(),
        disabled: Vec::new(),
        isolation: Isolation::default(),
        quarantine_after: QUARANTINE_AFTER,
        options: IndexMap::new(),
        overrides: IndexMap::new(),
    }
}
