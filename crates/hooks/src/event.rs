use mimir_shared_config::EventName;

use crate::{
    AgentCompleted, AgentCreated, AgentFailed, AgentStarted, BudgetExceeded, ChatMessage, CommandExecuted, CostUpdated,
    FileDeleted, FileModified, InvalidPayload, MessageAdded, MessageRemoved, MessageUpdated, Payload, PermissionAsk,
    PermissionReplied, SessionCompacted, SessionCompacting, SessionCreated, SessionError, SessionIdle, SessionResumed,
    SlashCommandExecuted, ToolExecuteAfter, ToolExecuteBefore,
};

macro_rules! plugin_event {
    ($($event:ident),+ $(,)?) => {
        /// Any event with its payload.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "each variant is its payload, which is documented")]
        pub enum PluginEvent {
            $($event($event)),+
        }

        impl PluginEvent {
            /// Reads a payload as that of `event`.
            ///
            /// # Errors
            /// A payload that is not of the event's shape.
            pub fn parse(event: EventName, payload: &str) -> Result<Self, InvalidPayload> {
                match event {
                    $(EventName::$event => serde_json::from_str(payload).map(Self::$event)),+
                }
                .map_err(|source| InvalidPayload { event, source })
            }

            /// The event's name.
            pub fn name(&self) -> EventName {
                match self { $(Self::$event(_) => EventName::$event),+ }
            }

            /// When it happened, in milliseconds since 1970.
            pub fn timestamp(&self) -> u64 {
                match self { $(Self::$event(payload) => payload.timestamp),+ }
            }

            /// The session that it belongs to.
            pub fn session_id(&self) -> &str {
                match self { $(Self::$event(payload) => payload.session_id()),+ }
            }

            /// The payload as JSON text.
            ///
            /// # Errors
            /// None with the payloads of this version.
            pub fn to_json(&self) -> serde_json::Result<String> {
                match self { $(Self::$event(payload) => serde_json::to_string(payload)),+ }
            }
        }

        $(impl From<$event> for PluginEvent {
            fn from(payload: $event) -> Self {
                Self::$event(payload)
            }
        })+
    };
}

plugin_event! {
    ToolExecuteBefore, ToolExecuteAfter, PermissionAsk, PermissionReplied, SessionCreated, SessionResumed,
    SessionCompacting, SessionCompacted, SessionIdle, SessionError, MessageAdded, MessageUpdated, MessageRemoved,
    ChatMessage, AgentCreated, AgentStarted, AgentCompleted, AgentFailed, FileModified, FileDeleted, CommandExecuted,
    SlashCommandExecuted, CostUpdated, BudgetExceeded,
}
