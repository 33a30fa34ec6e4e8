use std::sync::Arc;

use mimir_shared_config::PluginId;

use crate::{
    AgentEvents, CommandEvents, CostEvents, Decision, Emit, Emitted, FileEvents, MessageEvents, Payload,
    PermissionEvents, Raised, SessionEvents, ToolEvents,
};

/// The typed way to raise events. Whether a method waits is the event's rule: those that are `async` do.
#[derive(Clone)]
pub struct Hooks {
    port: Arc<dyn Emit>,
    cause: Arc<[PluginId]>,
}

impl Hooks {
    /// Raises events through `port`.
    pub fn new(port: Arc<dyn Emit>) -> Self {
        Self { port, cause: Arc::default() }
    }

    /// The same for what the host calls of a chain of plugins raise, the first cause first.
    #[must_use]
    pub fn caused_by(&self, chain: impl IntoIterator<Item = PluginId>) -> Self {
        Self { port: Arc::clone(&self.port), cause: chain.into_iter().collect() }
    }

    /// Events about tool calls.
    pub fn tools(&self) -> ToolEvents {
        ToolEvents(self.clone())
    }

    /// Events about permissions.
    pub fn permissions(&self) -> PermissionEvents {
        PermissionEvents(self.clone())
    }

    /// Events about the session.
    pub fn sessions(&self) -> SessionEvents {
        SessionEvents(self.clone())
    }

    /// Events about messages.
    pub fn messages(&self) -> MessageEvents {
        MessageEvents(self.clone())
    }

    /// Events about agents.
    pub fn agents(&self) -> AgentEvents {
        AgentEvents(self.clone())
    }

    /// Events about files.
    pub fn files(&self) -> FileEvents {
        FileEvents(self.clone())
    }

    /// Events about commands.
    pub fn commands(&self) -> CommandEvents {
        CommandEvents(self.clone())
    }

    /// Events about money.
    pub fn costs(&self) -> CostEvents {
        CostEvents(self.clone())
    }

    /// Raises an event that asks, and reads the decision.
    pub(crate) async fn decide<T: Payload>(&self, event: T) -> Decision<T> {
        let emitted = self.ask(&event).await;
        Decision::read(event, emitted)
    }

    /// Raises an event and waits for what becomes of it.
    pub(crate) async fn ask<T: Payload>(&self, event: &T) -> Emitted {
        self.port.emit(self.raised(event)).await
    }

    /// Raises an event in the background.
    pub(crate) fn tell<T: Payload>(&self, event: &T) {
        self.port.emit_background(self.raised(event));
    }

    fn raised<T: Payload>(&self, event: &T) -> Raised {
        // Payloads have text keys only and no fallible serialiser, which is all that can go wrong (a NaN becomes null).
        let payload = serde_json::to_string(event).unwrap_or_else(|_| "{}".to_owned());
        Raised {
            event: T::EVENT,
            payload: payload.into(),
            session_id: event.session_id().into(),
            cause: Arc::clone(&self.cause),
        }
    }
}
