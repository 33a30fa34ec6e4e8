//! What plugins add to the agent: which tools and slash commands there are, and how they are called.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use mimir_api::redacted_text;
use mimir_registry::{Failure, FailureKind, PluginState, Subscriber};
use mimir_sandbox::{Call, CallFailure, CallKind, CallOrigin, CallReply};
use mimir_shared_config::PluginId;
use mimir_shared_platform::{AuditLog, AuditRecord, Level};
use mimir_shared_providers::ToolDefinition;
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Plugins;
use crate::adapters::subscriber::SandboxedPlugin;
use crate::plugins::System;
use crate::report::{Report, ReportKind};

/// Plugins that are started at once to learn what they add. Each has its own second to start, and they share two threads.
const STARTS: usize = 4;

/// Characters of an error's message that the model gets to see.
const MESSAGE: usize = 4_096;

/// A tool that a plugin adds.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginTool {
    /// Whose it is.
    pub plugin: PluginId,
    /// As a model is told of it.
    pub definition: ToolDefinition,
}

/// A slash command that a plugin adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginCommandInfo {
    /// Whose it is.
    pub plugin: PluginId,
    /// Its name, without the slash.
    pub name: String,
    /// What it does. A plugin's own text: make it printable before it reaches a terminal.
    pub description: String,
}

/// On whose behalf a plugin's tool or command is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The session; empty outside of any.
    pub session_id: String,
    /// Names the call, as `tool.execute.before` names it.
    pub call_id: String,
    /// The plugins whose host calls led to it, the first cause first.
    pub chain: Vec<PluginId>,
}

/// Why a plugin's tool or command gave nothing, in words for a model. They hold text of the plugin's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// No plugin of this name runs and adds something: it is not loaded, switched off, or only observes.
    #[error("the plugin `{plugin}` does not run")]
    NotRunning {
        /// The name.
        plugin: PluginId,
    },
    /// The plugin failed too often.
    #[error("the plugin `{plugin}` is in quarantine ({reason})")]
    Quarantined {
        /// Which.
        plugin: PluginId,
        /// Why.
        reason: String,
    },
    /// It adds nothing of this name.
    #[error("the plugin `{plugin}` has no {what} `{name}`")]
    Unknown {
        /// Which plugin.
        plugin: PluginId,
        /// `tool` or `command`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// No plugin that runs adds an auth provider of this name.
    #[error("no plugin has an auth provider `{name}`")]
    NoProvider {
        /// The name.
        name: String,
    },
    /// The arguments do not fit the tool's schema. The plugin has not seen them.
    #[error("{message}")]
    Arguments {
        /// What is wrong with them.
        message: String,
    },
    /// A call of the plugin's own led to this one, so that there would be no end.
    #[error("the plugin `{plugin}` is itself behind this call, so its {what} `{name}` can't be called")]
    Circular {
        /// Which plugin.
        plugin: PluginId,
        /// `tool` or `command`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// It threw: this is its own answer, and does not count as a failure.
    #[error("{message}{}", at.as_deref().map(|at| format!(" ({at})")).unwrap_or_default())]
    Threw {
        /// What, in words.
        message: String,
        /// The innermost line of the stack in the author's own code.
        at: Option<String>,
    },
    /// The plugin failed: a limit stopped it, it did not start, or its answer is no JSON data. Counted towards quarantine.
    #[error("the plugin `{plugin}` failed: {failure}")]
    Failed {
        /// Which.
        plugin: PluginId,
        /// Why. Its message names the limit.
        failure: Failure,
    },
    /// A custom tool failed in one of these ways.
    #[error("the custom tool `{tool}` failed: {failure}")]
    CustomFailed {
        /// Its name.
        tool: String,
        /// Why. Its message names the limit.
        failure: Failure,
    },
    /// A custom tool failed too often in this run.
    #[error("the custom tool `{tool}` failed too often and is not called again in this run")]
    GivenUp {
        /// Its name.
        tool: String,
    },
}

impl CallError {
    /// In a word, for the audit log.
    fn outcome(&self) -> &'static str {
        match self {
            Self::NotRunning { .. } => "not running",
            Self::Quarantined { .. } => "quarantined",
            Self::Unknown { .. } | Self::NoProvider { .. } => "unknown",
            Self::Arguments { .. } => "wrong arguments",
            Self::Circular { .. } => "circular",
            Self::Threw { .. } => "threw",
            Self::Failed { .. } | Self::CustomFailed { .. } => "failed",
            Self::GivenUp { .. } => "given up",
        }
    }
}

/// Which of a plugin's things is called.
#[derive(Clone, Copy)]
pub(crate) struct Called<'a> {
    pub(crate) kind: CallKind,
    pub(crate) name: &'a str,
}

impl Called<'_> {
    fn what(self) -> &'static str {
        match self.kind {
            CallKind::Tool => "tool",
            CallKind::Auth => "auth provider",
            CallKind::Command | CallKind::Event => "command",
        }
    }
}

