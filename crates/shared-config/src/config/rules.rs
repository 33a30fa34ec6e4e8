use indexmap::IndexMap;

use super::read::ReadLayer;
use super::{Config, Decision, Layer, Origin, OverrideFile, PluginMode};
use crate::{Capabilities, Failure, LimitSettings, Limits, PluginId, PluginManifest};

/// How many failures in a row quarantine a plugin, unless someone says otherwise.
const QUARANTINE_AFTER: u32 = 3;

/// What is said about how plugins run, by everyone whose word counts about them. [`Config::rules_for`] gives those of a
/// plugin.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rules {
    /// How many failures in a row quarantine a plugin.
    pub quarantine_after: u32,
    /// What is said about single plugins, by plugin. Ask [`Rules::limits_of`], [`Rules::failure_of`] and
    /// [`Config::mode_of`].
    pub overrides: IndexMap<String, Override>,
    /// What no plugin goes beyond.
    pub capabilities: Option<Capabilities>,
    /// What no plugin goes beyond.
    pub limits: LimitSettings,
    /// What happens to a call when a plugin fails, for all plugins.
    pub failure: Option<Failure>,
}

/// What is said about one plugin.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Override {
    /// The limits that the user sets in place of the manifest's.
    pub limits: LimitSettings,
    /// Limits that are a ceiling: a repository's and a company's.
    pub limits_at_most: LimitSettings,
    /// What comes in place of the manifest's `failure`.
    pub failure: Option<Failure>,
    /// What its answers do, and who says so.
    pub mode: Option<(PluginMode, Layer)>,
    /// Where a trusted repository says something about it.
    pub in_repository: Option<Origin>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            quarantine_after: QUARANTINE_AFTER,
            overrides: IndexMap::new(),
            capabilities: None,
            limits: LimitSettings::default(),
            failure: None,
        }
    }
}

impl Rules {
    /// Adds what a stronger layer says. A repository and a company only lower numbers; a repository says nothing else
    /// than `closed` and `observe`, and the latter not against the user.
    pub(super) fn add(&mut self, layer: &ReadLayer, trusted: bool) {
        let (plugins, team) = (&layer.file.plugins, &layer.file.teams.plugins);
        let is_projects = layer.layer == Layer::Project;
        let is_ceiling = is_projects || layer.layer == Layer::Policy;
        let may_say = |failure: &Failure| !is_projects || *failure == Failure::Closed;
        if let Some(count) = plugins.quarantine_after {
            self.quarantine_after = if is_ceiling { count.min(self.quarantine_after) } else { count };
        }
        for (name, OverrideFile { limits, failure, mode }) in &plugins.overrides {
            let own = self.overrides.entry(name.clone()).or_default();
            match is_ceiling {
                true => own.limits_at_most = own.limits_at_most.narrowest(limits),
                false => own.limits = own.limits.overridden_by(limits),
            }
            own.failure = failure.filter(may_say).or(own.failure);
            let mode = mode.map(|mode| (mode, layer.layer));
            own.mode = match is_projects {
                true => own.mode.or(mode.filter(|(mode, _)| *mode == PluginMode::Observe)),
                false => mode.or(own.mode),
            };
            if is_projects && trusted {
                own.in_repository = Some(layer.origin(&["plugins", "overrides", name], None));
            }
        }
        if let Some(ceiling) = &team.capabilities {
            let narrower = |held: &Capabilities| crate::effective(held, ceiling, None);
            self.capabilities = Some(self.capabilities.as_ref().map_or_else(|| ceiling.clone(), narrower));
        }
        self.limits = self.limits.narrowest(&team.limits);
        self.failure = team.failure.filter(may_say).or(self.failure);
    }

    /// A plugin's limits: what the manifest asks, what was granted, what the user sets and what whoever may lower them
    /// lowers, as [`Limits::effective`] says.
    pub fn limits_of(&self, manifest: &PluginManifest, granted: &LimitSettings) -> Limits {
        let none = Override::default();
        let own = self.overrides.get(manifest.name.as_str()).unwrap_or(&none);
        Limits::effective(&manifest.limits, granted, &own.limits, &own.limits_at_most.narrowest(&self.limits))
    }

    /// What happens to a call when the plugin fails: what is said about all plugins, else about this one, else its
    /// manifest.
    pub fn failure_of(&self, manifest: &PluginManifest) -> Failure {
        let own = self.overrides.get(manifest.name.as_str());
        self.failure.or(own.and_then(|own| own.failure)).unwrap_or(manifest.failure)
    }
}

impl Config {
    /// The rules for a plugin. `decision` is what [`Config::decide`] gave; `is_repositorys` says whether the repository
    /// brings it.
    ///
    /// What a repository says counts for its own plugins alone, trusted or not: whoever narrows a guard switches it off. One
    /// that gets a millisecond, or no file to read, fails; and after so many failures it is off in other projects, too.
    /// What somebody more trusted requires is not the repository's, even if it lies there.
    pub fn rules_for(&self, decision: &Decision, is_repositorys: bool) -> &Rules {
        match self.speaks_for_itself(decision, is_repositorys) {
            true => &self.rules_in_repository,
            false => &self.rules,
        }
    }

    /// What the plugin's answers do, for the same plugin as in [`Config::rules_for`].
    ///
    /// To observe takes a guard's effect away, and to enforce gives a plugin an effect that somebody did not want. So what a
    /// layer requires a less trusted one does not make an observer.
    pub fn mode_of(&self, name: &PluginId, decision: &Decision, is_repositorys: bool) -> PluginMode {
        let Some(own) = self.rules_for(decision, is_repositorys).overrides.get(name.as_str()) else {
            return PluginMode::Enforce;
        };
        let may_say = |layer: &Layer| match decision {
            Decision::Required(by) => layer.trust() >= by.layer.trust(),
            _ => true,
        };
        own.mode.filter(|(_, layer)| may_say(layer)).map(|(mode, _)| mode).unwrap_or_default()
    }

    /// For a person: that a trusted repository says something about a plugin that it does not bring, if it does.
    pub fn left_out_of(&self, name: &PluginId, decision: &Decision, is_repositorys: bool) -> Option<String> {
        let said = self.rules_in_repository.overrides.get(name.as_str())?.in_repository.as_ref()?;
        let is_left_out = !self.speaks_for_itself(decision, is_repositorys);
        is_left_out.then(|| {
            format!("`plugins.overrides.{name}` in {said} has no effect: the plugin is not this repository's own")
        })
    }

    fn speaks_for_itself(&self, decision: &Decision, is_repositorys: bool) -> bool {
        let is_anothers = matches!(decision, Decision::Required(by) if by.layer.trust() > Layer::Project.trust());
        is_repositorys && !is_anothers
    }
}
