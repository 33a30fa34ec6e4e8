use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use mimir_api::{
    ApiLimits, Asker, ContextPorts, ContextSettings, HostRequest, LogLevel, LogLine, Models, Origin, PluginContext,
    PluginProfile, Redaction, ToolCatalog,
};
use mimir_registry::{EventBus, PluginRegistry};
use mimir_sandbox::{CallFailure, CallOrigin, CapabilityControl, HostCall, HostCallError, HostCalls, LayerReport};
use mimir_shared_config::{InvalidPluginId, PluginId, PluginIdentity};
use mimir_shared_platform::{
    AuditLog, AuditRecord, Clock, DockerEngine, HostProcesses, Level, ReqwestClient, SystemClock, Trampoline,
};
#[cfg(feature = "test-hooks")]
use mimir_shared_providers::LlmProvider;
use mimir_shared_providers::PriceTable;
use parking_lot::{Mutex, RwLock};
use serde_json::{Map, json};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::audit::NoAudit;
use super::browser::SystemBrowser;
use super::event_sink::BusEvents;
use super::failure::failure_of;
use super::gate::ControlGate;
use super::log_sink::ReportedLogs;
use super::notifier::ReportedNotices;
use super::secret_store::UserSecrets;
use super::session_view::NoSessions;
use crate::PluginsError;
use crate::builder::Prepared;
use crate::recording::Tape;
use crate::report::{Report, ReportKind, Reports};

/// The sandbox's [`HostCalls`] over the [`PluginContext`].
pub(crate) struct ContextCalls {
    context: PluginContext,
    /// Who each plugin is. A plugin that is not in here has no host.
    profiles: RwLock<HashMap<PluginId, Arc<PluginProfile>>>,
    /// The isolates of custom tools, and the tools' names. They have no capabilities, and no host but for what they log.
    tools: RwLock<HashMap<PluginId, String>>,
    registry: Arc<PluginRegistry>,
    runtime: Handle,
    /// Failures that are being counted: to write a quarantine takes a moment, and the sandbox must not wait for it.
    counting: Mutex<JoinSet<()>>,
    reports: Reports,
    audit: Arc<dyn AuditLog>,
    tape: Option<Arc<Tape>>,
    /// What plugins logged that are being asked for a token, which is not known before they have answered.
    held: Mutex<HashMap<PluginId, Held>>,
}

/// No more lines of a plugin are held back; further ones are lost.
const HELD: usize = 256;

#[derive(Default)]
struct Held {
    /// How many answers are awaited.
    awaited: usize,
    lines: Vec<(Origin, LogLine)>,
}

/// Holds back what a plugin logs until this is dropped.
pub(crate) struct Hold<'a> {
    calls: &'a ContextCalls,
    plugin: PluginId,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut held = self.calls.held.lock();
        let Some(of_plugin) = held.get_mut(&self.plugin) else { return };
        of_plugin.awaited -= 1;
        if of_plugin.awaited > 0 {
            return;
        }
        let lines = held.remove(&self.plugin).unwrap_or_default().lines;
        drop(held);
        if let Some(profile) = self.calls.profile(&self.plugin) {
            lines.into_iter().for_each(|(origin, line)| self.calls.context.log(&profile, &origin, line));
        }
    }
}

/// What is kept of the calls.
pub(crate) struct Traces {
    pub(crate) audit: Option<Arc<dyn AuditLog>>,
    pub(crate) redaction: Redaction,
    pub(crate) tape: Option<Arc<Tape>>,
}

impl ContextCalls {
    pub(crate) fn new(
        prepared: &Prepared,
        control: &Arc<CapabilityControl>,
        bus: &EventBus,
        registry: &Arc<PluginRegistry>,
        reports: &Reports,
        traces: Traces,
    ) -> Result<Self, PluginsError> {
        let Traces { audit, redaction, tape } = traces;
        let Prepared { settings, surroundings, files, .. } = prepared;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let audit = audit.unwrap_or_else(|| Arc::new(NoAudit));
        let environment = surroundings.environment.iter().map(|(name, value)| (name.into(), value.into()));
        let trampoline = settings.helper.as_ref().map_or_else(Trampoline::current_exe, Trampoline::at);
        let ports = ContextPorts {
            gate: Arc::new(ControlGate(Arc::clone(control))),
            files: Arc::clone(files),
            processes: Arc::new(HostProcesses::new(environment).with_trampoline(trampoline)),
            http: Arc::new(ReqwestClient::new()),
            secrets: Arc::new(UserSecrets {
                environment: surroundings.environment.clone(),
                file: surroundings.places.home.join("secrets.yml"),
            }),
            docker: Arc::new(DockerEngine::new(surroundings.variable("DOCKER_HOST"))),
            models: models(prepared),
            tools: tools(prepared, bus),
            asker: asker(prepared),
            browser: Some(Arc::new(SystemBrowser)),
            clock: Arc::clone(&clock),
            notifier: Arc::new(ReportedNotices(reports.clone())),
            audit: Arc::clone(&audit),
            sessions: settings.sessions.clone().unwrap_or_else(|| Arc::new(NoSessions)),
            events: Arc::new(BusEvents { bus: bus.clone(), clock, root: surroundings.places.project.clone() }),
            logs: Arc::new(ReportedLogs(reports.clone())),
        };
        let settings = ContextSettings {
            project_root: surroundings.places.project.clone(),
            storage: surroundings.places.home.join("storage"),
            limits: ApiLimits::default(),
            effects: settings.effects.clone(),
        };
        let context = PluginContext::with_redaction(ports, settings, redaction).map_err(PluginsError::Context)?;
        Ok(Self {
            context,
            profiles: RwLock::default(),
            tools: RwLock::default(),
            registry: Arc::clone(registry),
            runtime: Handle::current(),
            counting: Mutex::default(),
            reports: reports.clone(),
            audit,
            tape,
            held: Mutex::default(),
        })
    }

