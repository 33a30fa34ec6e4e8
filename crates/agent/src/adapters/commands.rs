use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use mimir_chat::{CommandOutcome, Commands, PluginLine, SlashCommand};
use mimir_plugins::{PluginRecord, PluginState, Plugins};
use mimir_tools::{CommandCall, CommandCatalog};

use super::deeds::Deeds;

/// The chat's commands over the catalog of custom ones and those of plugins.
pub(crate) struct CatalogCommands {
    catalog: CommandCatalog,
    plugins: Plugins,
    deeds: Arc<Deeds>,
    calls: AtomicU64,
}

impl CatalogCommands {
    pub(crate) fn new(catalog: CommandCatalog, plugins: Plugins, deeds: Arc<Deeds>) -> Self {
        Self { catalog, plugins, deeds, calls: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Commands for CatalogCommands {
    async fn list(&self) -> Vec<SlashCommand> {
        let commands = self.catalog.list().await.into_iter();
        let commands = commands.map(|info| SlashCommand {
            name: info.name,
            aliases: info.aliases,
            description: info.description,
            usage: info.usage,
            origin: info.origin,
        });
        commands.collect()
    }

    async fn run(&self, session_id: &str, name: &str, arguments: &str) -> Option<Result<CommandOutcome, String>> {
        let call = CommandCall {
            session_id: session_id.to_owned(),
            call_id: format!("command_{}", self.calls.fetch_add(1, Ordering::Relaxed) + 1),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        let outcome = self.catalog.run(&call).await?;
        Some(outcome.map(|outcome| match outcome {
            mimir_tools::CommandOutcome::Say(text) => CommandOutcome::Say(text),
            mimir_tools::CommandOutcome::Prompt(text) => CommandOutcome::Prompt(text),
        }))
    }

    async fn plugins(&self) -> Vec<PluginLine> {
        let line = |record: PluginRecord| PluginLine {
            did: self.deeds.of(&record.name),
            name: record.name.to_string(),
            version: Some(record.version),
            state: match record.state {
                PluginState::Active => "active".to_owned(),
                PluginState::Disabled => "switched off".to_owned(),
                PluginState::Failed { reason } => format!("does not run: {reason}"),
                PluginState::Quarantined { reason } => format!("in quarantine: {reason}"),
            },
        };
        self.plugins.list().into_iter().map(line).collect()
    }
}
