use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! events {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// One of the events that a plugin can listen to. What each carries and what an answer to it means is the
        /// business of the `hooks` slice.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventName {
            $(#[doc = concat!("`", $name, "`")] $variant),+
        }

        impl EventName {
            /// All events, in the order in which they are documented.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name as plugins write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

events! {
    ToolExecuteBefore = "tool.execute.before",
    ToolExecuteAfter = "tool.execute.after",
    PermissionAsk = "permission.ask",
    PermissionReplied = "permission.replied",
    SessionCreated = "session.created",
    SessionResumed = "session.resumed",
    SessionCompacting = "session.compacting",
    SessionCompacted = "session.compacted",
    SessionIdle = "session.idle",
    SessionError = "session.error",
    MessageAdded = "message.added",
    MessageUpdated = "message.updated",
    MessageRemoved = "message.removed",
    ChatMessage = "chat.message",
    AgentCreated = "agent.created",
    AgentStarted = "agent.started",
    AgentCompleted = "agent.completed",
    AgentFailed = "agent.failed",
    FileModified = "file.modified",
    FileDeleted = "file.deleted",
    CommandExecuted = "command.executed",
    SlashCommandExecuted = "slash.command.executed",
    CostUpdated = "cost.updated",
    BudgetExceeded = "budget.exceeded",
}

/// A name that is no event's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no event `{name}`")]
pub struct UnknownEvent {
    /// The name as it was written.
    pub name: String,
}

impl EventName {
    /// The accepted alias of [`EventName::SessionIdle`] with reason `completed`. A manifest and a plugin's `on` may
    /// use it; payloads and reports always say `session.idle`.
    pub const SESSION_COMPLETED_ALIAS: &'static str = "session.completed";
}

impl FromStr for EventName {
    type Err = UnknownEvent;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|event| event.as_str() == name).ok_or_else(|| UnknownEvent { name: name.to_owned() })
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for EventName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for EventName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::ALL.map(Self::as_str) })
    }
}
