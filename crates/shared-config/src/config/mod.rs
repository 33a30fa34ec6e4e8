//! Configuration: what each layer may say, and what the layers come to.

mod agent;
mod agent_check;
mod agent_file;
mod budget;
mod decide;
mod entry;
mod file;
mod layer;
mod merge;
mod merge_agent;
mod read;
mod rules;

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde_json::Value;

pub use agent::{
    AgentSettings, Compaction, ContextTokens, KeySource, McpReach, McpServer, PermissionRules, ProviderSettings,
    SCRIPTED_MODEL, SaidRule, ToolSettings,
};
pub use agent_file::{
    AgentFile, BashFile, CompactionFile, McpFile, McpServerFile, PermissionsFile, ProviderFile, ProviderKind, ToolsFile,
};
pub use budget::Budget;
pub use decide::{Candidate, Decision};
pub use entry::{InvalidPluginEntry, PluginEntry, PluginPattern, PluginSpec};
pub use file::{
    BudgetFile, ConfigFile, HookEntry, HooksFile, Isolation, OverrideFile, PluginMode, PluginsFile, SandboxFile,
    SandboxLayer, TeamPluginsFile, TeamsFile,
};
pub use layer::{ConfigSources, ConfigText, Layer, Origin};
pub use rules::{Override, Rules};

use crate::error::ConfigError;

/// What all layers come to. Made by [`Config::load`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Which plugins run, and where.
    pub plugins: Plugins,
    /// Which plugins may and must run.
    pub teams: Teams,
    /// How the user's and the company's plugins run. Ask [`Config::rules_for`].
    pub rules: Rules,
    /// How the plugins run that the repository brings: the same, and what the repository says.
    pub rules_in_repository: Rules,
    /// Commands of the user's own that run at certain moments.
    pub hooks: Hooks,
    /// What may be spent.
    pub budget: Budget,
    /// The model of the main agent, `provider/model`. Ask [`Config::model`].
    pub model: Option<String>,
    /// Providers of models that are described. Ask [`Config::provider`], which knows those that are built in as well.
    pub providers: IndexMap<String, ProviderSettings>,
    /// What the agent may do without a question, and what it may not do.
    pub permissions: PermissionRules,
    /// When a conversation is compacted.
    pub compaction: Compaction,
    /// Roles of sub-agents, by name.
    pub agents: IndexMap<String, AgentSettings>,
    /// MCP servers that are to run, by name.
    pub mcp_servers: IndexMap<String, McpServer>,
    /// The agent's tools.
    pub tools: ToolSettings,
    /// The layers without which no plugin starts, and who says so.
    pub required_layers: Vec<(SandboxLayer, Origin)>,
    /// What was left out because the repository is not trusted yet, and what had no effect; one line each, for a person.
    pub notices: Vec<String>,
}

impl Config {
    /// What all layers come to: defaults < user < project < environment < flags < policy.
    ///
    /// Lists of plugins add up. Before a repository is trusted, its lists of plugins, `options` and `hooks` have no effect:
    /// the only plugins that they could mean are the user's, and one of those may be a guard. Trusted or not, it only
    /// narrows isolation and budget; and limits, capabilities, quarantine and `failure` of its own plugins alone, as
    /// [`Config::rules_for`] says. What had no effect is said in [`Config::notices`].
    ///
    /// About the agent, a repository that is not trusted adds block rules and disabled tools and lowers budgets. A trusted
    /// one also chooses the model, brings roles and MCP servers of names that nobody else uses, and allows what is of low
    /// risk. Neither says anything about providers.
    ///
    /// A wrong file of a repository that is not trusted is left out, with a notice.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all that is wrong in all other files, else the first variable or flag that is wrong.
    pub fn load(sources: &ConfigSources) -> Result<Self, ConfigError> {
        let (layers, notices) = read::read_all(sources)?;
        merge::merge(&layers, sources.project_trusted, notices)
    }

    /// The model of the main agent: `provider/model`, or [`SCRIPTED_MODEL`] where nobody says one.
    pub fn model(&self) -> &str {
        self.model.as_deref().unwrap_or(SCRIPTED_MODEL)
    }

    /// A provider of models by its name. `anthropic` and `openai` exist without being described.
    pub fn provider(&self, name: &str) -> Option<ProviderSettings> {
        self.providers.get(name).cloned().or_else(|| merge_agent::built_in(name))
    }

    /// The names of all providers: the built-in ones, then those that are described, in their order.
    pub fn provider_names(&self) -> Vec<&str> {
        let own = self.providers.keys().map(String::as_str).filter(|name| merge_agent::built_in(name).is_none());
        let mut names = merge_agent::built_in_names().collect::<Vec<&str>>();
        names.extend(own);
        names
    }

    /// The same with every folder that it names, in whichever list, replaced by what `real` gives for it: the folder with
    /// all symlinks resolved and `~` expanded, as [`PluginSource::Folder`](crate::PluginSource::Folder) has it. Without
    /// this a folder behind a symlink is neither enabled nor blocked by the path that someone wrote.
    #[must_use]
    pub fn with_folders(mut self, real: impl Fn(&Path) -> PathBuf) -> Self {
        let entries = [&mut self.plugins.enabled, &mut self.plugins.disabled, &mut self.teams.required];
        for entry in entries.into_iter().flatten() {
            if let PluginSpec::Folder(folder) = &mut entry.spec {
                *folder = real(folder);
            }
        }
        let allowed = self.teams.allowlists.iter_mut().flat_map(|list| &mut list.patterns);
        for pattern in allowed.chain(&mut self.teams.blocklist) {
            pattern.folder = pattern.folder.as_deref().map(&real);
        }
        self
    }
}

/// Which plugins run, and where.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Plugins {
    /// What the layers enable, in the order in which they say so. Ask [`Config::decide`] what comes of it.
    pub enabled: Vec<PluginEntry>,
    /// What the layers disable.
    pub disabled: Vec<PluginEntry>,
    /// Where plugins run.
    pub isolation: Isolation,
    /// The plugins' own settings, by plugin.
    pub options: IndexMap<String, Value>,
}

/// Which plugins may and must run.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Teams {
    /// Each layer's allowlist. A plugin must be in all of them; without any, every plugin may run.
    pub allowlists: Vec<Allowlist>,
    /// What may not run.
    pub blocklist: Vec<PluginPattern>,
    /// What must run, in this order, before all others.
    pub required: Vec<PluginEntry>,
}

/// The plugins that may run, as one layer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowlist {
    /// The entries. With none, nothing may run.
    pub patterns: Vec<PluginPattern>,
    /// Who says so.
    pub origin: Origin,
}

/// Commands of the user's own that run at certain moments.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Hooks {
    /// Before a session is compacted.
    pub pre_compact: Vec<PreCompactHook>,
}

/// A command that runs before a session is compacted.
#[derive(Debug, Clone, PartialEq)]
pub struct PreCompactHook {
    /// What is to run, and when.
    pub entry: HookEntry,
    /// Who said so.
    pub origin: Origin,
}
