//! What was found, as the command line shows it.

use std::path::{Path, PathBuf};

use mimir_commands::{GrantState as Granted, PluginInfo, PluginState, PluginSummary, Severity, Source, with_causes};
use mimir_loader::{GrantState, Place};
use mimir_shared_config::{
    Capabilities, Decision, EventName, Failure, LimitSettings, Limits, Origin, PluginMode, effective, widened,
};

use super::{Examined, Store};
use crate::adapters::problems::{problem, problems_of};
use crate::builtin::precompact_hooks::{self, switched_off};
use crate::builtin::{TAKEN, is_taken};

/// A state, why, and what to do.
struct Standing {
    state: PluginState,
    why: String,
    hint: Option<String>,
}

impl Store {
    pub(super) fn summary(&self, plugin: &Examined) -> PluginSummary {
        let Examined { found, .. } = plugin;
        let Standing { state, why, hint } = self.standing(plugin);
        let manifest = found.manifest.as_ref().ok();
        let events = manifest.map(|manifest| manifest.events.iter().map(ToString::to_string).collect());
        PluginSummary {
            id: found.id.to_string(),
            version: found.version().map(str::to_owned),
            source: source(found.place),
            path: found.dir.clone(),
            state,
            why,
            hint,
            granted: self.granted(plugin),
            needs: manifest.map(|manifest| manifest.capabilities.clone()).unwrap_or_default(),
            events: events.unwrap_or_default(),
            shadows: found.shadowed.iter().map(|shadowed| shadowed.dir.clone()).collect(),
            mode: self.config.mode_of(&found.id, &found.decision, found.needs_trust),
        }
    }

    /// What is part of Mimir and does something here.
    pub(super) fn built_in(&self) -> Option<PluginSummary> {
        let first = self.config.hooks.pre_compact.first()?;
        let (state, why) = match switched_off(&self.config) {
            Some(why) => (PluginState::Disabled, why),
            None => (PluginState::Ready, format!("hooks in {}", self.place(&first.origin))),
        };
        Some(PluginSummary {
            id: precompact_hooks::NAME.to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            source: Source::BuiltIn,
            path: PathBuf::from(&first.origin.place),
            state,
            why,
            hint: None,
            granted: Granted::NotNeeded,
            needs: Capabilities::default(),
            events: vec![EventName::SessionCompacting.to_string()],
            shadows: Vec::new(),
            mode: PluginMode::Enforce,
        })
    }

    /// The same with all that is known.
    pub(super) fn built_in_info(&self) -> Option<PluginInfo> {
        Some(PluginInfo {
            summary: self.built_in()?,
            description: Some(precompact_hooks::DESCRIPTION.to_owned()),
            author: None,
            license: None,
            hash: None,
            effective: Capabilities::default(),
            failure: "open".to_owned(),
            limits: Vec::new(),
            registered: None,
            problems: Vec::new(),
        })
    }

    pub(super) fn info_of(&self, plugin: &Examined) -> PluginInfo {
        let Examined { found, loaded } = plugin;
        let manifest = found.manifest.as_ref().ok();
        let loaded = loaded.as_ref().map(Result::as_ref);
        let files = self.files.as_ref();
        let problems = match loaded {
            Some(Err(error)) => problems_of(files, &found.dir, error),
            Some(Ok(plugin)) => {
                let warnings = plugin.warnings.iter();
                warnings.map(|warning| problem(files, &found.dir, Severity::Warning, warning)).collect()
            }
            None => Vec::new(),
        };
        let none = (Capabilities::default(), LimitSettings::default());
        let granted = match loaded {
            Some(Ok(plugin)) => match &plugin.grant {
                GrantState::Granted { grant, .. } => (grant.capabilities.clone(), grant.limits.clone()),
                _ => none,
            },
            _ => none,
        };
        let rules = self.config.rules_for(&found.decision, found.needs_trust);
        let failure = manifest.map_or(Failure::Open, |manifest| rules.failure_of(manifest));
        let text = |value: Option<&String>| value.cloned();
        PluginInfo {
            summary: self.summary(plugin),
            description: text(manifest.and_then(|manifest| manifest.description.as_ref())),
            author: text(manifest.and_then(|manifest| manifest.author.as_ref())),
            license: text(manifest.and_then(|manifest| manifest.license.as_ref())),
            hash: loaded.and_then(Result::ok).map(|plugin| plugin.identity.hash.as_str().to_owned()),
            effective: manifest
                .map(|manifest| effective(&manifest.capabilities, &granted.0, rules.capabilities.as_ref()))
                .unwrap_or_default(),
            failure: if failure == Failure::Closed { "closed" } else { "open" }.to_owned(),
            limits: manifest
                .map(|manifest| limits_in_words(&rules.limits_of(manifest, &granted.1)))
                .unwrap_or_default(),
            registered: None,
            problems,
        }
    }

