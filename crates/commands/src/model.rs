//! What the port [`PluginStore`](crate::PluginStore) tells about plugins. The JSON of `--json` is exactly these.

use std::path::PathBuf;

use mimir_shared_config::{Capabilities, PluginMode};
use serde::Serialize;
use serde_json::Value;

use crate::Problem;

/// One plugin in `mimir plugin list`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginSummary {
    /// Its name, or the name of its folder if the manifest can't be read. Not checked: print it by
    /// [`printable`](crate::printable) alone.
    pub id: String,
    /// Its version, if the manifest can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it was found.
    pub source: Source,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it runs.
    pub state: PluginState,
    /// Why it is in this state, in words: "lies in .mimir/plugins", "disabled in ~/.mimir/config.yml".
    pub why: String,
    /// What to do about it, if anything is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether the user granted what it asks for.
    pub granted: GrantState,
    /// What it asks for.
    pub needs: Capabilities,
    /// The events that it listens to, as its manifest names them.
    pub events: Vec<String>,
    /// The folders of plugins of the same name which this one hides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shadows: Vec<PathBuf>,
    /// What its answers do.
    pub mode: PluginMode,
}

/// Where a plugin was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Part of Mimir.
    BuiltIn,
    /// Given on the command line.
    Flag,
    /// `.mimir/plugins/` of the project.
    Project,
    /// `~/.mimir/plugins/`.
    User,
    /// `node_modules/` of the project.
    Package,
    /// A path that a configuration names.
    Configured,
}

/// Whether a plugin runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginState {
    /// It runs at its first event.
    Ready,
    /// It asks for something that was not granted, so it does not run.
    NotGranted,
    /// It comes from a repository that is not trusted, so it does not run.
    NotTrusted,
    /// It is turned off, or was never turned on.
    Disabled,
    /// The company's policy keeps it from running.
    Refused,
    /// It failed too often, and stays off until it is enabled again.
    Quarantined,
    /// Its manifest or code is wrong.
    Broken,
}

/// Whether the user granted what a plugin asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantState {
    /// It asks for nothing that needs a grant.
    NotNeeded,
    /// Everything that it asks for is granted.
    Granted,
    /// A part of what it asks for is granted; it runs with that.
    Partly,
    /// It asks for more than is granted, or is not what was granted.
    Missing,
    /// Granted for this run alone.
    ThisRun,
}

/// `mimir plugin info`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginInfo {
    /// What the list shows as well.
    #[serde(flatten)]
    pub summary: PluginSummary,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Its licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// SHA-256 of what it consists of, in hexadecimal; what a grant is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// What it may do: what it asks for, as far as it is granted and the policy allows.
    pub effective: Capabilities,
    /// What happens to a call when the plugin fails to answer about it: `open` or `closed`.
    pub failure: String,
    /// Its limits, in words: ("CPU time of one event", "100 ms").
    pub limits: Vec<(String, String)>,
    /// What it adds to the agent. Only known if it was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered: Option<Registered>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// What a plugin adds to the agent when it starts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// Tools for the model.
    pub tools: Vec<RegisteredTool>,
    /// Slash commands for people.
    pub commands: Vec<RegisteredCommand>,
    /// Providers that it can authenticate with.
    pub auth_providers: Vec<String>,
}

/// A tool that a plugin adds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegisteredTool {
    /// Its name.
    pub name: String,
    /// What it does, as the model is told.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: Value,
}

/// A slash command that a plugin adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegisteredCommand {
    /// Its name, without the slash.
    pub name: String,
    /// What it does.
    pub description: String,
}

/// What `enable` and `disable` came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Switched {
    /// The plugin's name.
    pub id: String,
    /// Whether it is enabled now, all layers taken together.
    pub enabled: bool,
    /// The configuration file that says so, if one was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// What the user should know beside this: "it still needs a grant".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What `validate` found out about one plugin.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// Its name, or the name of its folder.
    pub id: String,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it would load: it has no problem that is an error.
    pub valid: bool,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// What `trust` came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustView {
    /// The project's root.
    pub project: PathBuf,
    /// Whether it is trusted now.
    pub trusted: bool,
    /// Whether that is new.
    pub changed: bool,
}

/// What the project's repository brings, for whoever is to trust it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryView {
    /// The project's root.
    pub project: PathBuf,
    /// Its plugins.
    pub plugins: Vec<RepositoryPlugin>,
    /// What its configuration says that counts once it is trusted, a sentence each: "run `make` before a session is
    /// compacted, in a shell, with your rights".
    pub configuration: Vec<String>,
}

/// A plugin that a repository brings.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryPlugin {
    /// Its name.
    pub id: String,
    /// What it asks for. What asks for nothing runs as soon as the repository is trusted.
    pub needs: Capabilities,
    /// The user's own plugin of the same name that it would take the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hides: Option<PathBuf>,
}

/// One thing that `mimir plugin doctor` looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What it belongs to: "the sandbox process", "programs that plugins start".
    pub area: String,
    /// What was looked at: "seccomp".
    pub name: String,
    /// What was found.
    pub health: Health,
    /// What it does there, or what is wrong, in words.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Who requires it, if anybody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_by: Option<String>,
}

/// What was found where `mimir plugin doctor` looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It holds.
    Good,
    /// A part of it holds.
    Partial,
    /// This system does not have it.
    Missing,
    /// Something is wrong with it.
    Bad,
}

/// What a plugin asks for, beside what it was granted before.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantView {
    /// The plugin's name.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Where it was found.
    pub source: Source,
    /// Its folder.
    pub path: PathBuf,
    /// What the grant is bound to: SHA-256 in hexadecimal.
    pub hash: String,
    /// What it asks for.
    pub requested: Capabilities,
    /// The limits that it wants raised, in words: "use 128 MiB of memory".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// What was granted to this plugin before, maybe to another version of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Capabilities>,
    /// The raised limits that were not granted before, in the same words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_limits: Vec<String>,
    /// What is granted to exactly this content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Capabilities>,
    /// Whether all of it is granted to exactly this content.
    pub granted: bool,
    /// What the company's policy takes away from it, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
}
