use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use mimir_loader::LoadedPlugin;
use mimir_registry::{Delivery, Envelope, Failure, FailureKind, Reply, Subscriber};
use mimir_sandbox::{Call, CallFailure, CallKind, CallOrigin, CallReply, PluginHandle, Thrown};
use mimir_shared_config::{EventName, EventSelector};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::failure::failure_of;
use crate::report::{Report, Reports};

/// The bus's [`Subscriber`] over a plugin in its isolate.
pub(crate) struct SandboxedPlugin {
    handle: PluginHandle,
    plugin: Arc<LoadedPlugin>,
    reports: Reports,
    /// Whether what the plugin returned at its start was compared with its manifest.
    is_compared: AtomicBool,
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

/// What a plugin returned at its start, as far as it matters here.
#[derive(Deserialize)]
struct Declared {
    events: Vec<String>,
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
    async fn deliver(&self, envelope: &Envelope) -> Delivery {
        let call = Call {
            kind: CallKind::Event,
            name: Arc::clone(&NAMES[envelope.name as usize]),
            payload: Arc::clone(&envelope.payload),
            origin: CallOrigin { chain: envelope.cause.chain().into(), session_id: Arc::clone(&envelope.session_id) },
        };
        let CallReply { result, cpu, wall, heap_peak } = self.handle.call(&call).await;
        let reply = match result {
            Ok(answer) => {
                self.compare().await;
                read(&answer)
            }
            Err(failure) => self.failed(&failure),
        };
        // Zero would mean that it was not measured
        let elapsed = wall.max(Duration::from_nanos(1));
        Delivery { reply, elapsed, cpu, heap_peak }
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
    pub(crate) fn new(handle: PluginHandle, plugin: Arc<LoadedPlugin>, reports: Reports) -> Self {
        Self { handle, plugin, reports, is_compared: AtomicBool::new(false) }
    }

    /// Compares the handlers with the manifest, once: one that is not listed is never called, and a listed event without
    /// a handler does nothing. Both are most often a slip of the author's.
    async fn compare(&self) {
        if self.is_compared.swap(true, Ordering::Relaxed) {
            return;
        }
        let Ok(declared) = self.handle.declared().await else { return };
        let Ok(Declared { events }) = serde_json::from_str(&declared) else { return };
        let listed: Vec<_> = self.plugin.manifest.events.iter().map(|selector| selector.as_str()).collect();
        let id = &self.plugin.id;
        for event in events.iter().filter(|event| !listed.contains(&event.as_str())) {
            let is_known = EventSelector::names().any(|name| name == event);
            let (message, hint) = if is_known {
                let message =
                    format!("has a handler for `{event}`, which its manifest does not list, so it is never called");
                (message, format!("add `{event}` under `events` in plugin.yml"))
            } else {
                (
                    format!("has a handler for `{event}`, and there is no such event"),
                    "`mimir events` lists them".to_owned(),
                )
            };
            self.reports.push(Report::slip(id, message, hint));
        }
        for event in listed.iter().filter(|event| !events.iter().any(|handled| handled == *event)) {
            let message = format!("lists `{event}`, and has no handler for it");
            self.reports.push(Report::slip(id, message, format!("remove `{event}` from `events` in plugin.yml")));
        }
    }

    /// The stack in lines of what the author wrote. Frames of ours say nothing to the author.
    fn stack(&self, thrown: &Thrown) -> Option<String> {
        let stack = self.plugin.map_stack(thrown.stack.as_deref()?);
        let own: Vec<_> = stack.lines().filter(|line| !line.contains(PRELUDE)).collect();
        Some(own.join("\n"))
    }

    fn failed(&self, failure: &CallFailure) -> Result<Reply, Failure> {
        match failure {
            CallFailure::Threw(thrown) => Ok(Reply::Threw { message: message(thrown), stack: self.stack(thrown) }),
            CallFailure::Start(thrown) => {
                let at = self.stack(thrown).and_then(|stack| innermost(&stack));
                let at = at.map(|at| format!(" ({at})")).unwrap_or_default();
                let message = format!("it could not start: {}{at}", message(thrown));
                Err(Failure::new(FailureKind::Startup, message))
            }
            other => Err(failure_of(other)),
        }
    }
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
