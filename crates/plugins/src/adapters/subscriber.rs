use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mimir_api::Registrations;
use mimir_commands::with_causes;
use mimir_loader::{LoadError, LoadedPlugin, PluginLoader};
use mimir_registry::{Delivery, Envelope, Failure, FailureKind, PluginRegistry, Reply, Subscriber};
use mimir_sandbox::{
    Call, CallFailure, CallKind, CallOrigin, CallReply, PluginHandle, PluginImage, PluginSandbox, Thrown,
};
use mimir_shared_config::{EventName, Limits};
use mimir_shared_platform::{AuditLog, AuditRecord};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::declared::Declared;
use super::failure::failure_of;
use crate::recording::Tape;
use crate::report::{Report, Reports};

/// A plugin in its isolate: the bus's [`Subscriber`], and what it adds to the agent.
pub(crate) struct SandboxedPlugin {
    plugin: Arc<LoadedPlugin>,
    equipment: Equipment,
    around: Arc<Around>,
    /// The plugin in its sandbox, once its code was wanted.
    handle: OnceCell<PluginHandle>,
    /// What it returned at its first start.
    registrations: OnceCell<Registrations>,
    /// Where that is kept between runs, if it is.
    declared: Option<Declared>,
    /// What it returned in an earlier run.
    remembered: OnceCell<Option<Registrations>>,
    /// Whether it was asked since it was last told to retire.
    is_awake: AtomicBool,
    /// Whether it did not start when somebody only wanted to know what it adds.
    is_hopeless: AtomicBool,
}

/// What all plugins of a run share.
pub(crate) struct Around {
    /// The sandbox ends with the run, whoever still holds a plugin.
    pub(crate) sandbox: Weak<PluginSandbox>,
    pub(crate) loader: PluginLoader,
    pub(crate) registry: Arc<PluginRegistry>,
    pub(crate) reports: Reports,
    pub(crate) audit: Option<Arc<dyn AuditLog>>,
    pub(crate) tape: Option<Arc<Tape>>,
}

/// With what a plugin runs, beside its code.
pub(crate) struct Equipment {
    /// What it sees of its surroundings, JSON text.
    pub(crate) context: Arc<str>,
    pub(crate) limits: Limits,
    pub(crate) wasm: bool,
    /// Which plugins it may share a process with.
    pub(crate) group: Arc<str>,
}

/// What the sandbox's own script is called in stack traces.
const PRELUDE: &str = "mimir:prelude";

/// The events' names, shared by all calls.
static NAMES: LazyLock<[Arc<str>; EventName::ALL.len()]> =
    LazyLock::new(|| EventName::ALL.map(|name| name.as_str().into()));

#[derive(Deserialize)]
struct Reason {
    reason: Option<String>,
}

/// What the prelude makes of a handler's answer.
#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    changed: Option<Map<String, Value>>,
}

/// `null` is a value too: the handler returned something.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[async_trait]
impl Subscriber for SandboxedPlugin {
    /// Its code is read while other plugins' is, which may be large: a guard that waited for those would not be asked in
    /// time. What goes wrong with it shows when it is asked.
    async fn prepare(&self) {
        if !self.handle.initialized() && self.plugin.code().is_none() {
            drop(self.around.loader.code(&self.plugin).await);
        }
    }

    async fn deliver(&self, envelope: &Envelope) -> Delivery {
        let call = Call {
            kind: CallKind::Event,
            name: Arc::clone(&NAMES[envelope.name as usize]),
            payload: Arc::clone(&envelope.payload),
            origin: CallOrigin {
                chain: envelope.cause.chain().into(),
                session_id: Arc::clone(&envelope.session_id),
                auth: None,
                event: envelope.number,
            },
        };
        let _at_hand = self.around.tape.as_ref().map(|tape| tape.delivered(&self.plugin.id, envelope.number));
        self.is_awake.store(true, Ordering::Relaxed);
        let begin = Instant::now();
        if let Err(failure) = self.registrations().await {
            return Delivery { elapsed: begin.elapsed(), ..Delivery::unmeasured(Err(failure)) };
        }
        let CallReply { result, cpu, heap_peak, .. } = self.call(&call).await;
        let reply = match result {
            Ok(answer) => read(&answer),
            Err(CallFailure::Threw(thrown)) => {
                Ok(Reply::Threw { message: message(&thrown), stack: self.stack(&thrown) })
            }
            Err(failure) => Err(self.failure(&failure)),
        };
        // Zero would mean that it was not measured
        let elapsed = begin.elapsed().max(Duration::from_nanos(1));
        Delivery { reply, elapsed, cpu, heap_peak }
    }