    /// Lets a plugin make host calls from now on.
    pub(crate) fn admit(&self, id: PluginId, identity: PluginIdentity) {
        self.profiles.write().insert(id.clone(), Arc::new(PluginProfile { id, identity }));
    }

    /// Takes note of a custom tool, under an id that is nobody else's. Gives the id.
    pub(crate) fn admit_tool(&self, name: &str) -> Result<PluginId, InvalidPluginId> {
        let (profiles, mut tools) = (self.profiles.read(), self.tools.write());
        let part: String =
            name.chars().map(|c| if is_plain(c) { c.to_ascii_lowercase() } else { '-' }).take(64).collect();
        let ids = (1_u64..).map(|number| PluginId::new(format!("@mimir-custom-tools/{part}.{number}")));
        // A name that is none ends the search, and there are more numbers than tools
        let is_free = |id: &PluginId| !profiles.contains_key(id) && !tools.contains_key(id);
        let mut ids = ids.filter(|id| id.as_ref().map_or(true, is_free));
        let id = ids.next().unwrap_or_else(|| PluginId::new(name))?;
        drop(ids);
        tools.insert(id.clone(), name.to_owned());
        Ok(id)
    }

    /// Forgets a custom tool.
    pub(crate) fn dismiss_tool(&self, id: &PluginId) {
        self.tools.write().remove(id);
    }

    /// Keeps a plugin from changing files of the project: it only observes.
    pub(crate) fn observe(&self, id: PluginId) {
        self.context.observe(id);
    }

    /// Holds back what a plugin logs, as long as it may say what nobody knows yet to be secret.
    pub(crate) fn hold(&self, plugin: &PluginId) -> Hold<'_> {
        self.held.lock().entry(plugin.clone()).or_default().awaited += 1;
        Hold { calls: self, plugin: plugin.clone() }
    }

    /// Waits until every failure so far is counted.
    pub(crate) async fn settled(&self) {
        let counting = std::mem::take(&mut *self.counting.lock());
        counting.join_all().await;
    }

    fn profile(&self, plugin: &PluginId) -> Option<Arc<PluginProfile>> {
        self.profiles.read().get(plugin).cloned()
    }
}

#[async_trait]
impl HostCalls for ContextCalls {
    async fn call(&self, call: HostCall) -> Result<String, HostCallError> {
        let HostCall { plugin, origin, op, args } = call;
        if let Some(tool) = self.tools.read().get(&plugin) {
            return Err(without_host(tool, &op));
        }
        let Some(plugin) = self.profile(&plugin) else { return Err(unknown(&plugin)) };
        let event = origin.as_ref().map(|origin| origin.event);
        let recorded = self.tape.as_ref().and_then(|tape| tape.call(&plugin.id, event, &op, &args));
        let request = HostRequest { plugin, origin: origin_of(origin), op: &op, args: &args };
        match self.context.call(request).await {
            Ok(value) => {
                if let Some(recorded) = recorded {
                    recorded.answered(&value);
                }
                Ok(value.to_string())
            }
            Err(error) => {
                if let Some(recorded) = recorded {
                    recorded.failed(error.code, &error.message);
                }
                Err(HostCallError {
                    code: error.code.as_str().to_owned(),
                    message: error.message,
                    capability: error.capability,
                    hint: error.hint,
                })
            }
        }
    }

