use std::path::PathBuf;

use mimir_shared_config::PermissionRules;

/// What the user and the company decided beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The project's root, without links.
    pub project: PathBuf,
    /// The user's home, without links. `None`: no pattern with `~/` means anything.
    pub home: Option<PathBuf>,
    /// The rules of all layers.
    pub rules: PermissionRules,
    /// `--yes`: what is of medium risk at most is allowed without a question, unless a plugin's host call led to it.
    pub yes: bool,
    /// Kinds that are asked about even if the risk is low. None by default: what is of low risk only reads.
    pub always_ask: Vec<String>,
    /// Whether what is of low risk needs no question if a plugin's host call led to it. `false` by default: the plugin could
    /// read by the agent's tools what its own grant does not open.
    pub harmless_for_plugins: bool,
}

impl Settings {
    /// No rules, and nobody said yes to anything.
    pub fn new(project: impl Into<PathBuf>) -> Self {
        Self { project: project.into(), ..Self::default() }
    }
}