    /// Its timers would go on without it ever being asked again.
    fn retire(&self) {
        if self.is_awake.swap(false, Ordering::Relaxed)
            && let Some(handle) = self.handle.get().cloned()
        {
            tokio::spawn(async move { handle.dispose().await });
        }
    }

    fn wants(&self, envelope: &Envelope) -> bool {
        let selectors = self.plugin.manifest.events.iter().filter(|selector| selector.name == envelope.name);
        let (mut wants_some, mut wants_all) = (false, false);
        for selector in selectors {
            wants_some = true;
            wants_all |= !selector.only_completed;
        }
        if wants_all || !wants_some {
            return wants_all;
        }
        let reason = serde_json::from_str::<Reason>(&envelope.payload).ok().and_then(|payload| payload.reason);
        self.plugin.manifest.selects(envelope.name, reason.as_deref())
    }
}

fn read(answer: &str) -> Result<Reply, Failure> {
    // Most handlers have nothing to say.
    if answer == "{}" {
        return Ok(Reply::NOTHING);
    }
    match serde_json::from_str(answer) {
        Ok(Answer { value, changed }) => Ok(Reply::Returned { value, changed }),
        Err(error) => Err(Failure::new(FailureKind::Invalid, format!("its answer can't be read: {error}"))),
    }
}

impl SandboxedPlugin {
    pub(crate) fn new(
        plugin: Arc<LoadedPlugin>,
        equipment: Equipment,
        declared: Option<Declared>,
        around: Arc<Around>,
    ) -> Self {
        Self {
            plugin,
            equipment,
            around,
            handle: OnceCell::new(),
            registrations: OnceCell::new(),
            declared,
            remembered: OnceCell::new(),
            is_awake: AtomicBool::new(false),
            is_hopeless: AtomicBool::new(false),
        }
    }

    /// What it returned at its start. Starts it if it never ran.
    pub(crate) async fn registrations(&self) -> Result<&Registrations, Failure> {
        self.registrations.get_or_try_init(|| self.start()).await
    }

    /// What it returned at its start, in this run or else in an earlier one, if that is known without starting it.
    pub(crate) async fn known(&self) -> Option<&Registrations> {
        if let Some(registrations) = self.registrations.get() {
            return Some(registrations);
        }
        let remember = async || {
            let declared = self.declared.as_ref()?.get()?;
            Registrations::from_json(&declared, &self.plugin.manifest).ok()
        };
        self.remembered.get_or_init(remember).await.as_ref()
    }

