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
