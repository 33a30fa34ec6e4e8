//! What people write (manifests, configuration) and what follows from it by pure functions.
//!
//! This crate reads no file and knows no other crate: it takes text and gives values, or an error with the place in
//! that text. Who may do what is decided here as data ([`Capabilities`], [`Grant`], [`effective()`]); whether a host call
//! is let through is asked elsewhere, with [`Capabilities::permits`].

#![forbid(unsafe_code)]

mod access;
mod capabilities;
mod check;
mod config;
mod custom;
mod edit;
mod effective;
mod error;
mod event_name;
mod event_selector;
mod file_access;
mod grant;
mod limit_settings;
mod limits;
mod manifest;
mod manifest_parse;
mod matchers;
mod permission_rule;
mod permits;
mod plugin_id;
mod problem;
mod schema;
mod secrets_file;
mod suggest;
mod widened;
mod yaml;
mod yaml_file;

pub use access::{Access, Denial};
pub use capabilities::{Capabilities, Docker, Exec, Filesystem, Llm, Network, Permissions, Risk, Secret};
pub use config::{
    AgentFile, AgentSettings, Allowlist, BashFile, Budget, BudgetFile, Candidate, Compaction, CompactionFile, Config,
    ConfigFile, ConfigSources, ConfigText, ContextTokens, Decision, HookEntry, Hooks, HooksFile, InvalidPluginEntry,
    Isolation, KeySource, Layer, McpFile, McpReach, McpServer, McpServerFile, Origin, Override, OverrideFile,
    PermissionRules, PermissionsFile, PluginEntry, PluginMode, PluginPattern, PluginSpec, Plugins, PluginsFile,
    PreCompactHook, ProviderFile, ProviderKind, ProviderSettings, Rules, SCRIPTED_MODEL, SaidRule, SandboxFile,
    SandboxLayer, TeamPluginsFile, Teams, TeamsFile, ToolSettings, ToolsFile,
};
pub use custom::{
    CommandName, CustomCommandFile, CustomRuntime, CustomToolFile, CustomToolPermissions, custom_command_schema,
    custom_tool_schema,
};
pub use edit::{PluginList, add_plugin, remove_plugin};
pub use effective::effective;
pub use error::ConfigError;
pub use event_name::{EventName, UnknownEvent};
pub use event_selector::EventSelector;
pub use file_access::{FileAccess, FileRule};
pub use grant::{ContentHash, Grant, GrantMode, InvalidContentHash, PluginIdentity, PluginSource};
pub use limit_settings::{Bytes, InvalidAmount, LimitSettings, Millis};
pub use limits::{Limits, MAX_RAISE};
pub use manifest::{Engines, Failure, PluginManifest};
pub use matchers::{
    Change, Closed, ClosedPlaces, ExecRule, HostPattern, InvalidHostPattern, closed_path, command_line,
    dangerous_options, git_folders, is_public_address, makes_git_folder, normal_image,
};
pub use permission_rule::{InvalidPermissionRule, PermissionRule, RuleKind};
pub use permits::check_access;
pub use plugin_id::{InvalidPluginId, PluginId};
pub use problem::{InvalidFile, Problem};
pub use schema::{config_schema, manifest_schema};
pub use secrets_file::{InvalidSecretsFile, parse_secrets};
pub use suggest::nearest;
pub use widened::{widened, widened_limits};
pub use yaml_file::yaml_file;