    /// Whether it need not be started again to know what it adds.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.is_hopeless.load(Ordering::Relaxed)
    }

    /// Starts it no more to know what it adds. Its events and calls still do.
    pub(crate) fn give_up(&self) {
        self.is_hopeless.store(true, Ordering::Relaxed);
    }

    /// Calls a tool or a command of its, which has to be one that it has.
    pub(crate) async fn call(&self, call: &Call) -> CallReply {
        self.is_awake.store(true, Ordering::Relaxed);
        match self.handle().await {
            Ok(handle) => handle.call(call).await,
            Err(failure) => {
                let failure = CallFailure::Unavailable { reason: failure.message };
                CallReply { result: Err(failure), cpu: Duration::ZERO, wall: Duration::ZERO, heap_peak: 0 }
            }
        }
    }

    /// The plugin in its sandbox. Its code is fetched at the first time, and verified to be what was granted.
    async fn handle(&self) -> Result<&PluginHandle, Failure> {
        let put_in = async || {
            let code = self.around.loader.code(&self.plugin).await.map_err(|error| self.suspend(&error))?;
            let gone = || Failure::new(FailureKind::Unavailable, "the run is over".to_owned());
            let sandbox = self.around.sandbox.upgrade().ok_or_else(gone)?;
            let Equipment { context, limits, wasm, group } = &self.equipment;
            Ok(sandbox.plugin(PluginImage {
                id: self.plugin.id.clone(),
                code,
                context: Arc::clone(context),
                limits: limits.clone(),
                wasm: *wasm,
                group: Arc::clone(group),
            }))
        };
        self.handle.get_or_try_init(put_in).await
    }

    /// Its code is not to be had, or is not what was granted: it does not run any more, as if it could not have been loaded.
    fn suspend(&self, error: &LoadError) -> Failure {
        let (id, reason) = (&self.plugin.id, with_causes(error));
        if !matches!(error, LoadError::Interrupted) {
            // Not registered is what only a plugin is that nobody asks any more
            let _ = self.around.registry.mark_failed(id, reason.clone());
            self.around.reports.push(Report::not_loaded(Some(id), error));
            if let Some(audit) = &self.around.audit {
                audit.record(AuditRecord::new(id.as_str(), "refused", json!({ "reason": reason })));
            }
        }
        Failure::new(FailureKind::Unavailable, reason)
    }

    /// What it threw, in words, and where, in a line of what the author wrote.
    pub(crate) fn threw(&self, thrown: &Thrown) -> (String, Option<String>) {
        threw_in(thrown, |stack| self.plugin.map_stack(stack))
    }

    /// Calls its `dispose` and frees its isolate, if it runs. The next event starts it anew.
    pub(crate) async fn dispose(&self) {
        if let Some(handle) = self.handle.get() {
            handle.dispose().await;
        }
    }

    /// Whether there is anything to dispose of.
    pub(crate) fn was_wanted(&self) -> bool {
        self.handle.initialized()
    }

    /// Starts it, and says what its author should know about what it returned.
    async fn start(&self) -> Result<Registrations, Failure> {
        let declared = self.handle().await?.declared().await.map_err(|failure| self.failure(&failure))?;
        let manifest = &self.plugin.manifest;
        let registrations = match Registrations::from_json(&declared, manifest) {
            Ok(registrations) => registrations,
            Err(error) => {
                self.dispose().await;
                return Err(Failure::new(FailureKind::Startup, format!("it could not start: {}", error.message)));
            }
        };
        let id = &self.plugin.id;
        for warning in &registrations.warnings {
            self.around.reports.push(Report::slip(id, warning.clone(), None));
        }
        for event in manifest.events.iter().filter(|event| !registrations.events.contains(&event.name)) {
            let message = format!("plugin.yml lists `{event}`, and there is no handler for it");
            self.around.reports.push(Report::slip(id, message, Some(format!("remove `{event}` from `events`"))));
        }
        if let Some(kept) = &self.declared
            && kept.put(&declared).await
        {
            let message = "adds something else than at its last start, with the same content and settings";
            let hint = "let what it adds depend on nothing but `ctx.config`, `ctx.project` and `process.env`";
            self.around.reports.push(Report::slip(id, message.to_owned(), Some(hint.to_owned())));
        }
        Ok(registrations)
    }

    /// The stack in lines of what the author wrote.
    fn stack(&self, thrown: &Thrown) -> Option<String> {
        stack(thrown, |stack| self.plugin.map_stack(stack))
    }

    pub(crate) fn failure(&self, failure: &CallFailure) -> Failure {
        failure_in(failure, |stack| self.plugin.map_stack(stack))
    }
}

/// The stack in lines of what the author wrote, which `map` makes of the bundle's. Frames of ours say nothing to the author.
fn stack(thrown: &Thrown, map: impl Fn(&str) -> String) -> Option<String> {
    let stack = map(thrown.stack.as_deref()?);
    let own: Vec<_> = stack.lines().filter(|line| !line.contains(PRELUDE)).collect();
    Some(own.join("\n"))
}

/// What was thrown, in words, and where, in a line of what the author wrote.
pub(crate) fn threw_in(thrown: &Thrown, map: impl Fn(&str) -> String) -> (String, Option<String>) {
    (message(thrown), stack(thrown, map).and_then(|stack| innermost(&stack)))
}

/// The registry's word for a failure, with the author's line where the plugin did not start.
pub(crate) fn failure_in(failure: &CallFailure, map: impl Fn(&str) -> String) -> Failure {
    let CallFailure::Start(thrown) = failure else { return failure_of(failure) };
    let (message, at) = threw_in(thrown, map);
    let at = at.map(|at| format!(" ({at})")).unwrap_or_default();
    Failure::new(FailureKind::Startup, format!("it could not start: {message}{at}"))
}

/// What was thrown, in words. That it is an `Error` says nothing; that it is a `TypeError` hints at a mistake.
fn message(thrown: &Thrown) -> String {
    match thrown.name.as_str() {
        "Error" | "MimirError" => thrown.message.clone(),
        name => format!("{name}: {}", thrown.message),
    }
}

fn innermost(stack: &str) -> Option<String> {
    stack.lines().map(str::trim).find(|line| line.starts_with("at ")).map(str::to_owned)
}
