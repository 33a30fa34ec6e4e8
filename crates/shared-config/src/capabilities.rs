use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a plugin asks for in its manifest, what a user grants it, and what both come to. Absent means denied.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Capabilities {
    /// Files beneath the project's root.
    pub filesystem: Filesystem,
    /// HTTP requests.
    pub network: Network,
    /// Programs.
    pub exec: Exec,
    /// Language models.
    pub llm: Llm,
    /// Containers.
    pub docker: Docker,
    /// Environment variables that the plugin may read, by name.
    pub env: Vec<String>,
    /// Answers to permission requests.
    pub permissions: Permissions,
    /// Credentials that the plugin may send without ever seeing them.
    pub secrets: Vec<Secret>,
    /// The agent's tools that the plugin may have called, as globs (`*`, `?`) on their whole name: `read`, `mcp_github_*`. Each
    /// call asks for its own permission, like the agent's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Whether `WebAssembly` exists in the plugin's isolate.
    pub wasm: bool,
}

/// Files beneath the project's root.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Filesystem {
    /// Read files and list folders.
    pub read: bool,
    /// Create and change files and folders.
    pub write: bool,
    /// Remove files and folders.
    pub delete: bool,
    /// Globs with gitignore's rules that stay closed whatever else is granted. They can only close (no `!`).
    pub restricted: Vec<String>,
}

/// HTTP requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Network {
    /// Whether any request may be made.
    pub enabled: bool,
    /// Hosts that may be reached: `api.example.com`, `*.example.com`, with an optional scheme and port. Without a scheme
    /// it is `https`. Private addresses are only reached where they are named themselves.
    pub allowlist: Vec<String>,
}

/// Programs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Exec {
    /// Whether any program may be run.
    pub enabled: bool,
    /// Globs (`*`, `?`) that must match the whole command line, arguments quoted as a shell would need them.
    pub allowlist: Vec<String>,
    /// Whether these programs may use the network. No `network.allowlist` holds them: they reach any host, this machine and
    /// private networks included.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
}

impl Exec {
    /// Whether there is a program that may use the network.
    pub fn opens_network(&self) -> bool {
        self.enabled && self.network && !self.allowlist.is_empty()
    }
}

/// Language models.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Llm {
    /// Whether any model may be called.
    pub enabled: bool,
    /// What the plugin may spend, in US dollars a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub budget: Option<f64>,
    /// Models that may be called, as globs (`*`, `?`) on their whole name: `claude-haiku-*`. Without it, any model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Tokens that one call may use at most, question and answer together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u64>,
}

/// Containers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Docker {
    /// Whether any container may be run.
    pub enabled: bool,
    /// Images that may be run, as globs (`*`, `?`): `node:22`, `ghcr.io/example/*`. Without a tag it is `latest`, without
    /// a registry Docker Hub.
    pub images: Vec<String>,
}

/// A credential that a plugin may send without ever seeing it: it writes a placeholder into a header, and the host puts
/// the value in its place on the way out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Secret {
    /// Its name, of the form of an environment variable's: letters, digits and `_`.
    pub name: String,
    /// Hosts that it may be sent to, written as in `network.allowlist`.
    pub hosts: Vec<String>,
}

/// Answers to permission requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Permissions {
    /// The highest risk that the plugin may approve; it may deny anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve: Option<Risk>,
}

/// How dangerous an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Reads, and what can be undone.
    Low,
    /// Changes inside the project.
    Medium,
    /// Changes that are hard to undo, or reach outside the project.
    High,
    /// May destroy data or leak secrets.
    Critical,
}

impl Risk {
    /// As manifests and payloads write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
