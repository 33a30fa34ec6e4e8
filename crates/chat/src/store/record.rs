use mimir_plugins::events::AgentInfo;
use mimir_shared_providers::{Message, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ToolCall;

/// A session to begin.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewSession {
    /// The project's folder.
    pub project: String,
    /// What it is about: the task's first words.
    pub title: String,
    /// The model that it talks to.
    pub model: String,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: String,
    /// The project's folder.
    pub project: String,
    /// What it is about.
    pub title: String,
    /// The model that it talks to.
    pub model: String,
    /// When it began, in milliseconds since 1970.
    pub created_at: u64,
    /// When it was last written to, in milliseconds since 1970.
    pub updated_at: u64,
    /// How many messages its main conversation has.
    pub messages: u64,
    /// What it has cost, in US dollars.
    pub cost: f64,
    /// What else is known of it, for plugins.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// A message that is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// Its place in the session, counted from 1; later messages have higher ones.
    pub place: u64,
    /// The agent that it belongs to; nothing for the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Whether a compaction put it away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_compacted: bool,
    /// The message, with its id and time.
    pub message: Message,
}

/// A call that began.
#[derive(Debug, Clone, PartialEq)]
pub struct Journalled {
    /// The agent that made it; nothing for the main one.
    pub agent_id: Option<String>,
    /// The call.
    pub call: ToolCall,
    /// When it began, in milliseconds since 1970.
    pub started_at: u64,
}

/// What was spent, in US dollars, and on how many tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// In the session.
    pub session: f64,
    /// On this day (UTC), in all sessions.
    pub day: f64,
    /// The session's tokens.
    pub usage: Usage,
}

/// A call as the journal has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRecord {
    /// The call's id.
    pub id: String,
    /// The agent that made it; nothing for the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The tool.
    pub tool: String,
    /// The arguments that the model sent.
    pub args: Value,
    /// When it began, in milliseconds since 1970; when it was refused, if it never did.
    pub started_at: u64,
    /// When it ended, or was found to be cut, in milliseconds since 1970; nothing if neither is known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// Whether nobody knows how it ended: its process was killed.
    pub is_cut: bool,
    /// What came of it; nothing if it has no known end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<CallOutcome>,
    /// The message that tells of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

/// What came of a call, without its result: that is in the message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallOutcome {
    /// Whether it failed or did not happen.
    pub is_error: bool,
    /// The arguments that it ran with.
    pub args: Map<String, Value>,
    /// How long the tool itself took, in milliseconds.
    pub duration_ms: u64,
    /// What plugins, rules and people did to it, in their order.
    pub remarks: Vec<CallRemark>,
}

/// What somebody did to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRemark {
    /// The plugin, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// What was done.
    pub what: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A sub-agent of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentRecord {
    /// What it is, and what it was to do.
    #[serde(flatten)]
    pub agent: AgentInfo,
    /// When it began, in milliseconds since 1970.
    pub started_at: u64,
    /// When it was done, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// Why it gave up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a model cost on a day (UTC), in all sessions, those that were deleted as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DaySpending {
    /// The day's beginning, in milliseconds since 1970.
    pub day: u64,
    /// The model.
    pub model: String,
    /// In US dollars.
    pub cost: f64,
    /// On so many tokens.
    pub usage: Usage,
}

/// A session with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    /// The session.
    pub session: Session,
    /// Its tokens.
    pub usage: Usage,
    /// What each model cost in it.
    pub models: Vec<ModelSpending>,
    /// Its sub-agents, in their order.
    pub agents: Vec<AgentRecord>,
    /// All messages, in the order in which they are read.
    pub messages: Vec<Stored>,
    /// All calls of tools, in their order.
    pub calls: Vec<CallRecord>,
}

/// What a model cost in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpending {
    /// The model.
    pub model: String,
    /// In US dollars.
    pub cost: f64,
    /// On so many tokens.
    pub usage: Usage,
}
