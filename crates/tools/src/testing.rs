//! What the crate's unit tests share: a dispatcher whose plugins, permissions and clock are told what to do.
#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mimir_plugins::events::{Emit, Emitted, Outcome, Raised};
use mimir_plugins::{Hooks, PluginId};
use mimir_shared_platform::testing::ManualClock;
use serde_json::Value;

use crate::{CallContext, Conflict, Dispatcher, Need, Permission, Permissions, Tool, ToolCall, ToolOutcome};

/// What happened, in its order.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// What the plugins make of an event: nothing leaves it as it is.
pub(crate) type Answer = Box<dyn Fn(&Raised) -> Option<Emitted> + Send + Sync>;

/// What becomes of a request for permission.
pub(crate) type Decide = Box<dyn Fn(&Need) -> Permission + Send + Sync>;

pub(crate) fn plugin(name: &str) -> PluginId {
    PluginId::new(name).unwrap()
}

/// The plugin `guard` answers with this; a change was made by `second` as well.
pub(crate) fn emitted(outcome: Outcome, reason: Option<&str>, payload: &str) -> Emitted {
    let changed_by = if outcome == Outcome::Changed { vec![plugin("guard"), plugin("second")] } else { Vec::new() };
    Emitted {
        outcome,
        by: Some(plugin("guard")),
        changed_by,
        reason: reason.map(str::to_owned),
        payload: payload.into(),
    }
}

pub(crate) fn allowed() -> Permission {
    Permission { allowed: true, by: Permission::RULE.to_owned(), plugin: None, reason: None }
}

struct Plugins {
    log: Log,
    answer: Answer,
}

#[async_trait]
impl Emit for Plugins {
    async fn emit(&self, event: Raised) -> Emitted {
        let tool = serde_json::from_str::<Value>(&event.payload).unwrap();
        let what = tool.get("tool").or(tool.get("path")).and_then(Value::as_str).unwrap_or_default();
        self.log.lock().unwrap().push(format!("{} {what}", event.event));
        (self.answer)(&event).unwrap_or(Emitted {
            outcome: Outcome::Passed,
            by: None,
            changed_by: Vec::new(),
            reason: None,
            payload: event.payload,
        })
    }

    fn emit_background(&self, event: Raised) {
        self.log.lock().unwrap().push(format!("{} (background)", event.event));
    }
}

struct Asked {
    log: Log,
    decide: Decide,
}

#[async_trait]
impl Permissions for Asked {
    async fn ask(&self, need: &Need, context: &CallContext) -> Permission {
        let changed: String = context.changed_by.iter().map(|by| format!(", changed by {by}")).collect();
        self.log.lock().unwrap().push(format!("permission {}{changed}", need.command));
        (self.decide)(need)
    }
}

/// A dispatcher with its surroundings.
pub(crate) struct Stage {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) hooks: Hooks,
    pub(crate) log: Log,
    pub(crate) conflicts: Vec<Conflict>,
}

impl Stage {
    /// Plugins that do nothing, and every permission is given.
    pub(crate) fn new(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        Self::with(tools, Box::new(|_| None), Box::new(|_| allowed()))
    }

    pub(crate) fn with(tools: impl IntoIterator<Item = Arc<dyn Tool>>, answer: Answer, decide: Decide) -> Self {
        let stage = Self::bare(answer, decide);
        let conflicts = stage.dispatcher.register(tools);
        Self { conflicts, ..stage }
    }

    /// For tools that need the same hooks: register them afterwards.
    pub(crate) fn bare(answer: Answer, decide: Decide) -> Self {
        let log = Log::default();
        let hooks = Hooks::new(Arc::new(Plugins { log: Arc::clone(&log), answer }));
        let permissions = Arc::new(Asked { log: Arc::clone(&log), decide });
        let dispatcher = Dispatcher::new(hooks.clone(), permissions, Arc::new(ManualClock::at(7)));
        Self { dispatcher, hooks, log, conflicts: Vec::new() }
    }

    /// Makes a call in the session `s1`.
    pub(crate) async fn call(&self, tool: &str, args: Value) -> ToolOutcome {
        let call = ToolCall { id: "c1".to_owned(), name: tool.to_owned(), args };
        let context = CallContext { session_id: "s1".to_owned(), ..CallContext::default() };
        self.dispatcher.dispatch(call, context).await
    }

    /// The same for a call with a journal, which may fail.
    pub(crate) async fn call_journalled(&self, tool: &str, args: Value, begins: Result<(), String>) -> ToolOutcome {
        let call = ToolCall { id: "c1".to_owned(), name: tool.to_owned(), args };
        let context = CallContext { session_id: "s1".to_owned(), ..CallContext::default() };
        let written = Box::pin(async {
            self.log.lock().unwrap().push("begins".to_owned());
            begins
        });
        self.dispatcher.dispatch_journalled(call, context, written).await
    }

    /// What happened so far, and forgets it.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}