impl Plugins {
    /// The tools of all plugins that run, in the order of the plugins. Two plugins may have one of the same name.
    ///
    /// No plugin is started for that whose registrations are known from an earlier run with the same content, rights and
    /// settings. The others are started, a few at once; one that does not start adds nothing, and the user is told.
    pub async fn plugin_tools(&self) -> Vec<PluginTool> {
        let mut tools = Vec::new();
        for (plugin, running) in self.learned().await {
            let Some(registrations) = running.known().await else { continue };
            let definitions = registrations.tools.iter().map(|tool| tool.definition.clone());
            tools.extend(definitions.map(|definition| PluginTool { plugin: plugin.clone(), definition }));
        }
        tools
    }

    /// The slash commands of all plugins that run, found out as [`Plugins::plugin_tools`] does.
    pub async fn plugin_commands(&self) -> Vec<PluginCommandInfo> {
        let mut commands = Vec::new();
        for (plugin, running) in self.learned().await {
            let Some(registrations) = running.known().await else { continue };
            commands.extend(registrations.commands.iter().map(|command| PluginCommandInfo {
                plugin: plugin.clone(),
                name: command.name.clone(),
                description: command.description.clone(),
            }));
        }
        commands
    }

    /// Calls a tool of a plugin's, which is started if it does not run. Dropping the future fires the `AbortSignal` that the
    /// tool has.
    ///
    /// # Errors
    /// [`CallError`], which a model gets to read.
    pub async fn call_tool(
        &self,
        plugin: &PluginId,
        tool: &str,
        args: &Value,
        call: &Invocation,
    ) -> Result<Value, CallError> {
        let called = Called { kind: CallKind::Tool, name: tool };
        let check = |running: &mimir_api::Registrations| {
            let found = running.tools.iter().find(|found| found.definition.name == tool)?;
            Some(found.check_args(args).map_err(|error| CallError::Arguments { message: error.message }))
        };
        self.call(plugin, called, args.to_string(), call, check).await
    }

    /// Calls a slash command of a plugin's with what the user wrote behind its name, word by word.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call_command(
        &self,
        plugin: &PluginId,
        command: &str,
        args: &[String],
        call: &Invocation,
    ) -> Result<Value, CallError> {
        let called = Called { kind: CallKind::Command, name: command };
        let check = |running: &mimir_api::Registrations| {
            running.commands.iter().any(|found| found.name == command).then_some(Ok(()))
        };
        self.call(plugin, called, json!(args).to_string(), call, check).await
    }

    /// The plugins that may add something, after those were started of which nothing is known yet.
    pub(crate) async fn learned(&self) -> Vec<(PluginId, Arc<SandboxedPlugin>)> {
        let system = &self.0;
        let may_add = |id: &&PluginId| !system.observed.contains(*id) && system.is_active(id);
        let ids = system.order.iter().filter(may_add).cloned();
        let plugins: Vec<_> = ids.filter_map(|id| Some((id.clone(), Arc::clone(system.running.get(&id)?)))).collect();
        let turns = Arc::new(Semaphore::new(STARTS));
        let mut starts = JoinSet::new();
        for (id, running) in &plugins {
            if running.known().await.is_some() || running.is_hopeless() {
                continue;
            }
            let (id, running) = (id.clone(), Arc::clone(running));
            let (system, turns) = (Arc::clone(system), Arc::clone(&turns));
            starts.spawn(async move {
                let _turn = turns.acquire().await;
                if let Err(failure) = running.registrations().await {
                    running.give_up();
                    system.failed(&id, &running, "at its start", &failure).await;
                }
            });
        }
        starts.join_all().await;
        plugins.into_iter().filter(|(id, _)| system.is_active(id)).collect()
    }

    pub(crate) async fn call(
        &self,
        plugin: &PluginId,
        called: Called<'_>,
        payload: String,
        call: &Invocation,
        check: impl Fn(&mimir_api::Registrations) -> Option<Result<(), CallError>>,
    ) -> Result<Value, CallError> {
        let mut line = Line::new(self.0.audit.clone(), Some(plugin), called, call);
        let result = self.try_call(plugin, called, payload, call, check).await;
        line.outcome = Some(result.as_ref().map(drop).map_err(Clone::clone));
        result
    }

    async fn try_call(
        &self,
        plugin: &PluginId,
        called: Called<'_>,
        payload: String,
        call: &Invocation,
        check: impl Fn(&mimir_api::Registrations) -> Option<Result<(), CallError>>,
    ) -> Result<Value, CallError> {
        let system = &self.0;
        let (what, name) = (called.what(), called.name.to_owned());
        let running = system.running.get(plugin).filter(|_| !system.observed.contains(plugin));
        let running = running.ok_or_else(|| CallError::NotRunning { plugin: plugin.clone() })?;
        match system.registry.get(plugin).map(|record| record.state) {
            Some(PluginState::Active) => {}
            Some(PluginState::Quarantined { reason }) => {
                return Err(CallError::Quarantined { plugin: plugin.clone(), reason });
            }
            _ => return Err(CallError::NotRunning { plugin: plugin.clone() }),
        }
        if call.chain.contains(plugin) {
            return Err(CallError::Circular { plugin: plugin.clone(), what, name });
        }
        let place = format!("in its {what} `{name}`");
        let failed = async |failure: Failure| {
            system.failed(plugin, running, &place, &failure).await;
            CallError::Failed { plugin: plugin.clone(), failure }
        };
        let registrations = match running.registrations().await {
            Ok(registrations) => registrations,
            Err(failure) => return Err(failed(failure).await),
        };
        check(registrations).unwrap_or_else(|| Err(CallError::Unknown { plugin: plugin.clone(), what, name }))?;
        let call = Call {
            kind: called.kind,
            name: called.name.into(),
            payload: payload.into(),
            origin: CallOrigin {
                chain: call.chain.as_slice().into(),
                session_id: call.session_id.as_str().into(),
                auth: (called.kind == CallKind::Auth).then(|| called.name.into()),
                event: 0,
            },
        };
        let CallReply { result, .. } = running.call(&call).await;
        let failure = match result {
            Ok(answer) => match serde_json::from_str(&answer) {
                Ok(value) => {
                    system.registry.record_success(plugin);
                    return Ok(value);
                }
                Err(error) => Failure::new(FailureKind::Invalid, format!("its answer can't be read: {error}")),
            },
            Err(CallFailure::Threw(thrown)) => {
                let (mut message, at) = running.threw(&thrown);
                // A plugin may say what it got of a service
                if let Cow::Owned(known) = system.redaction.known(&message) {
                    message = known;
                }
                shorten(&mut message);
                return Err(CallError::Threw { message, at });
            }
            Err(failure) => running.failure(&failure),
        };
        Err(failed(failure).await)
    }
}

