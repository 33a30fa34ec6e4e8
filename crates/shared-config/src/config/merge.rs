use figment::value::{Dict, Map as ProfileMap};
use figment::{Figment, Metadata, Profile, Provider};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::merge_agent::{MergeAgent, MergedAgent, context_tokens};
use super::read::ReadLayer;
use super::{
    Allowlist, Budget, BudgetFile, Compaction, CompactionFile, Config, Hooks, Isolation, Layer, Origin, PluginMode,
    Plugins, PreCompactHook, Rules, SandboxLayer, Teams,
};
use crate::Failure;
use crate::error::ConfigError;

/// The plain values, of which the strongest layer's counts: what figment merges.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Plain {
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<Isolation>,
    options: IndexMap<String, Value>,
    budget: BudgetFile,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    compaction: CompactionFile,
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
        merge.rules(layer);
        merge.hooks(layer);
        merge.sandbox(layer);
        merge.plain(layer)?;
        merge.agent.add(layer, trusted, &mut merge.notices);
    }
    let Merge {
        plain,
        mut plugins,
        mut teams,
        rules,
        rules_in_repository,
        hooks,
        required_layers,
        mut notices,
        agent,
        is_bounded,
        ..
    } = merge;
    plugins.isolation = plain.isolation.unwrap_or_default();
    plugins.options = plain.options;
    // The company's come first, in its order
    teams.required.sort_by_key(|entry| std::cmp::Reverse((entry.origin.layer.trust(), entry.origin.layer)));
    let BudgetFile { enabled, max_cost, max_cost_per_day } = plain.budget;
    let enabled = is_bounded || enabled.unwrap_or(max_cost.is_some() || max_cost_per_day.is_some());
    let CompactionFile { enabled: compacts, context_tokens: tokens, keep_messages } = plain.compaction;
    let compaction =
        Compaction { enabled: compacts.unwrap_or(true), context_tokens: context_tokens(tokens), keep_messages };
    let MergedAgent { providers, permissions, agents, mcp_servers, tools } = agent.finish(&mut notices);
    Ok(Config {
        plugins,
        teams,
        rules,
        rules_in_repository,
        hooks,
        budget: Budget { enabled, max_cost, max_cost_per_day, is_companys: is_bounded },
        model: plain.model,
        providers,
        permissions,
        compaction,
        agents,
        mcp_servers,
        tools,
        required_layers,
        notices,
    })
}

#[derive(Default)]
struct Merge {
    trusted: bool,
    plain: Plain,
    plugins: Plugins,
    teams: Teams,
    rules: Rules,
    rules_in_repository: Rules,
    hooks: Hooks,
    required_layers: Vec<(SandboxLayer, Origin)>,
    agent: MergeAgent,
    /// Whether the company bounds what is spent, which nobody switches off.
    is_bounded: bool,
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
    }

    /// What a repository says about how plugins run counts for its own, and those do not run before it is trusted.
    fn rules(&mut self, layer: &ReadLayer) {
        self.rules_in_repository.add(layer, self.trusted);
        if layer.layer != Layer::Project {
            self.rules.add(layer, self.trusted);
            return;
        }
        let (plugins, team) = (&layer.file.plugins, &layer.file.teams.plugins);
        if !self.trusted {
            self.say_left_out(layer, "plugins.quarantineAfter", plugins.quarantine_after.is_some());
            self.say_left_out(layer, "plugins.overrides", !plugins.overrides.is_empty());
            self.say_left_out(layer, "teams.plugins.capabilities", team.capabilities.is_some());
            self.say_left_out(layer, "teams.plugins.limits", !team.limits.is_empty());
            self.say_left_out(layer, "teams.plugins.failure", team.failure.is_some());
            return;
        }
        let mut say = |is_wider: bool, what: &str, only: &str| {
            if is_wider {
                let place = layer.place();
                self.notices.push(format!(
                    "{what} in {place} has no effect: a repository can only say `{only}`, about plugins that it brings"
                ));
            }
        };
        for (name, said) in &plugins.overrides {
            say(said.failure == Some(Failure::Open), &format!("`failure: open` for {name}"), "closed");
            say(said.mode == Some(PluginMode::Enforce), &format!("`mode: enforce` for {name}"), "observe");
        }
        say(team.failure == Some(Failure::Open), "`teams.plugins.failure`", "closed");
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

    /// What a layer says, without what it cannot: a repository only narrows isolation and budget, trusted or not; a
    /// company's numbers are ceilings.
    fn admissible(&mut self, layer: &ReadLayer) -> Plain {
        let file = &layer.file;
        let mut said = Plain { isolation: file.plugins.isolation, budget: file.budget.clone(), ..Plain::default() };
        if self.may_widen(layer) {
            let options = file.plugins.options.iter();
            said.options = options.map(|(name, own)| (name.clone(), Value::from_iter(own.clone()))).collect();
            said.model = file.model.clone();
            said.compaction = file.compaction.clone();
        } else {
            self.say_left_out(layer, "model", file.model.is_some());
            self.say_left_out(layer, "compaction", file.compaction != CompactionFile::default());
            self.say_left_out(layer, "plugins.options", !file.plugins.options.is_empty());
        }
        if matches!(layer.layer, Layer::Project | Layer::Policy) {
            let lower = |cost: Option<f64>, held: Option<f64>| cost.map(|cost| cost.min(held.unwrap_or(f64::INFINITY)));
            let held = &self.plain.budget;
            said.budget.max_cost = lower(said.budget.max_cost, held.max_cost);
            said.budget.max_cost_per_day = lower(said.budget.max_cost_per_day, held.max_cost_per_day);
        }
        if layer.layer == Layer::Policy {
            let bounds = said.budget.max_cost.is_some() || said.budget.max_cost_per_day.is_some();
            self.is_bounded = bounds && said.budget.enabled != Some(false);
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