    fn log(&self, line: mimir_sandbox::LogLine) {
        if let Some(tool) = self.tools.read().get(&line.plugin) {
            let level = if matches!(line.level, "warn" | "error") { Level::Warning } else { Level::Info };
            return self.reports.push(Report::of_tool(tool, level, ReportKind::Log, &line.message));
        }
        let Some(profile) = self.profile(&line.plugin) else { return };
        let level = match line.level {
            "debug" => LogLevel::Debug,
            "warn" => LogLevel::Warn,
            "error" => LogLevel::Error,
            _ => LogLevel::Info,
        };
        let origin = origin_of(line.origin);
        let logged = LogLine { level, message: line.message, fields: Map::new() };
        if let Some(held) = self.held.lock().get_mut(&line.plugin) {
            if held.lines.len() < HELD {
                held.lines.push((origin, logged));
            }
            return;
        }
        self.context.log(&profile, &origin, logged);
    }

    fn failed(&self, plugin: &PluginId, failure: &CallFailure) {
        if let Some(tool) = self.tools.read().get(plugin) {
            let message = format!("failed outside of any call: {}", failure_of(failure));
            return self.reports.push(Report::of_tool(tool, Level::Error, ReportKind::FailedAlone, &message));
        }
        let (registry, plugin, failure) = (Arc::clone(&self.registry), plugin.clone(), failure_of(failure));
        let mut counting = self.counting.lock();
        // Those that are done need no place any more
        while counting.try_join_next().is_some() {}
        counting.spawn_on(async move { registry.record_failure_alone(&plugin, &failure).await }, &self.runtime);
    }

    fn gone(&self, plugin: &PluginId) {
        self.context.forget_open(plugin);
    }

    fn process_ended(&self, plugins: &[PluginId], reason: &str) {
        let plugins: Vec<&str> = plugins.iter().map(PluginId::as_str).collect();
        let detail = json!({ "plugins": plugins, "reason": reason });
        self.audit.record(AuditRecord { plugin: None, kind: "process-ended".to_owned(), detail });
    }

    fn unsealed(&self, missing: &[LayerReport]) {
        let layers: Map<_, _> =
            missing.iter().map(|report| (report.layer.name().to_owned(), report.detail.clone().into())).collect();
        self.audit.record(AuditRecord { plugin: None, kind: "unsealed".to_owned(), detail: layers.into() });
        self.reports.push(Report::unsealed(missing));
    }
}

/// Who answers `ctx.llm`, at the list prices.
fn models(prepared: &Prepared) -> Option<Models> {
    let provider = prepared.settings.llm.clone();
    #[cfg(feature = "test-hooks")]
    let provider = provider.or_else(|| prepared.surroundings.variable("MIMIR_TEST_LLM").map(scripted));
    Some(Models { provider: provider?, prices: Arc::new(PriceTable::builtin().clone()) })
}

/// A provider that says what a test wants, and uses a thousand tokens for it.
#[cfg(feature = "test-hooks")]
fn scripted(answer: &str) -> Arc<dyn LlmProvider> {
    use mimir_shared_providers::{ScriptedAnswer, ScriptedProvider, Usage};
    Arc::new(ScriptedProvider::repeating(ScriptedAnswer::new(answer, Usage::new(10, 1_000))))
}

/// The agent's tools.
fn tools(prepared: &Prepared, bus: &EventBus) -> Option<Arc<dyn ToolCatalog>> {
    let tools = prepared.settings.tools.clone();
    #[cfg(feature = "test-hooks")]
    let tools = tools.or_else(|| Some(super::testing::tools(prepared.surroundings.variable("MIMIR_TEST_TOOLS")?, bus)));
    #[cfg(not(feature = "test-hooks"))]
    let _ = bus;
    tools
}

/// Whoever puts questions to the person.
fn asker(prepared: &Prepared) -> Option<Arc<dyn Asker>> {
    let asker = prepared.settings.asker.clone();
    #[cfg(feature = "test-hooks")]
    let asker = asker.or_else(|| prepared.surroundings.variable("MIMIR_TEST_PERSON").map(super::testing::person));
    asker
}

fn origin_of(origin: Option<CallOrigin>) -> Origin {
    let Some(CallOrigin { chain, session_id, auth, .. }) = origin else { return Origin::default() };
    Origin { chain, session_id: (!session_id.is_empty()).then_some(session_id), auth }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn without_host(tool: &str, op: &str) -> HostCallError {
    HostCallError {
        code: "CAPABILITY_DENIED".to_owned(),
        message: format!("{op} is denied: the custom tool `{tool}` runs without any capability"),
        capability: None,
        hint: Some("make a plugin of it, which can ask for capabilities, or let it run in a container".to_owned()),
    }
}

fn unknown(plugin: &PluginId) -> HostCallError {
    HostCallError {
        code: "UNSUPPORTED".to_owned(),
        message: format!("`{plugin}` is not loaded"),
        capability: None,
        hint: None,
    }
}
