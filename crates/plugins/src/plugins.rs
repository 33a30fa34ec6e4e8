use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mimir_api::{Redaction, Registrations};
use mimir_hooks::Hooks;
use mimir_loader::PluginLoader;
use mimir_registry::{
    Background, Emission, Envelope, EventBus, PluginRecord, PluginRegistry, Subscriber, Subscription, SubscriptionId,
};
use mimir_sandbox::{CapabilityControl, PluginSandbox, SandboxStats};
use mimir_shared_config::{Config, EventName, PluginId};
use mimir_shared_platform::{AuditLog, AuditRecord};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;

use crate::adapters::emit::BusEmit;
use crate::adapters::host_calls::ContextCalls;
use crate::adapters::subscriber::SandboxedPlugin;
use crate::auth::Tokens;
use crate::recording::Tape;
use crate::report::{Report, Reports};
use crate::trace::{self, Traced};
use crate::{PluginsBuilder, PluginsError};

/// The plugin system of one run: plugins are loaded and subscribed, and start at their first event.
///
/// A clone is another handle to the same system. When the last one goes, so do the sandbox processes;
/// [`Plugins::shutdown`] lets plugins finish first.
#[derive(Clone)]
pub struct Plugins(pub(crate) Arc<System>);

pub(crate) struct System {
    pub(crate) bus: EventBus,
    pub(crate) registry: Arc<PluginRegistry>,
    pub(crate) sandbox: Arc<PluginSandbox>,
    pub(crate) control: Arc<CapabilityControl>,
    pub(crate) calls: Arc<ContextCalls>,
    pub(crate) running: HashMap<PluginId, Arc<SandboxedPlugin>>,
    pub(crate) order: Vec<PluginId>,
    /// Plugins that only observe, so that they add nothing.
    pub(crate) observed: HashSet<PluginId>,
    pub(crate) loader: PluginLoader,
    pub(crate) config: Config,
    pub(crate) reports: Reports,
    pub(crate) audit: Option<Arc<dyn AuditLog>>,
    pub(crate) tape: Option<Arc<Tape>>,
    pub(crate) redaction: Redaction,
    pub(crate) tokens: Tokens,
}

impl Drop for System {
    fn drop(&mut self) {
        // What plugins write raises events, so their host's side holds the bus, which holds the plugins.
        self.bus.close();
        if let Some(tape) = &self.tape {
            tape.finish();
        }
    }
}

impl System {
    /// Puts on record what was decided about a plugin for this run.
    fn record(&self, plugin: &PluginId, kind: &str) {
        if let Some(audit) = &self.audit {
            audit.record(AuditRecord::new(plugin.as_str(), kind, json!({ "where": "this run" })));
        }
    }
}

/// What the bus must know of a payload.
#[derive(Deserialize)]
struct Addressed<'a> {
    #[serde(rename = "sessionId", default, borrow)]
    session_id: Option<Cow<'a, str>>,
}

impl Plugins {
    /// Sets up a plugin system.
    pub fn builder() -> PluginsBuilder {
        PluginsBuilder::default()
    }

    /// Delivers an event with this payload, a JSON object as text, and waits for what the plugins answer.
    ///
    /// # Errors
    /// If the payload is no JSON object.
    pub async fn emit(&self, event: EventName, payload: impl Into<Arc<str>>) -> Result<Emission, PluginsError> {
        let envelope = envelope(event, payload.into())?;
        Ok(self.0.bus.emit(envelope).await)
    }

    /// Like [`Plugins::emit`], and tells each plugin's own part in it.
    ///
    /// # Errors
    /// If the payload is no JSON object.
    pub async fn emit_traced(&self, event: EventName, payload: impl Into<Arc<str>>) -> Result<Traced, PluginsError> {
        let envelope = envelope(event, payload.into())?;
        Ok(trace::watch(self.0.bus.emit(envelope)).await)
    }

    /// Like [`Plugins::emit_traced`], for an event that host calls of these plugins led to, the first cause first: none of them
    /// gets it.
    ///
    /// # Errors
    /// If the payload is no JSON object.
    pub async fn emit_traced_for(
        &self,
        cause: impl IntoIterator<Item = PluginId>,
        event: EventName,
        payload: impl Into<Arc<str>>,
    ) -> Result<Traced, PluginsError> {
        let envelope = envelope(event, payload.into())?.caused_by(cause.into_iter().collect());
        Ok(trace::watch(self.0.bus.emit(envelope)).await)
    }

    /// Delivers an event in the background, to each plugin in the order of emission. What is given back may be awaited.
    ///
    /// # Errors
    /// If the payload is no JSON object.
    pub fn emit_background(&self, event: EventName, payload: impl Into<Arc<str>>) -> Result<Background, PluginsError> {
        let envelope = envelope(event, payload.into())?;
        Ok(self.0.bus.emit_background(envelope))
    }