    fn standing(&self, plugin: &Examined) -> Standing {
        let Examined { found, loaded } = plugin;
        let id = &found.id;
        let off = |state, why: String, hint: Option<String>| Standing { state, why, hint };
        if is_taken(id) {
            return off(PluginState::Broken, TAKEN.to_owned(), Some("give it another name".to_owned()));
        }
        let why = match &found.decision {
            Decision::Disabled(origin) => {
                let hint = format!("mimir plugin enable {id}");
                return off(PluginState::Disabled, format!("disabled in {}", self.place(origin)), Some(hint));
            }
            Decision::NotListed => {
                let hint = format!("mimir plugin enable {id}");
                return off(PluginState::Disabled, "not listed under `plugins.enabled`".to_owned(), Some(hint));
            }
            Decision::Blocked(origin) => {
                return off(PluginState::Refused, format!("blocked by {}", self.place(origin)), None);
            }
            Decision::NotAllowed(origin) => {
                return off(PluginState::Refused, format!("not in the allowlist of {}", self.place(origin)), None);
            }
            Decision::Required(origin) => format!("required by {}", self.place(origin)),
            Decision::Enabled(origin) => format!("listed in {}", self.place(origin)),
            Decision::EnabledByPlace => format!("lies in {}", found.place.describe()),
        };
        let plugin = match loaded {
            Some(Ok(plugin)) => plugin,
            Some(Err(error)) => return off(PluginState::Broken, with_causes(error), Some(error.hint())),
            None => return off(PluginState::Ready, why, None),
        };
        match &plugin.grant {
            GrantState::RepositoryUntrusted { .. } => {
                let why = "it comes with this repository, which is not trusted".to_owned();
                off(PluginState::NotTrusted, why, Some("mimir plugin trust".to_owned()))
            }
            GrantState::NeedsGrant { granted_before, .. } => {
                let changed = granted_before.is_some();
                let why =
                    if changed { "it has changed since it was granted" } else { "it asks for what was not granted" };
                off(PluginState::NotGranted, why.to_owned(), Some(format!("mimir plugin grant {id}")))
            }
            GrantState::Granted { .. } => match self.loader.state().get(&plugin.identity).map(|state| state.quarantine)
            {
                Ok(Some(quarantine)) => {
                    off(PluginState::Quarantined, quarantine.reason, Some(format!("mimir plugin enable {id}")))
                }
                _ => off(PluginState::Ready, why, None),
            },
        }
    }

    fn granted(&self, plugin: &Examined) -> Granted {
        let Examined { found, loaded } = plugin;
        let Ok(manifest) = &found.manifest else { return Granted::NotNeeded };
        if manifest.capabilities.is_nothing() {
            return Granted::NotNeeded;
        }
        // What is not enabled was not loaded: what is known of it is the package, and not its content
        let state = match loaded {
            Some(Ok(plugin)) => self.loader.grants().state(&plugin.identity, manifest).ok(),
            _ => None,
        };
        match state {
            Some(GrantState::Granted { grant }) => {
                let is_whole = widened(&manifest.capabilities, &grant.capabilities).is_empty();
                if is_whole { Granted::Granted } else { Granted::Partly }
            }
            _ => Granted::Missing,
        }
    }

    /// A configuration file as people call it.
    fn place(&self, origin: &Origin) -> String {
        let short = self.short(Path::new(&origin.place));
        match origin.line {
            Some(line) => format!("{short}:{line}"),
            None => short,
        }
    }

    pub(super) fn short(&self, path: &Path) -> String {
        let places = &self.surroundings.places;
        if let Ok(rest) = path.strip_prefix(&places.home) {
            return Path::new("~/.mimir").join(rest).display().to_string();
        }
        path.strip_prefix(&places.project).unwrap_or(path).display().to_string()
    }
}

pub(super) fn source(place: Place) -> Source {
    match place {
        Place::Project => Source::Project,
        Place::User => Source::User,
        Place::NodeModules => Source::Package,
        Place::Listed => Source::Configured,
        Place::Explicit => Source::Flag,
    }
}

fn limits_in_words(limits: &Limits) -> Vec<(String, String)> {
    let Limits { cpu, event, tool, init, heap, off_heap, timers, pending, output } = limits;
    let ms = |duration: &std::time::Duration| format!("{} ms", duration.as_millis());
    let seconds = |duration: &std::time::Duration| format!("{} s", duration.as_secs_f64());
    let mib = |bytes: &usize| format!("{} MiB", bytes >> 20);
    [
        ("CPU time at a time", ms(cpu)),
        ("an event", seconds(event)),
        ("a tool or command", seconds(tool)),
        ("its start", seconds(init)),
        ("heap", mib(heap)),
        ("memory outside the heap", mib(off_heap)),
        ("timers", timers.to_string()),
        ("host calls at a time", pending.to_string()),
        ("an answer", mib(output)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
