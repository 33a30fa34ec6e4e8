use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agent_file::{AgentFile, CompactionFile, McpFile, PermissionsFile, ProviderFile, ToolsFile};
use crate::{Capabilities, Failure, LimitSettings};

/// `config.yml`, as one layer writes it: `~/.mimir/config.yml`, a repository's `.mimir/config.yml`, a company's policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ConfigFile {
    /// Which plugins run, and how.
    pub plugins: PluginsFile,
    /// What a team says about plugins.
    pub teams: TeamsFile,
    /// Commands that run at certain moments.
    pub hooks: HooksFile,
    /// What may be spent.
    pub budget: BudgetFile,
    /// The model of the main agent, `provider/model`: `anthropic/NAME`, `openai/NAME`, or one of a provider described here.
    /// `scripted` unless it is said, which needs no key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Providers of models, by name. `anthropic` and `openai` exist without being described. A repository can't say
    /// anything about them.
    pub providers: IndexMap<String, ProviderFile>,
    /// What the agent may do without a question, and what it may not do.
    pub permissions: PermissionsFile,
    /// When a conversation is compacted.
    pub compaction: CompactionFile,
    /// Roles of sub-agents, by name. A repository can't change one that somebody else describes.
    pub agents: IndexMap<String, AgentFile>,
    /// Servers that speak the Model Context Protocol.
    pub mcp: McpFile,
    /// The agent's tools.
    pub tools: ToolsFile,
    /// What the walls around plugins must be made of.
    pub sandbox: SandboxFile,
}

/// Which plugins run, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PluginsFile {
    /// Plugins to run: folders (`./plugins/mine`, relative to this file) and packages (`mimir-plugin-x`, `@scope/mimir-x`,
    /// with an optional `@version`).
    pub enabled: Vec<String>,
    /// Plugins not to run, written in the same way.
    pub disabled: Vec<String>,
    /// Where plugins run: in processes of their own (`process`, the default), or in Mimir's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// How many failures in a row quarantine a plugin. 3 by default. A repository can only lower it, for plugins that it
    /// brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub quarantine_after: Option<u32>,
    /// The plugins' own settings, by plugin name.
    pub options: IndexMap<String, IndexMap<String, Value>>,
    /// What is said about single plugins, by plugin name. A repository speaks only of those that it brings.
    pub overrides: IndexMap<String, OverrideFile>,
}

/// Where plugins run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// In sandbox processes without any rights.
    #[default]
    Process,
    /// On threads of this process: for embedding and for measuring.
    InProcess,
}

/// What is said about one plugin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct OverrideFile {
    /// Limits in place of those that it asks for, at most four times the defaults.
    #[serde(skip_serializing_if = "LimitSettings::is_empty")]
    pub limits: LimitSettings,
    /// What happens to a call when it fails to answer about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether its answers count (`enforce`, the default), or are only recorded (`observe`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<PluginMode>,
}

/// What a plugin's answers do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PluginMode {
    /// They count.
    #[default]
    Enforce,
    /// They are checked and recorded, and change nothing: its shadow mode.
    Observe,
}

/// What the walls around plugins must be made of. Only the user and the company can say so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SandboxFile {
    /// Plugins do not start where one of these is not enforced. `mimir plugin doctor` shows what is.
    pub require: Vec<SandboxLayer>,
}

/// A layer of the wall around a sandbox process. Not every kernel has every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxLayer {
    /// Plugins run in processes of their own, and not in Mimir's.
    Process,
    /// The kernel lets the process open no file and make no TCP connection.
    Landlock,
    /// The kernel lets the process make only a few system calls.
    Seccomp,
    /// Nothing that the process starts has more rights than itself.
    NoNewPrivileges,
    /// Descriptors, threads and data of the process are bounded.
    ResourceLimits,
    /// The process leaves no core dump, and no other process reads its memory.
    NoCoreDumps,
    /// The kernel ends the process with the agent.
    ParentDeath,
    /// The process has a session and process group of its own.
    OwnSession,
}

impl SandboxLayer {
    /// All of them, the most important first.
    pub const ALL: [Self; 8] = [
        Self::Process,
        Self::Landlock,
        Self::Seccomp,
        Self::NoNewPrivileges,
        Self::ResourceLimits,
        Self::NoCoreDumps,
        Self::ParentDeath,
        Self::OwnSession,
    ];

    /// As the configuration names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::ResourceLimits => "resource-limits",
            Self::NoCoreDumps => "no-core-dumps",
            Self::ParentDeath => "parent-death",
            Self::OwnSession => "own-session",
        }
    }
}

/// What a team says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TeamsFile {
    /// About plugins.
    pub plugins: TeamPluginsFile,
}

/// What a team says about plugins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TeamPluginsFile {
    /// Only these may run: package names, with `*` for any run of characters (`@example/*`), and folders. A folder is
    /// never taken for a package, whatever it calls itself. Absent: all may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowlist: Option<Vec<String>>,
    /// These may not run, whatever they come from.
    pub blocklist: Vec<String>,
    /// These must run, in this order, before all others.
    pub required: Vec<String>,
    /// What no plugin goes beyond; where a repository says it, none that the repository brings. What is absent here is
    /// denied to all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Limits that no plugin goes beyond; where a repository says it, none that the repository brings.
    #[serde(skip_serializing_if = "LimitSettings::is_empty")]
    pub limits: LimitSettings,
    /// What happens to a call when a plugin fails to answer about it, for all plugins; a repository can only say `closed`,
    /// for those that it brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Commands that run at certain moments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HooksFile {
    /// Before a session is compacted.
    #[serde(rename = "PreCompact")]
    pub pre_compact: Vec<HookEntry>,
}

/// A command and when it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HookEntry {
    /// The trigger at which it runs. One whose matcher is `auto` runs at every trigger.
    #[serde(default = "every_trigger")]
    pub matcher: String,
    /// The command, for a shell.
    pub command: String,
    /// What it gets on standard input, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
}

fn every_trigger() -> String {
    "auto".to_owned()
}

impl HookEntry {
    /// Whether it runs at this trigger.
    pub fn matches(&self, trigger: &str) -> bool {
        self.matcher == "auto" || self.matcher == trigger
    }
}

/// What may be spent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct BudgetFile {
    /// Whether the budget is watched. True as soon as there is a `maxCost` or `maxCostPerDay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What a session may cost, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_cost: Option<f64>,
    /// What all sessions of a day may cost together, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_cost_per_day: Option<f64>,
}