    /// The typed way to raise events, for the agent's features.
    pub fn hooks(&self) -> Hooks {
        Hooks::new(Arc::new(BusEmit(self.0.bus.clone())))
    }

    /// Delivers events to Rust code as well.
    pub fn subscribe(&self, subscription: Subscription, subscriber: Arc<dyn Subscriber>) -> SubscriptionId {
        self.0.bus.subscribe(subscription, subscriber)
    }

    /// Ends a subscription of Rust code. Tells whether there was one.
    pub fn unsubscribe(&self, id: SubscriptionId) -> bool {
        self.0.bus.unsubscribe(id)
    }

    /// The plugins that are loaded and may run, in the order in which they are asked.
    pub fn running(&self) -> &[PluginId] {
        &self.0.order
    }

    /// The tools, commands and auth providers that a plugin adds. Starts it if it never ran.
    ///
    /// # Errors
    /// If no plugin of this name may run, or it does not start.
    pub async fn registrations(&self, plugin: &PluginId) -> Result<&Registrations, PluginsError> {
        let not_running = || PluginsError::NotRunning { plugin: plugin.clone() };
        let running = self.0.running.get(plugin).ok_or_else(not_running)?;
        running.registrations().await.map_err(|failure| PluginsError::NotStarted { plugin: plugin.clone(), failure })
    }

    /// Every plugin that is loaded, and its state.
    pub fn list(&self) -> Vec<PluginRecord> {
        self.0.registry.list()
    }

    /// What the layers of configuration came to.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// What finds and bundles plugins, and keeps grants and trust.
    pub fn loader(&self) -> &PluginLoader {
        &self.0.loader
    }

    /// The last few hundred things that the user should know, without what plugins log for information.
    pub fn reports(&self) -> Vec<Report> {
        self.0.reports.all()
    }

    /// What runs right now.
    pub async fn stats(&self) -> SandboxStats {
        self.0.sandbox.stats().await
    }

    /// Ends a quarantine, or makes a plugin active again that was switched off in this run.
    ///
    /// # Errors
    /// If it is not loaded, or its state can't be kept.
    pub async fn enable(&self, plugin: &PluginId) -> Result<(), PluginsError> {
        self.0.registry.enable(plugin).await.map_err(PluginsError::Registry)?;
        self.0.record(plugin, "enable");
        Ok(())
    }

    /// Switches a plugin off for this run: its isolate goes, and what it was granted with it.
    ///
    /// # Errors
    /// If it is not loaded.
    pub async fn disable(&self, plugin: &PluginId) -> Result<(), PluginsError> {
        self.0.registry.disable(plugin).map_err(PluginsError::Registry)?;
        if let Some(running) = self.0.running.get(plugin) {
            running.dispose().await;
        }
        self.0.control.revoke(plugin);
        self.0.record(plugin, "disable");
        Ok(())
    }

    /// Tells whoever has an event at hand that the user interrupted.
    pub fn interrupt(&self) {
        self.0.bus.interrupt();
    }

    /// Waits until no background event is under way.
    pub async fn drain(&self) {
        self.0.bus.drain().await;
    }

    /// Delivers what is under way, disposes of all plugins, ends the sandbox processes, and writes the audit log.
    pub async fn shutdown(&self) {
        self.drain().await;
        // At once: one that does not come back from its `dispose` must not make the others late
        let plugins = self.0.running.values().filter(|plugin| plugin.was_wanted()).cloned();
        plugins.map(|plugin| async move { plugin.dispose().await }).collect::<JoinSet<()>>().join_all().await;
        self.0.calls.settled().await;
        self.stop();
    }

    /// Ends the sandbox processes at once. Calls under way are answered as lost.
    pub fn stop(&self) {
        self.0.sandbox.shutdown();
        if let Some(tape) = &self.0.tape {
            tape.finish();
        }
        if let Some(audit) = &self.0.audit
            && let Err(error) = audit.close()
        {
            self.0.reports.push(Report::audit_lost(&error));
        }
    }
}

fn envelope(event: EventName, payload: Arc<str>) -> Result<Envelope, PluginsError> {
    let invalid = |source| PluginsError::Payload { event, source };
    if !payload.trim_start().starts_with('{') {
        return Err(invalid(serde::de::Error::custom("it starts with no `{`")));
    }
    let session_id: Arc<str> = match serde_json::from_str::<Addressed<'_>>(&payload) {
        Ok(addressed) => addressed.session_id.unwrap_or_default().into(),
        // A session id of another type is unusual data, and no reason not to show the event to the plugins
        Err(error) if error.is_data() => Arc::default(),
        Err(error) => return Err(invalid(error)),
    };
    Ok(Envelope::new(event, payload, session_id))
}
