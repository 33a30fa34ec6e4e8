//! `info --start`: what a plugin adds to the agent is only known once it has started.

use std::sync::Arc;

use mimir_api::{Effects, RecordedCalls, Registrations};
use mimir_commands::{
    PluginInfo, PluginState, Problem, Registered, RegisteredCommand, RegisteredTool, Severity, StoreError,
};
use mimir_shared_config::PluginId;

use super::Store;
use crate::{PluginsError, Report, ReportKind};

impl Store {
    /// Starts a plugin, and adds to `info` what it returned, or why it did not start. Whatever it calls that has an
    /// effect is refused, and nothing is kept.
    pub(super) async fn start(&self, id: &PluginId, info: &mut PluginInfo) -> Result<(), StoreError> {
        if !matches!(info.summary.state, PluginState::Ready | PluginState::Quarantined) {
            let message = format!("`{id}` can't be started: {}", info.summary.why);
            return Err(StoreError::failed(message, info.summary.hint.clone()));
        }
        let settings = self.settings.clone().leaves_no_traces(true);
        let plugins = settings.effects(Effects::Recorded(Arc::<RecordedCalls>::default())).build().await?;
        let mut problem = |severity, message: String, hint: Option<String>| {
            info.problems.push(Problem::new(severity, &info.summary.path, message).with_hint(hint));
        };
        match plugins.registrations(id).await {
            Ok(registrations) => info.registered = Some(registered(registrations)),
            Err(error @ PluginsError::NotStarted { .. }) => problem(Severity::Error, error.to_string(), None),
            Err(other) => return Err(other.into()),
        }
        let is_about_it = |report: &Report| report.kind == ReportKind::Warning && report.plugin.as_ref() == Some(id);
        for report in plugins.reports().into_iter().filter(is_about_it) {
            problem(Severity::Warning, report.message, report.hint);
        }
        plugins.shutdown().await;
        Ok(())
    }
}

fn registered(registrations: &Registrations) -> Registered {
    let tools = registrations.tools.iter().map(|tool| RegisteredTool {
        name: tool.definition.name.clone(),
        description: tool.definition.description.clone(),
        schema: tool.definition.input_schema.clone(),
    });
    let commands = registrations
        .commands
        .iter()
        .map(|command| RegisteredCommand { name: command.name.clone(), description: command.description.clone() });
    Registered {
        tools: tools.collect(),
        commands: commands.collect(),
        auth_providers: registrations.auth_providers.clone(),
    }
}
