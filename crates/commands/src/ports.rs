use std::path::Path;

use async_trait::async_trait;

use mimir_shared_config::Capabilities;

use crate::{
    AuditEntry, AuditQuery, AuditVerdict, Check, GrantView, PluginInfo, PluginSummary, RepositoryView, StoreError,
    Switched, TrustView, Validation,
};

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

    /// What the project brings, before it is trusted.
    async fn repository(&self) -> Result<RepositoryView, StoreError>;

    /// Trusts the project, or takes the trust back.
    async fn trust(&self, trusted: bool) -> Result<TrustView, StoreError>;

    /// What a plugin asks for.
    async fn requested(&self, name: &str) -> Result<GrantView, StoreError>;

    /// Grants `capabilities` of what `shown` asks for, and its limits if `with_limits`. Fails if the plugin is not the one
    /// that was shown any more.
    async fn grant(&self, shown: &GrantView, capabilities: &Capabilities, with_limits: bool) -> Result<(), StoreError>;

    /// Takes a plugin's grant back, also that of one that is not there any more; `false` if there was none.
    async fn revoke(&self, name: &str) -> Result<bool, StoreError>;

    /// What this kernel and this set-up enforce, layer by layer, in the order of the walls.
    async fn doctor(&self) -> Result<Vec<Check>, StoreError>;

    /// What is on record.
    fn audit(&self, query: &AuditQuery) -> Result<Box<dyn AuditTrail>, StoreError>;

    /// Checks every line that is on record against what is kept about it, after repairing what killed processes left.
    async fn verify_audit(&self) -> Result<AuditVerdict, StoreError>;
}

/// Lines of the audit log, as they are read.
#[async_trait]
pub trait AuditTrail: Send {
    /// The next lines in the order of time; nothing at the end. Who follows the log waits here until there are some.
    async fn next(&mut self) -> Result<Option<Vec<AuditEntry>>, StoreError>;
}

/// Whoever sits at the terminal.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Person: Send + Sync {
    /// Asks a question that is answered by yes or no; `None` where nobody can answer.
    async fn confirm(&self, question: &str) -> Option<bool>;
}