impl System {
    fn is_active(&self, plugin: &PluginId) -> bool {
        self.registry.get(plugin).is_some_and(|record| record.state == PluginState::Active)
    }

    /// Tells the user of a failure and counts it.
    pub(crate) async fn failed(&self, plugin: &PluginId, running: &SandboxedPlugin, place: &str, failure: &Failure) {
        // The user knows who interrupted it
        if failure.kind != FailureKind::Interrupted {
            let message = format!("failed {place}: {failure}");
            let (level, kind) = (Level::Error, ReportKind::Failed);
            self.reports.push(Report { level, kind, plugin: Some(plugin.clone()), message, hint: None });
        }
        self.registry.record_failure(plugin, failure).await;
        if !self.is_active(plugin) {
            running.retire();
        }
    }
}

/// Cuts what the model gets to see of an error's message.
pub(crate) fn shorten(message: &mut String) {
    if let Some((at, _)) = message.char_indices().nth(MESSAGE) {
        message.truncate(at);
        message.push('…');
    }
}

/// The line of a call in the audit log, written when the call ends, whichever way.
pub(crate) struct Line {
    audit: Option<Arc<dyn AuditLog>>,
    /// Nothing for a custom tool.
    plugin: Option<PluginId>,
    kind: &'static str,
    detail: Map<String, Value>,
    begin: Instant,
    /// Nothing if the call was dropped.
    pub(crate) outcome: Option<Result<(), CallError>>,
}

impl Line {
    pub(crate) fn new(
        audit: Option<Arc<dyn AuditLog>>,
        plugin: Option<&PluginId>,
        called: Called<'_>,
        call: &Invocation,
    ) -> Self {
        let Invocation { session_id, call_id, chain } = call;
        let mut detail = Map::new();
        detail.insert("name".to_owned(), called.name.into());
        detail.insert("session".to_owned(), session_id.as_str().into());
        detail.insert("call".to_owned(), call_id.as_str().into());
        if !chain.is_empty() {
            detail.insert("chain".to_owned(), json!(chain));
        }
        let kind = if called.kind == CallKind::Auth { "auth" } else { called.what() };
        Self { audit, plugin: plugin.cloned(), kind, detail, begin: Instant::now(), outcome: None }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Some(audit) = &self.audit else { return };
        let (mut detail, kind, plugin) = (std::mem::take(&mut self.detail), self.kind, self.plugin.clone());
        let (outcome, took) = (self.outcome.take(), self.begin.elapsed());
        audit.record_later(Box::new(move || {
            let word = match &outcome {
                None => "dropped",
                Some(Ok(())) => "ok",
                Some(Err(error)) => error.outcome(),
            };
            detail.insert("ok".to_owned(), matches!(outcome, Some(Ok(()))).into());
            detail.insert("outcome".to_owned(), word.into());
            if let Some(Err(error)) = outcome {
                // What it says may repeat what the tool was asked
                detail.insert("reason".to_owned(), redacted_text(&error.to_string()).into());
            }
            detail.insert("ms".to_owned(), json!(took.as_secs_f64() * 1e3));
            AuditRecord {
                plugin: plugin.map(|plugin| plugin.to_string()),
                kind: kind.to_owned(),
                detail: Value::Object(detail),
            }
        }));
    }
}
