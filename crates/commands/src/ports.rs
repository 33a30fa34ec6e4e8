use std::path::Path;

use async_trait::async_trait;

use crate::{GrantView, PluginInfo, PluginSummary, StoreError, Switched, TrustView, Validation};

/// The plugins of this user in this project, and what may be changed about them.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait PluginStore: Send + Sync {
    /// Every plugin that was found, broken ones too, in the order in which they are asked.
    async fn list(&self) -> Result<Vec<PluginSummary>, StoreError>;

    /// Everything about one plugin. With `start` it is started, without any effect on the outside, and it is told what
    /// it adds; that fails if it may not run.
    async fn info(&self, name: &str, start: bool) -> Result<PluginInfo, StoreError>;

    /// Edits the project's configuration, or the user's if `global`, so that the plugin runs or does not. Also ends a
    /// quarantine when it is enabled.
    async fn switch(&self, name: &str, enabled: bool, global: bool) -> Result<Switched, StoreError>;

    /// Checks the plugin in this folder, or those in this folder of plugins, or without a path all that were found.
    async fn validate<'a>(&self, path: Option<&'a Path>) -> Result<Vec<Validation>, StoreError>;

    /// Trusts the project, or takes the trust back.
    async fn trust(&self, trusted: bool) -> Result<TrustView, StoreError>;

    /// What a plugin asks for.
    async fn requested(&self, name: &str) -> Result<GrantView, StoreError>;

    /// Grants exactly what `shown` says. Fails if the plugin is not the one that was shown any more.
    async fn grant(&self, shown: &GrantView) -> Result<(), StoreError>;

    /// Takes a plugin's grant back; `false` if there was none.
    async fn revoke(&self, name: &str) -> Result<bool, StoreError>;
}

/// Whoever sits at the terminal.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Person: Send + Sync {
    /// Asks a question that is answered by yes or no; `None` where nobody can answer.
    async fn confirm(&self, question: &str) -> Option<bool>;
}
