//! A dispatcher for tools from outside: its plugins let everything pass, and each permission is given and written down.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mimir_plugins::events::{Emit, Emitted, Outcome, Raised};
use mimir_plugins::{Hooks, Level};
use mimir_shared_platform::testing::ManualClock;
use mimir_shared_platform::{Notice, Notifier};
use mimir_tools::{CallContext, Dispatcher, Need, Permission, Permissions, ToolCall, ToolOutcome};
use serde_json::Value;

pub(crate) struct Stage {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) needs: Arc<Mutex<Vec<Need>>>,
    pub(crate) events: Arc<Mutex<Vec<String>>>,
}

struct Passing(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Emit for Passing {
    async fn emit(&self, event: Raised) -> Emitted {
        let payload: Value = serde_json::from_str(&event.payload).unwrap();
        self.0.lock().unwrap().push(format!("{} {} {}", event.event, payload["tool"], payload["source"]));
        Emitted { outcome: Outcome::Passed, by: None, changed_by: Vec::new(), reason: None, payload: event.payload }
    }

    fn emit_background(&self, _: Raised) {}
}

struct Giving(Arc<Mutex<Vec<Need>>>);

#[async_trait]
impl Permissions for Giving {
    async fn ask(&self, need: &Need, _: &CallContext) -> Permission {
        self.0.lock().unwrap().push(need.clone());
        Permission { allowed: true, by: Permission::RULE.to_owned(), plugin: None, reason: None }
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let (needs, events) = (Arc::default(), Arc::default());
        let hooks = Hooks::new(Arc::new(Passing(Arc::clone(&events))));
        let permissions = Arc::new(Giving(Arc::clone(&needs)));
        let dispatcher = Arc::new(Dispatcher::new(hooks, permissions, Arc::new(ManualClock::default())));
        Self { dispatcher, needs, events }
    }

    pub(crate) async fn call(&self, tool: &str, args: Value) -> ToolOutcome {
        let call = ToolCall { id: "call".to_owned(), name: tool.to_owned(), args };
        let context = CallContext { session_id: "session".to_owned(), ..CallContext::default() };
        self.dispatcher.dispatch(call, context).await
    }

    /// What came of a call, in one line.
    pub(crate) async fn said(&self, tool: &str, args: Value) -> String {
        let outcome = self.call(tool, args).await;
        let result = outcome.result.as_str().map_or_else(|| outcome.result.to_string(), str::to_owned);
        if outcome.is_error { format!("error: {result}") } else { result }
    }

    pub(crate) fn last_need(&self) -> Need {
        self.needs.lock().unwrap().last().cloned().unwrap()
    }
}

/// Keeps what the person is told.
#[derive(Default)]
pub(crate) struct Notices(pub(crate) Mutex<Vec<(Level, String)>>);

impl Notifier for Notices {
    fn notify(&self, notice: &Notice<'_>) {
        self.0.lock().unwrap().push((notice.level, notice.message.to_owned()));
    }
}

impl Notices {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }
}
